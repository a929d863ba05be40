"""Exports on a schedule: at their times, made up for once, and on the record."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from audit import bundle_verify
from audit.errors import AuditUnavailable, ExportFailed
from audit.events import SignedIn
from audit.export import FORMS, Export, write_export
from audit.export_schedule import ExportPlan, ScheduledExports
from audit.log import AuditLog

NIGHTLY = "0 2 * * *"
EVENING = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = EVENING

    def __call__(self) -> datetime:
        return self.now

    def go_on(self, **time: int) -> None:
        self.now += timedelta(**time)


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def record(tmp_path: Path, hands: Hands) -> AuditLog:
    log = AuditLog.open(tmp_path / "audit", clock=hands)
    log.append(SignedIn(person="Ada"))
    return log


def exports(record: AuditLog, folder: Path, hands: Hands, form: str = "bundle") -> ScheduledExports:
    return ScheduledExports(record, ExportPlan(NIGHTLY, folder, form), version="0", clock=hands)


def test_an_export_is_made_when_its_time_has_come(
    record: AuditLog, tmp_path: Path, hands: Hands
) -> None:
    scheduled = exports(record, tmp_path, hands)

    early = scheduled.step()
    hands.go_on(hours=6, minutes=1)
    made = scheduled.step()
    again = scheduled.step()

    assert early is again is None
    assert made == tmp_path / "muniment-record-20261123-020100"
    assert bundle_verify.verify(record.log_vkey, "-", made, None)


def test_that_the_schedule_made_it_is_on_record(
    record: AuditLog, tmp_path: Path, hands: Hands
) -> None:
    scheduled = exports(record, tmp_path, hands)
    scheduled.step()
    hands.go_on(days=1)
    scheduled.step()

    entry = record.entries()[-1]

    assert (entry.type, entry.person) == ("export.audit", "schedule")
    assert entry.envelope["scheduled"] is True


def test_it_is_made_every_time(record: AuditLog, tmp_path: Path, hands: Hands) -> None:
    scheduled = exports(record, tmp_path, hands, "csv")
    scheduled.step()

    made = []
    for _ in range(3):
        hands.go_on(days=1)
        made.append(scheduled.step())

    assert [path.name for path in made if path] == [
        f"muniment-record-202611{day}-200000.csv" for day in (23, 24, 25)
    ]


def test_what_was_missed_while_nothing_ran_is_made_up_for_once(
    record: AuditLog, tmp_path: Path, hands: Hands
) -> None:
    before = exports(record, tmp_path, hands)
    before.step()
    hands.go_on(days=1)
    before.step()

    hands.go_on(days=5)
    after = exports(record, tmp_path, hands)

    assert after.step() is not None
    assert after.step() is None


def test_what_people_export_does_not_put_the_schedule_off(
    record: AuditLog, tmp_path: Path, hands: Hands
) -> None:
    before = exports(record, tmp_path, hands)
    before.step()
    hands.go_on(days=1)
    before.step()
    hands.go_on(days=5)
    for number in range(3):
        write_export(record, tmp_path / f"mine-{number}", Export("csv", "Grace", "0"))

    assert exports(record, tmp_path, hands).step() is not None


def test_a_folder_that_is_away_is_a_sentence_and_the_next_time_is_tried(
    record: AuditLog, tmp_path: Path, hands: Hands
) -> None:
    scheduled = exports(record, tmp_path / "share", hands)
    scheduled.step()
    hands.go_on(days=1)

    with pytest.raises(ExportFailed, match="Make it first"):
        scheduled.step()
    (tmp_path / "share").mkdir()

    assert scheduled.step() is None
    hands.go_on(days=1)
    assert scheduled.step() is not None


def test_the_thread_outlives_what_goes_wrong(
    record: AuditLog, tmp_path: Path, hands: Hands, caplog: pytest.LogCaptureFixture
) -> None:
    scheduled = exports(record, tmp_path, hands)
    record.path.unlink()
    stop = threading.Event()
    thread = threading.Thread(target=scheduled.run_until, args=(stop,))

    with caplog.at_level("ERROR", logger="audit.export"):
        thread.start()
        stop.wait(0.5)
        stop.set()
        thread.join()

    assert "record.export_failed" in caplog.text
    with pytest.raises(AuditUnavailable):
        record.append(SignedIn(person="Ada"))


@pytest.mark.parametrize("cron", ["", "nightly", "0 25 * * *", "* * *"])
def test_a_schedule_that_is_none_is_refused(
    cron: str, record: AuditLog, tmp_path: Path, hands: Hands
) -> None:
    with pytest.raises(ExportFailed, match="is no schedule"):
        ScheduledExports(record, ExportPlan(cron, tmp_path, "csv"), version="0", clock=hands)


def test_a_form_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportFailed, match="There is no format doc"):
        ExportPlan(NIGHTLY, tmp_path, "doc").check()
    for form in FORMS:
        ExportPlan(NIGHTLY, tmp_path, form).check()
