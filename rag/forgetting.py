"""Takes what an erased document said out of the answers that are kept in conversations.

What the document said is replaced by a plain notice: its sentences, quotes and passages, and its
names wherever else they stand in those answers. What people typed stays theirs.
"""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, delete, select, update

from rag.contract import Answer
from rag.conversations import DONE, RUNNING
from rag.store import Clock, Store, conversations, turn_events, turns, utc_now

ERASED_SENTENCE: Final = "[What stood here came from a document that has been erased.]"
ERASED_NAME: Final = "[erased document]"
SHORTEST_NAME: Final = 4
"""Shorter names are words like any other; they are left where nothing says whose they are."""


class Forgetting:
    """Forgets documents in one store of conversations.

    Args:
        store: The service's database.
        is_held: Says whether a hold keeps all that is an owner's as it is.
        clock: Returns the time now, in UTC.
    """

    def __init__(
        self,
        store: Store,
        *,
        is_held: Callable[[str], bool] = lambda _owner: False,
        clock: Clock = utc_now,
    ) -> None:
        self._store = store
        self._is_held = is_held
        self._clock = clock
        self._since: dict[str, datetime] = {}

    def forget(self, document_id: str, names: Collection[str]) -> tuple[int, int] | None:
        """Forget a document that nobody can read any more; doing it again changes nothing.

        Args:
            document_id: Which.
            names: Its titles and paths.

        Returns:
            How many answers changed and in how many it is left because a hold keeps them; None
            while a question is being answered that may still have read it: then ask again.
        """
        since = self._since.setdefault(document_id, self._clock())
        changed = left = 0
        with self._store.writing.begin() as connection:
            if _is_answering(connection, since):
                return None
            for turn_id, owner, kept in _resting_on(connection, document_id):
                if self._is_held(owner):
                    left += 1
                else:
                    _rewrite(connection, turn_id, without(kept, document_id, names), names)
                    changed += 1
        self._store.scrub()
        self._since.pop(document_id, None)
        return changed, left


def without(answer: Answer, document_id: str, names: Iterable[str] = ()) -> Answer:
    """Return an answer without anything that a document said.

    Args:
        answer: As it was given.
        document_id: The document.
        names: Its titles and paths; those the answer knows it by are found there.
    """
    said = [(one.document_id, one.title, one.path) for one in answer.citations]
    said += [(one.document_id, one.title, one.path) for one in answer.passages]
    about = [(title, path) for document, title, path in said if document == document_id]
    gone = {one.number for one in answer.citations if one.document_id == document_id}
    known = _worth_hiding({*names, *(name for one in about for name in one)})
    sentences = [
        one.model_copy(
            update={
                "text": ERASED_SENTENCE if gone & {*one.citations} else _hidden(one.text, known),
                "citations": [number for number in one.citations if number not in gone],
            }
        )
        for one in answer.sentences
    ]
    return answer.model_copy(
        update={
            "sentences": sentences,
            "citations": [one for one in answer.citations if one.number not in gone],
            "passages": [one for one in answer.passages if one.document_id != document_id],
            **{
                name: _hidden(getattr(answer, name), known)
                for name in ("reason", "note", "asked_as", "asks")
            },
            **{
                name: [_hidden(one, known) for one in getattr(answer, name)]
                for name in ("missing", "choices")
            },
        }
    )


def _is_answering(connection: Connection, since: datetime) -> bool:
    running = select(turns.c.turn_id).where(turns.c.state == RUNNING, turns.c.asked_at <= since)
    return connection.execute(running).first() is not None


def _resting_on(connection: Connection, document_id: str) -> list[tuple[str, str, Answer]]:
    rows = connection.execute(
        select(turns.c.turn_id, conversations.c.owner, turns.c.answer)
        .join(conversations)
        .where(turns.c.state == DONE, turns.c.answer.contains(document_id, autoescape=True))
    ).all()
    return [(row.turn_id, row.owner, Answer.model_validate_json(row.answer)) for row in rows]


def _rewrite(connection: Connection, turn_id: str, answer: Answer, names: Iterable[str]) -> None:
    connection.execute(
        update(turns).where(turns.c.turn_id == turn_id).values(answer=answer.model_dump_json())
    )
    for name in _worth_hiding(names):  # steps say in words what is being read
        connection.execute(
            delete(turn_events).where(
                turn_events.c.turn_id == turn_id,
                turn_events.c.data.contains(name, autoescape=True),
            )
        )


def _worth_hiding(names: Iterable[str]) -> list[str]:
    """Return the names, and those of the files they end in, the longest first."""
    every = {part for name in names for part in (name, name.rpartition("/")[2])}
    return sorted((one for one in every if len(one) >= SHORTEST_NAME), key=len, reverse=True)


def _hidden(text: str, names: Iterable[str]) -> str:
    for name in names:
        text = text.replace(name, ERASED_NAME)
    return text
