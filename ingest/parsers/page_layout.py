"""Words of a page into lines and table rows, in reading order."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from ingest.parsers.page_words import PageWord
from ingest.parsers.ruling import Grid

CELL_GAP_SIZES = 1.3
"""A gap wider than this many type sizes parts cells or columns."""
COLUMN_STRIP_POINTS = 5.0
PROSE_WORDS = 5


@dataclass(slots=True)
class Line:
    """Words that stand beside each other, from left to right."""

    words: list[PageWord]
    x0: float = 0.0
    y0: float = 0.0
    x1: float = 0.0
    y1: float = 0.0

    def __post_init__(self) -> None:
        self.x0 = min(word.x0 for word in self.words)
        self.y0 = min(word.y0 for word in self.words)
        self.x1 = max(word.x1 for word in self.words)
        self.y1 = max(word.y1 for word in self.words)

    @property
    def text(self) -> str:
        """Its words with single spaces."""
        return " ".join(word.text for word in self.words)

    @property
    def size(self) -> float:
        """The type size of most of its letters."""
        return statistics.median(word.size for word in self.words)

    @property
    def bold(self) -> bool:
        """Whether all of its words are set in bold type."""
        return all(word.bold for word in self.words if any(map(str.isalnum, word.text)))


@dataclass(slots=True)
class Row:
    """A row of a table.

    Attributes:
        cells: Words of each cell, in reading order; empty cells keep their place.
        table: Counts the tables of the page.
    """

    cells: list[list[PageWord]]
    table: int
    y0: float = field(default=0.0)
    y1: float = field(default=0.0)

    def __post_init__(self) -> None:
        words = [word for cell in self.cells for word in cell]
        self.y0 = min(word.y0 for word in words)
        self.y1 = max(word.y1 for word in words)


Item = Line | Row


def arrange(words: Sequence[PageWord], grids: Sequence[Grid], *, width: float) -> list[Item]:
    """Return what stands on a page, in reading order.

    The order of the content stream is kept; it is right on nearly all pages. Only words of a
    table are put in order of rows, and columns that the stream runs across are read one after
    the other.

    Args:
        words: In stream order.
        grids: The page's ruled tables.
        width: Of the page, points.
    """
    owner = [_grid_around(word, grids) for word in words]
    items: list[Item] = []
    loose: list[PageWord] = []
    done: set[int] = set()
    tables = _Tables()
    for word, grid in zip(words, owner, strict=True):
        if grid is None:
            loose.append(word)
        elif grid not in done:
            done.add(grid)
            inside = [w for w, g in zip(words, owner, strict=True) if g == grid]
            rows = tables.rows_of_grid(inside, grids[grid])
            if rows:
                items.extend(_without_grid(loose, width, tables))
                loose = []
                items.extend(rows)
            else:
                loose.extend(inside)
    items.extend(_without_grid(loose, width, tables))
    return items


def _grid_around(word: PageWord, grids: Sequence[Grid]) -> int | None:
    x, y = (word.x0 + word.x1) / 2, (word.y0 + word.y1) / 2
    for number, grid in enumerate(grids):
        if grid.x0 - 2 <= x <= grid.x1 + 2 and grid.rows[0] <= y <= grid.rows[-1]:
            return number
    return None


class _Tables:
    """Makes rows and numbers the tables."""

    def __init__(self) -> None:
        self._count = 0

    def rows_of_grid(self, words: list[PageWord], grid: Grid) -> list[Row]:
        """Return a grid's rows; nothing when it frames text rather than a table."""
        strips = [] if grid.columns else _strips(words)
        bands: list[list[list[PageWord]]] = []
        for top, bottom in zip(grid.rows, grid.rows[1:], strict=False):
            inside = [word for word in words if top <= (word.y0 + word.y1) / 2 < bottom]
            edges = strips or _edges_at((top + bottom) / 2, grid)
            if inside:
                bands.append(_cells(inside, edges))
        if not bands or max(len(cells) for cells in bands) < 2:
            return []
        return self._numbered(bands)

    def rows_of_lines(self, lines: list[list[Line]]) -> list[Row]:
        """Return the rows of lines that are broken at the same places."""
        edges = _strips([word for line in lines for piece in line for word in piece.words])
        if not edges:
            return []
        words = [[word for piece in line for word in piece.words] for line in lines]
        return self._numbered([_cells(row, edges) for row in words])

    def _numbered(self, bands: list[list[list[PageWord]]]) -> list[Row]:
        self._count += 1
        return [Row(cells, self._count) for cells in bands]


def _edges_at(height: float, grid: Grid) -> list[float]:
    inner = [x for x, top, bottom in grid.columns if top - 1 <= height <= bottom + 1]
    edges: list[float] = []
    for x in sorted(inner):
        if grid.x0 + 3 < x < grid.x1 - 3 and (not edges or x - edges[-1] > 3):
            edges.append(x)
    return edges


def _cells(words: list[PageWord], edges: list[float]) -> list[list[PageWord]]:
    cells: list[list[PageWord]] = [[] for _ in range(len(edges) + 1)]
    for word in words:
        middle = (word.x0 + word.x1) / 2
        cells[sum(1 for edge in edges if edge < middle)].append(word)
    return [_in_lines(cell) for cell in cells]


def _in_lines(words: list[PageWord]) -> list[PageWord]:
    """Return words from top to bottom and left to right, whatever order they were drawn in."""
    ordered: list[list[PageWord]] = []
    for word in sorted(words, key=lambda word: (word.y0 + word.y1) / 2):
        if ordered and _beside(ordered[-1][0], word):
            ordered[-1].append(word)
        else:
            ordered.append([word])
    return [word for line in ordered for word in sorted(line, key=lambda word: word.x0)]


def _strips(words: Sequence[PageWord]) -> list[float]:
    """Return the middles of the vertical strips that no word touches."""
    edges: list[float] = []
    reach = 0.0
    for word in sorted(words, key=lambda word: word.x0):
        if reach and word.x0 - reach > COLUMN_STRIP_POINTS:
            edges.append((word.x0 + reach) / 2)
        reach = max(reach, word.x1)
    return edges


def _without_grid(words: list[PageWord], width: float, tables: _Tables) -> list[Item]:
    if not words:
        return []
    rows = _same_height(_pieces(words))
    items: list[Item] = []
    run: list[list[Line]] = []
    for row in [*rows, []]:
        if len(row) > 1 and (not run or _follows(run[-1], row)):
            run.append(row)
            continue
        items.extend(_run_of_broken_lines(run, width, tables))
        run = [row] if len(row) > 1 else []
        items.extend([] if run else row)
    return items


def _follows(row: list[Line], below: list[Line]) -> bool:
    """Say whether a line stands right under another, as the next row of a table would."""
    height = row[0].y1 - row[0].y0
    return -height < below[0].y0 - row[0].y1 < 2 * height


def _pieces(words: list[PageWord]) -> list[Line]:
    """Return runs of words without a wide gap, in stream order."""
    pieces: list[list[PageWord]] = []
    for word in words:
        if pieces and _continues(pieces[-1][-1], word):
            pieces[-1].append(word)
        else:
            pieces.append([word])
    return [Line(piece) for piece in pieces]


def _continues(before: PageWord, word: PageWord) -> bool:
    if word.glued or not _beside(before, word):
        return False
    gap = word.x0 - before.x1
    return -before.size <= gap <= CELL_GAP_SIZES * max(before.size, word.size)


def _beside(first: PageWord | Line, second: PageWord | Line) -> bool:
    shared = min(first.y1, second.y1) - max(first.y0, second.y0)
    return shared > 0.5 * min(first.y1 - first.y0, second.y1 - second.y0)


def _same_height(pieces: list[Line]) -> list[list[Line]]:
    """Return pieces that follow each other in the stream and stand beside each other."""
    rows: list[list[Line]] = []
    for piece in pieces:
        if rows and _beside(rows[-1][-1], piece) and piece.x0 >= rows[-1][-1].x1 - 1:
            rows[-1].append(piece)
        else:
            rows.append([piece])
    return rows


def _run_of_broken_lines(run: list[list[Line]], width: float, tables: _Tables) -> list[Item]:
    if not run:
        return []
    if _is_prose_in_columns(run, width):
        return _one_column_after_the_other(run)
    if len(run) > 1 and min(len(row) for row in run) > 1:
        rows = tables.rows_of_lines(run)
        if rows:
            return list(rows)
    return [Line([word for piece in row for word in piece.words]) for row in run]


def _is_prose_in_columns(run: list[list[Line]], width: float) -> bool:
    if len(run) < 4:
        return False
    pieces = [piece for row in run for piece in row]
    long = [p for p in pieces if len(p.words) >= PROSE_WORDS and p.x1 - p.x0 > width / 5]
    return len(long) >= 0.6 * len(pieces)


def _one_column_after_the_other(run: list[list[Line]]) -> list[Item]:
    edges = _strips([word for row in run for piece in row for word in piece.words])
    pieces = [piece for row in run for piece in row]
    ordered = sorted(
        enumerate(pieces),
        key=lambda item: (sum(1 for edge in edges if edge < item[1].x0), item[0]),
    )
    return [piece for _, piece in ordered]
