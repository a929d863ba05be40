"""Witnesses: somebody else who has seen the record, and never goes back.

A witness remembers for every log the last state that it cosigned, and cosigns another only
where a proof shows that it extends that one. What it has cosigned nobody can rewrite, not even
with the log's key. It answers over HTTP as C2SP tlog-witness tells, or through a folder that
is carried to it (on a stick, say): the same request and answer, in files.
"""

import base64
import http.client
import json
import re
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.errors import NoteInvalid, ProofInvalid, WitnessUnavailable
from audit.files import alone_in, write_durably
from audit.keys import read_or_make_secret
from audit.merkle import EMPTY_ROOT, check_consistency
from audit.notes import (
    COSIGNATURE,
    Note,
    Signature,
    VerifierKey,
    check_note,
    cosign,
    parse_checkpoint,
    parse_note,
    parse_signatures,
    parse_vkey,
    verifier_key,
)

KEY = "key"
WITNESS_VKEY = "witness.vkey"
NAME_BYTES = 4
ANSWER_SECONDS = 10.0
LONGEST_REQUEST_BYTES = 64 * 1024
LONGEST_PROOF = 63
ADD_CHECKPOINT = "/add-checkpoint"
SIZE_TYPE = "text/x.tlog.size"
OLD = re.compile(r"old (0|[1-9][0-9]*)")

Prove = Callable[[int], Sequence[bytes]]
"""Gives the proof from a smaller size to that of the note at hand."""


class Witness(Protocol):
    """A witness as the log sees it."""

    def vkey(self) -> VerifierKey | None:
        """Return its public key; None where it is not known yet."""
        ...

    def cosign(self, note: Note, prove: Prove) -> list[Signature]:
        """Return cosignatures on a note.

        Empty where the witness will answer later. Answers to earlier notes are not lost:
        :meth:`late` gives them.

        Raises:
            WitnessUnavailable: It does not answer, or refuses.
        """
        ...

    def late(self) -> list[tuple[int, list[Signature]]]:
        """Return cosignatures that came since, each with the size they are for."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """What a witness is asked: from which size the proof leads, the proof, and the note."""

    old: int
    proof: tuple[bytes, ...]
    note: Note

    def __str__(self) -> str:
        lines = [
            f"old {self.old}",
            *(base64.b64encode(each).decode("ascii") for each in self.proof),
        ]
        return "\n".join(lines) + "\n\n" + str(self.note)


class WrongSize(Exception):
    """The proof does not start at what the witness has cosigned last, which is ``size``."""

    def __init__(self, size: int) -> None:
        super().__init__(str(size))
        self.size = size


def parse_request(written: str) -> Request:
    """Read a request.

    Raises:
        NoteInvalid: It is none.
    """
    head, parted, note = written.partition("\n\n")
    first, *proof = head.split("\n")
    old = OLD.fullmatch(first)
    if not parted or old is None or len(proof) > LONGEST_PROOF:
        raise NoteInvalid("A request is the old size, a proof, an empty line and a checkpoint.")
    try:
        hashes = tuple(base64.b64decode(line, validate=True) for line in proof)
    except ValueError as error:
        raise NoteInvalid("A hash of the proof is not base64.") from error
    return Request(int(old[1]), hashes, parse_note(note))


class KeyWitness:
    """A witness with its key and its memory in a folder.

    Args:
        folder: Its own: ``key`` (0600), ``witness.vkey``, and a state for every log.
        logs: Keys of the logs it vouches for.
        clock: Gives times with a zone.
        randomness: Gives that many random bytes, for the key and the name.
    """

    def __init__(
        self,
        folder: Path,
        *,
        logs: Sequence[VerifierKey],
        clock: Callable[[], datetime],
        randomness: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._folder = folder
        self._logs = {log.name: log for log in logs}
        self._clock = clock
        self._randomness = randomness

    def vkey(self) -> VerifierKey:
        """Return its public key, which auditors are given."""
        with alone_in(self._folder):
            return self._key()[1]

    def last(self, origin: str) -> tuple[int, bytes]:
        """Return size and root that were cosigned last for a log.

        Raises:
            NoteInvalid: The memory is damaged. A witness that forgot must take a new key.
        """
        path = self._state_file(origin)
        if not path.exists():
            return 0, EMPTY_ROOT
        try:
            state = json.loads(path.read_bytes())
            return int(state["size"]), bytes.fromhex(state["root"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise NoteInvalid(
                f"What was cosigned last cannot be read ({path}). A witness that has forgotten "
                "must begin with a new key; remove its folder, and tell whoever checks."
            ) from error

    def add(self, request: Request) -> Signature:
        """Cosign a checkpoint that extends the last one.

        Raises:
            NoteInvalid: The log is not known here, or its signature does not hold.
            ProofInvalid: The checkpoint does not extend what was cosigned last.
            WrongSize: The proof starts elsewhere.
        """
        checkpoint = parse_checkpoint(str(request.note))
        log = self._logs.get(checkpoint.origin)
        if log is None:
            raise NoteInvalid("The log is not one that this witness was told to vouch for.")
        check_note(request.note, log)
        with alone_in(self._folder):
            private, public = self._key()
            size, root = self.last(checkpoint.origin)
            if request.old != size:
                raise WrongSize(size)
            check_consistency(
                old=size,
                old_root=root,
                new=checkpoint.size,
                new_root=checkpoint.root,
                path=request.proof,
            )
            state = {"origin": checkpoint.origin, "size": checkpoint.size}
            state |= {"root": checkpoint.root.hex()}
            write_durably(self._state_file(checkpoint.origin), json.dumps(state).encode())
            seconds = int(self._clock().timestamp())
            return cosign(request.note.text, public.name, private, seconds=seconds)

    def _state_file(self, origin: str) -> Path:
        return self._folder / f"{re.sub('[^A-Za-z0-9.-]', '_', origin)}.state.json"

    def _key(self) -> tuple[Ed25519PrivateKey, VerifierKey]:
        path = self._folder / WITNESS_VKEY
        if not path.exists():
            seed = read_or_make_secret(self._folder / KEY, self._randomness)
            private = Ed25519PrivateKey.from_private_bytes(seed)
            name = f"witness/{self._randomness(NAME_BYTES).hex()}"
            public = verifier_key(name, private.public_key(), kind=COSIGNATURE)
            write_durably(path, f"{public}\n".encode("ascii"), mode=0o644)
        seed = read_or_make_secret(self._folder / KEY, _no_new_key)
        return Ed25519PrivateKey.from_private_bytes(seed), parse_vkey(path.read_text("ascii"))


def _no_new_key(_length: int) -> bytes:
    raise WitnessUnavailable("The witness's key is gone. Bring it back, or begin a new witness.")


class HttpWitness:
    """A witness that answers over HTTP, on this machine or another.

    Args:
        url: Where it answers; ``/add-checkpoint`` is added.
        vkey: Its key; only its signatures are kept.
    """

    def __init__(self, url: str, vkey: VerifierKey) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port
        self._encrypted = parts.scheme == "https"
        self._path = parts.path.rstrip("/") + ADD_CHECKPOINT
        self._vkey = vkey
        self._size = 0

    def vkey(self) -> VerifierKey:
        """Return its public key."""
        return self._vkey

    def late(self) -> list[tuple[int, list[Signature]]]:
        """Return nothing: it answers at once."""
        return []

    def cosign(self, note: Note, prove: Prove) -> list[Signature]:
        """Have a note cosigned; when the witness remembers another size, ask once more."""
        size = parse_checkpoint(str(note)).size
        status, body = self._post(note, prove, min(self._size, size))
        if status == HTTPStatus.CONFLICT and body.strip().isdecimal():
            self._size = int(body)
            if self._size > size:
                raise WitnessUnavailable(
                    f"The witness has cosigned {self._size} entries, but there are only {size}: "
                    "the record was cut off. Verify it against the last checkpoint."
                )
            status, body = self._post(note, prove, self._size)
        if status != HTTPStatus.OK:
            raise WitnessUnavailable(f"The witness refuses to cosign (status {status}).")
        self._size = size
        return _accepted(note, body, self._vkey)

    def _post(self, note: Note, prove: Prove, old: int) -> tuple[int, str]:
        request = Request(old, tuple(prove(old)), note)
        kind = http.client.HTTPSConnection if self._encrypted else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=ANSWER_SECONDS)
        try:
            connection.request("POST", self._path, str(request).encode())
            reply = connection.getresponse()
            return reply.status, reply.read(LONGEST_REQUEST_BYTES).decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as error:
            raise WitnessUnavailable(
                f"The witness at {self._host} does not answer ({type(error).__name__})."
            ) from error
        finally:
            connection.close()


def _accepted(note: Note, written: str, vkey: VerifierKey) -> list[Signature]:
    """The cosignatures in an answer, having checked that of the key that is known."""
    try:
        signatures = parse_signatures(written)
        check_note(note.with_signatures(signatures), vkey)
    except NoteInvalid as error:
        raise WitnessUnavailable(f"The witness's answer does not hold: {error}") from error
    return [each for each in signatures if (each.name, each.key_id) == (vkey.name, vkey.key_id)]


class FolderWitness:
    """A witness that requests are carried to, and answers brought back from, in a folder.

    ``NAME.request`` waits for the witness; ``NAME.cosigned`` is its answer, the note with the
    cosignature. The next request is written when the last one was answered or a larger one
    takes its place; its proof starts at what is known to be cosigned.

    Args:
        folder: On a stick, or shared with the other host.
        vkey: The witness's key; only its signatures are kept.
    """

    def __init__(self, folder: Path, vkey: VerifierKey) -> None:
        self._folder = folder
        self._vkey = vkey
        self._late: list[tuple[int, list[Signature]]] = []
        self._seen = -1

    def vkey(self) -> VerifierKey:
        """Return its public key."""
        return self._vkey

    def late(self) -> list[tuple[int, list[Signature]]]:
        """Return cosignatures that were brought back since this was last asked."""
        with suppress(WitnessUnavailable):
            self._look()
        found, self._late = self._late, []
        return found

    def cosign(self, note: Note, prove: Prove) -> list[Signature]:
        """Leave a request; the answer comes when somebody has carried it back."""
        checkpoint = parse_checkpoint(str(note))
        answered = self._look()
        if answered is not None and answered.text == note.text:
            return [each for each in answered.signatures if each.name == self._vkey.name]
        old = parse_checkpoint(str(answered)).size if answered is not None else 0
        if old > checkpoint.size:
            raise WitnessUnavailable(
                f"The witness has cosigned {old} entries, but there are only {checkpoint.size}: "
                "the record was cut off. Verify it against the last checkpoint."
            )
        request = Request(old, tuple(prove(old)), note)
        try:
            write_durably(
                self._folder / request_name(checkpoint.origin), str(request).encode(), mode=0o644
            )
        except OSError as error:
            raise WitnessUnavailable(
                f"The witness's folder {self._folder} cannot be written: {error.strerror}."
            ) from error
        return []

    def _look(self) -> Note | None:
        """The newest answer that holds."""
        answers = sorted(self._folder.glob("*.cosigned"))
        for path in answers:
            try:
                note = parse_note(path.read_text(encoding="utf-8"))
                check_note(note, self._vkey)
            except (OSError, ValueError, NoteInvalid):
                continue
            size = parse_checkpoint(str(note)).size
            if size > self._seen:
                self._seen = size
                signed = [each for each in note.signatures if each.name == self._vkey.name]
                self._late.append((size, signed))
            return note
        return None


def request_name(origin: str) -> str:
    """Return the name of the file in which a log's request waits."""
    return re.sub("[^A-Za-z0-9.-]", "_", origin) + ".request"


def answer_folder(witness: KeyWitness, folder: Path) -> list[tuple[str, str]]:
    """Answer every request in a folder.

    Returns:
        For every request, its file's name and how it ended, in a sentence.
    """
    ended: list[tuple[str, str]] = []
    for path in sorted(folder.glob("*.request")):
        try:
            request = parse_request(path.read_text(encoding="utf-8"))
            signature = witness.add(request)
            answer = Note(request.note.text, (*request.note.signatures, signature))
            write_durably(path.with_suffix(".cosigned"), str(answer).encode(), mode=0o644)
            path.unlink()
            size = parse_checkpoint(str(answer)).size
            ended.append((path.name, f"cosigned {size} entries"))
        except WrongSize as error:
            ended.append((path.name, f"REFUSED: the proof must start at {error.size} entries"))
        except (NoteInvalid, ProofInvalid, OSError, ValueError) as error:
            ended.append((path.name, f"REFUSED: {error}"))
    return ended


class WitnessServer(ThreadingHTTPServer):
    """Answers the requests of logs, as C2SP tlog-witness tells.

    Args:
        witness: What cosigns.
        host: Address to listen on.
        port: Port; 0 takes any that is free.
    """

    daemon_threads = True

    def __init__(self, witness: KeyWitness, *, host: str, port: int) -> None:
        super().__init__((host, port), _Answer)
        self.witness = witness
        self.heard_at = time.monotonic()

    def run_until(
        self, stop: threading.Event, *, silence_seconds: float, alarm: Callable[[float], None]
    ) -> None:
        """Answer until told to stop; call ``alarm`` with the seconds when logs fall silent."""
        thread = threading.Thread(target=self.serve_forever, args=(0.1,), daemon=True)
        thread.start()
        warned = False
        while not stop.wait(min(1.0, silence_seconds)):
            silent = time.monotonic() - self.heard_at
            if silent > silence_seconds and not warned:
                alarm(silent)
            warned = silent > silence_seconds
        self.shutdown()
        thread.join()
        self.server_close()


class _Answer(BaseHTTPRequestHandler):
    """One request of a log."""

    timeout = ANSWER_SECONDS

    def do_POST(self) -> None:
        """Cosign a checkpoint."""
        server = self.server
        length = self.headers.get("Content-Length", "")
        if not isinstance(server, WitnessServer) or self.path != ADD_CHECKPOINT:
            self._say(HTTPStatus.NOT_FOUND)
            return
        if not length.isdecimal() or int(length) > LONGEST_REQUEST_BYTES:
            self._say(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return
        body = self.rfile.read(int(length)).decode("utf-8", "replace")
        try:
            signature = server.witness.add(parse_request(body))
        except WrongSize as error:
            self._say(HTTPStatus.CONFLICT, f"{error.size}\n", kind=SIZE_TYPE)
        except ProofInvalid:
            self._say(HTTPStatus.UNPROCESSABLE_ENTITY)
        except NoteInvalid:
            self._say(HTTPStatus.FORBIDDEN)
        else:
            server.heard_at = time.monotonic()
            self._say(HTTPStatus.OK, signature.line())

    def log_message(self, *_arguments: object) -> None:
        """Keep quiet: a refusal is the log's to report."""

    def _say(self, status: HTTPStatus, body: str = "", *, kind: str = "text/plain") -> None:
        written = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(written)))
        self.end_headers()
        self.wfile.write(written)
