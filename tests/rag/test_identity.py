import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from corpus.access import Principal
from rag.attempts import NAME_FROM_ADDRESS
from rag.errors import (
    AccountExists,
    InvalidPassword,
    NotSignedIn,
    RagError,
    SignInRefused,
    TooManyAttempts,
    UnknownAccount,
)
from rag.identity import Identity

PASSWORD = "correct horse battery"
QUICK = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **span: float) -> None:
        self.now += timedelta(**span)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/service.db"


@pytest.fixture
def identity(url: str, clock: Clock) -> Iterator[Identity]:
    identity = Identity.open(url, clock=clock, hasher=QUICK)
    identity.add_account("alice", PASSWORD, groups={"finance"}, roles={"auditor"})
    yield identity
    identity.close()


def fail(identity: Identity, name: str, *, times: int) -> None:
    for _ in range(times):
        with pytest.raises(SignInRefused):
            identity.sign_in(name, "not the password")


def test_the_right_password_opens_a_session_of_that_person(identity: Identity) -> None:
    token, _, principal = identity.sign_in("alice", PASSWORD)

    assert principal == Principal("alice", frozenset({"finance"}), frozenset({"auditor"}))
    assert identity.principal_of(token) == principal


def test_names_are_compared_without_regard_to_case(identity: Identity) -> None:
    _, _, principal = identity.sign_in("  Alice ", PASSWORD)

    assert principal.name == "alice"
    with pytest.raises(AccountExists):
        identity.add_account("ALICE", PASSWORD)


@pytest.mark.parametrize(("name", "password"), [("alice", "wrong password"), ("eve", PASSWORD)])
def test_a_wrong_name_and_a_wrong_password_are_refused_in_the_same_words(
    identity: Identity, name: str, password: str
) -> None:
    with pytest.raises(SignInRefused, match=r"^Name, password or code is wrong\.$"):
        identity.sign_in(name, password)


@pytest.mark.parametrize("name", ["alice", "nobody"])
def test_many_failures_make_a_name_wait_whether_or_not_it_exists(
    identity: Identity, clock: Clock, name: str
) -> None:
    fail(identity, name, times=NAME_FROM_ADDRESS.free)

    with pytest.raises(TooManyAttempts, match="Wait 15 seconds"):
        identity.sign_in(name, PASSWORD)


def test_after_the_wait_the_right_password_opens_and_the_count_starts_anew(
    identity: Identity, clock: Clock
) -> None:
    fail(identity, "alice", times=NAME_FROM_ADDRESS.free)
    clock.advance(seconds=16)

    identity.sign_in("alice", PASSWORD)

    fail(identity, "alice", times=NAME_FROM_ADDRESS.free - 1)


def test_the_wait_grows_up_to_a_limit(identity: Identity, clock: Clock) -> None:
    fail(identity, "alice", times=NAME_FROM_ADDRESS.free)
    for _ in range(8):
        clock.advance(seconds=NAME_FROM_ADDRESS.longest.total_seconds())
        fail(identity, "alice", times=1)

    with pytest.raises(TooManyAttempts, match="Wait 900 seconds"):
        identity.sign_in("alice", PASSWORD)


def test_attempts_in_parallel_do_not_slip_past_the_count(identity: Identity) -> None:
    refused: list[type[Exception]] = []

    def attempt() -> None:
        try:
            identity.sign_in("alice", "not the password")
        except (SignInRefused, TooManyAttempts) as error:
            refused.append(type(error))

    threads = [threading.Thread(target=attempt) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert refused.count(SignInRefused) == NAME_FROM_ADDRESS.free
    assert refused.count(TooManyAttempts) == 12 - NAME_FROM_ADDRESS.free


def test_an_unused_session_ends(identity: Identity, clock: Clock) -> None:
    token = identity.sign_in("alice", PASSWORD).token
    clock.advance(minutes=29)
    identity.principal_of(token)
    clock.advance(minutes=29)
    identity.principal_of(token)
    clock.advance(minutes=30)

    with pytest.raises(NotSignedIn):
        identity.principal_of(token)


def test_a_session_ends_after_its_longest_life_however_busy(
    identity: Identity, clock: Clock
) -> None:
    token, expires_at, _ = identity.sign_in("alice", PASSWORD)
    for _ in range(12 * 3 - 1):
        clock.advance(minutes=20)
        identity.principal_of(token)
    clock.advance(minutes=20)

    assert clock.now == expires_at
    with pytest.raises(NotSignedIn):
        identity.principal_of(token)


def test_signing_out_ends_the_session_and_no_other(identity: Identity) -> None:
    left, kept = (identity.sign_in("alice", PASSWORD).token for _ in range(2))

    identity.sign_out(left)

    assert identity.principal_of(kept).name == "alice"
    with pytest.raises(NotSignedIn):
        identity.principal_of(left)


def test_groups_and_roles_count_from_the_next_request(identity: Identity) -> None:
    token = identity.sign_in("alice", PASSWORD).token

    identity.set_groups("alice", {"partners"})
    identity.set_roles("alice", set())

    assert identity.principal_of(token) == Principal("alice", frozenset({"partners"}))


def test_a_new_password_ends_all_sessions(identity: Identity) -> None:
    token = identity.sign_in("alice", PASSWORD).token

    identity.set_password("alice", "another long password")

    with pytest.raises(NotSignedIn):
        identity.principal_of(token)
    with pytest.raises(SignInRefused):
        identity.sign_in("alice", PASSWORD)
    assert identity.sign_in("alice", "another long password")


def test_a_removed_account_is_out_at_once_and_its_name_is_not_given_away(
    identity: Identity,
) -> None:
    token = identity.sign_in("alice", PASSWORD).token

    identity.remove_account("alice")

    assert identity.accounts() == []
    with pytest.raises(NotSignedIn):
        identity.principal_of(token)
    with pytest.raises(SignInRefused):
        identity.sign_in("alice", PASSWORD)
    with pytest.raises(AccountExists, match="removed"):
        identity.add_account("alice", PASSWORD)


def test_the_database_holds_neither_passwords_nor_tokens(
    identity: Identity, tmp_path: Path
) -> None:
    token = identity.sign_in("alice", PASSWORD).token
    identity.close()

    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())

    assert PASSWORD.encode() not in stored
    assert token.encode() not in stored
    assert b"$argon2id$" in stored


def test_passwords_are_hashed_with_the_parameters_of_the_design(url: str) -> None:
    identity = Identity.open(url)

    identity.add_account("bob", PASSWORD)

    with identity._store.reading.begin() as connection:
        stored = connection.exec_driver_sql("SELECT password_hash FROM accounts").scalar_one()
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=1$")
    identity.close()


def test_a_password_is_hashed_anew_when_the_parameters_rise(
    identity: Identity, url: str, clock: Clock
) -> None:
    stronger = Identity.open(
        url, clock=clock, hasher=PasswordHasher(time_cost=2, memory_cost=128, parallelism=1)
    )

    stronger.sign_in("alice", PASSWORD)

    with stronger._store.reading.begin() as connection:
        stored = connection.exec_driver_sql("SELECT password_hash FROM accounts").scalar_one()
    assert "m=128,t=2,p=1" in stored
    assert stronger.sign_in("alice", PASSWORD)
    stronger.close()


@pytest.mark.parametrize("password", ["eleven char", "aaaaaaaaaaaaaa", "passwordpassword"])
def test_short_and_easy_passwords_are_not_taken(identity: Identity, password: str) -> None:
    with pytest.raises(InvalidPassword):
        identity.add_account("bob", password)


@pytest.mark.parametrize("name", ["", " ", "a b", "a\nb", "<b>", "x" * 65])
def test_names_that_cannot_be_shown_safely_are_not_taken(identity: Identity, name: str) -> None:
    with pytest.raises(RagError):
        identity.add_account(name, PASSWORD)


def test_an_unknown_role_is_not_taken(identity: Identity) -> None:
    with pytest.raises(RagError, match="no role 'root'"):
        identity.set_roles("alice", {"root"})


def test_nothing_opens_when_what_must_come_before_fails(identity: Identity) -> None:
    def refuse(_principal: Principal, _method: str) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        identity.sign_in("alice", PASSWORD, before_opening=refuse)

    with identity._store.reading.begin() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM sessions").scalar_one() == 0


def test_the_command_line_gets_a_session_of_ten_minutes(identity: Identity, clock: Clock) -> None:
    token = identity.open_session_for("alice")

    assert identity.principal_of(token).name == "alice"
    clock.advance(minutes=10)
    with pytest.raises(NotSignedIn):
        identity.principal_of(token)
    with pytest.raises(UnknownAccount):
        identity.open_session_for("eve")


def test_a_database_of_a_newer_version_is_not_touched(identity: Identity, url: str) -> None:
    with identity._store.writing.begin() as connection:
        connection.exec_driver_sql("UPDATE service_schema SET version_num = '9999'")

    with pytest.raises(RagError, match="newer version"):
        Identity.open(url)


def test_a_missing_folder_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RagError, match="cannot be opened"):
        Identity.open(f"sqlite:///{tmp_path}/missing/service.db")
