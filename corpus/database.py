"""The catalog's database: opening, migrating, and saying what is wrong in plain words."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import sqlalchemy as sql
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import ConnectionPoolEntry

from corpus.errors import CatalogUnavailable

BUSY_SECONDS = 10
MIGRATIONS = Path(__file__).parent / "migrations"
SCHEMA_TABLE = "catalog_schema"
"""Where the schema's revision stands; its own name, so that one database can hold more."""

_WRITING = "muniment_writing"

Clock = Callable[[], datetime]
"""Gives the time in UTC."""


def utc_now() -> datetime:
    """Return the time; the default of every ``clock`` argument in the corpus."""
    return datetime.now(UTC)  # noqa: TID251 - the one place that asks


class Database:
    """Connections to the catalog, a short one for each call, from any thread.

    Args:
        url: As SQLAlchemy takes it.
    """

    def __init__(self, url: str) -> None:
        self._engine = _engine(url)
        self._writer = self._engine.execution_options(**{_WRITING: True})
        self._name = self._engine.url.render_as_string(hide_password=True)

    def migrate(self) -> None:
        """Bring the schema up to date.

        Raises:
            CatalogUnavailable: A newer Muniment wrote this catalog, or it cannot be opened.
        """
        configuration = Config()
        configuration.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        scripts = ScriptDirectory.from_config(configuration)
        with self.writing() as connection:
            context = MigrationContext.configure(connection, opts={"version_table": SCHEMA_TABLE})
            current = context.get_current_revision()
            if current == scripts.get_current_head():
                return
            if current is not None and current not in {
                s.revision for s in scripts.walk_revisions()
            }:
                raise CatalogUnavailable(
                    f"The catalog at {self._name} was written by a newer Muniment (its schema is "
                    f"{current}). Start that version, or restore a backup made by this one."
                )
            configuration.attributes["connection"] = connection
            command.upgrade(configuration, "head")

    @contextmanager
    def reading(self) -> Iterator[sql.Connection]:
        """Give a connection that sees one state of the catalog throughout."""
        with self._translated(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sql.Connection]:
        """Give a connection whose changes all take effect at the end, or none of them."""
        with self._translated(), self._writer.begin() as connection:
            yield connection

    def scrub(self) -> None:
        """Empty the journal, which holds what was written before it was deleted.

        PostgreSQL looks after its own: what is deleted there goes with the next vacuum.
        """
        if self._engine.dialect.name != "sqlite":
            return
        with self._translated(), self._engine.connect() as connection:
            driver = connection.connection.driver_connection
            if driver is not None:
                driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise CatalogUnavailable(_sentence(self._name, error)) from error


class Part:
    """A part of the catalog: what it does, it does to one database.

    Args:
        database: Where everything is kept.
        clock: Gives the time in UTC.
        markings: The protective markings in use, from the lowest to the highest.
    """

    def __init__(
        self, database: Database, *, clock: Clock = utc_now, markings: Sequence[str] = ()
    ) -> None:
        self._database = database
        self._clock = clock
        self._levels = tuple(markings)


def _engine(url: str) -> sql.Engine:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite":
            return sql.create_engine(parsed, pool_pre_ping=True)
        if parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        engine = sql.create_engine(parsed, connect_args={"timeout": BUSY_SECONDS})
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise CatalogUnavailable(
            "The catalog's address is not one that can be used. Write it as "
            "sqlite:////folder/catalog.db or postgresql+psycopg://user@host/name."
        ) from error
    except OSError as error:
        raise CatalogUnavailable(
            f"The folder of the catalog {url} cannot be made: {error.strerror}."
        ) from error
    sql.event.listen(engine, "connect", _prepare_sqlite)
    sql.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    # The driver would otherwise begin transactions itself, too late for BEGIN IMMEDIATE.
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout = {BUSY_SECONDS * 1000}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        # What is deleted is overwritten, so that an erased text cannot be read off the disk.
        "secure_delete = ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: sql.Connection) -> None:
    # A reader that turns writer halfway may find the file changed; SQLite then fails at once,
    # whatever the busy timeout. Writers therefore say so from the start.
    writing = connection.get_execution_options().get(_WRITING, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _sentence(name: str, error: DBAPIError) -> str:
    said = str(error.orig)
    for sign, sentence in _SENTENCES.items():
        if sign in said:
            return f"The catalog at {name} {sentence}"
    return f"The catalog at {name} cannot be used: {said.splitlines()[0] if said else 'no reason'}."


_SENTENCES = {
    "is full": "cannot be written: no space is left. Free some and try again; nothing was "
    "half written.",
    "is locked": f"was kept busy by another process for more than {BUSY_SECONDS} seconds. "
    "Try again; if it stays so, look for a second Muniment on the same data folder.",
    "readonly": "cannot be written: the file or its folder is read-only for this user.",
    "unable to open": "cannot be opened. Check that its folder exists and that this user may "
    "write in it.",
    "disk I/O error": "cannot be read or written: the disk reports an error.",
    "malformed": "is damaged. Restore it from a backup.",
    "not a database": "is not a catalog: the file holds something else. Move it away, or "
    "restore it from a backup.",
}
