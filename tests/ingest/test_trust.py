"""What makes ingestion one that can be trusted: the ledger, the questions, the clock, the end."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from corpus.catalog import Catalog
from corpus.errors import ScheduleInvalid
from corpus.holds import HoldScope
from corpus.intakes import next_after
from corpus.kept_vectors import KeptVectors
from corpus.records import Intake, RunId
from ingest.erasing import Eraser
from ingest.errors import SourceAsks, SourceAway
from ingest.pipeline import Pipeline, Progress
from ingest.sources import Folder
from ingest.worker import SILENT_AFTER, Worker, queue_due
from tests.ingest.test_pipeline import Desk, desk, embedder, only, write_corrupt

__all__ = ["desk", "embedder"]

CANARY = "xylophone-7731-quetzal"


def write_notes(desk: Desk, count: int) -> None:
    for number in range(count):
        (desk.folder / f"note-{number}.txt").write_text(f"Note {number} is kept in the safe.")


def remove_notes(desk: Desk, count: int) -> None:
    for number in range(count):
        (desk.folder / f"note-{number}.txt").unlink()


def wanting(desk: Desk, run_id: RunId, wish: str) -> Callable[[Progress], None]:
    """Somebody who wants something of a run as soon as it has done something."""

    def want(_: Progress) -> None:
        desk.catalog.want(run_id, wish)

    return want


# The ledger


def test_a_source_that_is_suddenly_empty_asks_and_withdraws_nothing(desk: Desk) -> None:
    write_notes(desk, 12)
    desk.run()
    remove_notes(desk, 12)

    with pytest.raises(SourceAsks, match="12 of 12 documents of files are gone"):
        desk.run()

    run = desk.catalog.runs()[0]
    assert (run.state, run.gone) == ("asking", 12)
    assert desk.catalog.live_document_count() == 12


def test_a_source_with_nothing_left_asks_however_few_documents_it_had(desk: Desk) -> None:
    write_notes(desk, 1)
    desk.run()
    remove_notes(desk, 1)
    (desk.folder / ".not-mounted").touch()

    with pytest.raises(SourceAsks, match="1 of 1 documents of files are gone"):
        desk.run()

    assert desk.found("Where is note 0 kept?") == ["note-0.txt"]


def test_once_somebody_says_so_they_are_withdrawn_in_the_same_run(desk: Desk) -> None:
    write_notes(desk, 12)
    desk.run()
    remove_notes(desk, 12)
    with pytest.raises(SourceAsks):
        desk.run()
    asking = desk.catalog.runs()[0].run_id

    accepted = desk.catalog.queue_run(desk.source_id, options=["accept"])
    report = desk.run()

    assert accepted == asking
    assert report.totals == {"withdrawn": 12}
    assert desk.catalog.live_document_count() == 0


def test_a_renamed_folder_is_no_loss_and_asks_nothing(desk: Desk) -> None:
    sub = desk.folder / "old"
    sub.mkdir()
    for number in range(12):
        (sub / f"{number}.txt").write_text(f"Rule {number} is read aloud.")
    desk.run()
    sub.rename(desk.folder / "new")

    report = desk.run()

    assert report.totals == {"moved": 12}


def test_a_changed_file_that_cannot_be_read_does_not_pass_as_current(desk: Desk) -> None:
    note = desk.folder / "note.pdf"
    note.write_text("The boiler is in the basement.")
    desk.run()
    write_corrupt(note)

    first = only(desk.run())
    second = only(desk.run())

    for outcome in (first, second):
        assert outcome.outcome == "quarantined"
        assert "Answers still come from version 1, which is out of date." in outcome.reason
    assert desk.found("Where is the boiler?") == ["note.pdf"]


def test_quarantined_files_are_retried_alone(desk: Desk) -> None:
    write_notes(desk, 2)
    write_corrupt(desk.folder / "bad.pdf")
    desk.run()
    (desk.folder / "new.txt").write_text("Not looked at now.")

    run_id = desk.catalog.queue_run(desk.source_id, options=["retry", "only-quarantined"])
    desk.catalog.claim_run()
    report = desk.pipeline().run(run_id)

    assert report.totals == {"quarantined": 1}
    assert desk.catalog.live_document_count() == 2


def test_what_one_place_has_twice_is_kept_once_and_found_at_both(desk: Desk) -> None:
    for name in ("a.txt", "b.txt"):
        (desk.folder / name).write_text("Lunch is at noon.")

    desk.run()

    assert len(list(desk.originals.hashes())) == 1
    assert set(desk.catalog.known_files(desk.source_id)) == {"a.txt", "b.txt"}


def test_rules_of_a_source_leave_files_out_and_say_which_rule(desk: Desk) -> None:
    write_notes(desk, 1)
    (desk.folder / "draft.txt").write_text("Not yet.")
    desk.catalog.set_intake(desk.source_id, Intake(exclude=("draft*",)))

    report = desk.run()

    assert report.totals == {"added": 1, "excluded": 1}
    assert "draft*" in report.files[0].reason + report.files[1].reason


def test_a_file_touched_but_not_changed_is_unchanged(desk: Desk) -> None:
    write_notes(desk, 1)
    desk.run()
    (desk.folder / "note-0.txt").touch()

    assert desk.run().totals == {"unchanged": 1}


# The queue


def test_the_higher_priority_is_done_first_and_a_source_never_twice_at_once(desk: Desk) -> None:
    catalog = desk.catalog
    other = catalog.add_source(name="other", location=desk.folder, groups=frozenset())
    usual = catalog.queue_run(desk.source_id)
    urgent = catalog.queue_run(other.source_id, priority=5)

    first = catalog.claim_run()
    catalog.queue_run(other.source_id)
    second, third = catalog.claim_run(), catalog.claim_run()

    assert [first and first.run_id, second and second.run_id, third] == [urgent, usual, None]


@pytest.mark.parametrize(("wish", "state"), [("pause", "paused"), ("cancel", "cancelled")])
def test_a_run_stops_where_somebody_wants_it_to(wish: str, state: str, desk: Desk) -> None:
    write_notes(desk, 30)
    run_id = desk.catalog.queue_run(desk.source_id)

    report = desk.run(progress=wanting(desk, run_id, wish))

    run = desk.catalog.run(run_id)
    assert not report.complete
    assert run.state == state
    assert 0 < desk.catalog.live_document_count() < 30
    assert desk.index.versions() == {one.version_id for one in desk.catalog.live_versions()}


def test_a_paused_run_goes_on_where_it_was(desk: Desk) -> None:
    write_notes(desk, 30)
    run_id = desk.catalog.queue_run(desk.source_id)
    desk.run(progress=wanting(desk, run_id, "pause"))

    desk.catalog.want(run_id, "resume")
    report = desk.run()

    assert report.complete
    assert desk.catalog.runs()[0].run_id == run_id
    assert report.totals == {"added": 30}


class AwayFolder(Folder):
    """A share that is away."""

    def walk(self) -> Iterator[object]:  # type: ignore[override]
        raise SourceAway("The share is away.")


def test_a_share_that_is_away_is_tried_again_later(desk: Desk) -> None:
    pipeline = desk.pipeline(places=lambda source, _: AwayFolder(source.location))
    worker = Worker(pipeline, desk.catalog)
    run_id = desk.catalog.queue_run(desk.source_id)

    worker._work_once(threading.Event())

    run = desk.catalog.run(run_id)
    assert (run.state, run.attempt, run.error) == ("queued", 1, "The share is away.")
    assert run.not_before is not None
    assert desk.catalog.claim_run() is None


def test_the_work_of_a_silent_worker_is_taken_over_by_a_living_one(desk: Desk) -> None:
    write_notes(desk, 3)
    past = Catalog.open(
        str(desk.catalog._database._engine.url),
        clock=lambda: datetime.now(UTC) - 2 * SILENT_AFTER,
    )
    past.beat("dead", "host:1")
    run_id = desk.catalog.queue_run(desk.source_id)
    desk.catalog.claim_run("dead")
    living = Worker(desk.pipeline(), desk.catalog, worker_id="living", alone=False)

    living._work_once(threading.Event())

    assert desk.catalog.run(run_id).state == "done"
    assert desk.catalog.totals(run_id) == {"added": 3}
    assert "dead" not in {one.worker_id for one in desk.catalog.workers()}
    past.close()


# Schedules


@pytest.mark.parametrize(
    ("cron", "zone", "expected"),
    [
        ("30 2 * * *", "UTC", datetime(2026, 3, 28, 2, 30, tzinfo=UTC)),
        ("30 9 * * 1-5", "Europe/Rome", datetime(2026, 3, 30, 7, 30, tzinfo=UTC)),
        ("0 4 * * *", "America/New_York", datetime(2026, 3, 28, 8, 0, tzinfo=UTC)),
    ],
)
def test_a_cron_line_is_read_in_its_zone(cron: str, zone: str, expected: datetime) -> None:
    assert next_after(cron, zone, datetime(2026, 3, 28, 1, 0, tzinfo=UTC)) == expected


@pytest.mark.parametrize(
    ("cron", "zone"), [("soon", "UTC"), ("99 * * * *", "UTC"), ("0 4 * * *", "Mars")]
)
def test_a_schedule_that_is_none_is_refused(cron: str, zone: str, desk: Desk) -> None:
    with pytest.raises(ScheduleInvalid):
        desk.catalog.set_intake(desk.source_id, Intake(cron=cron, zone=zone))


def test_missed_times_are_made_up_for_once(desk: Desk) -> None:
    desk.catalog.set_intake(desk.source_id, Intake(cron="*/5 * * * *"))
    now = datetime.now(UTC) + timedelta(days=3)

    first = queue_due(desk.catalog, now)
    again = queue_due(desk.catalog, now)

    assert (first, again) == (1, 0)
    assert len(desk.catalog.runs()) == 1
    following = desk.catalog.intake(desk.source_id).next_at
    assert following is not None
    assert now < following <= now + timedelta(minutes=5)


# The end of a document


def with_memory(desk: Desk, tmp_path: Path) -> tuple[Pipeline, KeptVectors]:
    vectors = KeptVectors(desk.embedder, tmp_path / "vectors.db")
    return desk.pipeline(vectors=vectors), vectors


def write_secret(desk: Desk) -> None:
    (desk.folder / "secret.txt").write_text(f"The code word is {CANARY}, told to nobody.")
    (desk.folder / "other.txt").write_text("The roof is checked in May.")


def files_with_canary(folder: Path) -> list[str]:
    return [
        path.name
        for path in folder.rglob("*")
        if path.is_file()
        and "audit" not in path.parts
        and path.name != "secret.txt"
        and CANARY.encode() in path.read_bytes()
    ]


def test_an_erased_document_is_found_nowhere_and_leaves_a_receipt(
    desk: Desk, tmp_path: Path
) -> None:
    write_secret(desk)
    pipeline, vectors = with_memory(desk, tmp_path)
    desk.run(pipeline)
    known = desk.catalog.known_files(desk.source_id)["secret.txt"]
    assert known.document_id is not None
    assert files_with_canary(tmp_path)

    desk.catalog.ask_erasure(known.document_id, by="operator", ground="asked by its owner")
    ended = Eraser(pipeline).work()

    vectors.close()
    desk.index.flush()
    assert ended == 1
    assert files_with_canary(tmp_path) == []
    assert [one.path for one in desk.catalog.live_versions()] == ["other.txt"]
    receipt = next(entry for entry in desk.record.entries() if entry.type == "doc.erase")
    places = {place["place"]: place["left"] for place in receipt.envelope["places"]}  # type: ignore[index,union-attr,call-overload]
    assert places == {"vectors": 0, "caches": 0, "text": 0, "originals": 0}


def test_an_erased_document_that_comes_again_is_a_new_one(desk: Desk, tmp_path: Path) -> None:
    write_secret(desk)
    pipeline, vectors = with_memory(desk, tmp_path)
    desk.run(pipeline)
    first = desk.catalog.known_files(desk.source_id)["secret.txt"].document_id
    assert first is not None
    desk.catalog.ask_erasure(first, by="operator", ground="mistake")
    Eraser(pipeline).work()

    report = desk.run(pipeline)
    vectors.close()

    assert report.totals == {"added": 1, "unchanged": 1}
    assert desk.catalog.known_files(desk.source_id)["secret.txt"].document_id != first
    assert desk.found("What is the code word?")[0] == "secret.txt"


@pytest.mark.parametrize(
    "step", ["_withdraw", "_clear_vectors", "_clear_caches", "_clear_text", "_clear_originals"]
)
def test_an_erasure_that_is_cut_short_goes_on(
    step: str, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_secret(desk)
    pipeline, vectors = with_memory(desk, tmp_path)
    desk.run(pipeline)
    document_id = desk.catalog.known_files(desk.source_id)["secret.txt"].document_id
    assert document_id is not None
    desk.catalog.ask_erasure(document_id, by="operator", ground="asked by its owner")
    done = getattr(Eraser, step)

    def cut_short(self: Eraser, erasure: object) -> str:
        done(self, erasure)
        raise KeyboardInterrupt

    monkeypatch.setattr(Eraser, step, cut_short)
    with pytest.raises(KeyboardInterrupt):
        Eraser(pipeline).work()
    monkeypatch.setattr(Eraser, step, done)

    Eraser(pipeline).work()

    vectors.close()
    assert files_with_canary(tmp_path) == []
    types = [entry.type for entry in desk.record.entries()]
    assert types.count("doc.erase") == types.count("doc.delete") == 1


def test_a_hold_keeps_a_document_that_was_to_be_erased_but_not_in_sight(
    desk: Desk, tmp_path: Path
) -> None:
    write_secret(desk)
    pipeline, vectors = with_memory(desk, tmp_path)
    desk.run(pipeline)
    document_id = desk.catalog.known_files(desk.source_id)["secret.txt"].document_id
    assert document_id is not None
    hold = desk.catalog.holds().place(
        HoldScope.DOCUMENT, document_id, reason="a lawsuit", by="counsel"
    )
    desk.catalog.ask_erasure(document_id, by="operator", ground="term over")

    held = Eraser(pipeline).work()
    Eraser(pipeline).work()
    found = desk.found("What is the code word?")
    desk.catalog.holds().lift(hold.hold_id, by="counsel")
    released = Eraser(pipeline).work()

    vectors.close()
    assert (held, released) == (0, 1)
    assert "secret.txt" not in found
    types = [entry.type for entry in desk.record.entries()]
    assert types.count("hold.prevent") == 1
    assert files_with_canary(tmp_path) == []


def test_an_original_that_another_document_is_made_of_stays(desk: Desk, tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (desk.folder / name).write_text("Lunch is at noon.")
    pipeline, vectors = with_memory(desk, tmp_path)
    desk.run(pipeline)
    document_id = desk.catalog.known_files(desk.source_id)["a.txt"].document_id
    assert document_id is not None

    desk.catalog.ask_erasure(document_id, by="operator", ground="double")
    Eraser(pipeline).work()

    vectors.close()
    assert len(list(desk.originals.hashes())) == 1
    assert desk.catalog.erasure(document_id).places["originals"] == (0, 1)


# The memory of vectors


def test_a_text_that_comes_again_is_not_embedded_again(desk: Desk, tmp_path: Path) -> None:
    class Counting:
        fingerprint = desk.embedder.fingerprint
        dimension = desk.embedder.dimension
        texts = 0

        def embed(self, texts: list[str]) -> object:
            Counting.texts += len(texts)
            return desk.embedder.embed(texts)

    vectors = KeptVectors(Counting(), tmp_path / "v.db")  # type: ignore[arg-type]

    first = vectors.embed(["one", "two", "one"])
    second = vectors.embed(["two", "one"])
    removed = vectors.forget(["two", "three"])
    vectors.close()

    assert Counting.texts == 2
    assert (first[0] == first[2]).all()
    assert (second[0] == first[1]).all()
    assert removed == (1, 0)


@pytest.mark.parametrize("cut_at", ["append", "move_document", "note_seen"])
def test_a_move_that_is_cut_short_is_still_a_move(
    cut_at: str, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    (desk.folder / "old.txt").write_text("The archive is in the cellar.")
    desk.run()
    (before,) = desk.catalog.live_versions()
    (desk.folder / "old.txt").rename(desk.folder / "new.txt")
    cut = desk.record if cut_at == "append" else desk.catalog
    done = getattr(cut, cut_at)

    def cut_short(*given: object, **named: object) -> None:
        done(*given, **named)
        raise KeyboardInterrupt

    monkeypatch.setattr(cut, cut_at, cut_short)
    with pytest.raises(KeyboardInterrupt):
        desk.run()
    monkeypatch.setattr(cut, cut_at, done)
    desk.pipeline().recover()

    report = desk.run()

    (after,) = desk.catalog.live_versions()
    assert report.totals == {"moved": 1}
    assert after.version_id == before.version_id
    types = [entry.type for entry in desk.record.entries()]
    assert types.count("doc.move") == types.count("doc.ingest") == 1
