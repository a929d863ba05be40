"""Set up a second factor, and give it up again."""

from dataclasses import dataclass

from sqlalchemy import delete, insert, update

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
                insert(second_factors).values(account_id=account_id, secret=secret, last_step=0)
            )
        return NewFactor(secret, address_of(secret, name))

    def confirm(self, name: str, code: str, token: str) -> list[str]:
        """Confirm a new authenticator by its first code; return the recovery codes, this once.

        The session it is done in counts as one with a second factor from here on.

        Raises:
            SignInRefused: The code is wrong, or nothing waits to be confirmed.
        """
        account_id, now = self._identity.account_id_of(name), self._clock()
        with self._store.writing.begin() as connection:
            confirmed = not has_factor(connection, account_id) and take_code(
                connection, account_id, code, now, confirmed=False
            )
            if not confirmed:
                raise SignInRefused("wrong code")
            connection.execute(
                update(second_factors)
                .where(second_factors.c.account_id == account_id)
                .values(confirmed_at=now)
            )
            codes = renew_recovery_codes(connection, account_id)
        self._identity.mark_strong(token)
        return codes

    def take_off(self, name: str, code: str) -> None:
        """Give an authenticator up, by a code of it or a recovery code.

        Raises:
            SignInRefused: The code is wrong.
        """
        account_id = self._identity.account_id_of(name)
        with self._store.writing.begin() as connection:
            if not take_code(connection, account_id, code, self._clock()):
                raise SignInRefused("wrong code")
        self.forget(name)

    def forget(self, name: str) -> None:
        """Drop somebody's authenticator, for an operator to whom they have proved themselves."""
        account_id = self._identity.account_id_of(name)
        with self._store.writing.begin() as connection:
            for table in (second_factors, recovery_codes):
                connection.execute(delete(table).where(table.c.account_id == account_id))
