"""The words of one PDF page, with their boxes and type, through PDFium's C interface.

The text of a page comes in one call. Only the first and the last character of a word are asked
for their box, and only its first for the type it is set in: three calls a word, made in bulk,
where one pass over every character takes twenty. Words that look odd are read letter by letter.
"""

import ctypes
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise, repeat
from typing import Any

import numpy as np
import pypdfium2 as pdfium
from numpy.typing import NDArray
from pypdfium2 import raw

from ingest.parsers.pdfium_calls import address_of, direct

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]
Integers = NDArray[np.int64]

MAXIMUM_CHARACTERS = 400_000
"""On one page; a page of a book has three thousand."""
_DEVICE_SCALE = 100
"""PDFium maps points to whole device units; a hundredth of a point is fine enough."""
_FONT_NAME_BYTES = 128
_HEAVY = ("bold", "black", "heavy")
_HEAVY_WEIGHT = 600
_HEIGHT_PER_SIZE = 1.17
"""Of a line of type with ascenders and descenders, where the size itself is not told."""
_TYPE_SIZES = (3.0, 200.0)
_EDGE_POINTS = 1.0
_LONG_WORD = 4
_ENOUGH_WORDS = 8
_MOST = 0.7
_SAME_HEIGHT_POINTS = 0.1

PAINTED, PALE, UNPAINTED = range(3)
"""How a word is drawn: in a colour; in hardly any, or hardly opaque; not at all."""
_PALE_FROM = 200
_OPAQUE_FROM = 40

_LETTER, _SPACE, _HYPHEN, _UNSEEN, _UNMAPPED, _CONTROL = range(6)
_KINDS = np.zeros(0x10000, dtype=np.uint8)
_KINDS[list(range(0x20))] = _CONTROL
_KINDS[[0xFFFD, *range(0xE000, 0xF900)]] = _UNMAPPED
_KINDS[[0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF]] = _UNSEEN
_KINDS[[0x02, 0xAD, 0xFFFE]] = _HYPHEN
_KINDS[[0x09, 0x0A, 0x0D, 0x20, 0x85, 0xA0, *range(0x2000, 0x200B)]] = _SPACE
_KINDS[[0x2028, 0x2029, 0x202F, 0x205F, 0x3000]] = _SPACE
_TO_THE_LEFT = re.compile("[^\\w]*[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]")
_LIGATURES = range(0xFB00, 0xFB07)
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_FIRST_FAR_CODE = 0x590
"""Above the European alphabets; of the letters below, one in so many is asked what it means."""
_ASKED_OF_NEAR = 16


_box_at = direct(
    raw.FPDFText_GetLooseCharBox, ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p
)
_object_at = direct(
    raw.FPDFText_GetTextObject, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int
)  # fmt: skip
_fill_of = direct(
    raw.FPDFPageObj_GetFillColor, ctypes.c_int, ctypes.c_void_p, *[ctypes.c_void_p] * 4
)
_mode_of = direct(raw.FPDFTextObj_GetTextRenderMode, ctypes.c_int, ctypes.c_void_p)
_font_of = direct(raw.FPDFTextObj_GetFont, ctypes.c_void_p, ctypes.c_void_p)
_character_of = direct(
    raw.FPDFText_GetCharIndexFromTextIndex, ctypes.c_int, ctypes.c_void_p, ctypes.c_int
)
_untold_at = direct(raw.FPDFText_HasUnicodeMapError, ctypes.c_int, ctypes.c_void_p, ctypes.c_int)


@dataclass(slots=True)
class PageWord:
    """A word as it stands on a page, points, origin top left.

    Attributes:
        text: Normalised: no ligatures, no soft hyphens.
        x0: Left.
        y0: Top.
        x1: Right.
        y1: Bottom.
        size: Of the type, in points.
        bold: Whether the font says so.
    """

    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    size: float
    bold: bool = False


@dataclass(slots=True)
class PageWords:
    """A page's words in the order of its content stream, one column for each property.

    Attributes:
        texts: Normalised: no ligatures, no soft hyphens.
        boxes: float32[n, 4]: left, top, right, bottom; points, origin top left, as seen by
            a reader who turns the page so that most of its text is upright.
        marks: float32[n, 4]: the same boxes on the page as it is shown.
        sizes: float32[n]: of the type, points.
        bold: bool[n]: whether the font says so.
        glued: bool[n]: whether the word continues the one before it without a space.
        broken: bool[n]: whether, besides, a hyphen between the two was taken away, for they
            stand on two lines.
        width: Of the page as its text is read, points.
        height: Of the page as its text is read, points.
        unmapped: Share of characters whose meaning the file does not tell.
        turn: Quarter turns, against the clock, that bring the text upright.
        paint: uint8[n]: how each is drawn; empty where all are painted.
    """

    texts: list[str]
    boxes: Floats
    marks: Floats
    sizes: Floats
    bold: Flags
    glued: Flags
    broken: Flags
    width: float
    height: float
    unmapped: float = 0.0
    turn: int = 0
    paint: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, dtype=np.uint8))

    @classmethod
    def of(cls, words: Sequence[PageWord], *, width: float, height: float) -> "PageWords":
        """Return words that were recognised in a picture."""
        none = np.zeros(len(words), dtype=bool)
        corners = [(word.x0, word.y0, word.x1, word.y1) for word in words]
        boxes = np.array(corners, dtype=np.float32).reshape(-1, 4)
        return cls(
            [word.text for word in words],
            boxes,
            boxes,
            np.array([word.size for word in words], dtype=np.float32),
            np.array([word.bold for word in words], dtype=bool),
            none,
            none,
            width,
            height,
        )

    @property
    def page_size(self) -> tuple[float, float]:
        """Width and height of the page as it is shown."""
        return (self.height, self.width) if self.turn % 2 else (self.width, self.height)

    def __len__(self) -> int:
        return len(self.texts)


def runs_to_the_left(text: str) -> bool:
    """Say whether a word is written in Hebrew, Arabic or their kin."""
    return not text.isascii() and _TO_THE_LEFT.match(text) is not None


class TooManyCharacters(ValueError):
    """A page that no printer ever set."""


def words_of_page(page: pdfium.PdfPage) -> PageWords:
    """Return the words of a page that stand inside its visible part.

    Raises:
        TooManyCharacters: More than a page can hold; refused before any work is done.
    """
    width, height = page.get_width(), page.get_height()
    text_page = raw.FPDFText_LoadPage(page)
    if not text_page:
        return PageWords.of([], width=width, height=height)
    try:
        count = max(0, raw.FPDFText_CountChars(text_page))
        if count > MAXIMUM_CHARACTERS:
            raise TooManyCharacters
        return _Reader(text_page, count).words(page, width, height)
    finally:
        raw.FPDFText_ClosePage(text_page)


@dataclass(slots=True)
class _Spans:
    """Where the words begin and end, as places in the text, with what is between them."""

    starts: Integers
    ends: Integers
    hyphen: Flags  # stands before the word

    def split(self, parts: dict[int, list[tuple[int, int]]]) -> "_Spans":
        """Return the spans with some of them in several parts."""
        starts: list[int] = []
        ends: list[int] = []
        hyphen: list[bool] = []
        for number, (start, end) in enumerate(
            zip(self.starts.tolist(), self.ends.tolist(), strict=True)
        ):
            for part, (first, last) in enumerate(parts.get(number, [(start, end)])):
                starts.append(first)
                ends.append(last)
                hyphen.append(not part and bool(self.hyphen[number]))
        return _Spans(np.array(starts), np.array(ends), np.array(hyphen, dtype=bool))


class _Reader:
    """Reads the words of one text page."""

    def __init__(self, text_page: Any, count: int) -> None:
        self._handle = address_of(text_page)
        self._text_page = text_page
        self._text = _text_of(text_page, count)
        codes = np.frombuffer(self._text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
        self._kinds = _KINDS[np.minimum(codes, 0xFFFF)]
        self._kinds[codes > 0xFFFF] = _LETTER
        self._odd = bool((self._kinds >= _UNSEEN).any())
        self._ligatures = bool(((codes >= _LIGATURES[0]) & (codes <= _LIGATURES[-1])).any())
        # PDFium counts a letter beyond the first plane twice, and has letters without text.
        units = 1 + (codes > 0xFFFF)
        lost = count - int(units.sum())
        self._characters: Integers | None = None
        if lost:
            places = map(_character_of, repeat(self._handle), (np.cumsum(units) - units).tolist())
            self._characters = np.fromiter(places, dtype=np.int64, count=len(units))
        elif len(codes) != count:
            self._characters = np.cumsum(units) - units
        self._forget_meaningless(codes)
        unmapped = int((self._kinds >= _UNMAPPED).sum()) + max(0, lost)
        self._unmapped = unmapped / count if count else 0.0

    def words(self, page: pdfium.PdfPage, width: float, height: float) -> PageWords:
        spans = self._spans()
        first, last = self._boxes(spans.starts), self._boxes(spans.ends - 1)
        apart = self._apart(spans, first, last)
        if apart:
            spans = spans.split(apart)
            first, last = self._boxes(spans.starts), self._boxes(spans.ends - 1)
        texts = self._texts(spans)
        sizes, bold = self._type(spans, first)
        space = PageSpace(page)
        boxes = space.boxes(self._around(spans, first, last))
        turn = _turn_of(boxes, space.boxes(first[:, [0, 3, 2, 1]]), spans)
        middles = (boxes[:, :2] + boxes[:, 2:]) / 2
        seen = (middles >= -_EDGE_POINTS) & (middles <= (width + 1, height + 1))
        keep = seen.all(axis=1) & np.isfinite(boxes).all(axis=1) & np.array(texts, dtype=bool)
        found = PageWords(
            texts, turned(boxes, turn, width=width, height=height), boxes, sizes, bold,
            spans.hyphen, np.zeros_like(bold),
            *((height, width) if turn % 2 else (width, height)), self._unmapped, turn,
            self._paint(spans),
        )  # fmt: skip
        if not keep.all():
            found = only(found, keep)
        _mend_hyphens(found)
        return found

    def _forget_meaningless(self, codes: NDArray[np.uint32]) -> None:
        """Put the replacement character where a font does not tell what a glyph means.

        PDFium gives the glyph's number there. In a font of 256 glyphs at the most that is as a
        rule the letter's code; in a larger one it reads as a letter that is not drawn.
        """
        near = np.flatnonzero(codes < _FIRST_FAR_CODE)[::_ASKED_OF_NEAR]
        far = np.flatnonzero(codes >= _FIRST_FAR_CODE)
        if not len(self._untold(np.concatenate([near, far]))):
            return
        untold = self._untold(np.arange(len(codes)))
        fonts = [_font_of(item) if item else None for item in self._objects(untold)]
        large = {
            font for font, code in zip(fonts, codes[untold].tolist(), strict=True) if code > 0xFF
        }
        letters = list(self._text)
        for place, font in zip(untold.tolist(), fonts, strict=True):
            if font in large:
                letters[place] = _REPLACEMENT
                self._kinds[place] = _UNMAPPED
        self._text = "".join(letters)

    def _untold(self, places: Integers) -> Integers:
        """Return those of some places of whose letter the font does not tell the meaning."""
        asked = places if self._characters is None else self._characters[places]
        answers = map(_untold_at, repeat(self._handle), asked.tolist())
        told = np.fromiter(answers, dtype=np.int64, count=len(places)) == 1
        untold: Integers = places[told]
        return untold

    def _objects(self, places: Integers) -> list[int | None]:
        """Return the text object that each of some letters belongs to."""
        asked = places if self._characters is None else self._characters[places]
        return list(map(_object_at, repeat(self._handle), asked.tolist()))

    def _spans(self) -> _Spans:
        inside = np.zeros(len(self._kinds) + 2, dtype=np.int8)
        inside[1:-1] = (self._kinds != _SPACE) & (self._kinds != _HYPHEN)
        steps = np.diff(inside)
        starts, ends = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
        # "-\r\n" or nothing at all stands between the parts of a word that is broken.
        before = self._kinds[np.maximum(starts - 1, 0)] == _HYPHEN
        hyphen = before & (starts > 0)
        hyphen[1:] |= self._kinds[np.minimum(ends[:-1], len(self._kinds) - 1)] == _HYPHEN
        if len(hyphen):
            hyphen[0] = False
        return _Spans(starts, ends, hyphen)

    def _boxes(self, places: Integers) -> Floats:
        """Return float32[n, 4] left, top, right, bottom as in the file; NaN where there is none."""
        if self._characters is not None:
            places = self._characters[places]
        boxes = np.zeros((len(places), 4), dtype=np.float32)
        address = boxes.ctypes.data
        addresses = range(address, address + 16 * len(places), 16)
        calls = map(_box_at, repeat(self._handle), places.tolist(), addresses)
        told = np.fromiter(calls, dtype=bool, count=len(places))
        boxes[~told] = np.nan
        return boxes

    def _apart(
        self, spans: _Spans, first: Floats, last: Floats
    ) -> dict[int, list[tuple[int, int]]]:
        """Return the parts of words whose letters stand away from each other without a space."""
        high = np.maximum(first[:, 1] - first[:, 3], 1)
        letters = spans.ends - spans.starts
        wide = last[:, 2] - first[:, 0] > 1.5 * high * letters
        back = last[:, 0] < first[:, 0] - high
        level = (first[:, 3] < last[:, 1]) & (last[:, 3] < first[:, 1])
        parts = {}
        for number in np.flatnonzero((wide | back | ~level) & (letters > 1)).tolist():
            start, end = int(spans.starts[number]), int(spans.ends[number])
            boxes = self._boxes(np.arange(start, end)).tolist()
            cuts = [0, *_jumps(boxes), len(boxes)]
            if len(cuts) > 2:
                parts[number] = [(start + one, start + other) for one, other in pairwise(cuts)]
        return parts

    def _around(self, spans: _Spans, first: Floats, last: Floats) -> Floats:
        """Return left, bottom, right, top of words, given their first and their last letter.

        In words that are written to the left figures run to the right, so that any letter may be
        the outermost.
        """
        corners = _union(first, last)
        backwards = (last[:, 0] < first[:, 0]) & (spans.ends - spans.starts > 2)
        for number in np.flatnonzero(backwards).tolist():
            boxes = self._boxes(np.arange(spans.starts[number], spans.ends[number]))
            around = _union(boxes, boxes)
            corners[number, :2] = np.fmin.reduce(around[:, :2])
            corners[number, 2:] = np.fmax.reduce(around[:, 2:])
        return corners

    def _texts(self, spans: _Spans) -> list[str]:
        text = self._text
        pairs = zip(spans.starts.tolist(), spans.ends.tolist(), strict=True)
        words = [text[start:end] for start, end in pairs]
        if self._odd:
            words = [_visible(word) for word in words]
        if self._ligatures:
            words = [_without_ligatures(word) for word in words]
        return words

    def _type(self, spans: _Spans, boxes: Floats) -> tuple[Floats, Flags]:
        """Return the size of each word's type and whether it is bold.

        Words that follow each other at one height make a run; its first and its last word are
        asked for their font, and those between are like them where the two agree.
        """
        count = len(spans.starts)
        if not count:
            return np.zeros(0, dtype=np.float32), np.zeros(0, dtype=bool)
        places = spans.starts if self._characters is None else self._characters[spans.starts]
        same = np.abs(np.diff(boxes[:, [1, 3]], axis=0)).max(axis=1) < _SAME_HEIGHT_POINTS
        begins = np.concatenate([[0], np.flatnonzero(~same) + 1])
        lengths = np.diff(np.append(begins, count))
        asked = np.concatenate([begins, begins + lengths - 1])
        objects = list(map(_object_at, repeat(self._handle), places[asked].tolist()))
        fonts = {item: _font_of(item) for item in set(objects) if item}
        heavy = {font: _is_heavy(font) for font in set(fonts.values()) if font}
        is_bold = np.array([heavy.get(fonts.get(item), False) for item in objects], dtype=bool)
        runs = len(begins)
        heights = (boxes[begins, 1] - boxes[begins, 3]).round(1).tolist()
        # One font gives boxes of one height to all letters of one size.
        known: dict[tuple[int | None, float], float] = {}
        sizes = []
        for begin, item, height in zip(places[begins].tolist(), objects, heights, strict=False):
            key = fonts.get(item), height
            if key not in known:
                known[key] = self._size(begin, item, height)
            sizes.append(known[key])
        bold = np.repeat(is_bold[:runs] & is_bold[runs:], lengths)
        bold[begins] = is_bold[:runs]
        bold[begins + lengths - 1] = is_bold[runs:]
        return np.repeat(np.array(sizes, dtype=np.float32), lengths), bold

    def _paint(self, spans: _Spans) -> NDArray[np.uint8]:
        """Return how each word is drawn; nothing where all are painted."""
        objects = self._objects(spans.starts)
        drawn = {item: _drawn(item) for item in set(objects) if item}
        if not any(drawn.values()):
            return np.zeros(0, dtype=np.uint8)
        return np.array(
            [drawn.get(item, PAINTED) if item else PAINTED for item in objects], dtype=np.uint8
        )

    def _size(self, place: int, item: int | None, height: float) -> float:
        size = float(raw.FPDFText_GetFontSize(self._text_page, place))
        if item:
            matrix = raw.FS_MATRIX()
            pointer = ctypes.cast(item, raw.FPDF_PAGEOBJECT)
            if raw.FPDFPageObj_GetMatrix(pointer, ctypes.byref(matrix)):
                size *= float(np.hypot(matrix.c, matrix.d))
        smallest, largest = _TYPE_SIZES
        if not smallest <= size <= largest or size > 1.8 * height > 0:
            size = height / _HEIGHT_PER_SIZE
        return round(size * 2) / 2


def _text_of(text_page: Any, count: int) -> str:
    units = (ctypes.c_ushort * (2 * count + 2))()
    written = raw.FPDFText_GetText(text_page, 0, count, units) if count else 1
    return bytes(units)[: 2 * max(0, written - 1)].decode("utf-16-le", "surrogatepass")


def _jumps(boxes: list[list[float]]) -> list[int]:
    """Return the places of letters that stand away from all before them, in either direction."""
    places = []
    x0, y1, x1, y0 = boxes[0]
    for place, (left, top, right, bottom) in enumerate(boxes[1:], 1):
        reach = max(top - bottom, right - left, 1.0)
        near = x0 - reach <= right and left <= x1 + reach
        if near and y0 - reach / 4 <= top and bottom <= y1 + reach / 4:
            x0, y0, x1, y1 = min(x0, left), min(y0, bottom), max(x1, right), max(y1, top)
        else:
            places.append(place)
            x0, y1, x1, y0 = left, top, right, bottom
    return places


def _visible(word: str) -> str:
    return "".join(
        letter
        for letter in word
        if ord(letter) > 0xFFFF or _KINDS[ord(letter)] in (_LETTER, _UNMAPPED)
    )


def _without_ligatures(word: str) -> str:
    if word.isascii() or not any(ord(letter) in _LIGATURES for letter in word):
        return word
    letters = (
        unicodedata.normalize("NFKC", letter) if ord(letter) in _LIGATURES else letter
        for letter in word
    )
    return "".join(letters)


def _drawn(item: int) -> int:
    if _mode_of(item) == raw.FPDF_TEXTRENDERMODE_INVISIBLE:
        return UNPAINTED
    told = (ctypes.c_uint * 4)()
    first = ctypes.addressof(told)
    if not _fill_of(item, *(first + place * ctypes.sizeof(ctypes.c_uint) for place in range(4))):
        return PAINTED
    return PALE if min(told[:3]) >= _PALE_FROM or told[3] < _OPAQUE_FROM else PAINTED


def _is_heavy(font: int) -> bool:
    pointer = ctypes.cast(font, raw.FPDF_FONT)
    name = ctypes.create_string_buffer(_FONT_NAME_BYTES)
    raw.FPDFFont_GetBaseFontName(pointer, name, len(name))
    lowered = name.value.decode("latin-1").lower()
    if any(word in lowered for word in _HEAVY):
        return True
    return bool(raw.FPDFFont_GetWeight(pointer) >= _HEAVY_WEIGHT)


def _union(first: Floats, last: Floats) -> Floats:
    """Return boxes as left, bottom, right, top around two boxes each."""
    lows = np.fmin(first[:, [0, 3]], last[:, [0, 3]])
    highs = np.fmax(first[:, [2, 1]], last[:, [2, 1]])
    return np.hstack([lows, highs])


def only(words: PageWords, keep: Flags) -> PageWords:
    """Return some of a page's words."""
    return PageWords(
        [text for text, kept in zip(words.texts, keep.tolist(), strict=True) if kept],
        words.boxes[keep], words.marks[keep], words.sizes[keep], words.bold[keep],
        words.glued[keep], words.broken[keep], words.width, words.height, words.unmapped,
        words.turn, words.paint[keep] if len(words.paint) else words.paint,
    )  # fmt: skip


def _mend_hyphens(words: PageWords) -> None:
    """Take a hyphen at a line's end away where it only breaks a word, else show it.

    A "soft" hyphen with its other half beside it is one that is printed.
    """
    if len(words):
        words.glued[0] = False
    for place in np.flatnonzero(words.glued).tolist():
        before, after = words.boxes[place - 1], words.boxes[place]
        shared = min(before[3], after[3]) - max(before[1], after[1])
        beside = shared > 0.5 * min(before[3] - before[1], after[3] - after[1])
        if not beside and words.texts[place][:1].islower():
            words.broken[place] = True
        else:
            words.texts[place - 1] += "-"


def turned(boxes: Floats, turn: int, *, width: float, height: float) -> Floats:
    """Return boxes as they are when the page is turned against the clock by quarters.

    Args:
        boxes: On the page as it is shown.
        turn: 0 to 3.
        width: Of the page as it is shown.
        height: Of the page as it is shown.
    """
    x0, y0, x1, y1 = boxes.T
    columns = {
        0: (x0, y0, x1, y1),
        1: (y0, width - x1, y1, width - x0),
        2: (width - x1, height - y1, width - x0, height - y0),
        3: (height - y1, x0, height - y0, x1),
    }[turn]
    return boxes if turn == 0 else np.stack(columns, axis=1)


def _turn_of(boxes: Floats, first: Floats, spans: _Spans) -> int:
    """Return the quarter turns against the clock that bring most long words upright."""
    long = spans.ends - spans.starts >= _LONG_WORD
    if long.sum() < _ENOUGH_WORDS:
        return 0
    sides = boxes[long, 2:] - boxes[long, :2]
    ahead = (boxes[long, :2] + boxes[long, 2:] - first[long, :2] - first[long, 2:]) / 2
    x, y = np.nanmedian(ahead, axis=0).tolist()
    if np.mean(sides[:, 1] > 1.5 * sides[:, 0]) > _MOST:
        return 1 if y > 0 else 3
    backwards = np.mean(ahead[:, 0] < 0) > _MOST and np.mean(sides[:, 0] > sides[:, 1]) > _MOST
    return 2 if backwards and x < 0 and not _runs_to_the_left(boxes[long]) else 0


def _runs_to_the_left(boxes: Floats) -> bool:
    """Say whether lines follow each other downwards though words run to the left, as in Hebrew."""
    down = np.diff(boxes[:, 1])
    return bool((down > 0).sum() >= (down < 0).sum())


class PageSpace:
    """Maps a page's own coordinates to points of the visible page, origin top left."""

    def __init__(self, page: pdfium.PdfPage) -> None:
        self._page = page
        self._width = round(page.get_width() * _DEVICE_SCALE)
        self._height = round(page.get_height() * _DEVICE_SCALE)
        origin = self._at(0, 0)
        self._origin = origin
        self._per_x = (self._at(1000, 0) - origin) / 1000
        self._per_y = (self._at(0, 1000) - origin) / 1000

    def boxes(self, corners: Floats) -> Floats:
        """Map boxes given as left, bottom, right, top."""
        one = self._mapped(corners[:, 0:1], corners[:, 1:2])
        other = self._mapped(corners[:, 2:3], corners[:, 3:4])
        return np.hstack([np.minimum(one, other), np.maximum(one, other)]).astype(np.float32)

    def _mapped(self, x: Floats, y: Floats) -> NDArray[np.float64]:
        mapped: NDArray[np.float64] = self._origin + x * self._per_x + y * self._per_y
        return mapped

    def _at(self, x: float, y: float) -> NDArray[np.float64]:
        device_x, device_y = ctypes.c_int(), ctypes.c_int()
        raw.FPDF_PageToDevice(
            self._page, 0, 0, self._width, self._height, 0, x, y,
            ctypes.byref(device_x), ctypes.byref(device_y),
        )  # fmt: skip
        return np.array([device_x.value, device_y.value]) / _DEVICE_SCALE
