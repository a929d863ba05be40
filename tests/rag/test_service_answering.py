import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from audit.log import AuditLog
from corpus.access import Principal
from rag.answering import Answering
from rag.assistant import Assistant
from rag.contract import Answer, DraftDelta, Outcome, Step
from rag.conversations import Conversations
from rag.errors import ModelBusy, NotFound

ALICE = Principal("alice", frozenset({"staff"}))
NOTHING = Answer(outcome=Outcome.REFUSED, sentences=[], citations=[], passages=[])


class Script(Assistant):
    """Runs what the test wrote, then refuses."""

    def __init__(self, play: Callable[[Callable[[Step | DraftDelta], None]], None]) -> None:
        self.play = play
        self.was_stopped = threading.Event()

    def answer(
        self,
        question: str,
        asker: Principal,
        *,
        turn_id: str,
        conversation_id: str,
        quotes_only: bool,
        progress: Callable[[Step | DraftDelta], None],
        stopped: Callable[[], bool],
        asked_as: str = "",
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


def test_pieces_of_a_draft_close_in_time_are_kept_as_one(
    conversations: Conversations, record: AuditLog
) -> None:
    seconds = [0.0]
    kept: list[tuple[str, str]] = []

    def play(progress: Callable[[Step | DraftDelta], None]) -> None:
        for piece, at in (("a", 0.0), ("b", 0.05), ("c", 0.09), ("d", 0.11), ("e", 0.15)):
            seconds[0] = at
            progress(DraftDelta(text=piece))
        progress(Step(name="checking", text="Checking"))
        turn_id = conversations.running()[0].turn_id
        kept.extend((event.name, event.data) for event in conversations.events(turn_id))

    answering = Answering(Script(play), conversations, record, monotonic=lambda: seconds[0])
    answering.ask("Notice?", ALICE)
    answering.close()

    assert [name for name, _ in kept] == ["draft", "draft", "draft", "step"]
    assert [data for _, data in kept[:3]] == ['{"text":"a"}', '{"text":"bcd"}', '{"text":"e"}']


def test_deleting_a_conversation_ends_the_answer_being_made_for_it(
    conversations: Conversations, record: AuditLog
) -> None:
    deleted = threading.Event()

    def play(progress: Callable[[Step | DraftDelta], None]) -> None:
        assert deleted.wait(20)
        progress(Step(name="drafting", text="Drafting"))

    script = Script(play)
    answering = Answering(script, conversations, record)
    turn = answering.ask("Notice?", ALICE)
    conversations.delete("alice", turn.conversation_id)
    deleted.set()
    answering.close()

    assert script.was_stopped.is_set()
    assert conversations.summaries("alice") == []


def test_a_question_that_is_turned_away_takes_no_place(
    conversations: Conversations, record: AuditLog
) -> None:
    answering = Answering(Script(lambda _: None), conversations, record, workers=1, waiting=0)

    for _ in range(3):
        with pytest.raises(NotFound):
            answering.ask("Notice?", ALICE, conversation_id="unknown")
    turn = answering.ask("Notice?", ALICE)
    answering.close()

    assert conversations.turn("alice", turn.turn_id).state == "done"


def test_nothing_is_asked_of_a_service_that_is_ending(
    conversations: Conversations, record: AuditLog
) -> None:
    answering = Answering(Script(lambda _: None), conversations, record)
    answering.close()

    with pytest.raises(ModelBusy):
        answering.ask("Notice?", ALICE)
    assert conversations.summaries("alice") == []
