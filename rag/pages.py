"""Pictures of pages with the cited lines marked.

Nothing here asks who may see a page: whoever calls has been through the gate before.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Final

import pypdfium2 as pdfium
from PIL import Image, ImageDraw

from corpus.documents import Box, VersionId
from rag.errors import NotFound, RagError

USUAL_SCALE: Final = 1.7
"""Pixels per PDF point: text of 9 points is sharp at the width of the evidence panel."""

MARK_COLOUR: Final = (255, 214, 10, 90)
BAR_COLOUR: Final = (63, 75, 196, 255)
BAR_WIDTH_POINTS: Final = 3.0
BAR_GAP_POINTS: Final = 9.0
MARK_PADDING_POINTS: Final = 1.5

MOST_PIXELS: Final = 12_000_000
"""A page may claim to be metres wide; its picture is made smaller rather than refused."""

# PDFium may be called by one thread at a time, whichever documents are open.
_PDFIUM = threading.Lock()


def render_page(
    pdf: bytes, number: int, marks: Sequence[Box], *, scale: float = USUAL_SCALE
) -> bytes:
    """Draw a page of a PDF with a span marked on it.

    Args:
        pdf: The original's bytes.
        number: The page, from 0.
        marks: One box per line; those of other pages are left out.
        scale: Pixels per PDF point; less is used for pages too large to draw.

    Returns:
        A PNG image.

    Raises:
        NotFound: There is no such page.
        RagError: The PDF cannot be drawn.
    """
    picture, drawn_scale = _draw_page(pdf, number, scale)
    here = [mark for mark in marks if mark.page == number]
    if here:
        picture = _mark(picture, here, drawn_scale)
    written = BytesIO()
    picture.save(written, format="PNG")
    return written.getvalue()


class PageImages:
    """The pictures drawn last, kept in memory.

    The key holds nothing about who looks, and the caller authorises before asking; so one
    person's picture may serve another who may see the same page.

    Args:
        capacity: How many pictures are kept.
    """

    def __init__(self, capacity: int = 100) -> None:
        self._capacity = capacity
        self._pictures: OrderedDict[tuple[VersionId, int, tuple[Box, ...], float], bytes] = (
            OrderedDict()
        )
        self._lock = threading.Lock()

    def picture(
        self,
        version_id: VersionId,
        number: int,
        marks: Sequence[Box],
        *,
        read_pdf: Callable[[], bytes],
        scale: float = USUAL_SCALE,
    ) -> bytes:
        """Return a page as `render_page` draws it; reads the PDF only where it must."""
        key = (version_id, number, tuple(marks), scale)
        with self._lock:
            if key in self._pictures:
                self._pictures.move_to_end(key)
                return self._pictures[key]
        picture = render_page(read_pdf(), number, marks, scale=scale)
        with self._lock:
            self._pictures[key] = picture
            while len(self._pictures) > self._capacity:
                self._pictures.popitem(last=False)
        return picture


def _draw_page(pdf: bytes, number: int, scale: float) -> tuple[Image.Image, float]:
    with _PDFIUM:
        try:
            document = pdfium.PdfDocument(pdf)
        except pdfium.PdfiumError as error:
            raise _undrawable() from error
        try:
            if not 0 <= number < len(document):
                raise NotFound("There is no such page.")
            page = document[number]
            width, height = page.get_size()
            drawn_scale = min(scale, (MOST_PIXELS / max(width * height, 1.0)) ** 0.5)
            # Copied, because the bitmap's memory is PDFium's and ends with the document.
            picture = page.render(scale=drawn_scale).to_pil().convert("RGB").copy()
        except pdfium.PdfiumError as error:
            raise _undrawable() from error
        finally:
            document.close()
    return picture, drawn_scale


def _undrawable() -> RagError:
    return RagError(
        "This page cannot be drawn. Open the original instead, and tell the administrator."
    )


def _mark(picture: Image.Image, marks: Sequence[Box], scale: float) -> Image.Image:
    layer = Image.new("RGBA", picture.size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(layer)
    padding = MARK_PADDING_POINTS
    for mark in marks:
        corners = (mark.x0 - padding, mark.y0 - padding, mark.x1 + padding, mark.y1 + padding)
        draw.rectangle(tuple(round(value * scale) for value in corners), fill=MARK_COLOUR)
    left = max(0.0, min(mark.x0 for mark in marks) - BAR_GAP_POINTS)
    for top, bottom in _runs(marks):
        corners = (left, top - padding, left + BAR_WIDTH_POINTS, bottom + padding)
        draw.rectangle(tuple(round(value * scale) for value in corners), fill=BAR_COLOUR)
    return Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")


def _runs(marks: Sequence[Box]) -> list[tuple[float, float]]:
    """Return top and bottom of each stretch of lines that stand close together."""
    runs: list[tuple[float, float]] = []
    for mark in sorted(marks, key=lambda mark: mark.y0):
        if runs and mark.y0 - runs[-1][1] <= (mark.y1 - mark.y0):
            runs[-1] = (runs[-1][0], max(runs[-1][1], mark.y1))
        else:
            runs.append((mark.y0, mark.y1))
    return runs
