"""Turn what was read and found into what crosses the wire and what goes on record."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from audit.events import CitationGiven, PassageRead
from corpus.access import AuthorizedChunk, UncheckedChunk
from corpus.catalog import Catalog
from corpus.documents import Box, Word, line_boxes
from rag.citations import Quote
from rag.contract import Citation, FoundBy, Mark, Passage
from rag.evidence import Evidence, passage_match
from rag.ranking import Found
from rag.wording import is_row

PAGES_AT_ONCE = 4
"""Pages read to find where a quote stands; hardly a chunk reaches over more."""
LONGEST_TRIED = 300
"""Characters of a stretch that speaks to the machine, on record."""


@dataclass(frozen=True, slots=True)
class Read:
    """A passage that the gate has let through, with its score."""

    chunk: AuthorizedChunk
    score: float
    found: Found


class Citer:
    """Numbers quotes, the same one always alike, and finds where they stand.

    Args:
        catalog: Knows the words of a page.
        chunks: What was read; a quote names its passage by its place among them.
    """

    def __init__(self, catalog: Catalog, chunks: Sequence[AuthorizedChunk]) -> None:
        self._catalog = catalog
        self._chunks = chunks
        self._made: dict[Quote, Citation] = {}

    @property
    def citations(self) -> list[Citation]:
        """Those made so far, by number."""
        return list(self._made.values())

    def cite(self, quote: Quote) -> Citation:
        """Return the citation of a quote."""
        if quote not in self._made:
            number = len(self._made) + 1
            self._made[quote] = self._citation(number, quote, self._chunks[quote.passage])
        return self._made[quote]

    def _citation(self, number: int, quote: Quote, chunk: AuthorizedChunk) -> Citation:
        found = chunk.found
        boxes = self._boxes(quote, found) if found.chunk.page is not None else []
        return Citation(
            number=number,
            document_id=found.document_id,
            version_id=found.version_id,
            version_number=found.version_number,
            title=found.title,
            path=found.path,
            heading_path=list(found.chunk.heading_path),
            page=boxes[0].page if boxes else None,
            place=found.chunk.place,
            start=quote.span.start,
            end=quote.span.end,
            quote=quote.text,
            columns=columns_of(quote.text, found.chunk.context),
            marking=found.marking,
            marks=[Mark(**box._asdict()) for box in boxes],
        )

    def _boxes(self, quote: Quote, found: UncheckedChunk) -> list[Box]:
        """Return where a quote stands, on however many pages its chunk may reach over."""
        page = found.chunk.page or 0
        words: list[Word] = []
        while more := self._catalog.words_of(
            found.version_id, first_page=page, last_page=page + PAGES_AT_ONCE - 1
        ):
            words += more
            if more[-1].end >= quote.span.end:
                break
            page += PAGES_AT_ONCE
        return line_boxes(words, quote.span.start, quote.span.end)


def columns_of(quote: str, context: str) -> str:
    """Return the names of the columns that a quoted row is read under.

    Args:
        quote: The document's words.
        context: The table's names of columns, empty outside tables.

    Returns:
        The names; empty where the quote is no row, or is the row of names itself.
    """
    itself = quote.split() == context.split()
    return context if is_row(quote) and not itself else ""


def citations_given(citations: Sequence[Citation]) -> tuple[CitationGiven, ...]:
    """Return citations as they go on record."""
    return tuple(
        CitationGiven(
            each.number, each.document_id, each.version_id, each.start, each.end, each.quote
        )
        for each in citations
    )


def passages_of(read: Sequence[Read], evidence: Sequence[Evidence]) -> list[Passage]:
    """Return what was read, with how well each speaks to the question."""
    return [
        passage_of(each.chunk, passage_match(evidence, number)) for number, each in enumerate(read)
    ]


def passage_of(chunk: AuthorizedChunk, score: float) -> Passage:
    """Return a passage as it goes over the wire."""
    found = chunk.found
    return Passage(
        chunk_id=found.chunk_id,
        document_id=found.document_id,
        version_id=found.version_id,
        version_number=found.version_number,
        title=found.title,
        path=found.path,
        source=found.source_name,
        heading_path=list(found.chunk.heading_path),
        page=found.chunk.page,
        place=found.chunk.place,
        start=found.chunk.start,
        end=found.chunk.end,
        text=found.text,
        score=score,
        marking=found.marking,
        suspicions=sorted({one.kind for one in found.chunk.suspicions}),
    )


def found_by(found: Found) -> FoundBy:
    """Return how a passage was found, as it goes over the wire."""
    return FoundBy(
        meaning_rank=found.dense_rank,
        meaning_score=found.dense_score,
        words_rank=found.words_rank,
        words_score=found.words_score,
        closeness=found.closeness,
        document=found.document,
        reference=found.reference,
        repeats=found.repeats,
    )


def passages_read(read: Sequence[Read]) -> list[PassageRead]:
    """Return what was read as it goes on record."""
    return [
        PassageRead(
            document_id=each.chunk.found.document_id,
            version_id=each.chunk.found.version_id,
            version_number=each.chunk.found.version_number,
            chunk_id=each.chunk.found.chunk_id,
            chunk_sha256=hashlib.sha256(each.chunk.found.text.encode()).hexdigest(),
            score=round(each.score, 6),
            rank=rank,
            tried=_tried(each.chunk),
        )
        for rank, each in enumerate(read, start=1)
    ]


def _tried(chunk: AuthorizedChunk) -> str:
    """Return what in a passage speaks to the machine, as much of it as a record needs."""
    found, first = chunk.found, chunk.found.chunk.start
    return "\n".join(
        found.text[one.start - first : one.end - first].strip()[:LONGEST_TRIED]
        for one in found.chunk.suspicions
    )


def reading_text(read: Sequence[Read]) -> str:
    """Return what a reader is told of how much is read."""
    documents = len({each.chunk.found.document_id for each in read})
    return f"Reading {len(read)} passages of {documents} document{'s' if documents != 1 else ''}"
