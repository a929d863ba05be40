"""Guessing is slowed down by name, by address and by both, and keeps nobody else out."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from rag.attempts import ADDRESS, NAME, NAME_FROM_ADDRESS
from rag.errors import SignInRefused, TooManyAttempts
from rag.identity import Identity
from tests.rag.test_service import PASSWORD, Clock

HOME, ELSEWHERE = "192.0.2.7", "203.0.113.9"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def identity(tmp_path: Path, clock: Clock) -> Iterator[Identity]:
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    identity = Identity.open(f"sqlite:///{tmp_path}/service.db", clock=clock, hasher=hasher)
    identity.add_account("alice", PASSWORD)
    identity.add_account("mallory", PASSWORD)
    yield identity
    identity.close()


def guess(identity: Identity, name: str, address: str, *, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(SignInRefused):
            identity.sign_in(name, "not the password", address=address)


def test_who_guesses_from_elsewhere_keeps_nobody_out(identity: Identity) -> None:
    guess(identity, "alice", ELSEWHERE, times=NAME_FROM_ADDRESS.free)

    with pytest.raises(TooManyAttempts):
        identity.sign_in("alice", PASSWORD, address=ELSEWHERE)
    identity.sign_in("alice", PASSWORD, address=HOME)


def test_the_right_person_signing_in_gives_the_guesser_no_more_guesses(identity: Identity) -> None:
    guess(identity, "alice", ELSEWHERE, times=NAME_FROM_ADDRESS.free)

    identity.sign_in("alice", PASSWORD, address=HOME)

    with pytest.raises(TooManyAttempts):
        identity.sign_in("alice", PASSWORD, address=ELSEWHERE)


def test_guessing_a_name_from_many_addresses_makes_it_wait(identity: Identity) -> None:
    for number in range(NAME.free):
        guess(identity, "alice", f"198.51.100.{number}")

    with pytest.raises(TooManyAttempts):
        identity.sign_in("alice", PASSWORD, address=HOME)


def test_one_password_tried_at_many_names_makes_the_address_wait_a_minute_at_most(
    identity: Identity, clock: Clock
) -> None:
    for number in range(ADDRESS.free + 5):
        clock.advance(seconds=61)
        guess(identity, f"somebody-{number}", ELSEWHERE)

    with pytest.raises(TooManyAttempts, match="Wait 60 seconds"):
        identity.sign_in("alice", PASSWORD, address=ELSEWHERE)
    identity.sign_in("alice", PASSWORD, address=HOME)
    clock.advance(minutes=61)
    identity.sign_in("alice", PASSWORD, address=ELSEWHERE)


def test_an_account_of_ones_own_wipes_no_count(identity: Identity, clock: Clock) -> None:
    for number in range(ADDRESS.free - 1):
        guess(identity, f"somebody-{number}", ELSEWHERE)
        identity.sign_in("mallory", PASSWORD, address=ELSEWHERE)

    guess(identity, "somebody", ELSEWHERE)

    with pytest.raises(TooManyAttempts):
        identity.sign_in("mallory", PASSWORD, address=ELSEWHERE)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8::1", "2001:db8::ffff:2"),
        ("::ffff:192.0.2.7", HOME),
        ("fe80::1%eth0", "fe80::1"),
        ("testclient", ""),
    ],
)
def test_what_one_visitor_can_change_about_an_address_is_one_address(
    identity: Identity, one: str, other: str
) -> None:
    guess(identity, "alice", one, times=NAME_FROM_ADDRESS.free)

    with pytest.raises(TooManyAttempts):
        identity.sign_in("alice", PASSWORD, address=other)


def test_a_new_password_opens_from_everywhere_at_once(identity: Identity) -> None:
    guess(identity, "alice", ELSEWHERE, times=NAME_FROM_ADDRESS.free)

    identity.set_password("alice", "another long password")

    identity.sign_in("alice", "another long password", address=ELSEWHERE)


def test_neither_names_nor_addresses_are_kept(identity: Identity) -> None:
    guess(identity, "hunter2 as a name", ELSEWHERE)

    with identity.store.reading.begin() as connection:
        kept = str(connection.exec_driver_sql("SELECT * FROM sign_in_attempts").all())

    assert "hunter2" not in kept
    assert ELSEWHERE not in kept
