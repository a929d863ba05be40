"""A few of the rounds of `python -m bench record_faults`, which runs a hundred of each."""

import random
from pathlib import Path

import pytest

from tests.audit.record_faults import (
    RecordBroken,
    check,
    full_round,
    kill_round,
    small_disk,
)


def test_whatever_a_killed_writer_has_shown_is_on_record(tmp_path: Path) -> None:
    chosen = random.Random(1)  # noqa: S311 - not for secrets

    outcomes = [kill_round(tmp_path / "audit", chosen) for _ in range(4)]

    assert sum(outcome.shown for outcome in outcomes) > 0


def test_whatever_was_shown_before_and_after_a_full_disk_is_on_record(tmp_path: Path) -> None:
    chosen = random.Random(2)  # noqa: S311 - not for secrets
    for number in range(2):
        with small_disk(tmp_path / f"disk{number}") as disk:
            outcome = full_round(disk, chosen)

        assert outcome.refused > 0
        assert outcome.gaps > 0


def test_the_comparison_notices_what_is_not_on_record(tmp_path: Path) -> None:
    """A test that cannot fail shows nothing."""
    kill_round(tmp_path / "audit", random.Random(3))  # noqa: S311 - not for secrets

    with pytest.raises(RecordBroken, match="an answer was shown as final that is not on record"):
        check(tmp_path / "audit", ["final of-nobody"])
