"""Rank the chunks of some access lists by how likely they answer a question.

Every score is computed from the question and from chunks that the lists admit, so that neither
scores nor order tell anything of others.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Protocol

from corpus.access import AccessListId
from corpus.documents import ChunkId, DocumentId
from corpus.embedding import Embedder
from corpus.index import Bm25Encoder, Rankings, Scored
from corpus.index.bm25 import MAXIMUM_CHARACTERS
from corpus.index.lexicon import sections_around
from corpus.index.port import Facts
from corpus.vectors import FloatVector, QuestionTerms
from corpus.word_vectors import WordVectors
from rag.closeness import closeness
from rag.fusion import DEFAULT, Weights, best_first, min_max, scale_of, weighted_scores

DEPTH = 100
"""Chunks taken from each ranking before fusion, and after it."""
MOST_NAMED = 8
"""Documents that a question may name and that are searched on their own."""
NAMED_SURELY = 0.3
"""How well a question must name a document for the named ones to be searched on their own: less
sure names cost a second search and found nothing more in any set."""
NAMED_SHARE = 0.5
"""Part of the best document's score that another must reach to count as named."""
NAMING_STRENGTH = 4.0
"""A document's name counts for half when its terms together are this rare (in nats), and falls
off quickly below: that a question holds a common word of a title says little. Chosen on the
development questions of the samples and one half of FinanceBench."""
REFERRING = 10
"""Of the best passages, how many lend weight along their references."""
COPIES = 2
"""Of one clause in different versions or contracts, how many stand in front."""
COMPARED = 20
COMPARED_BY_WORD = 60
"""Of the candidates, how many; with 100 MAP@10 gained 0.002 in trials, for two thirds more time."""
SAME_WORDS = 0.9
"""Part of all their words that two passages share that say the same."""
FEWEST_WORDS = 8


@dataclass(frozen=True, slots=True)
class Found:
    """What each retriever made of a chunk; None where it did not find it.

    Attributes:
        dense_rank: Place in the ranking by meaning, from 1.
        dense_score: Cosine to the question.
        words_rank: Place in the ranking by words, from 1.
        words_score: Its BM25 score.
        closeness: Mean closeness of the question's words, word by word.
        document: How well the question names its document, 0 to 1.
        reference: What it gained from passages that refer to it, or that it refers to.
        repeats: Whether it was put behind because better ones say the same.
    """

    dense_rank: int | None = None
    dense_score: float | None = None
    words_rank: int | None = None
    words_score: float | None = None
    closeness: float | None = None
    document: float = 0.0
    reference: float = 0.0
    repeats: bool = False


@dataclass(frozen=True, slots=True)
class Ranked:
    """A chunk's id and what became of it, before anything of it is read."""

    chunk_id: ChunkId
    score: float
    found: Found


@dataclass(slots=True)
class Watch:
    """Milliseconds of each step of one question.

    Attributes:
        steps: What was measured so far.
        clock: Gives seconds: of the wall, or of the processor for benchmarks.
    """

    steps: dict[str, float] = field(default_factory=dict)
    clock: Callable[[], float] = perf_counter

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Add the time that the block takes."""
        started = self.clock()
        try:
            yield
        finally:
            spent = (self.clock() - started) * 1_000
            self.steps[step] = self.steps.get(step, 0.0) + spent


class Searched(Protocol):
    """What is ranked over: an index, or one that is told first what it does not know yet."""

    def rankings(
        self,
        *,
        dense: FloatVector,
        sparse: QuestionTerms,
        access_lists: Collection[AccessListId],
        limit: int,
        documents: Collection[DocumentId] | None = None,
    ) -> Rankings:
        """See ``corpus.index.VectorIndex``."""


class Ranker:
    """Hybrid ranking: meaning and words of one engine, fused by their scores, then refined.

    Args:
        index: Where candidates are found.
        embedder: Must be the one the index was made with.
        bm25: The encoder the index was made with.
        word_vectors: None leaves closeness word by word out.
        weights: The share of each ingredient.
    """

    def __init__(
        self,
        *,
        index: Searched,
        embedder: Embedder,
        bm25: Bm25Encoder,
        word_vectors: WordVectors | None = None,
        weights: Weights = DEFAULT,
    ) -> None:
        self._index = index
        self._embedder = embedder
        self._bm25 = bm25
        self._word_vectors = word_vectors
        self._weights = weights

    def rank(
        self,
        question: str,
        *,
        access_lists: Collection[AccessListId],
        watch: Watch | None = None,
        documents: Collection[DocumentId] | None = None,
    ) -> list[Ranked]:
        """Return the candidates, best first; none without an access list.

        Args:
            question: In the asker's words.
            access_lists: The lists that admit the asker.
            watch: Told how long each step took.
            documents: Those to rank within; None for all.
        """
        if not access_lists:
            return []
        watch = watch or Watch()
        with watch.timed("embed"):
            readable = question[:MAXIMUM_CHARACTERS].encode("utf-8", "replace").decode("utf-8")
            dense = self._embedder.embed_question(readable)
            terms = self._bm25.encode_question(readable)
        with watch.timed("search"):
            rankings = self._index.rankings(
                dense=dense,
                sparse=terms,
                access_lists=access_lists,
                limit=DEPTH,
                documents=documents,
            )
            anywhere = self._weights.document and documents is None
            named = _named(rankings.documents) if anywhere else {}
            within = Rankings([], [])
            if named and max(named.values()) >= NAMED_SURELY:
                within = self._index.rankings(
                    dense=dense,
                    sparse=terms,
                    access_lists=access_lists,
                    limit=DEPTH,
                    documents=_best_named(named),
                )
        with watch.timed("fuse"):
            pool = _Pool.of(rankings, within, named, self._weights)
        with watch.timed("closeness"):
            close = self._closeness(terms.words, pool)
        with watch.timed("refine"):
            return self._refined(pool, close)

    def _closeness(self, words: Sequence[str], pool: "_Pool") -> dict[str, float]:
        if self._word_vectors is None or not self._weights.closeness or not words:
            return {}
        chunk_ids = best_first(pool.lifted)[:COMPARED_BY_WORD]
        texts = [pool.facts[key].words.split() for key in chunk_ids]
        values = closeness(words, texts, vectors=self._word_vectors)
        return dict(zip(chunk_ids, values, strict=True))

    def _refined(self, pool: "_Pool", close: Mapping[str, float]) -> list[Ranked]:
        weights = self._weights
        scores = min_max(pool.scores)
        if close:
            scaled = min_max(close)
            scores = {
                key: (1 - weights.closeness) * score + weights.closeness * scaled.get(key, 0.0)
                for key, score in scores.items()
            }
        for key in scores:
            scores[key] += weights.document * pool.document_of(key)
        gained = _gained(scores, pool.facts, weights.reference) if weights.reference else {}
        for key, gain in gained.items():
            scores[key] += gain
        repeated = _repeated(scores, pool.facts) if weights.repetition else set()
        for key in repeated:
            scores[key] *= 1 - weights.repetition
        final = min_max(scores)
        return [
            Ranked(
                ChunkId(key),
                final[key],
                Found(
                    dense_rank=pool.dense_ranks.get(key),
                    dense_score=pool.dense.get(key),
                    words_rank=pool.sparse_ranks.get(key),
                    words_score=pool.sparse.get(key),
                    closeness=close.get(key),
                    document=pool.document_of(key),
                    reference=gained.get(key, 0.0),
                    repeats=key in repeated,
                ),
            )
            for key in best_first(final)
        ]


@dataclass(frozen=True, slots=True)
class _Pool:
    """The candidates of one question, fused for the first time."""

    scores: dict[str, float]
    lifted: dict[str, float]
    facts: dict[str, Facts]
    dense: dict[str, float]
    sparse: dict[str, float]
    dense_ranks: dict[str, int]
    sparse_ranks: dict[str, int]
    named: dict[DocumentId, float]

    @classmethod
    def of(
        cls,
        rankings: Rankings,
        within: Rankings,
        named: dict[DocumentId, float],
        weights: Weights,
    ) -> "_Pool":
        """Fuse what was found everywhere with what was found within the named documents.

        The scales are those of the first ranking, so that a document's name changes no score
        but its own.
        """
        dense, sparse = _scores(rankings.dense), _scores(rankings.sparse)
        scales = scale_of(dense.values()), scale_of(sparse.values())
        facts: dict[str, Facts] = {
            one.chunk_id: one.facts
            for ranking in (within.dense, within.sparse, rankings.dense, rankings.sparse)
            for one in ranking
        }
        fused = weighted_scores(dense, sparse, dense_weight=weights.dense)
        more_dense, more_sparse = _scores(within.dense), _scores(within.sparse)
        further = weighted_scores(
            more_dense,
            more_sparse,
            dense_weight=weights.dense,
            dense_scale=scales[0],
            sparse_scale=scales[1],
        )
        fused = further | fused
        lifted = {
            key: score + weights.document * named.get(facts[key].document_id, 0.0)
            for key, score in fused.items()
        }
        kept = best_first(lifted)[:DEPTH]
        return cls(
            scores={key: fused[key] for key in kept},
            lifted={key: lifted[key] for key in kept},
            facts=facts,
            dense=more_dense | dense,
            sparse=more_sparse | sparse,
            dense_ranks=_ranks(rankings.dense),
            sparse_ranks=_ranks([one for one in rankings.sparse if one.score > 0]),
            named=named,
        )

    def document_of(self, key: str) -> float:
        return self.named.get(self.facts[key].document_id, 0.0)


def _scores(ranking: Sequence[Scored]) -> dict[str, float]:
    return {one.chunk_id: one.score for one in ranking}


def _ranks(ranking: Sequence[Scored]) -> dict[str, int]:
    return {one.chunk_id: rank for rank, one in enumerate(ranking[:DEPTH], start=1)}


def _named(found: Sequence[Scored]) -> dict[DocumentId, float]:
    """Return how well the question names each document, 0 to 1.

    A name of common terms counts for little even where it is the best there is.
    """
    best = max((one.score for one in found), default=0.0)
    if best <= 0:
        return {}
    strength = best**2 / (best**2 + NAMING_STRENGTH**2)
    return {one.facts.document_id: one.score / best * strength for one in found}


def _best_named(named: Mapping[DocumentId, float]) -> list[DocumentId]:
    floor = NAMED_SHARE * max(named.values())
    ordered = sorted(named, key=lambda document_id: (-named[document_id], document_id))
    return [document_id for document_id in ordered if named[document_id] >= floor][:MOST_NAMED]


def _gained(
    scores: Mapping[str, float], facts: Mapping[str, Facts], share: float
) -> dict[str, float]:
    """Return what candidates gain from the best passages along references, both ways."""
    links: defaultdict[DocumentId, dict[str, _Links]] = defaultdict(dict)
    for key in scores:
        if facts[key].labels or facts[key].references:
            links[facts[key].document_id][key] = _Links.of(facts[key])
    gained: dict[str, float] = {}
    for best in best_first(scores)[:REFERRING]:
        beside = links.get(facts[best].document_id, {})
        own = beside.get(best)
        if own is None:
            continue
        gain = share * max(scores[best], 0.0)
        for key, other in beside.items():
            if key != best and (own.refer_to(other) or other.refer_to(own)):
                gained[key] = max(gained.get(key, 0.0), gain)
    return gained


@dataclass(frozen=True, slots=True)
class _Links:
    """The sections a chunk is and refers to, each with those around it."""

    labels: frozenset[str]
    around_labels: frozenset[str]
    references: frozenset[str]
    around_references: frozenset[str]

    @classmethod
    def of(cls, facts: Facts) -> "_Links":
        # A number without parts ("Part 2") is as often that of a form or of a list.
        references = [number for number in facts.references if "." in number]
        return cls(
            labels=frozenset(facts.labels),
            around_labels=sections_around(facts.labels),
            references=frozenset(references),
            around_references=sections_around(references, widest=2),
        )

    def refer_to(self, other: "_Links") -> bool:
        """Say whether a reference means a section of the other, one in it or one around it."""
        return not (
            self.references.isdisjoint(other.around_labels)
            and self.around_references.isdisjoint(other.labels)
        )


def _repeated(scores: Mapping[str, float], facts: Mapping[str, Facts]) -> set[str]:
    """Return the candidates that say what two better ones say already, word for word or nearly."""
    repeated: set[str] = set()
    kept: list[frozenset[str]] = []
    for key in best_first(scores)[:COMPARED]:
        words = frozenset(facts[key].words.split())
        if len(words) < FEWEST_WORDS:
            continue
        alike = sum(_same(words, other) for other in kept)
        if alike >= COPIES:
            repeated.add(key)
        kept.append(words)
    return repeated


def _same(words: frozenset[str], other: frozenset[str]) -> bool:
    fewer, more = sorted((len(words), len(other)))
    if fewer < SAME_WORDS * more:
        return False
    shared = len(words & other)
    return shared >= SAME_WORDS * (fewer + more - shared)
