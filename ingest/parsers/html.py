"""Web pages through unstructured."""

from pathlib import Path

from lxml import etree  # type: ignore[import-untyped]
from lxml import html as lxml_html
from unstructured.partition.html import partition_html

from corpus.documents import ParsedDocument
from ingest.building import DocumentBuilder
from ingest.parsers.text import decoded
from ingest.parsers.unstructured_seam import add_elements
from ingest.settings import Limits

_DECLARATION = ("<?xml", "<?XML")


def parse(location: Path, limits: Limits) -> ParsedDocument:  # noqa: ARG001 - every parser's form
    """Read an HTML file.

    Raises:
        Quarantined: No text.
    """
    source = decoded(location.read_bytes())
    builder = DocumentBuilder()
    add_html(builder, source)
    return builder.finish(title=_title(source))


def add_html(builder: DocumentBuilder, source: str) -> None:
    """Append what a page shows."""
    if source.startswith(_DECLARATION):
        source = source.split("?>", 1)[-1]
    if source.strip():
        add_elements(builder, partition_html(text=source))


def _title(source: str) -> str:
    try:
        page = lxml_html.fromstring(source.encode())
    except (etree.ParserError, ValueError):
        return ""
    return page.findtext(".//title") or ""
