"""Tables that are drawn with lines: the grid of each, from a page's strokes."""

import ctypes
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pypdfium2 as pdfium
from pypdfium2 import raw

MAXIMUM_OBJECTS = 20_000
MAXIMUM_SEGMENTS = 4_000
MAXIMUM_STROKES = 2_500
THIN_POINTS = 3.0
REACH_POINTS = 2.5
"""Strokes this near to each other touch."""


@dataclass(frozen=True, slots=True)
class Stroke:
    """A horizontal or vertical line, points of the page, origin bottom left as in the file."""

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
        columns: Its vertical lines as (x, top, bottom), from the left; empty when the table
            rules its rows only.
        x0: Its left edge.
        x1: Its right edge.
    """

    rows: tuple[float, ...]
    columns: tuple[tuple[float, float, float], ...]
    x0: float
    x1: float


def grids_of_page(page: pdfium.PdfPage) -> list[Grid]:
    """Return the ruled tables of an unrotated page, from the top."""
    strokes = sorted(set(_strokes(page)), key=lambda stroke: (-stroke.y1, stroke.x0))
    if not 3 <= len(strokes) <= MAXIMUM_STROKES:
        return []
    left, _, _, top = page.get_bbox()
    grids = (_grid(group, left, top) for group in _touching(strokes))
    return [grid for grid in grids if grid is not None]


def _strokes(page: pdfium.PdfPage) -> Iterable[Stroke]:
    count = raw.FPDFPage_CountObjects(page)
    for index in range(min(count, MAXIMUM_OBJECTS)):
        item = raw.FPDFPage_GetObject(page, index)
        if raw.FPDFPageObj_GetType(item) == raw.FPDF_PAGEOBJ_PATH:
            yield from _strokes_of_path(item)


def _strokes_of_path(path: object) -> Iterable[Stroke]:
    bounds = [ctypes.c_float() for _ in range(4)]
    if not raw.FPDFPageObj_GetBounds(path, *(ctypes.byref(value) for value in bounds)):
        return
    x0, y0, x1, y1 = (value.value for value in bounds)
    if min(x1 - x0, y1 - y0) <= THIN_POINTS:
        if max(x1 - x0, y1 - y0) > 2 * THIN_POINTS:
            yield _straight(x0, y0, x1, y1)
        return
    fill, stroked = ctypes.c_int(), ctypes.c_int()
    raw.FPDFPath_GetDrawMode(path, ctypes.byref(fill), ctypes.byref(stroked))
    if stroked.value:
        yield from _straight_segments(path)


def _straight_segments(path: object) -> Iterable[Stroke]:
    matrix = raw.FS_MATRIX()
    raw.FPDFPageObj_GetMatrix(path, ctypes.byref(matrix))
    start = last = (0.0, 0.0)
    for index in range(min(raw.FPDFPath_CountSegments(path), MAXIMUM_SEGMENTS)):
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


def _if_straight(start: tuple[float, float], end: tuple[float, float]) -> Iterable[Stroke]:
    wide, high = abs(start[0] - end[0]), abs(start[1] - end[1])
    if min(wide, high) < 1 and max(wide, high) > 2 * THIN_POINTS:
        yield _straight(
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
    """Return the strokes in groups of which each hangs together.

    Horizontal lines without verticals hang together when they start and end alike.
    """
    boxes = np.array([(s.x0, s.y0, s.x1, s.y1) for s in strokes])
    low, high = boxes[:, None, :2] - REACH_POINTS, boxes[:, None, 2:] + REACH_POINTS
    touch = np.all((boxes[None, :, :2] <= high) & (boxes[None, :, 2:] >= low), axis=2)
    flat = np.array([s.horizontal for s in strokes])
    alike = np.abs(boxes[:, None, [0, 2]] - boxes[None, :, [0, 2]]).max(axis=2) < REACH_POINTS
    near = np.abs(boxes[:, None, 1] - boxes[None, :, 1]) < 90
    touch |= alike & near & flat[:, None] & flat[None, :]
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


def _grid(strokes: list[Stroke], left: float, top: float) -> Grid | None:
    flat = [stroke for stroke in strokes if stroke.horizontal]
    rows = _distinct(top - stroke.y0 for stroke in flat)
    if len(rows) < 3 and not (len(rows) == 2 and len(flat) < len(strokes) - 2):
        return None
    columns = sorted(
        (stroke.x0 - left, top - stroke.y1, top - stroke.y0)
        for stroke in strokes
        if not stroke.horizontal
    )
    x0 = min(stroke.x0 for stroke in strokes) - left
    x1 = max(stroke.x1 for stroke in strokes) - left
    inner = [column for column in columns if x0 + 3 < column[0] < x1 - 3]
    if columns and not inner:
        return None
    return Grid(tuple(rows), tuple(columns), x0, x1)


def _distinct(values: Iterable[float]) -> list[float]:
    kept: list[float] = []
    for value in sorted(values):
        if not kept or value - kept[-1] > REACH_POINTS:
            kept.append(value)
    return kept
