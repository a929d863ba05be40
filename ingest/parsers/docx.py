"""Word documents through unstructured: styles give headings, lists and tables."""

import copy
import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from docx import Document
from docx.oxml.ns import qn
from lxml import etree  # type: ignore[import-untyped]

from corpus.documents import ParsedDocument
from ingest.building import DocumentBuilder
from ingest.parsers import ooxml
from ingest.parsers.office_properties import properties_of
from ingest.parsers.rendition import with_pages
from ingest.parsers.unstructured_seam import FOOTNOTE_MARK, UNDETECTED, add_elements, partition_docx
from ingest.settings import Limits

_BODY = "word/document.xml"
_OVERLOOKED = re.compile(
    rb"<w:(?:ins|sdt|moveTo|smartTag|customXml)\b|txbxContent|(?:foot|end)noteReference"
)
"""What unstructured would pass over: inserted text, content controls, text boxes and notes."""
_WRAPPERS = (qn("w:ins"), qn("w:moveTo"), qn("w:smartTag"), qn("w:customXml"))
_BLOCK = (qn("w:p"), qn("w:tbl"))
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_NOTE_KINDS = (("footnote", "footnotes"), ("endnote", "endnotes"))


def parse(location: Path, limits: Limits) -> ParsedDocument:
    """Read a DOCX file.

    Raises:
        Quarantined: No text.
    """
    return with_pages(text_of(location), location, suffix=".docx", limits=limits)


def text_of(location: Path) -> ParsedDocument:
    """Return a DOCX file without pages.

    Raises:
        Quarantined: No text.
    """
    builder = DocumentBuilder()
    elements = partition_docx(
        file=_complete(ooxml.plain(location)), include_page_breaks=False, languages=UNDETECTED
    )
    add_elements(builder, elements)
    about = properties_of(location)
    return builder.finish(title=about.pop("Title", ""), properties=about)


def _complete(source: io.BytesIO) -> io.BytesIO:
    """Return the document with everything that people read as ordinary paragraphs."""
    with zipfile.ZipFile(source) as archive:
        overlooked = _OVERLOOKED.search(archive.read(_BODY)) if _has_body(archive) else None
    source.seek(0)
    if overlooked is None:
        return source
    document = Document(source)
    body = document.element.body
    _unwrap(body)
    notes = _notes(document.part)
    for paragraph in list(body.iter(qn("w:p"))):
        _spell_out(paragraph, notes)
    written = io.BytesIO()
    document.save(written)
    written.seek(0)
    return written


def _has_body(archive: zipfile.ZipFile) -> bool:
    return _BODY in archive.namelist()


def _unwrap(body: etree._Element) -> None:
    """Take content out of content controls and tracked insertions, in place."""
    for content in list(body.iter(qn("w:sdtContent"))):
        _replace(content.getparent(), list(content))
    for wrapper in list(body.iter(*_WRAPPERS)):
        if wrapper.getparent().tag != qn("w:rPr") and wrapper.getparent().tag != qn("w:trPr"):
            _replace(wrapper, [each for each in wrapper if not each.tag.endswith("Pr")])


def _replace(element: etree._Element, content: list[etree._Element]) -> None:
    parent = element.getparent()
    place = parent.index(element)
    parent[place : place + 1] = content


def _notes(part: object) -> dict[tuple[str, str], str]:
    """Return the text of every footnote and endnote by kind and id."""
    found: dict[tuple[str, str], str] = {}
    for relation in part.rels.values():  # type: ignore[attr-defined]
        kind = next((one for one, many in _NOTE_KINDS if relation.reltype.endswith(many)), "")
        if not kind or relation.is_external:
            continue
        root = etree.fromstring(
            relation.target_part.blob, etree.XMLParser(resolve_entities=False, no_network=True)
        )
        for note in root.iter(qn(f"w:{kind}")):
            found[kind, note.get(qn("w:id"), "")] = _said(note)
    return found


def _said(element: etree._Element) -> str:
    words = [
        piece.text or "" if piece.tag == qn("w:t") else " "
        for piece in element.iter(qn("w:t"), qn("w:tab"), qn("w:br"), qn("w:p"))
    ]
    return " ".join("".join(words).split())


def _spell_out(paragraph: etree._Element, notes: dict[tuple[str, str], str]) -> None:
    """Put the text boxes and notes of a paragraph after it, as paragraphs of their own."""
    added = list(_boxed(paragraph))
    for kind, _ in _NOTE_KINDS:
        for reference in paragraph.iter(qn(f"w:{kind}Reference")):
            text = notes.get((kind, reference.get(qn("w:id"), "")), "")
            if text:
                added.append(_paragraph(f"{FOOTNOTE_MARK}{text}"))
    for extra in reversed(added):
        paragraph.addnext(extra)


def _boxed(paragraph: etree._Element) -> Iterator[etree._Element]:
    for box in list(paragraph.iter(qn("w:txbxContent"))):
        # Every box stands there twice, the second time for old programs.
        if any(above.tag == _FALLBACK for above in box.iterancestors()):
            continue
        for block in box:
            if block.tag in _BLOCK:
                yield copy.deepcopy(block)


def _paragraph(text: str) -> etree._Element:
    paragraph = etree.Element(qn("w:p"))
    run = etree.SubElement(paragraph, qn("w:r"))
    etree.SubElement(run, qn("w:t")).text = text
    return paragraph
