"""The verifier of an export, attacked: what it accepts, and what it names.

The bundles here come from a second maker (bundle_builder), not from the product; that the
product's own exports pass is shown in test_bundle_export.
"""

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import rfc8785

from audit import bundle_verify
from tests.audit.bundle_builder import (
    COSIGNER,
    LOG,
    OTHER_LOG,
    Record,
    SigningKey,
    note,
    small_record,
)

Bend = Callable[[Record], object]

VERIFIED, NOT_VERIFIED = 0, 1


class Outcome:
    """What the verifier said of a folder."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *arguments: object) -> None:
        self.code = bundle_verify.main([str(argument) for argument in arguments])
        self.said = capsys.readouterr().out

    def names(self, words: str) -> bool:
        return self.code == NOT_VERIFIED and words in self.said


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Verifies a folder with the log's and the witness's keys."""

    def run(
        folder: Path,
        *old: Path,
        log: str = LOG.vkey,
        witness: str = COSIGNER.vkey,
    ) -> Outcome:
        return Outcome(capsys, log, witness, folder, *old)

    return run


Check = Callable[..., Outcome]


@pytest.fixture
def bundle(tmp_path: Path) -> Callable[..., Path]:
    """Writes a bundle of a small record; ``tampered`` is done to the files, not to the signer."""

    def write(tampered: Bend | None = None) -> Path:
        record = small_record()
        genuine = record.note(LOG, COSIGNER)
        if tampered:
            tampered(record)
        return record.write(tmp_path / "export", LOG, COSIGNER, checkpoint=genuine)

    return write


Bundle = Callable[..., Path]


def test_a_genuine_bundle_is_verified(bundle: Bundle, check: Check) -> None:
    outcome = check(bundle())

    assert outcome.code == VERIFIED
    assert "9 entries" in outcome.said
    assert "cosigned by witness.example/w1" in outcome.said


def test_the_empty_record_is_verified(tmp_path: Path, check: Check) -> None:
    folder = Record().write(tmp_path / "export", LOG)

    assert check(folder, witness="-").code == VERIFIED


@pytest.mark.parametrize("size", range(1, 34))
def test_every_size_of_tree_is_verified(size: int, tmp_path: Path, check: Check) -> None:
    record = Record()
    for _ in range(size):
        record.append("audit.heartbeat")

    assert check(record.write(tmp_path / "export", LOG), witness="-").code == VERIFIED


def test_it_runs_with_nothing_but_python(bundle: Bundle) -> None:
    command = [
        sys.executable,
        "-I",
        "-S",
        bundle_verify.__file__,
        LOG.vkey,
        COSIGNER.vkey,
        str(bundle()),
    ]

    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")

    assert (done.returncode, done.stderr) == (VERIFIED, "")
    assert done.stdout.startswith("VERIFIED.")


# ------------------------------------------------------------------ entries


def test_an_edited_entry_is_named(bundle: Bundle, check: Check) -> None:
    folder = bundle(lambda record: record.edit(3, turn_id="t9"))

    assert check(folder).names("entry 3 or 4 was altered")


def test_an_edited_last_entry_is_noticed(bundle: Bundle, check: Check) -> None:
    folder = bundle(lambda record: record.edit(8, entries=7))

    assert check(folder).names("do not give the root")


def test_reordered_entries_are_named(bundle: Bundle, check: Check) -> None:
    def swap(record: Record) -> None:
        record.lines[3], record.lines[4] = record.lines[4], record.lines[3]

    assert check(bundle(swap)).names("Where entry 3 should stand there is one numbered 4")


def test_reordered_and_chained_anew_is_noticed(bundle: Bundle, check: Check) -> None:
    def swap(record: Record) -> None:
        record.lines[0], record.lines[3] = record.lines[3], record.lines[0]
        record.relink()

    assert check(bundle(swap)).names("do not give the root")


def test_a_duplicated_entry_is_named(bundle: Bundle, check: Check) -> None:
    folder = bundle(lambda record: record.lines.insert(4, record.lines[3]))

    assert check(folder).names("Where entry 4 should stand there is one numbered 3")


def test_a_duplicated_last_entry_is_named(bundle: Bundle, check: Check) -> None:
    folder = bundle(lambda record: record.lines.append(record.lines[-1]))

    assert check(folder).names("Entry 9 was added")


def test_an_inserted_entry_is_noticed(bundle: Bundle, check: Check) -> None:
    def insert(record: Record) -> None:
        record.append("auth.login")
        record.lines.insert(4, record.lines.pop())
        record.relink()

    assert check(bundle(insert)).code == NOT_VERIFIED


def test_a_removed_entry_is_named(bundle: Bundle, check: Check) -> None:
    folder = bundle(lambda record: record.lines.pop(3))

    assert check(folder).names("Where entry 3 should stand there is one numbered 4")


def test_a_removed_entry_with_a_new_chain_is_noticed(bundle: Bundle, check: Check) -> None:
    def remove(record: Record) -> None:
        record.lines.pop(3)
        record.relink()

    assert check(bundle(remove)).code == NOT_VERIFIED


def test_a_truncated_tail_is_named(bundle: Bundle, check: Check) -> None:
    def cut(record: Record) -> None:
        del record.lines[6:]
        del record.payloads[7], record.payloads[8]

    assert check(bundle(cut)).names("ends after 6 entries, and the checkpoint covers 9")


def test_a_truncated_tail_with_a_new_signature_shows_against_an_older_checkpoint(
    tmp_path: Path, check: Check
) -> None:
    kept = tmp_path / "kept"
    record = small_record()
    kept.write_text(record.note(LOG, COSIGNER))
    del record.lines[6:]
    del record.payloads[7], record.payloads[8]
    folder = record.write(tmp_path / "export", LOG, COSIGNER)

    assert check(folder, kept).names("entries were cut off the end")
    assert check(folder).code == VERIFIED  # which nobody can tell without the older one


def test_history_rewritten_with_stolen_keys_shows_against_an_older_checkpoint(
    tmp_path: Path, check: Check
) -> None:
    kept = tmp_path / "kept"
    record = small_record()
    kept.write_text(note(record.leaves()[:5], LOG))
    record.edit(2, turn_id="t9")
    record.relink()
    folder = record.write(tmp_path / "export", LOG, COSIGNER)

    assert check(folder, kept).names("the history was rewritten")


def test_the_same_history_grown_passes_against_an_older_checkpoint(
    tmp_path: Path, check: Check
) -> None:
    record = small_record()
    folder = record.write(tmp_path / "export", LOG, COSIGNER)

    for size in range(len(record.lines) + 1):
        kept = tmp_path / f"kept-{size}"
        kept.write_text(note(record.leaves()[:size], LOG))
        assert check(folder, kept).code == VERIFIED


def test_rewritten_history_without_the_witness_is_noticed(tmp_path: Path, check: Check) -> None:
    record = small_record()
    record.edit(2, turn_id="t9")
    record.relink()

    folder = record.write(tmp_path / "export", LOG)

    assert check(folder).names("does not bear the signature of witness.example/w1")


@pytest.mark.parametrize(
    "line",
    [
        b'{"seq":3, "prev_leaf_hash":null}',
        b'{"v":1,"seq":3}',
        b'{"seq":3,"seq":3}',
        b'{"seq":3.0}',
        b'{"seq":3e0}',
        b'{"seq":-0}',
        b'{"seq":9007199254740993}',
        b'{"score":1e-05,"seq":3}',
        b'{"score":NaN,"seq":3}',
        b'{"score":1e999,"seq":3}',
        b'{"name":"\\u00e9","seq":3}',
        b'{"name":"\\/","seq":3}',
        b'{"name":"\\ud83d","seq":3}',
        b'{"name":"\xff","seq":3}',
        '{"\ue000":2,"\U0001f600":1}'.encode(),
        b"[]",
        b"3",
        b"",
        b" ",
        b"[" * 20_000,
        b"#" + b"AB" * 32,
        b"#" + b"ab" * 31,
        b"#" + b"ab" * 32 + b" ",
    ],
)
def test_a_line_in_another_form_is_named(line: bytes, bundle: Bundle, check: Check) -> None:
    def replace(record: Record) -> None:
        record.lines[3] = line

    assert "ntry 3" in check(bundle(replace)).said
    assert check(bundle(replace)).code == NOT_VERIFIED


@pytest.mark.parametrize(
    "value",
    [
        0.71,
        -0.5,
        0.00001,
        1e-7,
        1.5e-7,
        123456789.125,
        1e16,
        1.5e20,
        1e21,
        1.25e22,
        5e-324,
        1.7976931348623157e308,
        -(2**53) + 1,
        {"\U0001f600": 1, "\ue000": 2, "é": '\x7f\b\f\n\r\t\x1f"\\/'},
        [[], {}, None, True, False],
    ],
)
def test_every_form_that_the_standard_allows_is_read(
    value: object, tmp_path: Path, check: Check
) -> None:
    record = Record()
    record.append("audit.heartbeat", score=value)

    assert check(record.write(tmp_path / "export", LOG), witness="-").code == VERIFIED


def test_a_missing_last_newline_is_named(bundle: Bundle, check: Check) -> None:
    folder = bundle()
    entries = folder / "entries.jsonl"
    entries.write_bytes(entries.read_bytes()[:-1])

    assert check(folder).names("The line of entry 8 has no end")


@pytest.mark.parametrize("trailing", [b"\n", b" \n", b"x", b"\x00\n", b"{}\n"])
def test_trailing_bytes_are_named(trailing: bytes, bundle: Bundle, check: Check) -> None:
    folder = bundle()
    with (folder / "entries.jsonl").open("ab") as file:
        file.write(trailing)

    assert check(folder).code == NOT_VERIFIED


def test_a_first_entry_that_follows_another_is_named(tmp_path: Path, check: Check) -> None:
    record = small_record()
    record.edit(0, prev_leaf_hash="ab" * 32)

    folder = record.write(tmp_path / "export", LOG)

    assert check(folder, witness="-").names("Entry 0 says that another came before it")


# ------------------------------------------------------------------ keys and signatures


def test_the_wrong_key_is_refused(bundle: Bundle, check: Check) -> None:
    outcome = check(bundle(), log=OTHER_LOG.vkey)

    assert outcome.names("does not bear the signature of muniment.example/record")


def test_a_checkpoint_signed_by_another_key_of_the_same_name_is_refused(
    tmp_path: Path, check: Check
) -> None:
    folder = small_record().write(tmp_path / "export", OTHER_LOG)

    assert check(folder, witness="-").names("does not bear the signature")


def test_a_key_that_copies_name_and_id_of_another_gains_nothing(
    bundle: Bundle, check: Check
) -> None:
    folder = bundle()
    text = (folder / "checkpoint").read_text().split("\n\n")[0] + "\n"
    forged = base64.b64encode(LOG.key_id + OTHER_LOG.secret.sign(text.encode())).decode()
    (folder / "checkpoint").write_text(f"{text}\n\N{EM DASH} {LOG.name} {forged}\n")

    assert check(folder).names("The signature of muniment.example/record")


def test_a_stripped_witness_is_named(bundle: Bundle, check: Check) -> None:
    folder = bundle()
    strip_line(folder / "checkpoint", 5)

    assert check(folder).names("does not bear the signature of witness.example/w1")


def test_a_stripped_witness_shows_even_to_who_does_not_know_its_key(
    bundle: Bundle, check: Check
) -> None:
    folder = bundle()
    strip_line(folder / "checkpoint", 5)

    assert check(folder, witness="-").names("whose signature is not on the checkpoint")


@pytest.mark.parametrize("line", [4, 5])
def test_a_corrupt_signature_is_named(line: int, bundle: Bundle, check: Check) -> None:
    folder = bundle()
    lines = (folder / "checkpoint").read_text().split("\n")
    dash, name, value = lines[line].split(" ")
    damaged = bytearray(base64.b64decode(value))
    damaged[-1] ^= 1
    lines[line] = f"{dash} {name} {base64.b64encode(damaged).decode()}"
    (folder / "checkpoint").write_text("\n".join(lines))

    assert check(folder).names("does not hold")


def test_signatures_of_unknown_keys_are_ignored_and_counted(tmp_path: Path, check: Check) -> None:
    strangers = [SigningKey.of(f"stranger.example/{number}", 4, str(number)) for number in range(3)]
    record = small_record()
    folder = record.write(
        tmp_path / "export",
        LOG,
        COSIGNER,
        checkpoint=record.note(strangers[0], LOG, *strangers[1:], COSIGNER),
    )

    outcome = check(folder)

    assert outcome.code == VERIFIED
    assert "not relied on: 3" in outcome.said


def test_a_key_that_signs_twice_is_refused(tmp_path: Path, check: Check) -> None:
    record = small_record()
    folder = record.write(tmp_path / "export", LOG, checkpoint=record.note(LOG, LOG))

    assert check(folder, witness="-").names("signed twice")


def test_the_log_cannot_be_its_own_witness(bundle: Bundle, check: Check) -> None:
    itself = SigningKey(COSIGNER.name, 4, LOG.secret)

    assert check(bundle(), witness=itself.vkey).names("the log's own key")


def test_a_log_key_cannot_stand_for_a_witness_nor_the_other_way(
    bundle: Bundle, check: Check
) -> None:
    folder = bundle()

    assert check(folder, log=COSIGNER.vkey).names("not of type 1")
    assert check(folder, witness=OTHER_LOG.vkey).names("not of type 4")


@pytest.mark.parametrize(
    "key",
    [
        "",
        "-",
        "name",
        LOG.vkey[:-1],
        LOG.vkey + "=",
        LOG.vkey.replace("+", "+0", 1),
        "x" + LOG.vkey,
        LOG.vkey.upper(),
        "a b+00000000+AAAA",
        "n+c6da0b1f+" + base64.b64encode(b"\x01" + bytes(31)).decode(),
    ],
)
def test_a_damaged_key_is_refused(key: str, bundle: Bundle, check: Check) -> None:
    assert check(bundle(), log=key).code == NOT_VERIFIED


def test_a_checkpoint_of_another_log_is_refused(tmp_path: Path, check: Check) -> None:
    record = small_record()
    folder = record.write(
        tmp_path / "export", LOG, checkpoint=note(record.leaves(), LOG, origin="elsewhere")
    )

    assert check(folder, witness="-").names("is of another log: elsewhere")


@pytest.mark.parametrize(
    "checkpoint",
    [
        b"",
        b"\n",
        b"\xff\xfe",
        b"muniment.example/record\n9\n",
        b"muniment.example/record\n09\nAAAA\n\n\xe2\x80\x94 a b\n",
        b"muniment.example/record\n9\nAAAA\n\n\xe2\x80\x94 a AAAAAAAA\n",
        b"a\n\nb\n\n\xe2\x80\x94 a AAAAAAAA\n",
        b"a" * 2_000_000,
    ],
)
def test_a_misshapen_checkpoint_is_refused(checkpoint: bytes, bundle: Bundle, check: Check) -> None:
    folder = bundle()
    (folder / "checkpoint").write_bytes(checkpoint)

    assert check(folder).code == NOT_VERIFIED


def test_a_keys_file_with_another_log_key_is_named(bundle: Bundle, check: Check) -> None:
    folder = bundle()
    (folder / "keys.txt").write_text(f"{OTHER_LOG.vkey}\n{COSIGNER.vkey}\n")

    assert check(folder).names("keys.txt names another log key")


def test_the_files_of_convenience_may_be_missing(bundle: Bundle, check: Check) -> None:
    folder = bundle()
    (folder / "keys.txt").unlink()
    (folder / "README").unlink()

    assert check(folder).code == VERIFIED


# ------------------------------------------------------------------ payloads


def test_an_altered_payload_is_named(bundle: Bundle, check: Check) -> None:
    def alter(record: Record) -> None:
        record.payloads[4] = record.payloads[4].replace(b"Fifty", b"Forty")

    assert check(bundle(alter)).names("The payload of entry 4 was altered")


def test_swapped_payloads_are_named(bundle: Bundle, check: Check) -> None:
    def swap(record: Record) -> None:
        record.payloads[1], record.payloads[2] = record.payloads[2], record.payloads[1]

    assert check(bundle(swap)).names("The payload of entry 1 was altered")


def test_a_payload_that_was_never_promised_is_named(bundle: Bundle, check: Check) -> None:
    def add(record: Record) -> None:
        record.payloads[0] = record.payloads[1]

    assert check(bundle(add)).names("Entry 0 has a payload although it was written without one")


@pytest.mark.parametrize("name", ["9.json", "01.json", "1.JSON", "x.json", "1.json.bak", "-1.json"])
def test_a_stray_payload_is_named(name: str, bundle: Bundle, check: Check) -> None:
    folder = bundle()
    (folder / "payloads" / name).write_bytes(b"{}")

    assert check(folder).code == NOT_VERIFIED


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b'{"body":"x"}',
        b'{"salt":"","body":""}',
        b'{"salt":"AB","body":""}',
        b'{"salt":"ab","body":1}',
        b'{"salt":"ab","body":"","body":""}',
        b'{"salt":"ab","body":"","more":""}',
        b'{"salt":"ab","body":"\\ud800"}',
        b"\xff",
    ],
)
def test_a_misshapen_payload_is_named(data: bytes, bundle: Bundle, check: Check) -> None:
    folder = bundle()
    (folder / "payloads" / "1.json").write_bytes(data)

    assert check(folder).names("The payload of entry 1")


@pytest.mark.parametrize(
    "form",
    [
        rfc8785.dumps,
        lambda parts: json.dumps(parts).encode(),
        lambda parts: json.dumps(parts, indent=2).encode() + b"\n",
        lambda parts: json.dumps(parts, sort_keys=True, ensure_ascii=False).encode(),
    ],
)
def test_a_payload_may_be_written_in_any_usual_form(
    form: Callable[[object], bytes], bundle: Bundle, check: Check
) -> None:
    folder = bundle()
    path = folder / "payloads" / "2.json"
    path.write_bytes(form(json.loads(path.read_bytes())))

    assert check(folder).code == VERIFIED


def test_an_erased_payload_is_accepted(bundle: Bundle, check: Check) -> None:
    folder = bundle(lambda record: record.payloads.pop(2))

    outcome = check(folder)

    assert outcome.code == VERIFIED
    assert "5 here and unaltered; 1 not here" in outcome.said
    assert "1 erasures are on record" in outcome.said


# ------------------------------------------------------------------ redaction


def redacted_record(*, announced: list[int]) -> Record:
    record = small_record()
    record.append("audit.redaction", redacts=announced)
    record.redact(3)
    return record


def test_an_announced_redaction_is_accepted(tmp_path: Path, check: Check) -> None:
    folder = redacted_record(announced=[3]).write(tmp_path / "export", LOG, COSIGNER)

    outcome = check(folder)

    assert outcome.code == VERIFIED
    assert "Redacted entries, each announced on the record: 1" in outcome.said


@pytest.mark.parametrize("announced", [[], [2], [True], ["3"], [3.5]])
def test_an_unannounced_redaction_is_named(
    announced: list[int], tmp_path: Path, check: Check
) -> None:
    folder = redacted_record(announced=announced).write(tmp_path / "export", LOG, COSIGNER)

    assert check(folder).names("Entry 3 is redacted, and no later audit.redaction event says so")


def test_an_event_cannot_announce_the_redaction_of_what_comes_later(
    tmp_path: Path, check: Check
) -> None:
    record = Record()
    record.append("audit.redaction", redacts=[1])
    record.append("rag.ask")
    record.append("rag.refuse")
    record.redact(1)

    assert check(record.write(tmp_path / "export", LOG), witness="-").names("Entry 1 is redacted")


def test_a_redacted_announcement_announces_nothing(tmp_path: Path, check: Check) -> None:
    record = redacted_record(announced=[3])
    record.redact(9)

    assert check(record.write(tmp_path / "export", LOG), witness="-").names("Entry 3 is redacted")


def test_a_redaction_with_a_false_hash_is_noticed(tmp_path: Path, check: Check) -> None:
    record = redacted_record(announced=[3])
    genuine = record.note(LOG, COSIGNER)
    record.lines[3] = b"#" + b"ab" * 32

    folder = record.write(tmp_path / "export", LOG, COSIGNER, checkpoint=genuine)

    assert check(folder).names("entry 3 or 4 was altered")


def test_the_payload_of_a_redacted_entry_is_named(tmp_path: Path, check: Check) -> None:
    record = redacted_record(announced=[3])
    record.payloads[3] = record.payloads[4]

    folder = record.write(tmp_path / "export", LOG, COSIGNER)

    assert check(folder).names("Entry 3 is redacted, and yet its payload is here")


# ------------------------------------------------------------------ the folder


def test_foreign_files_are_named(bundle: Bundle, check: Check) -> None:
    folder = bundle()
    (folder / "notes\x1b[31m.txt").write_text("mine")

    outcome = check(folder)

    assert outcome.code == VERIFIED
    assert "No part of an export and not checked: notes?[31m.txt" in outcome.said


@pytest.mark.parametrize("missing", ["entries.jsonl", "checkpoint"])
def test_a_missing_part_is_named(missing: str, bundle: Bundle, check: Check) -> None:
    folder = bundle()
    (folder / missing).unlink()

    assert check(folder).names(f"{missing} cannot be read")


def test_a_missing_folder_is_named(tmp_path: Path, check: Check) -> None:
    assert check(tmp_path / "nowhere").names("There is no folder")


def test_the_wrong_number_of_arguments_is_answered_with_the_usage(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert bundle_verify.main([LOG.vkey]) == NOT_VERIFIED
    assert "usage: verify.py" in capsys.readouterr().err


# ------------------------------------------------------------------ the proof of one event


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 20])
def test_the_proof_of_every_event_is_verified(size: int, tmp_path: Path, check: Check) -> None:
    record = Record()
    for number in range(size):
        record.append("rag.ask", body=f'{{"question":"{number}"}}')

    for sequence in range(size):
        folder = record.write_proof(tmp_path / f"proof-{sequence}", sequence, LOG, COSIGNER)
        assert check(folder).code == VERIFIED


def test_a_proof_of_another_entry_is_noticed(tmp_path: Path, check: Check) -> None:
    record = small_record()
    folder = record.write_proof(tmp_path / "proof", 4, LOG, COSIGNER)
    record.edit(4, struck=7)
    (folder / "entry.json").write_bytes(record.lines[4] + b"\n")

    assert check(folder).names("Entry 4 is not part of the record")


def test_a_proof_under_another_place_is_noticed(tmp_path: Path, check: Check) -> None:
    folder = small_record().write_proof(tmp_path / "proof", 4, LOG, COSIGNER)
    proof = (folder / "proof").read_text()
    (folder / "proof").write_text(proof.replace("index 4", "index 5"))

    assert check(folder).names("The proof is for entry 5")


def test_an_altered_payload_of_a_proof_is_named(tmp_path: Path, check: Check) -> None:
    folder = small_record().write_proof(tmp_path / "proof", 4, LOG, COSIGNER)
    path = folder / "payloads" / "4.json"
    path.write_bytes(path.read_bytes().replace(b"Fifty", b"Forty"))

    assert check(folder).names("The payload of entry 4 was altered")


def test_a_proof_may_withhold_the_payload(tmp_path: Path, check: Check) -> None:
    folder = small_record().write_proof(tmp_path / "proof", 4, LOG, COSIGNER)
    (folder / "payloads" / "4.json").unlink()

    outcome = check(folder)

    assert outcome.code == VERIFIED
    assert "Its payload is not here" in outcome.said


def test_a_proof_holds_no_payload_of_another_event(tmp_path: Path, check: Check) -> None:
    record = small_record()
    folder = record.write_proof(tmp_path / "proof", 4, LOG, COSIGNER)
    (folder / "payloads" / "2.json").write_bytes(record.payloads[2])

    assert check(folder).names("There is a payload for entry 2")


def test_a_proof_is_compared_with_an_older_checkpoint_of_its_size_only(
    tmp_path: Path, check: Check
) -> None:
    record = small_record()
    folder = record.write_proof(tmp_path / "proof", 4, LOG, COSIGNER)
    same, shorter, other = (tmp_path / name for name in ("same", "shorter", "other"))
    same.write_text(record.note(LOG))
    shorter.write_text(note(record.leaves()[:5], LOG))
    record.edit(2, turn_id="t9")
    other.write_text(record.note(LOG))

    assert check(folder, same).code == VERIFIED
    assert check(folder, shorter).names("with a whole export only")
    assert check(folder, other).names("the record was rewritten")


def strip_line(path: Path, number: int) -> None:
    lines = path.read_text().split("\n")
    del lines[number]
    path.write_text("\n".join(lines))
