"""Routes to what is done with conversations once there are answers: share, export, judge."""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from audit.events import ConversationShared, DataExported, FeedbackGiven
from corpus.access import Principal
from corpus.documents import DocumentId
from rag.contract import Conversation, Feedback, Rename, Share
from rag.conversations import NOT_FOUND
from rag.errors import NotFound, UnknownAccount
from rag.feedback import as_questions
from rag.service_asking import conversation_for_reader
from rag.service_parts import Auditor, InService, Reader, ServiceParts, denials_recorded
from rag.transcript import as_markdown, as_pdf

router = APIRouter()

FORMATS: Final[dict[str, tuple[str, str]]] = {
    "markdown": ("text/markdown; charset=utf-8", "md"),
    "pdf": ("application/pdf", "pdf"),
}


@router.post("/v1/conversations/{conversation_id}/title", status_code=204)
def rename_conversation(
    running: InService, principal: Reader, conversation_id: str, wanted: Rename
) -> None:
    """Give one's own conversation another title."""
    parts = running.parts
    with denials_recorded(parts, principal, f"conversation {conversation_id}"):
        parts.conversations.rename(principal.name, conversation_id, wanted.title)


@router.post("/v1/conversations/{conversation_id}/shares", status_code=204)
def share_conversation(
    running: InService, principal: Reader, conversation_id: str, wanted: Share
) -> None:
    """Let a colleague read one's own conversation.

    The colleague sees an answer only while the colleague may read every document it rests on.
    """
    parts = running.parts
    with denials_recorded(parts, principal, f"conversation {conversation_id}"):
        parts.conversations.conversation(principal.name, conversation_id)
        colleague = _colleague(parts, wanted.person)
        parts.record.append(
            ConversationShared(principal.name, conversation_id, colleague, shared=True)
        )
        parts.conversations.share(principal.name, conversation_id, colleague)


@router.delete("/v1/conversations/{conversation_id}/shares/{person}", status_code=204)
def unshare_conversation(
    running: InService, principal: Reader, conversation_id: str, person: str
) -> None:
    """Let a colleague read one's own conversation no longer."""
    parts = running.parts
    with denials_recorded(parts, principal, f"conversation {conversation_id}"):
        conversation = parts.conversations.conversation(principal.name, conversation_id)
        if person not in conversation.shared_with:
            raise NotFound(NOT_FOUND)
        parts.record.append(
            ConversationShared(principal.name, conversation_id, person, shared=False)
        )
        parts.conversations.unshare(principal.name, conversation_id, person)


@router.get("/v1/conversations/{conversation_id}/export", response_class=Response)
def export_conversation(
    running: InService,
    principal: Reader,
    conversation_id: str,
    format: Annotated[Literal["markdown", "pdf"], Query()] = "markdown",  # noqa: A002 - the contract's word
) -> Response:
    """Hand out a conversation with its sources, as the reader may see it now."""
    parts = running.parts
    with denials_recorded(parts, principal, f"conversation {conversation_id}"):
        conversation = conversation_for_reader(parts, principal, conversation_id)
    parts.record.append(
        DataExported(principal.name, f"conversation:{conversation_id}", len(conversation.turns))
    )
    media_type, ending = FORMATS[format]
    return Response(
        _written(conversation, principal, parts, format),
        media_type=media_type,
        headers={"Content-Disposition": f'attachment; filename="conversation.{ending}"'},
    )


@router.post("/v1/turns/{turn_id}/feedback", status_code=204)
def give_feedback(running: InService, principal: Reader, turn_id: str, given: Feedback) -> None:
    """Say what one thinks of an answer, and where it really stands."""
    parts = running.parts
    with denials_recorded(parts, principal, f"turn {turn_id}"):
        turn = parts.conversations.turn(principal.name, turn_id)
        if turn.answer is None:
            raise NotFound(NOT_FOUND)
        if given.document_id is not None:
            _check_readable(parts, principal, given.document_id)
    verdict = "accepted" if given.helpful else "rejected"
    comment = ": ".join(part for part in (given.reason, given.note) if part)
    parts.record.append(FeedbackGiven(principal.name, turn_id, verdict, comment))
    running.feedback.give(turn_id, principal.name, given)


@router.get("/v1/feedback/export", response_class=Response)
def export_feedback(running: InService, auditor: Auditor) -> Response:
    """Hand out judged answers as questions for evaluation, one a line."""
    parts = running.parts
    lines = list(as_questions(running.feedback.judged(), parts.catalog))
    parts.record.append(DataExported(auditor.name, "feedback", len(lines)))
    return Response(
        "".join(f"{line}\n" for line in lines),
        media_type="application/jsonl",
        headers={"Content-Disposition": 'attachment; filename="muniment-questions.jsonl"'},
    )


def _written(
    conversation: Conversation, reader: Principal, parts: ServiceParts, wanted: str
) -> bytes:
    answers = [turn.answer for turn in conversation.turns if turn.answer is not None]
    marking = parts.catalog.highest_marking([answer.marking for answer in answers])
    now = parts.clock()
    if wanted == "pdf":
        return as_pdf(conversation, reader=reader.name, at=now, marking=marking)
    return as_markdown(conversation, reader=reader.name, at=now, marking=marking).encode()


def _colleague(parts: ServiceParts, name: str) -> str:
    """Return a colleague's name as the account spells it."""
    try:
        return parts.identity.principal_named(name).name
    except UnknownAccount as error:
        raise NotFound(NOT_FOUND) from error


def _check_readable(parts: ServiceParts, principal: Principal, document_id: str) -> None:
    versions = {one.version_id for one in parts.catalog.versions_of(DocumentId(document_id))}
    if not parts.gate.readable_among(principal, versions):
        raise NotFound(NOT_FOUND)
