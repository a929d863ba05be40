"""Places that fsspec opens by URL: SMB, SFTP, WebDAV, FTP and others."""

import posixpath
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import fsspec

from ingest.errors import IngestError, Quarantined, SourceAway, SourceMissing
from ingest.quarantine import Reason
from ingest.share_rights import share_descriptor
from ingest.sources import ExcludedFile, FoundFile, Listed, UnreadableFile, name_rule, stamp_of

_CHANGED = ("mtime", "modified", "modify", "last_modified", "updated", "created")
"""Under which names the different systems say when a file was last changed, the truest first.

"time" is not among them: SMB and SFTP tell by it when the file was last read.
"""
_SSH = ("sftp://", "ssh://")
_WEBDAV = ("webdav+https://", "webdav+http://")
_REFUSALS = frozenset({"AuthenticationException", "LogonFailure"})
_UNAUTHORISED = frozenset({401, 403})
_ANSWERS_WITHIN = 60.0
"""Seconds an SSH server may take over one answer; the library itself would wait for ever."""


class Remote:
    """A place behind a URL.

    Args:
        url: Such as "smb://server/share/folder" or "webdav+https://server/folder".
        options: Given to fsspec: user names, keys and the like. For SFTP "host_key" is the
            fingerprint of the server's key.

    Raises:
        SourceMissing: Nothing opens such addresses, the options are wrong, or we are not let in.
        SourceAway: Nobody answers there.
    """

    compares_by_bytes = False

    def __init__(self, url: str, options: Mapping[str, object]) -> None:
        self._url = url
        self._options = options
        self._lock = threading.RLock()
        # An answer of SFTP's that the wrong thread takes off the wire is lost.
        self._turn: AbstractContextManager[Any] = (
            threading.Lock() if url.startswith(_SSH) else nullcontext()
        )
        self._connected: Any = None
        self._root = ""
        self._connect()

    def _connect(self) -> Any:
        """Return the file system, connected anew where it was let go of."""
        with self._lock:
            if self._connected is None:
                try:
                    self._connected, root = _opened(self._url, self._options)
                except IngestError:
                    raise
                except ImportError as error:
                    raise SourceMissing(f"Nothing installed opens {self._url}: {error}.") from error
                except (ValueError, TypeError) as error:
                    raise SourceMissing(
                        f"The address {self._url} cannot be used: {error}."
                    ) from error
                except Exception as error:  # of whatever library stands behind it
                    raise self._wrong(error) from error
                self._root = root.rstrip("/") or root
            return self._connected

    def walk(self) -> Iterator[Listed]:
        """See ``Place``."""
        system = self._connect()
        try:
            with self._turn:
                system.invalidate_cache()
                there = system.isdir(self._root)
            if not there:
                raise SourceMissing(  # noqa: TRY301 - said like everything else about the place
                    f"There is no folder at {self._url}. Check the address."
                )
            yield from self._walk(system, self._root)
        except SourceMissing:
            raise
        except Exception as error:  # of whatever library stands behind it
            raise self._wrong(error) from error

    def read(self, path: str, *, most: int) -> bytes:
        """See ``Place``."""
        system = self._connect()
        try:
            with self._turn, system.open(posixpath.join(self._root, path), "rb") as stream:
                data: bytes = stream.read(most + 1)
        except FileNotFoundError as error:
            raise Quarantined(Reason.MISSING) from error
        except PermissionError as error:
            raise Quarantined(Reason.UNREADABLE) from error
        except Exception as error:  # of whatever library stands behind it
            raise self._wrong(error) from error
        if len(data) > most:
            raise Quarantined(Reason.TOO_LARGE, f"more than {most} bytes")
        return data

    def descriptor(self, path: str) -> bytes:
        """Return the security descriptor of a file of an SMB share.

        Raises:
            RightsUnreadable: The place has none, or does not say.
        """
        return share_descriptor(self._connect(), posixpath.join(self._root, path))

    def close(self) -> None:
        """See ``Place``."""
        with self._lock:
            self._connected = None

    def _wrong(self, error: Exception) -> SourceMissing | SourceAway:
        """Let go of the connection, and return what to say of the place."""
        self.close()
        status = getattr(error, "status_code", None)
        if type(error).__name__ in _REFUSALS or status in _UNAUTHORISED:
            return SourceMissing(
                f"{self._url} does not let us in. Check user and password in the file that "
                "MUNIMENT_SOURCE_CREDENTIALS names."
            )
        return SourceAway(f"{self._url} does not answer: {error}.")

    def _walk(self, system: Any, folder: str) -> Iterator[Listed]:
        with self._turn:
            entries = system.ls(folder, detail=True)
        for entry in entries:
            place = str(entry["name"]).rstrip("/")
            if place == folder:
                continue
            path = place.removeprefix(self._root).lstrip("/")
            rule = name_rule(posixpath.basename(place))
            if entry.get("type") == "directory":
                yield from self._walk_subfolder(system, place, path, rule)
            elif rule:
                yield ExcludedFile(path, rule)
            elif entry.get("type", "file") != "file":
                yield ExcludedFile(path, "Only ordinary files are taken in.")
            else:
                yield FoundFile(path, int(entry.get("size") or 0), _stamp(entry))

    def _walk_subfolder(self, system: Any, place: str, path: str, rule: str) -> Iterator[Listed]:
        if rule:
            yield ExcludedFile(path + "/", "Hidden folders are left out.")
            return
        try:
            yield from self._walk(system, place)
        except PermissionError as error:
            yield UnreadableFile(path + "/", Reason.UNREADABLE, error.strerror or "")


def _opened(url: str, options: Mapping[str, object]) -> tuple[Any, str]:
    """Return a file system of fsspec and the folder in it that a URL means."""
    anew = {"skip_instance_cache": True, **options}
    if url.startswith(_WEBDAV):
        if "username" in anew:
            anew["auth"] = (anew.pop("username"), anew.pop("password", ""))
        return fsspec.filesystem("webdav", base_url=url.removeprefix("webdav+"), **anew), ""
    if url.startswith(_SSH):
        from ingest.host_keys import PinnedKey  # noqa: PLC0415 - its library takes a while

        anew["host_key_policy"] = PinnedKey(str(anew.pop("host_key", "")))
        waits = ("timeout", "banner_timeout", "auth_timeout", "channel_timeout")
        anew = {**dict.fromkeys(waits, _ANSWERS_WITHIN), **anew}
    else:
        anew["use_listings_cache"] = False
    system, root = fsspec.core.url_to_fs(url, **anew)
    if url.startswith(_SSH):
        system.ftp.get_channel().settimeout(_ANSWERS_WITHIN)
    return system, str(root)


def _stamp(entry: Mapping[str, Any]) -> int:
    """A number that changes with the file; 0 where the system tells nothing of the kind."""
    changed = next((entry[name] for name in _CHANGED if entry.get(name)), None)
    etag = entry.get("ETag") or entry.get("etag")
    return stamp_of(entry.get("size"), etag, changed) if etag or changed else 0
