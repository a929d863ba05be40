"""From the files of a source to a live corpus: every file ends in exactly one outcome.

Nothing can be found that is not on record, and nothing half done can be found at all: points
and rows are staged unseen, the event is written, and only then a version becomes live.
"""

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from time import perf_counter
from typing import Protocol

from audit.entries import Entry
from audit.errors import AuditUnavailable
from audit.events import DocumentMoved, DocumentWithdrawn
from audit.log import AuditLog
from corpus.access import UncheckedChunk
from corpus.catalog import Catalog
from corpus.documents import DocumentId, OriginalHash, VersionId
from corpus.embedding import Embedder
from corpus.errors import CorpusError
from corpus.index import Point, VectorIndex
from corpus.index.bm25 import Bm25Encoder
from corpus.kept_vectors import KeptVectors
from corpus.originals import Originals
from corpus.records import FileOutcome, KnownFile, PlannedFile, Run, RunId
from corpus.runs import utc_now
from corpus.tables import CANCELLED, PAUSED, QUEUED
from ingest.chunking import index_text, search_text
from ingest.errors import (
    IngestError,
    Quarantined,
    RecordFailed,
    SourceAsks,
    StorageFailed,
)
from ingest.parts import PART_MARK, listed_path
from ingest.places import Places
from ingest.quarantine import Reason
from ingest.rights import refresh
from ingest.settings import IngestSettings
from ingest.sources import ExcludedFile, FoundFile, Listed, Rules, UnreadableFile, sha256_of
from ingest.steps import OpenPlace, Steps

LISTED_AT_ONCE = 500
"""Files compared with the catalog in one query; a source may have a million."""

IN_FLIGHT = 12
"""Documents between their first step and their last."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is.

    Attributes:
        files_total: Files the source lists, and those it lists no more.
        files_done: Files dealt with.
        pages: Pages taken in.
        chunks: Chunks taken in.
        current: The file dealt with last.
        seconds: Since the run began.
    """

    files_total: int
    files_done: int
    pages: int
    chunks: int
    current: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did.

    Attributes:
        files: One outcome for each file that was not left as it was.
        totals: How many files came to each outcome, the unchanged ones too.
        seconds: Wall time.
        steps: Seconds of each step; they run beside each other.
        complete: False when it was stopped before the end.
    """

    files: list[FileOutcome]
    totals: dict[str, int]
    seconds: float
    steps: dict[str, float]
    complete: bool = True


class Jobs(Protocol):
    """Does the three steps of a document, each at least once, whatever happens to the process."""

    def start(self, run_id: RunId, sequence: int) -> "Future[None]":
        """Begin with a planned file; the future tells when it is done."""


class Threads:
    """Jobs that last as long as this process: for a run that nobody else would take over.

    Args:
        steps: What a job does.
    """

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._pool = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="document")

    def start(self, run_id: RunId, sequence: int) -> "Future[None]":
        """See ``Jobs``."""
        del run_id
        return self._pool.submit(self._do, sequence)

    def close(self) -> None:
        """Wait for what has begun."""
        self._pool.shutdown()

    def _do(self, sequence: int) -> None:
        if self._steps.read(sequence):
            self._steps.index(sequence)
            self._steps.publish(sequence)


def _ignore(_progress: Progress) -> None:
    return


def _never() -> bool:
    return False


class Pipeline:
    """Brings documents into the corpus.

    Args:
        catalog: Where versions are kept.
        originals: Where the bytes are kept.
        index: What is searched.
        embedder: Makes vectors of meaning.
        bm25: Makes vectors of words.
        record: Where everything is written down first.
        settings: Limits of reading.
        clock: Gives the time in UTC.
        vectors: The embedder with a memory; None embeds everything anew.
        places: Gives access to a source.
    """

    def __init__(
        self,
        *,
        catalog: Catalog,
        originals: Originals,
        index: VectorIndex,
        embedder: Embedder,
        bm25: Bm25Encoder,
        record: AuditLog,
        settings: IngestSettings,
        clock: Callable[[], datetime] = utc_now,
        vectors: KeptVectors | None = None,
        places: OpenPlace | None = None,
    ) -> None:
        self.catalog = catalog
        self.originals = originals
        self.index = index
        self.record = record
        self.settings = settings
        self.clock = clock
        self.vectors = vectors
        self._vectors = vectors or embedder
        self._bm25 = bm25
        self.steps = Steps(
            catalog=catalog,
            originals=originals,
            index=index,
            vectors=self._vectors,
            bm25=bm25,
            record=record,
            settings=settings,
            open_place=places or Places(),
            clock=clock,
        )

    def recover(self, *, of_workers: Collection[str] | None = None) -> None:
        """Put right what a crash left: afterwards catalog and index tell the same.

        Documents that were begun are finished before, by whoever remembers them.

        Args:
            of_workers: The workers that ended; None for the start of a process that alone
                brings documents in, which then looks at everything.
        """
        interrupted = self.catalog.interrupted_runs(of_workers=of_workers)
        for run in interrupted:
            self.catalog.requeue_run(run.run_id, cut_short=True)
        for version_id in self.catalog.discard_staged():
            self.index.remove_version(version_id)
        if of_workers is None:
            self.compare_index()
            if interrupted:
                self._sweep_originals()
        self.apply_access()
        self.index.flush()

    def compare_index(self, *, stop: Callable[[], bool] = _never) -> int:
        """Bring the index to what is live; return how many versions had to be put in.

        A version of which some points are missing is put in anew: its vectors are remembered.
        """
        live = {version.version_id for version in self.catalog.live_versions()}
        indexed = self.index.versions()
        for version_id in indexed - live:
            self.index.remove_version(version_id)
        missing = (live - indexed) | (self.index.versions(live=False) & live)
        for version_id in sorted(missing):
            if stop():
                break
            self._index_again(version_id)
        return len(missing)

    def run(
        self,
        run_id: RunId,
        *,
        progress: Callable[[Progress], None] = _ignore,
        stop: Callable[[], bool] = _never,
        retry_quarantined: bool = False,
        jobs: Jobs | None = None,
    ) -> Report:
        """Bring one source's state into the corpus.

        Stopped, the run goes back into the queue, or is paused or cancelled as somebody wants;
        what is done stays done.

        Args:
            run_id: A run that was claimed.
            progress: Told after every document.
            stop: Asked before every file.
            retry_quarantined: Read files again that were refused and have not changed since.
            jobs: Who does the documents; threads of this process when None.

        Raises:
            SourceMissing: The folder is not there; nothing was changed.
            SourceAsks: So much is gone that somebody has to say whether that is right.
            RecordFailed: The record cannot be written; nothing unrecorded was published.
            StorageFailed: Catalog, index or originals cannot be written.
        """
        own = None if jobs else Threads(self.steps)
        try:
            run = self.catalog.run(run_id)
            options = run.options | ({"retry"} if retry_quarantined else frozenset())
            sync = _Sync(self, run, options, progress, stop)
            report = sync.go(jobs or own)  # type: ignore[arg-type]  # one of them is there
            if report.complete:
                self.catalog.finish_run(run_id)
            else:
                self._stopped(run_id)
        except SourceAsks as question:
            self.catalog.requeue_run(
                run_id, state="asking", question=str(question), gone=question.gone
            )
            raise
        except AuditUnavailable as error:
            raise self._failed(
                run_id, RecordFailed(f"The record cannot be written: {error}")
            ) from error
        except (CorpusError, OSError) as error:
            raise self._failed(run_id, StorageFailed(f"Ingestion stopped: {error}")) from error
        except IngestError as error:
            raise self._failed(run_id, error) from error.__cause__
        finally:
            if own:
                own.close()
            self.steps.close()
        return report

    def _stopped(self, run_id: RunId) -> None:
        wish = self.catalog.wish_for(run_id)
        state = {"pause": PAUSED, "cancel": CANCELLED}.get(wish, QUEUED)
        self.catalog.requeue_run(run_id, state=state)
        for version_id in self.catalog.discard_staged():
            self.index.remove_version(version_id)

    def _failed(self, run_id: RunId, error: IngestError) -> IngestError:
        # The disk may be full: then the next start tidies up and says that the run failed.
        with contextlib.suppress(CorpusError):
            self.catalog.finish_run(run_id, error=str(error))
            for version_id in self.catalog.discard_staged():
                self.index.remove_version(version_id)
        return error

    def apply_access(self) -> None:
        """Tell the index who may read what, where that has changed."""
        for document_id, access_list in self.catalog.stale_access().items():
            self.index.set_access_list(document_id, access_list)
            self.catalog.access_indexed(document_id, access_list)

    def drop_unused(self, candidates: Iterable[OriginalHash]) -> int:
        """Destroy originals that nothing refers to any more; return how many."""
        dropped = 0
        for original in candidates:
            if not self.catalog.refers_to(original):
                dropped += self.originals.remove(original)
        return dropped

    def _sweep_originals(self) -> None:
        """Destroy what a process that ended suddenly had just kept and never used."""
        self.originals.remove_unfinished()
        self.drop_unused(list(self.originals.hashes()))

    def _index_again(self, version_id: VersionId) -> None:
        found = self.catalog.chunks_of(version_id)
        if found:
            self.put_in(version_id, found)

    def put_in(self, version_id: VersionId, found: Sequence[UncheckedChunk]) -> None:
        """Write points of a version and let searches find them at once."""
        access_list = self.catalog.access_list_of(found[0].document_id)
        about = self.catalog.properties_of(version_id)
        dense = self._vectors.embed(
            [search_text(chunk.title, chunk.chunk, chunk.text) for chunk in found]
        )
        self.index.upsert(
            [
                Point(
                    chunk.chunk_id,
                    chunk.document_id,
                    version_id,
                    access_list,
                    vector,
                    self._bm25.encode_text(
                        index_text(
                            chunk.title, chunk.chunk, chunk.text, path=chunk.path, about=about
                        )
                    ),
                )
                for chunk, vector in zip(found, dense, strict=True)
            ]
        )
        self.index.flush()
        self.index.make_live(version_id)


class _Sync:
    """One run over one source."""

    def __init__(
        self,
        pipeline: Pipeline,
        run: Run,
        options: frozenset[str],
        progress: Callable[[Progress], None],
        stop: Callable[[], bool],
    ) -> None:
        self._pipeline = pipeline
        self._catalog = pipeline.catalog
        self._index = pipeline.index
        self._record = pipeline.record
        self._steps = pipeline.steps
        self._run = run
        self._run_id = run.run_id
        self._options = options
        self._source = self._catalog.source(run.source_id)
        self._progress = progress
        self._stop = stop
        self._started = perf_counter()
        self._before = dict(pipeline.steps.seconds)
        self._loose: set[OriginalHash] = set()
        self._place = pipeline.steps.place_of(run.run_id)
        intake = self._catalog.intake(run.source_id)
        self._gone_share = (
            pipeline.settings.gone_share if intake.gone_share is None else intake.gone_share
        )
        self._rules = Rules(intake.include, intake.exclude, intake.maximum_bytes)
        self._empty = True
        self._containers: set[str] = set()

    def go(self, jobs: Jobs) -> Report:
        with self._steps.timed("list"):
            refresh(self._catalog, self._source, self._record, place=self._place)
            listed = self._compare()
            self._find_moves()
        complete = not self._stopped()
        if complete:
            gone, known = self._catalog.count_unseen(self._source.source_id, self._run_id)
            self._ask_about(gone, known)
            self._catalog.update_run(self._run_id, files_total=listed + gone)
            self._pipeline.apply_access()
            complete = self._do_documents(jobs) and not self._stopped()
        if complete:
            self._withdraw_gone()
            done = self._catalog.run(self._run_id).files_done
            self._catalog.update_run(self._run_id, files_total=done)
        self._index.flush()
        self._pipeline.drop_unused(self._loose)
        self._tell()
        return self._report(complete=complete)

    def _report(self, *, complete: bool) -> Report:
        steps = {
            name: seconds - self._before[name] for name, seconds in self._steps.seconds.items()
        }
        return Report(
            self._catalog.run_files(self._run_id),
            self._catalog.totals(self._run_id),
            perf_counter() - self._started,
            steps,
            complete,
        )

    # Comparing

    def _compare(self) -> int:
        """Compare the place with what is known; return how many files it lists."""
        listed = 0
        if "only-quarantined" in self._options:
            return self._plan_quarantined()
        source_id = self._source.source_id
        self._containers = {
            listed_path(path) for path in self._catalog.paths_holding(source_id, PART_MARK)
        }
        everything = (self._rules.apply(item) for item in self._place.walk())
        for batch in _batches(everything, LISTED_AT_ONCE):
            if self._stopped():
                break
            listed += len(batch)
            self._compare_some(batch)
            self._catalog.update_run(self._run_id, files_total=listed)
        return listed

    def _compare_some(self, batch: list[Listed]) -> None:
        paths = [item.path for item in batch]
        known = self._catalog.known_among(self._source.source_id, paths)
        settled = self._catalog.settled_among(self._run_id, paths)
        seen: list[str] = []
        stamps: dict[str, int] = {}
        unchanged = 0
        planned: list[PlannedFile] = []
        outcomes: list[FileOutcome] = []
        for item in batch:
            before = known.get(item.path)
            self._empty &= isinstance(item, ExcludedFile)
            if isinstance(item, ExcludedFile):
                outcomes.append(FileOutcome(item.path, "excluded", reason=item.rule))
            elif isinstance(item, UnreadableFile):
                self._unreadable(item, before, is_settled=item.path in settled)
            elif before is None or not self._is_same(item, before, stamps):
                if before is not None:
                    seen.append(item.path)
                    self._loosen(before)
                planned.append(PlannedFile(0, item.path, item.size, item.modified_ns))
            else:
                seen.append(item.path)
                self._keep_parts(item.path)
                if before.quarantined is not None and "retry" in self._options:
                    planned.append(PlannedFile(0, item.path, item.size, item.modified_ns))
                elif before.quarantined is not None:
                    reason = Reason(before.quarantined.reason)
                    outcomes.append(self._steps.refusal(self._source, item.path, reason))
                elif item.path not in settled:
                    unchanged += 1
        self._catalog.note_seen(
            self._source.source_id, self._run_id, seen, unchanged=unchanged, stamps=stamps
        )
        self._catalog.plan_files(self._run_id, planned)
        new = [outcome for outcome in outcomes if outcome.path not in settled]
        self._catalog.record_files(self._run_id, new)

    def _is_same(self, file: FoundFile, before: KnownFile, stamps: dict[str, int]) -> bool:
        """Say whether a file is as it was known: by size and time, else by its bytes."""
        if before.original is None:
            return False
        by_stamp = file.modified_ns != 0 and file.modified_ns == before.modified_ns
        if by_stamp and file.size == before.size and "check" not in self._options:
            return True
        if file.size not in {0, before.size} or not (
            self._place.compares_by_bytes or "check" in self._options
        ):
            return False
        same = self._hash(file.path) == before.original
        if same:
            stamps[file.path] = file.modified_ns
        return same

    def _hash(self, path: str) -> OriginalHash | None:
        """The hash of a file's bytes; None where they cannot be had, which reading will tell."""
        try:
            most = self._pipeline.settings.maximum_file_bytes
            return sha256_of(self._place.read(path, most=most))
        except Quarantined:
            return None

    def _keep_parts(self, path: str) -> None:
        """What lies in a container that has not changed is there as well."""
        if path not in self._containers:
            return
        parts = self._catalog.note_seen_below(
            self._source.source_id, self._run_id, path + PART_MARK
        )
        if parts:
            self._catalog.note_seen(
                self._source.source_id, self._run_id, [], unchanged=parts, stamps={}
            )

    def _unreadable(
        self, item: UnreadableFile, before: KnownFile | None, *, is_settled: bool
    ) -> None:
        """What cannot be seen is not gone; that it cannot is put on record once."""
        source_id = self._source.source_id
        if item.path.endswith("/"):
            self._catalog.note_seen_below(source_id, self._run_id, item.path)
        told = before.quarantined.reason if before and before.quarantined else ""
        if told == item.reason.value and "retry" not in self._options:
            self._catalog.note_seen(source_id, self._run_id, [item.path], unchanged=0, stamps={})
            outcome = self._steps.refusal(self._source, item.path, item.reason)
            self._catalog.record_file(self._run_id, outcome)
        elif not is_settled:
            self._steps.refuse(
                self._run_id,
                PlannedFile(0, item.path, 0, 0),
                self._source,
                Quarantined(item.reason, item.detail),
            )

    def _loosen(self, before: KnownFile) -> None:
        """What was kept of a refused file that has another content now may go."""
        if before.quarantined is not None and before.original is not None:
            self._loose.add(before.original)

    def _plan_quarantined(self) -> int:
        """Plan the files in quarantine and nothing else; everything else counts as seen."""
        self._catalog.note_seen_below(self._source.source_id, self._run_id, "")
        found = self._catalog.quarantined(self._source.source_id)
        known = self._catalog.known_among(self._source.source_id, [one.path for one in found])
        planned = [
            PlannedFile(
                0,
                one.path,
                one.size,
                one.modified_ns,
                one.original if PART_MARK in one.path else None,
            )
            for one in known.values()
            if not one.path.endswith("/") and (PART_MARK not in one.path or one.original)
        ]
        self._catalog.plan_files(self._run_id, planned)
        return len(planned)

    def _find_moves(self) -> None:
        """Recognise new files whose bytes are those of a file that is gone."""
        if not self._catalog.planned_files(self._run_id, limit=1):
            return
        gone = list(self._unseen())
        leavers = {
            known.original: known
            for known in gone
            if known.document_id and known.original and known.quarantined is None
        }
        sizes = {known.size for known in leavers.values()}
        for file in self._catalog.planned_new(self._run_id, sizes) if sizes else ():
            if self._stopped():
                return
            leaver = leavers.pop(self._hash(file.path), None)  # type: ignore[arg-type]
            if leaver is not None:
                self._move(file, leaver)

    # Asking

    def _ask_about(self, gone: int, known: int) -> None:
        """Stop where more is gone than a person would usually take away.

        Where nothing is left, a share may just not be mounted, however few documents it held.
        """
        settings = self._pipeline.settings
        too_many = gone >= settings.gone_at_least and gone > self._gone_share * known
        if (too_many or (gone and self._empty)) and "accept" not in self._options:
            raise SourceAsks(
                f"{gone} of {known} documents of {self._source.name} are gone. Nothing was "
                "withdrawn. Is the source complete? If they are meant to be gone, say so: "
                f"muniment source sync {self._source.name} --accept-withdrawals",
                gone=gone,
            )

    # Doing

    def _do_documents(self, jobs: Jobs) -> bool:
        """Have every planned file dealt with, a few at a time; False when stopped."""
        pending: set[Future[None]] = set()
        after = 0
        try:
            while not self._stopped():
                # Containers add the files inside them to the plan while they are read.
                some = self._catalog.planned_files(self._run_id, after=after, limit=IN_FLIGHT)
                if not some and not pending:
                    break
                for file in some:
                    pending.add(jobs.start(self._run_id, file.sequence))
                    after = file.sequence
                while pending and (len(pending) > IN_FLIGHT or not some):
                    pending = self._wait_for_one(pending)
            while pending:
                pending = self._wait_for_one(pending)
        except BaseException:
            wait(pending)
            raise
        return not self._stopped()

    def _wait_for_one(self, pending: set["Future[None]"]) -> set["Future[None]"]:
        done, waiting = wait(pending, return_when=FIRST_COMPLETED)
        for future in done:
            future.result()
        self._tell()
        return waiting

    def _move(self, file: PlannedFile, known: KnownFile) -> None:
        document_id = _document_of(known)
        event = DocumentMoved(document_id=document_id, path=file.path, old_path=known.path)
        if not (file.recording and self._is_on_record(event.type, document_id)):
            self._catalog.mark_recording([file.sequence])
            self._record.append(event)
        outcome = FileOutcome(file.path, "moved", reason=f"It was at {known.path} before.")
        access_list = self._catalog.move_document(
            document_id, file.path, settled=(self._run_id, outcome)
        )
        self._index.set_access_list(document_id, access_list)
        self._catalog.access_indexed(document_id, access_list)
        self._catalog.note_seen(
            self._source.source_id,
            self._run_id,
            [file.path],
            unchanged=0,
            stamps={file.path: file.modified_ns},
        )

    def _withdraw_gone(self) -> None:
        for known in self._unseen():
            self._withdraw(known)

    def _unseen(self) -> Iterator[KnownFile]:
        after = ""
        while True:
            some = self._catalog.unseen_files(self._source.source_id, self._run_id, after=after)
            yield from some
            if not some:
                return
            after = some[-1].path

    def _withdraw(self, known: KnownFile) -> None:
        outcome = FileOutcome(known.path, "withdrawn", reason="The source holds it no more.")
        if known.document_id is None:
            self._loosen(known)
            self._catalog.forget_file(self._source.source_id, known.path)
            return
        event = DocumentWithdrawn(
            source=self._source.name, document_id=known.document_id, path=known.path
        )
        # After a crash the event may stand there already, and the document still be present.
        if not (self._run_was_cut_short() and self._is_on_record(event.type, known.document_id)):
            self._record.append(event)
        for version_id in self._catalog.withdraw_document(known.document_id):
            self._index.remove_version(version_id)
        self._loosen(known)
        self._catalog.record_file(self._run_id, outcome)

    def _run_was_cut_short(self) -> bool:
        return "cut-short" in self._options

    def _is_on_record(self, kind: str, document_id: DocumentId) -> bool:
        since = self._run.queued_at

        def matches(entry: Entry) -> bool:
            return entry.at >= since and entry.envelope.get("document_id") == document_id

        return self._steps.is_on_record(kind, matches)

    def _stopped(self) -> bool:
        return self._stop() or bool(self._catalog.wish_for(self._run_id))

    def _tell(self) -> None:
        if self._progress is _ignore:
            return
        run = self._catalog.run(self._run_id)
        seconds = perf_counter() - self._started
        self._progress(
            Progress(run.files_total, run.files_done, run.pages, run.chunks, run.current, seconds)
        )


def _document_of(known: KnownFile) -> DocumentId:
    if known.document_id is None:
        raise ValueError("a file without a document cannot move")
    return known.document_id


def _batches(items: Iterable[Listed], size: int) -> Iterator[list[Listed]]:
    remaining = iter(items)
    while some := list(islice(remaining, size)):
        yield some
