"""Who is asking: local accounts, sign-in and server-side sessions.

Passwords are kept as argon2id hashes, session tokens only as their SHA-256. Groups and roles
are read from the accounts at every request, so that a change counts from the next one on.
"""

import hashlib
import logging
import secrets
import threading
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Final, NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from sqlalchemy import Connection, Row, Table, delete, insert, select, update

from corpus.access import Principal
from rag.attempts import Attempts, forget_attempts
from rag.codes import Method, has_factor, seal_old_secrets, take_code
from rag.contract import Role
from rag.errors import (
    AccountDisabled,
    AccountExists,
    InvalidPassword,
    NotSignedIn,
    RagError,
    SecretUnreadable,
    SignInRefused,
    UnknownAccount,
)
from rag.names import checked_name, comparable
from rag.roles import GIVEN, USUAL
from rag.sealing import Seal, is_sealed, key_in
from rag.store import (
    Clock,
    Store,
    account_groups,
    account_roles,
    accounts,
    claimed_groups,
    open_store,
    provided_accounts,
    recovery_codes,
    second_factors,
    sessions,
    utc_now,
)

log = logging.getLogger("rag.identity")

MINIMUM_PASSWORD_CHARACTERS: Final = 12
MAXIMUM_PASSWORD_CHARACTERS: Final = 1_000

COMMAND_LINE_SESSION: Final = timedelta(minutes=10)

PARALLEL_HASHES: Final = 2
"""Each hash takes 64 MiB while it is computed; many sign-ins at once must not take it all."""

SEEN_PRECISION: Final = timedelta(seconds=15)
"""How exactly the last use of a session is kept: writing it at every request gains nothing."""

TOO_EASY: Final = frozenset({"passwordpassword", "123456789012", "qwertyuiopas", "administrator"})


class SignedInAs(NamedTuple):
    """A session just opened; the token is nowhere else and cannot be read again."""

    token: str
    expires_at: datetime
    principal: Principal


@dataclass(frozen=True, slots=True)
class Account:
    """An account as the operator sees it."""

    name: str
    groups: frozenset[str]
    roles: frozenset[str]
    created_at: datetime
    disabled_by: str = ""


class Identity:
    """Accounts and sessions.

    Args:
        store: The service's database.
        clock: Returns the time now, in UTC.
        idle: A session unused for this long has ended.
        longest: A session this old has ended, used or not.
        hasher: argon2id; with larger parameters than before, a password is hashed anew at
            its next sign-in.
        need_code: Roles that are held back from whoever signed in without a second factor;
            sample accounts are let off.
        seal: Closes the secrets kept here; the usual one opens them as long as it lives itself.
    """

    def __init__(
        self,
        store: Store,
        *,
        clock: Clock = utc_now,
        idle: timedelta = timedelta(minutes=30),
        longest: timedelta = timedelta(hours=12),
        hasher: PasswordHasher | None = None,
        need_code: Collection[str] = (),
        seal: Seal | None = None,
    ) -> None:
        self._store = store
        self._noting = Lock()
        self._clock = clock
        self._idle = idle
        self._longest = longest
        self._hasher = hasher or PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=1)
        self._seats = threading.BoundedSemaphore(PARALLEL_HASHES)
        self._nobody_hash = ""
        self._need_code = frozenset(need_code)
        self.attempts = Attempts(store, clock)
        self.seal = seal or Seal(secrets.token_bytes(32))

    @classmethod
    def open(
        cls,
        url: str,
        *,
        clock: Clock = utc_now,
        idle: timedelta = timedelta(minutes=30),
        longest: timedelta = timedelta(hours=12),
        hasher: PasswordHasher | None = None,
        need_code: Collection[str] = (),
        key_file: Path | None = None,
    ) -> "Identity":
        """Open the accounts in a database, making or upgrading its tables.

        The key that secrets in it are sealed with lies in the key file, and is made where there
        is none and nothing was sealed yet.

        Raises:
            RagError: The database cannot be opened.
            SecretUnreadable: The key file cannot be read or made, or is damaged.
        """
        store = open_store(url)
        return cls(
            store,
            clock=clock,
            idle=idle,
            longest=longest,
            hasher=hasher,
            need_code=need_code,
            seal=_seal_in(key_file, store) if key_file else None,
        )

    @property
    def store(self) -> Store:
        """The database they live in, for what lives beside them."""
        return self._store

    def close(self) -> None:
        """Give the connections back."""
        self._store.close()

    def add_account(
        self,
        name: str,
        password: str,
        groups: Collection[str] = (),
        roles: Collection[str] = USUAL,
    ) -> Account:
        """Add an account.

        Names are compared without regard to case, and the name of a removed account is never
        given to somebody else: the record and the conversations under it belong to one person.

        Raises:
            AccountExists: The name is or was somebody's.
            InvalidPassword: The password is too short or too easy.
            RagError: The name, a group or a role cannot be used.
        """
        name = checked_name(name)
        checked_groups, checked_roles = _checked_groups(groups), _checked_roles(roles)
        password_hash = self._hash(_checked_password(password, name))
        return self._insert_account(name, password_hash, checked_groups, checked_roles)

    def _insert_account(
        self, name: str, password_hash: str, groups: frozenset[str], roles: frozenset[str]
    ) -> Account:
        account_id, now = str(uuid.uuid4()), self._clock()
        with self._store.writing.begin() as connection:
            taken = connection.execute(
                select(accounts.c.removed_at).where(accounts.c.name_key == comparable(name))
            ).first()
            if taken is not None:
                was = "belonged to an account that was removed" if taken.removed_at else "is taken"
                raise AccountExists(f"The name {name!r} {was}. Choose another one.")
            connection.execute(
                insert(accounts).values(
                    account_id=account_id,
                    name=name,
                    name_key=comparable(name),
                    password_hash=password_hash,
                    created_at=now,
                )
            )
            _write_names(connection, account_groups, account_id, groups)
            _write_names(connection, account_roles, account_id, roles)
        return Account(name, groups, roles, now)

    def accounts(self) -> list[Account]:
        """Return all accounts that have not been removed, by name."""
        with self._store.reading.begin() as connection:
            rows = connection.execute(
                select(accounts).where(accounts.c.removed_at.is_(None)).order_by(accounts.c.name)
            ).all()
            return [
                Account(
                    row.name,
                    _names(connection, account_groups, row.account_id),
                    _names(connection, account_roles, row.account_id),
                    row.created_at,
                    row.disabled_by or "",
                )
                for row in rows
            ]

    def set_password(self, name: str, password: str) -> None:
        """Replace a password; all sessions of the account end, and it may sign in at once."""
        password_hash = self._hash(_checked_password(password, name))
        with self._store.writing.begin() as connection:
            account = _account(connection, name)
            connection.execute(
                update(accounts)
                .where(accounts.c.account_id == account.account_id)
                .values(password_hash=password_hash)
            )
            connection.execute(delete(sessions).where(sessions.c.account_id == account.account_id))
            forget_attempts(connection, name)

    def set_groups(self, name: str, groups: Collection[str]) -> None:
        """Put a person into exactly these groups; counts from the next request on."""
        checked = _checked_groups(groups)
        with self._store.writing.begin() as connection:
            account_id = _account(connection, name).account_id
            _write_names(connection, account_groups, account_id, checked)

    def set_roles(self, name: str, roles: Collection[str]) -> None:
        """Give a person exactly these roles; counts from the next request on."""
        checked = _checked_roles(roles)
        with self._store.writing.begin() as connection:
            account_id = _account(connection, name).account_id
            _write_names(connection, account_roles, account_id, checked)

    def disable_account(self, name: str, *, by: str) -> None:
        """Lock an account: its sessions end now, its tokens are refused, everything else stays.

        Args:
            name: The account's name.
            by: Who locks it: a directory, or an operator. Locked twice stays with the first.
        """
        with self._store.writing.begin() as connection:
            account_id = _account(connection, name).account_id
            connection.execute(
                update(accounts)
                .where(accounts.c.account_id == account_id, accounts.c.disabled_at.is_(None))
                .values(disabled_at=self._clock(), disabled_by=by)
            )
            connection.execute(delete(sessions).where(sessions.c.account_id == account_id))

    def enable_account(self, name: str, *, by: str) -> bool:
        """Unlock what the same one locked; say whether the account is open afterwards."""
        with self._store.writing.begin() as connection:
            account = _account(connection, name)
            if account.disabled_at is not None and account.disabled_by != by:
                return False
            connection.execute(
                update(accounts)
                .where(accounts.c.account_id == account.account_id)
                .values(disabled_at=None, disabled_by=None)
            )
        return True

    def add_directory_account(self, name: str) -> Account:
        """Add a reader's account that no password opens, until an operator gives it one.

        Raises:
            AccountExists: The name is or was somebody's.
            RagError: The name cannot be used.
        """
        return self._insert_account(checked_name(name), "", frozenset(), USUAL)

    def remove_account(self, name: str) -> None:
        """Remove an account: its sessions end now, its name stays taken."""
        with self._store.writing.begin() as connection:
            account_id = _account(connection, name).account_id
            connection.execute(
                update(accounts)
                .where(accounts.c.account_id == account_id)
                .values(removed_at=self._clock(), password_hash="")
            )
            for table in (
                sessions,
                account_groups,
                account_roles,
                claimed_groups,
                second_factors,
                recovery_codes,
                provided_accounts,
            ):
                connection.execute(delete(table).where(table.c.account_id == account_id))

    def sign_in(
        self,
        name: str,
        password: str,
        *,
        code: str = "",
        address: str = "",
        before_opening: Callable[[Principal, Method], None] = lambda _principal, _method: None,
    ) -> SignedInAs:
        """Check a password, and a code where the person has set one up, and open a session.

        Unknown names cost the same time and lead to the same refusals as known ones, and so
        does a right password with a wrong code.

        Args:
            name: The account's name.
            password: Its password.
            code: Of the authenticator app, or one for the day it is lost; ignored where the
                account asks for none.
            address: Where the attempt comes from, by which failures are counted; empty where that
                is not known.
            before_opening: Called once all has proved right and before a session exists, with
                the kind of code that was used; when it raises, none is opened.

        Raises:
            SignInRefused: Wrong name, password or code.
            TooManyAttempts: Too many wrong passwords in a row; also for the right one.
        """
        attempts = self.attempts.take(name, address)
        account = self._account_proved(name, password)
        if account is None:
            raise SignInRefused(attempts=attempts)
        method: Method = ""
        with self._store.writing.begin() as connection:
            asked = has_factor(connection, account.account_id)
            if asked:
                method = take_code(
                    connection, account.account_id, code, self._clock(), seal=self.seal
                )
        if asked and not method:
            raise SignInRefused("wrong code", attempts=attempts)
        with self._store.reading.begin() as connection:
            principal = self._narrowed(
                _principal(connection, account), account, strong=bool(method)
            )
        before_opening(principal, method)
        renewed = ""
        if self._hasher.check_needs_rehash(account.password_hash):
            renewed = self._hash(password)
        with self._store.writing.begin() as connection:
            self.attempts.succeeded(connection, name, address)
            if renewed:
                connection.execute(
                    update(accounts)
                    .where(accounts.c.account_id == account.account_id)
                    .values(password_hash=renewed)
                )
            token, expires_at = self._open_session(
                connection, account.account_id, self._longest, strong=bool(method)
            )
        return SignedInAs(token, expires_at, principal)

    def require_password(self, name: str, password: str) -> None:
        """Ask for a password once more, before something that a stolen session must not do.

        Raises:
            SignInRefused: It is wrong.
            TooManyAttempts: Too many wrong passwords in a row.
        """
        attempts = self.attempts.take(name)
        if self._account_proved(name, password) is None:
            raise SignInRefused(attempts=attempts)
        with self._store.writing.begin() as connection:
            self.attempts.succeeded(connection, name)

    def open_provided_session(
        self, name: str, *, issuer: str, subject: str, provider_session: str, id_token: str = ""
    ) -> SignedInAs:
        """Open a session for somebody whom an identity provider has vouched for.

        It counts as one with a second factor: to ask for one is the provider's affair. The ID
        token is kept, sealed, for as long as the session.

        Raises:
            UnknownAccount: There is no account of this name, or it is locked.
        """
        with self._store.writing.begin() as connection:
            account = _open_account(connection, name)
            token, expires_at = self._open_session(
                connection, account.account_id, self._longest, strong=True
            )
            connection.execute(
                update(sessions)
                .where(sessions.c.token_hash == _token_hash(token))
                .values(
                    issuer=issuer,
                    subject=subject,
                    provider_session=provider_session,
                    id_token=self._sealed(id_token, of=_token_hash(token)),
                )
            )
            principal = _principal(connection, account)
        return SignedInAs(token, expires_at, principal)

    def id_token_of(self, token: str) -> str:
        """Return what a provider vouched with for a session; empty where none did."""
        key = _token_hash(token)
        with self._store.reading.begin() as connection:
            kept = connection.execute(
                select(sessions.c.id_token).where(sessions.c.token_hash == key)
            ).scalar()
        try:
            return self.seal.open(kept, of=key) if kept else ""
        except SecretUnreadable:
            return ""

    def _sealed(self, secret: str, *, of: str) -> str | None:
        return self.seal.close(secret, of=of) if secret and self.seal.usable else None

    def end_provided_sessions(self, *, issuer: str, subject: str, provider_session: str) -> int:
        """End what a provider says has ended: one of its sessions, or all of a person's.

        Returns:
            How many were open.
        """
        ended = delete(sessions).where(sessions.c.issuer == issuer)
        if subject:
            ended = ended.where(sessions.c.subject == subject)
        if provider_session:
            ended = ended.where(sessions.c.provider_session == provider_session)
        with self._store.writing.begin() as connection:
            return connection.execute(ended).rowcount

    def mark_strong(self, token: str) -> None:
        """Note that the person of a session has just shown a second factor."""
        with self._store.writing.begin() as connection:
            connection.execute(
                update(sessions)
                .where(sessions.c.token_hash == _token_hash(token))
                .values(strong=True)
            )

    def excuse_samples(self, names: Collection[str]) -> None:
        """Let sample accounts off what needs a second factor."""
        keys = [comparable(name) for name in names]
        with self._store.writing.begin() as connection:
            connection.execute(
                update(accounts).where(accounts.c.name_key.in_(keys)).values(sample=True)
            )

    def held_back(self, principal: Principal) -> frozenset[str]:
        """Return the roles that somebody has and cannot use without a second factor."""
        with self._store.reading.begin() as connection:
            account = _open_account(connection, principal.name)
            return _names(connection, account_roles, account.account_id) - principal.roles

    def _account_proved(self, name: str, password: str) -> Row[tuple[object, ...]] | None:
        """Return the account that a name and a password open, if any."""
        with self._store.reading.begin() as connection:
            account = _find_account(connection, name)
        if not self._password_fits(account.password_hash if account else "", password):
            return None
        if account is None or account.disabled_at is not None or not account.password_hash:
            # A locked account is refused like a wrong password; the hash of nobody opens nothing.
            return None
        return account

    def _narrowed(
        self, principal: Principal, account: Row[tuple[object, ...]], *, strong: bool
    ) -> Principal:
        """Return somebody without the roles that need a second factor, unless there was one."""
        if strong or account.sample or principal.roles.isdisjoint(self._need_code):
            return principal
        return replace(principal, roles=principal.roles - self._need_code)

    def open_session_for(self, name: str) -> str:
        """Open a short session without a password and return its token.

        For the operator's own command line, which can read the database anyway.

        Raises:
            UnknownAccount: There is no account of this name.
        """
        with self._store.writing.begin() as connection:
            account = _open_account(connection, name)
            return self._open_session(connection, account.account_id, COMMAND_LINE_SESSION)[0]

    def principal_of(self, token: str) -> Principal:
        """Return whose session a token is, with the groups and roles the person has now.

        Raises:
            NotSignedIn: There is no such session, or it has ended.
        """
        now = self._clock()
        with self._store.reading.begin() as connection:
            row = connection.execute(
                select(sessions, accounts.c.name, accounts.c.sample)
                .join(accounts, accounts.c.account_id == sessions.c.account_id)
                .where(
                    sessions.c.token_hash == _token_hash(token),
                    accounts.c.removed_at.is_(None),
                    accounts.c.disabled_at.is_(None),
                )
            ).first()
            if row is None or now >= row.expires_at or now >= row.seen_at + self._idle:
                raise NotSignedIn
            principal = self._narrowed(_principal(connection, row), row, strong=row.strong)
        if now >= row.seen_at + SEEN_PRECISION:
            self._note_seen(row.token_hash, now)
        return principal

    def _note_seen(self, token_hash: str, now: datetime) -> None:
        """Note when a session was used, once where many requests come at a time.

        Fifty open streams would otherwise all write at the same moment, and wait for each other
        longer than a database waits.
        """
        if not self._noting.acquire(blocking=False):
            return
        try:
            with self._store.writing.begin() as connection:
                connection.execute(
                    update(sessions).where(sessions.c.token_hash == token_hash).values(seen_at=now)
                )
        finally:
            self._noting.release()

    def account_id_of(self, name: str) -> str:
        """Return the lasting id of an account.

        Raises:
            UnknownAccount: There is no account of this name.
        """
        with self._store.reading.begin() as connection:
            return str(_account(connection, name).account_id)

    def principal_named(self, name: str) -> Principal:
        """Return a person with the groups and roles of now; proves nothing about who asks.

        Raises:
            UnknownAccount: There is no account of this name.
        """
        with self._store.reading.begin() as connection:
            return _principal(connection, _open_account(connection, name))

    def principal_of_program(self, name: str) -> Principal:
        """Return a person as a program with a token of theirs acts for them.

        A role that needs a second factor comes along once the person has set one up, or signs
        in at a provider.

        Raises:
            UnknownAccount: There is no account of this name, or it is locked.
        """
        with self._store.reading.begin() as connection:
            account = _open_account(connection, name)
            provided = select(provided_accounts.c.subject).where(
                provided_accounts.c.account_id == account.account_id
            )
            strong = has_factor(connection, account.account_id) or bool(
                connection.execute(provided).first()
            )
            return self._narrowed(_principal(connection, account), account, strong=strong)

    def current(self, principal: Principal) -> Principal | None:
        """Return somebody as they are now; None when they may read nothing any more."""
        try:
            found = self.principal_named(principal.name)
        except UnknownAccount:
            return None
        return found if Role.READER in found.roles else None

    def sign_out(self, token: str) -> None:
        """End a session; a session that does not exist has ended already."""
        with self._store.writing.begin() as connection:
            connection.execute(delete(sessions).where(sessions.c.token_hash == _token_hash(token)))

    def _open_session(
        self, connection: Connection, account_id: str, life: timedelta, *, strong: bool = False
    ) -> tuple[str, datetime]:
        now = self._clock()
        token = secrets.token_urlsafe(32)
        connection.execute(delete(sessions).where(sessions.c.expires_at <= now))
        connection.execute(
            insert(sessions).values(
                token_hash=_token_hash(token),
                account_id=account_id,
                opened_at=now,
                seen_at=now,
                expires_at=now + life,
                strong=strong,
            )
        )
        return token, now + life

    def _password_fits(self, password_hash: str, password: str) -> bool:
        with self._seats:
            if not password_hash:
                # Made at the first need, so that opening the accounts costs nothing.
                self._nobody_hash = self._nobody_hash or self._hasher.hash(secrets.token_hex(32))
            try:
                return self._hasher.verify(password_hash or self._nobody_hash, password)
            except VerifyMismatchError:
                return False
            except (VerificationError, InvalidHashError) as error:
                raise SignInRefused from error

    def _hash(self, password: str) -> str:
        with self._seats:
            return self._hasher.hash(password)


def _seal_in(key_file: Path, store: Store) -> Seal:
    """Return the seal of a database, and close with it what was kept before there was one."""
    with store.reading.begin() as connection:
        kept = [str(secret) for secret in connection.scalars(select(second_factors.c.secret))]
    seal = Seal(key_in(key_file, make=not any(map(is_sealed, kept))))
    if not seal.usable:
        log.error(
            "secrets.key-missing file=%s remedy=bring it back from the last backup; until then "
            "only recovery codes open accounts with a second factor, or "
            "`muniment user forget-code NAME`",
            key_file,
        )
    elif not all(map(is_sealed, kept)):
        with store.writing.begin() as connection:
            seal_old_secrets(connection, seal)
        store.scrub()
    return seal


def _token_hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _find_account(connection: Connection, name: str) -> Row[tuple[object, ...]] | None:
    return connection.execute(
        select(accounts).where(
            accounts.c.name_key == comparable(name), accounts.c.removed_at.is_(None)
        )
    ).first()


def _account(connection: Connection, name: str) -> Row[tuple[object, ...]]:
    found = _find_account(connection, name)
    if found is None:
        raise UnknownAccount(f"There is no account {name!r}. `muniment user list` shows them all.")
    return found


def _open_account(connection: Connection, name: str) -> Row[tuple[object, ...]]:
    found = _account(connection, name)
    if found.disabled_at is not None:
        raise AccountDisabled(
            f"The account {found.name!r} is locked by {found.disabled_by}; it reads nothing."
        )
    return found


def _principal(connection: Connection, row: Row[tuple[object, ...]]) -> Principal:
    groups = _names(connection, account_groups, row.account_id)
    return Principal(
        name=row.name,
        groups=groups | _names(connection, claimed_groups, row.account_id),
        roles=_names(connection, account_roles, row.account_id),
    )


def _names(connection: Connection, table: Table, account_id: str) -> frozenset[str]:
    return frozenset(
        connection.execute(select(table.c.name).where(table.c.account_id == account_id)).scalars()
    )


def _write_names(
    connection: Connection, table: Table, account_id: str, names: Collection[str]
) -> None:
    connection.execute(delete(table).where(table.c.account_id == account_id))
    if names:
        rows = [{"account_id": account_id, "name": name} for name in sorted(names)]
        connection.execute(insert(table), rows)


def _checked_groups(groups: Collection[str]) -> frozenset[str]:
    checked = frozenset(group.strip() for group in groups)
    if any(not group or len(group) > 200 or not group.isprintable() for group in checked):
        raise RagError("A group's name has 1 to 200 printable characters.")
    return checked


def _checked_roles(roles: Collection[str]) -> frozenset[str]:
    unknown = sorted(set(roles) - GIVEN)
    if unknown:
        raise RagError(f"There is no role {unknown[0]!r}. Roles are: {', '.join(sorted(GIVEN))}.")
    return frozenset(roles)


def _checked_password(password: str, name: str) -> str:
    if not MINIMUM_PASSWORD_CHARACTERS <= len(password) <= MAXIMUM_PASSWORD_CHARACTERS:
        raise InvalidPassword(
            f"A password has at least {MINIMUM_PASSWORD_CHARACTERS} characters "
            f"(and at most {MAXIMUM_PASSWORD_CHARACTERS})."
        )
    plain = password.casefold()
    if plain in TOO_EASY or len(set(plain)) < 4 or plain.strip() == comparable(name):
        raise InvalidPassword("This password is too easy to guess. Choose another one.")
    return password
