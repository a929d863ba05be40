"""One writer at a time, and one flush to disk for all who wait together.

Whoever comes while a batch is being flushed waits; the next to hold the turn takes everybody
who waits into one transaction. So nobody waits for company that does not come, and many
threads share the cost of a flush.
"""

import threading
import time
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

    def finish(self, *, result: Result | None = None, error: Exception | None = None) -> None:
        """Say how it ended."""
        self.result, self.error, self.done = result, error, True


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
        self._turn = threading.Lock()
        self._door = threading.Lock()
        self._waiting: deque[Request[Result]] = deque()  # guarded by _door

    def submit(self, request: Request[Result]) -> Result | None:
        """Return what committing a request gave, once it is durable.

        Raises:
            TimeoutError: Its turn did not come.
            Exception: What committing raised.
        """
        with self._door:
            self._waiting.append(request)
        deadline = time.monotonic() + self._patience
        while not request.done:
            if not self._turn.acquire(timeout=max(0.0, deadline - time.monotonic())):
                self._withdraw(request)
                break
            try:
                if not request.done:
                    self._run(self._take())
            finally:
                self._turn.release()
        if request.error is not None:
            raise request.error
        return request.result

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

    def _withdraw(self, request: Request[Result]) -> None:
        with self._door:
            if request in self._waiting:
                self._waiting.remove(request)
        if not request.done:
            request.finish(error=TimeoutError())
