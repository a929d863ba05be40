"""The prompt: the same beginning for the same passages, the question last."""

from rag.prompting import MAXIMUM_CHARACTERS, build_messages, passages_for_prompt
from tests.rag.conftest import Passages


def test_the_question_comes_last_so_that_the_passages_stay_in_the_prefix_cache(
    passages: Passages,
) -> None:
    chunks = passages("Leave is 27 days.", "Mileage is 45 pence.")

    first, second = (build_messages(question, chunks) for question in ("Leave?", "Mileage?"))

    assert first[0] == second[0]
    before = first[1]["content"].removesuffix("Question: Leave?\nAnswer:")
    assert second[1]["content"].startswith(before)


def test_a_passage_is_named_by_title_and_heading(passages: Passages) -> None:
    chunks = passages.under(("4 Meals",), "The limit is £32.", title="Expenses Policy 2025")

    prompt = build_messages("Limit?", chunks)[1]["content"]

    assert "[1] Expenses Policy 2025 \u203a 4 Meals\nThe limit is £32." in prompt


def test_passages_are_taken_whole_until_the_window_is_full(passages: Passages) -> None:
    chunks = passages("a" * (MAXIMUM_CHARACTERS - 10), "b" * 20, "c")

    assert passages_for_prompt(chunks) == chunks[:1]


def test_one_passage_too_long_for_the_window_is_still_read(passages: Passages) -> None:
    chunks = passages("a" * (MAXIMUM_CHARACTERS + 1))

    assert passages_for_prompt(chunks) == chunks
