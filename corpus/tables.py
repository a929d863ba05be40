"""The catalog's tables. Migrations make them; a test holds the two to each other."""

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

STAGED = "staged"
LIVE = "live"
SUPERSEDED = "superseded"
WITHDRAWN = "withdrawn"

QUEUED = "queued"
RUNNING = "running"
DONE = "done"
FAILED = "failed"
PAUSED = "paused"
ASKING = "asking"
CANCELLED = "cancelled"

PLANNED = "planned"
RECORDING = "recording"
"""Of a file of a run: still to be read; about to be put on record."""

PRESENT = ""
"""In ``removal`` and ``withdrawal``: still there. Otherwise the row's own id, so that a name or
path that is free again can be taken, which a unique column alone would forbid."""

_SURROGATE = re.compile("[\\\\\ud800-\udfff]")
_ESCAPE = re.compile(r"\\(\\|u[0-9a-f]{4})")


class UtcTime(TypeDecorator[datetime]):
    """A moment, stored without a zone and always in UTC."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Convert to UTC."""
        return value and value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Say that it is UTC."""
        return value and value.replace(tzinfo=UTC)


class PathText(TypeDecorator[str]):
    """A file's path, also one whose bytes are not UTF-8, which no database takes as text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Write what is not text as an escape."""
        return value and escape_path(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Undo the escapes."""
        return value and unescape_path(value)


def escape_path(path: str) -> str:
    """Return a path in which lone surrogates and backslashes are written as escapes."""
    return _SURROGATE.sub(
        lambda found: "\\\\" if found[0] == "\\" else f"\\u{ord(found[0]):04x}", path
    )


def unescape_path(stored: str) -> str:
    """Return the path that ``escape_path`` was given."""
    return _ESCAPE.sub(
        lambda found: "\\" if found[1] == "\\" else chr(int(found[1][1:], 16)), stored
    )


def plain(text: str) -> str:
    """Return text that every database takes: no NUL, no lone surrogates."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def canonical_groups(groups: Iterable[str]) -> str:
    """Return one text for one set of groups, whatever the order they are given in."""
    return json.dumps(sorted(set(groups)), ensure_ascii=True)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

source = Table(
    "source",
    metadata,
    Column("source_id", String(36), primary_key=True),
    Column("name", Text, nullable=False),
    Column("location", PathText, nullable=False),
    Column("groups", Text, nullable=False),
    Column("rules", Text, nullable=False),
    Column("rights", String(16), nullable=False, server_default="declared"),
    Column("removal", String(36), nullable=False),
    UniqueConstraint("name", "removal"),
)

access_list = Table(
    "access_list",
    metadata,
    Column("access_list_id", Integer, primary_key=True),
    Column("entries", Text, nullable=False),
    Column("marking", Text, nullable=False, server_default=""),
    # Named when the list held groups only; SQLite cannot rename a constraint.
    UniqueConstraint("entries", name="uq_access_list_groups"),
)

access_list_entry = Table(
    "access_list_entry",
    metadata,
    Column("access_list_id", ForeignKey("access_list.access_list_id"), primary_key=True),
    Column("effect", String(8), primary_key=True),
    Column("principal", Text, primary_key=True),
    Column("expires_at", UtcTime),
    Index("ix_access_list_entry_principal", "principal"),
)

access_state = Table(
    "access_state",
    metadata,
    Column("row", Integer, primary_key=True, autoincrement=False),
    Column("epoch", BigInteger, nullable=False),
)
"""One row: its number moves with every change of rights, groups or clearances."""

access_entry = Table(
    "access_entry",
    metadata,
    Column("entry_id", Integer, primary_key=True),
    Column("source_id", ForeignKey("source.source_id"), nullable=False),
    Column("path", PathText, nullable=False),
    Column("effect", String(8), nullable=False),
    Column("principal", Text, nullable=False),
    Column("expires_at", UtcTime),
    Column("reason", Text, nullable=False),
    Column("origin", Text, nullable=False),
    UniqueConstraint("source_id", "path", "effect", "principal", "origin"),
)

source_owner = Table(
    "source_owner",
    metadata,
    Column("source_id", ForeignKey("source.source_id"), primary_key=True),
    Column("principal", Text, primary_key=True),
)

marking_rule = Table(
    "marking_rule",
    metadata,
    Column("source_id", ForeignKey("source.source_id"), primary_key=True),
    Column("glob", Text, primary_key=True),
    Column("marking", Text, nullable=False),
)

file_rights = Table(
    "file_rights",
    metadata,
    Column("source_id", ForeignKey("source.source_id"), primary_key=True),
    Column("path", PathText, primary_key=True),
    Column("entries", Text, nullable=False),
    Column("unmapped", Text, nullable=False),
)

known_identity = Table(
    "known_identity",
    metadata,
    Column("identifier", Text, primary_key=True),
    Column("principal", Text, nullable=False),
)

group_member = Table(
    "group_member",
    metadata,
    Column("group_name", Text, primary_key=True),
    Column("member", Text, primary_key=True),
    Column("origin", Text, primary_key=True),
    Index("ix_group_member_member", "member"),
)

clearance = Table(
    "clearance",
    metadata,
    Column("principal", Text, primary_key=True),
    Column("marking", Text, nullable=False),
)

break_glass = Table(
    "break_glass",
    metadata,
    Column("request_id", String(36), primary_key=True),
    Column("person", Text, nullable=False),
    Column("source_id", ForeignKey("source.source_id"), nullable=False),
    Column("path", PathText, nullable=False),
    Column("reason", Text, nullable=False),
    Column("minutes", Integer, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("requested_at", UtcTime, nullable=False),
    Column("approved_by", Text),
    Column("expires_at", UtcTime),
    Column("ended_at", UtcTime),
)

document = Table(
    "document",
    metadata,
    Column("document_id", String(36), primary_key=True),
    Column("source_id", ForeignKey("source.source_id"), nullable=False),
    Column("path", PathText, nullable=False),
    Column("access_list_id", ForeignKey("access_list.access_list_id"), nullable=False, index=True),
    Column("access_indexed", Boolean, nullable=False),
    Column("withdrawal", String(36), nullable=False),
    UniqueConstraint("source_id", "path", "withdrawal"),
)

version = Table(
    "version",
    metadata,
    Column("version_id", String(36), primary_key=True),
    Column("document_id", ForeignKey("document.document_id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("original", String(64), nullable=False),
    Column("media_type", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("path", PathText, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("modified_ns", BigInteger, nullable=False),
    Column("page_count", Integer, nullable=False),
    Column("character_count", Integer, nullable=False),
    Column("properties", Text, nullable=False),
    Column("marking", Text, nullable=False, server_default=""),
    Column("published_at", UtcTime, nullable=False),
    Column("cutting", String(64), nullable=False, server_default=""),
    UniqueConstraint("document_id", "number"),
)
Index(
    "uq_version_live",
    version.c.document_id,
    unique=True,
    sqlite_where=version.c.state == LIVE,
    postgresql_where=version.c.state == LIVE,
)

version_text = Table(
    "version_text",
    metadata,
    Column("version_id", ForeignKey("version.version_id"), primary_key=True),
    Column("text", LargeBinary, nullable=False),
    Column("blocks", Text, nullable=False),
)

page = Table(
    "page",
    metadata,
    Column("version_id", ForeignKey("version.version_id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("start", Integer, nullable=False),
    Column("end", Integer, nullable=False),
    Column("width", Float, nullable=False),
    Column("height", Float, nullable=False),
    Column("ocr_confidence", Float),
    Column("words", LargeBinary, nullable=False),
)


def _of_chunk() -> list[Column[Any]]:
    return [
        Column("chunk_id", String(36), primary_key=True),
        Column("version_id", ForeignKey("version.version_id"), nullable=False),
        Column("number", Integer, nullable=False),
        Column("start", Integer, nullable=False),
        Column("end", Integer, nullable=False),
        Column("heading_path", Text, nullable=False),
        Column("page", Integer),
        Column("place", Text, nullable=False),
        Column("context", Text, nullable=False),
        Column("suspicions", Text, nullable=False, server_default=""),
    ]


chunk = Table("chunk", metadata, *_of_chunk(), UniqueConstraint("version_id", "number"))

past_chunk = Table("past_chunk", metadata, *_of_chunk(), Index(None, "version_id"))
"""Chunks of versions that were cut anew since: nobody finds them, the record still names them."""

known_file = Table(
    "known_file",
    metadata,
    Column("source_id", ForeignKey("source.source_id"), primary_key=True),
    Column("path", PathText, primary_key=True),
    Column("original", String(64)),
    Column("document_id", ForeignKey("document.document_id"), index=True),
    Column("reason", Text),
    Column("detail", Text),
    Column("quarantined_at", UtcTime),
    Column("size", BigInteger, nullable=False),
    Column("modified_ns", BigInteger, nullable=False),
    Column("seen_in", Integer, nullable=False, server_default="0"),
)

run = Table(
    "run",
    metadata,
    Column("sequence", Integer, primary_key=True),
    Column("run_id", String(36), nullable=False, unique=True),
    Column("source_id", ForeignKey("source.source_id"), nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("queued_at", UtcTime, nullable=False),
    Column("started_at", UtcTime),
    Column("finished_at", UtcTime),
    Column("files_total", Integer, nullable=False),
    Column("files_done", Integer, nullable=False),
    Column("pages", Integer, nullable=False),
    Column("chunks", Integer, nullable=False),
    Column("current", PathText, nullable=False),
    Column("error", Text, nullable=False),
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("worker_id", String(36), nullable=False, server_default=""),
    Column("wanted", String(16), nullable=False, server_default=""),
    Column("options", Text, nullable=False, server_default=""),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("not_before", UtcTime),
    Column("unchanged", Integer, nullable=False, server_default="0"),
    Column("gone", Integer, nullable=False, server_default="0"),
)

run_file = Table(
    "run_file",
    metadata,
    Column("sequence", Integer, primary_key=True),
    Column("run_id", ForeignKey("run.run_id"), nullable=False),
    Column("path", PathText, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("remedy", Text, nullable=False),
    Column("pages", Integer, nullable=False),
    Column("chunks", Integer, nullable=False),
    Column("title", Text, nullable=False),
    Column("size", BigInteger, nullable=False, server_default="0"),
    Column("modified_ns", BigInteger, nullable=False, server_default="0"),
    Column("original", String(64)),
    Column("version_id", String(36)),
    UniqueConstraint("run_id", "path"),
)

worker = Table(
    "worker",
    metadata,
    Column("worker_id", String(36), primary_key=True),
    Column("name", Text, nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("beat_at", UtcTime, nullable=False),
)

intake = Table(
    "intake",
    metadata,
    Column("source_id", ForeignKey("source.source_id"), primary_key=True),
    Column("url", Text, nullable=False),
    Column("include", Text, nullable=False),
    Column("exclude", Text, nullable=False),
    Column("maximum_bytes", BigInteger),
    Column("gone_share", Float),
    Column("priority", Integer, nullable=False),
    Column("cron", Text, nullable=False),
    Column("zone", Text, nullable=False),
    Column("next_at", UtcTime),
)
"""How a source is gone over, and when."""

erasure = Table(
    "erasure",
    metadata,
    Column("document_id", ForeignKey("document.document_id"), primary_key=True),
    Column("step", String(16), nullable=False, index=True),
    Column("asked_by", Text, nullable=False),
    Column("asked_at", UtcTime, nullable=False),
    Column("ground", Text, nullable=False),
    Column("versions", Text, nullable=False),
    Column("places", Text, nullable=False),
    Column("held_by", Text, nullable=False),
    Column("finished_at", UtcTime),
)

hold = Table(
    "hold",
    metadata,
    Column("hold_id", String(36), primary_key=True),
    Column("scope", String(16), nullable=False),
    Column("target", Text, nullable=False),
    Column("target_key", Text, nullable=False, index=True),
    Column("reason", Text, nullable=False),
    Column("placed_by", Text, nullable=False),
    Column("placed_at", UtcTime, nullable=False),
    Column("lifted_by", Text, nullable=False),
    Column("lifted_at", UtcTime),
)
