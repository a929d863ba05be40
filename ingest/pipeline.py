"""From the files of a source to a live corpus: every file ends in exactly one outcome.

Nothing can be found that is not on record, and nothing half done can be found at all: points
and rows are staged unseen, the event is written, and only then a version becomes live.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import perf_counter

from audit.errors import AuditUnavailable
from audit.events import (
    DocumentIngested,
    DocumentMoved,
    DocumentQuarantined,
    DocumentUpdated,
    DocumentWithdrawn,
)
from audit.log import AuditLog
from corpus.catalog import Catalog
from corpus.documents import DocumentId, OriginalHash, VersionId
from corpus.embedding import Embedder
from corpus.errors import CorpusError
from corpus.index import Point, VectorIndex
from corpus.index.bm25 import Bm25Encoder
from corpus.originals import Originals
from corpus.records import FileOutcome, KnownFile, RunId, Source, Staged
from corpus.runs import utc_now
from ingest.chunking import index_text, search_text
from ingest.errors import IngestError, Quarantined, RecordFailed, StorageFailed
from ingest.quarantine import Reason
from ingest.reading import Readers, ReadFile, RefusedFile
from ingest.settings import IngestSettings
from ingest.sources import ExcludedFile, FoundFile, Listed, UnreadableFile, hash_of, list_folder

GROUP_CHUNKS = 96
GROUP_DOCUMENTS = 16
"""Documents are embedded and published in groups: full batches, one flush to disk for each."""


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
        files: One outcome a file.
        seconds: Wall time.
        steps: Seconds of each step; parsing runs beside the others.
        complete: False when it was stopped before the end.
    """

    files: list[FileOutcome]
    seconds: float
    steps: dict[str, float]
    complete: bool = True


@dataclass(slots=True)
class _Plan:
    """What is to be done, decided before anything is changed."""

    to_read: list[FoundFile] = field(default_factory=list)
    moved: list[tuple[FoundFile, KnownFile]] = field(default_factory=list)
    gone: list[KnownFile] = field(default_factory=list)
    settled: list[FileOutcome] = field(default_factory=list)
    unreadable: list[tuple[FoundFile | UnreadableFile, Quarantined]] = field(default_factory=list)

    @property
    def files_total(self) -> int:
        """Outcomes the run will have."""
        withdrawn = sum(1 for known in self.gone if known.document_id)
        listed = len(self.to_read) + len(self.moved) + len(self.settled) + len(self.unreadable)
        return listed + withdrawn


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
    ) -> None:
        self._catalog = catalog
        self._originals = originals
        self._index = index
        self._embedder = embedder
        self._bm25 = bm25
        self._record = record
        self._settings = settings
        self._clock = clock

    def recover(self) -> None:
        """Put right what a crash left: afterwards catalog and index tell the same."""
        for version_id in self._catalog.discard_staged():
            self._index.remove_version(version_id)
        live = {version.version_id: version for version in self._catalog.live_versions()}
        indexed = self._index.versions()
        for version_id in indexed - live.keys():
            self._index.remove_version(version_id)
        for version_id in live.keys() - indexed:
            self._index_again(version_id)
        for version_id in live:
            self._index.make_live(version_id)
        self._apply_access()
        self._index.flush()
        for run in self._catalog.interrupted_runs():
            self._catalog.requeue_run(run.run_id)

    def run(
        self,
        run_id: RunId,
        *,
        progress: Callable[[Progress], None] = _ignore,
        stop: Callable[[], bool] = _never,
        retry_quarantined: bool = False,
    ) -> Report:
        """Bring one source's state into the corpus.

        Stopped, the run goes back into the queue; what is done stays done.

        Args:
            run_id: A run that was claimed.
            progress: Told after every file.
            stop: Asked before every file.
            retry_quarantined: Read files again that were refused and have not changed since.

        Raises:
            SourceMissing: The folder is not there; nothing was changed.
            RecordFailed: The record cannot be written; nothing unrecorded was published.
            StorageFailed: Catalog, index or originals cannot be written.
        """
        try:
            source = self._catalog.source(self._catalog.run(run_id).source_id)
            sync = _Sync(self, run_id, source, progress, stop)
            report = sync.go(retry_quarantined=retry_quarantined)
            if report.complete:
                self._catalog.finish_run(run_id)
            else:
                self._catalog.requeue_run(run_id)
        except AuditUnavailable as error:
            raise self._failed(
                run_id, RecordFailed(f"The record cannot be written: {error}")
            ) from error
        except (CorpusError, OSError) as error:
            raise self._failed(run_id, StorageFailed(f"Ingestion stopped: {error}")) from error
        except IngestError as error:
            raise self._failed(run_id, error) from error.__cause__
        return report

    def _failed(self, run_id: RunId, error: IngestError) -> IngestError:
        # The disk may be full: then the next start tidies up and says that the run failed.
        with contextlib.suppress(CorpusError):
            for version_id in self._catalog.discard_staged():
                self._index.remove_version(version_id)
            self._catalog.finish_run(run_id, error=str(error))
        return error

    def _apply_access(self) -> None:
        for document_id, access_list in self._catalog.stale_access().items():
            self._index.set_access_list(document_id, access_list)
            self._catalog.access_indexed(document_id, access_list)

    def _index_again(self, version_id: VersionId) -> None:
        found = self._catalog.chunks_of(version_id)
        if not found:
            return
        access_list = self._catalog.access_list_of(found[0].document_id)
        dense = self._embedder.embed(
            [search_text(chunk.title, chunk.chunk, chunk.text) for chunk in found]
        )
        self._index.upsert(
            [
                Point(
                    chunk.chunk_id,
                    chunk.document_id,
                    version_id,
                    access_list,
                    vector,
                    self._bm25.encode_text(index_text(chunk.title, chunk.chunk, chunk.text)),
                )
                for chunk, vector in zip(found, dense, strict=True)
            ]
        )


class _Sync:
    """One run over one source."""

    def __init__(
        self,
        pipeline: Pipeline,
        run_id: RunId,
        source: Source,
        progress: Callable[[Progress], None],
        stop: Callable[[], bool],
    ) -> None:
        self._catalog = pipeline._catalog  # noqa: SLF001 - the pipeline's other half
        self._index = pipeline._index  # noqa: SLF001
        self._embedder = pipeline._embedder  # noqa: SLF001
        self._bm25 = pipeline._bm25  # noqa: SLF001
        self._record = pipeline._record  # noqa: SLF001
        self._originals = pipeline._originals  # noqa: SLF001
        self._settings = pipeline._settings  # noqa: SLF001
        self._apply_access = pipeline._apply_access  # noqa: SLF001
        self._run_id = run_id
        self._source = source
        self._progress = progress
        self._stop = stop
        self._started = perf_counter()
        self._steps = dict.fromkeys(
            ("list", "parse", "cut", "embed", "words", "stage", "record", "publish"), 0.0
        )
        self._outcomes: list[FileOutcome] = []
        self._total = 0
        self._known: dict[str, KnownFile] = {}

    def go(self, *, retry_quarantined: bool) -> Report:
        with self._timed("list"):
            listed = list_folder(self._source.location)
            self._known = self._catalog.known_files(self._source.source_id)
            plan = self._plan(listed, retry_quarantined=retry_quarantined)
        self._total = plan.files_total
        self._catalog.update_run(self._run_id, files_total=self._total)
        self._apply_access()
        for outcome in plan.settled:
            self._settle(outcome)
        for file, refusal in plan.unreadable:
            self._refuse(file, None, refusal)
        for file, known in plan.moved:
            self._move(file, known)
        complete = self._read_and_publish(plan.to_read)
        if complete:
            for known in plan.gone:
                self._withdraw(known)
        self._index.flush()
        seconds = perf_counter() - self._started
        return Report(self._outcomes, seconds, self._steps, complete)

    def _plan(self, listed: Sequence[Listed], *, retry_quarantined: bool) -> _Plan:
        plan = _Plan()
        hashes: dict[str, tuple[FoundFile, OriginalHash]] = {}
        for item in listed:
            if isinstance(item, ExcludedFile):
                plan.settled.append(FileOutcome(item.path, "excluded", reason=item.rule))
            elif isinstance(item, UnreadableFile):
                plan.unreadable.append((item, Quarantined(item.reason, item.detail)))
            else:
                try:
                    hashes[item.path] = (item, hash_of(item.location))
                except Quarantined as refusal:
                    plan.unreadable.append((item, refusal))
        plan.gone = self._gone(listed)
        leavers = {known.original: known for known in plan.gone if _is_whole(known)}
        for path, (file, original) in hashes.items():
            known = self._known.get(path)
            if known is not None and known.original == original:
                if known.quarantined is None:
                    plan.settled.append(FileOutcome(path, "unchanged"))
                elif retry_quarantined:
                    plan.to_read.append(file)
                else:
                    plan.settled.append(_refused(path, known.quarantined.reason))
            elif known is None and original in leavers:
                leaver = leavers.pop(original)
                plan.gone.remove(leaver)
                plan.moved.append((file, leaver))
            else:
                plan.to_read.append(file)
        return plan

    def _gone(self, listed: Sequence[Listed]) -> list[KnownFile]:
        """Return known files that are listed no more; what cannot be seen is not gone."""
        present = {item.path for item in listed if not isinstance(item, ExcludedFile)}
        hidden = [
            item.path
            for item in listed
            if isinstance(item, UnreadableFile) and item.path.endswith("/")
        ]
        return [
            known
            for path, known in self._known.items()
            if path not in present and not any(path.startswith(folder) for folder in hidden)
        ]

    def _read_and_publish(self, files: Sequence[FoundFile]) -> bool:
        readers = Readers(self._originals, self._settings)
        group: list[ReadFile] = []
        try:
            for read in readers.read(self._until_stopped(files)):
                if isinstance(read, RefusedFile):
                    self._refuse(read.file, read.original, read.refusal)
                    continue
                self._steps["parse"] += read.parse_seconds
                self._steps["cut"] += read.cut_seconds
                group.append(read)
                chunks = sum(len(member.chunks) for member in group)
                if chunks >= GROUP_CHUNKS or len(group) >= GROUP_DOCUMENTS:
                    self._publish(group)
                    group = []
            if group:
                self._publish(group)
        finally:
            readers.close()
        return not self._stop()

    def _until_stopped(self, files: Sequence[FoundFile]) -> Iterator[FoundFile]:
        for file in files:
            if self._stop():
                return
            yield file

    def _publish(self, group: Sequence[ReadFile]) -> None:
        texts = [
            (chunk, read.parsed.title, read.parsed.text[chunk.start : chunk.end])
            for read in group
            for chunk in read.chunks
        ]
        with self._timed("embed"):
            dense = self._embedder.embed(
                [search_text(title, chunk, text) for chunk, title, text in texts]
            )
        with self._timed("words"):
            sparse = [
                self._bm25.encode_text(index_text(title, chunk, text))
                for chunk, title, text in texts
            ]
        with self._timed("stage"):
            staged = [self._stage(read) for read in group]
            owners = [(one, chunk_id) for one in staged for chunk_id in one.chunk_ids]
            points = [
                Point(chunk_id, one.document_id, one.version_id, one.access_list, vector, weights)
                for (one, chunk_id), vector, weights in zip(owners, dense, sparse, strict=True)
            ]
            self._index.upsert(points)
            self._index.flush()
        with self._timed("record"):
            self._record.append_all(
                [self._event(read, one) for read, one in zip(group, staged, strict=True)]
            )
        with self._timed("publish"):
            for read, one in zip(group, staged, strict=True):
                self._make_live(read, one)

    def _stage(self, read: ReadFile) -> Staged:
        return self._catalog.stage_version(
            source_id=self._source.source_id,
            path=read.file.path,
            original=read.original,
            media_type=read.media_type,
            parsed=read.parsed,
            chunks=read.chunks,
            size=read.file.size,
            modified_ns=read.file.modified_ns,
        )

    def _event(self, read: ReadFile, staged: Staged) -> DocumentIngested:
        event = DocumentIngested if staged.number == 1 else DocumentUpdated
        return event(
            source=self._source.name,
            document_id=staged.document_id,
            version_id=staged.version_id,
            version_number=staged.number,
            original=read.original,
            path=read.file.path,
            pages=len(read.parsed.pages),
            chunks=len(read.chunks),
        )

    def _make_live(self, read: ReadFile, staged: Staged) -> None:
        superseded = self._catalog.publish(staged.version_id)
        self._index.make_live(staged.version_id)
        for version_id in superseded:
            self._index.remove_version(version_id)
        self._settle(
            FileOutcome(
                read.file.path,
                "updated" if superseded else "added",
                pages=len(read.parsed.pages),
                chunks=len(read.chunks),
                title=read.parsed.title,
            )
        )

    def _refuse(
        self,
        file: FoundFile | UnreadableFile,
        original: OriginalHash | None,
        refusal: Quarantined,
    ) -> None:
        self._record.append(
            DocumentQuarantined(
                source=self._source.name,
                path=file.path,
                original=original,
                reason=refusal.reason.value,
            )
        )
        self._catalog.quarantine(
            source_id=self._source.source_id,
            path=file.path,
            original=original,
            reason=refusal.reason.value,
            detail=refusal.detail,
            size=file.size if isinstance(file, FoundFile) else 0,
            modified_ns=file.modified_ns if isinstance(file, FoundFile) else 0,
        )
        self._settle(_refused(file.path, refusal.reason.value))

    def _move(self, file: FoundFile, known: KnownFile) -> None:
        document_id = _document_of(known)
        self._record.append(
            DocumentMoved(document_id=document_id, path=file.path, old_path=known.path)
        )
        access_list = self._catalog.move_document(document_id, file.path)
        self._index.set_access_list(document_id, access_list)
        self._catalog.access_indexed(document_id, access_list)
        self._settle(FileOutcome(file.path, "moved", reason=f"It was at {known.path} before."))

    def _withdraw(self, known: KnownFile) -> None:
        if known.document_id is None:
            self._catalog.forget_quarantine(self._source.source_id, known.path)
            return
        self._record.append(
            DocumentWithdrawn(
                source=self._source.name, document_id=known.document_id, path=known.path
            )
        )
        for version_id in self._catalog.withdraw_document(known.document_id):
            self._index.remove_version(version_id)
        self._settle(FileOutcome(known.path, "withdrawn", reason="The source holds it no more."))

    def _settle(self, outcome: FileOutcome) -> None:
        """Note a file's outcome and tell how far the run is."""
        self._outcomes.append(outcome)
        self._catalog.record_file(self._run_id, outcome)
        pages = sum(done.pages for done in self._outcomes)
        chunks = sum(done.chunks for done in self._outcomes)
        done = len(self._outcomes)
        self._catalog.update_run(
            self._run_id, files_done=done, pages=pages, chunks=chunks, current=outcome.path
        )
        seconds = perf_counter() - self._started
        self._progress(Progress(self._total, done, pages, chunks, outcome.path, seconds))

    @contextlib.contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        started = perf_counter()
        try:
            yield
        finally:
            self._steps[step] += perf_counter() - started


def _is_whole(known: KnownFile) -> bool:
    return known.document_id is not None and known.quarantined is None


def _document_of(known: KnownFile) -> DocumentId:
    if known.document_id is None:
        raise ValueError("a file without a document cannot move")
    return known.document_id


def _refused(path: str, told: str) -> FileOutcome:
    reason = Reason(told)
    return FileOutcome(path, "quarantined", reason=reason.sentence, remedy=reason.remedy)
