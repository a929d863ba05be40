"""A draft is checked sentence by sentence while it is written, and ends in time."""

import json
import threading
from collections.abc import Callable, Iterator

import httpx
import pytest

from rag.contract import DraftDelta, Step
from rag.drafting import Drafted, Drafter, Hooks
from rag.generation import CUT_OFF, Message, ModelServer
from rag.wording import Span

PROMPT = [Message(role="user", content="How much leave?")]


class Heard:
    """What a draft reported, and what is answered to it."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.stop = False
        self.readable = True

    def hooks(self) -> Hooks:
        return Hooks(
            progress=self.progress,
            first=lambda: self.told.append("first"),
            check=self.check,
            stopped=lambda: self.stop,
            still_readable=lambda: self.readable,
        )

    def progress(self, happened: Step | DraftDelta) -> None:
        self.told.append(f"{type(happened).__name__}: {happened.text}")

    def check(self, number: int, span: Span, text: str) -> bool:
        self.told.append(f"{number} at {span.start}: {text}")
        return self.readable


@pytest.fixture
def heard() -> Heard:
    return Heard()


def line(piece: str, ending: str | None = None) -> bytes:
    choice = {"delta": {"content": piece}, "finish_reason": ending}
    return f"data: {json.dumps({'choices': [choice]})}\n\n".encode()


class Reply(httpx.SyncByteStream):
    """Pieces of a reply, each sent when the one before was taken."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces


def drafter(
    reply: Callable[[httpx.Request], httpx.Response],
    *,
    seconds: float = 60.0,
    clock: Callable[[], float] = lambda: 0.0,
) -> Drafter:
    model = ModelServer(url="http://model", name="small", transport=httpx.MockTransport(reply))
    return Drafter(model, maximum_tokens=10, seconds=seconds, monotonic=clock, pause=lambda _: None)


def saying(*pieces: str, ending: str = "stop") -> Callable[[httpx.Request], httpx.Response]:
    def reply(_: httpx.Request) -> httpx.Response:
        lines = [*(line(piece) for piece in pieces), line("", ending), b"data: [DONE]\n\n"]
        return httpx.Response(200, stream=Reply(iter(lines)))

    return reply


def draft(of: Drafter, heard: Heard) -> Drafted:
    return of.draft(of.begin(PROMPT), heard.hooks())


def test_a_sentence_is_checked_as_soon_as_the_next_begins(heard: Heard) -> None:
    drafted = draft(drafter(saying("Leave is 27", " days. It", " runs from May.")), heard)

    assert drafted == Drafted("Leave is 27 days. It runs from May.", "small")
    assert heard.told == [
        "first",
        "DraftDelta: Leave is 27",
        "DraftDelta:  days. It",
        "1 at 0: Leave is 27 days.",
        "DraftDelta:  runs from May.",
        "2 at 18: It runs from May.",
    ]


@pytest.mark.parametrize(
    ("ending", "checked"), [(CUT_OFF, 1), ("stop", 2)], ids=["cut off", "ended by itself"]
)
def test_a_sentence_that_was_cut_off_is_not_checked(
    heard: Heard, ending: str, checked: int
) -> None:
    draft(drafter(saying("One is one. Two is", ending=ending)), heard)

    assert sum(" at " in told for told in heard.told) == checked


def test_stopping_keeps_what_was_written(heard: Heard) -> None:
    heard.stop = True

    drafted = draft(drafter(saying("One is one. ", "Two is two.")), heard)

    assert drafted == Drafted("One is one. ", "small", stopped=True)
    assert "1 at 0: One is one." in heard.told


def test_a_silent_model_can_be_stopped(heard: Heard) -> None:
    over = threading.Event()

    def reply(_: httpx.Request) -> httpx.Response:
        def silent() -> Iterator[bytes]:
            heard.stop = True
            assert over.wait(20)
            yield line("late")

        return httpx.Response(200, stream=Reply(silent()))

    drafted = draft(drafter(reply), heard)
    over.set()

    assert drafted == Drafted("", "small", stopped=True)


def test_a_draft_ends_when_its_time_is_up(heard: Heard) -> None:
    seconds = iter([0.0, *[61.0] * 10])

    drafted = draft(drafter(saying("One is one. ", "Two."), clock=lambda: next(seconds)), heard)

    assert drafted.because == "late"


def test_who_lost_the_right_is_shown_nothing_more(heard: Heard) -> None:
    heard.readable = False

    drafted = draft(drafter(saying("One is one. ", "Two.")), heard)

    assert drafted.withheld
    assert heard.told == []


def test_a_model_without_a_seat_is_waited_for(heard: Heard) -> None:
    replies = iter([httpx.Response(503), httpx.Response(429)])
    says = saying("One is one.")

    def reply(request: httpx.Request) -> httpx.Response:
        return next(replies, None) or says(request)

    drafted = draft(drafter(reply), heard)

    assert drafted.text == "One is one."
    assert [told for told in heard.told if told.startswith("Step")] == [
        "Step: The model has no seat free; waiting for one"
    ]


def test_a_model_without_a_seat_is_not_waited_for_without_end(heard: Heard) -> None:
    seconds = iter(range(0, 1000, 10))

    drafted = draft(
        drafter(lambda _: httpx.Response(503), clock=lambda: float(next(seconds))), heard
    )

    assert drafted == Drafted(because="busy")


def test_what_was_shown_before_the_model_broke_off_is_kept_for_the_record(heard: Heard) -> None:
    def reply(_: httpx.Request) -> httpx.Response:
        def broken() -> Iterator[bytes]:
            yield line("One is one. Two")
            raise httpx.ReadError("reset")

        return httpx.Response(200, stream=Reply(broken()))

    drafted = draft(drafter(reply), heard)

    assert drafted == Drafted(model="small", because="away", broken_off="One is one. Two")
    assert "1 at 0: One is one." in heard.told
