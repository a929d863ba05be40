"""Legal holds: what must not be deleted, whoever asks and whatever its term.

A hold stands on everything, on a source, on a document or on a person. It does not hide
anything and does not keep a document from being withdrawn; it keeps what is there from being
destroyed. Whoever destroys something asks here right before each step that cannot be undone,
and puts an attempt that a hold stopped on the record (``audit.events.DeletionPrevented``).
"""

import unicodedata
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NewType

import sqlalchemy as sql

from corpus import tables
from corpus.database import Clock, Database, Part, utc_now
from corpus.documents import DocumentId, SourceId
from corpus.errors import Held, UnknownDocument, UnknownHold, UnknownSource

HoldId = NewType("HoldId", str)


class HoldScope(StrEnum):
    """What a hold stands on."""

    EVERYTHING = "everything"
    SOURCE = "source"
    DOCUMENT = "document"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Hold:
    """An order to keep.

    Attributes:
        hold_id: Its id.
        scope: What kind of thing it stands on.
        target: Id of the source or document, name of the person; empty for everything.
        reason: Why, as whoever placed it wrote it.
        placed_by: Who placed it.
        placed_at: When (UTC).
        lifted_by: Who lifted it; empty while it stands.
        lifted_at: When (UTC); None while it stands.
    """

    hold_id: HoldId
    scope: HoldScope
    target: str
    reason: str
    placed_by: str
    placed_at: datetime
    lifted_by: str = ""
    lifted_at: datetime | None = None


class Holds(Part):
    """The holds of one catalog; may be used from any thread.

    Every method raises ``corpus.errors.CatalogUnavailable`` when the database cannot be used:
    where nobody can say that there is no hold, nothing is destroyed.
    """

    @classmethod
    def open(cls, url: str, *, clock: Clock = utc_now) -> "Holds":
        """Open the holds of a catalog, bringing its schema up to date as needed."""
        database = Database(url)
        database.migrate()
        return cls(database, clock=clock)

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def place(self, scope: HoldScope, target: str, *, reason: str, by: str) -> Hold:
        """Put a hold on something; it counts at once.

        Args:
            scope: What kind of thing.
            target: Id or name of a source, id of a document, name of a person. A person need
                not have an account (any more).
            reason: Why, for those who find it years later.
            by: Who places it.

        Raises:
            UnknownSource: There never was one of this id, and none has this name.
            UnknownDocument: There never was one of this id.
        """
        with self._database.writing() as connection:
            hold = Hold(
                hold_id=HoldId(str(uuid.uuid4())),
                scope=scope,
                target=_resolved(connection, scope, target),
                reason=tables.plain(reason),
                placed_by=by,
                placed_at=self._clock(),
            )
            connection.execute(
                tables.hold.insert().values(
                    hold_id=hold.hold_id,
                    scope=hold.scope.value,
                    target=hold.target,
                    target_key=_key(hold.target) if scope is HoldScope.PERSON else hold.target,
                    reason=hold.reason,
                    placed_by=hold.placed_by,
                    placed_at=hold.placed_at,
                    lifted_by="",
                )
            )
        return hold

    def lift(self, hold_id: HoldId, *, by: str) -> Hold:
        """End a hold; it stays listed as lifted. Lifting it again changes nothing.

        Raises:
            UnknownHold: There never was one of this id.
        """
        hold = tables.hold
        with self._database.writing() as connection:
            connection.execute(
                hold.update()
                .where(hold.c.hold_id == hold_id, hold.c.lifted_at.is_(None))
                .values(lifted_by=by, lifted_at=self._clock())
            )
            row = connection.execute(sql.select(hold).where(hold.c.hold_id == hold_id)).first()
        if row is None:
            raise UnknownHold(f"There is no hold {hold_id}. `muniment hold list` shows them.")
        return _hold_from(row)

    def all(self, *, standing_only: bool = True) -> list[Hold]:
        """Return the holds, oldest first."""
        hold = tables.hold
        query = sql.select(hold).order_by(hold.c.placed_at, hold.c.hold_id)
        if standing_only:
            query = query.where(hold.c.lifted_at.is_(None))
        with self._database.reading() as connection:
            return [_hold_from(row) for row in connection.execute(query)]

    def on_document(self, document_id: DocumentId) -> Hold | None:
        """Return a hold that keeps a document: its own, its source's or the one on everything."""
        source_of = sql.select(tables.document.c.source_id).where(
            tables.document.c.document_id == document_id
        )
        return self._first(
            _on(HoldScope.DOCUMENT, document_id),
            (tables.hold.c.scope == HoldScope.SOURCE.value)
            & tables.hold.c.target_key.in_(source_of),
        )

    def on_source(self, source_id: SourceId) -> Hold | None:
        """Return a hold that keeps anything of a source, were it only one of its documents."""
        documents = sql.select(tables.document.c.document_id).where(
            tables.document.c.source_id == source_id
        )
        return self._first(
            _on(HoldScope.SOURCE, source_id),
            (tables.hold.c.scope == HoldScope.DOCUMENT.value)
            & tables.hold.c.target_key.in_(documents),
        )

    def on_person(self, name: str) -> Hold | None:
        """Return a hold that keeps what a person asked, was answered and did."""
        return self._first(_on(HoldScope.PERSON, _key(name)))

    def on_documents(self, document_ids: Sequence[str]) -> Hold | None:
        """Return a hold that keeps one of several documents."""
        for document_id in dict.fromkeys(document_ids):
            if hold := self.on_document(DocumentId(document_id)):
                return hold
        return None

    def is_held(self, document_id: DocumentId | None = None, *, person: str | None = None) -> bool:
        """Say whether a document or what belongs to a person must be kept."""
        return (document_id is not None and self.on_document(document_id) is not None) or (
            person is not None and self.on_person(person) is not None
        )

    def refuse_if_held(
        self, document_id: DocumentId | None = None, *, person: str | None = None
    ) -> None:
        """Do nothing, unless a hold keeps a document or what belongs to a person.

        Raises:
            Held: It must be kept; the error names the hold.
        """
        hold = self.on_document(document_id) if document_id is not None else None
        if hold is None and person is not None:
            hold = self.on_person(person)
        if hold is not None:
            raise Held(hold.hold_id)

    def _first(self, *conditions: sql.ColumnElement[bool]) -> Hold | None:
        hold = tables.hold
        on_everything = hold.c.scope == HoldScope.EVERYTHING.value
        query = (
            sql.select(hold)
            .where(hold.c.lifted_at.is_(None), sql.or_(on_everything, *conditions))
            .order_by(hold.c.placed_at, hold.c.hold_id)
            .limit(1)
        )
        with self._database.reading() as connection:
            row = connection.execute(query).first()
        return _hold_from(row) if row is not None else None


def _on(scope: HoldScope, target_key: str) -> sql.ColumnElement[bool]:
    return (tables.hold.c.scope == scope.value) & (tables.hold.c.target_key == target_key)


def _resolved(connection: sql.Connection, scope: HoldScope, target: str) -> str:
    """Return what a hold is kept under; a hold on what nobody knows would protect nothing."""
    source, document = tables.source, tables.document
    if scope is HoldScope.EVERYTHING:
        return ""
    if scope is HoldScope.PERSON:
        return target.strip()
    if scope is HoldScope.DOCUMENT:
        if connection.scalar(sql.select(document).where(document.c.document_id == target)) is None:
            raise UnknownDocument(f"There is no document {target}. The library shows their ids.")
        return target
    named = (source.c.name == target) & (source.c.removal == tables.PRESENT)
    found = connection.scalar(
        sql.select(source.c.source_id).where((source.c.source_id == target) | named)
    )
    if found is None:
        raise UnknownSource(f"There is no source {target}. `muniment source list` shows them.")
    return str(found)


def _key(name: str) -> str:
    """One form of a name however it is typed, as accounts have it."""
    return unicodedata.normalize("NFKC", name).strip().casefold()


def _hold_from(row: sql.Row[Any]) -> Hold:
    return Hold(
        hold_id=HoldId(row.hold_id),
        scope=HoldScope(row.scope),
        target=row.target,
        reason=row.reason,
        placed_by=row.placed_by,
        placed_at=row.placed_at,
        lifted_by=row.lifted_by,
        lifted_at=row.lifted_at,
    )
