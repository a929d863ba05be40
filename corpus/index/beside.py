"""A new embedded index beside the one that serves, until it takes its place."""

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from corpus.errors import IndexUnavailable

COMPLETE = "complete"
"""A file in the folder of a new index that holds everything the old one does."""


def folder_beside(folder: Path) -> Path:
    """Return where the index that will take a folder's place is built."""
    return folder.with_name(f"{folder.name}.next")


def mark_complete(folder: Path) -> None:
    """Note that the index beside a folder may take its place."""
    (folder_beside(folder) / COMPLETE).touch()


def take_place(folder: Path, fingerprint: str) -> bool:
    """Put a complete new index of an embedding model in the old one's place, if there is one.

    Cut short, it is carried on with at the next call: there is always one whole index.

    Returns:
        Whether the index at the folder is the new one now.

    Raises:
        IndexUnavailable: Another process uses the old one.
    """
    following, former = folder_beside(folder), folder.with_name(f"{folder.name}.old")
    if not (following / COMPLETE).exists() or _fingerprint_of(following) != fingerprint:
        if former.exists() and folder.exists():
            shutil.rmtree(former)
        return False
    if folder.exists():
        with _held(folder):
            shutil.rmtree(former, ignore_errors=True)
            folder.rename(former)
    following.rename(folder)
    (folder / COMPLETE).unlink()
    shutil.rmtree(former, ignore_errors=True)
    return True


def _fingerprint_of(folder: Path) -> str:
    try:
        return str(json.loads((folder / "index.json").read_text())["fingerprint"])
    except (OSError, ValueError, KeyError):
        return ""


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise IndexUnavailable(
            f"The index in {folder} is in use, so the new one waits beside it. It takes its "
            "place when Muniment is started again."
        ) from error
    finally:
        os.close(descriptor)
