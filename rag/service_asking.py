"""Routes to ask, and to come back to what was asked."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from typing import Annotated, Final

from fastapi import APIRouter, Header
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from audit.events import (
    ConversationDeleted,
    ConversationViewed,
    DeletionPrevented,
)
from corpus.access import Gate, Principal
from corpus.documents import DocumentId, VersionId
from rag.contract import (
    Answer,
    Ask,
    Conversation,
    ConversationSummary,
    ModelState,
    Search,
    SearchResult,
    Turn,
    Waiting,
)
from rag.conversations import TurnEvent
from rag.errors import KeptByHold, NotFound, NotSignedIn
from rag.service_parts import (
    InService,
    Reader,
    Running,
    ServiceParts,
    Token,
    caller_of,
    denials_recorded,
)

POLL_SECONDS: Final = 0.1
"""How often a program that waits for a whole answer is looked after."""

LOOK_SECONDS: Final = 2.0
"""Longest time between two looks of a stream, which is woken when something happens."""

UNFINISHED: Final = frozenset({"draft", "sentence"})
"""Events that only whoever may read what the draft rests on may hear."""

HEARTBEAT_SECONDS: Final = 10.0
"""Silence after which a stream sends a comment and asks anew who is listening."""

WITHHELD: Final = "This answer is withheld: you may no longer read a document that it rests on."

router = APIRouter()


@router.post("/v1/ask")
def ask(running: InService, principal: Reader, asked: Ask) -> Turn:
    """Ask a question; the answer is made whether or not anybody watches."""
    parts = running.parts
    with denials_recorded(parts, principal, f"conversation {asked.conversation_id}"):
        return running.answering.ask(
            asked.question,
            principal,
            conversation_id=asked.conversation_id,
            quotes_only=asked.quotes_only,
            instead_of=asked.instead_of,
        )


@router.get("/v1/turns/{turn_id}")
def show_turn(running: InService, principal: Reader, turn_id: str) -> Turn:
    """Show a turn: its place in the queue, the draft so far, or the answer."""
    with denials_recorded(running.parts, principal, f"turn {turn_id}"):
        turn = own_turn(running.parts, principal, turn_id)
    return turn.model_copy(update={"waiting": running.answering.waiting(turn_id)})


@router.get("/v1/turns/{turn_id}/events", response_class=StreamingResponse)
def stream_turn(
    running: InService,
    principal: Reader,
    token: Token,
    turn_id: str,
    last_event_id: Annotated[int, Header(ge=0)] = 0,
) -> Response:
    """Stream what happens to a turn as server-sent events, ending with its answer."""
    parts = running.parts
    with denials_recorded(parts, principal, f"turn {turn_id}"):
        turn = parts.conversations.turn(principal.name, turn_id)
    if turn.state == "done" and not parts.conversations.events(turn_id, after=last_event_id):
        return Response(status_code=204)  # tells a browser not to come back
    return StreamingResponse(
        _events(running, token, turn_id, last_event_id), media_type="text/event-stream"
    )


@router.post("/v1/turns/{turn_id}/stop")
def stop_turn(running: InService, principal: Reader, turn_id: str) -> Turn:
    """Ask a running answer to end soon; what is backed by then is its answer."""
    with denials_recorded(running.parts, principal, f"turn {turn_id}"):
        running.parts.conversations.turn(principal.name, turn_id)
        running.answering.stop(turn_id)
        return own_turn(running.parts, principal, turn_id)


@router.get("/v1/model")
def show_model(running: InService, _principal: Reader) -> ModelState:
    """Say whether a model words answers now, and how many questions wait."""
    model = running.parts.model
    answering, waiting = running.answering.numbers()
    if model is None:
        return ModelState(state="off", answering=answering, waiting=waiting)
    state, _, reason = model.state_lately().partition(": ")
    return ModelState(
        state="ready" if state == "ready" else "away",
        name=model.name if state == "ready" else "",
        reason=reason,
        answering=answering,
        waiting=waiting,
    )


@router.get("/v1/conversations")
def list_conversations(running: InService, principal: Reader) -> list[ConversationSummary]:
    """List one's own conversations and those shared with one, the latest used first."""
    return running.parts.conversations.summaries(principal.name)


@router.get("/v1/conversations/{conversation_id}")
def show_conversation(running: InService, principal: Reader, conversation_id: str) -> Conversation:
    """Show one's own conversation, or one shared by a colleague, with its turns."""
    parts = running.parts
    with denials_recorded(parts, principal, f"conversation {conversation_id}"):
        return conversation_for_reader(parts, principal, conversation_id)


@router.delete("/v1/conversations/{conversation_id}", status_code=204)
def delete_conversation(running: InService, principal: Reader, conversation_id: str) -> None:
    """Delete a conversation; answers still being made for it are stopped."""
    parts = running.parts
    with denials_recorded(parts, principal, f"conversation {conversation_id}"):
        conversation = parts.conversations.conversation(principal.name, conversation_id)
        _refuse_if_held(parts, principal, conversation)
        parts.record.append(ConversationDeleted(principal.name, conversation_id))
        for turn in conversation.turns:
            running.answering.stop(turn.turn_id)
        parts.conversations.delete(principal.name, conversation_id)


@router.post("/v1/search")
def search(running: InService, principal: Reader, asked: Search) -> SearchResult:
    """Find passages without answering."""
    return running.parts.assistant.search(asked.question, principal, limit=asked.limit)


def _refuse_if_held(parts: ServiceParts, principal: Principal, conversation: Conversation) -> None:
    """A hold on the person, or on a document the answers were made from, keeps a conversation."""
    documents = [
        DocumentId(passage.document_id)
        for turn in conversation.turns
        if turn.answer is not None
        for passage in turn.answer.passages
    ]
    holds = parts.catalog.holds()
    if hold := holds.on_person(principal.name) or holds.on_documents(documents):
        conversation_id = conversation.conversation_id
        parts.record.append(
            DeletionPrevented(principal.name, hold.hold_id, "conversation", conversation_id)
        )
        raise KeptByHold(
            "A legal hold keeps this conversation: it cannot be deleted until the hold is lifted."
        )


def for_reader(turn: Turn, principal: Principal, gate: Gate) -> Turn:
    """Return a stored turn as its owner may see it now.

    An answer that rests on a document the person may no longer read is withheld; passages
    that only were looked at are left out one by one, and with the first of them whatever names
    documents: the note, and the choices of a question asked back.
    """
    if turn.answer is None:
        return turn
    answer = turn.answer
    named = {VersionId(citation.version_id) for citation in answer.citations}
    named.update(VersionId(passage.version_id) for passage in answer.passages)
    named.update(VersionId(name) for name in answer.names)
    readable = gate.readable_among(principal, named)
    if readable == named:
        return turn
    passages = [passage for passage in answer.passages if passage.version_id in readable]
    if all(citation.version_id in readable for citation in answer.citations):
        less = {"passages": passages, "note": "", "names": [], "choices": []}
        seen = answer.model_copy(update=less)
    else:
        seen = Answer(
            outcome=answer.outcome,
            sentences=[],
            citations=[],
            passages=passages,
            note=WITHHELD,
            timings=answer.timings,
        )
    return turn.model_copy(update={"answer": seen})


def conversation_for_reader(
    parts: ServiceParts, principal: Principal, conversation_id: str
) -> Conversation:
    """Return a person's own or shared conversation as that person may see it now.

    That somebody looks at a colleague's conversation is on record.

    Raises:
        NotFound: There is none that the person may see.
    """
    try:
        conversation = parts.conversations.conversation(principal.name, conversation_id)
    except NotFound:
        conversation = parts.conversations.shared_conversation(principal.name, conversation_id)
        parts.record.append(ConversationViewed(principal.name, conversation.owner, conversation_id))
    turns = [as_seen(parts, principal, turn) for turn in conversation.turns]
    return conversation.model_copy(update={"turns": turns})


def own_turn(parts: ServiceParts, principal: Principal, turn_id: str) -> Turn:
    """Return a person's own turn as that person may see it now.

    Raises:
        NotFound: The person has no such turn.
    """
    return as_seen(parts, principal, parts.conversations.turn(principal.name, turn_id))


def as_seen(parts: ServiceParts, principal: Principal, turn: Turn) -> Turn:
    """Return a turn as somebody may see it now, its draft and its marking included."""
    if (turn.draft or turn.checked) and not _may_see_draft(parts, principal, turn.turn_id):
        turn = turn.model_copy(update={"draft": "", "checked": []})
    return _marked(parts, for_reader(turn, principal, parts.gate))


def _marked(parts: ServiceParts, turn: Turn) -> Turn:
    """Return a turn with the highest marking that what it shows stands under now."""
    if turn.answer is None:
        return turn
    shown = {VersionId(one.version_id) for one in turn.answer.citations}
    shown |= {VersionId(one.version_id) for one in turn.answer.passages}
    marking = parts.catalog.highest_marking(parts.catalog.markings_of(shown).values())
    return turn.model_copy(update={"answer": turn.answer.model_copy(update={"marking": marking})})


def _may_see_draft(parts: ServiceParts, principal: Principal, turn_id: str) -> bool:
    versions = parts.conversations.rests_on(turn_id)
    return versions <= parts.gate.readable_among(principal, versions)


async def _events(running: Running, token: str, turn_id: str, after: int) -> AsyncIterator[str]:
    """Yield the events of a turn until its answer.

    Asynchronous, unlike the rest: a reader who waits for a slow answer would otherwise hold
    one of the few threads that serve everybody.
    """
    silent_since = time.monotonic()
    conversations = running.parts.conversations
    told: Waiting | None = None
    with _woken(running, turn_id) as happened:
        while True:
            happened.clear()
            events = await run_in_threadpool(conversations.events, turn_id, after=after)
            for event in events:
                after = event.number
                silent_since = time.monotonic()
                if event.name == "answer":
                    turn = await run_in_threadpool(_turn_of_listener, running, token, turn_id)
                    if turn is not None:
                        yield _server_sent(event, turn.model_dump_json())
                    return
                if event.name in UNFINISHED and not await run_in_threadpool(
                    _may_hear_draft, running, token, turn_id
                ):
                    continue
                yield _server_sent(event, event.data)
            waiting = running.answering.waiting(turn_id)
            if waiting is not None and waiting != told:
                told = waiting
                yield f"event: waiting\ndata: {waiting.model_dump_json()}\n\n"
            if time.monotonic() - silent_since >= HEARTBEAT_SECONDS:
                silent_since = time.monotonic()
                if await run_in_threadpool(_turn_of_listener, running, token, turn_id) is None:
                    return
                yield ": still here\n\n"
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await happened.wait()


@contextmanager
def _woken(running: Running, turn_id: str) -> Iterator[asyncio.Event]:
    """Return what is set whenever something happened to a turn, while the block lasts."""
    happened = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wake() -> None:
        with suppress(RuntimeError):  # the loop has ended with the service
            loop.call_soon_threadsafe(happened.set)

    end = running.answering.listen(turn_id, wake)
    try:
        yield happened
    finally:
        end()


def _may_hear_draft(running: Running, token: str, turn_id: str) -> bool:
    """Say whether the listener is still signed in and may read what the draft rests on."""
    try:
        listener = caller_of(running, token).principal
    except NotSignedIn:
        return False
    return _may_see_draft(running.parts, listener, turn_id)


def _turn_of_listener(running: Running, token: str, turn_id: str) -> Turn | None:
    """Return the turn if the listener is still signed in and it still exists."""
    try:
        return own_turn(running.parts, caller_of(running, token).principal, turn_id)
    except (NotSignedIn, NotFound):
        return None


def _server_sent(event: TurnEvent, data: str) -> str:
    # Written in ASCII: some readers take U+2028 and its like for the end of a line.
    plain = json.dumps(json.loads(data), separators=(",", ":"))
    return f"id: {event.number}\nevent: {event.name}\ndata: {plain}\n\n"
