"""Content on paper: PDF with running headers and footers, and PDF that is only a scan."""

import io
import re
from pathlib import Path

import numpy as np
import reportlab
from PIL import Image, ImageDraw, ImageFont
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    HRFlowable,
    KeepTogether,
    NextPageTemplate,
    PageTemplate,
    Spacer,
)
from reportlab.platypus import PageBreak as NewPage
from reportlab.platypus import Paragraph as Text
from reportlab.platypus import Table as Grid

from samples.content import Content, Heading, Item, PageBreak, Paragraph, Part, Table, plain

FIRM = "Aldermoor Finch LLP"
INK = colors.HexColor("#16324f")
PALE = colors.HexColor("#e8eef4")
FACES = {
    "sans": ("Helvetica", "Helvetica-Bold"),
    "serif": ("Times-Roman", "Times-Bold"),
}
COVER_FIELDS = {
    "reference": "Reference",
    "version": "Version",
    "status": "Status",
    "owner": "Owner",
    "approved": "Approved by",
    "effective": "Effective from",
    "review": "Next review",
    "class": "Classification",
}
FRAME_PADDING = 6
"""What reportlab leaves free inside a frame, on each side."""
SCAN_DPI = 200
SCAN_SIZE = (1654, 2339)
SCAN_MARGIN = 210
SCAN_TYPE = 33
SCAN_LEADING = 54
VERA = Path(reportlab.__file__).parent / "fonts" / "Vera.ttf"


class _Styles:
    """The paragraph styles of one document, by its face."""

    def __init__(self, face: str) -> None:
        regular, bold = FACES[face]
        self.bold = bold
        self.regular = regular
        self.body = ParagraphStyle(
            "body", fontName=regular, fontSize=11, leading=17.5, spaceAfter=10
        )
        self.item = ParagraphStyle(
            "item", parent=self.body, leftIndent=18, bulletIndent=2, spaceAfter=5
        )
        self.cell = ParagraphStyle("cell", parent=self.body, fontSize=9.5, leading=13.5)
        self.cell.spaceAfter = 0
        self.head = ParagraphStyle("head", parent=self.cell, fontName=bold, textColor=INK)
        self.section = ParagraphStyle(
            "section", fontName=bold, fontSize=15, leading=19, spaceBefore=16, spaceAfter=8
        )
        self.section.textColor = INK
        self.section.keepWithNext = 1
        self.part = ParagraphStyle("part", parent=self.section, fontSize=12, leading=16)
        self.part.spaceBefore = 10
        self.title = ParagraphStyle("title", fontName=bold, fontSize=25, leading=31, spaceAfter=14)
        self.title.textColor = INK
        self.firm = ParagraphStyle("firm", parent=self.body, fontName=bold, fontSize=13)


def render_pdf(content: Content) -> bytes:
    """Set a document in type, with a cover where its front matter asks for one."""
    styles = _Styles(content.fields.get("face", "sans"))
    buffer = io.BytesIO()
    document = BaseDocTemplate(
        buffer,
        pagesize=A4,
        leftMargin=28 * mm,
        rightMargin=28 * mm,
        topMargin=32 * mm,
        bottomMargin=30 * mm,
        title=content.fields["title"],
        author=FIRM,
        invariant=1,
        pageCompression=0,  # compressors differ between machines, and so would the bytes
        lang="en-GB",
    )
    frame = Frame(
        document.leftMargin, document.bottomMargin, document.width, document.height, id="text"
    )
    document.addPageTemplates(
        [
            PageTemplate("cover", [frame], onPage=lambda _canvas, _document: None),
            PageTemplate("text", [frame], onPage=_Furniture(content, styles)),
        ]
    )
    story = _opening(content, styles)
    story.extend(_flow(content.parts, styles, document.width - 2 * FRAME_PADDING))
    document.build(story)
    return buffer.getvalue()


class _Furniture:
    """Draws the running header and footer."""

    def __init__(self, content: Content, styles: _Styles) -> None:
        self._left = content.fields.get("header", content.fields["title"])
        self._right = content.fields.get("reference", FIRM)
        self._foot = content.fields.get("class", "Internal")
        self._styles = styles

    def __call__(self, canvas: Canvas, _document: BaseDocTemplate) -> None:
        width, height = A4
        canvas.saveState()
        canvas.setFont(self._styles.regular, 8.5)
        canvas.setFillColor(colors.HexColor("#55606b"))
        canvas.drawString(28 * mm, height - 19 * mm, self._left)
        canvas.drawRightString(width - 28 * mm, height - 19 * mm, self._right)
        canvas.line(28 * mm, height - 21 * mm, width - 28 * mm, height - 21 * mm)
        canvas.drawString(28 * mm, 17 * mm, f"{FIRM} · {self._foot}")
        canvas.drawRightString(width - 28 * mm, 17 * mm, f"Page {canvas.getPageNumber()}")
        canvas.restoreState()


def _opening(content: Content, styles: _Styles) -> list[Flowable]:
    fields = content.fields
    title = Text(fields["title"], styles.title)
    if fields.get("cover") != "yes":
        return [NextPageTemplate("text"), title, HRFlowable(width="100%"), Spacer(1, 8)]
    rows = [
        [Text(label, styles.head), Text(fields[name], styles.cell)]
        for name, label in COVER_FIELDS.items()
        if name in fields
    ]
    cover = [Spacer(1, 60 * mm), Text(FIRM, styles.firm), title]
    if "subtitle" in fields:
        cover.append(Text(fields["subtitle"], styles.body))
    return [*cover, Spacer(1, 12), _grid(rows, [42 * mm, 100 * mm]), *_turn()]


def _turn() -> list[Flowable]:
    return [NextPageTemplate("text"), NewPage()]


def _flow(parts: list[Part], styles: _Styles, width: float) -> list[Flowable]:
    story: list[Flowable] = []
    for part in parts:
        match part:
            case Heading(level, text):
                story.append(Text(_markup(text), styles.section if level == 2 else styles.part))
            case Paragraph(text):
                story.append(Text(_markup(text), styles.body))
            case Item(marker, text):
                story.append(Text(_markup(text), styles.item, bulletText=marker))
            case Table(rows):
                story.append(KeepTogether([_table(rows, styles, width), Spacer(1, 10)]))
            case PageBreak():
                story.append(NewPage())
    return story


def _table(rows: tuple[tuple[str, ...], ...], styles: _Styles, width: float) -> Grid:
    longest = [max(min(len(row[i]), 60) for row in rows) + 6 for i in range(len(rows[0]))]
    widths = [width * part / sum(longest) for part in longest]
    cells = [[Text(_markup(cell), styles.head) for cell in rows[0]]]
    cells.extend([Text(_markup(cell), styles.cell) for cell in row] for row in rows[1:])
    return _grid(cells, widths, header=True)


def _grid(cells: list[list[Text]], widths: list[float], *, header: bool = False) -> Grid:
    style: list[tuple[object, ...]] = [
        ("GRID", (0, 0), (-1, -1), 0.5, colors.HexColor("#9aa7b4")),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("TOPPADDING", (0, 0), (-1, -1), 5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 6),
    ]
    if header:
        style.append(("BACKGROUND", (0, 0), (-1, 0), PALE))
    return Grid(cells, colWidths=widths, style=style, repeatRows=1 if header else 0, hAlign="LEFT")


def _markup(text: str) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", escaped)


def scan_pages(content: Content) -> list[list[str]]:
    """The lines of each page of a scan, before they become a picture."""
    face = ImageFont.truetype(str(VERA), SCAN_TYPE)
    pages: list[list[str]] = [[]]
    for part in content.parts:
        match part:
            case PageBreak():
                pages.append([])
            case Heading(_, text):
                pages[-1].extend([text.upper(), ""])
            case Paragraph(text):
                pages[-1].extend([*_wrap(plain(text), face), ""])
            case Item(marker, text):
                pages[-1].extend([*_wrap(f"{marker} {plain(text)}", face), ""])
            case Table(rows):
                pages[-1].extend([*("    ".join(row) for row in rows), ""])
    return pages


def render_scan(content: Content) -> bytes:
    """Make a PDF of page pictures only: turned a little, grey, with the dust of a scanner."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4, invariant=1, pageCompression=0)
    canvas.setTitle(content.fields["title"])
    for number, lines in enumerate(scan_pages(content)):
        canvas.drawImage(ImageReader(_picture(lines, number)), 0, 0, *A4)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def _picture(lines: list[str], number: int) -> io.BytesIO:
    face = ImageFont.truetype(str(VERA), SCAN_TYPE)
    page = Image.new("L", SCAN_SIZE, 246)
    draw = ImageDraw.Draw(page)
    for row, line in enumerate(lines):
        draw.text((SCAN_MARGIN, SCAN_MARGIN + row * SCAN_LEADING), line, fill=38, font=face)
    angle = 0.6 if number % 2 == 0 else -0.4
    page = page.rotate(angle, resample=Image.Resampling.BICUBIC, fillcolor=246)
    dust = np.random.default_rng(1998 + number).normal(0, 5, (SCAN_SIZE[1], SCAN_SIZE[0]))
    grey = np.clip(np.asarray(page, dtype=np.float64) + dust, 0, 255).astype(np.uint8)
    output = io.BytesIO()
    Image.fromarray(grey).save(output, "JPEG", quality=45, dpi=(SCAN_DPI, SCAN_DPI))
    output.seek(0)
    return output


def _wrap(text: str, face: ImageFont.FreeTypeFont) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if face.getlength(longer) > SCAN_SIZE[0] - 2 * SCAN_MARGIN:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
