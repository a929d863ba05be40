import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from audit.errors import AuditUnavailable, ExportFailed
from audit.export import export_record
from audit.log import AuditLog
from audit.verify import verify_export

Fill = Callable[[AuditLog, int], None]


def test_the_file_holds_the_record_and_the_entry_about_itself(
    log: AuditLog, fill: Fill, tmp_path: Path
) -> None:
    fill(log, 5)
    seen: list[tuple[int, int]] = []

    count = export_record(
        log,
        tmp_path / "out.jsonl",
        person="Grace",
        progress=lambda written, total: seen.append((written, total)),
    )

    assert count == 6
    assert verify_export(tmp_path / "out.jsonl").entries == 6
    assert log.entries()[-1].summary == "Grace exported the record (5 events before this)."
    assert seen == [(6, 6)]


def test_only_its_owner_may_read_it(log: AuditLog, tmp_path: Path) -> None:
    export_record(log, tmp_path / "out.jsonl", person="Grace")

    assert stat.S_IMODE((tmp_path / "out.jsonl").stat().st_mode) == 0o600


def test_nothing_is_handed_out_that_is_not_on_record(log: AuditLog, tmp_path: Path) -> None:
    log.append_all([])
    log.path.unlink()

    with pytest.raises(AuditUnavailable):
        export_record(log, tmp_path / "out.jsonl", person="Grace")

    assert not (tmp_path / "out.jsonl").exists()


def test_an_export_that_stops_half_way_leaves_the_earlier_file_alone(
    log: AuditLog, fill: Fill, tmp_path: Path
) -> None:
    fill(log, 5)
    output = tmp_path / "out.jsonl"
    output.write_text("earlier")

    def vanish(_written: int, _total: int) -> None:
        raise AuditUnavailable("gone")

    with pytest.raises(AuditUnavailable):
        export_record(log, output, person="Grace", progress=vanish)

    assert output.read_text() == "earlier"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audit", "out.jsonl"]


@pytest.mark.parametrize("name", ["", "missing/out.jsonl"])
def test_a_place_that_cannot_be_written_is_a_sentence(
    name: str, log: AuditLog, tmp_path: Path
) -> None:
    with pytest.raises(ExportFailed, match=r"(Name the file|Make it first)"):
        export_record(log, tmp_path / name, person="Grace")

    assert log.count() == 0


def test_a_disk_that_refuses_is_a_sentence(log: AuditLog) -> None:
    with pytest.raises(ExportFailed, match="could not be written"):
        export_record(log, Path("/proc/out.jsonl"), person="Grace")
