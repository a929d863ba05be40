"""Read documents before they are asked about: their sentences' vectors, while nobody asks.

Whether the passages answer a question is decided by their sentences. Embedding those of six
passages takes a good part of a second, which the first to ask about them would wait for.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Final

from corpus.access import UncheckedChunk
from corpus.catalog import Catalog
from corpus.documents import ChunkId, VersionId
from corpus.errors import CorpusError
from rag.evidence import KEPT_CHUNKS

log = logging.getLogger("rag.reading_ahead")

FIRST_LOOK_SECONDS: Final = 5.0
"""After the start, which is busy enough."""
LOOK_SECONDS: Final = 30.0
"""Between two looks at what has become live or has gone."""
PAUSE_SECONDS: Final = 0.2
"""Between two looks at whether somebody asks."""
CHUNKS_AT_ONCE: Final = 4
"""Who asks meanwhile waits for no more than these."""


class ReadingAhead:
    """Reads every live version once, and lets go of those that are live no longer.

    Args:
        catalog: Knows what is live.
        read: Takes chunks and keeps what is worth keeping; hands nothing out.
        forget: Drops what was kept of chunks.
        is_idle: Whether nobody waits for an answer.
        most: Chunks to read; what is beyond them is read when it is asked about.
    """

    def __init__(
        self,
        catalog: Catalog,
        *,
        read: Callable[[Sequence[UncheckedChunk]], None],
        forget: Callable[[Sequence[ChunkId]], None],
        is_idle: Callable[[], bool],
        most: int = KEPT_CHUNKS,
    ) -> None:
        self._catalog = catalog
        self._read = read
        self._forget = forget
        self._is_idle = is_idle
        self._most = most
        self._known: dict[VersionId, list[ChunkId]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reading-ahead", daemon=True)

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread.start()

    def close(self) -> None:
        """End, after what is being read."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> int:
        """Read what has become live and drop what has gone; return how many chunks were read."""
        live = {version.version_id for version in self._catalog.live_versions()}
        for gone in self._known.keys() - live:
            self._forget(self._known.pop(gone))
        room = self._most - sum(map(len, self._known.values()))
        read = 0
        for version_id in sorted(live - self._known.keys()):
            if read >= room or self._ended.is_set():
                break
            read += self._read_version(version_id)
        return read

    def _read_version(self, version_id: VersionId) -> int:
        try:
            chunks = self._catalog.chunks_of(version_id)
        except CorpusError:
            return 0  # it was withdrawn a moment ago
        for start in range(0, len(chunks), CHUNKS_AT_ONCE):
            while not self._ended.is_set() and not self._is_idle():
                self._ended.wait(PAUSE_SECONDS)
            if self._ended.is_set():
                return 0
            self._read(chunks[start : start + CHUNKS_AT_ONCE])
        self._known[version_id] = [chunk.chunk_id for chunk in chunks]
        return len(chunks)

    def _run(self) -> None:
        wait = FIRST_LOOK_SECONDS
        while not self._ended.wait(wait):
            wait = LOOK_SECONDS
            try:
                if read := self.look():
                    log.info("reading_ahead.read chunks=%d", read)
            except Exception as error:  # noqa: BLE001 - answers come without it, only later
                log.warning("reading_ahead.failed error=%s", type(error).__name__)
