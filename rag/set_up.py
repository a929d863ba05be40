"""The first administrator, let in once by a code that stood on the console."""

import hashlib
import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from sqlalchemy import delete, insert, select

from rag.contract import Role
from rag.errors import SignInRefused
from rag.identity import Account, Identity
from rag.store import Clock, accounts, set_up_codes, utc_now

LASTS: Final = timedelta(hours=24)
FIRST_ROLES: Final = frozenset({Role.ADMINISTRATOR, Role.READER})
"""An administrator who reads nothing until somebody admits them; without the second role the
first person in the house could not even ask."""


class SetUp:
    """How an installation without accounts gets its first one.

    Args:
        identity: Knows the people; the code lives in its database, as a hash.
        clock: Returns the time now, in UTC.
    """

    def __init__(self, identity: Identity, *, clock: Clock = utc_now) -> None:
        self._identity = identity
        self._store = identity.store
        self._clock = clock

    def wanted(self) -> bool:
        """Say whether there is no account yet."""
        query = select(accounts.c.account_id).where(accounts.c.removed_at.is_(None)).limit(1)
        with self._store.reading.begin() as connection:
            return connection.execute(query).first() is None

    def offer(self) -> str:
        """Return a new code, good once and for a day; those made before open nothing any more.

        Empty where there are accounts already.
        """
        if not self.wanted():
            return ""
        code = secrets.token_urlsafe(18)
        with self._store.writing.begin() as connection:
            connection.execute(delete(set_up_codes))
            connection.execute(
                insert(set_up_codes).values(code_hash=_hash(code), expires_at=self._clock() + LASTS)
            )
        return code

    def take(
        self, code: str, name: str, password: str, *, before_adding: Callable[[], None]
    ) -> Account:
        """Add the first administrator.

        Args:
            code: As it stood on the console.
            name: The account's name.
            password: Its password.
            before_adding: Called once the code has proved right; when it raises, nothing is
                added and the code is still good.

        Raises:
            SignInRefused: The code is wrong, too old or used, or there is an account already.
            RagError: Name or password cannot be used; the code is still good.
        """
        now = self._clock()
        with self._store.writing.begin() as connection:
            taken = connection.execute(
                delete(set_up_codes)
                .where(set_up_codes.c.code_hash == _hash(code), set_up_codes.c.expires_at > now)
                .returning(set_up_codes.c.expires_at)
            ).first()
        if taken is None or not self.wanted():
            raise SignInRefused("wrong set-up code")
        try:
            before_adding()
            return self._identity.add_account(name, password, roles=FIRST_ROLES)
        except Exception:
            with self._store.writing.begin() as connection:
                connection.execute(
                    insert(set_up_codes).values(code_hash=_hash(code), expires_at=taken.expires_at)
                )
            raise


def _hash(code: str) -> str:
    return hashlib.sha256(code.strip().encode()).hexdigest()
