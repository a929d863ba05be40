"""The jail's helper process: forks one confined child for every document.

Reads requests as lines of JSON from its input and answers with lines of JSON. It has no
threads, so forking it is safe; it keeps the parsers it has used imported, so forking is cheap.
"""

import contextlib
import ctypes
import gc
import json
import os
import resource
import select
import signal
import sys
import time
from pathlib import Path
from typing import BinaryIO, NoReturn

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
RESULT_BYTES = 1024 * 1024 * 1024
OPEN_FILES = 128
ANSWER_BYTES = 4_096
_NETWORK_EVENTS = frozenset(
    {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"}
)


def main() -> None:
    """Serve until the input ends."""
    _leave_network()
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    _discard_standard_streams()
    for line in requests:
        answers.write(json.dumps(_serve(line)).encode() + b"\n")
        answers.flush()


def _leave_network() -> None:
    """Move into a network namespace without an interface; refuse sockets besides.

    Some kernels allow no namespaces to a user without rights: then only the refusal stands,
    which covers Python code.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0:
        libc.unshare(CLONE_NEWNET)
    sys.addaudithook(_refuse_network)


def _refuse_network(event: str, _arguments: tuple[object, ...]) -> None:
    if event in _NETWORK_EVENTS:
        raise PermissionError("a parser may not use the network")


def _discard_standard_streams() -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)


def _serve(line: bytes) -> dict[str, str]:
    request = json.loads(line)
    from ingest.parsing import parser_in  # noqa: PLC0415 - after the network is left

    try:
        parser_in(str(request["module"]))
    except (ImportError, AttributeError) as error:
        return _refusal("unsupported_format", f"no parser: {type(error).__name__}")
    gc.freeze()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _read_document(request, os.fdopen(writer, "wb"))
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        return _await_child(child, pipe, float(request["parse_seconds"]))


def _await_child(child: int, pipe: BinaryIO, seconds: float) -> dict[str, str]:
    answer = b""
    give_up_at = time.monotonic() + seconds
    late = False
    while True:
        ready, _, _ = select.select([pipe], [], [], max(0.0, give_up_at - time.monotonic()))
        if not ready:
            late = True
            break
        piece = os.read(pipe.fileno(), ANSWER_BYTES)
        answer += piece
        if not piece or len(answer) > ANSWER_BYTES:
            break
    # The child leads a process group of its own: engines it started end with it.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if late:
        return _refusal("time_out")
    return _understood(answer, status)


def _understood(answer: bytes, status: int) -> dict[str, str]:
    with contextlib.suppress(ValueError):
        told = json.loads(answer)
        return {str(name): str(value) for name, value in told.items()}
    code = os.waitstatus_to_exitcode(status)
    if code == -signal.SIGXCPU:
        return _refusal("time_out")
    if code == -signal.SIGXFSZ:
        return _refusal("too_large", "its text is larger than allowed")
    return _refusal("crashed", f"ended by signal {-code}" if code < 0 else f"ended with {code}")


def _read_document(request: dict[str, object], pipe: BinaryIO) -> NoReturn:
    """Read the document in this child, tell the verdict and end; never returns."""
    try:
        _confine(request)
        verdict = _verdict(request)
        pipe.write(json.dumps(verdict).encode())
        pipe.flush()
    finally:
        os._exit(0)


def _confine(request: dict[str, object]) -> None:
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    memory = int(str(request["parse_memory_bytes"]))
    seconds = int(float(str(request["parse_seconds"]))) + 1
    # Address space counts what the helper has mapped already, libraries for the most part.
    memory += _mapped_bytes()
    for limit, value in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, seconds * 4),
        (resource.RLIMIT_FSIZE, RESULT_BYTES),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (value, value))
    folder = str(request["folder"])
    os.chdir(folder)
    os.environ["TMPDIR"] = folder  # noqa: TID251 - the engines this child starts read it


def _mapped_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * resource.getpagesize()


def _verdict(request: dict[str, object]) -> dict[str, str]:
    from ingest.errors import Quarantined  # noqa: PLC0415 - the child of a bare helper
    from ingest.parsing import parser_in  # noqa: PLC0415
    from ingest.settings import Limits  # noqa: PLC0415
    from ingest.wire import pack  # noqa: PLC0415

    limits = Limits(
        maximum_file_bytes=int(str(request["maximum_file_bytes"])),
        parse_seconds=float(str(request["parse_seconds"])),
        parse_memory_bytes=int(str(request["parse_memory_bytes"])),
        maximum_pages=int(str(request["maximum_pages"])),
        ocr=str(request["ocr"]),  # type: ignore[arg-type]
    )
    try:
        parsed = parser_in(str(request["module"]))(Path(str(request["data"])), limits)
        if not parsed.text.strip() or not parsed.blocks:
            return _refusal("no_text")
        (Path(str(request["folder"])) / "result").write_bytes(pack(parsed))
    except Quarantined as quarantined:
        return _refusal(quarantined.reason.value, quarantined.detail)
    except MemoryError:
        return _refusal("out_of_memory")
    except RecursionError:
        return _refusal("damaged", "nested too deeply")
    except Exception as error:  # noqa: BLE001 - a parser may raise anything; it costs this file
        return _refusal("damaged", type(error).__name__)
    return {"state": "read"}


def _refusal(reason: str, detail: str = "") -> dict[str, str]:
    return {"state": "refused", "reason": reason, "detail": detail}


if __name__ == "__main__":
    main()
