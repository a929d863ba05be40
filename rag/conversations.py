"""Conversations, their turns, and the events of a turn while it is being answered.

Everything a reader sees of a running answer is read from here, so that a reload, a second tab
and a broken connection all see the same.
"""

import uuid
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from rag.contract import (
    Answer,
    Conversation,
    ConversationSummary,
    DraftDelta,
    Step,
    Turn,
)
from rag.errors import NotFound
from rag.store import (
    Clock,
    Store,
    conversations,
    open_store,
    turn_events,
    turns,
    utc_now,
)

LONGEST_TITLE: Final = 80
MOST_LISTED: Final = 200
"""Conversations in the list; older ones are still there under their address."""

RUNNING: Final = "running"
DONE: Final = "done"

NOT_FOUND: Final = "There is nothing here, or nothing that you may see."


@dataclass(frozen=True, slots=True)
class TurnEvent:
    """Something that happened to a turn.

    Attributes:
        number: Counts from 1 within the turn; numbers of dropped drafts stay unused.
        name: "step", "draft" or "answer".
        data: JSON; empty for "answer", which is read with the turn.
    """

    number: int
    name: str
    data: str


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A turn that was running when the program ended."""

    turn_id: str
    owner: str


class Conversations:
    """Conversations, each owned by one person.

    Args:
        store: The service's database.
        clock: Returns the time now, in UTC.
    """

    def __init__(self, store: Store, *, clock: Clock = utc_now) -> None:
        self._store = store
        self._clock = clock

    @classmethod
    def open(cls, url: str, *, clock: Clock = utc_now) -> "Conversations":
        """Open the conversations in a database, making or upgrading its tables."""
        # Drafts are appended many times a second; a power cut may cost the last of them.
        return cls(open_store(url, synchronous="NORMAL"), clock=clock)

    def close(self) -> None:
        """Give the connections back."""
        self._store.close()

    def start_turn(self, owner: str, question: str, conversation_id: str | None = None) -> Turn:
        """Add a running turn to a conversation of this person, or to a new one.

        Raises:
            NotFound: The person has no such conversation.
        """
        now, turn_id = self._clock(), str(uuid.uuid4())
        with self._store.writing.begin() as connection:
            if conversation_id is None:
                conversation_id = str(uuid.uuid4())
                connection.execute(
                    insert(conversations).values(
                        conversation_id=conversation_id,
                        owner=owner,
                        title=_title(question),
                        created_at=now,
                        updated_at=now,
                    )
                )
            else:
                _own(connection, owner, conversation_id)
                connection.execute(
                    update(conversations)
                    .where(conversations.c.conversation_id == conversation_id)
                    .values(updated_at=now)
                )
            last = connection.execute(
                select(func.max(turns.c.position)).where(turns.c.conversation_id == conversation_id)
            ).scalar()
            connection.execute(
                insert(turns).values(
                    turn_id=turn_id,
                    conversation_id=conversation_id,
                    position=(last or 0) + 1,
                    question=question,
                    asked_at=now,
                    state=RUNNING,
                )
            )
        return Turn(
            turn_id=turn_id,
            conversation_id=conversation_id,
            question=question,
            asked_at=now,
            state=RUNNING,
        )

    def append(self, turn_id: str, happened: Step | DraftDelta) -> bool:
        """Append an event to a running turn.

        Returns:
            Whether it was kept: not when the turn is done or its conversation deleted.
        """
        name = "step" if isinstance(happened, Step) else "draft"
        with self._store.writing.begin() as connection:
            if not _is_running(connection, turn_id):
                return False
            _append(connection, turn_id, name, happened.model_dump_json())
        return True

    def finish(self, turn_id: str, answer: Answer) -> bool:
        """Give a running turn its answer and drop its drafts, in one transaction.

        Drafts are dropped because they hold what the check struck out.

        Returns:
            Whether it was kept: not when the turn is done or its conversation deleted.
        """
        with self._store.writing.begin() as connection:
            if not _is_running(connection, turn_id):
                return False
            _append(connection, turn_id, "answer", "")
            connection.execute(
                delete(turn_events).where(
                    turn_events.c.turn_id == turn_id, turn_events.c.name == "draft"
                )
            )
            connection.execute(
                update(turns)
                .where(turns.c.turn_id == turn_id)
                .values(state=DONE, answer=answer.model_dump_json())
            )
            connection.execute(
                update(conversations)
                .where(
                    conversations.c.conversation_id
                    == select(turns.c.conversation_id)
                    .where(turns.c.turn_id == turn_id)
                    .scalar_subquery()
                )
                .values(updated_at=self._clock())
            )
        return True

    def turn(self, owner: str, turn_id: str) -> Turn:
        """Return a turn with the draft so far, or its answer.

        Raises:
            NotFound: The person has no such turn.
        """
        with self._store.reading.begin() as connection:
            row = connection.execute(
                select(turns)
                .join(conversations)
                .where(turns.c.turn_id == turn_id, conversations.c.owner == owner)
            ).first()
            if row is None:
                raise NotFound(NOT_FOUND)
            return _turn(connection, row)

    def events(self, turn_id: str, *, after: int = 0) -> list[TurnEvent]:
        """Return the events of a turn past a number, in order."""
        with self._store.reading.begin() as connection:
            rows = connection.execute(
                select(turn_events.c.number, turn_events.c.name, turn_events.c.data)
                .where(turn_events.c.turn_id == turn_id, turn_events.c.number > after)
                .order_by(turn_events.c.number)
            ).all()
        return [TurnEvent(row.number, row.name, row.data) for row in rows]

    def summaries(self, owner: str) -> list[ConversationSummary]:
        """Return a person's conversations, the latest used first."""
        with self._store.reading.begin() as connection:
            rows = connection.execute(
                select(conversations)
                .where(conversations.c.owner == owner)
                .order_by(conversations.c.updated_at.desc(), conversations.c.conversation_id)
                .limit(MOST_LISTED)
            ).all()
        return [
            ConversationSummary(
                conversation_id=row.conversation_id, title=row.title, updated_at=row.updated_at
            )
            for row in rows
        ]

    def conversation(self, owner: str, conversation_id: str) -> Conversation:
        """Return a conversation with its turns, oldest first.

        Raises:
            NotFound: The person has no such conversation.
        """
        with self._store.reading.begin() as connection:
            title = _own(connection, owner, conversation_id)
            rows = connection.execute(
                select(turns)
                .where(turns.c.conversation_id == conversation_id)
                .order_by(turns.c.position)
            ).all()
            return Conversation(
                conversation_id=conversation_id,
                title=title,
                turns=[_turn(connection, row) for row in rows],
            )

    def delete(self, owner: str, conversation_id: str) -> None:
        """Delete a conversation with its turns and their events.

        Raises:
            NotFound: The person has no such conversation.
        """
        with self._store.writing.begin() as connection:
            _own(connection, owner, conversation_id)
            connection.execute(
                delete(conversations).where(conversations.c.conversation_id == conversation_id)
            )

    def running(self) -> list[Interrupted]:
        """Return the turns marked as running; at start-up those are interrupted ones."""
        with self._store.reading.begin() as connection:
            rows = connection.execute(
                select(turns.c.turn_id, conversations.c.owner)
                .join(conversations)
                .where(turns.c.state == RUNNING)
                .order_by(turns.c.asked_at)
            ).all()
        return [Interrupted(row.turn_id, row.owner) for row in rows]


def _own(connection: Connection, owner: str, conversation_id: str) -> str:
    """Return the title of a person's own conversation."""
    title = connection.execute(
        select(conversations.c.title).where(
            conversations.c.conversation_id == conversation_id, conversations.c.owner == owner
        )
    ).scalar()
    if title is None:
        raise NotFound(NOT_FOUND)
    return str(title)


def _is_running(connection: Connection, turn_id: str) -> bool:
    state = connection.execute(select(turns.c.state).where(turns.c.turn_id == turn_id)).scalar()
    return state == RUNNING


def _append(connection: Connection, turn_id: str, name: str, data: str) -> None:
    last = connection.execute(
        select(func.max(turn_events.c.number)).where(turn_events.c.turn_id == turn_id)
    ).scalar()
    connection.execute(
        insert(turn_events).values(turn_id=turn_id, number=(last or 0) + 1, name=name, data=data)
    )


def _turn(connection: Connection, row: Row[tuple[object, ...]]) -> Turn:
    return Turn(
        turn_id=row.turn_id,
        conversation_id=row.conversation_id,
        question=row.question,
        asked_at=row.asked_at,
        state=row.state,
        draft=_draft(connection, row.turn_id) if row.state == RUNNING else "",
        answer=Answer.model_validate_json(row.answer) if row.answer else None,
    )


def _draft(connection: Connection, turn_id: str) -> str:
    pieces = connection.execute(
        select(turn_events.c.data)
        .where(turn_events.c.turn_id == turn_id, turn_events.c.name == "draft")
        .order_by(turn_events.c.number)
    ).scalars()
    return "".join(DraftDelta.model_validate_json(piece).text for piece in pieces)


def _title(question: str) -> str:
    line = " ".join(question.split())
    return line if len(line) <= LONGEST_TITLE else line[: LONGEST_TITLE - 1].rstrip() + "…"
