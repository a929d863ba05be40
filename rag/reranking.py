"""A cross-encoder of the site's own, which reads question and passage together."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rag.errors import RerankerInvalid

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

RERANKED = 20
"""Candidates that it reads; each takes as long as embedding a passage."""
SHARE = 0.5
"""Of its judgement, beside the ranking's own. Published studies have seen reranking alone do
harm: measure it on your own questions before you keep it."""


class Reranker:
    """Scores candidates anew; may be used from any thread, one question at a time.

    Args:
        folder: A sentence-transformers cross-encoder.

    Raises:
        RerankerInvalid: The folder holds none that can be used.
    """

    def __init__(self, folder: Path) -> None:
        self._model = _load(folder)
        self._lock = threading.Lock()

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        """Return how well each text answers the question, 0 to 1, the best 1 and the worst 0."""
        if not texts:
            return []
        with self._lock:
            raw = self._model.predict(
                [(question, text) for text in texts], show_progress_bar=False, convert_to_numpy=True
            )
        values = np.asarray(raw, dtype=np.float64).reshape(len(texts), -1)[:, -1]
        width = float(values.max() - values.min())
        scaled = (values - values.min()) / width if width > 0 else np.ones_like(values)
        return [float(value) for value in scaled]


def _load(folder: Path) -> "CrossEncoder":
    # Imported here: who has no cross-encoder need not wait seconds for it.
    import sentence_transformers  # noqa: PLC0415

    if not (folder / "config.json").exists():
        raise RerankerInvalid(
            f"{folder} holds no cross-encoder (config.json is missing). Name the folder of a "
            "sentence-transformers cross-encoder in MUNIMENT_RERANKER_FOLDER, or leave it empty."
        )
    try:
        return sentence_transformers.CrossEncoder(str(folder), local_files_only=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise RerankerInvalid(
            f"The cross-encoder in {folder} cannot be loaded: {error}. Name another folder in "
            "MUNIMENT_RERANKER_FOLDER, or leave it empty."
        ) from error
