"""Documents as durable workflows: what a process had begun, another ends.

DBOS remembers in a database of its own which step of which document was done. Only ids stand
there, never a path or a word of a document, and what a run has finished is forgotten.
"""

import logging
import sqlite3
import uuid
from collections.abc import Collection, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from dbos import DBOS, DBOSConfig, SetWorkflowID
from sqlalchemy.engine import make_url

from corpus.records import RunId
from ingest.errors import SourceAway, StorageFailed
from ingest.pipeline import IN_FLIGHT
from ingest.steps import Steps

SCHEMA_VERSION = "1"
"""Of the workflow below: a change that cannot go on with what an earlier one began raises it."""

ATTEMPTS = 4
FIRST_PAUSE_SECONDS = 1.0
FORGOTTEN_AT_ONCE = 500

log = logging.getLogger("ingest")

_steps: list[Steps] = []
"""What the workflows of this process work with: DBOS finds them by name, so they are global."""


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, SourceAway)


@DBOS.step(
    name="read",
    retries_allowed=True,
    max_attempts=ATTEMPTS,
    interval_seconds=FIRST_PAUSE_SECONDS,
    backoff_rate=3.0,
    should_retry=_may_pass,
)
def _read(sequence: int) -> bool:
    return _steps[-1].read(sequence)


@DBOS.step(name="index")
def _index(sequence: int) -> None:
    _steps[-1].index(sequence)


@DBOS.step(name="publish")
def _publish(sequence: int) -> None:
    _steps[-1].publish(sequence)


@DBOS.workflow(name="document")
def _document(sequence: int) -> None:
    if _read(sequence):
        _index(sequence)
        _publish(sequence)


class DurableJobs:
    """Documents that are finished whatever happens to this process.

    One at a time in a process: opening a second one replaces the first.

    Args:
        steps: What a job does.
        url: Where DBOS keeps what it remembers: "sqlite:////folder/jobs.db", or PostgreSQL.
        worker_id: Under which this process's jobs are kept; new at every start.

    Raises:
        StorageFailed: The database cannot be used.
    """

    def __init__(self, steps: Steps, *, url: str, worker_id: str) -> None:
        _steps.append(steps)
        self._use_journal(url)
        config: DBOSConfig = {
            "name": "muniment",
            "system_database_url": url,
            "executor_id": worker_id,
            "application_version": SCHEMA_VERSION,
            "log_level": "CRITICAL",
        }
        try:
            DBOS(config=config)
            DBOS.launch()
        except Exception as error:  # of whatever database stands behind it
            _steps.remove(steps)
            DBOS.destroy()
            raise StorageFailed(
                f"What is known of unfinished documents cannot be opened: {error}. Free space "
                "or correct MUNIMENT_DATABASE_URL, and start again."
            ) from error
        self._own = steps
        self._pool = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="document")

    def close(self) -> None:
        """Stop; what is not finished waits for whoever takes over."""
        self._pool.shutdown(cancel_futures=True)
        DBOS.destroy()
        _steps.remove(self._own)

    def start(self, run_id: RunId, sequence: int) -> "Future[None]":
        """See ``ingest.pipeline.Jobs``."""
        return self._pool.submit(_do, f"{run_id}:{uuid.uuid4()}", sequence)

    def take_over(self, worker_ids: Collection[str] | None = None, *, but: str = "") -> int:
        """Finish the documents that other workers had begun; return how many.

        Args:
            worker_ids: Those workers; None for all but one.
            but: That one: this process.
        """
        pending = DBOS.list_workflows(
            status=["PENDING", "ENQUEUED"],
            executor_id=None if worker_ids is None else list(worker_ids),
            load_input=False,
            load_output=False,
        )
        ids = [one.workflow_id for one in pending if one.executor_id != but]
        for handle in DBOS.resume_workflows(ids) if ids else ():
            try:
                handle.get_result()
            except Exception as error:  # noqa: BLE001 - its run is gone over again and says it
                log.warning("document.unfinished error=%s", type(error).__name__)
        return len(ids)

    def forget(self, run_id: RunId) -> None:
        """Forget the documents of a run that has ended."""
        while True:
            found = DBOS.list_workflows(
                workflow_id_prefix=f"{run_id}:",
                limit=FORGOTTEN_AT_ONCE,
                load_input=False,
                load_output=False,
            )
            if not found:
                return
            DBOS.delete_workflows([one.workflow_id for one in found])

    @staticmethod
    def _use_journal(url: str) -> None:
        """Half the waiting for the disk; SQLite remembers it in the file."""
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite" or not parsed.database:
            return
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        try:
            database = sqlite3.connect(parsed.database)
            database.execute("PRAGMA journal_mode = WAL")
            database.close()
        except sqlite3.Error as error:
            raise StorageFailed(f"{parsed.database} cannot be used: {error}.") from error


def _do(workflow_id: str, sequence: int) -> None:
    with SetWorkflowID(workflow_id):
        try:
            _document(sequence)
        except Exception as error:
            away = next((one for one in _causes(error) if isinstance(one, SourceAway)), None)
            if away is None:
                raise
            raise away from error


def _causes(error: BaseException) -> Iterable[BaseException]:
    """An error and, where it is the last of several tries, what each of them said."""
    yield error
    yield from getattr(error, "errors", ())
