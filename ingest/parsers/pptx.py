"""Slides through unstructured, each named by its number; speaker notes are read too."""

from itertools import groupby
from pathlib import Path

from pptx import Presentation
from unstructured.partition.pptx import partition_pptx

from corpus.documents import ParsedDocument
from ingest.building import DocumentBuilder
from ingest.parsers.unstructured_seam import add_elements
from ingest.settings import Limits


def parse(location: Path, limits: Limits) -> ParsedDocument:  # noqa: ARG001 - every parser's form
    """Read a PPTX file.

    Raises:
        Quarantined: No text.
    """
    builder = DocumentBuilder()
    elements = partition_pptx(filename=str(location), include_page_breaks=False)
    for slide, found in groupby(elements, key=lambda element: element.metadata.page_number):
        add_elements(builder, found, place=f"Slide {slide}" if slide else "")
    about = Presentation(str(location)).core_properties
    title = "" if about.title == "PowerPoint Presentation" else about.title
    return builder.finish(title=title or "", properties={"Author": about.author or ""})
