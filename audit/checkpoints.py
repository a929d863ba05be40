"""Checkpoints at their time, handed out of the house, and a heartbeat whose absence is a sign.

A signature on the machine itself shows little to somebody who owns that machine. What counts
is the newest checkpoint that somebody else holds: nobody can rewrite what it covers.
"""

import logging
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Protocol

from audit.canonical import timestamp
from audit.errors import AuditError, AuditUnavailable
from audit.events import CheckpointMade, Heartbeat
from audit.files import write_durably
from audit.log import AuditLog
from audit.notes import parse_checkpoint, parse_note

log = logging.getLogger("audit.checkpoints")

STEP_SECONDS = 1.0
RETRY_SECONDS = 5.0
SYSLOG_FACILITY_LOCAL0_NOTICE = 16 * 8 + 5
LONGEST_SYSLOG_SECONDS = 5.0


class Outlet(Protocol):
    """A place outside that checkpoints are handed to. Raises ``OSError`` where it cannot be."""

    def hand_out(self, note: str) -> None:
        """Hand a checkpoint out."""
        ...


class FolderOutlet:
    """Writes every checkpoint to a file of its own in a folder: a share, a WORM volume, a stick.

    A file that is there is left alone, so that the folder may refuse to change it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def hand_out(self, note: str) -> None:
        """Write ``checkpoint-SIZE``, with a number behind it where that is there already."""
        size = parse_checkpoint(note).size
        path = self._folder / f"checkpoint-{size:012d}"
        if path.exists() and path.read_text(encoding="utf-8") == note:
            return
        number = 1
        while path.exists():
            number += 1
            path = self._folder / f"checkpoint-{size:012d}-{number}"
        write_durably(path, note.encode(), mode=0o644)


class SyslogOutlet:
    """Sends every checkpoint as one message of RFC 5424.

    Args:
        address: ``/dev/log`` or another socket of this machine, or ``host:port`` for TCP with
            octet counting (RFC 6587).
        host: Name of this machine in the message.
        clock: Gives times with a zone.
    """

    def __init__(self, address: str, *, host: str, clock: Callable[[], datetime]) -> None:
        self._address = address
        self._host = host or "-"
        self._clock = clock

    def hand_out(self, note: str) -> None:
        """Send the note, its lines joined by a bar, which no line of a note holds."""
        text = "|".join(note.splitlines())
        message = (
            f"<{SYSLOG_FACILITY_LOCAL0_NOTICE}>1 {timestamp(self._clock())} {self._host} "
            f"muniment - checkpoint - {text}"
        ).encode()
        if self._address.startswith("/"):
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
                connection.settimeout(LONGEST_SYSLOG_SECONDS)
                connection.connect(self._address)
                connection.send(message)
            return
        host, _, port = self._address.rpartition(":")
        with socket.create_connection((host, int(port)), LONGEST_SYSLOG_SECONDS) as connection:
            connection.sendall(f"{len(message)} ".encode("ascii") + message)


class MailOutlet:
    """Leaves a checkpoint a day as a message in a maildir, for a mail program to send.

    Args:
        folder: The maildir; ``tmp`` and ``new`` are made.
        to: Whom it is for.
        clock: Gives times with a zone.
    """

    def __init__(self, folder: Path, *, to: str, clock: Callable[[], datetime]) -> None:
        self._folder = folder
        self._to = to
        self._clock = clock

    def hand_out(self, note: str) -> None:
        """Write the first checkpoint of a day; later ones of that day are left out."""
        today = f"{self._clock():%Y-%m-%d}"
        new = self._folder / "new"
        for part in ("tmp", "new", "cur"):
            (self._folder / part).mkdir(parents=True, exist_ok=True)
        name = f"checkpoint-{today}"
        if any(self._folder.glob(f"*/{name}*")):
            return
        size = parse_checkpoint(note).size
        message = EmailMessage()
        message["Subject"] = f"Muniment checkpoint {today}: {size} entries"
        if self._to:
            message["To"] = self._to
        message["Date"] = self._clock()
        message.set_content(note)
        write_durably(new / name, message.as_bytes(), mode=0o640)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When checkpoints and heartbeats are due.

    Attributes:
        seconds: After so many at the latest, where there is something new.
        entries: After so many at the latest.
        heartbeat: How often the record says that it is alive.
    """

    seconds: float = 60.0
    entries: int = 256
    heartbeat: timedelta = timedelta(minutes=5)


@dataclass(slots=True)
class Checkpointer:
    """Makes checkpoints and heartbeats while a program serves.

    Attributes:
        record: The record.
        rhythm: When.
        outlets: Where checkpoints go.
        monotonic: Seconds that never run backwards.
    """

    record: AuditLog
    rhythm: Rhythm = field(default_factory=Rhythm)
    outlets: Sequence[Outlet] = ()
    monotonic: Callable[[], float] = time.monotonic
    fault: str = ""
    _signed_at: float = field(default=-1.0, init=False)
    _beat_at: float = field(default=-1.0, init=False)
    _retry_at: float = field(default=-1.0, init=False)
    _handed_out: str = field(default="", init=False)

    def run_until(self, stop: threading.Event) -> None:
        """Do what is due, until told to stop; then sign what is left."""
        while True:
            ended = stop.wait(STEP_SECONDS)
            self.step(at_once=ended)
            if ended:
                return

    def step(self, *, at_once: bool = False) -> None:
        """Do what is due now; what fails is said in ``fault`` and tried again."""
        now = self.monotonic()
        if now < self._retry_at and not at_once:
            return
        try:
            self.record.recover()
            if self._beat_at < 0 or now - self._beat_at >= self.rhythm.heartbeat.total_seconds():
                self._beat()
                self._beat_at = now
            self._sign_if_due(now, at_once=at_once)
            self.record.collect_cosignatures()
            self._hand_out()
        except (AuditError, OSError, ValueError) as error:
            if not self.fault:
                log.warning("checkpoint.failed error=%s", type(error).__name__)
            self.fault = type(error).__name__
            self._retry_at = now + RETRY_SECONDS
        else:
            if self.fault:
                log.info("checkpoint.recovered")
            self.fault = ""

    def _beat(self) -> None:
        minutes = max(1, round(self.rhythm.heartbeat.total_seconds() / 60))
        self.record.append(Heartbeat(minutes=minutes, unsigned=self.record.unsigned()))

    def _sign_if_due(self, now: float, *, at_once: bool) -> None:
        waiting = self.record.unsigned()
        due = self._signed_at < 0 or now - self._signed_at >= self.rhythm.seconds
        if waiting and (due or at_once or waiting >= self.rhythm.entries):
            self._announce_the_last()
            self.record.checkpoint()
            self._signed_at = now

    def _announce_the_last(self) -> None:
        """Put the checkpoint before on record, so that the next one covers that too."""
        newest = self.record.newest_checkpoint()
        if newest is None:
            return
        last = parse_checkpoint(newest)
        witnesses = len(parse_note(newest).signatures) - 1
        self.record.append(CheckpointMade(last.size, last.root.hex(), witnesses))

    def _hand_out(self) -> None:
        newest = self.record.newest_checkpoint()
        if newest is None or newest == self._handed_out:
            return
        for outlet in self.outlets:
            outlet.hand_out(newest)
        self._handed_out = newest


@dataclass(frozen=True, slots=True)
class Pulse:
    """Whether the record is alive.

    Attributes:
        alive: A heartbeat came when it was due.
        last: When the last one came; None where none ever did.
        due_minutes: How often one is due.
    """

    alive: bool
    last: datetime | None
    due_minutes: int


def pulse(record: AuditLog, now: datetime) -> Pulse:
    """Say whether the last heartbeat is younger than two of its intervals.

    Raises:
        AuditUnavailable: The record cannot be read.
    """
    for entry in record.entries(type="audit.heartbeat", limit=1, newest_first=True):
        minutes = entry.envelope.get("minutes")
        if not isinstance(minutes, int):
            raise AuditUnavailable("The last heartbeat of the record cannot be read.")
        alive = now - entry.at < timedelta(minutes=2 * minutes)
        return Pulse(alive, entry.at, minutes)
    return Pulse(alive=False, last=None, due_minutes=0)
