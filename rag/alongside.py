"""Do two things of one question at the same time, and go on when both are done."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def alongside(work: Callable[[], T]) -> Iterator["Future[T]"]:
    """Have a thread do some work while the block runs; after it the work is done.

    Worth it where one of the two waits for a disk. What went wrong in the work is raised at the
    end of the block, unless the block itself went wrong.

    Args:
        work: Runs with the context of the caller.

    Yields:
        What the work returns, when the block has ended.
    """
    done: Future[T] = Future()
    context = copy_context()

    def run() -> None:
        try:
            done.set_result(context.run(work))
        except BaseException as error:  # noqa: BLE001 - handed to who waits
            done.set_exception(error)

    thread = threading.Thread(target=run, name="alongside", daemon=True)
    thread.start()
    try:
        yield done
    finally:
        thread.join()
    done.result()
