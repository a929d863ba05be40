"""A second maker of export bundles, written from the format's description alone.

It shares no line with the product, nor with the verifier: what the three agree on is the format.
Signatures are made by `cryptography`, canonical JSON by `rfc8785`, and the tree is the recursive
definition of RFC 9162, section 2.1.1.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ORIGIN = "muniment.example/record"
WITNESS = "witness.example/w1"
WITNESSED_AT = 1_795_363_200


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that signs notes: type 1 for a log, type 4 for a witness."""

    name: str
    kind: int
    secret: Ed25519PrivateKey

    @classmethod
    def of(cls, name: str, kind: int, seed: str) -> "SigningKey":
        secret = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(seed.encode()).digest())
        return cls(name, kind, secret)

    @property
    def material(self) -> bytes:
        return bytes([self.kind]) + self.secret.public_key().public_bytes_raw()

    @property
    def key_id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + self.material).digest()[:4]

    @property
    def vkey(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(self.material).decode()}"

    def line(self, text: bytes, *, at: int = WITNESSED_AT) -> str:
        """The signature line of this key under a note's text."""
        value = self.key_id
        if self.kind == 4:
            value += at.to_bytes(8, "big")
            text = f"cosignature/v1\ntime {at}\n".encode() + text
        value += self.secret.sign(text)
        return f"\N{EM DASH} {self.name} {base64.b64encode(value).decode()}\n"


LOG = SigningKey.of(ORIGIN, 1, "log")
OTHER_LOG = SigningKey.of(ORIGIN, 1, "another log")
COSIGNER = SigningKey.of(WITNESS, 4, "witness")


def leaf(line: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + line).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + root(leaves[:split]) + root(leaves[split:])).digest()


def inclusion_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    if len(leaves) == 1:
        return []
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if index < split:
        return [*inclusion_path(leaves[:split], index), root(leaves[split:])]
    return [*inclusion_path(leaves[split:], index - split), root(leaves[:split])]


def note(leaves: Sequence[bytes], *keys: SigningKey, origin: str = ORIGIN) -> str:
    text = f"{origin}\n{len(leaves)}\n{base64.b64encode(root(leaves)).decode()}\n"
    return text + "\n" + "".join(key.line(text.encode()) for key in keys)


@dataclass
class Record:
    """Entries and payloads that a test may bend as it likes before it writes a bundle of them."""

    lines: list[bytes] = field(default_factory=list)
    payloads: dict[int, bytes] = field(default_factory=dict)

    def append(self, kind: str, *, body: str | None = None, **fields: Any) -> int:
        sequence = len(self.lines)
        salt = hashlib.sha256(f"salt {sequence}".encode()).digest()
        envelope: dict[str, Any] = {
            "v": 1,
            "seq": sequence,
            "id": f"01K{sequence:023d}",
            "ts": f"2026-11-22T09:{sequence // 60 % 60:02d}:{sequence % 60:02d}.000000Z",
            "type": kind,
            "actor": {"pid": "a:" + "7f" * 16},
            "payload_commitment": None,
            "prev_leaf_hash": self.leaf_hex(sequence - 1) if sequence else None,
            **fields,
        }
        if body is not None:
            envelope["payload_commitment"] = hashlib.sha256(salt + body.encode()).hexdigest()
            text = json.dumps({"salt": salt.hex(), "body": body}, ensure_ascii=False)
            self.payloads[sequence] = text.encode() + b"\n"
        self.lines.append(rfc8785.dumps(envelope))
        return sequence

    def leaf_hex(self, sequence: int) -> str:
        line = self.lines[sequence]
        return line[1:].decode() if line.startswith(b"#") else leaf(line).hex()

    def leaves(self) -> list[bytes]:
        return [bytes.fromhex(self.leaf_hex(place)) for place in range(len(self.lines))]

    def redact(self, sequence: int) -> None:
        self.lines[sequence] = b"#" + self.leaf_hex(sequence).encode()
        self.payloads.pop(sequence, None)

    def edit(self, sequence: int, **fields: Any) -> None:
        """Change an entry as somebody would who knows the form, and leave the rest alone."""
        envelope = json.loads(self.lines[sequence])
        self.lines[sequence] = rfc8785.dumps({**envelope, **fields})

    def relink(self) -> None:
        """Number and chain the entries anew, as somebody would who rewrites history."""
        for place, line in enumerate(self.lines):
            previous = self.leaf_hex(place - 1) if place else None
            self.lines[place] = rfc8785.dumps(
                {**json.loads(line), "seq": place, "prev_leaf_hash": previous}
            )

    def note(self, *keys: SigningKey) -> str:
        return note(self.leaves(), *keys)

    def write(self, folder: Path, *keys: SigningKey, checkpoint: str | None = None) -> Path:
        """Write a bundle with a checkpoint by these keys, or with the one given."""
        return write_folder(
            folder,
            {
                "entries.jsonl": b"".join(line + b"\n" for line in self.lines),
                "checkpoint": (checkpoint or self.note(*keys)).encode(),
                "keys.txt": "".join(key.vkey + "\n" for key in keys).encode(),
                "README": b"A bundle of a test.\n",
                **{f"payloads/{place}.json": data for place, data in self.payloads.items()},
            },
        )

    def write_proof(self, folder: Path, sequence: int, *keys: SigningKey) -> Path:
        checkpoint = self.note(*keys)
        path = "".join(
            base64.b64encode(part).decode() + "\n"
            for part in inclusion_path(self.leaves(), sequence)
        )
        files = {
            "entry.json": self.lines[sequence] + b"\n",
            "checkpoint": checkpoint.encode(),
            "proof": f"c2sp.org/tlog-proof@v1\nindex {sequence}\n{path}\n{checkpoint}".encode(),
            "keys.txt": "".join(key.vkey + "\n" for key in keys).encode(),
        }
        if sequence in self.payloads:
            files[f"payloads/{sequence}.json"] = self.payloads[sequence]
        return write_folder(folder, files)


def write_folder(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def small_record() -> Record:
    """A question and its answer, a refusal, an erasure, and text in several scripts."""
    record = Record()
    record.append("system.start", version="0.1")
    record.append("auth.login", body='{"person":"Ada Lovelace"}')
    record.append("rag.ask", turn_id="t1", body='{"question":"Wie hoch ist die Gebühr? 手数料 😀"}')
    record.append("rag.retrieve", turn_id="t1", passages=[{"chunk_id": "c1", "score": 0.71}])
    record.append("rag.answer", turn_id="t1", struck=0, body='{"answer":"Fifty \\"pounds\\"."}')
    record.append("rag.refuse", turn_id="t2", milliseconds=0.000001, body='{"reason":"nothing"}')
    record.append("audit.erasure", keys=["k:1"], count=1)
    record.append("access.denied", body='{"what":"document d:1"}')
    record.append("export.audit", entries=8, body='{"person":"Grace Hopper"}')
    return record
