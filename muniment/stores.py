"""Open what is kept, each part alone, without loading any model."""

from datetime import UTC, datetime, timedelta

from audit.log import AuditLog
from corpus.catalog import Catalog
from corpus.holds import Holds
from muniment.settings import Settings
from rag.identity import Identity


def utc_now() -> datetime:
    """Return the time now: the clock that every part is given."""
    return datetime.now(UTC)  # noqa: TID251 - the one real clock


def open_catalog(settings: Settings) -> Catalog:
    """Open the catalog of documents, bringing its schema up to date."""
    return Catalog.open(settings.catalog_url, clock=utc_now)


def open_holds(settings: Settings) -> Holds:
    """Open the legal holds."""
    return Holds.open(settings.catalog_url, clock=utc_now)


def open_identity(settings: Settings) -> Identity:
    """Open the accounts and sessions."""
    return Identity.open(
        settings.service_database_url,
        clock=utc_now,
        idle=timedelta(minutes=settings.session_idle_minutes),
        longest=timedelta(hours=settings.session_hours),
    )


def open_record(settings: Settings) -> AuditLog:
    """Open the record."""
    return AuditLog.open(settings.data / "audit", clock=utc_now)
