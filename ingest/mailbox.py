"""A mailbox as a place: every message is a file, named by its folder and number."""

import contextlib
import imaplib
import re
import ssl
import threading
from collections.abc import Iterator, Mapping
from urllib.parse import unquote, urlsplit

from ingest.errors import Quarantined, SourceAway, SourceMissing
from ingest.quarantine import Reason
from ingest.sources import FoundFile, Listed

IMAP_PORT, IMAPS_PORT = 143, 993
TIMEOUT_SECONDS = 60.0
MESSAGES_AT_ONCE = 500
_LOCAL = frozenset({"127.0.0.1", "::1", "localhost"})
_LISTED = re.compile(rb'\((?P<flags>[^)]*)\) (?:"[^"]*"|NIL) (?P<name>.+)')
_UID = re.compile(rb"\bUID (\d+)")
_SIZE = re.compile(rb"\bRFC822\.SIZE (\d+)")
_PATH = re.compile(r"(?P<folder>.*)/(?P<validity>\d+)-(?P<uid>\d+)\.eml")


class Mailbox:
    """An account on an IMAP server, opened to read and never changed.

    A message never changes under its number, so it is read once. Folders are those of the
    account, or the one that the address names.

    Args:
        url: "imaps://user@host", "imaps://user@host:993/INBOX"; with "imap" the connection is
            secured by STARTTLS, which only a server on this machine may do without.
        options: "password", and "username" where the address has none.

    Raises:
        SourceMissing: User or password are not given.
    """

    compares_by_bytes = False

    def __init__(self, url: str, options: Mapping[str, object]) -> None:
        parts = urlsplit(url)
        self._url = url
        self._host = parts.hostname or ""
        self._secure = parts.scheme == "imaps"
        self._port = parts.port or (IMAPS_PORT if self._secure else IMAP_PORT)
        self._folder = unquote(parts.path.strip("/"))
        self._user = str(options.get("username") or unquote(parts.username or ""))
        self._password = str(options.get("password") or "")
        if not (self._user and self._password):
            raise SourceMissing(
                f"The mailbox {url} needs a user and a password. Write them into the file that "
                "MUNIMENT_SOURCE_CREDENTIALS names."
            )
        self._lock = threading.Lock()
        self._connection: imaplib.IMAP4 | None = None
        self._selected: tuple[str, int] | None = None

    def walk(self) -> Iterator[Listed]:
        """See ``Place``."""
        for folder in self._folders():
            with self._talking() as connection:
                validity = self._select(connection, folder)
                numbers = [int(word) for word in _search(connection)]
            for start in range(0, len(numbers), MESSAGES_AT_ONCE):
                some = numbers[start : start + MESSAGES_AT_ONCE]
                with self._talking() as connection:
                    self._select(connection, folder)
                    sizes = _sizes(connection, some)
                for uid in some:
                    if uid in sizes:
                        path = f"{folder}/{validity}-{uid}.eml"
                        yield FoundFile(path, sizes[uid], (validity << 31) + uid)

    def read(self, path: str, *, most: int) -> bytes:
        """See ``Place``."""
        named = _PATH.fullmatch(path)
        if named is None:
            raise Quarantined(Reason.MISSING, "no message has such a name")
        with self._talking() as connection:
            if self._select(connection, named["folder"]) != int(named["validity"]):
                raise Quarantined(Reason.MISSING, "the server has numbered its messages anew")
            size = _sizes(connection, [int(named["uid"])]).get(int(named["uid"]))
            if size is None:
                raise Quarantined(Reason.MISSING)
            if size > most:
                raise Quarantined(Reason.TOO_LARGE, f"{size} bytes")
            _, found = connection.uid("FETCH", named["uid"], "(BODY.PEEK[])")
        for part in found:
            if isinstance(part, tuple):
                return bytes(part[1])
        raise Quarantined(Reason.MISSING)

    def close(self) -> None:
        """Sign out."""
        with self._lock:
            self._drop()

    def _folders(self) -> list[str]:
        if self._folder:
            return [self._folder]
        with self._talking() as connection:
            _, lines = connection.list()
        found = []
        for line in lines:
            named = _LISTED.fullmatch(line) if isinstance(line, bytes) else None
            if named and b"\\noselect" not in named["flags"].lower():
                found.append(named["name"].decode("ascii", "replace").strip('"'))
        return sorted(found)

    def _select(self, connection: imaplib.IMAP4, folder: str) -> int:
        """Open a folder to read; return the number that tells its numbering from a later one."""
        if self._selected is not None and self._selected[0] == folder:
            return self._selected[1]
        said, _ = connection.select(f'"{folder}"', readonly=True)
        if said != "OK":
            raise SourceMissing(f"There is no folder {folder} in {self._url}.")
        _, told = connection.response("UIDVALIDITY")
        validity = int(told[0]) if told and told[0] else 0
        self._selected = (folder, validity)
        return validity

    @contextlib.contextmanager
    def _talking(self) -> Iterator[imaplib.IMAP4]:
        """Hold the one connection; after an error a new one is made."""
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = self._connect()
                yield self._connection
            except (OSError, imaplib.IMAP4.error) as error:
                self._drop()
                raise SourceAway(f"The mailbox {self._url} does not answer: {error}.") from error

    def _connect(self) -> imaplib.IMAP4:
        context = ssl.create_default_context()
        connection: imaplib.IMAP4
        if self._secure:
            connection = imaplib.IMAP4_SSL(
                self._host, self._port, ssl_context=context, timeout=TIMEOUT_SECONDS
            )
        else:
            connection = imaplib.IMAP4(self._host, self._port, timeout=TIMEOUT_SECONDS)
            if "STARTTLS" in connection.capabilities:
                connection.starttls(context)
            elif self._host not in _LOCAL:
                connection.shutdown()
                raise SourceMissing(
                    f"{self._host} would send the password unprotected. Use imaps:// instead."
                )
        try:
            connection.login(self._user, self._password)
        except imaplib.IMAP4.error as error:
            connection.shutdown()
            raise SourceMissing(
                f"{self._host} does not let {self._user} in. Check user and password in the "
                "file that MUNIMENT_SOURCE_CREDENTIALS names."
            ) from error
        return connection

    def _drop(self) -> None:
        connection, self._connection, self._selected = self._connection, None, None
        if connection is not None:
            with contextlib.suppress(OSError, imaplib.IMAP4.error):
                connection.logout()


def _search(connection: imaplib.IMAP4) -> list[bytes]:
    _, found = connection.uid("SEARCH", "ALL")
    return (found[0] or b"").split() if found else []


def _sizes(connection: imaplib.IMAP4, uids: list[int]) -> dict[int, int]:
    """The size of messages that are there, by number."""
    if not uids:
        return {}
    _, lines = connection.uid("FETCH", ",".join(map(str, uids)), "(RFC822.SIZE)")
    sizes: dict[int, int] = {}
    for line in lines:
        if isinstance(line, bytes):
            uid, size = _UID.search(line), _SIZE.search(line)
            if uid and size:
                sizes[int(uid[1])] = int(size[1])
    return sizes
