"""What a run has still to do, and which known files it has seen: both may be a million."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sql

from corpus import tables
from corpus.database import Part
from corpus.documents import OriginalHash, SourceId, VersionId
from corpus.records import FileOutcome, KnownFile, PlannedFile, RunId
from corpus.runs import OPEN, write_outcome
from corpus.sources import known_file_from, write_known_file
from corpus.tables import PLANNED, RECORDING
from corpus.versions import count, portions


class Plans(Part):
    """The part of the catalog that keeps plans."""

    def known_among(self, source_id: SourceId, paths: Sequence[str]) -> dict[str, KnownFile]:
        """Return what is known of some files of a source, by path."""
        known = tables.known_file
        found: dict[str, KnownFile] = {}
        with self._database.reading() as connection:
            for some in portions(paths):
                query = sql.select(known).where(
                    known.c.source_id == source_id, known.c.path.in_(some)
                )
                for row in connection.execute(query):
                    found[row.path] = known_file_from(row)
        return found

    def settled_among(self, run_id: RunId, paths: Sequence[str]) -> set[str]:
        """Return which of some files a run has dealt with already."""
        files = tables.run_file
        found: set[str] = set()
        with self._database.reading() as connection:
            for some in portions(paths):
                query = sql.select(files.c.path).where(
                    files.c.run_id == run_id,
                    files.c.path.in_(some),
                    files.c.outcome.not_in(OPEN),
                )
                found.update(connection.scalars(query))
        return found

    def note_seen(
        self,
        source_id: SourceId,
        run_id: RunId,
        paths: Sequence[str],
        *,
        unchanged: int,
        stamps: Mapping[str, int],
    ) -> None:
        """Note that known files are still listed.

        Args:
            source_id: Their source.
            run_id: The run that saw them.
            paths: Theirs.
            unchanged: How many of them the run counts as left unchanged.
            stamps: Files whose bytes are the same though their time is another one now.
        """
        known, run = tables.known_file, tables.run
        sequence = sql.select(run.c.sequence).where(run.c.run_id == run_id).scalar_subquery()
        with self._database.writing() as connection:
            for some in portions(paths):
                connection.execute(
                    known.update()
                    .where(known.c.source_id == source_id, known.c.path.in_(some))
                    .values(seen_in=sequence)
                )
            for path, modified_ns in stamps.items():
                connection.execute(
                    known.update()
                    .where(known.c.source_id == source_id, known.c.path == path)
                    .values(modified_ns=modified_ns)
                )
            if unchanged:
                connection.execute(
                    run.update()
                    .where(run.c.run_id == run_id)
                    .values(
                        unchanged=run.c.unchanged + unchanged,
                        files_done=run.c.files_done + unchanged,
                    )
                )

    def note_seen_below(self, source_id: SourceId, run_id: RunId, prefix: str) -> int:
        """Note that every known file whose path begins so is still there; return how many."""
        known, run = tables.known_file, tables.run
        sequence = sql.select(run.c.sequence).where(run.c.run_id == run_id).scalar_subquery()
        with self._database.writing() as connection:
            done = connection.execute(
                known.update()
                .where(
                    known.c.source_id == source_id,
                    sql.type_coerce(known.c.path, sql.Text).startswith(
                        tables.escape_path(prefix), autoescape=True
                    ),
                )
                .values(seen_in=sequence)
            )
            return int(done.rowcount)

    def paths_holding(self, source_id: SourceId, mark: str) -> Iterator[str]:
        """Yield the known paths of a source in which a mark stands, one by one."""
        known = tables.known_file
        path = sql.type_coerce(known.c.path, sql.Text)
        holding = path.contains(tables.escape_path(mark), autoescape=True)
        query = sql.select(known.c.path).where(known.c.source_id == source_id, holding)
        with self._database.reading() as connection:
            yield from connection.scalars(query)

    def plan_files(self, run_id: RunId, files: Sequence[PlannedFile]) -> None:
        """Put files on the list of what a run has to read; one that stands there stays."""
        table = tables.run_file
        with self._database.writing() as connection:
            there: set[str] = set()
            for some in portions([file.path for file in files]):
                query = sql.select(table.c.path).where(
                    table.c.run_id == run_id, table.c.path.in_(some)
                )
                there.update(connection.scalars(query))
            rows = [
                {
                    "run_id": run_id,
                    "path": file.path,
                    "outcome": PLANNED,
                    "reason": "",
                    "remedy": "",
                    "pages": 0,
                    "chunks": 0,
                    "title": "",
                    "size": file.size,
                    "modified_ns": file.modified_ns,
                    "original": file.original,
                }
                for file in files
                if file.path not in there
            ]
            if rows:
                connection.execute(table.insert(), rows)

    def count_planned_below(self, run_id: RunId, prefix: str) -> int:
        """Return how many files of a run, dealt with or not, have a path that begins so."""
        table = tables.run_file
        path = sql.type_coerce(table.c.path, sql.Text)
        below = path.startswith(tables.escape_path(prefix), autoescape=True)
        query = sql.select(table.c.sequence).where(table.c.run_id == run_id, below)
        with self._database.reading() as connection:
            return count(connection, query)

    def planned_files(
        self, run_id: RunId, *, after: int = 0, limit: int = 100
    ) -> list[PlannedFile]:
        """Return the next files that a run has to read, in their order.

        Args:
            run_id: Which run.
            after: Only files behind this place.
            limit: At most so many.
        """
        table = tables.run_file
        query = (
            sql.select(table)
            .where(
                table.c.run_id == run_id,
                table.c.outcome.in_(OPEN),
                table.c.sequence > after,
            )
            .order_by(table.c.sequence)
            .limit(limit)
        )
        with self._database.reading() as connection:
            return [_planned(row) for row in connection.execute(query)]

    def planned_file(self, sequence: int) -> tuple[RunId, PlannedFile] | None:
        """Return a file that is still to be dealt with, None once it was."""
        table = tables.run_file
        query = sql.select(table).where(table.c.sequence == sequence, table.c.outcome.in_(OPEN))
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else (RunId(row.run_id), _planned(row))

    def planned_new(self, run_id: RunId, sizes: Collection[int]) -> list[PlannedFile]:
        """Return files to be read that the catalog does not know and that have such a size."""
        table, known, run = tables.run_file, tables.known_file, tables.run
        found: list[PlannedFile] = []
        with self._database.reading() as connection:
            for some in portions(sorted(sizes)):
                query = (
                    sql.select(table)
                    .join(run, run.c.run_id == table.c.run_id)
                    .outerjoin(
                        known,
                        (known.c.source_id == run.c.source_id) & (known.c.path == table.c.path),
                    )
                    .where(
                        table.c.run_id == run_id,
                        table.c.outcome.in_(OPEN),
                        table.c.size.in_(some),
                        known.c.path.is_(None),
                    )
                    .order_by(table.c.sequence)
                )
                found.extend(_planned(row) for row in connection.execute(query))
        return found

    def chunk_count(self, version_id: VersionId) -> int:
        """Return how many chunks a version was cut into."""
        chunk = tables.chunk
        query = sql.select(sql.func.count()).where(chunk.c.version_id == version_id)
        with self._database.reading() as connection:
            return connection.scalar(query) or 0

    def suspicious_chunks(self, version_id: VersionId) -> int:
        """Return how many of a version's chunks hold something that speaks to the machine."""
        chunk = tables.chunk
        query = sql.select(sql.func.count()).where(
            chunk.c.version_id == version_id, chunk.c.suspicions != ""
        )
        with self._database.reading() as connection:
            return connection.scalar(query) or 0

    def mark_recording(self, sequences: Sequence[int]) -> None:
        """Note that these files are about to be put on record."""
        table = tables.run_file
        with self._database.writing() as connection:
            for some in portions(sequences):
                connection.execute(
                    table.update()
                    .where(table.c.sequence.in_(some), table.c.outcome == PLANNED)
                    .values(outcome=RECORDING)
                )

    def unseen_files(
        self, source_id: SourceId, run_id: RunId, *, after: str = "", limit: int = 500
    ) -> list[KnownFile]:
        """Return known files that a run has not seen, by path."""
        known = tables.known_file
        query = (
            sql.select(known)
            .where(*self._unseen(source_id, run_id), known.c.path > after)
            .order_by(known.c.path)
            .limit(limit)
        )
        with self._database.reading() as connection:
            return [known_file_from(row) for row in connection.execute(query)]

    def count_unseen(self, source_id: SourceId, run_id: RunId) -> tuple[int, int]:
        """Return how many documents a run has not seen, and how many the source has in all."""
        known = tables.known_file
        everything = (known.c.source_id == source_id, known.c.document_id.is_not(None))
        with self._database.reading() as connection:
            counted = sql.select(sql.func.count()).select_from(known)
            unseen = connection.scalar(
                counted.where(*self._unseen(source_id, run_id), known.c.document_id.is_not(None))
            )
            return unseen or 0, connection.scalar(counted.where(*everything)) or 0

    def _unseen(self, source_id: SourceId, run_id: RunId) -> tuple[sql.ColumnElement[bool], ...]:
        known = tables.known_file
        return known.c.source_id == source_id, known.c.seen_in < _sequence_of(run_id)

    def refuse_file(
        self,
        source_id: SourceId,
        run_id: RunId,
        outcome: FileOutcome,
        *,
        reason: str,
        detail: str,
        original: OriginalHash | None,
        size: int,
        modified_ns: int,
    ) -> None:
        """Put a file into quarantine and settle it in its run, all or nothing.

        A document it has stays as it is: the file is known to differ from it from now on.
        """
        with self._database.writing() as connection:
            write_known_file(
                connection,
                source_id,
                outcome.path,
                original=original,
                size=size,
                modified_ns=modified_ns,
                reason=tables.plain(reason),
                detail=tables.plain(detail),
                quarantined_at=self._clock(),
                seen_in=_sequence_of(run_id),
            )
            write_outcome(connection, run_id, outcome)

    def settle_file(
        self,
        source_id: SourceId,
        run_id: RunId,
        outcome: FileOutcome,
        *,
        original: OriginalHash,
        size: int,
        modified_ns: int,
    ) -> None:
        """Note that a file needs no version of its own: it is a container, or has not changed."""
        with self._database.writing() as connection:
            write_known_file(
                connection,
                source_id,
                outcome.path,
                original=original,
                size=size,
                modified_ns=modified_ns,
                reason=None,
                detail=None,
                quarantined_at=None,
                seen_in=_sequence_of(run_id),
            )
            write_outcome(connection, run_id, outcome)

    def forget_file(self, source_id: SourceId, path: str) -> None:
        """Forget a file that never became a document and is gone."""
        known = tables.known_file
        with self._database.writing() as connection:
            connection.execute(
                known.delete().where(
                    known.c.source_id == source_id,
                    known.c.path == path,
                    known.c.document_id.is_(None),
                )
            )

    def refers_to(self, original: OriginalHash) -> bool:
        """Say whether a version, a known file or a file still to be read needs an original."""
        with self._database.reading() as connection:
            return any(
                connection.scalar(
                    sql.select(sql.literal(1)).where(table.c.original == original).limit(1)
                )
                for table in (tables.version, tables.known_file, tables.run_file)
            )


def _sequence_of(run_id: RunId) -> sql.ScalarSelect[int]:
    run = tables.run
    return sql.select(run.c.sequence).where(run.c.run_id == run_id).scalar_subquery()


def _planned(row: sql.Row[Any]) -> PlannedFile:
    return PlannedFile(
        sequence=row.sequence,
        path=row.path,
        size=row.size,
        modified_ns=row.modified_ns,
        original=None if row.original is None else OriginalHash(row.original),
        version_id=None if row.version_id is None else VersionId(row.version_id),
        recording=row.outcome == RECORDING,
    )
