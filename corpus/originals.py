"""Original files, kept unchanged under the SHA-256 of their bytes."""

import errno
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from corpus.documents import OriginalHash
from corpus.errors import OriginalMissing, OriginalsUnavailable

UNFINISHED = ".keeping-"
_HASH = re.compile(r"[0-9a-f]{64}")


class Originals:
    """A folder of originals, each at ``folder/ab/abcdef…``.

    Args:
        folder: Made when the first original is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, data: bytes) -> OriginalHash:
        """Store bytes durably and return their hash.

        Atomic: a reader sees all of them or nothing. Keeping the same bytes twice has the
        effect of keeping them once.
        """
        original = OriginalHash(hashlib.sha256(data).hexdigest())
        target = self.path(original)
        try:
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                _write_whole(target, data)
        except OSError as error:
            raise _unavailable(self._folder, error) from error
        return original

    def read(self, original: OriginalHash) -> bytes:
        """Return the bytes kept under a hash.

        Raises:
            OriginalMissing: None are.
        """
        try:
            return self.path(original).read_bytes()
        except FileNotFoundError as error:
            raise OriginalMissing(
                f"No original {original} in {self._folder}. Restore it from a backup, "
                "or ingest its source again."
            ) from error
        except OSError as error:
            raise _unavailable(self._folder, error) from error

    def remove(self, original: OriginalHash) -> int:
        """Destroy an original and its rendition; return how many files that were."""
        removed = 0
        for path in (self.path(original), self.rendition_path(original)):
            try:
                path.unlink()
            except FileNotFoundError:
                continue
            except OSError as error:
                raise _unavailable(self._folder, error) from error
            removed += 1
            _sync_folder(path.parent)
        return removed

    def hashes(self) -> Iterator[OriginalHash]:
        """Yield every original that is kept."""
        for path in self._folder.glob("??/*"):
            if _HASH.fullmatch(path.name):
                yield OriginalHash(path.name)

    def remove_unfinished(self) -> None:
        """Remove what a process that ended suddenly was just writing."""
        for path in self._folder.glob(f"??/{UNFINISHED}*"):
            path.unlink(missing_ok=True)

    def path(self, original: OriginalHash) -> Path:
        """Return where an original stands, whether or not it is kept."""
        return self._folder / original[:2] / original

    def keep_rendition(self, original: OriginalHash, pdf: bytes) -> None:
        """Store the PDF that an original was drawn as beside it, in place of an earlier one."""
        target = self.rendition_path(original)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            _write_whole(target, pdf)
        except OSError as error:
            raise _unavailable(self._folder, error) from error

    def rendition_path(self, original: OriginalHash) -> Path:
        """Return where the rendition of an original stands, whether or not there is one."""
        return self._folder / original[:2] / f"{original}.pdf"


def _write_whole(target: Path, data: bytes) -> None:
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=UNFINISHED)
    staged = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        staged.replace(target)
    except BaseException:
        staged.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)
    _sync_folder(target.parent.parent)


def _sync_folder(folder: Path) -> None:
    # Without this a power cut may forget the new name though the bytes are on the disk.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unavailable(folder: Path, error: OSError) -> OriginalsUnavailable:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return OriginalsUnavailable(
            f"No space left to keep originals in {folder}. Free some and run again: "
            "nothing was half written."
        )
    return OriginalsUnavailable(f"Cannot use the originals in {folder}: {error.strerror}.")
