"""Routes for those who look after the house: the record, and readiness."""

from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.responses import Response

from audit.errors import AuditError
from audit.events import (
    VOCABULARY,
    ConversationViewed,
    RecordVerified,
    RecordViewed,
)
from audit.export import FORMS, Export, Selection, stream_export
from audit.log import AuditLog
from audit.notes import parse_checkpoint, parse_note
from corpus.access import Principal
from corpus.errors import CorpusError
from rag.contract import (
    AuditEntry,
    AuditExport,
    AuditFilters,
    AuditLook,
    AuditOverview,
    AuditPage,
    AuditStory,
    AuditVerdict,
    Conversation,
    Readiness,
    RecordState,
    Turn,
)
from rag.errors import RagError, Unusable
from rag.generation import ModelServer
from rag.oversight import count_of, entries_of, overview, story
from rag.service_parts import (
    OPEN,
    Auditor,
    InService,
    Running,
)

QUOTES_ONLY: Final = "off: answers are in the documents' own words"

router = APIRouter()


@router.get("/v1/audit/entries")
def list_entries(
    running: InService, auditor: Auditor, look: Annotated[AuditLook, Query()]
) -> AuditPage:
    """List entries of the record, newest first; that somebody looked goes on record too."""
    record = running.parts.record
    _record_look(running, auditor, "entries", filters=look)
    entries = entries_of(record, look, after=look.after, limit=look.limit)
    return AuditPage(
        entries=[AuditEntry.model_validate(entry, from_attributes=True) for entry in entries],
        total=count_of(record, look),
    )


@router.get("/v1/audit/overview")
def show_overview(
    running: InService, auditor: Auditor, filters: Annotated[AuditFilters, Query()]
) -> AuditOverview:
    """Count what the record holds, by day, kind and document."""
    _record_look(running, auditor, "overview", filters=filters)
    return overview(running.parts.record, running.parts.catalog, filters)


@router.get("/v1/audit/state")
def show_state(running: InService, _auditor: Auditor) -> RecordState:
    """Say how far the record is, how far it is signed and cosigned, and who checked it last."""
    return _record_state_view(running.parts.record)


@router.get("/v1/audit/entries/{sequence}/story")
def show_story(running: InService, auditor: Auditor, sequence: int) -> AuditStory:
    """Tell the question that an entry belongs to, from asking to answer."""
    parts = running.parts
    _record_look(running, auditor, "story", entry=sequence)
    return story(parts.record, parts.catalog, sequence)


@router.get("/v1/audit/entries/{sequence}/conversation")
def show_conversation(running: InService, auditor: Auditor, sequence: int) -> Conversation:
    """Show the conversation an entry's question stands in; that it was read is on record.

    What was read for the answers is left out: an auditor's role gives no right to documents.
    """
    parts = running.parts
    told = story(parts.record, parts.catalog, sequence)
    parts.record.append(ConversationViewed(auditor.name, told.person, told.conversation_id))
    found = parts.conversations.conversation(told.person, told.conversation_id)
    return found.model_copy(update={"turns": [_without_passages(turn) for turn in found.turns]})


@router.post("/v1/audit/verify")
def verify_record(running: InService, auditor: Auditor) -> AuditVerdict:
    """Check the whole record; that it was checked, and how, goes on record too."""
    record = running.parts.record
    verdict = record.verify()
    record.append(RecordVerified(auditor.name, verdict.intact, verdict.entries))
    return AuditVerdict(
        intact=verdict.intact, entries=verdict.entries, head=verdict.head, fault=verdict.fault
    )


@router.get("/v1/audit/export", response_class=StreamingResponse)
def export_record(
    running: InService, auditor: Auditor, wanted: Annotated[AuditExport, Query()]
) -> Response:
    """Hand out the record in one of its forms; that it was handed out is on record first."""
    if wanted.format not in FORMS:
        raise Unusable(f"The record is not handed out as {wanted.format}: {', '.join(FORMS)}.")
    selection = Selection(**wanted.model_dump(exclude={"format", "payloads", "outcome"}))
    download = stream_export(
        running.parts.record,
        Export(
            form=wanted.format,
            person=auditor.name,
            version=version("muniment"),
            selection=selection,
            with_payloads=wanted.payloads,
        ),
    )
    return StreamingResponse(
        download.chunks,
        media_type=download.media_type,
        headers={"Content-Disposition": f'attachment; filename="{download.filename}"'},
    )


@router.get(
    "/ready",
    tags=["public"],
    dependencies=[OPEN],
    response_model=Readiness,
    responses={503: {"model": Readiness}},
)
def show_readiness(running: InService) -> Response:
    """Say whether questions can be asked; without a model they can, and get quotes."""
    readiness = _readiness(running)
    status = 200 if readiness.ready else 503
    return JSONResponse(readiness.model_dump(mode="json"), status)


@router.get("/health", tags=["public"], dependencies=[OPEN])
def show_health() -> dict[Literal["status"], Literal["ok"]]:
    """Say that the service runs at all."""
    return {"status": "ok"}


def _record_look(
    running: Running,
    auditor: Principal,
    what: Literal["entries", "overview", "story"],
    *,
    filters: AuditFilters | None = None,
    entry: int | None = None,
) -> None:
    parts = running.parts
    narrowed = filters.model_dump(mode="json", exclude_defaults=True) if filters else {}
    told = urlencode({name: value for name, value in narrowed.items() if name != "limit"})
    key, now = (auditor.name, f"record {what} {told}", entry), parts.clock()
    if running.views.is_new(key, now):
        parts.record.append(RecordViewed(auditor.name, what, entry, told))
        running.views.remember(key, now)


def _record_state_view(record: AuditLog) -> RecordState:
    state: dict[str, Any] = {}
    if (note := record.newest_checkpoint()) is not None:
        checkpoint = parse_checkpoint(note)
        last = record.entries(after=checkpoint.size - 2, limit=1)
        state = {
            "checkpoint_entries": checkpoint.size,
            "checkpoint_at": last[0].at if last else None,
            "origin": checkpoint.origin,
            "root": checkpoint.root.hex(),
            "witnesses": sorted(
                {each.name for each in parse_note(note).signatures} - {checkpoint.origin}
            ),
        }
    for check in record.entries(type=RecordVerified.type, limit=1, newest_first=True):
        state |= {
            "verified_at": check.at,
            "verified_by": check.person,
            "verified_intact": check.envelope.get("intact") is True,
        }
    return RecordState(
        entries=record.count(),
        types=sorted(event.type for event in VOCABULARY),
        formats=list(FORMS),
        **state,
    )


def _without_passages(turn: Turn) -> Turn:
    if turn.answer is None:
        return turn
    return turn.model_copy(update={"answer": turn.answer.model_copy(update={"passages": []})})


def _readiness(running: Running) -> Readiness:
    parts = running.parts
    record_ready, record = _state(lambda: _record_state(running))
    index_ready, index = _state(lambda: f"{parts.index.count()} passages")
    catalog_ready, documents = _state(lambda: str(parts.catalog.live_document_count()))
    model, model_name = _model_state(parts.model)
    return Readiness(
        ready=record_ready and index_ready and catalog_ready,
        record=record,
        index=index if catalog_ready else documents,
        model=model,
        model_name=model_name,
        documents=int(documents) if catalog_ready else 0,
    )


def _state(ask: Callable[[], str]) -> tuple[bool, str]:
    try:
        return True, ask()
    except (AuditError, CorpusError, RagError) as error:
        # Readiness is public; where on the disk something is amiss is for the log.
        return False, f"away ({type(error).__name__})"


def _record_state(running: Running) -> str:
    verdict = running.record_check.verdict()
    if not verdict.intact:
        raise _RecordAltered
    return f"intact, {running.parts.record.count()} entries"


class _RecordAltered(AuditError):
    """The record does not verify; only the type reaches the outside."""


def _model_state(model: ModelServer | None) -> tuple[str, str]:
    if model is None:
        return QUOTES_ONLY, ""
    state = model.state()
    return (state, model.name) if state == "ready" else (state, "")
