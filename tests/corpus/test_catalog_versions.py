"""What happens to a document from staging to withdrawal, and who sees what of it."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import pytest

from corpus.access import Principal
from corpus.catalog import Catalog, Source, Staged, chunk_id_of
from corpus.documents import (
    Block,
    BlockKind,
    Chunk,
    ChunkId,
    DocumentId,
    OriginalHash,
    ParsedDocument,
    SourceId,
    VersionId,
)
from corpus.errors import PathTaken, UnknownDocument, UnknownSource, UnknownVersion

ADA = Principal("ada", frozenset({"staff"}))
STRANGER = Principal("eve", frozenset({"visitors"}))


class Shelf(Protocol):
    catalog: Catalog
    source: Source
    stage: Callable[..., Staged]
    publish: Callable[..., Staged]


def test_a_staged_version_is_invisible(shelf: Shelf) -> None:
    staged = shelf.stage()

    assert shelf.catalog.load_chunks(staged.chunk_ids) == []
    assert shelf.catalog.readable_versions(ADA, [staged.version_id]) == set()
    assert shelf.catalog.readable_documents(ADA) == ([], 0)
    assert shelf.catalog.live_versions() == []
    assert shelf.catalog.known_files(shelf.source.source_id) == {}


def test_a_published_version_is_read_in_chunks(shelf: Shelf) -> None:
    staged = shelf.publish("fees.pdf", "The fee", "Leave is paid")

    first, second = shelf.catalog.load_chunks(staged.chunk_ids)

    assert (first.text, second.text) == ("The fee ", "Leave is paid ")
    assert first.chunk == Chunk(0, 0, 8, ("Part I", "Fees"), 0)
    assert (first.title, first.path, first.source_name) == ("Fees", "fees.pdf", "policies")
    assert (first.version_number, first.document_id) == (1, staged.document_id)


def test_chunks_come_in_the_order_asked_for_without_the_unknown_ones(shelf: Shelf) -> None:
    one, two = shelf.publish("fees.pdf", "The fee", "Leave is paid").chunk_ids

    found = shelf.catalog.load_chunks([two, ChunkId("unknown"), one])

    assert [chunk.chunk_id for chunk in found] == [two, one]


def test_the_next_version_supersedes_the_one_before(shelf: Shelf) -> None:
    first = shelf.publish("fees.pdf", "The fee is 100")
    second = shelf.stage("fees.pdf", "The fee is 200")

    assert shelf.catalog.publish(second.version_id) == [first.version_id]

    assert (second.document_id, second.number) == (first.document_id, 2)
    assert shelf.catalog.load_chunks(first.chunk_ids) == []
    assert [v.version_id for v in shelf.catalog.live_versions()] == [second.version_id]
    assert [v.number for v in shelf.catalog.versions_of(first.document_id)] == [2, 1]


def test_an_earlier_version_can_still_be_opened(shelf: Shelf) -> None:
    """A citation in an old answer opens what it quoted."""
    first = shelf.publish("fees.pdf", "The fee is 100")
    second = shelf.publish("fees.pdf", "The fee is 200")

    readable = shelf.catalog.readable_versions(ADA, [first.version_id, second.version_id])

    assert readable == {first.version_id, second.version_id}


def test_publishing_twice_is_publishing_once(shelf: Shelf) -> None:
    staged = shelf.publish()
    published_at = shelf.catalog.version(staged.version_id).published_at

    assert shelf.catalog.publish(staged.version_id) == []

    assert shelf.catalog.version(staged.version_id).published_at == published_at


def test_a_withdrawn_document_is_gone_at_once(shelf: Shelf) -> None:
    old, new = shelf.publish("fees.pdf", "Old"), shelf.publish("fees.pdf", "New")

    gone = shelf.catalog.withdraw_document(new.document_id)

    assert set(gone) == {old.version_id, new.version_id}
    assert shelf.catalog.load_chunks([*old.chunk_ids, *new.chunk_ids]) == []
    assert shelf.catalog.readable_versions(ADA, gone) == set()
    assert shelf.catalog.readable_documents(ADA) == ([], 0)
    assert shelf.catalog.live_versions() == []
    assert shelf.catalog.known_files(shelf.source.source_id) == {}
    with pytest.raises(UnknownDocument):
        shelf.catalog.document_groups(new.document_id)


def test_withdrawing_twice_changes_nothing(shelf: Shelf) -> None:
    staged = shelf.publish()

    assert shelf.catalog.withdraw_document(staged.document_id) == [staged.version_id]
    assert shelf.catalog.withdraw_document(staged.document_id) == [staged.version_id]


def test_a_version_staged_before_the_withdrawal_cannot_be_published(shelf: Shelf) -> None:
    shelf.publish()
    staged = shelf.stage("fees.pdf", "New")
    shelf.catalog.withdraw_document(staged.document_id)

    with pytest.raises(UnknownVersion, match="cannot be published"):
        shelf.catalog.publish(staged.version_id)


def test_a_file_that_comes_back_is_a_new_document(shelf: Shelf) -> None:
    first = shelf.publish()
    shelf.catalog.withdraw_document(first.document_id)

    second = shelf.publish()

    assert second.document_id != first.document_id
    assert second.number == 1


def test_what_was_staged_before_a_crash_is_discarded(shelf: Shelf) -> None:
    live = shelf.publish("fees.pdf")
    update = shelf.stage("fees.pdf", "New")
    new = shelf.stage("leave.pdf")

    discarded = shelf.catalog.discard_staged()

    assert set(discarded) == {update.version_id, new.version_id}
    assert shelf.catalog.load_chunks(live.chunk_ids)
    for version_id in discarded:
        with pytest.raises(UnknownVersion):
            shelf.catalog.version(version_id)
    assert shelf.stage("fees.pdf", "Newer").number == 2
    assert shelf.catalog.discard_staged() != []


def test_a_moved_document_keeps_its_identity(shelf: Shelf) -> None:
    staged = shelf.publish("fees.pdf")

    shelf.catalog.move_document(staged.document_id, "archive/fees.pdf")

    assert shelf.catalog.load_chunks(staged.chunk_ids)[0].path == "archive/fees.pdf"
    (known,) = shelf.catalog.known_files(shelf.source.source_id).values()
    assert (known.path, known.document_id) == ("archive/fees.pdf", staged.document_id)
    assert shelf.publish("archive/fees.pdf", "New").document_id == staged.document_id


def test_a_document_does_not_move_onto_another(shelf: Shelf) -> None:
    staged = shelf.publish("fees.pdf")
    shelf.publish("leave.pdf")

    with pytest.raises(PathTaken, match="Withdraw that one first"):
        shelf.catalog.move_document(staged.document_id, "leave.pdf")


def test_a_parsed_document_is_read_back_whole(shelf: Shelf) -> None:
    staged = shelf.publish("fees.pdf", "The fee is £1 — “fixed” 😀", "Leave")

    parsed = shelf.catalog.parsed(staged.version_id)

    assert parsed.text == "The fee is £1 — “fixed” 😀 Leave "
    assert shelf.catalog.text_of(staged.version_id) == parsed.text
    assert [parsed.text[w.start : w.end] for w in parsed.words] == parsed.text.split()
    assert parsed.words[0] == (0, 3, 0, 10.0, 20.0, 40.0, 30.0)
    assert [page.ocr_confidence for page in parsed.pages] == [0.75, None]
    assert parsed.blocks[0] == Block(0, 26, BlockKind.PARAGRAPH, 0, "Slide 1", "Fee")
    assert (parsed.title, parsed.properties) == ("Fees", {"author": "J"})
    assert shelf.catalog.properties_of(staged.version_id) == {"author": "J"}


def test_words_are_read_by_page(shelf: Shelf) -> None:
    staged = shelf.publish("fees.pdf", "One", "Two and", "Three")

    words = shelf.catalog.words_of(staged.version_id, first_page=1, last_page=2)

    text = shelf.catalog.text_of(staged.version_id)
    assert [text[word.start : word.end] for word in words] == ["Two", "and", "Three"]
    assert [word.page for word in words] == [1, 1, 2]


def test_a_document_without_pages_or_chunks_is_kept(shelf: Shelf) -> None:
    parsed = ParsedDocument("", ())
    staged = shelf.catalog.stage_version(
        source_id=shelf.source.source_id,
        path="notes/empty.md",
        original=OriginalHash("00"),
        media_type="text/markdown",
        parsed=parsed,
        chunks=[],
        size=0,
        modified_ns=0,
    )

    assert staged.chunk_ids == ()
    assert shelf.catalog.chunks_of(staged.version_id) == []
    assert shelf.catalog.words_of(staged.version_id, first_page=0, last_page=9) == []
    assert shelf.catalog.version(staged.version_id).title == "empty.md"
    assert shelf.catalog.parsed(staged.version_id).pages == ()


def test_text_that_no_database_takes_is_kept_unchanged(shelf: Shelf) -> None:
    parsed = ParsedDocument("a\x00b \ud800", (), title="Fe\x00es\ud800")
    staged = shelf.catalog.stage_version(
        source_id=shelf.source.source_id,
        path="odd-\udce9\\u00e9.txt",
        original=OriginalHash("00"),
        media_type="text/plain",
        parsed=parsed,
        chunks=[Chunk(0, 0, 5)],
        size=6,
        modified_ns=0,
    )
    shelf.catalog.publish(staged.version_id)

    assert shelf.catalog.load_chunks(staged.chunk_ids)[0].text == "a\x00b \ud800"
    assert list(shelf.catalog.known_files(shelf.source.source_id)) == ["odd-\udce9\\u00e9.txt"]
    assert shelf.catalog.version(staged.version_id).title == "Fees?"


def test_words_on_a_page_that_is_not_there_are_refused(shelf: Shelf) -> None:
    staged = shelf.publish("fees.pdf")
    parsed = shelf.catalog.parsed(staged.version_id)

    with pytest.raises(ValueError, match="pages that are not there"):
        shelf.catalog.stage_version(
            source_id=shelf.source.source_id,
            path="other.pdf",
            original=OriginalHash("00"),
            media_type="application/pdf",
            parsed=ParsedDocument(parsed.text, (), (), parsed.words),
            chunks=[],
            size=0,
            modified_ns=0,
        )

    assert shelf.catalog.discard_staged() == []


def test_a_version_says_what_it_is(shelf: Shelf) -> None:
    staged = shelf.publish("fees.pdf", "One", "Two")

    version = shelf.catalog.version(staged.version_id)

    assert (version.number, version.live, version.page_count) == (1, True, 2)
    assert (version.path, version.media_type) == ("fees.pdf", "application/pdf")
    assert version.character_count == len("One Two ")
    assert version.published_at.tzinfo is UTC
    assert version.published_at.date() == datetime(2026, 3, 2, tzinfo=UTC).date()


def test_chunk_ids_follow_from_version_and_number() -> None:
    version = VersionId("v1")

    assert chunk_id_of(version, 0) == chunk_id_of(version, 0)
    assert len({chunk_id_of(version, number) for number in range(50)}) == 50
    assert chunk_id_of(version, 0) != chunk_id_of(VersionId("v2"), 0)


def test_more_chunks_than_a_statement_carries_are_loaded(shelf: Shelf) -> None:
    staged = shelf.publish("fees.pdf", *["word"] * 1_201)

    assert len(shelf.catalog.load_chunks(staged.chunk_ids)) == 1_201


def test_what_is_unknown_is_said_to_be(shelf: Shelf) -> None:
    version, document = VersionId("nobody"), DocumentId("nobody")
    catalog = shelf.catalog

    for ask in (catalog.version, catalog.parsed, catalog.text_of, catalog.chunks_of,
                catalog.publish, catalog.properties_of):  # fmt: skip
        with pytest.raises(UnknownVersion):
            ask(version)
    for ask_document in (catalog.versions_of, catalog.withdraw_document, catalog.source_of,
                         catalog.document_groups, catalog.access_list_of):  # fmt: skip
        with pytest.raises(UnknownDocument):
            ask_document(document)
    with pytest.raises(UnknownSource):
        catalog.source(SourceId("nobody"))


def test_several_threads_publish_at_once(shelf: Shelf) -> None:
    done: list[Staged] = []

    def publish_some(number: int) -> None:
        done.extend(shelf.publish(f"{number}-{place}.pdf", "The fee") for place in range(5))

    threads = [threading.Thread(target=publish_some, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(done) == 20
    assert shelf.catalog.live_document_count() == 20


def test_a_second_process_sees_what_was_published(shelf: Shelf, url: str) -> None:
    staged = shelf.publish()

    other = Catalog.open(url)

    assert other.load_chunks(staged.chunk_ids)
    other.close()


def test_the_library_is_searched_by_title_and_path(shelf: Shelf) -> None:
    shelf.publish("a/leave.pdf", title="Annual leave")
    shelf.publish("b/fees.pdf", title="100% of fees")
    shelf.publish("c/fees.pdf", title="Zebra")

    def titles(query: str) -> list[str]:
        found, total = shelf.catalog.readable_documents(ADA, query=query)
        assert len(found) == total
        return [document.version.title for document in found]

    assert titles("") == ["100% of fees", "Annual leave", "Zebra"]
    assert titles("LEAVE") == ["Annual leave"]
    assert titles("fees") == ["100% of fees", "Zebra"]
    assert titles("%") == ["100% of fees"]
    assert titles("nothing") == []


def test_the_library_is_read_in_pages(shelf: Shelf) -> None:
    for name in "dacb":
        shelf.publish(f"{name}.pdf", title=name)

    found, total = shelf.catalog.readable_documents(ADA, limit=2, offset=1)

    assert ([document.version.title for document in found], total) == (["b", "c"], 4)


def test_a_stranger_has_an_empty_library(shelf: Shelf, tmp_path: Path) -> None:
    shelf.publish()

    assert shelf.catalog.readable_documents(STRANGER) == ([], 0)
    assert shelf.catalog.readable_documents(STRANGER, query="fees") == ([], 0)


def test_what_stands_beside_a_document_is_of_its_folder_and_bears_the_name(shelf: Shelf) -> None:
    own = shelf.publish("rules/fees-2023.pdf", title="Fees 2023")
    shelf.publish("rules/fees-2025.pdf", title="FEES 2025")
    shelf.publish("rules/scan_2.pdf", title="Fees")
    shelf.publish("rules/leave.pdf", title="Leave")
    shelf.publish("other/fees-2025.pdf", title="Fees 2025")
    shelf.publish("rules_/fees-2025.pdf", title="Fees 2025")

    found = shelf.catalog.readable_beside(ADA, own.document_id, name="Fees")

    paths = {"rules/fees-2023.pdf", "rules/fees-2025.pdf", "rules/scan_2.pdf"}
    assert {version.path for version in found} == paths


def test_the_signs_of_a_pattern_in_a_folder_or_a_name_are_no_pattern(shelf: Shelf) -> None:
    own = shelf.publish("a_%\\/100%.pdf", title="100% of fees")
    shelf.publish("axyz/100 of.pdf", title="100 of fees")

    found = shelf.catalog.readable_beside(ADA, own.document_id, name="100%")

    assert [version.path for version in found] == ["a_%\\/100%.pdf"]


def test_beside_a_document_of_no_folder_all_of_its_source_stands(shelf: Shelf) -> None:
    own = shelf.publish("fees-2023.pdf", title="Fees 2023")
    shelf.publish("fees-2025.pdf", title="Fees 2025")

    found = shelf.catalog.readable_beside(ADA, own.document_id, name="fees")

    assert len(found) == 2


def test_nothing_stands_beside_a_document_of_another_source(shelf: Shelf, tmp_path: Path) -> None:
    own = shelf.publish("fees-2023.pdf", title="Fees 2023")
    elsewhere = shelf.catalog.add_source(
        name="other", location=tmp_path / "other", groups=frozenset({"staff"})
    )
    there = replace(shelf, source=elsewhere)  # type: ignore[type-var]
    there.publish("fees-2025.pdf", title="Fees 2025")

    found = shelf.catalog.readable_beside(ADA, own.document_id, name="fees")

    assert [version.title for version in found] == ["Fees 2023"]


def test_nothing_stands_beside_for_a_stranger_or_beside_nothing(shelf: Shelf) -> None:
    own = shelf.publish("fees-2023.pdf")

    assert shelf.catalog.readable_beside(STRANGER, own.document_id, name="fees") == []
    assert shelf.catalog.readable_beside(ADA, DocumentId("none"), name="fees") == []


def test_a_withdrawn_document_stands_beside_nothing(shelf: Shelf) -> None:
    own = shelf.publish("fees-2023.pdf", title="Fees 2023")
    later = shelf.publish("fees-2025.pdf", title="Fees 2025")
    shelf.catalog.withdraw_document(later.document_id)

    found = shelf.catalog.readable_beside(ADA, own.document_id, name="fees")

    assert [version.title for version in found] == ["Fees 2023"]
