"""Scheduled exports, as settings ask for them."""

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from audit.log import AuditLog
from muniment.errors import SettingsInvalid
from muniment.record_exports import exporting
from muniment.settings import load_settings


@pytest.fixture
def record(tmp_path: Path) -> Iterator[AuditLog]:
    with closing(AuditLog.open(tmp_path / "audit")) as log:
        yield log


def names_of_threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


def test_without_a_schedule_nothing_runs(record: AuditLog, tmp_path: Path) -> None:
    with exporting(record, load_settings(data=tmp_path)):
        assert "export" not in names_of_threads()


def test_with_a_schedule_a_thread_runs_as_long_as_the_service(
    record: AuditLog, tmp_path: Path
) -> None:
    settings = load_settings(
        data=tmp_path, export_schedule="0 2 * * *", export_folder=str(tmp_path)
    )

    with exporting(record, settings):
        assert "export" in names_of_threads()

    assert "export" not in names_of_threads()


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"export_schedule": "0 2 * * *"}, "MUNIMENT_EXPORT_FOLDER"),
        ({"export_schedule": "nightly", "export_folder": "x"}, "MUNIMENT_EXPORT_SCHEDULE"),
        ({"export_format": "doc"}, "MUNIMENT_EXPORT_FORMAT"),
    ],
)
def test_a_schedule_that_cannot_work_stops_the_start(
    given: dict[str, str], named: str, record: AuditLog, tmp_path: Path
) -> None:
    with (
        pytest.raises(SettingsInvalid, match=named),
        exporting(record, load_settings(data=tmp_path, **given)),
    ):
        pass
