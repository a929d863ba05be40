import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from audit.log import AuditLog
from corpus.holds import Holds
from muniment.__main__ import cli

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def invoke(*words: str) -> Result:
        return CliRunner().invoke(cli, ["hold", *words], env={"MUNIMENT_DATA": str(tmp_path)})

    return invoke


def types_on_record(folder: Path) -> list[str]:
    with closing(AuditLog.open(folder / "audit")) as record:
        return [entry.type for entry in record.entries()]


def test_a_hold_is_placed_listed_and_lifted_and_all_of_it_is_on_record(
    run: Run, tmp_path: Path
) -> None:
    placed = run("add", "--person", "Ada Lovelace", "--reason", "claim 17")
    (listed,) = json.loads(run("list", "--json").output)
    lifted = run("lift", listed["hold_id"])

    assert (placed.exit_code, lifted.exit_code) == (0, 0)
    assert (listed["scope"], listed["target"]) == ("person", "Ada Lovelace")
    assert run("list").output == "No hold stands.\n"
    assert json.loads(run("list", "--all", "--json").output)[0]["lifted_by"]
    assert types_on_record(tmp_path) == ["hold.add", "hold.lift"]


def test_the_name_of_a_held_person_is_not_written_on_the_record(run: Run, tmp_path: Path) -> None:
    run("add", "--person", "Ada Lovelace", "--reason", "claim 17")

    with closing(AuditLog.open(tmp_path / "audit")) as record:
        (entry,) = record.entries()
        pseudonym = record.pseudonym_of("Ada Lovelace")
    assert entry.envelope["subject"] == {"pid": pseudonym}
    assert "Lovelace" not in str(entry)


@pytest.mark.parametrize("words", [(), ("--everything", "--person", "ada")])
def test_a_hold_stands_on_one_thing(run: Run, words: tuple[str, ...]) -> None:
    refused = run("add", *words, "--reason", "x")

    assert refused.exit_code == 2
    assert "Give one of" in refused.output


def test_a_hold_on_an_unknown_document_is_refused(run: Run, tmp_path: Path) -> None:
    refused = run("add", "--document", "none-such", "--reason", "x")

    assert refused.exit_code == 2
    with closing(Holds.open(f"sqlite:///{tmp_path / 'catalog.db'}")) as holds:
        assert holds.all() == []


def test_an_unknown_hold_cannot_be_lifted(run: Run, tmp_path: Path) -> None:
    refused = run("lift", "none-such")

    assert refused.exit_code == 2
    assert types_on_record(tmp_path) == []
