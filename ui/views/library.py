"""Find a document, leaf through it, see why one may read it."""

import streamlit as st

from rag.contract import DocumentDetail, DocumentSummary
from ui.client import Client
from ui.components import Column, Row, page_view, table
from ui.components.marking import marking_banner
from ui.errors import NotFound
from ui.session import client, local_time, person
from ui.text import label
from ui.views.leafing import leaf

PAGE_SIZE = 50
SHOWN_CHARACTERS = 400

COLUMNS = (
    Column(key="title", label="Document", kind="text"),
    Column(key="kind", label="Kind", kind="soft"),
    Column(key="pages", label="Pages", kind="number"),
    Column(key="version", label="Version", kind="number"),
    Column(key="source", label="Source", kind="soft"),
    Column(key="published", label="Published", kind="soft"),
)
VERSION_COLUMNS = (
    Column(key="version", label="Version", kind="text"),
    Column(key="pages", label="Pages", kind="number"),
    Column(key="published", label="Published", kind="soft"),
)
GROUND_COLUMNS = (
    Column(key="effect", label="Effect", kind="text"),
    Column(key="principal", label="Whom", kind="text"),
    Column(key="place", label="Where", kind="soft"),
    Column(key="through", label="Through", kind="soft"),
)
PROPERTY_COLUMNS = (
    Column(key="name", label="Property", kind="soft"),
    Column(key="value", label="Value", kind="text"),
)

KINDS = {
    "application/pdf": "PDF",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "Word",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "Excel",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "PowerPoint",
    "text/html": "Web page",
    "message/rfc822": "Mail",
    "text/markdown": "Markdown",
    "text/plain": "Text",
}


def show() -> None:
    """Draw the page."""
    service = client()
    if document_id := st.query_params.get("d", ""):
        try:
            _detail(service.document(document_id))
        except NotFound:
            st.button("All documents", icon=":material/arrow_back:", on_click=_close)
            st.info("There is no such document that you may read.", icon=":material/search_off:")
        return
    _list(service)


def _list(service: Client) -> None:
    with st.container(key="wide"):
        st.header("Library", anchor=False)
        query = st.text_input(
            "Search documents",
            placeholder="Search by title or path",
            icon=":material/search:",
            label_visibility="collapsed",
            key="q",
            bind="query-params",
        )
        offset = PAGE_SIZE * (int(st.session_state.get("library-page", 1)) - 1)
        found = service.documents(query=query or "", limit=PAGE_SIZE, offset=offset)
        if not found.documents:
            st.info("No document that you may read goes by this.", icon=":material/search_off:")
        else:
            st.caption(f"{found.total} document{'' if found.total == 1 else 's'} you may read")
            rows = [_row(document) for document in found.documents]
            picked = table(COLUMNS, rows, caption="Documents", key="documents", choosable=True)
            if picked:
                st.query_params.from_dict({"d": picked})
                st.rerun()
        if query and st.button("Search inside the documents", icon=":material/manage_search:"):
            _passages(service, query)
        if found.total > PAGE_SIZE:
            last = -(-found.total // PAGE_SIZE)
            st.number_input("Page of the list", 1, last, key="library-page", width=160)


def _passages(service: Client, question: str) -> None:
    """Show the passages that fit best, and what brought each of them."""
    found = service.search(question).passages
    if not found:
        st.info("No passage that you may read fits this.", icon=":material/search_off:")
    for rank, passage in enumerate(found, start=1):
        place = f"page {passage.page + 1}" if passage.page is not None else passage.place
        with st.container(border=True):
            st.text(f"{rank}. {', '.join(filter(None, (passage.title, place)))}")
            st.text(" ".join(passage.text.split())[:SHOWN_CHARACTERS])
            if passage.found_by is not None:
                st.caption(f"How it was found: {passage.found_by.sentence()}")


def _row(document: DocumentSummary) -> Row:
    return Row(
        id=document.document_id,
        cells={
            "title": document.title,
            "kind": KINDS.get(document.media_type, "Other"),
            "pages": document.page_count or "",
            "version": document.version_number,
            "source": document.source,
            "published": f"{local_time(document.published_at):%d %b %Y}",
        },
        tone="",
    )


def _detail(detail: DocumentDetail) -> None:
    with st.container(key="wide"):
        st.button("All documents", icon=":material/arrow_back:", type="tertiary", on_click=_close)
        version = _chosen_version(detail)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.header(label(version.title, limit=120), anchor=False, width="content")
            st.badge(f"v{version.version_number}", color="gray")
            marking_banner(version.marking)
            st.space("stretch")
            st.link_button(
                "Open original", f"/original/{version.version_id}", icon=":material/download:"
            )
        left, right = st.columns([1.15, 1], gap="large")
        with left:
            _leaf_through(version)
        with right:
            _facts(detail, version)


def _explain(document_id: str) -> None:
    """Let an auditor or an owner ask why somebody can read the document, or cannot."""
    with st.form("why", border=False):
        name = st.text_input("Why can somebody read this, or not?", placeholder="Name of a person")
        asked = st.form_submit_button("Explain", icon=":material/help:")
    if not asked or not name.strip():
        return
    try:
        found = client().explain_access(document_id, person=name.strip())
    except NotFound:
        st.info("There is no such person.", icon=":material/search_off:")
        return
    st.text(found.sentence)
    rows = [
        Row(
            id=str(number),
            cells={
                "effect": ground.effect,
                "principal": ground.principal,
                "place": ground.place,
                "through": " in ".join(ground.through),
            },
            tone="good" if ground.decided and ground.effect == "allow" else "",
        )
        for number, ground in enumerate(found.grounds)
    ]
    if rows:
        table(GROUND_COLUMNS, rows, caption="Entries that bear on this person", key="grounds")


def _chosen_version(detail: DocumentDetail) -> DocumentSummary:
    wanted = st.query_params.get("v", "")
    for version in detail.versions:
        if version.version_id == wanted:
            return version
    return detail.document


def _leaf_through(version: DocumentSummary) -> None:
    if not version.page_count:
        st.info(
            "This format has no pages to show; open the original, or ask about it.",
            icon=":material/article:",
        )
        return
    wanted = st.query_params.get("page", "")
    page = min(max(int(wanted) if wanted.isdecimal() else 1, 1), version.page_count)
    with st.container(horizontal=True, vertical_alignment="center", key="evidence-pages"):
        leaf(page, version.page_count)
    page_view(
        version.version_id,
        page - 1,
        alternative=f"Page {page} of {version.title}",
        key="library-page-view",
    )


def _close() -> None:
    st.query_params.clear()


def _facts(detail: DocumentDetail, shown: DocumentSummary) -> None:
    st.subheader("Why you can see this", anchor=False)
    mine = set(person().groups)
    admitted = [group for group in detail.readable_by if group in mine]
    if detail.why:
        st.text(detail.why)
    else:
        st.text(f"You are in {', '.join(admitted)}." if admitted else "You were given the right.")
    st.caption(f"Readable by {label(', '.join(detail.readable_by), limit=300)}")
    if detail.may_explain:
        _explain(shown.document_id)
    st.subheader("Versions", anchor=False)
    rows = [
        Row(
            id=version.version_id,
            cells={
                "version": f"Version {version.version_number}",
                "pages": version.page_count or "",
                "published": f"{local_time(version.published_at):%d %b %Y, %H:%M}",
            },
            tone="",
        )
        for version in detail.versions
    ]
    picked = table(
        VERSION_COLUMNS,
        rows,
        caption="Versions",
        key="versions",
        chosen=shown.version_id,
        choosable=True,
    )
    if picked and picked != shown.version_id:
        st.query_params.from_dict({"d": shown.document_id, "v": picked})
        st.rerun()
    st.subheader("About", anchor=False)
    about = {"Path": shown.path, "Source": shown.source, **detail.properties}
    table(
        PROPERTY_COLUMNS,
        [Row(id=n, cells={"name": n, "value": v}, tone="") for n, v in about.items()],
        caption="Properties",
        key="properties",
    )
