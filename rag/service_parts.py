"""What the service's routes share: the parts they work with, and the rules of who may take them.

Each route names its rule of `rag.roles` in its signature: `Reader`, `Keeper`, `Auditor`, …; one
that is open to everybody says `OPEN`, and the service does not start with a route that says
nothing. A program with a token of a person's passes where the token's scopes allow it and the
person may. Roles give no right to read: an administrator sees documents only as a reader whom
the access lists admit, and the record only as an auditor.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Annotated, Final, NamedTuple

from fastapi import Depends, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from audit.checkpoints import pulse
from audit.errors import RecordSilent
from audit.events import AccessDenied
from audit.log import AuditLog
from audit.verify import Verdict
from corpus.access import AuthorizedVersion, Gate, Principal
from corpus.catalog import Catalog
from corpus.documents import VersionId
from corpus.errors import UnknownDocument, UnknownSource, UnknownVersion
from corpus.index import VectorIndex
from corpus.originals import Originals
from rag.answering import Answering
from rag.assistant import Assistant
from rag.contract import Role
from rag.conversations import NOT_FOUND, Conversations
from rag.errors import NotAllowed, NotFound, NotSignedIn
from rag.feedback import FeedbackBook
from rag.generation import ModelServer
from rag.identity import Identity
from rag.pages import PageImages
from rag.provided import ProvidedAccounts
from rag.roles import (
    AUDITORS,
    CONTRIBUTORS,
    EXPLAINERS,
    IN_PERSON,
    KEEPERS,
    PRIVACY,
    PROVISIONERS,
    PUBLIC,
    READERS,
    SIGNED_IN,
    WATCHERS,
    Rule,
)
from rag.second_factor import SecondFactors
from rag.set_up import SetUp
from rag.store import Clock
from rag.tokens import SCOPES, ApiTokens, is_api_token

VIEWED_AGAIN_AFTER: Final = timedelta(minutes=1)
"""A page drawn again for the same person sooner than this is one look, not two."""

MOST_VIEWS_REMEMBERED: Final = 10_000

RECORD_VERIFIED_FOR: Final = timedelta(minutes=10)
RECORD_WRITTEN_FOR: Final = timedelta(seconds=10)
"""A write that is no older than this shows that the record can be written."""

Look = tuple[str, VersionId | str, int | None]
"""Who, at what (a version, or a view of the record), and which page or entry of it."""

LONGEST_DENIED: Final = 120
"""Characters kept on the record of what somebody asked for and was denied."""


@dataclass(frozen=True, slots=True)
class ServiceParts:
    """What the service is made of.

    None as the model means that answers are quotes only, as the folder that nothing is uploaded,
    as those provided that nobody signs in through an identity provider.
    """

    catalog: Catalog
    originals: Originals
    assistant: Assistant
    identity: Identity
    conversations: Conversations
    record: AuditLog
    gate: Gate
    model: ModelServer | None
    index: VectorIndex
    clock: Clock
    uploads: Path | None = None
    largest_upload: int = 0
    provided: ProvidedAccounts | None = None


class Views:
    """Who looked at which page a moment ago.

    The page image is fetched anew at every rerun of a page and at every citation of it, and so
    is the auditor's view of the record. All those fetches are one look of one person, so within
    a minute only the first is recorded; nothing is shown that is not on record.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[Look, datetime] = OrderedDict()
        self._lock = Lock()

    def is_new(self, key: Look, now: datetime) -> bool:
        """Say whether this look must be recorded."""
        with self._lock:
            seen_at = self._seen.get(key)
            return seen_at is None or now - seen_at >= VIEWED_AGAIN_AFTER

    def remember(self, key: Look, now: datetime) -> None:
        """Note a look that is on record now."""
        with self._lock:
            self._seen[key] = now
            self._seen.move_to_end(key)
            while len(self._seen) > MOST_VIEWS_REMEMBERED:
                self._seen.popitem(last=False)


class RecordCheck:
    """Says whether the record is intact and can be written, relying on the last check for a while.

    Args:
        record: What is checked.
        clock: Returns the time now, in UTC.
    """

    def __init__(self, record: AuditLog, clock: Clock) -> None:
        self._record = record
        self._clock = clock
        self._checked: tuple[datetime, Verdict] | None = None
        self._written_at: datetime | None = None
        self._lock = Lock()

    def verdict(self) -> Verdict:
        """Return the last verdict, checking anew when it is ten minutes old.

        Raises:
            AuditUnavailable: Questions cannot be taken now.
        """
        with self._lock:
            now = self._clock()
            self._record.require_ready()
            if self._written_at is None or now - self._written_at >= RECORD_WRITTEN_FOR:
                self._record.test_write()
                self._written_at = now
            beat = pulse(self._record, now)
            if beat.last is not None and not beat.alive:
                raise RecordSilent("The record's heartbeat is overdue. Restart the service.")
            if self._checked is None or now - self._checked[0] >= RECORD_VERIFIED_FOR:
                self._checked = (now, self._record.verify())
            return self._checked[1]


@dataclass(frozen=True, slots=True)
class Running:
    """The parts, and what lives as long as the service runs."""

    parts: ServiceParts
    answering: Answering
    pictures: PageImages
    views: Views
    record_check: RecordCheck
    tokens: ApiTokens
    feedback: FeedbackBook
    factors: SecondFactors
    set_up: SetUp


def running_service(request: Request) -> Running:
    """Return the service that a request came to."""
    running: Running = request.app.state.running
    return running


InService = Annotated[Running, Depends(running_service)]

_bearer = HTTPBearer(auto_error=False, description="The token of a session.")


def bearer_token(
    request: Request,
    running: InService,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> str:
    """Return the token a request came with.

    Raises:
        NotSignedIn: It came with none.
    """
    if credentials is None:
        _note_stranger(running, request)
        raise NotSignedIn
    return credentials.credentials


def _note_stranger(running: Running, request: Request) -> None:
    """Put on record that somebody unknown was at a route: of each route once in a minute.

    Whoever has no right to be here must not decide how fast the record grows.
    """
    what = f"{request.method} {request.scope['route'].path}, without being signed in"
    key, now = ("", what, None), running.parts.clock()
    if running.views.is_new(key, now):
        running.parts.record.append(AccessDenied("", what))
        running.views.remember(key, now)


Token = Annotated[str, Depends(bearer_token)]


class Caller(NamedTuple):
    """Who asks, and how far their token goes; a session goes as far as the person."""

    principal: Principal
    scopes: frozenset[str]
    session: bool


def caller_of(running: Running, token: str) -> Caller:
    """Return who asks, with the groups and roles of this moment.

    Raises:
        NotSignedIn: The token is nobody's, or no longer.
    """
    if is_api_token(token):
        principal, scopes = running.tokens.holder_of(token)
        return Caller(principal, scopes, session=False)
    principal = running.parts.identity.principal_of(token)
    return Caller(principal, frozenset(SCOPES), session=True)


def _calling(request: Request, running: InService, token: Token) -> Caller:
    try:
        return caller_of(running, token)
    except NotSignedIn:
        _note_stranger(running, request)
        raise


Calling = Annotated[Caller, Depends(_calling)]


class Needs:
    """Lets through whom a rule admits, and puts on record who was turned away.

    Args:
        rule: The rule of the routes that need this.
    """

    def __init__(self, rule: Rule) -> None:
        self.rule = rule

    def __call__(self, running: InService, caller: Calling) -> Principal:
        """Return who asks.

        Raises:
            NotAllowed: The rule does not admit them, or not with such a token.
        """
        rule, parts, name = self.rule, running.parts, caller.principal.name
        if rule.in_person and not caller.session:
            parts.record.append(AccessDenied(name, "what needs signing in"))
            raise NotAllowed("A token cannot do this. Sign in with your password.")
        if rule.scope and rule.scope not in caller.scopes:
            parts.record.append(AccessDenied(name, f"what needs scope {rule.scope}"))
            raise NotAllowed(
                f"This needs a token with the scope {rule.scope}, which yours has not."
            )
        if not holds_one_of(parts.catalog, caller.principal, rule.roles):
            wanted = " or ".join(sorted(rule.roles))
            parts.record.append(AccessDenied(name, f"what needs role {wanted}"))
            raise NotAllowed(f"This needs the role {wanted}, which you do not have.")
        return caller.principal


def holds_one_of(catalog: Catalog, principal: Principal, roles: Collection[Role]) -> bool:
    """Say whether somebody has one of these roles; anybody has one of none."""
    if not roles or not principal.roles.isdisjoint(roles):
        return True
    return Role.OWNER in roles and bool(catalog.owned_sources(principal))


def _anybody() -> None:
    """Let everybody through."""


OPEN: Final = Depends(_anybody)
"""What a route says that everybody may take, signed in or not."""


def rule_of(route: APIRoute) -> Rule | None:
    """Return the rule that a route declares; None where it declares none, or two."""
    calls = list(_calls(route.dependant))
    rules = {call.rule for call in calls if isinstance(call, Needs)}
    if any(call is _anybody for call in calls):
        rules.add(PUBLIC)
    return rules.pop() if len(rules) == 1 else None


def _calls(dependant: Dependant) -> Iterator[object]:
    for one in dependant.dependencies:
        yield one.call
        yield from _calls(one)


SignedIn = Annotated[Principal, Depends(Needs(SIGNED_IN))]
Reader = Annotated[Principal, Depends(Needs(READERS))]
InPerson = Annotated[Principal, Depends(Needs(IN_PERSON))]
"""Signed in with a password: what a stolen token must not be enough for."""
Explainer = Annotated[Principal, Depends(Needs(EXPLAINERS))]
Keeper = Annotated[Principal, Depends(Needs(KEEPERS))]
Contributor = Annotated[Principal, Depends(Needs(CONTRIBUTORS))]
Watcher = Annotated[Principal, Depends(Needs(WATCHERS))]
Auditor = Annotated[Principal, Depends(Needs(AUDITORS))]
PrivacyOfficer = Annotated[Principal, Depends(Needs(PRIVACY))]
Provisioner = Annotated[Principal, Depends(Needs(PROVISIONERS))]


@contextmanager
def denials_recorded(parts: ServiceParts, principal: Principal, what: str) -> Iterator[None]:
    """Turn everything that must not be found into one refusal, and put it on record.

    What does not exist is recorded like what belongs to somebody else: otherwise the time that
    recording takes would tell the two apart.
    """
    try:
        yield
    except (NotFound, UnknownDocument, UnknownSource, UnknownVersion) as error:
        parts.record.append(AccessDenied(principal.name, what[:LONGEST_DENIED]))
        raise NotFound(NOT_FOUND) from error


def readable_version(
    parts: ServiceParts, principal: Principal, version_id: str
) -> AuthorizedVersion:
    """Return a version that has passed the gate for this person.

    Raises:
        NotFound: There is none, or the person may not read it.
    """
    opened = parts.gate.open_version(principal, parts.catalog.version(VersionId(version_id)))
    if opened is None:
        raise NotFound(NOT_FOUND)
    return opened
