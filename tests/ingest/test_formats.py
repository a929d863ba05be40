"""Formats beyond the first ones: what of their structure, notes and properties is kept."""

import zipfile
from pathlib import Path

import docx
import pptx
import pypdfium2
import pytest
from docx.opc.packuri import PackURI
from docx.opc.part import Part
from lxml import etree  # type: ignore[import-untyped]
from PIL import Image, ImageDraw, ImageFont

from corpus.documents import BlockKind, Page, ParsedDocument, Word, line_boxes
from ingest.decoding import decoded, decoded_markup, without_double_encoding
from ingest.errors import Quarantined
from ingest.parsers import docx as docx_parser
from ingest.parsers import epub, html, old_office, opendocument, outlook, picture, rtf, xls
from ingest.parsers import pptx as pptx_parser
from ingest.parsers.libreoffice import installed
from ingest.parsers.recognition import tesseract
from ingest.parsers.rendition import anchored, matched
from ingest.parsing import FORMATS, parser_in
from ingest.quarantine import Reason
from ingest.settings import Limits
from ingest.sniffing import EPUB, ODP, ODS, ODT
from tests.ingest.outcomes import data_folder

LIMITS = Limits(ocr="off", office_pages=False)
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
OFFICE_SPACES = " ".join(
    f'xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for prefix, name in (
        ("office", "office"),
        ("text", "text"),
        ("table", "table"),
        ("draw", "drawing"),
        ("presentation", "presentation"),
        ("meta", "meta"),
    )
)
META = (
    f'<office:document-meta {OFFICE_SPACES} xmlns:dc="http://purl.org/dc/elements/1.1/">'
    "<office:meta><dc:title>Lease of 2026</dc:title><meta:initial-creator>Ada"
    "</meta:initial-creator><dc:date>2026-02-03T10:00:00</dc:date>"
    '<meta:user-defined meta:name="Matter">M-104</meta:user-defined>'
    "</office:meta></office:document-meta>"
)


def kinds(parsed: ParsedDocument) -> list[tuple[BlockKind, str]]:
    return [(block.kind, parsed.text[block.start : block.end]) for block in parsed.blocks]


def open_document(path: Path, media_type: str, body: str, *, manifest: str = "<m/>") -> Path:
    content = (
        f"<office:document-content {OFFICE_SPACES}><office:body>{body}</office:body>"
        "</office:document-content>"
    )
    return packed(
        path,
        {
            "mimetype": media_type,
            "META-INF/manifest.xml": manifest,
            "content.xml": content,
            "meta.xml": META,
        },
    )


def packed(path: Path, members: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as made:
        for name, text in members.items():
            made.writestr(name, text)
    return path


def test_every_format_names_a_parser_that_is_there() -> None:
    assert all(callable(parser_in(each.module)) for each in FORMATS.values())


def test_an_opendocument_text_keeps_headings_lists_tables_and_notes(tmp_path: Path) -> None:
    body = (
        '<office:text><text:h text:outline-level="2">Rent</text:h>'
        "<text:p>The rent<text:s/>is due<text:note><text:note-citation>1</text:note-citation>"
        "<text:note-body><text:p>Monthly.</text:p></text:note-body></text:note>.</text:p>"
        "<text:list><text:list-item><text:p>first</text:p></text:list-item>"
        "<text:list-item><text:p>second</text:p></text:list-item></text:list>"
        "<table:table><table:table-row><table:table-cell><text:p>Item</text:p>"
        "</table:table-cell><table:table-cell><text:p>Fee</text:p></table:table-cell>"
        "</table:table-row><table:table-row><table:table-cell><text:p>Desk</text:p>"
        "</table:table-cell><table:table-cell><text:p>£5</text:p></table:table-cell>"
        "</table:table-row></table:table></office:text>"
    )

    parsed = opendocument.parse(open_document(tmp_path / "a", ODT, body), LIMITS)

    assert kinds(parsed) == [
        (BlockKind.HEADING, "Rent"),
        (BlockKind.PARAGRAPH, "The rent is due1."),
        (BlockKind.FOOTNOTE, "1 Monthly."),
        (BlockKind.LIST_ITEM, "• first"),
        (BlockKind.LIST_ITEM, "• second"),
        (BlockKind.TABLE_ROW, "Item | Fee"),
        (BlockKind.TABLE_ROW, "Desk | £5"),
    ]
    assert parsed.blocks[0].level == 2
    assert parsed.blocks[-1].context == "Item | Fee"
    assert parsed.title == "Lease of 2026"
    assert parsed.properties == {"Author": "Ada", "Modified": "2026-02-03", "Matter": "M-104"}


def test_an_opendocument_sheet_keeps_the_place_of_its_rows(tmp_path: Path) -> None:
    body = (
        '<office:spreadsheet><table:table table:name="Fees">'
        '<table:table-row table:number-rows-repeated="3"><table:table-cell/></table:table-row>'
        "<table:table-row><table:table-cell><text:p>Item</text:p></table:table-cell>"
        "<table:table-cell><text:p>Fee</text:p></table:table-cell></table:table-row>"
        "<table:table-row><table:table-cell><text:p>Desk</text:p></table:table-cell>"
        "<table:table-cell><text:p>£5</text:p></table:table-cell></table:table-row>"
        '<table:table-row table:number-rows-repeated="1048000"><table:table-cell '
        'table:number-columns-repeated="16384"/></table:table-row></table:table>'
        "</office:spreadsheet>"
    )

    parsed = opendocument.parse(open_document(tmp_path / "a", ODS, body), LIMITS)

    assert parsed.blocks[-1].place == "Sheet Fees, A5:B5"
    assert parsed.blocks[-1].context == "Item | Fee"


def test_an_opendocument_slide_is_named_by_its_number(tmp_path: Path) -> None:
    slide = (
        '<draw:page><draw:frame presentation:class="title"><draw:text-box><text:p>{}</text:p>'
        "</draw:text-box></draw:frame><draw:frame><draw:text-box><text:p>Words.</text:p>"
        "</draw:text-box></draw:frame></draw:page>"
    )
    body = f"<office:presentation>{slide.format('One')}{slide.format('Two')}</office:presentation>"

    parsed = opendocument.parse(open_document(tmp_path / "a", ODP, body), LIMITS)

    assert kinds(parsed)[2] == (BlockKind.HEADING, "Two")
    assert parsed.blocks[3].place == "Slide 2"


def test_an_encrypted_opendocument_file_says_so(tmp_path: Path) -> None:
    manifest = "<manifest:encryption-data/>"

    with pytest.raises(Quarantined) as caught:
        opendocument.parse(open_document(tmp_path / "a", ODT, "", manifest=manifest), LIMITS)

    assert caught.value.reason is Reason.ENCRYPTED


def book(path: Path, extra: dict[str, str] | None = None) -> Path:
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        "<metadata><dc:title>Rules</dc:title><dc:creator>Ada</dc:creator></metadata><manifest>"
        '<item id="b" href="two.xhtml" media-type="application/xhtml+xml"/>'
        '<item id="a" href="one.xhtml" media-type="application/xhtml+xml"/></manifest>'
        '<spine><itemref idref="a"/><itemref idref="b"/></spine></package>'
    )
    page = (
        "<html xmlns='http://www.w3.org/1999/xhtml'><body><h1>{0}</h1><p>Of {0}.</p></body></html>"
    )
    members = {
        "mimetype": EPUB,
        "META-INF/container.xml": '<container><rootfiles><rootfile full-path="in/book.opf"/>'
        "</rootfiles></container>",
        "in/book.opf": package,
        "in/one.xhtml": page.format("Fees"),
        "in/two.xhtml": page.format("Leave"),
    }
    return packed(path, members | (extra or {}))


def test_a_book_is_read_in_the_order_of_its_spine(tmp_path: Path) -> None:
    parsed = epub.parse(book(tmp_path / "book"), LIMITS)

    assert [text for kind, text in kinds(parsed) if kind is BlockKind.HEADING] == ["Fees", "Leave"]
    assert (parsed.title, parsed.properties["Author"]) == ("Rules", "Ada")


def test_a_protected_book_says_so(tmp_path: Path) -> None:
    lock = {"META-INF/encryption.xml": '<e><EncryptionMethod Algorithm="aes256"/></e>'}

    with pytest.raises(Quarantined) as caught:
        epub.parse(book(tmp_path / "book", lock), LIMITS)

    assert caught.value.reason is Reason.ENCRYPTED


def with_body(document: docx.document.Document, xml: str) -> None:
    body = document.element.body
    for element in etree.fromstring(f'<w:body xmlns:w="{WORD}">{xml}</w:body>'):
        body.insert(len(body) - 1, element)


def test_what_readers_of_word_files_pass_over_is_read(tmp_path: Path) -> None:
    document = docx.Document()
    with_body(
        document,
        "<w:p><w:r><w:t>The tenant </w:t></w:r><w:ins><w:r><w:t>always </w:t></w:r></w:ins>"
        "<w:del><w:r><w:delText>never </w:delText></w:r></w:del><w:r><w:t>pays.</w:t></w:r></w:p>"
        "<w:sdt><w:sdtContent><w:p><w:r><w:t>Clause in a control.</w:t></w:r></w:p>"
        "</w:sdtContent></w:sdt>"
        "<w:p><w:r><w:t>Beside.</w:t></w:r><w:r><w:pict><w:txbxContent><w:p><w:r>"
        "<w:t>In a box.</w:t></w:r></w:p></w:txbxContent></w:pict></w:r></w:p>",
    )
    document.save(str(tmp_path / "a"))

    parsed = docx_parser.parse(tmp_path / "a", LIMITS)

    assert [text for _, text in kinds(parsed)] == [
        "The tenant always pays.",
        "Clause in a control.",
        "Beside.",
        "In a box.",
    ]


def test_a_note_of_a_word_file_follows_the_paragraph_that_refers_to_it(tmp_path: Path) -> None:
    document = docx.Document()
    with_body(
        document,
        '<w:p><w:r><w:t>The rent is due.</w:t></w:r><w:r><w:footnoteReference w:id="2"/></w:r>'
        "</w:p><w:p><w:r><w:t>Next.</w:t></w:r></w:p>",
    )
    notes = (
        f'<w:footnotes xmlns:w="{WORD}"><w:footnote w:id="2"><w:p><w:r><w:t>Monthly.</w:t></w:r>'
        "</w:p></w:footnote></w:footnotes>"
    )
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes"
    content = "application/vnd.openxmlformats-officedocument.wordprocessingml.footnotes+xml"
    part = Part(PackURI("/word/footnotes.xml"), content, notes.encode(), document.part.package)
    document.part.relate_to(part, kind)
    document.save(str(tmp_path / "a"))

    parsed = docx_parser.parse(tmp_path / "a", LIMITS)

    assert kinds(parsed) == [
        (BlockKind.PARAGRAPH, "The rent is due."),
        (BlockKind.FOOTNOTE, "Monthly."),
        (BlockKind.PARAGRAPH, "Next."),
    ]


def test_a_word_file_with_macros_is_read_without_them(tmp_path: Path) -> None:
    document = docx.Document()
    document.add_paragraph("Read me.")
    document.save(str(tmp_path / "plain"))
    with zipfile.ZipFile(tmp_path / "plain") as source:
        members = {name: source.read(name) for name in source.namelist()}
    types = members["[Content_Types].xml"].replace(
        b"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml",
        b"application/vnd.ms-word.document.macroEnabled.main+xml",
    )
    with zipfile.ZipFile(tmp_path / "macros", "w") as made:
        for name, data in (members | {"[Content_Types].xml": types}).items():
            made.writestr(name, data)

    assert docx_parser.parse(tmp_path / "macros", LIMITS).text == "Read me."


def test_rich_text_gives_its_words_without_libreoffice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "a").write_bytes(
        b"{\\rtf1\\ansi\\ansicpg1250{\\info{\\title Fees}{\\author Ada}}"
        b"The fee is za\\'bf\\'f3\\'b3\\'e6.\\par\\par Second.}"
    )

    parsed = rtf.parse(tmp_path / "a", LIMITS)

    assert "The fee is zażółć." in parsed.text
    assert (parsed.title, parsed.properties["Author"]) == ("Fees", "Ada")


def test_an_old_word_file_without_libreoffice_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    letter = data_folder() / "files" / "office" / "fake.doc"
    if not letter.is_file():
        pytest.skip("no evaluation data")

    with pytest.raises(Quarantined) as caught:
        old_office.parse(letter, LIMITS)

    assert caught.value.reason is Reason.LIBREOFFICE_MISSING
    assert "LibreOffice" in caught.value.reason.remedy


@pytest.mark.skipif(not installed(), reason="LibreOffice is not installed")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_word_file_stands_on_pages_where_libreoffice_draws_them(tmp_path: Path) -> None:
    document = docx.Document()
    document.add_heading("Leavers", level=1)
    document.add_paragraph("Give back everything on the last day.")
    document.add_page_break()  # type: ignore[no-untyped-call]
    document.add_paragraph("Ask Reception for the form.")
    document.save(str(tmp_path / "a"))

    parsed = docx_parser.parse(tmp_path / "a", Limits(ocr="off", parse_seconds=300))

    start = parsed.text.index("Ask Reception")
    boxes = line_boxes(parsed.words, start, len(parsed.text))
    assert len(parsed.pages) == 2
    assert [box.page for box in boxes] == [1]
    assert parsed.pages[1].start == start
    assert parsed.rendition.startswith(b"%PDF-")


def test_without_libreoffice_a_word_file_and_slides_have_no_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    document = docx.Document()
    document.add_paragraph("Words.")
    document.save(str(tmp_path / "a"))
    deck = pptx.Presentation()
    deck.slides.add_slide(deck.slide_layouts[0]).shapes.title.text = "Words"
    deck.save(str(tmp_path / "b"))

    read = [
        docx_parser.parse(tmp_path / "a", Limits()),
        pptx_parser.parse(tmp_path / "b", Limits()),
    ]

    assert [(each.pages, each.rendition) for each in read] == [((), b""), ((), b"")]


def test_words_are_matched_across_what_differs() -> None:
    ours = "the rent is due on the first day of the month as agreed box words here".split()
    theirs = "page 1 box words here the rent is due on first day of the month as agreed".split()

    pairs = matched(ours, theirs)

    assert [ours[here] for here, _ in pairs] == [theirs[there] for _, there in pairs]
    assert {ours[here] for here, _ in pairs} >= {"rent", "agreed", "box", "words", "here"}
    assert len({there for _, there in pairs}) == len(pairs)


def test_pages_that_say_something_else_are_not_kept() -> None:
    text = "The rent is due on the first day."
    drawn_text = "Something else altogether is printed."
    words = tuple(
        Word(found, found + 4, 0, 0.0, 0.0, 9.0, 9.0) for found in range(0, len(drawn_text) - 4, 5)
    )
    drawn = ParsedDocument(drawn_text, (), (Page(0, 0, len(drawn_text), 600, 800),), words)

    kept = anchored(ParsedDocument(text, ()), drawn, b"%PDF-")

    assert kept.pages == ()
    assert kept.rendition == b""


@pytest.mark.parametrize("name", ["office/tests-example.xls", "tika/testMSG_att_msg.msg"])
def test_real_files_of_old_formats_are_read(name: str) -> None:
    file = data_folder() / "files" / name
    if not file.is_file():
        pytest.skip("no evaluation data")
    parse = xls.parse if file.suffix == ".xls" else outlook.parse

    parsed = parse(file, LIMITS)

    assert len(parsed.text) > 100
    if file.suffix == ".msg":
        assert [part.name for part in outlook.parts(file, LIMITS)]
        assert parsed.properties["From"]


@pytest.mark.skipif(not tesseract(), reason="tesseract is not installed")
def test_every_frame_of_a_picture_is_a_page_that_can_be_shown(tmp_path: Path) -> None:
    font = ImageFont.load_default(size=46)
    frames = []
    for words in ("The deposit is paid.", "The rent is due."):
        frame = Image.new("L", (1000, 400), 255)
        ImageDraw.Draw(frame).text((100, 150), words, 0, font=font)
        frames.append(frame)
    frames[1] = frames[1].rotate(180)
    frames[0].save(tmp_path / "a", "TIFF", save_all=True, append_images=frames[1:], dpi=(200, 200))

    parsed = picture.parse(tmp_path / "a", Limits())

    assert len(parsed.pages) == 2
    assert "deposit" in parsed.text
    assert len(pypdfium2.PdfDocument(parsed.rendition)) == 2
    assert parsed.pages[0].width == pytest.approx(360, abs=1)


def test_a_page_nested_too_deep_for_its_parser_is_read_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(
        "<html><head><style>p{}</style></head>" + "<div>" * 50_000 + "Fee &amp; rent" + "</div>" * 9
    )

    assert html.parse(tmp_path / "a", LIMITS).text == "Fee & rent"


def test_text_is_read_in_the_encoding_it_is_in() -> None:
    said = "The retention period is six years."

    for encoding in ("utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"):
        assert decoded(said.encode(encoding)).lstrip("\ufeff") == said
    assert decoded("Der Preis beträgt 5 £.".encode("cp1252")) == "Der Preis beträgt 5 £."
    assert decoded("Договор аренды заключён в Москве.".encode("cp1251")).startswith("Договор")


def test_a_page_that_is_wrong_about_its_encoding_is_read() -> None:
    page = '<meta charset="utf-8"><p>' + "عقد الإيجار بين الطرفين في المدينة " * 3

    assert "عقد" in decoded_markup(page.encode("cp1256"))


def test_text_that_was_encoded_twice_is_repaired_and_other_text_left_alone() -> None:
    meant = "Client\u2019s £5,000"

    assert without_double_encoding(meant.encode().decode("latin-1")) == meant
    assert without_double_encoding("Größe: 5 £") == "Größe: 5 £"
    assert without_double_encoding("plain") == "plain"
