from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta

import pypdfium2
import pytest

from audit.entries import Entry
from audit.formats import pdf
from audit.formats.figures import Calendar, figures_of
from audit.formats.rows import NOT_EVIDENCE
from tests.audit.examples import ABOUT, START, every_entry

ENTRIES = every_entry()


def text_of(entries: Iterable[Entry]) -> str:
    data = b"".join(pdf.write(entries, ABOUT))
    assert data.startswith(b"%PDF-")
    document = pypdfium2.PdfDocument(data)
    return "\n".join(page.get_textpage().get_text_range() for page in document)


def test_the_report_shows_counts_plots_and_how_to_check() -> None:
    text = text_of(ENTRIES)

    for heading in (
        "Report on the record",
        "Questions by day",
        "Refusals by day",
        "Denials by day",
        "Documents most relied on",
        "Entries by type",
        "What this is, and what it is not",
    ):
        assert heading in text
    assert NOT_EVIDENCE in text


def test_what_was_turned_down_is_named_with_number_and_leaf_hash() -> None:
    denied = next(entry for entry in ENTRIES if entry.type == "access.denied")

    text = text_of(ENTRIES)

    assert denied.leaf_hash in text
    assert str(denied.sequence) in text


def test_an_empty_selection_gives_a_report_that_says_so() -> None:
    assert "There is nothing to show" in text_of([])


@pytest.mark.parametrize("days", [1, 61, 100, 1000])
def test_a_longer_period_is_shown_in_longer_columns(days: int) -> None:
    questions = [entry for entry in ENTRIES if entry.type == "rag.ask"]
    spread = [replace(questions[0], at=START + timedelta(days=day)) for day in range(days)]

    assert "Questions by" in text_of(spread)


def test_what_people_wrote_is_not_markup() -> None:
    refused = next(entry for entry in ENTRIES if entry.type == "rag.refuse")
    tricky = replace(refused, payload={"reason": "<b>bold</b> & <img src='x'/>"}, person="<i>Ada")

    assert "<b>bold</b> & <img src='x'/>" in text_of([tricky])


def test_documents_are_named_by_their_path_and_counted_by_answer() -> None:
    figures = figures_of(ENTRIES)

    ((name, count),) = figures.most_relied_on(10)

    assert count == 1
    assert name.startswith("Ada")


@pytest.mark.parametrize(
    ("days", "unit", "columns"),
    [(1, "day", 1), (62, "day", 62), (63, "week", 10), (400, "month", 14)],
)
def test_the_calendar_has_few_columns(days: int, unit: str, columns: int) -> None:
    first = date(2026, 1, 1)

    calendar = Calendar.covering(first, first + timedelta(days=days - 1))

    assert (calendar.unit, len(calendar.starts)) == (unit, columns)
    assert sum(calendar.totals({first + timedelta(days=day): 1 for day in range(days)})) == days
