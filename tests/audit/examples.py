"""An example of every kind of event, made from what its fields declare."""

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any, get_args, get_origin, get_type_hints

from audit.canonical import Json, canonical, leaf_hash
from audit.entries import Entry
from audit.events import VOCABULARY, Event, Place, take_apart
from audit.formats.rows import About

START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
ABOUT = About(
    origin="records.example/muniment",
    exported_at=START + timedelta(days=1),
    exported_by="Grace Hopper",
    selection="",
    entries=30,
    size=40,
    version="0.1.0",
)
WORDS = 'Ada|Lovelace = "Gräfin" \\ ]\n手数料'


def example_of(kind: type) -> Any:
    """An event (or a part of one) with something in every field."""
    hints = get_type_hints(kind, include_extras=True)
    return kind(**{field.name: _value(field.name, hints[field.name]) for field in fields(kind)})


def _value(name: str, hint: Any) -> Any:
    plain, *notes = get_args(hint)
    place = next(note for note in notes if isinstance(note, Place))
    if get_origin(plain) is tuple:
        part = get_args(plain)[0]
        return (example_of(part) if place is Place.PARTS else _plain(name, part, place),)
    return _plain(name, plain, place)


def _plain(name: str, kind: Any, place: Place) -> Any:
    kinds = get_args(kind) or (kind,)
    for known, example in ((bool, True), (int, 3), (float, 0.71)):
        if known in kinds:
            return example
    return f"{name}-1" if place is Place.ENVELOPE else WORDS


def entry_of(event: Event, sequence: int, at: datetime = START) -> Entry:
    parts = take_apart(event, pseudonym_of=lambda name: "a:" + name.encode().hex()[:32])
    envelope: dict[str, Json] = {
        **parts.envelope,
        "v": 1,
        "seq": sequence,
        "id": f"01K{sequence:023d}",
        "ts": at.isoformat(),
        "type": event.type,
        "actor": {"pid": parts.pseudonym},
        "prev_leaf_hash": None,
    }
    return Entry(
        sequence=sequence,
        at=at,
        type=event.type,
        person=str(parts.payload.get("person", "")),
        outcome=str(envelope["outcome"]),
        envelope=envelope,
        payload=parts.payload or None,
        leaf_hash=leaf_hash(canonical(envelope)),
    )


def every_entry() -> list[Entry]:
    """An entry of every type there is."""
    return [
        entry_of(example_of(kind), place, START + timedelta(minutes=place))
        for place, kind in enumerate(VOCABULARY)
    ]
