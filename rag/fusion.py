"""Fuse what the retrievers found into one ranking by their scores."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Weights:
    """The share of each ingredient; what chose them is in `docs/quality.md`.

    Attributes:
        dense: Of meaning, beside words, in the first ranking.
        closeness: Of closeness word by word, in the score of what the first ranking found.
        document: Added in full to the chunks of the document that a question names best.
        reference: Part of a passage's score that what it refers to gains, and what refers to it.
        repetition: Part of its score that a passage loses that says what better ones say.
    """

    dense: float = 0.4
    closeness: float = 0.2
    document: float = 1.3
    reference: float = 0.1
    repetition: float = 0.5


DEFAULT = Weights()


@dataclass(frozen=True, slots=True)
class Scale:
    """Where 0 and 1 of a ranking's scaled scores are."""

    low: float
    high: float

    def scaled(self, score: float) -> float:
        """Return a score on this scale; beyond its ends it goes on in a straight line."""
        width = self.high - self.low
        return (score - self.low) / width if width > 0 else 1.0


def scale_of(scores: Iterable[float]) -> Scale:
    """Return the scale on which the best score is 1 and the worst 0; equal ones are all 1."""
    known = list(scores)
    return Scale(min(known), max(known)) if known else Scale(0.0, 0.0)


def min_max(scores: Mapping[str, float]) -> dict[str, float]:
    """Scale scores so that the best is 1 and the worst 0; all 1 where they are equal."""
    scale = scale_of(scores.values())
    return {key: scale.scaled(score) for key, score in scores.items()}


def weighted_scores(
    dense: Mapping[str, float],
    sparse: Mapping[str, float],
    *,
    dense_weight: float = DEFAULT.dense,
    dense_scale: Scale | None = None,
    sparse_scale: Scale | None = None,
) -> dict[str, float]:
    """Fuse two rankings by the weighted sum of their scaled scores.

    Args:
        dense: Score of every chunk the dense ranking holds, higher is better.
        sparse: The same of the sparse ranking. A chunk that is missing from either counts as
            that ranking's worst.
        dense_weight: Between 0 (sparse alone) and 1 (dense alone).
        dense_scale: Of the dense scores; None takes their own best and worst.
        sparse_scale: The same of the sparse scores.

    Returns:
        Every chunk with its fused score; between 0 and 1 on the rankings' own scales.
    """
    keys = {**dense, **sparse}
    fused = dict.fromkeys(keys, 0.0)
    for weight, scores, scale in (
        (dense_weight, dense, dense_scale or scale_of(dense.values())),
        (1 - dense_weight, sparse, sparse_scale or scale_of(sparse.values())),
    ):
        if not scores:
            continue
        worst = scale.scaled(min(scores.values()))
        for key in keys:
            fused[key] += weight * (scale.scaled(scores[key]) if key in scores else worst)
    return fused


def best_first(scores: Mapping[str, float]) -> list[str]:
    """Return the keys, best score first; ties by key, so that one question gives one order."""
    return sorted(scores, key=lambda key: (-scores[key], key))
