"""``muniment directory``, and the thread that keeps a service in step."""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from corpus.access import Principal
from muniment.__main__ import cli
from muniment.directories import _keep_in_step
from muniment.settings import Settings, load_settings
from muniment.stores import open_catalog, open_identity, open_record

STAFF = "name\nbea\ncem\ndov\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "people"
    folder.mkdir()
    (folder / "people.csv").write_text(STAFF)
    (folder / "groups.csv").write_text("name\nstaff\n")
    (folder / "members.csv").write_text("group,member\nstaff,bea\nstaff,cem\n")
    return folder


def run(folder: Path, *words: str) -> Result:
    environment = {
        "MUNIMENT_DATA": str(folder.parent / "data"),
        "MUNIMENT_DIRECTORY": str(folder),
    }
    return CliRunner().invoke(cli, ["directory", *words], env=environment)


def test_a_dry_run_prints_every_step_and_changes_nothing(folder: Path) -> None:
    shown = run(folder, "sync", "--dry-run")

    assert shown.exit_code == 0, shown.output
    assert "Would be: 3 people, 1 group: 3 add, 2 join." in shown.output
    assert "Nothing has been taken over" in run(folder, "status").output


def test_a_synchronisation_is_done_and_its_end_is_told(folder: Path) -> None:
    assert run(folder, "sync").exit_code == 0

    assert "csv: done" in run(folder, "status").output
    (told,) = json.loads(run(folder, "status", "--json").output)
    assert (told["people"], told["groups"], told["outcome"]) == (3, 1, "done")
    assert json.loads(run(folder, "sync", "--json").output)["steps"] == []


def test_too_much_at_once_ends_with_a_sentence_and_can_be_agreed_to(folder: Path) -> None:
    run(folder, "sync")
    (folder / "people.csv").write_text("name\nbea\n")

    stopped = run(folder, "sync")

    assert stopped.exit_code == 1
    assert "lock 2 of the 3 people" in stopped.output
    assert "stopped" in run(folder, "status").output
    assert run(folder, "sync", "--accept").exit_code == 0


def test_without_a_directory_the_command_says_how_to_name_one(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        cli, ["directory", "sync"], env={"MUNIMENT_DATA": str(tmp_path / "data")}
    )

    assert done.exit_code == 2
    assert "MUNIMENT_DIRECTORY" in done.output


def test_options_that_others_may_read_are_refused(tmp_path: Path) -> None:
    options = tmp_path / "directory.toml"
    options.write_text('password = "x"\n')
    options.chmod(0o644)
    environment = {
        "MUNIMENT_DATA": str(tmp_path / "data"),
        "MUNIMENT_DIRECTORY": "ldaps://127.0.0.1:1",
        "MUNIMENT_DIRECTORY_OPTIONS": str(options),
    }

    done = CliRunner().invoke(cli, ["directory", "sync"], env=environment)

    assert done.exit_code == 2
    assert "chmod 600" in done.output


@dataclass
class House:
    settings: Settings
    identity: Any
    catalog: Any
    record: Any


class OneRound(threading.Event):
    """Is told to stop as soon as it is waited for."""

    def wait(self, timeout: float | None = None) -> bool:
        self.set()
        return True


@pytest.fixture
def house(folder: Path) -> Iterator[House]:
    (folder.parent / "data").mkdir()
    settings = load_settings(data=folder.parent / "data", directory=str(folder))
    with ExitStack() as stack:
        yield House(
            settings,
            stack.enter_context(closing(open_identity(settings))),
            stack.enter_context(closing(open_catalog(settings))),
            stack.enter_context(closing(open_record(settings))),
        )


def test_every_round_of_the_service_brings_it_into_step(house: House, folder: Path) -> None:
    _keep_in_step(house, OneRound())  # type: ignore[arg-type]
    assert house.identity.current(Principal("dov")) is not None
    (folder / "people.csv").write_text("name\nbea\ncem\n")

    _keep_in_step(house, OneRound())  # type: ignore[arg-type]

    assert house.identity.current(Principal("dov")) is None
    assert house.identity.current(Principal("bea")) is not None


def test_a_directory_that_is_away_locks_nobody_and_is_told(house: House, folder: Path) -> None:
    _keep_in_step(house, OneRound())  # type: ignore[arg-type]
    (folder / "people.csv").unlink()

    _keep_in_step(house, OneRound())  # type: ignore[arg-type]

    assert house.identity.current(Principal("dov")) is not None
    assert "failed" in run(folder, "status").output
