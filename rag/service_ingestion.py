"""Routes for those who look after the sources: runs, schedules, quarantine and uploads."""

import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Body, Query

from audit.events import SourceChanged
from corpus.access import Principal
from corpus.catalog import Catalog, Run
from corpus.documents import SourceId
from corpus.errors import ScheduleInvalid, UnknownRun
from corpus.records import RunId, Source
from rag.contract import (
    FileView,
    IngestionStatus,
    Role,
    RunView,
    SetSchedule,
    SourceView,
    StartRun,
    SteerRun,
    UnmappedRights,
)
from rag.conversations import NOT_FOUND
from rag.errors import NotAllowed, NotFound, Unusable
from rag.service_parts import (
    Contributor,
    InService,
    Keeper,
    Running,
    ServiceParts,
    Watcher,
    denials_recorded,
)

RUNS_SHOWN: Final = 20
FILES_SHOWN: Final = 500
UPLOADS: Final = "Uploads"
"""The source that uploaded files belong to."""

_NOT_IN_A_NAME = re.compile(r"[^\w .,()+@-]")

router = APIRouter()


@router.get("/v1/ingestion")
def show_ingestion(running: InService, watcher: Watcher) -> IngestionStatus:
    """Show the sources, the latest runs and the files of the newest one.

    Administrators see all of them, owners their own, contributors that of the uploads.
    """
    catalog = running.parts.catalog
    sources = _sources_for(running.parts, watcher)
    shown = {source.source_id for source in sources}
    runs = [run for run in catalog.runs(limit=RUNS_SHOWN) if run.source_id in shown]
    files = catalog.run_files(runs[0].run_id, limit=FILES_SHOWN) if runs else []
    return IngestionStatus(
        sources=[_source_view(source, catalog) for source in sources],
        runs=[_run_view(catalog, run) for run in runs],
        latest_files=[FileView.model_validate(file, from_attributes=True) for file in files],
        unmapped=[
            UnmappedRights(source=source.name, **asdict(one))
            for source in sources
            for one in catalog.unmapped(source.source_id)
        ],
    )


@router.post("/v1/ingestion/runs")
def start_run(running: InService, keeper: Keeper, wanted: StartRun) -> RunView:
    """Ask for a source to be synchronised; a run that waits already is returned instead."""
    parts = running.parts
    source = _source(running, keeper, wanted.source_id)
    change = "synchronisation asked for"
    options = []
    if wanted.accept_withdrawals:
        options, change = ["accept"], f"{change}, withdrawals accepted"
    if wanted.retry_quarantined:
        options, change = [*options, "retry", "only-quarantined"], "quarantine asked for again"
    parts.record.append(SourceChanged(keeper.name, source.name, change))
    run_id = parts.catalog.queue_run(source.source_id, options=options)
    return _run_view(parts.catalog, parts.catalog.run(run_id))


@router.post("/v1/ingestion/runs/{run_id}")
def steer_run(running: InService, keeper: Keeper, run_id: str, wanted: SteerRun) -> RunView:
    """Pause, resume or cancel a run; what is done stays done."""
    parts = running.parts
    with denials_recorded(parts, keeper, f"run {run_id}"):
        run = _run(parts, keeper, run_id)
    parts.record.append(SourceChanged(keeper.name, run.source, f"run: {wanted.wish}"))
    return _run_view(parts.catalog, parts.catalog.want(run.run_id, wanted.wish))


@router.put("/v1/ingestion/sources/{source_id}/schedule")
def set_schedule(
    running: InService, keeper: Keeper, source_id: str, wanted: SetSchedule
) -> SourceView:
    """Say when a source is gone over by itself."""
    parts = running.parts
    source = _source(running, keeper, source_id)
    intake = parts.catalog.intake(source.source_id)
    try:
        parts.catalog.set_intake(
            source.source_id, replace(intake, cron=wanted.cron.strip(), zone=wanted.zone.strip())
        )
    except ScheduleInvalid as error:
        raise Unusable(str(error)) from error
    change = f"schedule {wanted.cron} in {wanted.zone}" if wanted.cron else "schedule removed"
    parts.record.append(SourceChanged(keeper.name, source.name, change))
    return _source_view(source, parts.catalog)


@router.put("/v1/ingestion/uploads/{name}")
def upload_file(
    running: InService,
    contributor: Contributor,
    name: str,
    data: Annotated[bytes, Body(media_type="application/octet-stream")],
    groups: Annotated[str, Query(max_length=500)] = "",
) -> RunView:
    """Keep a file in the folder of uploads and have it read.

    Groups, separated by commas, decide who may read the uploads; without any it stays as it is.
    That is for administrators to decide, not for whoever contributes.
    """
    parts = running.parts
    if groups.strip() and Role.ADMINISTRATOR not in contributor.roles:
        raise NotAllowed("Who may read the uploads is for an administrator to say.")
    if parts.uploads is None:
        raise Unusable("This service takes no uploads: it has no folder for them.")
    safe = _NOT_IN_A_NAME.sub("_", Path(name).name).lstrip(".").strip()
    if not safe:
        raise Unusable("The file needs a name.")
    source = _uploads(parts, groups, contributor.name)
    parts.record.append(SourceChanged(contributor.name, source.name, f"upload of {safe}"))
    _write(parts.uploads / safe, data)
    run_id = parts.catalog.queue_run(source.source_id)
    return _run_view(parts.catalog, parts.catalog.run(run_id))


def _uploads(parts: ServiceParts, groups: str, actor: str) -> Source:
    folder = parts.uploads
    if folder is None:
        raise Unusable("This service takes no uploads: it has no folder for them.")
    admitted = frozenset(group.strip() for group in groups.split(",") if group.strip())
    known = next((one for one in parts.catalog.sources() if one.location == folder), None)
    if known and (not admitted or admitted == known.groups):
        return known
    readers = ", ".join(sorted(admitted)) or "none"
    change = f"declared for uploads; groups {readers}"
    parts.record.append(SourceChanged(actor, UPLOADS, change))
    folder.mkdir(parents=True, exist_ok=True)
    return parts.catalog.add_source(
        name=UPLOADS, location=folder, groups=admitted, rules=known.rules if known else ()
    )


def _write(target: Path, data: bytes) -> None:
    """Put a file in its place whole, so that no run reads half of it."""
    staged = target.with_name(f".{target.name}.part")
    staged.write_bytes(data)
    staged.replace(target)


def _sources_for(parts: ServiceParts, watcher: Principal) -> list[Source]:
    """Return the sources that somebody looks after, or may know of by contributing."""
    sources = parts.catalog.sources()
    if Role.ADMINISTRATOR in watcher.roles:
        return sources
    owned = parts.catalog.owned_sources(watcher)
    contributes = Role.CONTRIBUTOR in watcher.roles
    return [
        source
        for source in sources
        if source.source_id in owned or (contributes and source.location == parts.uploads)
    ]


def _source(running: Running, keeper: Principal, source_id: str) -> Source:
    """Return a source; one that somebody else looks after is as good as none."""
    parts = running.parts
    with denials_recorded(parts, keeper, f"source {source_id}"):
        source = parts.catalog.source(SourceId(source_id))
        _require_keeper(parts, keeper, source.source_id)
        return source


def _run(parts: ServiceParts, keeper: Principal, run_id: str) -> Run:
    try:
        run = parts.catalog.run(RunId(run_id))
    except UnknownRun as error:
        raise NotFound(NOT_FOUND) from error
    _require_keeper(parts, keeper, run.source_id)
    return run


def _require_keeper(parts: ServiceParts, keeper: Principal, source_id: SourceId) -> None:
    if Role.ADMINISTRATOR in keeper.roles or source_id in parts.catalog.owned_sources(keeper):
        return
    raise NotFound(NOT_FOUND)


def _run_view(catalog: Catalog, run: Run) -> RunView:
    view = RunView.model_validate(run, from_attributes=True)
    return view.model_copy(update={"totals": catalog.totals(run.run_id)})


def _source_view(source: Source, catalog: Catalog) -> SourceView:
    intake = catalog.intake(source.source_id)
    last = catalog.last_run(source.source_id)
    return SourceView(
        source_id=source.source_id,
        name=source.name,
        location=intake.url or str(source.location),
        groups=sorted(source.groups),
        live_documents=catalog.live_document_count(source.source_id),
        quarantined=len(catalog.quarantined(source.source_id)),
        schedule=intake.cron,
        zone=intake.zone,
        next_at=intake.next_at,
        last=_run_view(catalog, last) if last else None,
    )
