"""Exports of the record on a schedule, in a thread of the service."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from audit.errors import ExportFailed
from audit.export_schedule import ExportPlan, ScheduledExports
from audit.log import AuditLog
from muniment.errors import SettingsInvalid
from muniment.meanwhile import meanwhile
from muniment.settings import Settings
from muniment.stores import utc_now


@contextmanager
def exporting(record: AuditLog, settings: Settings) -> Iterator[None]:
    """Make the scheduled exports while the block lasts; without a schedule, do nothing.

    Raises:
        SettingsInvalid: The schedule is not one, or there is no folder for it.
    """
    if not settings.export_schedule:
        yield
        return
    if not settings.export_folder:
        raise SettingsInvalid(
            "MUNIMENT_EXPORT_SCHEDULE needs a folder: set MUNIMENT_EXPORT_FOLDER."
        )
    plan = ExportPlan(
        cron=settings.export_schedule,
        folder=Path(settings.export_folder).expanduser(),
        form=settings.export_format,
    )
    try:
        exports = ScheduledExports(record, plan, version=version("muniment"), clock=utc_now)
    except ExportFailed as error:
        raise SettingsInvalid(
            f"MUNIMENT_EXPORT_SCHEDULE or MUNIMENT_EXPORT_FORMAT: {error}"
        ) from error
    with meanwhile(exports.run_until, name="export"):
        yield
