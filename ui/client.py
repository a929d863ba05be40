"""Speak to the service in the types of ``rag.contract``."""

from collections.abc import Mapping
from typing import Literal, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter, ValidationError

from rag.contract import (
    AccessExplanation,
    Ask,
    AuditFilters,
    AuditLook,
    AuditOverview,
    AuditPage,
    AuditStory,
    AuditVerdict,
    Conversation,
    ConversationSummary,
    DocumentDetail,
    DocumentList,
    Feedback,
    IngestionStatus,
    ModelState,
    PassageView,
    Person,
    Problem,
    RecordState,
    Rename,
    RunView,
    Search,
    SearchResult,
    Session,
    SetSchedule,
    Share,
    SignIn,
    SourceView,
    StartRun,
    SteerRun,
    Turn,
    Wire,
)
from ui.errors import NotAllowed, NotFound, NotSignedIn, RequestRefused, ServiceAway

Reply = TypeVar("Reply")

TIMEOUT = httpx.Timeout(60.0, connect=5.0)
"""A search on a busy machine may take long; a service that is there connects at once."""

_CONVERSATIONS = TypeAdapter(list[ConversationSummary])
_ERRORS = {401: NotSignedIn, 403: NotAllowed, 404: NotFound}


def explain(response: httpx.Response) -> str:
    """Return the service's own sentence about a refusal, or a plain one."""
    try:
        problem = Problem.model_validate_json(response.content)
    except ValidationError:
        return f"The service answered with status {response.status_code}."
    return problem.detail or problem.title


class Client:
    """The service as one signed-in person sees it; safe to share between threads."""

    def __init__(
        self, address: str, token: str = "", *, transport: httpx.BaseTransport | None = None
    ) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(
            base_url=address,
            headers=headers,
            timeout=TIMEOUT,
            transport=transport,
            trust_env=False,  # an environment's proxy must never see a question
        )

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def sign_in(self, name: str, password: str) -> Session:
        """Return a new session; ``NotSignedIn`` when name or password is wrong."""
        return self._send("POST", "/v1/session", Session, SignIn(name=name, password=password))

    def person(self) -> Person:
        """Return who is signed in."""
        return self._send("GET", "/v1/session", Person)

    def ask(
        self,
        question: str,
        *,
        conversation_id: str | None,
        quotes_only: bool,
        instead_of: str | None = None,
    ) -> Turn:
        """Ask; the turn that comes back is still running."""
        ask = Ask(
            question=question,
            conversation_id=conversation_id,
            quotes_only=quotes_only,
            instead_of=instead_of,
        )
        return self._send("POST", "/v1/ask", Turn, ask)

    def stop(self, turn_id: str) -> Turn:
        """Stop a running turn; one that is done stays as it is."""
        return self._send("POST", f"/v1/turns/{turn_id}/stop", Turn)

    def model_state(self) -> ModelState:
        """Return whether a model words answers now, and how many questions wait."""
        return self._send("GET", "/v1/model", ModelState)

    def conversations(self) -> list[ConversationSummary]:
        """Return the person's conversations, newest first."""
        return _read(self._request("GET", "/v1/conversations"), _CONVERSATIONS)

    def conversation(self, conversation_id: str) -> Conversation:
        """Return a conversation with its turns, oldest first."""
        return self._send("GET", f"/v1/conversations/{conversation_id}", Conversation)

    def delete_conversation(self, conversation_id: str) -> None:
        """Delete a conversation of the person's own."""
        self._request("DELETE", f"/v1/conversations/{conversation_id}")

    def rename(self, conversation_id: str, title: str) -> None:
        """Give a conversation of the person's own another title."""
        self._request("POST", f"/v1/conversations/{conversation_id}/title", Rename(title=title))

    def share(self, conversation_id: str, person: str) -> None:
        """Let a colleague read a conversation; ``NotFound`` where nobody is called so."""
        self._request("POST", f"/v1/conversations/{conversation_id}/shares", Share(person=person))

    def unshare(self, conversation_id: str, person: str) -> None:
        """Let a colleague read a conversation no longer."""
        where = f"/v1/conversations/{conversation_id}/shares/{quote(person, safe='')}"
        self._request("DELETE", where)

    def judge(self, turn_id: str, feedback: Feedback) -> None:
        """Say what the person thinks of an answer."""
        self._request("POST", f"/v1/turns/{turn_id}/feedback", feedback)

    def documents(self, *, query: str = "", limit: int = 100, offset: int = 0) -> DocumentList:
        """Return the documents the person may read, ordered by title."""
        parameters: dict[str, str | int] = {"query": query, "limit": limit, "offset": offset}
        return self._send("GET", "/v1/documents", DocumentList, parameters=parameters)

    def search(self, question: str, *, limit: int = 10) -> SearchResult:
        """Return the passages that fit a question best, each with how it was found."""
        return self._send(
            "POST", "/v1/search", SearchResult, Search(question=question, limit=limit)
        )

    def document(self, document_id: str) -> DocumentDetail:
        """Return a document with its versions, newest first."""
        return self._send("GET", f"/v1/documents/{document_id}", DocumentDetail)

    def explain_access(self, document_id: str, *, person: str) -> AccessExplanation:
        """Return why somebody can read a document, or cannot; for auditors and owners."""
        path = f"/v1/documents/{document_id}/access"
        return self._send("GET", path, AccessExplanation, parameters={"person": person})

    def passage(self, version_id: str, *, start: int, end: int) -> PassageView:
        """Return a span with the text around it."""
        parameters: dict[str, str | int] = {"start": start, "end": end}
        path = f"/v1/versions/{version_id}/passage"
        return self._send("GET", path, PassageView, parameters=parameters)

    def ingestion(self) -> IngestionStatus:
        """Return sources, runs and the files of the newest run."""
        return self._send("GET", "/v1/ingestion", IngestionStatus)

    def start_run(
        self, source_id: str, *, accept_withdrawals: bool = False, retry_quarantined: bool = False
    ) -> RunView:
        """Ask for a source to be synchronised, or for its quarantined files to be read again."""
        wanted = StartRun(
            source_id=source_id,
            accept_withdrawals=accept_withdrawals,
            retry_quarantined=retry_quarantined,
        )
        return self._send("POST", "/v1/ingestion/runs", RunView, wanted)

    def steer_run(self, run_id: str, wish: Literal["pause", "resume", "cancel"]) -> RunView:
        """Pause, resume or cancel a run."""
        return self._send("POST", f"/v1/ingestion/runs/{run_id}", RunView, SteerRun(wish=wish))

    def set_schedule(self, source_id: str, *, cron: str, zone: str) -> SourceView:
        """Say when a source is gone over by itself; an empty line means never."""
        path = f"/v1/ingestion/sources/{source_id}/schedule"
        return self._send("PUT", path, SourceView, SetSchedule(cron=cron, zone=zone))

    def upload(self, name: str, data: bytes, *, groups: str) -> RunView:
        """Hand over a file to be read; groups, separated by commas, may read it."""
        path = f"/v1/ingestion/uploads/{quote(name, safe='')}"
        response = self._request("PUT", path, data, parameters={"groups": groups})
        return _read(response, TypeAdapter(RunView))

    def audit_entries(self, look: AuditLook) -> AuditPage:
        """Return entries of the record, newest first."""
        return self._send("GET", "/v1/audit/entries", AuditPage, parameters=_filled(look))

    def audit_overview(self, filters: AuditFilters) -> AuditOverview:
        """Return what the record holds, counted."""
        parameters = _filled(filters)
        return self._send("GET", "/v1/audit/overview", AuditOverview, parameters=parameters)

    def audit_story(self, sequence: int) -> AuditStory:
        """Return one question from asking to answer; ``NotFound`` where an entry has none."""
        return self._send("GET", f"/v1/audit/entries/{sequence}/story", AuditStory)

    def audit_conversation(self, sequence: int) -> Conversation:
        """Return the conversation that an entry's question stands in."""
        return self._send("GET", f"/v1/audit/entries/{sequence}/conversation", Conversation)

    def record_state(self) -> RecordState:
        """Return how far the record is, signed and checked."""
        return self._send("GET", "/v1/audit/state", RecordState)

    def verify_record(self) -> AuditVerdict:
        """Have the whole record checked."""
        return self._send("POST", "/v1/audit/verify", AuditVerdict)

    def _send(
        self,
        method: str,
        path: str,
        kind: type[Reply],
        body: Wire | None = None,
        *,
        parameters: Mapping[str, str | int] | None = None,
    ) -> Reply:
        response = self._request(method, path, body, parameters=parameters)
        return _read(response, TypeAdapter(kind))

    def _request(
        self,
        method: str,
        path: str,
        body: Wire | bytes | None = None,
        *,
        parameters: Mapping[str, str | int] | None = None,
    ) -> httpx.Response:
        content = body.model_dump_json() if isinstance(body, Wire) else body
        kind = "application/json" if isinstance(body, Wire) else "application/octet-stream"
        headers = None if body is None else {"Content-Type": kind}
        try:
            response = self._http.request(
                method, path, content=content, headers=headers, params=parameters
            )
        except httpx.HTTPError as error:
            raise ServiceAway(
                "The service does not answer. Try again in a moment; "
                "if it stays away, tell whoever runs Muniment here."
            ) from error
        if response.is_error:
            raise _ERRORS.get(response.status_code, _by_class(response))(explain(response))
        return response


def _filled(filters: AuditFilters) -> dict[str, str | int]:
    return {
        name: value
        for name, value in filters.model_dump(mode="json", exclude_none=True).items()
        if value != ""
    }


def _by_class(response: httpx.Response) -> type[RequestRefused] | type[ServiceAway]:
    return ServiceAway if response.is_server_error else RequestRefused


def _read(response: httpx.Response, adapter: TypeAdapter[Reply]) -> Reply:
    try:
        return adapter.validate_json(response.content)
    except ValidationError as error:
        raise ServiceAway(
            f"The service answered {response.request.url.path} with something unexpected. "
            "Page and service must be of the same release."
        ) from error
