"""Have a thread do something for as long as a block lasts."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

END_SECONDS: Final = 10.0


@contextmanager
def meanwhile(work: Callable[[threading.Event], object], *, name: str) -> Iterator[None]:
    """Have a thread work until the block ends.

    Args:
        work: Goes on until the event it is given is set, and ends soon then.
        name: Of the thread.
    """
    stop = threading.Event()
    thread = threading.Thread(target=work, args=(stop,), name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(END_SECONDS)
