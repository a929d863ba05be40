"""Which lines of a document with pages are headings, and how deep."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ingest.parsers.page_layout import Line, PageContent

HEADING_CHARACTERS = 160
LARGER = 1.1
LARGER_RECOGNISED = 1.35
"""Sizes measured in a scan waver."""
DEEPEST = 9
_SHORTEST_MATCH = 8

_NUMBER = re.compile(r"^(\d{1,2}(?:\.\d{1,2}){0,4})[.)]?\s+(?=[A-Z\"'(])")
_PART = re.compile(r"^(?:part|schedule|appendix|annex|section|chapter|article)\s+[A-Z0-9]+\b", re.I)
_ITEM = re.compile(r"^(?:item|note)\s+\d+[A-Z]?\b", re.I)
BULLET = re.compile(
    r"^([•●▪◦\u2013‣■□\uf0b7*-]|\(?(?:[a-z]|[ivx]{1,4}|\d{1,2})[.)])\s+\S"
)  # fmt: skip
_LEADER = re.compile(r"(?:\.\s?){4,}\s*[\divxlc]*$")
_NOT_LETTERS = re.compile(r"[\W_]+")


def ends_in_leader(text: str) -> bool:
    """Say whether a line leads with dots to a page number, as in a table of contents."""
    return (".." in text or ". ." in text) and _LEADER.search(text) is not None


@dataclass(frozen=True, slots=True)
class Bookmark:
    """An entry of a file's own table of contents.

    Attributes:
        page: Where it leads, from 0.
        level: From 1.
        title: As written there.
    """

    page: int
    level: int
    title: str


@dataclass(frozen=True, slots=True)
class Style:
    """What the body of a document looks like.

    Attributes:
        body_size: The type size of most letters.
        bold_stands_out: Whether most letters are not bold.
    """

    body_size: float
    bold_stands_out: bool

    @classmethod
    def of(cls, pages: Sequence[PageContent]) -> "Style":
        """Return the style of most of the pages' letters."""
        sizes = np.zeros(2_048)
        bold = plain = 0.0
        for page in pages:
            words = page.words
            if not len(words):
                continue
            lengths = np.fromiter(map(len, words.texts), dtype=np.int64, count=len(words))
            halves = np.clip(words.sizes * 2, 0, 2_047).astype(np.int64)
            sizes += np.bincount(halves, weights=lengths, minlength=2_048)
            heavy = float(lengths[words.bold].sum())
            bold += heavy
            plain += float(lengths.sum()) - heavy
        return cls(float(sizes.argmax()) / 2 if sizes.any() else 10.0, plain > bold)


_Look = tuple[int, bool, int]
"""Size, whether bold, depth of the number; -1 without one."""


class Headings:
    """Tells headings from text, and their levels once all have been seen.

    Args:
        style: Of the body.
        outline: The file's own table of contents; what it names is a heading.
    """

    def __init__(self, style: Style, outline: Sequence[Bookmark] = ()) -> None:
        self.style = style
        self._named: defaultdict[int, list[tuple[str, int]]] = defaultdict(list)
        for bookmark in outline:
            if name := _letters(bookmark.title):
                self._named[bookmark.page].append((name, bookmark.level))
        self._looks: list[_Look] = []
        self._numbers: dict[tuple[_Look, int | None], int] = {}
        self._told: defaultdict[_Look, Counter[int]] = defaultdict(Counter)

    def level_of(self, page: int, line: Line, text: str, *, recognised: bool) -> int | None:
        """Return a provisional level of a heading, to be looked up in ``levels``; else None."""
        told = self._level_in_outline(page, text) if page in self._named else None
        if told is None and not self._stands_out(line, text, recognised=recognised):
            return None
        look = _look(line, text)
        if told is not None:
            self._told[look][told] += 1
        return self._numbers.setdefault((look, told), len(self._numbers) + 1)

    def levels(self) -> dict[int, int]:
        """Return the level of each provisional one: the outline's, else by looks.

        Larger before smaller, bold before plain, then by the depth of the number.
        """
        deepest = max((level for told in self._told.values() for level in told), default=0)
        items = {look[:2] for look, _ in self._numbers if look[2] >= _ITEM_DEPTH}

        def rank(look: _Look) -> tuple[int, bool, int]:
            size, bold, depth = look
            if depth < 0:
                depth = _ITEM_DEPTH + 1 if look[:2] in items else 1
            return -size, not bold, depth

        unknown = sorted({rank(look) for look, told in self._numbers if not self._told.get(look)})
        found = {}
        for (look, told), number in self._numbers.items():
            if told is not None:
                level = told
            elif self._told.get(look):
                level = self._told[look].most_common(1)[0][0]
            else:
                level = deepest + unknown.index(rank(look)) + 1
            found[number] = min(DEEPEST, level)
        return found

    def in_outline(self, page: int, text: str) -> bool:
        """Say whether the file's own table of contents names a line on a page."""
        return page in self._named and self._level_in_outline(page, text) is not None

    def numbered(self, text: str) -> bool:
        """Say whether a line begins with the number or name of a section."""
        return bool(_NUMBER.match(text) or _PART.match(text) or _ITEM.match(text))

    def _level_in_outline(self, page: int, text: str) -> int | None:
        if len(text) > HEADING_CHARACTERS or ends_in_leader(text):
            return None
        letters = _letters(text)
        for name, level in self._named[page]:
            if letters == name:
                return level
            if len(letters) >= _SHORTEST_MATCH and (letters in name or name.endswith(letters)):
                return level
            if len(name) >= _SHORTEST_MATCH and letters.endswith(name):
                return level
        return None

    def _stands_out(self, line: Line, text: str, *, recognised: bool) -> bool:
        larger = line.size >= self.style.body_size * (LARGER_RECOGNISED if recognised else LARGER)
        heavy = self.style.bold_stands_out and line.bold
        shouted = recognised and text.isupper() and len(line) > 1
        if not (larger or heavy or shouted):
            return False
        if len(text) > HEADING_CHARACTERS or not any(map(str.isalpha, text)):
            return False
        numbered = self.numbered(text)
        if (BULLET.match(text) and not numbered) or ends_in_leader(text):
            return False
        return text[-1] not in ".;," or (numbered and len(text) < 80)


_ITEM_DEPTH = 10


def _look(line: Line, text: str) -> _Look:
    depth = -1
    if numbered := _NUMBER.match(text):
        depth = numbered[1].count(".") + 1
    elif _PART.match(text):
        depth = 1
    elif _ITEM.match(text):
        depth = _ITEM_DEPTH
    return round(line.size), line.bold, depth


def _letters(text: str) -> str:
    return _NOT_LETTERS.sub("", text).casefold()
