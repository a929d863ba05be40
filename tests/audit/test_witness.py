"""A witness never goes back: what it has cosigned nobody can rewrite, not even the log."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from audit.errors import NoteInvalid, ProofInvalid, WitnessUnavailable
from audit.events import Event
from audit.log import AuditLog
from audit.merkle import consistency_path, hash_leaf, root_at, root_of
from audit.notes import (
    Checkpoint,
    Note,
    check_note,
    parse_checkpoint,
    parse_note,
    parse_vkey,
    sign_checkpoint,
)
from audit.signer import KeySigner, Signed
from audit.witness import (
    FolderWitness,
    HttpWitness,
    KeyWitness,
    Request,
    WitnessServer,
    WrongSize,
    answer_folder,
    parse_request,
)

Ask = Callable[..., Event]
Fill = Callable[[AuditLog, int], None]

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LEAVES = [hash_leaf(str(number).encode()) for number in range(64)]


def node(level: int, index: int) -> bytes:
    return root_of(LEAVES[index << level : (index + 1) << level])


@pytest.fixture
def signer(tmp_path: Path) -> KeySigner:
    return KeySigner(tmp_path / "signer")


@pytest.fixture
def witness(tmp_path: Path, signer: KeySigner) -> KeyWitness:
    return KeyWitness(tmp_path / "witness", logs=[signer.vkey()], clock=lambda: NOW)


@pytest.fixture
def server(witness: KeyWitness) -> Iterator[WitnessServer]:
    made = WitnessServer(witness, host="127.0.0.1", port=0)
    stop = threading.Event()
    thread = threading.Thread(
        target=made.run_until,
        args=(stop,),
        kwargs={"silence_seconds": 60.0, "alarm": lambda _seconds: None},
    )
    thread.start()
    yield made
    stop.set()
    thread.join()


def note_of(signer: KeySigner, size: int) -> Note:
    signer.vkey()
    private, public = signer._key()
    return sign_checkpoint(Checkpoint(public.name, size, root_at(size, node)), private)


def request(signer: KeySigner, old: int, new: int) -> Request:
    return Request(old, tuple(consistency_path(old, new, node)), note_of(signer, new))


def test_it_cosigns_what_extends_the_last_state(signer: KeySigner, witness: KeyWitness) -> None:
    for old, new in ((0, 3), (3, 8), (8, 8), (8, 64)):
        wanted = request(signer, old, new)

        signature = witness.add(wanted)

        time = check_note(wanted.note.with_signatures([signature]), witness.vkey())
        assert time == int(NOW.timestamp())
        assert witness.last(signer.vkey().name) == (new, root_at(new, node))


def test_it_never_goes_back(signer: KeySigner, witness: KeyWitness) -> None:
    witness.add(request(signer, 0, 8))

    with pytest.raises(WrongSize) as refusal:
        witness.add(request(signer, 3, 5))
    with pytest.raises(ProofInvalid):
        witness.add(Request(8, (), note_of(signer, 5)))

    assert refusal.value.size == 8


def test_it_refuses_a_history_rewritten_with_the_logs_own_key(
    signer: KeySigner, witness: KeyWitness
) -> None:
    witness.add(request(signer, 0, 8))
    private, public = signer._key()
    forged = sign_checkpoint(Checkpoint(public.name, 16, b"\x07" * 32), private)

    with pytest.raises(ProofInvalid):
        witness.add(Request(8, tuple(consistency_path(8, 16, node)), forged))


def test_it_refuses_logs_it_does_not_know(tmp_path: Path, witness: KeyWitness) -> None:
    stranger = KeySigner(tmp_path / "stranger")

    with pytest.raises(NoteInvalid, match="not one that this witness was told"):
        witness.add(request(stranger, 0, 3))


def test_it_refuses_a_signature_that_does_not_hold(signer: KeySigner, witness: KeyWitness) -> None:
    good = note_of(signer, 3)
    altered = Note(good.text.replace("\n3\n", "\n4\n"), good.signatures)

    with pytest.raises(NoteInvalid, match="does not hold"):
        witness.add(Request(0, (), altered))


def test_a_witness_that_forgot_does_not_begin_again(
    signer: KeySigner, witness: KeyWitness, tmp_path: Path
) -> None:
    witness.add(request(signer, 0, 3))
    (state,) = (tmp_path / "witness").glob("*.state.json")
    state.write_text("{}")

    with pytest.raises(NoteInvalid, match="must begin with a new key"):
        witness.add(request(signer, 3, 8))


def test_a_request_is_written_as_it_is_read(signer: KeySigner) -> None:
    wanted = request(signer, 3, 8)

    assert parse_request(str(wanted)) == wanted


@pytest.mark.parametrize("written", ["", "old x\n\n", "old 3\nno base64!\n\ntext\n\n", "old 3\n"])
def test_what_is_no_request_is_refused(written: str) -> None:
    with pytest.raises(NoteInvalid):
        parse_request(written)


class TestOverHttp:
    @pytest.fixture
    def log(
        self, tmp_path: Path, signer: KeySigner, witness: KeyWitness, server: WitnessServer
    ) -> Iterator[AuditLog]:
        client = HttpWitness(f"http://127.0.0.1:{server.server_address[1]}/", witness.vkey())
        folder = tmp_path / "audit"
        with closing(AuditLog.open(folder, signer=signer, witnesses=[client])) as made:
            yield made

    def test_every_checkpoint_is_cosigned(
        self, log: AuditLog, fill: Fill, witness: KeyWitness
    ) -> None:
        for _ in range(3):
            fill(log, 5)

            check_note(parse_note(log.checkpoint()), witness.vkey())

        assert log.witness_vkeys == (str(witness.vkey()),)

    def test_a_log_that_starts_again_asks_where_the_witness_is(
        self, log: AuditLog, fill: Fill, witness: KeyWitness, server: WitnessServer
    ) -> None:
        fill(log, 5)
        log.checkpoint()
        fill(log, 5)
        again = HttpWitness(f"http://127.0.0.1:{server.server_address[1]}", witness.vkey())
        note = parse_note(log._signer.sign(_state_of(log), log.consistency_proof(5, 10)))

        signatures = again.cosign(note, lambda old: log.consistency_proof(old, 10))

        check_note(note.with_signatures(signatures), witness.vkey())

    def test_a_log_that_was_cut_off_is_told(
        self, log: AuditLog, fill: Fill, signer: KeySigner, server: WitnessServer
    ) -> None:
        fill(log, 10)
        log.checkpoint()
        again = HttpWitness(
            f"http://127.0.0.1:{server.server_address[1]}", parse_vkey(log.witness_vkeys[0])
        )

        with pytest.raises(WitnessUnavailable, match="cosigned 10 entries, but there are only 3"):
            again.cosign(note_of(signer, 3), lambda old: log.consistency_proof(old, 3))

    def test_a_witness_that_is_away_keeps_no_checkpoint_back(
        self, tmp_path: Path, fill: Fill, witness: KeyWitness, caplog: pytest.LogCaptureFixture
    ) -> None:
        away = HttpWitness("http://127.0.0.1:9", witness.vkey())
        with closing(AuditLog.open(tmp_path / "alone", witnesses=[away])) as log:
            fill(log, 3)

            assert parse_checkpoint(log.checkpoint()).size == 3
        assert "witness.away" in caplog.text


class TestThroughAFolder:
    @pytest.fixture
    def stick(self, tmp_path: Path) -> Path:
        folder = tmp_path / "stick"
        folder.mkdir()
        return folder

    def test_the_answer_is_taken_over_when_the_stick_comes_back(
        self, tmp_path: Path, stick: Path, signer: KeySigner, witness: KeyWitness, fill: Fill
    ) -> None:
        carried = FolderWitness(stick, witness.vkey())
        folder = tmp_path / "audit"
        with closing(AuditLog.open(folder, signer=signer, witnesses=[carried])) as log:
            for size in (5, 10, 15):
                fill(log, 5)
                log.checkpoint()
                assert log.collect_cosignatures() == 0

                ((_, how),) = answer_folder(witness, stick)
                assert how == f"cosigned {size} entries"
                assert log.collect_cosignatures() == 1

                newest = log.newest_checkpoint()
                assert newest is not None
                check_note(parse_note(newest), witness.vkey())

    def test_requests_that_wait_are_replaced_by_later_ones(
        self, tmp_path: Path, stick: Path, signer: KeySigner, witness: KeyWitness, fill: Fill
    ) -> None:
        carried = FolderWitness(stick, witness.vkey())
        folder = tmp_path / "audit"
        with closing(AuditLog.open(folder, signer=signer, witnesses=[carried])) as log:
            for _ in range(3):
                fill(log, 5)
                log.checkpoint()

        assert [how for _, how in answer_folder(witness, stick)] == ["cosigned 15 entries"]

    def test_nonsense_on_the_stick_is_refused_and_the_rest_answered(
        self, stick: Path, signer: KeySigner, witness: KeyWitness
    ) -> None:
        (stick / "a.request").write_text("nonsense")
        (stick / "b.request").write_text(str(request(signer, 0, 3)))

        ended = answer_folder(witness, stick)

        assert [how.split(":")[0] for _, how in ended] == ["REFUSED", "cosigned 3 entries"]


def _state_of(log: AuditLog) -> Signed:
    return Signed(log.count(), log.root())
