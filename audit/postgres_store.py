"""The record in PostgreSQL: rows that the programs can add and read, and nothing else.

The schema (postgres.sql) belongs to a role that no program uses. The role that programs connect
as may read, and call ``audit_append``, which checks order and hashes, and removes only what an
entry of the same batch announces. What the tree and the signatures promise does not depend on
any of this; it keeps programs, and whoever takes one over, from trying.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from audit.errors import AuditUnavailable
from audit.store import Batch, EntryRow, Filter, Head, KeyRow, PayloadRow, Stored, TileRow, Writing

SCHEMA_FILE = Path(__file__).with_name("postgres.sql")
BUSY_SECONDS = 10.0
HASHES_AT_ONCE = 10_000
ROLE = re.compile(r"[a-z_][a-z0-9_$]{0,62}")

_metadata = sql.MetaData(schema="muniment_record")
_entry = sql.Table(
    "audit_entry",
    _metadata,
    sql.Column("seq", sql.BigInteger, primary_key=True),
    sql.Column("line", sql.LargeBinary),
    sql.Column("leaf_hash", sql.Text),
    sql.Column("type", sql.Text),
    sql.Column("ts", sql.Text),
    sql.Column("pid", sql.Text),
    sql.Column("matter", sql.Text),
    sql.Column("outcome", sql.Text),
    sql.Column("documents", ARRAY(sql.Text)),
)
_payload = sql.Table(
    "audit_payload",
    _metadata,
    sql.Column("seq", sql.BigInteger, primary_key=True),
    sql.Column("key_id", sql.Text),
    sql.Column("nonce", sql.LargeBinary),
    sql.Column("ciphertext", sql.LargeBinary),
)
_key = sql.Table(
    "audit_key",
    _metadata,
    sql.Column("position", sql.BigInteger),
    sql.Column("key_id", sql.Text, primary_key=True),
    sql.Column("subject", sql.Text),
    sql.Column("period", sql.Text),
    sql.Column("wrapped", sql.LargeBinary),
    sql.Column("destroyed_at", sql.Text),
)
_tile = sql.Table(
    "audit_tile",
    _metadata,
    sql.Column("level", sql.Integer, primary_key=True),
    sql.Column("idx", sql.BigInteger, primary_key=True),
    sql.Column("hashes", sql.LargeBinary),
    sql.Column("root", sql.LargeBinary),
)
_checkpoint = sql.Table(
    "audit_checkpoint",
    _metadata,
    sql.Column("position", sql.BigInteger, primary_key=True),
    sql.Column("size", sql.BigInteger),
    sql.Column("note", sql.Text),
)


def schema_for(role: str) -> str:
    """Return the SQL that makes the schema, to be run by its owner.

    Args:
        role: That the programs connect as; it must exist.

    Raises:
        ValueError: It is not the plain name of a role.
    """
    if not ROLE.fullmatch(role):
        raise ValueError(f"{role!r} is not a role: lower-case letters, digits, _ and $ only")
    return SCHEMA_FILE.read_text(encoding="utf-8").replace("@ROLE@", role)


class PostgresStore:
    """A record in a PostgreSQL database whose schema stands; a ``Store``.

    Args:
        url: As SQLAlchemy takes it, of the role that programs connect as.
        busy_seconds: How long to wait for another that is writing.

    Raises:
        AuditUnavailable: It cannot be reached, or the schema is not there.
    """

    def __init__(self, url: str, *, busy_seconds: float = BUSY_SECONDS) -> None:
        self._engine = _engine(url, busy_seconds)
        self._name = self._engine.url.render_as_string(hide_password=True)
        self._busy_seconds = busy_seconds
        try:
            self._check()
        except AuditUnavailable:
            self.close()
            raise

    @property
    def name(self) -> str:
        """Its address, without the password."""
        return self._name

    def append(self, build: Callable[[Writing], Batch]) -> None:
        """Add what ``build`` returns, under a lock that no other writer can have meanwhile."""
        with self._connected() as connection:
            connection.execute(sql.text("SELECT muniment_record.audit_lock()"))
            batch = build(_PostgresWriting(connection))
            connection.execute(
                sql.text("SELECT muniment_record.audit_append(CAST(:batch AS jsonb))"),
                {"batch": _written(batch)},
            )

    def head(self) -> Head:
        """Return the end of the record as it is now."""
        with self._connected() as connection:
            return _head(connection)

    def rows(self, wanted: Filter, *, limit: int, newest_first: bool = False) -> list[Stored]:
        """Return at most ``limit`` entries with their payloads, in the order of sequence."""
        query = (
            sql.select(_entry, _payload.c.key_id, _payload.c.nonce, _payload.c.ciphertext)
            .add_columns(_key.c.wrapped)
            .select_from(
                _entry.outerjoin(_payload, _entry.c.seq == _payload.c.seq).outerjoin(
                    _key, _payload.c.key_id == _key.c.key_id
                )
            )
            .where(*_conditions(wanted))
            .order_by(_entry.c.seq.desc() if newest_first else _entry.c.seq)
            .limit(limit)
        )
        with self._connected() as connection:
            return [_stored(row) for row in connection.execute(query)]

    def count(self, wanted: Filter) -> int:
        """Return how many entries are meant."""
        query = sql.select(sql.func.count()).select_from(_entry).where(*_conditions(wanted))
        with self._connected() as connection:
            return int(connection.execute(query).scalar_one())

    def latest_moment(self, *, after: int = -1) -> str:
        """Return the latest time on any entry after a sequence; empty where there is none."""
        query = sql.select(sql.func.max(_entry.c.ts)).where(_entry.c.seq > after)
        with self._connected() as connection:
            return connection.scalar(query) or ""

    def leaf_hashes(self, first: int, last: int) -> Iterator[str]:
        """Yield the hex leaf hashes of a range, both ends included, in constant memory."""
        for start in range(first, last + 1, HASHES_AT_ONCE):
            query = (
                sql.select(_entry.c.leaf_hash)
                .where(_entry.c.seq.between(start, min(start + HASHES_AT_ONCE - 1, last)))
                .order_by(_entry.c.seq)
            )
            with self._connected() as connection:
                found = connection.scalars(query).all()
            yield from found

    def tile(self, level: int, index: int) -> TileRow | None:
        """Return a complete tile; None where it is not complete yet."""
        query = sql.select(_tile).where(_tile.c.level == level, _tile.c.idx == index)
        with self._connected() as connection:
            row = connection.execute(query).first()
        if row is None:
            return None
        return TileRow(row.level, row.idx, bytes(row.hashes), bytes(row.root))

    def tile_roots(self, level: int, first: int, last: int) -> list[bytes]:
        """Return the roots of complete tiles of a level, both ends included."""
        query = (
            sql.select(_tile.c.root)
            .where(_tile.c.level == level, _tile.c.idx.between(first, last))
            .order_by(_tile.c.idx)
        )
        with self._connected() as connection:
            return [bytes(root) for root in connection.scalars(query)]

    def keys(self, subject: str = "") -> list[KeyRow]:
        """Return the data keys, of one subject or all, in the order they were made."""
        query = sql.select(_key).order_by(_key.c.position)
        if subject:
            query = query.where(_key.c.subject == subject)
        with self._connected() as connection:
            return [_key_row(row) for row in connection.execute(query)]

    def add_checkpoint(self, size: int, note: str) -> None:
        """Keep a signed checkpoint; of one size there may be several, the last one counts."""
        with self._connected() as connection:
            connection.execute(
                sql.text("SELECT muniment_record.audit_add_checkpoint(:size, :note)"),
                {"size": size, "note": note},
            )

    def checkpoint(self, *, at_most: int | None = None) -> str | None:
        """Return the newest checkpoint, or the newest of at most that size; None where none."""
        query = sql.select(_checkpoint.c.note)
        if at_most is not None:
            query = query.where(_checkpoint.c.size <= at_most)
        query = query.order_by(_checkpoint.c.size.desc(), _checkpoint.c.position.desc())
        with self._connected() as connection:
            return connection.scalar(query.limit(1))

    def checkpoints(self, *, limit: int = 100) -> Sequence[tuple[int, str]]:
        """Return sizes and notes, the newest first."""
        query = sql.select(_checkpoint.c.size, _checkpoint.c.note)
        query = query.order_by(_checkpoint.c.position.desc()).limit(limit)
        with self._connected() as connection:
            rows = connection.execute(query).all()
        return [(row.size, row.note) for row in rows]

    def test_write(self) -> None:
        """Write something durable that means nothing, to learn whether writing works."""
        with self._connected() as connection:
            connection.execute(sql.text("SELECT muniment_record.audit_test_write()"))

    def close(self) -> None:
        """Let go of the connections."""
        self._engine.dispose()

    def _check(self) -> None:
        query = sql.text("SELECT to_regclass('muniment_record.audit_entry') IS NOT NULL")
        with self._connected() as connection:
            if not connection.scalar(query):
                raise self._unavailable(
                    "its schema is not there; have its owner run the output of "
                    "`muniment audit schema`"
                )
            for setting in ("fsync", "synchronous_commit"):
                if connection.scalar(sql.text(f"SHOW {setting}")) == "off":
                    raise self._unavailable(f"the server runs with {setting} off; turn it on")

    @contextmanager
    def _connected(self) -> Iterator[sql.Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except DBAPIError as error:
            raise self._unavailable(_explanation(error)) from error
        except SQLAlchemyError as error:
            raise self._unavailable("its database does not answer") from error

    def _unavailable(self, because: str) -> AuditUnavailable:
        return AuditUnavailable(
            f"The record at {self._name} is not available: {because}. "
            "Nothing that must be on record can go on until it is."
        )


class _PostgresWriting:
    """What a batch may ask while the lock is held."""

    def __init__(self, connection: sql.Connection) -> None:
        self._connection = connection
        self._found = _head(connection)

    @property
    def head(self) -> Head:
        return self._found

    def leaf_hash(self, sequence: int) -> str | None:
        query = sql.select(_entry.c.leaf_hash).where(_entry.c.seq == sequence)
        return self._connection.scalar(query)

    def live_key(self, subject: str, period: str) -> KeyRow | None:
        query = (
            sql.select(_key)
            .where(_key.c.subject == subject, _key.c.period == period, _key.c.wrapped.is_not(None))
            .order_by(_key.c.position.desc())
            .limit(1)
        )
        row = self._connection.execute(query).first()
        return _key_row(row) if row is not None else None

    def key_count(self, subject: str, period: str) -> int:
        query = (
            sql.select(sql.func.count())
            .select_from(_key)
            .where(_key.c.subject == subject, _key.c.period == period)
        )
        return int(self._connection.execute(query).scalar_one())


def _engine(url: str, busy_seconds: float) -> sql.Engine:
    options = {
        "lock_timeout": int(busy_seconds * 1000),
        "synchronous_commit": "on",
        "search_path": "pg_temp",
    }
    try:
        return sql.create_engine(
            make_url(url),
            pool_pre_ping=True,
            pool_timeout=busy_seconds,
            connect_args={
                "options": " ".join(f"-c {name}={value}" for name, value in options.items()),
                "connect_timeout": max(2, int(busy_seconds)),
            },
        )
    except (ArgumentError, NoSuchModuleError, ImportError, TypeError) as error:
        raise AuditUnavailable(
            "The record's address is not one that can be used. Write it as "
            "postgresql+psycopg://role@host/name, and see that psycopg is installed."
        ) from error


def _conditions(wanted: Filter) -> list[sql.ColumnElement[bool]]:
    column = _entry.c
    conditions = [column.seq >= wanted.first]
    if wanted.type and "." in wanted.type:
        conditions.append(column.type == wanted.type)
    elif wanted.type:
        conditions.append(column.type.startswith(f"{wanted.type}.", autoescape=True))
    for name, value in (
        ("pid", wanted.pid),
        ("matter", wanted.matter),
        ("outcome", wanted.outcome),
    ):
        if value:
            conditions.append(column[name] == value)
    if wanted.since:
        conditions.append(column.ts >= wanted.since)
    if wanted.until:
        conditions.append(column.ts < wanted.until)
    if wanted.document:
        conditions.append(column.documents.contains([wanted.document]))
    if wanted.last is not None:
        conditions.append(column.seq <= wanted.last)
    return conditions


def _head(connection: sql.Connection) -> Head:
    query = sql.select(_entry.c.seq, _entry.c.leaf_hash, _entry.c.ts)
    row = connection.execute(query.order_by(_entry.c.seq.desc()).limit(1)).first()
    return Head(row.seq + 1, row.leaf_hash, row.ts) if row is not None else Head()


def _stored(row: sql.Row[Any]) -> Stored:
    entry = EntryRow(
        sequence=row.seq,
        line=_bytes(row.line),
        leaf_hash=row.leaf_hash,
        type=row.type,
        at=row.ts,
        pid=row.pid,
        matter=row.matter,
    )
    if row.key_id is None:
        return Stored(entry, None, None)
    payload = PayloadRow(row.seq, row.key_id, _bytes(row.nonce), _bytes(row.ciphertext))
    return Stored(entry, payload, _bytes(row.wrapped))


def _key_row(row: sql.Row[Any]) -> KeyRow:
    return KeyRow(row.key_id, row.subject, row.period, _bytes(row.wrapped), row.destroyed_at)


def _bytes(value: bytes | None) -> bytes | None:
    return bytes(value) if value is not None else None


def _written(batch: Batch) -> str:
    """Return a batch as the function takes it, bytes as hex."""
    return json.dumps(
        {
            "entries": [
                {
                    "seq": entry.sequence,
                    "line": (entry.line or b"").hex(),
                    "leaf_hash": entry.leaf_hash,
                    "type": entry.type,
                    "ts": entry.at,
                    "pid": entry.pid,
                    "matter": entry.matter,
                    "documents": list(entry.documents),
                }
                for entry in batch.entries
            ],
            "payloads": [
                {
                    "seq": payload.sequence,
                    "key_id": payload.key_id,
                    "nonce": (payload.nonce or b"").hex(),
                    "ciphertext": (payload.ciphertext or b"").hex(),
                }
                for payload in batch.payloads
            ],
            "keys": [
                {
                    "key_id": key.key_id,
                    "subject": key.subject,
                    "period": key.period,
                    "wrapped": (key.wrapped or b"").hex(),
                }
                for key in batch.keys
            ],
            "tiles": [
                {
                    "level": tile.level,
                    "index": tile.index,
                    "hashes": tile.hashes.hex(),
                    "root": tile.root.hex(),
                }
                for tile in batch.tiles
            ],
            "removal": {
                "keys": list(batch.removal.keys),
                "payloads": list(batch.removal.payloads),
                "lines": list(batch.removal.lines),
                "at": batch.removal.at,
            },
        }
    )


def _explanation(error: DBAPIError) -> str:
    state = getattr(error.orig, "sqlstate", None) or ""
    for start, sentence in _EXPLANATIONS.items():
        if state.startswith(start):
            return sentence
    return f"its database reports {state or 'that it cannot be reached'}"


_EXPLANATIONS = {
    "08": "its server cannot be reached; start it",
    "23": "its newest entry is not where it belongs; verify the record",
    "25006": "its server only lets it be read; see which server is the primary",
    "28": "its server does not let this role in; correct the address",
    "42501": "this role may not do that; have the schema's owner run `muniment audit schema` anew",
    "53100": "the disk is full; free some space",
    "53": "its server has too little of something; see its log",
    "55P03": "another program has been writing to it for too long; end that program",
    "57P": "its server is shutting down or starting up",
    "58": "its server cannot use its disk; see its log",
}
