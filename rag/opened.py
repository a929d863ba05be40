"""What a version that the gate has let through holds: its text, its words, its bytes.

The service's routes reach documents by these functions and no others, and none of them takes
anything but an ``AuthorizedVersion``: a route that forgot to ask the gate would not type-check.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from corpus.access import AuthorizedVersion, Gate, Principal
from corpus.catalog import Catalog
from corpus.documents import Box, Chunk, line_boxes, section_of
from corpus.errors import OriginalMissing
from corpus.originals import Originals
from rag.errors import NotFound

PDF: Final = "application/pdf"


def text_of(catalog: Catalog, opened: AuthorizedVersion) -> str:
    """Return the text."""
    return catalog.text_of(opened.version.version_id)


def properties_of(catalog: Catalog, opened: AuthorizedVersion) -> dict[str, str]:
    """Return what the original says of itself."""
    return catalog.properties_of(opened.version.version_id)


def chunk_at(
    catalog: Catalog, gate: Gate, reader: Principal, opened: AuthorizedVersion, start: int
) -> Chunk | None:
    """Return the chunk that holds an offset."""
    authorized = gate.authorize(reader, catalog.chunks_of(opened.version.version_id))
    chunks = [each.found.chunk for each in authorized]
    return next((chunk for chunk in chunks if chunk.start <= start < chunk.end), None)


def section_around(
    catalog: Catalog, opened: AuthorizedVersion, start: int
) -> tuple[int, int] | None:
    """Return the span of the section that holds an offset; None where there are no headings."""
    return section_of(catalog.blocks_of(opened.version.version_id), start)


def marks_of(
    catalog: Catalog, opened: AuthorizedVersion, page: int, start: int, end: int
) -> Sequence[Box]:
    """Return the boxes of a span on a page."""
    if end <= start:
        return []
    words = catalog.words_of(opened.version.version_id, first_page=page, last_page=page)
    return line_boxes(words, start, end)


def pages_of(originals: Originals, opened: AuthorizedVersion) -> bytes:
    """Return the PDF whose pages the words stand on: the original itself or its rendition.

    Raises:
        NotFound: There is none any more.
    """
    version = opened.version
    if version.media_type == PDF:
        return originals.read(version.original)
    try:
        return originals.rendition_path(version.original).read_bytes()
    except OSError as error:
        raise NotFound("There is no such page.") from error


def original_of(originals: Originals, opened: AuthorizedVersion) -> Path:
    """Return where the original lies.

    Raises:
        OriginalMissing: It is not there.
    """
    path = originals.path(opened.version.original)
    if not path.is_file():
        raise OriginalMissing("The original is missing.")
    return path
