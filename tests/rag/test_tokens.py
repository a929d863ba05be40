"""Tokens of programs: as much as the person, narrowed to their scopes, until they end."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from rag.errors import NotFound, NotSignedIn, Unusable
from rag.identity import Identity
from rag.tokens import MOST_OF_ONE_PERSON, ApiTokens, is_api_token

DAY = timedelta(days=1)


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def identity(tmp_path: Path, clock: Clock) -> Iterator[Identity]:
    hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    identity = Identity.open(f"sqlite:///{tmp_path}/service.db", clock=clock, hasher=hasher)
    identity.add_account("ada", "correct horse battery", groups={"staff"}, roles={"auditor"})
    yield identity
    identity.close()


@pytest.fixture
def tokens(identity: Identity, clock: Clock) -> ApiTokens:
    return ApiTokens(identity.store, identity, clock=clock)


def test_a_token_speaks_for_its_person_as_far_as_its_scopes(tokens: ApiTokens) -> None:
    token, _ = tokens.make("ada", "office add-in", {"ask"}, DAY)

    holder = tokens.holder_of(token)

    assert is_api_token(token)
    assert holder.principal.name == "ada"
    assert holder.scopes == {"ask"}


def test_groups_count_as_they_are_now_not_as_they_were(
    tokens: ApiTokens, identity: Identity
) -> None:
    token, _ = tokens.make("ada", "add-in", {"ask"}, DAY)

    identity.set_groups("ada", {"partners"})

    assert tokens.holder_of(token).principal.groups == {"partners"}


def test_an_expired_token_is_refused(tokens: ApiTokens, clock: Clock) -> None:
    token, _ = tokens.make("ada", "add-in", {"ask"}, DAY)

    clock.now += DAY

    with pytest.raises(NotSignedIn):
        tokens.holder_of(token)
    assert tokens.of("ada") == []


def test_a_revoked_token_is_refused_at_once(tokens: ApiTokens) -> None:
    token, known = tokens.make("ada", "add-in", {"ask"}, DAY)

    tokens.revoke("ada", known.token_id)

    with pytest.raises(NotSignedIn):
        tokens.holder_of(token)


def test_nobody_revokes_the_token_of_somebody_else(tokens: ApiTokens, identity: Identity) -> None:
    identity.add_account("bob", "correct horse battery")
    token, known = tokens.make("ada", "add-in", {"ask"}, DAY)

    with pytest.raises(NotFound):
        tokens.revoke("bob", known.token_id)

    assert tokens.holder_of(token).principal.name == "ada"


def test_a_removed_account_takes_its_tokens_along(tokens: ApiTokens, identity: Identity) -> None:
    token, _ = tokens.make("ada", "add-in", {"ask"}, DAY)

    identity.remove_account("ada")

    with pytest.raises(NotSignedIn):
        tokens.holder_of(token)


def test_a_forged_token_is_refused(tokens: ApiTokens) -> None:
    with pytest.raises(NotSignedIn):
        tokens.holder_of("muniment_" + "a" * 43)


def test_the_database_does_not_hold_the_token(tokens: ApiTokens, tmp_path: Path) -> None:
    token, _ = tokens.make("ada", "add-in", {"ask"}, DAY)

    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())

    assert token.encode() not in kept


@pytest.mark.parametrize(
    ("label", "scopes", "life"),
    [
        ("", {"ask"}, DAY),
        ("x" * 81, {"ask"}, DAY),
        ("add-in", set(), DAY),
        ("add-in", {"everything"}, DAY),
        ("add-in", {"ask"}, timedelta()),
        ("add-in", {"ask"}, 400 * DAY),
    ],
)
def test_what_cannot_be_a_token_is_refused_with_a_reason(
    tokens: ApiTokens, label: str, scopes: set[str], life: timedelta
) -> None:
    with pytest.raises(Unusable, match=r"token|scope"):
        tokens.make("ada", label, scopes, life)


def test_one_person_has_a_bounded_number_of_tokens(tokens: ApiTokens) -> None:
    for number in range(MOST_OF_ONE_PERSON):
        tokens.make("ada", f"add-in {number}", {"ask"}, DAY)

    with pytest.raises(Unusable, match="Revoke one first"):
        tokens.make("ada", "one more", {"ask"}, DAY)
