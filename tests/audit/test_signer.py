"""A signer vouches for one history only, whoever asks it."""

import json
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from audit.errors import SignerUnavailable
from audit.events import Event
from audit.log import AuditLog
from audit.merkle import consistency_path, hash_leaf, root_at, root_of
from audit.notes import check_note, parse_checkpoint, parse_note, parse_vkey
from audit.signer import KeySigner, Signed, SignerClient, SignerServer

Ask = Callable[..., Event]
Fill = Callable[[AuditLog, int], None]

LEAVES = [hash_leaf(str(number).encode()) for number in range(64)]


def node(level: int, index: int) -> bytes:
    return root_of(LEAVES[index << level : (index + 1) << level])


def state(size: int) -> Signed:
    return Signed(size, root_at(size, node))


@pytest.fixture
def signer(tmp_path: Path) -> KeySigner:
    return KeySigner(tmp_path / "signer")


@pytest.fixture
def served(signer: KeySigner) -> Iterator[SignerClient]:
    path = signer.folder / "a-long-name" / ("x" * 100) / "socket"
    stop = threading.Event()
    server = SignerServer(signer, path)
    thread = threading.Thread(target=server.run_until, args=(stop,))
    thread.start()
    yield SignerClient(path)
    stop.set()
    thread.join()
    assert not path.exists()


@pytest.fixture(params=["key", "socket"])
def either(request: pytest.FixtureRequest) -> KeySigner | SignerClient:
    found: KeySigner | SignerClient = request.getfixturevalue(
        "signer" if request.param == "key" else "served"
    )
    return found


def test_it_signs_what_extends_the_last_state(either: KeySigner | SignerClient) -> None:
    last = 0
    for size in (0, 1, 5, 5, 64):
        note = either.sign(state(size), consistency_path(last, size, node))

        check_note(parse_note(note), either.vkey())
        assert parse_checkpoint(note).size == size
        assert either.last() == state(size)
        last = size


@pytest.mark.parametrize(
    ("wanted", "proof"),
    [
        (Signed(8, b"\x00" * 32), []),
        (state(7), []),
        (Signed(16, b"\x00" * 32), consistency_path(8, 16, node)),
        (state(16), []),
        (state(16), consistency_path(7, 16, node)),
    ],
    ids=["rewritten", "cut off", "another root", "no proof", "proof from elsewhere"],
)
def test_it_refuses_what_does_not_extend_the_last_state(
    either: KeySigner | SignerClient, wanted: Signed, proof: list[bytes]
) -> None:
    either.sign(state(8), [])

    with pytest.raises(SignerUnavailable, match=r"refuses to sign: it has signed 8 entries"):
        either.sign(wanted, proof)

    assert either.last() == state(8)


def test_only_its_owner_may_read_the_key(signer: KeySigner) -> None:
    signer.vkey()

    assert stat.S_IMODE((signer.folder / "key").stat().st_mode) == 0o600
    assert stat.S_IMODE(signer.folder.stat().st_mode) == 0o700


def test_it_keeps_its_key_and_its_memory(signer: KeySigner) -> None:
    signer.sign(state(8), [])

    again = KeySigner(signer.folder)

    assert again.vkey() == signer.vkey()
    assert again.last() == state(8)


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("state.json", None),
        ("state.json", b"{"),
        ("key", None),
        ("key", b"short"),
        ("key", b"k" * 32),
    ],
)
def test_a_signer_that_lost_something_signs_nothing(
    signer: KeySigner, file: str, damage: bytes | None
) -> None:
    signer.sign(state(8), [])
    path = signer.folder / file
    path.write_bytes(damage) if damage is not None else path.unlink()

    with pytest.raises(SignerUnavailable):
        signer.sign(state(16), consistency_path(8, 16, node))


def test_a_first_start_that_was_cut_short_is_taken_up(signer: KeySigner) -> None:
    signer.folder.mkdir()
    (signer.folder / "key").write_bytes(b"left behind")

    signer.sign(state(3), [])

    assert signer.last() == state(3)


def test_nobody_listening_is_a_sentence(tmp_path: Path) -> None:
    client = SignerClient(tmp_path / "socket")

    assert not client.answers()
    with pytest.raises(SignerUnavailable, match="Start it: `muniment serve signer`"):
        client.sign(state(1), [])


def test_a_second_signer_on_one_socket_is_refused(served: SignerClient, signer: KeySigner) -> None:
    with pytest.raises(SignerUnavailable, match="Another signer listens"):
        SignerServer(signer, served._path)

    assert served.answers()


def test_nonsense_is_refused_and_the_signer_goes_on(served: SignerClient) -> None:
    for nonsense in ({}, {"do": "nothing"}, {"do": "sign"}, {"do": "sign", "size": "x"}):
        with pytest.raises(SignerUnavailable, match="does not understand"):
            served._ask(dict(nonsense))

    assert served.sign(state(2), [])


def test_it_runs_as_a_process_of_its_own_and_takes_up_after_a_kill(tmp_path: Path) -> None:
    environment = {**os.environ, "MUNIMENT_DATA": str(tmp_path)}
    client = SignerClient(tmp_path / "signer" / "socket")
    for size, last in ((8, 0), (16, 8)):
        process = subprocess.Popen(
            [sys.executable, "-m", "muniment", "serve", "signer"], env=environment
        )
        try:
            _wait_until(client.answers)
            note = client.sign(state(size), consistency_path(last, size, node))
            assert parse_checkpoint(note).size == size
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()


class TestLog:
    def test_a_checkpoint_covers_what_is_on_record(self, log: AuditLog, fill: Fill) -> None:
        fill(log, 5)

        note = log.checkpoint()

        checkpoint = parse_checkpoint(note)
        assert (checkpoint.size, checkpoint.root) == (5, log.root(5))
        check_note(parse_note(note), parse_vkey(log.log_vkey))
        assert log.unsigned() == 0
        assert log.newest_checkpoint() == note

    def test_nothing_new_is_not_signed_again(self, log: AuditLog, fill: Fill) -> None:
        fill(log, 5)

        assert log.checkpoint() == log.checkpoint()

    def test_a_record_that_was_cut_off_is_not_signed(
        self, log: AuditLog, fill: Fill, tmp_path: Path
    ) -> None:
        """A copy from before: the signer knows better."""
        fill(log, 5)
        log.close()
        copy = tmp_path / "copy" / "audit.db"
        copy.parent.mkdir()
        copy.write_bytes(log.path.read_bytes())
        with closing(AuditLog.open(log.path.parent)) as later:
            fill(later, 5)
            later.checkpoint()
        log.path.write_bytes(copy.read_bytes())

        with (
            closing(AuditLog.open(log.path.parent)) as old,
            pytest.raises(SignerUnavailable, match="has signed 10 entries, but there are only 5"),
        ):
            old.checkpoint()

    def test_a_rewritten_record_is_not_signed(
        self, log: AuditLog, fill: Fill, tmp_path: Path, asked: Ask
    ) -> None:
        fill(log, 5)
        log.checkpoint()
        rewritten = KeySigner(tmp_path / "audit" / "signer")
        with closing(AuditLog.open(tmp_path / "other", signer=rewritten)) as other:
            other.append_all([asked(number) for number in range(9)])

            with pytest.raises(SignerUnavailable, match="does not extend them"):
                other.checkpoint()

    def test_every_state_of_a_grown_record_extends_the_one_before(
        self, log: AuditLog, asked: Ask
    ) -> None:
        """Across tiles: 256 entries fill one."""
        for count in (1, 254, 1, 1, 300, 7):
            log.append_all([asked(number) for number in range(count)])
            note = log.checkpoint()

            size = parse_checkpoint(note).size
            leaves = [bytes.fromhex(each) for each in log.store.leaf_hashes(0, size - 1)]
            assert parse_checkpoint(note).root == root_of(leaves)

    def test_signer_state_holds_the_newest_root(self, log: AuditLog, fill: Fill) -> None:
        fill(log, 5)
        log.checkpoint()

        written = json.loads((log.path.parent / "signer" / "state.json").read_text())
        assert written == {"size": 5, "root": log.root().hex()}


def _wait_until(happened: Callable[[], bool]) -> None:
    waiting = threading.Event()
    for _ in range(300):
        if happened():
            return
        waiting.wait(0.1)
    raise AssertionError("it did not happen within 30 s")
