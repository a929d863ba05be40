"""Find the chunks that may answer a question, among those its asker may read."""

from dataclasses import dataclass

from corpus.access import Gate, Principal, UncheckedChunk
from corpus.catalog import Catalog
from corpus.documents import ChunkId
from corpus.embedding import Embedder
from corpus.index import Bm25Encoder, VectorIndex
from rag.fusion import weighted_scores

DEPTH = 60
"""Chunks taken from each ranking before fusion."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A chunk that retrieval found.

    Attributes:
        chunk: Not yet checked by the gate.
        score: Fused score, 0 to 1 within one question.
    """

    chunk: UncheckedChunk
    score: float


class Retriever:
    """Hybrid retrieval: dense and BM25 rankings of one engine, fused by their scores."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        gate: Gate,
        index: VectorIndex,
        embedder: Embedder,
        bm25: Bm25Encoder,
    ) -> None:
        self._catalog = catalog
        self._gate = gate
        self._index = index
        self._embedder = embedder
        self._bm25 = bm25

    def retrieve(self, question: str, *, visible_to: Principal, limit: int) -> list[Candidate]:
        """Return at most `limit` candidates, best first; empty when the asker may read nothing."""
        access_lists = self._gate.lists_for(visible_to)
        if not access_lists:
            return []
        rankings = self._index.rankings(
            dense=self._embedder.embed_question(question),
            sparse=self._bm25.encode_question(question),
            access_lists=access_lists,
            limit=DEPTH,
        )
        fused = weighted_scores(
            {scored.chunk_id: scored.score for scored in rankings.dense},
            {scored.chunk_id: scored.score for scored in rankings.sparse},
        )
        # More than asked for: what the catalog no longer holds as live falls out here.
        scores = dict(fused[: limit * 2])
        chunks = self._catalog.load_chunks([ChunkId(key) for key in scores])
        return [Candidate(chunk, scores[chunk.chunk_id]) for chunk in chunks][:limit]
