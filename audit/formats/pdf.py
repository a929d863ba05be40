"""A report for people: what was asked, answered, refused and denied, with plots."""

import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

import reportlab
from reportlab.graphics.shapes import Drawing, Group, Line, Rect, String
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import (
    BaseDocTemplate,
    Frame,
    KeepTogether,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
)

from audit.entries import Entry
from audit.formats.figures import (
    ANSWERED,
    ASKED,
    DENIED,
    REFUSED,
    Calendar,
    Figures,
    figures_of,
)
from audit.formats.rows import NOT_EVIDENCE, About, Row

INK, SOFT, RULE, PAPER = (HexColor(code) for code in ("#0d0f14", "#626775", "#e1e3ea", "#f7f8fb"))
BLUE, GREEN, AMBER, RED = (HexColor(code) for code in ("#454fc9", "#2f8f6b", "#d9822b", "#c23b3b"))
REGULAR, BOLD = "MunimentReport", "MunimentReportBold"
FONT_FILES: Final = {REGULAR: "Vera.ttf", BOLD: "VeraBd.ttf"}
"""Bitstream Vera, which reportlab carries: embedded, so that the report looks alike everywhere."""

MARGIN: Final = 20 * mm
WIDTH: Final = A4[0] - 2 * MARGIN
DOCUMENTS_SHOWN: Final = 10
LONGEST_LABEL: Final = 46
MOST_GRID_LINES: Final = 5

Flowable = Any


def write(entries: Iterable[Entry], about: About) -> Iterator[bytes]:
    """Yield the report, made in one piece once everything was counted."""
    yield report(figures_of(entries), about)


def report(figures: Figures, about: About) -> bytes:
    """Return the report as a PDF."""
    _register_fonts()
    buffer = io.BytesIO()
    document = BaseDocTemplate(
        buffer,
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN,
        title="Muniment: report on the record",
        author="Muniment",
        subject=NOT_EVIDENCE,
        invariant=True,
    )
    frame = Frame(MARGIN, 18 * mm, WIDTH, A4[1] - 18 * mm - 16 * mm, 0, 0, 0, 0)
    document.addPageTemplates(PageTemplate(frames=[frame], onPage=_footer(about)))
    document.build(_story(figures, about))
    return buffer.getvalue()


def _story(figures: Figures, about: About) -> list[Flowable]:
    story = [*_title(figures, about), Spacer(1, 6 * mm), _cards(figures), Spacer(1, 8 * mm)]
    if figures.first is None or figures.last is None:
        return [*story, _text("There is nothing to show: no entry was chosen.")]
    calendar = Calendar.covering(figures.first, figures.last)
    story += [*_activity(figures, calendar), Spacer(1, 7 * mm)]
    story += [_two_plots(figures, calendar), Spacer(1, 7 * mm)]
    story += [*_documents(figures), Spacer(1, 7 * mm), *_turned_down(figures.turned_down)]
    return [*story, *_types(figures), Spacer(1, 6 * mm), *_how_to_check(about)]


def _title(figures: Figures, about: About) -> list[Flowable]:
    period = "no days"
    if figures.first and figures.last:
        period = f"{_date(figures.first)} to {_date(figures.last)}"
    chosen = about.selection or "everything on the record"
    return [
        Paragraph("Muniment", _style("brand", BOLD, 9, BLUE)),
        Paragraph("Report on the record", _style("title", BOLD, 20, INK, leading=27)),
        _text(f"{period} (UTC). Chosen: {chosen}.", SOFT),
        _text(
            f"{about.origin}. {figures.entries:,} of {about.size:,} entries. Made on "
            f"{_date(about.exported_at)}, {about.exported_at:%H:%M} UTC for {about.exported_by}.",
            SOFT,
        ),
    ]


def _cards(figures: Figures) -> Flowable:
    asked = figures.types[ASKED]
    cards = (
        ("Questions", asked, INK),
        ("Answers", figures.types[ANSWERED], GREEN),
        ("Refusals", figures.types[REFUSED], AMBER),
        ("Denials", figures.types[DENIED], RED),
        ("People", len(figures.people), INK),
    )
    cells = [
        [
            Paragraph(f"{count:,}", _style(f"number{place}", BOLD, 17, colour, leading=22)),
            Paragraph(name, _style("card", REGULAR, 7.5, SOFT)),
        ]
        for place, (name, count, colour) in enumerate(cards)
    ]
    return Table(
        [cells],
        colWidths=[WIDTH / len(cells)] * len(cells),
        style=[
            ("BACKGROUND", (0, 0), (-1, -1), PAPER),
            ("BOX", (0, 0), (-1, -1), 0.5, RULE),
            ("LINEAFTER", (0, 0), (-2, -1), 0.5, RULE),
            ("LEFTPADDING", (0, 0), (-1, -1), 10),
            ("TOPPADDING", (0, 0), (-1, -1), 7),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 8),
        ],
    )


def _activity(figures: Figures, calendar: Calendar) -> list[Flowable]:
    asked = calendar.totals(figures.days[ASKED])
    return [
        _heading(f"Questions by {calendar.unit}"),
        _bars(calendar, asked, BLUE, width=WIDTH, height=42 * mm),
    ]


def _two_plots(figures: Figures, calendar: Calendar) -> Flowable:
    half = WIDTH / 2 - 4 * mm
    plots = [
        [
            _heading(f"{name} by {calendar.unit}"),
            _bars(
                calendar,
                calendar.totals(figures.days[kind]),
                colour,
                width=half,
                height=28 * mm,
            ),
        ]
        for name, kind, colour in (("Refusals", REFUSED, AMBER), ("Denials", DENIED, RED))
    ]
    return Table(
        [[plots[0], "", plots[1]]],
        colWidths=[half, 8 * mm, half],
        style=[*_flush(), ("VALIGN", (0, 0), (-1, -1), "TOP")],
    )


def _bars(
    calendar: Calendar, values: Sequence[int], colour: HexColor, *, width: float, height: float
) -> Drawing:
    """One column for each span of the calendar, with a scale in round numbers."""
    drawing = Drawing(width, height)
    left, bottom, top = 22.0, 16.0, 4.0
    step = _round_step(max(values))
    lines = max(1, -(-max(values) // step))
    tallest = step * lines
    for line in range(lines + 1):
        y = bottom + (height - bottom - top) * line / lines
        drawing.add(Line(left, y, width, y, strokeColor=RULE, strokeWidth=0.5))
        drawing.add(_label(left - 4, y - 2.2, f"{step * line:,}", anchor="end"))
    slot = (width - left) / len(values)
    gap = min(slot * 0.25, 6.0)
    bar = min(slot - gap, 26.0)
    columns = Group()
    for place, value in enumerate(values):
        x = left + slot * place + (slot - bar) / 2
        tall = (height - bottom - top) * value / tallest
        if value:
            columns.add(Rect(x, bottom, bar, tall, fillColor=colour, strokeColor=None))
    drawing.add(columns)
    every = max(1, -(-len(values) * 34 // int(width)))
    for place in range(0, len(values), every):
        x = left + slot * (place + 0.5)
        drawing.add(_label(x, 5, _day(calendar, place), anchor="middle"))
    return drawing


def _round_step(largest: int) -> int:
    """The smallest round step with which few lines reach the largest value."""
    step = 1
    while step * MOST_GRID_LINES < largest:
        leading = int(str(step)[0])
        step = step * 5 // 2 if leading == 2 else step * 2
    return step


def _day(calendar: Calendar, place: int) -> str:
    start = calendar.starts[place]
    return f"{start:%b %y}" if calendar.unit == "month" else f"{start.day} {start:%b}"


def _date(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def _documents(figures: Figures) -> list[Flowable]:
    relied_on = figures.most_relied_on(DOCUMENTS_SHOWN)
    heading = _heading("Documents most relied on, by answers that cite them")
    if not relied_on:
        return [heading, _text("No answer cites a document.", SOFT)]
    row, longest = 13.0, max(count for _, count in relied_on)
    drawing = Drawing(WIDTH, row * len(relied_on) + 2)
    names = WIDTH * 0.46
    for place, (name, count) in enumerate(relied_on):
        y = row * (len(relied_on) - place - 1) + 3
        drawing.add(_label(0, y + 1, _cut(name), colour=INK, size=7))
        long = (WIDTH - names - 30) * count / longest
        drawing.add(Rect(names, y - 1, long, 8, fillColor=BLUE, strokeColor=None))
        drawing.add(_label(names + long + 4, y + 0.5, f"{count:,}", colour=INK))
    return [KeepTogether([heading, drawing])]


def _cut(name: str) -> str:
    """Cut a path in its middle: its end tells most."""
    name = _drawable(name)
    if len(name) <= LONGEST_LABEL:
        return name
    return name[: LONGEST_LABEL // 3] + "…" + name[-(LONGEST_LABEL - LONGEST_LABEL // 3 - 1) :]


def _turned_down(rows: Iterable[Row]) -> list[Flowable]:
    latest = list(rows)[::-1]
    if not latest:
        return []
    lines = [
        [
            _small(str(row.seq)),
            _small(f"{row.at:%Y-%m-%d %H:%M}"),
            [_small(row.summary), _small(row.leaf_hash, SOFT, size=5.5)],
        ]
        for row in latest
    ]
    return [
        _heading(f"The latest {len(latest)} refusals and denials"),
        _table(["#", "time (UTC)", "what happened, and the entry's leaf hash"], lines, (14, 30)),
        Spacer(1, 7 * mm),
    ]


def _types(figures: Figures) -> list[Flowable]:
    lines = [
        [_small(kind), _small(f"{count:,}"), _small(f"{count / figures.entries:.1%}")]
        for kind, count in figures.types.most_common()
    ]
    return [
        _heading("Entries by type"),
        _table(["type", "entries", "share"], lines, (60, 30)),
        Spacer(1, 3 * mm),
        _text(
            f"The record was checked {figures.checks.total():,} times in this period: "
            f"{figures.checks[True]:,} times intact, {figures.checks[False]:,} times not.",
            SOFT,
        ),
    ]


def _how_to_check(about: About) -> list[Flowable]:
    return [
        KeepTogether(
            [
                _heading("What this is, and what it is not"),
                _text(
                    f"{NOT_EVIDENCE} To check what stands here, take a native bundle of "
                    f"{about.origin} with at least {about.size:,} entries, run the verify.py in "
                    "it with the log's key from somebody you trust, and look up the entries by "
                    "their number and leaf hash."
                ),
            ]
        )
    ]


def _table(
    headings: Sequence[str], lines: list[list[Flowable]], millimetres: Sequence[int]
) -> Flowable:
    widths = [width * mm for width in millimetres]
    widths.append(WIDTH - sum(widths))
    head = [_small(heading, SOFT) for heading in headings]
    return Table(
        [head, *lines],
        colWidths=widths,
        repeatRows=1,
        style=[
            *_flush(),
            ("LINEBELOW", (0, 0), (-1, -1), 0.4, RULE),
            ("TOPPADDING", (0, 0), (-1, -1), 2.5),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 3.5),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ],
    )


def _flush() -> list[tuple[Any, ...]]:
    return [("LEFTPADDING", (0, 0), (-1, -1), 0), ("RIGHTPADDING", (0, 0), (-1, -1), 0)]


def _footer(about: About) -> Any:
    def draw(canvas: Any, document: Any) -> None:
        canvas.saveState()
        canvas.setStrokeColor(RULE)
        canvas.line(MARGIN, 14 * mm, A4[0] - MARGIN, 14 * mm)
        canvas.setFillColor(SOFT)
        canvas.setFont(REGULAR, 6.5)
        canvas.drawString(MARGIN, 10 * mm, NOT_EVIDENCE)
        canvas.drawRightString(
            A4[0] - MARGIN, 10 * mm, f"{about.exported_at:%Y-%m-%d}  ·  page {document.page}"
        )
        canvas.restoreState()

    return draw


def _heading(text: str) -> Flowable:
    return Paragraph(escape(text), _style("heading", BOLD, 10, INK, leading=16, after=3))


def _text(text: str, colour: HexColor = INK) -> Flowable:
    style = _style(f"text{colour.hexval()}", REGULAR, 8, colour, leading=12.5)
    return Paragraph(escape(_drawable(text)), style)


def _small(text: str, colour: HexColor = INK, *, size: float = 7) -> Flowable:
    style = _style(f"small{colour.hexval()}{size}", REGULAR, size, colour, leading=size * 1.35)
    return Paragraph(escape(_drawable(text)), style)


def _label(
    x: float,
    y: float,
    text: str,
    *,
    anchor: str = "start",
    colour: HexColor = SOFT,
    size: float = 6.5,
) -> String:
    return String(x, y, text, fontName=REGULAR, fontSize=size, fillColor=colour, textAnchor=anchor)


def _style(
    name: str,
    font: str,
    size: float,
    colour: HexColor,
    *,
    leading: float = 0,
    after: float = 0,
) -> ParagraphStyle:
    return ParagraphStyle(
        name,
        fontName=font,
        fontSize=size,
        leading=leading or size * 1.4,
        textColor=colour,
        spaceAfter=after,
        splitLongWords=True,
    )


@cache
def _register_fonts() -> frozenset[int]:
    """Make the fonts known and return the characters they can draw."""
    folder = Path(reportlab.__file__).parent / "fonts"
    fonts = [TTFont(name, folder / file) for name, file in FONT_FILES.items()]
    for font in fonts:
        pdfmetrics.registerFont(font)
    return frozenset(fonts[0].face.charToGlyph)


def _drawable(text: str) -> str:
    """Text with a white square for each character that the fonts cannot draw."""
    known = _register_fonts()
    return "".join(c if ord(c) in known else "□" for c in text)
