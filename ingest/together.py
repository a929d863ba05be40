"""Do once for many what several threads ask for one by one."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

A = TypeVar("A")
R = TypeVar("R")


class Together(Generic[A, R]):
    """Gathers what threads wait for while the work before it is done, then does it in one go.

    Each call returns once its own item was dealt with. Whoever comes first does the work for
    all that wait: a full batch for the embedder, one flush, one transaction, and no thread of
    its own.

    Args:
        act: Deals with some items, in their order, and returns a result for each.
        size: How much an item counts.
        most: At most so much in one go, though always one item.
    """

    def __init__(
        self,
        act: Callable[[Sequence[A]], Sequence[R]],
        *,
        size: Callable[[A], int] = lambda _: 1,
        most: int,
    ) -> None:
        self._act = act
        self._size = size
        self._most = most
        self._turn = threading.Lock()
        self._guard = threading.Lock()
        self._waiting: deque[tuple[A, Future[R]]] = deque()

    def __call__(self, item: A) -> R:
        """Have one item dealt with, together with whatever else waits.

        Raises:
            Exception: What the work raised; every item of the batch gets the same.
        """
        own: Future[R] = Future()
        with self._guard:
            self._waiting.append((item, own))
        while not own.done():
            with self._turn:
                if not own.done():
                    self._do_some()
        return own.result()

    def _do_some(self) -> None:
        some = self._next()
        try:
            results = self._act([item for item, _ in some])
        except BaseException as error:  # noqa: BLE001 - everybody who waits gets it
            for _, future in some:
                future.set_exception(error)
            return
        for (_, future), result in zip(some, results, strict=True):
            future.set_result(result)

    def _next(self) -> list[tuple[A, "Future[R]"]]:
        some: list[tuple[A, Future[R]]] = []
        room = self._most
        with self._guard:
            while self._waiting:
                size = self._size(self._waiting[0][0])
                if some and size > room:
                    break
                some.append(self._waiting.popleft())
                room -= size
        return some
