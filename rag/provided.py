"""People whom an identity provider vouches for: their sign-ins, their accounts, their logouts.

Whoever comes is known by issuer and subject and by nothing else. A name or an address that
somebody chose elsewhere never leads to an account that is there already.
"""

import hashlib
import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Final, NamedTuple

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from rag.errors import AccountExists, ProviderRefused, RagError
from rag.identity import Identity, SignedInAs
from rag.names import comparable
from rag.oidc import LOGOUT_LASTS, Claims, Logout, OpenIdProvider
from rag.store import (
    Clock,
    accounts,
    claimed_groups,
    provided_accounts,
    provider_attempts,
    provider_logouts,
    sessions,
    utc_now,
)

ATTEMPT_LASTS: Final = timedelta(minutes=10)
SUFFIX_CHARACTERS: Final = 8
LONGEST_START: Final = 50


class Arrival(NamedTuple):
    """Who is about to be let in, for the record.

    Attributes:
        name: The account's name.
        new: Whether the account is made for it.
    """

    name: str
    new: bool


class ProvidedAccounts:
    """Sign-ins through one identity provider.

    Args:
        provider: Vouches.
        identity: Knows the people; all this lives in its database.
        clock: Returns the time now, in UTC.
        adopt: Whether an account that a directory made, and that no password opens, is taken
            over by whoever first comes with its name. Where it is, the provider's claim of a
            name must come from that very directory.
    """

    def __init__(
        self,
        provider: OpenIdProvider,
        identity: Identity,
        *,
        clock: Clock = utc_now,
        adopt: bool = False,
    ) -> None:
        self.provider = provider
        self._identity = identity
        self._store = identity.store
        self._clock = clock
        self._adopt = adopt

    def begin(self, browser: str) -> str:
        """Return where to send a browser to sign in.

        Args:
            browser: A secret that this browser keeps in a cookie until it comes back: an answer
                that somebody else's browser brings is none.

        Raises:
            ProviderUnavailable: The provider does not answer.
            ProviderRefused: What it says of itself does not hold together.
        """
        state, nonce, verifier = (secrets.token_urlsafe(48) for _ in range(3))
        address = self.provider.address(state=state, nonce=nonce, verifier=verifier)
        now = self._clock()
        with self._store.writing.begin() as connection:
            connection.execute(
                delete(provider_attempts).where(provider_attempts.c.expires_at <= now)
            )
            connection.execute(
                insert(provider_attempts).values(
                    state_hash=_hash(state),
                    browser_hash=_hash(browser),
                    nonce=nonce,
                    verifier=verifier,
                    expires_at=now + ATTEMPT_LASTS,
                )
            )
        return address

    def finish(
        self,
        *,
        state: str,
        code: str,
        issuer: str,
        browser: str,
        before_opening: Callable[[Arrival], None],
    ) -> SignedInAs:
        """Open a session for whom the provider's answer stands for.

        Args:
            state: As the browser brought it back; good once.
            code: Likewise.
            issuer: Likewise, where the provider sends it.
            browser: What the browser's cookie says.
            before_opening: Called before an account is made or a session opened; when it
                raises, neither is.

        Raises:
            ProviderUnavailable: The provider does not answer.
            ProviderRefused: The answer is not good, or the account is locked.
        """
        with self._store.writing.begin() as connection:
            attempt = connection.execute(
                delete(provider_attempts)
                .where(provider_attempts.c.state_hash == _hash(state))
                .returning(
                    provider_attempts.c.browser_hash,
                    provider_attempts.c.nonce,
                    provider_attempts.c.verifier,
                    provider_attempts.c.expires_at,
                )
            ).first()
        if attempt is None or self._clock() >= attempt.expires_at:
            raise ProviderRefused("the answer belongs to no sign-in that waits for one (state)")
        if attempt.browser_hash != _hash(browser):
            raise ProviderRefused("the answer was asked for in another browser")
        claims = self.provider.claims(
            code=code, verifier=attempt.verifier, nonce=attempt.nonce, issuer=issuer
        )
        name = self._account_for(claims, before_opening)
        self._write_groups(name, claims.groups)
        try:
            return self._identity.open_provided_session(
                name,
                issuer=claims.issuer,
                subject=claims.subject,
                provider_session=claims.provider_session,
                id_token=claims.token,
            )
        except RagError as error:
            raise ProviderRefused("the account is locked") from error

    def leaving_address(self, token: str) -> str:
        """Return where a browser whose session is about to end here ends the provider's too.

        Empty where the session did not come from there, or the provider has no such place.

        Args:
            token: Of the session here.
        """
        shown = self._identity.id_token_of(token)
        return self.provider.leaving_address(shown) if shown else ""

    def log_out(self, token: str, *, before_ending: Callable[[list[str]], None]) -> int:
        """End the sessions that a logout token names; return how many there were.

        Raises:
            ProviderUnavailable: The provider does not answer.
            ProviderRefused: The token is not good, or came before.
        """
        wanted = self.provider.logout(token)
        now = self._clock()
        with self._store.writing.begin() as connection:
            connection.execute(delete(provider_logouts).where(provider_logouts.c.expires_at <= now))
            try:
                connection.execute(
                    insert(provider_logouts).values(
                        token_hash=_hash(token), expires_at=now + 2 * LOGOUT_LASTS
                    )
                )
            except IntegrityError as error:
                raise ProviderRefused("the logout token came before") from error
        before_ending(self._signed_in(wanted))
        return self._identity.end_provided_sessions(
            issuer=wanted.issuer,
            subject=wanted.subject,
            provider_session=wanted.provider_session,
        )

    def link(self, name: str, subject: str) -> None:
        """Join an account to a subject of the provider; its password opens it no more.

        Raises:
            UnknownAccount: There is no account of this name.
            AccountExists: The subject has an account already.
        """
        account_id = self._identity.account_id_of(name)
        with self._store.writing.begin() as connection:
            try:
                connection.execute(
                    insert(provided_accounts).values(
                        issuer=self.provider.settings.issuer,
                        subject=subject,
                        account_id=account_id,
                    )
                )
            except IntegrityError as error:
                raise AccountExists("This subject has an account already.") from error
            connection.execute(
                update(accounts).where(accounts.c.account_id == account_id).values(password_hash="")
            )
            connection.execute(delete(sessions).where(sessions.c.account_id == account_id))

    def _account_for(self, claims: Claims, before_opening: Callable[[Arrival], None]) -> str:
        """Return the name of the account of an issuer and subject, made now if there is none."""
        with self._store.reading.begin() as connection:
            known = connection.execute(
                select(accounts.c.name, accounts.c.removed_at, accounts.c.disabled_at)
                .join(provided_accounts, provided_accounts.c.account_id == accounts.c.account_id)
                .where(
                    provided_accounts.c.issuer == claims.issuer,
                    provided_accounts.c.subject == claims.subject,
                )
            ).first()
        if known is not None:
            if known.removed_at is not None or known.disabled_at is not None:
                raise ProviderRefused("the account is locked")
            before_opening(Arrival(known.name, new=False))
            return str(known.name)
        waiting = self._waiting_for(claims)
        name = waiting or self._free_name(claims)
        before_opening(Arrival(name, new=not waiting))
        try:
            if not waiting:
                name = self._identity.add_directory_account(name).name
            self._remember(name, claims)
        except (RagError, IntegrityError) as error:
            raise ProviderRefused("the name cannot be an account's, or was just taken") from error
        return name

    def _waiting_for(self, claims: Claims) -> str:
        """Return the directory's account of this name, where nobody has come for it yet."""
        if not self._adopt:
            return ""
        with self._store.reading.begin() as connection:
            found = connection.execute(
                select(accounts.c.name).where(
                    accounts.c.name_key == comparable(claims.name),
                    accounts.c.password_hash == "",
                    accounts.c.removed_at.is_(None),
                    accounts.c.disabled_at.is_(None),
                    accounts.c.account_id.not_in(select(provided_accounts.c.account_id)),
                )
            ).scalar()
        return str(found or "")

    def _free_name(self, claims: Claims) -> str:
        """Return the name for a new account; where it is taken, one that says whose it is."""
        key = comparable(claims.name)
        with self._store.reading.begin() as connection:
            taken = connection.execute(select(accounts.c.name).where(accounts.c.name_key == key))
            if taken.first() is None:
                return claims.name
        told_apart = _hash(f"{claims.issuer} {claims.subject}")[:SUFFIX_CHARACTERS]
        return f"{claims.name[:LONGEST_START]}-{told_apart}"

    def _remember(self, name: str, claims: Claims) -> None:
        account_id = self._identity.account_id_of(name)
        with self._store.writing.begin() as connection:
            connection.execute(
                insert(provided_accounts).values(
                    issuer=claims.issuer, subject=claims.subject, account_id=account_id
                )
            )

    def _write_groups(self, name: str, groups: frozenset[str]) -> None:
        account_id = self._identity.account_id_of(name)
        with self._store.writing.begin() as connection:
            connection.execute(
                delete(claimed_groups).where(claimed_groups.c.account_id == account_id)
            )
            if groups:
                rows = [{"account_id": account_id, "name": group} for group in sorted(groups)]
                connection.execute(insert(claimed_groups), rows)

    def _signed_in(self, wanted: Logout) -> list[str]:
        """Return the names of those whose sessions a logout ends."""
        query = (
            select(accounts.c.name)
            .join(sessions, sessions.c.account_id == accounts.c.account_id)
            .where(sessions.c.issuer == wanted.issuer)
            .distinct()
        )
        if wanted.subject:
            query = query.where(sessions.c.subject == wanted.subject)
        if wanted.provider_session:
            query = query.where(sessions.c.provider_session == wanted.provider_session)
        with self._store.reading.begin() as connection:
            return sorted(connection.execute(query).scalars())


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
