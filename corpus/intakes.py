"""How each source is gone over, and when by itself."""

import json
from datetime import datetime
from typing import Any

import sqlalchemy as sql

from corpus import tables
from corpus.database import Part
from corpus.documents import SourceId
from corpus.records import Intake
from corpus.tables import PRESENT


class Intakes(Part):
    """The part of the catalog that keeps intakes."""

    def intake(self, source_id: SourceId) -> Intake:
        """Return how a source is gone over; the usual way when nobody said otherwise."""
        table = tables.intake
        with self._database.reading() as connection:
            row = connection.execute(
                sql.select(table).where(table.c.source_id == source_id)
            ).one_or_none()
        return Intake() if row is None else _intake(row)

    def set_intake(self, source_id: SourceId, intake: Intake) -> None:
        """Say how a source is gone over from its next run on."""
        table = tables.intake
        values = {
            "url": intake.url,
            "include": json.dumps(intake.include),
            "exclude": json.dumps(intake.exclude),
            "maximum_bytes": intake.maximum_bytes,
            "gone_share": intake.gone_share,
            "priority": intake.priority,
            "cron": intake.cron,
            "zone": intake.zone,
            "next_at": intake.next_at,
        }
        with self._database.writing() as connection:
            there = table.update().where(table.c.source_id == source_id).values(**values)
            if connection.execute(there).rowcount == 0:
                connection.execute(table.insert().values(source_id=source_id, **values))

    def due_sources(self, now: datetime) -> list[tuple[SourceId, Intake]]:
        """Return the sources whose time has come, longest overdue first."""
        table, source = tables.intake, tables.source
        query = (
            sql.select(table)
            .join(source)
            .where(table.c.cron != "", table.c.next_at <= now, source.c.removal == PRESENT)
            .order_by(table.c.next_at)
        )
        with self._database.reading() as connection:
            return [(SourceId(row.source_id), _intake(row)) for row in connection.execute(query)]

    def move_schedule(
        self, source_id: SourceId, *, seen: datetime | None, next_at: datetime
    ) -> bool:
        """Note when a source is due next; False where another worker has done so already."""
        table = tables.intake
        with self._database.writing() as connection:
            done = connection.execute(
                table.update()
                .where(table.c.source_id == source_id, table.c.next_at == seen)
                .values(next_at=next_at)
            )
            return done.rowcount == 1


def _intake(row: sql.Row[Any]) -> Intake:
    return Intake(
        url=row.url,
        include=tuple(json.loads(row.include)),
        exclude=tuple(json.loads(row.exclude)),
        maximum_bytes=row.maximum_bytes,
        gone_share=row.gone_share,
        priority=row.priority,
        cron=row.cron,
        zone=row.zone,
        next_at=row.next_at,
    )
