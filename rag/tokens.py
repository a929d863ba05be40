"""Tokens by which a program of a person's asks in that person's name.

A token is shown once and kept as its SHA-256. It gives at most what the person may do, narrowed
to its scopes, until it expires or is revoked; a removed account takes its tokens along.
"""

import hashlib
import secrets
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import Row, delete, insert, select, update

from corpus.access import Principal
from rag.errors import NotFound, NotSignedIn, Unusable
from rag.identity import Identity
from rag.store import Clock, Store, accounts, api_tokens, open_store, utc_now

PREFIX: Final = "muniment_"
"""How every token begins, so that one left in a file is recognised for what it is."""

SCOPES: Final = {
    "ask": "ask, search and read documents, as the person may",
    "audit": "read the record, where the person is an auditor",
    "directory": "push people and groups by SCIM, where the person is an administrator",
    "administer": "see and start ingestion, where the person's roles admit it",
}

LONGEST_LIFE: Final = timedelta(days=366)
MOST_OF_ONE_PERSON: Final = 20
LONGEST_LABEL: Final = 80
USED_PRECISION: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A token as its owner sees it: everything but the token."""

    token_id: str
    label: str
    scopes: frozenset[str]
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None


class Made(NamedTuple):
    """A token just made; it is nowhere else and cannot be read again."""

    token: str
    known_as: ApiToken


class Holder(NamedTuple):
    """Who a token speaks for, and how far."""

    principal: Principal
    scopes: frozenset[str]


class ApiTokens:
    """Tokens of all people.

    Args:
        store: The service's database.
        identity: Knows the people.
        clock: Returns the time now, in UTC.
    """

    def __init__(self, store: Store, identity: Identity, *, clock: Clock = utc_now) -> None:
        self._store = store
        self._identity = identity
        self._clock = clock

    @classmethod
    def open(cls, url: str, identity: Identity, *, clock: Clock = utc_now) -> "ApiTokens":
        """Open the tokens in a database, making or upgrading its tables."""
        return cls(open_store(url), identity, clock=clock)

    def close(self) -> None:
        """Give the connections back."""
        self._store.close()

    def make(self, person: str, label: str, scopes: Collection[str], life: timedelta) -> Made:
        """Make a token for a person.

        Raises:
            UnknownAccount: There is no account of this name.
            Unusable: The label, a scope or the life cannot be used, or there are too many.
        """
        label = _checked_label(label)
        wanted = _checked_scopes(scopes)
        if not timedelta() < life <= LONGEST_LIFE:
            raise Unusable(f"A token lives for 1 to {LONGEST_LIFE.days} days.")
        account_id = self._identity.account_id_of(person)
        token, now = PREFIX + secrets.token_urlsafe(32), self._clock()
        made = ApiToken(str(uuid.uuid4()), label, wanted, now, now + life, None)
        with self._store.writing.begin() as connection:
            connection.execute(delete(api_tokens).where(api_tokens.c.expires_at <= now))
            owned = select(api_tokens.c.token_id).where(api_tokens.c.account_id == account_id)
            if len(connection.execute(owned).all()) >= MOST_OF_ONE_PERSON:
                raise Unusable(f"There are {MOST_OF_ONE_PERSON} tokens already. Revoke one first.")
            connection.execute(
                insert(api_tokens).values(
                    token_hash=_hash(token),
                    token_id=made.token_id,
                    account_id=account_id,
                    label=label,
                    scopes=",".join(sorted(wanted)),
                    created_at=now,
                    expires_at=made.expires_at,
                )
            )
        return Made(token, made)

    def of(self, person: str) -> list[ApiToken]:
        """Return a person's tokens that have not expired, newest first."""
        account_id = self._identity.account_id_of(person)
        with self._store.reading.begin() as connection:
            rows = connection.execute(
                select(api_tokens)
                .where(
                    api_tokens.c.account_id == account_id, api_tokens.c.expires_at > self._clock()
                )
                .order_by(api_tokens.c.created_at.desc(), api_tokens.c.token_id)
            ).all()
        return [_token(row) for row in rows]

    def revoke(self, person: str, token_id: str) -> None:
        """End a token of a person.

        Raises:
            NotFound: The person has no such token.
        """
        account_id = self._identity.account_id_of(person)
        with self._store.writing.begin() as connection:
            gone = connection.execute(
                delete(api_tokens).where(
                    api_tokens.c.account_id == account_id, api_tokens.c.token_id == token_id
                )
            )
        if gone.rowcount == 0:
            raise NotFound("There is no such token.")

    def holder_of(self, token: str) -> Holder:
        """Return who a token speaks for, with the groups and roles the person has now.

        Raises:
            NotSignedIn: It is not known, has expired, was revoked, or the account is gone.
        """
        now = self._clock()
        with self._store.reading.begin() as connection:
            row = connection.execute(
                select(api_tokens, accounts.c.name)
                .join(accounts, accounts.c.account_id == api_tokens.c.account_id)
                .where(
                    api_tokens.c.token_hash == _hash(token),
                    accounts.c.removed_at.is_(None),
                    accounts.c.disabled_at.is_(None),
                )
            ).first()
        if row is None or now >= row.expires_at:
            raise NotSignedIn
        principal = self._identity.principal_of_program(row.name)
        if row.used_at is None or now >= row.used_at + USED_PRECISION:
            with self._store.writing.begin() as connection:
                connection.execute(
                    update(api_tokens)
                    .where(api_tokens.c.token_hash == row.token_hash)
                    .values(used_at=now)
                )
        return Holder(principal, frozenset(row.scopes.split(",")))


def is_api_token(token: str) -> bool:
    """Say whether a bearer token claims to be one of these rather than a session's."""
    return token.startswith(PREFIX)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _token(row: Row[tuple[object, ...]]) -> ApiToken:
    return ApiToken(
        token_id=row.token_id,
        label=row.label,
        scopes=frozenset(row.scopes.split(",")),
        created_at=row.created_at,
        expires_at=row.expires_at,
        used_at=row.used_at,
    )


def _checked_label(label: str) -> str:
    label = " ".join(label.split())
    if not 1 <= len(label) <= LONGEST_LABEL or not label.isprintable():
        raise Unusable(f"A token's label has 1 to {LONGEST_LABEL} printable characters.")
    return label


def _checked_scopes(scopes: Collection[str]) -> frozenset[str]:
    wanted = frozenset(scopes)
    unknown = sorted(wanted - SCOPES.keys())
    if unknown or not wanted:
        what = f"no scope {unknown[0]!r}" if unknown else "no token without a scope"
        raise Unusable(f"There is {what}. Scopes are: {', '.join(SCOPES)}.")
    return wanted
