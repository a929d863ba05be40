"""Sparse vectors of words for BM25, made in process and without any download."""

import qdrant_edge

from corpus.vectors import SparseVector


class Bm25Encoder:
    """Turn texts and questions into term weights: English stemming and stop words.

    Weights of a text carry term frequency and length; the inverse document frequency is
    the index's part.
    """

    def __init__(self) -> None:
        self._model = qdrant_edge.Bm25()

    def encode_text(self, text: str) -> SparseVector:
        """Return the weights of a stored text; empty when it holds no term."""
        return _sparse(self._model.embed_document(text))

    def encode_question(self, text: str) -> SparseVector:
        """Return the terms of a question, each with weight 1; empty when it holds none."""
        return _sparse(self._model.embed_query(text))


def _sparse(vector: qdrant_edge.SparseVector) -> SparseVector:
    return SparseVector(tuple(vector.indices), tuple(vector.values))
