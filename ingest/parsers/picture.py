"""Pictures of pages: PNG, JPEG and TIFF, read by text recognition."""

import io
import warnings
from dataclasses import replace
from pathlib import Path

from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError

from corpus.documents import ParsedDocument
from ingest.errors import Quarantined
from ingest.parsers.assembly import assemble
from ingest.parsers.page_layout import PageContent, rows_of
from ingest.parsers.recognition import (
    DOTS_PER_INCH,
    MAXIMUM_PIXELS,
    POINTS_PER_INCH,
    RecognitionUnavailable,
    recognise_page,
)
from ingest.quarantine import Reason
from ingest.settings import Limits

_PLAUSIBLE_DOTS = range(60, 1_201)
_SHOWN_PIXELS = 2_500
"""Of the long side of a picture that is kept to be shown."""
_QUALITY = 80


def parse(location: Path, limits: Limits) -> ParsedDocument:
    """Read a picture; every frame of a TIFF is a page.

    Raises:
        Quarantined: Damaged, too many pixels, or no text recognised.
    """
    shown = io.BytesIO()
    try:
        with warnings.catch_warnings():
            # Pillow warns of very large pictures; their size is checked below.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(location) as picture:
                if getattr(picture, "n_frames", 1) > limits.maximum_pages:
                    raise Quarantined(Reason.TOO_MANY_PAGES)
                frames = ImageSequence.Iterator(picture)
                pages = [_page(frame, limits, shown) for frame in frames]
    except Image.DecompressionBombError as error:
        raise Quarantined(Reason.TOO_LARGE, "too many pixels") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError) as error:
        raise Quarantined(Reason.DAMAGED, "the picture cannot be decoded") from error
    except RecognitionUnavailable as error:
        raise Quarantined(Reason.RECOGNITION_UNAVAILABLE, str(error)) from error
    parsed = assemble(pages, title="", properties={})
    return replace(parsed, rendition=shown.getvalue())


def _page(frame: Image.Image, limits: Limits, shown: io.BytesIO) -> PageContent:
    """Read one frame, and append it to the pages that are shown."""
    if frame.width * frame.height > MAXIMUM_PIXELS:
        raise Quarantined(Reason.TOO_LARGE, f"{frame.width} x {frame.height} pixels")
    upright = ImageOps.exif_transpose(frame)
    told = round(float(frame.info.get("dpi", (DOTS_PER_INCH,))[0]))
    dots = told if told in _PLAUSIBLE_DOTS else DOTS_PER_INCH
    width, height = (side * POINTS_PER_INCH / dots for side in upright.size)
    recognised = recognise_page(
        lambda wanted: _scaled(upright, wanted / dots),
        width=width,
        height=height,
        engine=limits.ocr,
        dots=(dots,),
    )
    _append(shown, upright, width)
    words = recognised.on_page(width=width, height=height)
    return PageContent(words, rows_of(words), [], recognised.confidence)


def _scaled(picture: Image.Image, scale: float) -> Image.Image:
    if scale >= 1:
        return picture
    return picture.convert("L").resize(
        (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    )


def _append(shown: io.BytesIO, picture: Image.Image, width: float) -> None:
    """Append a page of so many points' width that shows the picture."""
    small = _scaled(picture, _SHOWN_PIXELS / max(picture.size))
    small = small.convert("L" if small.mode in {"1", "L", "LA", "I;16"} else "RGB")
    dots = small.width * POINTS_PER_INCH / width
    small.save(shown, "PDF", resolution=dots, quality=_QUALITY, append=shown.tell() > 0)
