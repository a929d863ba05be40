"""Open what is kept, each part alone, without loading any model."""

import socket
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

from audit.circumstances import Program
from audit.log import AuditLog
from audit.postgres_store import PostgresStore
from corpus.catalog import Catalog
from corpus.holds import Holds
from muniment.errors import SettingsInvalid
from muniment.recording import signer_of, witnesses_of
from muniment.settings import Settings, listed, variable_of
from rag.contract import Role
from rag.conversations import Conversations
from rag.errors import ProviderRefused
from rag.identity import Identity
from rag.oidc import OpenIdProvider, ProviderSettings
from rag.provided import ProvidedAccounts


def utc_now() -> datetime:
    """Return the time now: the clock that every part is given."""
    return datetime.now(UTC)  # noqa: TID251 - the one real clock


def open_catalog(settings: Settings) -> Catalog:
    """Open the catalog of documents, bringing its schema up to date."""
    return Catalog.open(settings.catalog_url, clock=utc_now, markings=settings.marking_levels)


def open_holds(settings: Settings) -> Holds:
    """Open the legal holds."""
    return Holds.open(settings.catalog_url, clock=utc_now)


def open_identity(settings: Settings) -> Identity:
    """Open the accounts and sessions."""
    key_file = settings.service_key_file
    return Identity.open(
        settings.service_database_url,
        clock=utc_now,
        idle=timedelta(minutes=settings.session_idle_minutes),
        longest=timedelta(hours=settings.session_hours),
        need_code={Role.ADMINISTRATOR} if settings.administrators_need_code else (),
        key_file=Path(key_file).expanduser() if key_file else settings.data / "service.key",
    )


def open_provided(settings: Settings, identity: Identity) -> ProvidedAccounts | None:
    """Open the accounts of an identity provider's people; None where there is no provider.

    Raises:
        SettingsInvalid: The settings name a provider and not all that it takes.
    """
    if not settings.oidc_issuer:
        return None
    for name in ("oidc_client_id", "oidc_redirect"):
        if not getattr(settings, name):
            raise SettingsInvalid(
                f"{variable_of('oidc_issuer')} is set, so {variable_of(name)} is needed too. "
                "docs/signing-in.md says what it is."
            )
    keys_file = settings.oidc_keys_file
    wanted = ProviderSettings(
        issuer=settings.oidc_issuer,
        client_id=settings.oidc_client_id,
        client_secret=settings.oidc_client_secret,
        redirect_uri=settings.oidc_redirect,
        name=settings.oidc_name,
        algorithms=tuple(listed(settings.oidc_algorithms)),
        scopes=settings.oidc_scopes,
        name_claim=settings.oidc_name_claim,
        groups_claim=settings.oidc_groups_claim,
        groups=tuple(listed(settings.oidc_groups)),
        most_groups=settings.oidc_most_groups,
        keys_file=Path(keys_file).expanduser() if keys_file else None,
    )
    try:
        provider = OpenIdProvider(wanted, clock=utc_now)
    except ProviderRefused as error:
        raise SettingsInvalid(str(error)) from error
    return ProvidedAccounts(provider, identity, clock=utc_now, adopt=settings.oidc_adopt)


def open_conversations(settings: Settings) -> Conversations:
    """Open the conversations."""
    return Conversations.open(settings.service_database_url, clock=utc_now)


def open_record(
    settings: Settings,
    *,
    program: str = "command",
    serves_questions: bool = False,
    create: bool = True,
) -> AuditLog:
    """Open the record.

    Args:
        settings: What the operator chose.
        program: Which program writes, for its events.
        serves_questions: Whether the bounds on signatures and cosignatures hold it back.
        create: False raises where there is no record yet.
    """
    key_file = settings.record_key_file
    store = PostgresStore(settings.record_database_url) if settings.record_database_url else None
    return AuditLog.open(
        settings.data / "audit",
        clock=utc_now,
        create=create,
        store=store,
        key_file=Path(key_file).expanduser() if key_file else None,
        program=Program(program, socket.gethostname(), version("muniment")),
        signer=signer_of(settings),
        witnesses=witnesses_of(settings),
        longest_unsigned=_bound(settings.signer_minutes, holds=serves_questions),
        longest_unwitnessed=_bound(settings.witness_minutes, holds=serves_questions),
    )


def _bound(minutes: int, *, holds: bool) -> timedelta | None:
    return timedelta(minutes=minutes) if minutes and holds else None
