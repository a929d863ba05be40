"""Fuse two rankings into one by their scores."""

from collections.abc import Mapping

DENSE_WEIGHT = 0.4
"""Share of the dense score. 0.4 : 0.6 with min-max scaling gave Recall@10 0.7915 on the ObliQA
development questions, against 0.7752 for reciprocal rank fusion and 0.7664 for BM25 alone."""


def min_max(scores: Mapping[str, float]) -> dict[str, float]:
    """Scale scores so that the best is 1 and the worst 0; all 1 where they are equal."""
    if not scores:
        return {}
    low, high = min(scores.values()), max(scores.values())
    if high == low:
        return dict.fromkeys(scores, 1.0)
    return {key: (score - low) / (high - low) for key, score in scores.items()}


def weighted_scores(
    dense: Mapping[str, float], sparse: Mapping[str, float], *, dense_weight: float = DENSE_WEIGHT
) -> list[tuple[str, float]]:
    """Fuse two rankings by the weighted sum of their min-max scaled scores.

    Args:
        dense: Score of every chunk the dense ranking holds, higher is better.
        sparse: The same of the sparse ranking. A chunk may be missing from either
            and then counts as that ranking's worst.
        dense_weight: Between 0 (sparse alone) and 1 (dense alone).

    Returns:
        Every chunk with its fused score between 0 and 1, best first; ties are ordered by id,
        so that the same question gives the same order.
    """
    scaled_dense, scaled_sparse = min_max(dense), min_max(sparse)
    fused = {
        key: dense_weight * scaled_dense.get(key, 0.0)
        + (1 - dense_weight) * scaled_sparse.get(key, 0.0)
        for key in {**scaled_dense, **scaled_sparse}
    }
    return sorted(fused.items(), key=lambda pair: (-pair[1], pair[0]))
