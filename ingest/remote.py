"""Places that fsspec opens by URL: SMB, SFTP, S3-compatible stores, WebDAV, FTP and others."""

import hashlib
import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

import fsspec

from ingest.errors import Quarantined, SourceAway, SourceMissing
from ingest.quarantine import Reason
from ingest.share_rights import share_descriptor
from ingest.sources import ExcludedFile, FoundFile, Listed, UnreadableFile, name_rule

STAMP_BITS = 62
_STAMPS = ("mtime", "LastModified", "last_modified", "modified", "ETag", "etag", "created", "time")
"""Under which names the different systems say when, or as what, a file was last changed."""


class Remote:
    """A place behind a URL.

    Args:
        url: Such as "smb://server/share/folder" or "s3://bucket/folder".
        options: Given to fsspec: user names, keys and the like.

    Raises:
        SourceMissing: Nothing opens such addresses, or the options are wrong.
    """

    compares_by_bytes = False

    def __init__(self, url: str, options: Mapping[str, object]) -> None:
        self._url = url
        usual = {"use_listings_cache": False, "skip_instance_cache": True}
        try:
            self._system, root = fsspec.core.url_to_fs(url, **{**usual, **options})
        except ImportError as error:
            raise SourceMissing(f"Nothing installed opens {url}: {error}.") from error
        except (ValueError, TypeError) as error:
            raise SourceMissing(f"The address {url} cannot be used: {error}.") from error
        except Exception as error:  # of whatever library stands behind it; it connects here
            raise SourceAway(f"{url} does not answer: {error}.") from error
        self._root = str(root).rstrip("/")

    def walk(self) -> Iterator[Listed]:
        """See ``Place``."""
        try:
            self._system.invalidate_cache()
            if not self._system.isdir(self._root):
                raise SourceMissing(  # noqa: TRY301 - said like everything else about the place
                    f"There is no folder at {self._url}. Check the address."
                )
            yield from self._walk(self._root)
        except SourceMissing:
            raise
        except Exception as error:  # of whatever library stands behind it
            raise SourceAway(f"{self._url} does not answer: {error}.") from error

    def read(self, path: str, *, most: int) -> bytes:
        """See ``Place``."""
        try:
            with self._system.open(posixpath.join(self._root, path), "rb") as stream:
                data: bytes = stream.read(most + 1)
        except FileNotFoundError as error:
            raise Quarantined(Reason.MISSING) from error
        except PermissionError as error:
            raise Quarantined(Reason.UNREADABLE) from error
        except Exception as error:  # of whatever library stands behind it
            raise SourceAway(f"{self._url} does not answer: {error}.") from error
        if len(data) > most:
            raise Quarantined(Reason.TOO_LARGE, f"more than {most} bytes")
        return data

    def descriptor(self, path: str) -> bytes:
        """Return the security descriptor of a file of an SMB share.

        Raises:
            RightsUnreadable: The place has none, or does not say.
        """
        return share_descriptor(self._system, posixpath.join(self._root, path))

    def close(self) -> None:
        """See ``Place``."""

    def _walk(self, folder: str) -> Iterator[Listed]:
        for entry in self._system.ls(folder, detail=True):
            place = str(entry["name"]).rstrip("/")
            if place == folder:
                continue
            path = place.removeprefix(self._root).lstrip("/")
            rule = name_rule(posixpath.basename(place))
            if entry.get("type") == "directory":
                yield from self._walk_subfolder(place, path, rule)
            elif rule:
                yield ExcludedFile(path, rule)
            else:
                yield FoundFile(path, int(entry.get("size") or 0), _stamp(entry))

    def _walk_subfolder(self, place: str, path: str, rule: str) -> Iterator[Listed]:
        if rule:
            yield ExcludedFile(path + "/", "Hidden folders are left out.")
            return
        try:
            yield from self._walk(place)
        except PermissionError as error:
            yield UnreadableFile(path + "/", Reason.UNREADABLE, error.strerror or "")


def _stamp(entry: Mapping[str, Any]) -> int:
    """A number that changes with the file; 0 where the system tells nothing of the kind."""
    told = [f"{name}={entry[name]}" for name in _STAMPS if entry.get(name)]
    if not told:
        return 0
    digest = hashlib.sha256(" ".join([str(entry.get("size")), *told]).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> (64 - STAMP_BITS)
