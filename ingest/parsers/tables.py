"""Tables of a page: those drawn with lines, and those that stand in columns without any.

Where no lines are drawn, rows that are broken by wide gaps and follow each other make a table;
its columns are the vertical strips that the words of its fullest rows fill.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol, TypeVar

import numpy as np

from ingest.building import is_figure, joined, names_columns
from ingest.parsers.page_words import Integers, PageWords, runs_to_the_left
from ingest.parsers.ruling import Grid

STRIP_POINTS = 5.0
STRIP_SIZES = 0.5
"""A white strip that parts columns is at least this wide, in points and in type sizes."""
ROW_GAP_HEIGHTS = 3.0
LABEL_ROWS = 6
"""So many rows may follow each other that fill the first column only."""
LABEL_WORDS = 16
HEADER_ROWS = 4
TITLE_WORDS = 8
SPANNED = 0.6
"""A name stands for columns whose middle is this near to it, in parts of their width."""
FRAME_WORDS = 150
"""A cell with more words is a frame around text."""
FIGURES = 0.3
ALIGNED_POINTS = 3.0
ALIGNED = 0.7

_BULLET = re.compile(
    r"^([\u2022\u25cf\u25aa\u25e6\u2013\u2023\u25a0\u25a1\uf0b7*-]|\(?\w{1,4}[.)])$"
)
_UNIT_BEFORE = re.compile(r"^(?:US|C|A|NZ|HK)?[$\u00a3\u20ac\u00a5]?\(?$")
_UNIT_AFTER = re.compile(r"^[)%*\u2020\u2021]+$|^\((?:[a-z]|\d)\)$|^(?:pts|bps|x)\.?$")


_DATE = re.compile(
    r"^(?:\d{1,4}[/.-]\d{1,2}[/.-]\d{1,4}|(?:FY|Q[1-4]|H[12])\s?'?\d{2,4}"
    r"|(?:\d{1,2} )?[A-Z][a-z]{2,8}\.? \d{1,2}(?:, ?\d{4})?|(?:19|20)\d\d[-/\u2013]\d{2,4})$"
)
_YEAR = re.compile(r"^(?:19|20)\d\d$")
_NOTHING = frozenset("-\u2013\u2014")
UNITS = 0.9
"""So much of a column must be currency signs and the like for it to go with the next."""


class LineLike(Protocol):
    """What is needed of a line: its words and where it stands."""

    start: int
    end: int
    x0: float
    y0: float
    x1: float
    y1: float
    size: float

    def __len__(self) -> int: ...


L = TypeVar("L", bound=LineLike)


@dataclass(slots=True)
class Row:
    """A row of a table.

    Attributes:
        cells: Places of each cell's words, in reading order; empty cells keep theirs.
        context: The names of the columns, joined as the row is; empty for the header itself.
        first: Whether it begins the table.
    """

    cells: list[list[int]]
    context: str = ""
    first: bool = False


@dataclass(slots=True)
class _Table:
    """A table on the way: rows of cells, and how many of them name the columns."""

    rows: list[list[list[int]]]
    names: list[str] = field(default_factory=list)
    header: int = 0

    def finished(self) -> list[Row]:
        """Return its rows with their context."""
        context = joined(self.names) if any(self.names) else ""
        return [
            Row(cells, "" if number < self.header else context, first=not number)
            for number, cells in enumerate(self.rows)
        ]


class TableFinder:
    """Finds the tables of one page.

    Args:
        words: The page's words.
    """

    def __init__(self, words: PageWords) -> None:
        self._words = words
        self._texts = words.texts

    def rows_of_grid(self, inside: Integers, grid: Grid) -> list[Row]:
        """Return a ruled table's rows; nothing when it frames text rather than a table.

        Args:
            inside: Places of the words inside the grid.
            grid: Its lines.
        """
        boxes = self._words.boxes[inside]
        middles = (boxes[:, 1] + boxes[:, 3]) / 2
        columns = (boxes[:, 0] + boxes[:, 2]) / 2
        bands: list[list[list[int]]] = []
        for top, bottom in pairwise(grid.rows):
            chosen = (middles >= top) & (middles < bottom)
            if not chosen.any():
                continue
            edges = grid.edges_at((top + bottom) / 2)
            cells: list[list[int]] = [[] for _ in range(len(edges) + 1)]
            places = np.searchsorted(edges, columns[chosen])
            for word, place in zip(inside[chosen].tolist(), places.tolist(), strict=True):
                cells[place].append(word)
            bands.extend(self._lines_of_band([self._in_lines(cell) for cell in cells]))
        if len(bands) < 2 or max(sum(map(bool, cells)) for cells in bands) < 2:
            return []
        if max(len(cell) for cells in bands for cell in cells) > FRAME_WORDS:
            return []
        return self._with_header(bands).finished()

    def parted(self, rows: Sequence[list[L]]) -> Iterator[list[L] | list[Row]]:
        """Yield the rows in order, those that make a table without lines as its rows."""
        waiting: list[list[L]] = []
        place = 0
        while place < len(rows):
            end = self._end_of_run(rows, place) if self._is_broken(rows[place]) else place
            run = rows[place:end]
            above = self._titles(waiting, run) if len(run) > 1 else 0
            table = self._table([*waiting[len(waiting) - above :], *run]) if len(run) > 1 else None
            if table is None:
                waiting.append(rows[place])
                place += 1
            else:
                yield from waiting[: len(waiting) - above]
                waiting = []
                yield table.finished()
                place = end
        yield from waiting

    def _titles(self, above: Sequence[list[L]], run: Sequence[list[L]]) -> int:
        """Return how many rows above a table stand over its columns and name several of them."""
        below, count = run[0], 0
        left = min(row[1].x0 for row in run if len(row) > 1) - STRIP_POINTS
        for row in reversed(above[-HEADER_ROWS:]):
            line = row[0]
            high = line.y1 - line.y0
            near = -high < below[0].y0 - line.y1 < 1.5 * high
            inside = line.x0 >= left and line.x1 < max(r[-1].x1 for r in run) + high
            if not near or not inside or len(row) > 1 or len(line) > TITLE_WORDS:
                break
            below, count = row, count + 1
        return count

    def _is_broken(self, row: Sequence[L]) -> bool:
        """Say whether a row may be one of a table: several cells, and not a marked list item."""
        if len(row) < 2:
            return False
        return len(row) > 2 or not self._is_bullet(row[0])

    def _has_amount(self, row: Sequence[L]) -> bool:
        return any(_is_amount(self._text(range(line.start, line.end))) for line in row[1:])

    def _is_bullet(self, line: L) -> bool:
        return len(line) == 1 and bool(_BULLET.match(self._texts[line.start]))

    def _end_of_run(self, rows: Sequence[list[L]], start: int) -> int:
        """Return the place after the last row of several cells that the table can reach."""
        end, waiting = start + 1, 0
        cells = list(rows[start])
        for place in range(start + 1, len(rows)):
            row, above = rows[place], rows[place - 1]
            high = above[0].y1 - above[0].y0
            if not -high < row[0].y0 - max(line.y1 for line in above) < ROW_GAP_HEIGHTS * high:
                break
            if self._is_broken(row):
                end, waiting = place + 1, 0
                cells.extend(row)
                continue
            if self._goes_under(row, cells):
                end, waiting = place + 1, 0
                continue
            waiting += 1
            right = max(line.x1 for line in cells)
            left = min(line.x0 for line in cells)
            wide = row[0].x1 - row[0].x0 > 0.75 * (right - left)
            if len(row) > 1 or waiting > LABEL_ROWS or wide or len(row[0]) > LABEL_WORDS:
                break
        return end

    def _goes_under(self, row: Sequence[L], cells: Sequence[L]) -> bool:
        """Say whether a line goes on with a cell above that is not the first of its row."""
        line = row[0]
        left = min(cell.x0 for cell in cells) + ALIGNED_POINTS
        under = any(abs(cell.x0 - line.x0) <= ALIGNED_POINTS for cell in cells)
        lower = self._texts[line.start][:1].islower()
        return len(row) == 1 and lower and under and line.x0 > left

    def _table(self, rows: Sequence[list[L]]) -> _Table | None:
        broken = [row for row in rows if self._is_broken(row)]
        if len(broken) < 2:
            return None
        figures = [row for row in broken if self._has_amount(row)]
        edges = self._edges(figures if len(figures) > 1 else broken)
        if not len(edges):
            return None
        edges = self._without_units(figures, edges)
        if not len(edges) or (len(edges) == 1 and len(broken) < 3):
            return None
        bands = [self._cells(row, edges) for row in rows]
        if not self._is_tabular(bands):
            return None
        header = self._header_count(bands)
        names = self._names(rows[:header], edges)
        merged = [*bands[:header], *self._labels_whole(bands[header:])]
        return _Table(merged, names, header)

    def _edges(self, rows: Sequence[list[L]]) -> Integers:
        """Return the middles of the strips that the fullest rows leave white."""
        most = max(map(len, rows))
        full = [row for row in rows if 2 * len(row) >= most]
        right = int(max(row[-1].x1 for row in full)) + 3
        covered = np.zeros(right + 1, dtype=np.int64)
        for row in full:
            boxes = self._words.boxes[row[0].start : row[-1].end]
            np.add.at(covered, np.clip(boxes[:, 0], 0, right).astype(np.int64), 1)
            np.add.at(covered, np.clip(np.ceil(boxes[:, 2]), 0, right).astype(np.int64), -1)
        white = np.cumsum(covered) <= len(full) // 16
        steps = np.diff(np.concatenate([[0], white.view(np.int8), [0]]))
        begins, ends = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
        size = float(np.median([row[0].size for row in full]))
        wide = ends - begins >= max(STRIP_POINTS, STRIP_SIZES * size)
        inner = wide & (begins > 0) & (ends < right)
        left = min(row[0].x0 for row in full)
        inner &= begins > left
        edges: Integers = ((begins + ends) // 2)[inner]
        return edges

    def _without_units(self, rows: Sequence[list[L]], edges: Integers) -> Integers:
        """Return the edges without those between an amount and its sign."""
        kinds: list[list[str]] = [[] for _ in range(len(edges) + 1)]
        for row in rows:
            boxes = self._words.boxes[row[0].start : row[-1].end]
            places = np.searchsorted(edges, (boxes[:, 0] + boxes[:, 2]) / 2).tolist()
            for place, text in zip(places, self._texts[row[0].start : row[-1].end], strict=True):
                kinds[place].append(text)
        keep = []
        for number in range(len(edges)):
            before, after = kinds[number], kinds[number + 1]
            unit_before = _mostly(_UNIT_BEFORE, before)
            unit_after = _mostly(_UNIT_AFTER, after)
            keep.append(not unit_before and not unit_after and (bool(after) or not rows))
        kept: Integers = edges[np.array(keep, dtype=bool)]
        return kept

    def _cells(self, row: Sequence[L], edges: Integers) -> list[list[int]]:
        """Return the words of a row by column; what reaches over an edge stays together."""
        cells: list[list[int]] = [[] for _ in range(len(edges) + 1)]
        for line in row:
            boxes = self._words.boxes[line.start : line.end]
            columns = np.searchsorted(edges, (boxes[:, 0] + boxes[:, 2]) / 2).tolist()
            gaps = (boxes[1:, 0] - boxes[:-1, 2]).tolist()
            column = columns[0]
            cells[column].append(line.start)
            for place, (other, gap) in enumerate(zip(columns[1:], gaps, strict=True), 1):
                if other > column and gap >= STRIP_SIZES * line.size:
                    column = other
                cells[column].append(line.start + place)
        return cells

    def _is_tabular(self, bands: Sequence[list[list[int]]]) -> bool:
        """Say whether cells hold what tables hold: figures, or short entries that line up."""
        filled = [cell for cells in bands for cell in cells[1:] if cell]
        if not filled:
            return False
        figures = sum(is_figure(self._text(cell)) for cell in filled)
        if figures >= FIGURES * len(filled):
            return True
        if sum(map(len, filled)) > 6 * len(filled):
            return False
        lefts: list[float] = []
        lined = 0
        for column in range(1, len(bands[0])):
            lefts = [float(self._words.boxes[c[column][0], 0]) for c in bands if c[column]]
            if lefts:
                usual = float(np.median(lefts))
                lined += sum(abs(left - usual) <= ALIGNED_POINTS for left in lefts)
        return len(filled) > 2 and lined >= ALIGNED * len(filled)

    def _header_count(self, bands: Sequence[list[list[int]]]) -> int:
        """Return how many rows at the top name the columns."""
        for number, cells in enumerate(bands):
            if any(_is_amount(self._text(cell)) for cell in cells[1:] if cell):
                return number if number <= HEADER_ROWS else 0
            only_label = cells[0] and not any(cells[1:])
            if only_label and number:
                return number if number <= HEADER_ROWS else 0
        return 1 if self._names_columns(bands) else 0

    def _names(self, rows: Sequence[list[L]], edges: Integers) -> list[str]:
        """Return the name of each column; one that stands over several names them all."""
        names: list[list[str]] = [[] for _ in range(len(edges) + 1)]
        for row in rows:
            over = [line for line in row if line.x0 > edges[0]]
            for line in row:
                if line.x0 <= edges[0]:
                    names[0].append(self._text(range(line.start, line.end)))
            if not over:
                continue
            if len(over) >= len(edges):
                for column, cell in enumerate(self._cells(over, edges)):
                    names[column].append(self._text(cell))
                continue
            middles = np.array([(line.x0 + line.x1) / 2 for line in over])
            for column, (left, right) in enumerate(self._extents(edges)[1:], 1):
                centre, reach = (left + right) / 2, SPANNED * (right - left)
                nearest = over[int(np.abs(middles - centre).argmin())]
                if nearest.x0 - reach <= centre <= nearest.x1 + reach:
                    names[column].append(self._text(range(nearest.start, nearest.end)))
        return [" ".join(filter(None, parts)) for parts in names]

    def _extents(self, edges: Integers) -> list[tuple[float, float]]:
        """Return where each column begins and ends."""
        right = float(self._words.boxes[:, 2].max())
        last = min(right, float(edges[-1]) + self._usual_width(edges))
        return list(pairwise([0.0, *edges.tolist(), last]))

    def _usual_width(self, edges: Integers) -> float:
        return float(np.median(np.diff(edges))) if len(edges) > 1 else 80.0

    def _labels_whole(self, bands: Sequence[list[list[int]]]) -> list[list[list[int]]]:
        """Return the rows with labels that run over two lines in one."""
        whole: list[list[list[int]]] = []
        for cells in bands:
            above = whole[-1] if whole else None
            goes_on = bool(cells[0]) and self._texts[cells[0][0]][:1].islower()
            alone = above is not None and bool(above[0]) and not any(above[1:])
            if above and alone and (goes_on or not cells[0]):
                above[0].extend(cells[0])
                above[1:] = cells[1:]
            elif above and goes_on and above[0] and not any(cells[1:]):
                above[0].extend(cells[0])
            elif above and not cells[0] and self._run_over(above, cells):
                for cell, more in zip(above, cells, strict=True):
                    cell.extend(more)
            else:
                whole.append(cells)
        return whole

    def _run_over(self, above: list[list[int]], cells: list[list[int]]) -> bool:
        """Say whether a row only goes on with cells of the row above."""
        filled = [(cell, more) for cell, more in zip(above, cells, strict=True) if more]
        return all(cell and self._texts[more[0]][:1].islower() for cell, more in filled)

    def _with_header(self, bands: list[list[list[int]]]) -> _Table:
        """Return a ruled table, its first rows taken for names where they read like that."""
        if not self._names_columns(bands):
            return _Table(bands)
        names = [self._text(cell) for cell in bands[0]]
        return _Table(bands, names, 1)

    def _names_columns(self, bands: Sequence[list[list[int]]]) -> bool:
        """Say whether the first row names the columns.

        Where type is bold, it decides: a header is bold throughout and the rows below are not.
        """
        cells = [self._text(cell) for cell in bands[0]]
        if len(bands) < 2 or not names_columns(cells):
            return False
        heavy = self._words.bold
        bold = [[bool(heavy[cell].all()) for cell in row if cell] for row in bands]
        if any(any(row) for row in bold):
            return all(bold[0]) and not all(bold[1])
        return len(cells) > 2

    def _lines_of_band(self, cells: list[list[int]]) -> list[list[list[int]]]:
        """Return a band between two rules as one row, or line by line where each line is one."""
        lines: list[list[list[int]]] = []
        tops: list[float] = []
        order = sorted(
            (float(self._words.boxes[word, 1] + self._words.boxes[word, 3]) / 2, column, word)
            for column, cell in enumerate(cells)
            for word in cell
        )
        for middle, column, word in order:
            high = float(self._words.boxes[word, 3] - self._words.boxes[word, 1])
            if not tops or middle - tops[-1] > 0.6 * high:
                tops.append(middle)
                lines.append([[] for _ in cells])
            lines[-1][column].append(word)
        if not self._are_rows(lines):
            return [cells]
        rows: list[list[list[int]]] = []
        for line in lines:
            cells = [self._in_lines(cell) for cell in line]
            if rows and not cells[0] and sum(map(bool, cells)) == 1:
                for above, cell in zip(rows[-1], cells, strict=True):
                    above.extend(cell)
            else:
                rows.append(cells)
        return rows

    def _are_rows(self, lines: Sequence[list[list[int]]]) -> bool:
        """Say whether lines that no rule parts are rows of their own, not text that runs over."""
        filled = sum(sum(map(bool, line)) > 1 for line in lines)
        if len(lines) > 3:
            return filled >= 0.5 * len(lines)
        begun = all(
            cell and not self._texts[cell[0]][0].islower() for line in lines[1:] for cell in line
        )
        return len(lines) > 1 and len(lines[0]) > 2 and all(map(all, lines)) and begun

    def _in_lines(self, words: list[int]) -> list[int]:
        """Return words from top to bottom and left to right, whatever order they were drawn in."""
        if len(words) < 2:
            return words
        boxes = self._words.boxes
        ordered: list[list[int]] = []
        for word in sorted(words, key=lambda place: float(boxes[place, 1] + boxes[place, 3])):
            if ordered:
                above = boxes[ordered[-1][0]]
                shared = min(above[3], boxes[word, 3]) - max(above[1], boxes[word, 1])
                if shared > 0.5 * min(above[3] - above[1], boxes[word, 3] - boxes[word, 1]):
                    ordered[-1].append(word)
                    continue
            ordered.append([word])
        return [word for line in ordered for word in self._across(line)]

    def _across(self, line: list[int]) -> list[int]:
        """Return the words of one line in the direction in which they are read."""
        backwards = sum(runs_to_the_left(self._texts[word]) for word in line) * 2 > len(line)
        return sorted(line, key=lambda word: float(self._words.boxes[word, 0]), reverse=backwards)

    def _text(self, words: Sequence[int]) -> str:
        return " ".join([self._texts[word] for word in words])


def _is_amount(text: str) -> bool:
    """Say whether a cell holds an amount: figures that are no year and no date."""
    if text in _NOTHING:
        return True
    return is_figure(text) and not _YEAR.match(text) and not _DATE.match(text)


def _mostly(pattern: re.Pattern[str], texts: Sequence[str]) -> bool:
    return bool(texts) and sum(map(bool, map(pattern.match, texts))) >= UNITS * len(texts)
