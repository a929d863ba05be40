import re

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from ui.text import STYLES, label, plain, spans

HOSTILE = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "![x](https://leak.example/a.png)",
                "[here](https://leak.example)",
                "<img src=x onerror=alert(1)>",
                "javascript:alert(1)",
                "www.leak.example",
                "someone@leak.example",
                ":material/home:",
                ":red[x]",
                "$x$",
                "**bold**",
                "`code`",
                "&lt;",
                "<https://leak.example>",
                "\n# heading\n",
                "| a | b |",
                "~~x~~",
                "\\",
            ]
        ),
        st.text(max_size=12),
    ),
    max_size=8,
).map(" ".join)


@given(HOSTILE)
def test_a_label_is_text_and_nothing_else(text: str) -> None:
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(label(text))

    kinds = {child.type for token in tokens for child in token.children or []}
    blocks = {token.type for token in tokens}
    assert kinds <= {"text", "text_special"}
    assert blocks <= {"paragraph_open", "inline", "paragraph_close"}


@given(HOSTILE)
def test_a_label_holds_no_live_address(text: str) -> None:
    shown = re.sub(r"\\(.)", r"\1", label(text))

    assert not re.search(r"(?i)www\.|[a-z]://|@\w", shown)


@given(HOSTILE)
def test_a_label_is_one_short_line(text: str) -> None:
    shown = re.sub(r"\\(.)", r"\1", label(text, limit=40)).replace("\N{ZERO WIDTH SPACE}", "")

    assert "\n" not in shown
    assert len(shown) <= 40


def test_a_label_keeps_what_a_reader_reads() -> None:
    shown = label("Policy_v2 (final).pdf")

    assert re.sub(r"\\(.)", r"\1", shown) == "Policy_v2 (final).pdf"


@given(HOSTILE)
def test_a_sentence_wears_only_the_allowed_styles(text: str) -> None:
    for span in spans(text):
        assert set(span["styles"]) <= STYLES


@given(HOSTILE)
def test_a_sentence_loses_no_letter(text: str) -> None:
    shown = "".join(span["text"] for span in spans(text))

    assert [c for c in shown if c.isalnum()] == [c for c in text if c.isalnum()]


def test_emphasis_becomes_a_style() -> None:
    assert spans("kept **five years** long") == [
        {"text": "kept ", "styles": []},
        {"text": "five years", "styles": ["strong"]},
        {"text": " long", "styles": []},
    ]


def test_an_image_stays_characters() -> None:
    shown = "".join(span["text"] for span in spans("![x](https://leak.example/a.png)"))

    assert shown == "![x](https://leak.example/a.png)"


def test_the_documents_own_words_wear_no_style() -> None:
    assert plain("**as printed**") == [{"text": "**as printed**", "styles": []}]
