"""Takes ingestion runs from the queue, one at a time, until told to stop."""

import contextlib
import logging
import threading

from corpus.catalog import Catalog
from corpus.errors import CorpusError
from ingest.errors import IngestError
from ingest.pipeline import Pipeline

IDLE_SECONDS = 0.5

log = logging.getLogger("ingest")


class Worker:
    """Does queued runs.

    Args:
        pipeline: Does the work.
        catalog: Holds the queue.
    """

    def __init__(self, pipeline: Pipeline, catalog: Catalog) -> None:
        self._pipeline = pipeline
        self._catalog = catalog

    def run_until(self, stop: threading.Event) -> None:
        """Recover from a crash, then work until the event is set.

        A run that fails is marked so, and the next one is taken.
        """
        self._pipeline.recover()
        while not stop.is_set():
            if not self._work_once(stop):
                stop.wait(IDLE_SECONDS)

    def _work_once(self, stop: threading.Event) -> bool:
        """Do one run; say whether there was one."""
        try:
            run = self._catalog.claim_run()
        except CorpusError as error:
            log.warning("queue.unavailable error=%s", type(error).__name__)
            return False
        if run is None:
            return False
        try:
            report = self._pipeline.run(run.run_id, stop=stop.is_set)
            log.info(
                "run.done run_id=%s files=%d milliseconds=%d",
                run.run_id,
                len(report.files),
                report.seconds * 1000,
            )
        except IngestError as error:
            log.warning("run.failed run_id=%s error=%s", run.run_id, type(error).__name__)
        except Exception as error:  # the worker loop outlives every run
            log.exception("run.failed run_id=%s error=%s", run.run_id, type(error).__name__)
            with contextlib.suppress(CorpusError):
                self._catalog.finish_run(
                    run.run_id, error=f"Ingestion failed unexpectedly ({type(error).__name__})."
                )
        return True
