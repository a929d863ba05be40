"""The native export: the files that anybody can check alone, and the proof of one event.

The format is told in docs/record-export.md and kept to the letter; what checks it
(audit.bundle_verify) is shipped inside, and shares no line with this module.
"""

import base64
import json
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from audit import bundle_verify
from audit.entries import Disclosed
from audit.errors import ExportFailed

PROOF_HEADER = "c2sp.org/tlog-proof@v1"
MODE = 0o600

README = """\
An export of the Muniment record {origin}
{rule}

Made on {made}. It holds all {size} entries of the record up to that moment.
Payloads (what people wrote, and their names) are here for: {selection}.
Where a payload is not here it was withheld or has been erased; the record can be checked all
the same.

To check it you need Python 3.9 or later, nothing else, and no network:

    python3 verify.py LOG_VKEY WITNESS_VKEY . [OLD_CHECKPOINT]

LOG_VKEY and WITNESS_VKEY are lines of keys.txt, but do not take them from there: get them from
somebody you trust, and write "-" where there is no witness. OLD_CHECKPOINT is the file
"checkpoint" of an earlier export; keep the one of this export for the next time. It is what shows
that nothing was rewritten since, even if somebody stole the log's key.
Get verify.py itself from somebody you trust, too, or read it: it is one file.

What is in here
  entries.jsonl   one envelope a line, in canonical JSON (RFC 8785), in the order of "seq" from 0.
                  A line "#" and a hash stands for an entry that was redacted; a later event of
                  type audit.redaction says so.
  checkpoint      size and root of the Merkle tree (RFC 9162) over the entries, signed (C2SP
                  tlog-checkpoint, signed-note, tlog-cosignature).
  payloads/       N.json is the payload of entry N: SHA-256(salt, body) is the
                  "payload_commitment" in its envelope.
  keys.txt        the log's key, then those of the witnesses that signed. For convenience only.
  README          this text. Nobody signed it.
  verify.py       the verifier. Nobody signed it either.

What a passed check shows: no entry that the checkpoint covers was altered, removed, inserted or
moved since it was signed. What it cannot show: that something was never recorded, or that the
entries newer than every checkpoint held elsewhere were not cut off.
"""

PROOF_README = """\
Proof of entry {sequence} of the Muniment record {origin}
{rule}

Made on {made}. entry.json is the entry; proof shows that it is one of the {size} entries that the
signed checkpoint covers (C2SP tlog-proof); payloads holds what people wrote in it, if it was
disclosed. Nothing of any other entry is in here but hashes.

    python3 verify.py LOG_VKEY WITNESS_VKEY .

Get the keys and verify.py from somebody you trust; keys.txt is for convenience only. Write "-"
where there is no witness.
"""


@dataclass(frozen=True, slots=True)
class Part:
    """One file of an export.

    Attributes:
        name: Relative to the folder, with slashes.
        size: In bytes; None where it is not known before it is written, which only a folder
            can take.
        chunks: What is in it, to be taken once.
    """

    name: str
    size: int | None
    chunks: Iterable[bytes]

    @classmethod
    def of(cls, name: str, data: bytes) -> "Part":
        """Return a file whose bytes are at hand."""
        return cls(name, len(data), (data,))


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint, and the keys that it can be checked with.

    Attributes:
        note: The signed note, as it goes into the file.
        origin: Of the log.
        size: How many entries it covers.
        keys: Of the log first, then of each witness that signed, as verifier keys.
    """

    note: str
    origin: str
    size: int
    keys: tuple[str, ...]


def bundle(
    signed: Signed,
    entries: Part,
    payloads: Iterable[tuple[int, Disclosed]],
    *,
    selection: str,
    made: datetime,
) -> Iterator[Part]:
    """Yield the files of a bundle; payloads come last, one in memory at a time."""
    readme = README.format(
        origin=signed.origin,
        size=f"{signed.size:,}",
        made=f"{made:%Y-%m-%d %H:%M} UTC",
        selection=selection or "every entry that has one",
        rule="=" * (34 + len(signed.origin)),
    )
    yield from _beside(signed, readme)
    yield Part.of("checkpoint", signed.note.encode())
    yield entries
    for sequence, payload in payloads:
        yield _payload(sequence, payload)


def proof(
    signed: Signed,
    line: bytes,
    sequence: int,
    path: Iterable[bytes],
    payload: Disclosed | None,
    *,
    made: datetime,
) -> Iterator[Part]:
    """Yield the files of the proof of one event."""
    title = f"Proof of entry {sequence} of the Muniment record {signed.origin}"
    readme = PROOF_README.format(
        origin=signed.origin,
        size=f"{signed.size:,}",
        made=f"{made:%Y-%m-%d %H:%M} UTC",
        sequence=sequence,
        rule="=" * len(title),
    )
    hashes = "".join(base64.b64encode(each).decode() + "\n" for each in path)
    written = f"{PROOF_HEADER}\nindex {sequence}\n{hashes}\n{signed.note}"
    yield from _beside(signed, readme)
    yield Part.of("checkpoint", signed.note.encode())
    yield Part.of("proof", written.encode())
    yield Part.of("entry.json", line + b"\n")
    if payload is not None:
        yield _payload(sequence, payload)


def _payload(sequence: int, payload: Disclosed) -> Part:
    text = json.dumps({"salt": payload.salt.hex(), "body": payload.body}, ensure_ascii=False)
    return Part.of(f"payloads/{sequence}.json", text.encode() + b"\n")


def _beside(signed: Signed, readme: str) -> Iterator[Part]:
    yield Part.of("README", readme.encode())
    yield Part.of("keys.txt", "".join(key + "\n" for key in signed.keys).encode())
    yield Part.of("verify.py", Path(bundle_verify.__file__).read_bytes())


def archive(parts: Iterable[Part], *, made: datetime) -> Iterator[bytes]:
    """Yield the files as one tar archive, compressed by gzip, in constant memory.

    Tar and not zip: a zip archive ends with a list of everything in it, which would have to be
    kept in memory.
    """
    squeeze = zlib.compressobj(wbits=31)
    for part in parts:
        header = tarfile.TarInfo(f"muniment-record/{part.name}")
        header.size, header.mode, header.mtime = part.size or 0, MODE, int(made.timestamp())
        yield squeeze.compress(header.tobuf(tarfile.PAX_FORMAT))
        written = 0
        for chunk in part.chunks:
            yield squeeze.compress(chunk)
            written += len(chunk)
        if written != part.size:
            raise ExportFailed(
                f"{part.name} changed while it was handed out: an entry was redacted meanwhile. "
                "Export again."
            )
        yield squeeze.compress(b"\0" * (-written % tarfile.BLOCKSIZE))
    yield squeeze.compress(b"\0" * 2 * tarfile.BLOCKSIZE) + squeeze.flush()
