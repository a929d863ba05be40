"""Tables whose cells are parted by lines: the grid of each, from a page's strokes."""

import ctypes
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import repeat, starmap

import numpy as np
import pypdfium2 as pdfium
from pypdfium2 import raw

from ingest.parsers.page_words import Flags, Floats, PageSpace, turned
from ingest.parsers.pdfium_calls import address_of, direct

MAXIMUM_OBJECTS = 20_000
MAXIMUM_SEGMENTS = 12
"""Of one path that may frame cells; curves and charts have more."""
MAXIMUM_STROKES = 2_500
THIN_POINTS = 3.0
REACH_POINTS = 2.5
"""Strokes this near to each other touch."""

_object_at = direct(raw.FPDFPage_GetObject, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int)
_kind_of = direct(raw.FPDFPageObj_GetType, ctypes.c_int, ctypes.c_void_p)
_length_of = direct(raw.FPDFPath_CountSegments, ctypes.c_int, ctypes.c_void_p)
_bounds_of = direct(
    raw.FPDFPageObj_GetBounds, ctypes.c_int, ctypes.c_void_p, *[ctypes.c_void_p] * 4
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stroke:
    """A horizontal or vertical line, points of the visible page, origin top left."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def horizontal(self) -> bool:
        """Whether it runs from left to right."""
        return self.x1 - self.x0 >= self.y1 - self.y0


@dataclass(frozen=True, slots=True)
class Grid:
    """The lines of one table, origin top left.

    Attributes:
        rows: Heights of its horizontal lines, from the top.
        columns: Its vertical lines as (x, top, bottom), from the left.
        x0: Its left edge.
        x1: Its right edge.
    """

    rows: tuple[float, ...]
    columns: tuple[tuple[float, float, float], ...]
    x0: float
    x1: float

    def holds(self, boxes: Floats) -> Flags:
        """Return for each box whether its middle is inside."""
        x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
        wide = (x >= self.x0 - 2) & (x <= self.x1 + 2)
        held: Flags = wide & (y >= self.rows[0]) & (y <= self.rows[-1])
        return held

    def edges_at(self, height: float) -> list[float]:
        """Return the vertical lines inside the grid that cross a height, from the left."""
        edges: list[float] = []
        for x, top, bottom in self.columns:
            crosses = top - 1 <= height <= bottom + 1 and self.x0 + 3 < x < self.x1 - 3
            if crosses and (not edges or x - edges[-1] > 3):
                edges.append(x)
        return edges


def grids_of_page(page: pdfium.PdfPage, *, turn: int = 0) -> list[Grid]:
    """Return the tables of a page that lines part into cells, from the top.

    Args:
        page: Loaded.
        turn: Quarter turns against the clock that bring its text upright.
    """
    strokes = sorted(_strokes(page, turn), key=lambda stroke: (stroke.y0, stroke.x0))
    upright = sum(not stroke.horizontal for stroke in strokes)
    if not 3 <= len(strokes) <= MAXIMUM_STROKES or not upright:
        return []
    grids = map(_grid, _touching(strokes))
    return [grid for grid in grids if grid is not None]


def _strokes(page: pdfium.PdfPage, turn: int) -> set[Stroke]:
    handle = address_of(page.raw)
    count = min(raw.FPDFPage_CountObjects(page), MAXIMUM_OBJECTS)
    items = list(map(_object_at, repeat(handle), range(count)))
    kinds = np.fromiter(map(_kind_of, items), dtype=np.int8, count=count)
    paths = [items[place] for place in np.flatnonzero(kinds == raw.FPDF_PAGEOBJ_PATH).tolist()]
    if not paths:
        return set()
    bounds = np.zeros((len(paths), 4), dtype=np.float32)
    start = bounds.ctypes.data
    columns = (range(start + 4 * n, start + 4 * n + 16 * len(paths), 16) for n in range(4))
    told = np.fromiter(map(_bounds_of, paths, *columns), dtype=bool, count=len(paths))
    sides = bounds[:, 2:] - bounds[:, :2]
    thin, long = sides.min(axis=1) <= THIN_POINTS, sides.max(axis=1) > 2 * THIN_POINTS
    drawn = [paths[place] for place in np.flatnonzero(told & long & ~thin).tolist()]
    lengths = map(_length_of, drawn)
    segments = [
        segment
        for path, length in zip(drawn, lengths, strict=True)
        if length <= MAXIMUM_SEGMENTS
        for segment in _segments_of_path(ctypes.cast(path, raw.FPDF_PAGEOBJECT), length)
    ]
    found = [bounds[told & long & thin], np.array(segments, dtype=np.float32).reshape(-1, 4)]
    width, height = page.get_width(), page.get_height()
    boxes = turned(PageSpace(page).boxes(np.vstack(found)), turn, width=width, height=height)
    return set(starmap(_straight, boxes.tolist()))


def _segments_of_path(path: object, length: int) -> Iterable[tuple[float, float, float, float]]:
    fill, stroked = ctypes.c_int(), ctypes.c_int()
    raw.FPDFPath_GetDrawMode(path, ctypes.byref(fill), ctypes.byref(stroked))
    if stroked.value:
        yield from _straight_segments(path, length)


def _straight_segments(path: object, length: int) -> Iterable[tuple[float, float, float, float]]:
    matrix = raw.FS_MATRIX()
    raw.FPDFPageObj_GetMatrix(path, ctypes.byref(matrix))
    start = last = (0.0, 0.0)
    for index in range(length):
        segment = raw.FPDFPath_GetPathSegment(path, index)
        x, y = ctypes.c_float(), ctypes.c_float()
        raw.FPDFPathSegment_GetPoint(segment, ctypes.byref(x), ctypes.byref(y))
        point = (
            matrix.a * x.value + matrix.c * y.value + matrix.e,
            matrix.b * x.value + matrix.d * y.value + matrix.f,
        )
        kind = raw.FPDFPathSegment_GetType(segment)
        if kind == raw.FPDF_SEGMENT_MOVETO:
            start = point
        elif kind == raw.FPDF_SEGMENT_LINETO:
            yield from _if_straight(last, point)
        if raw.FPDFPathSegment_GetClose(segment):
            yield from _if_straight(point, start)
        last = point


def _if_straight(
    start: tuple[float, float], end: tuple[float, float]
) -> Iterable[tuple[float, float, float, float]]:
    wide, high = abs(start[0] - end[0]), abs(start[1] - end[1])
    if min(wide, high) < 1 and max(wide, high) > 2 * THIN_POINTS:
        yield (
            min(start[0], end[0]), min(start[1], end[1]),
            max(start[0], end[0]), max(start[1], end[1]),
        )  # fmt: skip


def _straight(x0: float, y0: float, x1: float, y1: float) -> Stroke:
    """Return the middle line of a thin box."""
    if x1 - x0 >= y1 - y0:
        y0 = y1 = (y0 + y1) / 2
    else:
        x0 = x1 = (x0 + x1) / 2
    return Stroke(round(x0, 1), round(y0, 1), round(x1, 1), round(y1, 1))


def _touching(strokes: list[Stroke]) -> list[list[Stroke]]:
    """Return the strokes in groups of which each hangs together."""
    boxes = np.array([(s.x0, s.y0, s.x1, s.y1) for s in strokes])
    low, high = boxes[:, None, :2] - REACH_POINTS, boxes[:, None, 2:] + REACH_POINTS
    touch = np.all((boxes[None, :, :2] <= high) & (boxes[None, :, 2:] >= low), axis=2)
    unseen = set(range(len(strokes)))
    groups = []
    while unseen:
        group, edge = [], [unseen.pop()]
        while edge:
            one = edge.pop()
            group.append(one)
            reached = unseen.intersection(np.flatnonzero(touch[one]).tolist())
            unseen -= reached
            edge.extend(reached)
        groups.append([strokes[index] for index in sorted(group)])
    return groups


def _grid(strokes: list[Stroke]) -> Grid | None:
    rows = _distinct(stroke.y0 for stroke in strokes if stroke.horizontal)
    columns = sorted((s.x0, s.y0, s.y1) for s in strokes if not s.horizontal)
    x0, x1 = min(stroke.x0 for stroke in strokes), max(stroke.x1 for stroke in strokes)
    inner = any(x0 + 3 < column[0] < x1 - 3 for column in columns)
    return Grid(tuple(rows), tuple(columns), x0, x1) if inner and len(rows) > 1 else None


def _distinct(values: Iterable[float]) -> list[float]:
    kept: list[float] = []
    for value in sorted(values):
        if not kept or value - kept[-1] > REACH_POINTS:
            kept.append(value)
    return kept
