"""One question from asking to answer, as the record tells it."""

from datetime import UTC
from typing import Literal

import streamlit as st

from rag.contract import AuditStory, StoryPassage
from ui.client import Client
from ui.components import Column, Row, page_view, table
from ui.errors import NotFound
from ui.text import label

PASSAGE_COLUMNS = (
    Column(key="rank", label="#", kind="number"),
    Column(key="title", label="Document", kind="text"),
    Column(key="version", label="Version", kind="soft"),
    Column(key="where", label="Where", kind="soft"),
    Column(key="cited", label="Cited", kind="soft"),
    Column(key="state", label="Since then", kind="state"),
    Column(key="text", label="Text now", kind="soft"),
    Column(key="hash", label="Passage hash", kind="code"),
)
CITATION_COLUMNS = (
    Column(key="number", label="#", kind="number"),
    Column(key="title", label="Document", kind="text"),
    Column(key="quote", label="Quote", kind="text"),
)
TONES = {"unchanged": "good", "changed": "warn", "gone": "bad"}
OUTCOMES: dict[str, Literal["green", "orange", "red"]] = {
    "answered": "green",
    "refused": "orange",
    "failed": "red",
}
SAME_TEXT = {True: "as recorded", False: "DIFFERENT", None: ""}


def show(service: Client, sequence: int) -> None:
    """Draw the story of the question that an entry belongs to."""
    st.button(
        "Back to the log",
        icon=":material/arrow_back:",
        type="tertiary",
        shortcut="Esc",
        on_click=_close,
    )
    try:
        story = service.audit_story(sequence)
    except NotFound:
        st.info("This entry belongs to no question.", icon=":material/search_off:")
        return
    _head(story)
    left, right = st.columns([1.15, 1], gap="large")
    with left:
        _answer(story)
    with right:
        _how(story)
    st.subheader("Passages read", anchor=False)
    _passages(story)
    _conversation(service, story, sequence)


def _head(story: AuditStory) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.header("A question and its answer", anchor=False, width="content")
        outcome = story.outcome or "not finished"
        st.badge(label(outcome), color=OUTCOMES.get(outcome, "gray"))
        if story.erased:
            st.badge("texts erased", color="gray", icon=":material/delete_forever:")
    who = story.person or story.pseudonym
    entries = ", ".join(map(str, story.entries))
    st.caption(
        label(f"{who} · {story.asked_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC · entries {entries}")
    )
    with st.container(key="question-story", horizontal=True):
        st.text(story.question or "The question was erased.")
    if story.rewritten:
        st.caption(f"Searched for as: {label(story.rewritten, limit=500)}")


def _answer(story: AuditStory) -> None:
    with st.container(border=True):
        if story.answer:
            st.text(story.answer)
        elif story.reason:
            st.caption(f"No answer: {label(story.reason, limit=300)}")
        else:
            st.caption("The answer was erased." if story.erased else "There is no answer.")
    if story.citations:
        rows = [
            Row(
                id=str(each.number),
                cells={"number": each.number, "title": each.title, "quote": each.quote},
                tone="",
            )
            for each in story.citations
        ]
        table(CITATION_COLUMNS, rows, caption="Citations", key="story-citations")
    if story.struck:
        plural = "sentence" if story.struck == 1 else "sentences"
        st.caption(f"{story.struck} {plural} struck: no passage backs that.")
    if story.draft and story.draft != story.answer:
        with st.expander("What the model had written, before the check"):
            st.text(story.draft)


def _how(story: AuditStory) -> None:
    facts = {
        "Model": story.model or "none: the documents' own words",
        "Took": f"{story.milliseconds:,.0f} ms" if story.milliseconds is not None else "",
        "Question id": story.turn_id,
        "Conversation": story.conversation_id,
    }
    rows = [Row(id=n, cells={"name": n, "value": v}, tone="") for n, v in facts.items() if v]
    columns = (
        Column(key="name", label="How", kind="soft"),
        Column(key="value", label="", kind="text"),
    )
    table(columns, rows, caption="How it came about", key="story-facts")
    if story.prompt:
        with st.expander("The prompt, as the model was given it"):
            st.code(story.prompt, language=None, wrap_lines=True, height=320)


def _passages(story: AuditStory) -> None:
    if not story.passages:
        st.caption("Nothing was read.")
        return
    chosen = st.query_params.get("passage", "")
    picked = table(
        PASSAGE_COLUMNS,
        [_passage_row(passage) for passage in story.passages],
        caption="Passages read",
        key="story-passages",
        chosen=chosen,
        choosable=True,
    )
    if picked and picked != chosen:
        st.query_params["passage"] = picked
        st.rerun()
    for passage in story.passages:
        if str(passage.rank) == chosen:
            _page(passage)


def _page(passage: StoryPassage) -> None:
    if passage.state == "gone":
        st.caption("The document is gone; the record keeps its hashes.")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(label(f"{passage.title}, version {passage.version_number}"), width="content")
        st.space("stretch")
        st.link_button(
            "Open in the library",
            f"/library?d={passage.document_id}&v={passage.version_id}",
            icon=":material/folder_open:",
        )
    if passage.page is None:
        st.caption("This format has no pages to show.")
        return
    st.caption("Shown where you may read the document yourself; that you looked is on record.")
    page_view(
        passage.version_id,
        passage.page,
        alternative=f"Page {passage.page + 1} of {passage.title}",
        span=(passage.start, passage.end),
        fit=True,
        key="story-page",
    )


def _conversation(service: Client, story: AuditStory, sequence: int) -> None:
    """Show the conversation around the question, only when asked to: that is a look of its own."""
    if not story.conversation_id or not story.person:
        return
    if not st.toggle("Read the whole conversation; that you did is put on record", key="chat"):
        return
    try:
        conversation = service.audit_conversation(sequence)
    except NotFound:
        st.caption("The conversation was deleted.")
        return
    for turn in conversation.turns:
        with st.container(key=f"question-{turn.turn_id}", horizontal=True):
            st.text(turn.question)
        if turn.answer is not None:
            said = " ".join(sentence.text for sentence in turn.answer.sentences)
            st.text(said or turn.answer.reason)


def _passage_row(passage: StoryPassage) -> Row:
    return Row(
        id=str(passage.rank),
        cells={
            "rank": passage.rank,
            "title": passage.title or f"No longer known ({passage.document_id[:8]}…)",
            "version": f"v{passage.version_number}",
            "where": f"p. {passage.page + 1}" if passage.page is not None else passage.place,
            "cited": "cited" if passage.cited else "",
            "state": passage.state,
            "text": SAME_TEXT[passage.same_text],
            "hash": f"{passage.chunk_sha256[:8]}…",
        },
        tone=TONES[passage.state],
    )


def _close() -> None:
    for name in ("story", "passage"):
        st.query_params.pop(name, None)
