"""Measuring retrieval on the command line, on passages and files whose answers are known."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from muniment.__main__ import cli

PASSAGES = {
    "leave": "Every member of staff has 27 days of annual leave a year.",
    "mileage": "Business mileage in a private car is paid at 45 pence a mile.",
    "clause": "Each party keeps the confidential information of the other party secret.",
}
QUESTIONS = {
    "q1": ("How many days of annual leave are there?", ("leave",)),
    "q2": ("What is paid for mileage, and is the other party's information secret?",
           ("mileage", "clause")),
}  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One data folder for all: the embedding model is converted once."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    folder = tmp_path / "beir"
    (folder / "qrels").mkdir(parents=True)
    write_lines(
        folder / "corpus.jsonl",
        [{"_id": key, "title": "", "text": text} for key, text in PASSAGES.items()],
    )
    write_lines(
        folder / "queries.jsonl",
        [{"_id": key, "text": question} for key, (question, _) in QUESTIONS.items()],
    )
    grades = [f"{key}\t{one}\t1" for key, (_, wanted) in QUESTIONS.items() for one in wanted]
    (folder / "qrels" / "test.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *grades]))
    return folder


def write_lines(file: Path, rows: list[dict[str, Any]]) -> None:
    file.write_text("\n".join(json.dumps(row) for row in rows))


def evaluate(data: Path, *words: str | Path) -> Result:
    return CliRunner().invoke(
        cli,
        ["evaluate", "retrieval", *map(str, words)],
        env={"MUNIMENT_DATA": str(data)},
    )


def test_passages_are_measured_with_intervals_and_the_time_of_every_step(
    data: Path, beir: Path
) -> None:
    done = evaluate(data, "--beir", beir, "--json")

    said = json.loads(done.stdout)
    assert said["passages"] == 3
    assert {"Recall@5", "Recall@10", "Recall@50", "MAP@10", "nDCG@10", "MRR@10", "All@10"} <= set(
        said["figures"]
    )
    assert said["figures"]["All@10"] == {"mean": 1.0, "low": 1.0, "high": 1.0, "questions": 2}
    assert set(said["milliseconds"]["all"]) == {"p50", "p95"}
    assert {"embed", "search", "fuse", "closeness", "refine"} <= set(said["milliseconds"])


def test_a_run_that_was_kept_is_what_later_ones_are_compared_with(
    data: Path, beir: Path, tmp_path: Path
) -> None:
    kept = evaluate(data, "--beir", beir, "--save", tmp_path / "before")
    later = evaluate(data, "--beir", beir, "--compare", tmp_path / "before", "--json")
    table = evaluate(data, "--beir", beir, "--compare", tmp_path / "before", "--without", "dense")

    assert kept.exit_code == 0
    assert set(json.loads((tmp_path / "before.json").read_text())["All@10"]) == set(QUESTIONS)
    assert json.loads(later.stdout)["changed"]["MAP@10"] == {"mean": 0.0, "low": 0.0, "high": 0.0}
    assert "Change" in table.stdout


def test_files_are_measured_by_document_page_and_quote(data: Path, tmp_path: Path) -> None:
    folder, questions = tmp_path / "files", tmp_path / "questions.jsonl"
    folder.mkdir()
    (folder / "leave.txt").write_text(PASSAGES["leave"])
    (folder / "mileage.txt").write_text(PASSAGES["mileage"])
    evidence = [{"document": "mileage.txt", "quote": "45 pence a mile"}]
    write_lines(
        questions, [{"id": "1", "question": "What is mileage paid at?", "evidence": evidence}]
    )

    done = evaluate(data, "--files", folder, "--questions", questions, "--json")

    found = {name: one["mean"] for name, one in json.loads(done.stdout)["figures"].items()}
    assert found["DocRec@5"] == found["CharRec@10"] == found["Covered@10"] == 1.0
    assert 0.0 < found["CharPrec@1"] < 1.0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--beir", "nowhere"], "corpus.jsonl cannot be read"),
        (["--files", "nowhere", "--questions", "nowhere.jsonl"], "nowhere.jsonl cannot be read"),
        (["--beir", "nowhere", "--compare", "nothing"], "nothing.json cannot be read"),
        ([], "Give --beir DIR, or --files DIR and --questions FILE."),
    ],
)
def test_what_is_not_there_is_said(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)

    done = evaluate(data, *words)

    assert done.exit_code != 0
    assert said in done.output
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    ("file", "line"),
    [("corpus.jsonl", "{broken"), ("queries.jsonl", "[1, 2]"), ("corpus.jsonl", "\x00\x01")],
)
def test_a_line_that_cannot_be_read_is_named(data: Path, beir: Path, file: str, line: str) -> None:
    (beir / file).write_text(line)

    done = evaluate(data, "--beir", beir)

    assert done.exit_code != 0
    assert file in done.output
