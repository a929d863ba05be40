"""Word documents through unstructured: styles give headings, lists and tables."""

from pathlib import Path

from docx import Document
from unstructured.partition.docx import partition_docx

from corpus.documents import ParsedDocument
from ingest.building import DocumentBuilder
from ingest.parsers.unstructured_seam import add_elements
from ingest.settings import Limits


def parse(location: Path, limits: Limits) -> ParsedDocument:  # noqa: ARG001 - every parser's form
    """Read a DOCX file.

    Raises:
        Quarantined: No text.
    """
    builder = DocumentBuilder()
    add_elements(builder, partition_docx(filename=str(location)))
    about = Document(str(location)).core_properties
    properties = {
        "Author": about.author or "",
        "Subject": about.subject or "",
        "Modified": about.modified.date().isoformat() if about.modified else "",
    }
    return builder.finish(title=about.title or "", properties=properties)
