"""What a process that reads a document may still do: compute, and write into one folder.

Each measure stands alone, because kernels differ in which of them they grant a program without
rights: a network namespace without an interface, Landlock for files and TCP (inherited by every
program the process starts), and a refusal inside Python, which always works.
"""

import contextlib
import ctypes
import os
import resource
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
OPEN_FILES = 256
_NETWORK_EVENTS = frozenset(
    {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"}
)

# Landlock, from linux/landlock.h: system calls and access rights by the version that brought them.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_VERSION = 1
_PATH_BENEATH = 1
_WRITE_FILE = 1 << 1
_CHANGE_FOLDER = sum(1 << bit for bit in range(4, 13))
_REFER, _TRUNCATE = 1 << 13, 1 << 14
_TCP = 0b11
_MAKE_SOCKET = 1 << 9
_ALWAYS_WRITABLE = ("/dev/null",)
_OFFICE_SOCKETS = Path("/tmp")  # noqa: S108 - where LibreOffice insists on a socket
_OFFICE_SOCKET_NAMES = "OSL_PIPE_*"


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
    )


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def leave_network() -> None:
    """Move into a network namespace without an interface, and refuse sockets in Python."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0:
        libc.unshare(CLONE_NEWNET)
    sys.addaudithook(_refuse_network)


def _refuse_network(event: str, _arguments: tuple[object, ...]) -> None:
    if event in _NETWORK_EVENTS:
        raise PermissionError("a parser may not use the network")


def adopt_orphans() -> None:
    """Become the parent of every process that loses its own, so that none escapes."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_children() -> None:
    """Kill and collect every child of this process, adopted ones included."""
    while True:
        for child in _children():
            _kill(child)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _children() -> list[int]:
    task = Path(f"/proc/self/task/{os.getpid()}/children")
    try:
        return [int(word) for word in task.read_text(encoding="ascii").split()]
    except OSError:  # a kernel built without this file
        return []


def _kill(process: int) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return


def end_with_parent() -> None:
    """Have the kernel kill this process when its parent ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def limit(resources: Mapping[int, int]) -> None:
    """Set resource limits that can never be raised again."""
    for name, value in {**resources, resource.RLIMIT_CORE: 0}.items():
        resource.setrlimit(name, (value, value))


def mapped_bytes() -> int:
    """Return the address space this process has mapped already, libraries for the most part."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * resource.getpagesize()


def write_only_into(folders: Sequence[Path]) -> bool:
    """Refuse this process and all it starts to change files elsewhere and to use TCP.

    One exception: a socket may be made where LibreOffice wants one to find itself running; it
    holds nothing, and `remove_office_sockets` takes it away.

    Returns:
        Whether the kernel does so (Linux 5.13 and later with Landlock switched on).
    """
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_ASK_VERSION))
    if version < 1:
        return False
    rights = _WRITE_FILE | _CHANGE_FOLDER
    rights |= _REFER if version >= 2 else 0
    rights |= _TRUNCATE if version >= 3 else 0
    rules = _Ruleset(rights, _TCP if version >= 4 else 0)
    size = ctypes.sizeof(rules) if version >= 4 else 8
    ruleset = libc.syscall(
        _CREATE_RULESET, ctypes.byref(rules), ctypes.c_size_t(size), ctypes.c_uint32(0)
    )
    if ruleset < 0:
        return False
    try:
        for folder in folders:
            _allow(libc, ruleset, folder, rights)
        for device in _ALWAYS_WRITABLE:
            _allow(libc, ruleset, Path(device), _WRITE_FILE)
        _allow(libc, ruleset, _OFFICE_SOCKETS, _MAKE_SOCKET)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        return int(libc.syscall(_RESTRICT_SELF, ruleset, ctypes.c_uint32(0))) == 0
    finally:
        os.close(ruleset)


def office_folder_changed_at() -> int:
    """Return when something last came or went where LibreOffice makes its sockets, in ns."""
    return _OFFICE_SOCKETS.stat().st_mtime_ns


def remove_office_sockets(*, since: int) -> None:
    """Remove LibreOffice's sockets that have come since the folder changed at that time.

    A program that runs on does not miss its own. Where nothing came, that costs one look.
    """
    if office_folder_changed_at() == since:
        return
    for socket in _OFFICE_SOCKETS.glob(_OFFICE_SOCKET_NAMES):
        with contextlib.suppress(FileNotFoundError):
            if socket.lstat().st_ctime_ns >= since:
                socket.unlink()


def _allow(libc: ctypes.CDLL, ruleset: int, place: Path, rights: int) -> None:
    descriptor = os.open(place, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = _Beneath(rights, descriptor)
        libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), ctypes.c_uint32(0))
    finally:
        os.close(descriptor)
