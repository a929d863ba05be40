"""What the service's routes share: the parts they work with, and the rules of who may take them.

Each route names its rule in its signature: `Reader` (anyone signed in), `Administrator` or
`Auditor`; a route without one is public. A program with a token of a person's passes where the
token's scopes allow it and the person may. Roles give no right to read: an administrator sees
documents only by group, and the record only as an auditor.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Annotated, Final, NamedTuple

from fastapi import Depends, Request
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
from rag.conversations import NOT_FOUND, Conversations
from rag.errors import NotAllowed, NotFound, NotSignedIn
from rag.feedback import FeedbackBook
from rag.generation import ModelServer
from rag.identity import Identity
from rag.pages import PageImages
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

    None as the model means that answers are quotes only, as the folder that nothing is uploaded.
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


def running_service(request: Request) -> Running:
    """Return the service that a request came to."""
    running: Running = request.app.state.running
    return running


InService = Annotated[Running, Depends(running_service)]

_bearer = HTTPBearer(auto_error=False, description="The token of a session.")


def bearer_token(
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> str:
    """Return the token a request came with.

    Raises:
        NotSignedIn: It came with none.
    """
    if credentials is None:
        raise NotSignedIn("You are not signed in. Sign in first.")
    return credentials.credentials


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


def _calling(running: InService, token: Token) -> Caller:
    return caller_of(running, token)


Calling = Annotated[Caller, Depends(_calling)]


def _needs(scope: str, role: str = "") -> Callable[[Running, Caller], Principal]:
    def checked(running: InService, caller: Calling) -> Principal:
        name = caller.principal.name
        if scope not in caller.scopes:
            running.parts.record.append(AccessDenied(name, f"what needs scope {scope}"))
            raise NotAllowed(f"This needs a token with the scope {scope}, which yours has not.")
        if role and role not in caller.principal.roles:
            running.parts.record.append(AccessDenied(name, f"what needs role {role}"))
            raise NotAllowed(f"This needs the role {role}, which you do not have.")
        return caller.principal

    return checked


def _in_person(running: InService, caller: Calling) -> Principal:
    if not caller.session:
        what = "what needs signing in"
        running.parts.record.append(AccessDenied(caller.principal.name, what))
        raise NotAllowed("A token cannot do this. Sign in with your password.")
    return caller.principal


Reader = Annotated[Principal, Depends(_needs("ask"))]
InPerson = Annotated[Principal, Depends(_in_person)]
"""Signed in with a password: what a stolen token must not be enough for."""
Administrator = Annotated[Principal, Depends(_needs("administer", "administrator"))]
Auditor = Annotated[Principal, Depends(_needs("audit", "auditor"))]


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
