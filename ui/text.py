"""Make foreign text harmless: names, titles and the model's words.

Nothing from a document or a model is ever handed to Streamlit's markdown. What must stand in
a label goes through ``label``; an answer's sentences become spans that the browser component
sets as text.
"""

import re
import string
from typing import TypedDict

from markdown_it import MarkdownIt

STYLES = frozenset({"strong", "em", "code"})
"""Everything a span may be besides plain."""

_PUNCTUATION = re.compile(f"([{re.escape(string.punctuation)}])")
_BREAKS_LINK = "\N{ZERO WIDTH SPACE}"
_LIVE_LINK = re.compile(r"(?i)(www(?=\.)|[a-z][a-z0-9+.-]*:(?=//)|@)")
_INLINE = MarkdownIt("zero").enable(["emphasis", "backticks"])


class Span(TypedDict):
    """A run of text with the styles it wears."""

    text: str
    styles: list[str]


def label(text: str, *, limit: int = 200) -> str:
    r"""Return text that Streamlit shows as it stands, on one line, in a label.

    Every ASCII punctuation mark gets a backslash, and what a renderer might still recognise as
    an address is broken by a space of no width.
    """
    line = " ".join(text.split())
    if len(line) > limit:
        line = line[: limit - 1].rstrip() + "…"
    return _PUNCTUATION.sub(r"\\\1", _LIVE_LINK.sub(rf"\1{_BREAKS_LINK}", line))


def spans(text: str) -> list[Span]:
    """Return a model's sentence as styled runs; links, images and HTML stay plain characters."""
    worn: list[str] = []
    found: list[Span] = []
    for block in _INLINE.parseInline(text):
        for token in block.children or []:
            style = token.tag if token.tag in STYLES else ""
            if token.nesting == 1 and style:
                worn.append(style)
            elif token.nesting == -1 and style in worn:
                worn.remove(style)
            elif token.type in {"softbreak", "hardbreak"}:
                found.append(Span(text="\n", styles=[]))
            elif token.content:
                found.append(Span(text=token.content, styles=sorted({*worn, style} - {""})))
    return found


def plain(text: str) -> list[Span]:
    """Return the documents' own words as one run without any style."""
    return [Span(text=text, styles=[])] if text else []
