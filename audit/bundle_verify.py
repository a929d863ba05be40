"""Check an export of a Muniment record, or the proof of one event, with Python alone.

    python3 verify.py LOG_VKEY WITNESS_VKEY|- EXPORT_DIR [OLD_CHECKPOINT]

LOG_VKEY and WITNESS_VKEY are verifier keys in C2SP form. Get them from somebody you trust, not
from the export: its keys.txt is there for convenience only. "-" stands for "there is no witness".
OLD_CHECKPOINT is a checkpoint file that you kept from an earlier day; with it, a history that was
rewritten since is noticed even if the log's own key was stolen.

Exit code 0: everything that is here holds. 1: it does not, and the first thing that does not hold
is named. The program needs Python 3.9 or later and nothing else, no network, and memory that does
not grow with the record. It is Muniment's, but shares no line with what writes the record.

Standards: RFC 9162 (tree), RFC 8785 (form of the entries), RFC 8032 (Ed25519), C2SP signed-note,
tlog-checkpoint, tlog-cosignature and tlog-proof.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

USAGE = "usage: verify.py LOG_VKEY WITNESS_VKEY|- EXPORT_DIR [OLD_CHECKPOINT]"

LOG_SIGNATURE = 0x01
WITNESS_SIGNATURE = 0x04

LONGEST_LINE_BYTES = 64 * 1024 * 1024
LONGEST_NOTE_BYTES = 1024 * 1024
MOST_SIGNATURES = 100
DIGITS_ALWAYS_EXACT = 15
"""Numbers are IEEE doubles (RFC 8785, section 3.2.2.3); so long an integer is always exact."""

BUNDLE_FILES = frozenset(
    {"entries.jsonl", "checkpoint", "payloads", "keys.txt", "README", "verify.py"}
)
PROOF_FILES = frozenset(
    {"entry.json", "proof", "checkpoint", "payloads", "keys.txt", "README", "verify.py"}
)

SHA256_HEX = re.compile("[0-9a-f]{64}")
REDACTED_LINE = re.compile(b"#[0-9a-f]{64}")
DECIMAL = re.compile("0|[1-9][0-9]{0,18}")
PAYLOAD_NAME = re.compile(r"(0|[1-9][0-9]{0,18})\.json")
SALT = re.compile("(?:[0-9a-f]{2})+")


class Fault(Exception):
    """The first thing that does not hold."""


# ------------------------------------------------------------------------------------------
# Ed25519, RFC 8032 section 5.1: verification only, so nothing here is secret.

PRIME = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, PRIME - 2, PRIME) % PRIME
SQUARE_ROOT_OF_MINUS_ONE = pow(2, (PRIME - 1) // 4, PRIME)

Point = tuple[int, int, int, int]
"""Extended coordinates X, Y, Z, T with x = X/Z, y = Y/Z, x*y = T/Z."""

IDENTITY: Point = (0, 1, 1, 0)


def add(first: Point, second: Point) -> Point:
    """Return the sum of two points, which may be the same."""
    a = (first[1] - first[0]) * (second[1] - second[0]) % PRIME
    b = (first[1] + first[0]) * (second[1] + second[0]) % PRIME
    c = 2 * first[3] * second[3] * D % PRIME
    d = 2 * first[2] * second[2] % PRIME
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % PRIME, g * h % PRIME, f * g % PRIME, e * h % PRIME


def double(point: Point) -> Point:
    """Return twice a point, sooner than by adding it to itself."""
    a, b = point[0] * point[0] % PRIME, point[1] * point[1] % PRIME
    sum_of_both = point[0] + point[1]
    h = a + b
    e = h - sum_of_both * sum_of_both % PRIME
    g = a - b
    f = 2 * point[2] * point[2] % PRIME + g
    return e * f % PRIME, g * h % PRIME, f * g % PRIME, e * h % PRIME


def encode_point(point: Point) -> bytes:
    """Return the 32 bytes of a point."""
    inverse = pow(point[2], PRIME - 2, PRIME)
    x, y = point[0] * inverse % PRIME, point[1] * inverse % PRIME
    return (y | (x & 1) << 255).to_bytes(32, "little")


def decode_point(data: bytes) -> Point | None:
    """Return the point of 32 bytes; None where they are not the one encoding of a point."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & ((1 << 255) - 1)
    if y >= PRIME:
        return None
    numerator, denominator = (y * y - 1) % PRIME, (D * y * y + 1) % PRIME
    power = pow(numerator * pow(denominator, 7, PRIME), (PRIME - 5) // 8, PRIME)
    x = numerator * pow(denominator, 3, PRIME) * power % PRIME
    square = denominator * x * x % PRIME
    if square == -numerator % PRIME and square != numerator:
        x = x * SQUARE_ROOT_OF_MINUS_ONE % PRIME
    elif square != numerator:
        return None
    if x == 0 and sign:
        return None
    if x & 1 != sign:
        x = PRIME - x
    return x, y, 1, x * y % PRIME


def _base_point() -> Point:
    point = decode_point((4 * pow(5, PRIME - 2, PRIME) % PRIME).to_bytes(32, "little"))
    if point is None:
        raise AssertionError
    return point


BASE = _base_point()


def has_small_order(point: Point) -> bool:
    """Say whether a point is one of the eight that vanish when multiplied by eight."""
    for _ in range(3):
        point = double(point)
    return point[0] == 0 and point[1] == point[2]


def ed25519_holds(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Say whether a signature is that key's over that message.

    Strict: one encoding for each number and point, no points of small order, no cofactor. So
    nobody can make a second valid signature from a first, nor a key that signs everything.
    """
    if len(public_key) != 32 or len(signature) != 64:
        return False
    scalar = int.from_bytes(signature[32:], "little")
    if scalar >= ORDER:
        return False
    key, commitment = decode_point(public_key), decode_point(signature[:32])
    if key is None or commitment is None or has_small_order(key) or has_small_order(commitment):
        return False
    digest = hashlib.sha512(signature[:32] + public_key + message).digest()
    challenge = int.from_bytes(digest, "little") % ORDER
    negated: Point = (PRIME - key[0], key[1], 1, -key[3] % PRIME)
    both = add(BASE, negated)
    result = IDENTITY
    for bit in range(max(scalar.bit_length(), challenge.bit_length()) - 1, -1, -1):
        result = double(result)
        of_base, of_key = scalar >> bit & 1, challenge >> bit & 1
        if of_base and of_key:
            result = add(result, both)
        elif of_base:
            result = add(result, BASE)
        elif of_key:
            result = add(result, negated)
    return encode_point(result) == signature[:32]


# ------------------------------------------------------------------------------------------
# Signed notes and checkpoints, C2SP.


@dataclass(frozen=True)
class Key:
    """A verifier key: whose, under which short id, of which type, and the public key."""

    name: str
    key_id: bytes
    kind: int
    public: bytes


@dataclass(frozen=True)
class Signature:
    """One signature line of a note."""

    name: str
    key_id: bytes
    value: bytes


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint says, and who signed it.

    Attributes:
        text: The signed text, its last newline included.
        origin: Which log.
        size: How many entries it covers.
        root: Hash of the tree over them.
        signatures: Its signature lines.
    """

    text: bytes
    origin: str
    size: int
    root: bytes
    signatures: tuple[Signature, ...]


def strict_base64(text: str) -> bytes | None:
    """Return what base64 text stands for; None where it is not its one canonical form."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error, ValueError):
        return None
    return data if base64.b64encode(data).decode("ascii") == text else None


def parse_key(text: str, called: str) -> Key:
    """Return a key from ``name+hex id+base64(type, public key)``."""
    parts = text.split("+", 2)
    material = strict_base64(parts[2]) if len(parts) == 3 else None
    if not material or not _is_key_name(parts[0]):
        raise Fault(f"{called} is not a verifier key: it must read name+id+base64.")
    key_id = hashlib.sha256(parts[0].encode() + b"\n" + material).digest()[:4]
    if key_id.hex() != parts[1]:
        raise Fault(f"{called} is damaged: its id does not fit its name and key.")
    if material[0] in (LOG_SIGNATURE, WITNESS_SIGNATURE) and len(material) != 33:
        raise Fault(f"{called} is damaged: an Ed25519 key has 32 bytes.")
    return Key(name=parts[0], key_id=key_id, kind=material[0], public=material[1:])


def _is_key_name(name: str) -> bool:
    return bool(name) and "+" not in name and name.isprintable() and not any(map(str.isspace, name))


def parse_checkpoint(data: bytes, called: str) -> Checkpoint:
    """Return a checkpoint; nothing in it is to be believed before its signatures hold."""
    try:
        note = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Fault(f"{called} is not UTF-8 text: it is damaged.") from None
    if any(character < " " and character != "\n" for character in note):
        raise Fault(f"{called} holds control characters: it is damaged.")
    head, gap, tail = note.rpartition("\n\n")
    if not gap or not tail.endswith("\n"):
        raise Fault(f"{called} is not a signed note: text, empty line, signature lines.")
    origin, size, root = _body(head.split("\n"), called)
    lines = tail[:-1].split("\n")
    if len(lines) > MOST_SIGNATURES:
        raise Fault(f"{called} holds more than {MOST_SIGNATURES} signatures.")
    return Checkpoint(
        text=head.encode() + b"\n",
        origin=origin,
        size=size,
        root=root,
        signatures=tuple(_signature(line, called) for line in lines),
    )


def _body(lines: list[str], called: str) -> tuple[str, int, bytes]:
    if len(lines) < 3 or not all(lines):
        raise Fault(f"{called} must begin with three lines: origin, size and root.")
    root = strict_base64(lines[2])
    if not DECIMAL.fullmatch(lines[1]) or root is None or len(root) != 32:
        raise Fault(f"{called} states no proper size or root: it is damaged.")
    return lines[0], int(lines[1]), root


def _signature(line: str, called: str) -> Signature:
    parts = line.split(" ")
    value = strict_base64(parts[2]) if len(parts) == 3 else None
    if parts[0] != "\u2014" or value is None or len(value) < 5 or not _is_key_name(parts[1]):
        raise Fault(f"{called} has a signature line that cannot be read: {shown(line)}")
    return Signature(name=parts[1], key_id=value[:4], value=value[4:])


def signed_by(checkpoint: Checkpoint, key: Key, called: str) -> bool:
    """Say whether a checkpoint is signed by a key; a signature of that key that fails is a fault.

    Lines of other keys are ignored, as the standard asks.
    """
    found = [
        line
        for line in checkpoint.signatures
        if line.name == key.name and line.key_id == key.key_id
    ]
    if len(found) > 1:
        raise Fault(f"{called} is signed twice by {shown(key.name)}.")
    for line in found:
        if not _signature_holds(checkpoint.text, key, line.value):
            raise Fault(f"The signature of {shown(key.name)} on {called} does not hold.")
    return bool(found)


def _signature_holds(text: bytes, key: Key, value: bytes) -> bool:
    if key.kind == LOG_SIGNATURE:
        return ed25519_holds(key.public, text, value)
    if len(value) != 72:
        return False
    time = int.from_bytes(value[:8], "big")
    return ed25519_holds(key.public, b"cosignature/v1\ntime %d\n" % time + text, value[8:])


def cosigned_at(checkpoint: Checkpoint, witness: Key) -> int:
    """Return the time a witness states, in seconds since 1970; its signature was checked."""
    for line in checkpoint.signatures:
        if line.name == witness.name and line.key_id == witness.key_id:
            return int.from_bytes(line.value[:8], "big")
    return 0


# ------------------------------------------------------------------------------------------
# The tree, RFC 9162 section 2.1.


class Tree:
    """The right edge of a growing Merkle tree: one hash for each set bit of its size."""

    def __init__(self) -> None:
        self.size = 0
        self.edge: list[bytes] = []

    def append(self, leaf: bytes) -> None:
        """Take one leaf hash more."""
        node, size = leaf, self.size
        while size & 1:
            node = hashlib.sha256(b"\x01" + self.edge.pop() + node).digest()
            size >>= 1
        self.edge.append(node)
        self.size += 1

    def root(self) -> bytes:
        """Return the hash over all leaves."""
        if not self.edge:
            return hashlib.sha256(b"").digest()
        node = self.edge[-1]
        for left in reversed(self.edge[:-1]):
            node = hashlib.sha256(b"\x01" + left + node).digest()
        return node


def root_of_proof(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes | None:
    """Return the root that an inclusion proof leads to (RFC 9162, 2.1.3.2); None if misshapen."""
    if index >= size:
        return None
    node, at, last = leaf, index, size - 1
    for sibling in path:
        if last == 0:
            return None
        if at & 1 or at == last:
            node = hashlib.sha256(b"\x01" + sibling + node).digest()
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            node = hashlib.sha256(b"\x01" + node + sibling).digest()
        at, last = at >> 1, last >> 1
    return node if last == 0 else None


# ------------------------------------------------------------------------------------------
# The form of an entry, RFC 8785.


def read_line(line: bytes, where: str) -> dict[str, Any]:
    """Return an envelope; the line must be the one canonical form of what it says."""
    try:
        text = line.decode("utf-8")
        value = DECODER.decode(text)
        if not isinstance(value, dict):
            raise Fault(f"{where} is not a JSON object.")
        # The fast form differs from the canonical one for some numbers, and for names with
        # characters beyond the first plane; then the slow form decides.
        if not text.isascii() and max(text) > "\uffff":
            same = "".join(canonical(value)) == text
        else:
            same = ENCODER.encode(value) == text or "".join(canonical(value)) == text
    except (ValueError, RecursionError):
        raise Fault(f"{where} is not proper JSON: it was altered.") from None
    if not same:
        raise Fault(f"{where} is not in canonical form (RFC 8785): it was altered.")
    return value


def _integer(text: str) -> int | float:
    # Written like an integer, a larger number is a fraction in the eyes of the standard.
    return int(text) if len(text) <= DIGITS_ALWAYS_EXACT else _fraction(text)


def _fraction(text: str) -> float:
    value = float(text)
    if number_text(value) != text:
        raise ValueError(text)
    return value


def _no_number(text: str) -> NoReturn:
    raise ValueError(text)


DECODER = json.JSONDecoder(parse_int=_integer, parse_float=_fraction, parse_constant=_no_number)
ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def canonical(value: Any) -> Iterator[str]:
    """Yield the canonical form of a value in pieces."""
    if isinstance(value, dict):
        mark = "{"
        for name in sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass")):
            yield mark + ENCODER.encode(name) + ":"
            yield from canonical(value[name])
            mark = ","
        yield "}" if value else "{}"
    elif isinstance(value, list):
        mark = "["
        for part in value:
            yield mark
            yield from canonical(part)
            mark = ","
        yield "]" if value else "[]"
    elif isinstance(value, float):
        yield number_text(value)
    else:
        yield ENCODER.encode(value)


def number_text(value: float) -> str:
    """Return a fraction as ECMAScript writes it, which RFC 8785 asks for."""
    text = repr(value)
    if "e" not in text and "n" not in text and not text.endswith(".0"):
        return text
    if "n" in text:
        raise ValueError(text)
    if value == 0:
        return "0"
    sign, text = ("-", text[1:]) if text[0] == "-" else ("", text)
    mantissa, _, exponent = text.partition("e")
    whole, _, part = mantissa.partition(".")
    point = len(whole) + int(exponent or "0")
    digits = (whole + part).rstrip("0") or "0"
    point -= len(digits) - len(digits.lstrip("0"))
    digits = digits.lstrip("0")
    return sign + _laid_out(digits, point)


def _laid_out(digits: str, point: int) -> str:
    """Digits with the point after the first ``point`` of them (ECMA-262, Number::toString)."""
    if len(digits) <= point <= 21:
        return digits + "0" * (point - len(digits))
    if 0 < point <= 21:
        return digits[:point] + "." + digits[point:]
    if -6 < point <= 0:
        return "0." + "0" * -point + digits
    rest = "." + digits[1:] if len(digits) > 1 else ""
    return f"{digits[0]}{rest}e{point - 1:+d}"


# ------------------------------------------------------------------------------------------
# Payloads.


class Payloads:
    """The disclosed payloads of a folder: one bit for each entry says whether there is one.

    The entries it may hold payloads of are ``count`` ones from ``first`` on.
    """

    def __init__(self, folder: Path, count: int, first: int = 0) -> None:
        self.folder = folder
        self.first = first
        self.present = bytearray((count + 7) // 8)
        self.disclosed = 0
        self.absent = 0
        if not folder.exists():
            return
        if not folder.is_dir():
            raise Fault("payloads is not a folder.")
        for path in folder.iterdir():
            name = PAYLOAD_NAME.fullmatch(path.name)
            if name is None or not path.is_file() or path.is_symlink():
                raise Fault(f"payloads/{shown(path.name)} is not the payload of an entry.")
            place = int(name[1]) - first
            if not 0 <= place < count:
                raise Fault(f"There is a payload for entry {name[1]}, which is not here.")
            self.present[place >> 3] |= 1 << (place & 7)

    def holds(self, sequence: int) -> bool:
        """Say whether the payload of an entry is here."""
        place = sequence - self.first
        return bool(self.present[place >> 3] >> (place & 7) & 1)

    def check(self, sequence: int, envelope: dict[str, Any]) -> None:
        """Check the payload of one entry against what its envelope promised."""
        promised = envelope.get("payload_commitment")
        if promised is not None and not (
            isinstance(promised, str) and SHA256_HEX.fullmatch(promised)
        ):
            raise Fault(f"Entry {sequence} names its payload by something that is no hash.")
        if not self.holds(sequence):
            self.absent += promised is not None
            return
        if promised is None:
            raise Fault(f"Entry {sequence} has a payload although it was written without one.")
        data = read_file(self.folder / f"{sequence}.json", LONGEST_LINE_BYTES)
        salt, body = _salt_and_body(data, f"The payload of entry {sequence}")
        if hashlib.sha256(salt + body).hexdigest() != promised:
            raise Fault(f"The payload of entry {sequence} was altered.")
        self.disclosed += 1

    def none_of(self, sequence: int) -> None:
        """Check that a redacted entry has no payload here."""
        if self.holds(sequence):
            raise Fault(f"Entry {sequence} is redacted, and yet its payload is here.")


def _salt_and_body(data: bytes, where: str) -> tuple[bytes, bytes]:
    """Take a payload apart; its file must be written in one of the usual ways of JSON.

    Otherwise somebody could change a file, if only a space of it, and still be believed.
    """
    try:
        text = data.decode("utf-8")
        pairs = json.loads(text, object_pairs_hook=_pairs, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        raise Fault(f"{where} is not proper JSON: it was altered.") from None
    if not isinstance(pairs, _Pairs) or sorted(name for name, _ in pairs) != ["body", "salt"]:
        raise Fault(f"{where} must hold a salt and a body and nothing else.")
    parts = dict(pairs)
    salt, body = parts["salt"], parts["body"]
    if not isinstance(salt, str) or not isinstance(body, str) or not SALT.fullmatch(salt):
        raise Fault(f"{where} must hold a salt in hexadecimal and a body of text.")
    if text.rstrip("\n") not in _usual_forms(parts) or text.endswith("\n\n"):
        raise Fault(f"{where} was altered: its file is not written in a usual form of JSON.")
    try:
        return bytes.fromhex(salt), body.encode("utf-8")
    except UnicodeEncodeError:
        raise Fault(f"{where} holds half a character: it was altered.") from None


class _Pairs(list):  # type: ignore[type-arg]
    """An object of JSON as it was written, doubles included."""


def _pairs(pairs: list[tuple[str, Any]]) -> _Pairs:
    return _Pairs(pairs)


def _usual_forms(parts: dict[str, Any]) -> list[str]:
    return [
        json.dumps(parts, ensure_ascii=ascii_only, separators=separators, indent=indent)
        for ascii_only in (True, False)
        for separators, indent in (((",", ":"), None), ((", ", ": "), None), ((",", ": "), 2))
    ]


# ------------------------------------------------------------------------------------------
# The checks, in the order in which faults are named.


@dataclass
class Found:
    """What the run learnt, to be said at the end."""

    redacted: int = 0
    erasures: int = 0
    unannounced: set[int] = field(default_factory=set)


def verify(log_vkey: str, witness_vkey: str, folder: Path, old: Path | None) -> list[str]:
    """Check an export or a proof and return what can be said of it; a Fault says what is wrong."""
    log = parse_key(log_vkey.strip(), "The log key")
    if log.kind != LOG_SIGNATURE:
        raise Fault("The log key is not of type 1 (Ed25519).")
    witness = (
        None if witness_vkey.strip() == "-" else parse_key(witness_vkey.strip(), "The witness key")
    )
    if witness is not None and witness.kind != WITNESS_SIGNATURE:
        raise Fault("The witness key is not of type 4 (timestamped Ed25519 cosignature).")
    if witness is not None and witness.public == log.public:
        raise Fault("The witness key is the log's own key: such a witness proves nothing.")
    if not folder.is_dir():
        raise Fault(f"There is no folder {shown(str(folder))}.")
    checkpoint = trusted_checkpoint(folder / "checkpoint", "The checkpoint", log)
    if witness is not None and not signed_by(checkpoint, witness, "the checkpoint"):
        raise Fault(f"The checkpoint does not bear the signature of {shown(witness.name)}.")
    earlier = trusted_checkpoint(old, "The older checkpoint", log) if old else None
    check_keys_file(folder / "keys.txt", log_vkey.strip(), checkpoint)
    if (folder / "entries.jsonl").exists() or not (folder / "proof").exists():
        said = check_export(folder, checkpoint, earlier)
        strays = named_strays(folder, BUNDLE_FILES)
    else:
        said = check_proof(folder, checkpoint, earlier)
        strays = named_strays(folder, PROOF_FILES)
    return [*said, *signers(checkpoint, log, witness), *strays]


def trusted_checkpoint(path: Path, called: str, log: Key) -> Checkpoint:
    """Read a checkpoint that the log's key has signed."""
    checkpoint = parse_checkpoint(read_file(path, LONGEST_NOTE_BYTES), called)
    if not signed_by(checkpoint, log, called.lower()):
        raise Fault(f"{called} does not bear the signature of {shown(log.name)}.")
    if checkpoint.origin != log.name:
        raise Fault(f"{called} is of another log: {shown(checkpoint.origin)}.")
    return checkpoint


def check_keys_file(path: Path, log_vkey: str, checkpoint: Checkpoint) -> None:
    """Check that the file of keys, where there is one, fits the key given and the signatures."""
    if not path.exists():
        return
    text = read_file(path, LONGEST_NOTE_BYTES).decode("utf-8", "replace")
    lines = text.split("\n")
    if lines[-1] != "" or len(lines) < 2:
        raise Fault("keys.txt does not end with a newline: it was altered.")
    if lines[0] != log_vkey:
        raise Fault("keys.txt names another log key than the one you gave.")
    for number, line in enumerate(lines[1:-1], start=2):
        key = parse_key(line, f"Line {number} of keys.txt")
        if key.kind == WITNESS_SIGNATURE and not signed_by(checkpoint, key, "the checkpoint"):
            raise Fault(
                f"keys.txt names the witness {shown(key.name)}, whose signature is not on "
                "the checkpoint."
            )


def check_export(folder: Path, checkpoint: Checkpoint, earlier: Checkpoint | None) -> list[str]:
    """Check entries, tree and payloads of an export."""
    if earlier is not None and earlier.size > checkpoint.size:
        raise Fault(
            f"The checkpoint covers {checkpoint.size} entries, the older one {earlier.size}: "
            "entries were cut off the end."
        )
    # No more than the file can hold: a false size must not take the memory of the machine.
    count = min(checkpoint.size, size_of(folder / "entries.jsonl"))
    payloads = Payloads(folder / "payloads", count)
    found = check_entries(folder / "entries.jsonl", checkpoint, earlier, payloads)
    for sequence in sorted(found.unannounced)[:1]:
        raise Fault(f"Entry {sequence} is redacted, and no later audit.redaction event says so.")
    said = [
        f"{checkpoint.size} entries of {shown(checkpoint.origin)}, none altered, removed, "
        "inserted or moved.",
        f"Payloads: {payloads.disclosed} here and unaltered; {payloads.absent} not here "
        f"(withheld, or erased: {found.erasures} erasures are on record).",
    ]
    if found.redacted:
        said.append(f"Redacted entries, each announced on the record: {found.redacted}.")
    if earlier is not None:
        said.append(f"The older checkpoint of {earlier.size} entries is of this very history.")
    return said


def check_entries(
    path: Path, checkpoint: Checkpoint, earlier: Checkpoint | None, payloads: Payloads
) -> Found:
    """Check every line, one in memory at a time, and the root over them all."""
    tree, found = Tree(), Found()
    previous: str | None = None
    for sequence, line in enumerate(lines_of(path)):
        if earlier is not None and sequence == earlier.size:
            check_earlier(tree, earlier)
        if sequence >= checkpoint.size:
            raise Fault(f"Entry {sequence} was added: the checkpoint covers {checkpoint.size}.")
        if line.startswith(b"#"):
            if not REDACTED_LINE.fullmatch(line):
                raise Fault(f"The line of entry {sequence} is no redaction: it was altered.")
            payloads.none_of(sequence)
            found.redacted += 1
            found.unannounced.add(sequence)
            leaf = bytes.fromhex(line[1:].decode("ascii"))
        else:
            envelope = read_line(line, f"Entry {sequence}")
            check_place(envelope, sequence, previous)
            payloads.check(sequence, envelope)
            note_event(envelope, sequence, found)
            leaf = hashlib.sha256(b"\x00" + line).digest()
        tree.append(leaf)
        previous = leaf.hex()
    if tree.size < checkpoint.size:
        raise Fault(
            f"entries.jsonl ends after {tree.size} entries, and the checkpoint covers "
            f"{checkpoint.size}: the end was cut off."
        )
    if earlier is not None and earlier.size == tree.size:
        check_earlier(tree, earlier)
    if tree.root() != checkpoint.root:
        raise Fault(
            "The entries do not give the root that the checkpoint states: at least one was "
            "altered, or the checkpoint is of another export."
        )
    return found


def check_earlier(tree: Tree, earlier: Checkpoint) -> None:
    """Check that the tree is, at this size, the one of the older checkpoint."""
    if tree.root() != earlier.root:
        raise Fault(
            f"The first {earlier.size} entries are not those of the older checkpoint: the "
            "history was rewritten."
        )


def check_place(envelope: dict[str, Any], sequence: int, previous: str | None) -> None:
    """Check that an entry stands where it was written, after the one it was written after."""
    stated = envelope.get("seq")
    if type(stated) is not int or stated != sequence:
        raise Fault(
            f"Where entry {sequence} should stand there is one numbered {shown(str(stated))}: "
            "an entry was removed, inserted, repeated or moved."
        )
    if "prev_leaf_hash" not in envelope or envelope["prev_leaf_hash"] != previous:
        if sequence == 0:
            raise Fault("Entry 0 says that another came before it: it was altered.")
        raise Fault(
            f"Entry {sequence} was not written after the entry {sequence - 1} that stands here: "
            f"entry {sequence - 1} or {sequence} was altered."
        )


def note_event(envelope: dict[str, Any], sequence: int, found: Found) -> None:
    """Learn from the events that explain why something is missing."""
    kind = envelope.get("type")
    if kind == "audit.redaction":
        redacts = envelope.get("redacts")
        for other in redacts if isinstance(redacts, list) else ():
            if type(other) is int and other < sequence:
                found.unannounced.discard(other)
    elif kind == "audit.erasure":
        found.erasures += 1


def check_proof(folder: Path, checkpoint: Checkpoint, earlier: Checkpoint | None) -> list[str]:
    """Check the proof of one event."""
    data = read_file(folder / "proof", LONGEST_NOTE_BYTES)
    index, path, note = parse_proof(data)
    if note != read_file(folder / "checkpoint", LONGEST_NOTE_BYTES):
        raise Fault("The checkpoint in the proof is another than the file checkpoint.")
    line = read_file(folder / "entry.json", LONGEST_LINE_BYTES)
    if not line.endswith(b"\n"):
        raise Fault("entry.json does not end with a newline: it was cut off or altered.")
    where = f"Entry {index}"
    envelope = read_line(line[:-1], where)
    if type(envelope.get("seq")) is not int or envelope["seq"] != index:
        raise Fault(f"The proof is for entry {index}, and the entry here is another.")
    leaf = hashlib.sha256(b"\x00" + line[:-1]).digest()
    if root_of_proof(leaf, index, checkpoint.size, path) != checkpoint.root:
        raise Fault(f"{where} is not part of the record that the checkpoint covers.")
    payloads = Payloads(folder / "payloads", 1, first=index)
    payloads.check(index, envelope)
    if earlier is not None:
        compare_with_earlier(checkpoint, earlier)
    is_here = "is here and unaltered" if payloads.disclosed else "is not here"
    promised = envelope.get("payload_commitment") is not None
    return [
        f"Entry {index} is one of the {checkpoint.size} of {shown(checkpoint.origin)}, unaltered.",
        f"Its payload {is_here}." if promised else "It has no payload.",
    ]


def compare_with_earlier(checkpoint: Checkpoint, earlier: Checkpoint) -> None:
    """Compare two checkpoints without the entries between them: only equal sizes can be."""
    if earlier.size != checkpoint.size:
        raise Fault(
            "An older checkpoint of another size can be compared with a whole export only, "
            "not with the proof of one event."
        )
    if earlier.root != checkpoint.root:
        raise Fault("The older checkpoint is of another history: the record was rewritten.")


def parse_proof(data: bytes) -> tuple[int, list[bytes], bytes]:
    """Return index, path and checkpoint of a C2SP tlog-proof."""
    head, gap, note = data.partition(b"\n\n")
    lines = head.decode("utf-8", "replace").split("\n")
    if not gap or len(lines) < 2 or lines[0] != "c2sp.org/tlog-proof@v1":
        raise Fault("The file proof is not a tlog-proof: it was altered.")
    word, _, number = lines[1].partition(" ")
    path = [strict_base64(line) for line in lines[2:]]
    if word != "index" or not DECIMAL.fullmatch(number):
        raise Fault("The file proof names no entry: it was altered.")
    hashes = [part for part in path if part is not None and len(part) == 32]
    if len(hashes) != len(path) or len(path) > 64:
        raise Fault("The file proof holds something that is no hash: it was altered.")
    return int(number), hashes, note


# ------------------------------------------------------------------------------------------
# Reading files, and saying what was found.


def read_file(path: Path, limit: int) -> bytes:
    """Return the bytes of a file that may not be larger than ``limit``."""
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise Fault(f"{shown(path.name)} cannot be read: {error.strerror}.") from None
    if len(data) > limit:
        raise Fault(f"{shown(path.name)} is larger than any of its kind.")
    return data


def size_of(path: Path) -> int:
    """Return the size of a file in bytes."""
    try:
        return path.stat().st_size
    except OSError as error:
        raise Fault(f"{shown(path.name)} cannot be read: {error.strerror}.") from None


def lines_of(path: Path) -> Iterator[bytes]:
    """Yield the lines of the entries without their newlines."""
    try:
        with path.open("rb") as file:
            number = 0
            while line := file.readline(LONGEST_LINE_BYTES):
                if line[-1] != 10:
                    raise Fault(f"The line of entry {number} has no end: it was cut off.")
                yield line[:-1]
                number += 1
    except OSError as error:
        raise Fault(f"entries.jsonl cannot be read: {error.strerror}.") from None


def signers(checkpoint: Checkpoint, log: Key, witness: Key | None) -> list[str]:
    """Say who vouches for what was checked."""
    said = [f"Signed by {shown(log.name)}."]
    if witness is not None:
        said[0] = (
            f"Signed by {shown(log.name)}, and cosigned by {shown(witness.name)} at "
            f"{cosigned_at(checkpoint, witness)} (seconds since 1970, UTC)."
        )
    others = len(checkpoint.signatures) - (1 if witness is None else 2)
    if others:
        said.append(f"Signatures of keys that you did not name, not relied on: {others}.")
    return said


def named_strays(folder: Path, known: frozenset[str]) -> list[str]:
    """Name what lies in the folder and is no part of it."""
    strays = sorted(path.name for path in folder.iterdir() if path.name not in known)
    return [f"No part of an export and not checked: {shown(name)}." for name in strays[:20]]


def shown(text: str) -> str:
    """Return text of the export so that it cannot disturb a terminal."""
    return "".join(character if character.isprintable() else "?" for character in text[:200])


def main(arguments: list[str]) -> int:
    """Check what the arguments name; print the verdict and return the exit code."""
    if len(arguments) not in (3, 4):
        sys.stderr.write(USAGE + "\n")
        return 1
    log, witness, folder, *old = arguments
    try:
        said = verify(log, witness, Path(folder), Path(old[0]) if old else None)
    except Fault as fault:
        sys.stdout.write(f"NOT VERIFIED. {fault}\n")
        return 1
    sys.stdout.write("\n".join(["VERIFIED.", *said]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
