"""Ingestion runs: the hand-over between whoever asks for one and the worker that does it."""

import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sql

from corpus import tables
from corpus.database import Part, utc_now
from corpus.documents import SourceId
from corpus.errors import UnknownRun
from corpus.records import FileOutcome, LiveWorker, Run, RunId
from corpus.tables import (
    ASKING,
    CANCELLED,
    DONE,
    FAILED,
    PAUSED,
    PLANNED,
    QUEUED,
    RECORDING,
    RUNNING,
)

__all__ = ["Runs", "utc_now"]

OPEN = (PLANNED, RECORDING)
ENDED = (DONE, FAILED, CANCELLED)
RUNS_WITH_FILES = 20
"""Of each source: what older runs did with each file is told by the record alone."""


class Runs(Part):
    """The part of the catalog that keeps runs."""

    def queue_run(
        self,
        source_id: SourceId,
        *,
        options: Collection[str] = (),
        priority: int | None = None,
    ) -> RunId:
        """Ask for a source to be gone over; a run of it that waits already is returned.

        Args:
            source_id: Which.
            options: "retry" reads quarantined files again, "only-quarantined" nothing else;
                "check" compares the bytes of every file; "accept" withdraws however many
                files are gone.
            priority: The higher is done first; the source's own when None.
        """
        run = tables.run
        with self._database.writing() as connection:
            waiting = connection.execute(
                sql.select(run.c.run_id, run.c.options).where(
                    run.c.source_id == source_id, run.c.state.in_([QUEUED, PAUSED, ASKING])
                )
            ).first()
            if waiting is not None:
                wider = frozenset(waiting.options.split()) | frozenset(options)
                if "only-quarantined" not in options:
                    wider -= {"only-quarantined"}
                connection.execute(
                    run.update()
                    .where(run.c.run_id == waiting.run_id)
                    .values(
                        state=QUEUED, options=_written(wider), wanted="", not_before=None, gone=0
                    )
                )
                return RunId(waiting.run_id)
            run_id = RunId(str(uuid.uuid4()))
            connection.execute(
                run.insert().values(
                    run_id=run_id,
                    source_id=source_id,
                    state=QUEUED,
                    queued_at=self._clock(),
                    files_total=0,
                    files_done=0,
                    pages=0,
                    chunks=0,
                    current="",
                    error="",
                    options=_written(options),
                    priority=_priority(connection, source_id) if priority is None else priority,
                )
            )
            return run_id

    def claim_run(self, worker_id: str = "") -> Run | None:
        """Start the run that is next and return it, None when there is none.

        The highest priority comes first, then the oldest. Two workers never claim the same run,
        and a source never has two runs at the same time.
        """
        run, other = tables.run, tables.run.alias()
        busy = sql.select(other.c.source_id).where(other.c.state == RUNNING)
        with self._database.writing() as connection:
            run_id = connection.scalar(
                sql.select(run.c.run_id)
                .where(
                    run.c.state == QUEUED,
                    run.c.source_id.not_in(busy),
                    run.c.not_before.is_(None) | (run.c.not_before <= self._clock()),
                )
                .order_by(run.c.priority.desc(), run.c.sequence)
                .limit(1)
                .with_for_update(skip_locked=True)
            )
            if run_id is None:
                return None
            connection.execute(
                run.update()
                .where(run.c.run_id == run_id)
                .values(
                    state=RUNNING,
                    started_at=self._clock(),
                    worker_id=worker_id,
                    wanted="",
                    error="",
                    not_before=None,
                    gone=0,
                )
            )
            return _only(connection, RunId(run_id))

    def run(self, run_id: RunId) -> Run:
        """Return a run.

        Raises:
            UnknownRun: There is none with this id.
        """
        with self._database.reading() as connection:
            return _only(connection, run_id)

    def runs(self, limit: int = 20) -> list[Run]:
        """Return the newest runs, newest first."""
        query = _runs().order_by(tables.run.c.sequence.desc()).limit(limit)
        with self._database.reading() as connection:
            return [_run(row) for row in connection.execute(query)]

    def last_run(self, source_id: SourceId) -> Run | None:
        """Return the newest run of a source that came to an end, None before the first."""
        run = tables.run
        query = (
            _runs()
            .where(run.c.source_id == source_id, run.c.state.in_(ENDED))
            .order_by(run.c.sequence.desc())
            .limit(1)
        )
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _run(row)

    def interrupted_runs(self, *, of_workers: Collection[str] | None = None) -> list[Run]:
        """Return the runs that are marked as running, of some workers or of all."""
        run = tables.run
        query = _runs().where(run.c.state == RUNNING).order_by(run.c.sequence)
        if of_workers is not None:
            query = query.where(run.c.worker_id.in_(list(of_workers)))
        with self._database.reading() as connection:
            return [_run(row) for row in connection.execute(query)]

    def requeue_run(
        self,
        run_id: RunId,
        *,
        state: str = QUEUED,
        question: str = "",
        gone: int = 0,
        cut_short: bool = False,
    ) -> None:
        """Take a run out of work: back to its place in the queue, paused, asking or cancelled.

        What it did is kept; what it still had to do it will find anew.

        Args:
            run_id: Which run.
            state: Its new state.
            question: What it asks.
            gone: How many documents it asks about.
            cut_short: Whether its worker ended without a word.
        """
        files, run = tables.run_file, tables.run
        with self._database.writing() as connection:
            options = _only(connection, run_id).options | ({"cut-short"} if cut_short else set())
            _change(
                connection,
                run_id,
                state=state,
                options=_written(options),
                worker_id="",
                wanted="",
                current="",
                files_done=run.c.files_done - run.c.unchanged,
                unchanged=0,
                error=tables.plain(question),
                gone=gone,
                finished_at=self._clock() if state == CANCELLED else None,
            )
            connection.execute(
                files.delete().where(files.c.run_id == run_id, files.c.outcome == PLANNED)
            )
            connection.execute(
                # Its event may be on record: whoever reads it next looks there first.
                files.update()
                .where(files.c.run_id == run_id, files.c.outcome == RECORDING)
                .values(version_id=None)
            )

    def retry_run(self, run_id: RunId, *, after: timedelta, error: str) -> None:
        """Have a run tried again later, because its failure may pass."""
        run = tables.run
        with self._database.writing() as connection:
            _change(
                connection,
                run_id,
                state=QUEUED,
                worker_id="",
                finished_at=None,
                not_before=self._clock() + after,
                attempt=run.c.attempt + 1,
                error=tables.plain(error),
            )

    def want(self, run_id: RunId, wish: str) -> Run:
        """Ask for a run to "pause", "resume" or "cancel"; return it as it then is.

        A run that goes on stops at the next file; what is done stays done.
        """
        ended = {"state": CANCELLED, "finished_at": self._clock(), "gone": 0}
        wishes: dict[str, dict[str, dict[str, Any]]] = {
            "pause": {QUEUED: {"state": PAUSED}, RUNNING: {"wanted": "pause"}},
            "cancel": {
                QUEUED: ended,
                PAUSED: ended,
                ASKING: ended,
                RUNNING: {"wanted": "cancel"},
            },
            "resume": {
                PAUSED: {"state": QUEUED},
                QUEUED: {"not_before": None},
                RUNNING: {"wanted": ""},
            },
        }
        with self._database.writing() as connection:
            values = wishes[wish].get(_only(connection, run_id).state)
            if values:
                _change(connection, run_id, **values)
            return _only(connection, run_id)

    def wish_for(self, run_id: RunId) -> str:
        """Return what somebody wants of a run that goes on: "", "pause" or "cancel"."""
        run = tables.run
        with self._database.reading() as connection:
            return connection.scalar(sql.select(run.c.wanted).where(run.c.run_id == run_id)) or ""

    def update_run(
        self,
        run_id: RunId,
        *,
        files_total: int | None = None,
        files_done: int | None = None,
        pages: int | None = None,
        chunks: int | None = None,
        current: str | None = None,
    ) -> None:
        """Set what is given; the rest stays."""
        given = {
            "files_total": files_total,
            "files_done": files_done,
            "pages": pages,
            "chunks": chunks,
            "current": current,
        }
        changes = {name: value for name, value in given.items() if value is not None}
        if changes:
            with self._database.writing() as connection:
                _change(connection, run_id, **changes)

    def finish_run(self, run_id: RunId, *, error: str = "") -> None:
        """Mark a run as done, or as failed when there is an error to tell."""
        files, run = tables.run_file, tables.run
        with self._database.writing() as connection:
            _change(
                connection,
                run_id,
                state=FAILED if error else DONE,
                finished_at=self._clock(),
                worker_id="",
                wanted="",
                current="",
                error=tables.plain(error),
            )
            connection.execute(
                files.delete().where(files.c.run_id == run_id, files.c.outcome.in_(OPEN))
            )
            source_id = sql.select(run.c.source_id).where(run.c.run_id == run_id)
            old = (
                sql.select(run.c.run_id)
                .where(run.c.source_id == source_id.scalar_subquery())
                .order_by(run.c.sequence.desc())
                .offset(RUNS_WITH_FILES)
                .limit(1)
            )
            connection.execute(files.delete().where(files.c.run_id.in_(old)))

    def record_file(self, run_id: RunId, outcome: FileOutcome) -> None:
        """Keep what a run did with a file; said again of the same path, it replaces the first."""
        self.record_files(run_id, [outcome])

    def record_files(self, run_id: RunId, outcomes: Iterable[FileOutcome]) -> None:
        """Keep what a run did with some files, all or none."""
        with self._database.writing() as connection:
            _only(connection, run_id)
            for outcome in outcomes:
                write_outcome(connection, run_id, outcome)

    def run_files(
        self, run_id: RunId, *, outcomes: Sequence[str] = (), limit: int | None = None
    ) -> list[FileOutcome]:
        """Return what a run did with its files, in the order it did it.

        Files that it left unchanged are only counted, in ``Run.unchanged``.
        """
        run_file = tables.run_file
        query = (
            sql.select(run_file)
            .where(run_file.c.run_id == run_id, run_file.c.outcome.not_in(OPEN))
            .order_by(run_file.c.sequence)
            .limit(limit)
        )
        if outcomes:
            query = query.where(run_file.c.outcome.in_(outcomes))
        with self._database.reading() as connection:
            return [_outcome(row) for row in connection.execute(query)]

    def totals(self, run_id: RunId) -> dict[str, int]:
        """Return how many files of a run came to each outcome; together they are all of them."""
        files = tables.run_file
        query = (
            sql.select(files.c.outcome, sql.func.count())
            .where(files.c.run_id == run_id)
            .group_by(files.c.outcome)
        )
        with self._database.reading() as connection:
            found = {row[0]: int(row[1]) for row in connection.execute(query)}
            unchanged = _only(connection, run_id).unchanged
        waiting = sum(found.pop(name, 0) for name in OPEN)
        if unchanged:
            found["unchanged"] = found.get("unchanged", 0) + unchanged
        return {**found, PLANNED: waiting} if waiting else found

    # Workers

    def beat(self, worker_id: str, name: str = "") -> None:
        """Note that a worker lives."""
        worker = tables.worker
        now = self._clock()
        with self._database.writing() as connection:
            there = worker.update().where(worker.c.worker_id == worker_id).values(beat_at=now)
            if connection.execute(there).rowcount == 0:
                connection.execute(
                    worker.insert().values(
                        worker_id=worker_id, name=tables.plain(name), started_at=now, beat_at=now
                    )
                )

    def workers(self) -> list[LiveWorker]:
        """Return the workers that have not signed off, oldest first."""
        worker = tables.worker
        with self._database.reading() as connection:
            rows = connection.execute(sql.select(worker).order_by(worker.c.started_at))
            return [LiveWorker(row.worker_id, row.name, row.beat_at) for row in rows]

    def silent_workers(self, *, since: datetime, but: str) -> list[str]:
        """Return the ids of workers that have not beaten since a moment."""
        return [
            one.worker_id for one in self.workers() if one.worker_id != but and one.beat_at < since
        ]

    def forget_worker(self, worker_id: str) -> None:
        """Forget a worker whose work has ended or was taken over."""
        worker = tables.worker
        with self._database.writing() as connection:
            connection.execute(worker.delete().where(worker.c.worker_id == worker_id))


def write_outcome(connection: sql.Connection, run_id: RunId, outcome: FileOutcome) -> None:
    """Write the outcome of a file in place of what stood there, and count it."""
    files, run = tables.run_file, tables.run
    values = asdict(outcome)
    for name in ("reason", "remedy", "title"):
        values[name] = tables.plain(values[name])
    before = connection.scalar(
        sql.select(files.c.outcome).where(files.c.run_id == run_id, files.c.path == outcome.path)
    )
    if before is not None:
        connection.execute(
            files.delete().where(files.c.run_id == run_id, files.c.path == outcome.path)
        )
    connection.execute(files.insert().values(run_id=run_id, **values))
    if before is None or before in OPEN:
        connection.execute(
            run.update()
            .where(run.c.run_id == run_id)
            .values(
                files_done=run.c.files_done + 1,
                pages=run.c.pages + outcome.pages,
                chunks=run.c.chunks + outcome.chunks,
                current=outcome.path,
            )
        )


def _written(options: Collection[str]) -> str:
    return " ".join(sorted(options))


def _priority(connection: sql.Connection, source_id: SourceId) -> int:
    intake = tables.intake
    return (
        connection.scalar(sql.select(intake.c.priority).where(intake.c.source_id == source_id)) or 0
    )


def _outcome(row: sql.Row[Any]) -> FileOutcome:
    return FileOutcome(
        path=row.path,
        outcome=row.outcome,
        reason=row.reason,
        remedy=row.remedy,
        pages=row.pages,
        chunks=row.chunks,
        title=row.title,
    )


def _runs() -> sql.Select[Any]:
    return sql.select(tables.run, tables.source.c.name.label("source")).join(tables.source)


def _only(connection: sql.Connection, run_id: RunId) -> Run:
    row = connection.execute(_runs().where(tables.run.c.run_id == run_id)).one_or_none()
    if row is None:
        raise UnknownRun(f"There is no ingestion run {run_id}.")
    return _run(row)


def _change(connection: sql.Connection, run_id: RunId, **values: object) -> None:
    run = tables.run
    done = connection.execute(run.update().where(run.c.run_id == run_id).values(**values))
    if done.rowcount == 0:
        raise UnknownRun(f"There is no ingestion run {run_id}.")


def _run(row: sql.Row[Any]) -> Run:
    return Run(
        run_id=RunId(row.run_id),
        source_id=SourceId(row.source_id),
        source=row.source,
        state=row.state,
        queued_at=row.queued_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        files_total=row.files_total,
        files_done=row.files_done,
        pages=row.pages,
        chunks=row.chunks,
        current=row.current,
        error=row.error,
        sequence=row.sequence,
        priority=row.priority,
        wanted=row.wanted,
        options=frozenset(row.options.split()),
        attempt=row.attempt,
        not_before=row.not_before,
        unchanged=row.unchanged,
        gone=row.gone,
    )
