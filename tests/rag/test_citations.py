"""Tying a draft to its passages: what is not backed is not shown."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.citations import (
    AGREED,
    LIKELY,
    READ_AGAIN,
    SURE_AGAIN,
    CheckedSentence,
    check_draft,
)
from rag.judging import Pair, Verdict, Weigh
from tests.judge import judge
from tests.rag.conftest import Passages

LEAVE = (
    "Every member of staff has 27 days of annual leave a year. "
    "Up to 5 days may be carried over to the next year. "
    "Leave must not be taken in the last week of March. "
    "Requests are approved by Priya Nair."
)


def check(draft: str, *texts: str) -> CheckedSentence:
    (sentence,) = check_draft(draft, Passages()(*texts))
    return sentence


def test_a_backed_sentence_cites_the_narrowest_span() -> None:
    checked = check("Staff have 27 days of annual leave a year.", LEAVE)

    assert checked.quote is not None
    assert checked.quote.text == "Every member of staff has 27 days of annual leave a year."


def test_a_figure_of_the_next_sentence_is_not_borrowed() -> None:
    text = "Electric cars owned by staff are paid as any car. Company electric cars get 7p a mile."

    assert check("Electric cars owned by staff are paid 7p a mile.", text).quote is None


def test_the_names_of_columns_lend_their_figures_to_rows_alone() -> None:
    chunks = Passages().under(
        (), "Directors cost more.\nDirector | £910", columns="Role | Day rate 2025"
    )

    row, sentence = check_draft("Director in 2025 £910. Directors in 2025 cost more.", chunks)

    assert row.quote is not None
    assert row.quote.text == "Director | £910"
    assert sentence.quote is None


def test_rows_of_a_table_lend_each_other_nothing() -> None:
    rows = "Time limit | 90 days | 60 days\nEvening meal | £25 | £32"

    assert check("The limit for an evening meal is £25.", rows).quote is None


def test_offsets_are_those_of_the_version() -> None:
    checked = check("Requests are approved by Priya Nair.", LEAVE)

    assert checked.quote is not None
    start = checked.quote.span.start - 100
    assert LEAVE[start : checked.quote.span.end - 100] == checked.quote.text


def test_the_documents_own_words_are_known_as_such() -> None:
    assert check("Requests are approved by Priya Nair.", LEAVE).verbatim


MEALS = "The limit for an evening meal is £25."
HOTELS = "A hotel room in London is refunded up to £180 a night."


def test_a_sentence_of_two_clauses_cites_what_supports_each() -> None:
    draft = "The limit for an evening meal is £25, and a hotel room in London is refunded to £180."

    checked = check(draft, MEALS, HOTELS)

    assert [quote.text for quote in checked.quotes] == [MEALS, HOTELS]
    assert [quote.passage for quote in checked.quotes] == [0, 1]
    assert not checked.verbatim


@pytest.mark.parametrize(
    "draft",
    [
        "The limit for an evening meal is £25, and a hotel room in London is refunded to £190.",
        "The limit for an evening meal is £180, and a hotel room in London is refunded to £25.",
        "The limit for an evening meal is £25, and in Paris a hotel room is refunded to £180.",
        "The limit for an evening meal is £25 and is refunded up to £180 a night.",
        "The limit for an evening meal is £25, and it is refunded up to £180 a night.",
        "The limit for an evening meal is £25 unless a hotel room in London is refunded to £180.",
        "If a hotel room in London is refunded to £180, the limit for an evening meal is £25.",
        "The limits for an evening meal and a hotel room in London are £25 and £180 respectively.",
    ],
)
def test_clauses_that_do_not_each_stand_alone_are_not_backed_apart(draft: str) -> None:
    assert check(draft, MEALS, HOTELS).quotes == ()


def test_what_the_judge_strikes_does_not_come_back_in_clauses() -> None:
    text = "The limit for an evening meal is £25, and a hotel room is refunded up to £180 a night."
    draft = "The limit for an evening meal is £25, and a hotel room is refunded to £180 a night."

    def contradicted(pairs: Sequence[Pair]) -> list[Verdict]:
        return [Verdict(0.0, float(claim == draft), float(claim != draft)) for claim, _, _ in pairs]

    (checked,) = check_draft(draft, Passages()(text), contradicted)

    assert checked.quotes == ()


@pytest.mark.parametrize(
    "draft",
    [
        "Staff have 28 days of annual leave a year.",
        "Staff have twenty-eight days of annual leave a year.",
        "Requests are approved by Martin Vale.",
        "Leave must be taken in the last week of March.",
        "Up to 5 days may not be carried over to the next year.",
        "Up to 5 days must be carried over to the next year.",
        "Pets are welcome in the office on Fridays.",
    ],
)
def test_what_the_passages_do_not_say_is_struck(draft: str) -> None:
    assert check(draft, LEAVE).quote is None


def test_a_heading_lends_its_words_to_the_sentence_below_it(passages: Passages) -> None:
    chunks = passages.under(("Sickness absence",), "A certificate is needed after 7 days.")

    (checked,) = check_draft("In sickness absence a certificate is needed after 7 days.", chunks)

    assert checked.quote is not None


def test_a_heading_alone_backs_nothing(passages: Passages) -> None:
    chunks = passages.under(("Sickness absence certificate",), "This section is being written.")

    (checked,) = check_draft("A sickness absence certificate.", chunks)

    assert checked.quote is None


def test_an_empty_draft_has_no_sentences() -> None:
    assert check_draft("", Passages()(LEAVE)) == []


@given(st.integers(0, 999))
def test_another_number_never_passes(number: int) -> None:
    checked = check(f"Every member of staff has {number} days of annual leave a year.", LEAVE)

    assert (checked.quote is not None) == (number in {5, 27} and number == 27)


@given(st.text(max_size=200))
def test_whatever_is_cited_really_stands_in_the_passage(draft: str) -> None:
    for checked in check_draft(draft, Passages()(LEAVE)):
        if checked.quote is not None:
            assert checked.quote.text in LEAVE


def judge_of(**likely: float) -> Weigh:
    verdict = Verdict(
        likely.get("bears_out", 0.0), likely.get("contradicts", 0.0), likely.get("silent", 0.0)
    )
    return lambda pairs: [verdict] * len(pairs)


def test_what_a_sure_judge_finds_borne_out_is_backed_in_other_words() -> None:
    (checked,) = check_draft(
        "Nobody may be away on holiday at the end of March.",
        Passages()(LEAVE),
        judge_of(bears_out=0.97),
        may_back=True,
    )

    assert checked.quote is not None
    assert checked.quote.text in LEAVE
    assert not checked.verbatim


def test_unless_it_may_back_a_judge_only_strikes() -> None:
    (checked,) = check_draft(
        "Nobody may be away on holiday at the end of March.",
        Passages()(LEAVE),
        judge_of(bears_out=0.97),
    )

    assert checked.quote is None


def test_an_unsure_judge_backs_nothing() -> None:
    (checked,) = check_draft(
        "Nobody may be away on holiday at the end of March.",
        Passages()(LEAVE),
        judge_of(bears_out=0.7),
        may_back=True,
    )

    assert checked.quote is None


@pytest.mark.parametrize(
    "draft", ["People get 28 days off.", "Priya Nair signs for holidays in Leeds, says Tom Visser."]
)
def test_no_judge_lends_a_figure_or_a_name(draft: str) -> None:
    (checked,) = check_draft(draft, Passages()(LEAVE), judge_of(bears_out=0.99), may_back=True)

    assert checked.quote is None


def test_what_the_judge_finds_contradicted_is_struck() -> None:
    (checked,) = check_draft(
        "Staff have 27 days of annual leave a year.", Passages()(LEAVE), judge_of(contradicts=0.9)
    )

    assert checked.quote is None


def test_the_documents_own_words_need_no_judge() -> None:
    (checked,) = check_draft(
        "Requests are approved by Priya Nair.", Passages()(LEAVE), judge_of(contradicts=0.9)
    )

    assert checked.verbatim


SWAPPED = [
    ("The tenant pays the landlord a deposit.", "The landlord pays the tenant a deposit."),
    (
        "Partners approve the expenses of associates.",
        "Associates approve the expenses of partners.",
    ),
    (
        "Complaints go to the manager before the director.",
        "Complaints go to the director before the manager.",
    ),
    (
        "A director supervises each trainee for two years.",
        "A trainee supervises each director for two years.",
    ),
]


TURNED = "In the last week of March leave must not be taken."
"""Every word of a sentence of LEAVE, in another order."""


def test_words_in_another_order_are_backed_where_the_judge_agrees() -> None:
    (alone,) = check_draft(TURNED, Passages()(LEAVE))
    (agreed,) = check_draft(TURNED, Passages()(LEAVE), judge_of(bears_out=AGREED))
    (doubted,) = check_draft(TURNED, Passages()(LEAVE), judge_of(bears_out=AGREED - 0.01))

    assert alone.quote is None
    assert agreed.quote is not None
    assert agreed.quote.text == "Leave must not be taken in the last week of March."
    assert doubted.quote is None


@pytest.mark.parametrize(
    "draft",
    [
        "In the first week of May holidays must not be taken.",
        "In the last week of March leave may not be taken.",
        "In the last week of March all leave must not be taken.",
        "In the last week of March 2024 leave must not be taken.",
        "Yes.",
    ],
)
def test_a_judge_that_agrees_to_everything_backs_no_other_words(draft: str) -> None:
    (checked,) = check_draft(draft, Passages()(LEAVE), judge_of(bears_out=1.0))

    assert checked.quote is None


def test_two_figures_that_are_swapped_are_backed_by_nothing_whoever_agrees() -> None:
    passage = (
        "During the year the dispatch team in Leith recorded 118 late parcels, returned 6 of them "
        "to their senders and lost 3 on the way to the islands."
    )
    swapped = passage.replace("returned 6", "returned 3").replace("lost 3", "lost 6")
    sure = judge_of(bears_out=1.0)

    (checked,) = check_draft(swapped, Passages()(passage), sure, weigh_again=sure)

    assert check(passage, passage).verbatim
    assert checked.quote is None


IN_OTHER_WORDS = "Nobody may be away on holiday at the end of March."


def test_what_both_judges_find_borne_out_is_backed_in_other_words() -> None:
    def backed(first: float, larger: float) -> CheckedSentence:
        (checked,) = check_draft(
            IN_OTHER_WORDS,
            Passages()(LEAVE),
            judge_of(bears_out=first),
            weigh_again=judge_of(bears_out=larger),
        )
        return checked

    assert (found := backed(LIKELY, SURE_AGAIN)).quote is not None
    assert found.quote.text in LEAVE
    assert not found.verbatim
    assert backed(LIKELY, SURE_AGAIN - 0.01).quote is None
    assert backed(LIKELY - 0.01, SURE_AGAIN).quote is None


def test_the_larger_judge_reads_few_spans_and_none_where_words_suffice() -> None:
    read: list[int] = []
    likely = judge_of(bears_out=LIKELY)

    def larger(pairs: Sequence[Pair]) -> list[Verdict]:
        read.append(len(pairs))
        return [Verdict(0.0, 0.0, 1.0)] * len(pairs)

    free = "Somebody signs for holidays."
    check_draft(free, Passages()(LEAVE, LEAVE), likely, weigh_again=larger)
    assert read == [READ_AGAIN]

    approved = "Requests are approved by Priya Nair."
    check_draft(approved, Passages()(LEAVE), likely, weigh_again=larger)
    assert read == [READ_AGAIN]


@pytest.mark.parametrize(
    "draft", ["People get 28 days off.", "Priya Nair signs for holidays in Leeds, says Tom Visser."]
)
def test_two_judges_lend_no_figure_or_name_either(draft: str) -> None:
    sure = judge_of(bears_out=1.0)

    (checked,) = check_draft(draft, Passages()(LEAVE), sure, weigh_again=sure)

    assert checked.quote is None


@pytest.mark.parametrize(("passage", "draft"), SWAPPED)
def test_the_judge_does_not_agree_to_roles_that_are_swapped(passage: str, draft: str) -> None:
    (checked,) = check_draft(draft, Passages()(passage), judge().weigh)

    assert checked.quote is None
