"""What readers think of answers, and the questions for evaluation that come of it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Row, delete, insert, select

from corpus.catalog import Catalog
from corpus.documents import DocumentId
from corpus.errors import UnknownDocument
from rag.contract import Answer, Feedback, Outcome
from rag.store import Clock, Store, feedback, turns, utc_now


@dataclass(frozen=True, slots=True)
class Judged:
    """An answer that somebody has judged.

    Attributes:
        turn_id: The turn.
        question: As it was asked.
        answer: As it was given; None where it has none.
        feedback: What the reader thought.
    """

    turn_id: str
    question: str
    answer: Answer | None
    feedback: Feedback


class FeedbackBook:
    """Feedback of all people, one judgement of each on each answer.

    Args:
        store: The service's database.
        clock: Returns the time now, in UTC.
    """

    def __init__(self, store: Store, *, clock: Clock = utc_now) -> None:
        self._store = store
        self._clock = clock

    def give(self, turn_id: str, person: str, given: Feedback) -> None:
        """Keep a judgement; a later one of the same person takes its place."""
        with self._store.writing.begin() as connection:
            connection.execute(
                delete(feedback).where(feedback.c.turn_id == turn_id, feedback.c.person == person)
            )
            connection.execute(
                insert(feedback).values(
                    turn_id=turn_id,
                    person=person,
                    helpful=int(given.helpful),
                    reason=given.reason,
                    note=given.note,
                    document_id=given.document_id,
                    page=given.page,
                    given_at=self._clock(),
                )
            )

    def of(self, turn_id: str, person: str) -> Feedback | None:
        """Return what a person thought of an answer, if anything."""
        with self._store.reading.begin() as connection:
            row = connection.execute(
                select(feedback).where(feedback.c.turn_id == turn_id, feedback.c.person == person)
            ).first()
        return _feedback(row) if row is not None else None

    def judged(self) -> list[Judged]:
        """Return every judged answer, in the order in which they were judged."""
        with self._store.reading.begin() as connection:
            rows = connection.execute(
                select(feedback, turns.c.question, turns.c.answer)
                .join(turns, turns.c.turn_id == feedback.c.turn_id)
                .order_by(feedback.c.given_at, feedback.c.turn_id, feedback.c.person)
            ).all()
        return [
            Judged(
                row.turn_id,
                row.question,
                Answer.model_validate_json(row.answer) if row.answer else None,
                _feedback(row),
            )
            for row in rows
        ]


def as_questions(judged: list[Judged], catalog: Catalog) -> Iterator[str]:
    """Yield a line for `muniment evaluate --questions` for every judgement that says enough.

    An answer called helpful is expected again with the documents it cited; one that was not is
    expected where the reader said that it stands. A refusal called helpful says that the
    documents do not answer. Nothing can be learnt from the rest.

    Args:
        judged: Judged answers.
        catalog: Knows the paths of documents; what is gone from it is left out.
    """
    for number, each in enumerate(judged, start=1):
        expected = _expected(each)
        if expected is None:
            continue
        document_id, page = expected
        path = _path(catalog, document_id) if document_id else None
        if path == "":
            continue
        yield json.dumps(
            {
                "id": f"f{number:04}",
                "question": each.question,
                "answerable": path is not None,
                "document": path,
                "page": page if path else None,
                "place": None,
                "answer": "",
                "accept": [],
                "also": [],
            },
            ensure_ascii=False,
        )


def _path(catalog: Catalog, document_id: str) -> str:
    """Return where a document stands now; empty where it is gone."""
    try:
        versions = catalog.versions_of(DocumentId(document_id))
    except UnknownDocument:
        return ""
    return versions[-1].path if versions else ""


def _expected(each: Judged) -> tuple[str | None, int | None] | None:
    given, answer = each.feedback, each.answer
    if given.document_id:
        return given.document_id, given.page
    if not given.helpful or answer is None:
        return None
    if answer.outcome is Outcome.REFUSED:
        return None, None
    if answer.outcome in {Outcome.ANSWERED, Outcome.PARTLY, Outcome.CONFLICT} and answer.citations:
        first = answer.citations[0]
        return first.document_id, first.page
    return None


def _feedback(row: Row[tuple[object, ...]]) -> Feedback:
    return Feedback(
        helpful=bool(row.helpful),
        reason=row.reason,
        note=row.note,
        document_id=row.document_id,
        page=row.page,
    )
