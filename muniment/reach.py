"""Ask as a person: through the service where one runs, else with the parts opened here."""

import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Protocol

import httpx

from corpus.access import Principal
from muniment.errors import MunimentError, ServiceUnreachable
from muniment.running import make_data_folder, running_in
from muniment.settings import Settings
from muniment.stores import open_identity
from rag.contract import Answer, Ask, Problem, Search, SearchResult, Turn
from rag.errors import NotSignedIn

if TYPE_CHECKING:
    # Importing it loads the embedding engine, which a question to a running service never needs.
    from rag.assistant import Assistant

POLL_SECONDS = 0.2
ANSWER_SECONDS = 600.0
"""Longest wait for an answer; a model on a processor is slow when many ask."""


class Desk(Protocol):
    """Where a person's questions are taken."""

    def ask(self, question: str, *, quotes_only: bool) -> Answer:
        """Return the checked answer."""
        ...

    def search(self, question: str, *, limit: int) -> SearchResult:
        """Return passages, best first."""
        ...


@contextmanager
def desk_for(settings: Settings, person: str) -> Iterator[Desk]:
    """Open a session for a person, and end it when the block does.

    Raises:
        rag.errors.UnknownAccount: There is no such person.
        corpus.errors.IndexUnavailable: The index belongs to another process, and no service
            answers.
    """
    make_data_folder(settings.data)
    with closing(open_identity(settings)) as identity:
        token = identity.open_session_for(person)
        try:
            address = service_in_use(settings)
            if address:
                headers = {"Authorization": f"Bearer {token}"}
                with httpx.Client(
                    base_url=address, headers=headers, trust_env=False, timeout=30.0
                ) as client:
                    yield ServiceDesk(client)
            else:
                with _parts_here(settings) as assistant:
                    yield LocalDesk(assistant, identity.principal_of(token))
        finally:
            identity.sign_out(token)


def service_in_use(settings: Settings) -> str:
    """Address of the service that owns this data folder's index; empty when none runs."""
    if settings.service_url:
        return settings.service_address
    running = running_in(settings.data)
    return running.service_address if running else ""


class ServiceDesk:
    """The service, over HTTP.

    Args:
        client: Signed in.
        sleep_seconds: Pause between two looks at a running answer.
    """

    def __init__(self, client: httpx.Client, *, sleep_seconds: float = POLL_SECONDS) -> None:
        self._client = client
        self._sleep_seconds = sleep_seconds

    def ask(self, question: str, *, quotes_only: bool) -> Answer:
        """Return the checked answer."""
        body = Ask(question=question, quotes_only=quotes_only).model_dump(mode="json")
        turn = Turn.model_validate_json(self._send("POST", "/v1/ask", json=body))
        deadline = time.monotonic() + ANSWER_SECONDS
        while turn.answer is None:
            if time.monotonic() > deadline:
                raise ServiceUnreachable(
                    f"The service has not answered for {ANSWER_SECONDS:.0f} seconds; its log says "
                    "what it is doing."
                )
            time.sleep(self._sleep_seconds)
            turn = Turn.model_validate_json(self._send("GET", f"/v1/turns/{turn.turn_id}"))
        return turn.answer

    def search(self, question: str, *, limit: int) -> SearchResult:
        """Return passages, best first."""
        body = Search(question=question, limit=limit).model_dump(mode="json")
        return SearchResult.model_validate_json(self._send("POST", "/v1/search", json=body))

    def fetch(self, path: str) -> bytes:
        """Return what a path of the service holds."""
        return self._send("GET", path)

    def _send(self, method: str, path: str, *, json: object = None) -> bytes:
        try:
            reply = self._client.request(method, path, json=json)
        except httpx.HTTPError as error:
            raise ServiceUnreachable(
                f"The service at {self._client.base_url} does not answer. Is it still starting? "
                "'muniment doctor' checks every part."
            ) from error
        if reply.is_error:
            raise _refusal(reply)
        return reply.content


class LocalDesk:
    """The parts, opened in this process.

    Args:
        assistant: Answers.
        person: On whose behalf.
    """

    def __init__(self, assistant: "Assistant", person: Principal) -> None:
        self._assistant = assistant
        self._person = person

    def ask(self, question: str, *, quotes_only: bool) -> Answer:
        """Return the checked answer."""
        return self._assistant.answer(
            question,
            self._person,
            turn_id=str(uuid.uuid4()),
            conversation_id=str(uuid.uuid4()),
            quotes_only=quotes_only,
            progress=lambda _event: None,
            stopped=lambda: False,
        )

    def search(self, question: str, *, limit: int) -> SearchResult:
        """Return passages, best first."""
        return self._assistant.search(question, self._person, limit=limit)


def _refusal(reply: httpx.Response) -> Exception:
    try:
        said = Problem.model_validate_json(reply.content).detail
    except ValueError:
        said = f"status {reply.status_code}"
    if reply.status_code == httpx.codes.UNAUTHORIZED:
        return NotSignedIn()
    if reply.is_server_error:
        return ServiceUnreachable(f"The service cannot answer: {said}")
    return MunimentError(f"The service refused: {said}")


@contextmanager
def _parts_here(settings: Settings) -> "Iterator[Assistant]":
    from muniment.assembly import open_house  # noqa: PLC0415 - loads models; only where needed

    with open_house(settings, worker=False) as house:
        yield house.assistant
