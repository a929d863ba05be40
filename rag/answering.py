"""Answers that are made behind the page: a few at a time, everybody in turn.

The events of an answer go to the store; closing the page changes nothing, stopping does.
"""

import logging
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass
from typing import Final

from audit.entries import Entry
from audit.errors import AuditUnavailable
from audit.events import AnswerGiven, Event, QuestionRefused
from audit.log import AuditLog
from corpus.access import Principal
from corpus.errors import CorpusError
from rag.asked import is_reply
from rag.assistant import Assistant, Happened, RestsOn
from rag.contract import Answer, DraftDelta, Outcome, SentenceChecked, Step, Turn, Waiting
from rag.conversations import Asked, Conversations
from rag.errors import RagError
from rag.following import stand_alone
from rag.waiting import USUAL_MOST, FairQueue

log = logging.getLogger("rag.answering")

USUAL_WORKERS: Final = 4
USUAL_WAITING: Final = USUAL_MOST
QUOTING_WORKERS: Final = 2
"""Questions that no model words do not wait behind those that one does."""

DRAFT_INTERVAL_SECONDS: Final = 0.1
"""Pieces of a draft closer together than this are stored, and shown, as one."""

INTERRUPTED: Final = "This answer was interrupted by a restart. Ask the question again."
STOPPED_WAITING: Final = "Stopped before its turn came."
UNEXPECTED: Final = (
    "Something went wrong while answering. Ask again; if it happens again, tell the administrator."
)

Listener = Callable[[], None]


@dataclass(frozen=True, slots=True)
class _Question:
    """A question that waits or is being answered.

    Attributes:
        turn: Its turn.
        asker: Who asks.
        asked_as: What it was understood to ask; empty where it is plain.
        quotes_only: No model is wanted.
        may_ask_back: It may be answered with a question.
        accepted: Where it stands on record.
        stop: Set to end its answer.
        context: What was known of the request.
    """

    turn: Turn
    asker: Principal
    asked_as: str
    quotes_only: bool
    may_ask_back: bool
    accepted: Entry
    stop: threading.Event
    context: Context


class Answering:
    """Runs answers on threads of its own.

    Args:
        assistant: Makes the answers.
        conversations: Where turns and their events are kept.
        record: Where a question that came to nothing is said to have ended.
        workers: Answers made at the same time with a model.
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
        self._worded: FairQueue[_Question] = FairQueue(workers, most=waiting)
        self._quoted: FairQueue[_Question] = FairQueue(QUOTING_WORKERS, most=waiting)
        self._lanes = (self._worded, self._quoted)
        self._stops: dict[str, threading.Event] = {}
        self._listeners: dict[str, list[Listener]] = {}
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._serve, args=(lane,), name=f"answer-{number}", daemon=True)
            for lane in self._lanes
            for number in range(lane.places)
        ]
        for thread in self._threads:
            thread.start()

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
        """Start a turn and return it, running; the question is on record then.

        Args:
            question: As asked.
            asker: Who asks.
            conversation_id: None opens a new conversation.
            quotes_only: Leave the model out.
            instead_of: A done turn of the conversation that this one takes the place of.
            earlier: The asker's questions before this one, in order; None takes those of the
                conversation.

        Raises:
            AuditUnavailable: The record does not take questions now.
            ModelBusy: Too many questions wait already.
            NotFound: The asker has no such conversation.
            RecordUnavailable: It cannot be put on record, so it is not answered.
        """
        self._assistant.foresee(question)
        # One that cannot be written refuses when the question itself is recorded.
        self._record.require_ready()
        lane = self._lane_with_room(asker, quotes_only=quotes_only)
        turn = self._conversations.start_turn(
            asker.name, question, conversation_id, instead_of=instead_of
        )
        before = self._asked_before(turn, conversation_id, earlier)
        sought, answers_back = _sought(question, before)
        if sought != question:
            self._assistant.foresee(sought)
        try:
            accepted = self._assistant.accept(
                question, asker, turn_id=turn.turn_id, conversation_id=turn.conversation_id
            )
        except RagError as error:
            self._conversations.finish(turn.turn_id, failed(str(error)))
            raise
        stop = threading.Event()
        with self._lock:
            self._stops[turn.turn_id] = stop
        waiting = _Question(
            turn=turn,
            asker=asker,
            asked_as=sought if sought != question else "",
            quotes_only=quotes_only,
            may_ask_back=not answers_back,
            accepted=accepted,
            stop=stop,
            context=copy_context(),
        )
        lane.put(turn.turn_id, asker.name, waiting)
        return turn

    def _asked_before(
        self, turn: Turn, conversation_id: str | None, earlier: Sequence[str] | None
    ) -> list[Asked]:
        if earlier is not None:
            return [Asked(one) for one in earlier]
        return self._conversations.asked_before(turn) if conversation_id is not None else []

    def _lane_with_room(self, asker: Principal, *, quotes_only: bool) -> FairQueue[_Question]:
        worded = self._assistant.words_with_a_model(quotes_only=quotes_only)
        lane = self._worded if worded else self._quoted
        lane.require_room(asker.name)
        return lane

    def stop(self, turn_id: str) -> None:
        """Ask an answer to end soon, or take it out of the queue; one that is done stays."""
        with self._lock:
            flag = self._stops.get(turn_id)
        if flag is None:
            return
        flag.set()
        for lane in self._lanes:
            if (question := lane.remove(turn_id)) is not None:
                stopped = Answer(
                    outcome=Outcome.STOPPED,
                    sentences=[],
                    citations=[],
                    passages=[],
                    reason=STOPPED_WAITING,
                )
                self._end_unanswered(question, "stopped", stopped)

    def waiting(self, turn_id: str) -> Waiting | None:
        """Return a turn's place in the queue; None where it does not wait."""
        for lane in self._lanes:
            if (found := lane.place_of(turn_id)) is not None:
                place, seconds = found
                return Waiting(place=place, seconds=None if seconds is None else round(seconds))
        return None

    def numbers(self) -> tuple[int, int]:
        """Return how many questions are being answered and how many wait."""
        counted = [lane.numbers() for lane in self._lanes]
        return sum(running for running, _ in counted), sum(waiting for _, waiting in counted)

    def listen(self, turn_id: str, listener: Listener) -> Listener:
        """Have somebody told when something happened to a turn; returns what ends it.

        The listener is called in the thread that answers, so it must be quick.
        """
        with self._lock:
            self._listeners.setdefault(turn_id, []).append(listener)

        def end() -> None:
            with self._lock:
                left = [one for one in self._listeners.get(turn_id, []) if one is not listener]
                if left:
                    self._listeners[turn_id] = left
                else:
                    self._listeners.pop(turn_id, None)

        return end

    def close(self) -> None:
        """Stop all answers and wait until they have ended; what waits is interrupted."""
        left = [question for lane in self._lanes for question in lane.close()]
        with self._lock:
            flags = list(self._stops.values())
        for flag in flags:
            flag.set()
        for question in left:
            self._end_unanswered(question, "interrupted", failed(INTERRUPTED))
        for thread in self._threads:
            thread.join()

    def _serve(self, lane: FairQueue[_Question]) -> None:
        while (taken := lane.take()) is not None:
            person, question = taken
            self._tell_those_waiting()
            started = self._monotonic()
            question.context.run(self._run, question)
            lane.done(person, self._monotonic() - started)

    def _run(self, question: _Question) -> None:
        turn_id = question.turn.turn_id
        try:
            self._finish(turn_id, self._answer(question))
        except Exception as error:  # noqa: BLE001 - the worker loop
            _log_without_text("turn.not_kept", turn_id, error)
        finally:
            with self._lock:
                self._stops.pop(turn_id, None)
            self._tell(turn_id)

    def _finish(self, turn_id: str, answer: Answer) -> None:
        self._conversations.finish(turn_id, answer)
        self._tell(turn_id)

    def _answer(self, question: _Question) -> Answer:
        turn, asker = question.turn, question.asker
        writer = _EventWriter(self._append, turn.turn_id, question.stop, self._monotonic)
        try:
            answer = self._assistant.answer(
                turn.question,
                asker,
                turn_id=turn.turn_id,
                conversation_id=turn.conversation_id,
                asked_as=question.asked_as,
                quotes_only=question.quotes_only,
                may_ask_back=question.may_ask_back,
                accepted=question.accepted,
                progress=lambda happened: self._note(turn.turn_id, happened, writer),
                stopped=question.stop.is_set,
            )
            writer.flush()
        except (RagError, AuditUnavailable, CorpusError) as error:
            log.warning("turn.failed turn_id=%s reason=%s", turn.turn_id, type(error).__name__)
            return self._fail(turn, asker, error, str(error), shown=writer.draft)
        except Exception as error:  # noqa: BLE001 - the worker loop
            _log_without_text("turn.failed", turn.turn_id, error)
            return self._fail(turn, asker, error, UNEXPECTED, shown=writer.draft)
        return answer

    def _note(self, turn_id: str, happened: Happened, writer: "_EventWriter") -> None:
        if isinstance(happened, RestsOn):
            self._conversations.rest(turn_id, happened.versions)
        else:
            writer.write(happened)

    def _append(self, turn_id: str, happened: Step | DraftDelta | SentenceChecked) -> bool:
        kept = self._conversations.append(turn_id, happened)
        self._tell(turn_id)
        return kept

    def _tell(self, turn_id: str) -> None:
        with self._lock:
            listeners = list(self._listeners.get(turn_id, ()))
        for listener in listeners:
            listener()

    def _tell_those_waiting(self) -> None:
        """Tell all who listen: places in the queue have changed."""
        with self._lock:
            listeners = [one for own in self._listeners.values() for one in own]
        for listener in listeners:
            listener()

    def _end_unanswered(self, question: _Question, reason: str, answer: Answer) -> None:
        """Put on record that a question never had its turn, and show it."""
        turn_id = question.turn.turn_id
        try:
            self._record.append(ended(question.asker.name, turn_id, reason, ""))
        except AuditUnavailable:
            log.warning("turn.end_not_recorded turn_id=%s", turn_id)
        with self._lock:
            self._stops.pop(turn_id, None)
        self._finish(turn_id, answer)

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


def _sought(question: str, before: Sequence[Asked]) -> tuple[str, bool]:
    """Return a question as it is searched for, and whether it replies to what was asked back."""
    if before and before[-1].unclear and is_reply(question):
        return f"{before[-1].question.rstrip(' ?.!')}: {question.strip()}", True
    again = bool(before) and before[-1].unclear
    return stand_alone(question, [one.question for one in before if not one.unclear]), again


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
        append: Callable[[str, Step | DraftDelta | SentenceChecked], bool],
        turn_id: str,
        stop: threading.Event,
        monotonic: Callable[[], float],
    ) -> None:
        self._keep = append
        self._turn_id = turn_id
        self._stop = stop
        self._monotonic = monotonic
        self._pieces: list[str] = []
        self._shown: list[str] = []
        self._written_at = -DRAFT_INTERVAL_SECONDS

    @property
    def draft(self) -> str:
        """What of the draft was stored, and so may have been seen."""
        return "".join(self._shown)

    def write(self, happened: Step | DraftDelta | SentenceChecked) -> None:
        """Append a step or a sentence at once, a piece of the draft when it is time."""
        if not isinstance(happened, DraftDelta):
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

    def _append(self, happened: Step | DraftDelta | SentenceChecked) -> None:
        # Not kept means that the conversation was deleted: nobody waits for this answer.
        if not self._keep(self._turn_id, happened):
            self._stop.set()


def _log_without_text(event: str, turn_id: str, error: Exception) -> None:
    # The message of an unforeseen error may quote a document; where it arose may be logged.
    frames = "".join(traceback.format_tb(error.__traceback__))
    log.error("%s turn_id=%s error=%s\n%s", event, turn_id, type(error).__name__, frames)
