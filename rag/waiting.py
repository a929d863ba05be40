"""Who is answered next: everybody in turn, whoever asked how much."""

import threading
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from rag.errors import ModelBusy

USUAL_MOST: Final = 500
USUAL_MOST_OF_ONE: Final = 50
NEW_SHARE: Final = 0.3
"""Weight of the latest question in the mean time that an answer takes."""

QUEUE_FULL: Final = "Very many questions are waiting for an answer. Ask again in a few minutes."
TOO_MANY_OF_ONE: Final = (
    "You have {most} questions waiting for an answer. Ask again when some have been answered."
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Waiter(Generic[T]):
    key: str
    person: str
    item: T


@dataclass(slots=True)
class _Turns:
    """Who has had how many turns.

    Attributes:
        had: By person, turns had, counted from where those who waited then stood.
        last: By person, the number of the latest turn.
        now: Turns had by whoever was served last, before that turn.
        given: Turns given to anybody.
    """

    had: dict[str, int] = field(default_factory=dict)
    last: dict[str, int] = field(default_factory=dict)
    now: int = 0
    given: int = 0

    def enter(self, person: str) -> None:
        self.had[person] = max(self.now, self.had.get(person, 0))

    def next_of(self, people: Iterable[str], running: Counter[str]) -> str:
        return min(
            people, key=lambda one: (self.had.get(one, 0), running[one], self.last.get(one, 0))
        )

    def take(self, person: str) -> None:
        self.now = self.had.get(person, 0)
        self.had[person] = self.now + 1
        self.given += 1
        self.last[person] = self.given

    def copy(self) -> "_Turns":
        return _Turns(dict(self.had), dict(self.last), self.now, self.given)


class FairQueue(Generic[T]):
    """Questions that wait for one of a few places, taken from each person in turn.

    Next is a question of whoever has had the fewest turns; among equals, of whoever has the
    fewest being answered now, then of whoever was served longest ago. Who comes anew begins where
    the others stand: ten questions of one person do not hold up the one of another, and who asked
    nothing so far has no turns saved up. (Start-time fair queueing, Goyal et al. 1996, every
    question of one length.)

    Args:
        places: Questions answered at the same time.
        most: Questions that may wait, all together.
        most_of_one: Questions of one person that may wait.
    """

    def __init__(
        self, places: int, *, most: int = USUAL_MOST, most_of_one: int = USUAL_MOST_OF_ONE
    ) -> None:
        self.places = places
        self._most = most
        self._most_of_one = most_of_one
        self._waiting: dict[str, deque[_Waiter[T]]] = {}
        self._running: Counter[str] = Counter()
        self._turns = _Turns()
        self._order: list[str] | None = []
        self._mean_seconds: float | None = None
        self._closed = False
        self._changed = threading.Condition()

    def require_room(self, person: str) -> None:
        """Refuse a question that could not wait.

        Raises:
            ModelBusy: Too many wait, or too many of this person's.
        """
        with self._changed:
            own = len(self._waiting.get(person, ()))
            waiting = sum(len(each) for each in self._waiting.values())
            if self._closed or waiting + self._running.total() >= self.places + self._most:
                raise ModelBusy(QUEUE_FULL)
            if own >= self._most_of_one:
                raise ModelBusy(TOO_MANY_OF_ONE.format(most=self._most_of_one))

    def put(self, key: str, person: str, item: T) -> None:
        """Let a question wait."""
        with self._changed:
            if person not in self._waiting:
                self._turns.enter(person)
            self._waiting.setdefault(person, deque()).append(_Waiter(key, person, item))
            self._order = None
            self._changed.notify()

    def take(self) -> tuple[str, T] | None:
        """Wait for a question and return its person with it; None once the queue is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._waiting)
            if self._closed:
                return None
            person = self._turns.next_of(self._waiting, self._running)
            waiter = self._pop(person)
            self._turns.take(person)
            self._running[person] += 1
            return person, waiter.item

    def done(self, person: str, seconds: float) -> None:
        """Give a place back, and say how long it was taken."""
        with self._changed:
            self._running[person] -= 1
            if not self._running[person]:
                del self._running[person]
            mean = self._mean_seconds
            self._mean_seconds = (
                seconds if mean is None else (1 - NEW_SHARE) * mean + NEW_SHARE * seconds
            )
            if not self._waiting and not self._running:
                self._turns = _Turns()  # nobody is behind anybody any more
            self._order = None

    def remove(self, key: str) -> T | None:
        """Take a question out of the queue; None where it does not wait."""
        with self._changed:
            for person, own in self._waiting.items():
                for waiter in own:
                    if waiter.key == key:
                        own.remove(waiter)
                        if not own:
                            del self._waiting[person]
                        self._order = None
                        return waiter.item
        return None

    def place_of(self, key: str) -> tuple[int, float | None] | None:
        """Return a question's place, from 1, and about how many seconds it has to wait.

        None where it does not wait; no seconds where nothing was answered yet.
        """
        with self._changed:
            if self._order is None:
                self._order = self._foreseen()
            if key not in self._order:
                return None
            place = self._order.index(key) + 1
            mean = self._mean_seconds
            return place, None if mean is None else mean * place / self.places

    def numbers(self) -> tuple[int, int]:
        """Return how many are being answered and how many wait."""
        with self._changed:
            waiting = sum(len(each) for each in self._waiting.values())
            return self._running.total(), waiting

    def close(self) -> list[T]:
        """Let nobody wait any longer; return what did."""
        with self._changed:
            self._closed = True
            left = [waiter.item for own in self._waiting.values() for waiter in own]
            self._waiting.clear()
            self._order = []
            self._changed.notify_all()
            return left

    def _pop(self, person: str) -> _Waiter[T]:
        own = self._waiting[person]
        waiter = own.popleft()
        if not own:
            del self._waiting[person]
        self._order = None
        return waiter

    def _foreseen(self) -> list[str]:
        """Return the keys of what waits in the order it would be taken if nobody else came."""
        left = {person: deque(own) for person, own in self._waiting.items()}
        running, turns = Counter(self._running), self._turns.copy()
        order: list[str] = []
        while left:
            person = turns.next_of(left, running)
            order.append(left[person].popleft().key)
            if not left[person]:
                del left[person]
            turns.take(person)
            running[person] += 1
        return order
