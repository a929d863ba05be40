"""Content in Office formats, packed so that the same content gives the same bytes."""

import io
import re
import zipfile
from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

from docx import Document
from docx.opc.coreprops import CoreProperties as WordProperties
from openpyxl import Workbook  # type: ignore[import-untyped]
from openpyxl.styles import Font  # type: ignore[import-untyped]
from pptx import Presentation
from pptx.parts.coreprops import CorePropertiesPart
from pptx.slide import Slide
from pptx.util import Inches, Pt

from samples.content import Content, Heading, Item, Paragraph, Part, Table, plain
from samples.paper import FIRM

WRITTEN = datetime(2025, 4, 14, 9, 0)  # noqa: DTZ001 -- Office properties carry no zone
EPOCH = (2025, 4, 14, 9, 0, 0)
WIDEST_COLUMN = 60
TITLE_LAYOUT, TEXT_LAYOUT = 0, 1


class Savable(Protocol):
    """What Office libraries write to a stream."""

    def save(self, target: io.BytesIO, /) -> None:
        """Write the whole document."""


def render_docx(content: Content) -> bytes:
    """Write a Word document with real heading styles, lists and tables."""
    document = Document()
    _state(document.core_properties, content)
    document.add_heading(content.fields["title"], level=0)
    if "subtitle" in content.fields:
        document.add_paragraph(content.fields["subtitle"])
    document.sections[0].footer.paragraphs[0].text = f"{FIRM} · {content.fields['reference']}"
    for part in content.parts:
        match part:
            case Heading(level, text):
                document.add_heading(text, level=level - 1)
            case Paragraph(text):
                document.add_paragraph(plain(text))
            case Item(marker, text):
                style = "List Bullet" if marker == "•" else "List Number"
                document.add_paragraph(plain(text), style=style)
            case Table(rows):
                grid = document.add_table(rows=0, cols=len(rows[0]), style="Table Grid")
                for row in rows:
                    for cell, text in zip(grid.add_row().cells, row, strict=True):
                        cell.text = plain(text)
    return _packed(document)


def render_xlsx(content: Content) -> bytes:
    """Write a workbook: every section is a sheet, its table the rows."""
    book = Workbook()
    book.remove(book.worksheets[0])
    book.properties.title = content.fields["title"]
    book.properties.creator = FIRM
    book.properties.created = WRITTEN
    for name, parts in _sections(content.parts):
        sheet = book.create_sheet(name)
        for part in parts:
            if isinstance(part, Table):
                for row in part.rows:
                    sheet.append([_value(cell) for cell in row])
            elif isinstance(part, Paragraph):
                sheet.append([plain(part.text)])
                sheet.append([])
        for column in sheet.columns:
            width = max(len(str(cell.value or "")) for cell in column)
            sheet.column_dimensions[column[0].column_letter].width = min(width + 2, WIDEST_COLUMN)
        sheet["A1"].font = Font(bold=True)
    return _packed(book)


def render_pptx(content: Content) -> bytes:
    """Write slides: every section is one, its table beside its text."""
    deck = Presentation()
    _state(deck.core_properties, content)
    opening = deck.slides.add_slide(deck.slide_layouts[TITLE_LAYOUT])
    opening.shapes.title.text = content.fields["title"]
    opening.placeholders[1].text = content.fields["subtitle"]
    for name, parts in _sections(content.parts):
        slide = deck.slides.add_slide(deck.slide_layouts[TEXT_LAYOUT])
        slide.shapes.title.text = name
        frame = slide.placeholders[1].text_frame
        texts = [part.text for part in parts if isinstance(part, Paragraph | Item)]
        frame.text = plain(texts[0])
        for text in texts[1:]:
            frame.add_paragraph().text = plain(text)
        for paragraph in frame.paragraphs:
            paragraph.font.size = Pt(18)
        for table in (part for part in parts if isinstance(part, Table)):
            _place_table(slide, table)
    return _packed(deck)


def _place_table(slide: Slide, table: Table) -> None:
    shape = slide.shapes.add_table(
        len(table.rows), len(table.rows[0]), Inches(0.5), Inches(4.2), Inches(9), Inches(2)
    )
    for number, row in enumerate(table.rows):
        for column, text in enumerate(row):
            cell = shape.table.cell(number, column)
            cell.text = plain(text)
            cell.text_frame.paragraphs[0].font.size = Pt(13)


def _sections(parts: list[Part]) -> Iterator[tuple[str, list[Part]]]:
    name, section = "", list[Part]()
    for part in parts:
        if isinstance(part, Heading):
            if name:
                yield name, section
            name, section = part.text, []
        else:
            section.append(part)
    yield name, section


def _value(cell: str) -> str | int | float:
    if re.fullmatch(r"[1-9]\d{0,8}|0", cell):
        return int(cell)
    return cell


def _state(properties: WordProperties | CorePropertiesPart, content: Content) -> None:
    properties.title = content.fields["title"]
    properties.author = FIRM
    properties.last_modified_by = FIRM
    properties.created = WRITTEN
    properties.modified = WRITTEN


def _packed(document: Savable) -> bytes:
    """Save, then pack again with fixed times: Office libraries stamp the hour they ran.

    Nothing is compressed: compressors differ between machines, and so would the bytes.
    """
    saved = io.BytesIO()
    document.save(saved)
    output = io.BytesIO()
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(output, "w") as target:
        for name in sorted(source.namelist()):
            data = source.read(name)
            if name == "docProps/core.xml":
                data = re.sub(
                    rb"(<dcterms:modified[^>]*>)[^<]*", rb"\g<1>2025-04-14T09:00:00Z", data
                )
            entry = zipfile.ZipInfo(name, EPOCH)
            target.writestr(entry, data)
    return output.getvalue()
