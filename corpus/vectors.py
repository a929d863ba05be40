"""The vectors that embedding makes and the index searches."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatVector: TypeAlias = NDArray[np.float32]
"""float32[dimension]."""

FloatMatrix: TypeAlias = NDArray[np.float32]
"""float32[rows, dimension]."""


@dataclass(frozen=True, slots=True)
class SparseVector:
    """Weights of the terms a text holds.

    Attributes:
        indices: Term hashes, each once.
        values: The weight of each, in the same order.
    """

    indices: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Terms:
    """What the word index holds of a chunk.

    Attributes:
        weights: Of its terms.
        names: Terms that name its document, on the first chunk of a version; empty on others.
        words: The words that carry meaning, each once.
        labels: Numbers of the sections it is or begins, in one form.
        references: Numbers of the sections it refers to, in the same form.
    """

    weights: SparseVector
    names: SparseVector
    words: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QuestionTerms:
    """A question as the word index is asked.

    Attributes:
        weights: Of its terms.
        names: Terms that may name a document.
        words: The words that carry meaning, each once.
    """

    weights: SparseVector
    names: SparseVector
    words: tuple[str, ...] = ()
