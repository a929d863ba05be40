"""Ask a question, read the checked answer, open its sources."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import streamlit as st

from rag.contract import (
    MAXIMUM_QUESTION_CHARACTERS,
    Answer,
    Citation,
    Conversation,
    ConversationSummary,
    Outcome,
    Passage,
    PassageView,
    Turn,
)
from ui.client import Client
from ui.components import (
    Column,
    Row,
    answer_body,
    live_answer,
    page_view,
    passage_text,
    place_of,
    table,
)
from ui.components.marking import marking_banner
from ui.errors import NotFound
from ui.session import client, local_time, now, person
from ui.text import label
from ui.views import threads
from ui.views.leafing import leaf

EXAMPLES = (
    "How soon must a complaint be acknowledged?",
    "After how many wrong attempts does an account lock?",
    "How long should a whistleblowing investigation take?",
)

COLUMNS = (1.12, 1.0)
"""The chat and the source panel beside it."""

CLOSEST = (
    Column(key="title", label="Document", kind="text"),
    Column(key="place", label="Place", kind="soft"),
    Column(key="score", label="Match", kind="share"),
)
SPEAKS_TO_MACHINE = "This passage contains instructions to an assistant; they are treated as text."


@dataclass(frozen=True, slots=True)
class Place:
    """A span that the side panel shows, and how the address bar names it."""

    name: str
    turn_id: str
    title: str
    version_id: str
    version_number: int
    heading_path: tuple[str, ...]
    page: int | None
    where: str
    start: int
    end: int
    quote: str
    corner: tuple[float, float] | None


def show() -> None:
    """Draw the page."""
    service = client()
    conversation_id = st.query_params.get("c", "")
    _sidebar(service, conversation_id)
    if not conversation_id:
        _welcome(service)
        return
    try:
        conversation = service.conversation(conversation_id)
    except NotFound:
        st.query_params.clear()
        st.info("This conversation is not here any more.", icon=":material/chat_bubble:")
        return
    own = conversation.owner in {"", person().name}
    place = _chosen_place(conversation.turns)
    # The columns stay when the panel closes (hidden by style): a changed layout would mount the
    # answer anew, and the keyboard's focus on a chip would fall to the page.
    with st.container(key="sheet"):
        left, right = st.columns(COLUMNS, gap="large")
    with left:
        threads.head(service, conversation, own=own, title=_title(conversation))
        _turns(service, conversation.turns, place, own=own)
    if place is not None:
        with right:
            _panel(service, place)
    if own:
        _composer(service, conversation_id)


def _title(conversation: Conversation) -> str:
    """Return the title where it says more than the first question does."""
    first = conversation.turns[0].question if conversation.turns else ""
    said = first.startswith(conversation.title.rstrip("….").rstrip())
    return "" if said else conversation.title


def _sidebar(service: Client, open_id: str) -> None:
    with st.sidebar:
        st.button(
            "New question",
            icon=":material/edit_square:",
            width="stretch",
            on_click=_open_conversation,
            args=("",),
        )
        summaries = service.conversations()
        if len(summaries) > 8:
            wanted = st.text_input(
                "Search conversations",
                placeholder="Search conversations",
                icon=":material/search:",
                label_visibility="collapsed",
            )
            summaries = [item for item in summaries if wanted.lower() in item.title.lower()]
        with st.container(key="conversations", gap=None):
            _conversation_list(summaries[:60], open_id)


def _conversation_list(summaries: list[ConversationSummary], open_id: str) -> None:
    shown = ""
    today = now()
    for summary in summaries:
        day = _day(local_time(summary.updated_at), today)
        if day != shown:
            st.caption(day)
            shown = day
        st.button(
            label(summary.title, limit=60),
            icon=":material/group:" if summary.shared_by else None,
            key=f"conversation-{summary.conversation_id}",
            type="secondary" if summary.conversation_id == open_id else "tertiary",
            width="stretch",
            wrap=False,
            on_click=_open_conversation,
            args=(summary.conversation_id,),
        )


def _day(moment: datetime, today: datetime) -> str:
    age = today.date() - moment.date()
    if age < timedelta(days=1):
        return "Today"
    if age < timedelta(days=2):
        return "Yesterday"
    return "Last seven days" if age < timedelta(days=7) else "Earlier"


def _open_conversation(conversation_id: str) -> None:
    st.query_params.from_dict({"c": conversation_id} if conversation_id else {})


def _welcome(service: Client) -> None:
    with st.container(key="welcome"):
        st.title("What do you want to know?", anchor=False)
        st.text(
            "Every sentence of an answer comes with the place it stands on. "
            "If your documents do not say it, you are told so."
        )
        with st.container(key="examples", gap="small"):
            for number, example in enumerate(EXAMPLES):
                if st.button(
                    example, key=f"example-{number}", icon=":material/arrow_outward:", wrap=False
                ):
                    _ask(service, example, "")
    _composer(service, "")


def _composer(service: Client, conversation_id: str) -> None:
    with st.bottom.container(key="sheet-bottom"):
        where, _ = st.columns(COLUMNS, gap="large")
    with where:
        _model_away(service)
    question = where.chat_input(
        "Ask about your documents", max_chars=MAXIMUM_QUESTION_CHARACTERS, key="question"
    )
    where.toggle(
        "Quotes only",
        key="quotes_only",
        persist_state="session",
        help="Answer in the documents' own words, without the language model.",
    )
    if question and question.strip():
        _ask(service, question.strip(), conversation_id)


def _ask(
    service: Client, question: str, conversation_id: str, *, instead_of: str | None = None
) -> None:
    turn = service.ask(
        question,
        conversation_id=conversation_id or None,
        quotes_only=bool(st.session_state.get("quotes_only")),
        instead_of=instead_of,
    )
    st.query_params.from_dict({"c": turn.conversation_id})
    st.rerun()


def _model_away(service: Client) -> None:
    """Say above the composer that no model words answers now, and that asking goes on."""
    state = service.model_state()
    if state.state == "away":
        st.caption(
            ":material/cloud_off: The language model is away. Ask all the same: answers are in "
            "the documents\u2019 own words until it is back."
        )


def _turns(service: Client, turns: list[Turn], place: Place | None, *, own: bool) -> None:
    def ask_again(turn: Turn, question: str) -> None:
        _ask(service, question, turn.conversation_id, instead_of=turn.turn_id)

    for turn in turns:
        with st.container(key=f"question-{turn.turn_id}", horizontal=True):
            st.text(turn.question)
        if turn.answer is None:
            _running(service, turn)
        else:
            _answered(turn, turn.answer, place)
            if own and turn.answer.asks and turn is turns[-1]:
                _choices(service, turn, turn.answer)
            if own and turn.answer.quotes_because in {"away", "busy", "late"}:
                _once_more(turn, ask_again)
            if own:
                threads.foot(service, turn, turn.answer, ask_again)


def _choices(service: Client, turn: Turn, answer: Answer) -> None:
    """Offer what may be meant; whoever means something else writes it below."""
    with st.container(key=f"choices-{turn.turn_id}", gap="small"):
        for number, choice in enumerate(answer.choices):
            if st.button(
                label(choice, limit=90),
                key=f"choice-{turn.turn_id}-{number}",
                icon=":material/subdirectory_arrow_right:",
                wrap=False,
            ):
                _ask(service, choice, turn.conversation_id)


def _once_more(turn: Turn, ask_again: threads.AskAgain) -> None:
    """Offer to ask again, for the model may be back."""
    if st.button("Ask the model again", key=f"once-more-{turn.turn_id}", icon=":material/refresh:"):
        ask_again(turn, turn.question)


def _running(service: Client, turn: Turn) -> None:
    ended = live_answer(turn.turn_id, turn.draft, key=f"live-{turn.turn_id}")
    stopped = st.button("Stop", key=f"stop-{turn.turn_id}", icon=":material/stop_circle:")
    if stopped:
        service.stop(turn.turn_id)
    if ended or stopped:
        st.rerun()


def _answered(turn: Turn, answer: Answer, place: Place | None) -> None:
    marking_banner(answer.marking)
    if answer.outcome is Outcome.REFUSED:
        _refusal(turn, answer)
        return
    if answer.outcome is Outcome.UNCLEAR:
        with st.container(border=True, key=f"unclear-{turn.turn_id}"):
            st.subheader(":material/help: What do you mean?", anchor=False)
            st.text(answer.asks)
        return
    if answer.outcome is Outcome.FAILED:
        with st.container(border=True, key=f"failed-{turn.turn_id}"):
            st.subheader("No answer", anchor=False)
            st.text(answer.reason or "Something went wrong; the question is on record.")
        return
    if answer.outcome is Outcome.CONFLICT:
        st.warning("Your documents disagree about this.", icon=":material/compare_arrows:")
    if answer.outcome is Outcome.STOPPED:
        st.caption(":material/stop_circle: Stopped, so this is incomplete.")
    if answer.missing:
        st.warning("Answered in part.", icon=":material/rule:")
    here = place is not None and place.turn_id == turn.turn_id
    chosen = int(place.name) if here and place and place.name.isdecimal() else 0
    cited = answer_body(answer, chosen=chosen, key=f"answer-{turn.turn_id}")
    for told in (answer.reason, answer.note):
        if told:
            st.text(told)
    _support(turn, answer)
    _sources(turn, answer, chosen)
    if cited and cited != chosen:
        _open_place(turn, str(cited))
        st.rerun()


def _support(turn: Turn, answer: Answer) -> None:
    backed = sum(1 for sentence in answer.sentences if sentence.citations)
    if not backed:
        return
    with st.container(key=f"support-{turn.turn_id}", horizontal=True, vertical_alignment="center"):
        whole = backed == len(answer.sentences)
        told = "Every sentence sourced" if whole else "Partly sourced"
        with st.popover(f":material/verified: {told}", type="tertiary", width="content"):
            _count("sentence backed by a quotation", "sentences backed by quotations", backed)
            if answer.struck:
                _count(
                    "sentence of the draft left out: nothing backed it",
                    "sentences of the draft left out: nothing backed them",
                    answer.struck,
                )
            st.text(_origin(answer))
        st.caption(_measures(answer), width="content")
    if answer.struck:
        st.caption(_struck(answer.struck))


def _count(one: str, many: str, number: int) -> None:
    st.text(f"{number} {one if number == 1 else many}")


def _origin(answer: Answer) -> str:
    if not answer.model:
        return "In the documents' own words."
    return f"Worded by {answer.model}, then checked against the documents."


def _struck(number: int) -> str:
    what = "1 sentence of the draft was" if number == 1 else f"{number} sentences of the draft were"
    return f":material/content_cut: {what} left out because no passage backs it."


def _measures(answer: Answer) -> str:
    documents = len({passage.document_id for passage in answer.passages})
    parts = [
        f"{len(answer.passages)} passage{'' if len(answer.passages) == 1 else 's'}",
        f"{documents} document{'' if documents == 1 else 's'}",
    ]
    if answer.timings.total is not None:
        parts.append(f"{answer.timings.total / 1000:.1f} s")
    return " · ".join(parts)


def _sources(turn: Turn, answer: Answer, chosen: int) -> None:
    with st.container(key=f"sources-{turn.turn_id}", gap=None):
        for citation in answer.citations:
            heading = citation.heading_path[-1] if citation.heading_path else ""
            where = place_of(citation.page, citation.place)
            text = f"**{citation.number}** \u2002 {label(citation.title, limit=60)}"
            text += f" · {label(where)}" if where else ""
            text += f" \u2002 :gray[{label(heading, limit=50)}]" if heading else ""
            st.button(
                text,
                key=f"source-{turn.turn_id}-{citation.number}",
                icon=":material/description:",
                type="secondary" if citation.number == chosen else "tertiary",
                width="stretch",
                wrap=False,
                on_click=_open_place,
                args=(turn, str(citation.number)),
            )


def _refusal(turn: Turn, answer: Answer) -> None:
    with st.container(border=True, key=f"refusal-{turn.turn_id}"):
        st.subheader(
            ":material/search_off: Not answered: your documents do not cover this", anchor=False
        )
        st.text(answer.reason or "No passage that you may read answers this question.")
        if not answer.passages:
            return
        st.caption("Closest passages, none of which answers the question")
        rows = [
            Row(
                id=f"passage-{number}",
                cells={
                    "title": passage.title,
                    "place": place_of(passage.page, passage.place),
                    "score": passage.score,
                },
                tone="",
            )
            for number, passage in enumerate(answer.passages[:4])
        ]
        picked = table(
            CLOSEST, rows, caption="Closest passages", key=f"near-{turn.turn_id}", choosable=True
        )
        if picked:
            _open_place(turn, picked)
            st.rerun()


def _open_place(turn: Turn, name: str) -> None:
    st.query_params.from_dict({"c": turn.conversation_id, "m": turn.turn_id, "cite": name})


def _close_place() -> None:
    st.query_params.from_dict({"c": st.query_params.get("c", "")})


def _chosen_place(turns: list[Turn]) -> Place | None:
    name = st.query_params.get("cite", "")
    if not name:
        return None
    turn_id = st.query_params.get("m", "")
    answered = [turn for turn in turns if turn.answer and turn_id in {"", turn.turn_id}]
    for turn in reversed(answered):
        if turn.answer and (place := _place_in(turn.answer, turn.turn_id, name)):
            return place
    return None


def _place_in(answer: Answer, turn_id: str, name: str) -> Place | None:
    for citation in answer.citations:
        if name == str(citation.number):
            marks = [mark for mark in citation.marks if mark.page == citation.page]
            corner = (min(m.x0 for m in marks), min(m.y0 for m in marks)) if marks else None
            return _place(citation, turn_id, name, quote=citation.quote, corner=corner)
    for number, passage in enumerate(answer.passages):
        if name == f"passage-{number}":
            return _place(passage, turn_id, name, quote=passage.text, corner=None)
    return None


def _place(
    found: Citation | Passage,
    turn_id: str,
    name: str,
    *,
    quote: str,
    corner: tuple[float, float] | None,
) -> Place:
    return Place(
        name=name,
        turn_id=turn_id,
        title=found.title,
        version_id=found.version_id,
        version_number=found.version_number,
        heading_path=tuple(found.heading_path),
        page=found.page,
        where=found.place,
        start=found.start,
        end=found.end,
        quote=quote,
        corner=corner,
    )


def _panel(service: Client, place: Place) -> None:
    with st.container(border=True, key="evidence"):
        with st.container(horizontal=True, vertical_alignment="center", key="evidence-head"):
            st.subheader(label(place.title, limit=70), anchor=False, width="stretch")
            st.badge(f"v{place.version_number}", color="gray")
            st.button(
                "Close",
                key="close-source",
                icon=":material/close:",
                type="tertiary",
                shortcut="Esc",
                on_click=_close_place,
            )
        try:
            passage = service.passage(place.version_id, start=place.start, end=place.end)
        except NotFound:
            st.text("You may no longer read this document, or it was withdrawn.")
            return
        marking_banner(passage.marking)
        if place.page is None:
            passage_text(passage, key=f"passage-{place.version_id}-{place.start}")
        else:
            _pages(place, place.page, passage)
        _foot(place, passage)


def _pages(place: Place, cited_page: int, passage: PassageView) -> None:
    count = max(passage.page_count, cited_page + 1)
    wanted = st.query_params.get("page", "")
    page = int(wanted) - 1 if wanted.isdecimal() else cited_page
    page = min(max(page, 0), count - 1)
    with st.container(horizontal=True, vertical_alignment="center", key="evidence-pages"):
        leaf(page + 1, count)
        st.space("stretch")
        close_up = False
        if place.corner and page == cited_page:
            view = st.segmented_control(
                "View",
                ["Page", "Close-up"],
                default="Page",
                key="view",
                label_visibility="collapsed",
            )
            close_up = view == "Close-up"
    marked = page == cited_page
    told = f"Page {page + 1} of {place.title}."
    if marked:
        told += f" Marked: {place.quote[:300]}"
    page_view(
        place.version_id,
        page,
        alternative=told,
        span=(place.start, place.end),
        close_up=place.corner if close_up else None,
        fit=True,
        key="page-view",
    )


def _foot(place: Place, passage: PassageView) -> None:
    if passage.suspicions:
        st.caption(f":material/smart_toy: {SPEAKS_TO_MACHINE}")
    section = " / ".join(passage.heading_path or place.heading_path)
    where = place.where if place.page is None else ""
    with st.container(key="evidence-section"):
        st.text(" · ".join(part for part in (section, where) if part) or place.title)
    with st.container(horizontal=True, vertical_alignment="center", key="evidence-foot"):
        if place.page is not None:
            with st.popover("Passage as text", type="tertiary", width="content"):
                st.text(place.quote)
        st.link_button(
            "Open original",
            f"/original/{place.version_id}",
            icon=":material/download:",
            type="tertiary",
        )
