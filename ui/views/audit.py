"""Read the record: what happened, how one answer came about, who looked, and whether it holds."""

import json
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlencode

import streamlit as st

from rag.contract import (
    AuditEntry,
    AuditFilters,
    AuditLook,
    AuditOverview,
    AuditVerdict,
    DocumentRelied,
    RecordState,
)
from ui.client import Client
from ui.components import Column, Row, table
from ui.session import client
from ui.text import label
from ui.views import audit_plots, audit_story

COLUMNS = (
    Column(key="at", label="Time (UTC)", kind="soft"),
    Column(key="sequence", label="Entry", kind="number"),
    Column(key="person", label="Person", kind="text"),
    Column(key="type", label="Event", kind="soft"),
    Column(key="outcome", label="Outcome", kind="state"),
    Column(key="summary", label="Summary", kind="text"),
    Column(key="hash", label="Entry hash", kind="code"),
)
DOCUMENT_COLUMNS = (
    Column(key="title", label="Document", kind="text"),
    Column(key="answers", label="Answers", kind="number"),
    Column(key="share", label="Share of answers", kind="share"),
)
RECEIPT_COLUMNS = (
    Column(key="place", label="Place", kind="text"),
    Column(key="removed", label="Taken away", kind="number"),
    Column(key="left", label="Found afterwards", kind="number"),
    Column(key="state", label="Now", kind="state"),
)
GOOD_OUTCOMES = {"asked", "answered", "approved", "done", "erased", "ok"}
"""Marked green in the list; a refusal, a denial or a quarantine stands out."""
OUTCOMES = ("answered", "refused", "denied", "failed", "stopped", "quarantined", "erased", "done")
OVERVIEW, EVENTS, LOOKS = "Overview", "Events", "Who looked"
VIEWS = (OVERVIEW, EVENTS, LOOKS)
LOOKING = "audit.view,conversation.view,export,dsar,audit.verify"
"""Types and families of the events that somebody's looking leaves."""
PAGE_OF_ENTRIES = 100
FORMATS = {
    "bundle": "Verifiable bundle",
    "pdf": "Report (PDF)",
    "csv": "Spreadsheet (CSV)",
    "parquet": "Parquet",
    "ocsf": "OCSF 1.9",
    "cef": "CEF",
    "syslog": "Syslog (RFC 5424)",
    "jsonl": "JSON Lines",
}


def show() -> None:
    """Draw the page."""
    service = client()
    with st.container(key="wide"):
        if (story := st.query_params.get("story", "")).isdecimal():
            audit_story.show(service, int(story))
            return
        state = service.record_state()
        head = st.container()
        filters = _filters(state.types)
        with head:
            _head(service, state, filters)
        view = st.segmented_control(
            "View",
            VIEWS,
            default=OVERVIEW,
            required=True,
            key="show",
            bind="query-params",
            label_visibility="collapsed",
        )
        if view == EVENTS:
            _events(service, filters)
        elif view == LOOKS:
            _looks(service, filters)
        else:
            _overview(service.audit_overview(filters))


def _head(service: Client, state: RecordState, filters: AuditFilters) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.header("Audit log", anchor=False, width="content")
        verdict = st.session_state.get("verdict")
        if isinstance(verdict, AuditVerdict):
            _badge(verdict)
        st.space("stretch")
        if st.button("Verify now", icon=":material/verified_user:"):
            with st.spinner("Checking every entry"):
                st.session_state["verdict"] = service.verify_record()
            st.rerun()
        with st.popover("Export", icon=":material/download:"):
            st.caption("What fits the filters. That it was handed out is on record.")
            for form in state.formats:
                st.link_button(
                    FORMATS.get(form, form), _export_address(form, filters), width="stretch"
                )
    if isinstance(verdict, AuditVerdict) and not verdict.intact:
        st.error(label(verdict.fault, limit=500), icon=":material/gpp_bad:")
    st.caption(label(_told(state), limit=600))


def _export_address(form: str, filters: AuditFilters) -> str:
    narrowed = filters.model_dump(mode="json", exclude_defaults=True, exclude={"outcome"})
    return f"/audit/export?{urlencode({'format': form, **narrowed})}"


def _badge(verdict: AuditVerdict) -> None:
    if verdict.intact:
        st.badge(
            f"Record intact · {verdict.entries:,} entries", icon=":material/link:", color="green"
        )
    else:
        st.badge("Record altered", icon=":material/link_off:", color="red")


def _told(state: RecordState) -> str:
    """Return how far the record is signed and checked, in one line."""
    told = [f"{state.entries:,} entries"]
    if state.checkpoint_at:
        signed = f"signed up to {state.checkpoint_entries:,} at {_when(state.checkpoint_at)}"
        witnesses = ", ".join(state.witnesses)
        told.append(f"{signed}, cosigned by {witnesses}" if witnesses else f"{signed}, no witness")
    else:
        told.append("not signed yet")
    if state.verified_at:
        found = "intact" if state.verified_intact else "NOT intact"
        by = f" by {state.verified_by}" if state.verified_by else ""
        told.append(f"last verified {_when(state.verified_at)}{by}: {found}")
    return " · ".join(told)


def _filters(types: list[str]) -> AuditFilters:
    first, last, person, event, outcome = st.columns([1.1, 1.1, 1.4, 1.4, 1.2])
    since = first.date_input("From", value=None, key="from", bind="query-params")
    until = last.date_input("Until", value=None, key="until", bind="query-params")
    name = person.text_input("Person", placeholder="Everybody", key="person", bind="query-params")
    kind = event.selectbox(
        "Event",
        types,
        index=None,
        placeholder="All events",
        key="event",
        bind="query-params",
    )
    ended = outcome.selectbox(
        "Outcome",
        OUTCOMES,
        index=None,
        placeholder="Any",
        key="outcome",
        bind="query-params",
    )
    document = st.query_params.get("document", "")
    if document:
        st.button(
            label(f"Only what concerns document {document[:8]}…"),
            icon=":material/close:",
            on_click=_forget,
            args=("document",),
        )
    return AuditFilters(
        since=_start(since) if isinstance(since, date) else None,
        until=_start(until) + timedelta(days=1) if isinstance(until, date) else None,
        person=(name or "").strip(),
        type=kind or "",
        document=document,
        outcome=ended or "",
    )


def _overview(overview: AuditOverview) -> None:
    if not overview.total:
        st.info("No entry fits these filters.", icon=":material/search_off:")
        return
    asked = sum(day.asked for day in overview.days)
    figures = {
        "Questions": asked,
        "Answered": sum(day.answered for day in overview.days),
        "Refused": sum(day.refused for day in overview.days),
        "Denied": sum(day.denied for day in overview.days),
        "Events in all": overview.total,
    }
    for column, (name, figure) in zip(st.columns(len(figures)), figures.items(), strict=True):
        column.metric(name, f"{figure:,}")
    if overview.truncated:
        st.caption("Only the newest events are counted here; narrow the time to see others.")
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Questions by day", anchor=False)
        audit_plots.questions(overview.days)
    with right:
        st.subheader("Refusals and denials", anchor=False)
        audit_plots.refusals(overview.days)
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Timeline", anchor=False)
        audit_plots.timeline(overview.families)
    with right:
        st.subheader("Documents most relied on", anchor=False)
        _documents(overview.documents)


def _documents(documents: list[DocumentRelied]) -> None:
    if not documents:
        st.caption("No answer cites a document.")
        return
    chosen = st.query_params.get("document", "")
    rows = [
        Row(
            id=each.document_id,
            cells={
                "title": each.title or f"No longer known ({each.document_id[:8]}…)",
                "answers": each.answers,
                "share": each.share,
            },
            tone="",
        )
        for each in documents
    ]
    picked = table(
        DOCUMENT_COLUMNS,
        rows,
        caption="Documents most relied on",
        key="documents",
        chosen=chosen,
        choosable=True,
    )
    if picked and picked != chosen:
        st.query_params["document"] = picked
        st.rerun()


def _events(service: Client, filters: AuditFilters) -> None:
    older = st.query_params.get("older", "")
    after = int(older) if older.isdecimal() else -1
    page = service.audit_entries(_look(filters, after=after))
    st.caption(f"{len(page.entries):,} of {page.total:,} entries, newest first")
    if not page.entries:
        st.info("No entry fits these filters.", icon=":material/search_off:")
    chosen = st.query_params.get("entry", "")
    _detail([entry for entry in page.entries if str(entry.sequence) == chosen])
    if page.entries:
        _list(page.entries, chosen, key="entries")
    with st.container(horizontal=True):
        if older:
            st.button("Newest", icon=":material/first_page:", on_click=_forget, args=("older",))
        if len(page.entries) == PAGE_OF_ENTRIES and page.entries[-1].sequence > 0:
            st.button(
                "Older",
                icon=":material/chevron_right:",
                on_click=_go_to,
                args=("older", str(page.entries[-1].sequence)),
            )


def _looks(service: Client, filters: AuditFilters) -> None:
    """Show who looked at the record and at others' conversations, who checked and exported."""
    narrowed = filters if filters.type else filters.model_copy(update={"type": LOOKING})
    page = service.audit_entries(_look(narrowed))
    st.caption(f"{page.total:,} looks, checks and exports: looking at the record is itself on it.")
    if not page.entries:
        st.info("Nobody has looked, as far as these filters go.", icon=":material/search_off:")
        return
    chosen = st.query_params.get("entry", "")
    _detail([entry for entry in page.entries if str(entry.sequence) == chosen])
    _list(page.entries, chosen, key="looks")


def _look(filters: AuditFilters, *, after: int = -1) -> AuditLook:
    return AuditLook(**filters.model_dump(), after=after, limit=PAGE_OF_ENTRIES)


def _list(entries: list[AuditEntry], chosen: str, *, key: str) -> None:
    picked = table(
        COLUMNS,
        [_row(entry) for entry in entries],
        caption="Entries of the record",
        key=key,
        chosen=chosen,
        choosable=True,
    )
    if picked and picked != chosen:
        st.query_params["entry"] = picked
        st.rerun()


def _detail(entries: list[AuditEntry]) -> None:
    for entry in entries:
        with st.container(border=True, key="entry"):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.subheader(f"Entry {entry.sequence}", anchor=False, width="content")
                st.badge(label(entry.type), color="gray")
                st.space("stretch")
                if entry.type.startswith("rag."):
                    st.button(
                        "The whole story",
                        icon=":material/auto_stories:",
                        on_click=_go_to,
                        args=("story", str(entry.sequence)),
                    )
                st.button(
                    "Close",
                    icon=":material/close:",
                    type="tertiary",
                    shortcut="Esc",
                    on_click=_forget,
                    args=("entry",),
                )
            st.text(entry.summary)
            _receipt(entry)
            whole = entry.model_dump(mode="json", exclude={"summary"})
            st.code(json.dumps(whole, indent=2, ensure_ascii=False), language="json", height=320)


def _receipt(entry: AuditEntry) -> None:
    """Show where an erased document was, and that each place has it no longer."""
    places = entry.envelope.get("places")
    if entry.type != "doc.erase" or not isinstance(places, list):
        return
    rows = [
        Row(
            id=str(each.get("place")),
            cells={
                "place": str(each.get("place")),
                "removed": int(each.get("removed", 0)),
                "left": int(each.get("left", 0)),
                "state": "still holds some" if each.get("left") else "has it no longer",
            },
            tone="warn" if each.get("left") else "good",
        )
        for each in places
        if isinstance(each, dict)
    ]
    table(RECEIPT_COLUMNS, rows, caption="Receipt of the erasure", key="receipt")


def _go_to(name: str, value: str) -> None:
    st.query_params[name] = value


def _forget(name: str) -> None:
    st.query_params.pop(name, None)


def _row(entry: AuditEntry) -> Row:
    return Row(
        id=str(entry.sequence),
        cells={
            "at": f"{entry.at:%Y-%m-%d %H:%M:%S}",
            "sequence": entry.sequence,
            "person": entry.person,
            "type": entry.type,
            "outcome": entry.outcome,
            "summary": entry.summary,
            "hash": f"{entry.leaf_hash[:8]}…",
        },
        tone="good" if entry.outcome in GOOD_OUTCOMES else "warn",
    )


def _start(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


def _when(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
