"""One writer at a time, and one flush to disk for all who wait together.

Whoever comes while a batch is being flushed waits; when it is done, one of those who wait takes
all of them into the next transaction. So nobody waits for company that does not come, and many
threads share the cost of a flush.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

LARGEST_BATCH = 128
"""Events in one transaction, unless a single request holds more."""

Result = TypeVar("Result")


@dataclass(slots=True, eq=False)
class Request(Generic[Result]):
    """What one caller wants written: together, or not at all.

    Attributes:
        work: What is written.
        events: How many events that is.
        alone: It shares its transaction with nobody.
    """

    work: object
    events: int
    alone: bool = False
    result: Result | None = field(default=None, init=False)
    error: Exception | None = field(default=None, init=False)
    done: bool = field(default=False, init=False)
    woken: threading.Event = field(default_factory=threading.Event, init=False)
    """Set when it is done, and when its caller is to write the next batch."""

    def finish(self, *, result: Result | None = None, error: Exception | None = None) -> None:
        """Say how it ended."""
        self.result, self.error, self.done = result, error, True
        self.woken.set()


class Sequencer(Generic[Result]):
    """Lines requests up and commits them in batches.

    Args:
        commit: Writes some requests in one transaction and finishes each of them. What it
            raises reaches every caller of the batch.
        patience_seconds: How long a caller waits for its turn.
    """

    def __init__(
        self, commit: Callable[[Sequence[Request[Result]]], None], *, patience_seconds: float
    ) -> None:
        self._commit = commit
        self._patience = patience_seconds
        self._door = threading.Lock()
        self._waiting: deque[Request[Result]] = deque()  # guarded by _door, as is the following
        self._somebody_writes = False

    def submit(self, request: Request[Result]) -> Result | None:
        """Return what committing a request gave, once it is durable.

        Raises:
            TimeoutError: Its turn did not come.
            Exception: What committing raised.
        """
        with self._door:
            self._waiting.append(request)
            mine = not self._somebody_writes
            self._somebody_writes = True
        if not mine and not request.woken.wait(self._patience):
            self._withdraw(request)
        if not request.done:
            self._write_until_done(request)
        if request.error is not None:
            raise request.error
        return request.result

    def _write_until_done(self, request: Request[Result]) -> None:
        """Write batches until this request was in one, then let the next who waits go on."""
        try:
            while not request.done:
                self._run(self._take())
        finally:
            self._pass_on()

    def _take(self) -> list[Request[Result]]:
        taken: list[Request[Result]] = []
        events = 0
        with self._door:
            while self._waiting:
                following = self._waiting[0]
                full = events + following.events > LARGEST_BATCH
                if taken and (full or following.alone or taken[0].alone):
                    break
                taken.append(self._waiting.popleft())
                events += following.events
        return taken

    def _run(self, batch: list[Request[Result]]) -> None:
        failed: Exception = TimeoutError()
        try:
            self._commit(batch)
        except Exception as error:  # noqa: BLE001 - every caller of the batch hears of it
            failed = error
        finally:
            for request in batch:
                if not request.done:
                    request.finish(error=failed)

    def _pass_on(self) -> None:
        with self._door:
            if self._waiting:
                self._waiting[0].woken.set()
            else:
                self._somebody_writes = False

    def _withdraw(self, request: Request[Result]) -> None:
        """Give up waiting; where the turn has just come, take it after all."""
        with self._door:
            if request.woken.is_set():
                return
            if request in self._waiting:
                self._waiting.remove(request)
        request.finish(error=TimeoutError())
