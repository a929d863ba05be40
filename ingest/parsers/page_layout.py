"""Words of a page into lines and tables, in reading order.

The order of the content stream is kept; it is right on nearly all pages. Only the words of a
table are put in order of rows, and columns that the stream runs across line by line are read
one after the other.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from ingest.parsers.page_words import Flags, Integers, PageWords, runs_to_the_left
from ingest.parsers.ruling import Grid
from ingest.parsers.tables import Row, TableFinder

CELL_GAP_SIZES = 1.3
"""A gap wider than this many type sizes parts cells or columns."""
PROSE_WORDS = 4
ZIGZAGS = 4
"""So many lines must run across two columns before the order of the stream is doubted."""
ZIGZAG_SHARE = 0.3
GUTTER_ROWS = 300
"""So many tell where the gutters are, however long the page."""


@dataclass(slots=True)
class Line:
    """Words that follow each other in the stream and stand beside each other.

    Attributes:
        start: Place of its first word among the page's words.
        end: Place after its last.
        x0: Left, points.
        y0: Top.
        x1: Right.
        y1: Bottom.
        size: Of its type.
        bold: Whether all of it is set in bold type.
    """

    start: int
    end: int
    x0: float
    y0: float
    x1: float
    y1: float
    size: float
    bold: bool

    def __len__(self) -> int:
        return self.end - self.start


Item = Line | Row


@dataclass(slots=True)
class PageContent:
    """What was read on one page, before it is known what repeats on others.

    Attributes:
        words: As drawn.
        rows: Lines that stand beside each other and follow each other in the stream.
        grids: The page's ruled tables.
        ocr_confidence: None unless the page was a picture.
    """

    words: PageWords
    rows: list[list[Line]]
    grids: list[Grid] = field(default_factory=list)
    ocr_confidence: float | None = None

    def text(self, line: Line) -> str:
        """Return a line's words with single spaces."""
        return " ".join(self.words.texts[line.start : line.end])


def rows_of(words: PageWords) -> list[list[Line]]:
    """Return the page's lines, broken at wide gaps; those that stand beside each other together."""
    rows: list[list[Line]] = []
    for line in _lines(words):
        if rows and beside(rows[-1][-1], line) and line.x0 >= rows[-1][-1].x1 - 1:
            rows[-1].append(line)
        else:
            rows.append([line])
    return rows


def arrange(page: PageContent, rows: Sequence[list[Line]]) -> list[Item]:
    """Return what stands on a page, in reading order.

    Args:
        page: The page.
        rows: Those of its rows that are to be arranged; the others are its furniture.
    """
    finder = TableFinder(page.words)
    items: list[Item] = []
    loose: list[list[Line]] = []
    for part in _around_grids(page, rows, finder):
        if isinstance(part, Row):
            items.extend(_without_grid(loose, page.words.width, finder))
            loose = []
            items.append(part)
        else:
            loose.append(part)
    items.extend(_without_grid(loose, page.words.width, finder))
    return items


def beside(first: Line, second: Line) -> bool:
    """Say whether two lines share more than half of the lower one's height."""
    shared = min(first.y1, second.y1) - max(first.y0, second.y0)
    return shared > 0.5 * min(first.y1 - first.y0, second.y1 - second.y0)


def merged(lines: Sequence[Line]) -> Line:
    """Return lines that follow each other in the stream as one."""
    if len(lines) == 1:
        return lines[0]
    longest = max(lines, key=len)
    return Line(
        lines[0].start,
        lines[-1].end,
        min(line.x0 for line in lines),
        min(line.y0 for line in lines),
        max(line.x1 for line in lines),
        max(line.y1 for line in lines),
        longest.size,
        all(line.bold for line in lines),
    )


def _lines(words: PageWords) -> Iterator[Line]:
    count = len(words)
    if not count:
        return
    x0, y0, x1, y1 = words.boxes.T
    high = y1 - y0
    shared = np.minimum(y1[:-1], y1[1:]) - np.maximum(y0[:-1], y0[1:])
    level = shared > 0.5 * np.minimum(high[:-1], high[1:])
    gap = x0[1:] - x1[:-1]
    near = gap <= CELL_GAP_SIZES * np.maximum(words.sizes[:-1], words.sizes[1:])
    # Text that runs up or down the page: its words stand above each other.
    tall = high > 1.5 * (x1 - x0)
    aside = np.minimum(x1[:-1], x1[1:]) - np.maximum(x0[:-1], x0[1:])
    over = np.maximum(y0[:-1], y0[1:]) - np.minimum(y1[:-1], y1[1:])
    narrow = np.minimum((x1 - x0)[:-1], (x1 - x0)[1:])
    upright = (tall[:-1] | tall[1:]) & (aside > 0.8 * narrow) & (np.abs(over) < narrow)
    joined = (
        _leftwards(words) & level
        | upright
        | level & near & (gap >= -words.sizes[:-1]) & ~words.broken[1:]
    )
    starts = np.concatenate([[0], np.flatnonzero(~joined) + 1])
    ends = np.append(starts[1:], count)
    columns = (
        starts,
        ends,
        np.minimum.reduceat(x0, starts),
        np.minimum.reduceat(y0, starts),
        np.maximum.reduceat(x1, starts),
        np.maximum.reduceat(y1, starts),
        words.sizes[(starts + ends) // 2],
        _all_bold(words, starts, ends),
    )
    yield from map(Line, *(column.tolist() for column in columns))


def _leftwards(words: PageWords) -> Flags:
    """Return for each word but the first whether it goes on a line that runs to the left."""
    to_left = np.array(list(map(runs_to_the_left, words.texts)), dtype=bool)
    if not to_left.any():
        return to_left[1:]
    gap = words.boxes[:-1, 0] - words.boxes[1:, 2]
    size = np.maximum(words.sizes[:-1], words.sizes[1:])
    near: Flags = (gap <= CELL_GAP_SIZES * size) & (gap >= -size)
    goes_on: Flags = near & (to_left[:-1] | to_left[1:])
    return goes_on


def _all_bold(words: PageWords, starts: Integers, ends: Integers) -> Flags:
    """Return whether each line is bold throughout, bullets and the like aside."""
    heavy = np.add.reduceat(words.bold.astype(np.int64), starts)
    lacking = ends - starts - heavy
    bold: Flags = lacking == 0
    for place in np.flatnonzero((lacking > 0) & (lacking <= 2) & (heavy > 0)).tolist():
        span = range(int(starts[place]), int(ends[place]))
        bold[place] = all(
            words.bold[at] or not any(map(str.isalnum, words.texts[at])) for at in span
        )
    return bold


def _around_grids(
    page: PageContent, rows: Sequence[list[Line]], finder: TableFinder
) -> Iterator[list[Line] | Row]:
    """Yield the rows in order, ruled tables in the place of the first line they hold."""
    if not page.grids:
        yield from rows
        return
    wanted = np.zeros(len(page.words), dtype=bool)
    for row in rows:
        wanted[row[0].start : row[-1].end] = True
    owner = np.full(len(page.words), -1)
    tables: list[list[Row]] = []
    for grid in page.grids:
        inside = np.flatnonzero(grid.holds(page.words.boxes) & wanted & (owner < 0))
        found = finder.rows_of_grid(inside, grid)
        if found:
            owner[inside] = len(tables)
            tables.append(found)
    told: set[int] = set()
    for row in rows:
        outside: list[Line] = []
        for line in row:
            owners = set(owner[line.start : line.end].tolist())
            if owners == {-1}:
                outside.append(line)
                continue
            outside.extend(_loose_parts(page.words, line, owner))
            for number in sorted(owners - {-1} - told):
                told.add(number)
                yield from tables[number]
        if outside:
            yield outside


def _loose_parts(words: PageWords, line: Line, owner: Integers) -> Iterator[Line]:
    """Yield the parts of a line that no ruled table holds."""
    start = None
    for place in range(line.start, line.end + 1):
        free = place < line.end and owner[place] < 0
        if free and start is None:
            start = place
        elif not free and start is not None:
            boxes = words.boxes[start:place]
            x0, y0 = boxes[:, :2].min(axis=0).tolist()
            x1, y1 = boxes[:, 2:].max(axis=0).tolist()
            yield Line(start, place, x0, y0, x1, y1, line.size, line.bold)
            start = None


def _without_grid(rows: list[list[Line]], width: float, finder: TableFinder) -> list[Item]:
    if not rows:
        return []
    ordered = _in_columns(rows, width)
    items: list[Item] = []
    for part in finder.parted(ordered):
        items.extend([merged(part)] if isinstance(part[0], Line) else part)
    return items


def _in_columns(rows: list[list[Line]], width: float) -> list[list[Line]]:
    """Return the rows with columns that the stream runs across read one after the other."""
    across = [place for place, row in enumerate(rows) if _is_prose_in_columns(row, width)]
    if len(across) < ZIGZAGS or len(across) < ZIGZAG_SHARE * len(rows):
        return rows
    gutters = _gutters([rows[place] for place in across[:GUTTER_ROWS]])
    if not gutters:
        return rows
    first, last = across[0], across[-1]
    while first and _fits(rows[first - 1], rows[first], gutters):
        first -= 1
    while last + 1 < len(rows) and _fits(rows[last], rows[last + 1], gutters):
        last += 1
    lines = [line for row in rows[first : last + 1] for line in row]
    crossing = sorted(line.y0 for line in lines if _crosses(line, gutters))

    def order(line: Line) -> tuple[int, int]:
        middle = (line.y0 + line.y1) / 2
        band = sum(1 for top in crossing if top < middle)
        if _crosses(line, gutters):
            return band, -1
        return band, sum(1 for gutter in gutters if gutter < (line.x0 + line.x1) / 2)

    ordered = sorted(lines, key=order)
    return [*rows[:first], *([line] for line in ordered), *rows[last + 1 :]]


def _is_prose_in_columns(row: list[Line], width: float) -> bool:
    long = [line for line in row if len(line) >= PROSE_WORDS and line.x1 - line.x0 > width / 6]
    return len(long) >= 2 and len(long) == len(row)


def _gutters(rows: list[list[Line]]) -> list[float]:
    """Return the places that most rows leave free, from the left."""
    gaps = [(one.x1, other.x0) for row in rows for one, other in pairwise(row)]
    gutters: list[float] = []
    while gaps:
        best = max(
            (edge for gap in gaps for edge in gap),
            key=lambda edge: sum(1 for left, right in gaps if left <= edge <= right),
        )
        around = [gap for gap in gaps if gap[0] <= best <= gap[1]]
        if len(around) < max(3, ZIGZAG_SHARE * len(rows)):
            break
        gutters.append((max(gap[0] for gap in around) + min(gap[1] for gap in around)) / 2)
        gaps = [gap for gap in gaps if not gap[0] <= best <= gap[1]]
    return sorted(gutters)


def _fits(above: list[Line], below: list[Line], gutters: list[float]) -> bool:
    """Say whether one row goes on right under another without reaching over a gutter."""
    high = above[0].y1 - above[0].y0
    near = -high < below[0].y0 - above[-1].y1 < 2 * high
    return near and not any(_crosses(line, gutters) for line in (*above, *below))


def _crosses(line: Line, gutters: list[float]) -> bool:
    return any(line.x0 < gutter - 2 and line.x1 > gutter + 2 for gutter in gutters)
