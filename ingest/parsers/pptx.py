"""Slides through unstructured, each named by its number; speaker notes are read too."""

from itertools import groupby
from pathlib import Path

from corpus.documents import ParsedDocument
from ingest.building import DocumentBuilder
from ingest.parsers import ooxml
from ingest.parsers.office_properties import properties_of
from ingest.parsers.rendition import with_pages
from ingest.parsers.unstructured_seam import UNDETECTED, add_elements, partition_pptx
from ingest.settings import Limits


def parse(location: Path, limits: Limits) -> ParsedDocument:
    """Read a PPTX file.

    Raises:
        Quarantined: No text.
    """
    return with_pages(text_of(location), location, suffix=".pptx", limits=limits)


def text_of(location: Path) -> ParsedDocument:
    """Return a PPTX file without pages.

    Raises:
        Quarantined: No text.
    """
    builder = DocumentBuilder()
    elements = partition_pptx(
        file=ooxml.plain(location),
        include_page_breaks=False,
        include_slide_notes=True,
        languages=UNDETECTED,
    )
    for slide, found in groupby(elements, key=lambda element: element.metadata.page_number):
        add_elements(builder, found, place=f"Slide {slide}" if slide else "")
    about = properties_of(location)
    return builder.finish(title=about.pop("Title", ""), properties=about)
