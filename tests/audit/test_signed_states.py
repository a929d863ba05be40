"""A record held against the checkpoints it was signed with."""

import sqlite3

import pytest

from audit.log import AuditLog
from audit.notes import parse_vkey
from audit.signed_states import fault_against
from tests.audit.bundle_builder import LOG, OTHER_LOG, Record, leaf, note, small_record
from tests.audit.conftest import Fill, Tamper

KEY = parse_vkey(LOG.vkey)


@pytest.fixture
def record() -> Record:
    return small_record()


def notes_of(record: Record, *sizes: int) -> list[str]:
    return [note(record.leaves()[:size], LOG) for size in sizes]


def test_a_record_fits_every_checkpoint_it_was_signed_with(record: Record) -> None:
    assert fault_against(record.lines, notes_of(record, 9, 0, 4, 5), KEY) == ""


def test_a_record_without_a_checkpoint_fits(record: Record) -> None:
    assert fault_against(record.lines, [], KEY) == ""


def test_a_redacted_entry_stands_for_itself(record: Record) -> None:
    notes = notes_of(record, 9)
    record.redact(3)

    assert fault_against(record.lines, notes, KEY) == ""


def test_a_rewritten_record_does_not_fit(record: Record) -> None:
    notes = notes_of(record, 9, 5)
    record.edit(2, turn_id="t9")
    record.relink()

    assert fault_against(record.lines, notes, KEY).startswith("The first 5 entries are not those")


def test_a_cut_record_does_not_fit(record: Record) -> None:
    notes = notes_of(record, 9)
    del record.lines[7:]

    assert fault_against(record.lines, notes, KEY).startswith("9 entries were signed, and only 7")


def test_a_checkpoint_of_another_key_does_not_hold(record: Record) -> None:
    forged = note(record.leaves(), OTHER_LOG)

    assert "does not hold" in fault_against(record.lines, [forged], KEY)


def test_two_checkpoints_that_contradict_are_named(record: Record) -> None:
    notes = notes_of(record, 9)
    record.edit(2, turn_id="t9")

    assert "contradict" in fault_against(record.lines, notes + notes_of(record, 9), KEY)


def test_a_false_checkpoint_of_nothing_is_named(record: Record) -> None:
    false = "muniment.example/record\n0\n" + "A" * 43 + "=\n"

    signed = false + "\n" + LOG.line(false.encode())

    assert "of the empty record" in fault_against(record.lines, [signed], KEY)


def test_what_is_no_checkpoint_is_named(record: Record) -> None:
    assert "does not hold" in fault_against(record.lines, ["nonsense"], KEY)


def test_a_store_rewritten_so_that_it_fits_itself_does_not_verify(
    log: AuditLog, fill: Fill, tamper: Tamper
) -> None:
    fill(log, 6)
    log.checkpoint()
    signed = log.verify().signed
    rewritten = Record([bytes(line) for line in log.lines()])
    rewritten.edit(0, outcome="denied")
    rewritten.relink()

    def rewrite(database: sqlite3.Connection) -> None:
        for place, line in enumerate(rewritten.lines):
            database.execute(
                "UPDATE audit_entry SET line = ?, leaf_hash = ? WHERE seq = ?",
                (line, leaf(line).hex(), place),
            )

    tamper(log.path, rewrite)

    verdict = log.verify()
    assert signed == 6
    assert verdict.intact is False
    assert "not those that were signed" in verdict.fault
