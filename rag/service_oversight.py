"""Routes for those who look after the house: ingestion, the record, and readiness."""

from collections.abc import Callable
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.responses import Response

from audit.errors import AuditError
from audit.events import RecordExported, RecordVerified, SourceChanged
from corpus.catalog import Catalog
from corpus.documents import SourceId
from corpus.errors import CorpusError
from corpus.records import Source
from rag.contract import (
    AuditEntry,
    AuditPage,
    AuditVerdict,
    FileView,
    IngestionStatus,
    Readiness,
    RunView,
    SourceView,
    StartRun,
)
from rag.errors import RagError
from rag.generation import ModelServer
from rag.service_parts import (
    Administrator,
    Auditor,
    InService,
    Running,
    denials_recorded,
)

RUNS_SHOWN: Final = 20
QUOTES_ONLY: Final = "off: answers are in the documents' own words"

router = APIRouter()


@router.get("/v1/ingestion")
def show_ingestion(running: InService, _administrator: Administrator) -> IngestionStatus:
    """Show the sources, the latest runs and the files of the newest one."""
    catalog = running.parts.catalog
    runs = catalog.runs(limit=RUNS_SHOWN)
    files = catalog.run_files(runs[0].run_id) if runs else []
    return IngestionStatus(
        sources=[_source_view(source, catalog) for source in catalog.sources()],
        runs=[RunView.model_validate(run, from_attributes=True) for run in runs],
        latest_files=[FileView.model_validate(file, from_attributes=True) for file in files],
    )


@router.post("/v1/ingestion/runs")
def start_run(running: InService, administrator: Administrator, wanted: StartRun) -> RunView:
    """Ask for a source to be synchronised; a run already queued is returned instead."""
    parts = running.parts
    with denials_recorded(parts, administrator, f"source {wanted.source_id}"):
        source = parts.catalog.source(SourceId(wanted.source_id))
    parts.record.append(SourceChanged(administrator.name, source.name, "synchronisation asked for"))
    run_id = parts.catalog.queue_run(source.source_id)
    return RunView.model_validate(parts.catalog.run(run_id), from_attributes=True)


@router.get("/v1/audit/entries")
def list_entries(
    running: InService,
    _auditor: Auditor,
    after: Annotated[int, Query(ge=-1, description="Only entries older than this one.")] = -1,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    type: Annotated[str, Query(max_length=100)] = "",  # noqa: A002 - the contract's word
    person: Annotated[str, Query(max_length=200)] = "",
) -> AuditPage:
    """List entries of the record, newest first."""
    record = running.parts.record
    entries = record.entries(after=after, limit=limit, type=type, person=person, newest_first=True)
    return AuditPage(
        entries=[AuditEntry.model_validate(entry, from_attributes=True) for entry in entries],
        total=record.count(type=type, person=person),
    )


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
def export_record(running: InService, auditor: Auditor) -> Response:
    """Hand out the record as JSON lines."""
    record = running.parts.record
    record.append(RecordExported(auditor.name, record.count()))
    lines = (line.rstrip("\n") + "\n" for line in record.export_lines())
    return StreamingResponse(
        lines,
        media_type="application/jsonl",
        headers={"Content-Disposition": 'attachment; filename="muniment-record.jsonl"'},
    )


@router.get(
    "/ready", tags=["public"], response_model=Readiness, responses={503: {"model": Readiness}}
)
def show_readiness(running: InService) -> Response:
    """Say whether questions can be asked; without a model they can, and get quotes."""
    readiness = _readiness(running)
    status = 200 if readiness.ready else 503
    return JSONResponse(readiness.model_dump(mode="json"), status)


@router.get("/health", tags=["public"])
def show_health() -> dict[Literal["status"], Literal["ok"]]:
    """Say that the service runs at all."""
    return {"status": "ok"}


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


def _source_view(source: Source, catalog: Catalog) -> SourceView:
    return SourceView(
        source_id=source.source_id,
        name=source.name,
        location=str(source.location),
        groups=sorted(source.groups),
        live_documents=catalog.live_document_count(source.source_id),
        quarantined=len(catalog.quarantined(source.source_id)),
    )
