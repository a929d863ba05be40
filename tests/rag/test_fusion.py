"""Fusing two rankings by their scores."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.fusion import Scale, best_first, min_max, weighted_scores

SCORES = st.dictionaries(st.text("abcdef", min_size=1, max_size=2), st.floats(-5, 50), max_size=8)


def test_a_chunk_both_rankings_praise_outranks_the_favourite_of_either() -> None:
    dense = {"only-dense": 0.9, "both": 0.88, "worst": 0.1}
    sparse = {"only-sparse": 12.0, "both": 11.5, "worst": 1.0}

    fused = weighted_scores(dense, sparse)

    assert best_first(fused)[0] == "both"


def test_weight_nought_is_the_sparse_ranking_alone() -> None:
    fused = weighted_scores({"a": 1.0, "b": 0.0}, {"b": 3.0, "a": 1.0}, dense_weight=0.0)

    assert fused == {"b": 1.0, "a": 0.0}


def test_equal_scores_all_count_as_best() -> None:
    assert min_max({"a": 3.0, "b": 3.0}) == {"a": 1.0, "b": 1.0}


def test_nothing_fuses_to_nothing() -> None:
    assert not weighted_scores({}, {})


@given(dense=SCORES, sparse=SCORES)
def test_every_chunk_is_kept_once_and_scored_between_0_and_1(
    dense: dict[str, float], sparse: dict[str, float]
) -> None:
    fused = weighted_scores(dense, sparse)

    assert set(fused) == set(dense) | set(sparse)
    assert all(-1e-9 <= score <= 1 + 1e-9 for score in fused.values())
    scores = [fused[key] for key in best_first(fused)]
    assert scores == sorted(scores, reverse=True)


def test_scores_beyond_a_scale_go_on_in_a_straight_line() -> None:
    scale = Scale(low=10.0, high=20.0)

    assert (scale.scaled(5.0), scale.scaled(15.0), scale.scaled(25.0)) == (-0.5, 0.5, 1.5)


def test_equal_scores_are_ordered_by_their_key() -> None:
    assert best_first({"b": 1.0, "a": 1.0, "c": 2.0}) == ["c", "a", "b"]


@given(scores=SCORES, factor=st.floats(0.1, 10), shift=st.floats(-5, 5))
def test_scaling_a_ranking_changes_nothing(
    scores: dict[str, float], factor: float, shift: float
) -> None:
    moved = {key: score * factor + shift for key, score in scores.items()}
    if len(set(moved.values())) != len(set(scores.values())):
        return

    assert min_max(moved) == pytest.approx(min_max(scores), abs=1e-4)
