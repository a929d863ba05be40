"""Reads several files at the same time, ahead of whoever takes the results."""

import queue
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from time import perf_counter

from corpus.documents import Chunk, OriginalHash, ParsedDocument
from corpus.originals import Originals
from ingest.chunking import cut
from ingest.errors import Quarantined
from ingest.jail import Jail
from ingest.quarantine import Reason
from ingest.settings import IngestSettings
from ingest.sniffing import media_type_of
from ingest.sources import FoundFile, unreadable

READ_AHEAD = 4


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A file that was read.

    Attributes:
        file: Where it was found.
        original: Hash of the bytes that were read.
        media_type: Decided by content.
        parsed: What the parser made of it, with a title.
        chunks: What was cut from that.
        parse_seconds: Time in the jail.
        cut_seconds: Time to cut.
    """

    file: FoundFile
    original: OriginalHash
    media_type: str
    parsed: ParsedDocument
    chunks: list[Chunk]
    parse_seconds: float
    cut_seconds: float


@dataclass(frozen=True, slots=True)
class RefusedFile:
    """A file that could not be read; the original is None where not even its bytes could."""

    file: FoundFile
    original: OriginalHash | None
    refusal: Quarantined


class Readers:
    """A few jails and the threads that wait for them.

    Args:
        originals: Where the bytes of every file are kept before anything reads them.
        settings: Limits, and how many to read at a time.
    """

    def __init__(self, originals: Originals, settings: IngestSettings) -> None:
        self._originals = originals
        self._settings = settings
        self._jails: queue.SimpleQueue[Jail] = queue.SimpleQueue()
        self._all = [Jail() for _ in range(settings.readers)]
        for jail in self._all:
            self._jails.put(jail)

    def close(self) -> None:
        """End the jails."""
        for jail in self._all:
            jail.close()

    def read(self, files: Iterable[FoundFile]) -> Iterator[ReadFile | RefusedFile]:
        """Yield what was read of every file, in their order, working a few files ahead.

        Raises:
            OriginalsUnavailable: The bytes cannot be kept.
        """
        remaining = iter(files)
        pending: deque[Future[ReadFile | RefusedFile]] = deque()
        with ThreadPoolExecutor(self._settings.readers, thread_name_prefix="reader") as pool:
            try:
                while True:
                    while len(pending) < self._settings.readers + READ_AHEAD:
                        file = next(remaining, None)
                        if file is None:
                            break
                        pending.append(pool.submit(self._read_one, file))
                    if not pending:
                        return
                    yield pending.popleft().result()
            finally:
                for future in pending:
                    future.cancel()

    def _read_one(self, file: FoundFile) -> ReadFile | RefusedFile:
        original: OriginalHash | None = None
        try:
            original = self._originals.keep(self._bytes_of(file))
            kept = self._originals.path(original)
            media_type = media_type_of(kept, name=file.path)
            started = perf_counter()
            parsed = self._parse(file, original, media_type)
            parsed_at = perf_counter()
            chunks = _chunks_of(parsed)
        except Quarantined as refusal:
            return RefusedFile(file, original, refusal)
        times = parsed_at - started, perf_counter() - parsed_at
        return ReadFile(file, original, media_type, parsed, chunks, *times)

    def _bytes_of(self, file: FoundFile) -> bytes:
        if file.size > self._settings.maximum_file_bytes:
            raise Quarantined(Reason.TOO_LARGE, f"{file.size} bytes")
        try:
            return file.location.read_bytes()
        except OSError as error:
            raise unreadable(error) from error

    def _parse(self, file: FoundFile, original: OriginalHash, media_type: str) -> ParsedDocument:
        jail = self._jails.get()
        try:
            kept = self._originals.path(original)
            parsed = jail.parse(kept, media_type=media_type, limits=self._settings)
        finally:
            self._jails.put(jail)
        if parsed.rendition:
            self._originals.keep_rendition(original, parsed.rendition)
        title = parsed.title or PurePosixPath(file.path).stem.replace("_", " ").replace("-", " ")
        return replace(parsed, title=title, rendition=b"")


def _chunks_of(parsed: ParsedDocument) -> list[Chunk]:
    chunks = cut(parsed)
    if not chunks:
        raise Quarantined(Reason.NO_TEXT)
    return chunks
