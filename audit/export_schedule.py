"""Exports that nobody asks for: at the times of a schedule, by the service that runs anyway."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from croniter import croniter

from audit.errors import AuditError, ExportFailed
from audit.export import BUNDLE, FORMS, Export, write_export
from audit.log import AuditLog

log = logging.getLogger("audit.export")

STEP_SECONDS: Final = 20.0
PAGE: Final = 100
NOBODY: Final = "schedule"
"""Who a scheduled export is put on record for."""


@dataclass(frozen=True, slots=True)
class ExportPlan:
    """When, where to and in which form.

    Attributes:
        cron: Times in UTC as cron writes them: minute, hour, day, month, day of the week.
        folder: Each export gets a name of its own in it.
        form: One of ``FORMS``.
    """

    cron: str
    folder: Path
    form: str

    def check(self) -> None:
        """Raise ``ExportFailed`` where the times or the form cannot be understood."""
        if not croniter.is_valid(self.cron):
            raise ExportFailed(
                f"“{self.cron}” is no schedule. Write it as cron does, such as “0 2 * * *” "
                "for two in the night, every night (UTC)."
            )
        if self.form not in FORMS:
            raise ExportFailed(f"There is no format {self.form}; there are {', '.join(FORMS)}.")

    def next_after(self, at: datetime) -> datetime:
        """Return the first time of the schedule after a moment."""
        return croniter(self.cron, at).get_next(datetime)  # type: ignore[no-any-return]

    def place(self, at: datetime) -> Path:
        """Return what an export made at a moment is called; a bundle is a folder."""
        suffix = "" if self.form == BUNDLE else FORMS[self.form].suffix
        return self.folder / f"muniment-record-{at:%Y%m%d-%H%M%S}{suffix}"


class ScheduledExports:
    """Makes the exports of a plan. One that was missed while nothing ran is made up for, once.

    Args:
        record: What is exported; it also tells when that was last done.
        plan: When, where to and in which form.
        version: Of the program.
        clock: Gives times with a zone.
    """

    def __init__(
        self,
        record: AuditLog,
        plan: ExportPlan,
        *,
        version: str,
        clock: Callable[[], datetime],
    ) -> None:
        plan.check()
        self._record = record
        self._plan = plan
        self._version = version
        self._clock = clock
        self._next: datetime | None = None

    def run_until(self, stop: threading.Event) -> None:
        """Make exports at their times until told to stop."""
        while not stop.is_set():
            try:
                self.step()
            except AuditError as error:
                # Tried again at the next time of the schedule; the operator reads the log.
                log.error("record.export_failed", extra={"reason": str(error)})  # noqa: TRY400
            stop.wait(STEP_SECONDS)

    def step(self) -> Path | None:
        """Make an export if it is time; return where it is, or None where it was not time.

        Raises:
            AuditUnavailable: The record cannot be read, written or signed.
            ExportFailed: It could not be written.
        """
        now = self._clock()
        if self._next is None:
            self._next = self._plan.next_after(self._last_made() or now)
        if now < self._next:
            return None
        self._next = self._plan.next_after(now)
        output = self._plan.place(now)
        wanted = Export(self._plan.form, NOBODY, self._version, scheduled=True)
        entries = write_export(self._record, output, wanted)
        log.info("record.exported", extra={"form": self._plan.form, "entries": entries})
        return output

    def _last_made(self) -> datetime | None:
        """When the schedule last made one, as the record tells; None where it never did."""
        after = -1
        while page := self._record.entries(
            type="export.audit", after=after, limit=PAGE, newest_first=True
        ):
            for entry in page:
                if entry.envelope.get("scheduled") is True:
                    return entry.at
            after = page[-1].sequence
            if after == 0:
                break
        return None
