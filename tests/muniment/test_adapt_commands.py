"""Learning from the documents, on the command line."""

from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from audit.events import RetrievalAdapted
from muniment import adapt_commands
from muniment.__main__ import cli
from muniment.assembly import adaptation_file
from muniment.settings import Settings, load_settings
from muniment.stores import open_record


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(data=tmp_path / "data")


def run(settings: Settings, *words: str) -> Result:
    return CliRunner().invoke(cli, ["adapt", *words], env={"MUNIMENT_DATA": str(settings.data)})


def bring_in(settings: Settings, folder: Path) -> None:
    folder.mkdir()
    rules = "\n\n".join(
        f"{number}.1 Subject {number} is dealt with by the officer of department {number}.\n\n"
        f"Where a client of kind {number} leaves the firm, Rule {number % 40 + 1}.1 is to be "
        f"kept by every member of staff number {number}."
        for number in range(1, 41)
    )
    (folder / "rules.txt").write_text(rules)
    for words in (
        ["source", "add", str(folder), "--groups", "staff", "--name", "rules"],
        ["ingest", str(folder)],
    ):
        done = CliRunner().invoke(cli, words, env={"MUNIMENT_DATA": str(settings.data)})
        assert done.exit_code == 0, done.output


def adaptations(settings: Settings) -> list[str]:
    with closing(open_record(settings)) as record:
        return [entry.type for entry in record.entries() if entry.type == RetrievalAdapted.type]


def test_few_documents_teach_nothing(settings: Settings) -> None:
    done = run(settings)

    assert done.exit_code == 1
    assert "The weights stay as they are" in done.output
    assert adaptations(settings) == []


def test_there_is_nothing_to_undo_before_anything_was_learned(settings: Settings) -> None:
    assert "nothing to undo" in run(settings, "--undo").output
    assert adaptations(settings) == []


def test_an_adaptation_is_undone_on_record(settings: Settings) -> None:
    run(settings, "--undo")
    adaptation_file(settings).parent.mkdir(parents=True, exist_ok=True)
    adaptation_file(settings).write_text('{"dense": 0.5, "closeness": 0.2, "fingerprint": "x"}')

    assert run(settings, "--undo").exit_code == 0

    assert not adaptation_file(settings).exists()
    assert adaptations(settings) == ["index.adapt"]


def test_what_is_learned_is_kept_on_record_or_not_at_all(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapt_commands, "FEWEST_QUESTIONS", 10)
    bring_in(settings, tmp_path / "rules")

    done = run(settings)

    kept = adaptation_file(settings).exists()
    assert ("Kept" in done.output) is kept
    assert done.exit_code == (0 if kept else 1), done.output
    assert adaptations(settings) == (["index.adapt"] if kept else [])
