"""Retrieval as a collection grows: CPU time of every step, with an access filter, embedded."""

import os
import resource
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import muniment.silence  # noqa: F401  (first, before anything that might speak)
from corpus.access import AccessListId
from corpus.documents import ChunkId, DocumentId, VersionId
from corpus.embedding import Embedder
from corpus.index import BATCH_POINTS, Bm25Encoder, Point, VectorIndex, open_index
from corpus.index.bm25 import IndexedText
from corpus.vectors import FloatVector, Terms
from corpus.word_vectors import WordVectors
from muniment.settings import load_settings
from rag.measures import percentile
from rag.ranking import Ranker, Watch

SIZES = (10_000, 100_000)
CHUNKS_A_DOCUMENT = 100
WORDS_A_CHUNK = 130
DISTINCT_TEXTS = 3_001
"""The texts of the chunks; a prime, so that they fall on documents and lists evenly."""
ACCESS_LISTS = 20
ADMITTED = frozenset({AccessListId(1), AccessListId(2)})
"""A tenth of the documents."""
QUESTIONS = 200
QUESTION_WORDS = 14
SEED = 7

console = Console(highlight=False, width=100)


def main() -> None:
    """Fill an index twice and ask it; print CPU milliseconds of every step, and the growth."""
    cache = load_settings().data / "cache" / "embedding"
    embedder = Embedder.load(cache_folder=cache)
    words = WordVectors.load(embedder, cache_folder=cache)
    vocabulary = _vocabulary(embedder)
    console.print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}\n")
    results = {size: _measure(size, embedder, words, vocabulary) for size in SIZES}
    table = Table(title=f"CPU milliseconds a question, {len(ADMITTED)} of {ACCESS_LISTS} lists")
    table.add_column("Step")
    for size in SIZES:
        table.add_column(f"{size:,} p50", justify="right")
        table.add_column("p95", justify="right")
    table.add_column("growth", justify="right")
    small, large = (results[size] for size in SIZES)
    for step in large:
        middle = [percentile(one[step], 0.5) for one in (small, large)]
        cells = [
            f"{percentile(one[step], share):.1f}" for one in (small, large) for share in (0.5, 0.95)
        ]
        table.add_row(step, *cells, f"{middle[1] / max(middle[0], 1e-9):.1f}x")
    console.print(table)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    console.print(f"Largest resident memory of the process: {peak:.0f} MiB")


def _vocabulary(embedder: Embedder) -> list[str]:
    tokenizer = embedder.tokenizer()
    if tokenizer is None:
        raise SystemExit("The embedding model has no tokenizer.json; nothing to measure with.")
    return sorted(word for word in tokenizer.get_vocab() if word.isascii() and word.isalpha())


def _measure(
    size: int, embedder: Embedder, words: WordVectors | None, vocabulary: Sequence[str]
) -> dict[str, list[float]]:
    random = np.random.default_rng(SEED)
    with tempfile.TemporaryDirectory(prefix="muniment-bench-") as folder:
        index = open_index(
            folder=Path(folder),
            url="",
            api_key="",
            dimension=embedder.dimension,
            fingerprint=embedder.fingerprint,
        )
        try:
            _fill(index, size, embedder.dimension, vocabulary, random)
            ranker = Ranker(index=index, embedder=embedder, bm25=Bm25Encoder(), word_vectors=words)
            steps: dict[str, list[float]] = {}
            for _ in range(QUESTIONS):
                question = " ".join(_words(vocabulary, QUESTION_WORDS, random))
                watch = Watch(clock=time.process_time)
                ranker.rank(question, access_lists=ADMITTED, watch=watch)
                for step, spent in {**watch.steps, "all": sum(watch.steps.values())}.items():
                    steps.setdefault(step, []).append(spent)
            disk = sum(path.stat().st_blocks * 512 for path in Path(folder).rglob("*"))
            console.print(f"{size:,} chunks take {disk / 1e6:.0f} MB of disk")
            return steps
        finally:
            index.close()


def _fill(
    index: VectorIndex,
    size: int,
    dimension: int,
    vocabulary: Sequence[str],
    random: np.random.Generator,
) -> None:
    bm25 = Bm25Encoder()
    texts = [" ".join(_words(vocabulary, WORDS_A_CHUNK, random)) for _ in range(DISTINCT_TEXTS)]
    later = [bm25.encode_text(text) for text in texts]
    for start in range(0, size, BATCH_POINTS):
        count = min(BATCH_POINTS, size - start)
        rows = random.normal(size=(count, dimension)).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        points = []
        for number, row in enumerate(rows, start=start):
            terms = later[number % DISTINCT_TEXTS]
            if number % CHUNKS_A_DOCUMENT == 0:
                text = texts[number % DISTINCT_TEXTS]
                names = " ".join(_words(vocabulary, 3, random))
                terms = bm25.encode_text(IndexedText(text, names=names))
            points.append(_point(number, row, terms))
        index.upsert(points)


def _point(number: int, row: FloatVector, terms: Terms) -> Point:
    document = number // CHUNKS_A_DOCUMENT
    return Point(
        chunk_id=ChunkId(str(uuid.UUID(int=number))),
        document_id=DocumentId(str(document)),
        version_id=VersionId(str(document)),
        access_list=AccessListId(document % ACCESS_LISTS + 1),
        dense=row,
        sparse=terms,
        live=True,
    )


def _words(vocabulary: Sequence[str], count: int, random: np.random.Generator) -> list[str]:
    """Draw words as unevenly as language does."""
    places = random.zipf(1.3, size=count) % len(vocabulary)
    return [vocabulary[place] for place in places]
