"""Follow-up questions are read together with what they are about."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.following import points_back, stand_alone

FIRST = "How long is sick pay paid in full?"


@pytest.mark.parametrize(
    "question",
    [
        "And after that?",
        "Who approves it?",
        "What about part-time staff?",
        "Why?",
        "Does the same go for directors and partners of the firm?",
        "When do they have to report their absence by telephone?",
    ],
)
def test_a_question_that_points_back_is_asked_together_with_what_it_is_about(
    question: str,
) -> None:
    assert stand_alone(question, [FIRST]) == f"How long is sick pay paid in full: {question}"


@pytest.mark.parametrize(
    "question",
    [
        "How much notice does a director of the firm get?",
        "Is there a limit for hospitality from suppliers?",
        "Who is one of the fire wardens of Building B?",
        "Which documents must accompany a claim above the limit?",
    ],
)
def test_a_question_that_stands_alone_is_left_as_it_is(question: str) -> None:
    assert stand_alone(question, [FIRST]) == question


def test_a_chain_of_follow_ups_leads_back_to_the_question_that_stood_alone() -> None:
    asked = [FIRST, "And after that?", "Who approves it?"]

    assert stand_alone("Why?", asked) == "How long is sick pay paid in full: Why?"


def test_a_new_subject_becomes_what_the_next_follow_up_is_about() -> None:
    asked = [FIRST, "Who approves it?", "What is the minimum length of a password?"]

    assert stand_alone("And for administrators?", asked).startswith("What is the minimum length")


def test_without_anything_before_it_a_follow_up_is_left_as_it_is() -> None:
    assert stand_alone("And after that?", []) == "And after that?"
    assert stand_alone("And after that?", ["Why?", "Who?"]) == "And after that?"


@given(st.text(max_size=300), st.lists(st.text(max_size=100), max_size=4))
def test_whatever_is_asked_the_question_itself_is_never_lost(
    question: str, earlier: list[str]
) -> None:
    assert question.strip() in stand_alone(question, earlier)
    assert points_back(question) in {True, False}
