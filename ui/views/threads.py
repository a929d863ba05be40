"""What can be done with a conversation and its answers: name, share, export, judge, ask again."""

from collections.abc import Callable

import streamlit as st

from rag.contract import (
    MAXIMUM_QUESTION_CHARACTERS,
    Answer,
    Complaint,
    Conversation,
    Feedback,
    Turn,
)
from ui.client import Client
from ui.components import place_of
from ui.errors import NotFound, RequestRefused
from ui.text import label

AskAgain = Callable[[Turn, str], None]
"""Puts a question in the place of a turn."""

REASONS: dict[Complaint, str] = {
    "": "No reason given",
    "wrong": "It is wrong",
    "incomplete": "Something is missing",
    "outdated": "It is out of date",
    "not_cited": "The source does not say this",
    "should_answer": "It should have been answered",
}
ELSEWHERE = "None of these"


def head(service: Client, conversation: Conversation, *, own: bool, title: str) -> None:
    """Draw the line above a conversation: its title, whose it is, and what can be done with it."""
    with st.container(horizontal=True, vertical_alignment="center", key="thread-head"):
        if title:
            st.header(label(title, limit=60), anchor=False, width="stretch")
        else:
            st.space("stretch")
        if own and conversation.shared_with:
            st.badge(_shared(conversation.shared_with), icon=":material/group:", color="gray")
        with st.popover("Conversation", type="tertiary", icon=":material/more_horiz:"):
            if own:
                _rename(service, conversation)
                _share(service, conversation)
            _export(conversation)
            if own:
                _delete(service, conversation)
    if not own:
        st.caption(
            f":material/group: {label(conversation.owner)} shares this conversation with you. "
            "Answers from documents that you may not read are withheld."
        )


def foot(service: Client, turn: Turn, answer: Answer, ask_again: AskAgain) -> None:
    """Draw the line below one's own answer: was it right, and what to ask instead."""
    if answer.asked_as:
        st.caption(f":material/subdirectory_arrow_right: Understood as: {label(answer.asked_as)}")
    with st.container(horizontal=True, vertical_alignment="center", key=f"judge-{turn.turn_id}"):
        if st.button(
            "Helpful", key=f"up-{turn.turn_id}", icon=":material/thumb_up:", type="tertiary"
        ):
            service.judge(turn.turn_id, Feedback(helpful=True))
            st.toast("Thank you. This is kept as an example of a good answer.")
        with st.popover("Not right", type="tertiary", icon=":material/thumb_down:"):
            _complaint(service, turn, answer)
        with st.popover("Ask again", type="tertiary", icon=":material/refresh:"):
            _again(turn, ask_again)


def _shared(people: list[str]) -> str:
    return (
        f"Shared with {label(people[0], limit=30)}"
        if len(people) == 1
        else (f"Shared with {len(people)} people")
    )


def _rename(service: Client, conversation: Conversation) -> None:
    with st.form("rename", border=False):
        title = st.text_input("Title", value=conversation.title, max_chars=80)
        if st.form_submit_button("Rename") and title.strip():
            service.rename(conversation.conversation_id, title.strip())
            st.rerun()


def _share(service: Client, conversation: Conversation) -> None:
    with st.form("share", border=False):
        person = st.text_input(
            "Share with",
            placeholder="Name of a colleague",
            max_chars=64,
            help="Your colleague sees an answer only while allowed to read all its documents.",
        )
        if st.form_submit_button("Share") and person.strip():
            try:
                service.share(conversation.conversation_id, person.strip())
            except (NotFound, RequestRefused):
                st.error("There is nobody of this name here.")
            else:
                st.rerun()
    for name in conversation.shared_with:
        if st.button(
            f"Stop sharing with {label(name, limit=30)}", key=f"unshare-{name}", type="tertiary"
        ):
            service.unshare(conversation.conversation_id, name)
            st.rerun()


def _export(conversation: Conversation) -> None:
    address = f"/conversation/{conversation.conversation_id}"
    with st.container(horizontal=True):
        st.link_button("PDF", f"{address}/pdf", icon=":material/download:", type="tertiary")
        st.link_button(
            "Markdown", f"{address}/markdown", icon=":material/download:", type="tertiary"
        )


def _delete(service: Client, conversation: Conversation) -> None:
    sure = st.checkbox("Delete this conversation", key="delete-sure")
    if sure and st.button("Delete now", icon=":material/delete:", key="delete-now"):
        try:
            service.delete_conversation(conversation.conversation_id)
        except RequestRefused as error:
            st.error(label(str(error), limit=300))
            return
        st.query_params.clear()
        st.rerun()


def _complaint(service: Client, turn: Turn, answer: Answer) -> None:
    places = {
        f"{passage.title}, {place_of(passage.page, passage.place)}": passage
        for passage in answer.passages
    }
    with st.form(f"complaint-{turn.turn_id}", border=False):
        reason = st.selectbox("What is not right?", list(REASONS), format_func=REASONS.__getitem__)
        where = st.selectbox(
            "Where does the answer stand?",
            [ELSEWHERE, *places],
            help="Of the passages that were read. It becomes a question for evaluation.",
        )
        note = st.text_area("Anything else?", max_chars=2_000)
        if st.form_submit_button("Send"):
            right = places.get(where)
            service.judge(
                turn.turn_id,
                Feedback(
                    helpful=False,
                    reason=reason,
                    note=note,
                    document_id=right.document_id if right else None,
                    page=right.page if right else None,
                ),
            )
            st.toast("Thank you. Those who look after Muniment will see it.")


def _again(turn: Turn, ask_again: AskAgain) -> None:
    with st.form(f"again-{turn.turn_id}", border=False):
        question = st.text_area(
            "Question", value=turn.question, max_chars=MAXIMUM_QUESTION_CHARACTERS
        )
        st.caption("Takes the place of this answer and of what follows it.")
        if st.form_submit_button("Ask again") and question.strip():
            ask_again(turn, question.strip())
