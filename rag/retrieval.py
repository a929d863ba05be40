"""Find the chunks that may answer a question, among those its asker may read."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from corpus.access import AccessListId, Gate, Principal, UncheckedChunk
from corpus.catalog import Catalog
from corpus.documents import ChunkId, DocumentId
from corpus.embedding import Embedder
from corpus.index import Bm25Encoder, Rankings, VectorIndex
from corpus.vectors import FloatVector, QuestionTerms
from corpus.word_vectors import WordVectors
from rag.fusion import DEFAULT, Weights
from rag.ranking import Found, Ranker, Watch
from rag.reranking import RERANKED, SHARE, Reranker

TOLD_AGAIN: Final = 3
"""How often a search is repeated whose findings had to be told; what is left is left out."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A chunk that retrieval found.

    Attributes:
        chunk: Not yet checked by the gate.
        score: Fused score, 0 to 1 within one question.
        found: What each retriever made of it.
    """

    chunk: UncheckedChunk
    score: float
    found: Found = field(default=Found(), compare=False)


class _Told:
    """The index, told first whatever it found and should not have.

    Between a change of somebody's rights and the moment the index knows, it would find what the
    gate keeps back afterwards, and the scores of the rest would be scaled, and their words
    weighed, by what the asker may not read.
    """

    def __init__(self, index: VectorIndex, catalog: Catalog) -> None:
        self._index = index
        self._catalog = catalog

    def rankings(
        self,
        *,
        dense: FloatVector,
        sparse: QuestionTerms,
        access_lists: Collection[AccessListId],
        limit: int,
        documents: Collection[DocumentId] | None = None,
    ) -> Rankings:
        """See ``VectorIndex``."""
        for _ in range(TOLD_AGAIN):
            found = self._index.rankings(
                dense=dense,
                sparse=sparse,
                access_lists=access_lists,
                limit=limit,
                documents=documents,
            )
            elsewhere = self._catalog.listed_elsewhere(_documents(found), access_lists)
            told = {key: now for key, now in elsewhere.items() if now is not None}
            for document_id, access_list in told.items():
                self._index.set_access_list(document_id, access_list)
                self._catalog.access_indexed(document_id, access_list)
            if not told:
                break
        return Rankings(
            *(
                [one for one in ranking if one.facts.document_id not in elsewhere]
                for ranking in (found.dense, found.sparse, found.documents)
            )
        )


def _documents(found: Rankings) -> set[DocumentId]:
    rankings = (found.dense, found.sparse, found.documents)
    return {one.facts.document_id for ranking in rankings for one in ranking}


class Retriever:
    """Ranks within what the asker may read now, and brings the chunks from the catalog.

    Args:
        catalog: Holds the chunks.
        gate: Says what the asker may read.
        index: Where candidates are found.
        embedder: Must be the one the index was made with.
        bm25: The encoder the index was made with.
        word_vectors: None leaves closeness word by word out.
        reranker: The site's own cross-encoder, if it has one.
        weights: The share of each ingredient; other than usual where the site has adapted them.
    """

    def __init__(
        self,
        *,
        catalog: Catalog,
        gate: Gate,
        index: VectorIndex,
        embedder: Embedder,
        bm25: Bm25Encoder,
        word_vectors: WordVectors | None = None,
        reranker: Reranker | None = None,
        weights: Weights = DEFAULT,
    ) -> None:
        self._catalog = catalog
        self._gate = gate
        self._reranker = reranker
        self._ranker = Ranker(
            index=_Told(index, catalog),
            embedder=embedder,
            bm25=bm25,
            word_vectors=word_vectors,
            weights=weights,
        )

    def retrieve(
        self,
        question: str,
        *,
        visible_to: Principal,
        limit: int,
        watch: Watch | None = None,
        documents: Collection[DocumentId] | None = None,
    ) -> list[Candidate]:
        """Return at most `limit` candidates, best first; empty when the asker may read nothing.

        Args:
            question: In the asker's words.
            visible_to: The asker.
            limit: The most candidates.
            watch: Told how long each step took.
            documents: Those to search; None for all.
        """
        watch = watch or Watch()
        with watch.timed("rights"):
            access_lists = self._gate.lists_for(visible_to)
        ranked = self._ranker.rank(
            question, access_lists=access_lists, watch=watch, documents=documents
        )
        by_id = {one.chunk_id: one for one in ranked}
        with watch.timed("load"):
            chunks = self._loaded(list(by_id), max(limit, RERANKED if self._reranker else 0))
        candidates = [
            Candidate(chunk, by_id[chunk.chunk_id].score, by_id[chunk.chunk_id].found)
            for chunk in chunks
        ]
        return self._reranked(question, candidates)[:limit]

    def _loaded(self, chunk_ids: Sequence[ChunkId], wanted: int) -> list[UncheckedChunk]:
        """Return the first chunks that the catalog still holds as live, as many as are wanted."""
        chunks: list[UncheckedChunk] = []
        for start in range(0, len(chunk_ids), max(wanted, 1)):
            chunks += self._catalog.load_chunks(chunk_ids[start : start + wanted])
            if len(chunks) >= wanted:
                break
        return chunks[:wanted]

    def _reranked(self, question: str, candidates: list[Candidate]) -> list[Candidate]:
        if self._reranker is None:
            return candidates
        some, rest = candidates[:RERANKED], candidates[RERANKED:]
        judged = self._reranker.scores(question, [one.chunk.text for one in some])
        mixed = [
            replace(one, score=(1 - SHARE) * one.score + SHARE * score)
            for one, score in zip(some, judged, strict=True)
        ]
        return [*sorted(mixed, key=lambda one: -one.score), *rest]
