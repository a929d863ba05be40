"""Checkpoints as signed notes, in the form of C2SP.

The text of a checkpoint is its origin, its size and its root, a line each (tlog-checkpoint). A
note is a text, an empty line, and a signature a line (signed-note). The log signs with Ed25519
(type 0x01); a witness with a timed cosignature (tlog-cosignature, type 0x04).
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from audit.errors import NoteInvalid

LOG_SIGNATURE = 0x01
COSIGNATURE = 0x04
HASH_BYTES = 32
KEY_BYTES = 32
KEY_ID_BYTES = 4
TIME_BYTES = 8
NAME = re.compile(r"[^\s+]+")
SIZE = re.compile(r"0|[1-9][0-9]*")
SIGNATURE_MARK = "\N{EM DASH} "

Vkey: TypeAlias = str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a log: which one, how many entries, and the root of the tree over them."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Return what is signed, its last newline included."""
        return f"{self.origin}\n{self.size}\n{_base64(self.root)}\n"


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with its name.

    Attributes:
        name: Whose it is; for a log, its origin.
        kind: LOG_SIGNATURE or COSIGNATURE.
        key: 32 bytes of Ed25519.
    """

    name: str
    kind: int
    key: bytes

    @property
    def key_id(self) -> bytes:
        """The 4 bytes by which a signature names its key."""
        hashed = hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.key)
        return hashed.digest()[:KEY_ID_BYTES]

    def __str__(self) -> str:
        written = _base64(bytes([self.kind]) + self.key)
        return f"{self.name}+{self.key_id.hex()}+{written}"


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line of a note."""

    name: str
    key_id: bytes
    blob: bytes

    def line(self) -> str:
        """Return it as a line, newline included."""
        return f"{SIGNATURE_MARK}{self.name} {_base64(self.key_id + self.blob)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text and its signatures; whether they hold is for :func:`check_note` to say."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return self.text + "\n" + "".join(each.line() for each in self.signatures)

    def with_signatures(self, further: Iterable[Signature]) -> "Note":
        """Return the note with more signatures; of one key only the newest is kept."""
        by_key = {(each.name, each.key_id): each for each in (*self.signatures, *further)}
        return Note(self.text, tuple(by_key.values()))


def verifier_key(name: str, key: Ed25519PublicKey, *, kind: int) -> VerifierKey:
    """Return the public key of a log or a witness as others are given it.

    Raises:
        NoteInvalid: The name is empty, or holds a space or a plus.
    """
    if not NAME.fullmatch(name):
        raise NoteInvalid(f"A key cannot be named “{name}”: no spaces and no plus signs.")
    return VerifierKey(name, kind, key.public_bytes_raw())


def parse_vkey(written: Vkey) -> VerifierKey:
    """Read a key in the form ``name+key id+base64``.

    Raises:
        NoteInvalid: It has another form, or its id is not that of its key.
    """
    parts = written.strip().split("+", 2)
    if len(parts) != 3 or not NAME.fullmatch(parts[0]):
        raise NoteInvalid("A verifier key has the form name+id+key.")
    name, key_id, encoded = parts
    raw = _decoded(encoded)
    if len(raw) != 1 + KEY_BYTES or raw[0] not in {LOG_SIGNATURE, COSIGNATURE}:
        raise NoteInvalid(f"The verifier key of {name} is of a kind that is not known here.")
    key = VerifierKey(name, raw[0], raw[1:])
    if key.key_id.hex() != key_id:
        raise NoteInvalid(f"The verifier key of {name} does not have the id it names.")
    return key


def parse_note(written: str) -> Note:
    """Take a signed note apart.

    Raises:
        NoteInvalid: It is none.
    """
    text, parted, signatures = written.rpartition("\n\n")
    if not parted or not signatures.endswith("\n"):
        raise NoteInvalid("A signed note is a text, an empty line, and signature lines.")
    return Note(text + "\n", tuple(parse_signatures(signatures)))


def parse_signatures(lines: str) -> list[Signature]:
    """Read signature lines.

    Raises:
        NoteInvalid: One of them is none.
    """
    if not lines.endswith("\n"):
        raise NoteInvalid("Signature lines end with a newline each.")
    return [_signature(line) for line in lines[:-1].split("\n")]


def parse_checkpoint(written: str) -> Checkpoint:
    """Read the checkpoint in a signed note; its signatures are not looked at.

    Raises:
        NoteInvalid: The note or its text has another form.
    """
    lines = parse_note(written).text.split("\n")
    if len(lines) < 4 or not lines[0] or not SIZE.fullmatch(lines[1]):
        raise NoteInvalid("A checkpoint is an origin, a size and a root, a line each.")
    root = _decoded(lines[2])
    if len(root) != HASH_BYTES:
        raise NoteInvalid("The root of a checkpoint has 32 bytes.")
    return Checkpoint(lines[0], int(lines[1]), root)


def sign_checkpoint(checkpoint: Checkpoint, key: Ed25519PrivateKey) -> Note:
    """Return a checkpoint signed by its log, whose key bears its origin as name."""
    public = verifier_key(checkpoint.origin, key.public_key(), kind=LOG_SIGNATURE)
    text = checkpoint.text()
    return Note(text, (Signature(public.name, public.key_id, key.sign(text.encode())),))


def cosign(text: str, name: str, key: Ed25519PrivateKey, *, seconds: int) -> Signature:
    """Return a witness's cosignature on the text of a checkpoint.

    Args:
        text: The text of the note, its last newline included.
        name: The witness.
        key: Its private key.
        seconds: When, in seconds since 1970.
    """
    public = verifier_key(name, key.public_key(), kind=COSIGNATURE)
    signed = key.sign(_cosigned(text, seconds))
    return Signature(name, public.key_id, seconds.to_bytes(TIME_BYTES) + signed)


def check_note(note: Note, key: VerifierKey) -> int | None:
    """Check that a note bears a good signature of a key.

    Returns:
        The time a witness states, in seconds since 1970; None for a log's signature.

    Raises:
        NoteInvalid: There is no signature of this key, or it does not hold.
    """
    found = [each for each in note.signatures if (each.name, each.key_id) == (key.name, key.key_id)]
    if not found:
        raise NoteInvalid(f"The checkpoint bears no signature of {key.name}.")
    times = [_check_signature(note.text, each.blob, key) for each in found]
    return times[-1]


def _check_signature(text: str, blob: bytes, key: VerifierKey) -> int | None:
    seconds: int | None = None
    signed, message = blob, text.encode()
    if key.kind == COSIGNATURE:
        seconds = int.from_bytes(blob[:TIME_BYTES])
        signed, message = blob[TIME_BYTES:], _cosigned(text, seconds)
    try:
        Ed25519PublicKey.from_public_bytes(key.key).verify(signed, message)
    except (InvalidSignature, ValueError) as error:
        raise NoteInvalid(
            f"The signature of {key.name} on the checkpoint does not hold."
        ) from error
    return seconds


def _cosigned(text: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def _signature(line: str) -> Signature:
    name, parted, encoded = line.removeprefix(SIGNATURE_MARK).partition(" ")
    if not line.startswith(SIGNATURE_MARK) or not parted or not NAME.fullmatch(name):
        raise NoteInvalid("A signature line is a dash, a name and a signature.")
    raw = _decoded(encoded)
    if len(raw) <= KEY_ID_BYTES:
        raise NoteInvalid(f"The signature of {name} is too short.")
    return Signature(name, raw[:KEY_ID_BYTES], raw[KEY_ID_BYTES:])


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _decoded(written: str) -> bytes:
    try:
        raw = base64.b64decode(written, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteInvalid("A part of the note is not base64.") from error
    if _base64(raw) != written:
        raise NoteInvalid("A part of the note is not base64 in its one proper form.")
    return raw
