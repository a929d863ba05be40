"""A person's own data: everything by and about them, provable, and nobody else's."""

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from audit.errors import ExportFailed
from audit.events import QuestionAsked, SignedIn, UserChanged
from audit.log import AuditLog
from audit.subject_access import ABOUT, ANOTHER, BY, NAMED, Subject, write_subject_access
from tests.audit.conftest import Clock

ADA, GRACE, JOAN = "Ada Lovelace", "Grace Hopper", "Joan Clarke"
SUBJECT = Subject([ADA], others=[ADA, GRACE, JOAN])
Write = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def record(tmp_path: Path, clock: Clock) -> Any:
    with closing(AuditLog.open(tmp_path / "audit", clock=clock)) as opened:
        opened.append(SignedIn(ADA))
        opened.append(QuestionAsked(ADA, "t-1", "c-1", "What is the fee?"))
        opened.append(QuestionAsked(ADA, "t-2", "c-1", "What did Grace Hopper ask?"))
        opened.append(UserChanged(actor=GRACE, name=ADA, change="groups are now fees"))
        opened.append(QuestionAsked(GRACE, "t-3", "c-2", "Did ada  LOVELACE and Joan Clarke pay?"))
        opened.append(QuestionAsked(GRACE, "t-4", "c-2", "Who is adage lovelaced?"))
        opened.append(SignedIn(JOAN))
        yield opened


@pytest.fixture
def write(record: AuditLog, tmp_path: Path) -> Write:
    def written(**wanted: Any) -> list[dict[str, Any]]:
        output = tmp_path / "out"
        count = write_subject_access(record, SUBJECT, output, by="privacy officer", **wanted)
        lines = (output / "entries.jsonl").read_text().splitlines()
        assert len(lines) == count
        return [json.loads(line) for line in lines]

    return written


def check(folder: Path, sequence: int) -> "subprocess.CompletedProcess[str]":
    key = (folder / "keys.txt").read_text().splitlines()[0]
    proof = str(folder / "proofs" / str(sequence))
    return subprocess.run(
        [sys.executable, str(folder / "verify.py"), key, "-", proof],
        capture_output=True,
        text=True,
        check=False,
    )


def test_everything_by_and_about_a_person_is_there_and_nothing_else(write: Write) -> None:
    entries = write()

    assert [(each["sequence"], each["how"]) for each in entries] == [
        (0, BY),
        (1, BY),
        (2, BY),
        (3, ABOUT),
        (4, NAMED),
    ]
    assert entries[1]["words"]["question"] == "What is the fee?"


def test_a_person_who_is_named_in_somebody_elses_question_is_found(
    record: AuditLog, write: Write
) -> None:
    record.append(QuestionAsked(GRACE, "t-5", "c-2", "Did ADA lovelace pay Joan Clarke?"))

    entry = write()[-1]

    assert entry["how"] == NAMED
    assert entry["words"]["question"] == f"Did ADA lovelace pay {ANOTHER}?"
    assert entry["words"]["person"] == ANOTHER


def test_other_peoples_names_are_left_out_unless_asked_for(
    record: AuditLog, write: Write, tmp_path: Path
) -> None:
    entries = write()

    assert entries[2]["words"]["question"] == f"What did {ANOTHER} ask?"
    assert entries[3]["words"] == {
        "person": ANOTHER,
        "name": ADA,
        "change": "groups are now fees",
    }
    everything = b"".join(path.read_bytes() for path in tmp_path.glob("out/**/*.json*"))
    assert b"Hopper" not in everything


def test_other_peoples_names_are_there_when_asked_for(write: Write) -> None:
    entries = write(third_parties=True)

    assert entries[2]["words"]["question"] == "What did Grace Hopper ask?"
    assert entries[3]["words"]["person"] == GRACE


def test_each_entry_is_proved_to_be_of_the_record(write: Write, tmp_path: Path) -> None:
    write()

    for sequence, words in ((0, "is here"), (1, "is here"), (2, "is not here"), (3, "is not")):
        done = check(tmp_path / "out", sequence)
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"payload {words}" in done.stdout


def test_an_altered_entry_is_not_proved(write: Write, tmp_path: Path) -> None:
    write()
    line = tmp_path / "out" / "proofs" / "1" / "entry.json"
    line.write_bytes(line.read_bytes().replace(b"t-1", b"t-9"))

    assert check(tmp_path / "out", 1).returncode == 1


def test_that_it_was_written_out_is_on_record_without_the_name(
    record: AuditLog, write: Write
) -> None:
    write()

    entry = record.entries(type="dsar.export")[0]
    assert entry.person == "privacy officer"
    assert entry.envelope["subject"] == {"pid": record.pseudonym_of(ADA)}
    assert entry.envelope["entries"] == 5
    assert ADA not in str(entry)


def test_further_files_go_with_it(write: Write, tmp_path: Path) -> None:
    write(further={"conversations.json": b"[]"})

    assert (tmp_path / "out" / "conversations.json").read_bytes() == b"[]"
    assert "conversations.json" in (tmp_path / "out" / "README").read_text()


def test_a_folder_that_is_there_is_not_overwritten(
    record: AuditLog, write: Write, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()

    with pytest.raises(ExportFailed):
        write()

    assert record.entries(type="dsar.export") == []
