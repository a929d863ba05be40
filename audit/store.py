"""What a record is kept in: the port that SQLite and PostgreSQL both fill.

A store knows rows, order and durability. It does not know what an event is, what a hash covers
or what a key opens: that is the log's business (audit.log), so that both stores hold the very
same bytes.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the record.

    Attributes:
        size: How many entries there are.
        leaf_hash: Hex leaf hash of the last; empty where there is none.
        at: Its time as written; empty where there is none.
    """

    size: int = 0
    leaf_hash: str = ""
    at: str = ""


@dataclass(frozen=True, slots=True)
class EntryRow:
    """An entry as it is stored.

    Attributes:
        sequence: Its place, from 0.
        line: The envelope's canonical line; None once it was redacted.
        leaf_hash: Hex hash of the line, kept when the line is gone.
        type: Repeats the envelope, for searching, as do the following.
        at: Time as written.
        pid: Pseudonym of who acted; None where nobody did, or once redacted.
        matter: None where there is none, or once redacted.
        documents: Ids of the documents it is about; read back only by searching.
    """

    sequence: int
    line: bytes | None
    leaf_hash: str
    type: str
    at: str
    pid: str | None = None
    matter: str | None = None
    documents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PayloadRow:
    """A payload, encrypted: salt and body under a data key.

    Nonce and ciphertext are None once it was erased, by itself or with its key; that there was
    one, and under which key, stays.
    """

    sequence: int
    key_id: str
    nonce: bytes | None
    ciphertext: bytes | None


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A data key.

    Attributes:
        key_id: Its name in envelopes.
        subject: Pseudonym of whom its payloads are about; "house" where about nobody.
        period: The month it is for, "2026-11".
        wrapped: The key under the key-encryption key; None once it was destroyed.
        destroyed_at: When, as timestamps are written; None while it lives.
    """

    key_id: str
    subject: str
    period: str
    wrapped: bytes | None
    destroyed_at: str | None = None


@dataclass(frozen=True, slots=True)
class TileRow:
    """256 neighbouring hashes of one level of the tree, complete, and the root over them."""

    level: int
    index: int
    hashes: bytes
    root: bytes


@dataclass(frozen=True, slots=True)
class Removal:
    """What an announcing entry takes away, in the same transaction.

    Only an entry of a type that announces it (``audit.erasure``, ``audit.disposal``,
    ``audit.redaction``) may take something away, and must be the last of its batch.

    Attributes:
        keys: Ids of data keys to destroy; the ciphertext under them goes too.
        payloads: Sequences whose ciphertext is removed.
        lines: Sequences whose line is replaced by nothing; the leaf hash stays.
        at: When, as timestamps are written.
    """

    keys: tuple[str, ...] = ()
    payloads: tuple[int, ...] = ()
    lines: tuple[int, ...] = ()
    at: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """Everything that one transaction adds. Keys come before the payloads that they open."""

    entries: tuple[EntryRow, ...]
    payloads: tuple[PayloadRow, ...] = ()
    keys: tuple[KeyRow, ...] = ()
    tiles: tuple[TileRow, ...] = ()
    removal: Removal = field(default_factory=Removal)


@dataclass(frozen=True, slots=True)
class Stored:
    """An entry with what belongs to it.

    Attributes:
        entry: The entry.
        payload: None where it has none, or none any more.
        wrapped_key: What opens the payload, wrapped; None where the key was destroyed.
    """

    entry: EntryRow
    payload: PayloadRow | None
    wrapped_key: bytes | None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries are meant; what is empty or None leaves nothing out.

    Attributes:
        type: A type ("rag.ask") or a family of types ("rag").
        pid: Pseudonym of who acted.
        since: Written at or after this moment, as timestamps are written.
        until: Written before this moment.
        document: About this document.
        matter: Of this matter.
        first: From this sequence on.
        last: Up to this sequence, itself included.
        outcome: That ended so, as the envelope says ("refused").
    """

    type: str = ""
    pid: str = ""
    since: str = ""
    until: str = ""
    document: str = ""
    matter: str = ""
    first: int = 0
    last: int | None = None
    outcome: str = ""


class Writing(Protocol):
    """What may be asked within the transaction that a batch is built for."""

    @property
    def head(self) -> Head:
        """The end of the record; nobody else can move it until the transaction ends."""
        ...

    def leaf_hash(self, sequence: int) -> str | None:
        """Return the hex leaf hash of an entry; None where there is none."""
        ...

    def live_key(self, subject: str, period: str) -> KeyRow | None:
        """Return the newest key of a subject and period that was not destroyed."""
        ...

    def key_count(self, subject: str, period: str) -> int:
        """Return how many keys a subject and period ever had."""
        ...


class Store(Protocol):
    """Rows of one record, written once.

    Every method raises ``AuditUnavailable`` where the store cannot do as asked. Methods may be
    called from several threads, and several processes may have one record open.
    """

    @property
    def name(self) -> str:
        """Where it is, for messages to the operator; no secrets."""
        ...

    def append(self, build: Callable[[Writing], Batch]) -> None:
        """Add a batch at the end: all of it, or nothing.

        ``build`` is called once the store has made sure that no other process can append, and
        is given the end of the record. Durable when this returns. Whatever ``build`` raises
        leaves the record as it was.
        """
        ...

    def head(self) -> Head:
        """Return the end of the record as it is now."""
        ...

    def rows(self, wanted: Filter, *, limit: int, newest_first: bool = False) -> list[Stored]:
        """Return at most ``limit`` entries with their payloads, in the order of sequence."""
        ...

    def count(self, wanted: Filter) -> int:
        """Return how many entries are meant."""
        ...

    def latest_moment(self, *, after: int = -1) -> str:
        """Return the latest time on any entry after a sequence, not that of the last entry."""
        ...

    def leaf_hashes(self, first: int, last: int) -> Iterator[str]:
        """Yield the hex leaf hashes of a range, both ends included, in constant memory."""
        ...

    def tile(self, level: int, index: int) -> TileRow | None:
        """Return a complete tile; None where it is not complete yet."""
        ...

    def tile_roots(self, level: int, first: int, last: int) -> list[bytes]:
        """Return the roots of complete tiles of a level, both ends included."""
        ...

    def keys(self, subject: str = "") -> list[KeyRow]:
        """Return the data keys, of one subject or all, in the order they were made."""
        ...

    def add_checkpoint(self, size: int, note: str) -> None:
        """Keep a signed checkpoint; of one size there may be several, the last one counts."""
        ...

    def checkpoint(self, *, at_most: int | None = None) -> str | None:
        """Return the newest checkpoint, or the newest of at most that size; None where none."""
        ...

    def checkpoints(self, *, limit: int = 100) -> Sequence[tuple[int, str]]:
        """Return sizes and notes, the newest first."""
        ...

    def test_write(self) -> None:
        """Write something durable that means nothing, to learn whether writing works."""
        ...

    def close(self) -> None:
        """Let go of it; everything appended is already durable."""
        ...


def period_of(at: datetime) -> str:
    """Return the month that a data key made at a moment is for."""
    return f"{at:%Y-%m}"
