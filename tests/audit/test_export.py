"""Handing the record out: what is in an export, what is not, and that it is on record first."""

import gzip
import io
import json
import stat
import subprocess
import sys
import tarfile
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from audit import bundle_verify
from audit.errors import AuditUnavailable, EntryNotThere, ExportFailed
from audit.events import (
    DocumentIngested,
    EntryRedacted,
    KeyDestroyed,
    QuestionAsked,
    SignedIn,
    SubjectErased,
)
from audit.export import FORMS, Export, Selection, stream_export, write_export, write_proof
from audit.log import AuditLog
from audit.notes import Note, Signature, VerifierKey, parse_vkey
from audit.store import Removal
from audit.witness import KeyWitness, Prove, Request, WrongSize
from tests.audit.bundle_builder import leaf, root
from tests.audit.conftest import START, Clock

ADA, BOB = "Ada Lovelace", "Bob Kahn"


class WitnessAtHand:
    """A witness in the same process, asked as a log asks one on another host."""

    def __init__(self, witness: KeyWitness) -> None:
        self._witness = witness

    def vkey(self) -> VerifierKey:
        return self._witness.vkey()

    def late(self) -> list[tuple[int, list[Signature]]]:
        return []

    def cosign(self, note: Note, prove: Prove) -> list[Signature]:
        try:
            return [self._witness.add(Request(0, (), note))]
        except WrongSize as error:
            return [self._witness.add(Request(error.size, tuple(prove(error.size)), note))]


@pytest.fixture
def filled(log: AuditLog) -> AuditLog:
    """A record with two people, a document and a matterless question of each."""
    log.append(SignedIn(person=ADA))
    log.append(QuestionAsked(ADA, "t1", "c1", "Wie hoch ist die Gebühr? 手数料 😀"))
    log.append(
        DocumentIngested(
            source="Policies",
            document_id="d1",
            version_id="v1",
            version_number=1,
            original="ab" * 32,
            path="leave.pdf",
            pages=3,
            chunks=7,
        )
    )
    log.append(QuestionAsked(BOB, "t2", "c2", "What is the fee?"))
    return log


def wanted(form: str = "bundle", *, with_payloads: bool = True, **selection: Any) -> Export:
    return Export(
        form=form,
        person="Grace",
        version="0.1.0",
        selection=Selection(**selection),
        with_payloads=with_payloads,
    )


def checked(log: AuditLog, folder: Path, *old: Path, witness: str = "-") -> str:
    """What the verifier in a folder says, run alone."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", folder / "verify.py", log.log_vkey, witness, folder, *old],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# ------------------------------------------------------------------ the bundle


def test_a_bundle_is_verified_by_the_verifier_in_it(filled: AuditLog, tmp_path: Path) -> None:
    count = write_export(filled, tmp_path / "out", wanted())

    said = checked(filled, tmp_path / "out")

    assert count == 5
    assert "5 entries" in said
    assert "5 here and unaltered; 0 not here" in said
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        bundle_verify.BUNDLE_FILES
    )


def test_a_second_implementation_finds_the_same_root(filled: AuditLog, tmp_path: Path) -> None:
    write_export(filled, tmp_path / "out", wanted())
    lines = (tmp_path / "out" / "entries.jsonl").read_bytes().splitlines()

    assert root([leaf(line) for line in lines]) == filled.root()


def test_the_first_line_of_its_keys_is_the_key_of_the_log(filled: AuditLog, tmp_path: Path) -> None:
    write_export(filled, tmp_path / "out", wanted())

    assert (tmp_path / "out" / "keys.txt").read_text() == filled.log_vkey + "\n"


def test_payloads_have_the_form_that_was_promised(filled: AuditLog, tmp_path: Path) -> None:
    write_export(filled, tmp_path / "out", wanted())

    payload = json.loads((tmp_path / "out" / "payloads" / "1.json").read_text())

    assert sorted(payload) == ["body", "salt"]
    assert json.loads(payload["body"])["question"] == "Wie hoch ist die Gebühr? 手数料 😀"


def test_that_it_is_handed_out_is_the_last_entry_in_it(filled: AuditLog, tmp_path: Path) -> None:
    write_export(filled, tmp_path / "out", wanted(person=ADA))

    entry = filled.entries()[-1]

    assert entry.type == "export.audit"
    assert entry.envelope["form"] == "bundle"
    assert (entry.payload or {})["selection"] == f"person {ADA}"
    assert f'"seq":{entry.sequence}' in (tmp_path / "out" / "entries.jsonl").read_text()


def test_a_witness_that_signed_is_among_its_keys(tmp_path: Path, clock: Clock) -> None:
    with closing(AuditLog.open(tmp_path / "audit", clock=clock)) as plain:
        log_key = parse_vkey(plain.log_vkey)
    witness = KeyWitness(tmp_path / "witness", logs=[log_key], clock=clock)
    at_hand = WitnessAtHand(witness)
    with closing(AuditLog.open(tmp_path / "audit", clock=clock, witnesses=[at_hand])) as log:
        log.append(SignedIn(person=ADA))
        write_export(log, tmp_path / "out", wanted())
        write_proof(log, 0, tmp_path / "proof", person="Grace")

        for name in ("out", "proof"):
            said = checked(log, tmp_path / name, witness=str(witness.vkey()))
            assert f"cosigned by {witness.vkey().name}" in said
    keys = (tmp_path / "out" / "keys.txt").read_text().splitlines()
    assert keys == [str(log_key), str(witness.vkey())]


def test_a_filtered_bundle_holds_every_envelope_and_only_the_chosen_payloads(
    filled: AuditLog, tmp_path: Path
) -> None:
    write_export(filled, tmp_path / "out", wanted(person=ADA))

    said = checked(filled, tmp_path / "out")

    assert "5 entries" in said
    assert sorted(path.name for path in (tmp_path / "out" / "payloads").iterdir()) == [
        "0.json",
        "1.json",
    ]
    assert f"person {ADA}" in (tmp_path / "out" / "README").read_text()


def test_a_bundle_may_leave_out_all_names_and_texts(filled: AuditLog, tmp_path: Path) -> None:
    write_export(filled, tmp_path / "out", wanted(with_payloads=False))

    checked(filled, tmp_path / "out")

    assert list((tmp_path / "out" / "payloads").iterdir()) == []
    assert "Lovelace" not in (tmp_path / "out" / "entries.jsonl").read_text()


def test_an_erased_payload_is_not_there_and_the_bundle_still_verifies(
    filled: AuditLog, tmp_path: Path
) -> None:
    keys = tuple(row.key_id for row in filled.keys_of(ADA))
    erased = SubjectErased(
        person="Grace",
        subject=ADA,
        ground="request",
        approval=None,
        count=2,
        keys=tuple(map(KeyDestroyed, keys)),
    )
    filled.append_and_remove(erased, Removal(keys=keys, payloads=(0, 1)))

    write_export(filled, tmp_path / "out", wanted())

    said = checked(filled, tmp_path / "out")
    assert "2 not here" in said
    assert "1 erasures are on record" in said
    assert not (tmp_path / "out" / "payloads" / "1.json").exists()


def test_a_redacted_entry_is_its_hash_and_the_bundle_still_verifies(
    filled: AuditLog, tmp_path: Path
) -> None:
    filled.append_and_remove(
        EntryRedacted(person="Grace", redacts=(1,), ground="order", approval=None),
        Removal(lines=(1,), payloads=(1,)),
    )

    write_export(filled, tmp_path / "out", wanted())

    assert "Redacted entries, each announced on the record: 1" in checked(filled, tmp_path / "out")
    lines = (tmp_path / "out" / "entries.jsonl").read_text().splitlines()
    assert lines[1].startswith("#")


def test_the_checkpoint_of_an_earlier_export_is_checked_against_a_later_one(
    filled: AuditLog, tmp_path: Path
) -> None:
    write_export(filled, tmp_path / "june", wanted())
    filled.append(SignedIn(person=BOB))
    write_export(filled, tmp_path / "july", wanted())

    said = checked(filled, tmp_path / "july", tmp_path / "june" / "checkpoint")

    assert "The older checkpoint of 5 entries is of this very history" in said


def test_the_record_that_is_empty_but_for_the_export_is_handed_out(
    log: AuditLog, tmp_path: Path
) -> None:
    assert write_export(log, tmp_path / "out", wanted()) == 1

    assert "1 entries" in checked(log, tmp_path / "out")


# ------------------------------------------------------------------ the other forms


DERIVED = [form for form in FORMS if form != "bundle"]


@pytest.mark.parametrize("form", DERIVED)
def test_every_form_is_written_and_on_record(form: str, filled: AuditLog, tmp_path: Path) -> None:
    count = write_export(filled, tmp_path / "out", wanted(form))

    assert count == 5
    assert (tmp_path / "out").stat().st_size > 100
    assert filled.entries()[-1].envelope["form"] == form


def sequences(log: AuditLog, output: Path, **selection: Any) -> list[int]:
    count = write_export(log, output, wanted("jsonl", **selection))
    found = [json.loads(line)["seq"] for line in output.read_text().splitlines()]
    assert count == len(found)
    return found


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ({"person": ADA}, [0, 1]),
        ({"person": "Nobody"}, []),
        ({"type": "rag.ask"}, [1, 3]),
        ({"type": "rag"}, [1, 3]),
        ({"type": "auth,doc.ingest"}, [0, 2]),
        ({"type": "rag,rag.ask"}, [1, 3]),
        ({"document": "d1"}, [2]),
        ({"person": BOB, "type": "auth"}, []),
    ],
)
def test_a_derived_form_holds_only_what_was_chosen(
    selection: dict[str, object], expected: list[int], filled: AuditLog, tmp_path: Path
) -> None:
    assert sequences(filled, tmp_path / "out", **selection) == expected


def test_time_is_chosen_from_a_moment_on_and_before_another(
    filled: AuditLog, tmp_path: Path
) -> None:
    first, second, third, *_ = (entry.at for entry in filled.entries())

    found = sequences(filled, tmp_path / "out", since=second, until=third)

    assert first < second
    assert found == [1]


def test_many_entries_come_in_their_order(log: AuditLog, tmp_path: Path) -> None:
    log.append_all([QuestionAsked(ADA, f"t{number}", "c", "?") for number in range(1203)])
    seen: list[tuple[int, int]] = []

    write_export(log, tmp_path / "out", wanted("jsonl"), progress=lambda *step: seen.append(step))

    lines = (tmp_path / "out").read_text().splitlines()
    assert [json.loads(line)["seq"] for line in lines] == list(range(1204))
    assert seen == [(500, 1204), (1000, 1204), (1204, 1204)]


@pytest.mark.parametrize("form", DERIVED)
def test_names_and_texts_can_be_left_out_of_every_form(
    form: str, filled: AuditLog, tmp_path: Path
) -> None:
    write_export(filled, tmp_path / "out", wanted(form, with_payloads=False))

    data = (tmp_path / "out").read_bytes()
    assert b"Lovelace" not in data
    assert b"What is the fee" not in data


# ------------------------------------------------------------------ streaming


def test_a_streamed_bundle_is_an_archive_that_verifies(filled: AuditLog, tmp_path: Path) -> None:
    download = stream_export(filled, wanted())

    data = b"".join(download.chunks)

    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        archive.extractall(tmp_path)  # noqa: S202 - made by the test itself
    assert download.filename.startswith("muniment-record-2026")
    assert download.filename.endswith(".tar.gz")
    checked(filled, tmp_path / "muniment-record")


def test_a_stream_is_on_record_before_its_first_byte(filled: AuditLog) -> None:
    download = stream_export(filled, wanted("csv"))

    assert filled.entries()[-1].type == "export.audit"
    assert next(download.chunks)


def test_an_archive_is_whole(filled: AuditLog) -> None:
    data = gzip.decompress(b"".join(stream_export(filled, wanted()).chunks))

    assert data.endswith(b"\0" * 1024)
    assert len(data) % 512 == 0


# ------------------------------------------------------------------ the proof of one event


@pytest.mark.parametrize("sequence", [0, 1, 3])
def test_a_proof_holds_one_event_and_verifies(
    sequence: int, filled: AuditLog, tmp_path: Path
) -> None:
    write_proof(filled, sequence, tmp_path / "proof", person="Grace")

    said = checked(filled, tmp_path / "proof")

    assert f"Entry {sequence} is one of the 5" in said
    everything = "".join(
        path.read_text() for path in (tmp_path / "proof").rglob("*") if path.is_file()
    )
    others = {"t1", "t2"} - {f"t{1 + sequence // 2}"} if sequence else {"t1", "t2"}
    assert not any(f'"{other}"' in everything for other in others)


def test_a_proof_may_leave_out_names_and_texts(filled: AuditLog, tmp_path: Path) -> None:
    write_proof(filled, 1, tmp_path / "proof", person="Grace", with_payload=False)

    assert "Its payload is not here" in checked(filled, tmp_path / "proof")


def test_that_a_proof_is_handed_out_is_on_record(filled: AuditLog, tmp_path: Path) -> None:
    write_proof(filled, 1, tmp_path / "proof", person="Grace")

    entry = filled.entries()[-1]

    assert (entry.type, entry.envelope["form"]) == ("export.audit", "proof")


@pytest.mark.parametrize("sequence", [-1, 4, 10**18])
def test_an_entry_that_is_not_there_cannot_be_proved(
    sequence: int, filled: AuditLog, tmp_path: Path
) -> None:
    with pytest.raises(EntryNotThere, match="the record holds 4"):
        write_proof(filled, sequence, tmp_path / "proof", person="Grace")

    assert filled.count() == 4


def test_a_redacted_entry_cannot_be_proved(filled: AuditLog, tmp_path: Path) -> None:
    filled.append_and_remove(
        EntryRedacted(person="Grace", redacts=(1,), ground="order", approval=None),
        Removal(lines=(1,), payloads=(1,)),
    )

    with pytest.raises(EntryNotThere, match="was redacted"):
        write_proof(filled, 1, tmp_path / "proof", person="Grace")


# ------------------------------------------------------------------ what can go wrong


@pytest.mark.parametrize("form", ["bundle", "csv"])
def test_only_its_owner_may_read_it(form: str, filled: AuditLog, tmp_path: Path) -> None:
    write_export(filled, tmp_path / "out", wanted(form))

    paths = [tmp_path / "out", *(tmp_path / "out").rglob("*")]
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 for path in paths)


@pytest.mark.parametrize("form", list(FORMS))
def test_nothing_is_handed_out_that_is_not_on_record(
    form: str, filled: AuditLog, tmp_path: Path
) -> None:
    filled.path.unlink()

    with pytest.raises(AuditUnavailable):
        write_export(filled, tmp_path / "out", wanted(form))
    with pytest.raises(AuditUnavailable):
        stream_export(filled, wanted(form))

    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("form", ["bundle", "csv"])
def test_an_export_that_stops_half_way_leaves_nothing(
    form: str, log: AuditLog, tmp_path: Path
) -> None:
    log.append_all([QuestionAsked(ADA, f"t{number}", "c", "?") for number in range(600)])

    def vanish(_done: int, _total: int) -> None:
        raise AuditUnavailable("gone")

    with pytest.raises(AuditUnavailable):
        write_export(log, tmp_path / "out", wanted(form), progress=vanish)

    assert [path.name for path in tmp_path.iterdir()] == ["audit"]


def test_what_exists_is_never_replaced(filled: AuditLog, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("earlier")
    (tmp_path / "folder" / "in").mkdir(parents=True)
    (tmp_path / "link").symlink_to("nowhere")

    for name in ("file", "folder", "link"):
        with pytest.raises(ExportFailed, match="exists"):
            write_export(filled, tmp_path / name, wanted())
        with pytest.raises(ExportFailed, match="exists"):
            write_proof(filled, 1, tmp_path / name, person="Grace")
    assert (tmp_path / "file").read_text() == "earlier"
    assert filled.count() == 4


def test_an_empty_folder_will_do_for_a_bundle_and_not_for_a_file(
    filled: AuditLog, tmp_path: Path
) -> None:
    for name in ("bundle", "proof", "file"):
        (tmp_path / name).mkdir()

    write_export(filled, tmp_path / "bundle", wanted())
    write_proof(filled, 1, tmp_path / "proof", person="Grace")

    assert checked(filled, tmp_path / "bundle")
    assert checked(filled, tmp_path / "proof")
    with pytest.raises(ExportFailed, match="exists"):
        write_export(filled, tmp_path / "file", wanted("csv"))


def test_a_missing_folder_is_a_sentence(filled: AuditLog, tmp_path: Path) -> None:
    with pytest.raises(ExportFailed, match="Make it first"):
        write_export(filled, tmp_path / "missing" / "out", wanted())

    assert filled.count() == 4


def test_a_disk_that_refuses_is_a_sentence(filled: AuditLog) -> None:
    with pytest.raises(ExportFailed, match=r"(could not be written|cannot be written)"):
        write_export(filled, Path("/proc/out"), wanted("csv"))


def test_an_unknown_form_is_a_sentence(filled: AuditLog, tmp_path: Path) -> None:
    with pytest.raises(ExportFailed, match="There is no format doc; there are bundle"):
        write_export(filled, tmp_path / "out", wanted("doc"))
    with pytest.raises(ExportFailed, match="There is no format doc"):
        stream_export(filled, wanted("doc"))

    assert filled.count() == 4


def test_the_selection_is_told_in_words() -> None:
    selection = Selection(since=START, until=START + timedelta(days=1), matter="m-1", type="rag")

    assert selection.words() == (
        "from 2026-11-22 09:00:00, before 2026-11-23 09:00:00, matter m-1, type rag"
    )


def test_the_progress_of_a_bundle_ends_at_its_end(filled: AuditLog, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []

    write_export(filled, tmp_path / "out", wanted(), progress=lambda *step: seen.append(step))

    assert seen[-1] == (10, 10)
    assert sorted(seen) == seen
