"""Let the model write a draft, and have every sentence of it checked while the next one comes."""

import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from rag.contract import DraftDelta, QuotesBecause, Step
from rag.errors import ModelBusy, ModelUnavailable
from rag.generation import CUT_OFF, HangUp, Message, ModelServer
from rag.wording import Span, sentences

TICK_SECONDS: Final = 0.1
"""While the model is silent, stopping and rights are looked at this often."""
FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 5.0
BUSY_SHARE: Final = 0.5
"""Part of an answer's time that may pass in waiting for a seat at the model."""
ENDS_OF_SENTENCES: Final = (".", "!", "?", "\u201d", '"', ")")

MODEL_BUSY: Final = "The model has no seat free; waiting for one"


@dataclass(frozen=True, slots=True)
class Drafted:
    """What became of a draft.

    Attributes:
        text: What the model wrote; empty where the draft came to nothing.
        model: Its name.
        because: Why there is no draft, or why it is incomplete; empty where all went well.
        stopped: The asker stopped it.
        withheld: The asker lost the right to read what it rests on.
        broken_off: What had been shown of a draft that came to nothing.
    """

    text: str = ""
    model: str = ""
    because: QuotesBecause = ""
    stopped: bool = False
    withheld: bool = False
    broken_off: str = ""


@dataclass(frozen=True, slots=True)
class Hooks:
    """What is told and asked while a draft is written.

    Attributes:
        progress: Told every piece and every wait.
        first: Told when the first piece is there.
        check: Takes the number of a sentence and where it stands with its text; says whether its
            asker may still read what it rests on.
        stopped: Whether the asker stopped it.
        still_readable: Whether the asker may still read what it rests on.
    """

    progress: Callable[[Step | DraftDelta], None]
    first: Callable[[], None]
    check: Callable[[int, Span, str], bool]
    stopped: Callable[[], bool]
    still_readable: Callable[[], bool]


class Drafter:
    """Writes drafts with a model, within a time.

    Args:
        model: Writes them.
        maximum_tokens: Of a draft.
        seconds: Time for a draft, waiting for a seat at the model included.
        reader: Whose prompts they are.
        monotonic: Seconds from any start, never running backwards.
        pause: Waits for some seconds.
    """

    def __init__(
        self,
        model: ModelServer,
        *,
        maximum_tokens: int,
        seconds: float,
        reader: str = "",
        monotonic: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._model = model
        self._reader = reader
        self._maximum_tokens = maximum_tokens
        self._seconds = seconds
        self._monotonic = monotonic
        self._pause = pause

    def begin(self, messages: Sequence[Message]) -> "Begun":
        """Send a prompt, so that the model reads it while its use is still being decided.

        Nothing of the reply is shown before `draft` is called; `Begun.close` drops it.
        """
        endings: list[str] = []
        hang_up = HangUp()
        reply = self._model.complete(
            messages,
            maximum_tokens=self._maximum_tokens,
            seconds=self._seconds,
            ended=endings.append,
            reader=self._reader,
            hang_up=hang_up,
        )
        return Begun(messages, _Pump(reply, hang_up), endings, self._monotonic())

    def draft(self, begun: "Begun", hooks: Hooks) -> Drafted:
        """Return what became of a draft; everything shown of it went through the hooks."""
        started = begun.started
        written = _Written(hooks)
        wait = FIRST_PAUSE_SECONDS
        while True:
            try:
                return self._write(begun, written, hooks, until=started + self._seconds)
            except ModelBusy:
                if self._monotonic() - started > BUSY_SHARE * self._seconds:
                    return Drafted(because="busy")
            except ModelUnavailable:
                # What had been shown by then stays on record as a draft that came to nothing.
                return Drafted(model=written.model, because="away", broken_off=written.text)
            if hooks.stopped():
                return Drafted(stopped=True)
            if wait == FIRST_PAUSE_SECONDS:
                hooks.progress(Step(name="waiting", text=MODEL_BUSY))
            self._pause(wait)
            wait = min(2 * wait, LONGEST_PAUSE_SECONDS)
            begun = self.begin(begun.messages)

    def _write(self, begun: "Begun", written: "_Written", hooks: Hooks, *, until: float) -> Drafted:
        name = written.model = self._model.name
        with begun.pump as pump:
            for piece in pump.pieces():
                if not hooks.still_readable() or not written.add(piece):
                    return Drafted(model=name, withheld=True)
                if hooks.stopped():
                    return written.ended(name, complete=False, stopped=True)
                if self._monotonic() > until:
                    return written.ended(name, complete=False, because="late")
        return written.ended(name, complete=CUT_OFF not in begun.endings)


@dataclass(frozen=True, slots=True)
class Begun:
    """A prompt that the model has been sent.

    Attributes:
        messages: The prompt.
        pump: Where the reply comes from.
        endings: Why it ended, once it has.
        started: When it was sent.
    """

    messages: Sequence[Message]
    pump: "_Pump"
    endings: list[str]
    started: float

    def close(self) -> None:
        """Drop the reply."""
        self.pump.close()


class _Written:
    """A draft as it grows: its sentences are handed on to be checked as soon as they are whole."""

    def __init__(self, hooks: Hooks) -> None:
        self._hooks = hooks
        self._checked = 0
        self.text = ""
        self.model = ""

    def add(self, piece: str) -> bool:
        """Take a piece; say whether its asker may still read what it rests on."""
        if not piece:
            return True
        if not self.text:
            self._hooks.first()
        self.text += piece
        self._hooks.progress(DraftDelta(text=piece))
        # The last one may still grow; what stands before it does not change any more.
        return self._check(sentences(self.text)[:-1])

    def ended(
        self,
        model: str,
        *,
        complete: bool,
        stopped: bool = False,
        because: QuotesBecause = "",
    ) -> Drafted:
        """Check the last sentence too: one that was cut off only where it is whole."""
        spans = sentences(self.text)
        if spans and not complete and not spans[-1].of(self.text).endswith(ENDS_OF_SENTENCES):
            spans.pop()
        if not self._check(spans):
            return Drafted(model=model, withheld=True)
        return Drafted(self.text, model, because, stopped=stopped)

    def _check(self, spans: Sequence[Span]) -> bool:
        for span in spans[self._checked :]:
            self._checked += 1
            if not self._hooks.check(self._checked, span, span.of(self.text)):
                return False
        return True


class _Pump:
    """Reads a reply in a thread of its own, so that whoever waits for it can stop waiting."""

    def __init__(self, reply: Generator[str, None, None], hang_up: Callable[[], None]) -> None:
        self._reply = reply
        self._hang_up = hang_up
        self._pieces: queue.SimpleQueue[str | BaseException | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        threading.Thread(target=self._run, name="model-reply", daemon=True).start()

    def __enter__(self) -> "_Pump":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the reply go: the model reads and writes no further for it."""
        self._closed.set()
        self._hang_up()

    def pieces(self) -> Iterator[str]:
        """Yield the pieces, and nothing ("") now and then while there is none."""
        while True:
            try:
                piece = self._pieces.get(timeout=TICK_SECONDS)
            except queue.Empty:
                yield ""
                continue
            if isinstance(piece, BaseException):
                raise piece
            if piece is None:
                return
            yield piece

    def _run(self) -> None:
        try:
            for piece in self._reply:
                self._pieces.put(piece)
                if self._closed.is_set():
                    break
            self._pieces.put(None)
        except BaseException as error:  # noqa: BLE001 - handed to who waits
            self._pieces.put(error)
        finally:
            with suppress(Exception):
                self._reply.close()
