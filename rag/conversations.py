"""Conversations, their turns, and the events of a turn while it is being answered.

Everything a reader sees of a running answer is read from here, so that a reload, a second tab
and a broken connection all see the same.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Row, delete, func, insert, or_, select, update

from corpus.documents import VersionId
from rag.contract import (
    Answer,
    Conversation,
    ConversationSummary,
    DraftDelta,
    Outcome,
    SentenceChecked,
    Step,
    Turn,
)
from rag.errors import NotFound
from rag.store import (
    Clock,
    Store,
    conversation_shares,
    conversations,
    open_store,
    turn_events,
    turns,
    utc_now,
)

LONGEST_TITLE: Final = 80
MOST_REMEMBERED: Final = 50
"""Questions of a conversation that a follow-up is read together with, the latest ones."""
MOST_LISTED: Final = 200
"""Conversations in the list; older ones are still there under their address."""

RUNNING: Final = "running"
DONE: Final = "done"

UNCLEAR: Final = f'{{"outcome":"{Outcome.UNCLEAR}"'
"""How a stored answer begins that asks back; an answer's outcome comes first."""
EVENT_NAMES: Final[dict[type, str]] = {
    Step: "step",
    DraftDelta: "draft",
    SentenceChecked: "sentence",
}
"""Names of the events of a turn before its answer."""

NOT_FOUND: Final = "There is nothing here, or nothing that you may see."


@dataclass(frozen=True, slots=True)
class TurnEvent:
    """Something that happened to a turn.

    Attributes:
        number: Counts from 1 within the turn; numbers of dropped drafts stay unused.
        name: "step", "draft", "sentence" or "answer".
        data: JSON; empty for "answer", which is read with the turn.
    """

    number: int
    name: str
    data: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of a conversation, and whether it was answered by asking back."""

    question: str
    unclear: bool = False


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
        self._resting: dict[str, frozenset[VersionId]] = {}

    @classmethod
    def open(cls, url: str, *, clock: Clock = utc_now) -> "Conversations":
        """Open the conversations in a database, making or upgrading its tables."""
        # Drafts are appended many times a second; a power cut may cost the last of them.
        return cls(open_store(url, synchronous="NORMAL"), clock=clock)

    @property
    def store(self) -> Store:
        """The database they live in, for what lives beside them."""
        return self._store

    def close(self) -> None:
        """Give the connections back."""
        self._store.close()

    def start_turn(
        self,
        owner: str,
        question: str,
        conversation_id: str | None = None,
        *,
        instead_of: str | None = None,
    ) -> Turn:
        """Add a running turn to a conversation of this person, or to a new one.

        Args:
            owner: Whose conversation it is.
            question: As asked.
            conversation_id: None opens a new conversation.
            instead_of: A done turn that this one takes the place of; it and what followed it
                are no longer part of the conversation, only of the record.

        Raises:
            NotFound: The person has no such conversation, or no such turn in it.
        """
        now, turn_id = self._clock(), str(uuid.uuid4())
        with self._store.writing.begin() as connection:
            if conversation_id is None:
                conversation_id = _open(connection, owner, _title(question), now)
            else:
                _own(connection, owner, conversation_id)
                connection.execute(
                    update(conversations)
                    .where(conversations.c.conversation_id == conversation_id)
                    .values(updated_at=now)
                )
            if instead_of is not None:
                _supersede(connection, conversation_id, instead_of, turn_id)
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

    def append(self, turn_id: str, happened: Step | DraftDelta | SentenceChecked) -> bool:
        """Append an event to a running turn.

        Returns:
            Whether it was kept: not when the turn is done or its conversation deleted.
        """
        name = EVENT_NAMES[type(happened)]
        with self._store.writing.begin() as connection:
            if not _is_running(connection, turn_id):
                return False
            _append(connection, turn_id, name, happened.model_dump_json())
        return True

    def rest(self, turn_id: str, versions: frozenset[VersionId]) -> None:
        """Note which versions the answer in the making of a turn rests on.

        Kept in memory: one service runs on a database, and after a restart no turn is running.
        """
        self._resting[turn_id] = versions

    def rests_on(self, turn_id: str) -> frozenset[VersionId]:
        """Return the versions that a running answer rests on; empty before it has read any."""
        return self._resting.get(turn_id, frozenset())

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
                    turn_events.c.turn_id == turn_id, turn_events.c.name.in_(("draft", "sentence"))
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
        self._resting.pop(turn_id, None)
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

    def asked_before(self, turn: Turn) -> list[Asked]:
        """Return the questions of a turn's conversation that came before it, oldest first."""
        position = select(turns.c.position).where(turns.c.turn_id == turn.turn_id)
        with self._store.reading.begin() as connection:
            rows = connection.execute(
                select(
                    turns.c.question, func.substr(turns.c.answer, 1, len(UNCLEAR)).label("begins")
                )
                .where(
                    turns.c.conversation_id == turn.conversation_id,
                    turns.c.superseded_by.is_(None),
                    turns.c.position < position.scalar_subquery(),
                )
                .order_by(turns.c.position.desc())
                .limit(MOST_REMEMBERED)
            ).all()
        return [Asked(row.question, row.begins == UNCLEAR) for row in reversed(rows)]

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
        """Return a person's conversations and those shared with them, the latest used first."""
        shared = select(conversation_shares.c.conversation_id).where(
            conversation_shares.c.person == owner
        )
        with self._store.reading.begin() as connection:
            rows = connection.execute(
                select(conversations)
                .where(
                    or_(conversations.c.owner == owner, conversations.c.conversation_id.in_(shared))
                )
                .order_by(conversations.c.updated_at.desc(), conversations.c.conversation_id)
                .limit(MOST_LISTED)
            ).all()
        return [
            ConversationSummary(
                conversation_id=row.conversation_id,
                title=row.title,
                updated_at=row.updated_at,
                shared_by="" if row.owner == owner else row.owner,
            )
            for row in rows
        ]

    def conversation(self, owner: str, conversation_id: str) -> Conversation:
        """Return a person's own conversation with its turns, oldest first.

        Raises:
            NotFound: The person has no such conversation.
        """
        with self._store.reading.begin() as connection:
            title = _own(connection, owner, conversation_id)
            return Conversation(
                conversation_id=conversation_id,
                title=title,
                turns=_turns(connection, conversation_id),
                owner=owner,
                shared_with=_shared_with(connection, conversation_id),
            )

    def shared_conversation(self, reader: str, conversation_id: str) -> Conversation:
        """Return a conversation that somebody else shares with this person.

        Raises:
            NotFound: Nobody shares such a conversation with the person.
        """
        with self._store.reading.begin() as connection:
            row = connection.execute(
                select(conversations)
                .join(conversation_shares)
                .where(
                    conversations.c.conversation_id == conversation_id,
                    conversation_shares.c.person == reader,
                )
            ).first()
            if row is None:
                raise NotFound(NOT_FOUND)
            done = [turn for turn in _turns(connection, conversation_id) if turn.state == DONE]
            return Conversation(
                conversation_id=conversation_id, title=row.title, turns=done, owner=row.owner
            )

    def rename(self, owner: str, conversation_id: str, title: str) -> None:
        """Give a person's own conversation another title.

        Raises:
            NotFound: The person has no such conversation.
        """
        with self._store.writing.begin() as connection:
            _own(connection, owner, conversation_id)
            connection.execute(
                update(conversations)
                .where(conversations.c.conversation_id == conversation_id)
                .values(title=_title(title))
            )

    def share(self, owner: str, conversation_id: str, person: str) -> None:
        """Let another person read a conversation; sharing it twice changes nothing.

        Raises:
            NotFound: The owner has no such conversation.
        """
        with self._store.writing.begin() as connection:
            _own(connection, owner, conversation_id)
            if person not in _shared_with(connection, conversation_id):
                connection.execute(
                    insert(conversation_shares).values(
                        conversation_id=conversation_id, person=person, shared_at=self._clock()
                    )
                )

    def unshare(self, owner: str, conversation_id: str, person: str) -> None:
        """Let a person read a conversation no longer.

        Raises:
            NotFound: The owner has no such conversation.
        """
        with self._store.writing.begin() as connection:
            _own(connection, owner, conversation_id)
            connection.execute(
                delete(conversation_shares).where(
                    conversation_shares.c.conversation_id == conversation_id,
                    conversation_shares.c.person == person,
                )
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


def _open(connection: Connection, owner: str, title: str, now: datetime) -> str:
    """Add a conversation and return its id."""
    conversation_id = str(uuid.uuid4())
    connection.execute(
        insert(conversations).values(
            conversation_id=conversation_id,
            owner=owner,
            title=title,
            created_at=now,
            updated_at=now,
        )
    )
    return conversation_id


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


def _turns(connection: Connection, conversation_id: str) -> list[Turn]:
    rows = connection.execute(
        select(turns)
        .where(turns.c.conversation_id == conversation_id, turns.c.superseded_by.is_(None))
        .order_by(turns.c.position)
    ).all()
    return [_turn(connection, row) for row in rows]


def _shared_with(connection: Connection, conversation_id: str) -> list[str]:
    return list(
        connection.execute(
            select(conversation_shares.c.person)
            .where(conversation_shares.c.conversation_id == conversation_id)
            .order_by(conversation_shares.c.person)
        ).scalars()
    )


def _supersede(connection: Connection, conversation_id: str, old: str, new: str) -> None:
    """Take a done turn, and what followed it, out of a conversation."""
    position = connection.execute(
        select(turns.c.position).where(
            turns.c.turn_id == old,
            turns.c.conversation_id == conversation_id,
            turns.c.state == DONE,
            turns.c.superseded_by.is_(None),
        )
    ).scalar()
    if position is None:
        raise NotFound(NOT_FOUND)
    connection.execute(
        update(turns)
        .where(
            turns.c.conversation_id == conversation_id,
            turns.c.position >= position,
            turns.c.superseded_by.is_(None),
        )
        .values(superseded_by=new)
    )


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
        checked=_checked(connection, row.turn_id) if row.state == RUNNING else [],
        answer=Answer.model_validate_json(row.answer) if row.answer else None,
    )


def _draft(connection: Connection, turn_id: str) -> str:
    pieces = connection.execute(
        select(turn_events.c.data)
        .where(turn_events.c.turn_id == turn_id, turn_events.c.name == "draft")
        .order_by(turn_events.c.number)
    ).scalars()
    return "".join(DraftDelta.model_validate_json(piece).text for piece in pieces)


def _checked(connection: Connection, turn_id: str) -> list[SentenceChecked]:
    told = connection.execute(
        select(turn_events.c.data)
        .where(turn_events.c.turn_id == turn_id, turn_events.c.name == "sentence")
        .order_by(turn_events.c.number)
    ).scalars()
    return [SentenceChecked.model_validate_json(one) for one in told]


def _title(question: str) -> str:
    line = " ".join(question.split())
    return line if len(line) <= LONGEST_TITLE else line[: LONGEST_TITLE - 1].rstrip() + "…"
