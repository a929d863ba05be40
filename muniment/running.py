"""Know whether a `muniment up` holds a data folder, and hold one."""

import errno
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from muniment.errors import AlreadyRunning, DataFolderUnusable

LOCK_NAME = "up.lock"


@dataclass(frozen=True, slots=True)
class Running:
    """A `muniment up` that is going on."""

    pid: int
    port: int
    service_port: int

    @property
    def service_address(self) -> str:
        """Where its service answers."""
        return f"http://127.0.0.1:{self.service_port}"


@contextmanager
def hold_data_folder(data: Path, me: Running) -> Iterator[None]:
    """Keep the data folder for this process until the block ends, however it ends.

    Raises:
        AlreadyRunning: Somebody else holds it; says who.
        DataFolderUnusable: Nothing can be written there.
    """
    make_data_folder(data)
    descriptor = os.open(data / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunning(_who_holds(data)) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(asdict(me)).encode(), 0)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def running_in(data: Path) -> Running | None:
    """Who holds the data folder; None when nobody does."""
    try:
        descriptor = os.open(data / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(data)
    finally:
        os.close(descriptor)
    return None


def make_data_folder(data: Path) -> None:
    """Make the data folder, readable by its owner alone, and see that it takes a file."""
    probe = data / f".probe-{os.getpid()}"
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe.write_bytes(b"0" * 4096)
        probe.unlink()
    except OSError as error:
        probe.unlink(missing_ok=True) if data.is_dir() else None
        reason = "its disk is full" if error.errno == errno.ENOSPC else error.strerror
        raise DataFolderUnusable(
            f"The data folder {data} cannot be written: {reason}. Make room or correct its "
            "permissions, or choose another with MUNIMENT_DATA."
        ) from error


def _read(data: Path) -> Running | None:
    try:
        return Running(**json.loads((data / LOCK_NAME).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _who_holds(data: Path) -> str:
    holder = _read(data)
    if holder is None:
        return f"The data folder {data} is held by another muniment; stop that one first."
    return (
        f"The data folder {data} is held by the muniment with process id {holder.pid}, whose page "
        f"is on port {holder.port}. Stop that one first, or choose another folder with "
        "MUNIMENT_DATA."
    )
