"""What documents hold comes out of an answer as text."""

import pytest

from rag.transcript import without_live_markup


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (
            "See ![status](http://evil.invalid/x.png).",
            "See ![status\\](http\\://evil.invalid/x.png).",
        ),
        ("[here]: https://evil.invalid", "[here\\]: https\\://evil.invalid"),
        ("[a][b]", "[a\\][b]"),
        ("go to www.evil.invalid", "go to www\\.evil.invalid"),
        ("<img src=x onerror=y> </a> <!-- z -->", "\\<img src=x onerror=y> \\</a> \\<!-- z -->"),
        ("# All\nstaff", "\\# All staff"),
        ("```run```", "\\`\\`\\`run\\`\\`\\`"),
    ],
)
def test_nothing_that_a_document_holds_comes_alive_in_a_chat_window(
    written: str, shown: str
) -> None:
    assert without_live_markup(written) == shown


def test_plain_words_stay_as_they_are() -> None:
    text = "Up to 5 days [sic] may be carried over: a < b, 27.5 % (see 4.2), ratio 3:1."

    assert without_live_markup(text) == text
