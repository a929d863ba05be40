"""From a question to what is shown: backed, authorised and on record, or not at all."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from reportlab.pdfgen.canvas import Canvas

from bench.desk import Desk, opened
from corpus.access import Principal
from corpus.documents import DocumentId
from corpus.embedding import Embedder
from rag.assistant import (
    MAXIMUM_ANSWER_TOKENS,
    MODEL_AWAY,
    NOTHING_BACKED,
    AnswerRules,
    Assistant,
    Happened,
)
from rag.contract import Answer, DraftDelta, Mark, Outcome, SentenceChecked, Step
from rag.errors import RecordUnavailable
from rag.evaluation import quote_stands
from rag.generation import ModelServer
from rag.rewording import Rewriter
from tests.judge import judge

READER = Principal("reader", frozenset({"staff"}))
STRANGER = Principal("stranger", frozenset({"visitors"}))
QUESTION = "How many days of annual leave does a member of staff have?"
LEAVE = "Every member of staff has 27 days of annual leave a year."
OTHER = "Business mileage in a private car is paid at 45 pence a mile."


def types_on_record(desk: Desk) -> list[str]:
    return [entry.type for entry in desk.record.entries() if entry.type.startswith("rag.")]


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    return Embedder.load(cache_folder=tmp_path_factory.mktemp("embedding"))


@pytest.fixture
def desk(tmp_path: Path, embedder: Embedder) -> Iterator[Desk]:
    folder = tmp_path / "documents"
    folder.mkdir()
    write_pdf(folder / "leave.pdf", "Annual leave", LEAVE, "Up to 5 days may be carried over.")
    (folder / "travel.md").write_text(f"# Travel\n\n{OTHER}\n")
    staff = frozenset({"staff"})
    with opened(folder, groups=staff, encoder=embedder, weigh=judge().weigh) as desk:
        yield desk


def write_pdf(path: Path, heading: str, *lines: str) -> None:
    canvas = Canvas(str(path), invariant=1)
    canvas.setFont("Helvetica-Bold", 16)
    canvas.drawString(72, 760, heading)
    canvas.setFont("Helvetica", 11)
    for number, line in enumerate(lines):
        canvas.drawString(72, 720 - 40 * number, line)
    canvas.save()


def model_that_says(*pieces: str) -> ModelServer:
    lines = [json.dumps({"choices": [{"delta": {"content": piece}}]}) for piece in pieces]
    body = "".join(f"data: {line}\n\n" for line in lines) + "data: [DONE]\n\n"
    return ModelServer(
        url="http://model",
        name="small",
        transport=httpx.MockTransport(lambda request: httpx.Response(200, text=body)),
    )


def ask(
    assistant: Assistant,
    question: str = QUESTION,
    *,
    asker: Principal = READER,
    told: Callable[[Happened], None] = lambda _: None,
    stopped: Callable[[], bool] = lambda: False,
    asked_as: str = "",
    may_ask_back: bool = True,
) -> Answer:
    return assistant.answer(
        question,
        asker,
        turn_id="t1",
        conversation_id="c1",
        quotes_only=False,
        progress=told,
        stopped=stopped,
        asked_as=asked_as,
        may_ask_back=may_ask_back,
    )


def test_without_a_model_the_documents_own_words_answer(desk: Desk) -> None:
    answer = ask(desk.assistant())

    assert answer.outcome is Outcome.ANSWERED
    assert LEAVE in [sentence.text for sentence in answer.sentences]
    assert all(sentence.quoted and sentence.citations for sentence in answer.sentences)


def test_a_citation_stands_at_its_page_and_boxes(desk: Desk) -> None:
    answer = ask(desk.assistant())

    citation = next(each for each in answer.citations if each.quote == LEAVE)
    assert citation.page == 0
    assert len(citation.marks) == 1
    assert quote_stands(citation, catalog=desk.catalog, originals=desk.originals)


def test_a_citation_with_other_words_or_another_place_does_not_stand(desk: Desk) -> None:
    citation = next(each for each in ask(desk.assistant()).citations if each.quote == LEAVE)
    elsewhere = [Mark(page=0, x0=72, y0=300, x1=400, y1=320)]

    changes: list[dict[str, object]] = [
        {"quote": LEAVE.replace("27", "28")},
        {"start": citation.start + 1},
        {"marks": elsewhere},
        {"marks": []},
        {"page": None},
    ]

    for change in changes:
        mutated = citation.model_copy(update=change)
        assert not quote_stands(mutated, catalog=desk.catalog, originals=desk.originals)


def test_a_backed_sentence_of_the_draft_is_shown_and_an_unbacked_one_struck(desk: Desk) -> None:
    model = model_that_says(
        "Every member of staff has 27 days of annual leave a year. ", "Enjoy it!"
    )

    answer = ask(desk.assistant(model))

    assert [sentence.text for sentence in answer.sentences] == [LEAVE]
    assert (answer.struck, answer.model) == (1, "small")


def test_what_is_quoted_from_an_earlier_edition_is_told_so_to_whoever_may_read_the_later(
    desk: Desk,
) -> None:
    (desk.documents / "gifts-2023.md").write_text(
        "# Gifts Policy 2023\n\nThe limit for a gift is fifty pounds a year.\n"
    )
    (desk.documents / "gifts-2025.md").write_text(
        "# Gifts Policy 2025\n\nNothing of value may be taken from anybody.\n"
    )
    desk.read_again()

    answer = ask(desk.assistant(), "What is the limit for a gift in pounds a year?")

    cited = {citation.title for citation in answer.citations}
    assert "Gifts Policy 2023" in cited
    assert "Gifts Policy 2025" in answer.note or "Gifts Policy 2025" in cited


def test_a_draft_that_nothing_backs_is_replaced_by_quotes(desk: Desk) -> None:
    answer = ask(desk.assistant(model_that_says("Staff have 99 days of annual leave.")))

    assert answer.note == NOTHING_BACKED
    assert answer.model == ""
    assert "99" not in " ".join(sentence.text for sentence in answer.sentences)


def test_a_model_that_is_away_is_said_and_quotes_answer(desk: Desk) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    model = ModelServer(url="http://model", name="small", transport=httpx.MockTransport(refuse))

    answer = ask(desk.assistant(model))

    assert answer.outcome is Outcome.ANSWERED
    assert answer.note == MODEL_AWAY


def test_the_draft_is_told_as_it_comes(desk: Desk) -> None:
    heard: list[Happened] = []

    ask(desk.assistant(model_that_says("27 ", "days.")), told=heard.append)

    assert [event.text for event in heard if isinstance(event, DraftDelta)] == ["27 ", "days."]
    names = [event.name for event in heard if isinstance(event, Step)]
    assert names == ["searching", "reading", "drafting", "checking"]


def test_a_sentence_turns_firm_while_the_draft_is_written(desk: Desk) -> None:
    heard: list[Happened] = []

    ask(desk.assistant(model_that_says(f"{LEAVE} ", "And a pony. ", "The end.")), told=heard.append)

    checked = [event for event in heard if isinstance(event, SentenceChecked)]
    assert [(one.text, one.firm) for one in checked][:2] == [(LEAVE, True), ("And a pony.", False)]
    assert [one.citations[0].quote for one in checked if one.firm] == [LEAVE]
    kinds = [type(event) for event in heard]
    assert kinds.index(SentenceChecked) < len(kinds) - 1 - kinds[::-1].index(DraftDelta)


def test_a_sentence_is_on_record_before_it_is_shown_as_firm(desk: Desk) -> None:
    on_record: list[list[str]] = []

    def progress(happened: Happened) -> None:
        if isinstance(happened, SentenceChecked) and happened.firm:
            on_record.append(types_on_record(desk))

    ask(desk.assistant(model_that_says(LEAVE)), told=progress)

    assert on_record == [["rag.ask", "rag.retrieve", "rag.sentence"]]


def test_nothing_turns_firm_when_the_record_goes_away(desk: Desk) -> None:
    heard: list[Happened] = []

    def progress(happened: Happened) -> None:
        heard.append(happened)
        if isinstance(happened, DraftDelta) and desk.record.path.exists():
            desk.record.path.rename(desk.record.path.with_suffix(".away"))

    with pytest.raises(RecordUnavailable):
        ask(desk.assistant(model_that_says(LEAVE)), told=progress)

    assert not any(isinstance(event, SentenceChecked) for event in heard)


TWO_PARTS = (
    "How many days of annual leave does a member of staff have, and who won the boat race in 1923?"
)


def test_a_part_that_the_documents_do_not_answer_is_named(desk: Desk) -> None:
    answer = ask(desk.assistant(), TWO_PARTS)

    assert answer.outcome is Outcome.PARTLY
    assert answer.missing == ["who won the boat race in 1923"]
    assert "who won the boat race in 1923" in answer.reason
    assert LEAVE in [sentence.text for sentence in answer.sentences]


def test_every_part_is_answered_where_the_documents_answer_both(desk: Desk) -> None:
    asked = (
        "How many days of annual leave does a member of staff have, and what is paid for business "
        "mileage in a private car?"
    )

    answer = ask(desk.assistant(model_that_says(LEAVE)), asked)

    assert answer.outcome is Outcome.ANSWERED
    assert [sentence.text for sentence in answer.sentences] == [LEAVE, OTHER]
    assert [sentence.quoted for sentence in answer.sentences] == [True, True]


def test_an_unclear_question_is_asked_back_and_nothing_is_read(desk: Desk) -> None:
    answer = ask(desk.assistant(), "Who approves it?")

    assert answer.outcome is Outcome.UNCLEAR
    assert "it" in answer.asks
    assert types_on_record(desk) == ["rag.ask", "rag.refuse"]


def test_it_is_asked_back_once(desk: Desk) -> None:
    answer = ask(desk.assistant(), "Who approves it?", may_ask_back=False)

    assert answer.outcome is not Outcome.UNCLEAR


@pytest.mark.parametrize(
    ("rules", "because"),
    [
        (AnswerRules(quotes_only=True), "site"),
        (AnswerRules(quotes_only_sources=frozenset({"documents"})), "source"),
    ],
)
def test_a_site_or_a_source_may_allow_quotes_only(
    desk: Desk, rules: AnswerRules, because: str
) -> None:
    asked: list[httpx.Request] = []
    model = ModelServer(
        url="http://model", name="small", transport=httpx.MockTransport(lambda r: _never(asked, r))
    )

    answer = ask(desk.assistant(model, rules))

    assert answer.quotes_because == because
    assert all(sentence.quoted for sentence in answer.sentences)
    assert [request.url.path for request in asked if "completions" in request.url.path] == []
    assert not any(LEAVE in request.content.decode() for request in asked)


def _never(asked: list[httpx.Request], request: httpx.Request) -> httpx.Response:
    asked.append(request)
    return httpx.Response(500)


def test_a_question_that_fills_the_window_is_answered_in_quotes(desk: Desk) -> None:
    model = ModelServer(
        url="http://model",
        name="small",
        context_tokens=400,
        transport=httpx.MockTransport(lambda _: httpx.Response(404)),
    )

    answer = ask(desk.assistant(model))

    assert answer.quotes_because == "too_long"
    assert LEAVE in [sentence.text for sentence in answer.sentences]


def test_a_prompt_stays_within_the_window_however_long_the_thread(desk: Desk) -> None:
    sent: list[str] = []

    def reply(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/tokenize":
            return httpx.Response(200, json={"count": len(json.loads(request.content)["prompt"])})
        sent.extend(one["content"] for one in json.loads(request.content)["messages"])
        return httpx.Response(200, text="data: [DONE]\n\n")

    window = 3_000  # of tokens, which are characters here
    model = ModelServer(
        url="http://model", name="m", context_tokens=window, transport=httpx.MockTransport(reply)
    )
    long = f"{'This is about annual leave for staff. ' * 6}{QUESTION}"

    answer = ask(desk.assistant(model, AnswerRules(prompt_tokens=10_000)), long)

    assert answer.outcome is Outcome.ANSWERED
    assert 0 < sum(map(len, sent)) <= window - MAXIMUM_ANSWER_TOKENS


def test_a_follow_up_is_said_as_one_question_by_a_model_that_is_fit_and_both_are_on_record(
    desk: Desk,
) -> None:
    follow_up, whole = "And how many for a member of staff?", QUESTION
    together = f"How many days of annual leave are there: {follow_up}"
    rewriter = Rewriter(model_that_says(whole), is_fit=lambda: True)

    answer = ask(
        desk.assistant(model_that_says(LEAVE), rewriter=rewriter), follow_up, asked_as=together
    )

    read = next(entry for entry in desk.record.entries() if entry.type == "rag.retrieve")
    assert answer.asked_as == whole
    assert (read.payload or {})["rewritten"] == whole
    assert [sentence.text for sentence in answer.sentences] == [LEAVE]


def test_a_follow_up_in_quotes_is_shown_to_no_model(desk: Desk) -> None:
    def asked(_: httpx.Request) -> httpx.Response:
        raise AssertionError("asked")

    model = ModelServer(url="http://model", name="small", transport=httpx.MockTransport(asked))
    assistant = desk.assistant(
        model, AnswerRules(quotes_only=True), Rewriter(model, is_fit=lambda: True)
    )

    answer = ask(assistant, "And per year?", asked_as=f"{QUESTION.rstrip('?')}: And per year?")

    assert answer.asked_as.endswith("And per year?")


def test_stop_ends_the_draft_and_shows_only_what_was_backed(desk: Desk) -> None:
    model = model_that_says(f"{LEAVE} ", "And a pony.")

    answer = ask(desk.assistant(model), stopped=lambda: True)

    assert answer.outcome is Outcome.STOPPED
    assert [sentence.text for sentence in answer.sentences] == [LEAVE]


def test_what_the_documents_do_not_answer_is_refused(desk: Desk) -> None:
    answer = ask(desk.assistant(), "Who won the boat race in 1923?")

    assert answer.outcome is Outcome.REFUSED
    assert answer.sentences == []
    assert answer.reason


def test_a_stranger_is_refused_and_shown_nothing(desk: Desk) -> None:
    answer = ask(desk.assistant(), asker=STRANGER)

    assert answer.outcome is Outcome.REFUSED
    assert answer.passages == []


def test_a_withdrawn_document_is_never_cited(desk: Desk) -> None:
    leave = next(v for v in desk.catalog.live_versions() if v.path == "leave.pdf")
    assistant = desk.assistant()
    desk.catalog.withdraw_document(DocumentId(leave.document_id))

    answer = ask(assistant)

    assert "leave.pdf" not in {passage.path for passage in answer.passages}
    assert "leave.pdf" not in {citation.path for citation in answer.citations}


def test_a_new_version_is_cited_and_the_old_one_is_not(desk: Desk) -> None:
    write_pdf(desk.documents / "leave.pdf", "Annual leave", LEAVE.replace("27", "28"))
    desk.read_again()

    answer = ask(desk.assistant())

    quotes = " ".join(citation.quote for citation in answer.citations)
    assert "28 days" in quotes
    assert "27 days" not in quotes


def test_question_passages_and_answer_are_on_record_in_that_order(desk: Desk) -> None:
    ask(desk.assistant())

    assert types_on_record(desk) == ["rag.ask", "rag.retrieve", "rag.answer"]


def test_a_refusal_is_on_record(desk: Desk) -> None:
    ask(desk.assistant(), "Who won the boat race in 1923?")

    assert types_on_record(desk)[-1] == "rag.refuse"


def test_a_search_is_on_record(desk: Desk) -> None:
    found = desk.assistant().search(QUESTION, READER, limit=3)

    assert found.passages[0].path == "leave.pdf"
    assert types_on_record(desk) == ["rag.ask", "rag.retrieve"]


def test_without_the_record_nothing_is_read_and_nothing_answered(desk: Desk) -> None:
    heard: list[Happened] = []
    desk.record.path.rename(desk.record.path.with_suffix(".away"))

    with pytest.raises(RecordUnavailable, match="questions are refused"):
        ask(desk.assistant(), told=heard.append)

    assert heard == []
