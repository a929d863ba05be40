"""Vectors that were computed once: kept by what was embedded and by what embedded it.

A text that comes again, because a job was cut short, a document stands at two places, a new
version repeats most of the old one or the index is built anew, costs a look-up. Nothing of the
text is in here, only its hash and its vector.
"""

import hashlib
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from corpus.embedding import Embedder
from corpus.errors import CatalogUnavailable
from corpus.vectors import FloatMatrix

ASKED_AT_ONCE = 500
MOST_KEPT = 1_000_000
"""About 800 MB with 384 numbers each; the oldest make room."""


class KeptVectors:
    """An embedder that remembers; may be used from any thread.

    Args:
        embedder: Computes what is not kept.
        file: The SQLite file; made when missing.
        most: The most vectors to keep.
    """

    def __init__(self, embedder: Embedder, file: Path, *, most: int = MOST_KEPT) -> None:
        self._embedder = embedder
        self._most = most
        self._lock = threading.Lock()
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._database = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
            for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "secure_delete = ON"):
                self._database.execute(f"PRAGMA {pragma}")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS vector "
                "(key BLOB PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID"
            )
        except sqlite3.Error as error:
            raise CatalogUnavailable(
                f"The kept vectors in {file} cannot be used: {error}. The file may be removed; "
                "it is made anew."
            ) from error

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def embed(self, texts: Sequence[str]) -> FloatMatrix:
        """Return one unit vector a text, as ``Embedder.embed`` does."""
        keys = [self._key(text) for text in texts]
        kept = self._kept(keys)
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in kept}
        if missing:
            made = self._embedder.embed(list(missing.values()))
            fresh = dict(zip(missing, made, strict=True))
            self._keep(fresh)
            kept.update(fresh)
        if not keys:
            return np.empty((0, self._embedder.dimension), np.float32)
        return np.stack([kept[key] for key in keys])

    def forget(self, texts: Sequence[str]) -> tuple[int, int]:
        """Destroy the vectors of some texts; return how many there were and how many are left."""
        keys = list(dict.fromkeys(self._key(text) for text in texts))
        with self._lock:
            before = self._count(keys)
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany("DELETE FROM vector WHERE key = ?", [(k,) for k in keys])
            self._database.execute("COMMIT")
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return before, self._count(keys)

    def _key(self, text: str) -> bytes:
        named = f"{self._embedder.fingerprint}\0{text}"
        return hashlib.sha256(named.encode("utf-8", "surrogatepass")).digest()

    def _kept(self, keys: Sequence[bytes]) -> dict[bytes, np.ndarray]:
        found: dict[bytes, np.ndarray] = {}
        with self._lock:
            for start in range(0, len(keys), ASKED_AT_ONCE):
                some = keys[start : start + ASKED_AT_ONCE]
                marks = ",".join("?" * len(some))
                rows = self._database.execute(
                    f"SELECT key, vector FROM vector WHERE key IN ({marks})",  # noqa: S608
                    some,
                )
                found.update((key, np.frombuffer(data, np.float32)) for key, data in rows)
        return found

    def _keep(self, fresh: dict[bytes, np.ndarray]) -> None:
        rows = [(key, vector.astype(np.float32).tobytes()) for key, vector in fresh.items()]
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany("INSERT OR REPLACE INTO vector VALUES (?, ?)", rows)
            self._database.execute("COMMIT")

    def _count(self, keys: Sequence[bytes]) -> int:
        total = 0
        for start in range(0, len(keys), ASKED_AT_ONCE):
            some = keys[start : start + ASKED_AT_ONCE]
            marks = ",".join("?" * len(some))
            (count,) = self._database.execute(
                f"SELECT count(*) FROM vector WHERE key IN ({marks})",  # noqa: S608
                some,
            ).fetchone()
            total += count
        return total
