"""An entry of the record as people read it: its parts, and one plain sentence."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from audit.canonical import Json

LONGEST_EXCERPT = 120


@dataclass(frozen=True, slots=True)
class Entry:
    """One event on the record.

    Attributes:
        sequence: Its place, from 0, without gaps.
        at: When it was written (UTC).
        type: Its name in the vocabulary, such as "rag.ask".
        person: Name of who acted, from the payload; empty where nobody did or it is not there.
        outcome: How it ended.
        envelope: What the hash chain covers.
        payload: What people wrote or are called; None where the event has none.
        leaf_hash: Hex hash of the envelope's line.
    """

    sequence: int
    at: datetime
    type: str
    person: str
    outcome: str
    envelope: dict[str, Json]
    payload: dict[str, Json] | None
    leaf_hash: str

    @property
    def summary(self) -> str:
        """One plain sentence for people."""
        return describe(self)


@dataclass(frozen=True, slots=True)
class Disclosed:
    """A payload that could be opened: SHA-256(salt ‖ body as UTF-8) is its commitment."""

    salt: bytes
    body: str


def describe(entry: Entry) -> str:
    """Return one plain sentence that says what an entry records.

    Names and words come from the payload; without it the sentence says who by pseudonym, and
    leaves out what. The sentence holds no line breaks or control characters.
    """
    if not entry.envelope:
        return f"This entry ({_printable(entry.type)}) was redacted."
    sentence = SENTENCES.get(entry.type, _unknown)(entry)
    return _printable(sentence[:1].upper() + sentence[1:])


def _person(entry: Entry) -> str:
    if entry.person:
        return entry.person
    actor = entry.envelope.get("actor")
    pid = actor.get("pid") if isinstance(actor, dict) else None
    return f"somebody ({pid})" if pid else "somebody"


def _word(entry: Entry, name: str, otherwise: str = "…") -> str:
    """A field's value, wherever it stands; long text is cut."""
    value = (entry.payload or {}).get(name, entry.envelope.get(name))
    if value is None or value == "":
        return otherwise
    text = str(value)
    return text if len(text) <= LONGEST_EXCERPT else text[: LONGEST_EXCERPT - 1].rstrip() + "…"


def _count(entry: Entry, name: str, noun: str) -> str:
    value = entry.envelope.get(name)
    number = len(value) if isinstance(value, list) else value
    if not isinstance(number, int | float):
        return f"some {noun}s"
    return f"{number:,.0f} {noun}" + ("" if number == 1 else "s")


def _reason(entry: Entry) -> str:
    reason = _word(entry, "reason", "").rstrip(".")
    return f": {reason}." if reason else "."


def _sign_in_failed(entry: Entry) -> str:
    return f"Somebody tried to sign in as {entry.person or '…'} and was refused{_reason(entry)}"


def _answered(entry: Entry) -> str:
    if entry.outcome == "stopped":
        return f"{_person(entry)} stopped the answer to question {_word(entry, 'turn_id')}."
    if entry.outcome == "aborted":
        return f"An answer to {_person(entry)} was broken off; what was shown is kept."
    if entry.outcome == "failed":
        return f"The answer to {_person(entry)} failed (question {_word(entry, 'turn_id')})."
    model = _model(entry)
    by = f"drafted by {model}" if model else "in the documents' own words"
    return f"{_person(entry)} was answered with {_count(entry, 'citations', 'citation')}, {by}."


def _model(entry: Entry) -> str:
    """Name of the model; entries of the first form have it as a plain field."""
    block = entry.envelope.get("model")
    name = block.get("name") if isinstance(block, dict) else block
    return str(name or "")


def _passages(entry: Entry) -> str:
    return _count(entry, "retrieval" if "retrieval" in entry.envelope else "passages", "passage")


def _gap(entry: Entry) -> str:
    since = _word(entry, "since")
    if entry.envelope.get("why") == "not_stopped":
        return f"The program had ended without a word some time after {since}."
    return f"The record could not be written from {since} on; what was asked then was refused."


def _clock(entry: Entry) -> str:
    back = f"the clock is {_word(entry, 'seconds')} s behind the record"
    if entry.outcome == "accepted":
        return f"{_person(entry)} accepted that {back}."
    return f"{back}; no questions are taken until it is right."


def _published(verb: str) -> Callable[[Entry], str]:
    def sentence(entry: Entry) -> str:
        return (
            f"“{_word(entry, 'path')}” from {_word(entry, 'source')} was {verb} as version "
            f"{_word(entry, 'version_number')}: {_count(entry, 'pages', 'page')}, "
            f"{_count(entry, 'chunks', 'chunk')}."
        )

    return sentence


def _viewed(entry: Entry) -> str:
    page = entry.envelope.get("page")
    where = f"page {page + 1}" if isinstance(page, int) else "a passage"
    return f"{_person(entry)} looked at {where} of version {_word(entry, 'version_id')}."


def _verified(entry: Entry) -> str:
    result = "intact" if entry.envelope.get("intact") is True else "NOT intact"
    count = _count(entry, "entries", "event")
    return f"{_person(entry)} verified the record: {count}, {result}."


def _subject(entry: Entry) -> str:
    subject = entry.envelope.get("subject")
    pid = subject.get("pid") if isinstance(subject, dict) else None
    return f"the person {pid}" if pid else "somebody"


def _record_viewed(entry: Entry) -> str:
    number = entry.envelope.get("entry")
    what = f"the story of entry {number}" if number is not None else "the record"
    filters = _word(entry, "filters", "")
    return f"{_person(entry)} looked at {what}" + (f" ({filters})." if filters else ".")


def _hold_placed(entry: Entry) -> str:
    scope = _word(entry, "scope")
    what = {
        "everything": "everything",
        "person": _subject(entry),
    }.get(scope, f"{scope} {_word(entry, 'target')}")
    return f"{_person(entry)} placed a legal hold on {what}{_reason(entry)}"


def _erased_document(entry: Entry) -> str:
    places = entry.envelope.get("places")
    cleared = places if isinstance(places, list) else []
    left = [each for each in cleared if isinstance(each, dict) and each.get("left")]
    found = "nothing of it was left" if not left else f"{len(left)} places still hold some of it"
    return (
        f"“{_word(entry, 'path')}” from {_word(entry, 'source')} was erased: "
        f"{_count(entry, 'places', 'place')} looked through, {found}."
    )


def _redacted(entry: Entry) -> str:
    entries = entry.envelope.get("redacts")
    listed = ", ".join(map(str, entries)) if isinstance(entries, list) else "…"
    return f"{_person(entry)} redacted entry {listed}: {_word(entry, 'ground')}."


def _unknown(entry: Entry) -> str:
    return f"{_person(entry)}: {entry.type}."


SENTENCES: dict[str, Callable[[Entry], str]] = {
    "auth.login": lambda entry: f"{_person(entry)} signed in.",
    "auth.fail": _sign_in_failed,
    "auth.logout": lambda entry: f"{_person(entry)} signed out.",
    "rag.ask": lambda entry: f"{_person(entry)} asked “{_word(entry, 'question')}”",
    "rag.retrieve": lambda entry: f"{_passages(entry)} were read for {_person(entry)}.",
    "rag.sentence": lambda entry: (
        f"Sentence {_word(entry, 'number')} of the draft for {_person(entry)} was found backed "
        "and shown."
    ),
    "rag.answer": _answered,
    "rag.refuse": lambda entry: f"{_person(entry)} got no answer{_reason(entry)}",
    "doc.ingest": _published("added"),
    "doc.update": _published("updated"),
    "doc.move": lambda entry: f"“{_word(entry, 'old_path')}” is now “{_word(entry, 'path')}”.",
    "doc.delete": lambda entry: (
        f"“{_word(entry, 'path')}” from {_word(entry, 'source')} was withdrawn."
    ),
    "doc.quarantine": lambda entry: (
        f"“{_word(entry, 'path')}” from {_word(entry, 'source')} was quarantined{_reason(entry)}"
    ),
    "doc.view": _viewed,
    "doc.download": lambda entry: (
        f"{_person(entry)} downloaded the original of version {_word(entry, 'version_id')}."
    ),
    "access.denied": lambda entry: f"{_person(entry)} was denied {_word(entry, 'what')}.",
    "acl.sync": lambda entry: (
        f"Rights of {_count(entry, 'files', 'file')} of {_word(entry, 'source')} were read: "
        f"{_count(entry, 'changed', 'document')} changed, {_word(entry, 'unmapped')} not mapped."
    ),
    "access.explain": lambda entry: (
        f"{_person(entry)} asked why {_word(entry, 'name')} can or cannot read document "
        f"{_word(entry, 'document_id')}."
    ),
    "access.break_glass.use": lambda entry: (
        f"BREAK-GLASS USED by {_person(entry)}: document {_word(entry, 'document_id')} was read, "
        f"because “{_word(entry, 'reason')}”."
    ),
    "access.break_glass": lambda entry: (
        f"BREAK-GLASS {_word(entry, 'step')} by {_person(entry)}: {_word(entry, 'name')} to read "
        f"{_word(entry, 'target')} for {_count(entry, 'minutes', 'minute')}, because "
        f"“{_word(entry, 'reason')}”"
    ),
    "admin.user.change": lambda entry: (
        f"{_person(entry)} changed the account {_word(entry, 'name')}: {_word(entry, 'change')}."
    ),
    "admin.config": lambda entry: (
        f"{_person(entry)} changed the source {_word(entry, 'source')}: {_word(entry, 'change')}."
    ),
    "conversation.share": lambda entry: (
        f"{_person(entry)} "
        f"{'shared' if entry.envelope.get('shared') is True else 'no longer shares'} conversation "
        f"{_word(entry, 'conversation_id')} with {_word(entry, 'colleague')}."
    ),
    "auth.token": lambda entry: (
        f"{_person(entry)} had a token for a program {_word(entry, 'change')}: "
        f"{_word(entry, 'scopes')}."
    ),
    "conversation.delete": lambda entry: (
        f"{_person(entry)} deleted conversation {_word(entry, 'conversation_id')}."
    ),
    "export.audit": lambda entry: (
        f"{_person(entry)} exported the record ({_count(entry, 'entries', 'event')} before this)."
    ),
    "audit.verify": _verified,
    "system.start": lambda entry: (
        f"Muniment {_word(entry, 'version', '')} started, model {_model(entry) or 'none'}."
    ),
    "system.stop": lambda _: "Muniment stopped.",
    "audit.view": _record_viewed,
    "conversation.view": lambda entry: (
        f"{_person(entry)} looked at conversation {_word(entry, 'conversation_id')} of "
        f"{_subject(entry)}."
    ),
    "hold.add": _hold_placed,
    "hold.lift": lambda entry: f"{_person(entry)} lifted the legal hold {_word(entry, 'hold_id')}.",
    "hold.prevent": lambda entry: (
        f"Legal hold {_word(entry, 'hold_id')} kept {_word(entry, 'what')} "
        f"{_word(entry, 'target')} from being deleted."
    ),
    "doc.erase": _erased_document,
    "audit.approve": lambda entry: (
        f"{_person(entry)} agreed to the {_word(entry, 'act')} of {_word(entry, 'target')}."
    ),
    "audit.erasure": lambda entry: (
        f"{_person(entry)} erased {_count(entry, 'count', 'payload')} of {_subject(entry)}: "
        f"{_word(entry, 'ground')}."
    ),
    "audit.disposal": lambda entry: (
        f"{_count(entry, 'count', 'payload')} of the class {_word(entry, 'retention_class')} from "
        f"before {_word(entry, 'before')} were destroyed: their term had run out."
    ),
    "audit.redaction": _redacted,
    "dsar.export": lambda entry: (
        f"{_person(entry)} wrote out {_count(entry, 'entries', 'entry')} by and about "
        f"{_subject(entry)}."
    ),
    "auth.lockout": lambda entry: (
        f"{_person(entry)} was locked out after {_count(entry, 'attempts', 'attempt')}."
    ),
    "auth.mfa": lambda entry: (
        f"{_person(entry)} was asked for a second factor ({_word(entry, 'method')}): "
        f"{entry.outcome}."
    ),
    "session.revoke": lambda entry: (
        f"{_person(entry)} ended the sessions of {_word(entry, 'name')}."
    ),
    "rag.feedback": lambda entry: (
        f"{_person(entry)} {_word(entry, 'verdict')} the answer to question "
        f"{_word(entry, 'turn_id')}."
    ),
    "doc.reindex": lambda entry: (
        f"Version {_word(entry, 'version_id')} was indexed anew: "
        f"{_count(entry, 'chunks', 'chunk')}."
    ),
    "index.adapt": lambda entry: (
        f"{_person(entry)} adapted the search to the documents "
        f"({_word(entry, 'change')}): {_word(entry, 'weights')}."
    ),
    "acl.change": lambda entry: (
        f"{_person(entry)} changed who may read {_word(entry, 'scope')} "
        f"{_word(entry, 'target')}: {_word(entry, 'change')}."
    ),
    "group.sync": lambda entry: (
        f"The groups of {_word(entry, 'directory')} were taken over: "
        f"{_count(entry, 'added', 'membership')} added, {_word(entry, 'removed')} removed."
    ),
    "admin.model.profile": lambda entry: (
        f"{_person(entry)} measured what the model is fit for: {_word(entry, 'profile')}."
    ),
    "admin.model.change": lambda entry: (
        f"{_person(entry)} changed the model to {_model(entry) or 'none'}."
    ),
    "admin.prompt.change": lambda entry: f"{_person(entry)} changed the prompt.",
    "admin.key.rotate": lambda entry: f"{_person(entry)} replaced the key {_word(entry, 'key')}.",
    "admin.role.change": lambda entry: (
        f"{_person(entry)} changed the role {_word(entry, 'role')} of {_word(entry, 'name')}: "
        f"{_word(entry, 'change')}."
    ),
    "export.data": lambda entry: (
        f"{_person(entry)} exported {_word(entry, 'what')}: {_word(entry, 'count')}."
    ),
    "audit.checkpoint": lambda entry: (
        f"The record was signed at {_count(entry, 'size', 'entry').replace('entrys', 'entries')}, "
        f"with {_count(entry, 'witnesses', 'cosignature')}."
    ),
    "audit.heartbeat": lambda _: "The record is alive.",
    "audit.gap": _gap,
    "clock.step": _clock,
}
"""One sentence per kind of event."""


def _printable(text: str) -> str:
    """Text without what could disturb a terminal or a page: each such character is a space."""
    return " ".join(
        "".join(character if character.isprintable() else " " for character in text).split()
    )
