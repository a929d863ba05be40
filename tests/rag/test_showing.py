"""What crosses the wire beside a quote."""

import pytest

from rag.showing import columns_of


def test_a_row_of_a_table_brings_the_names_of_its_columns() -> None:
    assert columns_of("Fewer than 3 | 25", "Years | Days") == "Years | Days"


@pytest.mark.parametrize(
    ("quote", "context"),
    [
        ("Up to five days may be carried over.", "Years | Days"),
        ("Fewer than 3 | 25", ""),
        ("Years | Days", "Years | Days"),
        ("Years |\nDays", "Years | Days"),
    ],
)
def test_nothing_stands_above_what_is_no_row_or_names_the_columns_itself(
    quote: str, context: str
) -> None:
    assert columns_of(quote, context) == ""
