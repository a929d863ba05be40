"""Ingestion runs: the hand-over between whoever asks for one and the worker that does it."""

import uuid
from dataclasses import asdict
from typing import Any

import sqlalchemy as sql

from corpus import tables
from corpus.database import Part, utc_now
from corpus.documents import SourceId
from corpus.errors import UnknownRun
from corpus.records import FileOutcome, Run, RunId
from corpus.tables import DONE, FAILED, QUEUED, RUNNING

__all__ = ["Runs", "utc_now"]


class Runs(Part):
    """The part of the catalog that keeps runs."""

    def queue_run(self, source_id: SourceId) -> RunId:
        """Ask for a source to be gone over; a run of it that is already queued is returned."""
        run = tables.run
        with self._database.writing() as connection:
            waiting = connection.scalar(
                sql.select(run.c.run_id).where(run.c.source_id == source_id, run.c.state == QUEUED)
            )
            if waiting is not None:
                return RunId(waiting)
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
                )
            )
            return run_id

    def claim_run(self) -> Run | None:
        """Start the oldest queued run and return it, None when there is none.

        Two workers never claim the same run.
        """
        run = tables.run
        with self._database.writing() as connection:
            run_id = connection.scalar(
                sql.select(run.c.run_id)
                .where(run.c.state == QUEUED)
                .order_by(run.c.sequence)
                .limit(1)
                .with_for_update(skip_locked=True)
            )
            if run_id is None:
                return None
            connection.execute(
                run.update()
                .where(run.c.run_id == run_id)
                .values(state=RUNNING, started_at=self._clock())
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

    def interrupted_runs(self) -> list[Run]:
        """Return the runs that are marked as running; before a worker starts, none should be."""
        query = _runs().where(tables.run.c.state == RUNNING).order_by(tables.run.c.sequence)
        with self._database.reading() as connection:
            return [_run(row) for row in connection.execute(query)]

    def requeue_run(self, run_id: RunId) -> None:
        """Put an interrupted run back at its place in the queue, counted from nothing."""
        with self._database.writing() as connection:
            _change(
                connection,
                run_id,
                state=QUEUED,
                started_at=None,
                files_total=0,
                files_done=0,
                pages=0,
                chunks=0,
                current="",
            )
            connection.execute(tables.run_file.delete().where(tables.run_file.c.run_id == run_id))

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
        with self._database.writing() as connection:
            _change(
                connection,
                run_id,
                state=FAILED if error else DONE,
                finished_at=self._clock(),
                current="",
                error=tables.plain(error),
            )

    def record_file(self, run_id: RunId, outcome: FileOutcome) -> None:
        """Keep what a run did with a file; said again of the same path, it replaces the first."""
        run_file = tables.run_file
        values = asdict(outcome)
        for name in ("reason", "remedy", "title"):
            values[name] = tables.plain(values[name])
        with self._database.writing() as connection:
            _only(connection, run_id)
            connection.execute(
                run_file.delete().where(
                    run_file.c.run_id == run_id, run_file.c.path == outcome.path
                )
            )
            connection.execute(run_file.insert().values(run_id=run_id, **values))

    def run_files(self, run_id: RunId) -> list[FileOutcome]:
        """Return what a run did with its files, in the order it did it."""
        run_file = tables.run_file
        query = (
            sql.select(run_file).where(run_file.c.run_id == run_id).order_by(run_file.c.sequence)
        )
        with self._database.reading() as connection:
            return [
                FileOutcome(
                    path=row.path,
                    outcome=row.outcome,
                    reason=row.reason,
                    remedy=row.remedy,
                    pages=row.pages,
                    chunks=row.chunks,
                    title=row.title,
                )
                for row in connection.execute(query)
            ]


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
    )
