"""The letters that stand under boxes on a page, as a library other than the parser's reads them."""

import re
import unicodedata
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from pdfminer.converter import PDFPageAggregator
from pdfminer.layout import LTChar, LTComponent, LTContainer
from pdfminer.pdfinterp import PDFPageInterpreter, PDFResourceManager
from pdfminer.pdfpage import PDFPage

from corpus.documents import Box

_WITHOUT_MEANING = re.compile(r"\(cid:\d+\)")
"""What pdfminer.six gives for a letter whose meaning it cannot tell."""


@dataclass(frozen=True, slots=True)
class Marked:
    """A chunk's text and its boxes."""

    text: str
    boxes: list[Box]


@dataclass(frozen=True, slots=True)
class Letter:
    """A character as pdfminer.six places it, points of the visible page, origin top left."""

    text: str
    x: float
    y: float


def letters_of(file: Path, pages: set[int]) -> dict[int, list[Letter]]:
    """Return the letters of some pages of a PDF, read by pdfminer.six."""
    manager = PDFResourceManager()
    device = PDFPageAggregator(manager, laparams=None)
    interpreter = PDFPageInterpreter(manager, device)
    found: dict[int, list[Letter]] = {}
    with file.open("rb") as stream:
        for number, page in enumerate(PDFPage.get_pages(stream, check_extractable=False)):
            if number not in pages:
                continue
            interpreter.process_page(page)
            left, top = _corner(page)
            found[number] = [
                Letter(
                    item.get_text(), (item.x0 + item.x1) / 2 - left, top - (item.y0 + item.y1) / 2
                )
                for item in _characters(device.get_result())
            ]
    return found


def _corner(page: PDFPage) -> tuple[float, float]:
    """Return the top left corner of the visible page in pdfminer's coordinates."""
    x0, y0, x1, y1 = page.mediabox
    crop = (max(x0, page.cropbox[0]), max(y0, page.cropbox[1]),
            min(x1, page.cropbox[2]), min(y1, page.cropbox[3]))  # fmt: skip
    return {
        90: (crop[1] - y0, x1 - crop[0]),
        180: (x1 - crop[2], y1 - crop[1]),
        270: (y1 - crop[3], crop[2] - x0),
    }.get(page.rotate % 360, (crop[0] - x0, crop[3] - y0))


def _characters(item: LTComponent) -> list[LTChar]:
    if isinstance(item, LTChar):
        return [item]
    if isinstance(item, LTContainer):
        return [character for part in item for character in _characters(part)]
    return []


def agreement(chunk: Marked, letters: dict[int, list[Letter]]) -> float:
    """Return the F1 of a chunk's letters and digits and those that stand in its boxes."""
    boxes: defaultdict[int, list[Box]] = defaultdict(list)
    for box in chunk.boxes:
        boxes[box.page].append(box)
    under = "".join(
        letter.text
        for page, marked in boxes.items()
        for letter in letters.get(page, [])
        if any(box.x0 <= letter.x <= box.x1 and box.y0 <= letter.y <= box.y1 for box in marked)
    )
    ours, theirs = Counter(_plain(chunk.text)), Counter(_plain(under))
    shared = sum((ours & theirs).values())
    total = sum(ours.values()) + sum(theirs.values())
    return 2 * shared / total if total else 1.0


def _plain(text: str) -> list[str]:
    text = _WITHOUT_MEANING.sub("", text)
    return [letter for letter in unicodedata.normalize("NFKC", text) if letter.isalnum()]
