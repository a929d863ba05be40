"""Set up a second factor, and give it up again."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, update

from rag.codes import address_of, has_factor, new_secret, renew_recovery_codes, take_code
from rag.errors import SignInRefused, Unusable
from rag.identity import Identity
from rag.store import Clock, recovery_codes, second_factors, utc_now


@dataclass(frozen=True, slots=True)
class NewFactor:
    """An authenticator that waits to be confirmed with its first code."""

    secret: str
    address: str


class SecondFactors:
    """The authenticators of all people.

    Args:
        identity: Knows the people; the authenticators live in its database.
        clock: Returns the time now, in UTC.
    """

    def __init__(self, identity: Identity, *, clock: Clock = utc_now) -> None:
        self._identity = identity
        self._store = identity.store
        self._clock = clock

    def has(self, name: str) -> bool:
        """Say whether somebody is asked for a code."""
        account_id = self._identity.account_id_of(name)
        with self._store.reading.begin() as connection:
            return has_factor(connection, account_id)

    def begin(self, name: str, password: str) -> NewFactor:
        """Make the secret of a new authenticator; it counts once a code of it has come back.

        Raises:
            SignInRefused: The password is wrong.
            TooManyAttempts: Too many wrong passwords in a row.
            Unusable: There is an authenticator already.
            SecretUnreadable: The key that its secret would be sealed with is gone.
        """
        self._identity.require_password(name, password)
        account_id, secret = self._identity.account_id_of(name), new_secret()
        with self._store.writing.begin() as connection:
            if has_factor(connection, account_id):
                raise Unusable("There is an authenticator already. Take it off first.")
            connection.execute(
                delete(second_factors).where(second_factors.c.account_id == account_id)
            )
            connection.execute(
                insert(second_factors).values(
                    account_id=account_id,
                    secret=self._identity.seal.close(secret, of=account_id),
                    last_step=0,
                )
            )
        return NewFactor(secret, address_of(secret, name))

    def confirm(self, name: str, code: str, token: str) -> list[str]:
        """Confirm a new authenticator by its first code; return the recovery codes, this once.

        The session it is done in counts as one with a second factor from here on.

        Raises:
            SignInRefused: The code is wrong, or nothing waits to be confirmed.
            TooManyAttempts: Too many wrong ones in a row.
        """
        account_id = self._identity.account_id_of(name)
        with self._using_code(name, account_id, code, confirmed=False) as connection:
            connection.execute(
                update(second_factors)
                .where(second_factors.c.account_id == account_id)
                .values(confirmed_at=self._clock())
            )
            codes = renew_recovery_codes(connection, account_id)
        self._identity.mark_strong(token)
        return codes

    def take_off(self, name: str, code: str) -> None:
        """Give an authenticator up, by a code of it or a recovery code.

        Raises:
            SignInRefused: The code is wrong.
            TooManyAttempts: Too many wrong ones in a row.
        """
        account_id = self._identity.account_id_of(name)
        with self._using_code(name, account_id, code, confirmed=True) as connection:
            _drop(connection, account_id)

    def forget(self, name: str) -> None:
        """Drop somebody's authenticator, for an operator to whom they have proved themselves."""
        account_id = self._identity.account_id_of(name)
        with self._store.writing.begin() as connection:
            _drop(connection, account_id)

    @contextmanager
    def _using_code(
        self, name: str, account_id: str, code: str, *, confirmed: bool
    ) -> Iterator[Connection]:
        """Use a code up, and go on in that transaction.

        Wrong ones count as wrong passwords do: a stolen session must not be enough to try them
        all.
        """
        attempts = self._identity.attempts.take(name)
        with self._store.writing.begin() as connection:
            fits = has_factor(connection, account_id) is confirmed and take_code(
                connection,
                account_id,
                code,
                self._clock(),
                seal=self._identity.seal,
                confirmed=confirmed,
            )
            if not fits:
                raise SignInRefused("wrong code", attempts=attempts)
            self._identity.attempts.succeeded(connection, name)
            yield connection


def _drop(connection: Connection, account_id: str) -> None:
    for table in (second_factors, recovery_codes):
        connection.execute(delete(table).where(table.c.account_id == account_id))
