"""What a place holds, one file after the other, and the bytes of each."""

import errno
import fnmatch
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from corpus.documents import OriginalHash
from ingest.errors import Quarantined, SourceAway, SourceMissing
from ingest.quarantine import Reason

STAMP_BITS = 62
_SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini"})
_PASSING = frozenset(
    {
        errno.EIO,
        errno.ESTALE,
        errno.ETIMEDOUT,
        errno.ENOTCONN,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
    }
)
"""What an operating system says of a share that is away, not of a file."""


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file to take in.

    Attributes:
        path: Relative to the source, with forward slashes.
        size: In bytes; 0 where the place does not say.
        modified_ns: Time of the last change, nanoseconds since 1970, or any other number that
            changes with the file; 0 where there is none.
    """

    path: str
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
    """A file or folder that the source lists but that cannot be read.

    A folder's path ends with "/": what lies below it cannot be seen, so it is not gone.
    """

    path: str
    reason: Reason
    detail: str


Listed = FoundFile | ExcludedFile | UnreadableFile


@dataclass(frozen=True, slots=True)
class Rules:
    """What is taken in of a place.

    Attributes:
        include: Patterns of which a path must match one; empty takes everything. ``*`` also
            matches ``/``; case does not matter.
        exclude: Patterns that leave a path out, whatever the first ones say.
        maximum_bytes: Larger files are left out; None takes every size.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    maximum_bytes: int | None = None

    def apply(self, listed: Listed) -> Listed:
        """Return a listed file as it is, or as left out with the rule that does so."""
        if isinstance(listed, ExcludedFile) or listed.path.endswith("/"):
            return listed
        if pattern := _matching(listed.path, self.exclude):
            return ExcludedFile(listed.path, f"The pattern {pattern} leaves it out.")
        if self.include and not _matching(listed.path, self.include):
            return ExcludedFile(listed.path, "It matches no pattern of what is taken in.")
        if (
            isinstance(listed, FoundFile)
            and self.maximum_bytes is not None
            and listed.size > self.maximum_bytes
        ):
            return ExcludedFile(
                listed.path, f"It is larger than the source's {self.maximum_bytes} bytes."
            )
        return listed


class Place(Protocol):
    """Somewhere documents come from: a folder, a share, a mailbox."""

    compares_by_bytes: bool
    """Whether reading a file only to compare it costs little here."""

    def walk(self) -> Iterator[Listed]:
        """Yield everything the place holds, one by one.

        Raises:
            SourceMissing: The place is not there or cannot be listed.
            SourceAway: The same, and it may be back soon.
        """

    def read(self, path: str, *, most: int) -> bytes:
        """Return the bytes of a file.

        Raises:
            Quarantined: It is gone, may not be read or has more than ``most`` bytes.
            SourceAway: The place does not answer any more.
        """

    def close(self) -> None:
        """Let go of it; used again, it is opened again."""


@dataclass(slots=True)
class Folder:
    """A folder of this machine or mounted on it; or a single file, whose path is its name.

    Args:
        location: Where it lies.
    """

    location: Path
    compares_by_bytes: bool = field(default=True, init=False)

    def walk(self) -> Iterator[Listed]:
        """See ``Place``."""
        try:
            root = self.location.resolve(strict=True)
            if root.is_file():
                yield _look_at(root, root.name, root.parent)
            else:
                yield from _walk(root, root)
        except FileNotFoundError as error:
            raise SourceMissing(
                f"The folder {self.location} does not exist. Check the path."
            ) from error
        except OSError as error:
            kind = SourceAway if _passes(error) else SourceMissing
            raise kind(
                f"The folder {self.location} cannot be listed ({error.strerror}). "
                "Check its permissions."
            ) from error

    def read(self, path: str, *, most: int) -> bytes:
        """See ``Place``."""
        root = self.location
        location = root if root.is_file() else root / path
        try:
            size = location.stat().st_size
            if size > most:
                raise Quarantined(Reason.TOO_LARGE, f"{size} bytes")
            return location.read_bytes()
        except OSError as error:
            if _passes(error) or not root.exists():
                raise SourceAway(
                    f"The folder {root} is away ({error.strerror}). Is the share mounted?"
                ) from error
            raise unreadable(error) from error

    def close(self) -> None:
        """See ``Place``."""


def list_folder(folder: Path) -> list[Listed]:
    """Return everything in a folder and its subfolders, ordered by path.

    Raises:
        SourceMissing: The folder is not there or cannot be listed.
    """
    return sorted(Folder(folder).walk(), key=lambda item: item.path)


def sha256_of(data: bytes) -> OriginalHash:
    """Return the SHA-256 of bytes."""
    return OriginalHash(hashlib.sha256(data).hexdigest())


def stamp_of(size: object, etag: object, changed: object) -> int:
    """Return a number that changes with a file, made of what its place tells of it."""
    digest = hashlib.sha256(repr((size, etag, str(changed))).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> (64 - STAMP_BITS)


def unreadable(error: OSError) -> Quarantined:
    """Return the quarantine that a failed read of an original means."""
    reason = Reason.MISSING if isinstance(error, FileNotFoundError) else Reason.UNREADABLE
    return Quarantined(reason, error.strerror or type(error).__name__)


def name_rule(name: str) -> str:
    """Return why files of such a name are left out everywhere; empty when they are not."""
    lowered = name.lower()
    if lowered.startswith(("~$", ".~lock")):
        return "Lock files of office programs are left out."
    if lowered.startswith("."):
        return "Hidden files are left out."
    if lowered in _SYSTEM_FILES:
        return "Files of the operating system are left out."
    return ""


def _matching(path: str, patterns: Sequence[str]) -> str:
    lowered = path.lower()
    for pattern in patterns:
        if fnmatch.fnmatchcase(lowered, pattern.lower()):
            return pattern
    return ""


def _passes(error: OSError) -> bool:
    return error.errno in _PASSING or isinstance(error, ConnectionError | TimeoutError)


def _walk(folder: Path, root: Path) -> Iterator[Listed]:
    with os.scandir(folder) as entries:
        for entry in entries:
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
    if rule := name_rule(location.name) or _linking_rule(location, root):
        return ExcludedFile(path, rule)
    try:
        status = location.stat()
    except OSError as error:
        failure = unreadable(error)
        return UnreadableFile(path, failure.reason, failure.detail)
    if not stat.S_ISREG(status.st_mode):
        return ExcludedFile(path, "Only ordinary files are taken in.")
    return FoundFile(path, status.st_size, status.st_mtime_ns)


def _linking_rule(location: Path, root: Path) -> str:
    if not location.is_symlink():
        return ""
    target = location.resolve()
    if not target.is_relative_to(root):
        return "Links that lead out of the folder are left out."
    if target.is_dir():
        return "Links to folders are left out."
    return ""
