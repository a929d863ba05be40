"""How each source is gone over, and when by itself."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import sqlalchemy as sql
from croniter import CroniterBadCronError, CroniterBadDateError, croniter

from corpus import tables
from corpus.database import Part
from corpus.documents import SourceId
from corpus.errors import ScheduleInvalid
from corpus.records import Intake
from corpus.tables import PRESENT

CRON_FIELDS = 5


def next_after(cron: str, zone: str, moment: datetime) -> datetime:
    """Return the first time after a moment that a cron line names, in UTC.

    Args:
        cron: Five fields: minute, hour, day of the month, month, day of the week.
        zone: As IANA names it, such as "Europe/London"; the line is read in its time.
        moment: With a zone.

    Raises:
        ScheduleInvalid: The line or the zone is none, or the line names no time at all.
    """
    try:
        local = moment.astimezone(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ScheduleInvalid(
            f"There is no time zone {zone!r}. Name one as IANA does, such as Europe/London."
        ) from error
    if len(cron.split()) != CRON_FIELDS:
        raise ScheduleInvalid(
            f"{cron!r} is no cron line. Write five fields: minute, hour, day of the month, "
            "month, day of the week, such as '30 2 * * 1-5'."
        )
    try:
        found: datetime = croniter(cron, local).get_next(datetime)
    except (CroniterBadCronError, CroniterBadDateError) as error:
        raise ScheduleInvalid(f"{cron!r} is no cron line: {error}.") from error
    return found.astimezone(UTC)


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
        """Say how a source is gone over from its next run on, and when by itself.

        Raises:
            ScheduleInvalid: The cron line or the time zone is none.
        """
        table = tables.intake
        if intake.cron:
            following = next_after(intake.cron, intake.zone, self._clock())
            intake = replace(intake, next_at=following)
        else:
            intake = replace(intake, next_at=None)
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
