"""The page's own browser components: each builds its elements in script, from text alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypedDict

import streamlit as st

from rag.contract import Answer, Citation, PassageView
from ui.text import Span, plain, spans

HERE = Path(__file__).parent


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


_COMMON = _read("common.css")


def _css(name: str) -> str:
    return _COMMON + _read(name)


_HTML = '<div class="root"></div>'
_answer = st.components.v2.component(
    "muniment_answer", html=_HTML, css=_css("answer.css"), js=_read("answer.js")
)
_live = st.components.v2.component(
    "muniment_live", html=_HTML, css=_css("live.css"), js=_read("live.js")
)
_page_view = st.components.v2.component(
    "muniment_page_view", html=_HTML, css=_css("page_view.css"), js=_read("page_view.js")
)
_passage = st.components.v2.component(
    "muniment_passage", html=_HTML, css=_css("passage.css"), js=_read("passage.js")
)
_table = st.components.v2.component(
    "muniment_table", html=_HTML, css=_css("table.css"), js=_read("table.js")
)
_leave = st.components.v2.component(
    "muniment_leave", html=_HTML, css=_css("leave.css"), js=_read("leave.js")
)


class Column(TypedDict):
    """A column of a table; ``share`` draws a bar of 0 to 1, ``state`` a coloured word."""

    key: str
    label: str
    kind: Literal["text", "number", "share", "state", "code", "soft"]


class Row(TypedDict):
    """A row of a table: its cells by column, and what is told when it is chosen."""

    id: str
    cells: dict[str, str | int | float]
    tone: str


def place_of(page: int | None, place: str) -> str:
    """Return where something stands, in a reader's words."""
    return f"p. {page + 1}" if page is not None else place


def answer_body(answer: Answer, *, chosen: int, key: str) -> int:
    """Show an answer with its numbered chips; return the number just clicked, or 0."""
    sources = {citation.number: citation for citation in answer.citations}
    sentences = [
        {
            "spans": _spans(sentence.text, quoted=sentence.quoted),
            "citations": [number for number in sentence.citations if number in sources],
            "quoted": sentence.quoted,
            "columns": columns,
        }
        for sentence, columns in zip(answer.sentences, _columns(answer), strict=True)
    ]
    labels = {str(number): _chip_label(source) for number, source in sources.items()}
    data = {"sentences": sentences, "labels": labels, "chosen": chosen}
    result = _answer(key=key, data=data, on_cite_change=_nothing)
    return int(result.get("cite") or 0)


def live_answer(turn_id: str, draft: str, *, key: str) -> bool:
    """Follow a running turn in the browser; return whether it has just ended."""
    data = {"events": f"/turn/{turn_id}/events", "draft": draft}
    result = _live(key=key, data=data, on_ended_change=_nothing)
    return bool(result.get("ended"))


def page_view(
    version_id: str,
    page: int,
    *,
    alternative: str,
    span: tuple[int, int] | None = None,
    close_up: tuple[float, float] | None = None,
    fit: bool = False,
    key: str,
) -> None:
    """Show the image of a page (from 0), with a span marked; the service checks the right.

    Args:
        version_id: The document version.
        page: Counts from 0.
        alternative: What a reader who cannot see the image is told.
        span: Start and end in the version's text.
        close_up: Left and top of the marked lines in PDF points; the image is enlarged there.
        fit: Make the whole page fit the window's height.
        key: Streamlit's key.
    """
    address = f"/page/{version_id}/{page}.png"
    if span is not None:
        address += f"?start={span[0]}&end={span[1]}"
    data = {"address": address, "alt": alternative, "focus": close_up, "fit": fit}
    _page_view(key=key, data=data)


def passage_text(passage: PassageView, *, key: str) -> None:
    """Show a span as text with what stands around it."""
    data = {"before": passage.before, "marked": passage.marked, "after": passage.after}
    _passage(key=key, data=data)


def table(
    columns: Sequence[Column],
    rows: Sequence[Row],
    *,
    caption: str,
    key: str,
    chosen: str = "",
    choosable: bool = False,
) -> str:
    """Show a table; return the id of the row just chosen, or nothing."""
    data = {
        "columns": list(columns),
        "rows": list(rows),
        "caption": caption,
        "chosen": chosen,
        "choosable": choosable,
    }
    result = _table(key=key, data=data, on_pick_change=_nothing)
    return str(result.get("pick") or "")


def sign_out_button(*, key: str) -> None:
    """Show the form that ends the session."""
    _leave(key=key, data={"form": True})


def go_to_sign_in() -> None:
    """Send the browser to the sign-in page."""
    _leave(key="leave", data={"form": False})


def _chip_label(source: Citation) -> str:
    where = f"page {source.page + 1}" if source.page is not None else source.place
    return f"Source {source.number}: {source.title}, {where}"


def _columns(answer: Answer) -> list[str]:
    """Return the names above each quoted row of a table, once for rows that follow each other."""
    known = {one.number: one.columns for one in answer.citations}
    shown: list[str] = []
    above = ""
    for sentence in answer.sentences:
        first = sentence.citations[0] if sentence.quoted and sentence.citations else 0
        columns = known.get(first, "")
        shown.append(columns if columns != above else "")
        above = columns
    return shown


def _spans(text: str, *, quoted: bool) -> list[Span]:
    return plain(text) if quoted else spans(text)


def _nothing() -> None:
    """Be there: Streamlit reports a trigger only where a callback stands."""
