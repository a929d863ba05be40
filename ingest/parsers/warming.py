"""Small documents of our own, read once by the process that children are copied from.

Libraries look for fonts, compile patterns and import parts of themselves with the first document
they read. Every child is a copy that dies with its document, so that each would do it anew.
"""

import contextlib
from pathlib import Path

from ingest.errors import Quarantined
from ingest.settings import Limits

_PAGE = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
    b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]/Contents 4 0 R"
    b"/Resources<</Font<</F<</Type/Font/Subtype/Type1/BaseFont/Times-Roman>>"
    b"/G<</Type/Font/Subtype/TrueType/BaseFont/Arial-BoldMT>>>>>>>>endobj\n"
    b"4 0 obj<</Length 141>>stream\n"
    b"BT /F 12 Tf 30 250 Td (The first page of a document) Tj 0 -14 Td (goes on here.) Tj "
    b"/G 14 Tf 0 -40 Td (A heading) Tj 100 0 Td (beside) Tj ET     \n"
    b"endstream endobj\ntrailer<</Root 1 0 R>>\n"
)
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
    sample.write_bytes(_PAGE)
    with contextlib.suppress(Quarantined):
        pdf.parse(sample, Limits(ocr="off"))
    sample.unlink()


def _read_page(folder: Path) -> None:
    from ingest.parsers import html  # noqa: PLC0415

    sample = folder / "sample"
    sample.write_bytes(_WEB_PAGE)
    html.parse(sample, Limits())
    sample.unlink()


def _read_letter(folder: Path) -> None:
    from docx import Document  # noqa: PLC0415

    from ingest.parsers import docx  # noqa: PLC0415

    sample = folder / "sample"
    document = Document()
    document.add_heading("Heading", level=1)
    document.add_paragraph("Words.")
    document.save(str(sample))
    docx.parse(sample, Limits(office_pages=False))
    sample.unlink()
