"""The catalog: sources, documents, their versions and chunks, and who may read them.

A version is *staged* (stored, invisible), then *live*, then *superseded* by the next one. A
document that is *withdrawn* takes all its versions with it: nothing of it can be read any more.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sql

from corpus import tables
from corpus.access import AccessListId, Principal, UncheckedChunk
from corpus.break_glass import BreakGlass
from corpus.cuttings import Cuttings
from corpus.database import Clock, Database, utc_now
from corpus.documents import (
    Block,
    Chunk,
    ChunkId,
    DocumentId,
    OriginalHash,
    ParsedDocument,
    SourceId,
    Version,
    VersionId,
    Word,
)
from corpus.erasures import Erasures
from corpus.errors import PathTaken, UnknownVersion
from corpus.grounds import marking_in, relist
from corpus.holds import Holds
from corpus.intakes import Intakes
from corpus.permissions import move_entries, note_indexed
from corpus.plans import Plans
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
)
from corpus.runs import Runs, write_outcome
from corpus.sources import (
    Sources,
    document_at,
    document_row,
    documents_of,
    find_document,
    only_source,
    present_document,
    source_from,
    unknown_document,
    write_known_file,
)
from corpus.tables import (
    LIVE,
    PLANNED,
    PRESENT,
    RECORDING,
    RUNNING,
    STAGED,
    SUPERSEDED,
    WITHDRAWN,
    escape_path,
)
from corpus.versions import (
    Texts,
    all_chunks,
    all_versions,
    blocks_in,
    chunk_from,
    chunk_id_of,
    count,
    delete_versions,
    live_versions,
    name_of,
    next_number,
    page_from,
    pages_of,
    portions,
    store_chunks,
    store_parsed,
    version_from,
    version_id_of,
    version_row,
    words_from,
)

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


class Catalog(Sources, Runs, BreakGlass, Plans, Intakes, Erasures, Cuttings):
    """Everything known of the documents, in one database; may be used from any thread.

    Every method that changes something does so in one transaction: all of it or nothing.
    Every method raises ``corpus.errors.CatalogUnavailable`` when the database cannot be used.
    """

    def __init__(
        self, database: Database, *, clock: Clock = utc_now, markings: Sequence[str] = ()
    ) -> None:
        super().__init__(database, clock=clock, markings=markings)
        self._texts = Texts()

    @classmethod
    def open(cls, url: str, *, clock: Clock = utc_now, markings: Sequence[str] = ()) -> "Catalog":
        """Open a catalog, making it or bringing its schema up to date as needed.

        Args:
            url: "sqlite:////folder/catalog.db" or any other that SQLAlchemy knows.
            clock: Gives the time in UTC.
            markings: The protective markings in use, from the lowest to the highest.

        Raises:
            CatalogUnavailable: It cannot be opened, or a newer Muniment wrote it.
        """
        database = Database(url)
        database.migrate()
        return cls(database, clock=clock, markings=markings)

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    # Sources

    def remove_source(self, source_id: SourceId) -> list[VersionId]:
        """Withdraw every document of a source and forget it; return the versions withdrawn."""
        source, known, run = tables.source, tables.known_file, tables.run
        with self._database.writing() as connection:
            only_source(connection, source_id)
            gone = [
                version_id
                for document_id in documents_of(connection, source_id)
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
        planned: int | None = None,
        cutting: str = "",
    ) -> Staged:
        """Store a new version of the document at a path, invisible until it is published.

        Without a title of its own it is shown under the name of its file. Given its place in
        the plan of a run (``PlannedFile.sequence``), the plan names the version from then on.
        ``cutting`` says how the chunks were cut, so that others can be told from them.

        Raises:
            UnknownSource: There is none with this id.
            ValueError: Words stand on pages that the parsed document does not have.
        """
        with self._database.writing() as connection:
            source = only_source(connection, source_id)
            document_id = document_at(connection, source, path)
            number = next_number(connection, document_id)
            version_id = version_id_of(document_id, number, original)
            connection.execute(
                tables.version.insert().values(
                    version_id=version_id,
                    document_id=document_id,
                    number=number,
                    state=STAGED,
                    original=original,
                    media_type=media_type,
                    title=tables.plain(parsed.title).strip() or name_of(path),
                    path=path,
                    size=size,
                    modified_ns=modified_ns,
                    page_count=len(parsed.pages),
                    character_count=len(parsed.text),
                    properties=json.dumps(parsed.properties),
                    marking=marking_in(dict(parsed.properties), self._levels),
                    published_at=self._clock(),
                    cutting=cutting,
                )
            )
            store_parsed(connection, version_id, parsed)
            chunk_ids = store_chunks(connection, version_id, chunks)
            if planned is not None:
                plan = tables.run_file.update().where(tables.run_file.c.sequence == planned)
                connection.execute(plan.values(version_id=version_id))
            relist(connection, source, self._levels, below=path)
            access_list = AccessListId(document_row(connection, document_id).access_list_id)
            if number == 1:
                note_indexed(connection, document_id, access_list)
        return Staged(version_id, document_id, number, access_list, chunk_ids)

    def publish(self, version_id: VersionId) -> list[VersionId]:
        """Make a staged version live, supersede the one before and return it.

        The file at its path is known from now on as it was when this version was staged, and
        out of quarantine. Publishing a live version changes nothing.

        Raises:
            UnknownVersion: It is neither staged nor live, or its document was withdrawn.
        """
        with self._database.writing() as connection:
            return self._publish(connection, version_id)

    def publish_all(
        self, settled: Sequence[tuple[VersionId, RunId, FileOutcome]]
    ) -> list[list[VersionId]]:
        """Make staged versions live and settle their files in their runs, all or none.

        Returns:
            For each the versions that it superseded.

        Raises:
            UnknownVersion: As ``publish``.
        """
        superseded: list[list[VersionId]] = []
        with self._database.writing() as connection:
            for version_id, run_id, outcome in settled:
                earlier = self._publish(connection, version_id, run_id)
                name = "updated" if earlier else outcome.outcome
                write_outcome(connection, run_id, replace(outcome, outcome=name))
                superseded.append(earlier)
        return superseded

    def _publish(
        self, connection: sql.Connection, version_id: VersionId, run_id: RunId | None = None
    ) -> list[VersionId]:
        version, run = tables.version, tables.run
        row = version_row(connection, version_id)
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
        seen: dict[str, object] = {}
        if run_id is not None:
            sequence = sql.select(run.c.sequence).where(run.c.run_id == run_id)
            seen["seen_in"] = sequence.scalar_subquery()
        write_known_file(
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
            **seen,
        )
        return [VersionId(found) for found in superseded]

    def discard_staged(self) -> list[VersionId]:
        """Remove every version that was staged and that no run will publish; return them."""
        version, document = tables.version, tables.document
        files, run = tables.run_file, tables.run
        planned = (
            sql.select(files.c.version_id)
            .join(run, run.c.run_id == files.c.run_id)
            .where(
                files.c.version_id.is_not(None),
                files.c.outcome.in_([PLANNED, RECORDING]),
                run.c.state == RUNNING,
            )
        )
        with self._database.writing() as connection:
            stray = connection.execute(
                sql.select(version.c.version_id, version.c.document_id).where(
                    version.c.state == STAGED, version.c.version_id.not_in(planned)
                )
            ).all()
            delete_versions(connection, [row.version_id for row in stray])
            for some in portions([row.document_id for row in stray]):
                connection.execute(
                    document.delete().where(
                        document.c.document_id.in_(some),
                        document.c.document_id.not_in(sql.select(version.c.document_id)),
                    )
                )
        return [VersionId(row.version_id) for row in stray]

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
            raise unknown_document(document_id)
        connection.execute(
            version.update().where(version.c.document_id == document_id).values(state=WITHDRAWN)
        )
        connection.execute(known.delete().where(known.c.document_id == document_id))
        gone = connection.scalars(
            sql.select(version.c.version_id).where(version.c.document_id == document_id)
        ).all()
        self._texts.forget(gone)
        return [VersionId(found) for found in gone]

    def move_document(
        self,
        document_id: DocumentId,
        path: str,
        *,
        settled: tuple[RunId, FileOutcome] | None = None,
    ) -> AccessListId:
        """Note that a document's file has another path now; return who may read it there.

        Its identity and versions stay. The file is settled in its run at the same time.

        Raises:
            UnknownDocument: There is none with this id, or it was withdrawn.
            PathTaken: Another document of the source stands at that path.
        """
        document, known = tables.document, tables.known_file
        with self._database.writing() as connection:
            row = present_document(connection, document_id)
            source = only_source(connection, row.source_id)
            if find_document(connection, source.source_id, path) not in {None, document_id}:
                raise PathTaken(
                    f"Another document of the source {source.name!r} stands at {path!r}. "
                    "Withdraw that one first."
                )
            move_entries(connection, source.source_id, row.path, path)
            connection.execute(
                document.update().where(document.c.document_id == document_id).values(path=path)
            )
            relist(connection, source, self._levels, below=path)
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
            if settled is not None:
                write_outcome(connection, *settled)
            return AccessListId(document_row(connection, document_id).access_list_id)

    # Reading

    def load_chunks(self, chunk_ids: Sequence[ChunkId]) -> list[UncheckedChunk]:
        """Return chunks of live versions in the order asked for.

        Unknown ids are left out, and chunks of versions that are staged, superseded or
        withdrawn: what the index still holds of them is never read.
        """
        with self._database.reading() as connection:
            found: dict[str, UncheckedChunk] = {}
            for some in portions(chunk_ids):
                query = all_chunks().where(
                    tables.chunk.c.chunk_id.in_(some),
                    tables.version.c.state == LIVE,
                    tables.document.c.withdrawal == PRESENT,
                )
                for row in connection.execute(query):
                    found[row.chunk_id] = self._unchecked(connection, row)
        return [found[chunk_id] for chunk_id in chunk_ids if chunk_id in found]

    def chunks_of(self, version_id: VersionId, *, past: bool = False) -> list[UncheckedChunk]:
        """Return the chunks of a version in any state, in its order.

        Args:
            version_id: The version.
            past: Those it had before it was cut anew, instead of those it has.

        Raises:
            UnknownVersion: There is none with this id.
        """
        chunk = tables.past_chunk if past else tables.chunk
        query = all_chunks(chunk).where(chunk.c.version_id == version_id).order_by(chunk.c.number)
        with self._database.reading() as connection:
            version_row(connection, version_id)
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
            chunk=chunk_from(row),
            text=text[row.start : row.end],
            marking=row.marking,
        )

    def parsed(self, version_id: VersionId) -> ParsedDocument:
        """Return a version as it was parsed.

        Raises:
            UnknownVersion: There is none with this id.
        """
        with self._database.reading() as connection:
            row = version_row(connection, version_id)
            pages = connection.execute(pages_of(version_id)).all()
            return ParsedDocument(
                text=self._texts.get(connection, version_id),
                blocks=blocks_in(connection, version_id),
                pages=tuple(page_from(page) for page in pages),
                words=tuple(words_from(pages)),
                title=row.title,
                properties=json.loads(row.properties),
            )

    def blocks_of(self, version_id: VersionId) -> tuple[Block, ...]:
        """Return the parsed spans of a version, in its order.

        Raises:
            UnknownVersion: There is none with this id.
        """
        with self._database.reading() as connection:
            version_row(connection, version_id)
            return blocks_in(connection, version_id)

    def text_of(self, version_id: VersionId) -> str:
        """Return the text of a version.

        Raises:
            UnknownVersion: There is none with this id.
        """
        with self._database.reading() as connection:
            version_row(connection, version_id)
            return self._texts.get(connection, version_id)

    def words_of(self, version_id: VersionId, *, first_page: int, last_page: int) -> list[Word]:
        """Return the words of some pages (counted from 0, both ends included), in text order."""
        page = tables.page
        query = pages_of(version_id).where(page.c.number.between(first_page, last_page))
        with self._database.reading() as connection:
            version_row(connection, version_id)
            return words_from(connection.execute(query).all())

    def version(self, version_id: VersionId) -> Version:
        """Return a version in any state.

        Raises:
            UnknownVersion: There is none with this id.
        """
        with self._database.reading() as connection:
            return version_from(version_row(connection, version_id))

    def versions_of(self, document_id: DocumentId) -> list[Version]:
        """Return the versions that are or were live, newest first.

        Raises:
            UnknownDocument: There never was a document with this id.
        """
        version = tables.version
        query = (
            all_versions()
            .where(version.c.document_id == document_id, version.c.state != STAGED)
            .order_by(version.c.number.desc())
        )
        with self._database.reading() as connection:
            found = [version_from(row) for row in connection.execute(query)]
            if not found:
                document_row(connection, document_id)
            return found

    def live_versions(self) -> list[Version]:
        """Return the version of every document that answers are made from."""
        query = live_versions().order_by(tables.version.c.version_id)
        with self._database.reading() as connection:
            return [version_from(row) for row in connection.execute(query)]

    def live_document_count(self, source_id: SourceId | None = None) -> int:
        """Return how many documents are live, in one source or in all."""
        query = live_versions()
        if source_id is not None:
            query = query.where(tables.document.c.source_id == source_id)
        with self._database.reading() as connection:
            return count(connection, query)

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
        chosen = live_versions()
        if query:
            chosen = chosen.where(
                title.icontains(query, autoescape=True) | path.icontains(query, autoescape=True)
            )
        with self._database.reading() as connection:
            chosen = chosen.where(self._readable(connection, principal))
            ordered = chosen.order_by(sql.func.lower(title), path).limit(limit).offset(offset)
            total = count(connection, chosen)
            rows = connection.execute(ordered).all()
        return [ReadableDocument(version_from(row), row.source_name) for row in rows], total

    def readable_beside(
        self, principal: Principal, document_id: DocumentId, *, name: str
    ) -> list[Version]:
        """Return what somebody may read in a document's folder whose title or path holds a name.

        Args:
            principal: Who.
            document_id: The document; nothing is beside one that there is not.
            name: Part of a title or path, in any case.
        """
        document = tables.document
        title, path = tables.version.c.title, sql.type_coerce(document.c.path, sql.Text)
        place = sql.select(document.c.source_id, document.c.path).where(
            document.c.document_id == document_id
        )
        with self._database.reading() as connection:
            beside = connection.execute(place).one_or_none()
            if beside is None:
                return []
            folder = escape_path(beside.path.rpartition("/")[0])
            chosen = live_versions().where(
                document.c.source_id == beside.source_id,
                path.startswith(f"{folder}/" if folder else "", autoescape=True),
                title.icontains(name, autoescape=True) | path.icontains(name, autoescape=True),
                self._readable(connection, principal),
            )
            return [version_from(row) for row in connection.execute(chosen)]

    def access_list_of(self, document_id: DocumentId) -> AccessListId:
        """Return the list that says who may read a document.

        Raises:
            UnknownDocument: There is none with this id, or it was withdrawn.
        """
        with self._database.reading() as connection:
            return AccessListId(present_document(connection, document_id).access_list_id)

    def source_of(self, document_id: DocumentId) -> Source:
        """Return the source of a document.

        Raises:
            UnknownDocument: There never was one with this id.
        """
        source = tables.source
        with self._database.reading() as connection:
            row = document_row(connection, document_id)
            found = connection.execute(
                sql.select(source).where(source.c.source_id == row.source_id)
            ).one()
        return source_from(found)

    def properties_of(self, version_id: VersionId) -> dict[str, str]:
        """Return what a version's original says of itself.

        Raises:
            UnknownVersion: There is none with this id.
        """
        with self._database.reading() as connection:
            properties: dict[str, str] = json.loads(version_row(connection, version_id).properties)
        return properties

    def holds(self) -> Holds:
        """Return the legal holds of this catalog."""
        return Holds(self._database, clock=self._clock)
