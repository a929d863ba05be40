"""The record: a chain of entries in one SQLite file that only ever grows.

The verifier (audit.verify) reads the same file on its own; what makes an entry trustworthy is
what it says there, not what this module believes.
"""

import fcntl
import json
import os
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    QueuePool,
    Row,
    Select,
    String,
    Table,
    create_engine,
    func,
    select,
)
from sqlalchemy import event as engine_events
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from audit.canonical import (
    RANDOM_BYTES_OF_AN_ID,
    Json,
    canonical,
    commitment,
    leaf_hash,
    moment,
    pseudonym,
    sortable_id,
    timestamp,
)
from audit.entries import Entry
from audit.errors import AuditUnavailable, RecordDamaged
from audit.events import Event, take_apart
from audit.verify import KeptHead, Verdict, verify_store

DATABASE = "audit.db"
PEPPER = "pepper"
PEPPER_BYTES = 32
SALT_BYTES = 32
FORMAT_VERSION = 1
BUSY_SECONDS = 10.0
PAGE_OF_ENTRIES = 500

_metadata = MetaData()
_entry = Table(
    "audit_entry",
    _metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("line", LargeBinary, nullable=False),
    Column("leaf_hash", String, nullable=False),
    Column("type", String, nullable=False, index=True),
    Column("ts", String, nullable=False, index=True),
    Column("pid", String, nullable=True, index=True),
)
_payload = Table(
    "audit_payload",
    _metadata,
    Column("seq", Integer, ForeignKey("audit_entry.seq"), primary_key=True, autoincrement=False),
    Column("salt", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

_TRIGGERS = (
    *(
        f"CREATE TRIGGER IF NOT EXISTS {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
        "BEGIN SELECT RAISE(ABORT, 'the record only grows'); END"
        for table in ("audit_entry", "audit_payload")
        for verb in ("UPDATE", "DELETE")
    ),
    # INSERT OR REPLACE would delete without asking the trigger above.
    "CREATE TRIGGER IF NOT EXISTS audit_entry_in_order BEFORE INSERT ON audit_entry "
    "WHEN NEW.seq <> (SELECT coalesce(max(seq), -1) + 1 FROM audit_entry) "
    "BEGIN SELECT RAISE(ABORT, 'the record only grows'); END",
    "CREATE TRIGGER IF NOT EXISTS audit_payload_in_order BEFORE INSERT ON audit_payload "
    "WHEN NEW.seq <> (SELECT max(seq) FROM audit_entry) "
    "OR EXISTS (SELECT 1 FROM audit_payload WHERE seq = NEW.seq) "
    "BEGIN SELECT RAISE(ABORT, 'the record only grows'); END",
)


def utc_now() -> datetime:
    """The clock that is used when none is passed."""
    return datetime.now(UTC)  # noqa: TID251 - the one default


@dataclass(frozen=True, slots=True)
class _Head:
    sequence: int
    leaf_hash: str


class AuditLog:
    """The record of one data folder; use :meth:`open`.

    One object may be used by several threads, and several processes may have the same record
    open: appending is serialised by SQLite's write lock.
    """

    def __init__(
        self,
        path: Path,
        pepper: bytes,
        *,
        clock: Callable[[], datetime],
        randomness: Callable[[int], bytes],
        busy_seconds: float,
    ) -> None:
        self._path = path
        self._pepper = pepper
        self._clock = clock
        self._randomness = randomness
        self._busy_seconds = busy_seconds
        self._file = _identity_of(path)
        self._lock = threading.Lock()
        self._last: _Head | None = None  # guarded by _lock; what this object wrote last
        self._engine = create_engine(
            "sqlite+pysqlite://",
            creator=self._connect,
            poolclass=QueuePool,
            pool_timeout=busy_seconds,
        )
        engine_events.listen(self._engine, "begin", _begin)

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        clock: Callable[[], datetime] = utc_now,
        randomness: Callable[[int], bytes] = secrets.token_bytes,
        create: bool = True,
        busy_seconds: float = BUSY_SECONDS,
    ) -> "AuditLog":
        """Open the record of a folder, making an empty one where there never was any.

        Args:
            folder: Holds ``audit.db`` and ``pepper``, which turns names into pseudonyms.
            clock: Gives times with a zone.
            randomness: Gives that many random bytes, for ids, salts and the pepper.
            create: False raises where there is no record yet.
            busy_seconds: How long to wait for others that are writing.

        Raises:
            AuditUnavailable: The record cannot be opened, or a part of it is gone.
        """
        path = folder / DATABASE
        if not create and not path.exists():
            raise AuditUnavailable(
                f"There is no record in {folder} yet. Check the data folder (MUNIMENT_DATA), "
                "or start Muniment there first."
            )
        with _alone_in(folder):
            pepper_exists = (folder / PEPPER).exists()
            _make_file(path, may_be_made=not pepper_exists)
            log = cls(
                path,
                _read_pepper(folder / PEPPER) if pepper_exists else b"",
                clock=clock,
                randomness=randomness,
                busy_seconds=busy_seconds,
            )
            log._make_tables()
            if not pepper_exists:
                log._make_pepper(folder / PEPPER)
        return log

    @property
    def path(self) -> Path:
        """The database file."""
        return self._path

    def append(self, event: Event) -> Entry:
        """Write an event at the end of the record.

        Durable once it returns. Safe from several threads and processes.

        Raises:
            AuditUnavailable: It could not be written; what it stands for must not happen.
            EventInvalid: The event holds text where only ids and numbers may stand.
        """
        return self.append_all([event])[0]

    def append_all(self, events: Sequence[Event]) -> list[Entry]:
        """Write several events one after the other: all of them, or none.

        Costs one flush to disk. Otherwise as :meth:`append`.
        """
        if not self._lock.acquire(timeout=self._busy_seconds):
            raise self._unavailable("it is being written to without end")
        try:
            with self._translated():
                return self._append(events)
        finally:
            self._lock.release()

    def entries(
        self,
        *,
        after: int = -1,
        limit: int = 100,
        type: str = "",  # noqa: A002 - the word of the record
        person: str = "",
        since: datetime | None = None,
        newest_first: bool = False,
    ) -> list[Entry]:
        """Return entries in order.

        Args:
            after: Continue after the entry of this sequence in the order asked for: with
                ``newest_first``, entries below it; -1 begins at the beginning.
            limit: At most so many.
            type: Only of this type ("rag.ask") or family of types ("rag"); empty means all.
            person: Only what this person did, by name.
            since: Only what was written at or after this moment.
            newest_first: Backwards.

        Raises:
            AuditUnavailable: The record cannot be read.
        """
        query = _all_columns().where(*self._conditions(kind=type, person=person, since=since))
        order = _entry.c.seq.desc() if newest_first else _entry.c.seq
        if newest_first and after >= 0:
            query = query.where(_entry.c.seq < after)
        elif not newest_first:
            query = query.where(_entry.c.seq > after)
        with self._reading() as connection:
            rows = connection.execute(query.order_by(order).limit(limit)).all()
        return [_entry_of(row) for row in rows]

    def count(
        self,
        *,
        type: str = "",  # noqa: A002 - the word of the record
        person: str = "",
        since: datetime | None = None,
    ) -> int:
        """Return how many entries there are; the arguments are those of :meth:`entries`."""
        conditions = self._conditions(kind=type, person=person, since=since)
        query = select(func.count()).select_from(_entry).where(*conditions)
        with self._reading() as connection:
            return int(connection.execute(query).scalar_one())

    def verify(self, *, kept: KeptHead | None = None) -> Verdict:
        """Check every entry, with the verifier's own reading of the file.

        Args:
            kept: What was written down of an earlier verdict; without it, entries cut off the
                end cannot be noticed.

        Raises:
            AuditUnavailable: The record cannot be read.
        """
        self._check_file()
        return verify_store(self._path, kept=kept)

    def export_lines(
        self, *, with_payloads: bool = True, through: int | None = None
    ) -> Iterator[str]:
        """Yield the record line by line in the form docs/record.md tells, newlines included.

        Memory does not grow with the record. What is on record when the first line is taken
        is what is exported.

        Args:
            with_payloads: False leaves out names and texts; the chain can still be checked.
            through: Sequence of the last entry to export; None means the newest.

        Raises:
            AuditUnavailable: The record cannot be read.
        """
        last = self.count() - 1 if through is None else through
        sequence = -1
        while sequence < last:
            query = _all_columns().where(_entry.c.seq > sequence, _entry.c.seq <= last)
            with self._reading() as connection:
                rows = connection.execute(query.order_by(_entry.c.seq).limit(PAGE_OF_ENTRIES)).all()
            if not rows:
                return
            for row in rows:
                yield _export_line(row, with_payload=with_payloads)
            sequence = rows[-1].seq

    def pseudonym_of(self, name: str) -> str:
        """Return the name under which a person stands in this record's envelopes."""
        return pseudonym(self._pepper, name)

    def close(self) -> None:
        """Let go of the file. Everything appended is already on disk."""
        self._engine.dispose()

    def _append(self, events: Sequence[Event]) -> list[Entry]:
        self._check_file()
        written: list[Entry] = []
        with self._write_connection() as connection, connection.begin():
            head = self._head(connection)
            for fact in events:
                entry = self._write(connection, fact, head)
                head = _Head(entry.sequence, entry.leaf_hash)
                written.append(entry)
        self._last = head
        return written

    def _head(self, connection: Connection) -> _Head | None:
        """Return the newest entry, having checked that what was written last is still there."""
        newest = connection.execute(
            select(_entry.c.seq, _entry.c.leaf_hash).order_by(_entry.c.seq.desc()).limit(1)
        ).first()
        if self._last is not None:
            known = connection.execute(
                select(_entry.c.leaf_hash).where(_entry.c.seq == self._last.sequence)
            ).scalar()
            if known != self._last.leaf_hash:
                raise self._unavailable(
                    f"entry {self._last.sequence}, which was written here, is gone or altered"
                )
        return _Head(newest.seq, newest.leaf_hash) if newest else None

    def _write(self, connection: Connection, fact: Event, head: _Head | None) -> Entry:
        at = self._clock()
        parts = take_apart(fact, pseudonym_of=self.pseudonym_of)
        body = canonical(parts.payload) if parts.payload else None
        salt = self._randomness(SALT_BYTES)
        sequence, written_at = (head.sequence + 1 if head else 0), timestamp(at)
        envelope: dict[str, Json] = {
            **parts.envelope,
            "v": FORMAT_VERSION,
            "seq": sequence,
            "id": sortable_id(at, self._randomness(RANDOM_BYTES_OF_AN_ID)),
            "ts": written_at,
            "type": fact.type,
            "actor": {"pid": parts.pseudonym},
            "payload_commitment": commitment(salt=salt, body=body) if body else None,
            "prev_leaf_hash": head.leaf_hash if head else None,
        }
        line = canonical(envelope)
        leaf = leaf_hash(line)
        connection.execute(
            _entry.insert(),
            {
                "seq": sequence,
                "line": line,
                "leaf_hash": leaf,
                "type": fact.type,
                "ts": written_at,
                "pid": parts.pseudonym,
            },
        )
        if body:
            connection.execute(_payload.insert(), {"seq": sequence, "salt": salt, "body": body})
        return _entry_from(line, leaf, body)

    def _conditions(
        self, *, kind: str, person: str, since: datetime | None
    ) -> list[ColumnElement[bool]]:
        conditions: list[ColumnElement[bool]] = []
        if kind and "." in kind:
            conditions.append(_entry.c.type == kind)
        elif kind:
            conditions.append(_entry.c.type.startswith(f"{kind}.", autoescape=True))
        if person:
            conditions.append(_entry.c.pid == self.pseudonym_of(person))
        if since:
            conditions.append(_entry.c.ts >= timestamp(since))
        return conditions

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._translated():
            self._check_file()
            with self._engine.connect() as connection:
                yield connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn what the database or the disk says into a sentence for the operator."""
        try:
            yield
        except DBAPIError as error:
            name = getattr(error.orig, "sqlite_errorname", "")
            raise self._unavailable(_explanation(name)) from error
        except SQLAlchemyError as error:
            raise self._unavailable("its database does not answer") from error
        except OSError as error:
            raise self._unavailable(f"the disk says: {error.strerror}") from error

    def _unavailable(self, because: str) -> AuditUnavailable:
        return AuditUnavailable(
            f"The record at {self._path} is not available: {because}. "
            "Nothing that must be on record can go on until it is."
        )

    def _check_file(self) -> None:
        """A file that was removed or replaced would take entries that nobody ever finds."""
        try:
            same = _identity_of(self._path) == self._file
        except OSError:
            same = False
        if not same:
            raise self._unavailable("its file was removed or replaced while it was open")

    def _connect(self) -> sqlite3.Connection:
        # Not created here: an empty file in the place of a lost record would look like a new one.
        connection = sqlite3.connect(
            f"file:{quote(str(self._path))}?mode=rw",
            uri=True,
            timeout=self._busy_seconds,
            isolation_level=None,
            check_same_thread=False,
        )
        for setting in (
            "journal_mode=WAL",
            "synchronous=FULL",  # NORMAL may lose the last commits when the power fails
            "foreign_keys=ON",
            "trusted_schema=OFF",
        ):
            connection.execute(f"PRAGMA {setting}")
        return connection

    def _make_tables(self) -> None:
        with self._translated(), self._write_connection() as connection, connection.begin():
            _metadata.create_all(connection)
            for trigger in _TRIGGERS:
                connection.exec_driver_sql(trigger)

    def _make_pepper(self, path: Path) -> None:
        if self.count() > 0:
            raise AuditUnavailable(
                f"{path} is missing, but the record beside it holds entries, and without it "
                "nobody's entries can be found. Bring the file back from the last backup."
            )
        self._pepper = self._randomness(PEPPER_BYTES)
        with self._translated():
            _write_durably(path, self._pepper)

    def _write_connection(self) -> Connection:
        return self._engine.connect().execution_options(record_writes=True)


def _begin(connection: Connection) -> None:
    # IMMEDIATE: the last entry is read under the lock under which the next one is written.
    writes = connection.get_execution_options().get("record_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _explanation(errorname: str) -> str:
    for start, sentence in _EXPLANATIONS.items():
        if errorname.startswith(start):
            return sentence
    return f"its database reports {errorname or 'a fault'}"


_EXPLANATIONS = {
    "SQLITE_BUSY": "another program has been writing to it for too long; end that program",
    "SQLITE_LOCKED": "another program has been writing to it for too long; end that program",
    "SQLITE_FULL": "the disk is full; free some space",
    "SQLITE_READONLY": "it can be read but not written; correct the rights of its file and folder",
    "SQLITE_PERM": "it can be read but not written; correct the rights of its file and folder",
    "SQLITE_CANTOPEN": "its file cannot be opened; correct the rights of its file and folder",
    "SQLITE_IOERR": "the disk cannot be written or read; check the disk",
    "SQLITE_CORRUPT": "its file is damaged; bring back the last backup",
    "SQLITE_NOTADB": "its file is damaged; bring back the last backup",
    "SQLITE_CONSTRAINT": "its newest entry is not where it belongs; verify the record",
}


def _all_columns() -> Select[Any]:
    return select(
        _entry.c.seq, _entry.c.line, _entry.c.leaf_hash, _payload.c.salt, _payload.c.body
    ).select_from(_entry.outerjoin(_payload, _entry.c.seq == _payload.c.seq))


def _entry_of(row: Row[Any]) -> Entry:
    try:
        return _entry_from(row.line, row.leaf_hash, row.body)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RecordDamaged(
            f"Entry {row.seq} of the record cannot be read. "
            "Run `muniment audit verify` to see what is wrong."
        ) from error


def _entry_from(line: bytes, leaf: str, body: bytes | None) -> Entry:
    envelope = json.loads(line)
    payload = json.loads(body) if body is not None else None
    return Entry(
        sequence=int(envelope["seq"]),
        at=moment(envelope["ts"]),
        type=str(envelope["type"]),
        person=str((payload or {}).get("person", "")),
        outcome=str(envelope["outcome"]),
        envelope=envelope,
        payload=payload,
        leaf_hash=leaf,
    )


def _export_line(row: Row[Any], *, with_payload: bool) -> str:
    """Return a row as it stands: whether it holds is for the verifier to say."""
    envelope = _as_text(row.line)
    payload = _as_text(row.body) if with_payload and row.body is not None else "null"
    salt = f'"{row.salt.hex()}"' if with_payload and row.salt is not None else "null"
    return (
        f'{{"envelope":{envelope},"leaf_hash":"{row.leaf_hash}",'
        f'"payload":{payload},"salt":{salt}}}\n'
    )


def _as_text(written: bytes) -> str:
    return written.decode("utf-8", "backslashreplace")


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Hold a folder against other processes that would prepare a record in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise _folder_unusable(folder, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _make_file(path: Path, *, may_be_made: bool) -> None:
    if path.exists():
        return
    if not may_be_made:
        raise AuditUnavailable(
            f"The record {path} is gone, though there was one. Bring it back from the last "
            f"backup; to begin a new record knowingly, remove {path.parent / PEPPER} too."
        )
    try:
        _write_durably(path, b"")
    except OSError as error:
        raise _folder_unusable(path.parent, error) from error


def _read_pepper(path: Path) -> bytes:
    try:
        pepper = path.read_bytes()
    except OSError as error:
        raise AuditUnavailable(f"{path} cannot be read: {error.strerror}.") from error
    if len(pepper) != PEPPER_BYTES:
        raise AuditUnavailable(
            f"{path} is damaged: it must hold {PEPPER_BYTES} bytes. Bring it back from the last "
            "backup."
        )
    return pepper


def _write_durably(path: Path, data: bytes) -> None:
    """Make a file that only its owner may read, whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _folder_unusable(folder: Path, error: OSError) -> AuditUnavailable:
    return AuditUnavailable(
        f"The record's folder {folder} cannot be used: {error.strerror}. "
        "Correct its rights or free some space."
    )


def _identity_of(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino
