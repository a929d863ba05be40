from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rag.contract import Answer, DraftDelta, Outcome, Step
from rag.conversations import Conversations
from rag.errors import NotFound

ANSWER = Answer(outcome=Outcome.REFUSED, sentences=[], citations=[], passages=[], reason="Not.")


class Ticking:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture
def conversations(tmp_path: Path) -> Iterator[Conversations]:
    conversations = Conversations.open(f"sqlite:///{tmp_path}/service.db", clock=Ticking())
    yield conversations
    conversations.close()


def test_a_question_opens_a_conversation_named_after_it(conversations: Conversations) -> None:
    turn = conversations.start_turn("alice", "What  is\nthe notice period? " + "x" * 90)

    (summary,) = conversations.summaries("alice")
    assert summary.conversation_id == turn.conversation_id
    assert summary.title.startswith("What is the notice period? xxx")
    assert len(summary.title) <= 80
    assert turn.state == "running"
    assert turn.asked_at.tzinfo is UTC


def test_turns_stay_in_order_and_the_latest_conversation_is_first(
    conversations: Conversations,
) -> None:
    first = conversations.start_turn("alice", "One?")
    conversations.start_turn("alice", "Other?")
    conversations.start_turn("alice", "Two?", first.conversation_id)

    conversation = conversations.conversation("alice", first.conversation_id)

    assert [turn.question for turn in conversation.turns] == ["One?", "Two?"]
    assert [each.title for each in conversations.summaries("alice")] == ["One?", "Other?"]


def test_a_running_turn_shows_its_draft_and_events(conversations: Conversations) -> None:
    turn = conversations.start_turn("alice", "One?")

    conversations.append(turn.turn_id, Step(name="drafting", text="Drafting"))
    conversations.append(turn.turn_id, DraftDelta(text="The notice "))
    conversations.append(turn.turn_id, DraftDelta(text="period"))

    assert conversations.turn("alice", turn.turn_id).draft == "The notice period"
    events = conversations.events(turn.turn_id)
    assert [(event.number, event.name) for event in events] == [
        (1, "step"),
        (2, "draft"),
        (3, "draft"),
    ]
    assert [event.number for event in conversations.events(turn.turn_id, after=2)] == [3]


def test_a_finished_turn_keeps_its_answer_and_no_draft(conversations: Conversations) -> None:
    turn = conversations.start_turn("alice", "One?")
    conversations.append(turn.turn_id, Step(name="drafting", text="Drafting"))
    conversations.append(turn.turn_id, DraftDelta(text="struck out"))

    assert conversations.finish(turn.turn_id, ANSWER)

    done = conversations.turn("alice", turn.turn_id)
    assert (done.state, done.draft, done.answer) == ("done", "", ANSWER)
    events = conversations.events(turn.turn_id)
    assert [(event.number, event.name) for event in events] == [(1, "step"), (3, "answer")]


def test_a_finished_turn_takes_nothing_more(conversations: Conversations) -> None:
    turn = conversations.start_turn("alice", "One?")
    conversations.finish(turn.turn_id, ANSWER)

    assert not conversations.append(turn.turn_id, DraftDelta(text="late"))
    assert not conversations.finish(turn.turn_id, ANSWER.model_copy(update={"reason": "Other."}))
    assert conversations.turn("alice", turn.turn_id).answer == ANSWER


def test_nobody_finds_the_conversations_of_somebody_else(conversations: Conversations) -> None:
    turn = conversations.start_turn("alice", "One?")

    assert conversations.summaries("bob") == []
    for attempt in (
        lambda: conversations.turn("bob", turn.turn_id),
        lambda: conversations.conversation("bob", turn.conversation_id),
        lambda: conversations.delete("bob", turn.conversation_id),
        lambda: conversations.start_turn("bob", "Two?", turn.conversation_id),
    ):
        with pytest.raises(NotFound):
            attempt()
    assert len(conversations.conversation("alice", turn.conversation_id).turns) == 1


def test_deleting_leaves_no_turn_and_no_event(conversations: Conversations) -> None:
    turn = conversations.start_turn("alice", "One?")
    conversations.append(turn.turn_id, DraftDelta(text="text"))

    conversations.delete("alice", turn.conversation_id)

    assert conversations.events(turn.turn_id) == []
    assert not conversations.append(turn.turn_id, DraftDelta(text="late"))
    assert not conversations.finish(turn.turn_id, ANSWER)
    with pytest.raises(NotFound):
        conversations.turn("alice", turn.turn_id)


def test_turns_of_a_process_that_ended_are_found_running(conversations: Conversations) -> None:
    left = conversations.start_turn("alice", "One?")
    conversations.finish(conversations.start_turn("alice", "Two?").turn_id, ANSWER)

    (interrupted,) = conversations.running()

    assert (interrupted.turn_id, interrupted.owner) == (left.turn_id, "alice")
