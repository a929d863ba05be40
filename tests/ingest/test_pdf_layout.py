"""What the PDF parser makes of pages that are hard to read in order."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from reportlab.lib.pagesizes import A4, LETTER
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas

from corpus.documents import BlockKind, ParsedDocument, line_boxes
from ingest.chunking import cut
from ingest.parsers import pdf
from ingest.settings import Limits
from tests.ingest.marks import Marked, agreement, letters_of

LIMITS = Limits(ocr="off")
PROSE = (
    "The firm keeps each record for as long as the law asks and no longer than that because what "
    "is kept must be found again guarded and one day destroyed which costs more than a shelf "
)
NAMES = ("land", "sea", "air", "fire")


def kinds(parsed: ParsedDocument, kind: BlockKind) -> list[str]:
    return [parsed.text[b.start : b.end] for b in parsed.blocks if b.kind is kind]


def words_of(parsed: ParsedDocument) -> list[str]:
    return [parsed.text[word.start : word.end] for word in parsed.words]


def set_in_lines(text: str, width: float, size: float = 10) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if stringWidth(longer, "Helvetica", size) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def two_columns(path: Path, *, across: bool) -> list[str]:
    """Draw two columns of prose, line by line across both or one after the other.

    Returns:
        The words in the order in which they are to be read.
    """
    left = set_in_lines(
        " ".join(f"left{n} {word}" for n, word in enumerate(PROSE.split() * 6)), 220
    )
    right = set_in_lines(
        " ".join(f"right{n} {word}" for n, word in enumerate(PROSE.split() * 6)), 220
    )
    left, right = left[:44], right[:40]
    canvas = Canvas(str(path), pagesize=A4)
    canvas.setFont("Helvetica", 16)
    canvas.drawString(60, 780, "A heading over both columns of this page")
    canvas.setFont("Helvetica", 10)
    places = [(60, 740 - 14 * n, line) for n, line in enumerate(left)]
    others = [(310, 740 - 14 * n, line) for n, line in enumerate(right)]
    drawn = [*places, *others]
    if across:
        drawn.sort(key=lambda place: -place[1])
    for x, y, line in drawn:
        canvas.drawString(x, y, line)
    canvas.save()
    return f"A heading over both columns of this page {' '.join(left)} {' '.join(right)}".split()


@pytest.mark.parametrize("across", [True, False], ids=["drawn across", "drawn one by one"])
def test_two_columns_are_read_one_after_the_other(across: bool, tmp_path: Path) -> None:
    truth = two_columns(tmp_path / "page.pdf", across=across)

    found = words_of(pdf.parse(tmp_path / "page.pdf", LIMITS))

    shared = (Counter(pairwise(found)) & Counter(pairwise(truth))).total()
    assert 2 * shared / (len(found) + len(truth) - 2) >= 0.99


def statement(path: Path) -> Path:
    """Draw a table without any line: amounts below years, a long label over two lines."""
    canvas = Canvas(str(path), pagesize=LETTER)
    canvas.setFont("Helvetica-Bold", 10)
    canvas.drawString(72, 720, "Statement of income")
    canvas.setFont("Helvetica", 10)
    canvas.drawString(372, 700, "Years ended June 30,")
    for x, year in ((400, "2023"), (470, "2022")):
        canvas.drawRightString(x, 685, year)
    rows = [
        ("Net sales", "14,694", "14,544"),
        ("Cost of sales", "(11,969)", "(11,724)"),
        ("Operating costs:", "", ""),
        ("Research", "(101)", "(96)"),
        ("Income before taxes and the equity in", "", ""),
        ("income of companies", "1,251", "1,115"),
    ]
    for number, (label, first, second) in enumerate(rows):
        y = 668 - 15 * number
        canvas.drawString(72, y, label)
        canvas.drawRightString(400, y, first)
        canvas.drawRightString(470, y, second)
        if not number:
            canvas.drawString(355, y, "$")
            canvas.drawString(425, y, "$")
    canvas.drawString(72, 540, "See the notes, which are part of this statement.")
    canvas.save()
    return path


def test_a_table_without_lines_gives_rows_under_the_names_of_its_columns(tmp_path: Path) -> None:
    parsed = pdf.parse(statement(tmp_path / "statement.pdf"), LIMITS)

    assert kinds(parsed, BlockKind.TABLE_ROW) == [
        "| Years ended June 30,",
        "| 2023 | 2022",
        "Net sales | $ 14,694 | $ 14,544",
        "Cost of sales | (11,969) | (11,724)",
        "Operating costs:",
        "Research | (101) | (96)",
        "Income before taxes and the equity in income of companies | 1,251 | 1,115",
    ]
    contexts = {b.context for b in parsed.blocks if b.kind is BlockKind.TABLE_ROW}
    assert contexts == {"", "| Years ended June 30, 2023 | Years ended June 30, 2022"}
    assert kinds(parsed, BlockKind.PARAGRAPH) == [
        "See the notes, which are part of this statement."
    ]


def test_marked_list_items_are_no_table(tmp_path: Path) -> None:
    canvas = Canvas(str(tmp_path / "list.pdf"), pagesize=A4)
    for number, item in enumerate(("the report", "the minutes", "the letter of the auditor")):
        canvas.drawString(72, 700 - 16 * number, f"({'abc'[number]})")
        canvas.drawString(110, 700 - 16 * number, item)
    canvas.save()

    parsed = pdf.parse(tmp_path / "list.pdf", LIMITS)

    assert kinds(parsed, BlockKind.LIST_ITEM) == [
        "(a) the report",
        "(b) the minutes",
        "(c) the letter of the auditor",
    ]


def report(path: Path, *, pages: int = 4) -> Path:
    """Draw pages with a running head, a footnote, numbers in the foot and bookmarks."""
    canvas = Canvas(str(path), pagesize=A4)
    for number in range(1, pages + 1):
        canvas.setFont("Helvetica", 9)
        canvas.drawString(72, 810, "Annual report of the trustees")
        canvas.setFont("Helvetica", 11)
        canvas.drawString(72, 760, f"Chapter the {number}th")
        canvas.bookmarkPage(f"c{number}")
        canvas.addOutlineEntry(f"Chapter the {number}th", f"c{number}", level=0)
        for line, text in enumerate(set_in_lines(PROSE, 400, 11)):
            canvas.drawString(72, 730 - 14 * line, text)
        canvas.setFont("Helvetica", 8)
        canvas.drawString(72, 90, f"{number} As told by the law of the {NAMES[number - 1]}.")
        canvas.setFont("Helvetica", 11)
        for line, text in enumerate(set_in_lines(PROSE, 400, 11)):
            canvas.drawString(72, 630 - 14 * line, text)
        canvas.drawCentredString(300, 40, str(number + 6))
        canvas.showPage()
    canvas.save()
    return path


def test_running_heads_and_page_numbers_are_kept_out_of_chunks(tmp_path: Path) -> None:
    parsed = pdf.parse(report(tmp_path / "report.pdf"), LIMITS)

    furniture = kinds(parsed, BlockKind.FURNITURE)
    assert furniture == [
        line for n in range(4) for line in ("Annual report of the trustees", str(n + 7))
    ]
    chunks = [parsed.text[chunk.start : chunk.end] for chunk in cut(parsed)]
    assert not any("trustees" in chunk for chunk in chunks)
    assert {chunk.page for chunk in cut(parsed)} == {0, 1, 2, 3}


def test_bookmarks_name_headings_that_look_like_text(tmp_path: Path) -> None:
    parsed = pdf.parse(report(tmp_path / "report.pdf"), LIMITS)

    assert kinds(parsed, BlockKind.HEADING) == [f"Chapter the {n}th" for n in range(1, 5)]
    assert cut(parsed)[0].heading_path == ("Chapter the 1th",)


def test_a_footnote_stands_after_the_text_of_its_page(tmp_path: Path) -> None:
    parsed = pdf.parse(report(tmp_path / "report.pdf"), LIMITS)

    order = [b.kind for b in parsed.blocks if b.start < parsed.pages[0].end]
    assert order[-2:] == [BlockKind.FOOTNOTE, BlockKind.FURNITURE]
    assert kinds(parsed, BlockKind.FOOTNOTE)[0] == "1 As told by the law of the land."


def test_a_word_broken_at_a_line_end_is_whole_and_its_halves_keep_their_boxes(
    tmp_path: Path,
) -> None:
    canvas = Canvas(str(tmp_path / "broken.pdf"), pagesize=A4)
    for line, text in enumerate(("The firm keeps a long-", "term plan and the docu-", "ment.")):
        canvas.drawString(72, 700 - 14 * line, text)
    canvas.drawString(72, 600, "A long-term plan is reviewed.")
    canvas.save()

    parsed = pdf.parse(tmp_path / "broken.pdf", LIMITS)

    assert parsed.text == (
        "The firm keeps a long-term plan and the document.\n\nA long-term plan is reviewed."
    )
    document = parsed.text.index("document")
    boxes = line_boxes(parsed.words, document, document + len("document"))
    assert len(boxes) == 2
    assert boxes[0].y0 < boxes[1].y0


def turned_page(path: Path, rotation: int) -> Path:
    canvas = Canvas(str(path), pagesize=(800, 800))
    canvas.setPageRotation(rotation)
    canvas.setCropBox((50, 100, 560, 750))
    canvas.drawString(72, 700, "The deposit is held by a trustee until the lease has ended.")
    canvas.drawString(72, 60, "cropped away")
    canvas.save()
    return path


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_a_turned_and_cropped_page_is_marked_where_it_is_seen(
    rotation: int, tmp_path: Path
) -> None:
    file = turned_page(tmp_path / "turned.pdf", rotation)

    parsed = pdf.parse(file, LIMITS)

    assert parsed.text == "The deposit is held by a trustee until the lease has ended."
    page = parsed.pages[0]
    assert (page.width, page.height) == ((510, 650) if rotation % 180 == 0 else (650, 510))
    marked = Marked(parsed.text, line_boxes(parsed.words, 0, len(parsed.text)))
    assert agreement(marked, letters_of(file, {0})) == 1


def test_a_table_drawn_sideways_is_read_upright(tmp_path: Path) -> None:
    canvas = Canvas(str(tmp_path / "sideways.pdf"), pagesize=A4)
    canvas.rotate(90)
    for number, row in enumerate((("Office", "Staff"), ("London", "1,204"), ("Madrid", "310"))):
        canvas.drawString(100, -100 - 20 * number, row[0])
        canvas.drawString(300, -100 - 20 * number, row[1])
    for line in range(3):
        canvas.drawString(100, -200 - 14 * line, "Staff means people with a contract.")
    canvas.save()

    parsed = pdf.parse(tmp_path / "sideways.pdf", LIMITS)

    assert kinds(parsed, BlockKind.TABLE_ROW) == [
        "Office | Staff",
        "London | 1,204",
        "Madrid | 310",
    ]
    first = parsed.words[0]
    assert first.y1 - first.y0 > first.x1 - first.x0


@pytest.mark.parametrize("make", [statement, report], ids=["table", "report"])
def test_the_text_under_the_boxes_of_every_chunk_is_its_text(make: object, tmp_path: Path) -> None:
    file = make(tmp_path / "file.pdf")  # type: ignore[operator]
    parsed = pdf.parse(file, LIMITS)

    letters = letters_of(file, {page.number for page in parsed.pages})

    for chunk in cut(parsed):
        boxes = line_boxes(parsed.words, chunk.start, chunk.end)
        assert agreement(Marked(parsed.text[chunk.start : chunk.end], boxes), letters) == 1


def test_a_table_that_goes_on_keeps_the_names_of_its_columns(tmp_path: Path) -> None:
    canvas = Canvas(str(tmp_path / "long.pdf"), pagesize=A4)
    rows = [("Office", "Town", "Staff"), *[(f"Nr {n}", "London", f"{n},204") for n in range(1, 61)]]
    for page in (rows[:31], rows[31:]):
        for number, row in enumerate(page):
            for x, cell in zip((72, 200, 330), row, strict=True):
                canvas.drawString(x, 700 - 18 * number, cell)
        canvas.showPage()
    canvas.save()

    parsed = pdf.parse(tmp_path / "long.pdf", LIMITS)

    contexts = [b.context for b in parsed.blocks if b.kind is BlockKind.TABLE_ROW]
    assert contexts == ["", *["Office | Town | Staff"] * 60]
