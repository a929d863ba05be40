"""Takes ingestion runs from the queue, one at a time, until told to stop."""

import contextlib
import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from audit.errors import AuditError
from corpus.catalog import Catalog, Run
from corpus.errors import CorpusError, ScheduleInvalid
from corpus.intakes import next_after
from ingest.erasing import Eraser
from ingest.errors import IngestError, SourceAsks, SourceAway
from ingest.pipeline import Pipeline
from ingest.recutting import Recutter

if TYPE_CHECKING:
    # Importing it starts half a second's worth of DBOS, which only a real worker needs.
    from ingest.jobs import DurableJobs

IDLE_SECONDS = 0.5
CUT_AT_ONCE = 8
"""Versions that are cut anew before it is looked whether something more urgent is due."""
BEAT_SECONDS = 10.0
SILENT_AFTER = timedelta(seconds=60)
"""A worker that has not beaten for so long will not come back: another does its work."""

PAUSES = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
)
"""Before a place that was away is asked again; after the last the run has failed."""

log = logging.getLogger("ingest")


class Worker:
    """Does queued runs, schedules and erasures.

    Args:
        pipeline: Does the work.
        catalog: Holds the queue.
        jobs: Does the documents, so that another worker can finish them; None leaves them to
            threads of this process.
        worker_id: New at every start.
        name: Host and process, for people.
        alone: Whether no other worker can be at work: where the index belongs to one process.
        eraser: Carries out erasures.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        catalog: Catalog,
        *,
        jobs: "DurableJobs | None" = None,
        worker_id: str = "",
        name: str = "",
        alone: bool = True,
        eraser: Eraser | None = None,
    ) -> None:
        self._pipeline = pipeline
        self._catalog = catalog
        self._jobs = jobs
        self._worker_id = worker_id
        self._name = name
        self._alone = alone
        self._eraser = eraser or Eraser(pipeline)
        self._recutter = Recutter(pipeline)

    def recover(self) -> None:
        """Finish and put right what workers that ended left behind."""
        if self._alone:
            if self._jobs:
                self._jobs.take_over(but=self._worker_id)
            self._pipeline.recover()
            for one in self._catalog.workers():
                self._catalog.forget_worker(one.worker_id)
        else:
            self._take_over_from_silent()
        self._catalog.beat(self._worker_id, self._name)

    def run_until(self, stop: threading.Event) -> None:
        """Work until the event is set, having recovered before.

        A run that fails is marked so, and the next one is taken.
        """
        heart = threading.Thread(target=self._beat_until, args=(stop,), daemon=True)
        heart.start()
        while not stop.is_set():
            if not self._guarded("work", lambda: self._work_once(stop)):
                stop.wait(IDLE_SECONDS)
        heart.join()
        with contextlib.suppress(CorpusError):
            self._catalog.forget_worker(self._worker_id)

    def _beat_until(self, stop: threading.Event) -> None:
        while not stop.wait(BEAT_SECONDS):
            self._guarded("beat", self._beat)

    def _beat(self) -> bool:
        self._catalog.beat(self._worker_id, self._name)
        return True

    def _take_over_from_silent(self) -> None:
        since = self._pipeline.clock() - SILENT_AFTER
        silent = self._catalog.silent_workers(since=since, but=self._worker_id)
        if not silent:
            return
        if self._jobs:
            self._jobs.take_over(silent)
        self._pipeline.recover(of_workers=silent)
        for worker_id in silent:
            self._catalog.forget_worker(worker_id)
            log.info("worker.replaced worker_id=%s", worker_id)

    def _work_once(self, stop: threading.Event) -> bool:
        """Do what is due; say whether there was something."""
        if not self._alone:
            self._take_over_from_silent()
        queue_due(self._catalog, self._pipeline.clock())
        self._eraser.work()
        self._pipeline.apply_access()
        run = self._catalog.claim_run(self._worker_id)
        if run is None:
            return bool(self._recutter.work(most=CUT_AT_ONCE, stop=stop.is_set))
        self._do(run, stop)
        return True

    def _do(self, run: Run, stop: threading.Event) -> None:
        try:
            report = self._pipeline.run(run.run_id, stop=stop.is_set, jobs=self._jobs)
            log.info(
                "run.done run_id=%s files=%d milliseconds=%d",
                run.run_id,
                sum(report.totals.values()),
                report.seconds * 1000,
            )
            if self._jobs and report.complete:
                self._jobs.forget(run.run_id)
        except SourceAway as error:
            self._try_later(run, error)
        except SourceAsks as question:
            log.warning("run.asks run_id=%s gone=%d", run.run_id, question.gone)
        except IngestError as error:
            log.warning("run.failed run_id=%s error=%s", run.run_id, type(error).__name__)
        except Exception as error:  # the worker loop outlives every run
            log.exception("run.failed run_id=%s error=%s", run.run_id, type(error).__name__)
            with contextlib.suppress(CorpusError):
                self._catalog.finish_run(
                    run.run_id, error=f"Ingestion failed unexpectedly ({type(error).__name__})."
                )

    def _try_later(self, run: Run, error: SourceAway) -> None:
        log.warning("run.away run_id=%s attempt=%d", run.run_id, run.attempt + 1)
        if run.attempt < len(PAUSES):
            self._catalog.retry_run(run.run_id, after=PAUSES[run.attempt], error=str(error))

    def _guarded(self, what: str, act: Callable[[], bool]) -> bool:
        """Do something that must not end the worker when a database is away for a moment."""
        try:
            return act()
        except (CorpusError, AuditError) as error:
            log.warning("%s.unavailable error=%s", what, type(error).__name__)
            return False


def queue_due(catalog: Catalog, now: datetime) -> int:
    """Queue a run of every source whose time has come; return how many.

    However many times were missed, a source is gone over once. While a run of it waits, no
    second one is queued, and two runs of a source never go on at the same time.
    """
    queued = 0
    for source_id, intake in catalog.due_sources(now):
        with contextlib.suppress(ScheduleInvalid):  # it was valid when it was given
            following = next_after(intake.cron, intake.zone, now)
            if catalog.move_schedule(source_id, seen=intake.next_at, next_at=following):
                catalog.queue_run(source_id)
                queued += 1
    return queued
