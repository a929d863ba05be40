"""A conversation on paper: Markdown or PDF, every answer with its sources."""

import re
from collections.abc import Callable
from datetime import datetime
from html import escape
from io import BytesIO
from typing import Final

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import KeepTogether, Paragraph, SimpleDocTemplate, Spacer
from reportlab.platypus.doctemplate import BaseDocTemplate

from rag.contract import Answer, Citation, Conversation, Turn

MARKDOWN_SPECIAL: Final = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_{}[]<>#+-.!|~&:@"})
LIVE_MARKUP: Final = re.compile(
    r"\](?=\s*[(:\[])|<(?=[a-z/!?])|(?<=[a-z]):(?=//)|(?<=\bwww)\.|[`*]|^[#>|=~+-]",
    re.IGNORECASE,
)
"""What makes a chat window show a link, a picture or a form of its own."""
UNANSWERED: Final = "This question has no answer yet."
FONT: Final = "Vera"
GREY: Final = HexColor("#5b6472")
INK: Final = HexColor("#1c2330")


def as_markdown(conversation: Conversation, *, reader: str, at: datetime, marking: str = "") -> str:
    """Return a conversation as Markdown. What people and documents wrote is text, never markup."""
    lines = [
        *([f"**{_plain(marking)}**", ""] if marking else []),
        f"# {_plain(conversation.title)}",
        "",
        f"Exported for {_plain(reader)} on {at:%d %B %Y at %H:%M} UTC.",
    ]
    for turn in conversation.turns:
        asked = f"Asked on {turn.asked_at:%d %B %Y at %H:%M} UTC."
        lines += ["", f"## {_plain(turn.question)}", "", asked, ""]
        lines += _markdown_answer(turn)
    return "\n".join(lines) + "\n"


def as_pdf(conversation: Conversation, *, reader: str, at: datetime, marking: str = "") -> bytes:
    """Return a conversation as a PDF document of A4 pages, its marking on each."""
    written = BytesIO()
    document = SimpleDocTemplate(
        written,
        pagesize=A4,
        leftMargin=22 * mm,
        rightMargin=22 * mm,
        topMargin=20 * mm,
        bottomMargin=20 * mm,
        title=conversation.title,
        author=reader,
        invariant=1,
    )
    font = _font()
    title = ParagraphStyle("title", fontName=font, fontSize=17, leading=21, textColor=INK)
    question = ParagraphStyle("question", parent=title, fontSize=12.5, leading=16, spaceBefore=14)
    body = ParagraphStyle("body", parent=title, fontSize=10.5, leading=15, spaceBefore=4)
    small = ParagraphStyle("small", parent=body, fontSize=8.5, leading=12, textColor=GREY)
    source = ParagraphStyle("source", parent=small, leftIndent=14, firstLineIndent=-14)
    parts: list[object] = [
        *([Paragraph(escape(marking), small)] if marking else []),
        Paragraph(escape(conversation.title), title),
        Paragraph(escape(f"Exported for {reader} on {at:%d %B %Y at %H:%M} UTC."), small),
    ]
    for turn in conversation.turns:
        asked = f"Asked on {turn.asked_at:%d %B %Y at %H:%M} UTC."
        head = [Paragraph(escape(turn.question), question), Paragraph(escape(asked), small)]
        sentences, remarks, sources = _told(turn)
        first = [Paragraph(escape(sentences), body)] if sentences else []
        parts.append(KeepTogether([*head, *first]))
        parts += [Paragraph(escape(remark), small) for remark in remarks]
        parts.append(Spacer(1, 2 * mm))
        parts += [Paragraph(escape(line), source) for line in sources]
    document.build(parts, onFirstPage=_foot(font, marking), onLaterPages=_foot(font, marking))
    return written.getvalue()


def without_live_markup(text: str) -> str:
    """Return a text on one line that a chat window shows as it stands, with no link or picture.

    Only what would come alive is escaped, for other programs show the text unrendered.
    """
    return LIVE_MARKUP.sub(lambda found: f"\\{found[0]}", " ".join(text.split()))


def _markdown_answer(turn: Turn) -> list[str]:
    sentences, remarks, sources = _told(turn)
    lines = [_plain(sentences)] if sentences else []
    for remark in remarks:
        lines += ["", f"*{_plain(remark)}*"] if lines else [f"*{_plain(remark)}*"]
    if sources:
        lines += ["", "Sources:", ""] + [f"- {_plain(line)}" for line in sources]
    return lines


def _remarks(answer: Answer) -> list[str]:
    return [answer.reason, answer.note, answer.asks, *answer.choices]


def _told(turn: Turn) -> tuple[str, list[str], list[str]]:
    """Return an answer's sentences in one text, what is to be said besides, and its sources."""
    if turn.answer is None:
        return "", [UNANSWERED], []
    return (
        _sentences(turn.answer),
        [text for text in _remarks(turn.answer) if text],
        [_source(citation) for citation in turn.answer.citations],
    )


def _sentences(answer: Answer) -> str:
    return " ".join(
        f"{sentence.text} {''.join(f'[{number}]' for number in sentence.citations)}".strip()
        for sentence in answer.sentences
    )


def _source(citation: Citation) -> str:
    where = f"page {citation.page + 1}" if citation.page is not None else citation.place
    parts = [citation.title, f"version {citation.version_number}", where, citation.path]
    quote = " ".join(citation.quote.split())
    under = f" (columns: {' '.join(citation.columns.split())})" if citation.columns else ""
    return f"[{citation.number}] {', '.join(part for part in parts if part)}: “{quote}”{under}"


def _plain(text: str) -> str:
    return " ".join(text.split()).translate(MARKDOWN_SPECIAL)


def _foot(font: str, marking: str) -> Callable[[Canvas, BaseDocTemplate], None]:
    def draw(canvas: Canvas, _document: BaseDocTemplate) -> None:
        canvas.setFont(font, 8)
        canvas.setFillColor(GREY)
        foot = f"Muniment · page {canvas.getPageNumber()}"
        foot = f"{marking} · {foot}" if marking else foot
        canvas.drawCentredString(A4[0] / 2, 11 * mm, foot)

    return draw


def _font() -> str:
    """Return the font that comes with the library; it has more letters than PDF's own."""
    if FONT not in pdfmetrics.getRegisteredFontNames():
        pdfmetrics.registerFont(TTFont(FONT, f"{FONT}.ttf"))
    return FONT
