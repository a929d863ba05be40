"""Failed sign-ins, and the waits they cost.

They are counted three times: for a name from one address, for a name from anywhere, and for an
address whatever the name. The first is strict, and cannot be used to keep somebody else out; the
other two are wide, and slow down whoever guesses from many addresses or at many names.
"""

import hashlib
import ipaddress
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from rag.errors import TooManyAttempts
from rag.names import comparable
from rag.store import Clock, Store, sign_in_attempts

FIRST_WAIT: Final = timedelta(seconds=15)
NETWORK_BITS: Final = 64
"""Whoever has one address of the sixth version has all with the same first so many bits."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How often something may fail, and what it costs from then on.

    Attributes:
        free: Failures in a row before there is a wait.
        longest: The wait doubles with each further failure up to this.
        forgotten: After so long without a failure, those before count no longer.
    """

    free: int
    longest: timedelta
    forgotten: timedelta

    def wait_after(self, failures: int) -> timedelta:
        """Return how long to wait after so many failures."""
        if failures < self.free:
            return timedelta()
        return min(self.longest, FIRST_WAIT * (1 << min(failures - self.free, 10)))


NAME_FROM_ADDRESS: Final = Limit(5, timedelta(minutes=15), timedelta(days=1))
NAME: Final = Limit(50, timedelta(minutes=15), timedelta(days=1))
ADDRESS: Final = Limit(50, timedelta(minutes=1), timedelta(hours=1))
"""Many people may share an address, so it waits a minute at most."""


class Attempts:
    """The failures of a while back, by names and addresses.

    Args:
        store: The service's database; it keeps hashes, since what was typed as a name may be a
            password.
        clock: Returns the time now, in UTC.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def take(self, name: str, address: str = "") -> int:
        """Count an attempt as failed before it is looked at.

        Counted afterwards, many attempts in parallel would all pass before the first counted.

        Args:
            name: As typed.
            address: Where it comes from; empty where that is not known.

        Returns:
            How many failures in a row that is for this name from there, if it now has to wait;
            otherwise none.

        Raises:
            TooManyAttempts: There is a wait, for the name or the address.
        """
        now, counted = self._clock(), list(_counted(name, address))
        try:
            with self._store.writing.begin() as connection:
                _forget_old(connection, now)
                before = [_failures(connection, key, limit, now) for key, limit in counted]
                after = [
                    _count(connection, key, limit, failures + 1, now)
                    for (key, limit), failures in zip(counted, before, strict=True)
                ]
        except IntegrityError as error:  # the very first two of a name came at once
            raise _too_many(timedelta(seconds=1)) from error
        limits = (limit for _, limit in counted)
        return max(
            (count for count, limit in zip(after, limits, strict=True) if limit.wait_after(count)),
            default=0,
        )

    def succeeded(self, connection: Connection, name: str, address: str = "") -> None:
        """Take back what was counted, because the attempt was good.

        The count of the address loses this one attempt only: whoever has an account of their own
        must not be able to wipe it.
        """
        pair, whole, *addresses = (key for key, _ in _counted(name, address))
        connection.execute(
            delete(sign_in_attempts).where(sign_in_attempts.c.name_hash.in_([pair, whole]))
        )
        connection.execute(
            update(sign_in_attempts)
            .where(sign_in_attempts.c.name_hash.in_(addresses))
            .values(failures=sign_in_attempts.c.failures - 1, blocked_until=self._clock())
        )


def forget_attempts(connection: Connection, name: str) -> None:
    """Let a name sign in at once, from wherever it was tried."""
    mine = sign_in_attempts.c.name_hash.startswith(_half(comparable(name)))
    connection.execute(delete(sign_in_attempts).where(mine))


def _counted(name: str, address: str) -> Iterator[tuple[str, Limit]]:
    """Yield under which keys an attempt counts, and with which limit."""
    key, network = comparable(name), _network(address)
    yield _half(key) + _half(f"from {network}"), NAME_FROM_ADDRESS
    yield _hash(key), NAME
    if network:
        yield _hash(f"from {network}"), ADDRESS


def _network(address: str) -> str:
    """Return what counts as one address; nothing where it is none."""
    try:
        known = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if not isinstance(known, ipaddress.IPv6Address):
        return str(known)
    if known.ipv4_mapped:
        return str(known.ipv4_mapped)
    return str(ipaddress.ip_network((known, NETWORK_BITS), strict=False))


def _forget_old(connection: Connection, now: datetime) -> None:
    longest = max(limit.forgotten for limit in (NAME_FROM_ADDRESS, NAME, ADDRESS))
    connection.execute(delete(sign_in_attempts).where(sign_in_attempts.c.last_at < now - longest))


def _failures(connection: Connection, key: str, limit: Limit, now: datetime) -> int:
    """Return how many failures in a row there were.

    Raises:
        TooManyAttempts: There is a wait.
    """
    row = connection.execute(
        select(sign_in_attempts).where(sign_in_attempts.c.name_hash == key).with_for_update()
    ).first()
    if row is None or row.last_at < now - limit.forgotten:
        return 0
    if now < row.blocked_until:
        raise _too_many(row.blocked_until - now)
    return int(row.failures)


def _count(connection: Connection, key: str, limit: Limit, failures: int, now: datetime) -> int:
    connection.execute(delete(sign_in_attempts).where(sign_in_attempts.c.name_hash == key))
    connection.execute(
        insert(sign_in_attempts).values(
            name_hash=key,
            failures=failures,
            last_at=now,
            blocked_until=now + limit.wait_after(failures),
        )
    )
    return failures


def _too_many(wait: timedelta) -> TooManyAttempts:
    seconds = math.ceil(wait.total_seconds())
    return TooManyAttempts(f"Too many wrong passwords. Wait {seconds} seconds, then try again.")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _half(text: str) -> str:
    return _hash(text)[:32]
