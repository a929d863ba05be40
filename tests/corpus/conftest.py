import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from corpus.catalog import Catalog, Source, Staged
from corpus.documents import Block, BlockKind, Chunk, OriginalHash, Page, ParsedDocument, Word


class Clock:
    """A clock that moves a minute each time it is read."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now


@dataclass
class Shelf:
    """A source and what it takes to put documents into it."""

    catalog: Catalog
    source: Source

    def stage(self, path: str = "fees.pdf", *page_texts: str, title: str = "Fees") -> Staged:
        parsed = parsed_document(*page_texts, title=title)
        return self.catalog.stage_version(
            source_id=self.source.source_id,
            path=path,
            original=OriginalHash(hashlib.sha256(parsed.text.encode()).hexdigest()),
            media_type="application/pdf",
            parsed=parsed,
            chunks=[
                Chunk(page.number, page.start, page.end, ("Part I", "Fees"), page.number)
                for page in parsed.pages
            ],
            size=len(parsed.text),
            modified_ns=1_700_000_000_123_456_789,
        )

    def publish(self, path: str = "fees.pdf", *page_texts: str, title: str = "Fees") -> Staged:
        staged = self.stage(path, *page_texts, title=title)
        self.catalog.publish(staged.version_id)
        return staged


def parsed_document(*page_texts: str, title: str) -> ParsedDocument:
    """Lay out each text on a page of its own, one word beside the other."""
    text = ""
    pages: list[Page] = []
    words: list[Word] = []
    blocks: list[Block] = []
    for number, page_text in enumerate(page_texts or ("The fee is fixed",)):
        start = len(text)
        for place, written in enumerate(page_text.split()):
            left = 10.0 + 40 * place
            end = len(text) + len(written)
            words.append(Word(len(text), end, number, left, 20.0, left + 30, 30.0))
            text += written + " "
        pages.append(Page(number, start, len(text), 595.5, 842.0, None if number else 0.75))
        blocks.append(Block(start, len(text), BlockKind.PARAGRAPH, 0, "Slide 1", "Fee"))
    return ParsedDocument(text, tuple(blocks), tuple(pages), tuple(words), title, {"author": "J"})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/data/catalog.db"


@pytest.fixture
def catalog(url: str, clock: Clock) -> Iterator[Catalog]:
    opened = Catalog.open(url, clock=clock)
    yield opened
    opened.close()


@pytest.fixture
def shelf(catalog: Catalog, tmp_path: Path) -> Shelf:
    source = catalog.add_source(
        name="policies", location=tmp_path / "policies", groups=frozenset({"staff"})
    )
    return Shelf(catalog, source)
