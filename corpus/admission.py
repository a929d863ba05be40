"""How access lists are written, and which of them admit somebody: the SQL behind every decision."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sql

from corpus import tables
from corpus.access import AccessList, AccessListId, Effect, Named, Principal, group_named

ASKED_AT_ONCE: Final = 500
"""Names in one query; databases limit how many values a statement may carry."""

STATE_ROW: Final = 1


@dataclass(frozen=True, slots=True)
class Asker:
    """Somebody as the authority knows them at one moment.

    Attributes:
        names: The person and every group that contains them, directly or through others.
        cleared: The markings they may read.
    """

    names: frozenset[Named]
    cleared: frozenset[str]


def epoch_of(connection: sql.Connection) -> int:
    """Return the number that moves with every change of rights, groups or clearances."""
    state = tables.access_state
    found = connection.scalar(sql.select(state.c.epoch).where(state.c.row == STATE_ROW))
    return int(found or 0)


def move_epoch(connection: sql.Connection) -> None:
    """Note that rights, groups or clearances change in this transaction."""
    state = tables.access_state
    connection.execute(
        state.update().where(state.c.row == STATE_ROW).values(epoch=state.c.epoch + 1)
    )


def names_of(connection: sql.Connection, principal: Principal) -> frozenset[Named]:
    """Return a principal's own name and every group that contains it, however nested.

    A cycle of groups ends where it began: no group is followed twice.
    """
    own = Named.asker(principal)
    found = {own, *(group_named(name) for name in principal.groups)}
    frontier = sorted(found)
    while frontier:
        reached = {group_named(name) for name in _groups_holding(connection, frontier)}
        frontier = sorted(reached - found)
        found |= reached
    return frozenset(found)


def asker_of(connection: sql.Connection, principal: Principal, levels: Sequence[str]) -> Asker:
    """Return a principal with all its groups and what it is cleared for.

    Args:
        connection: To the catalog.
        principal: Who asks.
        levels: The markings, from the lowest to the highest.
    """
    names = names_of(connection, principal)
    clearance = tables.clearance
    held: set[str] = set()
    for some in _portions(sorted(name.key for name in names)):
        query = sql.select(clearance.c.marking).where(clearance.c.principal.in_(some))
        held.update(connection.scalars(query))
    highest = max((levels.index(marking) for marking in held if marking in levels), default=-1)
    return Asker(names, frozenset(levels[: highest + 1]))


def admitting(asker: Asker, now: datetime) -> sql.Select[int]:
    """Select the access lists that admit somebody: one entry allows, none denies, and cleared."""
    lists, entry = tables.access_list, tables.access_list_entry
    holds = entry.c.principal.in_(sorted(name.key for name in asker.names)) & (
        entry.c.expires_at.is_(None) | (entry.c.expires_at > now)
    )
    allowed = sql.select(entry.c.access_list_id).where(holds, entry.c.effect == Effect.ALLOW)
    denied = sql.select(entry.c.access_list_id).where(holds, entry.c.effect == Effect.DENY)
    return sql.select(lists.c.access_list_id).where(
        lists.c.access_list_id.in_(allowed),
        lists.c.access_list_id.not_in(denied),
        lists.c.marking.in_(["", *sorted(asker.cleared)]),
    )


def next_expiry(connection: sql.Connection, asker: Asker, now: datetime) -> datetime | None:
    """Return when the first of somebody's entries ends; None when none does."""
    entry = tables.access_list_entry
    first: datetime | None = connection.scalar(
        sql.select(sql.func.min(entry.c.expires_at)).where(
            entry.c.principal.in_(sorted(name.key for name in asker.names)),
            entry.c.expires_at > now,
        )
    )
    return first


def list_for(connection: sql.Connection, wanted: AccessList) -> AccessListId:
    """Return the one id of an access list, giving it one when it is new."""
    lists, entry = tables.access_list, tables.access_list_entry
    text = wanted.canonical()
    known = connection.scalar(sql.select(lists.c.access_list_id).where(lists.c.entries == text))
    if known is not None:
        return AccessListId(known)
    made = (
        lists.insert()
        .values(entries=text, marking=wanted.marking)
        .returning(lists.c.access_list_id)
    )
    access_list = AccessListId(connection.execute(made).scalar_one())
    rows = [
        {
            "access_list_id": access_list,
            "effect": line.effect.value,
            "principal": line.principal.key,
            "expires_at": line.expires_at,
        }
        for line in AccessList.of_canonical(text).entries
    ]
    if rows:
        connection.execute(entry.insert(), rows)
    move_epoch(connection)
    return access_list


def stored_list(connection: sql.Connection, access_list: AccessListId) -> AccessList:
    """Return the list of an id."""
    lists = tables.access_list
    text = connection.scalars(
        sql.select(lists.c.entries).where(lists.c.access_list_id == access_list)
    ).one()
    return AccessList.of_canonical(text)


def _groups_holding(connection: sql.Connection, members: Iterable[Named]) -> set[str]:
    table = tables.group_member
    found: set[str] = set()
    for some in _portions([member.key for member in members]):
        query = sql.select(table.c.group_name).where(table.c.member.in_(some))
        found.update(connection.scalars(query))
    return found


def _portions(names: Sequence[str]) -> Iterator[Collection[str]]:
    for start in range(0, len(names), ASKED_AT_ONCE):
        yield names[start : start + ASKED_AT_ONCE]
