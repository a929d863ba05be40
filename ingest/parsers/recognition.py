"""Text recognition: words with boxes from a picture of a page.

Tesseract where it is installed: three times cheaper and more exact on Latin print than
RapidOCR, whose models come inside its package and need no download.
"""

import csv
import io
import shutil
import statistics
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from PIL import Image

from ingest.parsers.page_words import PageWord
from ingest.settings import Recognition

DOTS_PER_INCH = 200
MAXIMUM_PIXELS = 50_000_000
_POINTS_PER_INCH = 72
_TYPE_PER_LINE = 0.8
"""Type size as a part of the height of a line of print with ascenders and descenders."""


class RecognitionUnavailable(Exception):
    """No engine may be used or is installed."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """What was read in a picture.

    Attributes:
        words: In reading order, boxes in points.
        confidence: Mean over the words, 0 to 1.
    """

    words: list[PageWord]
    confidence: float


def recognise(picture: Image.Image, *, dots_per_inch: float, engine: Recognition) -> Recognised:
    """Return the words in a picture.

    Raises:
        RecognitionUnavailable: Switched off, or the engine is not there.
    """
    points = _POINTS_PER_INCH / dots_per_inch
    if engine == "off":
        raise RecognitionUnavailable("switched off")
    program = shutil.which("tesseract")
    if engine in {"auto", "tesseract"} and program:
        return _with_tesseract(program, picture, points)
    if engine == "tesseract":
        raise RecognitionUnavailable("tesseract is not installed")
    return _with_rapidocr(picture, points)


def _with_tesseract(program: str, picture: Image.Image, points: float) -> Recognised:
    stream = io.BytesIO()
    picture.convert("L").save(stream, "PNG", compress_level=1)
    dots = str(round(_POINTS_PER_INCH / points))
    done = subprocess.run(  # noqa: S603 - the program found on the path, fixed arguments
        [program, "stdin", "stdout", "--dpi", dots, "--psm", "3", "tsv"],
        input=stream.getvalue(),
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        raise RecognitionUnavailable(f"tesseract ended with {done.returncode}")
    table = io.StringIO(done.stdout.decode("utf-8", errors="replace"))
    words: list[PageWord] = []
    trusts: list[float] = []
    line_size = 0.0
    for row in csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE):
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
