"""Words as unit vectors, from the embedding model alone and from no document.

They are the vectors with which the model begins to read, before it looks at any context; a word
is the sum of its pieces. That takes no room beside the chunks, costs a table of some 16 MB in
memory, and tells nothing of what is indexed.
"""

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from corpus.embedding import Embedder
from corpus.vectors import FloatMatrix

DIMENSION = 128
"""Of a word's vector: the directions in which the vocabulary varies most."""
KEPT_WORDS = 60_000
"""Words whose vectors are held: some 30 MB."""

Rows = npt.NDArray[np.intp]
"""int64[words]: places in the table of words."""


class WordVectors:
    """Vectors of words; may be used from any thread.

    Args:
        pieces: Unit vectors of the model's vocabulary, float32[vocabulary, dimension].
        piece_ids: Splits words into places in that table.
    """

    def __init__(
        self, pieces: FloatMatrix, piece_ids: Callable[[Sequence[str]], list[list[int]]]
    ) -> None:
        self._pieces = pieces
        self._piece_ids = piece_ids
        self._lock = threading.Lock()
        self._places: dict[str, int] = {}
        self._table = np.zeros((1_024, pieces.shape[1]), dtype=np.float32)

    @classmethod
    def load(cls, embedder: Embedder, *, cache_folder: Path) -> "WordVectors | None":
        """Return the words of an embedding model; None when its pieces cannot be had apart.

        The first time this takes half a second, and keeps the result in the cache folder.
        """
        tokenizer = embedder.tokenizer()
        if tokenizer is None:
            return None
        kept = cache_folder / f"pieces-{embedder.fingerprint}.npy"
        pieces = _read(kept)
        if pieces is None:
            rows = embedder.piece_vectors()
            if rows is None:
                return None
            pieces = _reduced(rows)
            _keep(pieces, kept)

        # A product of matrices this small takes no less time on two threads, and on a busy machine
        # five times the processor: who has nothing to do waits by spinning.
        threadpool_limits(limits=1, user_api="blas")
        whole = tokenizer.get_vocab()

        def piece_ids(words: Sequence[str]) -> list[list[int]]:
            # Most words are one piece; to look them up takes a tenth of the time of reading them.
            found = {word: [whole[word]] for word in words if word in whole}
            others = [word for word in words if word not in found]
            read = tokenizer.encode_batch(others, add_special_tokens=False) if others else []
            found.update({word: one.ids for word, one in zip(others, read, strict=True)})
            return [found[word] for word in words]

        return cls(pieces.astype(np.float32), piece_ids)

    def places(self, words: Sequence[str]) -> Rows:
        """Return where the vectors of some words stand in ``table``."""
        return self.places_of([words])[0]

    def places_of(self, texts: Sequence[Sequence[str]]) -> list[Rows]:
        """Return where the vectors of the words of several texts stand in ``table``."""
        with self._lock:
            if len(self._places) > KEPT_WORDS:
                self._places.clear()
            known = self._places
            new = list({word for words in texts for word in words if word not in known})
            if new:
                self._add(new)
            return [np.array([known[word] for word in words], dtype=np.intp) for words in texts]

    def vectors(self, places: Rows) -> FloatMatrix:
        """Return float32[len(places), dimension], rows of unit length."""
        return self._table[places]

    def _add(self, words: Sequence[str]) -> None:
        start = len(self._places)
        while len(self._table) < start + len(words):
            # A reader may still hold the old table; it is never written where it was read.
            self._table = np.concatenate([self._table, np.zeros_like(self._table)])
        rows = np.zeros((len(words), self._table.shape[1]), dtype=np.float32)
        pieces = self._piece_ids(words)
        filled = [place for place, ids in enumerate(pieces) if ids]
        if filled:
            together = np.array([piece for ids in pieces for piece in ids])
            ends = np.cumsum([len(pieces[place]) for place in filled])
            sums = np.add.reduceat(self._pieces[together], np.concatenate([[0], ends[:-1]]))
            lengths = np.linalg.norm(sums, axis=1, keepdims=True)
            rows[filled] = sums / np.maximum(lengths, 1e-9)
        self._table[start : start + len(words)] = rows
        self._places.update((word, start + place) for place, word in enumerate(words))


def _read(kept: Path) -> FloatMatrix | None:
    try:
        pieces: FloatMatrix = np.load(kept)
    except (OSError, ValueError):
        return None
    return pieces


def _reduced(rows: FloatMatrix) -> FloatMatrix:
    rows = rows - rows.mean(axis=0)
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    _, directions = np.linalg.eigh(rows.T @ rows)
    reduced = rows @ directions[:, ::-1][:, :DIMENSION]
    lengths = np.linalg.norm(reduced, axis=1, keepdims=True)
    return cast("FloatMatrix", (reduced / np.maximum(lengths, 1e-9)).astype(np.float16))


def _keep(pieces: FloatMatrix, kept: Path) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    staged = kept.with_name(f".new-{os.getpid()}-{kept.name}")
    np.save(staged, pieces)
    staged.replace(kept)
