"""Read the record, have it checked, take it away."""

import json

import streamlit as st

from rag.contract import AuditEntry, AuditVerdict
from ui.client import Client
from ui.components import Column, Row, table
from ui.session import client
from ui.text import label

COLUMNS = (
    Column(key="at", label="Time (UTC)", kind="soft"),
    Column(key="sequence", label="Entry", kind="number"),
    Column(key="person", label="Person", kind="text"),
    Column(key="type", label="Event", kind="soft"),
    Column(key="outcome", label="Outcome", kind="state"),
    Column(key="summary", label="Summary", kind="text"),
    Column(key="hash", label="Entry hash", kind="code"),
)
GOOD_OUTCOMES = {"asked", "answered", "done", "ok"}
"""Marked green in the list; a refusal, a denial or a quarantine stands out."""
EVENTS = (
    "auth.login",
    "auth.fail",
    "auth.logout",
    "rag.ask",
    "rag.retrieve",
    "rag.answer",
    "rag.refuse",
    "doc.ingest",
    "doc.update",
    "doc.move",
    "doc.delete",
    "doc.quarantine",
    "doc.view",
    "doc.download",
    "access.denied",
    "admin.user.change",
    "admin.config",
    "conversation.delete",
    "export.audit",
    "audit.verify",
    "system.start",
    "system.stop",
)
LENGTHS = (50, 100, 500)


def show() -> None:
    """Draw the page."""
    service = client()
    with st.container(key="wide"):
        _head(service)
        kind, person, length = _filters()
        page = service.audit_entries(limit=length, kind=kind, person=person)
        st.caption(f"{len(page.entries):,} of {page.total:,} entries, newest first")
        if not page.entries:
            st.info("No entry fits these filters.", icon=":material/search_off:")
            return
        chosen = st.query_params.get("entry", "")
        _detail([entry for entry in page.entries if str(entry.sequence) == chosen])
        picked = table(
            COLUMNS,
            [_row(entry) for entry in page.entries],
            caption="Entries of the record",
            key="entries",
            chosen=chosen,
            choosable=True,
        )
        if picked and picked != chosen:
            st.query_params["entry"] = picked
            st.rerun()


def _head(service: Client) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.header("Audit log", anchor=False, width="content")
        verdict = st.session_state.get("verdict")
        if isinstance(verdict, AuditVerdict):
            _badge(verdict)
        st.space("stretch")
        if st.button("Verify", icon=":material/verified_user:"):
            with st.spinner("Checking every entry"):
                st.session_state["verdict"] = service.verify_record()
            st.rerun()
        st.link_button("JSON Lines", "/audit/export", icon=":material/download:")
    if isinstance(verdict, AuditVerdict) and not verdict.intact:
        st.error(label(verdict.fault, limit=500), icon=":material/gpp_bad:")


def _badge(verdict: AuditVerdict) -> None:
    if verdict.intact:
        st.badge(
            f"Chain intact · {verdict.entries:,} entries", icon=":material/link:", color="green"
        )
    else:
        st.badge("Chain broken", icon=":material/link_off:", color="red")


def _filters() -> tuple[str, str, int]:
    event, person, length = st.columns([2, 2, 1])
    kind = event.selectbox(
        "Event",
        EVENTS,
        index=None,
        placeholder="All events",
        key="event",
        bind="query-params",
    )
    name = person.text_input("Person", placeholder="Everybody", key="person", bind="query-params")
    shown = length.selectbox("Entries shown", LENGTHS, index=1, key="shown")
    return kind or "", (name or "").strip(), shown or LENGTHS[1]


def _detail(entries: list[AuditEntry]) -> None:
    for entry in entries:
        with st.container(border=True, key="entry"):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.subheader(f"Entry {entry.sequence}", anchor=False, width="content")
                st.badge(label(entry.type), color="gray")
                st.space("stretch")
                st.button(
                    "Close",
                    icon=":material/close:",
                    type="tertiary",
                    shortcut="Esc",
                    on_click=_close,
                )
            st.text(entry.summary)
            whole = entry.model_dump(mode="json", exclude={"summary"})
            st.code(json.dumps(whole, indent=2, ensure_ascii=False), language="json", height=320)


def _close() -> None:
    st.query_params.pop("entry", None)


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
