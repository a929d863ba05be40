"""What a document is: one canonical text per version, and offsets into it for everything else."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, NewType, overload

import numpy as np
from numpy.typing import NDArray

SourceId = NewType("SourceId", str)
DocumentId = NewType("DocumentId", str)
VersionId = NewType("VersionId", str)
ChunkId = NewType("ChunkId", str)
OriginalHash = NewType("OriginalHash", str)
"""Lower-case hex SHA-256 of an original's bytes."""

CELL_JOINT = " | "
"""Between the cells of a table row, in a document's text."""
SAME_LINE_OVERLAP = 0.5
"""Two boxes stand on one line when they share at least this part of the lower one's height."""
SAME_LINE_MIDDLES = 0.35
"""And when their middles are no further apart than this part of the higher one's height."""
SAME_LINE_GAP = 4.0
"""And when what is between them is no wider than so many times that height: words of other
columns may stand there."""


class BlockKind(StrEnum):
    """What a parsed span is."""

    HEADING = "heading"
    PARAGRAPH = "paragraph"
    LIST_ITEM = "list_item"
    TABLE_ROW = "table_row"
    FOOTNOTE = "footnote"
    """Stands at the foot of its page and after the page's other text."""
    FURNITURE = "furniture"
    """A running header, footer or page number: kept in the text, never in a chunk."""


class Word(NamedTuple):
    """A word of the text and where it stands on its page.

    Coordinates are PDF points of the visible page, origin top left.
    """

    start: int
    end: int
    page: int
    x0: float
    y0: float
    x1: float
    y1: float


class WordTable(Sequence[Word]):
    """Words by the hundred thousand, in columns: 40 bytes a word where a tuple takes 300.

    Attributes:
        spans: int64[n, 3]: start, end, page.
        boxes: float32[n, 4]: left, top, right, bottom.
    """

    __hash__ = None  # type: ignore[assignment]
    __slots__ = ("boxes", "spans")

    def __init__(self, spans: NDArray[np.int64], boxes: NDArray[np.float32]) -> None:
        self.spans = spans
        self.boxes = boxes

    @classmethod
    def of(cls, words: Sequence[Word]) -> "WordTable":
        """Return the words in columns."""
        if isinstance(words, cls):
            return words
        rows = np.array(words, dtype=np.float64).reshape(-1, 7)
        return cls(rows[:, :3].astype(np.int64), rows[:, 3:].astype(np.float32))

    def pages(self) -> set[int]:
        """Return the numbers of the pages that words stand on."""
        return set(np.unique(self.spans[:, 2]).tolist())

    def on_page(self, number: int) -> "WordTable":
        """Return the words of one page, in text order."""
        there = self.spans[:, 2] == number
        return WordTable(self.spans[there], self.boxes[there])

    def __len__(self) -> int:
        return len(self.spans)

    def __iter__(self) -> Iterator[Word]:
        return map(Word, *self.spans.T.tolist(), *self.boxes.T.tolist())

    @overload
    def __getitem__(self, place: int) -> Word: ...

    @overload
    def __getitem__(self, place: slice) -> "WordTable": ...

    def __getitem__(self, place: int | slice) -> "Word | WordTable":
        if isinstance(place, slice):
            return WordTable(self.spans[place], self.boxes[place])
        return Word(*self.spans[place].tolist(), *self.boxes[place].tolist())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(map(tuple.__eq__, self, other))


class Box(NamedTuple):
    """A rectangle on a page (numbered from 0), in PDF points, origin top left."""

    page: int
    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a document that has pages.

    Attributes:
        number: Counts from 0.
        start: Offset of the page's first character in the text.
        end: Offset after its last.
        width: Visible width in PDF points.
        height: Visible height in PDF points.
        ocr_confidence: Mean confidence of recognition (0 to 1) where the page was a
            picture, else None.
    """

    number: int
    start: int
    end: int
    width: float
    height: float
    ocr_confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """A parsed span of the text.

    Attributes:
        start: Offset of its first character.
        end: Offset after its last.
        kind: What it is.
        level: Depth of a heading from 1; 0 for everything else.
        place: Where it stands in a document without pages, in words a reader
            knows: "Slide 3", "Sheet Fees, A7:F7"; empty where the page says it.
        context: For a table row: the column headers, joined as the row is, so
            that a row found alone can be read. Empty otherwise.
    """

    start: int
    end: int
    kind: BlockKind
    level: int = 0
    place: str = ""
    context: str = ""


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """What a parser makes of an original.

    Attributes:
        text: The canonical text. Everything else is offsets into it.
        blocks: In reading order, not overlapping.
        pages: Empty for formats without pages.
        words: In text order; empty for formats without pages.
        title: From the document's own properties or first heading; may be empty.
        properties: Author, dates and the like, as the document states them.
        rendition: The PDF on whose pages the words stand, where the original is not a PDF
            itself and could be drawn as one; else empty.
    """

    text: str
    blocks: tuple[Block, ...]
    pages: tuple[Page, ...] = ()
    words: Sequence[Word] = ()
    title: str = ""
    properties: dict[str, str] = field(default_factory=dict)
    rendition: bytes = field(default=b"", repr=False)


class SuspicionKind(StrEnum):
    """How a stretch of a text speaks to the machine instead of to its reader."""

    INSTRUCTION = "instruction"
    """Tells an assistant what to do or to answer."""
    ROLE_MARK = "role_mark"
    """Marks by which a model tells who speaks."""
    FETCHED = "fetched"
    """Markup that would load something when it is shown."""
    HIDDEN = "hidden"
    """Characters that nobody sees, or that turn the order of what is seen."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A stretch of a text that speaks to the machine: shown and found, never quoted as an answer.

    Attributes:
        start: Offset of its first character in the version's text.
        end: Offset after its last.
        kind: How it does so.
    """

    start: int
    end: int
    kind: SuspicionKind


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stored piece of one version: a span of its text with its surroundings named.

    Attributes:
        number: Position in the version, from 0.
        start: Offset of its first character in the version's text.
        end: Offset after its last.
        heading_path: Headings above it, outermost first.
        page: Page its first word stands on (from 0), None without pages.
        place: As in Block.
        context: Column headers for table rows, else empty.
        suspicions: What in it speaks to the machine, in text order.
    """

    number: int
    start: int
    end: int
    heading_path: tuple[str, ...] = ()
    page: int | None = None
    place: str = ""
    context: str = ""
    suspicions: tuple[Suspicion, ...] = ()


@dataclass(frozen=True, slots=True)
class Version:
    """One state of a document.

    Attributes:
        version_id: Its id.
        document_id: The document it is a state of.
        number: Counts from 1.
        original: Hash of the bytes it was parsed from.
        media_type: Decided by content.
        title: As shown to people.
        path: The path relative to the source when it was ingested.
        page_count: 0 for formats without pages.
        character_count: Length of the text.
        published_at: When it became live (UTC).
        live: Whether it is the version that answers are made from.
        marking: Its document's protective marking, now; empty for none.
    """

    version_id: VersionId
    document_id: DocumentId
    number: int
    original: OriginalHash
    media_type: str
    title: str
    path: str
    page_count: int
    character_count: int
    published_at: datetime
    live: bool
    marking: str = ""


def page_of(pages: Sequence[Page], offset: int) -> int | None:
    """Return the number of the page that holds an offset, None where there are no pages."""
    for page in pages:
        if offset < page.end:
            return page.number
    return pages[-1].number if pages else None


def section_of(blocks: Sequence[Block], offset: int) -> tuple[int, int] | None:
    """Return the span of the section that holds an offset, from its heading to its last block.

    A section ends where the next heading of its level, or of a higher one, begins; those below
    belong to it.

    Returns:
        Start and end; None where no heading stands above the offset.
    """
    heading = last = None
    for block in blocks:
        is_heading = block.kind is BlockKind.HEADING
        if block.start > offset and heading and is_heading and block.level <= heading.level:
            break
        if block.start <= offset and is_heading:
            heading = block
        last = block
    return (heading.start, last.end) if heading and last else None


def line_boxes(words: Iterable[Word], start: int, end: int) -> list[Box]:
    """Return the boxes that mark a span: a rectangle for each line, or each part of a line.

    They stand in reading order.

    Args:
        words: Words of the version, in text order.
        start: Offset of the span's first character.
        end: Offset after its last.
    """
    boxes: list[Box] = []
    for word in words:
        if word.end <= start or word.start >= end:
            continue
        box = Box(word.page, word.x0, word.y0, word.x1, word.y1)
        if boxes and _continues_line(boxes[-1], box):
            boxes[-1] = _union(boxes[-1], box)
        else:
            boxes.append(box)
    return boxes


def _continues_line(line: Box, box: Box) -> bool:
    if line.page != box.page or box.x0 < line.x0:
        return False
    shared = min(line.y1, box.y1) - max(line.y0, box.y0)
    lower = min(line.y1 - line.y0, box.y1 - box.y0)
    higher = max(line.y1 - line.y0, box.y1 - box.y0)
    apart = abs(line.y0 + line.y1 - box.y0 - box.y1) / 2
    return (
        shared >= SAME_LINE_OVERLAP * lower
        and apart <= SAME_LINE_MIDDLES * higher
        and box.x0 - line.x1 <= SAME_LINE_GAP * higher
    )


def _union(first: Box, second: Box) -> Box:
    return Box(
        first.page,
        min(first.x0, second.x0),
        min(first.y0, second.y0),
        max(first.x1, second.x1),
        max(first.y1, second.y1),
    )
