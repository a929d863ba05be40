"""From the bytes of a file to its text, its chunks and the files inside it."""

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from time import perf_counter

from corpus.documents import Chunk, OriginalHash, ParsedDocument
from corpus.originals import Originals
from ingest.chunking import ChunkLimits, cut
from ingest.containers import expand, is_container
from ingest.describing import described
from ingest.errors import Quarantined
from ingest.jail import Jail
from ingest.parts import Part, depth_of
from ingest.quarantine import Reason
from ingest.settings import IngestSettings
from ingest.sniffing import media_type_of


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A file that was read.

    Attributes:
        media_type: Decided by content.
        parsed: What the parser made of it, with a title; None for a container that says
            nothing itself.
        chunks: What was cut from that.
        parts: The files inside it.
        refusal: Why those inside cannot be had; None where they can, or there are none.
        parse_seconds: Time in the jail.
        cut_seconds: Time to cut.
    """

    media_type: str
    parsed: ParsedDocument | None
    chunks: list[Chunk]
    parts: list[Part]
    refusal: Quarantined | None
    parse_seconds: float
    cut_seconds: float


class Readers:
    """A few jails, for as many threads as there are; more wait for their turn.

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

    def read(self, path: str, original: OriginalHash) -> ReadFile:
        """Read an original that is kept.

        Args:
            path: Where the file was found, for its name and for how deep it lies.
            original: Hash of its bytes.

        Raises:
            Quarantined: It cannot be read, and there is nothing inside it that could.
        """
        kept = self._originals.path(original)
        media_type = media_type_of(kept, name=path)
        started = perf_counter()
        with self._jail() as jail:
            parts, inside = self._parts(jail, path, original, media_type)
            try:
                parsed = jail.parse(kept, media_type=media_type, limits=self._settings)
            except Quarantined as refusal:
                if not parts or refusal.reason is not Reason.NO_TEXT:
                    raise
                parsed = None
        parsed_at = perf_counter()
        if parsed is None:
            return ReadFile(media_type, None, [], parts, inside, parsed_at - started, 0.0)
        if parsed.rendition:
            self._originals.keep_rendition(original, parsed.rendition)
        title = parsed.title or PurePosixPath(path).stem.replace("_", " ").replace("-", " ")
        about = {**described(parsed), **parsed.properties}
        parsed = replace(parsed, title=title, properties=about, rendition=b"")
        chunks = cut(parsed, limits=ChunkLimits.of(self._settings.chunk_words))
        if not chunks and not parts:
            raise inside or Quarantined(Reason.NO_TEXT)
        times = parsed_at - started, perf_counter() - parsed_at
        return ReadFile(media_type, parsed if chunks else None, chunks, parts, inside, *times)

    def _parts(
        self, jail: Jail, path: str, original: OriginalHash, media_type: str
    ) -> tuple[list[Part], Quarantined | None]:
        if not is_container(media_type):
            return [], None
        kept = self._originals.path(original)
        try:
            found = expand(
                jail, kept, media_type=media_type, limits=self._settings, depth=depth_of(path)
            )
        except Quarantined as refusal:
            return [], refusal
        return found, None

    @contextmanager
    def _jail(self) -> Iterator[Jail]:
        jail = self._jails.get()
        try:
            yield jail
        finally:
            self._jails.put(jail)
