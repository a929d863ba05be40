"""Small documents of our own, read once by the process that children are copied from.

Libraries look for fonts, compile patterns and import parts of themselves with the first document
they read. Every child is a copy that dies with its document, so that each would do it anew.
"""

from collections.abc import Sequence
from pathlib import Path

from ingest.settings import Limits

TIMES = 4
"""The interpreter makes code faster only once it has run a few times."""
_LINES = 40
_SENTENCE = "%d Each party keeps what the other tells it in confidence to itself"
_WEB_PAGE = (
    b"<!doctype html><html><head><title>A</title></head><body><h1>Heading</h1><p>Words.</p>"
    b"<ul><li>One</li></ul><table><tr><th>A</th></tr><tr><td>1</td></tr></table></body></html>"
)


def warm(module: str, folder: Path) -> None:
    """Have the parser of a module read a document of ours, where there is one for it."""
    if module == "ingest.parsers.pdf":
        _read_pdf(folder)
    elif module in {"ingest.parsers.html", "ingest.parsers.mail", "ingest.parsers.epub"}:
        _read_page(folder)
    elif module == "ingest.parsers.docx":
        _read_pdf(folder)
        _read_letter(folder)


def _read_pdf(folder: Path) -> None:
    from ingest.parsers import pdf  # noqa: PLC0415 - only where this format is read

    sample = folder / "sample"
    sample.write_bytes(_pdf())
    for _ in range(TIMES):
        pdf.parse(sample, Limits(ocr="off"))
    sample.unlink()


def _pdf() -> bytes:
    """Return two pages: a heading, two columns of lines, and a ruled table."""
    content = ["BT /G 16 Tf 60 800 Td (1 Confidence) Tj ET"]
    for column in (60, 320):
        for line in range(_LINES):
            words = _SENTENCE[: 40 + line % 7] % line
            content.append(f"BT /F 9 Tf {column} {770 - 14 * line} Td ({words}) Tj ET")
    for row in range(5):
        content.append(f"60 {180 - 20 * row} m 520 {180 - 20 * row} l S")
        content.append(f"BT /F 9 Tf 64 {166 - 20 * row} Td (Item {row}) Tj 200 0 Td (Fee) Tj ET")
    content += [f"{x} 180 m {x} 100 l S" for x in (60, 260, 520)]
    drawn = "\n".join(content)
    page = (
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 5 0 R/Resources<</Font<<"
        "/F<</Type/Font/Subtype/Type1/BaseFont/Times-Roman>>"
        "/G<</Type/Font/Subtype/TrueType/BaseFont/Arial-BoldMT>>>>>>>>"
    )
    objects = (
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Kids[3 0 R 4 0 R]/Count 2>>",
        page,
        page,
        f"<</Length {len(drawn)}>>stream\n{drawn}\nendstream",
    )
    return _written(objects)


def _written(objects: Sequence[str]) -> bytes:
    """Return a PDF file of these objects, the first of them its root."""
    file = "%PDF-1.4\n"
    places = []
    for number, each in enumerate(objects, start=1):
        places.append(len(file))
        file += f"{number} 0 obj\n{each}\nendobj\n"
    lines = "".join(f"{place:010} 00000 n \n" for place in places)
    count = len(objects) + 1
    table = f"xref\n0 {count}\n0000000000 65535 f \n{lines}"
    end = f"trailer<</Root 1 0 R/Size {count}>>\nstartxref\n{len(file)}\n%%EOF\n"
    return f"{file}{table}{end}".encode()


def _read_page(folder: Path) -> None:
    from ingest.parsers import html  # noqa: PLC0415

    sample = folder / "sample"
    sample.write_bytes(_WEB_PAGE)
    for _ in range(TIMES):
        html.parse(sample, Limits())
    sample.unlink()


def _read_letter(folder: Path) -> None:
    from docx import Document  # noqa: PLC0415

    from ingest.parsers import docx  # noqa: PLC0415

    sample = folder / "sample"
    document = Document()
    document.add_heading("Heading", level=1)
    for number in range(10):
        document.add_paragraph(_SENTENCE % number)
        document.add_paragraph("An item", style="List Bullet")
    table = document.add_table(rows=3, cols=2)
    for cell in (cell for row in table.rows for cell in row.cells):
        cell.text = "Fee"
    document.save(str(sample))
    for _ in range(TIMES):
        docx.parse(sample, Limits(office_pages=False))
    sample.unlink()
