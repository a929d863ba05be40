"""Where the access list of a document comes from: every entry that bears on its path."""

import fnmatch
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sql

from corpus import tables
from corpus.access import AccessEntry, AccessList, AccessListId, Effect, Named, group_named
from corpus.admission import list_for, move_epoch
from corpus.documents import DocumentId, SourceId
from corpus.records import DECLARED, Source
from corpus.tables import PRESENT

MARKING_PROPERTIES: Final = frozenset(
    {
        "category",
        "classification",
        "keywords",
        "marking",
        "protective marking",
        "security classification",
        "sensitivity",
        "subject",
    }
)
"""Properties of a document, in lower case, in which offices write its protective marking."""

SEPARATORS: Final = str.maketrans(";|/", ",,,")


@dataclass(frozen=True, slots=True)
class Ground:
    """One reason to admit somebody to a document or to shut them out.

    Attributes:
        effect: Which of the two.
        principal: Whom.
        place: Where it is written, in words for people.
        expires_at: When it ends (UTC); None for never.
    """

    effect: Effect
    principal: Named
    place: str
    expires_at: datetime | None = None


class SourceRules:
    """Everything that says who may read the files of one source, read at one moment.

    Args:
        connection: To the catalog.
        source: The source.
        levels: The markings, from the lowest to the highest.
        paths: Load what bears on these files only, a handful; None for all.
    """

    def __init__(
        self,
        connection: sql.Connection,
        source: Source,
        levels: Sequence[str],
        paths: Collection[str] | None = None,
    ) -> None:
        self._source = source
        self._levels = tuple(levels)
        self._entries: defaultdict[str, list[sql.Row[Any]]] = defaultdict(list)
        entry = tables.access_entry
        query = sql.select(entry).where(entry.c.source_id == source.source_id)
        if paths is not None:
            query = query.where(
                entry.c.path.in_({one for path in paths for one in scopes_of(path)})
            )
        for row in connection.execute(query.order_by(entry.c.entry_id)):
            self._entries[row.path].append(row)
        marking = tables.marking_rule
        self._markings = [
            (row.glob, row.marking)
            for row in connection.execute(
                sql.select(marking).where(marking.c.source_id == source.source_id)
            )
        ]
        self._taken = {} if source.rights == DECLARED else _taken(connection, source, paths)

    def grounds(self, path: str) -> list[Ground]:
        """Return every reason that bears on a file, the widest first."""
        return [*self._base(path), *self._added(path)]

    def marking(self, path: str, own: Iterable[str] = ()) -> str:
        """Return the highest marking among those a file's own properties and the rules give it.

        A marking that is no longer among the levels counts as higher than all of them.
        """
        given = [marking for glob, marking in self._markings if fnmatch.fnmatchcase(path, glob)]
        given += [marking for marking in own if marking]
        return max(given, key=lambda marking: (self._rank(marking), marking), default="")

    def access_list(self, path: str, own_markings: Iterable[str] = ()) -> AccessList:
        """Return the access list of a file."""
        entries = frozenset(
            AccessEntry(ground.effect, ground.principal, ground.expires_at)
            for ground in self.grounds(path)
        )
        return AccessList(entries, self.marking(path, own_markings))

    def _rank(self, marking: str) -> int:
        return self._levels.index(marking) if marking in self._levels else len(self._levels)

    def _base(self, path: str) -> list[Ground]:
        name = self._source.name
        if self._source.rights != DECLARED:
            taken = self._taken.get(path)
            place = f"the rights of the file in {name} ({self._source.rights})"
            lines = sorted(taken.entries, key=lambda line: line.principal) if taken else []
            return [Ground(line.effect, line.principal, place) for line in lines]
        for rule in self._source.rules:
            if fnmatch.fnmatchcase(path, rule.glob):
                return _of_groups(rule.groups, f"the rule {rule.glob} of the source {name}")
        return _of_groups(self._source.groups, f"the groups of the source {name}")

    def _added(self, path: str) -> list[Ground]:
        return [
            Ground(
                Effect(row.effect),
                Named.of_key(row.principal),
                self._place(row),
                row.expires_at,
            )
            for scope in scopes_of(path)
            for row in self._entries.get(scope, [])
        ]

    def _place(self, row: sql.Row[Any]) -> str:
        if not row.path:
            where = f"an entry on the source {self._source.name}"
        elif row.path.endswith("/"):
            where = f"an entry on the folder {self._source.name}/{row.path}"
        else:
            where = "an entry on the document itself"
        return where if not row.origin.startswith(BREAK_GLASS) else f"break-glass: {row.reason}"


BREAK_GLASS: Final = "break-glass"
"""How the origin of an entry begins that two people opened for a while."""


def scopes_of(path: str) -> list[str]:
    """Return the paths whose entries bear on a file: the source, each folder, the file."""
    parts = path.split("/")
    folders = ["/".join(parts[:depth]) + "/" for depth in range(1, len(parts))]
    return ["", *folders, path]


def marking_in(properties: dict[str, str], levels: Sequence[str]) -> str:
    """Return the highest marking that a document's properties state; empty for none.

    A property states a marking when the marking, in any case, is its value or one of the values
    it lists.
    """
    ranks = {level.casefold(): rank for rank, level in enumerate(levels)}
    stated = [
        ranks[word]
        for name, value in properties.items()
        if name.casefold() in MARKING_PROPERTIES or name.startswith("MSIP_Label_")
        for word in (part.strip().casefold() for part in value.translate(SEPARATORS).split(","))
        if word in ranks
    ]
    return levels[max(stated)] if stated else ""


def relist(
    connection: sql.Connection,
    source: Source,
    levels: Sequence[str],
    *,
    below: str = "",
) -> int:
    """Put the documents of a source, or of one folder or path of it, under the lists they need.

    The catalog decides by them from the end of the transaction; the index is told later.

    Returns:
        How many documents came under another list.
    """
    rows = connection.execute(_below(source.source_id, below)).all()
    paths = [row.path for row in rows] if len(rows) == 1 else None
    rules = SourceRules(connection, source, levels, paths)
    only = DocumentId(rows[0].document_id) if len(rows) == 1 else None
    own = own_markings(connection, source.source_id, only)
    changed = 0
    for row in rows:
        wanted = rules.access_list(row.path, own.get(row.document_id, ()))
        access_list = list_for(connection, wanted)
        if access_list != row.access_list_id:
            _put_under(connection, row.document_id, access_list)
            changed += 1
    if changed:
        move_epoch(connection)
    return changed


def own_markings(
    connection: sql.Connection, source_id: SourceId, only: DocumentId | None = None
) -> dict[str, set[str]]:
    """Return the markings that the versions of a source's documents state, by document."""
    version, document = tables.version, tables.document
    query = (
        sql.select(version.c.document_id, version.c.marking)
        .join(document)
        .where(
            document.c.source_id == source_id,
            document.c.withdrawal == PRESENT,
            version.c.marking != "",
        )
        .distinct()
    )
    if only is not None:
        query = query.where(document.c.document_id == only)
    found: defaultdict[str, set[str]] = defaultdict(set)
    for row in connection.execute(query):
        found[row.document_id].add(row.marking)
    return found


def _put_under(connection: sql.Connection, document_id: str, access_list: AccessListId) -> None:
    document = tables.document
    connection.execute(
        document.update()
        .where(document.c.document_id == document_id)
        .values(access_list_id=access_list, access_indexed=False)
    )


def documents_below(connection: sql.Connection, source_id: SourceId, folder: str) -> int:
    """Return how many documents lie in a folder, whose path ends with "/"."""
    found = sql.select(sql.func.count()).select_from(_below(source_id, folder).subquery())
    return connection.scalar(found) or 0


def _below(source_id: SourceId, below: str) -> sql.Select[Any]:
    document = tables.document
    query = sql.select(document).where(
        document.c.source_id == source_id, document.c.withdrawal == PRESENT
    )
    if below.endswith("/"):
        stored = sql.type_coerce(document.c.path, sql.Text)
        return query.where(stored.startswith(tables.escape_path(below), autoescape=True))
    return query.where(document.c.path == below) if below else query


def _of_groups(groups: Iterable[str], place: str) -> list[Ground]:
    return [Ground(Effect.ALLOW, group_named(name), place) for name in sorted(groups)]


def _taken(
    connection: sql.Connection, source: Source, paths: Collection[str] | None
) -> dict[str, AccessList]:
    rights = tables.file_rights
    query = sql.select(rights).where(rights.c.source_id == source.source_id)
    if paths is not None:
        query = query.where(rights.c.path.in_(list(paths)))
    return {row.path: AccessList.of_canonical(row.entries) for row in connection.execute(query)}
