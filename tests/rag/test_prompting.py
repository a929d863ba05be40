"""The prompt: the same beginning for the same passages, the question last."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.access import AuthorizedChunk, Gate
from corpus.documents import VersionId
from rag.prompting import (
    PromptPassage,
    StableOrder,
    build_messages,
    passages_for_prompt,
    roughly,
)
from tests.rag.conftest import READER, Passages


def test_the_question_comes_last_so_that_the_passages_stay_in_the_prefix_cache(
    passages: Passages,
) -> None:
    chunks = passages("Leave is 27 days.", "Mileage is 45 pence.")

    first, second = (
        build_messages(question, passages_for_prompt(chunks)) for question in ("Leave?", "Mileage?")
    )

    assert first[0] == second[0]
    before = first[1]["content"].removesuffix("Question: Leave?\nAnswer:")
    assert second[1]["content"].startswith(before)


def test_a_passage_is_named_by_title_and_heading(passages: Passages) -> None:
    chunks = passages.under(("4 Meals",), "The limit is £32.", title="Expenses Policy 2025")

    prompt = build_messages("Limit?", passages_for_prompt(chunks))[1]["content"]

    assert "[1] Expenses Policy 2025 \u203a 4 Meals\nThe limit is £32." in prompt


def texts(chosen: list[PromptPassage]) -> list[str]:
    return [chunk.found.text for passage in chosen for chunk in passage.chunks]


def test_passages_are_taken_whole_best_first_while_they_fit(passages: Passages) -> None:
    chunks = passages("a " * 60, "b " * 200, "c")

    chosen = passages_for_prompt(chunks, room=148, count=lambda text: len(text) // 2)

    assert texts(chosen) == ["a " * 60, "c"]


def test_the_best_passage_is_cut_at_a_sentence_where_it_alone_is_too_long(
    passages: Passages,
) -> None:
    chunks = passages("One is one. Two is two. Three is three.")

    chosen = passages_for_prompt(chunks, room=46, count=lambda text: len(text.split()) * 2)

    assert chosen[0].text.endswith("One is one. Two is two.")


def test_nothing_is_given_where_not_even_a_sentence_fits(passages: Passages) -> None:
    assert passages_for_prompt(passages("a " * 60), room=10) == []


def test_neighbours_are_one_passage_in_the_order_of_the_document(passages: Passages) -> None:
    first, second, third = passages("First.", "Second.", "Third.")

    chosen = passages_for_prompt(one_version([third, first, second]))

    assert texts(chosen) == ["First.", "Second.", "Third."]
    assert [passage.places for passage in chosen] == [(1, 2, 0)]
    assert chosen[0].text.count("Staff Handbook") == 1


def test_what_no_model_may_see_stays_out(passages: Passages) -> None:
    chunks = passages("Open.", "Quoted only.")

    assert texts(passages_for_prompt(chunks, leave_out=frozenset({1}))) == ["Open."]


def test_the_same_passages_come_to_a_reader_in_the_same_order_whatever_their_rank(
    passages: Passages,
) -> None:
    one, two = passages("One.", "Two.")
    order = StableOrder()
    orders = [
        order.arrange(passages_for_prompt(chunks), "ada") for chunks in ([one, two], [two, one])
    ]

    assert texts(orders[0]) == texts(orders[1]) == ["One.", "Two."]


def test_a_question_begins_with_the_passages_it_shares_with_one_before(passages: Passages) -> None:
    one, two, three, four = passages("One.", "Two.", "Three.", "Four.")
    order = StableOrder()
    order.arrange(passages_for_prompt([two, three, four]), "ada")
    order.arrange(passages_for_prompt([two, one]), "ada")

    arranged = order.arrange(passages_for_prompt([one, three, two]), "ada")

    assert texts(arranged) == ["Two.", "Three.", "One."]


def test_what_others_asked_orders_nothing(passages: Passages) -> None:
    one, two = passages("One.", "Two.")
    order = StableOrder()
    order.arrange(passages_for_prompt([two, one]), "ben")

    assert texts(order.arrange(passages_for_prompt([one, two]), "ada")) == ["One.", "Two."]


def test_an_estimate_of_tokens_is_rather_too_large() -> None:
    assert roughly("The notice period is three months.") >= 8


@settings(deadline=None)
@given(
    sizes=st.lists(st.integers(1, 400), min_size=1, max_size=12),
    room=st.integers(0, 900),
)
def test_a_prompt_never_outgrows_its_room(sizes: list[int], room: int) -> None:
    chunks = Passages()(*("word " * size for size in sizes))

    chosen = passages_for_prompt(chunks, room=room)

    assert sum(roughly(passage.text) for passage in chosen) <= room


def one_version(chunks: list[AuthorizedChunk]) -> list[AuthorizedChunk]:
    """Make them chunks of one version, through a gate that admits everything."""
    gate = Gate(admitting_lists=lambda _: (), readable_versions=lambda _, ids: ids)
    same = [replace(chunk.found, version_id=VersionId("v")) for chunk in chunks]
    return gate.authorize(READER, same)
