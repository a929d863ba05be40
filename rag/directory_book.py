"""What a directory said last: its people, its groups and who is in them, by its own ids."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Row, Table, delete, func, insert, select, update

from rag.errors import DirectoryInvalid
from rag.store import (
    Clock,
    Store,
    accounts,
    directory_groups,
    directory_members,
    directory_people,
    directory_runs,
    utc_now,
)

GONE: Final = -1
"""In the column ``active``: the directory names the person no longer."""

LONGEST_ID: Final = 200
WRITTEN_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class DirectoryPerson:
    """A person as a directory names them.

    Attributes:
        person_id: Stays the same when the name changes, such as an entryUUID or an objectGUID.
        name: The name to sign in by.
        display: The name to be called by.
        active: False where the directory has locked the person.
        external_id: An id that the directory's own source has for the person, if it says.
        identifiers: How file systems know the person: "uid:1000", a SID.
    """

    person_id: str
    name: str
    display: str = ""
    active: bool = True
    external_id: str = ""
    identifiers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DirectoryGroup:
    """A group as a directory names it.

    Attributes:
        group_id: Stays the same when the name changes.
        name: What access lists call it.
        members: Ids of people, and of groups in it.
        external_id: An id that the directory's own source has for it, if it says.
        identifiers: How file systems know it: "gid:50", a SID.
    """

    group_id: str
    name: str
    members: frozenset[str] = frozenset()
    external_id: str = ""
    identifiers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that a directory names at one moment."""

    people: tuple[DirectoryPerson, ...] = ()
    groups: tuple[DirectoryGroup, ...] = ()

    def check(self) -> None:
        """See that ids and names say whom they mean.

        Raises:
            DirectoryInvalid: An id is missing, too long or there twice, or two groups have one
                name: rights go by names, so it would not be known whose rights they are.
        """
        ids = [one.person_id for one in self.people] + [one.group_id for one in self.groups]
        names = [one.name for one in self.groups]
        for what, given in (("ids", ids), ("names of groups", names)):
            twice = _first_twice(given)
            if twice is not None:
                raise DirectoryInvalid(
                    f"Two {what} are {twice!r}. Nothing was taken over; correct the directory."
                )
        for one in [*ids, *names, *(person.name for person in self.people)]:
            if not one.strip() or len(one) > LONGEST_ID or not one.isprintable():
                raise DirectoryInvalid(
                    f"An id or a name has 1 to {LONGEST_ID} printable characters; {one[:60]!r} "
                    "has not. Nothing was taken over; correct the directory."
                )


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """A person of a directory, and the account here that is theirs.

    Attributes:
        person: As the directory said last.
        gone: Whether the directory names them no longer.
        changed_at: When that changed (UTC).
        account: Name of the account; empty where somebody else has the name here.
        disabled_by: Who locked the account; empty where it is open.
        removed: Whether an operator removed the account.
    """

    person: DirectoryPerson
    gone: bool
    changed_at: datetime
    account: str = ""
    disabled_by: str = ""
    removed: bool = False


@dataclass(frozen=True, slots=True)
class HeldName:
    """An account's name as it stands in the way of another's, by its comparable form.

    Attributes:
        account_id: Whose it is.
        name: As it is written.
        removed: Whether the account was removed.
        origin: The directory it belongs to; empty where it is of this house alone.
        gone: Whether that directory names its person no longer.
    """

    account_id: str
    name: str
    removed: bool
    origin: str
    gone: bool


@dataclass(frozen=True, slots=True)
class RunNote:
    """How the last synchronisation of a directory ended."""

    origin: str
    finished_at: datetime
    outcome: str
    said: str
    people: int
    groups: int


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one directory."""

    people: Mapping[str, KnownPerson] = field(default_factory=dict)
    groups: Mapping[str, DirectoryGroup] = field(default_factory=dict)
    changed: Mapping[str, datetime] = field(default_factory=dict)

    def snapshot(self) -> Snapshot:
        """Return what the directory named last."""
        people = [one.person for one in self.people.values() if not one.gone]
        return Snapshot(tuple(people), tuple(self.groups.values()))


class DirectoryBook:
    """The tables of directories.

    Args:
        store: The service's database.
        clock: Returns the time now, in UTC.
    """

    def __init__(self, store: Store, *, clock: Clock = utc_now) -> None:
        self._store = store
        self._clock = clock

    def known(self, origin: str) -> Known:
        """Return what a directory said last, also of people whom it names no longer."""
        people, groups = directory_people, directory_groups
        with self._store.reading.begin() as connection:
            rows = connection.execute(
                select(people, accounts.c.name.label("account"), accounts.c.disabled_by,
                       accounts.c.disabled_at, accounts.c.removed_at)
                .join(accounts, accounts.c.account_id == people.c.account_id, isouter=True)
                .where(people.c.origin == origin)
                .order_by(people.c.name, people.c.person_id)
            ).all()  # fmt: skip
            named = connection.execute(
                select(groups).where(groups.c.origin == origin).order_by(groups.c.name)
            ).all()
            members = _members(connection, origin)
        return Known(
            people={row.person_id: _known_person(row) for row in rows},
            groups={
                row.group_id: DirectoryGroup(
                    row.group_id,
                    row.name,
                    frozenset(members.get(row.group_id, ())),
                    row.external_id,
                )
                for row in named
            },
            changed={row.group_id: row.changed_at for row in named},
        )

    def held_names(self) -> dict[str, HeldName]:
        """Return every name that an account has or had, by its comparable form."""
        people = directory_people
        query = select(
            accounts.c.account_id,
            accounts.c.name,
            accounts.c.name_key,
            accounts.c.removed_at,
            people.c.origin,
            people.c.active,
        ).join(people, people.c.account_id == accounts.c.account_id, isouter=True)
        with self._store.reading.begin() as connection:
            return {
                row.name_key: HeldName(
                    row.account_id,
                    row.name,
                    row.removed_at is not None,
                    row.origin or "",
                    row.active == GONE,
                )
                for row in connection.execute(query)
            }

    def replace(self, origin: str, snapshot: Snapshot, linked: Mapping[str, str]) -> None:
        """Keep what a directory says now; people whom it names no longer are kept as gone.

        Args:
            origin: The directory.
            snapshot: Everything it names.
            linked: Account ids by the person's id, of those who have an account that is theirs.
        """
        now = self._clock()
        with self._store.writing.begin() as connection:
            _let_go(connection, origin, linked)
            _replace_people(connection, origin, snapshot.people, linked, now)
            _replace_groups(connection, origin, snapshot.groups, now)
            _replace_members(connection, origin, snapshot.groups)

    def note_run(self, origin: str, outcome: str, said: str) -> None:
        """Keep how a synchronisation ended."""
        run = directory_runs
        with self._store.writing.begin() as connection:
            connection.execute(delete(run).where(run.c.origin == origin))
            connection.execute(
                insert(run).values(
                    origin=origin, finished_at=self._clock(), outcome=outcome, said=said
                )
            )

    def runs(self) -> list[RunNote]:
        """Return how each directory's last synchronisation ended."""
        run = directory_runs
        with self._store.reading.begin() as connection:
            return [
                RunNote(
                    row.origin,
                    row.finished_at,
                    row.outcome,
                    row.said,
                    people=_count(connection, directory_people, row.origin),
                    groups=_count(connection, directory_groups, row.origin),
                )
                for row in connection.execute(select(run).order_by(run.c.origin)).all()
            ]


def _known_person(row: Row[tuple[object, ...]]) -> KnownPerson:
    return KnownPerson(
        DirectoryPerson(row.person_id, row.name, row.display, row.active == 1, row.external_id),
        gone=row.active == GONE,
        changed_at=row.changed_at,
        account=row.account or "",
        disabled_by=(row.disabled_by or "") if row.disabled_at else "",
        removed=row.removed_at is not None,
    )


def _let_go(connection: Connection, origin: str, linked: Mapping[str, str]) -> None:
    """Free accounts of people who are gone, where an operator gave them to somebody else."""
    table = directory_people
    owner = {account_id: (origin, person_id) for person_id, account_id in linked.items()}
    for row in connection.execute(select(table).where(table.c.active == GONE)).all():
        own = (row.origin, row.person_id)
        if row.account_id is not None and owner.get(row.account_id, own) != own:
            connection.execute(
                update(table)
                .where(table.c.origin == row.origin, table.c.person_id == row.person_id)
                .values(account_id=None)
            )


def _replace_people(
    connection: Connection,
    origin: str,
    people: Collection[DirectoryPerson],
    linked: Mapping[str, str],
    now: datetime,
) -> None:
    table = directory_people
    before = {
        row.person_id: row
        for row in connection.execute(select(table).where(table.c.origin == origin))
    }
    present = {one.person_id for one in people}
    for person_id in sorted(before.keys() - present):
        if before[person_id].active != GONE:
            connection.execute(
                update(table)
                .where(table.c.origin == origin, table.c.person_id == person_id)
                .values(active=GONE, changed_at=now)
            )
    added = []
    for one in people:
        values = {
            "external_id": one.external_id,
            "name": one.name,
            "display": one.display,
            "active": int(one.active),
            "account_id": linked.get(one.person_id),
        }
        row = before.get(one.person_id)
        if row is None:
            ids = {"origin": origin, "person_id": one.person_id, "changed_at": now}
            added.append({**ids, **values})
        elif any(getattr(row, name) != value for name, value in values.items()):
            connection.execute(
                update(table)
                .where(table.c.origin == origin, table.c.person_id == one.person_id)
                .values(**values, changed_at=now)
            )
    _insert(connection, table, added)


def _replace_groups(
    connection: Connection, origin: str, groups: Collection[DirectoryGroup], now: datetime
) -> None:
    table = directory_groups
    before = {
        row.group_id: row
        for row in connection.execute(select(table).where(table.c.origin == origin))
    }
    wanted = {one.group_id: one for one in groups}
    changed = [
        one
        for one in groups
        if (row := before.get(one.group_id)) is None
        or (row.name, row.external_id) != (one.name, one.external_id)
    ]
    gone = sorted(before.keys() - wanted.keys())
    for group_id in [*gone, *(one.group_id for one in changed if one.group_id in before)]:
        connection.execute(
            delete(table).where(table.c.origin == origin, table.c.group_id == group_id)
        )
    rows = [
        {
            "origin": origin,
            "group_id": one.group_id,
            "external_id": one.external_id,
            "name": one.name,
            "changed_at": now,
        }
        for one in changed
    ]
    _insert(connection, table, rows)


def _replace_members(
    connection: Connection, origin: str, groups: Collection[DirectoryGroup]
) -> None:
    table = directory_members
    before = {
        (group_id, member)
        for group_id, members in _members(connection, origin).items()
        for member in members
    }
    wanted = {(one.group_id, member) for one in groups for member in one.members}
    for group_id, member in sorted(before - wanted):
        connection.execute(
            delete(table).where(
                table.c.origin == origin,
                table.c.group_id == group_id,
                table.c.member_id == member,
            )
        )
    rows = [
        {"origin": origin, "group_id": group_id, "member_id": member}
        for group_id, member in sorted(wanted - before)
    ]
    _insert(connection, table, rows)


def _members(connection: Connection, origin: str) -> dict[str, set[str]]:
    table = directory_members
    found: dict[str, set[str]] = {}
    for row in connection.execute(select(table).where(table.c.origin == origin)):
        found.setdefault(row.group_id, set()).add(row.member_id)
    return found


def _insert(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
    for start in range(0, len(rows), WRITTEN_AT_ONCE):
        some = [dict(row) for row in rows[start : start + WRITTEN_AT_ONCE]]
        connection.execute(insert(table), some)


def _count(connection: Connection, table: Table, origin: str) -> int:
    condition = table.c.origin == origin
    if table is directory_people:
        condition &= table.c.active == 1
    return connection.scalar(select(func.count()).select_from(table).where(condition)) or 0


def _first_twice(given: Collection[str]) -> str | None:
    seen: set[str] = set()
    for one in given:
        if one in seen:
            return one
        seen.add(one)
    return None
