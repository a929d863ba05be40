"""Vectors of chunks and the searches over them, on an embedded engine or a server."""

from pathlib import Path

from corpus.index.bm25 import Bm25Encoder
from corpus.index.edge import EdgeIndex
from corpus.index.port import BATCH_POINTS, Point, Rankings, Scored, VectorIndex
from corpus.vectors import FloatMatrix, FloatVector, SparseVector

__all__ = [
    "BATCH_POINTS",
    "Bm25Encoder",
    "FloatMatrix",
    "FloatVector",
    "Point",
    "Rankings",
    "Scored",
    "SparseVector",
    "VectorIndex",
    "open_index",
]


def open_index(
    *, folder: Path, url: str, api_key: str, dimension: int, fingerprint: str
) -> VectorIndex:
    """Open the index, making it when there is none.

    Args:
        folder: Of the embedded index; unused with a server.
        url: Address of a Qdrant server; empty means the embedded index.
        api_key: The server's key, or empty.
        dimension: Length of the dense vectors.
        fingerprint: Of the embedding model.

    Raises:
        IndexUnavailable: Another process owns the folder, or the server does not answer.
        IndexMismatch: The index was built with another embedding model.
    """
    if not url:
        return EdgeIndex(folder=folder, dimension=dimension, fingerprint=fingerprint)
    # qdrant_client takes over a second to import; who runs embedded need not wait for it.
    from corpus.index.server import ServerIndex  # noqa: PLC0415

    return ServerIndex(url=url, api_key=api_key, dimension=dimension, fingerprint=fingerprint)
