"""Lines and rows of all pages into one text with blocks: what is a heading, what is furniture."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile

import numpy as np

from corpus.documents import CELL_JOINT, Block, BlockKind, Page, ParsedDocument, WordTable
from ingest.building import first_heading
from ingest.errors import Quarantined
from ingest.parsers.headings import BULLET, LARGER, Bookmark, Headings, Style, ends_in_leader
from ingest.parsers.page_layout import Line, PageContent, arrange, merged
from ingest.parsers.page_words import PageWords
from ingest.parsers.tables import Row
from ingest.quarantine import Reason

MARGIN_SHARE = 0.12
"""Running headers and footers stand in this part of the page at its top and bottom."""
PARAGRAPH_GAP_SIZES = 0.55
PARAGRAPH_GAP_RECOGNISED = 0.95
"""Boxes of recognised words end with their ink, so that lines seem further apart."""
SHORT_LINE_SHARE = 0.7
_FULL_LINE = 0.9
FOOTNOTE_SIZE = 0.93
"""Of the body's type; notes are set smaller."""

_NOTE = re.compile(r"^(?:\(?\d{1,3}[).]?\s?(?=\D)|[*\u2217\u2020\u2021\u00a7])\s*\S")
_PAGE_NUMBER = re.compile(
    r"^(?:page\s+|[A-Z]-)?\W{0,2}(?:(?P<digits>\d{1,4})|[ivxlc]{1,6})\W{0,2}"
    r"(?:\s*(?:of|/)\s*\d{1,4})?$",
    re.IGNORECASE,
)
_LONGEST_NUMBER = 20
_DIGITS = re.compile(r"\d+")
_BODIES = (BlockKind.PARAGRAPH, BlockKind.LIST_ITEM)
_SET_CLOSE = (BlockKind.TABLE_ROW, BlockKind.LIST_ITEM)


@dataclass(frozen=True, slots=True)
class _Furniture:
    """Places among a page's rows of what stands above and below its text."""

    heads: set[int]
    feet: set[int]


@dataclass(slots=True)
class _Piece:
    """Lines, or a row of a table, that make one block."""

    kind: BlockKind
    lines: list[Line] = field(default_factory=list)
    row: Row | None = None
    text: str = ""
    level: int = 0

    @property
    def context(self) -> str:
        return self.row.context if self.row else ""

    @property
    def opens_table(self) -> bool:
        return self.row is not None and self.row.first


def assemble(
    pages: Sequence[PageContent],
    *,
    title: str,
    properties: dict[str, str],
    outline: Sequence[Bookmark] = (),
) -> ParsedDocument:
    """Return the document that the pages make.

    Args:
        pages: In order.
        title: As the file's properties have it; may be empty.
        properties: As the file has them.
        outline: The file's own table of contents.

    Raises:
        Quarantined: No page holds a word.
    """
    style = Style.of(pages)
    headings = Headings(style, outline)
    furniture = _furniture(pages, headings)
    writer = _Writer(pages)
    last: _Piece | None = None
    for number, page in enumerate(pages):
        heads, body, feet = _parted(page, furniture[number])
        pieces = _Pieces(page, headings, number).of(arrange(page, body))
        _carry_names(last, pieces)
        last = pieces[-1] if pieces else last
        writer.add(number, [*heads, *pieces, *feet])
    return writer.finish(headings, title=title, properties=properties)


def _carry_names(last: _Piece | None, pieces: Sequence[_Piece]) -> None:
    """Give a table that goes on at the top of a page the column names of the page before."""
    if last is None or last.row is None or not last.row.context or not pieces:
        return
    first = pieces[0].row
    if first is None or len(first.cells) != len(last.row.cells):
        return
    for place, piece in enumerate(pieces):
        if piece.row is None or piece.row.context or (place and piece.row.first):
            return
        piece.row.context = last.row.context


def _furniture(pages: Sequence[PageContent], headings: Headings) -> list[_Furniture]:
    """Return what of each page's rows are running headers, footers and page numbers.

    They are what the rows nearest to a page's edge share with other pages, or count with them.
    """
    seen: Counter[tuple[str, int]] = Counter()
    offsets: Counter[int] = Counter()
    keys: list[dict[int, tuple[str, int]]] = []
    numbers: list[dict[int, int]] = []
    for number, page in enumerate(pages):
        keys.append(_margin_rows(page, number, headings))
        seen.update(set(keys[-1].values()))
        numbers.append(_number_rows(page, number))
        offsets.update(set(numbers[-1].values()))
    enough = 2 if len(pages) < 6 else 3

    def repeats(number: int, place: int) -> bool:
        offset = numbers[number].get(place)
        if offset is not None and (offsets[offset] >= enough or place in keys[number]):
            return True
        if place not in keys[number]:
            return False
        text, height = keys[number][place]
        often = max(seen[text, height + shift] for shift in (-1, 0, 1)) >= enough
        return often and not _heads_table(pages[number].rows, place)

    marked = []
    for number, page in enumerate(pages):
        downwards = sorted(range(len(page.rows)), key=lambda place: page.rows[place][0].y0)
        heads = set(takewhile(partial(repeats, number), downwards))
        feet = set(takewhile(partial(repeats, number), reversed(downwards)))
        marked.append(_Furniture(heads, feet - heads))
    return marked


def _margin_rows(page: PageContent, number: int, headings: Headings) -> dict[int, tuple[str, int]]:
    """Return for the rows in the page's margins what is compared between pages.

    A running header may hold a number that changes; "Section 2" in large or bold type is none,
    nor is what the outline names on that page.
    """
    style = headings.style
    margin = page.words.height * MARGIN_SHARE
    low = page.words.height - margin
    found = {}
    for place, row in enumerate(page.rows):
        if row[0].y1 < margin or row[0].y0 > low:
            text = page.text(merged(row))
            if headings.in_outline(number, text):
                continue
            large = row[0].size >= LARGER * style.body_size
            heading = large or (row[0].bold and style.bold_stands_out)
            text = text.lower() if heading else _DIGITS.sub("#", text.lower())
            found[place] = text, round(row[0].y0 / 6)
    return found


def _number_rows(page: PageContent, number: int) -> dict[int, int]:
    """Return for the first and the last row that hold a page number only how far it is ahead."""
    if not page.rows:
        return {}
    places = range(len(page.rows))
    outermost = {
        min(places, key=lambda place: page.rows[place][0].y0),
        max(places, key=lambda place: page.rows[place][0].y1),
    }
    found = {}
    for place in outermost:
        text = page.text(merged(page.rows[place]))
        if len(text) <= _LONGEST_NUMBER and (told := _PAGE_NUMBER.match(text)):
            digits = told["digits"]
            found[place] = (int(digits) if digits else 0) - number
    return found


def _heads_table(rows: Sequence[list[Line]], place: int) -> bool:
    """Say whether the row right below has several cells too: a table that goes on."""
    if len(rows[place]) < 3 or place + 1 == len(rows) or len(rows[place + 1]) < 3:
        return False
    own, below = rows[place][0], rows[place + 1][0]
    return 0 <= below.y0 - own.y1 < 1.5 * (own.y1 - own.y0)


def _parted(
    page: PageContent, furniture: _Furniture
) -> tuple[list[_Piece], list[list[Line]], list[_Piece]]:
    """Return the page's headers, the rows of its body, and its footers."""
    heads, feet = (
        [_Piece(BlockKind.FURNITURE, [merged(page.rows[place])]) for place in sorted(places)]
        for places in (furniture.heads, furniture.feet)
    )
    taken = furniture.heads | furniture.feet
    body = [row for place, row in enumerate(page.rows) if place not in taken]
    return heads, body, feet


class _Pieces:
    """Gathers the lines and rows of one page into blocks."""

    def __init__(self, page: PageContent, headings: Headings, number: int) -> None:
        self._page = page
        self._recognised = page.ocr_confidence is not None
        self._headings = headings
        self._number = number
        self._pieces: list[_Piece] = []

    def of(self, items: Iterable[Line | Row]) -> list[_Piece]:
        for item in items:
            if isinstance(item, Row):
                self._pieces.append(_Piece(BlockKind.TABLE_ROW, row=item))
                continue
            text = self._page.text(item)
            level = self._headings.level_of(self._number, item, text, recognised=self._recognised)
            if level is None:
                self._add_body_line(item, text)
            else:
                self._add_heading(item, text, level)
        return self._with_notes_last()

    def _add_heading(self, line: Line, text: str, level: int) -> None:
        before = self._pieces[-1] if self._pieces else None
        if before and before.kind is BlockKind.HEADING and not self._headings.numbered(text):
            last = before.lines[-1]
            close = 0 <= line.y0 - last.y0 < 2 * (last.y1 - last.y0)
            alike = abs(last.size - line.size) < 0.6 and last.bold == line.bold
            if close and alike and before.level == level:
                before.lines.append(line)
                before.text += " " + text
                return
        self._pieces.append(_Piece(BlockKind.HEADING, [line], text=text, level=level))

    def _add_body_line(self, line: Line, text: str) -> None:
        if text[0].islower():
            self._undo_run_in_heading(line)
        listed = bool(BULLET.match(text) or ends_in_leader(text))
        before = self._pieces[-1] if self._pieces else None
        if not listed and before and before.kind in _BODIES and self._goes_on(before, line, text):
            before.lines.append(line)
            before.text = text
        else:
            kind = BlockKind.LIST_ITEM if listed else BlockKind.PARAGRAPH
            self._pieces.append(_Piece(kind, [line], text=text))

    def _undo_run_in_heading(self, line: Line) -> None:
        """Make text of a bold line that a sentence begins with and goes on from."""
        before = self._pieces[-1] if self._pieces else None
        if before is None or before.kind is not BlockKind.HEADING:
            return
        lines = before.lines
        last = lines[-1]
        apart = line.y0 - last.y1 > PARAGRAPH_GAP_SIZES * last.size or line.y0 < last.y0
        if apart or abs(last.size - line.size) > 0.6:
            return
        first = len(lines) - 1
        while first and lines[first - 1].x1 >= _FULL_LINE * last.x1:
            first -= 1
        begun = _Piece(BlockKind.PARAGRAPH, lines[first:], text=self._page.text(last))
        if first:
            before.lines = lines[:first]
            before.text = " ".join(map(self._page.text, before.lines))
            self._pieces.append(begun)
        else:
            self._pieces[-1] = begun

    def _goes_on(self, before: _Piece, line: Line, text: str) -> bool:
        """Say whether a line goes on with the block before it, whose last line's text is known."""
        last = before.lines[-1]
        ended = before.text[-1] in ".:;!?"
        if abs(last.size - line.size) > 0.75 and not self._recognised:
            return False
        if ends_in_leader(before.text):
            return False
        if line.y0 < last.y0 - last.size:  # the next column
            return not ended
        gap = line.y0 - last.y1
        allowed = PARAGRAPH_GAP_RECOGNISED if self._recognised else PARAGRAPH_GAP_SIZES
        if gap > allowed * last.size:
            return False
        widest = max(piece.x1 - piece.x0 for piece in before.lines)
        short = last.x1 - last.x0 < SHORT_LINE_SHARE * max(widest, 0.3 * self._page.words.width)
        return not (short and text[0].isupper() and (ended or len(before.lines) == 1))

    def _with_notes_last(self) -> list[_Piece]:
        """Return the blocks with the footnotes of the page after its other text."""
        small = FOOTNOTE_SIZE * self._headings.style.body_size
        notes: list[_Piece] = []
        others: list[_Piece] = []
        for place, piece in enumerate(self._pieces):
            if not piece.lines or piece.lines[0].size > small or piece.kind is BlockKind.HEADING:
                others.append(piece)
                continue
            first = piece.lines[0]
            follows = place > 0 and bool(notes) and self._pieces[place - 1] is notes[-1]
            marked = bool(_NOTE.match(self._page.text(first)))
            low = first.y0 > self._page.words.height / 2
            if low and (marked or follows) and not self._stands_above_text(first, small):
                piece.kind = BlockKind.FOOTNOTE
                notes.append(piece)
            else:
                others.append(piece)
        return [*others, *notes]

    def _stands_above_text(self, note: Line, small: float) -> bool:
        """Say whether text of the body's size follows further down in the same column."""
        return any(
            line.y0 > note.y0 and line.size > small and line.x0 < note.x1 and line.x1 > note.x0
            for piece in self._pieces
            for line in piece.lines
        )


class _Writer:
    """Writes the text and keeps the offsets."""

    def __init__(self, pages: Sequence[PageContent]) -> None:
        self._page_contents = pages
        self._keeps_hyphen = _broken_with_hyphen(page.words for page in pages)
        self._parts: list[str] = []
        self._length = 0
        self._blocks: list[tuple[int, int, _Piece]] = []
        self._spans: list[np.ndarray[tuple[int, int], np.dtype[np.int64]]] = []
        self._boxes: list[np.ndarray[tuple[int, int], np.dtype[np.float32]]] = []
        self._pages: list[Page] = []

    def add(self, number: int, pieces: Sequence[_Piece]) -> None:
        page = self._page_contents[number]
        start = self._length
        order: list[int] = []
        joints: list[str] = []
        begun: list[tuple[_Piece, int, int]] = []
        for piece in pieces:
            first = len(order)
            joint = self._joint(piece, begun[-1][0] if begun else self._last_piece())
            lead = self._gather(piece, order, joints, joint)
            begun.append((piece, first, lead))
        if order:
            self._write(number, page.words, order, joints, begun)
        self._pages.append(
            Page(
                number, start, self._length, *page.words.page_size,
                page.ocr_confidence,
            )
        )  # fmt: skip

    def _last_piece(self) -> _Piece | None:
        return self._blocks[-1][2] if self._blocks else None

    def _joint(self, piece: _Piece, before: _Piece | None) -> str:
        """Return what stands between a block and the one before it."""
        if before is None:
            return ""
        close = piece.kind is before.kind and piece.kind in _SET_CLOSE and not piece.opens_table
        return "\n" if close else "\n\n"

    def _gather(self, piece: _Piece, order: list[int], joints: list[str], joint: str) -> int:
        """Append a block's words and what stands before each; return the length of its lead.

        The lead is what its text begins with before its first word: a table's empty cells.
        """
        if piece.row is None:
            for line in piece.lines:
                order.extend(range(line.start, line.end))
                joints.append(joint)
                joints.extend([" "] * (line.end - line.start - 1))
                joint = " "
            return 0
        lead, waiting = -1, ""
        for place, cell in enumerate(piece.row.cells):
            waiting += CELL_JOINT if place else ""
            if not cell:
                continue
            if lead < 0:
                waiting = waiting.lstrip()
                lead = len(waiting)
                waiting = joint + waiting
            order.extend(cell)
            joints.append(waiting)
            joints.extend([" "] * (len(cell) - 1))
            waiting = ""
        return lead

    def _write(
        self,
        number: int,
        words: PageWords,
        order: list[int],
        joints: list[str],
        begun: Sequence[tuple[_Piece, int, int]],
    ) -> None:
        places = np.array(order)
        texts = [words.texts[place] for place in order]
        if words.glued.any():
            self._glue(words, places, texts, joints)
        parts = [""] * (2 * len(texts))
        parts[0::2] = joints
        parts[1::2] = texts
        lengths = np.fromiter(map(len, parts), dtype=np.int64, count=len(parts))
        ends = np.cumsum(lengths) + self._length
        starts = (ends - lengths)[1::2]
        ends = ends[1::2]
        spans = np.empty((len(order), 3), dtype=np.int64)
        spans[:, 0], spans[:, 1], spans[:, 2] = starts, ends, number
        self._spans.append(spans)
        self._boxes.append(words.marks[places])
        self._parts.append("".join(parts))
        self._length = int(ends[-1])
        lasts = [first for _, first, _ in begun[1:]] + [len(order)]
        for (piece, first, lead), after in zip(begun, lasts, strict=True):
            self._blocks.append((int(starts[first]) - lead, int(ends[after - 1]), piece))

    def _glue(
        self, words: PageWords, places: np.ndarray, texts: list[str], joints: list[str]
    ) -> None:
        follows = np.flatnonzero(words.glued[places[1:]] & (np.diff(places) == 1)) + 1
        for at in follows.tolist():
            if joints[at] == " ":
                joints[at] = ""
                pair = (texts[at - 1], texts[at])
                if words.broken[places[at]] and _bare(*pair) in self._keeps_hyphen:
                    texts[at - 1] += "-"

    def finish(
        self, headings: Headings, *, title: str, properties: dict[str, str]
    ) -> ParsedDocument:
        if not self._spans:
            raise Quarantined(Reason.NO_TEXT)
        text = "".join(self._parts)
        levels = headings.levels()
        blocks = tuple(
            Block(start, end, piece.kind, levels[piece.level] if piece.level else 0,
                  context=piece.context)
            for start, end, piece in self._blocks
        )  # fmt: skip
        return ParsedDocument(
            text,
            blocks,
            tuple(self._pages),
            WordTable(np.vstack(self._spans), np.vstack(self._boxes)),
            title or self._largest_heading(text, blocks),
            properties,
        )

    def _largest_heading(self, text: str, blocks: Sequence[Block]) -> str:
        first_page = self._pages[0].end
        found = [b for b in blocks if b.kind is BlockKind.HEADING and b.start < first_page]
        if not found:
            return first_heading(text, blocks)
        top = min(found, key=lambda block: (block.level, block.start))
        return " ".join(text[top.start : top.end].split())


def _broken_with_hyphen(pages: Iterable[PageWords]) -> set[str]:
    """Return the broken words that the document writes with a hyphen where it need not break.

    "long-" and "term" on two lines are "long-term" when that stands elsewhere and "longterm"
    does not; each is given as both halves with a hyphen between them.
    """
    broken: set[str] = set()
    seen: set[str] = set()
    contents = list(pages)
    for words in contents:
        for place in np.flatnonzero(words.broken).tolist():
            broken.add(_bare(words.texts[place - 1], words.texts[place]))
    if not broken:
        return set()
    whole = {pair.replace("-", "") for pair in broken}
    for words in contents:
        for text in set(words.texts):
            bare = text.strip(_AROUND).lower()
            if bare in broken or bare in whole:
                seen.add(bare)
    return {pair for pair in broken if pair in seen and pair.replace("-", "") not in seen}


_AROUND = ".,;:!?()[]\"'\u201c\u201d\u2018\u2019"


def _bare(first: str, second: str) -> str:
    return f"{first.lstrip(_AROUND)}-{second.rstrip(_AROUND)}".lower()
