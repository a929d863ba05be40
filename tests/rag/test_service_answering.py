import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from audit.entries import Entry
from audit.events import QuestionAsked
from audit.log import AuditLog
from corpus.access import Principal
from rag.answering import Answering
from rag.assistant import Assistant, Progress
from rag.contract import Answer, DraftDelta, Outcome, Step
from rag.conversations import Conversations
from rag.errors import ModelBusy, NotFound

ALICE = Principal("alice", frozenset({"staff"}))
NOTHING = Answer(outcome=Outcome.REFUSED, sentences=[], citations=[], passages=[])


class Script(Assistant):
    """Runs what the test wrote, then refuses."""

    def __init__(self, record: AuditLog, play: Callable[[Progress], None]) -> None:
        self.record = record
        self.play = play
        self.was_stopped = threading.Event()

    def words_with_a_model(self, *, quotes_only: bool) -> bool:
        return not quotes_only

    def accept(
        self, question: str, asker: Principal, *, turn_id: str, conversation_id: str
    ) -> Entry:
        return self.record.append(QuestionAsked(asker.name, turn_id, conversation_id, question))

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
        self.play(progress)
        if stopped():
            self.was_stopped.set()
        return NOTHING


@pytest.fixture
def conversations(tmp_path: Path) -> Iterator[Conversations]:
    conversations = Conversations.open(f"sqlite:///{tmp_path}/service.db")
    yield conversations
    conversations.close()


@pytest.fixture
def record(tmp_path: Path) -> Iterator[AuditLog]:
    record = AuditLog.open(tmp_path / "audit")
    yield record
    record.close()


def wait_for_event(happened: threading.Event) -> None:
    assert happened.wait(60)


def wait_for(answering: Answering, numbers: tuple[int, int]) -> None:
    """Wait until so many are being answered and so many wait."""
    deadline = time.monotonic() + 60
    while answering.numbers() != numbers and time.monotonic() < deadline:
        time.sleep(0.01)


def test_what_waits_when_the_service_ends_is_interrupted(
    conversations: Conversations, record: AuditLog
) -> None:
    go_on = threading.Event()
    answering = Answering(
        Script(record, lambda _: wait_for_event(go_on)), conversations, record, workers=1
    )
    turns = [answering.ask("Notice?", ALICE) for _ in range(2)]
    wait_for(answering, (1, 1))
    threading.Timer(0.2, go_on.set).start()
    answering.close()

    answers = [conversations.turn("alice", turn.turn_id).answer for turn in turns]

    assert [answer.outcome for answer in answers if answer] == [Outcome.REFUSED, Outcome.FAILED]


def test_a_reply_to_what_was_asked_back_is_read_with_the_question(
    conversations: Conversations, record: AuditLog
) -> None:
    heard: list[tuple[str, bool]] = []
    unclear = Answer(
        outcome=Outcome.UNCLEAR, sentences=[], citations=[], passages=[], asks="Which one?"
    )

    class AsksBack(Script):
        def answer(self, question: str, asker: Principal, **rest: Any) -> Answer:
            heard.append((rest["asked_as"], rest["may_ask_back"]))
            return unclear

    answering = Answering(AsksBack(record, lambda _: None), conversations, record)
    turn = answering.ask("How long is the notice period?", ALICE)
    wait_for(answering, (0, 0))
    answering.ask("The Harbour contract", ALICE, conversation_id=turn.conversation_id)
    wait_for(answering, (0, 0))
    answering.close()

    assert heard == [
        ("", True),
        ("How long is the notice period: The Harbour contract", False),
    ]


def test_pieces_of_a_draft_close_in_time_are_kept_as_one(
    conversations: Conversations, record: AuditLog
) -> None:
    seconds = [0.0]
    kept: list[tuple[str, str]] = []

    def play(progress: Progress) -> None:
        for piece, at in (("a", 0.0), ("b", 0.05), ("c", 0.09), ("d", 0.11), ("e", 0.15)):
            seconds[0] = at
            progress(DraftDelta(text=piece))
        progress(Step(name="checking", text="Checking"))
        turn_id = conversations.running()[0].turn_id
        kept.extend((event.name, event.data) for event in conversations.events(turn_id))

    answering = Answering(Script(record, play), conversations, record, monotonic=lambda: seconds[0])
    answering.ask("Notice?", ALICE)
    wait_for(answering, (0, 0))
    answering.close()

    assert [name for name, _ in kept] == ["draft", "draft", "draft", "step"]
    assert [data for _, data in kept[:3]] == ['{"text":"a"}', '{"text":"bcd"}', '{"text":"e"}']


def test_deleting_a_conversation_ends_the_answer_being_made_for_it(
    conversations: Conversations, record: AuditLog
) -> None:
    deleted = threading.Event()

    def play(progress: Progress) -> None:
        assert deleted.wait(20)
        progress(Step(name="drafting", text="Drafting"))

    script = Script(record, play)
    answering = Answering(script, conversations, record)
    turn = answering.ask("Notice?", ALICE)
    wait_for(answering, (1, 0))
    conversations.delete("alice", turn.conversation_id)
    deleted.set()
    answering.close()

    assert script.was_stopped.is_set()
    assert conversations.summaries("alice") == []


def test_a_question_that_is_turned_away_takes_no_place(
    conversations: Conversations, record: AuditLog
) -> None:
    answering = Answering(
        Script(record, lambda _: None), conversations, record, workers=1, waiting=0
    )

    for _ in range(3):
        with pytest.raises(NotFound):
            answering.ask("Notice?", ALICE, conversation_id="unknown")
    turn = answering.ask("Notice?", ALICE)
    wait_for(answering, (0, 0))
    answering.close()

    assert conversations.turn("alice", turn.turn_id).state == "done"


def test_nothing_is_asked_of_a_service_that_is_ending(
    conversations: Conversations, record: AuditLog
) -> None:
    answering = Answering(Script(record, lambda _: None), conversations, record)
    answering.close()

    with pytest.raises(ModelBusy):
        answering.ask("Notice?", ALICE)
    assert conversations.summaries("alice") == []
