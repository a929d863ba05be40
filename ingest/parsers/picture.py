"""Pictures of pages: PNG, JPEG and TIFF, read by text recognition."""

import warnings
from pathlib import Path

from PIL import Image, ImageSequence, UnidentifiedImageError

from corpus.documents import ParsedDocument
from ingest.errors import Quarantined
from ingest.parsers.assembly import assemble
from ingest.parsers.page_layout import PageContent, rows_of
from ingest.parsers.page_words import PageWords
from ingest.parsers.recognition import (
    DOTS_PER_INCH,
    MAXIMUM_PIXELS,
    RecognitionUnavailable,
    recognise,
)
from ingest.quarantine import Reason
from ingest.settings import Limits

_POINTS_PER_INCH = 72
_PLAUSIBLE_DOTS = range(60, 1_201)


def parse(location: Path, limits: Limits) -> ParsedDocument:
    """Read a picture; every frame of a TIFF is a page.

    Raises:
        Quarantined: Damaged, too many pixels, or no text recognised.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns of very large pictures; their size is checked below.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(location) as picture:
                if getattr(picture, "n_frames", 1) > limits.maximum_pages:
                    raise Quarantined(Reason.TOO_MANY_PAGES)
                pages = [_page(frame, limits) for frame in ImageSequence.Iterator(picture)]
    except Image.DecompressionBombError as error:
        raise Quarantined(Reason.TOO_LARGE, "too many pixels") from error
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise Quarantined(Reason.DAMAGED, "the picture cannot be decoded") from error
    except RecognitionUnavailable as error:
        raise Quarantined(Reason.RECOGNITION_UNAVAILABLE, str(error)) from error
    return assemble(pages, title="", properties={})


def _page(frame: Image.Image, limits: Limits) -> PageContent:
    if frame.width * frame.height > MAXIMUM_PIXELS:
        raise Quarantined(Reason.TOO_LARGE, f"{frame.width} x {frame.height} pixels")
    told = round(float(frame.info.get("dpi", (DOTS_PER_INCH,))[0]))
    dots = told if told in _PLAUSIBLE_DOTS else DOTS_PER_INCH
    recognised = recognise(frame, dots_per_inch=dots, engine=limits.ocr)
    points = _POINTS_PER_INCH / dots
    width, height = frame.width * points, frame.height * points
    words = PageWords.of(recognised.words, width=width, height=height)
    return PageContent(words, rows_of(words), [], recognised.confidence)
