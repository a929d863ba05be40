"""What a folder holds, and what happened to it since the last look."""

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from corpus.documents import OriginalHash
from ingest.errors import Quarantined, SourceMissing
from ingest.quarantine import Reason

HASH_BLOCK_BYTES = 1024 * 1024
_SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini"})


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file to take in.

    Attributes:
        path: Relative to the source, with forward slashes.
        location: Where it lies.
        size: In bytes.
        modified_ns: Time of the last change, nanoseconds since 1970.
    """

    path: str
    location: Path
    size: int
    modified_ns: int


@dataclass(frozen=True, slots=True)
class ExcludedFile:
    """A file left out by a rule.

    Attributes:
        path: Relative to the source.
        rule: Why, in a sentence.
    """

    path: str
    rule: str


@dataclass(frozen=True, slots=True)
class UnreadableFile:
    """A file or folder that the source lists but that cannot be read."""

    path: str
    reason: Reason
    detail: str


Listed = FoundFile | ExcludedFile | UnreadableFile


def list_folder(folder: Path) -> list[Listed]:
    """Return everything in a folder and its subfolders, ordered by path.

    A source may also be a single file, whose path is then its name.

    Raises:
        SourceMissing: The folder is not there or cannot be listed.
    """
    try:
        root = folder.resolve(strict=True)
        if root.is_file():
            return [_look_at(root, root.name, root.parent)]
        listed = list(_walk(root, root))
    except FileNotFoundError as error:
        raise SourceMissing(f"The folder {folder} does not exist. Check the path.") from error
    except OSError as error:
        raise SourceMissing(
            f"The folder {folder} cannot be listed ({error.strerror}). Check its permissions."
        ) from error
    return sorted(listed, key=lambda item: item.path)


def hash_of(location: Path) -> OriginalHash:
    """Return the SHA-256 of a file's bytes, read in blocks.

    Raises:
        Quarantined: The file is gone or may not be read.
    """
    digest = hashlib.sha256()
    try:
        with location.open("rb") as stream:
            while block := stream.read(HASH_BLOCK_BYTES):
                digest.update(block)
    except OSError as error:
        raise unreadable(error) from error
    return OriginalHash(digest.hexdigest())


def unreadable(error: OSError) -> Quarantined:
    """Return the quarantine that a failed read of an original means."""
    reason = Reason.MISSING if isinstance(error, FileNotFoundError) else Reason.UNREADABLE
    return Quarantined(reason, error.strerror or type(error).__name__)


def _walk(folder: Path, root: Path) -> Iterator[Listed]:
    with os.scandir(folder) as entries:
        ordered = sorted(entries, key=lambda entry: entry.name)
    for entry in ordered:
        location = Path(entry.path)
        path = location.relative_to(root).as_posix()
        if entry.is_dir(follow_symlinks=False):
            yield from _walk_subfolder(location, path, root)
        else:
            yield _look_at(location, path, root)


def _walk_subfolder(location: Path, path: str, root: Path) -> Iterator[Listed]:
    if location.name.startswith("."):
        yield ExcludedFile(path + "/", "Hidden folders are left out.")
        return
    try:
        yield from _walk(location, root)
    except OSError as error:
        detail = error.strerror or type(error).__name__
        yield UnreadableFile(path + "/", Reason.UNREADABLE, detail)


def _look_at(location: Path, path: str, root: Path) -> Listed:
    if rule := _excluding_rule(location, root):
        return ExcludedFile(path, rule)
    try:
        status = location.stat()
    except OSError as error:
        failure = unreadable(error)
        return UnreadableFile(path, failure.reason, failure.detail)
    if not stat.S_ISREG(status.st_mode):
        return ExcludedFile(path, "Only ordinary files are taken in.")
    return FoundFile(path, location, status.st_size, status.st_mtime_ns)


def _excluding_rule(location: Path, root: Path) -> str:
    name = location.name.lower()
    if name.startswith(("~$", ".~lock")):
        return "Lock files of office programs are left out."
    if name.startswith("."):
        return "Hidden files are left out."
    if name in _SYSTEM_FILES:
        return "Files of the operating system are left out."
    if location.is_symlink():
        target = location.resolve()
        if not target.is_relative_to(root):
            return "Links that lead out of the folder are left out."
        if target.is_dir():
            return "Links to folders are left out."
    return ""
