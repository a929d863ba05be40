# ruff: noqa: F401, F811 - the fixtures of the service's own tests are used here too
"""Signing in through an identity provider: a real one, and one that lies in every way we know.

Attacks A24 and A35 of the table that this house holds itself to, and A33 for logouts.
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


# Tokens that lie

LIES: dict[str, dict[str, Any]] = {
    "of another issuer": {"iss": "https://evil.example.org"},
    "of the issuer with a slash more": {"iss": f"{ISSUER}/"},
    "of no issuer": {"iss": ""},
    "for another client": {"aud": "another"},
    "for several, issued to another": {"aud": [CLIENT, "another"], "azp": "another"},
    "for several, issued to nobody": {"aud": [CLIENT, "another"]},
    "issued to another": {"azp": "another"},
    "without an end": {"exp": ""},
    "with an end that is no moment": {"exp": float("nan")},
    "of another sign-in": {"nonce": "another"},
    "of no sign-in": {"nonce": ""},
    "of nobody": {"sub": ""},
    "of a number": {"sub": 7},
    "of a line break": {"sub": "a\nb"},
    "a logout": {"events": {LOGOUT_EVENT: {}}},
    "without a name": {"preferred_username": ""},
    "with a hostile name": {"preferred_username": "<script>alert(1)</script>"},
}

FORGERIES: dict[str, Forged] = {
    "unsigned": forging.unsigned,
    "signed with the public key as a secret": forging.signed_with_the_public_key_as_a_secret,
    "by a key of its own in the header": forging.with_its_own_key_in_the_header,
    "in JSON without a signature": forging.in_json_without_a_signature,
    "altered after signing": forging.altered_after_signing,
    "by another key": lambda forge, claims: signed(forge, claims, key=another_key()),
    "by a key nobody knows": lambda forge, claims: signed(forge, claims, kid="two"),
    "with something critical": lambda forge, claims: signed(forge, claims, crit=["exp"], exp=1),
    "in a way not on the list": lambda _, claims: jwt.encode(claims, "s" * 64, "HS512"),
    "far too long": lambda forge, claims: signed(forge, claims, x="y" * 40_000),
    "no token at all": lambda _forge, _claims: "a.b",
    "with a header that is no object": lambda _forge, _claims: f"{forging.part([])}.e30.e30",
}


@pytest.mark.parametrize("lie", LIES)
def test_a_token_is_refused_that_is(
    provided: ProvidedAccounts, forge: Forge, identity: Identity, lie: str
) -> None:
    forge.changed = LIES[lie]

    with pytest.raises(ProviderRefused):
        come(provided, forge)
    assert names(identity) == {"alice"}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_token_is_refused_that_comes(
    provided: ProvidedAccounts, forge: Forge, identity: Identity, forgery: str
) -> None:
    forge.forged = FORGERIES[forgery]

    with pytest.raises(ProviderRefused):
        come(provided, forge)
    assert names(identity) == {"alice"}


@pytest.mark.parametrize("minutes", [-7, 2])
def test_a_token_of_another_time_is_refused(
    provided: ProvidedAccounts, forge: Forge, clock: Clock, minutes: int
) -> None:
    then = clock.now + timedelta(minutes=minutes)
    forge.changed = {
        "iat": int(then.timestamp()),
        "exp": int((then + timedelta(minutes=5)).timestamp()),
    }

    with pytest.raises(ProviderRefused, match=r"expired|not valid yet"):
        come(provided, forge)


def test_an_honest_token_lets_in(provided: ProvidedAccounts, forge: Forge) -> None:
    assert come(provided, forge).principal.name == "vera"


# Answers that were stolen or pushed under


def test_an_answer_is_good_once(provided: ProvidedAccounts, forge: Forge) -> None:
    session = come(provided, forge)
    answer = {"state": forge.asked["state"], "code": "the code", "issuer": "", "browser": BROWSER}

    with pytest.raises(ProviderRefused, match="state"):
        provided.finish(**answer, before_opening=lambda _: None)
    assert session.token


def test_an_answer_is_refused_in_another_browser(provided: ProvidedAccounts, forge: Forge) -> None:
    with pytest.raises(ProviderRefused, match="another browser"):
        come(provided, forge, browser="the victim's browser")


def test_an_answer_nobody_waits_for_is_refused(provided: ProvidedAccounts, forge: Forge) -> None:
    with pytest.raises(ProviderRefused, match="state"):
        come(provided, forge, state="guessed")


def test_an_answer_after_ten_minutes_is_refused(
    provided: ProvidedAccounts, forge: Forge, clock: Clock
) -> None:
    asked = forge.went_to(provided.begin(BROWSER))
    clock.advance(minutes=10)
    answer = {"state": asked["state"], "code": "the code", "issuer": "", "browser": BROWSER}

    with pytest.raises(ProviderRefused, match="state"):
        provided.finish(**answer, before_opening=lambda _: None)


def test_an_answer_of_another_issuer_is_refused(provided: ProvidedAccounts, forge: Forge) -> None:
    """Mix-up: the code would go to whoever the answer came from."""
    with pytest.raises(ProviderRefused, match="another issuer"):
        come(provided, forge, issuer="https://evil.example.org")
    assert "/token" not in forge.requests


def test_an_answer_without_its_issuer_is_refused_where_one_is_promised(
    provided: ProvidedAccounts, forge: Forge
) -> None:
    forge.said["authorization_response_iss_parameter_supported"] = True

    with pytest.raises(ProviderRefused, match="none where it should"):
        come(provided, forge)
    assert come(provided, forge, issuer=ISSUER)


def test_a_stolen_code_opens_nothing_without_the_verifier(
    provided: ProvidedAccounts, forge: Forge
) -> None:
    stolen_for = forge.went_to(provided.begin("somebody else's browser secret"))["code_challenge"]
    mine = forge.went_to(provided.begin(BROWSER))
    forge.asked["code_challenge"] = stolen_for
    answer = {"state": mine["state"], "code": "the code", "issuer": "", "browser": BROWSER}

    with pytest.raises(ProviderRefused, match="does not accept the code"):
        provided.finish(**answer, before_opening=lambda _: None)


def test_nothing_opens_when_what_must_come_before_fails(
    provided: ProvidedAccounts, forge: Forge, identity: Identity
) -> None:
    def refuse(_arrival: object) -> None:
        raise RuntimeError

    asked = forge.went_to(provided.begin(BROWSER))
    answer = {"state": asked["state"], "code": "the code", "issuer": "", "browser": BROWSER}
    with pytest.raises(RuntimeError):
        provided.finish(**answer, before_opening=refuse)
    assert names(identity) == {"alice"}


# What the provider says of itself


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("issuer", "https://evil.example.org"),
        ("issuer", f"{ISSUER}/"),
        ("jwks_uri", "https://evil.example.org/keys"),
        ("jwks_uri", "http://login.example.org/keys"),
        ("token_endpoint", "https://login.example.org.evil.example.org/token"),
        ("authorization_endpoint", None),
    ],
)
def test_a_poisoned_description_is_refused_and_not_remembered(
    provided: ProvidedAccounts, forge: Forge, name: str, value: str | None
) -> None:
    honest = dict(forge.said)
    forge.said[name] = value

    with pytest.raises(ProviderRefused):
        come(provided, forge)
    forge.said = honest

    assert come(provided, forge)


def test_redirects_are_not_followed(provided: ProvidedAccounts, forge: Forge) -> None:
    forge.redirected = True

    with pytest.raises(ProviderUnavailable):
        come(provided, forge)
    assert forge.requests == ["/house/.well-known/openid-configuration"]


def test_a_new_key_is_found_and_forgers_cannot_make_us_ask_for_keys_without_end(
    provided: ProvidedAccounts, forge: Forge, clock: Clock
) -> None:
    come(provided, forge)
    forge.forged = FORGERIES["by a key nobody knows"]
    for _ in range(5):
        with pytest.raises(ProviderRefused):
            come(provided, forge)
    asked_for_keys = forge.requests.count("/keys")

    forge.forged, forge.key, forge.kid = None, another_key(), "two"
    clock.advance(seconds=61)

    assert asked_for_keys == 1
    assert come(provided, forge)


def test_pinned_keys_are_never_fetched(forge: Forge, identity: Identity, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps(forge.keys()), encoding="utf-8")
    provided = over(forge, identity, keys_file=file)

    assert come(provided, forge)
    forge.key = another_key()  # whoever took the provider's server over signs with their own
    with pytest.raises(ProviderRefused):
        come(provided, forge)

    assert "/keys" not in forge.requests
    provided.provider.close()


@pytest.mark.parametrize(
    "changed",
    [
        {"algorithms": ("RS256", "HS256")},
        {"algorithms": ("none",)},
        {"issuer": "http://login.example.org"},
        {"issuer": "https://login.example.org?tenant=1"},
        {"issuer": "login.example.org"},
    ],
)
def test_settings_that_would_let_anybody_in_are_refused(
    clock: Clock, changed: dict[str, Any]
) -> None:
    with pytest.raises(ProviderRefused):
        OpenIdProvider(settings(**changed), clock=clock)


# Who it is


def test_an_address_or_a_name_never_leads_to_an_account(
    provided: ProvidedAccounts, forge: Forge, identity: Identity
) -> None:
    forge.changed = {
        "preferred_username": "Alice",
        "email": "alice@example.org",
        "email_verified": True,
        "picture": "https://evil.example.org/x.svg",
        "roles": ["administrator"],
    }

    who = come(provided, forge).principal

    assert who.name.startswith("Alice-")
    assert (who.groups, who.roles) == (frozenset(), {"reader"})


def test_another_subject_of_the_same_name_is_somebody_else(
    provided: ProvidedAccounts, forge: Forge
) -> None:
    first = come(provided, forge).principal.name
    forge.changed = {"sub": "another"}

    assert come(provided, forge).principal.name not in {first, "alice"}


def test_a_changed_name_is_the_same_person(provided: ProvidedAccounts, forge: Forge) -> None:
    first = come(provided, forge).principal.name
    forge.changed = {"preferred_username": "vera.married"}

    assert come(provided, forge).principal.name == first


def test_a_directorys_account_is_taken_over_only_where_the_settings_say_so(
    forge: Forge, identity: Identity
) -> None:
    identity.add_directory_account("vera")
    careful, trusting = over(forge, identity), over(forge, identity, adopt=True)

    forge.changed = {"sub": "one"}
    apart = come(careful, forge).principal.name
    forge.changed = {"sub": "two"}
    adopted = come(trusting, forge).principal.name
    forge.changed = {"sub": "three"}
    late = come(trusting, forge).principal.name

    assert (apart[:5], adopted, late[:5]) == ("vera-", "vera", "vera-")
    for each in (careful, trusting):
        each.provider.close()


def test_an_account_with_a_password_is_never_taken_over(forge: Forge, identity: Identity) -> None:
    trusting = over(forge, identity, adopt=True)
    forge.changed = {"preferred_username": "alice"}

    assert come(trusting, forge).principal.name != "alice"
    trusting.provider.close()


def test_an_operator_joins_an_account_and_its_password_ends(
    provided: ProvidedAccounts, forge: Forge, identity: Identity
) -> None:
    provided.link("alice", "248289761001")

    assert come(provided, forge).principal.name == "alice"
    with pytest.raises(Exception, match="wrong"):
        identity.sign_in("alice", PASSWORD)


# Groups


@pytest.mark.parametrize(
    ("listed", "taken"),
    [
        (["staff", "board"], {"staff", "board"}),
        (["staff", "wheel"], {"staff"}),
        ([f"b{number}" for number in range(151)], set()),
        (["staff", 7], set()),
        ("staff", set()),
        (["staff", "b\n"], set()),
    ],
)
def test_groups_are_taken_within_limits(
    forge: Forge, identity: Identity, listed: object, taken: set[str]
) -> None:
    provided = over(forge, identity, groups_claim="groups", groups=("staff", "b*"))
    forge.changed = {"groups": listed}

    assert come(provided, forge).principal.groups == taken
    provided.provider.close()


def test_a_list_of_groups_that_was_cut_is_none(forge: Forge, identity: Identity) -> None:
    provided = over(forge, identity, groups_claim="groups")
    forge.changed = {"groups": ["staff"], "_claim_names": {"groups": "src1"}}

    assert come(provided, forge).principal.groups == frozenset()
    provided.provider.close()


def test_groups_are_those_of_the_latest_sign_in_and_given_ones_stay(
    forge: Forge, identity: Identity
) -> None:
    provided = over(forge, identity, groups_claim="groups")
    forge.changed = {"groups": ["staff", "board"]}
    come(provided, forge)
    identity.set_groups("vera", {"larkspur"})
    forge.changed = {"groups": ["staff"]}

    assert come(provided, forge).principal.groups == {"staff", "larkspur"}
    provided.provider.close()


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


def test_why_an_answer_was_refused_is_on_record_and_not_told(
    house: House, through_forge: tuple[TestClient, Forge]
) -> None:
    client, forge = through_forge
    replies = []
    for lie in ("of another issuer", "for another client"):
        forge.changed = LIES[lie]
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
