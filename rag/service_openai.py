"""The interface that other programs know from OpenAI, over the same answers, rights and record.

Of what such a program sends, the messages are used and nothing else: the last message of the
user is the question, and earlier ones of the user tell what a follow-up is about. Messages in
any other role are not believed: a caller could put words into the assistant's mouth.
Sampling is Muniment's own affair.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Annotated, Final, Literal

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from rag.contract import MAXIMUM_QUESTION_CHARACTERS, Answer, Outcome, Turn
from rag.errors import NotFound, RagError, Unusable
from rag.service_asking import POLL_SECONDS, own_turn
from rag.service_parts import InService, Reader, Running, Token, caller_of
from rag.transcript import without_live_markup

MODEL: Final = "muniment"
QUOTES_MODEL: Final = "muniment-quotes"
OWNER: Final = "this site"
KEEP_ALIVE_SECONDS: Final = 10.0
MOST_MESSAGES: Final = 200

router = APIRouter()


class _Lenient(BaseModel):
    """A message of a program we do not know: fields we do not use are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class TextPart(_Lenient):
    """A piece of a message; only text is understood."""

    type: Literal["text"]
    text: str


class ChatMessage(_Lenient):
    """A message of the chat so far."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[TextPart] | None = None

    def text(self) -> str:
        """Return what it says."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content)
        return self.content or ""


class ChatRequest(_Lenient):
    """A chat to be continued."""

    model: str = MODEL
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=MOST_MESSAGES)]
    stream: bool = False


@router.get("/v1/models")
def list_models(running: InService, _principal: Reader) -> dict[str, object]:
    """List what can be asked: with the model's drafting, and in the documents' own words."""
    names = [MODEL, QUOTES_MODEL] if running.parts.model is not None else [QUOTES_MODEL]
    return {
        "object": "list",
        "data": [
            {"id": name, "object": "model", "created": 0, "owned_by": OWNER} for name in names
        ],
    }


@router.post("/v1/chat/completions", response_class=Response)
async def complete_chat(
    running: InService, principal: Reader, token: Token, asked: ChatRequest
) -> Response:
    """Answer the last message of a chat; the field ``muniment`` holds the whole turn.

    Streamed or not, only checked sentences are sent: such programs show what they get as final.
    """
    question, earlier = _question(asked)
    turn = await run_in_threadpool(
        running.answering.ask,
        question,
        principal,
        quotes_only=_quotes_only(asked.model),
        earlier=earlier,
    )
    if asked.stream:
        return StreamingResponse(
            _chunks(running, token, turn, asked.model), media_type="text/event-stream"
        )
    async for done in _until_done(running, token, turn.turn_id):
        if done is not None:
            return Response(_completion(done, asked.model), media_type="application/json")
    raise NotFound("This answer is no longer there.")


def _question(asked: ChatRequest) -> tuple[str, list[str]]:
    said = [message.text().strip() for message in asked.messages if message.role == "user"]
    if asked.messages[-1].role != "user" or not said[-1]:
        raise Unusable("The last message must be the user's question, and not empty.")
    if len(said[-1]) > MAXIMUM_QUESTION_CHARACTERS:
        raise Unusable(f"A question has at most {MAXIMUM_QUESTION_CHARACTERS} characters.")
    return said[-1], said[:-1]


def _quotes_only(model: str) -> bool:
    if model not in {MODEL, QUOTES_MODEL}:
        raise Unusable(f"There is no such model. There are {MODEL} and {QUOTES_MODEL}.")
    return model == QUOTES_MODEL


async def _until_done(running: Running, token: str, turn_id: str) -> AsyncIterator[Turn | None]:
    """Yield None now and then while a turn is made, and the turn when it is done.

    Who asks is looked up again each time: an answer is not given to somebody signed out since.
    """
    silent_since = time.monotonic()
    while True:
        turn = await run_in_threadpool(_turn_now, running, token, turn_id)
        if turn.state == "done":
            yield turn
            return
        if time.monotonic() - silent_since >= KEEP_ALIVE_SECONDS:
            silent_since = time.monotonic()
            yield None
        await asyncio.sleep(POLL_SECONDS)


def _turn_now(running: Running, token: str, turn_id: str) -> Turn:
    principal = caller_of(running, token).principal
    return own_turn(running.parts, principal, turn_id)


async def _chunks(running: Running, token: str, turn: Turn, model: str) -> AsyncIterator[str]:
    yield _chunk(turn, model, {"role": "assistant", "content": ""})
    try:
        async for done in _until_done(running, token, turn.turn_id):
            if done is None:
                yield ": still here\n\n"
                continue
            for piece in _pieces(done.answer):
                yield _chunk(done, model, {"content": piece})
            last = {"muniment": json.loads(done.model_dump_json())}
            yield _chunk(done, model, {}, finish=_finish(done.answer), **last)
    except RagError:
        yield _chunk(turn, model, {}, finish="content_filter")
    yield "data: [DONE]\n\n"


def _chunk(
    turn: Turn, model: str, delta: dict[str, str], *, finish: str | None = None, **more: object
) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    body = _head(turn, model, "chat.completion.chunk") | {"choices": [choice]} | more
    return f"data: {json.dumps(body, separators=(',', ':'))}\n\n"


def _completion(turn: Turn, model: str) -> str:
    message = {"role": "assistant", "content": "".join(_pieces(turn.answer))}
    choice = {"index": 0, "message": message, "finish_reason": _finish(turn.answer)}
    body = _head(turn, model, "chat.completion") | {
        "choices": [choice],
        "muniment": json.loads(turn.model_dump_json()),
    }
    return json.dumps(body)


def _head(turn: Turn, model: str, kind: str) -> dict[str, object]:
    return {
        "id": f"chatcmpl-{turn.turn_id}",
        "object": kind,
        "created": int(turn.asked_at.timestamp()),
        "model": model,
    }


def _pieces(answer: Answer | None) -> list[str]:
    """Return what a program shows: the sentences with their numbers, then the sources.

    Many show it as Markdown, so what documents and people wrote comes without links or pictures;
    the turn beside it holds every text as it stands.
    """
    if answer is None:
        return []
    plain = without_live_markup
    pieces = [
        f"{plain(sentence.text)} {''.join(f'[{number}]' for number in sentence.citations)} "
        for sentence in answer.sentences
    ]
    pieces += [f"{plain(text)} " for text in (answer.reason, answer.note, answer.asks) if text]
    pieces += [f"\n- {plain(choice)} " for choice in answer.choices]
    if answer.citations:
        pieces.append("\n")
    for citation in answer.citations:
        where = f"page {citation.page + 1}" if citation.page is not None else citation.place
        source = f"[{citation.number}] {plain(citation.title)}, {plain(where)}"
        pieces.append(f"\n{source}: \u201c{plain(citation.quote)}\u201d")
    return pieces


def _finish(answer: Answer | None) -> str:
    return "length" if answer is not None and answer.outcome is Outcome.STOPPED else "stop"
