import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from audit.events import Event, QuestionAsked, SignedIn, SystemStarted
from audit.log import AuditLog

START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


class Clock:
    """Every look at it is a second later."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(tmp_path: Path, clock: Clock) -> Iterator[AuditLog]:
    with closing(AuditLog.open(tmp_path / "audit", clock=clock, busy_seconds=0.2)) as record:
        yield record


Ask = Callable[..., Event]
Fill = Callable[[AuditLog, int], None]
Tamper = Callable[[Path, Callable[[sqlite3.Connection], object]], None]


@pytest.fixture
def asked() -> Ask:
    """Makes a question."""

    def ask(number: int = 0, *, person: str = "Ada Lovelace") -> Event:
        return QuestionAsked(
            person=person,
            turn_id=f"turn-{number}",
            conversation_id="conversation-1",
            question=f"What is the fee for case {number}?",
        )

    return ask


@pytest.fixture
def fill(asked: Ask) -> Fill:
    """Writes an entry without payload, a sign-in, and questions."""

    def write(record: AuditLog, count: int) -> None:
        record.append(SystemStarted(version="0.1", configuration_sha256="ab" * 32, model="none"))
        record.append(SignedIn(person="Ada Lovelace"))
        record.append_all([asked(number) for number in range(count - 2)])

    return write


@pytest.fixture
def tamper() -> Tamper:
    """Changes a record's file as somebody would who owns the machine."""

    def change_file(path: Path, change: Callable[[sqlite3.Connection], object]) -> None:
        with closing(sqlite3.connect(path)) as connection:
            triggers = connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'trigger'"
            ).fetchall()
            for (trigger,) in triggers:
                connection.execute(f"DROP TRIGGER {trigger}")
            change(connection)
            connection.commit()

    return change_file
