"""A record in one SQLite file that only ever grows.

Triggers refuse what must not happen by accident. They do not stop somebody who owns the
machine: that is what the tree and the checkpoints are for.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    QueuePool,
    Row,
    Select,
    String,
    Table,
    case,
    cast,
    create_engine,
    exists,
    func,
    select,
)
from sqlalchemy import event as engine_events
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from audit.errors import AuditUnavailable
from audit.store import (
    Batch,
    EntryRow,
    Filter,
    Head,
    KeyRow,
    PayloadRow,
    Removal,
    Stored,
    TileRow,
    Writing,
)

PAGE_OF_HASHES = 4096

_metadata = MetaData()
entry_table = Table(
    "audit_entry",
    _metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("line", LargeBinary, nullable=False),
    Column("leaf_hash", String, nullable=False),
    Column("type", String, nullable=False, index=True),
    Column("ts", String, nullable=False, index=True),
    Column("pid", String, nullable=True, index=True),
    Column("matter", String, nullable=True, index=True),
)
document_table = Table(
    "audit_document",
    _metadata,
    Column("document", String, primary_key=True),
    Column("seq", Integer, ForeignKey("audit_entry.seq"), primary_key=True),
    Index("ix_audit_document_seq", "seq"),
)
key_table = Table(
    "audit_key",
    _metadata,
    Column("number", Integer, primary_key=True),
    Column("key_id", String, nullable=False, unique=True),
    Column("subject", String, nullable=False, index=True),
    Column("period", String, nullable=False),
    Column("wrapped", LargeBinary, nullable=True),
    Column("destroyed_at", String, nullable=True),
)
payload_table = Table(
    "audit_payload",
    _metadata,
    Column("seq", Integer, ForeignKey("audit_entry.seq"), primary_key=True, autoincrement=False),
    Column("key_id", String, ForeignKey("audit_key.key_id"), nullable=False, index=True),
    Column("nonce", LargeBinary, nullable=True),
    Column("ct", LargeBinary, nullable=True),
)
tile_table = Table(
    "audit_tile",
    _metadata,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("idx", Integer, primary_key=True, autoincrement=False),
    Column("hashes", LargeBinary, nullable=False),
    Column("root", LargeBinary, nullable=False),
)
checkpoint_table = Table(
    "audit_checkpoint",
    _metadata,
    Column("number", Integer, primary_key=True),
    Column("size", Integer, nullable=False, index=True),
    Column("note", String, nullable=False),
)
_probe_table = Table(
    "audit_probe",
    _metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("turn", Integer, nullable=False),
)

ANNOUNCED = ("audit.erasure", "audit.disposal", "audit.redaction")
"""Types of the entries that may take something away, as the newest entry of their transaction."""

_NEWEST = "(SELECT type FROM audit_entry ORDER BY seq DESC LIMIT 1)"
_ANNOUNCED = f"{_NEWEST} IN {ANNOUNCED!r}"
_REFUSE = "BEGIN SELECT RAISE(ABORT, 'the record only grows'); END"


def _trigger(name: str, moment: str, condition: str = "") -> str:
    when = f"WHEN {condition} " if condition else ""
    return f"CREATE TRIGGER IF NOT EXISTS {name} BEFORE {moment} {when}{_REFUSE}"


TRIGGERS = (
    *(
        _trigger(f"{table}_no_delete", f"DELETE ON {table}")
        for table in ("audit_entry", "audit_payload", "audit_key", "audit_tile", "audit_checkpoint")
    ),
    *(
        _trigger(f"{table}_no_update", f"UPDATE ON {table}")
        for table in ("audit_tile", "audit_checkpoint", "audit_document")
    ),
    _trigger(
        "audit_entry_only_redacted",
        "UPDATE ON audit_entry",
        f"NOT ({_NEWEST} = 'audit.redaction' AND NEW.line = x'' AND NEW.seq = OLD.seq "
        "AND NEW.leaf_hash = OLD.leaf_hash AND NEW.type = OLD.type AND NEW.ts = OLD.ts)",
    ),
    _trigger(
        "audit_document_only_redacted",
        "DELETE ON audit_document",
        f"{_NEWEST} <> 'audit.redaction'",
    ),
    _trigger(
        "audit_payload_only_erased",
        "UPDATE ON audit_payload",
        f"NOT ({_ANNOUNCED} AND NEW.ct IS NULL AND NEW.nonce IS NULL "
        "AND NEW.seq = OLD.seq AND NEW.key_id = OLD.key_id)",
    ),
    _trigger(
        "audit_key_only_destroyed",
        "UPDATE ON audit_key",
        f"NOT ({_ANNOUNCED} AND NEW.wrapped IS NULL AND NEW.destroyed_at IS NOT NULL "
        "AND NEW.key_id = OLD.key_id AND NEW.subject = OLD.subject AND NEW.period = OLD.period)",
    ),
    # INSERT OR REPLACE would delete without asking the triggers above.
    _trigger(
        "audit_entry_in_order",
        "INSERT ON audit_entry",
        "NEW.seq <> (SELECT coalesce(max(seq), -1) + 1 FROM audit_entry)",
    ),
    _trigger(
        "audit_payload_once",
        "INSERT ON audit_payload",
        "EXISTS (SELECT 1 FROM audit_payload WHERE seq = NEW.seq)",
    ),
    _trigger(
        "audit_key_once",
        "INSERT ON audit_key",
        "EXISTS (SELECT 1 FROM audit_key WHERE key_id = NEW.key_id OR number = NEW.number)",
    ),
    _trigger(
        "audit_tile_once",
        "INSERT ON audit_tile",
        "EXISTS (SELECT 1 FROM audit_tile WHERE level = NEW.level AND idx = NEW.idx)",
    ),
    _trigger(
        "audit_checkpoint_once",
        "INSERT ON audit_checkpoint",
        "EXISTS (SELECT 1 FROM audit_checkpoint WHERE number = NEW.number)",
    ),
)


class SqliteStore:
    """The store of one data folder.

    Args:
        path: The database file, which must be there: an empty file made in the place of a lost
            record would look like a new one.
        busy_seconds: How long to wait for others that are writing.
    """

    def __init__(self, path: Path, *, busy_seconds: float) -> None:
        self.path = path
        self._busy_seconds = busy_seconds
        self._file = _identity_of(path)
        self.engine = create_engine(
            "sqlite+pysqlite://",
            creator=self._connect,
            poolclass=QueuePool,
            pool_timeout=busy_seconds,
        )
        engine_events.listen(self.engine, "begin", _begin)

    @property
    def name(self) -> str:
        """The file."""
        return str(self.path)

    def make_tables(self) -> None:
        """Bring the file to the form told in docs/record.md; what is there stays."""
        with self.translated(), self.write_connection() as connection, connection.begin():
            self.make_tables_with(connection)
            self.make_triggers_with(connection)

    def make_tables_with(self, connection: Connection) -> None:
        """Make the tables that are missing, in a transaction that goes on."""
        _metadata.create_all(connection)

    def make_triggers_with(self, connection: Connection) -> None:
        """Make the triggers that are missing, likewise."""
        for trigger in TRIGGERS:
            connection.exec_driver_sql(trigger)

    def append(self, build: Callable[[Writing], Batch]) -> None:
        """Add what ``build`` makes of the end of the record: all of it, or nothing."""
        with self.translated():
            self.check_file()
            with self.write_connection() as connection, connection.begin():
                batch = build(_Transaction(connection))
                _write(connection, batch)
            if batch.removal != Removal():
                self._forget()

    def head(self) -> Head:
        """Return the end of the record as it is now."""
        with self._reading() as connection:
            return _head(connection)

    def rows(self, wanted: Filter, *, limit: int, newest_first: bool = False) -> list[Stored]:
        """Return at most so many entries with their payloads."""
        order = entry_table.c.seq.desc() if newest_first else entry_table.c.seq
        query = _joined().where(*_conditions(wanted)).order_by(order).limit(limit)
        with self._reading() as connection:
            return [_stored(row) for row in connection.execute(query)]

    def count(self, wanted: Filter) -> int:
        """Return how many entries are meant."""
        query = select(func.count()).select_from(entry_table).where(*_conditions(wanted))
        with self._reading() as connection:
            return int(connection.execute(query).scalar_one())

    def latest_moment(self, *, after: int = -1) -> str:
        """Return the latest time on any entry after a sequence; empty where there is none."""
        query = select(func.max(entry_table.c.ts))
        if after >= 0:
            query = query.where(entry_table.c.seq > after)
        with self._reading() as connection:
            return str(connection.execute(query).scalar() or "")

    def leaf_hashes(self, first: int, last: int) -> Iterator[str]:
        """Yield the hex leaf hashes of a range, both ends included."""
        while first <= last:
            query = (
                select(entry_table.c.leaf_hash)
                .where(entry_table.c.seq >= first, entry_table.c.seq <= last)
                .order_by(entry_table.c.seq)
                .limit(PAGE_OF_HASHES)
            )
            with self._reading() as connection:
                found = list(connection.execute(query).scalars())
            if not found:
                return
            yield from found
            first += len(found)

    def tile(self, level: int, index: int) -> TileRow | None:
        """Return a complete tile; None where it is not complete yet."""
        query = select(tile_table).where(tile_table.c.level == level, tile_table.c.idx == index)
        with self._reading() as connection:
            row = connection.execute(query).first()
        return TileRow(row.level, row.idx, row.hashes, row.root) if row else None

    def tile_roots(self, level: int, first: int, last: int) -> list[bytes]:
        """Return the roots of complete tiles of a level, both ends included."""
        query = (
            select(tile_table.c.root)
            .where(tile_table.c.level == level, tile_table.c.idx.between(first, last))
            .order_by(tile_table.c.idx)
        )
        with self._reading() as connection:
            return list(connection.execute(query).scalars())

    def keys(self, subject: str = "") -> list[KeyRow]:
        """Return the data keys, of one subject or all, in the order they were made."""
        query = select(key_table).order_by(key_table.c.number)
        if subject:
            query = query.where(key_table.c.subject == subject)
        with self._reading() as connection:
            return [_key(row) for row in connection.execute(query)]

    def add_checkpoint(self, size: int, note: str) -> None:
        """Keep a signed checkpoint."""
        with self.translated():
            self.check_file()
            with self.write_connection() as connection, connection.begin():
                connection.execute(checkpoint_table.insert(), {"size": size, "note": note})

    def checkpoint(self, *, at_most: int | None = None) -> str | None:
        """Return the newest checkpoint, or the newest of at most that size."""
        query = select(checkpoint_table.c.note)
        if at_most is not None:
            query = query.where(checkpoint_table.c.size <= at_most)
        query = query.order_by(checkpoint_table.c.size.desc(), checkpoint_table.c.number.desc())
        with self._reading() as connection:
            note = connection.execute(query.limit(1)).scalar()
        return None if note is None else str(note)

    def checkpoints(self, *, limit: int = 100) -> Sequence[tuple[int, str]]:
        """Return sizes and notes, the newest first."""
        query = select(checkpoint_table.c.size, checkpoint_table.c.note)
        query = query.order_by(checkpoint_table.c.number.desc()).limit(limit)
        with self._reading() as connection:
            return [(row.size, row.note) for row in connection.execute(query)]

    def test_write(self) -> None:
        """Write and flush a row that means nothing.

        Raises:
            AuditUnavailable: Nothing can be written.
        """
        with self.translated():
            self.check_file()
            with self.write_connection() as connection, connection.begin():
                connection.exec_driver_sql(
                    "INSERT INTO audit_probe VALUES (0, 1) "
                    "ON CONFLICT (number) DO UPDATE SET turn = turn + 1"
                )

    def close(self) -> None:
        """Let go of the file. Everything appended is already on disk."""
        self.engine.dispose()

    def write_connection(self) -> Connection:
        """Return a connection whose transactions take the write lock at their beginning."""
        return self.engine.connect().execution_options(record_writes=True)

    def unavailable(self, because: str) -> AuditUnavailable:
        """Return the error that says why nothing goes on."""
        return AuditUnavailable(
            f"The record at {self.path} is not available: {because}. "
            "Nothing that must be on record can go on until it is."
        )

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn what the database or the disk says into a sentence for the operator."""
        try:
            yield
        except DBAPIError as error:
            name = getattr(error.orig, "sqlite_errorname", "")
            raise self.unavailable(_explanation(name)) from error
        except SQLAlchemyError as error:
            raise self.unavailable("its database does not answer") from error
        except OSError as error:
            raise self.unavailable(f"the disk says: {error.strerror}") from error

    def check_file(self) -> None:
        """A file that was removed or replaced would take entries that nobody ever finds.

        Raises:
            AuditUnavailable: It was.
        """
        try:
            same = _identity_of(self.path) == self._file
        except OSError:
            same = False
        if not same:
            raise self.unavailable("its file was removed or replaced while it was open")

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self.translated():
            self.check_file()
            with self.engine.connect() as connection:
                yield connection

    def _forget(self) -> None:
        """Keep nothing of what was taken away in the write-ahead log."""
        with self.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"file:{quote(str(self.path))}?mode=rw",
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
            "secure_delete=ON",  # what is erased is overwritten, not only unlinked
        ):
            connection.execute(f"PRAGMA {setting}")
        return connection


# What every append runs is written out: building these statements anew takes longer than SQLite.
_HEAD = "SELECT seq, leaf_hash, ts FROM audit_entry ORDER BY seq DESC LIMIT 1"
_LEAF_HASH = "SELECT leaf_hash FROM audit_entry WHERE seq = ?"
_LIVE_KEY = (
    "SELECT key_id, subject, period, wrapped, destroyed_at FROM audit_key "
    "WHERE subject = ? AND period = ? AND wrapped IS NOT NULL ORDER BY number DESC LIMIT 1"
)
_KEY_COUNT = "SELECT count(*) FROM audit_key WHERE subject = ? AND period = ?"
_ADD_ENTRY = (
    "INSERT INTO audit_entry (seq, line, leaf_hash, type, ts, pid, matter) "
    "VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_ADD_DOCUMENT = "INSERT INTO audit_document (document, seq) VALUES (?, ?)"
_ADD_KEY = (
    "INSERT INTO audit_key (key_id, subject, period, wrapped, destroyed_at) VALUES (?, ?, ?, ?, ?)"
)
_ADD_PAYLOAD = "INSERT INTO audit_payload (seq, key_id, nonce, ct) VALUES (?, ?, ?, ?)"
_ADD_TILE = "INSERT INTO audit_tile (level, idx, hashes, root) VALUES (?, ?, ?, ?)"


class _Transaction:
    """What a batch is built from, under the write lock."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.head = _head(connection)

    def leaf_hash(self, sequence: int) -> str | None:
        found = self._connection.exec_driver_sql(_LEAF_HASH, (sequence,)).scalar()
        return None if found is None else str(found)

    def live_key(self, subject: str, period: str) -> KeyRow | None:
        row = self._connection.exec_driver_sql(_LIVE_KEY, (subject, period)).first()
        return KeyRow(*row) if row else None

    def key_count(self, subject: str, period: str) -> int:
        found = self._connection.exec_driver_sql(_KEY_COUNT, (subject, period)).scalar_one()
        return int(found)


def _write(connection: Connection, batch: Batch) -> None:
    for statement, rows in (
        (_ADD_ENTRY, [_entry_values(entry) for entry in batch.entries]),
        (
            _ADD_DOCUMENT,
            [(name, entry.sequence) for entry in batch.entries for name in entry.documents],
        ),
        (
            _ADD_KEY,
            [
                (key.key_id, key.subject, key.period, key.wrapped, key.destroyed_at)
                for key in batch.keys
            ],
        ),
        (
            _ADD_PAYLOAD,
            [(each.sequence, each.key_id, each.nonce, each.ciphertext) for each in batch.payloads],
        ),
        (_ADD_TILE, [(tile.level, tile.index, tile.hashes, tile.root) for tile in batch.tiles]),
    ):
        if rows:
            connection.exec_driver_sql(statement, rows)
    if batch.removal != Removal():
        _remove(connection, batch.removal)


def _entry_values(entry: EntryRow) -> tuple[Any, ...]:
    return (
        entry.sequence,
        entry.line or b"",
        entry.leaf_hash,
        entry.type,
        entry.at,
        entry.pid,
        entry.matter,
    )


def _remove(connection: Connection, removal: Removal) -> None:
    for key_id in removal.keys:
        connection.execute(
            key_table.update()
            .where(key_table.c.key_id == key_id, key_table.c.wrapped.is_not(None))
            .values(wrapped=None, destroyed_at=removal.at)
        )
        connection.execute(
            payload_table.update()
            .where(payload_table.c.key_id == key_id)
            .values(nonce=None, ct=None)
        )
    for sequence in removal.payloads:
        connection.execute(
            payload_table.update()
            .where(payload_table.c.seq == sequence)
            .values(nonce=None, ct=None)
        )
    for sequence in removal.lines:
        connection.execute(
            entry_table.update()
            .where(entry_table.c.seq == sequence)
            .values(line=b"", pid=None, matter=None)
        )
        connection.execute(document_table.delete().where(document_table.c.seq == sequence))


def _head(connection: Connection) -> Head:
    row = connection.exec_driver_sql(_HEAD).first()
    return Head(row[0] + 1, row[1], row[2]) if row else Head()


def _joined() -> Select[Any]:
    return select(
        entry_table,
        payload_table.c.key_id,
        payload_table.c.nonce,
        payload_table.c.ct,
        key_table.c.wrapped,
    ).select_from(
        entry_table.outerjoin(payload_table, entry_table.c.seq == payload_table.c.seq).outerjoin(
            key_table, payload_table.c.key_id == key_table.c.key_id
        )
    )


def _conditions(wanted: Filter) -> list[ColumnElement[bool]]:
    entry = entry_table.c
    conditions: list[ColumnElement[bool]] = []
    if wanted.type:
        one = "." in wanted.type
        conditions.append(
            entry.type == wanted.type
            if one
            else entry.type.startswith(f"{wanted.type}.", autoescape=True)
        )
    if wanted.pid:
        conditions.append(entry.pid == wanted.pid)
    if wanted.matter:
        conditions.append(entry.matter == wanted.matter)
    if wanted.since:
        conditions.append(entry.ts >= wanted.since)
    if wanted.until:
        conditions.append(entry.ts < wanted.until)
    if wanted.document:
        conditions.append(
            exists().where(
                document_table.c.seq == entry.seq, document_table.c.document == wanted.document
            )
        )
    if wanted.outcome:
        # A redacted line has no outcome, and is no JSON.
        written = case((entry.line == b"", "{}"), else_=cast(entry.line, String))
        conditions.append(func.json_extract(written, "$.outcome") == wanted.outcome)
    if wanted.first > 0:
        conditions.append(entry.seq >= wanted.first)
    if wanted.last is not None:
        conditions.append(entry.seq <= wanted.last)
    return conditions


def _stored(row: Row[Any]) -> Stored:
    entry = EntryRow(
        sequence=row.seq,
        line=row.line or None,
        leaf_hash=row.leaf_hash,
        type=row.type,
        at=row.ts,
        pid=row.pid,
        matter=row.matter,
    )
    payload = PayloadRow(row.seq, row.key_id, row.nonce, row.ct) if row.key_id is not None else None
    return Stored(entry, payload, row.wrapped)


def _key(row: Row[Any]) -> KeyRow:
    return KeyRow(row.key_id, row.subject, row.period, row.wrapped, row.destroyed_at)


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


def _identity_of(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino
