from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar, get_args, get_origin, get_type_hints

import pytest

from audit import events
from audit.entries import SENTENCES, describe
from audit.errors import EventInvalid
from audit.events import (
    VOCABULARY,
    AccessDenied,
    CitationGiven,
    Event,
    PassageRead,
    Place,
    QuestionAsked,
    SignInFailed,
    SystemStarted,
    places,
    take_apart,
)
from audit.log import AuditLog

CANARY = "Canary Lovelace said"


def example_of(kind: type[Any], *, canary: str = CANARY) -> Any:
    """An instance whose every field that may hold text or a name holds the canary."""
    hints = get_type_hints(kind)
    values: dict[str, object] = {}
    for name, place in places(kind):
        if place in (Place.PAYLOAD, Place.ACTOR, Place.SUBJECT, Place.UNNAMED):
            values[name] = f"{canary} {name}"
        elif place is Place.PARTS:
            values[name] = (example_of(get_args(hints[name])[0], canary=canary),)
        else:
            values[name] = _token(hints[name])
    return kind(**values)


def _token(hint: object) -> object:
    kinds = get_args(hint) if get_origin(hint) else (hint,)
    return {str: "id-1", int: 3, float: 0.25, bool: True}[kinds[0] if kinds else hint]  # type: ignore[index]


def names(kinds: Iterable[type[Event]]) -> list[str]:
    return [kind.__name__ for kind in kinds]


@pytest.mark.parametrize("kind", VOCABULARY, ids=names(VOCABULARY))
def test_nothing_of_a_payload_stands_in_an_envelope(kind: type[Event], log: AuditLog) -> None:
    entry = log.append(example_of(kind))

    (line,) = log.lines()
    assert b"anary" not in line
    assert "anary" not in str(entry.envelope)


@pytest.mark.parametrize("kind", VOCABULARY, ids=names(VOCABULARY))
def test_every_text_of_an_event_is_kept_in_its_payload(kind: type[Event], log: AuditLog) -> None:
    fact = example_of(kind)

    entry = log.append(fact)

    beside = (Place.PAYLOAD, Place.ACTOR, Place.SUBJECT)
    texts = [place for _, place in places(kind) if place in beside]
    assert str(entry.payload or "").count(CANARY) >= len(texts)


@pytest.mark.parametrize("kind", VOCABULARY, ids=names(VOCABULARY))
def test_every_event_can_be_told_in_one_plain_sentence(kind: type[Event], log: AuditLog) -> None:
    entry = log.append(example_of(kind, canary="Ada\x1b[31m\n[bold]"))

    sentence = describe(entry)

    assert kind.type in SENTENCES
    assert sentence.isprintable()
    assert sentence[-1] in ".”"
    assert sentence == entry.summary


def test_the_vocabulary_is_whole_and_its_names_are_unique() -> None:
    declared = {
        value
        for value in vars(events).values()
        if isinstance(value, type) and issubclass(value, Event) and value is not Event
    }

    assert set(VOCABULARY) == declared
    assert len({kind.type for kind in VOCABULARY}) == len(VOCABULARY)


def test_text_where_an_id_belongs_is_refused_without_being_repeated(log: AuditLog) -> None:
    fact = QuestionAsked(
        person="Ada", turn_id="Ada Lovelace's turn", conversation_id="c", question="Why?"
    )

    with pytest.raises(EventInvalid, match=r"turn_id of rag\.ask") as refusal:
        log.append(fact)

    assert "Lovelace" not in str(refusal.value)
    assert log.count() == 0


def test_a_quote_stays_out_of_the_envelope_that_lists_its_citation() -> None:
    parts = take_apart(example_of(events.AnswerGiven), pseudonym_of=lambda _: "a:1")

    assert parts.envelope["citations"] == [
        {"number": 3, "document_id": "id-1", "version_id": "id-1", "start": 3, "end": 3}
    ]
    assert parts.payload["citations"] == [{"quote": f"{CANARY} quote"}]


def test_the_one_who_failed_to_sign_in_goes_by_the_pseudonym_of_that_name() -> None:
    parts = take_apart(SignInFailed(name="Ada", reason="password"), pseudonym_of=lambda n: f"a:{n}")

    assert parts.pseudonym == "a:Ada"
    assert parts.envelope == {"outcome": "denied"}


def test_a_model_with_an_unusual_name_can_be_recorded() -> None:
    fact = SystemStarted(version="0.1", configuration_sha256="ab", model="My model (draft)")

    parts = take_apart(fact, pseudonym_of=str)

    assert parts.envelope["model"] == "My_model__draft_"


def test_nobody_has_no_pseudonym() -> None:
    parts = take_apart(AccessDenied(person="", what="the page"), pseudonym_of=lambda n: f"a:{n}")

    assert parts.pseudonym is None


def test_a_field_must_declare_where_it_is_written() -> None:
    @dataclass(frozen=True)
    class Careless(Event):
        type: ClassVar[str] = "test.careless"
        secret: str

    with pytest.raises(TypeError, match=r"Careless\.secret does not declare"):
        places(Careless)


def test_a_field_may_not_take_the_place_of_what_every_envelope_has() -> None:
    @dataclass(frozen=True)
    class Greedy(Event):
        type: ClassVar[str] = "test.greedy"
        seq: Annotated[int, Place.ENVELOPE]

    with pytest.raises(TypeError, match="reserved"):
        places(Greedy)


@pytest.mark.parametrize("kind", [PassageRead, CitationGiven])
def test_a_part_of_an_event_declares_its_places_too(kind: type) -> None:
    assert len(places(kind)) == len(fields(kind))
