"""A stand-in for the service with fixed data: ``python stand_in.py PORT [DELAY_SECONDS]``."""

import io
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal

import uvicorn
from fastapi import Body, Depends, FastAPI, Header, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from PIL import Image, ImageDraw, ImageFont

from rag.contract import (
    Answer,
    Ask,
    AuditEntry,
    AuditFilters,
    AuditLook,
    AuditOverview,
    AuditPage,
    AuditStory,
    AuditVerdict,
    Citation,
    Conversation,
    ConversationSummary,
    DayOfEvents,
    DayOfQuestions,
    DocumentDetail,
    DocumentList,
    DocumentRelied,
    DocumentSummary,
    DraftDelta,
    Feedback,
    FileView,
    FoundBy,
    IngestionStatus,
    Mark,
    ModelState,
    Outcome,
    Passage,
    PassageView,
    Person,
    Problem,
    Readiness,
    RecordState,
    Rename,
    RunView,
    Search,
    SearchResult,
    Sentence,
    SentenceChecked,
    Session,
    SetSchedule,
    Share,
    SignIn,
    SourceView,
    StartRun,
    SteerRun,
    Step,
    StoryCitation,
    StoryPassage,
    Timings,
    Turn,
    Waiting,
)

PASSWORD = "a long enough password"
PEOPLE = {
    "amara.okafor": Person(
        name="amara.okafor",
        groups=["staff", "compliance"],
        roles=["administrator", "auditor", "reader"],
    ),
    "tom.visser": Person(name="tom.visser", groups=["staff"], roles=["reader"]),
}
NOW = datetime.now(UTC).replace(microsecond=0)
DELAY = float(sys.argv[2]) if len(sys.argv) > 2 else 0.02
HOSTILE = (
    "![x](https://leak.example/a.png) <img src=https://leak.example/b> [here](https://leak.example)"
)

LINES = [
    ("4", "Retention periods", True),
    ("", "Each record class is kept for the period below, counted from its start date.", False),
    ("", "Customer identification records are kept for five years after the", False),
    ("", "business relationship ends.", False),
    ("", "Transaction records are kept for ten years from the date of the transaction.", False),
    ("5", "Destruction and early deletion", True),
    ("", "Records that have reached their destruction date are destroyed within 90 days.", False),
    ("", "Deletion before the end of the retention period requires the joint written", False),
    ("", "approval of the Data Protection Officer and the Head of Compliance.", False),
    ("", "A request for erasure does not by itself override a statutory period.", False),
]


def summary(
    document: str, title: str, *, version: int = 1, kind: str = "application/pdf", pages: int = 5
) -> DocumentSummary:
    return DocumentSummary(
        document_id=document,
        version_id=f"{document}-v{version}",
        version_number=version,
        title=title,
        path=f"policies/{title.lower().replace(' ', '-')}.pdf",
        source="Compliance share",
        media_type=kind,
        page_count=pages,
        published_at=NOW - timedelta(days=9 - version),
    )


WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
DOCUMENTS = [
    summary("due-diligence", "Customer Due Diligence Procedure", pages=12),
    summary("complaints", "Complaint Handling Procedure", kind=WORD, pages=0),
    summary("register", "Risk Register 2026", kind="text/markdown", pages=0),
    summary("outsourcing", "Outsourcing Policy", version=3, pages=8),
    summary("retention", "Records Retention Standard", version=2),
    summary("hostile", HOSTILE, pages=1),
]


def citation(number: int, document: str, title: str, page: int | None, quote: str) -> Citation:
    return Citation(
        number=number,
        document_id=document,
        version_id=f"{document}-v1",
        version_number=2,
        title=title,
        path=f"policies/{document}.pdf",
        heading_path=["Part B", "5 Destruction and early deletion"],
        page=page,
        place="" if page is not None else "Section 2, Deadlines",
        start=100 * number,
        end=100 * number + len(quote),
        quote=quote,
        marks=[Mark(page=page, x0=70, y0=250, x1=480, y1=275)] if page is not None else [],
    )


def under(columns: str, row: Citation) -> Citation:
    return row.model_copy(update={"columns": columns})


def passage(rank: int, title: str, score: float, page: int | None = 3) -> Passage:
    return Passage(
        chunk_id=f"chunk-{rank}",
        document_id=title,
        version_id="retention-v1",
        version_number=1,
        title=title,
        path="policies/x.pdf",
        source="Compliance share",
        heading_path=["4 Retention periods"],
        page=page,
        place="",
        start=10,
        end=90,
        text="Records that have reached their destruction date are destroyed within 90 days.",
        score=score,
    )


RETENTION = "Records Retention Standard"
ANSWER = Answer(
    outcome=Outcome.ANSWERED,
    sentences=[
        Sentence(
            text="Customer identification records are kept for **five years after the business"
            " relationship ends**.",
            citations=[1],
            quoted=False,
        ),
        Sentence(
            text="The due diligence procedure sets the same period and adds the analysis"
            " performed to what must be kept.",
            citations=[2],
            quoted=False,
        ),
        Sentence(
            text="Deletion before the end of the retention period requires the joint written"
            " approval of the Data Protection Officer and the Head of Compliance.",
            citations=[3],
            quoted=True,
        ),
        Sentence(
            text="A complaint about a deletion is answered within eight weeks.",
            citations=[4],
            quoted=False,
        ),
    ],
    citations=[
        citation(1, "retention", RETENTION, 2, "kept for five years after the relationship ends"),
        citation(2, "due-diligence", "Customer Due Diligence Procedure", 1, "the analysis is kept"),
        citation(3, "retention", RETENTION, 3, "joint written approval of the DPO"),
        citation(4, "complaints", "Complaint Handling Procedure", None, "within eight weeks"),
    ],
    passages=[
        passage(1, RETENTION, 0.93),
        passage(2, "Customer Due Diligence Procedure", 0.88),
        passage(3, RETENTION, 0.71),
        passage(4, "Complaint Handling Procedure", 0.5),
    ],
    struck=1,
    model="SmolLM2-135M-Instruct",
    timings=Timings(retrieve=62, first_token=310, generate=3_800, check=40, total=4_200),
)
REFUSAL = Answer(
    outcome=Outcome.REFUSED,
    sentences=[],
    citations=[],
    passages=[passage(1, "Board minutes 2025-11", 0.31, 6), passage(2, "Outsourcing Policy", 0.22)],
    reason="I searched the 312 documents you may read and found no passage about revenue by"
    " country. I do not answer from general knowledge.",
    timings=Timings(total=180),
)
PARTLY = ANSWER.model_copy(
    update={
        "outcome": Outcome.PARTLY,
        "missing": ["who may see them"],
        "reason": "Your documents do not answer this part: who may see them.",
    }
)
UNCLEAR = Answer(
    outcome=Outcome.UNCLEAR,
    sentences=[],
    citations=[],
    passages=[],
    asks="Documents of equal standing answer this differently. Which one do you mean?",
    choices=["Larkspur Contract", "Harbour Contract"],
)
QUOTED = ANSWER.model_copy(
    update={
        "sentences": [ANSWER.sentences[2]],
        "struck": 0,
        "model": "",
        "note": "The model is away, so this is in the documents' own words.",
        "quotes_because": "away",
    }
)
PERIODS = "Code | Record | Period"
ROWS = ANSWER.model_copy(
    update={
        "sentences": [
            Sentence(text="A1 | Client files | 7 years", citations=[1], quoted=True),
            Sentence(text="A3 | Pension transfers | Indefinitely", citations=[2], quoted=True),
        ],
        "citations": [
            under(PERIODS, citation(1, "retention", RETENTION, 2, "A1 | Client files | 7 years")),
            under(
                PERIODS,
                citation(2, "retention", RETENTION, 2, "A3 | Pension transfers | Indefinitely"),
            ),
        ],
        "struck": 0,
    }
)
HOSTILE_ANSWER = ANSWER.model_copy(
    update={
        "sentences": [
            Sentence(text=HOSTILE, citations=[1], quoted=False),
            Sentence(text=HOSTILE, citations=[1], quoted=True),
        ],
        "citations": [under(HOSTILE, citation(1, "retention", HOSTILE, 2, HOSTILE))],
        "note": HOSTILE,
        "struck": 0,
    }
)


def done(name: str, question: str, answer: Answer) -> Conversation:
    turn = Turn(
        turn_id=f"turn-{name}",
        conversation_id=name,
        question=question,
        asked_at=NOW,
        state="done",
        answer=answer,
    )
    return Conversation(conversation_id=name, title=question, turns=[turn])


RETAIN = "How long do we keep customer identification records, and who can approve early deletion?"
JUDGED: dict[str, Feedback] = {}
CONVERSATIONS = {
    "retention": done("retention", RETAIN, ANSWER),
    "revenue": done("revenue", "What was our revenue in Norway last quarter?", REFUSAL),
    "hostile": done("hostile", HOSTILE, HOSTILE_ANSWER),
    "title": done("title", "What was our revenue in Denmark last quarter?", REFUSAL),
    "again": done("again", "What was our revenue in Sweden last quarter?", REFUSAL),
    "partly": done("partly", RETAIN, PARTLY),
    "unclear": done("unclear", "How long is the notice period?", UNCLEAR),
    "away": done("away", RETAIN, QUOTED),
    "rows": done("rows", RETAIN, ROWS),
    "shared": done("shared", RETAIN, ANSWER).model_copy(update={"owner": "tom.visser"}),
}
RUNNING: dict[str, float] = {}
TOKENS: dict[str, str] = {}
app = FastAPI()


@app.exception_handler(HTTPException)
def problem(_: object, error: HTTPException) -> JSONResponse:
    body = Problem(title="Refused", detail=str(error.detail), status=error.status_code)
    return JSONResponse(body.model_dump(), error.status_code)


def signed_in(authorization: Annotated[str, Header()] = "") -> Person:
    name = TOKENS.get(authorization.removeprefix("Bearer "), "")
    if name not in PEOPLE:
        raise HTTPException(401, "Sign in first.")
    return PEOPLE[name]


Who = Annotated[Person, Depends(signed_in)]


@app.post("/v1/session")
def sign_in(body: SignIn) -> Session:
    if body.name not in PEOPLE or body.password != PASSWORD:
        raise HTTPException(401, "Name, password or code is wrong.")
    token = f"token-{body.name}-{len(TOKENS)}"
    TOKENS[token] = body.name
    return Session(token=token, expires_at=NOW + timedelta(hours=12), person=PEOPLE[body.name])


@app.get("/v1/session")
def session(who: Who) -> Person:
    return who


@app.delete("/v1/session", status_code=204)
def sign_out(who: Who, authorization: Annotated[str, Header()]) -> Response:
    TOKENS.pop(authorization.removeprefix("Bearer "), None)
    return Response(status_code=204)


@app.post("/v1/ask")
def ask(body: Ask, who: Who) -> Turn:
    number = len(CONVERSATIONS) + sum(len(item.turns) for item in CONVERSATIONS.values())
    name = body.conversation_id or f"conversation-{number}"
    turn = Turn(
        turn_id=f"turn-{number}",
        conversation_id=name,
        question=body.question,
        asked_at=NOW,
        state="running",
    )
    earlier = CONVERSATIONS.get(name)
    kept = list(earlier.turns) if earlier else []
    for place, item in enumerate(kept):
        if item.turn_id == body.instead_of:
            del kept[place:]
            break
    CONVERSATIONS[name] = Conversation(
        conversation_id=name,
        title=earlier.title if earlier else body.question,
        turns=[*kept, turn],
        owner=who.name,
    )
    RUNNING[turn.turn_id] = time.monotonic()
    return turn


STRUCK = Sentence(text="Everything else is kept for ever.", citations=[], quoted=False)


def checked(number: int, start: int, end: int, sentence: Sentence) -> SentenceChecked:
    return SentenceChecked(
        number=number,
        start=start,
        end=end,
        text=sentence.text,
        firm=bool(sentence.citations),
        quoted=sentence.quoted,
        citations=[one for one in ANSWER.citations if one.number in sentence.citations],
    )


def turn_of(turn_id: str) -> Turn:
    for conversation in CONVERSATIONS.values():
        for turn in conversation.turns:
            if turn.turn_id == turn_id:
                return turn
    raise HTTPException(404, "There is no such turn.")


def finish(turn: Turn, outcome: Outcome) -> Turn:
    answer = REFUSAL if "Norway" in turn.question else ANSWER
    if outcome is Outcome.STOPPED:
        answer = answer.model_copy(update={"outcome": outcome})
    ended = turn.model_copy(update={"state": "done", "answer": answer})
    conversation = CONVERSATIONS[turn.conversation_id]
    turns = [ended if item.turn_id == turn.turn_id else item for item in conversation.turns]
    CONVERSATIONS[turn.conversation_id] = conversation.model_copy(update={"turns": turns})
    return ended


@app.get("/v1/turns/{turn_id}")
def turn(turn_id: str, who: Who) -> Turn:
    return turn_of(turn_id)


@app.get("/v1/turns/{turn_id}/events")
def events(turn_id: str, who: Who) -> StreamingResponse:
    def stream() -> Iterator[str]:
        number = 1
        current = turn_of(turn_id)
        waiting = Waiting(place=3, seconds=40)
        yield f"event: waiting\ndata: {waiting.model_dump_json()}\n\n"
        time.sleep(DELAY * 10)
        told: list[tuple[str, Step | DraftDelta | SentenceChecked]] = [
            ("step", Step(name="searching", text="Searching the documents you may read")),
            ("step", Step(name="reading", text="Reading 4 passages from 3 documents")),
            ("step", Step(name="drafting", text="Drafting an answer")),
        ]
        at = 0
        for place, sentence in enumerate([*ANSWER.sentences, STRUCK], start=1):
            told.extend(("draft", DraftDelta(text=f"{w} ")) for w in sentence.text.split(" "))
            end = at + len(sentence.text)
            told.append(("sentence", checked(place, at, end, sentence)))
            at = end + 1
        for kind, body in told:
            yield f"id: {number}\nevent: {kind}\ndata: {body.model_dump_json()}\n\n"
            number += 1
            time.sleep(DELAY)
            if turn_of(turn_id).state == "done":
                break
        current = turn_of(turn_id)
        ended = current if current.state == "done" else finish(current, Outcome.ANSWERED)
        yield f"id: {number}\nevent: answer\ndata: {ended.model_dump_json()}\n\n"

    return StreamingResponse(stream(), media_type="text/event-stream")


@app.post("/v1/turns/{turn_id}/stop")
def stop(turn_id: str, who: Who) -> Turn:
    return finish(turn_of(turn_id), Outcome.STOPPED)


@app.get("/v1/model")
def model_state(who: Who) -> ModelState:
    return ModelState(state="ready", name="SmolLM2-135M-Instruct")


@app.get("/v1/conversations")
def conversations(who: Who) -> list[ConversationSummary]:
    return [
        ConversationSummary(
            conversation_id=item.conversation_id,
            title=item.title,
            updated_at=NOW - timedelta(days=age),
        )
        for age, item in enumerate(reversed(list(CONVERSATIONS.values())))
    ]


@app.get("/v1/conversations/{conversation_id}")
def conversation(conversation_id: str, who: Who) -> Conversation:
    if conversation_id not in CONVERSATIONS:
        raise HTTPException(404, "There is no such conversation.")
    return CONVERSATIONS[conversation_id]


@app.post("/v1/conversations/{conversation_id}/title", status_code=204)
def rename(conversation_id: str, body: Rename, who: Who) -> None:
    found = CONVERSATIONS[conversation_id]
    CONVERSATIONS[conversation_id] = found.model_copy(update={"title": body.title})


@app.post("/v1/conversations/{conversation_id}/shares", status_code=204)
def share(conversation_id: str, body: Share, who: Who) -> None:
    if body.person not in PEOPLE:
        raise HTTPException(404, "There is nothing here.")
    found = CONVERSATIONS[conversation_id]
    people = [*found.shared_with, body.person]
    CONVERSATIONS[conversation_id] = found.model_copy(update={"shared_with": people})


@app.delete("/v1/conversations/{conversation_id}/shares/{person}", status_code=204)
def unshare(conversation_id: str, person: str, who: Who) -> None:
    found = CONVERSATIONS[conversation_id]
    people = [name for name in found.shared_with if name != person]
    CONVERSATIONS[conversation_id] = found.model_copy(update={"shared_with": people})


@app.delete("/v1/conversations/{conversation_id}", status_code=204)
def delete_conversation(conversation_id: str, who: Who) -> None:
    del CONVERSATIONS[conversation_id]


@app.get("/v1/conversations/{conversation_id}/export")
def export_conversation(conversation_id: str, format: str, who: Who) -> Response:  # noqa: A002
    title = CONVERSATIONS[conversation_id].title
    ending = {"pdf": "pdf", "markdown": "md"}[format]
    return Response(
        f"{format}: {title}",
        media_type="text/markdown",
        headers={"Content-Disposition": f'attachment; filename="conversation.{ending}"'},
    )


@app.post("/v1/turns/{turn_id}/feedback", status_code=204)
def judge(turn_id: str, body: Feedback, who: Who) -> None:
    JUDGED[turn_id] = body


@app.get("/v1/turns/{turn_id}/feedback")
def judged(turn_id: str, who: Who) -> Feedback:
    return JUDGED[turn_id]


@app.post("/v1/search")
def search(who: Who, asked: Search) -> SearchResult:
    found = FoundBy(
        meaning_rank=1,
        meaning_score=0.61,
        words_rank=None,
        words_score=0.0,
        closeness=0.4,
        document=0.0,
        reference=0.0,
        repeats=False,
    )
    passages = [passage(1, RETENTION, 1.0), passage(2, HOSTILE, 0.5, None)]
    return SearchResult(
        passages=[one.model_copy(update={"found_by": found}) for one in passages],
        timings=Timings(retrieve=1, total=1),
    )


@app.get("/v1/documents")
def documents(who: Who, query: str = "", limit: int = 100, offset: int = 0) -> DocumentList:
    found = [item for item in DOCUMENTS if query.lower() in item.title.lower()]
    return DocumentList(documents=found[offset : offset + limit], total=len(found))


@app.get("/v1/documents/{document_id}")
def document(document_id: str, who: Who) -> DocumentDetail:
    for item in DOCUMENTS:
        if item.document_id == document_id:
            earlier = [
                summary(item.document_id, item.title, version=number)
                for number in range(item.version_number - 1, 0, -1)
            ]
            return DocumentDetail(
                document=item,
                versions=[item, *earlier],
                properties={"Author": "Group Compliance", "Reference": "STD-014"},
                readable_by=["compliance", "staff"],
            )
    raise HTTPException(404, "There is no such document.")


@app.get("/v1/versions/{version_id}/pages/{number}.png")
def page(version_id: str, number: int, who: Who, start: int = 0, end: int = 0) -> Response:
    image = Image.new("RGB", (1012, 1431), "white")
    draw = ImageDraw.Draw(image, "RGBA")
    small, large = ImageFont.load_default(19), ImageFont.load_default(25)
    draw.text((110, 60), f"STD-014   Records Retention Standard   page {number + 1}", "#666", small)
    draw.line((110, 92, 900, 92), "#999")
    at = 150
    for index, (mark, text, heading) in enumerate(LINES):
        if end and index in {7, 8}:
            draw.rectangle((106, at - 3, 850, at + 26), "#ffd54a88")
            draw.rectangle((92, at - 3, 97, at + 26), "#454fc9")
        draw.text((110, at), f"{mark} {text}".strip(), "#111", large if heading else small)
        at += 62 if heading else 36
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return Response(buffer.getvalue(), media_type="image/png")


@app.get("/v1/versions/{version_id}/passage")
def passage_view(version_id: str, start: int, end: int, who: Who) -> PassageView:
    return PassageView(
        title="Complaint Handling Procedure",
        heading_path=["Part B", "5 Destruction and early deletion"],
        place="Section 2, Deadlines",
        before="Each complaint is acknowledged in five working days. The handler answers ",
        marked="within eight weeks",
        after=" of its receipt. Where that is not possible, the handler explains why in writing.",
        page_count=5,
    )


@app.get("/v1/versions/{version_id}/original")
def original(version_id: str, who: Who) -> Response:
    return Response(
        b"<script>alert(1)</script>",
        media_type="text/html",
        headers={"Content-Disposition": 'inline; filename="original.html"'},
    )


def administrator(who: Who) -> Person:
    if "administrator" not in who.roles:
        raise HTTPException(403, "This needs the role administrator.")
    return who


RUNS = [
    RunView(
        run_id="run-2",
        source="Compliance share",
        state="running",
        started_at=NOW,
        finished_at=None,
        files_total=240,
        files_done=89,
        pages=1_204,
        chunks=3_911,
        current="policies/outsourcing-policy.pdf",
    ),
    RunView(
        run_id="run-1",
        source="Board papers",
        state="done",
        started_at=NOW - timedelta(hours=3),
        finished_at=NOW - timedelta(hours=3, minutes=-4),
        files_total=86,
        files_done=86,
        pages=912,
        chunks=2_740,
        unchanged=80,
        totals={"added": 3, "updated": 1, "unchanged": 80, "quarantined": 1, "excluded": 1},
    ),
    RunView(
        run_id="run-3",
        source="Old share",
        state="asking",
        started_at=NOW - timedelta(hours=1),
        finished_at=None,
        files_total=0,
        files_done=0,
        pages=0,
        chunks=0,
        gone=412,
        error="412 of 412 documents of Old share are gone.",
    ),
]
STEERED: list[tuple[str, str]] = []
FILES = [
    FileView(path="policies/records-retention.pdf", outcome="updated", pages=5, chunks=31),
    FileView(path="policies/outsourcing.pdf", outcome="added", pages=8, chunks=52),
    FileView(path="minutes/board-2025-11.docx", outcome="unchanged"),
    FileView(
        path="register/risk-register.xlsx",
        outcome="quarantined",
        reason="The file is protected by a password.",
        remedy="Save a copy without a password.",
    ),
    FileView(
        path="old/policy.doc",
        outcome="quarantined",
        reason="This format is not read.",
        remedy="Save it as .docx or PDF.",
    ),
]


@app.get("/v1/ingestion")
def ingestion(who: Annotated[Person, Depends(administrator)]) -> IngestionStatus:
    sources = [
        SourceView(
            source_id="source-1",
            name="Compliance share",
            location="/srv/share/compliance",
            groups=["staff", "compliance"],
            live_documents=3_222,
            quarantined=2,
        ),
        SourceView(
            source_id="source-2",
            name="Board papers",
            location="/srv/share/board",
            groups=["board"],
            live_documents=86,
            quarantined=1,
            schedule="30 2 * * 1-5",
            zone="Europe/London",
            next_at=NOW + timedelta(hours=9),
            last=RUNS[1],
        ),
        SourceView(
            source_id="source-3",
            name="Old share",
            location="smb://files/old",
            groups=["board"],
            live_documents=412,
            quarantined=0,
        ),
    ]
    return IngestionStatus(sources=sources, runs=RUNS, latest_files=FILES)


@app.post("/v1/ingestion/runs")
def start_run(body: StartRun, who: Annotated[Person, Depends(administrator)]) -> RunView:
    asked = "accept" if body.accept_withdrawals else "retry" if body.retry_quarantined else "sync"
    STEERED.append((body.source_id, asked))
    return RUNS[0]


@app.post("/v1/ingestion/runs/{run_id}")
def steer_run(
    run_id: str, body: SteerRun, who: Annotated[Person, Depends(administrator)]
) -> RunView:
    STEERED.append((run_id, body.wish))
    return RUNS[0]


@app.get("/stand-in/steered")
def steered() -> list[tuple[str, str]]:
    """What was asked of runs and sources, for the tests."""
    return STEERED


@app.put("/v1/ingestion/sources/{source_id}/schedule")
def set_schedule(
    source_id: str, body: SetSchedule, who: Annotated[Person, Depends(administrator)]
) -> SourceView:
    if body.cron and len(body.cron.split()) != 5:
        raise HTTPException(422, f"{body.cron!r} is no cron line.")
    STEERED.append((source_id, f"{body.cron} {body.zone}"))
    return ingestion(who).sources[0]


@app.put("/v1/ingestion/uploads/{name}")
def upload(
    name: str,
    data: Annotated[bytes, Body(media_type="application/octet-stream")],
    who: Annotated[Person, Depends(administrator)],
    groups: str = "",
) -> RunView:
    STEERED.append((name, f"{len(data)} bytes for {groups}"))
    return RUNS[0]


def auditor(who: Who) -> Person:
    if "auditor" not in who.roles:
        raise HTTPException(403, "This needs the role auditor.")
    return who


KINDS = [
    ("rag.answer", "Amara.okafor was answered with 4 citations.", "answered"),
    ("rag.retrieve", "8 passages were read for amara.okafor.", "done"),
    ("rag.ask", "Amara.okafor asked “How long do we keep records?”", "asked"),
    ("doc.view", "Amara.okafor looked at page 4 of version retention-v1.", "done"),
    ("rag.refuse", "Tom.visser got no answer: no_evidence.", "refused"),
    ("auth.login", "Tom.visser signed in.", "done"),
    ("audit.view", "Amara.okafor looked at the record (person=tom.visser).", "done"),
    ("access.denied", "Tom.visser was denied document board-minutes.", "denied"),
]
RECEIPT: dict[str, object] = {
    "document_id": "old-list",
    "places": [
        {"place": "vectors", "removed": 31, "left": 0},
        {"place": "text", "removed": 2, "left": 0},
        {"place": "originals", "removed": 1, "left": 1},
    ],
}


def entry(sequence: int) -> AuditEntry:
    if sequence == 890:
        return AuditEntry(
            sequence=sequence,
            at=NOW - timedelta(minutes=67 * (900 - sequence)),
            type="doc.erase",
            person="amara.okafor",
            outcome="erased",
            summary="“old-list.pdf” from Compliance share was erased.",
            envelope=RECEIPT,
            payload=None,
            leaf_hash="ab" * 32,
        )
    kind, text, outcome = KINDS[sequence % len(KINDS)]
    return AuditEntry(
        sequence=sequence,
        at=NOW - timedelta(minutes=67 * (900 - sequence)),
        type=kind,
        person=text.split(" ")[0].lower() if not kind.startswith("rag.retrieve") else "tom.visser",
        outcome=outcome,
        summary=text,
        envelope={"turn_id": f"turn-{sequence}", "passages": 8},
        payload={"question": "How long do we keep records?"} if kind == "rag.ask" else None,
        leaf_hash=f"{sequence * 2_654_435_761 % 2**32:08x}" * 8,
    )


def entries(filters: AuditFilters) -> list[AuditEntry]:
    kinds = tuple(kind for kind in filters.type.split(",") if kind)
    return [
        item
        for item in map(entry, range(899, 279, -1))
        if (not kinds or item.type.startswith(kinds))
        and filters.person in {"", item.person}
        and filters.outcome in {"", item.outcome}
        and (filters.since is None or item.at >= filters.since)
        and (filters.until is None or item.at < filters.until)
    ]


Filtered = Annotated[AuditFilters, Query()]


@app.get("/v1/audit/entries")
def audit_entries(
    who: Annotated[Person, Depends(auditor)], look: Annotated[AuditLook, Query()]
) -> AuditPage:
    found = entries(look)
    older = [item for item in found if look.after < 0 or item.sequence < look.after]
    return AuditPage(entries=older[: look.limit], total=len(found))


@app.get("/v1/audit/overview")
def audit_overview(who: Annotated[Person, Depends(auditor)], filters: Filtered) -> AuditOverview:
    found = entries(filters)
    days: dict[date, Counter[str]] = {}
    families: Counter[tuple[date, str]] = Counter()
    for item in found:
        days.setdefault(item.at.date(), Counter())[item.type] += 1
        families[item.at.date(), item.type.split(".")[0]] += 1
    return AuditOverview(
        total=len(found),
        days=[
            DayOfQuestions(
                day=day,
                asked=counts["rag.ask"],
                answered=counts["rag.answer"],
                refused=counts["rag.refuse"],
                denied=counts["access.denied"],
            )
            for day, counts in sorted(days.items())
        ],
        families=[
            DayOfEvents(day=day, family=family, count=count)
            for (day, family), count in families.items()
        ],
        documents=[
            DocumentRelied(
                document_id=item.document_id,
                title=item.title,
                path=item.path,
                answers=61 - 11 * rank,
                share=0.78 - 0.14 * rank,
            )
            for rank, item in enumerate(DOCUMENTS[:5])
        ],
    )


@app.get("/v1/audit/state")
def record_state(who: Annotated[Person, Depends(auditor)]) -> RecordState:
    return RecordState(
        entries=900,
        checkpoint_entries=896,
        checkpoint_at=NOW - timedelta(minutes=1),
        origin="muniment.example",
        root="ab" * 32,
        witnesses=["witness.example"],
        verified_at=NOW - timedelta(hours=5),
        verified_by="amara.okafor",
        verified_intact=True,
        types=sorted({kind for kind, _, _ in KINDS} | {"export.audit", "audit.verify"}),
        formats=["bundle", "pdf", "csv", "jsonl"],
    )


@app.get("/v1/audit/entries/{sequence}/story")
def audit_story(sequence: int, who: Annotated[Person, Depends(auditor)]) -> AuditStory:
    if sequence == 283:
        raise HTTPException(404, "This entry belongs to no question.")
    cited = {each.version_id for each in ANSWER.citations}
    states: list[Literal["unchanged", "changed", "gone"]] = ["unchanged", "changed", "gone"]
    return AuditStory(
        entries=[sequence - 2, sequence - 1, sequence],
        person="amara.okafor",
        pseudonym="a:77c2",
        asked_at=NOW - timedelta(hours=3),
        turn_id=f"turn-{sequence}",
        conversation_id="retention",
        question=RETAIN,
        passages=[
            StoryPassage(
                rank=rank,
                document_id=item.document_id,
                version_id=item.version_id,
                version_number=item.version_number,
                title=item.title if state != "gone" else "",
                path=item.path,
                page=2,
                place="",
                start=10,
                end=90,
                score=0.9 - rank / 10,
                chunk_sha256=f"{rank}c" * 32,
                original_sha256="0f" * 32,
                cited=f"{item.document_id}-v1" in cited,
                state=state,
                same_text=None if state == "gone" else True,
            )
            for rank, (item, state) in enumerate(
                zip([DOCUMENTS[4], DOCUMENTS[0], DOCUMENTS[1]], states, strict=True), start=1
            )
        ],
        prompt="Answer from the passages below, and from nothing else.\n\n[1] …",
        model=ANSWER.model,
        outcome="answered",
        answer=" ".join(sentence.text for sentence in ANSWER.sentences),
        citations=[
            StoryCitation(
                number=each.number,
                document_id=each.document_id,
                version_id=each.version_id,
                title=each.title,
                start=each.start,
                end=each.end,
                quote=each.quote,
            )
            for each in ANSWER.citations
        ],
        struck=1,
        draft=" ".join(sentence.text for sentence in ANSWER.sentences) + " It never expires.",
        milliseconds=4_200,
    )


@app.post("/v1/audit/verify")
def verify(who: Annotated[Person, Depends(auditor)]) -> AuditVerdict:
    return AuditVerdict(intact=True, entries=900, head="ab" * 32)


@app.get("/v1/audit/export")
def export(who: Annotated[Person, Depends(auditor)], request: Request) -> Response:
    lines = "".join(json.dumps({"sequence": number}) + "\n" for number in range(3))
    asked = json.dumps(dict(request.query_params))
    headers = {"Content-Disposition": 'attachment; filename="record.jsonl"'}
    return Response(f"{asked}\n{lines}", media_type="application/jsonl", headers=headers)


@app.get("/v1/audit/entries/{sequence}/conversation")
def audit_conversation(sequence: int, who: Annotated[Person, Depends(auditor)]) -> Conversation:
    return CONVERSATIONS["retention"]


@app.get("/ready")
def ready() -> Readiness:
    return Readiness(ready=True, record="ready", index="ready", model="ready", documents=6)


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
