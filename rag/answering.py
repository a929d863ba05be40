"""Answers that are made behind the page: a few at a time, a bounded number waiting.

The events of an answer go to the store; closing the page changes nothing, stopping does.
"""

import logging
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Final

from audit.errors import AuditUnavailable
from audit.events import AnswerGiven, Event, QuestionRefused
from audit.log import AuditLog
from corpus.access import Principal
from corpus.errors import CorpusError
from rag.assistant import Assistant, RestsOn
from rag.contract import Answer, DraftDelta, Outcome, Step, Turn
from rag.conversations import Conversations
from rag.errors import ModelBusy, RagError
from rag.following import stand_alone

log = logging.getLogger("rag.answering")

USUAL_WORKERS: Final = 4
USUAL_WAITING: Final = 16

DRAFT_INTERVAL_SECONDS: Final = 0.1
"""Pieces of a draft closer together than this are stored, and shown, as one."""

INTERRUPTED: Final = "This answer was interrupted by a restart. Ask the question again."
UNEXPECTED: Final = (
    "Something went wrong while answering. Ask again; if it happens again, tell the administrator."
)


class Answering:
    """Runs answers on threads of its own.

    Args:
        assistant: Makes the answers.
        conversations: Where turns and their events are kept.
        record: Where a question that came to nothing is said to have ended.
        workers: Answers made at the same time.
        waiting: Questions that may wait for a worker; one more is refused as busy.
        monotonic: Seconds from any start, never running backwards.
    """

    def __init__(
        self,
        assistant: Assistant,
        conversations: Conversations,
        record: AuditLog,
        *,
        workers: int = USUAL_WORKERS,
        waiting: int = USUAL_WAITING,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._assistant = assistant
        self._conversations = conversations
        self._record = record
        self._monotonic = monotonic
        self._places = threading.BoundedSemaphore(workers + waiting)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="answer")
        self._stops: dict[str, threading.Event] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()

    def ask(
        self,
        question: str,
        asker: Principal,
        *,
        conversation_id: str | None = None,
        quotes_only: bool = False,
        instead_of: str | None = None,
        earlier: Sequence[str] | None = None,
    ) -> Turn:
        """Start a turn and return it, running.

        Args:
            question: As asked.
            asker: Who asks.
            conversation_id: None opens a new conversation.
            quotes_only: Leave the model out.
            instead_of: A done turn of the conversation that this one takes the place of.
            earlier: The asker's questions before this one, in order; None takes those of the
                conversation.

        Raises:
            ModelBusy: Too many questions wait already.
            NotFound: The asker has no such conversation.
        """
        if self._closed.is_set() or not self._places.acquire(blocking=False):
            raise ModelBusy("Too many questions are waiting for an answer. Ask again in a minute.")
        try:
            turn = self._conversations.start_turn(
                asker.name, question, conversation_id, instead_of=instead_of
            )
            if earlier is None:
                earlier = self._conversations.questions_before(turn)
            sought = stand_alone(question, earlier)
            asked_as = sought if sought != question else ""
            with self._lock:
                self._stops[turn.turn_id] = threading.Event()
            run = copy_context().run
            self._pool.submit(
                run, self._run, turn, asker, asked_as=asked_as, quotes_only=quotes_only
            )
        except BaseException:
            self._places.release()
            raise
        return turn

    def stop(self, turn_id: str) -> None:
        """Ask a running answer to end soon; a turn that is done stays as it is."""
        with self._lock:
            flag = self._stops.get(turn_id)
        if flag is not None:
            flag.set()

    def close(self) -> None:
        """Stop all answers and wait until they have ended."""
        self._closed.set()
        with self._lock:
            flags = list(self._stops.values())
        for flag in flags:
            flag.set()
        self._pool.shutdown(wait=True)

    def _run(self, turn: Turn, asker: Principal, *, asked_as: str, quotes_only: bool) -> None:
        try:
            answer = self._answer(turn, asker, asked_as=asked_as, quotes_only=quotes_only)
            self._conversations.finish(turn.turn_id, answer)
        except Exception as error:  # noqa: BLE001 - the worker loop
            _log_without_text("turn.not_kept", turn.turn_id, error)
        finally:
            with self._lock:
                self._stops.pop(turn.turn_id, None)
            self._places.release()

    def _answer(self, turn: Turn, asker: Principal, *, asked_as: str, quotes_only: bool) -> Answer:
        stop = self._stops[turn.turn_id]
        writer = _EventWriter(turn.turn_id, self._conversations, stop, self._monotonic)
        try:
            answer = self._assistant.answer(
                turn.question,
                asker,
                turn_id=turn.turn_id,
                conversation_id=turn.conversation_id,
                asked_as=asked_as,
                quotes_only=quotes_only,
                progress=lambda happened: self._note(turn.turn_id, happened, writer),
                stopped=stop.is_set,
            )
            writer.flush()
        except (RagError, AuditUnavailable, CorpusError) as error:
            log.warning("turn.failed turn_id=%s reason=%s", turn.turn_id, type(error).__name__)
            return self._fail(turn, asker, error, str(error), shown=writer.draft)
        except Exception as error:  # noqa: BLE001 - the worker loop
            _log_without_text("turn.failed", turn.turn_id, error)
            return self._fail(turn, asker, error, UNEXPECTED, shown=writer.draft)
        return answer

    def _note(
        self, turn_id: str, happened: Step | DraftDelta | RestsOn, writer: "_EventWriter"
    ) -> None:
        if isinstance(happened, RestsOn):
            self._conversations.rest(turn_id, happened.versions)
        else:
            writer.write(happened)

    def _fail(
        self, turn: Turn, asker: Principal, error: Exception, reason: str, *, shown: str
    ) -> Answer:
        """Put on record that a question came to nothing, by the kind of the error alone.

        A draft that was being shown is on record too, as an answer that was broken off.
        """
        try:
            self._record.append(ended(asker.name, turn.turn_id, type(error).__name__, shown))
        except AuditUnavailable:
            # Nothing is shown either way; the question's end is missing like what follows.
            log.warning("turn.end_not_recorded turn_id=%s", turn.turn_id)
        return failed(reason)


def ended(person: str, turn_id: str, reason: str, shown: str) -> Event:
    """Return the event that says how a turn without an answer ended.

    Args:
        person: Who asked.
        turn_id: The turn.
        reason: Why, in a word.
        shown: What of a draft had been shown.
    """
    if not shown:
        return QuestionRefused(person, turn_id, reason, 0)
    return AnswerGiven(
        person=person,
        turn_id=turn_id,
        outcome="aborted",
        answer="",
        citations=(),
        model="",
        struck=0,
        milliseconds=0,
        draft=shown,
    )


def failed(reason: str) -> Answer:
    """Return the answer of a turn that came to none."""
    return Answer(outcome=Outcome.FAILED, sentences=[], citations=[], passages=[], reason=reason)


class _EventWriter:
    """Appends what happens to the store, pieces of the draft joined."""

    def __init__(
        self,
        turn_id: str,
        conversations: Conversations,
        stop: threading.Event,
        monotonic: Callable[[], float],
    ) -> None:
        self._turn_id = turn_id
        self._conversations = conversations
        self._stop = stop
        self._monotonic = monotonic
        self._pieces: list[str] = []
        self._shown: list[str] = []
        self._written_at = -DRAFT_INTERVAL_SECONDS

    @property
    def draft(self) -> str:
        """What of the draft was stored, and so may have been seen."""
        return "".join(self._shown)

    def write(self, happened: Step | DraftDelta) -> None:
        """Append a step at once, a piece of the draft when it is time."""
        if isinstance(happened, Step):
            self.flush()
            self._append(happened)
            return
        self._pieces.append(happened.text)
        if self._monotonic() - self._written_at >= DRAFT_INTERVAL_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Append what has been held back."""
        if self._pieces:
            joined = "".join(self._pieces)
            self._shown.append(joined)
            self._append(DraftDelta(text=joined))
            self._pieces.clear()
            self._written_at = self._monotonic()

    def _append(self, happened: Step | DraftDelta) -> None:
        # Not kept means that the conversation was deleted: nobody waits for this answer.
        if not self._conversations.append(self._turn_id, happened):
            self._stop.set()


def _log_without_text(event: str, turn_id: str, error: Exception) -> None:
    # The message of an unforeseen error may quote a document; where it arose may be logged.
    frames = "".join(traceback.format_tb(error.__traceback__))
    log.error("%s turn_id=%s error=%s\n%s", event, turn_id, type(error).__name__, frames)
