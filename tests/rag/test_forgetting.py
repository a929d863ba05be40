from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rag.contract import Answer, Citation, Outcome, Passage, Sentence, Step
from rag.conversations import Conversations
from rag.forgetting import ERASED_NAME, ERASED_SENTENCE, Forgetting, without

GONE, STAYS = "document-gone", "document-stays"
CANARY = "xylophone-7731-quetzal"
START = datetime(2026, 3, 1, tzinfo=UTC)


def citation(number: int, document_id: str, quote: str) -> Citation:
    return Citation(
        number=number,
        document_id=document_id,
        version_id=f"{document_id}-1",
        version_number=1,
        title=f"Title of {document_id}",
        path=f"folder/{document_id}.txt",
        heading_path=[quote],
        page=None,
        place="",
        start=0,
        end=len(quote),
        quote=quote,
        marks=[],
    )


def passage(document_id: str, text: str) -> Passage:
    return Passage(
        chunk_id=f"{document_id}-chunk",
        document_id=document_id,
        version_id=f"{document_id}-1",
        version_number=1,
        title=f"Title of {document_id}",
        path=f"folder/{document_id}.txt",
        source="files",
        heading_path=[],
        page=None,
        place="",
        start=0,
        end=len(text),
        text=text,
        score=0.5,
    )


def answer() -> Answer:
    return Answer(
        outcome=Outcome.ANSWERED,
        sentences=[
            Sentence(text=f"The word is {CANARY}.", citations=[1], quoted=False),
            Sentence(text="Lunch is at noon.", citations=[2], quoted=True),
            Sentence(text=f"{CANARY} is told at noon.", citations=[1, 2], quoted=False),
            Sentence(text=f"Title of {GONE} is short.", citations=[2], quoted=False),
        ],
        citations=[
            citation(1, GONE, f"The code word is {CANARY}."),
            citation(2, STAYS, "Lunch is at noon."),
        ],
        passages=[passage(GONE, f"It is {CANARY}."), passage(STAYS, "Lunch is at noon.")],
        note=f"{GONE}.txt is old.",
        choices=[f"What does Title of {GONE} say?"],
    )


@pytest.fixture
def conversations(tmp_path: Path) -> Iterator[Conversations]:
    found = Conversations.open(f"sqlite:///{tmp_path}/service.db", clock=lambda: START)
    yield found
    found.close()


def test_what_an_erased_document_said_is_replaced_by_a_notice_and_the_rest_stays() -> None:
    left = without(answer(), GONE)

    assert [one.text for one in left.sentences] == [
        ERASED_SENTENCE,
        "Lunch is at noon.",
        ERASED_SENTENCE,
        f"{ERASED_NAME} is short.",
    ]
    assert [one.citations for one in left.sentences] == [[], [2], [2], [2]]
    assert [one.document_id for one in left.citations] == [STAYS]
    assert [one.document_id for one in left.passages] == [STAYS]
    for trace in (CANARY, GONE):
        assert trace not in left.model_dump_json()


def test_no_byte_of_it_stays_in_the_service_database(
    conversations: Conversations, tmp_path: Path
) -> None:
    turn = conversations.start_turn("ada", "What is the word?")
    conversations.append(turn.turn_id, Step(name="reading", text=f"Reading Title of {GONE}"))
    conversations.finish(turn.turn_id, answer())

    done = Forgetting(conversations.store).forget(GONE, [f"Title of {GONE}"])
    again = Forgetting(conversations.store).forget(GONE, [f"Title of {GONE}"])

    kept = conversations.turn("ada", turn.turn_id).answer
    assert (done, again) == ((1, 0), (0, 0))
    assert kept == without(answer(), GONE)
    assert CANARY.encode() not in b"".join(
        path.read_bytes() for path in tmp_path.iterdir() if path.is_file()
    )
    assert [one.name for one in conversations.events(turn.turn_id)] == ["answer"]


def test_it_waits_for_answers_in_the_making_that_may_have_read_it(
    conversations: Conversations,
) -> None:
    turn = conversations.start_turn("ada", "What is the word?")
    now = START
    forgetting = Forgetting(conversations.store, clock=lambda: now)

    early = forgetting.forget(GONE, [])
    conversations.finish(turn.turn_id, answer())
    now = START + timedelta(minutes=1)
    later = forgetting.forget(GONE, [])

    assert early is None
    assert later == (1, 0)


def test_what_a_hold_keeps_stays_and_is_counted(conversations: Conversations) -> None:
    for owner in ("ada", "ben"):
        turn = conversations.start_turn(owner, "What is the word?")
        conversations.finish(turn.turn_id, answer())

    found = Forgetting(conversations.store, is_held=lambda owner: owner == "ben").forget(GONE, [])

    assert found == (1, 1)
