"""OpenDocument texts, spreadsheets and presentations, from their own XML."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

from lxml import etree  # type: ignore[import-untyped]

from corpus.documents import BlockKind, ParsedDocument
from ingest.building import DocumentBuilder
from ingest.errors import Quarantined
from ingest.parsers.rendition import with_pages
from ingest.parsers.sheets import MAXIMUM_COLUMNS, MAXIMUM_ROWS, add_sheet
from ingest.quarantine import Reason
from ingest.settings import Limits

_NAMES = "urn:oasis:names:tc:opendocument:xmlns:{}:1.0"
_SPACES = {
    "office": _NAMES.format("office"),
    "text": _NAMES.format("text"),
    "table": _NAMES.format("table"),
    "draw": _NAMES.format("drawing"),
    "presentation": _NAMES.format("presentation"),
    "meta": _NAMES.format("meta"),
    "dc": "http://purl.org/dc/elements/1.1/",
}
_ABOUT = {
    "dc:title": "Title",
    "dc:creator": "Author",
    "meta:initial-creator": "Author",
    "dc:subject": "Subject",
    "meta:creation-date": "Created",
    "dc:date": "Modified",
}
_DATES = frozenset({"Created", "Modified"})


def _name(short: str) -> str:
    """Return ``text:p`` as lxml writes it."""
    prefix, _, local = short.partition(":")
    return f"{{{_SPACES[prefix]}}}{local}"


_PARAGRAPH, _HEADING, _LIST = _name("text:p"), _name("text:h"), _name("text:list")
_TABLE, _ROW, _NOTE = _name("table:table"), _name("table:table-row"), _name("text:note")
_CELLS = (_name("table:table-cell"), _name("table:covered-table-cell"))
_UNREAD = frozenset(
    {
        _name("text:tracked-changes"),
        _name("office:annotation"),
        _name("office:forms"),
        _name("text:table-of-content"),
        _name("text:sequence-decls"),
    }
)
_BREAKS = {_name("text:tab"): " ", _name("text:line-break"): "\n"}
_REPEATED_ROWS = _name("table:number-rows-repeated")
_REPEATED_CELLS = _name("table:number-columns-repeated")


def parse(location: Path, limits: Limits) -> ParsedDocument:
    """Read an ODT, ODS or ODP file.

    Raises:
        Quarantined: Encrypted, damaged, or no text.
    """
    with zipfile.ZipFile(location) as archive:
        if b"encryption-data" in _member(archive, "META-INF/manifest.xml"):
            raise Quarantined(Reason.ENCRYPTED)
        content = _xml(_member(archive, "content.xml"))
        about = _about(_member(archive, "meta.xml"))
    if content is None:
        raise Quarantined(Reason.DAMAGED, "a document without content")
    builder = DocumentBuilder()
    body = content.find(_name("office:body"))
    for part in [] if body is None else body:
        _add_part(builder, part)
    parsed = builder.finish(title=about.pop("Title", ""), properties=about)
    suffix = _suffix(body)
    return with_pages(parsed, location, suffix=suffix, limits=limits) if suffix else parsed


def _suffix(body: etree._Element | None) -> str:
    kinds = {_name("office:text"): ".odt", _name("office:presentation"): ".odp"}
    parts = [] if body is None else body
    return next((kinds[part.tag] for part in parts if part.tag in kinds), "")


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    return archive.read(name) if name in archive.namelist() else b""


def _xml(data: bytes) -> etree._Element | None:
    if not data:
        return None
    return etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True))


def _about(data: bytes) -> dict[str, str]:
    root = _xml(data)
    found: dict[str, str] = {}
    if root is None:
        return found
    for tag, name in _ABOUT.items():
        element = next(root.iter(_name(tag)), None)
        if element is not None and element.text:
            text = " ".join(element.text.split())
            found.setdefault(name, text[:10] if name in _DATES else text[:300])
    for element in root.iter(_name("meta:user-defined")):
        label = element.get(_name("meta:name"), "")
        if label and element.text:
            found.setdefault(label, " ".join(element.text.split())[:300])
    return found


def _add_part(builder: DocumentBuilder, part: etree._Element) -> None:
    if part.tag == _name("office:spreadsheet"):
        for sheet in part.iter(_TABLE):
            add_sheet(builder, sheet.get(_name("table:name"), "Sheet"), _rows(sheet))
    elif part.tag == _name("office:presentation"):
        for number, slide in enumerate(part.iter(_name("draw:page")), start=1):
            _add_slide(builder, slide, f"Slide {number}")
    else:
        _add_blocks(builder, part, "")


def _add_slide(builder: DocumentBuilder, slide: etree._Element, place: str) -> None:
    for shape in slide:
        kind = shape.get(_name("presentation:class"), "")
        if kind == "title":
            text = "\n".join(_said(each) for each in shape.iter(_PARAGRAPH, _HEADING))
            builder.add(BlockKind.HEADING, text, level=1, place=place)
        else:
            _add_blocks(builder, shape, place)


def _add_blocks(builder: DocumentBuilder, parent: etree._Element, place: str) -> None:
    for element in parent:
        if not isinstance(element.tag, str) or element.tag in _UNREAD:
            continue
        if element.tag == _HEADING:
            level = int(element.get(_name("text:outline-level"), "1") or 1)
            builder.add(BlockKind.HEADING, _said(element), level=level, place=place)
            _add_within(builder, element, place)
        elif element.tag == _PARAGRAPH:
            builder.add(BlockKind.PARAGRAPH, _said(element), place=place)
            _add_within(builder, element, place)
        elif element.tag == _LIST:
            _add_list(builder, element, place)
        elif element.tag == _TABLE:
            builder.add_table([cells for cells in _rows(element) if any(cells)], place=place)
        else:
            _add_blocks(builder, element, place)


def _add_within(builder: DocumentBuilder, paragraph: etree._Element, place: str) -> None:
    """Append the notes and text boxes that are anchored in a paragraph."""
    for note in paragraph.iter(_NOTE):
        mark = note.findtext(_name("text:note-citation")) or ""
        body = note.find(_name("text:note-body"))
        if body is not None:
            text = " ".join(_said(each) for each in body.iter(_PARAGRAPH))
            builder.add(BlockKind.FOOTNOTE, f"{mark} {text}", place=place)
    for box in paragraph.iter(_name("draw:text-box")):
        _add_blocks(builder, box, place)


def _add_list(builder: DocumentBuilder, items: etree._Element, place: str) -> None:
    for item in items:
        for element in item:
            if element.tag == _LIST:
                _add_list(builder, element, place)
            elif element.tag in {_PARAGRAPH, _HEADING} and _said(element).strip():
                builder.add(BlockKind.LIST_ITEM, f"• {_said(element)}", place=place)
                _add_within(builder, element, place)


def _said(element: etree._Element) -> str:
    """Return the text of a paragraph without its notes and text boxes."""
    parts = [element.text or ""]
    for child in element:
        if child.tag == _name("text:s"):
            parts.append(" ")
        elif child.tag in _BREAKS:
            parts.append(_BREAKS[child.tag])
        elif child.tag == _NOTE:
            parts.append(child.findtext(_name("text:note-citation")) or "")
        elif isinstance(child.tag, str) and child.tag not in _UNREAD and not _is_frame(child):
            parts.append(_said(child))
        parts.append(child.tail or "")
    return "".join(parts)


def _is_frame(element: etree._Element) -> bool:
    return bool(element.tag == _name("draw:frame"))


def _rows(table: etree._Element) -> Iterator[list[str]]:
    """Yield the rows of a table as they are shown; a long run of empty ones ends it."""
    for row in _own_rows(table):
        cells = _cells(row)
        repeated = _count(row, _REPEATED_ROWS)
        if not any(cells):
            repeated = min(repeated, MAXIMUM_ROWS)
        for _ in range(min(repeated, MAXIMUM_ROWS + 1)):
            yield cells


def _own_rows(table: etree._Element) -> Iterator[etree._Element]:
    """Yield the rows of a table, not those of tables inside its cells."""
    for element in table:
        if element.tag == _ROW:
            yield element
        elif isinstance(element.tag, str) and element.tag != _TABLE:
            yield from _own_rows(element)


def _cells(row: etree._Element) -> list[str]:
    cells: list[str] = []
    for cell in row.iterchildren(*_CELLS):
        text = " ".join(_said(each) for each in cell.iter(_PARAGRAPH, _HEADING))
        width = MAXIMUM_COLUMNS - len(cells)
        cells += [" ".join(text.split())] * min(_count(cell, _REPEATED_CELLS), width)
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _count(element: etree._Element, name: str) -> int:
    told = element.get(name, "1")
    return max(1, int(told)) if told.isdigit() else 1
