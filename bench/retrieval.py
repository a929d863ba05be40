"""Retrieval as a collection grows: CPU time of every step, with an access filter, embedded.

Every step counts: what the asker may read, the ranking, loading the chunks and the gate.
"""

import hashlib
import os
import resource
import tempfile
import time
import uuid
from collections.abc import Sequence
from contextlib import ExitStack, closing
from itertools import accumulate
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import muniment.silence  # noqa: F401  (first, before anything that might speak)
from corpus.access import Principal
from corpus.catalog import Catalog, Source, Staged
from corpus.documents import Chunk, OriginalHash, ParsedDocument
from corpus.embedding import Embedder
from corpus.index import Bm25Encoder, Point, VectorIndex, open_index
from corpus.index.bm25 import IndexedText
from corpus.word_vectors import WordVectors
from muniment.settings import load_settings
from rag.assistant import PASSAGES, SPARE
from rag.measures import percentile
from rag.ranking import Watch
from rag.retrieval import Retriever

SIZES = (10_000, 100_000)
CHUNKS_A_DOCUMENT = 100
WORDS_A_CHUNK = 130
DISTINCT_TEXTS = 3_001
"""The texts of the chunks; a prime, so that they fall on documents and lists evenly."""
GROUPS = tuple(f"group {number}" for number in range(20))
"""Each may read a twentieth of the documents."""
ASKER = Principal("asker", frozenset(GROUPS[:2]))
LIMIT = PASSAGES + SPARE
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
    table = Table(title="CPU milliseconds a question of someone who may read a tenth")
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
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="muniment-bench-")))
        catalog = stack.enter_context(closing(Catalog.open(f"sqlite:///{folder / 'catalog.db'}")))
        index = stack.enter_context(
            closing(
                open_index(
                    folder=folder / "index",
                    url="",
                    api_key="",
                    dimension=embedder.dimension,
                    fingerprint=embedder.fingerprint,
                )
            )
        )
        _fill(catalog, index, vocabulary, random, size=size, dimension=embedder.dimension)
        gate = catalog.gate()
        retriever = Retriever(
            catalog=catalog,
            gate=gate,
            index=index,
            embedder=embedder,
            bm25=Bm25Encoder(),
            word_vectors=words,
        )
        steps: dict[str, list[float]] = {}
        for _ in range(QUESTIONS):
            question = " ".join(_words(vocabulary, QUESTION_WORDS, random))
            watch = Watch(clock=time.process_time)
            found = retriever.retrieve(question, visible_to=ASKER, limit=LIMIT, watch=watch)
            with watch.timed("gate"):
                gate.authorize(ASKER, [one.chunk for one in found])
            for step, spent in {**watch.steps, "all": sum(watch.steps.values())}.items():
                steps.setdefault(step, []).append(spent)
        disk = sum(path.stat().st_blocks * 512 for path in (folder / "index").rglob("*"))
        console.print(f"{size:,} chunks take {disk / 1e6:.0f} MB of disk in the index")
        return steps


def _fill(
    catalog: Catalog,
    index: VectorIndex,
    vocabulary: Sequence[str],
    random: np.random.Generator,
    *,
    size: int,
    dimension: int,
) -> None:
    """Publish documents of a hundred chunks, each source under an access list of its own."""
    bm25 = Bm25Encoder()
    texts = [" ".join(_words(vocabulary, WORDS_A_CHUNK, random)) for _ in range(DISTINCT_TEXTS)]
    terms = [bm25.encode_text(text) for text in texts]
    sources = [
        catalog.add_source(name=group, location=Path("/"), groups=frozenset({group}))
        for group in GROUPS
    ]
    for document in range(size // CHUNKS_A_DOCUMENT):
        first = document * CHUNKS_A_DOCUMENT
        places = [(first + number) % DISTINCT_TEXTS for number in range(CHUNKS_A_DOCUMENT)]
        names = " ".join(_words(vocabulary, 3, random))
        staged = _staged(
            catalog, sources[document % len(sources)], names, [texts[place] for place in places]
        )
        own = [terms[place] for place in places]
        own[0] = bm25.encode_text(IndexedText(texts[places[0]], names=names))
        rows = random.normal(size=(CHUNKS_A_DOCUMENT, dimension)).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        index.upsert(
            [
                Point(
                    chunk_id=chunk_id,
                    document_id=staged.document_id,
                    version_id=staged.version_id,
                    access_list=staged.access_list,
                    dense=row,
                    sparse=one,
                    live=True,
                )
                for chunk_id, row, one in zip(staged.chunk_ids, rows, own, strict=True)
            ]
        )
        catalog.publish(staged.version_id)


def _staged(catalog: Catalog, source: Source, title: str, texts: Sequence[str]) -> Staged:
    whole = "\n".join(texts)
    ends = list(accumulate(len(text) + 1 for text in texts))
    return catalog.stage_version(
        source_id=source.source_id,
        path=f"{uuid.uuid4()}.txt",
        original=OriginalHash(hashlib.sha256(whole.encode()).hexdigest()),
        media_type="text/plain",
        parsed=ParsedDocument(whole, (), title=title),
        chunks=[
            Chunk(number, end - len(text) - 1, end - 1)
            for number, (text, end) in enumerate(zip(texts, ends, strict=True))
        ],
        size=len(whole),
        modified_ns=0,
    )


def _words(vocabulary: Sequence[str], count: int, random: np.random.Generator) -> list[str]:
    """Draw words as unevenly as language does."""
    places = random.zipf(1.3, size=count) % len(vocabulary)
    return [vocabulary[place] for place in places]
