"""The jail's helper process: forks one confined child for every document.

Reads requests as lines of JSON from its input and answers with lines of JSON. It has no
threads, so forking it is safe; it keeps the parsers it has used imported, so forking is cheap.
A child reads one document and is never used again.
"""

import contextlib
import gc
import json
import os
import resource
import select
import signal
import tempfile
import time
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from ingest import confinement, heartbeat

SCRATCH_BYTES = 1024 * 1024 * 1024
"""Of one file that reading writes, its result included."""
ANSWER_BYTES = 4_096
BEAT = b"\n"
"""What a child sends for every page it has recognised: its time begins anew."""
BEATS_PER_PAGE = 2
MEMORY_SHARE = 1 / 3
"""A process that the system ends while it holds this share of its allowance ran out of memory:
native code asks for the next, larger piece, gets none and aborts."""
_prepared: set[str] = set()
_ENDED_BY_MEMORY = frozenset(
    {signal.SIGABRT, signal.SIGSEGV, signal.SIGTRAP, signal.SIGILL, signal.SIGBUS, signal.SIGKILL}
)


def main() -> None:
    """Serve until the input ends."""
    confinement.leave_network()
    confinement.adopt_orphans()
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    _discard_standard_streams()
    for line in requests:
        answers.write(json.dumps(_serve(line, answers)).encode() + b"\n")
        answers.flush()


def _discard_standard_streams() -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)


def _serve(line: bytes, answers: BinaryIO) -> dict[str, str]:
    request = json.loads(line)
    module = str(request["module"])
    try:
        if module not in _prepared:
            _prepare(module, Path(str(request["folder"])))
            _prepared.add(module)
    except (ImportError, AttributeError) as error:
        return _refusal("unsupported_format", f"no parser: {type(error).__name__}")
    answers.write(BEAT)  # from here on the document's own time runs
    answers.flush()
    changed_at = confinement.office_folder_changed_at()
    mapped = confinement.mapped_bytes()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _read_document(request, mapped, os.fdopen(writer, "wb"))
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        verdict = _await_child(child, pipe, request["limits"], answers)
    confinement.remove_office_sockets(since=changed_at)
    return verdict


def _prepare(module: str, folder: Path) -> None:
    """Import a parser and have it read once, so that no child does again what all would do."""
    from ingest.parsers import warming  # noqa: PLC0415 - after the network is left
    from ingest.parsing import parser_in  # noqa: PLC0415

    parser_in(module)
    warming.warm(module, folder)
    gc.collect()
    gc.freeze()


def _await_child(
    child: int, pipe: BinaryIO, limits: dict[str, Any], answers: BinaryIO
) -> dict[str, str]:
    answer = b""
    beats = 0
    late = False
    give_up_at = time.monotonic() + float(limits["parse_seconds"])
    while True:
        ready, _, _ = select.select([pipe], [], [], max(0.0, give_up_at - time.monotonic()))
        if not ready:
            late = True
            break
        piece = os.read(pipe.fileno(), ANSWER_BYTES)
        if piece.startswith(BEAT) and beats < BEATS_PER_PAGE * int(limits["maximum_pages"]):
            beats += piece.count(BEAT)
            give_up_at = time.monotonic() + float(limits["parse_seconds"])
            answers.write(BEAT)
            answers.flush()
        answer += piece.lstrip(BEAT)
        if not piece or len(answer) > ANSWER_BYTES:
            break
    # The child leads a process group of its own: engines it started end with it.
    for end in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            end(child, signal.SIGKILL)
    _, status, usage = os.wait4(child, 0)
    confinement.end_children()
    verdict = _refusal("time_out") if late else _understood(answer, status, usage, limits)
    verdict["peak_bytes"] = str(usage.ru_maxrss * 1024)
    verdict["cpu_seconds"] = f"{usage.ru_utime + usage.ru_stime:.4f}"
    return verdict


def _understood(
    answer: bytes, status: int, usage: resource.struct_rusage, limits: dict[str, Any]
) -> dict[str, str]:
    with contextlib.suppress(ValueError):
        told = json.loads(answer)
        return {str(name): str(value) for name, value in told.items()}
    code = os.waitstatus_to_exitcode(status)
    if code == -signal.SIGXCPU:
        return _refusal("time_out")
    if code == -signal.SIGXFSZ:
        return _refusal("too_large", "its text is larger than allowed")
    held = usage.ru_maxrss * 1024
    if -code in _ENDED_BY_MEMORY and held > MEMORY_SHARE * float(limits["parse_memory_bytes"]):
        return _refusal("out_of_memory", f"ended by signal {-code} holding {held >> 20} MiB")
    return _refusal("crashed", f"ended by signal {-code}" if code < 0 else f"ended with {code}")


def _read_document(request: dict[str, Any], mapped: int, pipe: BinaryIO) -> NoReturn:
    """Read the document in this child, tell the verdict and end; never returns."""
    try:
        _confine(request, mapped)
        heartbeat.listen(lambda: _beat(pipe, request["limits"]))
        verdict = _verdict(request)
        pipe.write(json.dumps(verdict).encode())
        pipe.flush()
    finally:
        os._exit(0)


def _beat(pipe: BinaryIO, limits: dict[str, Any]) -> None:
    """Tell the helper that a page is done, and allow as much time again for the next."""
    pipe.write(BEAT)
    pipe.flush()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _allow_seconds(usage.ru_utime + usage.ru_stime + _cpu_seconds(limits))


def _allow_seconds(seconds: float) -> None:
    highest = resource.getrlimit(resource.RLIMIT_CPU)[1]
    wanted = int(seconds)
    limit = wanted if highest == resource.RLIM_INFINITY else min(wanted, highest)
    resource.setrlimit(resource.RLIMIT_CPU, (limit, highest))


def _cpu_seconds(limits: dict[str, Any]) -> float:
    # More than the wall time: programs that it starts may have several threads.
    return 2 * float(limits["parse_seconds"]) + 2


def _confine(request: dict[str, Any], mapped: int) -> None:
    os.setsid()
    confinement.end_with_parent()
    limits = request["limits"]
    folder = Path(str(request["folder"]))
    confinement.limit(
        {
            resource.RLIMIT_AS: int(limits["parse_memory_bytes"]) + mapped,
            resource.RLIMIT_FSIZE: SCRATCH_BYTES,
            resource.RLIMIT_NOFILE: confinement.OPEN_FILES,
        }
    )
    _allow_seconds(_cpu_seconds(limits))
    os.chdir(folder)
    os.environ["TMPDIR"] = str(folder)  # noqa: TID251 - the engines this child starts read it
    os.environ["HOME"] = str(folder)  # noqa: TID251
    tempfile.tempdir = str(folder)
    confinement.write_only_into([folder])


def _verdict(request: dict[str, Any]) -> dict[str, str]:
    from ingest.errors import Quarantined  # noqa: PLC0415 - the child of a bare helper

    try:
        Path(str(request["folder"]), "result").write_bytes(_result(request))
    except Quarantined as quarantined:
        return _refusal(quarantined.reason.value, quarantined.detail)
    except MemoryError:
        return _refusal("out_of_memory")
    except RecursionError:
        deep = "nested_too_deeply" if request["task"] == "expand" else "damaged"
        return _refusal(deep, "nested too deeply")
    except Exception as error:  # noqa: BLE001 - a parser may raise anything; it costs this file
        return _refusal("damaged", type(error).__name__)
    return {"state": "read"}


def _result(request: dict[str, Any]) -> bytes:
    from ingest.errors import Quarantined  # noqa: PLC0415 - the child of a bare helper
    from ingest.parsing import opener_in, parser_in  # noqa: PLC0415
    from ingest.quarantine import Reason  # noqa: PLC0415
    from ingest.settings import Limits  # noqa: PLC0415
    from ingest.wire import pack, pack_parts  # noqa: PLC0415

    limits = Limits(**request["limits"])
    module, location = str(request["module"]), Path(str(request["data"]))
    if request["task"] == "expand":
        return pack_parts(opener_in(module)(location, limits))
    parsed = parser_in(module)(location, limits)
    if not parsed.blocks or not any(map(str.isalnum, parsed.text)):
        raise Quarantined(Reason.NO_TEXT)
    return pack(parsed)


def _refusal(reason: str, detail: str = "") -> dict[str, str]:
    return {"state": "refused", "reason": reason, "detail": detail}


if __name__ == "__main__":
    main()
