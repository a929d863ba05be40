"""How a version is stored in the catalog's tables and read back."""

import json
import threading
import uuid
import zlib
from collections import OrderedDict
from collections.abc import Collection, Iterator, Sequence
from typing import Any, TypeVar

import sqlalchemy as sql

from corpus import tables, words
from corpus.documents import (
    Block,
    BlockKind,
    Chunk,
    ChunkId,
    DocumentId,
    OriginalHash,
    Page,
    ParsedDocument,
    Suspicion,
    SuspicionKind,
    Version,
    VersionId,
    Word,
    WordTable,
)
from corpus.errors import UnknownVersion
from corpus.tables import LIVE, PRESENT

CHUNK_NAMESPACE = uuid.UUID("6f0b2c2e-93f5-5b0c-9c2a-6a7f5d0c1e58")
ASKED_AT_ONCE = 500
"""Ids in one query; databases limit how many values a statement may carry."""
CHARACTERS_KEPT = 32_000_000
"""Of decompressed texts held for reading chunks: some 30 books, or 10,000 letters."""

Id = TypeVar("Id")


class Texts:
    """Texts of the versions read last. A version's text never changes, so none grows old."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, str] = OrderedDict()
        self._characters = 0
        self._lock = threading.Lock()

    def get(self, connection: sql.Connection, version_id: VersionId) -> str:
        """Return the text of a version that exists."""
        with self._lock:
            if version_id in self._kept:
                self._kept.move_to_end(version_id)
                return self._kept[version_id]
        text = tables.version_text
        data = connection.scalars(
            sql.select(text.c.text).where(text.c.version_id == version_id)
        ).one()
        found = zlib.decompress(data).decode("utf-8", "surrogatepass")
        with self._lock:
            if version_id not in self._kept:
                self._kept[version_id] = found
                self._characters += len(found)
            while self._characters > CHARACTERS_KEPT:
                _, dropped = self._kept.popitem(last=False)
                self._characters -= len(dropped)
        return found

    def forget(self, version_ids: Collection[str]) -> None:
        """Hold these no longer."""
        with self._lock:
            for version_id in version_ids:
                self._characters -= len(self._kept.pop(version_id, ""))


def version_id_of(document_id: DocumentId, number: int, original: OriginalHash) -> VersionId:
    """Return the id of a version: the same whenever the same bytes become the same version."""
    return VersionId(str(uuid.uuid5(CHUNK_NAMESPACE, f"{document_id}:{number}:{original}")))


def chunk_id_of(version_id: VersionId, number: int, *, cut_anew: str = "") -> ChunkId:
    """Return the id of a chunk: the same whenever the same version is cut the same way.

    Args:
        version_id: The version.
        number: The chunk's place in it, from 0.
        cut_anew: How, where it was cut again; empty for its first chunks.
    """
    name = f"{version_id}:{cut_anew}:{number}" if cut_anew else f"{version_id}:{number}"
    return ChunkId(str(uuid.uuid5(CHUNK_NAMESPACE, name)))


def all_versions() -> sql.Select[Any]:
    """Select versions in any state with the document and source they belong to."""
    document = tables.document
    return (
        sql.select(
            tables.version,
            document.c.source_id,
            document.c.path.label("document_path"),
            document.c.withdrawal,
            tables.source.c.name.label("source_name"),
            tables.access_list.c.marking.label("document_marking"),
        )
        .select_from(tables.version)
        .join(document)
        .join(tables.source)
        .join(tables.access_list)
    )


def live_versions() -> sql.Select[Any]:
    """Select the versions that answers are made from."""
    return all_versions().where(
        tables.version.c.state == LIVE, tables.document.c.withdrawal == PRESENT
    )


def count(connection: sql.Connection, query: sql.Select[Any]) -> int:
    """Return how many rows a query has."""
    return connection.scalar(sql.select(sql.func.count()).select_from(query.subquery())) or 0


def version_row(connection: sql.Connection, version_id: VersionId) -> sql.Row[Any]:
    """Return a version in any state, or raise ``UnknownVersion``."""
    query = all_versions().where(tables.version.c.version_id == version_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise UnknownVersion(f"There is no version {version_id}.")
    return row


def version_from(row: sql.Row[Any]) -> Version:
    """Make a version of a row of ``all_versions``."""
    return Version(
        version_id=VersionId(row.version_id),
        document_id=DocumentId(row.document_id),
        number=row.number,
        original=OriginalHash(row.original),
        media_type=row.media_type,
        title=row.title,
        path=row.path,
        page_count=row.page_count,
        character_count=row.character_count,
        published_at=row.published_at,
        live=row.state == LIVE and row.withdrawal == PRESENT,
        marking=row.document_marking,
    )


def name_of(path: str) -> str:
    """Return the file's name as people may see it."""
    return tables.plain(path.rpartition("/")[2])


def next_number(connection: sql.Connection, document_id: DocumentId) -> int:
    """Return the number of a document's next version."""
    version = tables.version
    highest = connection.scalar(
        sql.select(sql.func.max(version.c.number)).where(version.c.document_id == document_id)
    )
    return (highest or 0) + 1


def delete_versions(connection: sql.Connection, version_ids: Sequence[str]) -> None:
    """Remove versions and everything stored with them."""
    of_version = (tables.chunk, tables.past_chunk, tables.page, tables.version_text, tables.version)
    for some in portions(version_ids):
        for table in of_version:
            connection.execute(table.delete().where(table.c.version_id.in_(some)))


def store_parsed(connection: sql.Connection, version_id: VersionId, parsed: ParsedDocument) -> None:
    """Store the text, blocks, pages and words of a version."""
    connection.execute(
        tables.version_text.insert().values(
            version_id=version_id,
            text=zlib.compress(parsed.text.encode("utf-8", "surrogatepass")),
            blocks=json.dumps(
                [
                    [block.start, block.end, block.kind, block.level, block.place, block.context]
                    for block in parsed.blocks
                ]
            ),
        )
    )
    found = WordTable.of(parsed.words)
    if unknown := found.pages() - {page.number for page in parsed.pages}:
        raise ValueError(f"words stand on pages that are not there: {sorted(unknown)}")
    rows = [
        {
            "version_id": version_id,
            "number": page.number,
            "start": page.start,
            "end": page.end,
            "width": page.width,
            "height": page.height,
            "ocr_confidence": page.ocr_confidence,
            "words": words.pack(found.on_page(page.number)),
        }
        for page in parsed.pages
    ]
    if rows:
        connection.execute(tables.page.insert(), rows)


def store_chunks(
    connection: sql.Connection,
    version_id: VersionId,
    chunks: Sequence[Chunk],
    *,
    cut_anew: str = "",
) -> tuple[ChunkId, ...]:
    """Store the chunks of a version and return their ids."""
    ids = tuple(chunk_id_of(version_id, chunk.number, cut_anew=cut_anew) for chunk in chunks)
    rows = [
        {
            "chunk_id": chunk_id,
            "version_id": version_id,
            "number": chunk.number,
            "start": chunk.start,
            "end": chunk.end,
            "heading_path": json.dumps(chunk.heading_path),
            "page": chunk.page,
            "place": tables.plain(chunk.place),
            "context": tables.plain(chunk.context),
            "suspicions": _stored(chunk.suspicions),
        }
        for chunk_id, chunk in zip(ids, chunks, strict=True)
    ]
    if rows:
        connection.execute(tables.chunk.insert(), rows)
    return ids


def all_chunks(chunk: sql.Table = tables.chunk) -> sql.Select[Any]:
    """Select chunks with the version, document and source they belong to."""
    return (
        sql.select(
            chunk,
            tables.version.c.document_id,
            tables.version.c.number.label("version_number"),
            tables.version.c.title,
            tables.document.c.path.label("document_path"),
            tables.source.c.name.label("source_name"),
            tables.access_list.c.marking,
        )
        .select_from(chunk)
        .join(tables.version)
        .join(tables.document)
        .join(tables.source)
        .join(tables.access_list)
    )


def chunk_from(row: sql.Row[Any]) -> Chunk:
    """Make a chunk of a row of ``all_chunks``."""
    return Chunk(
        number=row.number,
        start=row.start,
        end=row.end,
        heading_path=tuple(json.loads(row.heading_path)),
        page=row.page,
        place=row.place,
        context=row.context,
        suspicions=_suspicions_from(row.suspicions),
    )


def _stored(suspicions: Sequence[Suspicion]) -> str:
    return json.dumps([[one.start, one.end, one.kind] for one in suspicions]) if suspicions else ""


def _suspicions_from(stored: str) -> tuple[Suspicion, ...]:
    if not stored:
        return ()
    return tuple(
        Suspicion(start, end, SuspicionKind(kind)) for start, end, kind in json.loads(stored)
    )


def blocks_in(connection: sql.Connection, version_id: VersionId) -> tuple[Block, ...]:
    """Return the parsed spans of a version that exists."""
    text = tables.version_text
    stored = connection.scalars(
        sql.select(text.c.blocks).where(text.c.version_id == version_id)
    ).one()
    return blocks_from(stored)


def blocks_from(stored: str) -> tuple[Block, ...]:
    """Make blocks of what ``store_parsed`` wrote."""
    return tuple(
        Block(start, end, BlockKind(kind), level, place, context)
        for start, end, kind, level, place, context in json.loads(stored)
    )


def pages_of(version_id: VersionId) -> sql.Select[Any]:
    """Select the pages of a version in order."""
    page = tables.page
    return sql.select(page).where(page.c.version_id == version_id).order_by(page.c.number)


def page_from(row: sql.Row[Any]) -> Page:
    """Make a page of a row of ``pages_of``."""
    return Page(row.number, row.start, row.end, row.width, row.height, row.ocr_confidence)


def words_from(pages: Sequence[sql.Row[Any]]) -> list[Word]:
    """Unpack the words of some pages, in text order."""
    found = [word for row in pages for word in words.unpack(row.words, page=row.number)]
    return sorted(found, key=lambda word: word.start)


def portions(ids: Sequence[Id]) -> Iterator[Sequence[Id]]:
    """Yield the ids in order, at most ``ASKED_AT_ONCE`` at a time."""
    for start in range(0, len(ids), ASKED_AT_ONCE):
        yield ids[start : start + ASKED_AT_ONCE]
