"""Kill the record's writer, and fill its disk, at random moments; then see what is on record.

Four threads ask, read and answer as the service does: the question and its passages are put on
record before the first word is "shown", the answer before it is "final"; a fifth has checkpoints
signed all the while. Every word that was shown is said over a pipe. Afterwards the record must
verify, hold whatever was shown, and have its tree signed on from where the signer was.
"""

import contextlib
import os
import random
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from audit.errors import AuditUnavailable
from audit.events import AnswerGiven, PassageRead, PassagesRead, QuestionAsked
from audit.log import AuditLog
from audit.merkle import hash_leaf, root_of
from audit.notes import parse_checkpoint

THREADS = 4
LONGEST_LIFE_SECONDS = 0.4
KILLED_WHILE_OPENING = 0.1
"""Share of the rounds in which the writer is killed whether or not it has begun."""
REFUSALS_WAITED_FOR = 8
ANSWERS_AFTER_RECOVERY = 8
SMALLEST_DISK_KIB = 400
LARGEST_DISK_KIB = 1_600
ROOMY_DISK_KIB = 16_384
ROUND_SECONDS = 60.0


@dataclass(frozen=True)
class Outcome:
    """What a round came to.

    Attributes:
        shown: Answers of which a first word was shown.
        final: Answers that were shown as final.
        entries: Entries on record in the end.
        gaps: Entries that say what was missed.
        refused: Questions that were refused.
    """

    shown: int
    final: int
    entries: int
    gaps: int
    refused: int


class RecordBroken(AssertionError):
    """Something was shown that is not on record, or the record does not hold."""


def kill_round(folder: Path, chosen: random.Random) -> Outcome:
    """Kill a writer with SIGKILL at a random moment and check what it leaves."""
    child, said = _forked(lambda tell: _serve_for_ever(folder, tell))
    opened = chosen.random() > KILLED_WHILE_OPENING
    lines = _until(said, lambda seen: "shown" in seen) if opened else []
    time.sleep(chosen.uniform(0.0, LONGEST_LIFE_SECONDS))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return check(folder, lines + _read_all(said))


def full_round(disk: "Disk", chosen: random.Random) -> Outcome:
    """Let a writer run into a full disk at a random moment, give it room, and check."""
    disk.resize(chosen.randint(SMALLEST_DISK_KIB, LARGEST_DISK_KIB))
    child, said = _forked(lambda tell: _serve_until_recovered(disk, tell))
    lines = _until(said, lambda seen: seen.count("refused") >= REFUSALS_WAITED_FOR)
    disk.resize(ROOMY_DISK_KIB)
    lines += _read_all(said)
    os.waitpid(child, 0)
    outcome = check(disk.folder, lines)
    if outcome.gaps == 0:
        raise RecordBroken("nothing on record says that questions were refused")
    return outcome


def check(folder: Path, said: list[str]) -> Outcome:
    """Compare what was shown with what is on record.

    Raises:
        RecordBroken: They differ, or the record does not hold.
    """
    with closing(AuditLog.open(folder)) as log:
        verdict = log.verify()
        if not verdict.intact:
            raise RecordBroken(verdict.fault)
        on_record: dict[str, set[str]] = {"rag.ask": set(), "rag.retrieve": set()}
        on_record["rag.answer"] = set()
        for kind, turns in on_record.items():
            entries = log.entries(type=kind, limit=1_000_000)
            turns.update(str(entry.envelope["turn_id"]) for entry in entries)
        shown = {line.split()[1] for line in said if line.startswith("shown")}
        final = {line.split()[1] for line in said if line.startswith("final")}
        _require(shown <= on_record["rag.ask"] & on_record["rag.retrieve"], "a word was shown")
        _require(final <= on_record["rag.answer"], "an answer was shown as final")
        checkpoint = parse_checkpoint(log.checkpoint())
        leaves = root_of(hash_leaf(line) for line in log.lines(0, checkpoint.size - 1))
        if checkpoint.root != leaves:
            raise RecordBroken("the tree is not the one over the entries")
        return Outcome(
            shown=len(shown),
            final=len(final),
            entries=log.count(),
            gaps=log.count(type="audit.gap"),
            refused=sum(line.startswith("refused") for line in said),
        )


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise RecordBroken(f"{what} that is not on record")


class Disk:
    """A small disk of its own: a tmpfs where mounting is permitted, else a limit on file size.

    With the limit a file larger than it cannot be written, which SQLite reports as a failing
    disk; it stands in for a full one where nobody may mount.
    """

    def __init__(self, folder: Path, *, mounted: bool) -> None:
        self.folder = folder / "audit"
        self.mounted = mounted
        self._at = folder
        self.size_kib = ROOMY_DISK_KIB

    def resize(self, size_kib: int) -> None:
        """Give the disk that size; files on it stay."""
        self.size_kib = size_kib
        if self.mounted:
            option = f"remount,size={size_kib}k"
            subprocess.run(["/bin/mount", "-o", option, self._at], check=True)

    def limit_here(self) -> None:
        """In the writer: let files be no larger than the disk, where it is no disk of its own."""
        if not self.mounted:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.size_kib * 1024 // 2, hard))

    def lift_here(self) -> None:
        """In the writer: take the limit off."""
        if not self.mounted:
            hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


@contextmanager
def small_disk(folder: Path) -> Iterator[Disk]:
    """A disk that can be filled, unmounted in the end."""
    folder.mkdir()
    size = f"size={ROOMY_DISK_KIB}k"
    command = ["/bin/mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)]
    mounted = subprocess.run(command, check=False, capture_output=True).returncode == 0
    try:
        yield Disk(folder, mounted=mounted)
    finally:
        if mounted:
            subprocess.run(["/bin/umount", folder], check=True)


Tell = Callable[[str], None]


def _forked(work: Callable[[Tell], None]) -> tuple[int, int]:
    """Run something in a copy of this process; return its id and a pipe of what it says."""
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return child, reading
    code = 1
    try:
        os.close(reading)
        work(partial(_say, writing))
        code = 0
    finally:
        os._exit(code)


def _say(descriptor: int, line: str) -> None:
    os.write(descriptor, f"{line}\n".encode())


def _serve_for_ever(folder: Path, tell: Tell) -> None:
    log = AuditLog.open(folder)
    threading.Thread(target=_sign, args=(log, threading.Event()), daemon=True).start()
    _asking(log, tell, threading.Event())


def _serve_until_recovered(disk: Disk, tell: Tell) -> None:
    log = AuditLog.open(disk.folder)
    disk.limit_here()
    stop, refused, recovered = threading.Event(), threading.Semaphore(0), threading.Semaphore(0)

    def watch(line: str) -> None:
        tell(line)
        (refused if line.startswith("refused") else recovered).release()

    threading.Thread(target=_sign, args=(log, stop), daemon=True).start()
    threading.Thread(target=_asking, args=(log, watch, stop), daemon=True).start()
    for _ in range(REFUSALS_WAITED_FOR):
        refused.acquire(timeout=ROUND_SECONDS)
    disk.lift_here()
    while recovered.acquire(blocking=False):
        pass
    for _ in range(2 * ANSWERS_AFTER_RECOVERY):
        recovered.acquire(timeout=ROUND_SECONDS)
    stop.set()
    log.close()


def _sign(log: AuditLog, stop: threading.Event) -> None:
    while not stop.wait(0.005):
        with contextlib.suppress(AuditUnavailable):
            log.checkpoint()


def _asking(log: AuditLog, tell: Tell, stop: threading.Event) -> None:
    threads = [
        threading.Thread(target=_ask_on, args=(log, tell, stop, name), daemon=True)
        for name in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _ask_on(log: AuditLog, tell: Tell, stop: threading.Event, name: int) -> None:
    number = 0
    while not stop.is_set():
        number += 1
        turn = f"{os.getpid()}-{name}-{number}"
        try:
            _ask_once(log, tell, turn)
        except AuditUnavailable:
            tell(f"refused {turn}")
            time.sleep(0.005)


def _ask_once(log: AuditLog, tell: Tell, turn: str) -> None:
    passage = PassageRead("d-1", "v-1", 1, "c-1", "ab" * 32, 0.5, 1)
    log.append(QuestionAsked("Ada", turn, "c", "What is the notice period?"))
    log.append(PassagesRead("Ada", turn, (passage,) * 6))
    tell(f"shown {turn}")
    answer = "The notice period is three months. " * 10
    log.append(AnswerGiven("Ada", turn, "answered", answer, (), "model", 0, 12.0))
    tell(f"final {turn}")


def _until(descriptor: int, enough: Callable[[str], bool]) -> list[str]:
    """Read until enough was said; ends with a whole line."""
    said = ""
    while not enough(said) or not said.endswith("\n"):
        piece = os.read(descriptor, 65_536)
        if not piece:
            break
        said += piece.decode()
    return said.splitlines()


def _read_all(descriptor: int) -> list[str]:
    with os.fdopen(descriptor, "rb") as pipe:
        lines = pipe.read().split(b"\n")
    return [line.decode() for line in lines[:-1]]  # what has no end was not said
