"""Cuts a document into chunks along its own structure.

A chunk is a span of the text, so a citation inside it can always be traced to page and boxes.
Headings and furniture part chunks, so that none reaches over a running header into the next
page. Paragraphs and table rows stay whole where they fit; so do a list with the sentence that
leads to it and a table with its header. Cutting needs the stored parse alone: a document can be
cut anew, with other limits, without its original.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Self

from llama_index.core.node_parser import SentenceSplitter

from corpus.documents import Block, BlockKind, Chunk, ParsedDocument, page_of
from corpus.index.bm25 import IndexedText
from ingest.screening import screened

CUTTER = 1
"""Of the program below: whoever lets it cut otherwise raises it, and what is kept is cut anew."""
MAXIMUM_CHARACTERS = 4_000
"""Of a chunk cut from one block: text without spaces has few words however long it is."""
NAMING_PROPERTIES = ("organisation", "document_type", "period")
_NOTHING: Mapping[str, str] = MappingProxyType({})
_CELLS = re.compile(
    r"^(?P<sheet>.*), (?:(?P<left>[A-Z]{1,3})(?P<top>\d+)(?::(?P<right>[A-Z]{1,3})(?P<bottom>\d+))?"
    r"|rows? (?P<first>\d+)(?: to (?P<last>\d+))?)$"
)
"""Where rows of a spreadsheet stand: "Sheet Fees, A7:F9", in older texts "Sheet Fees, row 7"."""
_SENTENCE = re.compile(r"[^.!?\n]*(?:[.!?](?!\s)[^.!?\n]*)*(?:[.!?]+[\"'\u201d\u2019)]*|\n|$)\s*")
_TOKEN = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class ChunkLimits:
    """How long chunks are, in words; English has about 1.4 word pieces to a word.

    Attributes:
        target: A chunk this long takes no further block.
        maximum: No chunk is longer.
        heading: A chunk at least this long ends where a new section starts.
    """

    target: int = 130
    maximum: int = 190
    heading: int = 40

    @classmethod
    def of(cls, words: int) -> Self:
        """Return limits for chunks of about so many words, in the proportions of the default."""
        usual = cls()
        return cls(
            words,
            round(words * usual.maximum / usual.target),
            round(words * usual.heading / usual.target),
        )

    @property
    def cutting(self) -> str:
        """What a version cut within these limits is known by."""
        return f"{CUTTER}:{self.target}:{self.maximum}:{self.heading}"


@dataclass(slots=True)
class _Piece:
    """A chunk while it grows."""

    start: int
    end: int
    words: int
    path: tuple[str, ...]
    place: str
    context: str
    only_headings: bool


def cut(parsed: ParsedDocument, *, limits: ChunkLimits = ChunkLimits()) -> list[Chunk]:
    """Return the chunks of a document, in the order of its text.

    They never overlap and never touch furniture; together they cover every other block. What in
    them speaks to the machine is marked.
    """
    pieces = _Cutter(parsed, limits).cut()
    chunks = [_chunk(number, piece, parsed) for number, piece in enumerate(pieces)]
    return screened(parsed.text, chunks)


def search_text(title: str, chunk: Chunk, text: str) -> str:
    """Return what is embedded for a chunk: its text with what a reader would see around it."""
    own_heading = bool(chunk.heading_path) and text.startswith(chunk.heading_path[-1])
    path = chunk.heading_path[:-1] if own_heading else chunk.heading_path
    above = [title, *(heading for heading in path if heading != title)]
    context = chunk.context if chunk.context and chunk.context not in text else ""
    place = _sheet(chunk.place)
    return "\n".join(
        part for part in (" \u203a ".join(filter(None, above)), place, context, text) if part
    )


def index_text(
    title: str, chunk: Chunk, text: str, *, path: str = "", about: Mapping[str, str] = _NOTHING
) -> IndexedText:
    """Return what the word index sees of a chunk.

    The first chunk stands for its document and carries what names it: its title, the name of
    its file, and whose it is, of what kind and for which period, where its properties say so.
    """
    context = chunk.context if chunk.context and chunk.context not in text else ""
    place = _sheet(chunk.place)
    names = [title, PurePosixPath(path).stem, *(about.get(key, "") for key in NAMING_PROPERTIES)]
    return IndexedText(
        body="\n".join(part for part in (place, context, text) if part),
        headings=tuple(dict.fromkeys((title, *chunk.heading_path))),
        names=" ".join(names) if chunk.number == 0 else "",
    )


class _Cutter:
    def __init__(self, parsed: ParsedDocument, limits: ChunkLimits) -> None:
        self._text = parsed.text
        self._blocks = parsed.blocks
        self._limits = limits
        self._headings: list[tuple[int, str]] = []
        self._pieces: list[_Piece] = []
        self._open: _Piece | None = None
        self._whole_until = 0

    def cut(self) -> list[_Piece]:
        for number, block in enumerate(self._blocks):
            if block.kind is BlockKind.FURNITURE:
                self._close()
            else:
                self._take(number, block)
        self._close()
        return self._pieces

    def _take(self, number: int, block: Block) -> None:
        if block.kind is BlockKind.HEADING:
            self._enter_section(block)
        words = self._count(block.start, block.end)
        inside = number < self._whole_until
        together = words if inside else self._begin_together(number, words)
        if self._open and not inside and self._must_part(self._open, block, together):
            self._close()
        if words > self._limits.maximum or block.end - block.start > MAXIMUM_CHARACTERS:
            for start, end in self._split(block):
                self._close()
                self._grow(block, start, end, self._count(start, end))
        else:
            self._grow(block, block.start, block.end, words)

    def _begin_together(self, number: int, words: int) -> int:
        """Return how many words must stay together from a block on, and remember how far."""
        end = _end_of_group(self._text, self._blocks, number)
        if end == number + 1:
            return words
        total = self._count(self._blocks[number].start, self._blocks[end - 1].end)
        above = self._open.words if self._open and self._open.only_headings else 0
        if above + total > self._limits.maximum:
            return words
        self._whole_until = end
        return total

    def _enter_section(self, block: Block) -> None:
        while self._headings and self._headings[-1][0] >= block.level:
            self._headings.pop()
        heading = " ".join(self._text[block.start : block.end].split())
        piece = self._open
        top = not self._headings
        if piece and not piece.only_headings and (top or piece.words >= self._limits.heading):
            self._close()
        self._headings.append((block.level, heading))

    def _must_part(self, piece: _Piece, block: Block, words: int) -> bool:
        if _sheet(block.place) != _sheet(piece.place):
            return True
        if piece.only_headings:
            return piece.words + words > self._limits.maximum and words <= self._limits.maximum
        if block.context and piece.context and block.context != piece.context:
            return True
        if piece.words >= self._limits.target:
            return True
        return piece.words + words > self._limits.maximum

    def _grow(self, block: Block, start: int, end: int, words: int) -> None:
        path = tuple(heading for _, heading in self._headings)
        heading = block.kind is BlockKind.HEADING
        piece = self._open
        if piece is None:
            self._open = _Piece(start, end, words, path, block.place, block.context, heading)
            return
        piece.path = path if piece.only_headings else _shared(piece.path, path)
        piece.end = end
        piece.words += words
        piece.place = _around(piece.place, block.place)
        piece.context = piece.context or block.context
        piece.only_headings = piece.only_headings and heading

    def _close(self) -> None:
        if self._open:
            self._pieces.append(self._open)
        self._open = None

    def _count(self, start: int, end: int) -> int:
        return sum(1 for _ in _TOKEN.finditer(self._text, start, end))

    def _split(self, block: Block) -> list[tuple[int, int]]:
        """Return spans of whole sentences that cover a block that is too long."""
        text = self._text[block.start : block.end]
        position = 0
        spans = []
        for part in _splitter(self._limits.target).split_text(text):
            found = text.find(part, position)
            if not part or found < 0:
                continue
            position = found + len(part)
            spans.append((block.start + found, block.start + position))
        return [piece for span in _covering(spans, block) for piece in _bounded(span)]


def _end_of_group(text: str, blocks: Sequence[Block], number: int) -> int:
    """Return the place after the last block of a list or table that begins at a block.

    A paragraph that ends with a colon begins the list below it.
    """
    first, end = blocks[number], number + 1
    kind = first.kind
    if kind is BlockKind.PARAGRAPH and text[first.end - 1] == ":":
        kind = BlockKind.LIST_ITEM
    if kind not in {BlockKind.LIST_ITEM, BlockKind.TABLE_ROW}:
        return end
    context = ""
    while end < len(blocks) and blocks[end].kind is kind:
        block = blocks[end]
        if block.place != first.place and kind is BlockKind.LIST_ITEM:
            break
        if context and block.context != context:
            break
        context = context or block.context
        end += 1
    return end


@lru_cache(maxsize=4)
def _splitter(words: int) -> SentenceSplitter:
    return SentenceSplitter(
        chunk_size=words,
        chunk_overlap=0,
        tokenizer=_TOKEN.findall,
        chunking_tokenizer_fn=_sentences,
        include_metadata=False,
    )


def _sentences(text: str) -> list[str]:
    return [found[0] for found in _SENTENCE.finditer(text) if found[0]]


def _covering(spans: list[tuple[int, int]], block: Block) -> list[tuple[int, int]]:
    """Return the spans stretched so that nothing of the block falls between them."""
    if not spans:
        return [(block.start, block.end)]
    starts = [block.start, *(start for start, _ in spans[1:])]
    ends = [*starts[1:], block.end]
    return list(zip(starts, ends, strict=True))


def _bounded(span: tuple[int, int]) -> list[tuple[int, int]]:
    """Return a span in pieces that are not too long even where nothing parts its words."""
    start, end = span
    cuts = [*range(start, end, MAXIMUM_CHARACTERS), end]
    return list(pairwise(cuts))


def _shared(first: Sequence[str], second: Sequence[str]) -> tuple[str, ...]:
    kept = []
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        kept.append(one)
    return tuple(kept)


def _sheet(place: str) -> str:
    """Return a place without the cells: the sheet that they are in."""
    found = _CELLS.match(place)
    return found["sheet"] if found else place


def _around(first: str, second: str) -> str:
    """Return the cells that hold those of two places, where both are on one sheet."""
    cells = [found for found in map(_CELLS.match, (first, second)) if found]
    if len(cells) < 2 or first == second or _sheet(first) != _sheet(second):
        return second if cells and _sheet(second) == first else first
    names = ("top", "bottom", "first", "last")
    rows = [int(found[name]) for found in cells for name in names if found[name]]
    columns = {found[name] for found in cells for name in ("left", "right") if found[name]}
    if not columns:
        return f"{_sheet(first)}, rows {min(rows)} to {max(rows)}"
    left, *_, right = sorted([*columns, *columns], key=lambda name: (len(name), name))
    return f"{_sheet(first)}, {left}{min(rows)}:{right}{max(rows)}"


def _chunk(number: int, piece: _Piece, parsed: ParsedDocument) -> Chunk:
    return Chunk(
        number,
        piece.start,
        piece.end,
        piece.path,
        page_of(parsed.pages, piece.start),
        piece.place,
        piece.context,
    )
