"""The service's own database: its tables, its engine and its schema's history.

Accounts, sessions and conversations live here, apart from the catalog of documents.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    DateTime,
    Dialect,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    create_engine,
    event,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from rag.errors import RagError

Clock = Callable[[], datetime]

VERSION_TABLE: Final = "service_schema"
"""Alembic's own table. Named, because the catalog may live in the same PostgreSQL database."""

KEPT_CONNECTIONS: Final = 8
MORE_CONNECTIONS: Final = 40
"""As many requests as the service has threads for may need one at the same moment."""

_MIGRATIONS = Path(__file__).parent / "migrations"


def utc_now() -> datetime:
    """Return the time now; the default of every clock argument in this program."""
    return datetime.now(UTC)  # noqa: TID251 - the one real clock of the service


class UtcDateTime(TypeDecorator[datetime]):
    """A moment: aware UTC in Python, without a zone in the database."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Drop the zone, after turning the moment to UTC."""
        return value.astimezone(UTC).replace(tzinfo=None) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Give the zone back."""
        return value.replace(tzinfo=UTC) if value is not None else None


metadata = MetaData()

accounts = Table(
    "accounts",
    metadata,
    Column("account_id", String(36), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("name_key", String(128), nullable=False, unique=True),
    Column("password_hash", String(300), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("removed_at", UtcDateTime),
    Column("disabled_at", UtcDateTime),
    Column("disabled_by", String(80)),
    Column("sample", Boolean, nullable=False, default=False),
)

account_groups = Table(
    "account_groups",
    metadata,
    Column(
        "account_id",
        String(36),
        ForeignKey("accounts.account_id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("name", String(200), primary_key=True),
)

account_roles = Table(
    "account_roles",
    metadata,
    Column(
        "account_id",
        String(36),
        ForeignKey("accounts.account_id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("name", String(40), primary_key=True),
)

sign_in_attempts = Table(
    "sign_in_attempts",
    metadata,
    Column("name_hash", String(64), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
    Column("blocked_until", UtcDateTime, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column(
        "account_id",
        String(36),
        ForeignKey("accounts.account_id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("strong", Boolean, nullable=False, default=False),
    Column("issuer", String(500)),
    Column("subject", String(255)),
    Column("provider_session", String(255)),
    Column("id_token", Text),
)


def _account_column(*, key: bool) -> Column[str]:
    return Column(
        "account_id",
        String(36),
        ForeignKey("accounts.account_id", ondelete="CASCADE"),
        primary_key=key,
        nullable=False,
    )


second_factors = Table(
    "second_factors",
    metadata,
    _account_column(key=True),
    Column("secret", String(200), nullable=False),
    Column("confirmed_at", UtcDateTime),
    Column("last_step", Integer, nullable=False),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    _account_column(key=True),
    Column("code_hash", String(64), primary_key=True),
)

set_up_codes = Table(
    "set_up_codes",
    metadata,
    Column("code_hash", String(64), primary_key=True),
    Column("expires_at", UtcDateTime, nullable=False),
)

provided_accounts = Table(
    "provided_accounts",
    metadata,
    Column("issuer", String(500), primary_key=True),
    Column("subject", String(255), primary_key=True),
    _account_column(key=False),
)

claimed_groups = Table(
    "claimed_groups",
    metadata,
    _account_column(key=True),
    Column("name", String(200), primary_key=True),
)

provider_attempts = Table(
    "provider_attempts",
    metadata,
    Column("state_hash", String(64), primary_key=True),
    Column("browser_hash", String(64), nullable=False),
    Column("nonce", String(100), nullable=False),
    Column("verifier", String(128), nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
)

provider_logouts = Table(
    "provider_logouts",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("expires_at", UtcDateTime, nullable=False),
)

conversations = Table(
    "conversations",
    metadata,
    Column("conversation_id", String(36), primary_key=True),
    Column("owner", String(64), nullable=False, index=True),
    Column("title", String(200), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)

turns = Table(
    "turns",
    metadata,
    Column("turn_id", String(36), primary_key=True),
    Column(
        "conversation_id",
        String(36),
        ForeignKey("conversations.conversation_id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("position", Integer, nullable=False),
    Column("question", Text, nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("answer", Text),
    Column("superseded_by", String(36)),
    UniqueConstraint("conversation_id", "position"),
)

conversation_shares = Table(
    "conversation_shares",
    metadata,
    Column(
        "conversation_id",
        String(36),
        ForeignKey("conversations.conversation_id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("person", String(64), primary_key=True, index=True),
    Column("shared_at", UtcDateTime, nullable=False),
)

feedback = Table(
    "feedback",
    metadata,
    Column(
        "turn_id", String(36), ForeignKey("turns.turn_id", ondelete="CASCADE"), primary_key=True
    ),
    Column("person", String(64), primary_key=True),
    Column("helpful", Integer, nullable=False),
    Column("reason", String(40), nullable=False),
    Column("note", Text, nullable=False),
    Column("document_id", String(36)),
    Column("page", Integer),
    Column("given_at", UtcDateTime, nullable=False),
)

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("token_id", String(36), nullable=False, unique=True),
    Column(
        "account_id",
        String(36),
        ForeignKey("accounts.account_id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("label", String(80), nullable=False),
    Column("scopes", String(200), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime),
)

directory_people = Table(
    "directory_people",
    metadata,
    Column("origin", String(80), primary_key=True),
    Column("person_id", String(200), primary_key=True),
    Column("external_id", String(200), nullable=False),
    Column("name", String(200), nullable=False),
    Column("display", String(200), nullable=False),
    Column("active", Integer, nullable=False),
    Column("account_id", String(36), ForeignKey("accounts.account_id"), unique=True),
    Column("changed_at", UtcDateTime, nullable=False),
)
"""People as a directory names them. Without an account: a name that somebody else has here."""

directory_groups = Table(
    "directory_groups",
    metadata,
    Column("origin", String(80), primary_key=True),
    Column("group_id", String(200), primary_key=True),
    Column("external_id", String(200), nullable=False),
    Column("name", String(200), nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
)

directory_members = Table(
    "directory_members",
    metadata,
    Column("origin", String(80), primary_key=True),
    Column("group_id", String(200), primary_key=True),
    Column("member_id", String(200), primary_key=True),
)
"""Members by the directory's ids: of people, and of groups in groups."""

directory_runs = Table(
    "directory_runs",
    metadata,
    Column("origin", String(80), primary_key=True),
    Column("finished_at", UtcDateTime, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("said", Text, nullable=False),
)
"""How the last synchronisation of each directory ended."""

turn_events = Table(
    "turn_events",
    metadata,
    Column(
        "turn_id", String(36), ForeignKey("turns.turn_id", ondelete="CASCADE"), primary_key=True
    ),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("name", String(16), nullable=False),
    Column("data", Text, nullable=False),
)


class Store:
    """An opened database with its schema up to date.

    Args:
        engine: As `open_store` makes it.
    """

    def __init__(self, engine: Engine) -> None:
        self.reading = engine
        # SQLite takes its write lock at once: a transaction that reads first and writes
        # later could otherwise fail half-way, when another one has written in between.
        self.writing = engine.execution_options(sqlite_begin="IMMEDIATE")

    def scrub(self) -> None:
        """Empty SQLite's journal, which holds what was written before it was changed."""
        if self.reading.dialect.name != "sqlite":
            return
        with self.reading.connect() as connection:
            driver = connection.connection.driver_connection
            if driver is not None:
                driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Give the connections back."""
        self.reading.dispose()


def open_store(url: str, *, synchronous: str = "FULL") -> Store:
    """Open the service's database, bringing its schema up to date first.

    Args:
        url: As SQLAlchemy reads it, "sqlite:////data/service.db".
        synchronous: SQLite's setting of this name. With "NORMAL" a power cut may lose the
            last transactions (never the database); a crash of the program loses nothing.

    Raises:
        RagError: It cannot be opened, or a newer program has written it.
    """
    engine = create_engine(url, pool_size=KEPT_CONNECTIONS, max_overflow=MORE_CONNECTIONS)
    if engine.dialect.name == "sqlite":
        _tune_sqlite(engine, synchronous)
    store = Store(engine)
    try:
        with store.writing.begin() as connection:
            _upgrade(connection)
    except SQLAlchemyError as error:
        store.close()
        raise RagError(
            "The database of accounts and conversations cannot be opened "
            f"({engine.url.render_as_string(hide_password=True)}). Check that its folder "
            "exists, is writable and has space left."
        ) from error
    return store


def _tune_sqlite(engine: Engine, synchronous: str) -> None:
    def on_connect(dbapi_connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        # The driver must not open transactions by itself: it would leave table changes out.
        dbapi_connection.isolation_level = None
        cursor = dbapi_connection.cursor()
        for pragma in (
            "busy_timeout = 10000",
            "journal_mode = WAL",
            f"synchronous = {synchronous}",
            "foreign_keys = ON",
            # What is deleted is overwritten, so that an erased quote cannot be read off the disk.
            "secure_delete = ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    def on_begin(connection: Connection) -> None:
        mode = connection.get_execution_options().get("sqlite_begin", "DEFERRED")
        connection.exec_driver_sql(f"BEGIN {mode}")

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", on_begin)


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(config)
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    current = context.get_current_revision()
    if current == scripts.get_current_head():
        return
    if current is not None and current not in _revisions(scripts):
        raise RagError(
            "The database of accounts and conversations was written by a newer version of "
            "Muniment. Install that version, or restore the data folder from before it."
        )
    command.upgrade(config, "head")


def _revisions(scripts: ScriptDirectory) -> set[str]:
    return {script.revision for script in scripts.walk_revisions()}
