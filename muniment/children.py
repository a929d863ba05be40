"""Programs that `muniment up` starts, watches and ends."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

GRACE_SECONDS = 8.0
"""Time a program has to end by itself before it is killed."""


@dataclass(slots=True)
class Child:
    """A program in a process group of its own, ended with everything it started.

    It ends when this process dies, however that happens. Start it from the main thread: the
    kernel ties it to the thread that started it.

    Attributes:
        name: What the operator knows it by.
        command: Absolute path of the program and its arguments. No secrets: other users of the
            machine can read it.
        environment: Its whole environment.
        log: File that its output is appended to.
        niceness: How far it stands back, 0 to 19, where others want the processor too.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    niceness: int = 0
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def pid(self) -> int | None:
        """Its process id, which is its group's too; None before the first start."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it, again if it has ended."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        leash = [sys.executable, "-P", "-m", "muniment.leash"]
        leash += [str(os.getpid()), str(self.niceness)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - built here, no shell
                [*leash, *self.command],
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def alive(self) -> bool:
        """Say whether it runs."""
        return self._process is not None and self._process.poll() is None

    def ask_to_end(self) -> None:
        """Send SIGTERM to it alone, so that it can end its own children in order."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def end(self, *, deadline: float) -> None:
        """Wait for it until the deadline (monotonic), then kill what is left of its group."""
        if self._process is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.0, deadline - time.monotonic()))
        _kill_group(self._process.pid)
        self._process.wait()


def end_all(children: Sequence[Child], *, grace_seconds: float = GRACE_SECONDS) -> None:
    """Ask every program to end, wait together, and leave none behind."""
    for child in children:
        child.ask_to_end()
    deadline = time.monotonic() + grace_seconds
    for child in children:
        child.end(deadline=deadline)


def last_lines(log: Path, count: int = 5) -> str:
    """The end of a log, for a message to the operator."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(lines[-count:])


def _kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return
