"""A locked account keeps everything and opens nothing."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from corpus.access import Principal
from rag.errors import AccountDisabled, AccountExists, NotSignedIn, SignInRefused
from rag.identity import Identity
from rag.tokens import ApiTokens

PASSWORD = "correct horse battery"


@pytest.fixture
def identity(tmp_path: Path) -> Iterator[Identity]:
    hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    identity = Identity.open(f"sqlite:///{tmp_path}/service.db", hasher=hasher)
    identity.add_account("ada", PASSWORD, groups={"fees"}, roles={"auditor"})
    yield identity
    identity.close()


def test_its_sessions_and_tokens_end_and_no_new_ones_open(identity: Identity) -> None:
    tokens = ApiTokens(identity.store, identity)
    session = identity.sign_in("ada", PASSWORD).token
    token = tokens.make("ada", "mine", {"ask"}, timedelta(days=1)).token

    identity.disable_account("ada", by="directory:office")

    with pytest.raises(NotSignedIn):
        identity.principal_of(session)
    with pytest.raises(NotSignedIn):
        tokens.holder_of(token)
    with pytest.raises(SignInRefused):
        identity.sign_in("ada", PASSWORD)
    with pytest.raises(AccountDisabled, match="locked by directory:office"):
        identity.open_session_for("ada")
    assert identity.current(Principal("ada")) is None


def test_unlocked_it_is_as_it_was(identity: Identity) -> None:
    identity.disable_account("ada", by="directory:office")

    assert identity.enable_account("ada", by="directory:office")

    who = identity.sign_in("ada", PASSWORD).principal
    assert who.groups == {"fees"}
    assert who.roles == {"auditor"}


def test_a_directory_does_not_unlock_what_an_operator_locked(identity: Identity) -> None:
    identity.disable_account("ada", by="operator")
    identity.disable_account("ada", by="directory:office")

    assert not identity.enable_account("ada", by="directory:office")

    assert identity.current(Principal("ada")) is None
    assert [one.disabled_by for one in identity.accounts()] == ["operator"]


def test_no_password_opens_an_account_that_a_directory_made(identity: Identity) -> None:
    identity.add_directory_account("bea")

    for guess in ("", PASSWORD):
        with pytest.raises(SignInRefused):
            identity.sign_in("bea", guess)
    assert identity.principal_named("bea").groups == frozenset()
    with pytest.raises(AccountExists):
        identity.add_directory_account("Bea")
