"""Who may read what, and why: entries of access lists, decisions, and what decided."""

import json
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

import sqlalchemy as sql

from corpus import tables
from corpus.access import (
    AccessEntry,
    AccessList,
    AccessListId,
    Effect,
    Gate,
    Named,
    Principal,
    PrincipalKind,
    group_named,
)
from corpus.admission import (
    admitting,
    asker_of,
    epoch_of,
    move_epoch,
    names_of,
    next_expiry,
    stored_list,
)
from corpus.database import Clock, Database, Part, utc_now
from corpus.documents import DocumentId, SourceId, VersionId
from corpus.errors import AccessInvalid, UnknownDocument
from corpus.grounds import Ground, SourceRules, documents_below, own_markings, relist
from corpus.records import RIGHTS, FileRights, Source, Unmapped
from corpus.sources import find_document, only_source, present_document, source_from
from corpus.tables import LIVE, PRESENT, SUPERSEDED

DECISIONS_KEPT: Final = 2_000
"""Principals whose lists are remembered until rights change."""
ASKED_AT_ONCE: Final = 500

OPERATOR: Final = "operator"

IDENTIFIER: Final = re.compile(r"S-1(?:-\d+)+|[ug]id:\d+|posix:other")

Id = TypeVar("Id", bound=str)


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry as it was given, on a source, a folder of it or one document.

    Attributes:
        path: "" for the source, ending with "/" for a folder, else a document's path.
        effect: Allow or deny.
        principal: Whom.
        expires_at: When it ends (UTC); None for never.
        reason: Why, in the words of whoever gave it.
        origin: Who gave it.
    """

    path: str
    effect: Effect
    principal: Named
    expires_at: datetime | None
    reason: str
    origin: str


@dataclass(frozen=True, slots=True)
class Target:
    """What an entry can stand on.

    Attributes:
        source: The source.
        path: "" for all of it, ending with "/" for a folder, else a document's path.
        document_id: The document at the path; None for a source or folder.
    """

    source: Source
    path: str
    document_id: DocumentId | None

    @property
    def name(self) -> str:
        """Return it as people write it."""
        return f"{self.source.name}/{self.path}" if self.path else self.source.name


@dataclass(frozen=True, slots=True)
class Weighed:
    """A ground that bears on the person asked about.

    Attributes:
        ground: The entry and where it is written.
        through: The groups that lead from the person to the entry's principal, innermost first.
        decided: Whether this is what decided.
    """

    ground: Ground
    through: tuple[str, ...]
    decided: bool = False


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why somebody can read a document, or cannot.

    Attributes:
        may_read: The decision, by the same list that every search and view is decided by.
        sentence: What decided, in one sentence.
        weighed: Every ground that bears on the person.
        marking: The document's marking; empty for none.
        cleared: Whether the person is cleared for it.
        path: The document's path.
        source: The source's name.
    """

    may_read: bool
    sentence: str
    weighed: tuple[Weighed, ...]
    marking: str
    cleared: bool
    path: str
    source: str


@dataclass(frozen=True, slots=True)
class _Decision:
    """Lists that admit somebody, until a moment when one of their entries ends."""

    lists: frozenset[AccessListId]
    until: datetime | None


class Decisions:
    """Which lists admit whom, remembered for as long as nothing about rights has changed.

    The key holds everything a decision rests on: the epoch, and the principal with its groups.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, Principal], _Decision] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[int, Principal], now: datetime) -> frozenset[AccessListId] | None:
        """Return the lists under a key, unless an entry has ended since."""
        with self._lock:
            found = self._kept.get(key)
            if found is None or (found.until is not None and found.until <= now):
                return None
            self._kept.move_to_end(key)
            return found.lists

    def put(self, key: tuple[int, Principal], decision: _Decision) -> None:
        """Remember a decision."""
        with self._lock:
            self._kept[key] = decision
            while len(self._kept) > DECISIONS_KEPT:
                self._kept.popitem(last=False)


class Permissions(Part):
    """The part of the catalog that decides who may read."""

    def __init__(
        self, database: Database, *, clock: Clock = utc_now, markings: Sequence[str] = ()
    ) -> None:
        super().__init__(database, clock=clock, markings=markings)
        self._decisions = Decisions()

    # Decisions

    def access_epoch(self) -> int:
        """Return a number that moves whenever rights, groups or clearances change."""
        with self._database.reading() as connection:
            return epoch_of(connection)

    def admitting_lists(self, principal: Principal) -> set[AccessListId]:
        """Return the access lists that admit a person now."""
        with self._database.reading() as connection:
            return set(self._admitting(connection, principal))

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
            lists = self._admitting(connection, principal)
            for some in _portions(list(version_ids)):
                query = (
                    sql.select(version.c.version_id, document.c.access_list_id)
                    .join(document)
                    .where(
                        version.c.version_id.in_(some),
                        version.c.state.in_([LIVE, SUPERSEDED]),
                        document.c.withdrawal == PRESENT,
                    )
                )
                readable.update(
                    VersionId(row.version_id)
                    for row in connection.execute(query)
                    if row.access_list_id in lists
                )
        return readable

    def gate(
        self,
        *,
        opened: Callable[[Principal, Collection[VersionId]], None] = lambda _who, _what: None,
    ) -> Gate:
        """Return the gate that decides by this catalog; see ``Gate`` for ``opened``."""
        return Gate(
            admitting_lists=self.admitting_lists,
            readable_versions=self.readable_versions,
            epoch=self.access_epoch,
            opened=opened,
        )

    def _admitting(
        self, connection: sql.Connection, principal: Principal
    ) -> frozenset[AccessListId]:
        # The epoch is read first: whatever changes in between makes the decision younger.
        key, now = (epoch_of(connection), principal), self._clock()
        known = self._decisions.get(key, now)
        if known is not None:
            return known
        asker = asker_of(connection, principal, self._levels)
        lists = frozenset(
            AccessListId(found) for found in connection.scalars(admitting(asker, now))
        )
        self._decisions.put(key, _Decision(lists, next_expiry(connection, asker, now)))
        return lists

    def _readable(
        self, connection: sql.Connection, principal: Principal
    ) -> sql.ColumnElement[bool]:
        """Return the condition that leaves only the documents somebody may read."""
        asker = asker_of(connection, principal, self._levels)
        return tables.document.c.access_list_id.in_(admitting(asker, self._clock()))

    # What the index has to be told

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

    def listed_elsewhere(
        self, document_ids: Collection[DocumentId], lists: Collection[AccessListId]
    ) -> dict[DocumentId, AccessListId | None]:
        """Return those documents that are under none of some lists, with the list they are under.

        None stands for one that was withdrawn.
        """
        document, asked = tables.document, frozenset(document_ids)
        here: dict[DocumentId, AccessListId] = {}
        with self._database.reading() as connection:
            for some in _portions(sorted(asked)):
                query = sql.select(document.c.document_id, document.c.access_list_id).where(
                    document.c.document_id.in_(some), document.c.withdrawal == PRESENT
                )
                for row in connection.execute(query):
                    here[DocumentId(row.document_id)] = AccessListId(row.access_list_id)
        return {one: here.get(one) for one in asked if here.get(one) not in lists}

    def access_indexed(self, document_id: DocumentId, access_list: AccessListId) -> None:
        """Note that the index has a document under a list, unless it changed again since."""
        with self._database.writing() as connection:
            note_indexed(connection, document_id, access_list)

    def markings_of(self, version_ids: Collection[VersionId]) -> dict[VersionId, str]:
        """Return the markings that versions stand under now; those unmarked are left out."""
        version, document, lists = tables.version, tables.document, tables.access_list
        found: dict[VersionId, str] = {}
        with self._database.reading() as connection:
            for some in _portions(list(version_ids)):
                query = (
                    sql.select(version.c.version_id, lists.c.marking)
                    .join(document, document.c.document_id == version.c.document_id)
                    .join(lists, lists.c.access_list_id == document.c.access_list_id)
                    .where(version.c.version_id.in_(some), lists.c.marking != "")
                )
                for row in connection.execute(query):
                    found[VersionId(row.version_id)] = row.marking
        return found

    # Entries

    def target(self, written: str) -> Target:
        """Return what somebody means by "source", "source/folder/", "source/path" or an id.

        Raises:
            UnknownDocument: Nothing goes by that.
        """
        document, wanted = tables.document, written.strip()
        with self._database.reading() as connection:
            row = connection.execute(
                sql.select(document).where(
                    document.c.document_id == wanted, document.c.withdrawal == PRESENT
                )
            ).one_or_none()
            if row is not None:
                source = only_source(connection, SourceId(row.source_id))
                return Target(source, row.path, DocumentId(row.document_id))
            for source in _sources_in(connection, wanted):
                path = wanted[len(source.name) + 1 :]
                found = find_document(connection, source.source_id, path) if path else None
                if found is not None or not path or path.endswith("/"):
                    return Target(source, path, found)
                if documents_below(connection, source.source_id, path + "/"):
                    return Target(source, path + "/", None)
        raise UnknownDocument(
            f"Nothing goes by {written!r}. Write SOURCE, SOURCE/folder/, SOURCE/path of a "
            "document, or a document's id."
        )

    def add_entry(
        self,
        *,
        source_id: SourceId,
        path: str,
        effect: Effect,
        principal: Named,
        reason: str = "",
        origin: str = OPERATOR,
        expires_at: datetime | None = None,
    ) -> int:
        """Allow or deny somebody on a source, a folder or a document; holds at once.

        Args:
            source_id: The source.
            path: "" for all of it, ending with "/" for a folder, else a document's path.
            effect: Allow or deny; one denial outweighs everything that allows.
            principal: Whom.
            reason: Why.
            origin: Who says so.
            expires_at: When it ends by itself (UTC); None for never.

        Returns:
            How many documents came under another list.
        """
        entry = tables.access_entry
        with self._database.writing() as connection:
            source = only_source(connection, source_id)
            same = _same(source_id, path, effect, principal) & (entry.c.origin == origin)
            connection.execute(entry.delete().where(same))
            connection.execute(
                entry.insert().values(
                    source_id=source_id,
                    path=path,
                    effect=effect.value,
                    principal=principal.key,
                    reason=tables.plain(reason),
                    origin=origin,
                    expires_at=expires_at,
                )
            )
            return self._relist(connection, source, path)

    def remove_entries(self, *, source_id: SourceId, path: str, principal: Named) -> int:
        """Remove whatever entries name somebody at a path; return how many there were."""
        entry = tables.access_entry
        with self._database.writing() as connection:
            source = only_source(connection, source_id)
            gone = connection.execute(
                entry.delete().where(
                    entry.c.source_id == source_id,
                    entry.c.path == path,
                    entry.c.principal == principal.key,
                )
            ).rowcount
            self._relist(connection, source, path)
        return gone

    def entries(self, source_id: SourceId) -> list[StoredEntry]:
        """Return the entries given on a source, its folders and documents, by path."""
        entry = tables.access_entry
        query = sql.select(entry).where(entry.c.source_id == source_id)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(entry.c.path, entry.c.entry_id)).all()
        return [
            StoredEntry(
                row.path,
                Effect(row.effect),
                Named.of_key(row.principal),
                row.expires_at,
                row.reason,
                row.origin,
            )
            for row in rows
        ]

    def _relist(self, connection: sql.Connection, source: Source, below: str) -> int:
        move_epoch(connection)
        return relist(connection, source, self._levels, below=below)

    def set_owners(self, source_id: SourceId, owners: Collection[Named]) -> None:
        """Say who owns a source: they may see who reads it, and read nothing by it."""
        owner = tables.source_owner
        with self._database.writing() as connection:
            only_source(connection, source_id)
            connection.execute(owner.delete().where(owner.c.source_id == source_id))
            for named in sorted(set(owners)):
                connection.execute(owner.insert().values(source_id=source_id, principal=named.key))

    def owns(self, principal: Principal, document_id: DocumentId) -> bool:
        """Say whether somebody owns the source of a document that was not withdrawn."""
        owner = tables.source_owner
        with self._database.reading() as connection:
            try:
                row = present_document(connection, document_id)
            except UnknownDocument:
                return False
            query = sql.select(owner.c.principal).where(owner.c.source_id == row.source_id)
            owners = {Named.of_key(key) for key in connection.scalars(query)}
            return not owners.isdisjoint(names_of(connection, principal))

    def owned_sources(self, principal: Principal) -> frozenset[SourceId]:
        """Return the sources that somebody owns, by name or by group."""
        owner = tables.source_owner
        with self._database.reading() as connection:
            names = names_of(connection, principal)
            rows = connection.execute(sql.select(owner.c.source_id, owner.c.principal))
            return frozenset(row.source_id for row in rows if Named.of_key(row.principal) in names)

    def set_marking_rules(self, source_id: SourceId, rules: dict[str, str]) -> int:
        """Mark the files of a source by patterns; return how many came under another list.

        Raises:
            AccessInvalid: A marking is not among those in use.
        """
        rule = tables.marking_rule
        for marking in rules.values():
            self.check_marking(marking)
        with self._database.writing() as connection:
            source = only_source(connection, source_id)
            connection.execute(rule.delete().where(rule.c.source_id == source_id))
            for glob, marking in sorted(rules.items()):
                connection.execute(
                    rule.insert().values(source_id=source_id, glob=glob, marking=marking)
                )
            return self._relist(connection, source, "")

    def set_rights(self, source_id: SourceId, kind: str) -> int:
        """Say where the rights of a source come from; return how many lists changed.

        Args:
            source_id: The source.
            kind: One of ``corpus.records.RIGHTS``. What its files said before is forgotten, so
                that nobody reads by rights of another kind.

        Raises:
            AccessInvalid: There is no such kind.
        """
        if kind not in RIGHTS:
            raise AccessInvalid(f"Rights are one of {', '.join(RIGHTS)}; not {kind!r}.")
        table, taken = tables.source, tables.file_rights
        with self._database.writing() as connection:
            only_source(connection, source_id)
            connection.execute(
                table.update().where(table.c.source_id == source_id).values(rights=kind)
            )
            connection.execute(taken.delete().where(taken.c.source_id == source_id))
            return self._relist(connection, only_source(connection, source_id), "")

    def take_rights(self, source_id: SourceId, rights: Sequence[FileRights]) -> int:
        """Keep what the files of a source say of who may read them, for all of it at once.

        A file that is not among them is one whose rights are not known: nobody reads it.

        Returns:
            How many documents came under another list.
        """
        taken = tables.file_rights
        with self._database.writing() as connection:
            source = only_source(connection, source_id)
            known = {
                row.path: (row.entries, row.unmapped)
                for row in connection.execute(
                    sql.select(taken).where(taken.c.source_id == source_id)
                )
            }
            wanted = {one.path: (_listed(one), json.dumps(one.unmapped)) for one in rights}
            if known == wanted:
                return 0
            changed = [path for path in known if known[path] != wanted.get(path)]
            for some in _portions(changed):
                connection.execute(
                    taken.delete().where(taken.c.source_id == source_id, taken.c.path.in_(some))
                )
            new = [
                {"source_id": source_id, "path": path, "entries": entries, "unmapped": unmapped}
                for path, (entries, unmapped) in wanted.items()
                if known.get(path) != (entries, unmapped)
            ]
            if new:
                connection.execute(taken.insert(), new)
            return self._relist(connection, source, "")

    def unmapped(self, source_id: SourceId) -> list[Unmapped]:
        """Return what files of a source say of rights that could not be taken over."""
        taken = tables.file_rights
        query = sql.select(taken.c.path, taken.c.unmapped).where(
            taken.c.source_id == source_id, taken.c.unmapped != "[]"
        )
        found: dict[str, list[str]] = {}
        with self._database.reading() as connection:
            for row in connection.execute(query.order_by(taken.c.path)):
                for what in json.loads(row.unmapped):
                    found.setdefault(what, []).append(row.path)
        return [
            Unmapped(what, len(paths), paths[0], _remedy(what))
            for what, paths in sorted(found.items())
        ]

    def marking_rules(self, source_id: SourceId) -> dict[str, str]:
        """Return the markings that patterns give the files of a source."""
        rule = tables.marking_rule
        query = sql.select(rule).where(rule.c.source_id == source_id).order_by(rule.c.glob)
        with self._database.reading() as connection:
            return {row.glob: row.marking for row in connection.execute(query)}

    def highest_marking(self, markings: Collection[str]) -> str:
        """Return the highest of some markings; empty where there is none.

        One that is no longer in use counts as higher than all that are.
        """
        ranks = {level: rank for rank, level in enumerate(self._levels)}
        given = [marking for marking in markings if marking]
        return max(given, key=lambda one: (ranks.get(one, len(ranks)), one), default="")

    def check_marking(self, marking: str) -> None:
        """See that a marking is in use, or empty.

        Raises:
            AccessInvalid: It is not.
        """
        if marking and marking not in self._levels:
            known = ", ".join(self._levels) or "none; set MUNIMENT_MARKINGS"
            raise AccessInvalid(f"There is no marking {marking!r}. Markings in use: {known}.")

    # Explaining

    def access_list(self, document_id: DocumentId) -> AccessList:
        """Return the list that a document is read by.

        Raises:
            UnknownDocument: There is none with this id, or it was withdrawn.
        """
        with self._database.reading() as connection:
            row = present_document(connection, document_id)
            return stored_list(connection, AccessListId(row.access_list_id))

    def document_groups(self, document_id: DocumentId) -> frozenset[str]:
        """Return the groups admitted to a document.

        Raises:
            UnknownDocument: There is none with this id, or it was withdrawn.
        """
        return frozenset(
            entry.principal.name
            for entry in self.access_list(document_id).entries
            if entry.effect is Effect.ALLOW and entry.principal.kind is PrincipalKind.GROUP
        )

    def explain(self, principal: Principal, document_id: DocumentId) -> Explanation:
        """Say why somebody can read a document, or cannot: which entry decided.

        Raises:
            UnknownDocument: There is none with this id, or it was withdrawn.
        """
        now = self._clock()
        with self._database.reading() as connection:
            row = present_document(connection, document_id)
            source = only_source(connection, SourceId(row.source_id))
            own = own_markings(connection, source.source_id, document_id)
            rules = SourceRules(connection, source, self._levels, [row.path])
            marking = rules.marking(row.path, own.get(document_id, ()))
            asker = asker_of(connection, principal, self._levels)
            may_read = row.access_list_id in self._admitting(connection, principal)
            weighed = [
                Weighed(ground, self._path_to(connection, principal, ground.principal))
                for ground in rules.grounds(row.path)
                if ground.principal in asker.names
                and (ground.expires_at is None or ground.expires_at > now)
            ]
        cleared = not marking or marking in asker.cleared
        deciding = _deciding(weighed)
        return Explanation(
            may_read=may_read,
            sentence=_sentence(principal, deciding, marking, cleared=cleared),
            weighed=tuple(
                Weighed(one.ground, one.through, one is deciding and (cleared or not may_read))
                for one in weighed
            ),
            marking=marking,
            cleared=cleared,
            path=row.path,
            source=source.name,
        )

    def _path_to(
        self, connection: sql.Connection, principal: Principal, wanted: Named
    ) -> tuple[str, ...]:
        """Return the shortest chain of groups from somebody to one of their names."""
        start = Named.asker(principal)
        if wanted == start:
            return ()
        chains: dict[Named, tuple[str, ...]] = {start: ()}
        frontier = [start]
        first = {group_named(name) for name in principal.groups}
        while frontier and wanted not in chains:
            reached: list[Named] = []
            for member in frontier:
                holding = _holding(connection, member) | (first if member == start else set())
                for group in sorted(holding - chains.keys()):
                    chains[group] = (*chains[member], group.name)
                    reached.append(group)
            frontier = reached
        return chains.get(wanted, (wanted.name,))


def note_indexed(
    connection: sql.Connection, document_id: DocumentId, access_list: AccessListId
) -> None:
    """Note that the index has a document under a list, unless it changed again since."""
    document = tables.document
    connection.execute(
        document.update()
        .where(document.c.document_id == document_id, document.c.access_list_id == access_list)
        .values(access_indexed=True)
    )


def _sources_in(connection: sql.Connection, written: str) -> list[Source]:
    """Return the sources whose name begins what somebody wrote, the longest name first."""
    table = tables.source
    rows = connection.execute(sql.select(table).where(table.c.removal == PRESENT))
    found = [source_from(row) for row in rows]
    named = [one for one in found if written == one.name or written.startswith(one.name + "/")]
    return sorted(named, key=lambda one: -len(one.name))


def move_entries(connection: sql.Connection, source_id: SourceId, old: str, new: str) -> None:
    """Take the entries given on a document along to its new path."""
    if old == new:
        return
    entry = tables.access_entry
    here = (entry.c.source_id == source_id) & (entry.c.path == new)
    connection.execute(entry.delete().where(here, entry.c.effect == Effect.ALLOW))
    stays = {
        (row.effect, row.principal, row.origin)
        for row in connection.execute(sql.select(entry).where(here))
    }
    for row in connection.execute(
        sql.select(entry).where(entry.c.source_id == source_id, entry.c.path == old)
    ).all():
        if (row.effect, row.principal, row.origin) not in stays:
            connection.execute(
                entry.update().where(entry.c.entry_id == row.entry_id).values(path=new)
            )


def _deciding(weighed: Sequence[Weighed]) -> Weighed | None:
    denying = [one for one in weighed if one.ground.effect is Effect.DENY]
    return next(iter(denying or weighed), None)


def _sentence(
    principal: Principal, deciding: Weighed | None, marking: str, *, cleared: bool
) -> str:
    who = principal.name
    if deciding is None:
        return f"{who} cannot read it: no entry admits {who} or a group that holds {who}."
    ground = deciding.ground
    named = f"{ground.principal.kind} {ground.principal.name}"
    chain = f", through {' in '.join(deciding.through)}" if len(deciding.through) > 1 else ""
    if ground.effect is Effect.DENY:
        return f"{who} cannot read it: {ground.place} denies {named}{chain}; denying wins."
    if not cleared:
        return f"{who} cannot read it: it is marked {marking}, and {who} is not cleared for that."
    until = f" until {ground.expires_at:%d %b %Y %H:%M} UTC" if ground.expires_at else ""
    return f"{who} can read it: {ground.place} allows {named}{chain}{until}."


def _holding(connection: sql.Connection, member: Named) -> set[Named]:
    table = tables.group_member
    query = sql.select(table.c.group_name).where(table.c.member == member.key)
    return {group_named(name) for name in connection.scalars(query)}


def _listed(rights: FileRights) -> str:
    entries = [AccessEntry(Effect.ALLOW, one) for one in rights.allowed]
    entries += [AccessEntry(Effect.DENY, one) for one in rights.denied]
    return AccessList(frozenset(entries)).canonical()


def _remedy(what: str) -> str:
    identifier = IDENTIFIER.search(what)
    if identifier is None:
        return "See the rights of the file at its source; until then nobody reads it by them."
    return (
        f"Say whom {identifier[0]} stands for in a CSV file and read it with "
        "muniment access identities; then synchronise the source."
    )


def _same(
    source_id: SourceId, path: str, effect: Effect, principal: Named
) -> sql.ColumnElement[bool]:
    entry = tables.access_entry
    return (
        (entry.c.source_id == source_id)
        & (entry.c.path == path)
        & (entry.c.effect == effect.value)
        & (entry.c.principal == principal.key)
    )


def _portions(ids: Sequence[Id]) -> Iterator[Sequence[Id]]:
    for start in range(0, len(ids), ASKED_AT_ONCE):
        yield ids[start : start + ASKED_AT_ONCE]
