"""Text recognition: words with boxes from a picture of a page.

Tesseract where it is installed: three times cheaper and more exact on Latin print than
RapidOCR, whose models come inside its package and need no download.
"""

import csv
import io
import math
import re
import shutil
import statistics
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from PIL import Image

from ingest import heartbeat
from ingest.parsers.page_words import PageWord, PageWords, turned
from ingest.settings import Recognition

DOTS_PER_INCH = 200
FINE_DOTS_PER_INCH = 300
LOW_CONFIDENCE = 0.6
"""A page read with less is looked at again: turned, or drawn finer."""
MAXIMUM_PIXELS = 150_000_000
"""Of a picture that is decoded at all."""
RECOGNISED_PIXELS = 50_000_000
"""A larger picture is made smaller before it is read."""
POINTS_PER_INCH = 72
_TYPE_PER_LINE = 0.8
"""Type size as a part of the height of a line of print with ascenders and descenders."""
_TURN = re.compile(rb"Rotate: (\d+)\s+Orientation confidence: ([\d.]+)")
_SURE_OF_TURN = 1.0

Draw = Callable[[float], Image.Image]
"""Draws a page at so many dots per inch."""


class RecognitionUnavailable(Exception):
    """No engine may be used or is installed."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """What was read in a picture.

    Attributes:
        words: In reading order; boxes in points on the page as its text is upright.
        confidence: Mean over the words, 0 to 1.
        turn: Quarter turns, against the clock, that brought the text upright.
    """

    words: list[PageWord]
    confidence: float
    turn: int = 0

    def on_page(self, *, width: float, height: float) -> PageWords:
        """Return the words on a page of so many points as it is shown."""
        upright = (height, width) if self.turn % 2 else (width, height)
        found = PageWords.of(self.words, width=upright[0], height=upright[1])
        back = (4 - self.turn) % 4
        found.marks = turned(found.boxes, back, width=upright[0], height=upright[1])
        found.turn = self.turn
        return found


def recognise_page(
    draw: Draw,
    *,
    width: float,
    height: float,
    engine: Recognition,
    dots: Sequence[float] = (DOTS_PER_INCH, FINE_DOTS_PER_INCH),
) -> Recognised:
    """Return the words on a page, looked at again where it reads badly.

    Args:
        draw: Draws the page.
        width: Points.
        height: Points.
        engine: Which one recognises.
        dots: Per inch, the first to try and those that show more: none for a photograph.

    Raises:
        RecognitionUnavailable: Switched off, or the engine is not there.
    """
    fineness = sorted({_dots_for(width, height, wanted) for wanted in dots})
    picture = draw(fineness[0])
    best = recognise(picture, dots_per_inch=fineness[0], engine=engine)
    heartbeat.beat()
    if not best.words or best.confidence >= LOW_CONFIDENCE:
        return best
    again = _upright(picture, fineness[0], engine)
    if again is None and len(fineness) > 1:
        again = recognise(draw(fineness[1]), dots_per_inch=fineness[1], engine=engine)
    heartbeat.beat()
    return again if again and again.confidence > best.confidence else best


def recognise(picture: Image.Image, *, dots_per_inch: float, engine: Recognition) -> Recognised:
    """Return the words in a picture whose text is upright.

    Raises:
        RecognitionUnavailable: Switched off, or the engine is not there.
    """
    points = POINTS_PER_INCH / dots_per_inch
    if engine == "off":
        raise RecognitionUnavailable("switched off")
    if engine in {"auto", "tesseract"} and tesseract():
        return _with_tesseract(picture, points)
    if engine == "tesseract":
        raise RecognitionUnavailable("tesseract is not installed")
    return _with_rapidocr(picture, points)


def tesseract() -> str:
    """Return where tesseract is, empty when it is not installed."""
    return shutil.which("tesseract") or ""


def _dots_for(width: float, height: float, wanted: float) -> float:
    """Return how finely a page may be drawn: less than wanted where it is metres wide."""
    inches = max(width * height, 1.0) / POINTS_PER_INCH**2
    return min(wanted, math.sqrt(RECOGNISED_PIXELS / inches))


def _upright(picture: Image.Image, dots: float, engine: Recognition) -> Recognised | None:
    """Return what is read once a picture that lies on its side or head is turned, else None."""
    if engine == "rapidocr" or not tesseract():
        return None
    told = _TURN.search(_run_tesseract(picture, dots, "--psm", "0"))
    if told is None or float(told[2]) < _SURE_OF_TURN or not int(told[1]) % 360:
        return None
    clockwise = int(told[1]) % 360
    found = recognise(picture.rotate(-clockwise, expand=True), dots_per_inch=dots, engine=engine)
    return Recognised(found.words, found.confidence, (360 - clockwise) // 90)


def _with_tesseract(picture: Image.Image, points: float) -> Recognised:
    table = _run_tesseract(picture, POINTS_PER_INCH / points, "--psm", "3", "tsv")
    words: list[PageWord] = []
    trusts: list[float] = []
    line_size = 0.0
    lines = io.StringIO(table.decode("utf-8", errors="replace"))
    for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
        if row["level"] == "4":
            line_size = round(int(row["height"]) * points * _TYPE_PER_LINE)
        if row["level"] != "5" or not row["text"].strip():
            continue
        left, top = int(row["left"]) * points, int(row["top"]) * points
        right = left + int(row["width"]) * points
        bottom = top + int(row["height"]) * points
        words.append(PageWord(row["text"].strip(), left, top, right, bottom, line_size))
        trusts.append(float(row["conf"]) / 100)
    return Recognised(words, statistics.fmean(trusts) if trusts else 0.0)


def _run_tesseract(picture: Image.Image, dots: float, *arguments: str) -> bytes:
    """Return what tesseract writes; nothing where it cannot make anything of the picture.

    The picture goes there unpacked: packing costs time on both sides of the pipe.
    """
    stream = io.BytesIO()
    picture.convert("L").save(stream, "PPM")
    program = [tesseract(), "stdin", "stdout", "--dpi", str(round(dots)), *arguments]
    done = subprocess.run(  # noqa: S603 - the program found on the path, fixed arguments
        program, input=stream.getvalue(), capture_output=True, check=False
    )
    return done.stdout if done.returncode == 0 else b""


@lru_cache(maxsize=1)
def _rapidocr() -> Any:
    # Imported here: it takes seconds and most documents need no recognition.
    try:
        from rapidocr import EngineType, RapidOCR  # noqa: PLC0415
    except ImportError as error:
        raise RecognitionUnavailable("RapidOCR is not installed") from error
    return RapidOCR(
        params={
            "Global.log_level": "critical",
            "Det.engine_type": EngineType.OPENVINO,
            "Cls.engine_type": EngineType.OPENVINO,
            "Rec.engine_type": EngineType.OPENVINO,
            "EngineConfig.openvino.inference_num_threads": 1,
        }
    )


def _with_rapidocr(picture: Image.Image, points: float) -> Recognised:
    import numpy as np  # noqa: PLC0415

    found = _rapidocr()(np.asarray(picture.convert("RGB")))
    if found.boxes is None or found.txts is None:
        return Recognised([], 0.0)
    words: list[PageWord] = []
    for corners, text in zip(found.boxes, found.txts, strict=True):
        x0, x1 = (float(edge(c[0] for c in corners)) * points for edge in (min, max))
        y0, y1 = (float(edge(c[1] for c in corners)) * points for edge in (min, max))
        words.extend(_shared_out(text, (x0, y0, x1, y1)))
    return Recognised(words, statistics.fmean(map(float, found.scores)))


def _shared_out(text: str, box: tuple[float, float, float, float]) -> list[PageWord]:
    """Return a line's words, each with its share of the line's width by letters."""
    x0, y0, x1, y1 = box
    per_letter = (x1 - x0) / max(1, len(text))
    words = []
    position = 0
    for word in text.split():
        start = text.index(word, position)
        position = start + len(word)
        left, right = x0 + start * per_letter, x0 + position * per_letter
        size = round((y1 - y0) * _TYPE_PER_LINE)
        words.append(PageWord(word, left, y0, right, y1, size))
    return words
