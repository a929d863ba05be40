"""Check a record without trusting whoever wrote it.

This module reads on its own: it uses the standard library and the error types only, and shares
no code with the writer, so that a fault in the one does not hide behind the same fault in the
other. The format is told in docs/record.md.
"""

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from audit.errors import AuditUnavailable

FORMAT_VERSION = 1
BUSY_SECONDS = 10
REDACTION = "audit.redaction"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a record is intact.

    Attributes:
        intact: True when everything that can be checked holds.
        entries: How many entries hold, counted from the first.
        head: Hex leaf hash of the last of them; empty where there is none. Kept elsewhere
            together with ``entries``, it shows later that no tail was cut off.
        fault: One sentence on the first thing that does not hold; empty where all does.
        withheld: Payloads that are erased, or cannot be opened here, and so were not checked.
        signed: How many entries, from the first, are those of the newest checkpoint; 0 where
            there is none, or its key could not be asked for.
    """

    intact: bool
    entries: int
    head: str
    fault: str = ""
    withheld: int = 0
    signed: int = 0


@dataclass(frozen=True, slots=True)
class KeptHead:
    """What somebody wrote down of an earlier verdict."""

    entries: int
    head: str


@dataclass(frozen=True, slots=True)
class _Written:
    """One entry as it stands in the store, unchecked.

    Attributes:
        line: Its line; nothing once redacted.
        leaf_hash: As it is listed.
        salt: Of its payload; None where there is none, or where it cannot be read.
        body: Likewise.
        may_be_withheld: A payload was there and is erased, or cannot be opened here.
        redacted: Nothing but the hash is left.
        columns: Sequence, type, time and pseudonym as the store lists them for searching.
    """

    line: bytes
    leaf_hash: str
    salt: bytes | None
    body: bytes | None
    may_be_withheld: bool
    redacted: bool
    columns: tuple[object, object, object, object]


OpenPayload = Callable[[int, str, bytes, bytes, bytes], tuple[bytes, bytes]]
"""Opens a stored payload: given its sequence, key id, wrapped key, nonce and ciphertext, returns
salt and body; raises ``AuditUnavailable`` where it cannot be opened."""


class _FaultFound(Exception):
    """Something does not hold; the message is the sentence."""


def verify_store(
    path: Path, *, kept: KeptHead | None = None, open_payload: OpenPayload | None = None
) -> Verdict:
    """Check every entry of a record's database file, as it is at one moment.

    Args:
        path: The file.
        kept: What was written down of an earlier verdict.
        open_payload: Opens the encrypted payloads; without it they count as withheld.

    Raises:
        AuditUnavailable: The file is not there or cannot be opened. A file that opens and
            does not hold is no error but a verdict.
    """
    if not path.is_file():
        raise AuditUnavailable(f"There is no record at {path}. Check the data folder.")
    return _verdict(_stored(path, open_payload), kept)


def verify_rows(
    rows: Iterable[tuple[object, ...]],
    *,
    kept: KeptHead | None = None,
    open_payload: OpenPayload | None = None,
) -> Verdict:
    """Check every entry of a record that is kept elsewhere than in a file.

    Args:
        rows: In order: sequence, line, leaf hash, type, time, pseudonym, key id, wrapped key,
            nonce and ciphertext; texts as bytes.
        kept: What was written down of an earlier verdict.
        open_payload: Opens the encrypted payloads; without it they count as withheld.
    """
    return _verdict((_row(row, open_payload) for row in rows), kept)


def _verdict(entries: Iterator[_Written], kept: KeptHead | None) -> Verdict:
    sequence, head, withheld = 0, "", 0
    unannounced: set[int] = set()
    try:
        for entry in entries:
            withheld += _check(entry, sequence=sequence, previous=head, unannounced=unannounced)
            sequence, head = sequence + 1, entry.leaf_hash
            _check_kept_head(sequence, head, kept)
        _check_length(sequence, kept)
        _check_announced(unannounced)
    except _FaultFound as fault:
        return Verdict(
            intact=False, entries=sequence, head=head, fault=str(fault), withheld=withheld
        )
    return Verdict(intact=True, entries=sequence, head=head, withheld=withheld)


def _check_kept_head(entries: int, head: str, kept: KeptHead | None) -> None:
    if kept and kept.entries == entries and kept.head != head:
        raise _FaultFound(
            f"Entry {entries - 1} is not the one that was last when {entries} entries were on "
            "record: it or an entry before it was rewritten."
        )


def _check_length(entries: int, kept: KeptHead | None) -> None:
    if kept is None or entries >= kept.entries:
        return
    missing = kept.entries - entries
    raise _FaultFound(
        f"The record ends after {entries} entries, but {kept.entries} were on it before: "
        f"the last {missing} {'is' if missing == 1 else 'are'} missing."
    )


def _check_announced(unannounced: set[int]) -> None:
    for sequence in sorted(unannounced)[:1]:
        raise _FaultFound(f"Entry {sequence} is redacted, and no later entry announces it.")


def _check(entry: _Written, *, sequence: int, previous: str, unannounced: set[int]) -> bool:
    """Raise the first thing that does not hold of one entry; say whether a payload is withheld.

    Args:
        entry: The entry.
        sequence: Where it stands.
        previous: Leaf hash of the entry before.
        unannounced: Redacted entries that none so far announced; brought up to date.
    """
    if entry.columns[0] != sequence:
        raise _FaultFound(
            f"Entry {sequence} is missing: entry {entry.columns[0]} stands in its place."
        )
    if entry.redacted:
        unannounced.add(sequence)
        return False
    if hashlib.sha256(b"\x00" + entry.line).hexdigest() != entry.leaf_hash:
        raise _FaultFound(f"Entry {sequence} was altered: its text does not give its hash.")
    envelope = _envelope(entry.line, sequence)
    if envelope.get("seq") != sequence:
        raise _FaultFound(
            f"Entry {sequence} is missing or out of order: entry "
            f"{_shown(envelope.get('seq'))} stands in its place."
        )
    if envelope.get("v") != FORMAT_VERSION:
        raise _FaultFound(
            f"Entry {sequence} is written in format {_shown(envelope.get('v'))}, which this "
            "verifier does not know."
        )
    if envelope.get("prev_leaf_hash") != (previous or None):
        raise _FaultFound(
            f"Entry {sequence} does not follow the entry before it: one of the two was "
            "rewritten, or something between them was removed."
        )
    _check_columns(entry, envelope, sequence)
    if envelope.get("type") == REDACTION and isinstance(redacts := envelope.get("redacts"), list):
        unannounced.difference_update(each for each in redacts if type(each) is int)
    return _check_payload(entry, envelope, sequence)


def _envelope(line: bytes, sequence: int) -> dict[str, object]:
    try:
        envelope = json.loads(line.decode("utf-8"), object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError) as error:
        raise _FaultFound(f"Entry {sequence} cannot be read: it is not proper JSON.") from error
    if not isinstance(envelope, dict):
        raise _FaultFound(f"Entry {sequence} cannot be read: it is not a JSON object.")
    return envelope


def _without_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object; two readers may disagree about one that names a thing twice."""
    read = dict(pairs)
    if len(read) != len(pairs):
        raise ValueError("an object names something twice")
    return read


def _check_columns(entry: _Written, envelope: dict[str, object], sequence: int) -> None:
    """The columns to search by must say what the envelope says, else a search could hide it."""
    actor = envelope.get("actor")
    pid = actor.get("pid") if isinstance(actor, dict) else None
    _, kind, at, person = entry.columns
    if (kind, at, person) != (envelope.get("type"), envelope.get("ts"), pid):
        raise _FaultFound(
            f"Entry {sequence} is listed with another type, time or person than it was "
            "written with."
        )


def _check_payload(entry: _Written, envelope: dict[str, object], sequence: int) -> bool:
    promised = envelope.get("payload_commitment")
    if entry.salt is None or entry.body is None:
        if promised is not None and not entry.may_be_withheld:
            raise _FaultFound(f"The payload of entry {sequence} is missing.")
        return promised is not None
    if promised is None:
        raise _FaultFound(f"Entry {sequence} has a payload although it was written without one.")
    if hashlib.sha256(entry.salt + entry.body).hexdigest() != promised:
        raise _FaultFound(f"The payload of entry {sequence} was altered.")
    return False


def _stored(path: Path, open_payload: OpenPayload | None) -> Iterator[_Written]:
    """Read a database file, one entry in memory at a time; one statement sees one moment."""
    try:
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode=ro", uri=True, timeout=BUSY_SECONDS
        )
        with closing(connection):
            connection.text_factory = bytes
            for row in connection.execute(
                "SELECT e.seq, e.line, e.leaf_hash, e.type, e.ts, e.pid, "
                "p.key_id, k.wrapped, p.nonce, p.ct "
                "FROM audit_entry AS e LEFT JOIN audit_payload AS p ON p.seq = e.seq "
                "LEFT JOIN audit_key AS k ON k.key_id = p.key_id "
                "ORDER BY e.seq"
            ):
                yield _row(row, open_payload)
            for (stray,) in connection.execute(
                "SELECT seq FROM audit_payload WHERE seq NOT IN (SELECT seq FROM audit_entry)"
            ):
                raise _FaultFound(f"There is a payload for entry {stray}, which is not there.")
    except sqlite3.OperationalError as error:
        if _is_away(error):
            raise AuditUnavailable(
                f"The record at {path} cannot be opened: {error}. Check that the disk is "
                "there and that no other program holds the file."
            ) from error
        raise _FaultFound("The record's file is damaged: its tables cannot be read.") from error
    except sqlite3.DatabaseError as error:
        raise _FaultFound("The record's file is damaged: it is no sound database.") from error


def _is_away(error: sqlite3.OperationalError) -> bool:
    name = getattr(error, "sqlite_errorname", "")
    return name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_CANTOPEN", "SQLITE_READONLY"))


def _row(row: tuple[object, ...], open_payload: OpenPayload | None) -> _Written:
    sequence, line, leaf, kind, at, person, *payload = row
    salt, body, withheld = _opened(sequence, payload, open_payload)
    return _Written(
        line=_bytes(line),
        leaf_hash=str(_text(leaf)),
        salt=salt,
        body=body,
        may_be_withheld=withheld,
        redacted=line == b"",
        columns=(sequence, _text(kind), _text(at), _text(person)),
    )


def _opened(
    sequence: object, payload: list[object], open_payload: OpenPayload | None
) -> tuple[bytes | None, bytes | None, bool]:
    """Salt and body of a stored payload, and whether they may be missing: erased, or unopened."""
    key_id, wrapped, nonce, ciphertext = payload
    if key_id is None:
        return None, None, False
    if open_payload is None or not (wrapped and nonce and ciphertext):
        return None, None, True
    try:
        salt, body = open_payload(
            int(str(sequence)),
            str(_text(key_id)),
            _bytes(wrapped),
            _bytes(nonce),
            _bytes(ciphertext),
        )
    except AuditUnavailable:
        return b"", b"", False  # which keeps no promise
    return salt, body, False


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


def _text(value: object) -> object:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _shown(value: object) -> str:
    return str(value) if isinstance(value, int) else "of no number"
