import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy import event as engine_events

from audit.canonical import leaf_hash
from audit.errors import AuditUnavailable, RecordDamaged
from audit.events import DocumentMoved, Event, SignedIn, SignedOut, SystemStopped
from audit.log import AuditLog
from audit.sqlite_store import SqliteStore
from audit.verify import verify_store

Ask = Callable[..., Event]
Fill = Callable[[AuditLog, int], None]
Tamper = Callable[[Path, Callable[[sqlite3.Connection], object]], None]

APPEND_FOREVER = """
import sys
from pathlib import Path
from audit.events import QuestionAsked
from audit.log import AuditLog

log = AuditLog.open(Path(sys.argv[1]))
for number in range(int(sys.argv[2])):
    entry = log.append(QuestionAsked(
        person=f"Person {number % 3}", turn_id=f"t{number}", conversation_id="c",
        question="What is the notice period?" * 20,
    ))
    print(entry.sequence, flush=True)
"""


def engine_of(log: AuditLog) -> Engine:
    assert isinstance(log.store, SqliteStore)
    return log.store.engine


def test_an_entry_holds_what_was_recorded(log: AuditLog, asked: Ask) -> None:
    entry = log.append(asked(7))

    assert entry.sequence == 0
    assert entry.type == "rag.ask"
    assert entry.person == "Ada Lovelace"
    assert entry.outcome == "asked"
    assert entry.envelope["turn_id"] == "turn-7"
    assert entry.payload == {
        "person": "Ada Lovelace",
        "question": "What is the fee for case 7?",
    }
    assert log.entries() == [entry]


def test_each_entry_names_the_hash_of_the_one_before(log: AuditLog, fill: Fill) -> None:
    fill(log, 4)

    entries = log.entries()

    assert entries[0].envelope["prev_leaf_hash"] is None
    for before, after in pairwise(entries):
        assert after.envelope["prev_leaf_hash"] == before.leaf_hash


def test_the_hash_is_over_the_stored_line(log: AuditLog, asked: Ask) -> None:
    entry = log.append(asked())

    with closing(sqlite3.connect(log.path)) as connection:
        (line,) = connection.execute("SELECT line FROM audit_entry").fetchone()
    assert leaf_hash(line) == entry.leaf_hash


def test_an_event_without_texts_has_no_payload(log: AuditLog) -> None:
    entry = log.append(SystemStopped())

    assert entry.payload is None
    assert entry.envelope["payload_commitment"] is None
    assert entry.envelope["actor"] == {"pid": None}


def test_a_file_name_in_a_foreign_encoding_can_be_recorded(log: AuditLog) -> None:
    path = b"caf\xe9.pdf".decode("utf-8", "surrogateescape")

    log.append(DocumentMoved(document_id="d", path=path, old_path="cafe.pdf"))

    assert log.verify().intact


def test_several_events_are_written_together_or_not_at_all(log: AuditLog, asked: Ask) -> None:
    invalid = DocumentMoved(document_id="no id", path="a", old_path="b")

    with pytest.raises(Exception, match="document_id"):
        log.append_all([asked(), invalid])

    assert log.count() == 0


class TestReading:
    def test_goes_on_after_an_entry_in_either_direction(self, log: AuditLog, fill: Fill) -> None:
        fill(log, 6)

        forwards = log.entries(after=1, limit=2)
        backwards = log.entries(after=4, limit=2, newest_first=True)
        newest = log.entries(limit=2, newest_first=True)

        assert [entry.sequence for entry in forwards] == [2, 3]
        assert [entry.sequence for entry in backwards] == [3, 2]
        assert [entry.sequence for entry in newest] == [5, 4]

    def test_finds_a_type_and_a_family_of_types(self, log: AuditLog, asked: Ask) -> None:
        log.append_all([SignedIn(person="Ada"), asked(), SignedOut(person="Ada")])

        assert log.count(type="auth") == 2
        assert log.count(type="auth.login") == 1
        assert [entry.type for entry in log.entries(type="rag")] == ["rag.ask"]

    def test_finds_what_one_person_did_and_nobody_else(self, log: AuditLog, asked: Ask) -> None:
        log.append_all([asked(0, person="Ada"), asked(1, person="Grace"), asked(2, person="ada")])

        assert [entry.sequence for entry in log.entries(person="Ada")] == [0]

    def test_finds_what_is_no_older_than_a_moment(self, log: AuditLog, fill: Fill) -> None:
        fill(log, 4)
        third = log.entries()[2].at

        assert log.count(since=third) == 2
        assert log.count(since=third + timedelta(microseconds=1)) == 1

    def test_says_so_when_an_entry_cannot_be_read(
        self, log: AuditLog, fill: Fill, tamper: Tamper
    ) -> None:
        fill(log, 3)
        tamper(log.path, lambda db: db.execute("UPDATE audit_entry SET line = x'00' WHERE seq = 1"))

        with pytest.raises(RecordDamaged, match=r"Entry 1 .* audit verify"):
            log.entries()


class TestOnlyGrows:
    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE audit_entry SET type = 'x' WHERE seq = 1",
            "UPDATE audit_entry SET line = x'' WHERE seq = 1",
            "UPDATE audit_payload SET ct = x'00' WHERE seq = 1",
            "UPDATE audit_payload SET ct = NULL, nonce = NULL WHERE seq = 1",
            "UPDATE audit_key SET wrapped = NULL, destroyed_at = 'now'",
            "UPDATE audit_tile SET root = x'00'",
            "UPDATE audit_checkpoint SET note = 'x'",
            "DELETE FROM audit_entry WHERE seq = 5",
            "DELETE FROM audit_payload WHERE seq = 5",
            "DELETE FROM audit_key",
            "DELETE FROM audit_tile",
            "DELETE FROM audit_checkpoint",
            "INSERT OR REPLACE INTO audit_entry VALUES (1, x'00', '', 'x', 'x', 'x', 'x')",
            "INSERT OR REPLACE INTO audit_payload SELECT 1, key_id, x'', x'' FROM audit_key",
            "INSERT OR REPLACE INTO audit_key SELECT * FROM audit_key",
            "INSERT OR REPLACE INTO audit_tile SELECT * FROM audit_tile",
            "INSERT OR REPLACE INTO audit_checkpoint SELECT * FROM audit_checkpoint",
            "INSERT INTO audit_entry VALUES (999, x'00', '', 'x', 'x', 'x', 'x')",
            "INSERT INTO audit_entry VALUES (-1, x'00', '', 'x', 'x', 'x', 'x')",
        ],
    )
    def test_the_database_refuses_to_change_what_is_written(
        self, statement: str, log: AuditLog, fill: Fill
    ) -> None:
        fill(log, 260)
        log.checkpoint()

        with (
            closing(sqlite3.connect(log.path)) as connection,
            pytest.raises(sqlite3.IntegrityError, match="only grows"),
        ):
            connection.execute(statement)

        assert log.verify().intact


class TestFailsClosed:
    """Whatever keeps an event from the disk, its writer hears of it."""

    def refuse(self, log: AuditLog, fact: Event, reason: str) -> None:
        with pytest.raises(AuditUnavailable, match=reason) as refusal:
            log.append(fact)
        assert str(log.path) in str(refusal.value)
        assert "fee for case" not in str(refusal.value)

    def set_on_connections(self, log: AuditLog, pragma: str) -> None:
        log.close()
        engine_events.listen(
            engine_of(log), "connect", lambda connection, _: connection.execute(f"PRAGMA {pragma}")
        )

    def test_a_full_disk(self, log: AuditLog, asked: Ask, fill: Fill) -> None:
        fill(log, 20)
        self.set_on_connections(log, "max_page_count=1")

        with pytest.raises(AuditUnavailable, match="the disk is full"):
            log.append_all([asked(number) for number in range(100)])

        assert log.verify().entries == 20

    def test_a_record_that_can_only_be_read(self, log: AuditLog, asked: Ask, fill: Fill) -> None:
        fill(log, 3)
        self.set_on_connections(log, "query_only=ON")

        self.refuse(log, asked(), "read but not written")

        assert len(log.entries()) == 3

    def test_a_record_that_somebody_else_never_lets_go_of(self, log: AuditLog, asked: Ask) -> None:
        with closing(sqlite3.connect(log.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")

            self.refuse(log, asked(), "another program has been writing")

        assert log.append(asked()).sequence == 1
        (gap, _) = log.entries()
        assert gap.type == "audit.gap"
        assert gap.envelope["why"] == "unwritable"
        assert gap.envelope["missed"] == [{"kind": "rag.ask", "count": 1}]

    def test_a_payload_that_cannot_be_written_takes_its_entry_along(
        self, log: AuditLog, asked: Ask
    ) -> None:
        with closing(sqlite3.connect(log.path)) as other:
            other.execute(
                "CREATE TRIGGER broken BEFORE INSERT ON audit_payload "
                "BEGIN SELECT RAISE(ABORT, 'no'); END"
            )

        self.refuse(log, asked(), "verify the record")

        assert log.count() == 0

    def test_a_file_that_is_removed_under_the_writer(self, log: AuditLog, asked: Ask) -> None:
        log.append(asked())
        log.path.unlink()

        self.refuse(log, asked(), "removed or replaced")
        with pytest.raises(AuditUnavailable, match="removed or replaced"):
            log.entries()

    def test_a_file_that_is_replaced_under_the_writer(
        self, log: AuditLog, asked: Ask, tmp_path: Path
    ) -> None:
        log.append(asked())
        with closing(AuditLog.open(tmp_path / "other")) as other:
            other.append(asked())
        other.path.replace(log.path)

        self.refuse(log, asked(), "removed or replaced")

    def test_a_file_that_is_damaged(self, log: AuditLog, asked: Ask, fill: Fill) -> None:
        fill(log, 3)
        log.close()
        log.path.with_name("audit.db-wal").unlink(missing_ok=True)
        with log.path.open("r+b") as file:
            file.write(b"not a database at all")

        self.refuse(log, asked(), "damaged")

    def test_a_tail_that_was_cut_off_while_the_writer_ran(
        self, log: AuditLog, asked: Ask, fill: Fill, tamper: Tamper
    ) -> None:
        fill(log, 5)
        tamper(
            log.path,
            lambda db: db.executescript(
                "DELETE FROM audit_payload WHERE seq = 4; DELETE FROM audit_entry WHERE seq = 4"
            ),
        )

        self.refuse(log, asked(), "entry 4, which was written here, is gone")


class TestOpening:
    def test_goes_on_where_the_record_ended(
        self, log: AuditLog, fill: Fill, asked: Ask, tmp_path: Path
    ) -> None:
        fill(log, 3)

        with closing(AuditLog.open(tmp_path / "audit")) as again:
            entry = again.append(asked())

            assert entry.sequence == 3
            assert again.pseudonym_of("Ada") == log.pseudonym_of("Ada")
            assert again.verify().intact

    def test_only_the_owner_may_look_into_the_folder(self, log: AuditLog, tmp_path: Path) -> None:
        for path in (log.path, tmp_path / "audit" / "pepper"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE((tmp_path / "audit").stat().st_mode) == 0o700

    def test_a_lost_record_is_not_begun_anew_in_silence(self, log: AuditLog, fill: Fill) -> None:
        fill(log, 3)
        log.close()
        log.path.unlink()

        with pytest.raises(AuditUnavailable, match="is gone, though there was one"):
            AuditLog.open(log.path.parent)

        assert not log.path.exists()

    def test_a_lost_pepper_is_not_replaced(self, log: AuditLog, fill: Fill) -> None:
        fill(log, 3)
        (log.path.parent / "pepper").unlink()

        with pytest.raises(AuditUnavailable, match="pepper is missing"):
            AuditLog.open(log.path.parent)

    def test_a_damaged_pepper_is_refused(self, log: AuditLog) -> None:
        (log.path.parent / "pepper").write_bytes(b"short")

        with pytest.raises(AuditUnavailable, match="pepper is damaged"):
            AuditLog.open(log.path.parent)

    def test_a_start_that_was_cut_short_is_taken_up(self, tmp_path: Path) -> None:
        folder = tmp_path / "audit"
        folder.mkdir()
        (folder / "audit.db").touch()

        with closing(AuditLog.open(folder)) as log:
            log.append(SystemStopped())

            assert log.verify().intact

    def test_a_folder_that_cannot_be_made_is_a_sentence(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()

        with pytest.raises(AuditUnavailable, match="cannot be used"):
            AuditLog.open(tmp_path / "file" / "audit")

    def test_whoever_only_reads_makes_no_record(self, tmp_path: Path) -> None:
        with pytest.raises(AuditUnavailable, match="no record in"):
            AuditLog.open(tmp_path / "audit", create=False)

        assert not (tmp_path / "audit").exists()

    def test_it_is_written_through_to_the_disk(self, log: AuditLog) -> None:
        with engine_of(log).connect() as connection:
            found = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys", "trusted_schema")
            }

        assert found == {
            "journal_mode": "wal",
            "synchronous": 2,
            "foreign_keys": 1,
            "trusted_schema": 0,
        }


class TestManyWriters:
    def test_processes_leave_no_gap(self, tmp_path: Path) -> None:
        folder = tmp_path / "audit"
        writers = [_writer(folder, events=50) for _ in range(4)]

        said = [writer.communicate()[0].split() for writer in writers]

        assert [writer.returncode for writer in writers] == [0] * 4
        assert sorted(int(number) for numbers in said for number in numbers) == list(range(200))
        verdict = verify_store(folder / "audit.db")
        assert verdict.intact
        assert verdict.entries == 200

    def test_threads_leave_no_gap(self, tmp_path: Path, asked: Ask) -> None:
        with closing(AuditLog.open(tmp_path / "audit")) as log:
            threads = [
                threading.Thread(target=lambda: [log.append(asked(n)) for n in range(25)])
                for _ in range(4)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

            assert log.count() == 100
            assert log.verify().intact

    def test_what_was_acknowledged_survives_a_killed_writer(self, tmp_path: Path) -> None:
        folder = tmp_path / "audit"
        acknowledged = -1
        for round_number in range(5):
            writer = _writer(folder, events=100_000)
            assert writer.stdout is not None
            for _ in range(3 + 7 * round_number):
                acknowledged = int(writer.stdout.readline())
            os.kill(writer.pid, signal.SIGKILL)
            rest = writer.communicate()[0].split()
            acknowledged = int(rest[-1]) if rest else acknowledged

            verdict = verify_store(folder / "audit.db")
            assert verdict.intact, verdict.fault
            assert verdict.entries > acknowledged


def test_ten_thousand_events_take_no_more_memory_than_a_thousand(
    tmp_path: Path, asked: Ask
) -> None:
    with closing(AuditLog.open(tmp_path / "audit")) as log:
        log.append_all([asked(number) for number in range(1_000)])
        few = _peak_of_reading(log)
        for start in range(1_000, 10_000, 1_000):
            log.append_all([asked(number) for number in range(start, start + 1_000)])

        many = _peak_of_reading(log)

        assert log.count() == 10_000
        assert many < 1.5 * few


def _peak_of_reading(log: AuditLog) -> int:
    tracemalloc.start()
    try:
        assert log.verify().intact
        for _ in log.lines():
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _writer(folder: Path, *, events: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", APPEND_FOREVER, str(folder), str(events)],
        stdout=subprocess.PIPE,
        text=True,
    )
