"""Reading English as far as checking a claim needs it."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.wording import (
    is_negated,
    modality,
    names,
    numbers,
    numbers_in_words,
    sentences,
    terms,
)


def texts_of(text: str) -> list[str]:
    return [span.of(text) for span in sentences(text)]


def test_a_sentence_ends_at_a_full_stop_before_a_capital() -> None:
    assert texts_of("Keep it. Do not bin it.") == ["Keep it.", "Do not bin it."]


def test_a_title_an_abbreviation_and_a_decimal_end_nothing() -> None:
    text = "Mr. Hall approves up to 1.5 per cent. See No. 4 for more."

    assert texts_of(text) == ["Mr. Hall approves up to 1.5 per cent.", "See No. 4 for more."]


def test_a_line_break_ends_a_sentence() -> None:
    assert texts_of("Purpose\nThis policy applies.") == ["Purpose", "This policy applies."]


@given(st.text("aB1 .!?\n'\"()£", max_size=80))
def test_sentences_never_overlap_and_lose_nothing_but_space(text: str) -> None:
    spans = sentences(text)

    assert all(before.end <= after.start for before, after in pairwise(spans))
    kept = "".join("".join(span.of(text).split()) for span in spans)
    assert kept == "".join(text.split())


@pytest.mark.parametrize("text", ["£1,200.00", "1200", "1,200", "01200"])
def test_one_number_has_one_form(text: str) -> None:
    assert numbers(text) == {"1200"}


def test_numbers_in_words_are_read_as_digits() -> None:
    assert numbers_in_words("three working days") == {"3"}


def test_terms_leave_out_what_carries_no_meaning() -> None:
    assert terms("What are the retention periods?") == {"retent", "period"}


def test_a_name_is_a_capital_inside_a_sentence() -> None:
    assert names("Approval is given by Priya Nair. Staff ask her.") == {"priya", "nair"}


@pytest.mark.parametrize(
    ("text", "negated"),
    [("It may not be shared.", True), ("It may be shared.", False), ("It can't wait.", True)],
)
def test_negation_is_seen(text: str, negated: bool) -> None:
    assert is_negated(text) is negated


def test_a_duty_is_not_a_permission() -> None:
    assert (modality("Staff must report it."), modality("Staff may report it.")) == (
        "obliged",
        "permitted",
    )
