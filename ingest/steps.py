"""The three steps of one document: read, index, publish. Each may be done again at any time.

What a step leaves behind is in the catalog before it returns, so a process that takes over
needs nothing but the file's place in its run's plan.
"""

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from time import perf_counter
from typing import Protocol

from audit.entries import Entry
from audit.events import DocumentIngested, DocumentQuarantined, DocumentUpdated, Event
from audit.log import AuditLog
from corpus.catalog import Catalog
from corpus.documents import ChunkId, OriginalHash, Version, VersionId
from corpus.errors import UnknownVersion
from corpus.index import Point, VectorIndex
from corpus.index.bm25 import Bm25Encoder, IndexedText
from corpus.originals import Originals
from corpus.records import FileOutcome, Intake, PlannedFile, RunId, Source
from corpus.vectors import FloatMatrix
from ingest.building import HIDDEN_WORDS
from ingest.chunking import ChunkLimits, index_text, search_text
from ingest.errors import Quarantined
from ingest.parts import Part, listed_path, part_path
from ingest.quarantine import Reason
from ingest.reading import Readers, ReadFile
from ingest.settings import IngestSettings
from ingest.sources import Place
from ingest.together import Together

GROUP_CHUNKS = 96
GROUP_DOCUMENTS = 16
"""Documents are embedded and published in groups: full batches, one flush to disk for each."""

RACY_NS = 2_000_000_000
"""A file may change again within the same tick of its clock: one as young as this when it was
read is compared by its bytes the next time."""

REMEMBERED = 64
LOOKED_BACK = 2_000
"""Entries of the record that are looked through for one that may be there already."""

OpenPlace = Callable[[Source, Intake], Place]


class MakesVectors(Protocol):
    """What embeds texts: the embedder itself, or one that remembers."""

    def embed(self, texts: Sequence[str]) -> FloatMatrix:
        """Return one unit vector a text."""


@dataclass(frozen=True, slots=True)
class _Collected:
    """What a document's files come from."""

    source: Source
    place: Place


@dataclass(frozen=True, slots=True)
class _Texts:
    """A staged version's texts on their way to the index."""

    version: Version
    meanings: list[str]
    words: list[IndexedText]
    chunk_ids: list[ChunkId]


class Steps:
    """Does the steps of documents, from any number of threads.

    Args:
        catalog: Holds the plans.
        originals: Where the bytes are kept.
        index: What is searched.
        vectors: Makes vectors of meaning.
        bm25: Makes vectors of words.
        record: Where everything is written down first.
        settings: Limits of reading.
        open_place: Gives access to a source.
        clock: Gives the time in UTC.
    """

    def __init__(
        self,
        *,
        catalog: Catalog,
        originals: Originals,
        index: VectorIndex,
        vectors: MakesVectors,
        bm25: Bm25Encoder,
        record: AuditLog,
        settings: IngestSettings,
        open_place: OpenPlace,
        clock: Callable[[], datetime],
    ) -> None:
        self._catalog = catalog
        self._originals = originals
        self._index = index
        self._vectors = vectors
        self._bm25 = bm25
        self._record = record
        self._settings = settings
        self._open_place = open_place
        self._clock = clock
        self._lock = threading.Lock()
        self._planning = threading.Lock()
        self._readers: Readers | None = None
        self._collected: OrderedDict[RunId, _Collected] = OrderedDict()
        self._index_together: Together[_Texts, None] = Together(
            self._index_some, size=lambda texts: len(texts.chunk_ids), most=GROUP_CHUNKS
        )
        self._publish_together: Together[tuple[RunId, PlannedFile], None] = Together(
            self._publish_some, most=GROUP_DOCUMENTS
        )
        self.seconds = dict.fromkeys(
            ("list", "parse", "cut", "embed", "words", "stage", "record", "publish"), 0.0
        )

    def close(self) -> None:
        """End the jails; they start again when they are needed."""
        with self._lock:
            readers, self._readers = self._readers, None
            for collected in self._collected.values():
                collected.place.close()
            self._collected.clear()
        if readers is not None:
            readers.close()

    def read(self, sequence: int) -> bool:
        """Read a planned file and stage its version; say whether there is one to go on with.

        Raises:
            SourceAway: The place does not answer; later it may.
        """
        planned = self._catalog.planned_file(sequence)
        if planned is None:
            return False
        run_id, file = planned
        if file.version_id is not None:
            return True
        collected = self._collected_for(run_id)
        original: OriginalHash | None = file.original
        try:
            if original is None:
                data = collected.place.read(file.path, most=self._settings.maximum_file_bytes)
                original = self._originals.keep(data)
                del data
            return self._read_kept(run_id, file, collected.source, original)
        except Quarantined as refusal:
            self._refuse(run_id, file, collected.source, original, refusal)
            return False

    def index(self, sequence: int) -> None:
        """Put the points of a staged version into the index, unseen as yet."""
        planned = self._catalog.planned_file(sequence)
        if planned is None or planned[1].version_id is None:
            return
        found = self._catalog.chunks_of(planned[1].version_id)
        about = self._catalog.properties_of(planned[1].version_id)
        self._index_together(
            _Texts(
                self._catalog.version(planned[1].version_id),
                [search_text(one.title, one.chunk, one.text) for one in found],
                [
                    index_text(one.title, one.chunk, one.text, path=one.path, about=about)
                    for one in found
                ],
                [one.chunk_id for one in found],
            )
        )

    def publish(self, sequence: int) -> None:
        """Put a staged version on record and make it live."""
        planned = self._catalog.planned_file(sequence)
        if planned is not None and planned[1].version_id is not None:
            self._publish_together(planned)

    def place_of(self, run_id: RunId) -> Place:
        """Return access to the source of a run, open until ``close``."""
        return self._collected_for(run_id).place

    def refuse(
        self, run_id: RunId, file: PlannedFile, source: Source, refusal: Quarantined
    ) -> None:
        """Quarantine a file whose bytes cannot be had at all."""
        self._refuse(run_id, file, source, None, refusal)

    def is_on_record(self, kind: str, matches: Callable[[Entry], bool]) -> bool:
        """Say whether one of the newest entries of a kind is such a one."""
        entries = self._record.entries(type=kind, newest_first=True, limit=LOOKED_BACK)
        return any(matches(entry) for entry in entries)

    def refusal(self, source: Source, path: str, reason: Reason) -> FileOutcome:
        """Return the outcome of a file that cannot be taken in.

        Where an earlier version of it still answers questions, that is said.
        """
        outcome = FileOutcome(path, "quarantined", reason=reason.sentence, remedy=reason.remedy)
        known = self._catalog.known_among(source.source_id, [path]).get(path)
        if known is None or known.document_id is None:
            return outcome
        live = [one for one in self._catalog.versions_of(known.document_id) if one.live]
        if not live:
            return outcome
        told = f"Answers still come from version {live[0].number}, which is out of date."
        return replace(outcome, reason=f"{outcome.reason} {told}")

    @contextlib.contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Add the time that the block takes to a step's."""
        started = perf_counter()
        try:
            yield
        finally:
            self._spent(step, perf_counter() - started)

    def _spent(self, step: str, seconds: float) -> None:
        with self._lock:
            self.seconds[step] += seconds

    def _collected_for(self, run_id: RunId) -> _Collected:
        with self._lock:
            if run_id not in self._collected:
                source = self._catalog.source(self._catalog.run(run_id).source_id)
                place = self._open_place(source, self._catalog.intake(source.source_id))
                self._collected[run_id] = _Collected(source, place)
                while len(self._collected) > REMEMBERED:
                    self._collected.popitem(last=False)[1].place.close()
            return self._collected[run_id]

    def _reading(self) -> Readers:
        with self._lock:
            if self._readers is None:
                self._readers = Readers(self._originals, self._settings)
            return self._readers

    def _read_kept(
        self, run_id: RunId, file: PlannedFile, source: Source, original: OriginalHash
    ) -> bool:
        read = self._reading().read(file.path, original)
        self._spent("parse", read.parse_seconds)
        self._spent("cut", read.cut_seconds)
        self._plan_parts(run_id, file, source, read)
        if read.parsed is None:
            self._catalog.settle_file(
                source.source_id,
                run_id,
                FileOutcome(
                    file.path, "opened", reason=f"{len(read.parts)} files were found in it."
                ),
                original=original,
                size=file.size,
                modified_ns=self._stamp(file),
            )
            return False
        with self.timed("stage"):
            self._catalog.stage_version(
                source_id=source.source_id,
                path=file.path,
                original=original,
                media_type=read.media_type,
                parsed=read.parsed,
                chunks=read.chunks,
                size=file.size,
                modified_ns=self._stamp(file),
                planned=file.sequence,
                cutting=ChunkLimits.of(self._settings.chunk_words).cutting,
            )
        return True

    def _plan_parts(self, run_id: RunId, file: PlannedFile, source: Source, read: ReadFile) -> None:
        if read.refusal is not None:
            beside = PlannedFile(0, part_path(file.path, ""), 0, 0)
            self._refuse(run_id, beside, source, None, read.refusal)
        with self._planning:
            self._plan_some(run_id, file, source, read.parts)

    def _plan_some(
        self, run_id: RunId, file: PlannedFile, source: Source, parts: Sequence[Part]
    ) -> None:
        root = listed_path(file.path)
        there = self._catalog.count_planned_below(run_id, part_path(root, ""))
        if there + len(parts) > self._settings.maximum_parts:
            most = f"more than {self._settings.maximum_parts} files in {root}, at all depths"
            beside = PlannedFile(0, part_path(file.path, ""), 0, 0)
            self._refuse(run_id, beside, source, None, Quarantined(Reason.TOO_LARGE, most))
            return
        planned: list[PlannedFile] = []
        for part in parts:
            path = part_path(file.path, part.name)
            if part.reason is not None:
                refused = PlannedFile(0, path, len(part.data), 0)
                self._refuse(run_id, refused, source, None, Quarantined(part.reason, part.detail))
                continue
            original = self._originals.keep(part.data)
            planned.append(PlannedFile(0, path, len(part.data), 0, original))
        if planned:
            self._catalog.plan_files(run_id, planned)

    def _stamp(self, file: PlannedFile) -> int:
        """The file's time of change, 0 when it is too young to be relied upon."""
        age = self._clock().timestamp() * 1e9 - file.modified_ns
        return file.modified_ns if not 0 <= age < RACY_NS else 0

    def _index_some(self, some: Sequence[_Texts]) -> list[None]:
        with self.timed("embed"):
            dense = self._vectors.embed([text for texts in some for text in texts.meanings])
        with self.timed("words"):
            sparse = [self._bm25.encode_text(text) for texts in some for text in texts.words]
        with self.timed("stage"):
            owners = [(texts.version, one) for texts in some for one in texts.chunk_ids]
            lists = {
                texts.version.document_id: self._catalog.access_list_of(texts.version.document_id)
                for texts in some
            }
            self._index.upsert(
                [
                    Point(
                        chunk_id,
                        version.document_id,
                        version.version_id,
                        lists[version.document_id],
                        vector,
                        weights,
                    )
                    for (version, chunk_id), vector, weights in zip(
                        owners, dense, sparse, strict=True
                    )
                ]
            )
            self._index.flush()
        return [None] * len(some)

    def _publish_some(self, some: Sequence[tuple[RunId, PlannedFile]]) -> list[None]:
        made = [self._made(run_id, file) for run_id, file in some]
        with self.timed("record"):
            self._put_on_record(
                [(file, event) for (_, file), (_, event, _) in zip(some, made, strict=True)]
            )
        with self.timed("publish"):
            superseded = self._catalog.publish_all(
                [
                    (version.version_id, run_id, outcome)
                    for (run_id, _), (version, _, outcome) in zip(some, made, strict=True)
                ]
            )
            for (version, _, _), earlier in zip(made, superseded, strict=True):
                self._index.make_live(version.version_id)
                for version_id in earlier:
                    self._index.remove_version(version_id)
        return [None] * len(some)

    def _made(
        self, run_id: RunId, file: PlannedFile
    ) -> tuple[Version, DocumentIngested, FileOutcome]:
        if file.version_id is None:
            raise UnknownVersion(f"The file at place {file.sequence} of its run is not staged.")
        version = self._catalog.version(file.version_id)
        chunks = self._catalog.chunk_count(file.version_id)
        kind = DocumentIngested if version.number == 1 else DocumentUpdated
        event = kind(
            source=self._collected_for(run_id).source.name,
            document_id=version.document_id,
            version_id=version.version_id,
            version_number=version.number,
            original=version.original,
            path=file.path,
            pages=version.page_count,
            chunks=chunks,
        )
        hidden = self._catalog.properties_of(version.version_id).get(HIDDEN_WORDS, "")
        outcome = FileOutcome(
            file.path,
            "added",
            reason=_noticed(hidden, self._catalog.suspicious_chunks(version.version_id)),
            pages=version.page_count,
            chunks=chunks,
            title=version.title,
        )
        return version, event, outcome

    def _put_on_record(self, events: Sequence[tuple[PlannedFile, DocumentIngested]]) -> None:
        self._catalog.mark_recording([file.sequence for file, _ in events])
        new = [
            event
            for file, event in events
            if not (file.recording and self._has_version(event.type, VersionId(event.version_id)))
        ]
        if new:
            self._record.append_all(new)

    def _has_version(self, kind: str, version_id: VersionId) -> bool:
        return self.is_on_record(kind, lambda entry: entry.envelope.get("version_id") == version_id)

    def _refuse(
        self,
        run_id: RunId,
        file: PlannedFile,
        source: Source,
        original: OriginalHash | None,
        refusal: Quarantined,
    ) -> None:
        event: Event = DocumentQuarantined(
            source=source.name,
            path=file.path,
            original=original,
            reason=refusal.reason.value,
        )
        if not (file.recording and self._has_refusal(run_id, file)):
            if file.sequence:
                self._catalog.mark_recording([file.sequence])
            self._record.append(event)
        self._catalog.refuse_file(
            source.source_id,
            run_id,
            self.refusal(source, file.path, refusal.reason),
            reason=refusal.reason.value,
            detail=refusal.detail,
            original=original,
            size=file.size,
            modified_ns=file.modified_ns,
        )

    def _has_refusal(self, run_id: RunId, file: PlannedFile) -> bool:
        since = self._catalog.run(run_id).queued_at

        def matches(entry: Entry) -> bool:
            payload = entry.payload or {}
            return entry.at >= since and payload.get("path") == file.path

        return self.is_on_record(DocumentQuarantined.type, matches)


def _noticed(hidden: str, suspicious: int) -> str:
    """Return what the ledger says of a document that was read but is not quite plain."""
    said = []
    if hidden:
        said.append(f"Words that nobody can see were left out: {hidden}.")
    if suspicious:
        passages = "passage speaks" if suspicious == 1 else "passages speak"
        said.append(f"{suspicious} {passages} to an assistant; it is read as text and not obeyed.")
    return " ".join(said)
