"""Which sentences speak to a question, and whether they suffice."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from rag.evidence import (
    JUDGED,
    LEAST_OPEN,
    MOST_OPEN,
    SUFFICIENT_AGAIN,
    SUFFICIENT_SCORE,
    Evidence,
    EvidenceFinder,
    is_sufficient,
    passage_match,
    worth_quoting,
)
from rag.judging import Pair, Verdict, Weigh
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

    best = EvidenceFinder(embed).find("How many days of leave may I carry over?", chunks)[0]

    assert best.text == "Five days of leave may be carried over."


def test_offsets_are_those_of_the_version(passages: Passages) -> None:
    text = "Mileage is paid for a car. Five days of leave may be carried over."

    for found in EvidenceFinder(embed).find("leave", passages(text)):
        assert text[found.span.start - 100 : found.span.end - 100] == found.text


def test_a_heading_line_answers_nothing_itself(passages: Passages) -> None:
    chunks = passages("Annual leave\nFive days may be carried over.")

    texts = [found.text for found in EvidenceFinder(embed).find("leave", chunks)]

    assert texts == ["Five days may be carried over."]


def test_a_heading_answers_nothing_however_long_it_is(passages: Passages) -> None:
    chunks = passages.under(("8 Days of leave",), "8 Days of leave\nFive days may be carried over.")

    texts = [found.text for found in EvidenceFinder(embed).find("leave", chunks)]

    assert texts == ["Five days may be carried over."]


def test_a_question_in_a_document_answers_nothing_and_tells_what_is_spoken_of(
    passages: Passages,
) -> None:
    chunks = passages("How much leave may staff carry over? At most five days, until March.")

    found = EvidenceFinder(embed).find("How many days of leave may I carry over?", chunks)

    assert [each.text for each in found] == ["At most five days, until March."]
    assert found[0].coverage > 0.5


def test_the_names_of_columns_belong_to_the_rows_of_a_table_alone(passages: Passages) -> None:
    chunks = passages.under(
        ("5 Charges",),
        "Each additional user costs £148 a month.\nDirector | £910",
        columns="Role | Day rate",
    )
    read: list[str] = []

    def weigh(pairs: Sequence[Pair]) -> list[Verdict]:
        read.extend(text for _, text, _ in pairs)
        return [Verdict(0.5, 0.0, 0.5)] * len(pairs)

    EvidenceFinder(embed, weigh).find("What does a director cost a day?", chunks)

    assert sorted(read) == [
        "Staff Handbook. 5 Charges. Each additional user costs £148 a month.",
        "Staff Handbook. 5 Charges. Role | Day rate. Director | £910",
    ]


def test_a_sentence_without_the_number_that_is_asked_for_comes_behind(passages: Passages) -> None:
    chunks = passages("Days of leave may be carried over. Of leave five days may be carried over.")

    found = EvidenceFinder(embed).find("How many days of leave may be carried over?", chunks)

    assert [each.kind for each in found] == [1, -1]
    assert found[0].text.startswith("Of leave five")


def test_a_document_that_names_nobody_who_is_asked_about_speaks_less(passages: Passages) -> None:
    chunks = passages("Mileage is paid for a car.", "A car of the Bristol office may be driven.")

    found = EvidenceFinder(embed).find("May I drive a car in Bristol?", chunks)

    assert {each.passage: each.about_another for each in found} == {0: True, 1: False}
    assert found[0].passage == 1


def test_the_line_that_opens_a_list_lends_its_words_to_the_items(passages: Passages) -> None:
    chunks = passages("Days of leave a year:\nEvery member of staff, 27\nPartners, 30")

    found = EvidenceFinder(embed).find("How many days of leave?", chunks)

    assert all(each.coverage > 0 for each in found if "27" in each.text)


def remembering(embedded: list[str]) -> EvidenceFinder:
    """A finder of which is kept what it has embedded."""

    def remember(texts: Sequence[str]) -> npt.NDArray[np.float32]:
        embedded.extend(texts)
        return embed(texts)

    return EvidenceFinder(remember)


def test_a_passage_is_embedded_once_and_speaks_alike_ever_after(passages: Passages) -> None:
    embedded: list[str] = []
    finder = remembering(embedded)
    chunks = passages("Five days of leave may be carried over.", "Mileage is paid for a car.")
    before = finder.find("Is mileage paid?", chunks[:1])

    again = finder.find("Is mileage paid?", chunks)

    assert len([text for text in embedded if "leave" in text]) == 1
    assert before[0] in again


def test_what_the_judge_finds_to_answer_comes_first(passages: Passages) -> None:
    chunks = passages("Five days of leave may be carried over. Days of leave lapse in March.")

    def weigh(pairs: Sequence[Pair]) -> list[Verdict]:
        return [
            Verdict(0.9, 0.0, 0.1) if "lapse" in text else Verdict(0.1, 0.0, 0.9)
            for _, text, _ in pairs
        ]

    found = EvidenceFinder(embed, weigh).find("When do days of leave end?", chunks)

    assert found[0].text == "Days of leave lapse in March."
    assert found[0].answers == 0.9


def test_the_judge_reads_title_heading_and_sentence_of_the_best_alone(passages: Passages) -> None:
    read: list[Pair] = []

    def weigh(pairs: Sequence[Pair]) -> list[Verdict]:
        read.extend(pairs)
        return [Verdict(0.0, 0.0, 1.0)] * len(pairs)

    days = "".join(f"Day {number} of leave is carried over. " for number in range(10))
    EvidenceFinder(embed, weigh).find("leave", passages.under(("2 Leave", "2.1 Rest"), days))

    assert len(read) == JUDGED
    assert read[0].said == "leave"
    assert read[0].text.startswith("Staff Handbook. 2.1 Rest. Day ")


LEAVE = "Five days of leave may be carried over. Days of leave lapse in March."


def always(bears_out: float) -> Weigh:
    """A judge that finds the same of everything."""
    return lambda pairs: [Verdict(bears_out, 0.0, 1 - bears_out)] * len(pairs)


def test_what_the_first_judge_leaves_open_the_larger_one_decides(passages: Passages) -> None:
    question = "When do days of leave end?"

    def larger(pairs: Sequence[Pair]) -> list[Verdict]:
        return [Verdict(0.9 if "lapse" in text else 0.1, 0.0, 0.1) for _, text, _ in pairs]

    alone = EvidenceFinder(embed, always(0.2)).find(question, passages(LEAVE))
    both = EvidenceFinder(embed, always(0.2), weigh_again=lambda: larger).find(
        question, passages(LEAVE)
    )

    assert not any(one.again for one in alone)
    assert all(one.again for one in both)
    assert (both[0].text, both[0].answers) == ("Days of leave lapse in March.", 0.9)


@pytest.mark.parametrize(("question", "first"), [("days of leave lapse", 1.0), ("mileage", 0.0)])
def test_what_is_clear_to_the_first_judge_the_larger_one_is_not_asked(
    passages: Passages, question: str, first: float
) -> None:
    def larger(pairs: Sequence[Pair]) -> list[Verdict]:
        pytest.fail(f"asked about {pairs}")

    finder = EvidenceFinder(embed, always(first), weigh_again=lambda: larger)

    assert not any(one.again for one in finder.find(question, passages(LEAVE)))


@pytest.mark.parametrize("asked", ["When do days end?", "days of leave", "Tell me when days end."])
def test_whatever_is_asked_is_put_to_the_judges_as_a_question(
    passages: Passages, asked: str
) -> None:
    read: list[Pair] = []

    def weigh(pairs: Sequence[Pair]) -> list[Verdict]:
        read.extend(pairs)
        return [Verdict(0.2, 0.0, 0.8)] * len(pairs)

    EvidenceFinder(embed, weigh, weigh_again=lambda: weigh).find(asked, passages(LEAVE))

    assert {pair.said for pair in read} == {asked}
    assert all(pair.is_question for pair in read)


def test_while_there_is_no_larger_judge_the_first_decides(passages: Passages) -> None:
    finder = EvidenceFinder(embed, always(0.2), weigh_again=lambda: None)

    assert not finder.find("When do days of leave end?", passages(LEAVE))[0].again


def test_what_the_larger_judge_has_read_has_a_threshold_of_its_own() -> None:
    assert LEAST_OPEN < SUFFICIENT_AGAIN < MOST_OPEN
    assert is_sufficient([replace(evidence(SUFFICIENT_AGAIN), again=True)])
    assert not is_sufficient([replace(evidence(SUFFICIENT_AGAIN - 0.01), again=True)])


def test_no_passages_are_no_evidence() -> None:
    assert EvidenceFinder(embed).find("leave", []) == []
    assert not is_sufficient([])


def test_weak_evidence_does_not_suffice() -> None:
    assert is_sufficient([evidence(SUFFICIENT_SCORE)])
    assert not is_sufficient([evidence(SUFFICIENT_SCORE - 0.01)])


def test_only_sentences_nearly_as_good_as_the_best_are_quoted() -> None:
    found = [evidence(0.9), evidence(0.85), evidence(0.3)]

    assert worth_quoting(found) == found[:2]


def test_a_match_stays_between_0_and_1() -> None:
    found = [evidence(5.0, passage=0), evidence(-1.0, passage=1)]

    assert [passage_match(found, number) for number in range(3)] == [1.0, 0.0, 0.0]


def test_what_was_read_ahead_is_not_embedded_when_it_is_asked_about(passages: Passages) -> None:
    embedded: list[str] = []
    finder = remembering(embedded)
    chunks = passages("Five days of leave may be carried over.", "Mileage is paid for a car.")
    finder.read_ahead([each.found for each in chunks])
    embedded.clear()

    finder.find("Is mileage paid?", chunks)
    finder.forget([chunks[0].found.chunk_id])
    finder.find("Is leave paid?", chunks)

    assert [text for text in embedded if not text.endswith("?")] == [
        "Staff Handbook: Five days of leave may be carried over."
    ]
