"""Documents that are being destroyed: which, how far, and what is left of each afterwards.

The steps themselves are ``ingest.erasing``'s; the catalog remembers the last one that was done,
and does those that are its own.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sql

from corpus import tables
from corpus.database import Part
from corpus.documents import DocumentId, OriginalHash, SourceId, VersionId
from corpus.errors import UnknownDocument
from corpus.sources import document_row
from corpus.tables import PRESENT, STAGED
from corpus.versions import delete_versions

ASKED = "asked"
ERASED = "erased"


@dataclass(frozen=True, slots=True)
class DoomedVersion:
    """A version of a document that is being destroyed."""

    version_id: VersionId
    number: int
    original: OriginalHash


@dataclass(frozen=True, slots=True)
class Erasure:
    """A document that is being destroyed.

    Attributes:
        document_id: Which.
        source_id: Its source.
        source: That source's name.
        path: Relative to the source; empty once it is destroyed.
        step: The last step done, "asked" before the first and "erased" after the last.
        asked_by: Who asked.
        asked_at: When (UTC).
        ground: Why.
        versions: What the document consisted of.
        places: What each step took away and what it found left, by place.
        held_by: Id of the hold that stands against it; empty without one.
        finished_at: When it was done (UTC); None before.
    """

    document_id: DocumentId
    source_id: SourceId
    source: str
    path: str
    step: str
    asked_by: str
    asked_at: datetime
    ground: str
    versions: tuple[DoomedVersion, ...]
    places: dict[str, tuple[int, int]]
    held_by: str
    finished_at: datetime | None


class Erasures(Part):
    """The part of the catalog that keeps erasures."""

    def ask_erasure(self, document_id: DocumentId, *, by: str, ground: str) -> Erasure:
        """Ask for a document to be destroyed, withdrawn before or not; once is enough.

        Raises:
            UnknownDocument: There never was one with this id.
        """
        table, version = tables.erasure, tables.version
        with self._database.writing() as connection:
            document_row(connection, document_id)
            known = connection.scalar(
                sql.select(table.c.step).where(table.c.document_id == document_id)
            )
            if known is None:
                rows = connection.execute(
                    sql.select(version.c.version_id, version.c.number, version.c.original)
                    .where(version.c.document_id == document_id, version.c.state != STAGED)
                    .order_by(version.c.number)
                )
                connection.execute(
                    table.insert().values(
                        document_id=document_id,
                        step=ASKED,
                        asked_by=tables.plain(by),
                        asked_at=self._clock(),
                        ground=tables.plain(ground),
                        versions=json.dumps([list(row) for row in rows]),
                        places="{}",
                        held_by="",
                    )
                )
            return _only(connection, document_id)

    def erasure(self, document_id: DocumentId) -> Erasure:
        """Return the erasure of a document.

        Raises:
            UnknownDocument: Nobody asked for it to be destroyed.
        """
        with self._database.reading() as connection:
            return _only(connection, document_id)

    def erasures(self, *, open_only: bool = True) -> list[Erasure]:
        """Return the erasures, oldest first: those not yet done, or all."""
        table = tables.erasure
        query = _erasures().order_by(table.c.asked_at, table.c.document_id)
        if open_only:
            query = query.where(table.c.step != ERASED)
        with self._database.reading() as connection:
            return [_erasure(row) for row in connection.execute(query)]

    def note_erasure(
        self,
        document_id: DocumentId,
        *,
        step: str,
        place: str = "",
        removed: int = 0,
        left: int = 0,
        held_by: str = "",
    ) -> None:
        """Note that a step is done, and what it found in its place."""
        table = tables.erasure
        with self._database.writing() as connection:
            places = dict(_only(connection, document_id).places)
            if place:
                places[place] = (removed, left)
            connection.execute(
                table.update()
                .where(table.c.document_id == document_id)
                .values(
                    step=step,
                    places=json.dumps(places),
                    held_by=held_by,
                    finished_at=self._clock() if step == ERASED else None,
                )
            )

    def erase_text(self, document_id: DocumentId) -> int:
        """Destroy all versions of a withdrawn document and every name of it; count the rows.

        What stays is its id, so that the record's entries about it lead somewhere.
        """
        version, document, files = tables.version, tables.document, tables.run_file
        known, run = tables.known_file, tables.run
        with self._database.writing() as connection:
            row = document_row(connection, document_id)
            if row.withdrawal == PRESENT:
                raise UnknownDocument(
                    f"Document {document_id} has not been withdrawn yet; that comes first."
                )
            ids = connection.scalars(
                sql.select(version.c.version_id).where(version.c.document_id == document_id)
            ).all()
            paths = connection.scalars(
                sql.select(version.c.path).where(version.c.document_id == document_id)
            ).all()
            delete_versions(connection, ids)
            named = {row.path, *paths} - {""}
            of_source = sql.select(run.c.run_id).where(run.c.source_id == row.source_id)
            still_used = set(
                connection.scalars(
                    sql.select(known.c.path).where(
                        known.c.source_id == row.source_id, known.c.path.in_(named)
                    )
                )
            )
            forgotten = connection.execute(
                files.delete().where(
                    files.c.run_id.in_(of_source), files.c.path.in_(named - still_used)
                )
            )
            connection.execute(
                document.update().where(document.c.document_id == document_id).values(path="")
            )
            return len(ids) + int(forgotten.rowcount)

    def scrub(self) -> None:
        """See that what was destroyed cannot be read off the disk any more."""
        self._database.scrub()


def _erasures() -> sql.Select[Any]:
    table, document, source = tables.erasure, tables.document, tables.source
    return (
        sql.select(table, document.c.source_id, document.c.path, source.c.name.label("source_name"))
        .select_from(table)
        .join(document)
        .join(source)
    )


def _only(connection: sql.Connection, document_id: DocumentId) -> Erasure:
    query = _erasures().where(tables.erasure.c.document_id == document_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise UnknownDocument(f"Nobody asked for document {document_id} to be destroyed.")
    return _erasure(row)


def _erasure(row: sql.Row[Any]) -> Erasure:
    versions: Sequence[tuple[str, int, str]] = json.loads(row.versions)
    return Erasure(
        document_id=DocumentId(row.document_id),
        source_id=SourceId(row.source_id),
        source=row.source_name,
        path=row.path,
        step=row.step,
        asked_by=row.asked_by,
        asked_at=row.asked_at,
        ground=row.ground,
        versions=tuple(
            DoomedVersion(VersionId(version_id), number, OriginalHash(original))
            for version_id, number, original in versions
        ),
        places={name: (removed, left) for name, (removed, left) in json.loads(row.places).items()},
        held_by=row.held_by,
        finished_at=row.finished_at,
    )
