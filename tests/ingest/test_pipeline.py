import io
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from audit.errors import AuditUnavailable
from audit.events import Event
from audit.log import AuditLog
from corpus.access import Principal
from corpus.catalog import Catalog
from corpus.documents import SourceId
from corpus.embedding import Embedder
from corpus.errors import IndexUnavailable, OriginalsUnavailable
from corpus.index import Point, VectorIndex, open_index
from corpus.index.bm25 import Bm25Encoder
from corpus.originals import Originals
from corpus.records import FileOutcome
from ingest.errors import IngestError, RecordFailed, SourceMissing, StorageFailed
from ingest.pipeline import Pipeline, Progress, Report
from ingest.quarantine import Reason
from ingest.settings import IngestSettings
from tests.ingest import making

READER = Principal("reader", frozenset({"staff"}))


@pytest.fixture(scope="session")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    return Embedder.load(cache_folder=tmp_path_factory.mktemp("embedding"))


@dataclass
class Desk:
    """Everything a pipeline needs, on real stores."""

    folder: Path
    catalog: Catalog
    originals: Originals
    index: VectorIndex
    embedder: Embedder
    record: AuditLog
    source_id: SourceId

    def pipeline(self, **replaced: object) -> Pipeline:
        parts: dict[str, object] = {
            "catalog": self.catalog,
            "originals": self.originals,
            "index": self.index,
            "embedder": self.embedder,
            "bm25": Bm25Encoder(),
            "record": self.record,
            "settings": IngestSettings(parse_seconds=60, ocr="off", readers=1),
        }
        return Pipeline(**{**parts, **replaced})  # type: ignore[arg-type]

    def run(
        self,
        pipeline: Pipeline | None = None,
        *,
        progress: Callable[[Progress], None] = lambda _: None,
        stop: Callable[[], bool] = lambda: False,
        retry_quarantined: bool = False,
    ) -> Report:
        self.catalog.queue_run(self.source_id)
        claimed = self.catalog.claim_run()
        assert claimed is not None
        return (pipeline or self.pipeline()).run(
            claimed.run_id, progress=progress, stop=stop, retry_quarantined=retry_quarantined
        )

    def found(self, question: str) -> list[str]:
        """Paths of what a search finds, best first, as the gate lets it through."""
        rankings = self.index.rankings(
            dense=self.embedder.embed_question(question),
            sparse=Bm25Encoder().encode_question(question),
            access_lists=self.catalog.admitting_lists(READER),
            limit=10,
        )
        chunks = self.catalog.load_chunks([scored.chunk_id for scored in rankings.dense])
        return list(dict.fromkeys(chunk.path for chunk in chunks))


@pytest.fixture
def desk(tmp_path: Path, embedder: Embedder) -> Iterator[Desk]:
    folder = tmp_path / "documents"
    folder.mkdir()
    catalog = Catalog.open(f"sqlite:///{tmp_path}/catalog.db")
    index = open_index(
        folder=tmp_path / "index",
        url="",
        api_key="",
        dimension=embedder.dimension,
        fingerprint=embedder.fingerprint,
    )
    source = catalog.add_source(name="files", location=folder, groups=frozenset({"staff"}))
    yield Desk(
        folder,
        catalog,
        Originals(tmp_path / "originals"),
        index,
        embedder,
        AuditLog.open(tmp_path / "audit"),
        source.source_id,
    )
    index.close()
    catalog.close()


def outcomes(report: Report) -> dict[str, str]:
    return {file.path: file.outcome for file in report.files}


def only(report: Report) -> FileOutcome:
    assert len(report.files) == 1
    return report.files[0]


def types_on_record(desk: Desk) -> list[str]:
    return [entry.type for entry in desk.record.entries()]


def test_a_document_becomes_searchable_and_stands_on_record(desk: Desk) -> None:
    making.policy_pdf(desk.folder / "leave.pdf")
    (desk.folder / "kitchen.md").write_text("# Kitchen\n\nThe kettle is descaled on Fridays.\n")

    report = desk.run()

    assert outcomes(report) == {"leave.pdf": "added", "kitchen.md": "added"}
    assert desk.found("How many days of leave can be carried over?")[0] == "leave.pdf"
    assert types_on_record(desk) == ["doc.ingest", "doc.ingest"]


def test_an_unchanged_file_is_only_counted(desk: Desk) -> None:
    (desk.folder / "note.txt").write_text("The door code changes on Mondays.")
    desk.run()

    report = desk.run()

    assert report.totals == {"unchanged": 1}
    assert report.files == []
    assert report.steps["parse"] == report.steps["embed"] == 0.0
    assert types_on_record(desk) == ["doc.ingest"]


def test_a_changed_file_becomes_a_second_version_and_the_first_is_found_no_more(
    desk: Desk,
) -> None:
    note = desk.folder / "note.txt"
    note.write_text("The hotel limit in London is 165 pounds.")
    desk.run()
    note.write_text("The hotel limit in London is 195 pounds.")

    report = desk.run()

    assert outcomes(report) == {"note.txt": "updated"}
    (live,) = desk.catalog.live_versions()
    assert live.number == 2
    assert desk.index.versions() == {live.version_id}
    assert types_on_record(desk) == ["doc.ingest", "doc.update"]


def test_a_moved_file_keeps_its_identity(desk: Desk) -> None:
    (desk.folder / "old.txt").write_text("The archive is in the cellar.")
    desk.run()
    (before,) = desk.catalog.live_versions()
    (desk.folder / "sub").mkdir()
    (desk.folder / "old.txt").rename(desk.folder / "sub" / "new.txt")

    report = desk.run()

    assert outcomes(report) == {"sub/new.txt": "moved"}
    (after,) = desk.catalog.live_versions()
    assert (after.document_id, after.version_id) == (before.document_id, before.version_id)
    assert types_on_record(desk) == ["doc.ingest", "doc.move"]


def test_a_file_that_is_gone_is_withdrawn(desk: Desk) -> None:
    note = desk.folder / "note.txt"
    note.write_text("The spare key hangs in the safe.")
    (desk.folder / "other.txt").write_text("Lunch is at noon.")
    desk.run()
    note.unlink()

    report = desk.run()

    assert outcomes(report) == {"note.txt": "withdrawn"}
    assert "note.txt" not in desk.found("Where is the spare key?")
    assert desk.index.count() == 1
    assert types_on_record(desk) == ["doc.ingest", "doc.ingest", "doc.delete"]


def test_the_same_bytes_at_two_paths_are_two_documents_with_one_original(desk: Desk) -> None:
    for name in ("a.txt", "b.txt"):
        (desk.folder / name).write_text("Lunch is at noon.")

    report = desk.run()

    assert outcomes(report) == {"a.txt": "added", "b.txt": "added"}
    assert len({version.original for version in desk.catalog.live_versions()}) == 1


def write_nothing(path: Path) -> None:
    path.write_bytes(b"")


def write_corrupt(path: Path) -> None:
    path.write_bytes(b"%PDF-1.7\n" + b"\x99garbage" * 50)


def write_protected(path: Path) -> None:
    making.plain_pdf(path, "secret", password="open-sesame")


def write_unknown(path: Path) -> None:
    path.write_bytes(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0" * 40)


def write_blank(path: Path) -> None:
    making.blank_pdf(path)


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (write_nothing, Reason.EMPTY),
        (write_corrupt, Reason.DAMAGED),
        (write_protected, Reason.ENCRYPTED),
        (write_unknown, Reason.UNSUPPORTED_FORMAT),
        (write_blank, Reason.NO_TEXT),
    ],
)
def test_a_file_that_cannot_be_read_is_quarantined_and_the_run_goes_on(
    write: Callable[[Path], None], reason: Reason, desk: Desk
) -> None:
    write(desk.folder / "bad.pdf")
    (desk.folder / "good.txt").write_text("The good file is read all the same.")

    report = desk.run()

    by_path = {file.path: file for file in report.files}
    assert by_path["bad.pdf"].outcome == "quarantined"
    assert (by_path["bad.pdf"].reason, by_path["bad.pdf"].remedy) == (
        reason.sentence,
        reason.remedy,
    )
    assert by_path["good.txt"].outcome == "added"
    assert [kept.reason for kept in desk.catalog.quarantined()] == [reason.value]
    assert "doc.quarantine" in types_on_record(desk)


def test_a_wrong_extension_does_not_matter(desk: Desk) -> None:
    making.plain_pdf(desk.folder / "letter.docx", "The lease ends in March.")

    report = desk.run()

    assert only(report).outcome == "added"
    (live,) = desk.catalog.live_versions()
    assert live.media_type == "application/pdf"


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read every file")
def test_a_file_without_permission_is_quarantined(desk: Desk) -> None:
    locked = desk.folder / "locked.txt"
    locked.write_text("nobody reads this")
    locked.chmod(0)

    report = desk.run()

    assert only(report).reason == Reason.UNREADABLE.sentence


def test_a_link_to_nowhere_is_quarantined_as_missing(desk: Desk) -> None:
    (desk.folder / "link.txt").symlink_to(desk.folder / "nowhere.txt")

    report = desk.run()

    assert only(report).reason == Reason.MISSING.sentence


def test_a_quarantined_file_is_not_read_again_until_it_changes_or_someone_asks(
    desk: Desk,
) -> None:
    bad = desk.folder / "bad.pdf"
    write_corrupt(bad)
    desk.run()

    again = desk.run()
    asked = desk.run(retry_quarantined=True)
    making.plain_pdf(bad, "Mended at last.")
    mended = desk.run()

    assert only(again).outcome == only(asked).outcome == "quarantined"
    assert types_on_record(desk).count("doc.quarantine") == 2
    assert only(mended).outcome == "added"
    assert desk.catalog.quarantined() == []


def test_a_missing_folder_fails_the_run_and_withdraws_nothing(desk: Desk) -> None:
    (desk.folder / "note.txt").write_text("The roof is checked in May.")
    desk.run()
    shutil.rmtree(desk.folder)

    with pytest.raises(SourceMissing):
        desk.run()

    assert desk.catalog.live_document_count() == 1
    assert desk.catalog.runs()[0].state == "failed"
    assert "does not exist" in desk.catalog.runs()[0].error


def test_every_listed_file_ends_in_exactly_one_outcome(desk: Desk) -> None:
    making.policy_pdf(desk.folder / "leave.pdf")
    write_corrupt(desk.folder / "bad.pdf")
    (desk.folder / "~$lock.docx").write_text("lock")
    (desk.folder / ".hidden").write_text("hidden")
    (desk.folder / "gone.txt").write_text("Soon gone.")
    desk.run()
    (desk.folder / "gone.txt").unlink()
    told: list[Progress] = []

    report = desk.run(progress=told.append)

    assert report.totals == {"unchanged": 1, "quarantined": 1, "excluded": 2, "withdrawn": 1}
    assert outcomes(report) == {
        "bad.pdf": "quarantined",
        "~$lock.docx": "excluded",
        ".hidden": "excluded",
        "gone.txt": "withdrawn",
    }
    assert told[-1].files_done == told[-1].files_total == sum(report.totals.values()) == 5
    run = desk.catalog.runs()[0]
    assert (run.state, run.files_total, run.files_done) == ("done", 5, 5)
    assert desk.catalog.run_files(run.run_id) == report.files


class SilentRecord(AuditLog):
    """A record whose disk is full."""

    def append_all(self, events: object) -> list[object]:  # type: ignore[override]
        raise AuditUnavailable("no space left")

    def append(self, event: Event) -> object:  # type: ignore[override]
        raise AuditUnavailable("no space left")


def test_without_a_record_nothing_is_published(desk: Desk) -> None:
    (desk.folder / "note.txt").write_text("The vault opens at nine.")
    silent = SilentRecord.__new__(SilentRecord)

    with pytest.raises(RecordFailed):
        desk.run(desk.pipeline(record=silent))

    assert desk.catalog.live_document_count() == 0
    assert desk.index.count() == 0
    assert desk.catalog.runs()[0].state == "failed"


class FullOriginals(Originals):
    """A folder on a full disk."""

    def keep(self, data: bytes) -> object:  # type: ignore[override]
        raise OriginalsUnavailable("No space left to keep originals.")


def test_a_full_disk_fails_the_run_and_leaves_nothing_visible(desk: Desk, tmp_path: Path) -> None:
    (desk.folder / "note.txt").write_text("The vault opens at nine.")
    full = FullOriginals(tmp_path / "full")

    with pytest.raises(StorageFailed, match="No space left"):
        desk.run(desk.pipeline(originals=full))

    assert desk.catalog.live_document_count() == 0
    assert desk.run().files[0].outcome == "added"


class CrashingIndex:
    """Stands before the real index and dies at a chosen step."""

    def __init__(self, real: VectorIndex, step: str) -> None:
        self._real = real
        self._step = step

    def __getattr__(self, name: str) -> object:
        if name == self._step:
            return self._die
        return getattr(self._real, name)

    def _die(self, *_: object) -> None:
        raise KeyboardInterrupt


@pytest.mark.parametrize("step", ["upsert", "flush", "make_live", "remove_version"])
def test_a_crash_at_any_step_is_put_right(step: str, desk: Desk) -> None:
    note = desk.folder / "note.txt"
    note.write_text("The lift is serviced in spring.")
    desk.run()
    note.write_text("The lift is serviced in autumn.")
    crashing = CrashingIndex(desk.index, step)
    with pytest.raises(KeyboardInterrupt):
        desk.run(desk.pipeline(index=crashing))

    desk.pipeline().recover()
    claimed = desk.catalog.claim_run()
    assert claimed is not None
    desk.pipeline().run(claimed.run_id)

    (live,) = desk.catalog.live_versions()
    assert "autumn" in desk.catalog.text_of(live.version_id)
    assert desk.index.versions() == {live.version_id}
    assert desk.found("When is the lift serviced?") == ["note.txt"]


def test_points_that_were_lost_are_made_anew(desk: Desk) -> None:
    (desk.folder / "note.txt").write_text("The boiler is in the basement.")
    desk.run()
    (live,) = desk.catalog.live_versions()
    desk.index.remove_version(live.version_id)
    assert desk.found("Where is the boiler?") == []

    desk.pipeline().recover()

    assert desk.found("Where is the boiler?") == ["note.txt"]


def test_making_points_anew_leaves_a_renamed_document_where_it_is(desk: Desk) -> None:
    note = desk.folder / "note.txt"
    note.write_text("The boiler is in the basement.")
    desk.run()
    note.rename(desk.folder / "boiler.txt")
    desk.run()
    (live,) = desk.catalog.live_versions()
    desk.index.remove_version(live.version_id)

    desk.pipeline().recover()

    assert list(desk.catalog.known_files(desk.source_id)) == ["boiler.txt"]
    assert desk.found("Where is the boiler?") == ["boiler.txt"]


def test_points_of_nothing_are_removed(desk: Desk) -> None:
    (desk.folder / "note.txt").write_text("The boiler is in the basement.")
    desk.run()
    (live,) = desk.catalog.live_versions()
    (chunk,) = desk.catalog.chunks_of(live.version_id)
    stray = Point(
        chunk_id=type(chunk.chunk_id)("11111111-1111-4111-8111-111111111111"),
        document_id=chunk.document_id,
        version_id=type(live.version_id)("22222222-2222-4222-8222-222222222222"),
        access_list=next(iter(desk.catalog.admitting_lists(READER))),
        dense=np.ones(desk.embedder.dimension, np.float32),
        sparse=Bm25Encoder().encode_text("stray"),
    )
    desk.index.upsert([stray])

    desk.pipeline().recover()

    assert desk.index.versions() == {live.version_id}


def test_a_stopped_run_goes_back_into_the_queue_and_withdraws_nothing(desk: Desk) -> None:
    (desk.folder / "note.txt").write_text("The post comes at ten.")
    desk.run()
    (desk.folder / "note.txt").unlink()
    (desk.folder / "other.txt").write_text("The bins go out on Tuesday.")

    report = desk.run(stop=lambda: True)

    assert not report.complete
    assert desk.catalog.runs()[0].state == "queued"
    assert desk.catalog.live_document_count() == 1
    assert set(outcomes(desk.run())) == {"note.txt", "other.txt"}


class DeadIndex(CrashingIndex):
    """An index whose engine went away."""

    def _die(self, *_: object) -> None:
        raise IndexUnavailable("The index does not answer.")


def test_an_index_that_goes_away_fails_the_run_in_a_sentence(desk: Desk) -> None:
    (desk.folder / "note.txt").write_text("The post comes at ten.")

    with pytest.raises(IngestError, match="does not answer"):
        desk.run(desk.pipeline(index=DeadIndex(desk.index, "upsert")))

    assert desk.catalog.live_document_count() == 0
    assert desk.catalog.runs()[0].state == "failed"


def test_files_in_containers_inside_a_container_count_with_it(desk: Desk) -> None:
    def zipped(files: dict[str, bytes]) -> bytes:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as made:
            for name, data in files.items():
                made.writestr(name, data)
        return stream.getvalue()

    inner = {f"{number}.txt": f"Rule {number}.".encode() for number in range(3)}
    outer = {"a.zip": zipped(inner), "b.zip": zipped(inner), "note.txt": b"See the rules."}
    (desk.folder / "all.zip").write_bytes(zipped(outer))
    settings = IngestSettings(parse_seconds=60, ocr="off", readers=1, maximum_parts=7)

    found = outcomes(desk.run(desk.pipeline(settings=settings)))

    texts = [path for path in found if path.endswith(".txt")]
    refused = [path for path, outcome in found.items() if outcome == "quarantined"]
    assert len(texts) == 4
    assert refused in (["all.zip!/a.zip!/"], ["all.zip!/b.zip!/"])
