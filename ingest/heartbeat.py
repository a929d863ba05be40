"""A sign of life from slow work: a scan of many pages may take as long as its pages need.

Who confines the work says what a sign does; without anybody listening it does nothing.
"""

from collections.abc import Callable

_listeners: list[Callable[[], None]] = []


def listen(listener: Callable[[], None]) -> None:
    """Have a function called at every sign of life from now on."""
    _listeners.append(listener)


def beat() -> None:
    """Give a sign of life: one page of many is done."""
    for listener in _listeners:
        listener()
