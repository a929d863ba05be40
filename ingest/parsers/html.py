"""Web pages through unstructured."""

import html
import re
from pathlib import Path

from lxml import etree  # type: ignore[import-untyped]
from lxml import html as lxml_html

from corpus.documents import ParsedDocument
from ingest.building import DocumentBuilder
from ingest.decoding import decoded_markup
from ingest.parsers.text import add_text
from ingest.parsers.unstructured_seam import UNDETECTED, add_elements, partition_html
from ingest.settings import Limits

_DECLARATION = ("<?xml", "<?XML")
_UNSEEN = re.compile(r"<(script|style|head)\b.*?</\1\s*>|<!--.*?-->", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>")
_META = {
    "author": "Author",
    "dc.creator": "Author",
    "date": "Date",
    "dc.date": "Date",
    "article:published_time": "Date",
    "og:site_name": "Company",
    "publisher": "Company",
}


def parse(location: Path, limits: Limits) -> ParsedDocument:  # noqa: ARG001 - every parser's form
    """Read an HTML file.

    Raises:
        Quarantined: No text.
    """
    source = decoded_markup(location.read_bytes())
    builder = DocumentBuilder()
    add_html(builder, source)
    about = _about(source)
    return builder.finish(title=about.pop("Title", ""), properties=about)


def add_html(builder: DocumentBuilder, source: str) -> None:
    """Append what a page shows."""
    source = source.lstrip("\ufeff \t\r\n")
    if source.startswith(_DECLARATION):
        source = source.split("?>", 1)[-1]
    elements = partition_html(text=source, languages=UNDETECTED) if source.strip() else []
    if elements:
        add_elements(builder, elements)
    else:
        # What is nested a hundred thousand times deep is dropped by the parser without a word.
        add_text(builder, html.unescape(_TAG.sub("\n\n", _UNSEEN.sub("", source))))


def _about(source: str) -> dict[str, str]:
    """Return what a page says of itself in its head."""
    try:
        page = lxml_html.fromstring(source.encode("utf-8", "replace"), parser=_utf8())
    except (etree.ParserError, ValueError):
        return {}
    found = {"Title": " ".join((page.findtext(".//title") or "").split())}
    for element in page.iter("meta"):
        name = _META.get(str(element.get("name") or element.get("property") or "").lower())
        if name:
            found.setdefault(name, " ".join(str(element.get("content", "")).split())[:300])
    return found


def _utf8() -> lxml_html.HTMLParser:
    """Return a parser that is not misled by what the page says of its encoding."""
    return lxml_html.HTMLParser(encoding="utf-8", no_network=True)
