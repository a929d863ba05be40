"""Small files beside the record: secrets and state, whole or not at all."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_durably(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Make or replace a file, whole or not at all, and on disk when this returns.

    Raises:
        OSError: It could not be written; what was there before is still there.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
    finally:
        partial.unlink(missing_ok=True)
    _sync_folder(path.parent)


def make_private_folder(folder: Path) -> None:
    """Make a folder that only its owner may look into, where there is none."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold a folder against other processes that do the same, making it where it is missing.

    Raises:
        OSError: The folder cannot be made or opened.
    """
    make_private_folder(folder)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
