"""The measures of retrieval, held to what a person counts by hand."""

import math

import pytest

from rag.measures import (
    Evidence,
    Locator,
    Retrieved,
    differences,
    figures,
    measured,
    measured_in_files,
)


def test_the_library_counts_as_one_does_by_hand() -> None:
    relevant = {"q1": {"a": 1, "b": 1, "c": 1}, "q2": {"z": 1}, "q3": {"m": 1}}
    found = {
        "q1": {"a": 0.9, "x": 0.8, "b": 0.7, "y": 0.6},
        "q2": {"x": 0.9, "z": 0.5},
        "q3": {},
    }

    values = measured(relevant, found)

    assert values["Recall@10"] == pytest.approx({"q1": 2 / 3, "q2": 1.0, "q3": 0.0})
    assert values["Recall@5"] == values["Recall@10"] == values["Recall@50"]
    assert values["MAP@10"] == pytest.approx({"q1": (1 + 2 / 3) / 3, "q2": 1 / 2, "q3": 0.0})
    assert values["MRR@10"] == pytest.approx({"q1": 1.0, "q2": 0.5, "q3": 0.0})
    ideal = 1 + 1 / math.log2(3) + 1 / math.log2(4)
    assert values["nDCG@10"] == pytest.approx(
        {"q1": (1 + 1 / math.log2(4)) / ideal, "q2": 1 / math.log2(3), "q3": 0.0}
    )
    assert values["All@10"] == {"q1": 0.0, "q2": 1.0, "q3": 0.0}


def test_a_question_nothing_is_relevant_to_is_not_counted() -> None:
    values = measured({"q1": {"a": 0}, "q2": {"b": 1}}, {"q1": {"a": 1.0}, "q2": {"b": 1.0}})

    assert values["Recall@10"] == {"q2": 1.0}


def test_documents_pages_and_characters_are_counted() -> None:
    evidence = {"q": [Evidence("a.pdf", 3, (100, 200)), Evidence("b.pdf", 0, (0, 50))]}
    found = {
        "q": [
            Retrieved("c.pdf", 3, 100, 300),
            Retrieved("a.pdf", 3, 150, 250),
            Retrieved("a.pdf", 2, 0, 100),
        ]
    }

    values = measured_in_files(evidence, found, depths=(1, 5), span_depths=(2, 5))

    assert values["DocRec@1"] == {"q": 0.0}
    assert values["DocRec@5"] == {"q": 0.5}
    assert values["PageRec@5"] == {"q": 0.5}
    assert values["CharPrec@2"] == {"q": 50 / 300}
    assert values["CharRec@2"] == {"q": 50 / 150}
    assert values["Covered@5"] == {"q": 0.0}


def test_an_interval_holds_the_mean_and_narrows_with_questions() -> None:
    few = figures({"m": {str(number): number % 2 for number in range(10)}})["m"]
    many = figures({"m": {str(number): number % 2 for number in range(1_000)}})["m"]

    assert few.low < few.mean < few.high
    assert many.high - many.low < few.high - few.low
    assert many.questions == 1_000


def test_two_runs_are_compared_question_by_question() -> None:
    one = {"m": {"a": 1.0, "b": 0.5, "only": 1.0}}
    other = {"m": {"a": 0.5, "b": 0.0}}

    change = differences(one, other)["m"]

    assert (change.low, change.mean, change.high) == (0.5, 0.5, 0.5)


def test_a_quote_is_found_whatever_its_spaces_and_marks() -> None:
    text = "Intro. The term\n  is \u201cfive years\u201d; later: the term is five years."
    locator = Locator(text)

    first = locator.find('The term is "five years"')
    last = locator.find("the term is five years", near=1.0)

    assert first is not None
    assert last is not None
    assert text[slice(*first)] == "The term\n  is \u201cfive years"
    assert text[slice(*last)] == "the term is five years"
    assert locator.find("ten years") is None
    assert locator.find("...") is None
