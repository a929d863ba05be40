"""Groups and who is in them, clearances, and whom the names of other systems stand for."""

from collections.abc import Collection, Mapping

import sqlalchemy as sql

from corpus import tables
from corpus.access import Named, Principal
from corpus.admission import move_epoch, names_of
from corpus.permissions import Permissions

OPERATOR = "operator"


class Directory(Permissions):
    """The part of the catalog that knows groups. Every change counts from the next request."""

    def add_member(self, group: str, member: Named, *, origin: str = OPERATOR) -> None:
        """Put a person, a service account or another group into a group.

        Groups may contain each other in a circle; then their members are in all of them.
        """
        table = tables.group_member
        with self._database.writing() as connection:
            connection.execute(table.delete().where(_membership(group, member, origin)))
            connection.execute(
                table.insert().values(group_name=group, member=member.key, origin=origin)
            )
            move_epoch(connection)

    def remove_member(self, group: str, member: Named, *, origin: str = OPERATOR) -> bool:
        """Take somebody out of a group; say whether they were in it."""
        table = tables.group_member
        with self._database.writing() as connection:
            gone = connection.execute(
                table.delete().where(_membership(group, member, origin))
            ).rowcount
            move_epoch(connection)
        return bool(gone)

    def replace_members(
        self, members: Mapping[str, Collection[Named]], *, origin: str
    ) -> tuple[int, int]:
        """Make the memberships of one origin exactly these, as a directory gives them.

        Args:
            members: Who is in each group.
            origin: Where they come from; what others say stays.

        Returns:
            How many were added and how many removed.
        """
        table = tables.group_member
        wanted = {(group, named.key) for group, all_ in members.items() for named in all_}
        with self._database.writing() as connection:
            known = {
                (row.group_name, row.member)
                for row in connection.execute(sql.select(table).where(table.c.origin == origin))
            }
            for group, key in sorted(known - wanted):
                connection.execute(
                    table.delete().where(_membership(group, Named.of_key(key), origin))
                )
            added = [
                {"group_name": group, "member": key, "origin": origin}
                for group, key in sorted(wanted - known)
            ]
            if added:
                connection.execute(table.insert(), added)
            if added or known - wanted:
                move_epoch(connection)
        return len(added), len(known - wanted)

    def memberships(self, origin: str) -> set[tuple[str, Named]]:
        """Return who is directly in which group by one origin."""
        table = tables.group_member
        query = sql.select(table).where(table.c.origin == origin)
        with self._database.reading() as connection:
            return {(row.group_name, Named.of_key(row.member)) for row in connection.execute(query)}

    def groups(self) -> dict[str, list[Named]]:
        """Return every group that the catalog keeps, with its direct members."""
        table = tables.group_member
        found: dict[str, set[Named]] = {}
        with self._database.reading() as connection:
            for row in connection.execute(sql.select(table)):
                found.setdefault(row.group_name, set()).add(Named.of_key(row.member))
        return {group: sorted(members) for group, members in sorted(found.items())}

    def names(self, principal: Principal) -> frozenset[Named]:
        """Return a principal's own name and every group that contains it, however nested."""
        with self._database.reading() as connection:
            return names_of(connection, principal)

    def set_clearance(self, principal: Named, marking: str) -> None:
        """Clear somebody for a marking and all below it; an empty one takes that away.

        Raises:
            AccessInvalid: The marking is not among those in use.
        """
        table = tables.clearance
        self.check_marking(marking)
        with self._database.writing() as connection:
            connection.execute(table.delete().where(table.c.principal == principal.key))
            if marking:
                connection.execute(table.insert().values(principal=principal.key, marking=marking))
            move_epoch(connection)

    def know_identities(self, identities: Mapping[str, Named]) -> None:
        """Add to the table of whom identifiers of file systems stand for.

        Args:
            identities: By identifier, such as "uid:1000", "gid:50", "posix:other" or a SID.
        """
        table = tables.known_identity
        with self._database.writing() as connection:
            for identifier, named in identities.items():
                connection.execute(table.delete().where(table.c.identifier == identifier))
                connection.execute(
                    table.insert().values(identifier=identifier, principal=named.key)
                )

    def identities(self) -> dict[str, Named]:
        """Return whom identifiers of file systems stand for."""
        table = tables.known_identity
        with self._database.reading() as connection:
            rows = connection.execute(sql.select(table)).all()
        return {row.identifier: Named.of_key(row.principal) for row in rows}


def _membership(group: str, member: Named, origin: str) -> sql.ColumnElement[bool]:
    table = tables.group_member
    return (
        (table.c.group_name == group) & (table.c.member == member.key) & (table.c.origin == origin)
    )
