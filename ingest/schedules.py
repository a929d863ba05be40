"""When a source is gone over by itself: cron lines in a time zone."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import CroniterBadCronError, CroniterBadDateError, croniter

from corpus.catalog import Catalog
from ingest.errors import ScheduleInvalid


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
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ScheduleInvalid(
            f"There is no time zone {zone!r}. Name one as IANA does, such as Europe/London."
        ) from error
    if len(cron.split()) != 5:
        raise ScheduleInvalid(
            f"{cron!r} is no cron line. Write five fields: minute, hour, day of the month, "
            "month, day of the week, such as '30 2 * * 1-5'."
        )
    try:
        found: datetime = croniter(cron, local).get_next(datetime)
    except (CroniterBadCronError, CroniterBadDateError) as error:
        raise ScheduleInvalid(f"{cron!r} is no cron line: {error}.") from error
    return found.astimezone(UTC)


def queue_due(catalog: Catalog, now: datetime) -> int:
    """Queue a run of every source whose time has come; return how many.

    However many times were missed, a source is gone over once. While a run of it waits, no
    second one is queued, and two runs of a source never go on at the same time.
    """
    queued = 0
    for source_id, intake in catalog.due_sources(now):
        try:
            following = next_after(intake.cron, intake.zone, now)
        except ScheduleInvalid:
            continue
        if catalog.move_schedule(source_id, seen=intake.next_at, next_at=following):
            catalog.queue_run(source_id)
            queued += 1
    return queued
