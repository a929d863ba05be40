"""Destroy what the record holds of a person, of an envelope, or past its term, and say so.

The entries stay, and so do their leaf hashes: the record verifies as before. What goes is the
wrapped key, and with it text and salt; afterwards nobody can tell, or guess and check, what
was said. A legal hold stands against all of it, and each attempt against a hold is on record.
"""

import calendar
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from audit.canonical import timestamp
from audit.entries import Entry
from audit.errors import ErasureRefused
from audit.events import (
    ActApproved,
    DeletionPrevented,
    EntryRedacted,
    KeyDestroyed,
    PayloadsDisposed,
    SubjectErased,
)
from audit.log import AuditLog
from audit.sealing import documents_of
from audit.store import Filter, Removal, Stored

PAGE: Final = 2_000
SHORTEST_TERM_MONTHS: Final = 6
"""What is on the record can be read for at least so long, whatever is configured."""

CLASSES: Final[Mapping[str, tuple[str, ...]]] = {
    "questions": ("rag", "conversation"),
    "documents": ("doc",),
    "access": ("access", "auth", "session"),
    "administration": (
        "acl",
        "admin",
        "audit",
        "clock",
        "dsar",
        "export",
        "group",
        "hold",
        "index",
        "system",
    ),
}
"""Retention classes, and the families of events whose texts are kept as long as they say."""

LASTING: Final = ("audit.redaction", "audit.erasure", "audit.disposal", "audit.checkpoint")
"""What says that something is gone cannot go itself."""

HeldBy = Callable[[str, tuple[str, ...]], str]
"""Given a person's pseudonym (or nothing) and documents, returns the id of a hold, or nothing."""


def nothing_held(_pid: str, _documents: tuple[str, ...]) -> str:
    """Hold nothing."""
    return ""


@dataclass(frozen=True, slots=True)
class Act:
    """Who does something that cannot be undone, why, and with whose agreement.

    Attributes:
        by: Who does it.
        ground: Why, in a word or two.
        approver: The second person; empty when one alone confirmed.
        held_by: Says what must be kept.
    """

    by: str
    ground: str
    approver: str = ""
    held_by: HeldBy = nothing_held


def erase_subject(record: AuditLog, names: Sequence[str], act: Act) -> list[Entry]:
    """Destroy the keys and texts of everything a person asked, was answered and did.

    Args:
        record: The record.
        names: The person, under every name that was used.
        act: Who does it, and why.

    Returns:
        An entry for each pseudonym something was kept under.

    Raises:
        ErasureRefused: A hold keeps it (that is on record), or nothing is kept.
        AuditUnavailable: Nothing was destroyed that is not on record.
    """
    kept = {
        name: [key for key in record.keys_of(name) if key.wrapped is not None]
        for name in dict.fromkeys(names)
    }
    kept = {name: keys for name, keys in kept.items() if keys}
    if not kept:
        raise ErasureRefused("The record keeps no texts under this name: nothing was erased.")
    for name in kept:
        _refuse_if_held(record, record.pseudonym_of(name), act)
    return [
        _erase(record, name, [key.key_id for key in keys], min(key.period for key in keys), act)
        for name, keys in kept.items()
    ]


def redact(record: AuditLog, sequences: Sequence[int], act: Act) -> Entry:
    """Take envelopes and their texts off the record; their leaf hashes stay.

    Raises:
        ErasureRefused: An entry is not there, was redacted already, must last, or is held.
        AuditUnavailable: Nothing was taken away that is not on record.
    """
    wanted = tuple(sorted(set(sequences)))
    if not wanted:
        raise ErasureRefused("Name the entries to redact.")
    for sequence in wanted:
        found = record.entries(after=sequence - 1, limit=1) if sequence >= 0 else []
        if not found or found[0].sequence != sequence:
            raise ErasureRefused(f"There is no entry {sequence}.")
        entry = found[0]
        if not entry.envelope:
            raise ErasureRefused(f"Entry {sequence} was redacted already.")
        if entry.type in LASTING:
            raise ErasureRefused(
                f"Entry {sequence} ({entry.type}) says what is gone, or is signed for: it stays."
            )
        held = act.held_by(_pid(entry), documents_of(entry.envelope))
        _stop(record, held, act, "envelope", str(sequence))
    approval = _approved(record, act, "redaction", str(wanted[0]))
    return record.append_and_remove(
        EntryRedacted(act.by, wanted, act.ground, approval),
        Removal(lines=wanted, payloads=wanted),
    )


@dataclass(slots=True)
class Disposal:
    """Destroys texts whose term has run out.

    Attributes:
        record: The record.
        terms: Months by retention class; 0 or absent keeps for ever.
        held_by: Says what must be kept.
    """

    record: AuditLog
    terms: Mapping[str, int]
    held_by: HeldBy = nothing_held
    _prevented: set[tuple[str, str]] = field(default_factory=set, init=False)
    _subjects: dict[str, str] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Refuse a term that is too short, or of a class that there is not.

        Raises:
            ValueError: There is one.
        """
        for name, months in self.terms.items():
            if name not in CLASSES or (months and months < SHORTEST_TERM_MONTHS):
                raise ValueError(
                    f"The term of {name} must be 0 or at least {SHORTEST_TERM_MONTHS} months, and "
                    f"the class one of {', '.join(CLASSES)}."
                )

    def run(self, now: datetime) -> list[Entry]:
        """Destroy what is past its term now; return the entries that say so.

        Raises:
            AuditUnavailable: Nothing was destroyed that is not on record.
        """
        self._subjects = {key.key_id: key.subject for key in self.record.store.keys(subject="")}
        return [
            entry
            for name, months in self.terms.items()
            if months
            for entry in self._dispose(name, months, months_before(now, months))
        ]

    def _dispose(self, name: str, months: int, before: datetime) -> Iterator[Entry]:
        for family in CLASSES[name]:
            for rows in _pages(self.record, Filter(type=family, until=timestamp(before))):
                due = tuple(
                    row.entry.sequence for row in rows if _is_kept(row) and self._may_go(row, name)
                )
                if due:
                    yield self.record.append_and_remove(
                        PayloadsDisposed(name, months, f"{before:%Y-%m-%d}", len(due)),
                        Removal(payloads=due),
                    )

    def _may_go(self, row: Stored, name: str) -> bool:
        key_id = row.payload.key_id if row.payload else ""
        hold_id = self.held_by(self._subjects.get(key_id, ""), _documents(row))
        if hold_id and (hold_id, name) not in self._prevented:
            # One entry for a hold and a class, not one for each text, each day.
            self._prevented.add((hold_id, name))
            self.record.append(DeletionPrevented("", hold_id, "payloads", name))
        return not hold_id


def months_before(moment: datetime, months: int) -> datetime:
    """Return the beginning of the same day some months before."""
    year, month = divmod(moment.year * 12 + moment.month - 1 - months, 12)
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return moment.replace(
        year=year, month=month + 1, day=day, hour=0, minute=0, second=0, microsecond=0
    )


def _erase(record: AuditLog, name: str, keys: list[str], since: str, act: Act) -> Entry:
    approval = _approved(record, act, "erasure", record.pseudonym_of(name))
    destroyed = set(keys)
    count = sum(
        _is_kept(row) and row.payload is not None and row.payload.key_id in destroyed
        for rows in _pages(record, Filter(since=since))
        for row in rows
    )
    return record.append_and_remove(
        SubjectErased(
            person=act.by,
            subject=name,
            ground=act.ground,
            approval=approval,
            count=count,
            keys=tuple(KeyDestroyed(key_id) for key_id in keys),
        ),
        Removal(keys=tuple(keys)),
    )


def _refuse_if_held(record: AuditLog, pid: str, act: Act) -> None:
    _stop(record, act.held_by(pid, ()), act, "payloads", pid)
    for rows in _pages(record, Filter(pid=pid)):
        for row in rows:
            if _is_kept(row) and (documents := _documents(row)):
                _stop(record, act.held_by(pid, documents), act, "payloads", pid)


def _stop(record: AuditLog, hold_id: str, act: Act, what: str, target: str) -> None:
    if hold_id:
        record.append(DeletionPrevented(act.by, hold_id, what, target))
        raise ErasureRefused(
            f"Legal hold {hold_id} keeps this: nothing was erased. That it was tried is on record."
        )


def _approved(record: AuditLog, act: Act, what: str, target: str) -> int | None:
    if not act.approver:
        return None
    return record.append(ActApproved(act.approver, what, target)).sequence


def _pages(record: AuditLog, wanted: Filter) -> Iterator[list[Stored]]:
    """Yield rows that are there now, in order, none of them opened."""
    last = record.store.head().size - 1
    first = wanted.first
    while first <= last:
        page = record.store.rows(
            Filter(
                type=wanted.type,
                pid=wanted.pid,
                since=wanted.since,
                until=wanted.until,
                first=first,
                last=last,
            ),
            limit=PAGE,
        )
        if not page:
            return
        yield page
        first = page[-1].entry.sequence + 1


def _is_kept(row: Stored) -> bool:
    return row.payload is not None and row.payload.ciphertext is not None and bool(row.wrapped_key)


def _documents(row: Stored) -> tuple[str, ...]:
    return documents_of(json.loads(row.entry.line)) if row.entry.line else ()


def _pid(entry: Entry) -> str:
    actor = entry.envelope.get("actor")
    pid = actor.get("pid") if isinstance(actor, dict) else None
    return pid if isinstance(pid, str) else ""
