"""Break-glass: two people open a door for a third for a while, against the usual rules.

What it opens is an entry like any other, with an end: a denial still outweighs it, and a marking
still asks for clearance. It ends by itself, by the clock, whether or not any program runs.
"""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sql

from corpus import tables
from corpus.access import AccessEntry, AccessList, Effect, Named, Principal, person_named
from corpus.admission import names_of
from corpus.directory import Directory
from corpus.documents import DocumentId, SourceId, VersionId
from corpus.errors import AccessInvalid
from corpus.grounds import BREAK_GLASS, SourceRules
from corpus.records import Source
from corpus.sources import only_source, source_from

LONGEST_MINUTES: Final = 24 * 60


@dataclass(frozen=True, slots=True)
class Opening:
    """A request to open a door, and what became of it.

    Attributes:
        request_id: Its id.
        person: Who is to read.
        source: The source's name.
        path: "" for the whole source, ending with "/" for a folder, else a document's path.
        reason: Why.
        minutes: For how long from its approval.
        requested_by: Who asked.
        approved_by: Who agreed; empty while nobody did.
        expires_at: When it ends by itself (UTC); None while not approved.
        ended_at: When somebody ended it before that.
    """

    request_id: str
    person: str
    source: str
    path: str
    reason: str
    minutes: int
    requested_by: str
    approved_by: str
    expires_at: datetime | None
    ended_at: datetime | None

    @property
    def target(self) -> str:
        """Return what it opens, in one word."""
        return f"{self.source}/{self.path}" if self.path else self.source

    def is_open(self, now: datetime) -> bool:
        """Say whether it opens anything at a moment."""
        return self.expires_at is not None and self.ended_at is None and now < self.expires_at


class BreakGlass(Directory):
    """The part of the catalog that keeps such requests."""

    def request_opening(
        self,
        *,
        person: str,
        source_id: SourceId,
        path: str,
        reason: str,
        minutes: int,
        requested_by: str,
    ) -> Opening:
        """Ask for a door to be opened; nothing opens before somebody else agrees.

        Raises:
            AccessInvalid: There is no reason, or the time is too long.
        """
        if not reason.strip():
            raise AccessInvalid("Say why: break-glass without a reason is refused.")
        if not 1 <= minutes <= LONGEST_MINUTES:
            raise AccessInvalid(f"Break-glass lasts 1 to {LONGEST_MINUTES} minutes.")
        request_id, table = str(uuid.uuid4()), tables.break_glass
        with self._database.writing() as connection:
            only_source(connection, source_id)
            connection.execute(
                table.insert().values(
                    request_id=request_id,
                    person=person_named(person).name,
                    source_id=source_id,
                    path=path,
                    reason=tables.plain(reason.strip()),
                    minutes=minutes,
                    requested_by=requested_by,
                    requested_at=self._clock(),
                )
            )
            return _opening(connection, request_id)

    def approve_opening(self, request_id: str, *, approved_by: str) -> Opening:
        """Open what was asked for, from now on until its time is over.

        Raises:
            AccessInvalid: There is no such request, it was decided before, or the one who agrees
                asked for it or profits by it.
        """
        table, now = tables.break_glass, self._clock()
        with self._database.writing() as connection:
            asked = _opening(connection, request_id)
            if asked.approved_by or asked.ended_at:
                raise AccessInvalid(f"The request {request_id} was decided before.")
            interested = {asked.person, person_named(asked.requested_by).name}
            if person_named(approved_by).name in interested:
                raise AccessInvalid(
                    "Break-glass needs a second person: not who asked, and not who will read."
                )
            expires_at = now + timedelta(minutes=asked.minutes)
            connection.execute(
                table.update()
                .where(table.c.request_id == request_id)
                .values(approved_by=approved_by, expires_at=expires_at)
            )
            source_id = _source_id(connection, request_id)
            connection.execute(
                tables.access_entry.insert().values(
                    source_id=source_id,
                    path=asked.path,
                    effect=Effect.ALLOW.value,
                    principal=person_named(asked.person).key,
                    reason=asked.reason,
                    origin=_origin(request_id),
                    expires_at=expires_at,
                )
            )
            self._relist(connection, only_source(connection, source_id), asked.path)
            return _opening(connection, request_id)

    def end_opening(self, request_id: str) -> Opening:
        """Shut a door before its time, or refuse a request; ended twice is ended once.

        Raises:
            AccessInvalid: There is no such request.
        """
        table, entry = tables.break_glass, tables.access_entry
        with self._database.writing() as connection:
            asked = _opening(connection, request_id)
            if asked.ended_at is None:
                connection.execute(
                    table.update()
                    .where(table.c.request_id == request_id)
                    .values(ended_at=self._clock())
                )
            connection.execute(entry.delete().where(entry.c.origin == _origin(request_id)))
            source = only_source(connection, _source_id(connection, request_id))
            self._relist(connection, source, asked.path)
            return _opening(connection, request_id)

    def openings(self, *, only_open: bool = False, person: Named | None = None) -> list[Opening]:
        """Return the requests, newest first; of one person, or those open now, if so asked."""
        table, now = tables.break_glass, self._clock()
        query = _all().order_by(table.c.requested_at.desc())
        if person is not None:
            query = query.where(table.c.person == person.name)
        with self._database.reading() as connection:
            found = [_from(row) for row in connection.execute(query)]
        return [one for one in found if one.is_open(now) or not only_open]

    def read_by_break_glass(
        self, principal: Principal, version_ids: Collection[VersionId]
    ) -> list[tuple[VersionId, DocumentId, Opening]]:
        """Return the versions that nothing but break-glass opens to somebody, with the opening."""
        standing = self.openings(only_open=True, person=Named.asker(principal))
        if not standing:
            return []
        version, document = tables.version, tables.document
        query = (
            sql.select(version.c.version_id, document)
            .join(document)
            .where(version.c.version_id.in_(list(version_ids)))
        )
        found = []
        with self._database.reading() as connection:
            names = names_of(connection, principal)
            for row in connection.execute(query).all():
                source = only_source(connection, SourceId(row.source_id))
                opening = next(
                    (one for one in standing if _covers(one, source.name, row.path)), None
                )
                if opening is not None and not self._otherwise(connection, source, row.path, names):
                    ids = VersionId(row.version_id), DocumentId(row.document_id)
                    found.append((*ids, opening))
        return found

    def _otherwise(
        self, connection: sql.Connection, source: Source, path: str, names: Collection[Named]
    ) -> bool:
        """Say whether anything but break-glass admits somebody; a marking holds for both alike."""
        rules = SourceRules(connection, source, self._levels, [path])
        entries = frozenset(
            AccessEntry(ground.effect, ground.principal, ground.expires_at)
            for ground in rules.grounds(path)
            if not ground.place.startswith(BREAK_GLASS)
        )
        return AccessList(entries).admits(names, cleared=(), now=self._clock())


def _covers(opening: Opening, source: str, path: str) -> bool:
    return opening.source == source and (
        opening.path in {"", path} or (opening.path[-1:] == "/" and path.startswith(opening.path))
    )


def _origin(request_id: str) -> str:
    return f"{BREAK_GLASS} {request_id}"


def _all() -> sql.Select[Any]:
    return sql.select(tables.break_glass, tables.source.c.name.label("source_name")).join(
        tables.source
    )


def _opening(connection: sql.Connection, request_id: str) -> Opening:
    query = _all().where(tables.break_glass.c.request_id == request_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise AccessInvalid(f"There is no break-glass request {request_id}.")
    return _from(row)


def _source_id(connection: sql.Connection, request_id: str) -> SourceId:
    table = tables.break_glass
    query = sql.select(tables.source).join(table).where(table.c.request_id == request_id)
    return source_from(connection.execute(query).one()).source_id


def _from(row: sql.Row[Any]) -> Opening:
    return Opening(
        request_id=row.request_id,
        person=row.person,
        source=row.source_name,
        path=row.path,
        reason=row.reason,
        minutes=row.minutes,
        requested_by=row.requested_by,
        approved_by=row.approved_by or "",
        expires_at=row.expires_at,
        ended_at=row.ended_at,
    )
