"""What signs the record: it vouches for one history only.

A signer remembers the last state it has signed, and signs another only where a proof shows
that it extends that one. So a program that writes the record cannot have a rewritten one
signed, not even whoever took that program over. It is meant to run as a process of its own,
under a user of its own, whose key nobody else can read.
"""

import base64
import contextlib
import json
import os
import secrets
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.errors import AuditUnavailable, NoteInvalid, ProofInvalid, SignerUnavailable
from audit.files import alone_in, write_durably
from audit.keys import read_or_make_secret
from audit.merkle import EMPTY_ROOT, check_consistency
from audit.notes import (
    LOG_SIGNATURE,
    Checkpoint,
    VerifierKey,
    parse_vkey,
    sign_checkpoint,
    verifier_key,
)

KEY = "key"
STATE = "state.json"
LOG_VKEY = "log.vkey"
ORIGIN_BYTES = 8
ANSWER_SECONDS = 5.0
LONGEST_MESSAGE_BYTES = 64 * 1024
HERE = "The signer"


@dataclass(frozen=True, slots=True)
class Signed:
    """The last state that was signed."""

    size: int = 0
    root: bytes = EMPTY_ROOT


class Signer(Protocol):
    """What signs the states of one log.

    Every method raises ``SignerUnavailable`` where the signer does not answer or refuses.
    """

    def vkey(self) -> VerifierKey:
        """Return the log's public key, whose name is the log's origin."""
        ...

    def last(self) -> Signed:
        """Return the last state that was signed."""
        ...

    def sign(self, state: Signed, proof: Sequence[bytes]) -> str:
        """Return the signed checkpoint of a state, which the proof leads to from the last one.

        That it was signed is remembered durably before the signature leaves.
        """
        ...


class KeySigner:
    """A signer with its key in a folder: ``key`` (0600), ``state.json``, ``log.vkey``.

    The key is made with the folder, once; a key without its state signs nothing, for what it
    signed before is not known.

    Args:
        folder: Its own.
        randomness: Gives that many random bytes, for the key and the log's name.
    """

    def __init__(
        self, folder: Path, *, randomness: Callable[[int], bytes] = secrets.token_bytes
    ) -> None:
        self.folder = folder
        self._randomness = randomness

    def vkey(self) -> VerifierKey:
        """Return the log's public key."""
        with self._alone():
            return self._key()[1]

    def last(self) -> Signed:
        """Return the last state that was signed."""
        with self._alone():
            self._key()
            return self._state()

    def sign(self, state: Signed, proof: Sequence[bytes]) -> str:
        """Sign a state that extends the last one."""
        with self._alone():
            private, public = self._key()
            last = self._state()
            try:
                check_consistency(
                    old=last.size,
                    old_root=last.root,
                    new=state.size,
                    new_root=state.root,
                    path=proof,
                )
            except ProofInvalid as error:
                raise SignerUnavailable(
                    f"{HERE} refuses to sign: it has signed {last.size} entries, and the record "
                    f"of {state.size} entries does not extend them. Somebody has removed or "
                    "rewritten entries, or an old backup was brought back. Verify the record "
                    "against the last checkpoint that was handed out."
                ) from error
            note = sign_checkpoint(Checkpoint(public.name, state.size, state.root), private)
            self._remember(state)
            return str(note)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            with alone_in(self.folder):
                yield
        except OSError as error:
            raise SignerUnavailable(
                f"{HERE} cannot use its folder {self.folder}: {error.strerror}."
            ) from error

    def _key(self) -> tuple[Ed25519PrivateKey, VerifierKey]:
        path = self.folder / LOG_VKEY
        if not path.exists():
            self._make_key()
        try:
            seed = read_or_make_secret(self.folder / KEY, _no_new_key)
            public = parse_vkey(path.read_text(encoding="ascii"))
            private = Ed25519PrivateKey.from_private_bytes(seed)
        except (AuditUnavailable, NoteInvalid, ValueError) as error:
            raise SignerUnavailable(f"{HERE} has no key that can be used: {error}") from error
        if public.key != private.public_key().public_bytes_raw():
            raise SignerUnavailable(f"{HERE}'s key is not the one of {path}.")
        return private, public

    def _make_key(self) -> None:
        """Make key and state; the public key comes last, so that a cut leaves nothing half."""
        (self.folder / KEY).unlink(missing_ok=True)
        private = Ed25519PrivateKey.from_private_bytes(
            read_or_make_secret(self.folder / KEY, self._randomness)
        )
        name = f"muniment/{self._randomness(ORIGIN_BYTES).hex()}"
        public = verifier_key(name, private.public_key(), kind=LOG_SIGNATURE)
        self._remember(Signed())
        write_durably(self.folder / LOG_VKEY, f"{public}\n".encode("ascii"), mode=0o644)

    def _state(self) -> Signed:
        path = self.folder / STATE
        try:
            written = json.loads(path.read_bytes())
            return Signed(int(written["size"]), bytes.fromhex(written["root"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SignerUnavailable(
                f"{HERE} cannot read what it has signed last ({path}). Bring the file back from "
                "the backup; otherwise make a new key, and tell whoever checks the record."
            ) from error

    def _remember(self, state: Signed) -> None:
        written = json.dumps({"size": state.size, "root": state.root.hex()})
        write_durably(self.folder / STATE, written.encode("ascii"))


def _no_new_key(_length: int) -> bytes:
    raise SignerUnavailable(f"{HERE}'s key is gone. Bring it back from its backup.")


class SignerClient:
    """A signer that answers at a Unix socket.

    Args:
        path: Of the socket.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._vkey: VerifierKey | None = None

    def answers(self) -> bool:
        """Say whether anybody is there."""
        try:
            self.last()
        except SignerUnavailable:
            return False
        return True

    def vkey(self) -> VerifierKey:
        """Return the log's public key."""
        if self._vkey is None:
            self._vkey = parse_vkey(str(self._ask({"do": "vkey"})["vkey"]))
        return self._vkey

    def last(self) -> Signed:
        """Return the last state that was signed."""
        reply = self._ask({"do": "last"})
        return Signed(int(reply["size"]), bytes.fromhex(str(reply["root"])))

    def sign(self, state: Signed, proof: Sequence[bytes]) -> str:
        """Have a state signed that extends the last one."""
        wanted = {
            "do": "sign",
            "size": state.size,
            "root": state.root.hex(),
            "proof": [base64.b64encode(each).decode("ascii") for each in proof],
        }
        return str(self._ask(wanted)["note"])

    def _ask(self, wanted: dict[str, object]) -> dict[str, Any]:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(ANSWER_SECONDS)
                with _reachable(self._path) as address:
                    connection.connect(address)
                connection.sendall(json.dumps(wanted).encode("ascii") + b"\n")
                with connection.makefile("rb") as reader:
                    reply = json.loads(reader.readline(LONGEST_MESSAGE_BYTES))
        except (OSError, ValueError) as error:
            raise SignerUnavailable(
                f"The signer does not answer at {self._path} ({type(error).__name__}). "
                "Start it: `muniment serve signer`."
            ) from error
        if not isinstance(reply, dict) or "refused" in reply:
            reason = reply.get("refused") if isinstance(reply, dict) else "no answer"
            raise SignerUnavailable(str(reason))
        return reply


class SignerServer(socketserver.ThreadingUnixStreamServer):
    """Lets the processes of one user, or of one group, have a log's states signed.

    Args:
        signer: What signs.
        path: Of the socket; one that a dead signer left is replaced.

    Raises:
        SignerUnavailable: The socket cannot be made, or another signer listens there.
    """

    daemon_threads = True

    def __init__(self, signer: KeySigner, path: Path) -> None:
        self.signer = signer
        self._path = path
        if SignerClient(path).answers():
            raise SignerUnavailable(f"Another signer listens at {path}. Stop that one first.")
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
            path.unlink(missing_ok=True)
            with _reachable(path) as address:
                super().__init__(address, _Conversation)
            path.chmod(0o660)
        except OSError as error:
            raise SignerUnavailable(
                f"The signer cannot listen at {path}: {error.strerror}."
            ) from error

    def server_close(self) -> None:
        """Let go of the socket and remove it."""
        super().server_close()
        with contextlib.suppress(OSError):
            self._path.unlink()

    def run_until(self, stop: threading.Event) -> None:
        """Answer until told to stop."""
        thread = threading.Thread(target=self.serve_forever, args=(0.1,), daemon=True)
        thread.start()
        stop.wait()
        self.shutdown()
        thread.join()
        self.server_close()


class _Conversation(socketserver.StreamRequestHandler):
    """One request, one answer, a line of JSON each."""

    timeout = ANSWER_SECONDS

    def handle(self) -> None:
        server = self.server
        if not isinstance(server, SignerServer):
            raise TypeError("the signer's conversations need the signer's server")
        try:
            wanted = json.loads(self.rfile.readline(LONGEST_MESSAGE_BYTES))
            reply = _reply(server.signer, wanted)
        except (ValueError, KeyError, TypeError):
            reply = {"refused": f"{HERE} does not understand the request."}
        except SignerUnavailable as error:
            reply = {"refused": str(error)}
        self.wfile.write(json.dumps(reply).encode("ascii") + b"\n")


def _reply(signer: KeySigner, wanted: dict[str, Any]) -> dict[str, object]:
    if wanted["do"] == "vkey":
        return {"vkey": str(signer.vkey())}
    if wanted["do"] == "last":
        last = signer.last()
        return {"size": last.size, "root": last.root.hex()}
    if wanted["do"] == "sign":
        state = Signed(int(wanted["size"]), bytes.fromhex(wanted["root"]))
        proof = [base64.b64decode(each, validate=True) for each in wanted["proof"]]
        return {"note": signer.sign(state, proof)}
    raise ValueError(wanted["do"])


@contextmanager
def _reachable(path: Path) -> Iterator[str]:
    """The address of a socket, however long its path: the kernel takes 107 characters."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
