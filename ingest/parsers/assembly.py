"""Lines and rows of all pages into one text with blocks: what is a heading, what is furniture."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from corpus.documents import Block, BlockKind, Page, ParsedDocument, Word
from ingest.building import CELL_JOINT, first_heading, joined, names_columns
from ingest.errors import Quarantined
from ingest.parsers.page_layout import Item, Line, Row
from ingest.parsers.page_words import PageWord
from ingest.quarantine import Reason

MARGIN_SHARE = 0.12
"""Running headers and footers stand in this part of the page at its top and bottom."""
HEADING_CHARACTERS = 160
LARGER = 1.1
LARGER_RECOGNISED = 1.35
"""Sizes measured in a scan waver."""
PARAGRAPH_GAP_SIZES = 0.55
PARAGRAPH_GAP_RECOGNISED = 0.95
"""Boxes of recognised words end with their ink, so that lines seem further apart."""
SHORT_LINE_SHARE = 0.7

_NUMBER = re.compile(r"^(\d{1,2}(?:\.\d{1,2}){0,4})[.)]?\s+(?=[A-Z\"'(])")
_PART = re.compile(r"^(part|schedule|appendix|annex|section|chapter|article)\s+[A-Z0-9]+\b", re.I)
_BULLET = re.compile(r"^([•●▪◦\u2013‣■□*-]|\(?(?:[a-z]|[ivx]{1,4}|\d{1,2})[.)])\s+\S")
_PAGE_NUMBER = re.compile(r"^(page\s+)?\W{0,2}\d{1,4}\W{0,2}(\s*(of|/)\s*\d{1,4})?$", re.I)
_DIGITS = re.compile(r"\d+")


@dataclass(slots=True)
class PageItems:
    """What was read on one page.

    Attributes:
        items: Lines and rows, in reading order.
        width: Points.
        height: Points.
        ocr_confidence: None unless the page was a picture.
    """

    items: list[Item]
    width: float
    height: float
    ocr_confidence: float | None = None


@dataclass(slots=True)
class _Piece:
    """Lines that make one block."""

    kind: BlockKind
    lines: list[Line] = field(default_factory=list)
    row: Row | None = None
    level: int = 0
    context: str = ""


def assemble(
    pages: Sequence[PageItems], *, title: str, properties: dict[str, str]
) -> ParsedDocument:
    """Return the document that the pages make.

    Raises:
        Quarantined: No page holds a word.
    """
    furniture = _furniture(pages)
    style = _Style(pages)
    writer = _Writer()
    for number, page in enumerate(pages):
        writer.start_page()
        pieces = _pieces_of(page, furniture.get(number, set()), style)
        style.note(pieces)
        writer.add(number, pieces)
        writer.end_page(number, page)
    return writer.finish(style, title=title, properties=properties)


def _furniture(pages: Sequence[PageItems]) -> dict[int, set[int]]:
    """Return the places in each page's items of running headers, footers and page numbers."""
    seen: Counter[tuple[str, int]] = Counter()
    candidates: list[tuple[int, int, tuple[str, int], bool]] = []
    for number, page in enumerate(pages):
        for place, item in enumerate(page.items):
            if not isinstance(item, Line) or not _in_margin(item, page):
                continue
            text = item.text
            key = (_DIGITS.sub("#", text.lower()), round(item.y0 / 6))
            seen[key] += 1
            candidates.append((number, place, key, bool(_PAGE_NUMBER.match(text))))
    enough = 2 if len(pages) < 6 else 3
    marked: dict[int, set[int]] = {}
    for number, place, key, is_number in candidates:
        repeated = max(seen[key[0], key[1] + shift] for shift in (-1, 0, 1)) >= enough
        if is_number or repeated:
            marked.setdefault(number, set()).add(place)
    return marked


def _in_margin(line: Line, page: PageItems) -> bool:
    return line.y1 < page.height * MARGIN_SHARE or line.y0 > page.height * (1 - MARGIN_SHARE)


class _Style:
    """What the body of this document looks like, and from that its headings."""

    def __init__(self, pages: Sequence[PageItems]) -> None:
        sizes: Counter[float] = Counter()
        bold: Counter[bool] = Counter()
        for page in pages:
            for item in page.items:
                cells = [item.words] if isinstance(item, Line) else item.cells
                for word in (word for cell in cells for word in cell):
                    sizes[word.size] += len(word.text)
                    bold[word.bold] += len(word.text)
        self.body_size = sizes.most_common(1)[0][0] if sizes else 10.0
        self._bold_stands_out = bold[False] > bold[True]
        self._keys: set[tuple[float, int]] = set()

    def is_heading(self, line: Line, *, recognised: bool) -> bool:
        """Say whether a line stands out as a heading does."""
        text = line.text
        if len(text) > HEADING_CHARACTERS or not any(map(str.isalpha, text)):
            return False
        numbered = bool(_NUMBER.match(text))
        if _BULLET.match(text) and not numbered:
            return False
        if text[-1] in ".;," and not (numbered and len(text) < 80):
            return False
        larger = line.size >= self.body_size * (LARGER_RECOGNISED if recognised else LARGER)
        heavy = self._bold_stands_out and line.bold
        if recognised and text.isupper() and len(line.words) > 1:
            return True
        return larger or heavy

    def note(self, pieces: Sequence[_Piece]) -> None:
        """Remember what headings look like, so that levels can be told at the end."""
        for piece in pieces:
            if piece.kind is BlockKind.HEADING:
                self._keys.add(_rank(piece))

    def level(self, piece: _Piece) -> int:
        """Return a heading's depth from 1: by size, then by the depth of its number."""
        ordered = sorted(self._keys, key=lambda key: (-key[0], key[1]))
        return min(9, ordered.index(_rank(piece)) + 1)


def _rank(piece: _Piece) -> tuple[float, int]:
    text = piece.lines[0].text
    numbered = _NUMBER.match(text)
    depth = numbered[1].count(".") + 1 if numbered else (1 if _PART.match(text) else 0)
    size = max(line.size for line in piece.lines)
    return (round(size), max(1, depth))


def _pieces_of(page: PageItems, furniture: set[int], style: _Style) -> list[_Piece]:
    recognised = page.ocr_confidence is not None
    pieces: list[_Piece] = []
    header: list[str] = []
    table = 0
    for place, item in enumerate(page.items):
        if isinstance(item, Row):
            cells = [_cell_text(cell) for cell in item.cells]
            first = item.table != table
            if first:
                table = item.table
                rows = [row for row in page.items if isinstance(row, Row) and row.table == table]
                header = cells if _is_header(rows, cells) else []
            context = "" if first else joined(header)
            pieces.append(_Piece(BlockKind.TABLE_ROW, row=item, context=context))
        elif place in furniture:
            pieces.append(_Piece(BlockKind.FURNITURE, [item]))
        elif style.is_heading(item, recognised=recognised):
            _add_heading(pieces, item)
        else:
            _add_body_line(pieces, item, page)
    return pieces


def _is_header(rows: Sequence[Row], cells: Sequence[str]) -> bool:
    """Say whether a table's first row names its columns.

    Where type is bold, it decides: a header is bold throughout and the rows below are not.
    """
    if len(rows) < 2 or not names_columns(cells):
        return False
    bold = [[all(word.bold for word in cell) for cell in row.cells if cell] for row in rows]
    if any(any(row) for row in bold):
        return all(bold[0]) and not all(bold[1])
    return len(cells) > 2


def _cell_text(cell: Sequence[PageWord]) -> str:
    return " ".join(word.text for word in cell)


def _add_heading(pieces: list[_Piece], line: Line) -> None:
    before = pieces[-1] if pieces else None
    if before and before.kind is BlockKind.HEADING and not _NUMBER.match(line.text):
        last = before.lines[-1]
        close = 0 <= line.y0 - last.y0 < 2 * (last.y1 - last.y0)
        if close and abs(last.size - line.size) < 0.6 and last.bold == line.bold:
            before.lines.append(line)
            return
    pieces.append(_Piece(BlockKind.HEADING, [line]))


def _add_body_line(pieces: list[_Piece], line: Line, page: PageItems) -> None:
    kind = BlockKind.LIST_ITEM if _BULLET.match(line.text) else BlockKind.PARAGRAPH
    before = pieces[-1] if pieces else None
    bodies = (BlockKind.PARAGRAPH, BlockKind.LIST_ITEM)
    if (
        kind is BlockKind.PARAGRAPH
        and before
        and before.kind in bodies
        and _continues(before, line, page)
    ):
        before.lines.append(line)
    else:
        pieces.append(_Piece(kind, [line]))


def _continues(before: _Piece, line: Line, page: PageItems) -> bool:
    last = before.lines[-1]
    ended = last.text[-1] in ".:;!?"
    if abs(last.size - line.size) > 0.75 and page.ocr_confidence is None:
        return False
    if line.y0 < last.y0 - last.size:  # the next column
        return not ended
    gap = line.y0 - last.y1
    allowed = PARAGRAPH_GAP_SIZES if page.ocr_confidence is None else PARAGRAPH_GAP_RECOGNISED
    if gap > allowed * last.size:
        return False
    widest = max(piece.x1 - piece.x0 for piece in before.lines)
    short = last.x1 - last.x0 < SHORT_LINE_SHARE * max(widest, 0.3 * page.width)
    return not (short and line.text[0].isupper() and (ended or len(before.lines) == 1))


class _Writer:
    """Writes the text and keeps the offsets."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._blocks: list[tuple[int, int, _Piece]] = []
        self._words: list[Word] = []
        self._pages: list[Page] = []
        self._page_start = 0

    def start_page(self) -> None:
        self._page_start = self._length

    def add(self, page: int, pieces: Sequence[_Piece]) -> None:
        for piece in pieces:
            if self._blocks:
                self._append("\n" if self._set_close(piece) else "\n\n")
            start = self._length
            if piece.row is not None:
                for number, cell in enumerate(piece.row.cells):
                    if number:
                        self._append(CELL_JOINT)
                    self._write(page, cell)
            else:
                self._write(page, [word for line in piece.lines for word in line.words])
            self._blocks.append((start, self._length, piece))

    def end_page(self, number: int, page: PageItems) -> None:
        self._pages.append(
            Page(
                number,
                self._page_start,
                self._length,
                page.width,
                page.height,
                page.ocr_confidence,
            )
        )

    def finish(self, style: _Style, *, title: str, properties: dict[str, str]) -> ParsedDocument:
        if not self._words:
            raise Quarantined(Reason.NO_TEXT)
        text = "".join(self._parts)
        blocks = tuple(
            Block(
                start,
                end,
                piece.kind,
                style.level(piece) if piece.kind is BlockKind.HEADING else 0,
                context=piece.context,
            )
            for start, end, piece in self._blocks
        )
        return ParsedDocument(
            text,
            blocks,
            tuple(self._pages),
            tuple(self._words),
            title or self._largest_heading(text, blocks),
            properties,
        )

    def _largest_heading(self, text: str, blocks: Sequence[Block]) -> str:
        first_page = self._pages[0].end
        headings = [b for b in blocks if b.kind is BlockKind.HEADING and b.start < first_page]
        if not headings:
            return first_heading(text, blocks)
        top = min(headings, key=lambda block: (block.level, block.start))
        return text[top.start : top.end]

    def _set_close(self, piece: _Piece) -> bool:
        last = self._blocks[-1][2].kind
        return piece.kind is last and last in (BlockKind.TABLE_ROW, BlockKind.LIST_ITEM)

    def _write(self, page: int, words: Sequence[PageWord]) -> None:
        for number, word in enumerate(words):
            if number and not word.glued:
                self._append(" ")
            start = self._length
            self._append(word.text)
            self._words.append(Word(start, self._length, page, word.x0, word.y0, word.x1, word.y1))

    def _append(self, text: str) -> None:
        self._parts.append(text)
        self._length += len(text)
