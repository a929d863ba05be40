import sys
from email.message import EmailMessage
from pathlib import Path

import docx
import openpyxl  # type: ignore[import-untyped]
import pptx
import pytest
from PIL import Image, ImageDraw, ImageFont

from corpus.documents import Block, BlockKind, ParsedDocument
from ingest.errors import Quarantined
from ingest.parsers import docx as docx_parser
from ingest.parsers import html as html_parser
from ingest.parsers import mail, markdown, pdf, picture, separated, text, unstructured_seam, xlsx
from ingest.parsers import pptx as pptx_parser
from ingest.quarantine import Reason
from ingest.settings import Limits
from tests.ingest import making

LIMITS = Limits(ocr="off")


def texts(parsed: ParsedDocument, kind: BlockKind) -> list[str]:
    return [said(parsed, block) for block in parsed.blocks if block.kind is kind]


def said(parsed: ParsedDocument, block: Block) -> str:
    return parsed.text[block.start : block.end]


def test_a_pdf_gives_headings_rows_and_furniture(policy: Path) -> None:
    parsed = pdf.parse(policy, LIMITS)

    assert texts(parsed, BlockKind.HEADING) == [
        "Leave Policy",
        "1 Entitlement",
        "2 Absence",
        "2.1 Illness",
        "3 Records",
    ]
    assert texts(parsed, BlockKind.TABLE_ROW) == [
        "Grade | Days | Notice",
        "Analyst | 25 | 4 weeks",
        "Partner | 30 | 3 months",
    ]
    assert texts(parsed, BlockKind.FURNITURE).count("Leave Policy HR-7") == 3
    assert making.ALLOWANCE in texts(parsed, BlockKind.PARAGRAPH)
    assert parsed.title == "Leave Policy"


def test_a_table_row_of_a_pdf_knows_its_column_names(policy: Path) -> None:
    parsed = pdf.parse(policy, LIMITS)

    rows = [block for block in parsed.blocks if block.kind is BlockKind.TABLE_ROW]

    assert [row.context for row in rows] == ["", "Grade | Days | Notice", "Grade | Days | Notice"]


def test_every_word_of_a_pdf_stands_where_its_offsets_say(policy: Path) -> None:
    parsed = pdf.parse(policy, LIMITS)

    assert " ".join(parsed.text[word.start : word.end] for word in parsed.words) == " ".join(
        word for word in parsed.text.split() if word != "|"
    )
    assert [page.start for page in parsed.pages] == sorted(page.start for page in parsed.pages)
    assert parsed.pages[-1].end == len(parsed.text)


def test_a_pdf_with_a_password_says_so(tmp_path: Path) -> None:
    locked = making.plain_pdf(tmp_path / "locked.pdf", "secret", password="sesame")

    with pytest.raises(Quarantined) as caught:
        pdf.parse(locked, LIMITS)

    assert caught.value.reason is Reason.ENCRYPTED


def test_a_pdf_with_too_many_pages_is_refused_before_it_is_read(policy: Path) -> None:
    with pytest.raises(Quarantined) as caught:
        pdf.parse(policy, Limits(maximum_pages=2))

    assert caught.value.reason is Reason.TOO_MANY_PAGES


def scan(path: Path) -> Path:
    picture = Image.new("L", (1654, 600), 255)
    font = ImageFont.load_default(size=46)
    ImageDraw.Draw(picture).text((150, 150), "The deposit is 109,500 pounds.", 0, font=font)
    picture.save(path, "PDF" if path.suffix == ".pdf" else None, resolution=200)
    return path


@pytest.mark.parametrize("engine", ["auto", "rapidocr"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_scanned_page_is_recognised_with_boxes(engine: str, tmp_path: Path) -> None:
    parsed = pdf.parse(scan(tmp_path / "scan.pdf"), Limits(ocr=engine))  # type: ignore[arg-type]

    assert "deposit" in parsed.text
    assert "109,500" in parsed.text
    assert (parsed.pages[0].ocr_confidence or 0) > 0.5
    first = parsed.words[0]
    assert first.x0 == pytest.approx(150 * 0.36, abs=6)
    assert first.y0 == pytest.approx(160 * 0.36, abs=8)


def test_a_picture_without_recognition_is_refused_and_says_why(tmp_path: Path) -> None:
    with pytest.raises(Quarantined) as caught:
        picture.parse(scan(tmp_path / "scan.png"), LIMITS)

    assert caught.value.reason is Reason.RECOGNITION_UNAVAILABLE


def test_a_word_document_gives_headings_lists_and_tables_in_order(tmp_path: Path) -> None:
    document = docx.Document()
    document.add_heading("Leavers", level=1)
    document.add_paragraph("Give back everything on the last day.")
    document.add_heading("Charges", level=2)
    table = document.add_table(rows=2, cols=2)
    for cell, value in zip(
        (cell for row in table.rows for cell in row.cells),
        ["Item", "Charge", "Building pass", "£15"],
        strict=True,
    ):
        cell.text = value
    document.add_paragraph("Ask Reception.", style="List Bullet")
    document.save(str(tmp_path / "leavers.docx"))

    parsed = docx_parser.parse(tmp_path / "leavers.docx", LIMITS)

    assert [(block.kind, block.level, said(parsed, block)) for block in parsed.blocks] == [
        (BlockKind.HEADING, 1, "Leavers"),
        (BlockKind.PARAGRAPH, 0, "Give back everything on the last day."),
        (BlockKind.HEADING, 2, "Charges"),
        (BlockKind.TABLE_ROW, 0, "Item | Charge"),
        (BlockKind.TABLE_ROW, 0, "Building pass | £15"),
        (BlockKind.LIST_ITEM, 0, "• Ask Reception."),
    ]
    assert parsed.blocks[4].context == "Item | Charge"


def test_slides_are_named_by_their_number(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    for title, body in (("Day one", "Bring your passport."), ("Day two", "Bring your pass.")):
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = body
    deck.save(str(tmp_path / "deck.pptx"))

    parsed = pptx_parser.parse(tmp_path / "deck.pptx", LIMITS)

    places = {said(parsed, block).removeprefix("• "): block.place for block in parsed.blocks}
    assert places["Day one"] == places["Bring your passport."] == "Slide 1"
    assert places["Bring your pass."] == "Slide 2"


def test_a_workbook_gives_rows_with_their_place_and_column_names(tmp_path: Path) -> None:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.title = "Fees"
    sheet.append(["Fees from January"])
    sheet.append(["Service", "Rate", "Yearly"])
    sheet.append(["Custody", 0.0012, 1200])
    sheet["B3"].number_format = "0.00%"
    sheet["C3"].number_format = "£#,##0"
    # Kept originals have no extension.
    workbook.save(tmp_path / "kept")

    parsed = xlsx.parse(tmp_path / "kept", LIMITS)

    row = parsed.blocks[-1]
    assert said(parsed, row) == "Custody | 0.12% | £1,200"
    assert (row.place, row.context) == ("Sheet Fees, A3:C3", "Service | Rate | Yearly")


def test_a_web_page_is_read_without_its_scripts(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(
        "<!doctype html><html><head><title>Desk</title><script>var hidden = 1</script></head>"
        "<body><h1>Service desk</h1><h2>How do I reach it?</h2><p>Dial 4999 on any telephone.</p>"
        "<table><tr><th>Priority</th><th>Reply</th></tr><tr><td>1</td><td>15 minutes</td></tr>"
        "</table></body></html>"
    )

    parsed = html_parser.parse(page, LIMITS)

    assert parsed.title == "Desk"
    assert texts(parsed, BlockKind.HEADING) == ["Service desk", "How do I reach it?"]
    assert texts(parsed, BlockKind.TABLE_ROW) == ["Priority | Reply", "1 | 15 minutes"]
    assert "hidden" not in parsed.text


def test_a_mail_begins_with_who_wrote_to_whom(tmp_path: Path) -> None:
    message = EmailMessage()
    message["From"] = "Ada <ada@firm.example>"
    message["To"] = "Ben <ben@firm.example>"
    message["Subject"] = "Lockers"
    message.set_content("Dear Ben,\n\nEmpty yours by Friday.\n")
    message.add_attachment(b"x", maintype="text", subtype="plain", filename="list.txt")
    (tmp_path / "mail.eml").write_bytes(message.as_bytes())

    parsed = mail.parse(tmp_path / "mail.eml", LIMITS)

    assert parsed.title == "Lockers"
    assert parsed.text.startswith("From: Ada <ada@firm.example>\nTo: Ben <ben@firm.example>\n")
    assert "Attachment: list.txt" in parsed.text
    assert "Empty yours by Friday." in texts(parsed, BlockKind.PARAGRAPH)


def test_markdown_is_read_without_its_marks(tmp_path: Path) -> None:
    note = tmp_path / "note.md"
    note.write_text(
        "# Rooms\n\nThe **large** room seats [twelve](http://x.example).\n\n- one\n- two\n\n"
        "| Room | Seats |\n|---|---|\n| Quay | 12 |\n"
    )

    parsed = markdown.parse(note, LIMITS)

    assert parsed.title == "Rooms"
    assert texts(parsed, BlockKind.PARAGRAPH) == ["The large room seats twelve."]
    assert texts(parsed, BlockKind.LIST_ITEM) == ["• one", "• two"]
    assert texts(parsed, BlockKind.TABLE_ROW) == ["Room | Seats", "Quay | 12"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_plain_text_is_read_in_the_usual_encodings(encoding: str, tmp_path: Path) -> None:
    note = tmp_path / "note.txt"
    note.write_bytes("1 Fees\n\nThe fee is £5.\n\nSecond paragraph.".encode(encoding))

    parsed = text.parse(note, LIMITS)

    assert texts(parsed, BlockKind.HEADING) == ["1 Fees"]
    assert texts(parsed, BlockKind.PARAGRAPH) == ["The fee is £5.", "Second paragraph."]


def test_separated_values_are_rows(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("Name;Room\nAda;12\nBen;14\n")

    parsed = separated.parse(table, LIMITS)

    assert texts(parsed, BlockKind.TABLE_ROW) == ["Name | Room", "Ada | 12", "Ben | 14"]
    assert parsed.blocks[2].context == "Name | Room"


def test_unstructured_asks_for_no_language_data() -> None:
    text_type = sys.modules["unstructured.partition.text_type"]
    for name, function in unstructured_seam.REPLACED.items():
        assert getattr(text_type, name) is function
