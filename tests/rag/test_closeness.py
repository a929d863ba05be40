"""Closeness word by word, with vectors of words that need no document."""

from collections.abc import Sequence

import numpy as np
import pytest

from corpus.word_vectors import WordVectors
from rag.closeness import closeness

PIECES = np.array([[1, 0, 0], [0.9, 0.436, 0], [0, 0, 1]], dtype=np.float32)
IDS = {"leave": [0], "holiday": [1], "mileage": [2], "leavetaking": [0, 1]}


@pytest.fixture
def vectors() -> WordVectors:
    def piece_ids(words: Sequence[str]) -> list[list[int]]:
        return [IDS.get(word, []) for word in words]

    return WordVectors(PIECES, piece_ids)


def test_another_word_for_the_same_thing_comes_close(vectors: WordVectors) -> None:
    same, alike, other = closeness(
        ["leave"], [["leave"], ["mileage", "holiday"], ["mileage"]], vectors=vectors
    )

    assert same == pytest.approx(1.0)
    assert alike == pytest.approx(0.9, abs=0.01)
    assert other == pytest.approx(0.0, abs=0.01)


def test_every_word_of_the_question_counts_once(vectors: WordVectors) -> None:
    (half,) = closeness(["leave", "mileage"], [["leave", "leave"]], vectors=vectors)

    assert half == pytest.approx(0.5)


def test_a_word_of_several_pieces_is_their_sum(vectors: WordVectors) -> None:
    (between,) = closeness(["leavetaking"], [["leave"]], vectors=vectors)

    assert 0.9 < between < 1.0


def test_chunks_and_questions_without_words_are_close_to_nothing(vectors: WordVectors) -> None:
    assert closeness([], [["leave"]], vectors=vectors) == [0.0]
    assert closeness(["leave"], [[], ["leave"]], vectors=vectors) == [0.0, pytest.approx(1.0)]
    assert closeness(["leave"], [], vectors=vectors) == []


def test_a_word_nobody_has_pieces_for_changes_nothing_else(vectors: WordVectors) -> None:
    (found,) = closeness(["leave"], [["\U0001f600", "leave"]], vectors=vectors)

    assert found == pytest.approx(1.0)


def test_the_table_grows_with_the_words(vectors: WordVectors) -> None:
    many = [f"word{number}" for number in range(3_000)]

    places = vectors.places(["leave", *many, "leave"])

    assert len(set(places.tolist())) == 3_001
    assert vectors.vectors(places[-1:])[0] == pytest.approx(PIECES[0])
