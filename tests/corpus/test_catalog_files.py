"""What a source held last time, and the runs over it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

import pytest

from corpus.catalog import Catalog, FileOutcome, RunId, Source, Staged
from corpus.documents import OriginalHash
from corpus.errors import UnknownRun

LARGE = 5_000_000_000


class Shelf(Protocol):
    catalog: Catalog
    source: Source
    stage: Callable[..., Staged]
    publish: Callable[..., Staged]


def refuse(shelf: Shelf, path: str, original: str | None = "bad") -> None:
    shelf.catalog.quarantine(
        source_id=shelf.source.source_id,
        path=path,
        original=None if original is None else OriginalHash(original),
        reason="corrupt",
        detail="page tree is broken",
        size=LARGE,
        modified_ns=7,
    )


def test_a_published_file_is_known_by_its_hash_size_and_time(shelf: Shelf) -> None:
    staged = shelf.publish("fees.pdf", "The fee")

    (known,) = shelf.catalog.known_files(shelf.source.source_id).values()

    version = shelf.catalog.version(staged.version_id)
    assert (known.path, known.original) == ("fees.pdf", version.original)
    assert (known.document_id, known.quarantined) == (staged.document_id, None)
    assert (known.size, known.modified_ns) == (8, 1_700_000_000_123_456_789)


def test_a_file_in_quarantine_is_known_with_its_reason(shelf: Shelf) -> None:
    refuse(shelf, "broken.pdf", original=None)

    known = shelf.catalog.known_files(shelf.source.source_id)["broken.pdf"]

    assert (known.original, known.document_id, known.size) == (None, None, LARGE)
    assert known.quarantined is not None
    assert (known.quarantined.reason, known.quarantined.detail) == (
        "corrupt",
        "page tree is broken",
    )
    assert shelf.catalog.quarantined() == [known.quarantined]
    assert shelf.catalog.quarantined(shelf.source.source_id) == [known.quarantined]


def test_a_document_whose_file_broke_stays_as_it_was(shelf: Shelf) -> None:
    staged = shelf.publish("fees.pdf")

    refuse(shelf, "fees.pdf")

    known = shelf.catalog.known_files(shelf.source.source_id)["fees.pdf"]
    assert (known.document_id, known.original) == (staged.document_id, "bad")
    assert known.quarantined is not None
    assert shelf.catalog.load_chunks(staged.chunk_ids)


def test_publishing_takes_a_file_out_of_quarantine(shelf: Shelf) -> None:
    refuse(shelf, "fees.pdf")

    shelf.publish("fees.pdf")

    assert shelf.catalog.quarantined() == []
    assert shelf.catalog.known_files(shelf.source.source_id)["fees.pdf"].quarantined is None


def test_staging_alone_leaves_a_file_in_quarantine(shelf: Shelf) -> None:
    refuse(shelf, "fees.pdf")

    shelf.stage("fees.pdf")

    assert len(shelf.catalog.quarantined()) == 1


def test_a_forgotten_quarantine_lets_the_next_run_look_again(shelf: Shelf) -> None:
    staged = shelf.publish("fees.pdf")
    refuse(shelf, "fees.pdf")
    refuse(shelf, "broken.pdf")

    for path in ("fees.pdf", "broken.pdf", "unknown.pdf"):
        shelf.catalog.forget_quarantine(shelf.source.source_id, path)

    assert shelf.catalog.quarantined() == []
    (known,) = shelf.catalog.known_files(shelf.source.source_id).values()
    assert (known.document_id, known.original) == (staged.document_id, None)


def test_forgetting_no_quarantine_leaves_a_good_file_alone(shelf: Shelf) -> None:
    shelf.publish("fees.pdf")
    before = shelf.catalog.known_files(shelf.source.source_id)

    shelf.catalog.forget_quarantine(shelf.source.source_id, "fees.pdf")

    assert shelf.catalog.known_files(shelf.source.source_id) == before


def test_a_run_waits_once_however_often_it_is_asked_for(shelf: Shelf) -> None:
    first = shelf.catalog.queue_run(shelf.source.source_id)

    assert shelf.catalog.queue_run(shelf.source.source_id) == first

    assert shelf.catalog.run(first).state == "queued"
    assert shelf.catalog.run(first).started_at is None


def test_a_run_can_be_asked_for_while_one_is_going_on(shelf: Shelf) -> None:
    """Files may have changed behind the one that runs."""
    first = shelf.catalog.queue_run(shelf.source.source_id)
    shelf.catalog.claim_run()

    assert shelf.catalog.queue_run(shelf.source.source_id) != first


def test_runs_are_claimed_in_order_and_once(shelf: Shelf) -> None:
    other = shelf.catalog.add_source(
        name="minutes", location=shelf.source.location, groups=frozenset()
    )
    asked = [shelf.catalog.queue_run(s.source_id) for s in (shelf.source, other)]

    claimed = [shelf.catalog.claim_run(), shelf.catalog.claim_run()]

    assert [run.run_id for run in claimed if run] == asked
    assert [run.source for run in claimed if run] == ["policies", "minutes"]
    assert shelf.catalog.claim_run() is None


def test_a_run_is_followed_from_start_to_end(shelf: Shelf) -> None:
    run_id = shelf.catalog.queue_run(shelf.source.source_id)
    shelf.catalog.claim_run()

    shelf.catalog.update_run(run_id, files_total=3, current="fees.pdf")
    shelf.catalog.update_run(run_id, files_done=1, pages=12, chunks=40)
    going = shelf.catalog.run(run_id)
    shelf.catalog.finish_run(run_id)
    done = shelf.catalog.run(run_id)

    assert (going.state, going.files_total, going.files_done) == ("running", 3, 1)
    assert (going.pages, going.chunks, going.current) == (12, 40, "fees.pdf")
    assert (done.state, done.current, done.error) == ("done", "", "")
    assert done.started_at is not None
    assert done.finished_at is not None
    assert done.finished_at - done.started_at == timedelta(minutes=1)


def test_a_run_that_fails_says_why(shelf: Shelf) -> None:
    run_id = shelf.catalog.queue_run(shelf.source.source_id)

    shelf.catalog.finish_run(run_id, error="The folder is gone.")

    assert shelf.catalog.run(run_id).state == "failed"
    assert shelf.catalog.run(run_id).error == "The folder is gone."


def test_an_interrupted_run_is_queued_again_and_keeps_what_it_did(shelf: Shelf) -> None:
    run_id = shelf.catalog.queue_run(shelf.source.source_id)
    shelf.catalog.claim_run()
    shelf.catalog.record_file(run_id, FileOutcome("fees.pdf", "added"))
    assert [run.run_id for run in shelf.catalog.interrupted_runs()] == [run_id]

    shelf.catalog.requeue_run(run_id)

    assert shelf.catalog.interrupted_runs() == []
    assert shelf.catalog.run_files(run_id) == [FileOutcome("fees.pdf", "added")]
    again = shelf.catalog.claim_run()
    assert again is not None
    assert (again.run_id, again.files_done) == (run_id, 1)


def test_what_a_run_did_with_each_file_is_kept(shelf: Shelf) -> None:
    run_id = shelf.catalog.queue_run(shelf.source.source_id)
    first = FileOutcome("b.pdf", "added", pages=3, chunks=9, title="Fees")
    second = FileOutcome("a-\udce9.pdf", "quarantined", "It is encrypted.", "Remove the password.")

    shelf.catalog.record_file(run_id, FileOutcome("b.pdf", "unchanged"))
    shelf.catalog.record_file(run_id, first)
    shelf.catalog.record_file(run_id, second)

    assert shelf.catalog.run_files(run_id) == [first, second]


def test_the_newest_runs_come_first(shelf: Shelf) -> None:
    asked = []
    for _ in range(4):
        asked.append(shelf.catalog.queue_run(shelf.source.source_id))
        shelf.catalog.finish_run(asked[-1])

    assert [run.run_id for run in shelf.catalog.runs(limit=3)] == asked[:0:-1]


def test_an_unknown_run_is_said_to_be(shelf: Shelf) -> None:
    unknown = RunId("nobody")

    with pytest.raises(UnknownRun):
        shelf.catalog.run(unknown)
    with pytest.raises(UnknownRun):
        shelf.catalog.update_run(unknown, pages=1)
    with pytest.raises(UnknownRun):
        shelf.catalog.finish_run(unknown)
    with pytest.raises(UnknownRun):
        shelf.catalog.record_file(unknown, FileOutcome("a", "added"))
