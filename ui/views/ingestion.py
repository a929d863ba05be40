"""Watch documents come in, see what could not be read and why, and steer it all."""

from datetime import datetime

import streamlit as st

from rag.contract import FileView, IngestionStatus, RunView, SourceView, UnmappedRights
from ui.client import Client
from ui.components import Column, Row, table
from ui.errors import RequestRefused
from ui.session import client, local_time
from ui.text import label

REFRESH_SECONDS = 2.0

UNMAPPED_COLUMNS = (
    Column(key="source", label="Source", kind="text"),
    Column(key="what", label="Found", kind="text"),
    Column(key="files", label="Files", kind="number"),
    Column(key="remedy", label="What to do", kind="soft"),
)
FILE_COLUMNS = (
    Column(key="path", label="Document", kind="text"),
    Column(key="outcome", label="Outcome", kind="state"),
    Column(key="pages", label="Pages", kind="number"),
    Column(key="chunks", label="Chunks", kind="number"),
    Column(key="note", label="Reason and remedy", kind="text"),
)
LEDGER_COLUMNS = (
    Column(key="source", label="Source", kind="text"),
    Column(key="state", label="Latest run", kind="state"),
    Column(key="live", label="Live", kind="number"),
    Column(key="unchanged", label="Unchanged", kind="number"),
    Column(key="quarantined", label="Quarantined", kind="number"),
    Column(key="excluded", label="Excluded", kind="number"),
    Column(key="withdrawn", label="Withdrawn", kind="number"),
    Column(key="together", label="Together", kind="number"),
    Column(key="finished", label="Finished", kind="soft"),
    Column(key="next", label="Next", kind="soft"),
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
    "opened": "good",
    "done": "good",
    "quarantined": "warn",
    "asking": "warn",
    "paused": "warn",
    "cancelled": "warn",
    "failed": "bad",
    "running": "busy",
    "queued": "busy",
}
FILTERS = {
    "All": frozenset[str](),
    "Quarantined": frozenset({"quarantined"}),
    "Changed": frozenset({"added", "updated", "moved", "opened", "withdrawn"}),
    "Excluded": frozenset({"excluded"}),
}
LIVE = ("added", "updated", "moved", "opened")
"""Outcomes by which a file became live, or the container of files that did."""


def _time(moment: datetime) -> str:
    return f"{local_time(moment):%d %b, %H:%M}"


def show() -> None:
    """Draw the page."""
    service = client()
    status = service.ingestion()
    with st.container(key="wide"):
        st.header("Ingestion", anchor=False)
        if any(run.state in {"queued", "running"} for run in status.runs):
            _watch()
        else:
            _progress(service, status)
        _ledger(status)
        _sources(service, status)
        _upload(service)
        _unmapped(status.unmapped)
        _files(status.latest_files)
        _runs(status.runs)


def _unmapped(rights: list[UnmappedRights]) -> None:
    """Show what files say of rights and what could not be taken over."""
    if not rights:
        return
    st.subheader("Rights not taken over", anchor=False)
    rows = [
        Row(
            id=str(number),
            cells={
                "source": one.source,
                "what": one.what,
                "files": one.files,
                "remedy": one.remedy,
            },
            tone="",
        )
        for number, one in enumerate(rights)
    ]
    table(UNMAPPED_COLUMNS, rows, caption="Rights not taken over", key="unmapped")


@st.fragment(run_every=REFRESH_SECONDS)
def _watch() -> None:
    service = client()
    status = service.ingestion()
    _progress(service, status)
    if not any(run.state in {"queued", "running"} for run in status.runs):
        st.rerun(scope="app")


def _open_runs(status: IngestionStatus) -> list[RunView]:
    return [run for run in status.runs if run.state in {"queued", "running", "paused", "asking"}]


def _progress(service: Client, status: IngestionStatus) -> None:
    active = _open_runs(status)
    figures = {
        "Documents live": sum(source.live_documents for source in status.sources),
        "In progress": sum(max(0, run.files_total - run.files_done) for run in active),
        "In quarantine": sum(source.quarantined for source in status.sources),
        "Sources": len(status.sources),
    }
    for column, (name, figure) in zip(st.columns(4), figures.items(), strict=True):
        column.metric(name, f"{figure:,}")
    for run in active:
        if run.state == "asking":
            _question(service, status, run)
        else:
            _card(service, run)


def _card(service: Client, run: RunView) -> None:
    icons = {"running": ":material/sync:", "queued": ":material/schedule:"}
    with st.container(border=True, key=f"run-{run.run_id}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader(label(run.source, limit=80), anchor=False, width="content")
            icon = icons.get(run.state, ":material/pause:")
            st.badge(_state(run), icon=icon, color="orange" if run.state == "paused" else "blue")
            st.space("stretch")
            st.caption(f"{run.pages:,} pages · {run.chunks:,} chunks", width="content")
            if run.state == "paused" or run.not_before:
                _steer(service, run, "resume", ":material/play_arrow:")
            else:
                _steer(service, run, "pause", ":material/pause:")
            _steer(service, run, "cancel", ":material/close:")
        share = run.files_done / run.files_total if run.files_total else 0.0
        st.progress(min(share, 1.0), text=f"{run.files_done:,} of {run.files_total:,} files")
        if run.not_before:
            st.caption(f"{label(run.error)} It is tried again at {_time(run.not_before)}.")
        elif run.current:
            st.text(run.current)


def _state(run: RunView) -> str:
    if run.wanted:
        return "Pausing" if run.wanted == "pause" else "Ending"
    return "Waiting" if run.not_before else run.state.capitalize()


def _steer(service: Client, run: RunView, wish: str, icon: str) -> None:
    """A button that tells a run what to do."""
    pressed = st.button(
        wish.capitalize(),
        key=f"{wish}-{run.run_id}",
        icon=icon,
        disabled=bool(run.wanted),
    )
    if pressed:
        service.steer_run(run.run_id, wish)  # type: ignore[arg-type]  # one of the three
        st.rerun(scope="app")


def _question(service: Client, status: IngestionStatus, run: RunView) -> None:
    """What a run asks before it withdraws more than a person would usually take away."""
    source = next((one for one in status.sources if one.name == run.source), None)
    with st.container(border=True, key=f"asks-{run.run_id}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader(label(run.source, limit=80), anchor=False, width="content")
            st.badge("Asks", icon=":material/help:", color="orange")
        st.text(
            f"{run.gone:,} documents are gone from this source. Nothing was withdrawn. "
            "Are they meant to be gone, or is the source away?"
        )
        with st.container(horizontal=True):
            accepted = st.button(
                f"Withdraw {run.gone:,} documents", key=f"accept-{run.run_id}", type="primary"
            )
            if source and accepted:
                service.start_run(source.source_id, accept_withdrawals=True)
                st.rerun()
            if source and st.button("Look again", key=f"again-{run.run_id}"):
                service.start_run(source.source_id)
                st.rerun()
            _steer(service, run, "cancel", ":material/close:")


def _ledger(status: IngestionStatus) -> None:
    """Every file of the latest run over each source, in exactly one column."""
    rows = [_ledger_row(source) for source in status.sources if source.last]
    if rows:
        st.subheader("Ledger", anchor=False)
        table(LEDGER_COLUMNS, rows, caption="What became of every file", key="ledger")


def _ledger_row(source: SourceView) -> Row:
    last = source.last
    totals = last.totals if last else {}
    return Row(
        id=source.source_id,
        cells={
            "source": source.name,
            "state": last.state.capitalize() if last else "",
            "live": sum(totals.get(name, 0) for name in LIVE),
            "unchanged": totals.get("unchanged", 0),
            "quarantined": totals.get("quarantined", 0),
            "excluded": totals.get("excluded", 0),
            "withdrawn": totals.get("withdrawn", 0),
            "together": sum(totals.values()),
            "finished": _time(last.finished_at) if last and last.finished_at else "",
            "next": _time(source.next_at) if source.next_at else "when asked",
        },
        tone=TONES.get(last.state, "") if last else "",
    )


def _sources(service: Client, status: IngestionStatus) -> None:
    st.subheader("Sources", anchor=False)
    busy = {run.source for run in _open_runs(status)}
    for source in status.sources:
        with (
            st.container(border=True, key=f"source-{source.source_id}"),
            st.container(horizontal=True, vertical_alignment="center"),
        ):
            with st.container(gap=None):
                st.text(source.name)
                st.caption(_described(source))
            _schedule(service, source)
            if source.quarantined and st.button(
                "Retry quarantined",
                key=f"retry-{source.source_id}",
                icon=":material/replay:",
                disabled=source.name in busy,
            ):
                service.start_run(source.source_id, retry_quarantined=True)
                st.rerun()
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


def _described(source: SourceView) -> str:
    parts = [
        label(source.location),
        f"{source.live_documents:,} documents",
        f"read by {label(', '.join(source.groups)) or 'nobody'}",
    ]
    if source.next_at:
        parts.append(f"next {_time(source.next_at)}")
    return " · ".join(parts)


def _schedule(service: Client, source: SourceView) -> None:
    """A small form that says when a source is gone over by itself."""
    with (
        st.popover("Schedule", icon=":material/calendar_month:"),
        st.form(f"schedule-{source.source_id}", border=False),
    ):
        cron = st.text_input(
            "Cron line",
            value=source.schedule,
            placeholder="30 2 * * *",
            help="Minute, hour, day of the month, month, day of the week; empty for never.",
        )
        zone = st.text_input("Time zone", value=source.zone)
        if st.form_submit_button("Save"):
            try:
                service.set_schedule(source.source_id, cron=cron, zone=zone)
            except RequestRefused as refusal:
                st.error(label(str(refusal), limit=300))
            else:
                st.rerun()


def _upload(service: Client) -> None:
    with st.expander("Upload documents", icon=":material/upload_file:"):
        with st.form("upload", clear_on_submit=True, border=False):
            files = st.file_uploader("Documents", accept_multiple_files=True)
            groups = st.text_input(
                "Who may read them",
                placeholder="groups, separated by commas",
                help="Holds for everything that was ever uploaded; empty leaves it as it is.",
            )
            sent = st.form_submit_button("Upload", icon=":material/upload:")
        if sent and files:
            try:
                for file in files:
                    service.upload(file.name, file.getvalue(), groups=groups)
            except RequestRefused as refusal:
                st.error(label(str(refusal), limit=300))
            else:
                st.rerun()


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
    finished = [run for run in runs if run.state in {"done", "failed", "cancelled"}]
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
                "finished": _time(run.finished_at) if run.finished_at else "",
                "error": run.error,
            },
            tone=TONES[run.state],
        )
        for run in finished
    ]
    table(RUN_COLUMNS, rows, caption="Earlier runs", key="runs")
