"""What a question wants of its answer: what it is about, and the kind of thing it asks for."""

import pytest

from rag.wanted import about, fits


def test_a_question_is_about_the_names_and_numbers_in_it() -> None:
    assert about("What did the Growth strategy return in 2023?") == {"growth", "2023"}
    assert about("How long are files kept?") == set()


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("How much is the allowance?", "The allowance is £24."),
        ("How many desks are kept?", "Twelve desks are reserved."),
        ("What fee do I pay for parking?", "Parking is free."),
        ("When is the alarm tested?", "The alarm is tested on Tuesdays at noon."),
        ("How long are files kept?", "Files are kept for six years."),
        ("How often do we review it?", "It is reviewed quarterly."),
        ("Who approves a visit?", "A visit is approved by the director."),
        ("Who is the deputy?", "Her deputy is Tobias Nkemelu."),
    ],
)
def test_a_sentence_that_holds_what_is_asked_for_fits(question: str, sentence: str) -> None:
    assert fits(question, sentence) == 1


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("How much is the allowance?", "An allowance is paid with the salary."),
        ("When is the alarm tested?", "The alarm is tested by the landlord."),
        ("Who approves a visit?", "A visit is approved in writing."),
    ],
)
def test_a_sentence_without_it_does_not(question: str, sentence: str) -> None:
    assert fits(question, sentence) == -1


def test_where_no_such_kind_is_asked_for_nothing_is_said() -> None:
    assert fits("May I take a cab home?", "A cab is paid after nine.") == 0
