"""The catalog: sources, documents, their versions and chunks, and who may read them.

A version is *staged* (stored, invisible), then *live*, then *superseded* by the next one. A
document that is *withdrawn* takes all its versions with it: nothing of it can be read any more.
"""

import json
import threading
import uuid
import zlib
from collections import OrderedDict, defaultdict
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sql

from corpus import tables, words
from corpus.access import AccessListId, Gate, Principal, UncheckedChunk
from corpus.database import Database
from corpus.documents import (
    Block,
    BlockKind,
    Chunk,
    ChunkId,
    DocumentId,
    OriginalHash,
    Page,
    ParsedDocument,
    SourceId,
    Version,
    VersionId,
    Word,
)
from corpus.errors import PathTaken, UnknownDocument, UnknownSource, UnknownVersion
from corpus.records import (
    AccessRule,
    FileOutcome,
    KnownFile,
    Quarantine,
    ReadableDocument,
    Run,
    RunId,
    Source,
    Staged,
    groups_for,
)
from corpus.runs import Clock, Runs, utc_now
from corpus.tables import LIVE, PRESENT, STAGED, SUPERSEDED, WITHDRAWN

__all__ = [
    "AccessRule",
    "Catalog",
    "FileOutcome",
    "KnownFile",
    "Quarantine",
    "ReadableDocument",
    "Run",
    "RunId",
    "Source",
    "Staged",
    "chunk_id_of",
]

CHUNK_NAMESPACE = uuid.UUID("6f0b2c2e-93f5-5b0c-9c2a-6a7f5d0c1e58")
ASKED_AT_ONCE = 500
"""Ids in one query; databases limit how many values a statement may carry."""
TEXTS_KEPT = 32
"""Decompressed texts held for reading chunks: a search rarely touches more documents."""

Id = TypeVar("Id", bound=str)


class Catalog(Runs):
    """Everything known of the documents, in one database; may be used from any thread.

    Every method that changes something does so in one transaction: all of it or nothing.
    Every method raises ``corpus.errors.CatalogUnavailable`` when the database cannot be used.
    """

    def __init__(self, database: Database, *, clock: Clock = utc_now) -> None:
        super().__init__(database, clock=clock)
        self._texts = _Texts()

    @classmethod
    def open(cls, url: str, *, clock: Clock = utc_now) -> "Catalog":
        """Open a catalog, making it or bringing its schema up to date as needed.

        Args:
            url: "sqlite:////folder/catalog.db" or any other that SQLAlchemy knows.
            clock: Gives the time in UTC.

        Raises:
            CatalogUnavailable: It cannot be opened, or a newer Muniment wrote it.
        """
        database = Database(url)
        database.migrate()
        return cls(database, clock=clock)

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    # Sources

    def add_source(
        self,
        *,
        name: str,
        location: Path,
        groups: frozenset[str],
        rules: Sequence[AccessRule] = (),
    ) -> Source:
        """Add a source, or change the one of this name and who may read its documents.

        The change of access holds at once, since the catalog decides; which documents the
        index still has under an old list, ``stale_access`` says.
        """
        source = tables.source
        values = {
            "location": str(location),
            "groups": tables.canonical_groups(groups),
            "rules": _rules_json(rules),
        }
        with self._database.writing() as connection:
            source_id = connection.scalar(
                sql.select(source.c.source_id).where(
                    source.c.name == name, source.c.removal == PRESENT
                )
            )
            if source_id is None:
                source_id = str(uuid.uuid4())
                connection.execute(
                    source.insert().values(
                        source_id=source_id, name=name, removal=PRESENT, **values
                    )
                )
            else:
                connection.execute(
                    source.update().where(source.c.source_id == source_id).values(**values)
                )
                _relist_documents(connection, source_id, groups, rules)
        return Source(SourceId(source_id), name, location, groups, tuple(rules))

    def sources(self) -> list[Source]:
        """Return the sources, by name."""
        source = tables.source
        query = sql.select(source).where(source.c.removal == PRESENT).order_by(source.c.name)
        with self._database.reading() as connection:
            return [_source(row) for row in connection.execute(query)]

    def source(self, source_id: SourceId) -> Source:
        """Return a source.

        Raises:
            UnknownSource: There is none with this id.
        """
        with self._database.reading() as connection:
            return _only_source(connection, source_id)

    def source_named(self, name: str) -> Source:
        """Return the source of a name.

        Raises:
            UnknownSource: There is none.
        """
        for source in self.sources():
            if source.name == name:
                return source
        raise UnknownSource(f"There is no source named {name!r}. List them, or add it first.")

    def remove_source(self, source_id: SourceId) -> list[VersionId]:
        """Withdraw every document of a source and forget it; return the versions withdrawn."""
        source, known, run = tables.source, tables.known_file, tables.run
        with self._database.writing() as connection:
            _only_source(connection, source_id)
            gone = [
                version_id
                for document_id in _documents_of(connection, source_id)
                for version_id in self._withdraw(connection, document_id)
            ]
            connection.execute(known.delete().where(known.c.source_id == source_id))
            connection.execute(
                run.delete().where(run.c.source_id == source_id, run.c.state == tables.QUEUED)
            )
            connection.execute(
                source.update().where(source.c.source_id == source_id).values(removal=source_id)
            )
        return gone

    # What a source held last time

    def known_files(self, source_id: SourceId) -> dict[str, KnownFile]:
        """Return the files of a source as its last run left them, by relative path."""
        known = tables.known_file
        query = sql.select(known).where(known.c.source_id == source_id)
        with self._database.reading() as connection:
            return {row.path: _known_file(row) for row in connection.execute(query)}

    def quarantine(
        self,
        *,
        source_id: SourceId,
        path: str,
        original: OriginalHash | None,
        reason: str,
        detail: str,
        size: int,
        modified_ns: int,
    ) -> None:
        """Note that a file's present bytes were not taken in; a document it has stays as it is."""
        with self._database.writing() as connection:
            _write_known_file(
                connection,
                source_id,
                path,
                original=original,
                size=size,
                modified_ns=modified_ns,
                reason=tables.plain(reason),
                detail=tables.plain(detail),
                quarantined_at=self._clock(),
            )

    def quarantined(self, source_id: SourceId | None = None) -> list[Quarantine]:
        """Return the files in quarantine, of one source or of all, by source and path."""
        known = tables.known_file
        query = sql.select(known).where(known.c.reason.is_not(None))
        if source_id is not None:
            query = query.where(known.c.source_id == source_id)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(known.c.source_id, known.c.path))
            return [_quarantine(row) for row in rows]

    def forget_quarantine(self, source_id: SourceId, path: str) -> None:
        """Forget that a file was in quarantine, so that the next run looks at it anew."""
        known = tables.known_file
        there = (known.c.source_id == source_id) & (known.c.path == path)
        with self._database.writing() as connection:
            connection.execute(known.delete().where(there, known.c.document_id.is_(None)))
            connection.execute(
                # The hash is forgotten too: it is that of the bytes that were refused.
                known.update()
                .where(there, known.c.reason.is_not(None))
                .values(original=None, reason=None, detail=None, quarantined_at=None)
            )

    # Versions

    def stage_version(
        self,
        *,
        source_id: SourceId,
        path: str,
        original: OriginalHash,
        media_type: str,
        parsed: ParsedDocument,
        chunks: Sequence[Chunk],
        size: int,
        modified_ns: int,
    ) -> Staged:
        """Store a new version of the document at a path, invisible until it is published.

        Without a title of its own it is shown under the name of its file.

        Raises:
            UnknownSource: There is none with this id.
            ValueError: Words stand on pages that the parsed document does not have.
        """
        version_id = VersionId(str(uuid.uuid4()))
        with self._database.writing() as connection:
            source = _only_source(connection, source_id)
            document_id, access_list = _document_at(connection, source, path)
            number = _next_number(connection, document_id)
            connection.execute(
                tables.version.insert().values(
                    version_id=version_id,
                    document_id=document_id,
                    number=number,
                    state=STAGED,
                    original=original,
                    media_type=media_type,
                    title=tables.plain(parsed.title).strip() or _name_of(path),
                    path=path,
                    size=size,
                    modified_ns=modified_ns,
                    page_count=len(parsed.pages),
                    character_count=len(parsed.text),
                    properties=json.dumps(parsed.properties),
                    published_at=self._clock(),
                )
            )
            _store_parsed(connection, version_id, parsed)
            chunk_ids = _store_chunks(connection, version_id, chunks)
        return Staged(version_id, document_id, number, access_list, chunk_ids)

    def publish(self, version_id: VersionId) -> list[VersionId]:
        """Make a staged version live, supersede the one before and return it.

        The file at its path is known from now on as it was when this version was staged, and
        out of quarantine. Publishing a live version changes nothing.

        Raises:
            UnknownVersion: It is neither staged nor live, or its document was withdrawn.
        """
        version = tables.version
        with self._database.writing() as connection:
            row = _version_row(connection, version_id)
            if row.state == LIVE:
                return []
            if row.state != STAGED or row.withdrawal != PRESENT:
                raise UnknownVersion(
                    f"Version {version_id} cannot be published: it is not staged any more. "
                    "Ingest its file again."
                )
            earlier = (version.c.document_id == row.document_id) & (version.c.state == LIVE)
            superseded = connection.scalars(sql.select(version.c.version_id).where(earlier)).all()
            connection.execute(version.update().where(earlier).values(state=SUPERSEDED))
            connection.execute(
                version.update()
                .where(version.c.version_id == version_id)
                .values(state=LIVE, published_at=self._clock())
            )
            _write_known_file(
                connection,
                row.source_id,
                row.document_path,
                document_id=row.document_id,
                original=row.original,
                size=row.size,
                modified_ns=row.modified_ns,
                reason=None,
                detail=None,
                quarantined_at=None,
            )
        return [VersionId(found) for found in superseded]

    def discard_staged(self) -> list[VersionId]:
        """Remove every version that was staged and never published; return them.

        For the start after a crash, when nobody is staging.
        """
        version, document = tables.version, tables.document
        with self._database.writing() as connection:
            staged = connection.scalars(
                sql.select(version.c.version_id).where(version.c.state == STAGED)
            ).all()
            _delete_versions(connection, staged)
            connection.execute(
                document.delete().where(
                    document.c.document_id.not_in(sql.select(version.c.document_id))
                )
            )
        return [VersionId(found) for found in staged]

    def withdraw_document(self, document_id: DocumentId) -> list[VersionId]:
        """Make a document and all its versions unreadable at once; return those versions.

        Withdrawing it again changes nothing. The file is forgotten: found again, it is a new
        document.

        Raises:
            UnknownDocument: There never was one with this id.
        """
        with self._database.writing() as connection:
            return self._withdraw(connection, document_id)

    def _withdraw(self, connection: sql.Connection, document_id: DocumentId) -> list[VersionId]:
        document, version, known = tables.document, tables.version, tables.known_file
        done = connection.execute(
            document.update()
            .where(document.c.document_id == document_id)
            .values(withdrawal=document_id)
        )
        if done.rowcount == 0:
            raise _unknown_document(document_id)
        connection.execute(
            version.update().where(version.c.document_id == document_id).values(state=WITHDRAWN)
        )
        connection.execute(known.delete().where(known.c.document_id == document_id))
        gone = connection.scalars(
            sql.select(version.c.version_id).where(version.c.document_id == document_id)
        ).all()
        self._texts.forget(gone)
        return [VersionId(found) for found in gone]

    def move_document(self, document_id: DocumentId, path: str) -> AccessListId:
        """Note that a document's file has another path now; return who may read it there.

        Its identity and versions stay.

        Raises:
            UnknownDocument: There is none with this id, or it was withdrawn.
            PathTaken: Another document of the source stands at that path.
        """
        document, known = tables.document, tables.known_file
        with self._database.writing() as connection:
            row = _present_document(connection, document_id)
            source = _only_source(connection, row.source_id)
            if _find_document(connection, source.source_id, path) not in {None, document_id}:
                raise PathTaken(
                    f"Another document of the source {source.name!r} stands at {path!r}. "
                    "Withdraw that one first."
                )
            access_list = _list_for(connection, source.groups_for(path))
            connection.execute(
                document.update()
                .where(document.c.document_id == document_id)
                .values(
                    path=path,
                    access_list_id=access_list,
                    access_indexed=row.access_indexed and row.access_list_id == access_list,
                )
            )
            connection.execute(
                known.delete().where(
                    known.c.source_id == source.source_id,
                    known.c.path == path,
                    known.c.document_id.is_distinct_from(document_id),
                )
            )
            connection.execute(
                known.update().where(known.c.document_id == document_id).values(path=path)
            )
        return access_list

    # Reading

    def load_chunks(self, chunk_ids: Sequence[ChunkId]) -> list[UncheckedChunk]:
        """Return chunks of live versions in the order asked for.

        Unknown ids are left out, and chunks of versions that are staged, superseded or
        withdrawn: what the index still holds of them is never read.
        """
        with self._database.reading() as connection:
            found: dict[str, UncheckedChunk] = {}
            for some in _portions(chunk_ids):
                query = _chunks().where(
                    tables.chunk.c.chunk_id.in_(some),
                    tables.version.c.state == LIVE,
                    tables.document.c.withdrawal == PRESENT,
                )
                for row in connection.execute(query):
                    found[row.chunk_id] = self._unchecked(connection, row)
        return [found[chunk_id] for chunk_id in chunk_ids if chunk_id in found]

    def chunks_of(self, version_id: VersionId) -> list[UncheckedChunk]:
        """Return the chunks of a version in any state, in its order.

        Raises:
            UnknownVersion: There is none with this id.
        """
        query = (
            _chunks().where(tables.chunk.c.version_id == version_id).order_by(tables.chunk.c.number)
        )
        with self._database.reading() as connection:
            _version_row(connection, version_id)
            return [self._unchecked(connection, row) for row in connection.execute(query)]

    def _unchecked(self, connection: sql.Connection, row: sql.Row[Any]) -> UncheckedChunk:
        text = self._texts.get(connection, VersionId(row.version_id))
        return UncheckedChunk(
            chunk_id=ChunkId(row.chunk_id),
            document_id=DocumentId(row.document_id),
            version_id=VersionId(row.version_id),
            version_number=row.version_number,
            title=row.title,
            path=row.document_path,
            source_name=row.source_name,
            chunk=_chunk(row),
            text=text[row.start : row.end],
        )

    def parsed(self, version_id: VersionId) -> ParsedDocument:
        """Return a version as it was parsed.

        Raises:
            UnknownVersion: There is none with this id.
        """
        query = sql.select(tables.version_text.c.blocks).where(
            tables.version_text.c.version_id == version_id
        )
        with self._database.reading() as connection:
            row = _version_row(connection, version_id)
            pages = connection.execute(_pages(version_id)).all()
            return ParsedDocument(
                text=self._texts.get(connection, version_id),
                blocks=_blocks(connection.scalars(query).one()),
                pages=tuple(_page(page) for page in pages),
                words=tuple(_words(pages)),
                title=row.title,
                properties=json.loads(row.properties),
            )

    def text_of(self, version_id: VersionId) -> str:
        """Return the text of a version.

        Raises:
            UnknownVersion: There is none with this id.
        """
        with self._database.reading() as connection:
            _version_row(connection, version_id)
            return self._texts.get(connection, version_id)

    def words_of(self, version_id: VersionId, *, first_page: int, last_page: int) -> list[Word]:
        """Return the words of some pages (counted from 0, both ends included), in text order."""
        page = tables.page
        query = _pages(version_id).where(page.c.number.between(first_page, last_page))
        with self._database.reading() as connection:
            _version_row(connection, version_id)
            return _words(connection.execute(query).all())

    def version(self, version_id: VersionId) -> Version:
        """Return a version in any state.

        Raises:
            UnknownVersion: There is none with this id.
        """
        with self._database.reading() as connection:
            return _version(_version_row(connection, version_id))

    def versions_of(self, document_id: DocumentId) -> list[Version]:
        """Return the versions that are or were live, newest first.

        Raises:
            UnknownDocument: There never was a document with this id.
        """
        version = tables.version
        query = (
            _versions()
            .where(version.c.document_id == document_id, version.c.state != STAGED)
            .order_by(version.c.number.desc())
        )
        with self._database.reading() as connection:
            found = [_version(row) for row in connection.execute(query)]
            if not found:
                _document_row(connection, document_id)
            return found

    def live_versions(self) -> list[Version]:
        """Return the version of every document that answers are made from."""
        query = _live().order_by(tables.version.c.version_id)
        with self._database.reading() as connection:
            return [_version(row) for row in connection.execute(query)]

    def live_document_count(self, source_id: SourceId | None = None) -> int:
        """Return how many documents are live, in one source or in all."""
        query = _live()
        if source_id is not None:
            query = query.where(tables.document.c.source_id == source_id)
        with self._database.reading() as connection:
            return _count(connection, query)

    def readable_documents(
        self, principal: Principal, *, query: str = "", limit: int = 100, offset: int = 0
    ) -> tuple[list[ReadableDocument], int]:
        """Return a page of someone's library by title, and how many documents it has in all.

        Args:
            principal: Whose.
            query: Part of a title or path, in any case; empty for everything.
            limit: The most documents to return.
            offset: Documents to skip.
        """
        title, path = tables.version.c.title, sql.type_coerce(tables.document.c.path, sql.Text)
        chosen = _live().where(tables.document.c.access_list_id.in_(_admitting(principal)))
        if query:
            chosen = chosen.where(
                title.icontains(query, autoescape=True) | path.icontains(query, autoescape=True)
            )
        ordered = chosen.order_by(sql.func.lower(title), path).limit(limit).offset(offset)
        with self._database.reading() as connection:
            total = _count(connection, chosen)
            rows = connection.execute(ordered).all()
        return [ReadableDocument(_version(row), row.source_name) for row in rows], total

    def document_groups(self, document_id: DocumentId) -> frozenset[str]:
        """Return the groups admitted to a document.

        Raises:
            UnknownDocument: There is none with this id, or it was withdrawn.
        """
        lists = tables.access_list
        with self._database.reading() as connection:
            row = _present_document(connection, document_id)
            groups = connection.scalar(
                sql.select(lists.c.groups).where(lists.c.access_list_id == row.access_list_id)
            )
        return frozenset(json.loads(groups or "[]"))

    def source_of(self, document_id: DocumentId) -> Source:
        """Return the source of a document.

        Raises:
            UnknownDocument: There never was one with this id.
        """
        source = tables.source
        with self._database.reading() as connection:
            row = _document_row(connection, document_id)
            found = connection.execute(
                sql.select(source).where(source.c.source_id == row.source_id)
            ).one()
        return _source(found)

    def properties_of(self, version_id: VersionId) -> dict[str, str]:
        """Return what a version's original says of itself.

        Raises:
            UnknownVersion: There is none with this id.
        """
        with self._database.reading() as connection:
            properties: dict[str, str] = json.loads(_version_row(connection, version_id).properties)
        return properties

    # Access

    def admitting_lists(self, principal: Principal) -> set[AccessListId]:
        """Return the access lists that name one of a person's groups."""
        with self._database.reading() as connection:
            return {AccessListId(found) for found in connection.scalars(_admitting(principal))}

    def readable_versions(
        self, principal: Principal, version_ids: Collection[VersionId]
    ) -> set[VersionId]:
        """Return which versions a person may read now.

        Live ones and those before them, so that an old citation can still be opened; never a
        staged one, never one of a document that was withdrawn.
        """
        version, document = tables.version, tables.document
        readable: set[VersionId] = set()
        with self._database.reading() as connection:
            for some in _portions(list(version_ids)):
                query = (
                    sql.select(version.c.version_id)
                    .join(document)
                    .where(
                        version.c.version_id.in_(some),
                        version.c.state.in_([LIVE, SUPERSEDED]),
                        document.c.withdrawal == PRESENT,
                        document.c.access_list_id.in_(_admitting(principal)),
                    )
                )
                readable.update(VersionId(found) for found in connection.scalars(query))
        return readable

    def gate(self) -> Gate:
        """Return the gate that decides by this catalog."""
        return Gate(admitting_lists=self.admitting_lists, readable_versions=self.readable_versions)

    def stale_access(self, source_id: SourceId | None = None) -> dict[DocumentId, AccessListId]:
        """Return the documents whose access list the index has yet to be told, with that list."""
        document = tables.document
        query = sql.select(document.c.document_id, document.c.access_list_id).where(
            document.c.withdrawal == PRESENT, document.c.access_indexed.is_(False)
        )
        if source_id is not None:
            query = query.where(document.c.source_id == source_id)
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        return {DocumentId(row.document_id): AccessListId(row.access_list_id) for row in rows}

    def access_indexed(self, document_id: DocumentId, access_list: AccessListId) -> None:
        """Note that the index has a document under a list, unless it changed again since."""
        document = tables.document
        with self._database.writing() as connection:
            connection.execute(
                document.update()
                .where(
                    document.c.document_id == document_id,
                    document.c.access_list_id == access_list,
                )
                .values(access_indexed=True)
            )


class _Texts:
    """Texts of the versions read last. A version's text never changes, so none grows old."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, str] = OrderedDict()
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
            self._kept[version_id] = found
            while len(self._kept) > TEXTS_KEPT:
                self._kept.popitem(last=False)
        return found

    def forget(self, version_ids: Collection[str]) -> None:
        """Hold these no longer."""
        with self._lock:
            for version_id in version_ids:
                self._kept.pop(version_id, None)


def chunk_id_of(version_id: VersionId, number: int) -> ChunkId:
    """Return the id of a chunk: the same whenever the same version is cut."""
    return ChunkId(str(uuid.uuid5(CHUNK_NAMESPACE, f"{version_id}:{number}")))


def _portions(ids: Sequence[Id]) -> Iterator[Sequence[Id]]:
    for start in range(0, len(ids), ASKED_AT_ONCE):
        yield ids[start : start + ASKED_AT_ONCE]


def _admitting(principal: Principal) -> sql.Select[int]:
    group = tables.access_list_group
    return (
        sql.select(group.c.access_list_id)
        .where(group.c.group_name.in_(sorted(principal.groups)))
        .distinct()
    )


def _versions() -> sql.Select[Any]:
    document = tables.document
    return (
        sql.select(
            tables.version,
            document.c.source_id,
            document.c.path.label("document_path"),
            document.c.withdrawal,
            tables.source.c.name.label("source_name"),
        )
        .select_from(tables.version)
        .join(document)
        .join(tables.source)
    )


def _live() -> sql.Select[Any]:
    return _versions().where(
        tables.version.c.state == LIVE, tables.document.c.withdrawal == PRESENT
    )


def _count(connection: sql.Connection, query: sql.Select[Any]) -> int:
    return connection.scalar(sql.select(sql.func.count()).select_from(query.subquery())) or 0


def _version_row(connection: sql.Connection, version_id: VersionId) -> sql.Row[Any]:
    query = _versions().where(tables.version.c.version_id == version_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise UnknownVersion(f"There is no version {version_id}.")
    return row


def _version(row: sql.Row[Any]) -> Version:
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
    )


def _name_of(path: str) -> str:
    return tables.plain(path.rpartition("/")[2])


def _next_number(connection: sql.Connection, document_id: DocumentId) -> int:
    version = tables.version
    highest = connection.scalar(
        sql.select(sql.func.max(version.c.number)).where(version.c.document_id == document_id)
    )
    return (highest or 0) + 1


def _delete_versions(connection: sql.Connection, version_ids: Sequence[str]) -> None:
    for some in _portions(version_ids):
        for table in (tables.chunk, tables.page, tables.version_text, tables.version):
            connection.execute(table.delete().where(table.c.version_id.in_(some)))


def _store_parsed(
    connection: sql.Connection, version_id: VersionId, parsed: ParsedDocument
) -> None:
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
    on_page: defaultdict[int, list[Word]] = defaultdict(list)
    for word in parsed.words:
        on_page[word.page].append(word)
    if unknown := on_page.keys() - {page.number for page in parsed.pages}:
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
            "words": words.pack(on_page[page.number]),
        }
        for page in parsed.pages
    ]
    if rows:
        connection.execute(tables.page.insert(), rows)


def _store_chunks(
    connection: sql.Connection, version_id: VersionId, chunks: Sequence[Chunk]
) -> tuple[ChunkId, ...]:
    rows = [
        {
            "chunk_id": chunk_id_of(version_id, chunk.number),
            "version_id": version_id,
            "number": chunk.number,
            "start": chunk.start,
            "end": chunk.end,
            "heading_path": json.dumps(chunk.heading_path),
            "page": chunk.page,
            "place": tables.plain(chunk.place),
            "context": tables.plain(chunk.context),
        }
        for chunk in chunks
    ]
    if rows:
        connection.execute(tables.chunk.insert(), rows)
    return tuple(chunk_id_of(version_id, chunk.number) for chunk in chunks)


def _chunks() -> sql.Select[Any]:
    return (
        sql.select(
            tables.chunk,
            tables.version.c.document_id,
            tables.version.c.number.label("version_number"),
            tables.version.c.title,
            tables.document.c.path.label("document_path"),
            tables.source.c.name.label("source_name"),
        )
        .select_from(tables.chunk)
        .join(tables.version)
        .join(tables.document)
        .join(tables.source)
    )


def _chunk(row: sql.Row[Any]) -> Chunk:
    return Chunk(
        number=row.number,
        start=row.start,
        end=row.end,
        heading_path=tuple(json.loads(row.heading_path)),
        page=row.page,
        place=row.place,
        context=row.context,
    )


def _blocks(stored: str) -> tuple[Block, ...]:
    return tuple(
        Block(start, end, BlockKind(kind), level, place, context)
        for start, end, kind, level, place, context in json.loads(stored)
    )


def _pages(version_id: VersionId) -> sql.Select[Any]:
    page = tables.page
    return sql.select(page).where(page.c.version_id == version_id).order_by(page.c.number)


def _page(row: sql.Row[Any]) -> Page:
    return Page(row.number, row.start, row.end, row.width, row.height, row.ocr_confidence)


def _words(pages: Sequence[sql.Row[Any]]) -> list[Word]:
    found = [word for row in pages for word in words.unpack(row.words, page=row.number)]
    return sorted(found, key=lambda word: word.start)


def _only_source(connection: sql.Connection, source_id: SourceId) -> Source:
    source = tables.source
    row = connection.execute(
        sql.select(source).where(source.c.source_id == source_id, source.c.removal == PRESENT)
    ).one_or_none()
    if row is None:
        raise UnknownSource(f"There is no source {source_id}. List them, or add it first.")
    return _source(row)


def _source(row: sql.Row[Any]) -> Source:
    return Source(
        source_id=SourceId(row.source_id),
        name=row.name,
        location=Path(row.location),
        groups=frozenset(json.loads(row.groups)),
        rules=tuple(AccessRule(glob, frozenset(groups)) for glob, groups in json.loads(row.rules)),
    )


def _rules_json(rules: Sequence[AccessRule]) -> str:
    return json.dumps([[rule.glob, sorted(rule.groups)] for rule in rules])


def _list_for(connection: sql.Connection, groups: Collection[str]) -> AccessListId:
    """Return the one access list of a set of groups, making it when it is new."""
    lists, group = tables.access_list, tables.access_list_group
    named = tables.canonical_groups(groups)
    known = connection.scalar(sql.select(lists.c.access_list_id).where(lists.c.groups == named))
    if known is not None:
        return AccessListId(known)
    made = lists.insert().values(groups=named).returning(lists.c.access_list_id)
    access_list = AccessListId(connection.execute(made).scalar_one())
    if groups:
        connection.execute(
            group.insert(),
            [{"group_name": name, "access_list_id": access_list} for name in sorted(set(groups))],
        )
    return access_list


def _relist_documents(
    connection: sql.Connection,
    source_id: str,
    groups: frozenset[str],
    rules: Sequence[AccessRule],
) -> None:
    document = tables.document
    rows = connection.execute(
        sql.select(document).where(
            document.c.source_id == source_id, document.c.withdrawal == PRESENT
        )
    ).all()
    for row in rows:
        access_list = _list_for(connection, groups_for(row.path, groups=groups, rules=rules))
        if access_list != row.access_list_id:
            connection.execute(
                document.update()
                .where(document.c.document_id == row.document_id)
                .values(access_list_id=access_list, access_indexed=False)
            )


def _document_at(
    connection: sql.Connection, source: Source, path: str
) -> tuple[DocumentId, AccessListId]:
    """Return the document at a path, making it when there is none."""
    known = _find_document(connection, source.source_id, path)
    if known is not None:
        return known, AccessListId(_document_row(connection, known).access_list_id)
    document_id = DocumentId(str(uuid.uuid4()))
    access_list = _list_for(connection, source.groups_for(path))
    connection.execute(
        tables.document.insert().values(
            document_id=document_id,
            source_id=source.source_id,
            path=path,
            access_list_id=access_list,
            access_indexed=True,
            withdrawal=PRESENT,
        )
    )
    return document_id, access_list


def _find_document(connection: sql.Connection, source_id: SourceId, path: str) -> DocumentId | None:
    document = tables.document
    found = connection.scalar(
        sql.select(document.c.document_id).where(
            document.c.source_id == source_id,
            document.c.path == path,
            document.c.withdrawal == PRESENT,
        )
    )
    return None if found is None else DocumentId(found)


def _documents_of(connection: sql.Connection, source_id: SourceId) -> list[DocumentId]:
    document = tables.document
    found = connection.scalars(
        sql.select(document.c.document_id).where(
            document.c.source_id == source_id, document.c.withdrawal == PRESENT
        )
    )
    return [DocumentId(document_id) for document_id in found]


def _document_row(connection: sql.Connection, document_id: DocumentId) -> sql.Row[Any]:
    document = tables.document
    row = connection.execute(
        sql.select(document).where(document.c.document_id == document_id)
    ).one_or_none()
    if row is None:
        raise _unknown_document(document_id)
    return row


def _present_document(connection: sql.Connection, document_id: DocumentId) -> sql.Row[Any]:
    row = _document_row(connection, document_id)
    if row.withdrawal != PRESENT:
        raise _unknown_document(document_id)
    return row


def _unknown_document(document_id: DocumentId) -> UnknownDocument:
    return UnknownDocument(f"There is no document {document_id}, or it was withdrawn.")


def _write_known_file(
    connection: sql.Connection, source_id: str, path: str, **values: object
) -> None:
    """Change what is known of a file; what is not given stays."""
    known = tables.known_file
    there = (known.c.source_id == source_id) & (known.c.path == path)
    if connection.execute(known.update().where(there).values(**values)).rowcount == 0:
        connection.execute(known.insert().values(source_id=source_id, path=path, **values))


def _known_file(row: sql.Row[Any]) -> KnownFile:
    return KnownFile(
        path=row.path,
        original=None if row.original is None else OriginalHash(row.original),
        document_id=None if row.document_id is None else DocumentId(row.document_id),
        quarantined=None if row.reason is None else _quarantine(row),
        size=row.size,
        modified_ns=row.modified_ns,
    )


def _quarantine(row: sql.Row[Any]) -> Quarantine:
    return Quarantine(
        source_id=SourceId(row.source_id),
        path=row.path,
        reason=row.reason,
        detail=row.detail or "",
        at=row.quarantined_at,
    )
