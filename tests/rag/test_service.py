"""The service over its real parts; only the assistant is played by a script."""

import io
import json
import re
import sqlite3
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image
from reportlab.pdfgen.canvas import Canvas

from audit import bundle_verify
from audit.entries import Entry
from audit.events import QuestionAsked
from audit.export import FORMS
from audit.log import AuditLog
from corpus.access import Principal
from corpus.catalog import Catalog
from corpus.documents import (
    Block,
    BlockKind,
    Chunk,
    Page,
    ParsedDocument,
    SourceId,
    Version,
    Word,
)
from corpus.holds import HoldScope
from corpus.index import VectorIndex, open_index
from corpus.originals import Originals
from rag import contract
from rag.assistant import Assistant, Progress
from rag.attempts import NAME_FROM_ADDRESS
from rag.contract import (
    Answer,
    Citation,
    DraftDelta,
    Outcome,
    Passage,
    SearchResult,
    Sentence,
    Step,
    Timings,
)
from rag.conversations import Conversations
from rag.errors import RecordUnavailable
from rag.identity import Identity
from rag.service import ServiceParts, create_service
from rag.service_documents import SECTION_CHARACTERS, _around

PASSWORD = "correct horse battery"
CANARY = "The merger with Larkspur closes in May."
HANDBOOK = "Notice is three months."
PUBLIC = {
    ("post", "/v1/session"),
    ("post", "/v1/set-up"),
    ("get", "/v1/sign-in"),
    ("post", "/v1/provider/begin"),
    ("post", "/v1/provider/finish"),
    ("post", "/v1/provider/logout"),
    ("get", "/ready"),
    ("get", "/health"),
}
PATIENCE_SECONDS = 20.0


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **span: float) -> None:
        self.now += timedelta(**span)


class ScriptedAssistant(Assistant):
    """Says what the test tells it to say; waits where the test tells it to wait."""

    def __init__(self, record: AuditLog) -> None:
        self.record = record
        self.answers: list[Answer] = []
        self.draft = ["Notice ", "is ", "three months."]
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.error: Exception | None = None
        self.asked_as = ""
        self.order: list[str] = []

    def answer(
        self,
        question: str,
        asker: Principal,
        *,
        turn_id: str,
        conversation_id: str,
        quotes_only: bool,
        progress: Progress,
        stopped: Callable[[], bool],
        asked_as: str = "",
        may_ask_back: bool = True,
        accepted: Entry | None = None,
    ) -> Answer:
        self.asked_as = asked_as
        self.order.append(turn_id)
        progress(Step(name="searching", text="Searching"))
        for piece in self.draft:
            progress(DraftDelta(text=piece))
        while not self.may_go_on.wait(0.01):
            if stopped():
                return Answer(outcome=Outcome.STOPPED, sentences=[], citations=[], passages=[])
        progress(Step(name="checking", text="Checking"))
        if self.error is not None:
            raise self.error
        return self.answers[0]

    def words_with_a_model(self, *, quotes_only: bool) -> bool:
        return not quotes_only

    def accept(
        self, question: str, asker: Principal, *, turn_id: str, conversation_id: str
    ) -> Entry:
        return self.record.append(QuestionAsked(asker.name, turn_id, conversation_id, question))

    def search(self, question: str, asker: Principal, *, limit: int) -> SearchResult:
        return SearchResult(passages=[], timings=Timings())


def pdf_of(text: str) -> bytes:
    written = BytesIO()
    canvas = Canvas(written, pagesize=(400, 600))
    canvas.setFont("Helvetica", 12)
    canvas.drawString(50, 500, text)
    canvas.save()
    return written.getvalue()


def parsed(text: str) -> ParsedDocument:
    words, start = [], 0
    for number, word in enumerate(text.split(" ")):
        words.append(Word(start, start + len(word), 0, 50 + 40 * number, 90, 85 + 40 * number, 103))
        start += len(word) + 1
    return ParsedDocument(
        text=text,
        blocks=(Block(0, len(text), BlockKind.PARAGRAPH),),
        pages=(Page(0, 0, len(text), 400, 600),),
        words=tuple(words),
        title=text.split(" ", maxsplit=1)[0],
        properties={"author": "A. Writer"},
    )


def answer_from(version: Version, text: str) -> Answer:
    citation = Citation(
        number=1,
        document_id=version.document_id,
        version_id=version.version_id,
        version_number=1,
        title=version.title,
        path=version.path,
        heading_path=[],
        page=0,
        place="",
        start=0,
        end=len(text),
        quote=text,
        marks=[],
    )
    passage = Passage(
        chunk_id="c",
        document_id=version.document_id,
        version_id=version.version_id,
        version_number=1,
        title=version.title,
        path=version.path,
        source="s",
        heading_path=[],
        page=0,
        place="",
        start=0,
        end=len(text),
        text=text,
        score=1.0,
    )
    return Answer(
        outcome=Outcome.ANSWERED,
        sentences=[Sentence(text=text, citations=[1], quoted=True)],
        citations=[citation],
        passages=[passage],
    )


@dataclass
class House:
    """A running service and what stands behind it."""

    parts: ServiceParts
    assistant: ScriptedAssistant
    clock: Clock
    folder: Path
    app: FastAPI = field(init=False)

    def start(self, *, workers: int = 2, waiting: int = 4) -> TestClient:
        self.app = create_service(self.parts, workers=workers, waiting=waiting)
        return TestClient(self.app, base_url="http://localhost")

    def add(self, source: SourceId, path: str, text: str) -> Version:
        data = pdf_of(text)
        staged = self.parts.catalog.stage_version(
            source_id=source,
            path=path,
            original=self.parts.originals.keep(data),
            media_type="application/pdf",
            parsed=parsed(text),
            chunks=[Chunk(0, 0, len(text), heading_path=("Terms",), page=0)],
            size=len(data),
            modified_ns=0,
        )
        self.parts.catalog.publish(staged.version_id)
        return self.parts.catalog.version(staged.version_id)

    def order_of_answers(self) -> list[str]:
        return self.assistant.order

    def types_on_record(self) -> list[str]:
        return [entry.type for entry in self.parts.record.entries(limit=1000)]

    @contextmanager
    def record_away(self) -> Iterator[None]:
        """Hold the record's write lock, so that nobody can append."""
        holder = sqlite3.connect(self.folder / "audit" / "audit.db", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            holder.rollback()
            holder.close()


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VectorIndex]:
    folder = tmp_path_factory.mktemp("index")
    index = open_index(folder=folder, url="", api_key="", dimension=4, fingerprint="test")
    yield index
    index.close()


@pytest.fixture
def house(tmp_path: Path, index: VectorIndex) -> Iterator[House]:
    clock = Clock()
    catalog = Catalog.open(f"sqlite:///{tmp_path}/catalog.db", clock=clock)
    record = AuditLog.open(tmp_path / "audit", clock=clock, busy_seconds=0.1)
    url = f"sqlite:///{tmp_path}/service.db"
    identity = Identity.open(
        url, clock=clock, hasher=PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    )
    conversations = Conversations.open(url, clock=clock)
    assistant = ScriptedAssistant(record)
    parts = ServiceParts(
        catalog=catalog,
        originals=Originals(tmp_path / "originals"),
        assistant=assistant,
        identity=identity,
        conversations=conversations,
        record=record,
        gate=catalog.gate(),
        model=None,
        index=index,
        clock=clock,
        uploads=tmp_path / "uploads",
        largest_upload=1_000_000,
    )
    identity.add_account("alice", PASSWORD, groups={"finance", "staff"})
    identity.add_account("bob", PASSWORD, groups={"staff"})
    identity.add_account("mallory", PASSWORD)
    identity.add_account("admin", PASSWORD, roles={"administrator"})
    identity.add_account("auditor", PASSWORD, roles={"auditor"})
    house = House(parts, assistant, clock, tmp_path)
    yield house
    assistant.may_go_on.set()
    house.app.state.running.answering.close()
    for part in (catalog, identity, conversations, record):
        part.close()


@pytest.fixture
def client(house: House) -> TestClient:
    return house.start()


@pytest.fixture
def secret(house: House) -> Version:
    source = house.parts.catalog.add_source(
        name="Deals", location=Path("/srv/deals"), groups=frozenset({"finance"})
    )
    version = house.add(source.source_id, "deals/larkspur.pdf", CANARY)
    house.assistant.answers = [answer_from(version, CANARY)]
    return version


@pytest.fixture
def handbook(house: House) -> Version:
    source = house.parts.catalog.add_source(
        name="Handbooks", location=Path("/srv/handbooks"), groups=frozenset({"staff"})
    )
    return house.add(source.source_id, "staff/handbook ünï.pdf", HANDBOOK)


def sign_in(client: TestClient, name: str) -> dict[str, str]:
    reply = client.post("/v1/session", json={"name": name, "password": PASSWORD})
    assert reply.status_code == 200, reply.text
    return {"Authorization": f"Bearer {reply.json()['token']}"}


def ask(client: TestClient, who: dict[str, str], question: str = "Notice?") -> dict[str, str]:
    reply = client.post("/v1/ask", json={"question": question}, headers=who)
    assert reply.status_code == 200, reply.text
    turn: dict[str, str] = reply.json()
    return turn


def finished(client: TestClient, who: dict[str, str], turn_id: str) -> dict[str, object]:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        turn: dict[str, object] = client.get(f"/v1/turns/{turn_id}", headers=who).json()
        if turn["state"] == "done":
            return turn
        time.sleep(0.02)
    raise AssertionError("the turn did not end")


def events_of(text: str) -> list[tuple[int, str, dict[str, object]]]:
    events = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line[:1] != ":")
        if "id" in fields:  # a place in the queue has none
            events.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
    return events


def without_names(route: str) -> str:
    return re.sub(r"\{\w+\}", "{}", route)


# Signing in


def test_signing_in_says_who_and_until_when(house: House, client: TestClient) -> None:
    reply = client.post("/v1/session", json={"name": "alice", "password": PASSWORD})

    session = reply.json()
    assert (session["person"]["name"], session["person"]["groups"]) == (
        "alice",
        ["finance", "staff"],
    )
    assert datetime.fromisoformat(session["expires_at"]) == house.clock.now + timedelta(hours=12)
    who = {"Authorization": f"Bearer {session['token']}"}
    assert client.get("/v1/session", headers=who).json() == session["person"]
    assert house.types_on_record() == ["auth.login"]


def test_a_wrong_password_is_refused_and_recorded(house: House, client: TestClient) -> None:
    reply = client.post("/v1/session", json={"name": "alice", "password": "wrong"})

    assert reply.status_code == 401
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["detail"] == "Name, password or code is wrong."
    assert house.types_on_record() == ["auth.fail"]


def test_an_unknown_name_gets_the_very_same_reply(client: TestClient) -> None:
    known, unknown = (
        client.post("/v1/session", json={"name": name, "password": "wrong password"})
        for name in ("alice", "nobody")
    )

    assert (known.status_code, known.content) == (unknown.status_code, unknown.content)


def test_too_many_wrong_passwords_lock_the_name_for_a_while(
    house: House, client: TestClient
) -> None:
    for _ in range(NAME_FROM_ADDRESS.free):
        client.post("/v1/session", json={"name": "alice", "password": "wrong"})

    locked = client.post("/v1/session", json={"name": "alice", "password": PASSWORD})
    house.clock.advance(seconds=16)
    later = client.post("/v1/session", json={"name": "alice", "password": PASSWORD})

    assert locked.status_code == 429
    assert "Wait" in locked.json()["detail"]
    assert later.status_code == 200


def test_a_session_ends_when_unused(house: House, client: TestClient) -> None:
    who = sign_in(client, "alice")
    house.clock.advance(minutes=31)

    assert client.get("/v1/session", headers=who).status_code == 401


def test_signing_out_is_recorded_and_ends_the_session(house: House, client: TestClient) -> None:
    who = sign_in(client, "alice")

    assert client.delete("/v1/session", headers=who).status_code == 204

    assert client.get("/v1/session", headers=who).status_code == 401
    assert house.types_on_record() == ["auth.login", "auth.logout", "access.denied"]


def test_nobody_gets_in_or_out_while_the_record_is_away(house: House, client: TestClient) -> None:
    who = sign_in(client, "alice")

    with house.record_away():
        refused_in = client.post("/v1/session", json={"name": "bob", "password": PASSWORD})
        refused_out = client.delete("/v1/session", headers=who)

    assert refused_in.status_code == refused_out.status_code == 503
    assert refused_in.json()["detail"].startswith("The record cannot be written")
    assert client.get("/v1/session", headers=who).status_code == 200
    assert house.types_on_record() == ["auth.login"]


# Asking


def test_a_question_streams_its_steps_and_ends_with_the_answer(
    client: TestClient, secret: Version
) -> None:
    who = sign_in(client, "alice")
    turn = ask(client, who)

    reply = client.get(f"/v1/turns/{turn['turn_id']}/events", headers=who)

    events = events_of(reply.text)
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert [number for number, _, _ in events] == sorted({number for number, _, _ in events})
    assert events[0][:2] == (1, "step")
    assert events[-1][1] == "answer"
    answer = events[-1][2]["answer"]
    assert isinstance(answer, dict)
    assert answer["sentences"][0]["text"] == CANARY


def test_a_second_reader_sees_the_draft_so_far_and_a_stream_resumes_after_an_event(
    house: House, client: TestClient, secret: Version
) -> None:
    house.assistant.may_go_on.clear()
    who = sign_in(client, "alice")
    path = f"/v1/turns/{ask(client, who)['turn_id']}"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not client.get(path, headers=who).json()["draft"] and time.monotonic() < deadline:
        time.sleep(0.01)

    running = client.get(path, headers=who).json()
    house.assistant.may_go_on.set()
    whole = events_of(client.get(f"{path}/events", headers=who).text)
    rest = events_of(
        client.get(f"{path}/events", headers=who | {"Last-Event-ID": str(whole[0][0])}).text
    )

    assert running["state"] == "running"
    assert running["draft"].startswith("Notice ")
    assert rest == [event for event in whole[1:] if event[1] != "draft"]


def test_a_stream_that_was_heard_to_its_end_has_nothing_more(
    client: TestClient, secret: Version
) -> None:
    who = sign_in(client, "alice")
    path = f"/v1/turns/{ask(client, who)['turn_id']}/events"
    last = events_of(client.get(path, headers=who).text)[-1][0]

    reply = client.get(path, headers=who | {"Last-Event-ID": str(last)})

    assert (reply.status_code, reply.content) == (204, b"")


def test_stopping_ends_a_running_answer(house: House, client: TestClient) -> None:
    house.assistant.may_go_on.clear()
    who = sign_in(client, "alice")
    turn = ask(client, who)

    reply = client.post(f"/v1/turns/{turn['turn_id']}/stop", headers=who)

    assert reply.status_code == 200
    done = finished(client, who, turn["turn_id"])
    assert isinstance(done["answer"], dict)
    assert done["answer"]["outcome"] == "stopped"


def test_one_question_too_many_is_told_that_it_is_busy(house: House) -> None:
    client = house.start(workers=1, waiting=1)
    house.assistant.may_go_on.clear()
    who = sign_in(client, "alice")
    turns = [ask(client, who) for _ in range(2)]

    reply = client.post("/v1/ask", json={"question": "Third?"}, headers=who)

    assert reply.status_code == 503
    assert reply.json()["title"] == "Busy"
    assert len(client.get("/v1/conversations", headers=who).json()) == 2
    for turn in turns:
        client.post(f"/v1/turns/{turn['turn_id']}/stop", headers=who)
        finished(client, who, turn["turn_id"])


def places_told(text: str) -> list[int]:
    blocks = [block for block in text.split("\n\n") if block.startswith("event: waiting")]
    return [int(json.loads(block.split("data: ")[1])["place"]) for block in blocks]


def test_a_question_that_waits_has_a_place_and_is_answered_in_turn(
    house: House, secret: Version
) -> None:
    client = house.start(workers=1, waiting=20)
    house.assistant.may_go_on.clear()
    alice, bob = sign_in(client, "alice"), sign_in(client, "bob")
    ask(client, alice)
    while house.app.state.running.answering.numbers() != (1, 0):
        time.sleep(0.01)
    greedy = [ask(client, alice)["turn_id"] for _ in range(5)]
    modest = ask(client, bob)["turn_id"]

    place = client.get(f"/v1/turns/{modest}", headers=bob).json()["waiting"]
    behind = client.get(f"/v1/turns/{greedy[-1]}", headers=alice).json()["waiting"]
    house.assistant.may_go_on.set()
    heard = client.get(f"/v1/turns/{greedy[-1]}/events", headers=alice).text

    assert (place["place"], behind["place"]) == (1, 6)
    told = places_told(heard)
    assert told == sorted(told, reverse=True)
    assert house.order_of_answers()[1] == modest
    for turn_id in greedy:
        assert finished(client, alice, turn_id)["state"] == "done"


def test_a_question_can_be_stopped_before_its_turn_comes(house: House) -> None:
    client = house.start(workers=1, waiting=5)
    house.assistant.may_go_on.clear()
    who = sign_in(client, "alice")
    running, waiting = (ask(client, who)["turn_id"] for _ in range(2))

    for turn_id in (waiting, running):
        client.post(f"/v1/turns/{turn_id}/stop", headers=who)

    done = finished(client, who, waiting)
    assert isinstance(done["answer"], dict)
    assert done["answer"]["outcome"] == "stopped"
    assert house.types_on_record().count("rag.ask") == 2
    assert house.types_on_record().count("rag.refuse") >= 1


def test_what_waits_when_the_service_ends_is_interrupted_and_on_record(house: House) -> None:
    with house.start(workers=1, waiting=5) as client:
        house.assistant.may_go_on.clear()
        who = sign_in(client, "alice")
        turns = [ask(client, who)["turn_id"] for _ in range(3)]
        while house.app.state.running.answering.numbers() != (1, 2):
            time.sleep(0.01)

    states = [house.parts.conversations.turn("alice", turn_id) for turn_id in turns]

    assert [turn.state for turn in states] == ["done"] * 3
    assert house.types_on_record().count("rag.refuse") == 2


def test_fifty_questions_at_once_are_all_answered_recorded_and_served_in_turn(
    house: House, secret: Version
) -> None:
    client = house.start(workers=1, waiting=100)
    house.assistant.may_go_on.clear()
    proofs = {name: sign_in(client, name) for name in ("alice", "bob")}
    names = ["alice" if number < 40 else "bob" for number in range(50)]
    asked = [(name, ask(client, proofs[name])["turn_id"]) for name in names]
    house.assistant.may_go_on.set()

    ends = [finished(client, proofs[name], turn_id)["state"] for name, turn_id in asked]

    assert ends == ["done"] * 50
    assert house.types_on_record().count("rag.ask") == 50
    order = house.order_of_answers()
    assert sorted(order) == sorted(turn_id for _, turn_id in asked)
    last_of_bob = max(order.index(turn_id) for name, turn_id in asked if name == "bob")
    assert last_of_bob == 19  # after one of alice's each; in the order of asking it would be 49


def test_whether_a_model_words_answers_is_told(client: TestClient) -> None:
    state = client.get("/v1/model", headers=sign_in(client, "alice")).json()

    assert (state["state"], state["waiting"]) == ("off", 0)


def test_a_failure_nobody_foresaw_says_nothing_of_its_message(
    house: House, client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    house.assistant.error = ValueError(CANARY)
    who = sign_in(client, "alice")

    done = finished(client, who, ask(client, who)["turn_id"])

    assert isinstance(done["answer"], dict)
    assert done["answer"]["outcome"] == "failed"
    assert CANARY not in json.dumps(done)
    assert house.types_on_record() == ["auth.login", "rag.ask", "rag.answer"]
    assert "turn.failed" in caplog.text
    assert CANARY not in caplog.text


def test_a_question_that_cannot_be_recorded_fails_and_shows_nothing(
    house: House, client: TestClient
) -> None:
    house.assistant.error = RecordUnavailable("The record cannot be written.")
    who = sign_in(client, "alice")

    done = finished(client, who, ask(client, who)["turn_id"])

    assert isinstance(done["answer"], dict)
    assert done["answer"]["outcome"] == "failed"
    assert done["answer"]["sentences"] == []
    assert "record cannot be written" in done["answer"]["reason"]


def test_a_turn_cut_off_by_a_crash_is_shown_as_interrupted(house: House) -> None:
    turn = house.parts.conversations.start_turn("alice", "Notice?")

    client = house.start()

    who = sign_in(client, "alice")
    done = client.get(f"/v1/turns/{turn.turn_id}", headers=who).json()
    assert done["state"] == "done"
    assert done["answer"]["outcome"] == "failed"
    assert "interrupted" in done["answer"]["reason"]
    assert "rag.refuse" in house.types_on_record()


def test_what_was_shown_of_an_answer_before_a_crash_is_on_record(house: House) -> None:
    turn = house.parts.conversations.start_turn("alice", "Notice?")
    house.parts.conversations.append(turn.turn_id, DraftDelta(text="Notice is thr"))

    house.start()

    (entry,) = house.parts.record.entries(type="rag.answer")
    assert entry.outcome == "aborted"
    assert entry.payload is not None
    assert entry.payload["draft"] == "Notice is thr"
    assert entry.payload["person"] == "alice"


def test_no_question_is_taken_while_the_clock_is_behind_the_record(
    house: House, client: TestClient
) -> None:
    who = sign_in(client, "alice")
    turn = ask(client, who)
    finished(client, who, turn["turn_id"])
    house.clock.advance(minutes=-10)

    refused = client.post("/v1/ask", json={"question": "And now?"}, headers=who)
    ready = client.get("/ready")
    own = client.get(f"/v1/turns/{turn['turn_id']}", headers=who)

    assert refused.status_code == ready.status_code == 503
    assert refused.json()["title"] == "The record is away"
    assert ready.json()["record"] == "away (AuditUnavailable)"
    assert own.status_code == 200
    house.clock.advance(minutes=10)
    assert client.get("/ready").status_code == 200


def test_the_events_of_one_request_bear_its_session_and_never_its_token(
    house: House, client: TestClient
) -> None:
    who = sign_in(client, "alice")

    client.delete("/v1/session", headers=who)

    out = house.parts.record.entries(type="auth.logout")[0]
    actor = out.envelope["actor"]
    assert isinstance(actor, dict)
    assert str(actor["sess"]).startswith("s:")
    token = who["Authorization"].split()[1]
    assert all(token.encode() not in line for line in house.parts.record.lines())


def test_conversations_are_listed_reopened_and_deleted(
    house: House, client: TestClient, secret: Version
) -> None:
    who = sign_in(client, "alice")
    turn = ask(client, who, "What closes in May?")
    finished(client, who, turn["turn_id"])
    path = f"/v1/conversations/{turn['conversation_id']}"

    listed = client.get("/v1/conversations", headers=who).json()
    opened = client.get(path, headers=who).json()
    deleted = client.delete(path, headers=who)

    assert [each["title"] for each in listed] == ["What closes in May?"]
    assert opened["turns"][0]["answer"]["outcome"] == "answered"
    assert deleted.status_code == 204
    assert client.get("/v1/conversations", headers=who).json() == []
    assert client.get(f"/v1/turns/{turn['turn_id']}", headers=who).status_code == 404
    assert "conversation.delete" in house.types_on_record()


def test_an_answer_is_withheld_once_its_reader_may_no_longer_read_what_it_cites(
    house: House, client: TestClient, secret: Version
) -> None:
    who = sign_in(client, "alice")
    turn = ask(client, who)
    finished(client, who, turn["turn_id"])

    house.parts.identity.set_groups("alice", {"staff"})

    for path in (
        f"/v1/turns/{turn['turn_id']}",
        f"/v1/turns/{turn['turn_id']}/events",
        f"/v1/conversations/{turn['conversation_id']}",
    ):
        reply = client.get(path, headers=who)
        assert reply.status_code == 200
        assert CANARY not in reply.text
        assert "withheld" in reply.text


# Strangers


def test_nobody_gets_past_any_route_without_signing_in(client: TestClient) -> None:
    described = client.get("/openapi.json").json()["paths"]
    routes = {(method, path) for path, methods in described.items() for method in methods}

    refused = {
        (method, path)
        for method, path in routes
        if client.request(
            method,
            path.replace("{number}", "0").replace("{", "").replace("}", ""),
            json={} if method == "post" else None,
        ).status_code
        == 401
    }

    assert routes - refused == PUBLIC
    assert len(refused) >= 18


def test_every_path_of_the_contract_is_served(client: TestClient) -> None:
    table = re.findall(r"^``([A-Z]+ /[^`]+)``", contract.__doc__ or "", re.MULTILINE)
    promised = {without_names(route) for route in table}

    described = client.get("/openapi.json").json()["paths"]

    served = {
        without_names(f"{method.upper()} {path}")
        for path, methods in described.items()
        for method in methods
    }
    assert len(promised) >= 22
    assert served - promised == {"GET /health"}
    assert promised <= served


@pytest.mark.parametrize("stranger", ["bob", "mallory", "admin", "auditor"])
def test_what_belongs_to_somebody_else_looks_like_what_does_not_exist(
    house: House, client: TestClient, secret: Version, stranger: str
) -> None:
    owner = sign_in(client, "alice")
    turn = ask(client, owner)
    finished(client, owner, turn["turn_id"])
    who = sign_in(client, stranger)
    random = "00000000-0000-4000-8000-000000000000"
    routes = [
        ("GET", "/v1/turns/{}", turn["turn_id"]),
        ("GET", "/v1/turns/{}/events", turn["turn_id"]),
        ("POST", "/v1/turns/{}/stop", turn["turn_id"]),
        ("GET", "/v1/conversations/{}", turn["conversation_id"]),
        ("DELETE", "/v1/conversations/{}", turn["conversation_id"]),
        ("GET", "/v1/conversations/{}/export", turn["conversation_id"]),
        ("DELETE", "/v1/conversations/{}/shares/bob", turn["conversation_id"]),
        ("GET", "/v1/documents/{}", secret.document_id),
        ("GET", "/v1/versions/{}/pages/0.png?start=0&end=9", secret.version_id),
        ("GET", "/v1/versions/{}/passage?start=0&end=9", secret.version_id),
        ("GET", "/v1/versions/{}/original", secret.version_id),
    ]

    for method, path, foreign_id in routes:
        before = house.parts.record.count(type="access.denied")
        foreign = client.request(method, path.format(foreign_id), headers=who)
        after_foreign = house.parts.record.count(type="access.denied")
        nothing = client.request(method, path.format(random), headers=who)

        refused = 404 if stranger in {"bob", "mallory"} else 403  # those do not read at all
        assert foreign.status_code == nothing.status_code == refused, path
        assert foreign.content == nothing.content
        assert dict(foreign.headers) == dict(nothing.headers)
        assert after_foreign == before + 1, path
        assert house.parts.record.count(type="access.denied") == before + 2, path


def test_nobody_asks_into_a_conversation_of_somebody_else(
    house: House, client: TestClient, secret: Version
) -> None:
    owner = sign_in(client, "alice")
    turn = ask(client, owner)
    who = sign_in(client, "bob")

    reply = client.post(
        "/v1/ask",
        json={"question": "More?", "conversation_id": turn["conversation_id"]},
        headers=who,
    )

    assert reply.status_code == 404
    assert "access.denied" in house.types_on_record()
    assert client.get("/v1/conversations", headers=who).json() == []


@pytest.mark.parametrize("name", ["alice", "auditor"])
def test_only_an_administrator_looks_after_ingestion(client: TestClient, name: str) -> None:
    who = sign_in(client, name)

    assert client.get("/v1/ingestion", headers=who).status_code == 403
    reply = client.post("/v1/ingestion/runs", json={"source_id": "x"}, headers=who)
    assert reply.status_code == 403


@pytest.mark.parametrize("name", ["alice", "admin"])
def test_only_an_auditor_reads_the_record(house: House, client: TestClient, name: str) -> None:
    who = sign_in(client, name)

    statuses = [
        client.get("/v1/audit/entries", headers=who).status_code,
        client.post("/v1/audit/verify", headers=who).status_code,
        client.get("/v1/audit/export", headers=who).status_code,
    ]

    assert statuses == [403, 403, 403]
    assert house.types_on_record().count("access.denied") == 3


# Documents


def test_the_library_shows_only_what_the_asker_may_read(
    client: TestClient, secret: Version, handbook: Version
) -> None:
    shown = {
        name: client.get("/v1/documents", headers=sign_in(client, name)).json()
        for name in ("alice", "bob", "mallory")
    }
    refused = client.get("/v1/documents", headers=sign_in(client, "admin"))

    assert {name: library["total"] for name, library in shown.items()} == {
        "alice": 2,
        "bob": 1,
        "mallory": 0,
    }
    assert refused.status_code == 403
    assert shown["bob"]["documents"][0]["source"] == "Handbooks"


def test_a_document_shows_its_versions_and_who_may_read_it(
    client: TestClient, handbook: Version
) -> None:
    who = sign_in(client, "bob")

    detail = client.get(f"/v1/documents/{handbook.document_id}", headers=who).json()

    assert detail["document"]["version_id"] == handbook.version_id
    assert [version["version_number"] for version in detail["versions"]] == [1]
    assert detail["readable_by"] == ["staff"]
    assert detail["properties"] == {"author": "A. Writer"}


def test_a_page_image_has_the_cited_span_marked_and_the_look_is_recorded_once_a_minute(
    house: House, client: TestClient, handbook: Version
) -> None:
    who = sign_in(client, "bob")
    path = f"/v1/versions/{handbook.version_id}/pages/0.png"

    plain = client.get(path, headers=who)
    marked = client.get(f"{path}?start=0&end=9", headers=who)
    looks = house.parts.record.count(type="doc.view")
    house.clock.advance(seconds=61)
    client.get(path, headers=who)

    assert marked.headers["content-type"] == "image/png"
    pictures = [Image.open(BytesIO(each.content)).convert("RGB") for each in (plain, marked)]
    inside = (round(52 * 1.7), round(89.5 * 1.7))
    assert pictures[0].getpixel(inside) == (255, 255, 255)
    colour = pictures[1].getpixel(inside)
    assert isinstance(colour, tuple)
    assert colour[2] < 200 < colour[1]
    assert looks == 1
    assert house.parts.record.count(type="doc.view") == 2


def test_a_page_that_is_not_there_is_not_found(client: TestClient, handbook: Version) -> None:
    who = sign_in(client, "bob")

    for number in (1, -1):
        path = f"/v1/versions/{handbook.version_id}/pages/{number}.png"
        assert client.get(path, headers=who).status_code == 404


def test_nothing_is_shown_while_looks_cannot_be_recorded(
    house: House, client: TestClient, handbook: Version
) -> None:
    who = sign_in(client, "bob")
    base = f"/v1/versions/{handbook.version_id}"

    with house.record_away():
        replies = [
            client.get(f"{base}{path}", headers=who)
            for path in ("/pages/0.png", "/passage?start=0&end=6", "/original")
        ]

    assert [reply.status_code for reply in replies] == [503, 503, 503]


def test_a_passage_comes_with_the_text_around_it(
    house: House, client: TestClient, handbook: Version
) -> None:
    who = sign_in(client, "bob")

    reply = client.get(
        f"/v1/versions/{handbook.version_id}/passage?start=7&end=9", headers=who
    ).json()

    assert (reply["before"], reply["marked"], reply["after"]) == (
        "Notice ",
        "is",
        " three months.",
    )
    assert reply["heading_path"] == ["Terms"]
    assert "doc.view" in house.types_on_record()


def test_a_passage_under_a_heading_comes_with_its_section_and_no_more() -> None:
    text = "Rent\nIt is due in May.\nIt is paid in cash.\nHeating\nIt is off in June."
    section = (0, text.index("\nHeating"))
    start = text.index("in cash")

    before, after = _around(text, start, start + 7, section)

    assert before + "in cash" + after == "Rent\nIt is due in May.\nIt is paid in cash."


def test_of_a_long_section_the_nearer_part_is_shown_in_whole_words() -> None:
    text = "before " * 2_000 + "here" + " behind" * 2_000
    start = text.index("here")

    before, after = _around(text, start, start + 4, (0, len(text)))

    assert len(before) <= SECTION_CHARACTERS
    assert set(before.split()) == {"before"}
    assert set(after.split()) == {"behind"}


def test_an_original_comes_as_a_download_and_is_recorded(
    house: House, client: TestClient, handbook: Version
) -> None:
    who = sign_in(client, "bob")

    reply = client.get(f"/v1/versions/{handbook.version_id}/original", headers=who)

    assert reply.content == pdf_of(HANDBOOK) or reply.content.startswith(b"%PDF")
    assert reply.headers["content-disposition"].startswith("attachment; filename*=")
    assert "/" not in reply.headers["content-disposition"]
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert "doc.download" in house.types_on_record()


def test_a_withdrawn_document_is_gone_for_everybody(
    house: House, client: TestClient, handbook: Version
) -> None:
    who = sign_in(client, "bob")

    house.parts.catalog.withdraw_document(handbook.document_id)

    for path in (
        f"/v1/documents/{handbook.document_id}",
        f"/v1/versions/{handbook.version_id}/pages/0.png",
        f"/v1/versions/{handbook.version_id}/original",
    ):
        assert client.get(path, headers=who).status_code == 404


# Looking after the house


def test_an_administrator_sees_sources_and_asks_for_a_run(
    house: House, client: TestClient, handbook: Version
) -> None:
    who = sign_in(client, "admin")
    (source,) = client.get("/v1/ingestion", headers=who).json()["sources"]

    run = client.post("/v1/ingestion/runs", json={"source_id": source["source_id"]}, headers=who)
    status = client.get("/v1/ingestion", headers=who).json()

    assert source["live_documents"] == 1
    assert (run.json()["state"], run.json()["source"]) == ("queued", "Handbooks")
    assert [each["run_id"] for each in status["runs"]] == [run.json()["run_id"]]
    assert "admin.config" in house.types_on_record()


def test_an_administrator_steers_a_run_and_sets_a_schedule(
    client: TestClient, handbook: Version
) -> None:
    who = sign_in(client, "admin")
    (source,) = client.get("/v1/ingestion", headers=who).json()["sources"]
    run = client.post("/v1/ingestion/runs", json={"source_id": source["source_id"]}, headers=who)
    steer = f"/v1/ingestion/runs/{run.json()['run_id']}"
    schedule = f"/v1/ingestion/sources/{source['source_id']}/schedule"

    paused = client.post(steer, json={"wish": "pause"}, headers=who)
    resumed = client.post(steer, json={"wish": "resume"}, headers=who)
    cancelled = client.post(steer, json={"wish": "cancel"}, headers=who)
    unknown = client.post("/v1/ingestion/runs/none", json={"wish": "cancel"}, headers=who)
    set_ = client.put(schedule, json={"cron": "30 2 * * *", "zone": "Europe/Rome"}, headers=who)
    wrong = client.put(schedule, json={"cron": "soon"}, headers=who)

    states = [reply.json()["state"] for reply in (paused, resumed, cancelled)]
    assert states == ["paused", "queued", "cancelled"]
    assert unknown.status_code == 404
    assert set_.json()["next_at"]
    assert wrong.status_code == 422
    assert "is no cron line" in wrong.json()["detail"]


def test_an_uploaded_file_is_kept_under_a_harmless_name_and_queued(
    house: House, client: TestClient
) -> None:
    who = sign_in(client, "admin")
    content = {"Content-Type": "application/octet-stream", **who}

    reply = client.put(
        "/v1/ingestion/uploads/..%2F..%2Fplan%3A1.txt",
        params={"groups": "staff"},
        content=b"x" * 300_000,
        headers=content,
    )
    plain = client.put("/v1/ingestion/uploads/plan.txt", content=b"1", headers=content)
    large = client.put("/v1/ingestion/uploads/a", content=b"x" * 1_000_001, headers=content)

    uploads = house.folder / "uploads"
    assert reply.status_code in {200, 404}
    assert (plain.json()["source"], plain.json()["state"]) == ("Uploads", "queued")
    assert all(path.parent == uploads for path in house.folder.rglob("plan*"))
    assert large.status_code == 413


def test_an_auditor_reads_verifies_and_exports_the_record(house: House, client: TestClient) -> None:
    who = sign_in(client, "auditor")

    page = client.get("/v1/audit/entries", headers=who).json()
    verdict = client.post("/v1/audit/verify", headers=who).json()
    export = client.get("/v1/audit/export", headers=who)

    assert page["total"] == 2
    assert [entry["type"] for entry in page["entries"]] == ["audit.view", "auth.login"]
    assert page["entries"][1]["person"] == "auditor"
    assert verdict["intact"] is True
    assert all(json.loads(line) for line in export.text.splitlines())
    on_record = ["auth.login", "audit.view", "audit.verify", "export.audit"]
    assert house.types_on_record() == on_record


@pytest.mark.parametrize("form", list(FORMS))
def test_an_auditor_downloads_the_record_in_every_form(
    form: str, house: House, client: TestClient
) -> None:
    who = sign_in(client, "auditor")

    download = client.get("/v1/audit/export", params={"format": form}, headers=who)

    assert download.status_code == 200
    assert download.content
    assert FORMS[form].suffix in download.headers["content-disposition"]
    assert house.types_on_record()[-1] == "export.audit"


def test_a_downloaded_bundle_verifies(client: TestClient, tmp_path: Path) -> None:
    who = sign_in(client, "auditor")

    download = client.get("/v1/audit/export", params={"format": "bundle"}, headers=who)

    with tarfile.open(fileobj=io.BytesIO(download.content), mode="r:gz") as archive:
        archive.extractall(tmp_path)  # noqa: S202 - made by the test itself
    key = (tmp_path / "muniment-record" / "keys.txt").read_text().splitlines()[0]
    assert bundle_verify.verify(key, "-", tmp_path / "muniment-record", None)


@pytest.mark.parametrize("query", [{"format": "doc"}, {"since": "yesterday"}, {"payloads": "some"}])
def test_an_export_that_is_not_understood_hands_nothing_out(
    query: dict[str, str], house: House, client: TestClient
) -> None:
    who = sign_in(client, "auditor")

    refused = client.get("/v1/audit/export", params=query, headers=who)

    assert refused.status_code == 422
    assert "export.audit" not in house.types_on_record()


@pytest.mark.parametrize("path", ["entries", "overview", "entries/0/story"])
def test_who_looks_at_the_record_is_on_it_once_a_minute(
    house: House, client: TestClient, path: str
) -> None:
    alice, who = sign_in(client, "alice"), sign_in(client, "auditor")
    house.parts.record.append(QuestionAsked("alice", "turn-1", "conversation-1", "Notice?"))
    question = house.parts.record.count() - 1
    path = path.replace("/0/", f"/{question}/")

    for _ in range(3):
        assert client.get(f"/v1/audit/{path}", headers=who).status_code == 200
    assert client.get(f"/v1/audit/{path}", headers=alice).status_code == 403

    assert house.types_on_record().count("audit.view") == 1
    assert house.types_on_record()[-1] == "access.denied"


def test_a_look_through_other_filters_is_another_look(house: House, client: TestClient) -> None:
    who = sign_in(client, "auditor")

    for query in ("", "?person=alice", "?person=bob", "?person=alice"):
        client.get(f"/v1/audit/entries{query}", headers=who)

    looks = house.parts.record.entries(type="audit.view")
    assert [(entry.payload or {})["filters"] for entry in looks] == [
        "",
        "person=alice",
        "person=bob",
    ]


@pytest.mark.parametrize("held", ["person", "document"])
def test_a_hold_keeps_a_conversation_and_the_attempt_is_on_record(
    house: House, client: TestClient, secret: Version, held: str
) -> None:
    alice = sign_in(client, "alice")
    turn = ask(client, alice)
    finished(client, alice, turn["turn_id"])
    holds = house.parts.catalog.holds()
    target = "Alice" if held == "person" else secret.document_id
    hold = holds.place(HoldScope(held), target, reason="claim", by="counsel")
    address = f"/v1/conversations/{turn['conversation_id']}"

    refused = client.delete(address, headers=alice)

    assert refused.status_code == 409
    assert client.get(address, headers=alice).status_code == 200
    attempt = house.parts.record.entries(newest_first=True, limit=1)[0]
    assert (attempt.type, attempt.envelope["hold_id"]) == ("hold.prevent", hold.hold_id)
    assert "conversation.delete" not in house.types_on_record()
    holds.lift(hold.hold_id, by="counsel")
    assert client.delete(address, headers=alice).status_code == 204


def test_an_export_in_no_known_form_is_refused(house: House, client: TestClient) -> None:
    who = sign_in(client, "auditor")

    reply = client.get("/v1/audit/export?format=scroll", headers=who)

    assert reply.status_code == 422
    assert "export.audit" not in house.types_on_record()


def test_the_state_of_the_record_is_told(house: House, client: TestClient) -> None:
    who = sign_in(client, "auditor")
    house.parts.record.checkpoint()
    client.post("/v1/audit/verify", headers=who)

    state = client.get("/v1/audit/state", headers=who).json()

    assert state["entries"] == 2
    assert state["checkpoint_entries"] == 1
    assert len(state["root"]) == 64
    assert (state["verified_by"], state["verified_intact"]) == ("auditor", True)
    assert {"bundle", "csv"} <= set(state["formats"])


def test_reading_somebody_elses_conversation_is_on_record_and_shows_no_passage(
    house: House, client: TestClient, secret: Version
) -> None:
    alice, who = sign_in(client, "alice"), sign_in(client, "auditor")
    turn = ask(client, alice)
    finished(client, alice, turn["turn_id"])
    house.parts.record.append(
        QuestionAsked("alice", turn["turn_id"], turn["conversation_id"], "Notice?")
    )
    question = house.parts.record.count() - 1

    seen = client.get(f"/v1/audit/entries/{question}/conversation", headers=who).json()

    assert [each["question"] for each in seen["turns"]] == ["Notice?"]
    assert all(each["answer"]["passages"] == [] for each in seen["turns"])
    view = house.parts.record.entries(type="conversation.view")[-1]
    assert view.person == "auditor"
    assert view.envelope["subject"] == {"pid": house.parts.record.pseudonym_of("alice")}
    mine = client.get(f"/v1/audit/entries/{question}/conversation", headers=alice)
    assert mine.status_code == 403


def test_the_record_is_filtered_by_type_and_person(client: TestClient) -> None:
    sign_in(client, "alice")
    who = sign_in(client, "auditor")

    page = client.get("/v1/audit/entries?type=auth.login&person=alice", headers=who).json()

    assert [entry["person"] for entry in page["entries"]] == ["alice"]
    assert page["total"] == 1


def test_the_service_is_ready_without_a_model(client: TestClient, handbook: Version) -> None:
    reply = client.get("/ready")

    assert reply.status_code == 200
    assert reply.json()["documents"] == 1
    assert reply.json()["model"].startswith("off")


def test_the_service_is_not_ready_when_a_part_is_away(house: House, client: TestClient) -> None:
    house.parts.catalog.close()
    (house.folder / "audit" / "audit.db").unlink()

    reply = client.get("/ready")

    assert reply.status_code == 503
    assert reply.json()["ready"] is False
    assert str(house.folder) not in reply.text


# What every reply is like


def test_every_reply_forbids_keeping_and_guessing(client: TestClient) -> None:
    for path in ("/ready", "/openapi.json", "/v1/session", "/nowhere"):
        headers = client.get(path).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"


def test_a_foreign_host_name_is_turned_away(house: House, client: TestClient) -> None:
    reply = client.get("/ready", headers={"Host": "rebound.example"})

    assert reply.status_code == 400
    assert reply.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("host", ["localhost:20500", "127.0.0.1", "[::1]:20500", "LOCALHOST"])
def test_loopback_names_are_let_in(client: TestClient, host: str) -> None:
    assert client.get("/health", headers={"Host": host}).status_code == 200


def test_what_is_not_valid_is_told_without_being_repeated(client: TestClient) -> None:
    reply = client.post("/v1/session", json={"name": "alice", "password": "p" * 2000})

    assert reply.status_code == 422
    assert reply.headers["content-type"] == "application/problem+json"
    assert "'password'" in reply.json()["detail"]
    assert "ppp" not in reply.text


def test_a_body_that_is_too_large_is_refused(client: TestClient) -> None:
    whole = client.post("/v1/session", content=b"x" * 300_000)
    pieces = client.post("/v1/session", content=iter([b"x" * 100_000] * 3))

    assert whole.status_code == pieces.status_code == 413


def test_an_error_nobody_foresaw_is_a_sentence(
    house: House, client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    who = sign_in(client, "alice")
    with house.parts.identity._store.writing.begin() as connection:
        connection.exec_driver_sql("DROP TABLE turn_events")
        connection.exec_driver_sql("DROP TABLE turns")

    reply = client.post("/v1/ask", json={"question": CANARY}, headers=who)

    assert reply.status_code == 500
    assert reply.headers["content-type"] == "application/problem+json"
    assert "turns" not in reply.text
    assert CANARY not in caplog.text


def test_the_interactive_documentation_is_not_served(client: TestClient) -> None:
    assert client.get("/docs").status_code == 404
    assert client.get("/redoc").status_code == 404
