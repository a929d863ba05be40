"""An entry as a row: the columns that every derived format draws on."""

import json
import re
from dataclasses import dataclass
from datetime import datetime

from audit.canonical import Json
from audit.entries import Entry

NOT_EVIDENCE = (
    "Derived from the record for reading and searching. It is not evidence; the native bundle is."
)
DOCUMENT_FIELDS = ("document_id", "doc")
PARTS_WITH_DOCUMENTS = ("passages", "citations", "retrieval")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class About:
    """What an export says of itself.

    Attributes:
        origin: Name of the log.
        exported_at: When it was asked for.
        exported_by: Who asked.
        selection: What was chosen, in words; empty means everything.
        entries: How many entries it holds.
        size: How many entries the record held.
        version: Version of the program.
    """

    origin: str
    exported_at: datetime
    exported_by: str
    selection: str
    entries: int
    size: int
    version: str


@dataclass(frozen=True, slots=True)
class Row:
    """The columns of an entry; what an entry does not have is empty."""

    seq: int
    leaf_hash: str
    id: str
    at: datetime
    type: str
    outcome: str
    person: str
    pseudonym: str
    matter: str
    request: str
    documents: tuple[str, ...]
    model: str
    milliseconds: float | None
    summary: str
    question: str
    answer: str
    reason: str
    envelope: str
    payload: str


def row_of(entry: Entry) -> Row:
    """Return an entry's columns."""
    envelope, payload = entry.envelope, entry.payload or {}
    actor = envelope.get("actor")
    milliseconds = envelope.get("latency_ms", envelope.get("milliseconds"))
    return Row(
        seq=entry.sequence,
        leaf_hash=entry.leaf_hash,
        id=word(envelope, "id"),
        at=entry.at,
        type=entry.type,
        outcome=entry.outcome,
        person=printable(entry.person),
        pseudonym=word(actor, "pid") if isinstance(actor, dict) else "",
        matter=word(envelope, "matter"),
        request=word(envelope, "turn_id") or word(envelope, "request_id"),
        documents=documents_of(envelope),
        model=model_of(envelope),
        milliseconds=float(milliseconds) if isinstance(milliseconds, int | float) else None,
        summary=entry.summary,
        question=printable(word(payload, "question")),
        answer=printable(word(payload, "answer")),
        reason=printable(word(payload, "reason") or word(envelope, "reason")),
        envelope=written(envelope),
        payload=written(entry.payload) if entry.payload is not None else "",
    )


def word(values: dict[str, Json], name: str) -> str:
    """Return a field as text; empty where it is not there or not a plain value."""
    value = values.get(name)
    return str(value) if isinstance(value, str | int | float) else ""


def model_of(envelope: dict[str, Json]) -> str:
    """Return the name of the model that an entry names."""
    model = envelope.get("model")
    return word(model, "name") if isinstance(model, dict) else word(envelope, "model")


def documents_of(envelope: dict[str, Json]) -> tuple[str, ...]:
    """Return the ids of the documents that an entry names, each once, in the order named."""
    found = [word(envelope, name) for name in DOCUMENT_FIELDS]
    for name in PARTS_WITH_DOCUMENTS:
        parts = envelope.get(name)
        for part in parts if isinstance(parts, list) else ():
            if isinstance(part, dict):
                found += [word(part, field) for field in DOCUMENT_FIELDS]
    return tuple(dict.fromkeys(document for document in found if document))


def written(value: dict[str, Json]) -> str:
    """Return a value as JSON on one line."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def printable(text: str) -> str:
    """Return text without the control characters that no format may carry."""
    return CONTROL.sub(" ", text)


def iso(at: datetime) -> str:
    """Return a moment as RFC 3339 writes it, in UTC with microseconds."""
    return at.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def milliseconds_since_1970(at: datetime) -> int:
    """Return a moment as a whole number of milliseconds."""
    return int(at.timestamp() * 1000)
