"""Reads one document per process, without network and within limits.

A helper process without threads keeps the parsers imported and forks one child for every
document (a fork of this process, which has threads, could deadlock). Whatever the child does,
hang, abort or eat memory, costs that one document.
"""

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Self

import ingest
from corpus.documents import ParsedDocument
from ingest.errors import Quarantined
from ingest.parsing import FORMATS, Format
from ingest.parts import Part
from ingest.quarantine import Reason
from ingest.settings import Limits
from ingest.wire import Malformed, unpack, unpack_parts

PREPARING_SECONDS = 600.0
"""In which a helper has loaded a parser, however busy the machine is."""
GRACE_SECONDS = 20.0
"""How much later than the helper this side gives up."""
RESULT_BYTES = 768 * 1024 * 1024
"""The most that comes out of the jail for one document."""

_ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1",
    "DO_NOT_TRACK": "1",
    "SCARF_NO_ANALYTICS": "true",
    "UNSTRUCTURED_DISABLE_NOTICE": "1",
    "AUTO_DOWNLOAD_NLTK": "False",
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "OMP_THREAD_LIMIT": "1",
}
"""All that the jail gets: no secret of this process can be read in there."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What reading one document took.

    Attributes:
        cpu_seconds: Of the process and of the programs it started.
        peak_bytes: The most memory it or any of those held at once.
    """

    cpu_seconds: float
    peak_bytes: int


class Jail:
    """Helper processes that read documents, one at a time.

    Safe to call from several threads, which then wait for each other.

    Args:
        formats: The formats it reads, by media type.
    """

    def __init__(self, formats: Mapping[str, Format] = FORMATS) -> None:
        self._formats = formats
        self._lock = threading.Lock()
        self._helpers: dict[str, subprocess.Popen[bytes]] = {}
        self._last_cost = Cost(0.0, 0)

    def parse(self, data_path: Path, *, media_type: str, limits: Limits) -> ParsedDocument:
        """Return what the parser of the media type makes of a file.

        Raises:
            Quarantined: With the reason why it makes nothing of it.
        """
        result = self._result("parse", data_path, media_type, limits)
        try:
            return unpack(result)
        except Malformed as error:
            raise Quarantined(Reason.CRASHED, "the parser's answer is unusable") from error

    def expand(self, data_path: Path, *, media_type: str, limits: Limits) -> list[Part]:
        """Return what a container of the media type holds, one level deep.

        Raises:
            Quarantined: It cannot be opened, or holds more than the limits allow.
        """
        result = self._result("expand", data_path, media_type, limits)
        try:
            return unpack_parts(result)
        except Malformed as error:
            raise Quarantined(Reason.CRASHED, "the parser's answer is unusable") from error

    @property
    def last_cost(self) -> Cost:
        """What the document before cost, whatever came of it."""
        return self._last_cost

    def close(self) -> None:
        """End the helpers. Calling it twice has the effect of calling it once."""
        with self._lock:
            for process in list(self._helpers):
                self._end_helper(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _result(self, task: str, data_path: Path, media_type: str, limits: Limits) -> bytes:
        if media_type not in self._formats:
            raise Quarantined(Reason.UNSUPPORTED_FORMAT, media_type)
        folder = Path(tempfile.mkdtemp(prefix="muniment-read-"))
        request: dict[str, object] = {
            "task": task,
            "data": str(data_path.resolve()),
            "module": self._formats[media_type].module,
            "folder": str(folder),
            "limits": {each.name: getattr(limits, each.name) for each in fields(Limits)},
        }
        try:
            with self._lock:
                verdict = self._ask(self._formats[media_type].process, request, limits)
                self._last_cost = Cost(
                    float(verdict.get("cpu_seconds", 0)), int(verdict.get("peak_bytes", 0))
                )
            return _result_of(verdict, folder / "result")
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _ask(self, process: str, request: dict[str, object], limits: Limits) -> dict[str, str]:
        helper = self._running_helper(process)
        if helper.stdin is None or helper.stdout is None:
            raise Quarantined(Reason.CRASHED, "the reading process has no pipes")
        try:
            helper.stdin.write(json.dumps(request).encode() + b"\n")
            helper.stdin.flush()
            line = _read_line(helper.stdout.fileno(), limits.parse_seconds + GRACE_SECONDS)
        except (BrokenPipeError, EOFError) as error:
            self._end_helper(process)
            raise Quarantined(Reason.CRASHED, "the reading process ended") from error
        except TimeoutError as error:
            self._end_helper(process)
            raise Quarantined(Reason.TIME_OUT) from error
        answer = json.loads(line)
        return {str(name): str(value) for name, value in answer.items()}

    def _running_helper(self, process: str) -> subprocess.Popen[bytes]:
        helper = self._helpers.get(process)
        if helper is None or helper.poll() is not None:
            self._end_helper(process)
            helper = self._helpers[process] = _start_helper()
        return helper

    def _end_helper(self, process: str) -> None:
        helper = self._helpers.pop(process, None)
        if helper is None:
            return
        for pipe in (helper.stdin, helper.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(helper.pid, signal.SIGKILL)
        helper.wait()


def parse_in_jail(data_path: Path, *, media_type: str, limits: Limits) -> ParsedDocument:
    """Read one file in a jail of its own; for many files keep a Jail.

    Raises:
        Quarantined: With the reason why it cannot be read.
    """
    with Jail() as jail:
        return jail.parse(data_path, media_type=media_type, limits=limits)


def _start_helper() -> subprocess.Popen[bytes]:
    home = Path(ingest.__file__).resolve().parents[1]
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "ingest.jail_main"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**_ENVIRONMENT, "PYTHONPATH": str(home)},
        start_new_session=True,
    )


def _read_line(descriptor: int, timeout_seconds: float) -> bytes:
    """Return the next line that is not blank; a blank one is a sign of life.

    The first sign says that the parser is there: a busy machine may take long to load it.
    """
    line = b""
    give_up_at = time.monotonic() + max(timeout_seconds, PREPARING_SECONDS)
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([descriptor], [], [], max(0.0, give_up_at - time.monotonic()))
        if not ready:
            raise TimeoutError
        piece = os.read(descriptor, 65_536)
        if not piece:
            raise EOFError
        if piece.startswith(b"\n"):
            give_up_at = time.monotonic() + timeout_seconds
        line = (line + piece).lstrip(b"\n")
    return line


def _result_of(verdict: dict[str, str], result: Path) -> bytes:
    if verdict.get("state") == "read":
        try:
            if result.stat().st_size > RESULT_BYTES:
                raise Quarantined(Reason.TOO_LARGE, "its text is larger than allowed")
            return result.read_bytes()
        except OSError as error:
            raise Quarantined(Reason.CRASHED, "the parser left no answer") from error
    try:
        reason = Reason(verdict.get("reason", ""))
    except ValueError:
        reason = Reason.CRASHED
    raise Quarantined(reason, verdict.get("detail", ""))
