"""What crosses the wire between the service and its callers: the part of rag others may import.

Paths, all under the service's address, JSON unless said otherwise; a caller proves who it is
with ``Authorization: Bearer <token>`` from ``POST /v1/session``:

==========================================  =====================================================
``POST /v1/session``                        SignIn -> Session
``GET /v1/session``                         -> Person
``DELETE /v1/session``                      sign out -> 204, or 200 ProviderAddress
``GET /v1/sign-in``                         -> SignInWays
``POST /v1/set-up``                         SetUpFirst -> Session
``POST /v1/provider/begin``                 BeginAtProvider -> ProviderAddress
``POST /v1/provider/finish``                ProviderAnswer -> Session
``POST /v1/provider/logout``                ProviderLogout -> 204
``GET /v1/second-factor``                   -> FactorState
``POST /v1/second-factor``                  Password -> FactorBegun
``POST /v1/second-factor/confirmation``     Code -> RecoveryCodes
``POST /v1/second-factor/removal``          Code -> 204
``POST /v1/ask``                            Ask -> Turn (running)
``GET /v1/turns/{turn_id}``                 -> Turn
``GET /v1/turns/{turn_id}/events``          server-sent events; resumes after ``Last-Event-ID``
``POST /v1/turns/{turn_id}/stop``           -> Turn
``GET /v1/model``                           -> ModelState
``GET /v1/conversations``                   -> list[ConversationSummary], newest first
``GET /v1/conversations/{id}``              -> Conversation
``DELETE /v1/conversations/{id}``           -> 204
``POST /v1/conversations/{id}/title``       Rename -> 204
``POST /v1/conversations/{id}/shares``      Share -> 204
``DELETE /v1/conversations/{id}/shares/{p}``  -> 204
``GET /v1/conversations/{id}/export``       ?format=markdown|pdf: with its sources
``POST /v1/turns/{turn_id}/feedback``       Feedback -> 204
``GET /v1/feedback/export``                 questions for `muniment evaluate`, JSON lines
``GET /v1/tokens``                          -> list[TokenView], one's own
``POST /v1/tokens``                         NewToken -> TokenMade
``DELETE /v1/tokens/{token_id}``            -> 204
``GET /v1/models``                          as OpenAI's interface
``POST /v1/chat/completions``               as OpenAI's interface; ``muniment`` holds the Turn
``POST /v1/search``                         Search -> SearchResult
``GET /v1/documents``                       ?query=&limit=&offset= -> DocumentList
``GET /v1/documents/{document_id}``         -> DocumentDetail
``GET /v1/documents/{document_id}/access``  ?person= -> AccessExplanation
``GET /v1/versions/{id}/pages/{n}.png``     ?start=&end= page image (from 0), the span marked
``GET /v1/versions/{id}/passage``           ?start=&end= -> PassageView
``GET /v1/versions/{id}/original``          the original's bytes
``GET /v1/ingestion``                       -> IngestionStatus
``POST /v1/ingestion/runs``                 StartRun -> RunView
``POST /v1/ingestion/runs/{run_id}``        pause, resume, cancel or retry -> RunView
``PUT /v1/ingestion/sources/{id}/schedule``  when a source is gone over
``PUT /v1/ingestion/uploads/{name}``        the bytes of a document
``GET /v1/audit/entries``                   ?after=&limit= and filters -> AuditPage
``GET /v1/audit/overview``                  filters -> AuditOverview
``GET /v1/audit/state``                     -> RecordState
``GET /v1/audit/entries/{n}/story``         -> AuditStory
``GET /v1/audit/entries/{n}/conversation``  the conversation it stands in -> Conversation
``POST /v1/audit/verify``                   -> AuditVerdict
``GET /v1/audit/export``                    ?format= and filters -> a file
``GET /v1/privacy/subject-access``          ?person= -> an archive
``GET /scim/v2/ServiceProviderConfig``      what is supported of SCIM 2.0 (RFC 7644)
``GET /scim/v2/ResourceTypes``              Users and Groups
``GET /scim/v2/Users``                      ?filter=&startIndex=&count= ; so the others below
``POST /scim/v2/Users``                     a person
``GET /scim/v2/Users/{id}``
``PUT /scim/v2/Users/{id}``
``PATCH /scim/v2/Users/{id}``
``DELETE /scim/v2/Users/{id}``              -> 204; the account is locked
``GET /scim/v2/Groups``                     ?excludedAttributes=members leaves members out
``POST /scim/v2/Groups``                    a group
``GET /scim/v2/Groups/{id}``
``PUT /scim/v2/Groups/{id}``
``PATCH /scim/v2/Groups/{id}``
``DELETE /scim/v2/Groups/{id}``             -> 204
``GET /ready``                              -> Readiness
==========================================  =====================================================

Filters of the record: ``since=`` and ``until=`` (moments), ``person=``, ``type=``, ``document=``
(an id) and ``outcome=``; what is left out leaves nothing out.

Events of a turn (``event:`` name, ``data:`` JSON): ``step`` Step, ``draft`` DraftDelta,
``sentence`` SentenceChecked, ``answer`` Turn (the last one). Each has an ``id:`` that counts from
1. ``waiting`` Waiting has none: it says what holds now, and is not repeated to who comes back.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

MAXIMUM_QUESTION_CHARACTERS = 4_000


class Wire(BaseModel):
    """A message: frozen, and strict about what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Role(StrEnum):
    """What somebody may do. No role opens a document; the access lists do, to readers."""

    READER = "reader"
    """Asks, and reads what the access lists admit."""
    CONTRIBUTOR = "contributor"
    """Uploads documents."""
    OWNER = "owner"
    """Owns a source: looks after it, and sees who can read it. Stands in the catalog."""
    ADMINISTRATOR = "administrator"
    """Configures; cannot read content."""
    AUDITOR = "auditor"
    """Reads the record; cannot configure."""
    PRIVACY_OFFICER = "privacy-officer"
    """Answers people about their data, and agrees to erasures."""


class SignIn(Wire):
    """A name and a password, and a code where the person has set one up."""

    name: str = Field(min_length=1, max_length=200)
    password: str = Field(min_length=1, max_length=1_000, repr=False)
    code: str = Field(default="", max_length=40, repr=False)
    address: str = Field(
        default="",
        max_length=64,
        repr=False,
        description="Where it comes from, as the page sees it; failures are counted by it.",
    )


class SignInWays(Wire):
    """How one may sign in here; shown to everybody."""

    set_up: bool = Field(description="Nobody has an account yet: the set-up code makes the first.")
    provider: str = Field(default="", description="Name of the identity provider, if there is one.")


class SetUpFirst(Wire):
    """The set-up code of the console, and the first administrator's name and password."""

    code: str = Field(min_length=1, max_length=200, repr=False)
    name: str = Field(min_length=1, max_length=200)
    password: str = Field(min_length=1, max_length=1_000, repr=False)


class BeginAtProvider(Wire):
    """A secret that a browser keeps until the identity provider sends it back."""

    browser: str = Field(min_length=20, max_length=200, repr=False)


class ProviderAddress(Wire):
    """Where to send the browser to."""

    address: str = Field(repr=False)


class ProviderAnswer(Wire):
    """What a browser brings back from the identity provider, and its secret."""

    state: str = Field(min_length=1, max_length=500, repr=False)
    code: str = Field(min_length=1, max_length=4_000, repr=False)
    issuer: str = Field(default="", max_length=500)
    browser: str = Field(min_length=1, max_length=200, repr=False)


class ProviderLogout(Wire):
    """What an identity provider sends by itself when somebody has signed out there."""

    logout_token: str = Field(min_length=1, max_length=40_000, repr=False)


class Password(Wire):
    """One's password once more."""

    password: str = Field(min_length=1, max_length=1_000, repr=False)


class Code(Wire):
    """A code of one's authenticator app, or one for the day it is lost."""

    code: str = Field(min_length=1, max_length=40, repr=False)


class FactorState(Wire):
    """Whether one is asked for a code."""

    set_up: bool
    needed_for: list[str] = Field(default=[], description="Roles that wait for one.")


class FactorBegun(Wire):
    """The secret of a new authenticator, this once."""

    secret: str = Field(repr=False)
    address: str = Field(repr=False, description="As authenticator apps read it from a picture.")


class RecoveryCodes(Wire):
    """Codes for the day the authenticator is lost, each good once; shown this once."""

    codes: list[str] = Field(repr=False)


class Person(Wire):
    """Who is signed in."""

    name: str
    groups: list[str]
    roles: list[str]
    notices: list[str] = Field(default=[], description="What the person must be told on any page.")


class Session(Wire):
    """Proof of a sign-in."""

    token: str = Field(repr=False)
    expires_at: datetime
    person: Person


class Ask(Wire):
    """A question, in a conversation or opening one."""

    question: str = Field(min_length=1, max_length=MAXIMUM_QUESTION_CHARACTERS)
    conversation_id: str | None = None
    quotes_only: bool = False
    instead_of: str | None = Field(
        default=None,
        description="A turn of the conversation that this one replaces, with all after it.",
    )


class Mark(Wire):
    """A rectangle on a page (from 0), in PDF points, origin top left."""

    page: int
    x0: float
    y0: float
    x1: float
    y1: float


class FoundBy(Wire):
    """Why a passage stands where it stands in a search; empty where a thing did not apply."""

    meaning_rank: int | None = Field(description="Place in the ranking by meaning, from 1.")
    meaning_score: float | None = Field(description="Cosine to the question.")
    words_rank: int | None = Field(description="Place in the ranking by words, from 1.")
    words_score: float | None = Field(description="BM25 over what the asker may read.")
    closeness: float | None = Field(description="Closeness word by word, -1 to 1.")
    document: float = Field(description="How well the question names its document, 0 to 1.")
    reference: float = Field(description="Gained along references between sections.")
    repeats: bool = Field(description="Put behind, because two better ones say the same.")

    def sentence(self) -> str:
        """Say in one line which rankings brought the passage and what moved it."""
        rankings = (
            ("meaning", self.meaning_rank, self.meaning_score),
            ("words", self.words_rank, self.words_score),
        )
        parts = [
            f"{name} rank {rank} ({score:.2f})" if rank and score is not None else f"not by {name}"
            for name, rank, score in rankings
        ]
        if self.closeness is not None:
            parts.append(f"word by word {self.closeness:.2f}")
        if self.document:
            parts.append(f"document named {self.document:.2f}")
        if self.reference:
            parts.append(f"referred to {self.reference:+.2f}")
        if self.repeats:
            parts.append("put behind: two better ones say the same")
        return "; ".join(parts)


class Passage(Wire):
    """A chunk chosen for the prompt, or found by a search."""

    chunk_id: str
    document_id: str
    version_id: str
    version_number: int
    title: str
    path: str
    source: str
    heading_path: list[str]
    page: int | None = Field(description="Counts from 0; null in documents without pages.")
    place: str = Field(description="Where it stands in a document without pages.")
    start: int
    end: int
    text: str
    score: float = Field(
        description="0 to 1: how well it speaks to the question; in a search, its fused rank score."
    )
    marking: str = Field(default="", description="The document's protective marking.")
    found_by: FoundBy | None = Field(default=None, description="Of a search alone.")
    suspicions: list[str] = Field(
        default_factory=list,
        description="How it speaks to the machine instead of to its reader; usually not at all.",
    )


class Citation(Wire):
    """What backs a sentence of the answer: an exact quote and where it stands."""

    number: int = Field(description="As shown in the answer, from 1.")
    document_id: str
    version_id: str
    version_number: int
    title: str
    path: str
    heading_path: list[str]
    page: int | None
    place: str
    start: int
    end: int
    quote: str
    columns: str = Field(
        default="",
        description="Of a table's row: the names above its cells, joined as they are; no part "
        "of the quote.",
    )
    marks: list[Mark]
    marking: str = Field(default="", description="The document's protective marking.")


class Sentence(Wire):
    """A sentence of the answer with the numbers of the citations that back it."""

    text: str
    citations: list[int]
    quoted: bool = Field(description="The documents' own words, not the model's.")


class Outcome(StrEnum):
    """How a question ended."""

    ANSWERED = "answered"
    PARTLY = "partly"
    """Answered but for the parts that `Answer.missing` names."""
    CONFLICT = "conflict"
    """Answered: documents disagree, and both are quoted, the later first."""
    REFUSED = "refused"
    """Not in the documents; the closest passages are given."""
    UNCLEAR = "unclear"
    """Not searched for, or not decided: `Answer.asks` says what must be told first."""
    STOPPED = "stopped"
    FAILED = "failed"


QuotesBecause = Literal[
    "",
    "asked",
    "site",
    "source",
    "off",
    "conflict",
    "away",
    "busy",
    "late",
    "too_long",
    "unbacked",
]
"""Why the documents' own words answer and no model's; empty where a model worded the answer."""


class Timings(Wire):
    """Milliseconds of each step; null where a step did not run."""

    retrieve: float | None = None
    first_token: float | None = Field(
        default=None, description="From the question to the first piece of the draft."
    )
    generate: float | None = None
    check: float | None = None
    total: float | None = None


class Answer(Wire):
    """What is shown in the end: only sentences that a passage backs."""

    outcome: Outcome
    sentences: list[Sentence]
    citations: list[Citation]
    passages: list[Passage] = Field(description="What was read, best first.")
    reason: str = Field(default="", description="Why it was refused or failed, for the reader.")
    note: str = Field(default="", description="What the reader should know besides.")
    names: list[str] = Field(
        default=[], description="Versions that the note names and that were not read."
    )
    struck: int = Field(default=0, description="Sentences of the draft that nothing backed.")
    model: str = Field(default="", description="Empty when the documents' words were quoted.")
    timings: Timings = Timings()
    asked_as: str = Field(
        default="", description="What a follow-up was understood to ask; empty where it is plain."
    )
    marking: str = Field(default="", description="The highest marking of what was read for it.")
    missing: list[str] = Field(
        default=[], description="Parts of the question that the documents do not answer."
    )
    asks: str = Field(default="", description="What is asked back, where that was unclear.")
    choices: list[str] = Field(default=[], description="Replies to it that may be meant.")
    quotes_because: QuotesBecause = ""


class SentenceChecked(Wire):
    """A sentence of a draft, checked while the next is written.

    What is firm is on record and stays part of the answer; what is struck does not.
    """

    number: int = Field(description="Counts the sentences of the draft, from 1.")
    start: int = Field(description="In characters of the draft.")
    end: int
    text: str
    firm: bool
    quoted: bool = False
    citations: list[Citation] = Field(default=[], description="What backs it; empty if struck.")


class Waiting(Wire):
    """A question's place among those that wait for the model."""

    place: int = Field(description="From 1, which is next.")
    seconds: float | None = Field(description="About how long; null where nothing tells yet.")


TurnState = Literal["running", "done"]


class Turn(Wire):
    """A question and, when done, its answer."""

    turn_id: str
    conversation_id: str
    question: str
    asked_at: datetime
    state: TurnState
    draft: str = ""
    checked: list[SentenceChecked] = Field(
        default=[], description="Sentences of the draft so far that were checked."
    )
    waiting: Waiting | None = None
    answer: Answer | None = None


class Step(Wire):
    """What is going on, in words for the reader."""

    name: Literal["searching", "reading", "drafting", "waiting", "checking"]
    text: str


class DraftDelta(Wire):
    """More text of the draft; not yet checked."""

    text: str


class ConversationSummary(Wire):
    """A conversation in the list."""

    conversation_id: str
    title: str
    updated_at: datetime
    shared_by: str = Field(default="", description="Whose it is, where it is somebody else's.")


class Conversation(Wire):
    """A conversation with its turns, oldest first."""

    conversation_id: str
    title: str
    turns: list[Turn]
    owner: str = ""
    shared_with: list[str] = Field(default=[], description="Shown to the owner only.")


class Rename(Wire):
    """Another title for a conversation."""

    title: str = Field(min_length=1, max_length=200)


class Share(Wire):
    """A colleague who may read a conversation, as far as that colleague may read its documents."""

    person: str = Field(min_length=1, max_length=200)


Complaint = Literal["", "wrong", "incomplete", "outdated", "not_cited", "should_answer"]


class Feedback(Wire):
    """What a reader thinks of an answer."""

    helpful: bool
    reason: Complaint = ""
    note: str = Field(default="", max_length=2_000)
    document_id: str | None = Field(default=None, description="Where the answer really stands.")
    page: int | None = Field(default=None, ge=0, description="Counts from 0.")


class NewToken(Wire):
    """Ask for a token for a program of one's own."""

    label: str = Field(min_length=1, max_length=80)
    scopes: list[Literal["ask", "audit", "administer"]] = ["ask"]
    days: int = Field(default=90, ge=1, le=366)


class TokenView(Wire):
    """A token as its owner sees it later."""

    token_id: str
    label: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None


class TokenMade(Wire):
    """A token, this once."""

    token: str = Field(repr=False)
    known_as: TokenView


class Search(Wire):
    """A search without generation."""

    question: str = Field(min_length=1, max_length=MAXIMUM_QUESTION_CHARACTERS)
    limit: int = Field(default=10, ge=1, le=100)


class SearchResult(Wire):
    """Passages, best first."""

    passages: list[Passage]
    timings: Timings
    marking: str = Field(default="", description="The highest marking among the passages.")


class DocumentSummary(Wire):
    """A document in the library."""

    document_id: str
    version_id: str
    version_number: int
    title: str
    path: str
    source: str
    media_type: str
    page_count: int
    published_at: datetime
    marking: str = Field(default="", description="Its protective marking.")


class DocumentList(Wire):
    """A page of the library, ordered by title; only what the asker may read."""

    documents: list[DocumentSummary]
    total: int


class DocumentDetail(Wire):
    """A document and its versions, newest first."""

    document: DocumentSummary
    versions: list[DocumentSummary]
    properties: dict[str, str]
    readable_by: list[str] = Field(description="Groups admitted; why the asker can see it.")
    why: str = Field(default="", description="Which entry lets the asker see it.")
    may_explain: bool = Field(default=False, description="Whether the asker may ask it of others.")


class PassageView(Wire):
    """A span within its section, for documents without page images."""

    title: str
    heading_path: list[str]
    place: str
    before: str
    marked: str
    after: str
    page_count: int
    marking: str = Field(default="", description="The document's protective marking.")
    suspicions: list[str] = Field(
        default_factory=list,
        description="How it speaks to the machine instead of to its reader; usually not at all.",
    )


class AccessGround(Wire):
    """An entry that bears on somebody's right to read a document."""

    effect: Literal["allow", "deny"]
    principal: str
    place: str = Field(description="Where it is written.")
    through: list[str] = Field(description="Groups that lead from the person to it.")
    expires_at: datetime | None
    decided: bool


class AccessExplanation(Wire):
    """Why somebody can read a document, or cannot."""

    person: str
    document_id: str
    path: str
    source: str
    may_read: bool
    sentence: str
    marking: str
    cleared: bool
    grounds: list[AccessGround]


class FileView(Wire):
    """What a run did with one file."""

    path: str
    outcome: Literal[
        "added",
        "updated",
        "unchanged",
        "moved",
        "opened",
        "quarantined",
        "withdrawn",
        "excluded",
    ]
    reason: str = ""
    remedy: str = ""
    pages: int = 0
    chunks: int = 0
    title: str = ""


class RunView(Wire):
    """One ingestion run over a source."""

    run_id: str
    source: str
    state: Literal["queued", "running", "paused", "asking", "done", "failed", "cancelled"]
    started_at: datetime | None
    finished_at: datetime | None
    files_total: int
    files_done: int
    pages: int
    chunks: int
    current: str = ""
    error: str = Field(default="", description="Why it failed, or what it asks.")
    unchanged: int = 0
    gone: int = Field(default=0, description="Documents it asks about.")
    wanted: str = Field(default="", description="What was asked of it: pause or cancel.")
    not_before: datetime | None = Field(default=None, description="When it is tried again.")
    totals: dict[str, int] = Field(
        default_factory=dict, description="Files by outcome; together they are all of them."
    )


class SourceView(Wire):
    """A place documents come from."""

    source_id: str
    name: str
    location: str
    groups: list[str]
    live_documents: int
    quarantined: int
    schedule: str = Field(default="", description="Cron line; empty where nobody set one.")
    zone: str = "UTC"
    next_at: datetime | None = Field(default=None, description="When it is next gone over.")
    last: RunView | None = Field(default=None, description="The latest run that ended.")


class UnmappedRights(Wire):
    """Something files say of rights that could not be taken over; nobody reads by it."""

    source: str
    what: str
    files: int
    example: str
    remedy: str


class IngestionStatus(Wire):
    """What is and was going on."""

    unmapped: list[UnmappedRights] = Field(
        default=[], description="Rights that could not be taken over from their source."
    )
    sources: list[SourceView]
    runs: list[RunView] = Field(description="Newest first, at most 20.")
    latest_files: list[FileView] = Field(description="Files of the newest run.")


class StartRun(Wire):
    """Ask for a source to be synchronised."""

    source_id: str
    accept_withdrawals: bool = Field(
        default=False, description="Withdraw however many files are gone."
    )
    retry_quarantined: bool = Field(default=False, description="Read those again, no others.")


class SteerRun(Wire):
    """Tell a run what to do; what is done stays done."""

    wish: Literal["pause", "resume", "cancel"]


class SetSchedule(Wire):
    """Say when a source is gone over by itself; an empty line means never."""

    cron: str = Field(default="", max_length=100)
    zone: str = Field(default="UTC", max_length=100)


class AuditEntry(Wire):
    """One event of the record as an auditor may see it."""

    sequence: int
    at: datetime
    type: str
    person: str
    outcome: str
    summary: str
    envelope: dict[str, object]
    payload: dict[str, object] | None
    leaf_hash: str


class AuditPage(Wire):
    """Entries, newest first."""

    entries: list[AuditEntry]
    total: int


class AuditFilters(Wire):
    """What a look at the record is narrowed to; empty leaves nothing out."""

    since: datetime | None = None
    until: datetime | None = None
    person: str = Field(default="", max_length=200)
    type: str = Field(
        default="", max_length=100, description="Types or families of types, with commas."
    )
    document: str = Field(default="", max_length=100, description="A document's id.")
    outcome: str = Field(default="", max_length=100)


class AuditLook(AuditFilters):
    """Which page of the record is looked at."""

    after: int = Field(default=-1, ge=-1, description="Only entries older than this one.")
    limit: int = Field(default=100, ge=1, le=500)


class AuditExport(AuditFilters):
    """What of the record is handed out, and in which form."""

    format: Literal["bundle", "ocsf", "cef", "syslog", "csv", "parquet", "pdf", "jsonl"] = "jsonl"
    matter: str = Field(default="", max_length=200, description="Only what is of this matter.")
    payloads: bool = Field(default=True, description="Whether names and texts go with it.")


class DayOfQuestions(Wire):
    """How the questions of a day ended, and how often somebody was denied something."""

    day: date
    asked: int = 0
    answered: int = 0
    refused: int = 0
    failed: int = Field(default=0, description="Stopped by the reader, or broken off.")
    denied: int = 0


class DayOfEvents(Wire):
    """How many events of a family of types a day had."""

    day: date
    family: str
    count: int


class DocumentRelied(Wire):
    """A document, and how many answers cite it."""

    document_id: str
    title: str
    path: str
    answers: int
    share: float = Field(description="Of all answers that fit the filters, 0 to 1.")


class AuditOverview(Wire):
    """What the record holds, counted; days without events are left out."""

    total: int
    days: list[DayOfQuestions]
    families: list[DayOfEvents]
    documents: list[DocumentRelied] = Field(description="Those most answers cite, at most 15.")
    truncated: bool = Field(default=False, description="Only the newest events were counted.")


class RecordState(Wire):
    """How far the record is, how far it is signed and cosigned, and who checked it last."""

    entries: int
    checkpoint_entries: int = Field(default=0, description="How many the last one covers.")
    checkpoint_at: datetime | None = None
    origin: str = ""
    root: str = ""
    witnesses: list[str] = Field(default_factory=list, description="Who cosigned it.")
    verified_at: datetime | None = None
    verified_by: str = ""
    verified_intact: bool | None = None
    types: list[str] = Field(default_factory=list, description="Every type there is.")
    formats: list[str] = Field(default_factory=list, description="Forms it can be handed out in.")


class StoryPassage(Wire):
    """A passage that was read for a question, as recorded, and what became of it."""

    rank: int
    document_id: str
    version_id: str
    version_number: int
    title: str = Field(description="As known now; empty where nothing is known any more.")
    path: str
    page: int | None
    place: str
    start: int
    end: int
    score: float
    chunk_sha256: str
    original_sha256: str
    cited: bool
    state: Literal["unchanged", "changed", "gone"] = Field(
        description="Whether the version that was read is still the one answers are made from."
    )
    same_text: bool | None = Field(
        description="Whether the passage still has the hash on record; null where it is gone."
    )


class StoryCitation(Wire):
    """A citation of a recorded answer."""

    number: int
    document_id: str
    version_id: str
    title: str
    start: int
    end: int
    quote: str = Field(description="Empty where the texts were erased.")


class AuditStory(Wire):
    """One question from asking to answer, as the record tells it."""

    entries: list[int] = Field(description="Sequences of the events that tell it.")
    person: str = Field(description="Empty where the texts were erased.")
    pseudonym: str
    asked_at: datetime
    turn_id: str
    conversation_id: str
    question: str
    rewritten: str = ""
    passages: list[StoryPassage]
    prompt: str = ""
    model: str = ""
    outcome: str = Field(description="Empty while the question is being answered.")
    reason: str = ""
    answer: str = ""
    citations: list[StoryCitation]
    struck: int = 0
    draft: str = Field(default="", description="What the model wrote, before it was checked.")
    milliseconds: float | None = None
    erased: bool = Field(default=False, description="Texts of it were erased.")


class AuditVerdict(Wire):
    """Whether the record is intact."""

    intact: bool
    entries: int
    head: str
    fault: str = ""


class ModelState(Wire):
    """Whether a model words answers now, and how many questions wait for it."""

    state: Literal["ready", "away", "off"]
    name: str = ""
    reason: str = Field(default="", description="Why it is away, and what to do.")
    answering: int = Field(default=0, description="Questions that are being answered.")
    waiting: int = Field(default=0, description="Questions that wait.")


class Readiness(Wire):
    """Whether questions can be asked, and what is missing if not."""

    ready: bool
    record: str
    index: str
    model: str
    model_name: str = ""
    documents: int = 0


class Problem(Wire):
    """An error body (application/problem+json): what happened and what to do."""

    title: str
    detail: str
    status: int
