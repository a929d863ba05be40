"""The facts that are recorded: a closed vocabulary.

Each field declares by its type where it is written. Envelopes are read by whoever checks the
record, so they hold ids, hashes, numbers and pseudonyms only; what people wrote or are called
stands in the payload beside them, to which the envelope is bound by a salted commitment.
"""

import re
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import Enum, auto
from typing import Annotated, ClassVar, get_type_hints

from audit.canonical import Json, plain
from audit.errors import EventInvalid


class Place(Enum):
    """Where a field is written."""

    ENVELOPE = auto()
    """As it is. Text must be a token: no spaces, at most 200 characters."""

    LABEL = auto()
    """Name of a thing that an operator chose: written as a token, other characters as ``_``."""

    PAYLOAD = auto()
    """Only beside the envelope."""

    ACTOR = auto()
    """Name of the person who acts: a pseudonym in the envelope, the name in the payload."""

    SUBJECT = auto()
    """Name of the person acted upon, likewise."""

    UNNAMED = auto()
    """Name of the person acted upon, of which only the pseudonym is written: for acts after
    which the name must not be found, or that are nobody else's business."""

    PARTS = auto()
    """A tuple of records whose fields declare their own places."""


@dataclass(frozen=True, slots=True)
class Named:
    """The name under which a field stands in the envelope, where it is not its own.

    Dots lead into a block: "model.params.seed". A field of a block is left out when empty.
    """

    path: str


Person = Annotated[str, Place.ACTOR]
Subject = Annotated[str, Place.SUBJECT]
Unnamed = Annotated[str, Place.UNNAMED]
Text = Annotated[str, Place.PAYLOAD]
Token = Annotated[str, Place.ENVELOPE]
Label = Annotated[str, Place.LABEL]
Count = Annotated[int, Place.ENVELOPE]
Flag = Annotated[bool, Place.ENVELOPE]
Measure = Annotated[float, Place.ENVELOPE]
OptionalCount = Annotated[int | None, Place.ENVELOPE]
Latency = Annotated[float, Place.ENVELOPE, Named("latency_ms")]

LONGEST_TOKEN = 200
TOKEN = re.compile(rf"[A-Za-z0-9._:/@+=\-]{{0,{LONGEST_TOKEN}}}")
NOT_OF_A_TOKEN = re.compile(r"[^A-Za-z0-9._:/@+=\-]")

RESERVED = frozenset(
    "v seq id ts mono type actor src subject tenant matter request_id parent outcome sw "
    "payload_commitment payload_key prev_leaf_hash".split()
)
"""Names in an envelope that no event may use for a field of its own."""

UNKNOWN: tuple[object, ...] = ("", None)
"""What an optional field holds when nothing is known; such a field is left out."""


@dataclass(frozen=True, slots=True)
class Event:
    """A fact. Its ``type`` is its name on the record, ``usual_outcome`` how it ends if unsaid."""

    type: ClassVar[str]
    usual_outcome: ClassVar[str] = "done"


@dataclass(frozen=True, slots=True)
class SignedIn(Event):
    """A person proved who they are and got a session."""

    type: ClassVar[str] = "auth.login"
    person: Person


@dataclass(frozen=True, slots=True)
class SignInFailed(Event):
    """Somebody gave this name and was not let in."""

    type: ClassVar[str] = "auth.fail"
    usual_outcome: ClassVar[str] = "denied"
    name: Person
    reason: Text


@dataclass(frozen=True, slots=True)
class SignedOut(Event):
    """A person ended a session."""

    type: ClassVar[str] = "auth.logout"
    person: Person


@dataclass(frozen=True, slots=True)
class QuestionAsked(Event):
    """A question, on record before anything is read for it."""

    type: ClassVar[str] = "rag.ask"
    usual_outcome: ClassVar[str] = "asked"
    person: Person
    turn_id: Token
    conversation_id: Token
    question: Text


@dataclass(frozen=True, slots=True)
class PassageRead:
    """A passage that went into a prompt.

    Attributes:
        document_id: Document it is from.
        version_id: Version it was cut from.
        version_number: That version's number, from 1.
        chunk_id: The chunk.
        chunk_sha256: Hex SHA-256 of the chunk's text.
        score: Fused relevance.
        rank: Place among the passages, from 1.
        original_sha256: Hex SHA-256 of the original, where known.
        tried: What in it speaks to the machine instead of to its reader.
    """

    document_id: Annotated[str, Place.ENVELOPE, Named("doc")]
    version_id: Annotated[str, Place.ENVELOPE, Named("version")]
    version_number: Annotated[int, Place.ENVELOPE, Named("ver")]
    chunk_id: Annotated[str, Place.ENVELOPE, Named("chunk")]
    chunk_sha256: Token
    score: Measure
    rank: Count
    original_sha256: Annotated[str, Place.ENVELOPE, Named("doc_sha256")] = ""
    tried: Text = ""


@dataclass(frozen=True, slots=True)
class PassagesRead(Event):
    """What was read for a question, on record before the first word is drafted from it.

    Attributes:
        person: Who asked.
        turn_id: The question.
        passages: What passed the gate.
        candidates_denied: How many candidates the gate kept back; for auditors only, for it
            tells that there is something to be denied.
        acl_epoch: State of the access rules they were judged by.
        embedding: Name of the embedding model.
        embedding_sha256: Its fingerprint.
        index_snapshot: State of the index.
        rewritten: The question as it was searched for, where it was rewritten.
    """

    type: ClassVar[str] = "rag.retrieve"
    person: Person
    turn_id: Token
    passages: Annotated[tuple[PassageRead, ...], Place.PARTS, Named("retrieval")]
    candidates_denied: OptionalCount = None
    acl_epoch: Annotated[int | None, Place.ENVELOPE, Named("policy.acl_epoch")] = None
    embedding: Annotated[str, Place.LABEL, Named("embed.name")] = ""
    embedding_sha256: Annotated[str, Place.ENVELOPE, Named("embed.sha256")] = ""
    index_snapshot: Annotated[str, Place.ENVELOPE, Named("index.snapshot")] = ""
    rewritten: Text = ""


@dataclass(frozen=True, slots=True)
class CitationGiven:
    """What backs a sentence: a span of a version's text, and its words."""

    number: Count
    document_id: Token
    version_id: Token
    start: Count
    end: Count
    quote: Text


@dataclass(frozen=True, slots=True)
class SentenceBacked(Event):
    """A sentence of a draft that was found backed, on record before it is shown as such.

    Attributes:
        person: Who asked.
        turn_id: The question.
        number: Counts the sentences of the draft, from 1.
        sentence: What it says.
        citations: What backs it.
    """

    type: ClassVar[str] = "rag.sentence"
    person: Person
    turn_id: Token
    number: Count
    sentence: Text
    citations: Annotated[tuple[CitationGiven, ...], Place.PARTS]


@dataclass(frozen=True, slots=True)
class AnswerGiven(Event):
    """How a question ended, on record before it is final.

    Attributes:
        person: Who asked.
        turn_id: The question.
        outcome: "answered", "partly", "conflict", "stopped", "failed", or "aborted" where the
            program ended or broke off while a draft was being shown.
        answer: The text shown.
        citations: What backs it.
        model: Name of the model that drafted it; empty when the documents' words were quoted.
        struck: Sentences of the draft that nothing backed.
        milliseconds: From question to answer.
        draft: What the model wrote, struck sentences included: it was shown while it grew.
        prompt: What the model was given, as canonical JSON.
        weights_sha256: Of the model.
        engine: What ran it.
        tokenizer_sha256: Of its tokenizer.
        prompt_template_sha256: Of the words around question and passages.
        temperature: As asked for.
        seed: As asked for.
        maximum_tokens: As asked for.
        tokens_in: Length of the prompt.
        tokens_out: Length of the draft.
    """

    type: ClassVar[str] = "rag.answer"
    person: Person
    turn_id: Token
    outcome: Token
    answer: Text
    citations: Annotated[tuple[CitationGiven, ...], Place.PARTS]
    model: Annotated[str, Place.LABEL, Named("model.name")]
    struck: Count
    milliseconds: Latency
    draft: Text = ""
    prompt: Text = ""
    weights_sha256: Annotated[str, Place.ENVELOPE, Named("model.weights_sha256")] = ""
    engine: Annotated[str, Place.LABEL, Named("model.engine")] = ""
    tokenizer_sha256: Annotated[str, Place.ENVELOPE, Named("model.tokenizer_sha256")] = ""
    prompt_template_sha256: Annotated[
        str, Place.ENVELOPE, Named("model.prompt_template_sha256")
    ] = ""
    temperature: Annotated[float | None, Place.ENVELOPE, Named("model.params.temperature")] = None
    seed: Annotated[int | None, Place.ENVELOPE, Named("model.params.seed")] = None
    maximum_tokens: Annotated[int | None, Place.ENVELOPE, Named("model.params.max_tokens")] = None
    tokens_in: Annotated[int | None, Place.ENVELOPE, Named("usage.in")] = None
    tokens_out: Annotated[int | None, Place.ENVELOPE, Named("usage.out")] = None


@dataclass(frozen=True, slots=True)
class QuestionRefused(Event):
    """A question that got no answer, and why."""

    type: ClassVar[str] = "rag.refuse"
    usual_outcome: ClassVar[str] = "refused"
    person: Person
    turn_id: Token
    reason: Text
    milliseconds: Latency


@dataclass(frozen=True, slots=True)
class DocumentIngested(Event):
    """The first version of a document, on record before it can be found.

    Attributes:
        source: Name of the source.
        document_id: The document.
        version_id: The version.
        version_number: Counts from 1.
        original: Hex SHA-256 of the bytes it was parsed from.
        path: Path relative to the source.
        pages: 0 for formats without pages.
        chunks: How many pieces can be found.
    """

    type: ClassVar[str] = "doc.ingest"
    source: Text
    document_id: Token
    version_id: Token
    version_number: Count
    original: Token
    path: Text
    pages: Count
    chunks: Count


@dataclass(frozen=True, slots=True)
class DocumentUpdated(DocumentIngested):
    """A later version of a document; it takes the earlier one's place."""

    type: ClassVar[str] = "doc.update"


@dataclass(frozen=True, slots=True)
class DocumentMoved(Event):
    """A document stands at another path; its text is the same."""

    type: ClassVar[str] = "doc.move"
    document_id: Token
    path: Text
    old_path: Text


@dataclass(frozen=True, slots=True)
class DocumentWithdrawn(Event):
    """A document can no longer be found or read."""

    type: ClassVar[str] = "doc.delete"
    source: Text
    document_id: Token
    path: Text


@dataclass(frozen=True, slots=True)
class DocumentQuarantined(Event):
    """A file that could not be read; ``original`` is None where not even its bytes could."""

    type: ClassVar[str] = "doc.quarantine"
    usual_outcome: ClassVar[str] = "quarantined"
    source: Text
    path: Text
    original: Annotated[str | None, Place.ENVELOPE]
    reason: Text


@dataclass(frozen=True, slots=True)
class DocumentViewed(Event):
    """A person looked at a page (from 0; None in a document without pages)."""

    type: ClassVar[str] = "doc.view"
    person: Person
    version_id: Token
    page: Annotated[int | None, Place.ENVELOPE]


@dataclass(frozen=True, slots=True)
class DocumentDownloaded(Event):
    """A person got the original of a version."""

    type: ClassVar[str] = "doc.download"
    person: Person
    version_id: Token


@dataclass(frozen=True, slots=True)
class AccessRefreshed(Event):
    """Rights were read from a source again.

    Attributes:
        source: The source.
        files: Files whose rights were read.
        changed: Documents that came under another list.
        unmapped: Files with rights that could not be taken over as they stand.
    """

    type: ClassVar[str] = "acl.sync"
    source: Label
    files: Count
    changed: Count
    unmapped: Count


@dataclass(frozen=True, slots=True)
class AccessExplained(Event):
    """Somebody was told why somebody else can read a document, or cannot."""

    type: ClassVar[str] = "access.explain"
    person: Person
    name: Subject
    document_id: Token
    may_read: Flag


@dataclass(frozen=True, slots=True)
class BreakGlass(Event):
    """A door opened for a while against the rules: asked for, approved, or shut again.

    Attributes:
        person: Who did this step.
        name: Whom the door is for.
        opening: Joins the steps.
        step: "requested", "approved" or "ended".
        target: What is opened.
        reason: Why.
        minutes: For how long.
    """

    type: ClassVar[str] = "access.break_glass"
    person: Person
    name: Subject
    opening: Token
    step: Token
    target: Text
    reason: Text
    minutes: Count


@dataclass(frozen=True, slots=True)
class BreakGlassUsed(Event):
    """A person read a document that nothing but break-glass opens to them.

    Attributes:
        person: Who.
        opening: Joins it to the steps that opened the door.
        document_id: The document.
        version_id: The version that was read.
        reason: Why the door was opened.
    """

    type: ClassVar[str] = "access.break_glass.use"
    person: Person
    opening: Token
    document_id: Token
    version_id: Token
    reason: Text


@dataclass(frozen=True, slots=True)
class AccessDenied(Event):
    """A person wanted what they may not have."""

    type: ClassVar[str] = "access.denied"
    usual_outcome: ClassVar[str] = "denied"
    person: Person
    what: Text


@dataclass(frozen=True, slots=True)
class UserChanged(Event):
    """An account was made, changed or removed."""

    type: ClassVar[str] = "admin.user.change"
    actor: Person
    name: Subject
    change: Text


@dataclass(frozen=True, slots=True)
class SourceChanged(Event):
    """A source was added, changed or removed."""

    type: ClassVar[str] = "admin.config"
    actor: Person
    source: Text
    change: Text


@dataclass(frozen=True, slots=True)
class ConversationDeleted(Event):
    """A person deleted a conversation."""

    type: ClassVar[str] = "conversation.delete"
    person: Person
    conversation_id: Token


@dataclass(frozen=True, slots=True)
class ConversationShared(Event):
    """A person let a colleague read a conversation, or no longer."""

    type: ClassVar[str] = "conversation.share"
    person: Person
    conversation_id: Token
    colleague: Unnamed
    shared: Flag


@dataclass(frozen=True, slots=True)
class TokenChanged(Event):
    """A person made or revoked a token for a program: ``change`` says which."""

    type: ClassVar[str] = "auth.token"
    person: Person
    change: Token
    scopes: Token


@dataclass(frozen=True, slots=True)
class RecordExported(Event):
    """The record was handed out, whole or in part.

    Attributes:
        person: Who asked for it, or set it up to be made.
        entries: How many were on it when it was asked for.
        form: In which form, "proof" for that of one event.
        selection: What was chosen, in words; empty means everything.
        payloads: Names and texts were handed out too.
        scheduled: Nobody asked for it then; a schedule did.
    """

    type: ClassVar[str] = "export.audit"
    person: Person
    entries: Count
    form: Token = ""
    selection: Text = ""
    payloads: Flag = True
    scheduled: Flag = False


@dataclass(frozen=True, slots=True)
class RecordVerified(Event):
    """The record was checked, with this result."""

    type: ClassVar[str] = "audit.verify"
    person: Person
    intact: Flag
    entries: Count


@dataclass(frozen=True, slots=True)
class SystemStarted(Event):
    """A program began to serve: which system gave the answers that follow.

    Attributes:
        version: Of the software.
        configuration_sha256: Over every setting but the secrets.
        model: Name of the model; empty where answers are quotes only.
        sbom_sha256: Over the list of what is installed.
        embedding_sha256: Fingerprint of the embedding model.
        prompt_template_sha256: Of the words around question and passages.
        egress_selftest: "passed" or "failed", where one was made.
    """

    type: ClassVar[str] = "system.start"
    version: Label
    configuration_sha256: Token
    model: Label
    sbom_sha256: Token = ""
    embedding_sha256: Token = ""
    prompt_template_sha256: Token = ""
    egress_selftest: Token = ""


@dataclass(frozen=True, slots=True)
class SystemStopped(Event):
    """A program ended in good order."""

    type: ClassVar[str] = "system.stop"


@dataclass(frozen=True, slots=True)
class RecordViewed(Event):
    """A person looked at the record.

    Attributes:
        person: Who.
        what: "entries", "overview", "story" or "replay".
        entry: Sequence of the entry whose story was opened; None for a list.
        filters: What the list was narrowed to, as an address's query.
    """

    type: ClassVar[str] = "audit.view"
    person: Person
    what: Token
    entry: Annotated[int | None, Place.ENVELOPE]
    filters: Text


@dataclass(frozen=True, slots=True)
class ConversationViewed(Event):
    """A person looked at somebody else's conversation."""

    type: ClassVar[str] = "conversation.view"
    person: Person
    owner: Unnamed
    conversation_id: Token


@dataclass(frozen=True, slots=True)
class HoldPlaced(Event):
    """Something must be kept from now on.

    Attributes:
        actor: Who placed the hold.
        hold_id: The hold's id.
        scope: "everything", "source", "document" or "person".
        target: Id of the source or document; empty for the others.
        person: Whom it stands on; empty for the others.
        reason: Why.
    """

    type: ClassVar[str] = "hold.add"
    actor: Person
    hold_id: Token
    scope: Token
    target: Token
    person: Unnamed
    reason: Text


@dataclass(frozen=True, slots=True)
class HoldLifted(Event):
    """A hold ended."""

    type: ClassVar[str] = "hold.lift"
    actor: Person
    hold_id: Token


@dataclass(frozen=True, slots=True)
class DeletionPrevented(Event):
    """A hold kept what was about to be destroyed.

    Attributes:
        person: Who wanted to; empty when a term had run out.
        hold_id: The hold that stood against it.
        what: "document", "source", "conversation", "payloads" or "envelope".
        target: Id of what was to be destroyed; a pseudonym or a sequence for the record's own.
    """

    type: ClassVar[str] = "hold.prevent"
    usual_outcome: ClassVar[str] = "denied"
    person: Person
    hold_id: Token
    what: Token
    target: Token


@dataclass(frozen=True, slots=True)
class PlaceCleared:
    """A place that held something of a document, and what was found there afterwards.

    Attributes:
        place: "vectors", "text", "pages", "originals", "conversations", "caches", ….
        removed: How many things were taken away.
        left: How many a search after that still found; 0 unless something is held.
    """

    place: Token
    removed: Count
    left: Count


@dataclass(frozen=True, slots=True)
class VersionErased:
    """A version that is no more, known by the hash of the bytes it was made from."""

    version_id: Token
    number: Count
    original: Token


@dataclass(frozen=True, slots=True)
class DocumentErased(Event):
    """The receipt of an erased document: where it was, and that each place has it no longer.

    Attributes:
        person: Who asked for it; empty when its term had run out.
        document_id: The document.
        source: Name of its source.
        path: Path relative to the source.
        ground: Why, in a word or two of the operator's.
        versions: What it consisted of.
        places: Every place that was looked through.
        originals_held: Originals kept, because another document is made of the same bytes.
    """

    type: ClassVar[str] = "doc.erase"
    usual_outcome: ClassVar[str] = "erased"
    person: Person
    document_id: Token
    source: Text
    path: Text
    ground: Label
    versions: Annotated[tuple[VersionErased, ...], Place.PARTS]
    places: Annotated[tuple[PlaceCleared, ...], Place.PARTS]
    originals_held: Count


@dataclass(frozen=True, slots=True)
class ActApproved(Event):
    """A second person agreed to an act that cannot be undone, on record before it.

    Attributes:
        person: Who agreed.
        act: "erasure" or "redaction".
        target: Pseudonym or sequence of what is acted upon.
    """

    type: ClassVar[str] = "audit.approve"
    usual_outcome: ClassVar[str] = "approved"
    person: Person
    act: Token
    target: Token


@dataclass(frozen=True, slots=True)
class KeyDestroyed:
    """A key that opens nothing any more."""

    key_id: Token


@dataclass(frozen=True, slots=True)
class SubjectErased(Event):
    """The keys and texts of what a person wrote, asked and was answered are destroyed.

    Attributes:
        person: Who did it.
        subject: Whose; the name is not written.
        ground: Why, in a word or two of the operator's.
        approval: Sequence of the second person's agreement; None when one person confirmed.
        count: Payloads that cannot be read any more.
        keys: The keys destroyed.
    """

    type: ClassVar[str] = "audit.erasure"
    usual_outcome: ClassVar[str] = "erased"
    person: Person
    subject: Unnamed
    ground: Label
    approval: Annotated[int | None, Place.ENVELOPE]
    count: Count
    keys: Annotated[tuple[KeyDestroyed, ...], Place.PARTS]


@dataclass(frozen=True, slots=True)
class PayloadsDisposed(Event):
    """Payloads of a retention class whose term had run out are destroyed.

    Attributes:
        retention_class: Which class.
        months: Its term.
        before: The first day that is kept, as YYYY-MM-DD.
        count: Payloads that cannot be read any more.
    """

    type: ClassVar[str] = "audit.disposal"
    usual_outcome: ClassVar[str] = "erased"
    retention_class: Token
    months: Count
    before: Token
    count: Count


@dataclass(frozen=True, slots=True)
class EntryRedacted(Event):
    """Envelopes that exports leave out from now on; the hashes that stand for them stay.

    Attributes:
        person: Who did it.
        redacts: Sequences of the entries.
        ground: Why, in a word or two of the operator's.
        approval: Sequence of the second person's agreement; None when one person confirmed.
    """

    type: ClassVar[str] = "audit.redaction"
    usual_outcome: ClassVar[str] = "redacted"
    person: Person
    redacts: Annotated[tuple[int, ...], Place.ENVELOPE]
    ground: Label
    approval: Annotated[int | None, Place.ENVELOPE]


@dataclass(frozen=True, slots=True)
class SubjectExported(Event):
    """Everything by and about a person was written out for that person."""

    type: ClassVar[str] = "dsar.export"
    person: Person
    subject: Unnamed
    entries: Count


@dataclass(frozen=True, slots=True)
class LockedOut(Event):
    """Too many failed sign-ins under a name: it is refused for a while."""

    type: ClassVar[str] = "auth.lockout"
    usual_outcome: ClassVar[str] = "denied"
    name: Person
    attempts: Count


@dataclass(frozen=True, slots=True)
class SecondFactorUsed(Event):
    """A second factor was asked for; ``outcome`` is "passed" or "denied"."""

    type: ClassVar[str] = "auth.mfa"
    person: Person
    method: Token
    outcome: Token


@dataclass(frozen=True, slots=True)
class SessionRevoked(Event):
    """Somebody's sessions were ended before their time."""

    type: ClassVar[str] = "session.revoke"
    actor: Person
    name: Subject
    reason: Label


@dataclass(frozen=True, slots=True)
class FeedbackGiven(Event):
    """What a person thought of an answer: "accepted", "rejected" or "reported".

    It outlives the texts, so that it can be shown that an answer was looked over.
    """

    type: ClassVar[str] = "rag.feedback"
    person: Person
    turn_id: Token
    verdict: Token
    comment: Text


@dataclass(frozen=True, slots=True)
class DocumentReindexed(Event):
    """A version was cut or embedded anew; its text is the same."""

    type: ClassVar[str] = "doc.reindex"
    document_id: Token
    version_id: Token
    chunks: Count
    embedding_sha256: Token = ""


@dataclass(frozen=True, slots=True)
class RetrievalAdapted(Event):
    """What a search weighs was learned from the documents, or set back."""

    type: ClassVar[str] = "index.adapt"
    actor: Person
    change: Text
    weights: Text


@dataclass(frozen=True, slots=True)
class AccessChanged(Event):
    """Who may read something changed.

    Attributes:
        actor: Who changed it; empty where it was taken from the source.
        scope: "source", "document", "matter", ….
        target: Its id.
        change: What, with names.
        acl_epoch: State of the access rules after it.
    """

    type: ClassVar[str] = "acl.change"
    actor: Person
    scope: Token
    target: Token
    change: Text
    acl_epoch: OptionalCount = None


@dataclass(frozen=True, slots=True)
class GroupsSynchronised(Event):
    """Who belongs to which group was taken over from a directory.

    Attributes:
        directory: Name of the directory.
        people: How many are known now.
        groups: How many groups are known now.
        added: Memberships that are new.
        removed: Memberships that are gone.
        acl_epoch: State of the access rules after it.
    """

    type: ClassVar[str] = "group.sync"
    directory: Label
    people: Count
    groups: Count
    added: Count
    removed: Count
    acl_epoch: OptionalCount = None


@dataclass(frozen=True, slots=True)
class ModelChanged(Event):
    """Answers are drafted by another model from now on."""

    type: ClassVar[str] = "admin.model.change"
    actor: Person
    model: Annotated[str, Place.LABEL, Named("model.name")]
    weights_sha256: Annotated[str, Place.ENVELOPE, Named("model.weights_sha256")] = ""


@dataclass(frozen=True, slots=True)
class ModelProfiled(Event):
    """What a model is fit for was measured, and is what it may do from the next start."""

    type: ClassVar[str] = "admin.model.profile"
    actor: Person
    model: Annotated[str, Place.LABEL, Named("model.name")]
    profile: Text


@dataclass(frozen=True, slots=True)
class PromptChanged(Event):
    """The words around question and passages are others from now on."""

    type: ClassVar[str] = "admin.prompt.change"
    actor: Person
    prompt_template_sha256: Token


@dataclass(frozen=True, slots=True)
class KeyRotated(Event):
    """A key was replaced.

    Attributes:
        actor: Who did it.
        key: "log", "witness", "wrapping", ….
        old: SHA-256 of the old public key, where it has one.
        new: SHA-256 of the new one, likewise.
    """

    type: ClassVar[str] = "admin.key.rotate"
    actor: Person
    key: Token
    old: Token = ""
    new: Token = ""


@dataclass(frozen=True, slots=True)
class RoleChanged(Event):
    """A person was given a role, or it was taken from them."""

    type: ClassVar[str] = "admin.role.change"
    actor: Person
    name: Subject
    role: Label
    change: Token


@dataclass(frozen=True, slots=True)
class DataExported(Event):
    """Something other than the record was handed out: conversations, documents, statistics."""

    type: ClassVar[str] = "export.data"
    person: Person
    what: Token
    count: Count


@dataclass(frozen=True, slots=True)
class CheckpointMade(Event):
    """The record up to ``size`` was signed, and by how many witnesses cosigned."""

    type: ClassVar[str] = "audit.checkpoint"
    usual_outcome: ClassVar[str] = "signed"
    size: Count
    root: Token
    witnesses: Count


@dataclass(frozen=True, slots=True)
class Heartbeat(Event):
    """The record is being written, though nothing happened; its absence is a sign.

    Attributes:
        minutes: When the next is due.
        unsigned: Entries that no checkpoint covers yet.
    """

    type: ClassVar[str] = "audit.heartbeat"
    minutes: Count
    unsigned: Count


@dataclass(frozen=True, slots=True)
class EventsMissed:
    """Events of one type that could not be written; what they stand for did not happen."""

    kind: Token
    count: Count


@dataclass(frozen=True, slots=True)
class GapNoticed(Event):
    """The record could not be written for a while, or its writer ended without a word.

    Attributes:
        why: "unwritable" or "not_stopped".
        since: Moment of the first event that is missing, or of the last that is not.
        missed: What was refused meanwhile.
    """

    type: ClassVar[str] = "audit.gap"
    usual_outcome: ClassVar[str] = "missed"
    why: Token
    since: Token
    missed: Annotated[tuple[EventsMissed, ...], Place.PARTS]


@dataclass(frozen=True, slots=True)
class ClockStepped(Event):
    """The clock went back; until it is right again, or accepted, no questions are taken.

    Attributes:
        actor: Who accepted the clock as it is; empty where it was only noticed.
        outcome: "noticed" or "accepted".
        before: Latest moment on the record.
        seconds: How far back the clock is.
    """

    type: ClassVar[str] = "clock.step"
    actor: Person
    outcome: Token
    before: Token
    seconds: Measure


VOCABULARY: tuple[type[Event], ...] = (
    SignedIn,
    SignInFailed,
    SignedOut,
    QuestionAsked,
    PassagesRead,
    SentenceBacked,
    AnswerGiven,
    QuestionRefused,
    DocumentIngested,
    DocumentUpdated,
    DocumentMoved,
    DocumentWithdrawn,
    DocumentQuarantined,
    DocumentViewed,
    DocumentDownloaded,
    AccessDenied,
    AccessRefreshed,
    AccessExplained,
    BreakGlass,
    BreakGlassUsed,
    UserChanged,
    SourceChanged,
    ConversationDeleted,
    RecordExported,
    RecordVerified,
    SystemStarted,
    SystemStopped,
    RecordViewed,
    ConversationViewed,
    HoldPlaced,
    HoldLifted,
    DeletionPrevented,
    DocumentErased,
    ActApproved,
    SubjectErased,
    PayloadsDisposed,
    EntryRedacted,
    SubjectExported,
    ConversationShared,
    TokenChanged,
    LockedOut,
    SecondFactorUsed,
    SessionRevoked,
    FeedbackGiven,
    DocumentReindexed,
    RetrievalAdapted,
    AccessChanged,
    GroupsSynchronised,
    ModelChanged,
    ModelProfiled,
    PromptChanged,
    KeyRotated,
    RoleChanged,
    DataExported,
    CheckpointMade,
    Heartbeat,
    GapNoticed,
    ClockStepped,
)
"""Every kind of event there is."""


@dataclass(frozen=True, slots=True)
class Parts:
    """An event, taken apart.

    Attributes:
        pseudonym: Of who acted; None where no person did.
        about: Pseudonym of the person acted upon, where the payload names them.
        envelope: Fields for the envelope, the outcome among them.
        payload: Fields for the payload; empty where the event has none.
    """

    pseudonym: str | None
    envelope: dict[str, Json]
    payload: dict[str, Json]
    about: str | None = None


def take_apart(event: Event, *, pseudonym_of: Callable[[str], str]) -> Parts:
    """Return what of an event goes to its envelope and what to its payload.

    Raises:
        EventInvalid: A field meant for the envelope is not a token, so that it might be a name
            or text.
    """
    acting: str | None = None
    about: str | None = None
    envelope: dict[str, Json] = {"outcome": event.usual_outcome}
    payload: dict[str, Json] = {}
    for field in _layout(type(event)):
        value = getattr(event, field.name)
        if field.place is Place.ACTOR:
            acting = pseudonym_of(value) if value else None
            payload["person"] = plain(value)
        elif field.place is Place.SUBJECT:
            about = pseudonym_of(value)
            envelope["subject"] = {"pid": about}
            payload[field.name] = plain(value)
        elif field.place is Place.UNNAMED:
            envelope["subject"] = {"pid": pseudonym_of(value)} if value else None
        elif field.place is Place.PARTS:
            envelope[field.path] = [_outside(record) for record in value]
            inside: list[Json] = [_inside(record) for record in value]
            if any(inside):
                payload[field.name] = inside
        elif field.leaves_out(value):
            continue
        elif field.path:
            _put(envelope, field.path, _written(event.type, field, value))
        else:
            payload[field.name] = plain(value)
    return Parts(acting, envelope, payload, about)


def _outside(record: object) -> dict[str, Json]:
    """What of a record within an event stands in the envelope."""
    kind = type(record)
    written = [(field, getattr(record, field.name)) for field in _layout(kind) if field.path]
    return {
        field.path: _written(kind.__name__, field, value)
        for field, value in written
        if not field.leaves_out(value)
    }


def _inside(record: object) -> dict[str, Json]:
    """What of a record within an event stands in the payload."""
    return {
        field.name: plain(getattr(record, field.name))
        for field in _layout(type(record))
        if not field.path
    }


def _put(envelope: dict[str, Json], path: str, value: Json) -> None:
    *blocks, last = path.split(".")
    place = envelope
    for block in blocks:
        deeper = place.setdefault(block, {})
        if not isinstance(deeper, dict):
            raise EventInvalid(f"The field {block} of an envelope is no block.")
        place = deeper
    place[last] = value


def _written(owner: str, field: "_Field", value: object) -> Json:
    if field.place is Place.LABEL:
        return NOT_OF_A_TOKEN.sub("_", str(value))[:LONGEST_TOKEN]
    return _checked(owner, field.name, value)


def _checked(owner: str, name: str, value: object) -> Json:
    written = plain(value)
    if isinstance(written, str) and not TOKEN.fullmatch(written):
        raise EventInvalid(
            f"The field {name} of {owner} must be an id, a hash or a number: at most 200 "
            "characters and no spaces. Text and names belong in a payload field."
        )
    return written


@dataclass(frozen=True, slots=True)
class _Field:
    """Where a field of an event is written.

    Attributes:
        name: Its name in the class.
        place: As declared.
        path: Where it stands in the envelope; empty for what stands in the payload.
        optional: Left out when nothing is known.
    """

    name: str
    place: Place
    path: str
    optional: bool

    def leaves_out(self, value: object) -> bool:
        return self.optional and value in UNKNOWN


_LAYOUTS: dict[type, tuple[_Field, ...]] = {}


def _layout(kind: type) -> tuple[_Field, ...]:
    """The fields of an event or of a part of one, worked out once."""
    if kind not in _LAYOUTS:
        _LAYOUTS[kind] = _laid_out(kind)
    return _LAYOUTS[kind]


def _laid_out(kind: type) -> tuple[_Field, ...]:
    declared = dict(places(kind))
    hints = get_type_hints(kind, include_extras=True)
    defaults = {
        field.name: field.default is not MISSING for field in fields(kind) if is_dataclass(kind)
    }
    layout = []
    for name, place in declared.items():
        notes = getattr(hints[name], "__metadata__", ())
        path = next((note.path for note in notes if isinstance(note, Named)), name)
        outside = place in {Place.ENVELOPE, Place.LABEL, Place.PARTS}
        optional = defaults[name] or (outside and "." in path)
        layout.append(_Field(name, place, path if outside else "", optional))
    return tuple(layout)


def places(kind: type) -> tuple[tuple[str, Place], ...]:
    """Return the fields of an event (or of a part of one) and where each is written.

    Raises:
        TypeError: A field does not declare its place, or takes a reserved name.
    """
    if not is_dataclass(kind):
        raise TypeError(f"{kind.__name__} is not a dataclass")
    hints = get_type_hints(kind, include_extras=True)
    layout = []
    for field in fields(kind):
        declared = [
            note for note in getattr(hints[field.name], "__metadata__", ()) if type(note) is Place
        ]
        if len(declared) != 1:
            raise TypeError(f"{kind.__name__}.{field.name} does not declare where it is written")
        if declared[0] is Place.ENVELOPE and field.name in RESERVED - {"outcome"}:
            raise TypeError(f"{kind.__name__}.{field.name} takes a reserved name")
        layout.append((field.name, declared[0]))
    return tuple(layout)
