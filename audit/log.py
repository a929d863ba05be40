"""The record: what was asked, answered and changed, in the order in which it happened.

The log turns events into entries and hands them to a store; it grows the tree over them, has
its root signed, and reads entries back with what of their payloads still can be opened. What
makes an entry trustworthy is what it says and what signs it, not what this module believes.
"""

import json
import logging
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from audit.canonical import Json, moment, timestamp
from audit.circumstances import Circumstances, Program, current
from audit.earlier_form import bring_up_to_date, is_earlier_form
from audit.entries import Disclosed, Entry
from audit.errors import (
    AuditUnavailable,
    RecordDamaged,
    SignerUnavailable,
    WitnessUnavailable,
)
from audit.events import ClockStepped, Event, EventsMissed, GapNoticed
from audit.files import alone_in, write_durably
from audit.keys import PayloadKeys, read_or_make_secret
from audit.notes import Note, Signature, parse_checkpoint, parse_note
from audit.sealing import Prepared, Pseudonyms, Sealed, Sealer, prepare
from audit.sequencer import Request, Sequencer
from audit.signed_states import fault_against
from audit.signer import KeySigner, Signed, Signer
from audit.sqlite_store import SqliteStore
from audit.store import Batch, Filter, Head, KeyRow, Removal, Store, Stored, Writing
from audit.tree import GrowingTree, StoredTree
from audit.verify import KeptHead, Verdict, verify_rows, verify_store
from audit.witness import Witness

diary = logging.getLogger("audit.log")
"""What operators read; what auditors read is the record."""

DATABASE = "audit.db"
PEPPER = "pepper"
PAYLOAD_KEY = "payload.key"
SIGNER_FOLDER = "signer"
BUSY_SECONDS = 10.0
PAGE_OF_ENTRIES = 500
CHECKPOINTS_COMPARED = 1000
"""The newest, which every verification holds the record against."""

CLOCK_TOLERANCE = timedelta(seconds=2)
"""How far the clock may lag behind the record: writers on several machines differ a little."""


def utc_now() -> datetime:
    """The clock that is used when none is passed."""
    return datetime.now(UTC)  # noqa: TID251 - the one default


def monotonic_microseconds() -> int:
    """Microseconds since the machine started, the same for every process on it."""
    return time.monotonic_ns() // 1_000


@dataclass(frozen=True, slots=True)
class _Work:
    """What one caller wants on record."""

    prepared: tuple[Prepared, ...]
    removal: Removal = field(default_factory=Removal)


@dataclass(slots=True)
class _Missed:
    """What could not be written since the record failed."""

    since: str
    types: Counter[str]


class AuditLog:
    """The record; use :meth:`open`.

    One object may be used by several threads, and several processes may have the same record
    open: the store lets one of them append at a time.
    """

    def __init__(
        self,
        store: Store,
        *,
        pepper: bytes,
        wrapping_key: bytes,
        clock: Callable[[], datetime],
        randomness: Callable[[int], bytes],
        monotonic: Callable[[], int],
        busy_seconds: float,
        program: Program,
        signer: Signer,
        witnesses: Sequence[Witness],
        longest_unsigned: timedelta | None,
        longest_unwitnessed: timedelta | None,
    ) -> None:
        self._store = store
        self._pseudonyms = Pseudonyms(pepper)
        self._keys = PayloadKeys(wrapping_key, randomness)
        self._clock = clock
        self._randomness = randomness
        self._monotonic = monotonic
        self._program = program
        self._signer = signer
        self._witnesses = tuple(witnesses)
        self._longest_unsigned = longest_unsigned
        self._longest_unwitnessed = longest_unwitnessed
        self._tree = StoredTree(store)
        self._sequencer: Sequencer[list[Entry]] = Sequencer(
            self._commit, patience_seconds=busy_seconds
        )
        self._last: Head | None = None  # as the following, only touched by who holds the turn
        self._growing: GrowingTree | None = None
        self._missed: _Missed | None = None  # guarded by _missed_lock
        self._missed_lock = threading.Lock()
        self._signing = threading.Lock()
        self._witnessed_at = clock()

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        clock: Callable[[], datetime] = utc_now,
        randomness: Callable[[int], bytes] = secrets.token_bytes,
        monotonic: Callable[[], int] = monotonic_microseconds,
        create: bool = True,
        busy_seconds: float = BUSY_SECONDS,
        store: Store | None = None,
        key_file: Path | None = None,
        program: Program | None = None,
        signer: Signer | None = None,
        witnesses: Sequence[Witness] = (),
        longest_unsigned: timedelta | None = None,
        longest_unwitnessed: timedelta | None = None,
    ) -> "AuditLog":
        """Open the record of a folder, making an empty one where there never was any.

        Args:
            folder: Holds ``audit.db``, ``pepper`` and ``payload.key``; see docs/record.md.
            clock: Gives times with a zone.
            randomness: Gives that many random bytes, for ids, salts, keys and the pepper.
            monotonic: Gives microseconds that never run backwards.
            create: False raises where there is no record yet.
            busy_seconds: How long to wait for others that are writing.
            store: Where the entries are instead of in ``audit.db``; closed with the log.
            key_file: Holds the wrapping key instead of ``payload.key``.
            program: Which program writes.
            signer: What signs checkpoints; without one the log does, with a key that it makes
                in ``signer/`` of the folder at the first checkpoint.
            witnesses: What cosigns checkpoints.
            longest_unsigned: Age of an entry without a checkpoint from which on no questions
                are taken; None means any.
            longest_unwitnessed: Likewise, time without any witness's answer.

        Raises:
            AuditUnavailable: The record cannot be opened, or a part of it is gone.
        """
        if store is None and not create:
            _require_record_in(folder)
        with _held(folder):
            kept = store or _open_sqlite(folder, busy_seconds)
            pepper = _pepper(folder, kept, randomness)
            wrapping = _wrapping_key(key_file or folder / PAYLOAD_KEY, kept, randomness)
            if isinstance(kept, SqliteStore) and is_earlier_form(kept):
                bring_up_to_date(kept, PayloadKeys(wrapping, randomness))
        return cls(
            kept,
            pepper=pepper,
            wrapping_key=wrapping,
            clock=clock,
            randomness=randomness,
            monotonic=monotonic,
            busy_seconds=busy_seconds,
            program=program or Program(),
            signer=signer or KeySigner(folder / SIGNER_FOLDER, randomness=randomness),
            witnesses=witnesses,
            longest_unsigned=longest_unsigned,
            longest_unwitnessed=longest_unwitnessed,
        )

    @property
    def path(self) -> Path:
        """The database file of a record that is kept in one."""
        if not isinstance(self._store, SqliteStore):
            raise TypeError(f"the record {self._store.name} is not a file")
        return self._store.path

    @property
    def store(self) -> Store:
        """What the entries are kept in."""
        return self._store

    @property
    def log_vkey(self) -> str:
        """The public key that checkpoints are signed with, in C2SP form.

        Raises:
            SignerUnavailable: The signer does not answer.
        """
        return str(self._signer.vkey())

    @property
    def witness_vkeys(self) -> tuple[str, ...]:
        """The public keys of the witnesses, in C2SP form."""
        return tuple(str(key) for each in self._witnesses if (key := each.vkey()) is not None)

    def append(self, event: Event) -> Entry:
        """Write an event at the end of the record.

        Durable once it returns. Safe from several threads and processes.

        Raises:
            AuditUnavailable: It could not be written; what it stands for must not happen.
            EventInvalid: The event holds text where only ids and numbers may stand.
        """
        return self.append_all([event])[0]

    def append_all(self, events: Sequence[Event]) -> list[Entry]:
        """Write several events one after the other: all of them, or none.

        Costs one flush to disk at most. Otherwise as :meth:`append`.
        """
        if not events:
            self._store.head()
            return []
        return self._submit(events, Removal())

    def append_and_remove(self, event: Event, removal: Removal) -> Entry:
        """Write an event and take away what it announces: both, or neither.

        Args:
            event: Of a type that announces a removal: an erasure, a disposal or a redaction.
            removal: Which keys, payloads and lines go. Its time is set here.

        Raises:
            AuditUnavailable: Nothing was written and nothing removed; also where the type of
                the event announces no removal.
        """
        dated = Removal(removal.keys, removal.payloads, removal.lines, timestamp(self._clock()))
        return self._submit([event], dated)[0]

    def entries(
        self,
        *,
        after: int = -1,
        limit: int = 100,
        type: str = "",  # noqa: A002 - the word of the record
        person: str = "",
        since: datetime | None = None,
        until: datetime | None = None,
        document: str = "",
        matter: str = "",
        outcome: str = "",
        pid: str = "",
        newest_first: bool = False,
    ) -> list[Entry]:
        """Return entries in order.

        Args:
            after: Continue after the entry of this sequence in the order asked for: with
                ``newest_first``, entries below it; -1 begins at the beginning.
            limit: At most so many.
            type: Only of this type ("rag.ask") or family of types ("rag"); empty means all.
            person: Only what this person did, by name.
            since: Only what was written at or after this moment.
            until: Only what was written before this moment.
            document: Only what is about this document, by id.
            matter: Only what belongs to this matter.
            outcome: Only what ended so.
            pid: Only what this person did, by pseudonym.
            newest_first: Backwards.

        Raises:
            AuditUnavailable: The record cannot be read.
        """
        wanted = Filter(
            type=type,
            pid=self._pid(person, pid),
            since=timestamp(since) if since else "",
            until=timestamp(until) if until else "",
            document=document,
            matter=matter,
            outcome=outcome,
            first=0 if newest_first else after + 1,
            last=after - 1 if newest_first and after >= 0 else None,
        )
        rows = self._store.rows(wanted, limit=limit, newest_first=newest_first)
        return [self._entry_of(row) for row in rows]

    def count(
        self,
        *,
        type: str = "",  # noqa: A002 - the word of the record
        person: str = "",
        since: datetime | None = None,
        until: datetime | None = None,
        document: str = "",
        matter: str = "",
        outcome: str = "",
        pid: str = "",
    ) -> int:
        """Return how many entries there are; the arguments are those of :meth:`entries`."""
        return self._store.count(
            Filter(
                type=type,
                pid=self._pid(person, pid),
                since=timestamp(since) if since else "",
                until=timestamp(until) if until else "",
                document=document,
                matter=matter,
                outcome=outcome,
            )
        )

    def lines(self, first: int = 0, last: int | None = None) -> Iterator[bytes]:
        """Yield the canonical lines of a range, both ends included, without newlines.

        A redacted line is given as ``#`` and its hex leaf hash. Memory does not grow with the
        range. Without ``last``, what is on record when the first line is taken is given.

        Raises:
            AuditUnavailable: The record cannot be read.
        """
        for row in self._rows(first, last):
            yield row.entry.line or b"#" + row.entry.leaf_hash.encode("ascii")

    def payload(self, sequence: int) -> Disclosed | None:
        """Return salt and body of an entry's payload; None where it has none, or none any more.

        Raises:
            RecordDamaged: It is there but cannot be opened.
        """
        for row in self._store.rows(Filter(first=sequence, last=sequence), limit=1):
            return self._disclosed(row)
        return None

    def payloads(self, first: int = 0, last: int | None = None) -> Iterator[tuple[int, Disclosed]]:
        """Yield the payloads of a range that can be opened, with their sequences."""
        for row in self._rows(first, last):
            if (disclosed := self._disclosed(row)) is not None:
                yield row.entry.sequence, disclosed

    def keys_of(self, person: str) -> list[KeyRow]:
        """Return the data keys of a person's payloads, destroyed ones too."""
        return self._store.keys(self.pseudonym_of(person))

    def root(self, size: int | None = None) -> bytes:
        """Return the root of the tree, as it is or as it was at a size."""
        return self._tree.root(self._store.head().size if size is None else size)

    def inclusion_proof(self, sequence: int, size: int) -> list[bytes]:
        """Return the proof that an entry is in the tree of a size (RFC 9162, 2.1.3).

        Raises:
            ProofInvalid: It is not.
        """
        return self._tree.inclusion(sequence, size)

    def consistency_proof(self, old: int, new: int) -> list[bytes]:
        """Return the proof that the tree of one size extends an earlier one (RFC 9162, 2.1.4).

        Raises:
            ProofInvalid: The earlier one is larger.
        """
        return self._tree.consistency(old, new)

    def checkpoint(self) -> str:
        """Return a signed note of the record as it is now, cosigned by the witnesses that answer.

        Signed anew only where entries came since the newest checkpoint.

        Raises:
            SignerUnavailable: The signer does not answer, or refuses.
        """
        with self._signing:
            size = self._store.head().size
            newest = self._store.checkpoint()
            if newest is not None and parse_checkpoint(newest).size == size:
                return newest
            state = Signed(size, self._tree.root(size))
            last = self._signer.last()
            if last.size > size:
                raise SignerUnavailable(
                    f"The signer has signed {last.size} entries, but there are only {size}: the "
                    "record was cut off, or an old backup was brought back. Verify it against "
                    "the last checkpoint that was handed out."
                )
            note = parse_note(self._signer.sign(state, self._tree.consistency(last.size, size)))
            note = note.with_signatures(self._cosignatures(note, size))
            self._store.add_checkpoint(size, str(note))
            return str(note)

    def newest_checkpoint(self, *, at_most: int | None = None) -> str | None:
        """Return the newest checkpoint that is kept, of at most a size; None where none is."""
        return self._store.checkpoint(at_most=at_most)

    def collect_cosignatures(self) -> int:
        """Take over cosignatures that came late; return for how many checkpoints."""
        taken = 0
        for witness in self._witnesses:
            for size, signatures in witness.late():
                kept = self._store.checkpoint(at_most=size)
                if kept is not None and parse_checkpoint(kept).size == size:
                    note = parse_note(kept).with_signatures(signatures)
                    if str(note) != kept:
                        self._store.add_checkpoint(size, str(note))
                        self._witnessed_at = self._clock()
                        taken += 1
        return taken

    def unsigned(self) -> int:
        """Return how many entries no checkpoint covers yet."""
        newest = self._store.checkpoint()
        signed = parse_checkpoint(newest).size if newest is not None else 0
        return max(0, self._store.head().size - signed)

    def require_ready(self) -> None:
        """Return only where questions may be taken.

        Raises:
            AuditUnavailable: The record cannot be read, the clock is behind it, or it was not
                signed for too long.
        """
        self._require_clock()
        self._require_signatures()
        self._require_witness()

    def test_write(self) -> None:
        """Write something that means nothing, then what was missed while nothing could be.

        Raises:
            AuditUnavailable: Nothing can be written.
        """
        self._store.test_write()
        self.recover()

    def recover(self) -> None:
        """Put on record what could not be written before, if anything.

        Raises:
            AuditUnavailable: It still cannot.
        """
        if self._missed is not None:
            self._submit([], Removal())

    def accept_clock(self, person: str) -> Entry:
        """Put on record that somebody vouches for the clock as it is, though it went back."""
        latest = self._latest_moment()
        behind = (moment(latest) - self._clock()).total_seconds() if latest else 0.0
        return self.append(
            ClockStepped(
                actor=person, outcome="accepted", before=latest, seconds=round(max(0.0, behind), 3)
            )
        )

    def verify(self, *, kept: KeptHead | None = None) -> Verdict:
        """Check every entry, with the verifier's own reading, and against what was signed.

        Args:
            kept: What was written down of an earlier verdict; without it, entries cut off the
                end cannot be noticed.

        Raises:
            AuditUnavailable: The record cannot be read.
        """
        verdict = self._verify_entries(kept)
        if not verdict.intact:
            return verdict
        try:
            log_key = self._signer.vkey()
        except SignerUnavailable:
            return verdict
        notes = [note for _, note in self._store.checkpoints(limit=CHECKPOINTS_COMPARED)]
        fault = fault_against(self.lines(), notes, log_key)
        signed = max((parse_checkpoint(note).size for note in notes), default=0)
        return replace(verdict, intact=not fault, fault=fault, signed=0 if fault else signed)

    def _verify_entries(self, kept: KeptHead | None) -> Verdict:
        if not isinstance(self._store, SqliteStore):
            rows = (_as_read(row) for row in self._rows(0, None))
            return verify_rows(rows, kept=kept, open_payload=self._open_stored)
        self._store.check_file()
        return verify_store(self.path, kept=kept, open_payload=self._open_stored)

    def pseudonym_of(self, name: str) -> str:
        """Return the name under which a person stands in this record's envelopes."""
        return self._pseudonyms.of_person(name)

    def close(self) -> None:
        """Let go of the store. Everything appended is already durable."""
        self._store.close()

    def _pid(self, person: str, pid: str) -> str:
        return self.pseudonym_of(person) if person else pid

    def _submit(self, events: Sequence[Event], removal: Removal) -> list[Entry]:
        circumstances = current()
        work = _Work(
            tuple(
                prepare(
                    event,
                    circumstances=circumstances,
                    program=self._program,
                    pseudonyms=self._pseudonyms,
                    randomness=self._randomness,
                )
                for event in events
            ),
            removal,
        )
        request: Request[list[Entry]] = Request(work, len(events), alone=removal != Removal())
        try:
            return self._sequencer.submit(request) or []
        except TimeoutError as error:
            self._note_missed(events)
            raise AuditUnavailable(
                f"The record at {self._store.name} is not available: it is being written to "
                "without end. Nothing that must be on record can go on until it is."
            ) from error
        except AuditUnavailable:
            self._note_missed(events)
            raise

    def _commit(self, batch: Sequence[Request[list[Entry]]]) -> None:
        """Write a batch; called by one thread at a time."""
        sealed: list[list[Sealed]] = []
        tree, head = GrowingTree(), Head()
        announced = self._missed

        def build(writing: Writing) -> Batch:
            nonlocal tree, head
            self._require_last(writing)
            tree = self._tree_at(writing.head.size)
            sealer = Sealer(
                writing, tree, self._keys, self._clock, self._monotonic, self._randomness
            )
            self._announce(sealer, announced)
            sealed.extend(
                [sealer.seal(prepared) for prepared in _work_of(request).prepared]
                for request in batch
            )
            head = sealer.head
            return sealer.batch(_work_of(batch[0]).removal if batch else Removal())

        self._store.append(build)
        self._last, self._growing = head, tree
        self._forget_missed(announced)
        for request, written in zip(batch, sealed, strict=True):
            request.finish(result=[_entry_from_sealed(each) for each in written])

    def _require_last(self, writing: Writing) -> None:
        """What this object wrote last must still be where it was written."""
        last = self._last
        if last is None or last == writing.head:
            return
        if last.size and writing.leaf_hash(last.size - 1) != last.leaf_hash:
            raise AuditUnavailable(
                f"The record at {self._store.name} is not available: entry {last.size - 1}, "
                "which was written here, is gone or altered. "
                "Nothing that must be on record can go on until it is."
            )

    def _tree_at(self, size: int) -> GrowingTree:
        if self._growing is not None and self._growing.frontier.size == size:
            return self._growing.copy()
        return self._tree.growing(size)

    def _announce(self, sealer: Sealer, missed: _Missed | None) -> None:
        """Write first what must be said before anything else: a clock gone back, a gap."""
        latest, now = sealer.head.at, self._clock()
        if latest and now + CLOCK_TOLERANCE < moment(latest):
            seconds = (moment(latest) - now).total_seconds()
            sealer.seal(self._own(ClockStepped("", "noticed", latest, round(seconds, 3))))
        if missed is not None:
            types = tuple(EventsMissed(*each) for each in sorted(missed.types.items()))
            sealer.seal(self._own(GapNoticed("unwritable", missed.since, types)))

    def _own(self, event: Event) -> Prepared:
        """An event of the record's own, in nobody's circumstances."""
        return prepare(
            event,
            circumstances=Circumstances(),
            program=self._program,
            pseudonyms=self._pseudonyms,
            randomness=self._randomness,
        )

    def _note_missed(self, events: Sequence[Event]) -> None:
        with self._missed_lock:
            missed = self._missed or _Missed(timestamp(self._clock()), Counter())
            self._missed = _Missed(
                missed.since, missed.types + Counter(event.type for event in events)
            )

    def _forget_missed(self, announced: _Missed | None) -> None:
        with self._missed_lock:
            if announced is None or self._missed is None:
                return
            later = self._missed.types - announced.types
            self._missed = _Missed(timestamp(self._clock()), later) if later else None

    def _require_clock(self) -> None:
        now = self._clock()
        latest = self._store.latest_moment()
        if latest and now + CLOCK_TOLERANCE < moment(latest):
            latest = self._latest_moment()
        if latest and now + CLOCK_TOLERANCE < moment(latest):
            raise AuditUnavailable(
                f"The clock of this machine is behind the record, which goes on until {latest}. "
                "Set the clock right; if the record's time was the wrong one, accept the clock "
                "with `muniment audit clock --accept`."
            )

    def _latest_moment(self) -> str:
        """The latest moment since the clock was last accepted."""
        accepted = self._store.rows(
            Filter(type="clock.step", outcome="accepted"), limit=1, newest_first=True
        )
        return self._store.latest_moment(after=accepted[0].entry.sequence - 1 if accepted else -1)

    def _require_signatures(self) -> None:
        if self._longest_unsigned is None:
            return
        newest = self._store.checkpoint()
        signed = parse_checkpoint(newest).size if newest is not None else 0
        for row in self._store.rows(Filter(first=signed), limit=1):
            if self._clock() - moment(row.entry.at) > self._longest_unsigned:
                raise SignerUnavailable(
                    f"The record has not been signed since entry {row.entry.sequence} of "
                    f"{row.entry.at}. Start the signer (`muniment serve signer`), and see what "
                    "it says."
                )

    def _require_witness(self) -> None:
        longest = self._longest_unwitnessed
        if self._witnesses and longest and self._clock() - self._witnessed_at > longest:
            raise WitnessUnavailable(
                "No witness has cosigned the record since "
                f"{timestamp(self._witnessed_at)}. Start the witness again, or see what it says."
            )

    def _cosignatures(self, note: Note, size: int) -> list[Signature]:
        found: list[Signature] = []
        for witness in self._witnesses:
            try:
                found += witness.cosign(note, lambda old: self._tree.consistency(old, size))
            except WitnessUnavailable as error:
                # The checkpoint stands without it; how long that may go on is a setting.
                diary.warning("witness.away error=%s", error)
        if found:
            self._witnessed_at = self._clock()
        return found

    def _rows(self, first: int, last: int | None) -> Iterator[Stored]:
        """The rows of a range, a page in memory at a time."""
        end = self._store.head().size - 1 if last is None else last
        while first <= end:
            rows = self._store.rows(Filter(first=first, last=end), limit=PAGE_OF_ENTRIES)
            if not rows:
                return
            yield from rows
            first = rows[-1].entry.sequence + 1

    def _disclosed(self, row: Stored) -> Disclosed | None:
        payload = row.payload
        if (
            payload is None
            or row.wrapped_key is None
            or payload.nonce is None
            or payload.ciphertext is None
        ):
            return None
        salt, body = self._keys.open(
            sequence=payload.sequence,
            key_id=payload.key_id,
            wrapped=row.wrapped_key,
            nonce=payload.nonce,
            ciphertext=payload.ciphertext,
        )
        return Disclosed(salt, body.decode("utf-8", "backslashreplace"))

    def _open_stored(
        self, sequence: int, key_id: str, wrapped: bytes, nonce: bytes, ciphertext: bytes
    ) -> tuple[bytes, bytes]:
        """Open a payload for the verifier, which has no keys."""
        return self._keys.open(
            sequence=sequence, key_id=key_id, wrapped=wrapped, nonce=nonce, ciphertext=ciphertext
        )

    def _entry_of(self, row: Stored) -> Entry:
        entry = row.entry
        try:
            if entry.line is None:
                return Entry(
                    sequence=entry.sequence,
                    at=moment(entry.at),
                    type=entry.type,
                    person="",
                    outcome="redacted",
                    envelope={},
                    payload=None,
                    leaf_hash=entry.leaf_hash,
                )
            disclosed = self._disclosed(row)
            return _entry_from(
                json.loads(entry.line),
                entry.leaf_hash,
                json.loads(disclosed.body) if disclosed is not None else None,
            )
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise RecordDamaged(
                f"Entry {entry.sequence} of the record cannot be read. "
                "Run `muniment audit verify` to see what is wrong."
            ) from error


def _work_of(request: Request[list[Entry]]) -> _Work:
    if not isinstance(request.work, _Work):
        raise TypeError("a request of the log holds its work")
    return request.work


def _entry_from_sealed(sealed: Sealed) -> Entry:
    payload = json.loads(sealed.body) if sealed.body is not None else None
    return _entry_from(json.loads(sealed.row.line or b""), sealed.row.leaf_hash, payload)


def _entry_from(envelope: dict[str, Json], leaf: str, payload: dict[str, Json] | None) -> Entry:
    return Entry(
        sequence=int(str(envelope["seq"])),
        at=moment(str(envelope["ts"])),
        type=str(envelope["type"]),
        person=str((payload or {}).get("person", "")),
        outcome=str(envelope["outcome"]),
        envelope=envelope,
        payload=payload,
        leaf_hash=leaf,
    )


def _as_read(row: Stored) -> tuple[object, ...]:
    """Return a row as the verifier reads it from a file."""
    entry, payload = row.entry, row.payload
    texts = (entry.leaf_hash, entry.type, entry.at, entry.pid)
    written = (each.encode() if each is not None else None for each in texts)
    beside = (
        (payload.key_id.encode(), row.wrapped_key, payload.nonce, payload.ciphertext)
        if payload
        else (None, None, None, None)
    )
    return (entry.sequence, entry.line or b"", *written, *beside)


def _require_record_in(folder: Path) -> None:
    if not (folder / DATABASE).exists():
        raise AuditUnavailable(
            f"There is no record in {folder} yet. Check the data folder (MUNIMENT_DATA), "
            "or start Muniment there first."
        )


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold a folder against other processes that would prepare a record in it."""
    try:
        with alone_in(folder):
            yield
    except OSError as error:
        raise AuditUnavailable(
            f"The record's folder {folder} cannot be used: {error.strerror}. "
            "Correct its rights or free some space."
        ) from error


def _open_sqlite(folder: Path, busy_seconds: float) -> SqliteStore:
    path = folder / DATABASE
    if not path.exists():
        if (folder / PEPPER).exists():
            raise AuditUnavailable(
                f"The record {path} is gone, though there was one. Bring it back from the last "
                f"backup; to begin a new record knowingly, remove {folder / PEPPER} too."
            )
        write_durably(path, b"")
    store = SqliteStore(path, busy_seconds=busy_seconds)
    if not is_earlier_form(store):
        store.make_tables()
    return store


def _pepper(folder: Path, store: Store, randomness: Callable[[int], bytes]) -> bytes:
    path = folder / PEPPER
    if not path.exists() and store.head().size > 0:
        raise AuditUnavailable(
            f"{path} is missing, but the record beside it holds entries, and without it "
            "nobody's entries can be found. Bring the file back from the last backup."
        )
    return read_or_make_secret(path, randomness)


def _wrapping_key(path: Path, store: Store, randomness: Callable[[int], bytes]) -> bytes:
    earlier = isinstance(store, SqliteStore) and is_earlier_form(store)
    if not path.exists() and not earlier and store.keys():
        raise AuditUnavailable(
            f"{path} is missing, but payloads were encrypted under it, and without it nobody can "
            "read them. Bring the file back from the last backup of the keys."
        )
    return read_or_make_secret(path, randomness)
