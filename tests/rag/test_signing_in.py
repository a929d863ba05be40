# ruff: noqa: F401, F811 - the fixtures of the service's own tests are used here too
"""Signing in beyond the password: the first account, second factors, roles that wait for one."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyotp
import pytest
from argon2 import PasswordHasher
from fastapi.testclient import TestClient
from sqlalchemy import insert, select, update

from corpus.access import person_named
from corpus.documents import Version
from rag.attempts import NAME_FROM_ADDRESS
from rag.errors import SecretUnreadable, SignInRefused
from rag.identity import Identity
from rag.second_factor import SecondFactors
from rag.set_up import SetUp
from rag.store import second_factors, utc_now
from tests.rag.test_service import PASSWORD, House, client, house, index, secret, sign_in

WRONG = "Name, password or code is wrong."


def set_up_factor(house: House, client: TestClient, who: dict[str, str]) -> tuple[str, list[str]]:
    """Set up an authenticator; return its secret and the recovery codes."""
    begun = client.post("/v1/second-factor", json={"password": PASSWORD}, headers=who).json()
    code = pyotp.TOTP(begun["secret"]).at(house.clock.now)
    reply = client.post("/v1/second-factor/confirmation", json={"code": code}, headers=who)
    assert reply.status_code == 200, reply.text
    return begun["secret"], reply.json()["codes"]


def sign_in_with(client: TestClient, code: str, name: str = "alice") -> int:
    given = {"name": name, "password": PASSWORD, "code": code}
    return client.post("/v1/session", json=given).status_code


# The first account


@pytest.fixture
def empty(house: House) -> House:
    """A house in which nobody has an account any more than on the first day."""
    with house.parts.identity.store.writing.begin() as connection:
        connection.exec_driver_sql("DELETE FROM accounts")
    return house


def test_the_set_up_code_makes_the_first_administrator_once(empty: House) -> None:
    client = empty.start()
    code = SetUp(empty.parts.identity, clock=empty.clock).offer()
    first = {"code": code, "name": "ada", "password": PASSWORD}

    before = client.get("/v1/sign-in").json()["set_up"]
    made = client.post("/v1/set-up", json=first)
    again = client.post("/v1/set-up", json=first | {"name": "eve"})

    assert before is True
    assert made.json()["person"]["roles"] == ["administrator", "reader"]
    assert (again.status_code, again.json()["detail"]) == (401, WRONG)
    assert client.get("/v1/sign-in").json()["set_up"] is False
    assert empty.types_on_record() == ["admin.user.change", "auth.login", "auth.fail"]


def test_a_password_too_easy_leaves_the_set_up_code_good(empty: House) -> None:
    client = empty.start()
    first = {"code": SetUp(empty.parts.identity, clock=empty.clock).offer(), "name": "ada"}

    refused = client.post("/v1/set-up", json=first | {"password": "short"})
    made = client.post("/v1/set-up", json=first | {"password": PASSWORD})

    assert (refused.status_code, made.status_code) == (422, 200)


@pytest.mark.parametrize("hours", [0, 25])
def test_a_set_up_code_that_is_wrong_or_a_day_old_opens_nothing(empty: House, hours: int) -> None:
    client = empty.start()
    code = SetUp(empty.parts.identity, clock=empty.clock).offer()
    empty.clock.advance(hours=hours)

    given = code if hours else "guessed"
    reply = client.post("/v1/set-up", json={"code": given, "name": "eve", "password": PASSWORD})

    assert reply.status_code == 401
    assert empty.parts.identity.accounts() == []


def test_a_house_with_accounts_offers_no_set_up_code(house: House, client: TestClient) -> None:
    assert SetUp(house.parts.identity, clock=house.clock).offer() == ""


def test_nothing_is_set_up_while_the_record_is_away(empty: House) -> None:
    client = empty.start()
    code = SetUp(empty.parts.identity, clock=empty.clock).offer()
    first = {"code": code, "name": "ada", "password": PASSWORD}

    with empty.record_away():
        refused = client.post("/v1/set-up", json=first)

    assert refused.status_code == 503
    assert client.post("/v1/set-up", json=first).status_code == 200


# Second factors


def test_a_confirmed_authenticator_is_asked_for_from_then_on(
    house: House, client: TestClient
) -> None:
    who = sign_in(client, "alice")

    secret_, _ = set_up_factor(house, client, who)
    house.clock.advance(seconds=30)

    without = client.post("/v1/session", json={"name": "alice", "password": PASSWORD})
    assert (without.status_code, without.json()["detail"]) == (401, WRONG)
    assert sign_in_with(client, "000000") == 401
    assert sign_in_with(client, pyotp.TOTP(secret_).at(house.clock.now)) == 200
    used = house.parts.record.entries(type="auth.mfa")
    assert [entry.outcome for entry in used] == ["set-up", "passed"]


def test_a_code_opens_once(house: House, client: TestClient) -> None:
    secret_, _ = set_up_factor(house, client, sign_in(client, "alice"))
    house.clock.advance(seconds=30)
    code = pyotp.TOTP(secret_).at(house.clock.now)

    assert [sign_in_with(client, code) for _ in range(2)] == [200, 401]


def test_a_code_of_two_minutes_ago_opens_nothing(house: House, client: TestClient) -> None:
    secret_, _ = set_up_factor(house, client, sign_in(client, "alice"))
    house.clock.advance(minutes=5)
    old = pyotp.TOTP(secret_).at(house.clock.now - timedelta(minutes=2))

    assert sign_in_with(client, old) == 401


def test_each_recovery_code_opens_once(house: House, client: TestClient) -> None:
    _, codes = set_up_factor(house, client, sign_in(client, "alice"))

    assert len(set(codes)) == 10
    assert [sign_in_with(client, codes[0].upper()) for _ in range(2)] == [200, 401]
    assert sign_in_with(client, codes[1]) == 200


def test_a_right_password_with_a_wrong_code_is_refused_as_a_wrong_password_is(
    house: House, client: TestClient
) -> None:
    set_up_factor(house, client, sign_in(client, "alice"))

    replies = [
        client.post("/v1/session", json={"name": "alice", "password": password, "code": "000000"})
        for password in (PASSWORD, "not the right one")
    ]

    assert replies[0].status_code == replies[1].status_code == 401
    assert replies[0].content == replies[1].content
    assert dict(replies[0].headers) == dict(replies[1].headers)


def test_guessing_codes_locks_the_name_and_is_on_record(house: House, client: TestClient) -> None:
    set_up_factor(house, client, sign_in(client, "alice"))

    tried = [sign_in_with(client, "000000") for _ in range(NAME_FROM_ADDRESS.free + 1)]

    assert tried == [401] * NAME_FROM_ADDRESS.free + [429]
    (locked,) = house.parts.record.entries(type="auth.lockout")
    assert locked.envelope["attempts"] == NAME_FROM_ADDRESS.free


def test_a_stolen_session_sets_up_no_authenticator(house: House, client: TestClient) -> None:
    who = sign_in(client, "alice")

    reply = client.post("/v1/second-factor", json={"password": "guessed guessed"}, headers=who)

    assert reply.status_code == 401


def test_an_authenticator_is_taken_off_by_a_code_of_it(house: House, client: TestClient) -> None:
    who = sign_in(client, "alice")
    _, codes = set_up_factor(house, client, who)
    path = "/v1/second-factor/removal"

    assert client.post(path, json={"code": "000000"}, headers=who).status_code == 401
    assert client.post(path, json={"code": codes[0]}, headers=who).status_code == 204
    assert client.get("/v1/second-factor", headers=who).json()["set_up"] is False
    assert sign_in_with(client, "") == 200


@pytest.mark.parametrize("path", ["removal", "confirmation"])
def test_a_stolen_session_cannot_try_every_code(
    house: House, client: TestClient, path: str
) -> None:
    who = sign_in(client, "alice")
    set_up_factor(house, client, who)

    tried = [
        client.post(f"/v1/second-factor/{path}", json={"code": "000000"}, headers=who).status_code
        for _ in range(NAME_FROM_ADDRESS.free + 1)
    ]

    assert tried == [401] * NAME_FROM_ADDRESS.free + [429]


# The secrets of authenticators


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[], Identity]]:
    """Opens the accounts anew each time, as programs do that start one after the other."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(
            closing(
                Identity.open(
                    f"sqlite:///{tmp_path}/accounts.db",
                    hasher=PasswordHasher(time_cost=1, memory_cost=64, parallelism=1),
                    key_file=tmp_path / "service.key",
                )
            )
        )


def with_factor(identity: Identity) -> tuple[str, list[str]]:
    identity.add_account("ada", PASSWORD)
    factors = SecondFactors(identity, clock=utc_now)
    secret_ = factors.begin("ada", PASSWORD).secret
    code = pyotp.TOTP(secret_).at(utc_now() - timedelta(seconds=30))
    return secret_, factors.confirm("ada", code, "no session")


def opens(identity: Identity, code: str) -> bool:
    try:
        return bool(identity.sign_in("ada", PASSWORD, code=code))
    except SignInRefused:
        return False


def files_of(folder: Path) -> bytes:
    return b"".join(one.read_bytes() for one in folder.glob("accounts.db*"))


def test_the_secret_of_an_authenticator_is_sealed_and_its_key_lies_elsewhere(
    opened: Callable[[], Identity], tmp_path: Path
) -> None:
    secret_, _ = with_factor(opened())

    assert secret_.encode() not in files_of(tmp_path)
    key = tmp_path / "service.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.read_bytes() not in files_of(tmp_path)
    assert opens(opened(), pyotp.TOTP(secret_).now())


def test_a_secret_from_before_there_was_a_seal_is_sealed_at_the_next_start(
    opened: Callable[[], Identity], tmp_path: Path
) -> None:
    first = opened()
    secret_, _ = with_factor(first)
    with first.store.writing.begin() as connection:
        connection.execute(update(second_factors).values(secret=secret_))
    (tmp_path / "service.key").unlink()
    assert secret_.encode() in files_of(tmp_path)

    again = opened()

    assert secret_.encode() not in files_of(tmp_path)
    assert opens(again, pyotp.TOTP(secret_).now())


def test_where_the_key_is_gone_recovery_codes_still_open_and_no_other_key_is_made(
    opened: Callable[[], Identity], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    secret_, codes = with_factor(opened())
    key = (tmp_path / "service.key").rename(tmp_path / "elsewhere")

    without = opened()

    assert "secrets.key-missing" in caplog.text
    assert not opens(without, pyotp.TOTP(secret_).now())
    assert opens(without, codes[0])
    assert not (tmp_path / "service.key").exists()
    key.rename(tmp_path / "service.key")
    assert opens(opened(), pyotp.TOTP(secret_).now())


def test_a_sealed_secret_moved_to_another_account_opens_nothing(
    opened: Callable[[], Identity],
) -> None:
    identity = opened()
    secret_, _ = with_factor(identity)
    identity.add_account("eve", PASSWORD)
    with identity.store.writing.begin() as connection:
        ada = connection.execute(select(second_factors)).one()
        connection.execute(
            insert(second_factors).values(
                ada._asdict() | {"account_id": identity.account_id_of("eve")}
            )
        )

    with pytest.raises(SignInRefused):
        identity.sign_in("eve", PASSWORD, code=pyotp.TOTP(secret_).now())


def test_a_damaged_key_is_said_in_a_sentence(
    opened: Callable[[], Identity], tmp_path: Path
) -> None:
    (tmp_path / "service.key").write_bytes(b"short")

    with pytest.raises(SecretUnreadable, match=r"service\.key is damaged"):
        opened()


# Roles that wait for a second factor


@pytest.fixture
def strict(house: House, tmp_path: Path) -> Iterator[House]:
    """The same house, as an installation has it that is not the samples'."""
    identity = Identity.open(
        f"sqlite:///{tmp_path}/service.db",
        clock=house.clock,
        hasher=PasswordHasher(time_cost=1, memory_cost=64, parallelism=1),
        need_code={"administrator"},
    )
    house.parts = replace(house.parts, identity=identity)
    yield house
    identity.close()


def test_an_administrator_without_a_second_factor_configures_nothing(strict: House) -> None:
    client = strict.start()

    who = sign_in(client, "admin")

    assert client.get("/v1/ingestion", headers=who).status_code == 403
    person = client.get("/v1/session", headers=who).json()
    assert person["roles"] == []
    assert "waits for a second factor" in person["notices"][0]


def test_the_session_in_which_it_is_set_up_has_the_role_at_once(strict: House) -> None:
    client = strict.start()
    who = sign_in(client, "admin")

    set_up_factor(strict, client, who)

    assert client.get("/v1/ingestion", headers=who).status_code == 200
    assert client.get("/v1/session", headers=who).json()["roles"] == ["administrator"]


def test_a_programs_token_gets_no_role_past_the_second_factor(strict: House) -> None:
    client = strict.start()
    who = sign_in(client, "admin")
    body = {"label": "script", "scopes": ["administer"]}
    made = client.post("/v1/tokens", json=body, headers=who).json()
    program = {"Authorization": f"Bearer {made['token']}"}

    before = client.get("/v1/ingestion", headers=program).status_code
    set_up_factor(strict, client, who)

    assert (before, client.get("/v1/ingestion", headers=program).status_code) == (403, 200)


def test_sample_accounts_are_let_off(strict: House) -> None:
    client = strict.start()
    strict.parts.identity.excuse_samples(["Admin"])

    who = sign_in(client, "admin")

    assert client.get("/v1/ingestion", headers=who).status_code == 200


def test_auditors_need_none(strict: House) -> None:
    client = strict.start()

    who = sign_in(client, "auditor")

    assert client.get("/v1/audit/state", headers=who).status_code == 200


# Roles


def test_an_administrator_who_is_no_reader_reads_and_asks_nothing(
    house: House, client: TestClient, secret: Version
) -> None:
    house.parts.identity.set_groups("admin", {"finance"})
    who = sign_in(client, "admin")

    for method, path in (
        ("GET", "/v1/documents"),
        ("GET", f"/v1/versions/{secret.version_id}/original"),
        ("POST", "/v1/ask"),
        ("POST", "/v1/search"),
    ):
        body = {"question": "What closes?"} if method == "POST" else None
        assert client.request(method, path, json=body, headers=who).status_code == 403, path


def test_an_auditor_configures_nothing_and_an_administrator_reads_no_record(
    house: House, client: TestClient
) -> None:
    auditor, admin = sign_in(client, "auditor"), sign_in(client, "admin")

    assert client.get("/v1/ingestion", headers=auditor).status_code == 403
    assert client.get("/v1/audit/entries", headers=admin).status_code == 403


def test_the_owner_of_a_source_looks_after_it_and_no_other(
    house: House, client: TestClient, secret: Version
) -> None:
    catalog = house.parts.catalog
    other = catalog.add_source(name="Other", location=Path("/srv/other"), groups=frozenset())
    deals = next(one for one in catalog.sources() if one.name == "Deals")
    catalog.set_owners(deals.source_id, [person_named("bob")])
    who = sign_in(client, "bob")

    shown = client.get("/v1/ingestion", headers=who).json()["sources"]
    runs = [
        client.post("/v1/ingestion/runs", json={"source_id": one}, headers=who).status_code
        for one in (deals.source_id, other.source_id, "none")
    ]

    assert [source["name"] for source in shown] == ["Deals"]
    assert runs == [200, 404, 404]
    assert "owner" in client.get("/v1/session", headers=who).json()["roles"]


def test_a_contributor_uploads_and_does_not_say_who_reads_it(
    house: House, client: TestClient
) -> None:
    house.parts.identity.set_roles("mallory", {"contributor"})
    who = sign_in(client, "mallory")
    path = "/v1/ingestion/uploads/fees.txt"

    plain = client.put(path, content=b"Fees", headers=who)
    widened = client.put(f"{path}?groups=all", content=b"Fees", headers=who)
    started = client.post("/v1/ingestion/runs", json={"source_id": "x"}, headers=who)

    assert [plain.status_code, widened.status_code, started.status_code] == [200, 403, 403]


def test_whoever_loses_the_role_of_a_reader_is_nobody_to_a_running_answer(
    house: House, client: TestClient
) -> None:
    identity = house.parts.identity
    alice = identity.principal_named("alice")

    identity.set_roles("alice", set())

    assert identity.current(alice) is None
