"""The verifier is tested by attack: what follows is what somebody who owns the file may do."""

import ast
import inspect
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from audit import verify
from audit.canonical import leaf_hash
from audit.errors import AuditUnavailable
from audit.events import EntryRedacted
from audit.log import AuditLog
from audit.store import Removal
from audit.verify import KeptHead, verify_rows, verify_store

Fill = Callable[[AuditLog, int], None]
Tamper = Callable[[Path, Callable[[sqlite3.Connection], object]], None]
Change = Callable[[sqlite3.Connection], object]

ENTRIES = 6


def edit_a_byte(db: sqlite3.Connection) -> None:
    db.execute(
        "UPDATE audit_entry SET line = CAST(replace(CAST(line AS TEXT), 'turn-1', 'turn-9') "
        "AS BLOB) WHERE seq = 3"
    )


def edit_and_hash_again(db: sqlite3.Connection) -> None:
    edit_a_byte(db)
    (line,) = db.execute("SELECT line FROM audit_entry WHERE seq = 3").fetchone()
    db.execute("UPDATE audit_entry SET leaf_hash = ? WHERE seq = 3", (leaf_hash(line),))


def swap_two(db: sqlite3.Connection) -> None:
    for old, new in ((2, 100), (3, 2), (100, 3)):
        db.execute("UPDATE audit_payload SET seq = ? WHERE seq = ?", (new, old))
        db.execute("UPDATE audit_entry SET seq = ? WHERE seq = ?", (new, old))


def delete_one(db: sqlite3.Connection) -> None:
    db.execute("DELETE FROM audit_payload WHERE seq = 3")
    db.execute("DELETE FROM audit_entry WHERE seq = 3")


def delete_one_and_close_the_gap(db: sqlite3.Connection) -> None:
    delete_one(db)
    db.execute("UPDATE audit_payload SET seq = seq - 1 WHERE seq > 3")
    db.execute("UPDATE audit_entry SET seq = seq - 1 WHERE seq > 3")


def delete_the_first(db: sqlite3.Connection) -> None:
    db.execute("DELETE FROM audit_entry WHERE seq = 0")


def duplicate_the_last(db: sqlite3.Connection) -> None:
    db.execute(
        "INSERT INTO audit_entry SELECT seq + 1, line, leaf_hash, type, ts, pid, matter "
        "FROM audit_entry WHERE seq = 5"
    )


def alter_a_payload(db: sqlite3.Connection) -> None:
    db.execute("UPDATE audit_payload SET ct = zeroblob(100) WHERE seq = 3")


def exchange_two_payloads(db: sqlite3.Connection) -> None:
    db.execute(
        "UPDATE audit_payload SET (nonce, ct) = "
        "(SELECT nonce, ct FROM audit_payload WHERE seq = 4) WHERE seq = 3"
    )


def lose_a_payload(db: sqlite3.Connection) -> None:
    db.execute("DELETE FROM audit_payload WHERE seq = 3")


def add_a_payload(db: sqlite3.Connection) -> None:
    db.execute("INSERT INTO audit_payload SELECT 0, key_id, nonce, ct FROM audit_payload LIMIT 1")


def add_a_payload_of_nothing(db: sqlite3.Connection) -> None:
    db.execute("INSERT INTO audit_payload SELECT 50, key_id, nonce, ct FROM audit_payload LIMIT 1")


def hide_from_a_search_by_type(db: sqlite3.Connection) -> None:
    db.execute("UPDATE audit_entry SET type = 'system.start' WHERE seq = 3")


def hide_from_a_search_by_person(db: sqlite3.Connection) -> None:
    db.execute("UPDATE audit_entry SET pid = 'a:0' WHERE seq = 3")


def move_in_time(db: sqlite3.Connection) -> None:
    db.execute("UPDATE audit_entry SET ts = '2020-01-01T00:00:00.000000Z' WHERE seq = 3")


def write_nonsense(db: sqlite3.Connection) -> None:
    line = b"[" * 100_000
    db.execute(
        "UPDATE audit_entry SET line = ?, leaf_hash = ? WHERE seq = 3", (line, leaf_hash(line))
    )


def drop_a_table(db: sqlite3.Connection) -> None:
    db.execute("DROP TABLE audit_payload")


class Tampering(NamedTuple):
    change: Change
    holding: int
    fault: str


TAMPERINGS = [
    Tampering(edit_a_byte, 3, "Entry 3 was altered"),
    Tampering(edit_and_hash_again, 4, "Entry 4 does not follow"),
    Tampering(swap_two, 2, "Entry 2 is missing or out of order: entry 3 stands"),
    Tampering(delete_one, 3, "Entry 3 is missing: entry 4 stands"),
    Tampering(
        delete_one_and_close_the_gap, 3, "Entry 3 is missing or out of order: entry 4 stands"
    ),
    Tampering(delete_the_first, 0, "Entry 0 is missing: entry 1 stands"),
    Tampering(duplicate_the_last, 6, "Entry 6 is missing or out of order: entry 5 stands"),
    Tampering(alter_a_payload, 3, "The payload of entry 3 was altered"),
    Tampering(exchange_two_payloads, 3, "The payload of entry 3 was altered"),
    Tampering(lose_a_payload, 3, "The payload of entry 3 is missing"),
    Tampering(add_a_payload, 0, "Entry 0 has a payload although"),
    Tampering(add_a_payload_of_nothing, 6, "There is a payload for entry 50"),
    Tampering(hide_from_a_search_by_type, 3, "Entry 3 is listed with another type"),
    Tampering(
        hide_from_a_search_by_person, 3, "Entry 3 is listed with another type, time or person"
    ),
    Tampering(move_in_time, 3, "Entry 3 is listed with another type, time"),
    Tampering(write_nonsense, 3, "Entry 3 cannot be read"),
    Tampering(drop_a_table, 0, "file is damaged"),
]


def name_of(tampering: Tampering) -> str:
    return tampering.change.__name__


@pytest.mark.parametrize("tampering", TAMPERINGS, ids=name_of)
def test_the_first_fault_is_named(
    tampering: Tampering, log: AuditLog, fill: Fill, tamper: Tamper
) -> None:
    fill(log, ENTRIES)
    tamper(log.path, tampering.change)

    verdict = log.verify()

    assert not verdict.intact
    assert tampering.fault in verdict.fault
    assert verdict.entries == tampering.holding


def test_an_untouched_record_is_intact(log: AuditLog, fill: Fill) -> None:
    fill(log, ENTRIES)

    verdict = log.verify()

    assert verdict.intact
    assert verdict.entries == ENTRIES
    assert verdict.head == log.entries()[-1].leaf_hash
    assert not verdict.fault


def test_an_empty_record_is_intact(log: AuditLog) -> None:
    assert log.verify().intact


class TestCutTail:
    """A cut tail leaves a shorter chain that holds; only a kept head shows it."""

    def cut(self, db: sqlite3.Connection) -> None:
        db.execute("DELETE FROM audit_payload WHERE seq >= 4")
        db.execute("DELETE FROM audit_entry WHERE seq >= 4")

    def test_without_a_kept_head_it_cannot_be_noticed(
        self, log: AuditLog, fill: Fill, tamper: Tamper
    ) -> None:
        fill(log, ENTRIES)
        tamper(log.path, self.cut)

        assert log.verify().intact

    def test_with_a_kept_head_it_is_noticed(
        self, log: AuditLog, fill: Fill, tamper: Tamper
    ) -> None:
        fill(log, ENTRIES)
        before = log.verify()
        tamper(log.path, self.cut)

        verdict = log.verify(kept=KeptHead(before.entries, before.head))

        assert not verdict.intact
        assert "the last 2 are missing" in verdict.fault

    def test_with_a_kept_head_a_tail_written_anew_is_noticed(
        self, log: AuditLog, fill: Fill, tamper: Tamper
    ) -> None:
        fill(log, ENTRIES)
        before = log.verify()
        tamper(log.path, self.cut)
        with closing(AuditLog.open(log.path.parent)) as again:
            fill(again, 4)

        verdict = log.verify(kept=KeptHead(before.entries, before.head))

        assert log.verify().intact
        assert not verdict.intact
        assert verdict.fault.startswith("Entry 5 is not the one that was last")

    def test_a_record_that_only_grew_passes(self, log: AuditLog, fill: Fill) -> None:
        fill(log, ENTRIES)
        before = log.verify()
        fill(log, 3)

        assert log.verify(kept=KeptHead(before.entries, before.head)).intact


class TestForm:
    """Lines that no writer of ours writes."""

    def read(self, envelope: bytes) -> str:
        row = (0, envelope, leaf_hash(envelope).encode(), b"x", b"y", None, None, None, None, None)
        return verify_rows([row]).fault

    def test_an_object_that_says_a_thing_twice_is_refused(self) -> None:
        fault = self.read(b'{"seq":0,"seq":0,"v":1,"prev_leaf_hash":null}')

        assert "not proper JSON" in fault

    def test_a_later_format_is_not_guessed_at(self) -> None:
        fault = self.read(b'{"prev_leaf_hash":null,"seq":0,"v":2}')

        assert "written in format 2" in fault


class TestRedaction:
    def blank(self, db: sqlite3.Connection) -> None:
        db.execute("DELETE FROM audit_payload WHERE seq = 3")
        db.execute("UPDATE audit_entry SET line = x'' WHERE seq = 3")

    def test_one_that_is_announced_is_intact(self, log: AuditLog, fill: Fill) -> None:
        fill(log, ENTRIES)
        log.append_and_remove(
            EntryRedacted(person="Grace", redacts=(3,), ground="order", approval=None),
            Removal(lines=(3,), payloads=(3,)),
        )

        assert log.verify().intact

    def test_one_that_nobody_announced_is_named(
        self, log: AuditLog, fill: Fill, tamper: Tamper
    ) -> None:
        fill(log, ENTRIES)
        tamper(log.path, self.blank)

        assert "Entry 3 is redacted, and no later entry announces it" in log.verify().fault


class TestNotThere:
    def test_a_missing_record(self, tmp_path: Path) -> None:
        with pytest.raises(AuditUnavailable, match="There is no record"):
            verify_store(tmp_path / "audit.db")

    def test_a_file_that_is_no_database_is_not_intact(self, tmp_path: Path) -> None:
        path = tmp_path / "audit.db"
        path.write_text("nothing of the kind" * 100)

        assert "no sound database" in verify_store(path).fault


def test_the_verifier_shares_no_code_with_the_writer() -> None:
    tree = ast.parse(inspect.getsource(verify))
    modules = {
        name.module if isinstance(name, ast.ImportFrom) else name.names[0].name
        for name in ast.walk(tree)
        if isinstance(name, ast.Import | ast.ImportFrom)
    }

    ours = {module for module in modules if module and module.startswith("audit")}

    assert ours == {"audit.errors"}
    assert not {"rfc8785", "sqlalchemy"} & modules
