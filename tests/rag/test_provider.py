# ruff: noqa: F401, F811 - the fixtures of the service's own tests are used here too
"""Signing in and out through an identity provider: a real one, and one made for the purpose.

What a provider that lies gets is in ``tests/attacks/test_provider_attacks.py``.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from argon2 import PasswordHasher
from fastapi.testclient import TestClient
from sqlalchemy import select

from muniment.stores import utc_now
from rag.errors import NotSignedIn, ProviderRefused, ProviderUnavailable
from rag.identity import Identity
from rag.oidc import LOGOUT_EVENT, OpenIdProvider, ProviderSettings
from rag.provided import ProvidedAccounts
from rag.store import sessions
from tests.rag import forge as forging
from tests.rag.forge import CLIENT, ISSUER, ORIGIN, Forge, Forged, another_key, settings, signed
from tests.rag.test_service import PASSWORD, Clock, House, client, house, index, sign_in
from tests.ui.conftest import wait_for

BROWSER = "a secret of this browser"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def forge(clock: Clock) -> Forge:
    return Forge(clock)


@pytest.fixture
def identity(tmp_path: Path, clock: Clock) -> Iterator[Identity]:
    hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    identity = Identity.open(f"sqlite:///{tmp_path}/service.db", clock=clock, hasher=hasher)
    identity.add_account("alice", PASSWORD, groups={"finance"}, roles={"administrator"})
    yield identity
    identity.close()


def over(
    forge: Forge, identity: Identity, *, adopt: bool = False, **changed: Any
) -> ProvidedAccounts:
    provider = OpenIdProvider(settings(**changed), clock=forge.clock, transport=forge.transport())
    return ProvidedAccounts(provider, identity, clock=forge.clock, adopt=adopt)


@pytest.fixture
def provided(forge: Forge, identity: Identity) -> Iterator[ProvidedAccounts]:
    made = over(forge, identity)
    yield made
    made.provider.close()


def come(provided: ProvidedAccounts, forge: Forge, **changed: str) -> Any:
    """Go to the provider and come back; return the session."""
    asked = forge.went_to(provided.begin(BROWSER))
    answer = {"state": asked["state"], "code": "the code", "issuer": "", "browser": BROWSER}
    return provided.finish(**answer | changed, before_opening=lambda _: None)


def names(identity: Identity) -> set[str]:
    return {account.name for account in identity.accounts()}


# A real provider


@pytest.fixture(scope="module")
def real() -> Iterator[str]:
    """The address of a provider in a process of its own; vera and ada are known to it."""
    people = [
        {"sub": "1001", "preferred_username": "vera", "groups": ["staff", "board", "wheel"]},
        {"sub": "1002", "preferred_username": "alice"},
    ]
    code = "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])"
    port = subprocess.check_output([sys.executable, "-c", code], text=True).strip()
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", port]
    for person in people:
        command += ["--user-claims", json.dumps(person)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        address = f"http://127.0.0.1:{port}"
        wait_for(f"{address}/jwks", process)
        yield address
        process.terminate()


@pytest.fixture
def through_real(house: House, real: str) -> Iterator[TestClient]:
    """The service, whose people come through the real provider."""
    provider = OpenIdProvider(
        ProviderSettings(
            issuer=real,
            client_id=CLIENT,
            client_secret="secret",
            redirect_uri="http://localhost/sign-in/back",
            groups_claim="groups",
            groups=("staff", "bo*"),
        ),
        clock=utc_now,
    )
    provided = ProvidedAccounts(provider, house.parts.identity, clock=house.clock)
    house.parts = replace(house.parts, provided=provided)
    yield house.start()
    provider.close()


def come_as(client: TestClient, subject: str) -> Any:
    """Sign in at the real provider, as a browser does; return the service's reply."""
    begun = client.post("/v1/provider/begin", json={"browser": BROWSER}).json()
    back = httpx.post(begun["address"], data={"sub": subject}, trust_env=False)
    query = httpx.URL(back.headers["location"]).params
    answer = {"state": query["state"], "code": query["code"], "browser": BROWSER}
    return client.post("/v1/provider/finish", json=answer)


def test_a_person_comes_through_a_real_provider(house: House, through_real: TestClient) -> None:
    reply = come_as(through_real, "1001")

    assert reply.status_code == 200, reply.text
    person = reply.json()["person"]
    assert (person["name"], person["roles"]) == ("vera", ["reader"])
    assert person["groups"] == ["board", "staff"]
    who = {"Authorization": f"Bearer {reply.json()['token']}"}
    assert through_real.get("/v1/session", headers=who).json() == person
    assert house.types_on_record() == ["admin.user.change", "auth.login"]


def test_a_name_that_is_taken_leads_to_nobody_elses_account(
    house: House, through_real: TestClient
) -> None:
    person = come_as(through_real, "1002").json()["person"]

    assert re.fullmatch(r"alice-[0-9a-f]{8}", person["name"])
    assert person["groups"] == []


def test_who_has_come_before_is_known_again(house: House, through_real: TestClient) -> None:
    first, second = (come_as(through_real, "1001").json()["person"] for _ in range(2))

    assert first == second
    assert house.types_on_record() == ["admin.user.change", "auth.login", "auth.login"]


def test_an_account_locked_here_stays_locked(house: House, through_real: TestClient) -> None:
    token = come_as(through_real, "1001").json()["token"]
    house.parts.identity.disable_account("vera", by="an operator")

    again = come_as(through_real, "1001")
    running = through_real.get("/v1/session", headers={"Authorization": f"Bearer {token}"})

    assert (again.status_code, running.status_code) == (401, 401)


def test_the_sign_in_page_is_told_of_the_provider(through_real: TestClient) -> None:
    assert through_real.get("/v1/sign-in").json()["provider"] == "Single sign-on"


def test_without_a_provider_its_paths_are_not_there(client: TestClient) -> None:
    reply = client.post("/v1/provider/begin", json={"browser": BROWSER})

    assert reply.status_code == 404


# Logging out at the provider


@pytest.fixture
def through_forge(house: House) -> Iterator[tuple[TestClient, Forge]]:
    forge = Forge(house.clock)
    provided = over(forge, house.parts.identity)
    house.parts = replace(house.parts, provided=provided)
    yield house.start(), forge
    provided.provider.close()


def arrive(client: TestClient, forge: Forge) -> dict[str, str]:
    begun = client.post("/v1/provider/begin", json={"browser": BROWSER}).json()
    asked = forge.went_to(begun["address"])
    answer = {"state": asked["state"], "code": "the code", "browser": BROWSER}
    reply = client.post("/v1/provider/finish", json=answer)
    return {"Authorization": f"Bearer {reply.json()['token']}"}


def test_a_logout_at_the_provider_ends_the_session_here(
    house: House, through_forge: tuple[TestClient, Forge]
) -> None:
    client, forge = through_forge
    vera, alice = arrive(client, forge), sign_in(client, "alice")
    forge.changed = {"sid": "another session"}
    elsewhere = arrive(client, forge)

    reply = client.post("/v1/provider/logout", json={"logout_token": forge.logout_token()})

    assert reply.status_code == 204
    who = [client.get("/v1/session", headers=one).status_code for one in (vera, elsewhere, alice)]
    assert who == [401, 200, 200]
    assert "session.revoke" in house.types_on_record()


def test_a_logout_that_names_only_the_person_ends_all_their_sessions(
    through_forge: tuple[TestClient, Forge],
) -> None:
    client, forge = through_forge
    sessions = [arrive(client, forge) for _ in range(2)]
    token = forge.logout_token(sid="", sub="248289761001")

    assert client.post("/v1/provider/logout", json={"logout_token": token}).status_code == 204
    assert [client.get("/v1/session", headers=one).status_code for one in sessions] == [401, 401]


FALSE_LOGOUTS: dict[str, Forged] = {
    "unsigned": forging.unsigned,
    "by another key": lambda forge, claims: signed(forge, claims, key=another_key()),
    "an ID token": lambda forge, _claims: signed(forge, forge.claims(nonce="n")),
    "with a nonce": lambda forge, _claims: forge.logout_token(nonce="n"),
    "for another client": lambda forge, _claims: forge.logout_token(aud="another"),
    "of another issuer": lambda forge, _claims: forge.logout_token(iss="https://evil.example.org"),
    "of nobody": lambda forge, _claims: forge.logout_token(sid=""),
    "without an id": lambda forge, _claims: forge.logout_token(jti=""),
    "of another type": lambda forge, claims: signed(forge, claims, typ="at+jwt"),
    "too old": lambda forge, _claims: forge.logout_token(
        iat=int(forge.clock().timestamp()) - 400, exp=""
    ),
    "of another event": lambda forge, _claims: forge.logout_token(events={"something": {}}),
}


@pytest.mark.parametrize("what", FALSE_LOGOUTS)
def test_a_false_logout_ends_nothing(
    house: House, through_forge: tuple[TestClient, Forge], what: str
) -> None:
    client, forge = through_forge
    who = arrive(client, forge)
    honest = jwt.decode(forge.logout_token(), options={"verify_signature": False})

    token = FALSE_LOGOUTS[what](forge, honest)
    reply = client.post("/v1/provider/logout", json={"logout_token": token})

    assert reply.status_code == 401
    assert client.get("/v1/session", headers=who).status_code == 200
    assert house.types_on_record()[-1] == "auth.fail"


def test_a_logout_is_heeded_once(through_forge: tuple[TestClient, Forge]) -> None:
    client, forge = through_forge
    token = {"logout_token": forge.logout_token()}
    first = client.post("/v1/provider/logout", json=token).status_code
    who = arrive(client, forge)

    again = client.post("/v1/provider/logout", json=token).status_code

    assert (first, again) == (204, 401)
    assert client.get("/v1/session", headers=who).status_code == 200


# Sign-outs here that go on there


def test_signing_out_leads_to_the_real_provider_and_back(
    house: House, through_real: TestClient, real: str
) -> None:
    session = come_as(through_real, "1001").json()
    who = {"Authorization": f"Bearer {session['token']}"}

    reply = through_real.delete("/v1/session", headers=who)

    assert reply.status_code == 200
    assert through_real.get("/v1/session", headers=who).status_code == 401
    address = httpx.URL(reply.json()["address"])
    assert f"{address.scheme}://{address.netloc.decode()}" == real
    assert address.params["post_logout_redirect_uri"] == "http://localhost/sign-in"
    hint = jwt.decode(address.params["id_token_hint"], options={"verify_signature": False})
    assert hint["sub"] == "1001"
    assert httpx.get(address, trust_env=False).status_code == 200
    assert "auth.logout" in house.types_on_record()


def leaving(client: TestClient, who: dict[str, str]) -> tuple[int, str]:
    reply = client.delete("/v1/session", headers=who)
    return reply.status_code, reply.json()["address"] if reply.content else ""


@pytest.mark.parametrize(
    "endpoint", [None, "https://evil.example.org/out", 17], ids=["none", "elsewhere", "no address"]
)
def test_a_sign_out_ends_here_alone_where_the_provider_has_no_place_for_it(
    through_forge: tuple[TestClient, Forge], endpoint: object
) -> None:
    client, forge = through_forge
    forge.said |= {"end_session_endpoint": endpoint} if endpoint else {}
    who = arrive(client, forge)

    assert leaving(client, who) == (204, "")
    assert client.get("/v1/session", headers=who).status_code == 401


def test_a_sign_out_does_not_wait_for_a_provider_that_is_away(
    house: House, through_forge: tuple[TestClient, Forge]
) -> None:
    client, forge = through_forge
    forge.said["end_session_endpoint"] = f"{ORIGIN}/out"
    who = arrive(client, forge)
    house.clock.advance(minutes=20)
    client.get("/v1/session", headers=who)
    house.clock.advance(minutes=20)
    client.get("/v1/session", headers=who)
    house.clock.advance(minutes=21)
    forge.redirected = True

    assert leaving(client, who) == (204, "")


def test_who_signed_in_with_a_password_is_sent_nowhere(
    through_forge: tuple[TestClient, Forge],
) -> None:
    client, forge = through_forge
    forge.said["end_session_endpoint"] = f"{ORIGIN}/out"

    assert leaving(client, sign_in(client, "alice")) == (204, "")


def test_the_id_token_is_kept_sealed_and_no_longer_than_its_session(
    house: House, through_forge: tuple[TestClient, Forge]
) -> None:
    client, forge = through_forge
    who = arrive(client, forge)
    kept = select(sessions.c.id_token)
    with house.parts.identity.store.reading.begin() as connection:
        (sealed,) = connection.scalars(kept)
    leaving(client, who)
    with house.parts.identity.store.reading.begin() as connection:
        left = list(connection.scalars(kept))

    assert sealed.startswith("v1:")
    assert "eyJ" not in sealed
    assert left == []


def test_why_an_answer_was_refused_is_on_record_and_not_told(
    house: House, through_forge: tuple[TestClient, Forge]
) -> None:
    client, forge = through_forge
    replies = []
    for lie in ({"iss": "https://evil.example.org"}, {"aud": "another"}):
        forge.changed = lie
        asked = forge.went_to(
            client.post("/v1/provider/begin", json={"browser": BROWSER}).json()["address"]
        )
        answer = {"state": asked["state"], "code": "the code", "browser": BROWSER}
        replies.append(client.post("/v1/provider/finish", json=answer))

    assert replies[0].status_code == 401
    assert replies[0].content == replies[1].content
    payloads = [entry.payload for entry in house.parts.record.entries(type="auth.fail")]
    assert [payload and payload["reason"] for payload in payloads] == [
        "the token is not good (InvalidIssuerError)",
        "the token is not good (InvalidAudienceError)",
    ]


def test_a_provider_that_is_away_is_a_sentence(house: House, clock: Clock) -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no route", request=request)

    provider = OpenIdProvider(settings(), clock=clock, transport=httpx.MockTransport(away))
    provided = ProvidedAccounts(provider, house.parts.identity, clock=clock)
    house.parts = replace(house.parts, provided=provided)

    reply = house.start().post("/v1/provider/begin", json={"browser": BROWSER})

    assert reply.status_code == 503
    assert "does not answer" in reply.json()["detail"]
    provider.close()
