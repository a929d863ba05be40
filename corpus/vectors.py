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
