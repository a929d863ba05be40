"""Watch documents come in, see what could not be read and why."""

import streamlit as st

from rag.contract import FileView, IngestionStatus, RunView
from ui.client import Client
from ui.components import Column, Row, table
from ui.session import client, local_time
from ui.text import label

REFRESH_SECONDS = 2.0

FILE_COLUMNS = (
    Column(key="path", label="Document", kind="text"),
    Column(key="outcome", label="Outcome", kind="state"),
    Column(key="pages", label="Pages", kind="number"),
    Column(key="chunks", label="Chunks", kind="number"),
    Column(key="note", label="Reason and remedy", kind="text"),
)
RUN_COLUMNS = (
    Column(key="source", label="Source", kind="text"),
    Column(key="state", label="State", kind="state"),
    Column(key="files", label="Files", kind="number"),
    Column(key="pages", label="Pages", kind="number"),
    Column(key="chunks", label="Chunks", kind="number"),
    Column(key="finished", label="Finished", kind="soft"),
    Column(key="error", label="Error", kind="text"),
)
TONES = {
    "added": "good",
    "updated": "good",
    "moved": "good",
    "done": "good",
    "quarantined": "warn",
    "failed": "bad",
    "running": "busy",
    "queued": "busy",
}
FILTERS = {
    "All": frozenset[str](),
    "Quarantined": frozenset({"quarantined"}),
    "Changed": frozenset({"added", "updated", "moved", "withdrawn"}),
    "Unchanged": frozenset({"unchanged", "excluded"}),
}


def show() -> None:
    """Draw the page."""
    service = client()
    status = service.ingestion()
    with st.container(key="wide"):
        st.header("Ingestion", anchor=False)
        if _active(status):
            _watch()
        else:
            _progress(status)
        _sources(service, status)
        _files(status.latest_files)
        _runs(status.runs)


@st.fragment(run_every=REFRESH_SECONDS)
def _watch() -> None:
    status = client().ingestion()
    _progress(status)
    if not _active(status):
        st.rerun(scope="app")


def _active(status: IngestionStatus) -> list[RunView]:
    return [run for run in status.runs if run.state in {"queued", "running"}]


def _progress(status: IngestionStatus) -> None:
    active = _active(status)
    figures = {
        "Documents live": sum(source.live_documents for source in status.sources),
        "In progress": sum(run.files_total - run.files_done for run in active),
        "In quarantine": sum(source.quarantined for source in status.sources),
        "Sources": len(status.sources),
    }
    for column, (name, figure) in zip(st.columns(4), figures.items(), strict=True):
        column.metric(name, f"{figure:,}")
    for run in active:
        _card(run)


def _card(run: RunView) -> None:
    with st.container(border=True, key=f"run-{run.run_id}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader(label(run.source, limit=80), anchor=False, width="content")
            st.badge(run.state.capitalize(), icon=":material/sync:", color="blue")
            st.space("stretch")
            st.caption(f"{run.pages:,} pages · {run.chunks:,} chunks", width="content")
        share = run.files_done / run.files_total if run.files_total else 0.0
        st.progress(min(share, 1.0), text=f"{run.files_done:,} of {run.files_total:,} files")
        if run.current:
            st.text(run.current)


def _sources(service: Client, status: IngestionStatus) -> None:
    st.subheader("Sources", anchor=False)
    busy = {run.source for run in _active(status)}
    for source in status.sources:
        with (
            st.container(border=True, key=f"source-{source.source_id}"),
            st.container(horizontal=True, vertical_alignment="center"),
        ):
            with st.container(gap=None):
                st.text(source.name)
                st.caption(
                    f"{label(source.location)} · {source.live_documents:,} documents · "
                    f"read by {label(', '.join(source.groups)) or 'nobody'}"
                )
            if st.button(
                "Synchronise",
                key=f"sync-{source.source_id}",
                icon=":material/sync:",
                disabled=source.name in busy,
            ):
                service.start_run(source.source_id)
                st.rerun()
    if not status.sources:
        st.info("No source yet. Add one with: muniment source add", icon=":material/folder_off:")


def _files(files: list[FileView]) -> None:
    if not files:
        return
    st.subheader("Files of the latest run", anchor=False)
    wanted = st.segmented_control(
        "Outcome", list(FILTERS), default="All", label_visibility="collapsed", key="outcome"
    )
    outcomes = FILTERS[wanted or "All"]
    rows = [_file_row(file) for file in files if not outcomes or file.outcome in outcomes]
    if rows:
        table(FILE_COLUMNS, rows, caption="Files of the latest run", key="files")
    else:
        st.caption("None.")


def _file_row(file: FileView) -> Row:
    return Row(
        id=file.path,
        cells={
            "path": file.path,
            "outcome": file.outcome.capitalize(),
            "pages": file.pages or "",
            "chunks": file.chunks or "",
            "note": " ".join(part for part in (file.reason, file.remedy) if part),
        },
        tone=TONES.get(file.outcome, ""),
    )


def _runs(runs: list[RunView]) -> None:
    finished = [run for run in runs if run.state in {"done", "failed"}]
    if not finished:
        return
    st.subheader("Earlier runs", anchor=False)
    rows = [
        Row(
            id=run.run_id,
            cells={
                "source": run.source,
                "state": run.state.capitalize(),
                "files": run.files_done,
                "pages": run.pages,
                "chunks": run.chunks,
                "finished": f"{local_time(run.finished_at):%d %b, %H:%M}"
                if run.finished_at
                else "",
                "error": run.error,
            },
            tone=TONES[run.state],
        )
        for run in finished
    ]
    table(RUN_COLUMNS, rows, caption="Earlier runs", key="runs")
