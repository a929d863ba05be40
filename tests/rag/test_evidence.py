"""Which sentences speak to a question, and whether they suffice."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rag.evidence import Evidence, find_evidence, is_sufficient, passage_match, worth_quoting
from rag.wording import Span, terms
from tests.rag.conftest import Passages

VOCABULARY = ["leav", "day", "carri", "mileag", "pay", "car", "staff", "handbook"]


def embed(texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """Embed by the presence of a few stems: enough to tell one sentence from another."""
    rows = np.array(
        [[1.0 if word in terms(text) else 0.01 for word in VOCABULARY] for text in texts],
        dtype=np.float32,
    )
    unit: npt.NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def evidence(score: float, *, passage: int = 0) -> Evidence:
    return Evidence(passage, Span(0, 1), "text", coverage=0.0, similarity=score)


def test_the_sentence_that_speaks_to_the_question_comes_first(passages: Passages) -> None:
    chunks = passages("Mileage is paid for a car. Five days of leave may be carried over.")

    best = find_evidence("How many days of leave may I carry over?", chunks, embed=embed)[0]

    assert best.text == "Five days of leave may be carried over."


def test_offsets_are_those_of_the_version(passages: Passages) -> None:
    text = "Mileage is paid for a car. Five days of leave may be carried over."

    for found in find_evidence("leave", passages(text), embed=embed):
        assert text[found.span.start - 100 : found.span.end - 100] == found.text


def test_a_heading_line_answers_nothing_itself(passages: Passages) -> None:
    chunks = passages("Annual leave\nFive days may be carried over.")

    texts = [found.text for found in find_evidence("leave", chunks, embed=embed)]

    assert texts == ["Five days may be carried over."]


def test_the_line_that_opens_a_list_lends_its_words_to_the_items(passages: Passages) -> None:
    chunks = passages("Days of leave a year:\nEvery member of staff, 27\nPartners, 30")

    found = find_evidence("How many days of leave?", chunks, embed=embed)

    assert all(each.coverage > 0 for each in found if "27" in each.text)


def test_no_passages_are_no_evidence() -> None:
    assert find_evidence("leave", [], embed=embed) == []
    assert not is_sufficient([])


def test_weak_evidence_does_not_suffice() -> None:
    assert is_sufficient([evidence(0.9)])
    assert not is_sufficient([evidence(0.3)])


def test_only_sentences_nearly_as_good_as_the_best_are_quoted() -> None:
    found = [evidence(0.9), evidence(0.85), evidence(0.3)]

    assert worth_quoting(found) == found[:2]


def test_a_match_stays_between_0_and_1() -> None:
    found = [evidence(5.0, passage=0), evidence(-1.0, passage=1)]

    assert [passage_match(found, number) for number in range(3)] == [1.0, 0.0, 0.0]
