"""A record of the first form is taken over, its lines as they are."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from audit.canonical import canonical, commitment, leaf_hash
from audit.errors import AuditUnavailable, RecordDamaged
from audit.events import SystemStopped
from audit.log import AuditLog
from audit.merkle import root_of
from audit.notes import parse_checkpoint

SCHEMA = """
CREATE TABLE audit_entry (
    seq INTEGER NOT NULL PRIMARY KEY, line BLOB NOT NULL, leaf_hash VARCHAR NOT NULL,
    type VARCHAR NOT NULL, ts VARCHAR NOT NULL, pid VARCHAR
);
CREATE TABLE audit_payload (
    seq INTEGER NOT NULL PRIMARY KEY REFERENCES audit_entry (seq), salt BLOB NOT NULL,
    body BLOB NOT NULL
);
CREATE TRIGGER audit_entry_no_update BEFORE UPDATE ON audit_entry
BEGIN SELECT RAISE(ABORT, 'the record only grows'); END;
CREATE TRIGGER audit_payload_no_delete BEFORE DELETE ON audit_payload
BEGIN SELECT RAISE(ABORT, 'the record only grows'); END;
"""
ENTRIES = 300
SECRET = "What is the fee for case"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the first form left: 300 questions, with plain payloads."""
    made = tmp_path / "audit"
    made.mkdir()
    (made / "pepper").write_bytes(b"p" * 32)
    with closing(sqlite3.connect(made / "audit.db")) as db:
        db.executescript(SCHEMA)
        previous = None
        for number in range(ENTRIES):
            salt = bytes([number % 256]) * 32
            body = canonical({"person": "Ada", "question": f"{SECRET} {number}?"})
            at = f"2026-{10 + number // 200}-22T09:00:00.000000Z"
            line = canonical(
                {
                    "v": 1,
                    "seq": number,
                    "id": f"{number:026}",
                    "ts": at,
                    "type": "rag.ask",
                    "actor": {"pid": "a:1"},
                    "outcome": "asked",
                    "turn_id": f"t-{number}",
                    "document_id": "d-1" if number == 7 else "",
                    "payload_commitment": commitment(salt=salt, body=body),
                    "prev_leaf_hash": previous,
                }
            )
            previous = leaf_hash(line)
            row = (number, line, previous, "rag.ask", at, "a:1")
            db.execute("INSERT INTO audit_entry VALUES (?, ?, ?, ?, ?, ?)", row)
            db.execute("INSERT INTO audit_payload VALUES (?, ?, ?)", (number, salt, body))
        db.commit()
    return made


def test_its_lines_are_kept_and_a_tree_grows_over_them(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "audit.db")) as db:
        before = [line for (line,) in db.execute("SELECT line FROM audit_entry ORDER BY seq")]

    with closing(AuditLog.open(folder)) as log:
        assert list(log.lines()) == before
        assert log.verify().intact
        checkpoint = parse_checkpoint(log.checkpoint())
        leaves = [bytes.fromhex(leaf_hash(line)) for line in before]
        assert checkpoint.root == root_of(leaves)
        assert log.append(SystemStopped()).sequence == ENTRIES
        assert log.verify().intact


def test_its_payloads_are_read_as_before_and_stand_nowhere_in_plain(folder: Path) -> None:
    with closing(AuditLog.open(folder)) as log:
        assert log.entries(after=41, limit=1)[0].payload == {
            "person": "Ada",
            "question": f"{SECRET} 42?",
        }
        assert log.count(document="d-1") == 1
        periods = [key.period for key in log.store.keys("a:1")]
        assert periods == ["2026-10", "2026-11"]

    for path in folder.iterdir():
        assert SECRET.encode() not in path.read_bytes(), path.name


def test_it_is_taken_over_once(folder: Path) -> None:
    AuditLog.open(folder).close()

    with closing(AuditLog.open(folder)) as log:
        assert log.count() == ENTRIES


def test_a_record_that_cannot_be_read_stays_as_it_is(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "audit.db")) as db:
        db.executescript("DROP TRIGGER audit_entry_no_update")
        db.execute("UPDATE audit_entry SET line = x'00' WHERE seq = 250")
        db.commit()

    with pytest.raises(RecordDamaged, match=r"Entry 250 .* left in its earlier form"):
        AuditLog.open(folder)

    with closing(sqlite3.connect(folder / "audit.db")) as db:
        (body,) = db.execute("SELECT body FROM audit_payload WHERE seq = 1").fetchone()
        assert json.loads(body)["question"] == f"{SECRET} 1?"


def test_a_lost_key_is_not_replaced(folder: Path) -> None:
    AuditLog.open(folder).close()
    (folder / "payload.key").unlink()

    with pytest.raises(AuditUnavailable, match=r"payload\.key is missing"):
        AuditLog.open(folder)
