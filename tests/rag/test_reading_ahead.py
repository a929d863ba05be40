"""What is live is read before anybody asks about it, and dropped when it is gone."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from bench.desk import Desk, opened
from corpus.access import UncheckedChunk
from corpus.documents import ChunkId
from rag.reading_ahead import CHUNKS_AT_ONCE, ReadingAhead


class Reader:
    """Remembers what it was given to read and to forget."""

    def __init__(self) -> None:
        self.read: list[ChunkId] = []
        self.forgotten: list[ChunkId] = []

    def __call__(self, chunks: Sequence[UncheckedChunk]) -> None:
        self.read.extend(chunk.chunk_id for chunk in chunks)

    def forget(self, chunk_ids: Sequence[ChunkId]) -> None:
        self.forgotten.extend(chunk_ids)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Desk]:
    (tmp_path / "leave.md").write_text("# Leave\n\nStaff have 27 days of annual leave a year.\n")
    (tmp_path / "travel.md").write_text("# Travel\n\nMileage is paid at 45 pence a mile.\n")
    with opened(tmp_path, groups=frozenset({"staff"}), weigh=lambda _: []) as desk:
        yield desk


def reading_ahead(site: Desk, reader: Reader, *, most: int = 100) -> ReadingAhead:
    return ReadingAhead(
        site.catalog, read=reader, forget=reader.forget, is_idle=lambda: True, most=most
    )


def test_every_live_chunk_is_read_once(site: Desk) -> None:
    reader = Reader()
    ahead = reading_ahead(site, reader)

    counts = [ahead.look(), ahead.look()]

    live = site.catalog.live_versions()
    chunks = [each.chunk_id for one in live for each in site.catalog.chunks_of(one.version_id)]
    assert counts == [len(chunks), 0]
    assert sorted(reader.read) == sorted(chunks)


def test_what_is_live_no_longer_is_dropped_and_what_is_new_is_read(
    site: Desk, tmp_path: Path
) -> None:
    reader = Reader()
    ahead = reading_ahead(site, reader)
    ahead.look()
    before = list(reader.read)
    (gone, *_) = site.catalog.live_versions()
    (tmp_path / "gifts.md").write_text("# Gifts\n\nA gift above fifty pounds is declared.\n")
    site.read_again()
    site.catalog.withdraw_document(gone.document_id)

    count = ahead.look()

    assert count == 1
    assert len(reader.forgotten) == 1
    assert reader.forgotten[0] in before


def test_no_more_is_read_than_is_kept(site: Desk) -> None:
    reader = Reader()

    reading_ahead(site, reader, most=1).look()

    assert len(reader.read) == 1


def test_it_waits_while_somebody_is_answered(site: Desk) -> None:
    reader = Reader()
    asked = iter([False, False, True, True])
    seen: list[int] = []

    def is_idle() -> bool:
        seen.append(len(reader.read))
        return next(asked)

    ReadingAhead(site.catalog, read=reader, forget=reader.forget, is_idle=is_idle).look()

    assert seen == [0, 0, 0, 1]


def test_it_ends_within_a_long_document_too(site: Desk, tmp_path: Path) -> None:
    sections = (f"## Part {number}\n\n" + f"Rule {number} holds. " * 80 for number in range(20))
    (tmp_path / "annex.md").write_text("# Annex\n\n" + "\n\n".join(sections))
    site.read_again()
    reader = Reader()

    def read(chunks: Sequence[UncheckedChunk]) -> None:
        reader(chunks)
        if len(chunks) == CHUNKS_AT_ONCE:  # of the long one
            ahead.close()

    ahead = ReadingAhead(site.catalog, read=read, forget=reader.forget, is_idle=lambda: True)
    ahead.look()

    of_all = [site.catalog.chunks_of(one.version_id) for one in site.catalog.live_versions()]
    longest = {chunk.chunk_id for chunk in max(of_all, key=len)}
    assert len(longest) > CHUNKS_AT_ONCE
    assert len(longest.intersection(reader.read)) == CHUNKS_AT_ONCE


def test_it_ends_when_it_is_told_to(site: Desk) -> None:
    reader = Reader()
    ahead = ReadingAhead(site.catalog, read=reader, forget=reader.forget, is_idle=lambda: False)
    ahead.start()

    ahead.close()

    assert reader.read == []
