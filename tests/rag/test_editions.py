"""The later edition speaks first, and disagreement is told."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.access import AuthorizedChunk
from rag.editions import (
    AS_ASKED,
    DIFFER,
    DISAGREE,
    EARLIER,
    Alike,
    edition_of,
    is_named,
    later_edition,
    name_without_date,
    settle,
    told_of_later,
)
from rag.evidence import Evidence
from rag.wording import Span
from tests.rag.conftest import Passages

OLD = "The limit for an evening meal is £28 a day."
NEW = "The limit for an evening meal is £34 a day."


def found(passage: int, text: str, similarity: float = 0.8) -> Evidence:
    return Evidence(passage, Span(100, 100 + len(text)), text, 1.0, similarity)


def two_editions(passages: Passages, old: str, new: str) -> list[AuthorizedChunk]:
    (earlier,) = passages(old, title="Expenses Policy 2023")
    (later,) = passages(new, title="Expenses Policy 2025")
    return [earlier, later]


def unlike(_text: str, others: Sequence[str]) -> list[float]:
    return [0.0 for _ in others]


def matter(*same: str) -> Alike:
    """Return what finds these to speak of the matter, and no others."""
    return lambda _, others: [0.6 if other in same else 0.1 for other in others]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("Expenses Policy 2023", "Expenses Policy 2025"),
        ("Records Retention Standard v2.1", "Records Retention Standard v3.2"),
        ("Records Retention Standard v3.9", "Records Retention Standard v3.10"),
        ("Minutes 3 March 2024", "Minutes 21 November 2024"),
        ("Fee schedule (Issue 4)", "Fee Schedule - Issue 11"),
        ("pay_2024-09", "pay_2024-10"),
    ],
)
def test_editions_are_told_by_their_dates_and_numbers(earlier: str, later: str) -> None:
    one, other = edition_of(earlier, "p/a.pdf"), edition_of(later, "p/b.pdf")

    assert one.is_earlier_than(other)
    assert not other.is_earlier_than(one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Expenses Policy 2023", "Travel Policy 2025"),
        ("Expenses Policy", "Expenses Policy 2025"),
        ("Expenses Policy 2025", "Expenses Policy 2025"),
    ],
)
def test_other_documents_are_no_editions_of_each_other(one: str, other: str) -> None:
    assert not edition_of(one, "p/a.pdf").is_earlier_than(edition_of(other, "p/b.pdf"))


def test_the_same_title_in_another_folder_is_another_document() -> None:
    one = edition_of("Budget 2024", "clients/ash/budget.pdf")
    other = edition_of("Budget 2025", "clients/birch/budget.pdf")

    assert not one.is_earlier_than(other)


def test_where_editions_disagree_both_are_shown_the_later_first(passages: Passages) -> None:
    chunks = two_editions(passages, OLD, NEW)
    evidence = [found(0, OLD, 0.9), found(1, NEW, 0.8)]

    settled = settle(evidence[:1], evidence, chunks, unlike)

    assert [each.text for each in settled.evidence] == [NEW, OLD]
    assert settled.conflict
    assert settled.note == DISAGREE


def test_where_editions_agree_only_the_later_is_quoted(passages: Passages) -> None:
    chunks = two_editions(passages, OLD, OLD)
    evidence = [found(0, OLD, 0.9), found(1, OLD, 0.8)]

    settled = settle(evidence[:1], evidence, chunks, unlike)

    assert [each.passage for each in settled.evidence] == [1]
    assert not settled.conflict


def test_what_only_the_earlier_edition_says_is_marked_as_such(passages: Passages) -> None:
    other = "Receipts are kept for six years."
    chunks = two_editions(passages, OLD, other)
    evidence = [found(0, OLD, 0.9), found(1, other, 0.3)]

    settled = settle(evidence[:1], evidence, chunks, unlike)

    assert settled.note == EARLIER
    assert not settled.conflict


def test_a_negation_is_a_disagreement_too(passages: Passages) -> None:
    old, new = "Taxis are repaid after nine.", "Taxis are not repaid after nine."
    chunks = two_editions(passages, old, new)

    settled = settle([found(0, old)], [found(0, old), found(1, new)], chunks, unlike)

    assert settled.conflict


def test_a_later_edition_in_other_words_stands_first_too(passages: Passages) -> None:
    old, new = "Photographs of receipts are not accepted.", "Photograph the receipt in the app."
    chunks = two_editions(passages, old, new)
    evidence = [found(0, old, 0.9), found(1, "Fines are never repaid.", 0.4), found(1, new, 0.3)]

    settled = settle(evidence[:1], evidence, chunks, matter(new))

    assert [each.text for each in settled.evidence] == [new, old]
    assert settled.conflict
    assert settled.note == DIFFER


def test_other_words_with_the_same_figures_say_the_same(passages: Passages) -> None:
    old, new = "Cycling is paid at 20 pence.", "Bicycle | 20p"
    chunks = two_editions(passages, old, new)

    settled = settle([found(0, old)], [found(0, old), found(1, new)], chunks, matter(new))

    assert [each.text for each in settled.evidence] == [new]
    assert not settled.conflict
    assert not settled.note


def test_the_number_of_a_clause_is_no_figure_of_its_rule(passages: Passages) -> None:
    old, new = "4.1 Taxis are repaid up to £30.", "5.2.1 Taxis are repaid up to £30."
    chunks = two_editions(passages, old, new)

    settled = settle([found(0, old)], [found(0, old), found(1, new)], chunks, unlike)

    assert [each.text for each in settled.evidence] == [new]
    assert not settled.conflict


def test_a_figure_that_a_rule_begins_with_is_one(passages: Passages) -> None:
    old, new = "2.5 days of leave may be carried over.", "3.5 days of leave may be carried over."
    chunks = two_editions(passages, old, new)

    settled = settle([found(0, old)], [found(0, old), found(1, new)], chunks, unlike)

    assert settled.conflict


def test_no_other_document_speaks_for_a_later_edition(passages: Passages) -> None:
    (old,) = passages(OLD, title="Expenses Policy 2023")
    (other,) = passages(NEW, title="Travel Policy 2025")
    evidence = [found(0, OLD, 0.9), found(1, NEW, 0.3)]

    settled = settle(evidence[:1], evidence, [old, other], matter(NEW))

    assert [each.text for each in settled.evidence] == [OLD]
    assert not settled.conflict


def test_an_edition_that_the_question_names_stands_first(passages: Passages) -> None:
    chunks = two_editions(passages, OLD, NEW)
    evidence = [found(1, NEW, 0.9), found(0, OLD, 0.8)]

    settled = settle(evidence, evidence, chunks, matter(NEW), "What was the limit in 2023?")

    assert [each.text for each in settled.evidence] == [OLD, NEW]
    assert settled.conflict
    assert settled.note == AS_ASKED


def test_for_an_edition_that_the_question_names_no_other_words_are_sought(
    passages: Passages,
) -> None:
    old, new = "Photographs of receipts are not accepted.", "Photograph the receipt in the app."
    chunks = two_editions(passages, old, new)
    evidence = [found(0, old, 0.9), found(1, new, 0.3)]

    settled = settle(evidence[:1], evidence, chunks, matter(new), "And under the 2023 policy?")

    assert [each.text for each in settled.evidence] == [old]
    assert not settled.note


@pytest.mark.parametrize(
    ("question", "title", "path", "named"),
    [
        ("What was the limit in 2023?", "Expenses Policy 2023", "p/x.pdf", True),
        ("What is the limit?", "Expenses Policy 2023", "p/x.pdf", False),
        ("What did version 2.1 say?", "Standard", "p/standard-v2.1.pdf", True),
        ("What did version 2.1 say?", "Standard", "p/standard-v3.2.pdf", False),
        ("May 4 people go?", "Rules issue 4", "p/x.pdf", False),
        ("What did issue 4 say?", "Rules issue 4", "p/x.pdf", True),
        ("What was paid in September 2024?", "Pay", "p/pay_2024-09.pdf", True),
        ("What was paid in September 2024?", "Pay", "p/pay_2024-10.pdf", False),
        ("What was paid in 2024?", "Pay", "p/pay_2024-10.pdf", True),
        ("What is the limit in 2023?", "Handbook", "p/handbook.pdf", False),
    ],
)
def test_a_question_names_an_edition_by_its_year_or_version(
    question: str, title: str, path: str, *, named: bool
) -> None:
    assert is_named(question, title, path) is named


@given(st.text(max_size=80), st.text(max_size=80))
def test_no_title_is_earlier_than_itself_nor_both_ways(one: str, other: str) -> None:
    mine, theirs = edition_of(one, "p/x"), edition_of(other, "p/x")

    assert not mine.is_earlier_than(mine)
    assert not (mine.is_earlier_than(theirs) and theirs.is_earlier_than(mine))


@pytest.mark.parametrize(
    ("title", "path", "name"),
    [
        ("Expenses Policy 2023", "p/x.pdf", "Expenses Policy"),
        ("Records Retention Standard v2.1", "p/x.pdf", "Records Retention Standard"),
        ("Fees", "p/fees-2024.pdf", "fees"),
        ("Minutes of the Board, 27 March 2025", "p/m.pdf", ""),
        ("Handbook", "p/handbook.pdf", ""),
        ("2024", "p/2024.pdf", ""),
    ],
)
def test_the_name_without_its_date_is_what_other_editions_are_looked_for_by(
    title: str, path: str, name: str
) -> None:
    assert name_without_date(title, path) == name


def test_the_latest_later_edition_is_told() -> None:
    others = [
        ("Expenses Policy 2021", "p/a.pdf"),
        ("Expenses Policy 2025", "p/b.pdf"),
        ("Expenses Policy 2024", "p/c.pdf"),
        ("Travel Policy 2026", "p/d.pdf"),
        ("Expenses Policy 2026", "other/e.pdf"),
    ]

    latest = ("Expenses Policy 2025", "p/b.pdf")
    assert later_edition("Expenses Policy 2023", "p/x.pdf", others) == latest
    assert later_edition(*latest, others) is None


def test_editions_of_one_title_are_told_apart_by_their_files() -> None:
    later = later_edition("Standard", "p/standard-v2.1.pdf", [("Standard", "p/standard-v3.2.pdf")])

    assert later is not None
    note = told_of_later("Standard", "p/standard-v2.1.pdf", later)
    assert "standard-v2.1.pdf" in note
    assert "standard-v3.2.pdf" in note
