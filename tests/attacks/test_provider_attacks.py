# ruff: noqa: F401, F811 - the fixtures of the provider's own tests are used here too
"""An identity provider that lies in every way we know: attacks A24 and A35."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest

from rag.errors import ProviderRefused, ProviderUnavailable
from rag.identity import Identity
from rag.oidc import LOGOUT_EVENT, OpenIdProvider
from rag.provided import ProvidedAccounts
from tests.rag import forge as forging
from tests.rag.forge import CLIENT, ISSUER, Forge, Forged, another_key, settings, signed
from tests.rag.test_provider import BROWSER, clock, come, forge, identity, names, over, provided
from tests.rag.test_service import PASSWORD, Clock

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
def test_a35_a_token_is_refused_that_is(
    provided: ProvidedAccounts, forge: Forge, identity: Identity, lie: str
) -> None:
    forge.changed = LIES[lie]

    with pytest.raises(ProviderRefused):
        come(provided, forge)
    assert names(identity) == {"alice"}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a35_a_token_is_refused_that_comes(
    provided: ProvidedAccounts, forge: Forge, identity: Identity, forgery: str
) -> None:
    forge.forged = FORGERIES[forgery]

    with pytest.raises(ProviderRefused):
        come(provided, forge)
    assert names(identity) == {"alice"}


@pytest.mark.parametrize("minutes", [-7, 2])
def test_a35_a_token_of_another_time_is_refused(
    provided: ProvidedAccounts, forge: Forge, clock: Clock, minutes: int
) -> None:
    then = clock.now + timedelta(minutes=minutes)
    forge.changed = {
        "iat": int(then.timestamp()),
        "exp": int((then + timedelta(minutes=5)).timestamp()),
    }

    with pytest.raises(ProviderRefused, match=r"expired|not valid yet"):
        come(provided, forge)


def test_a35_an_honest_token_lets_in(provided: ProvidedAccounts, forge: Forge) -> None:
    assert come(provided, forge).principal.name == "vera"


# Answers that were stolen or pushed under


def test_a35_an_answer_is_good_once(provided: ProvidedAccounts, forge: Forge) -> None:
    session = come(provided, forge)
    answer = {"state": forge.asked["state"], "code": "the code", "issuer": "", "browser": BROWSER}

    with pytest.raises(ProviderRefused, match="state"):
        provided.finish(**answer, before_opening=lambda _: None)
    assert session.token


def test_a35_an_answer_is_refused_in_another_browser(
    provided: ProvidedAccounts, forge: Forge
) -> None:
    with pytest.raises(ProviderRefused, match="another browser"):
        come(provided, forge, browser="the victim's browser")


def test_a35_an_answer_nobody_waits_for_is_refused(
    provided: ProvidedAccounts, forge: Forge
) -> None:
    with pytest.raises(ProviderRefused, match="state"):
        come(provided, forge, state="guessed")


def test_a35_an_answer_after_ten_minutes_is_refused(
    provided: ProvidedAccounts, forge: Forge, clock: Clock
) -> None:
    asked = forge.went_to(provided.begin(BROWSER))
    clock.advance(minutes=10)
    answer = {"state": asked["state"], "code": "the code", "issuer": "", "browser": BROWSER}

    with pytest.raises(ProviderRefused, match="state"):
        provided.finish(**answer, before_opening=lambda _: None)


def test_a35_an_answer_of_another_issuer_is_refused(
    provided: ProvidedAccounts, forge: Forge
) -> None:
    """Mix-up: the code would go to whoever the answer came from."""
    with pytest.raises(ProviderRefused, match="another issuer"):
        come(provided, forge, issuer="https://evil.example.org")
    assert "/token" not in forge.requests


def test_a35_an_answer_without_its_issuer_is_refused_where_one_is_promised(
    provided: ProvidedAccounts, forge: Forge
) -> None:
    forge.said["authorization_response_iss_parameter_supported"] = True

    with pytest.raises(ProviderRefused, match="none where it should"):
        come(provided, forge)
    assert come(provided, forge, issuer=ISSUER)


def test_a35_a_stolen_code_opens_nothing_without_the_verifier(
    provided: ProvidedAccounts, forge: Forge
) -> None:
    stolen_for = forge.went_to(provided.begin("somebody else's browser secret"))["code_challenge"]
    mine = forge.went_to(provided.begin(BROWSER))
    forge.asked["code_challenge"] = stolen_for
    answer = {"state": mine["state"], "code": "the code", "issuer": "", "browser": BROWSER}

    with pytest.raises(ProviderRefused, match="does not accept the code"):
        provided.finish(**answer, before_opening=lambda _: None)


def test_a35_nothing_opens_when_what_must_come_before_fails(
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
def test_a35_a_poisoned_description_is_refused_and_not_remembered(
    provided: ProvidedAccounts, forge: Forge, name: str, value: str | None
) -> None:
    honest = dict(forge.said)
    forge.said[name] = value

    with pytest.raises(ProviderRefused):
        come(provided, forge)
    forge.said = honest

    assert come(provided, forge)


def test_a35_redirects_are_not_followed(provided: ProvidedAccounts, forge: Forge) -> None:
    forge.redirected = True

    with pytest.raises(ProviderUnavailable):
        come(provided, forge)
    assert forge.requests == ["/house/.well-known/openid-configuration"]


def test_a35_a_new_key_is_found_and_forgers_cannot_make_us_ask_for_keys_without_end(
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


def test_a35_pinned_keys_are_never_fetched(
    forge: Forge, identity: Identity, tmp_path: Path
) -> None:
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
def test_a35_settings_that_would_let_anybody_in_are_refused(
    clock: Clock, changed: dict[str, Any]
) -> None:
    with pytest.raises(ProviderRefused):
        OpenIdProvider(settings(**changed), clock=clock)


# Who it is


def test_a24_an_address_or_a_name_never_leads_to_an_account(
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
    assert set(forge.requests) == {
        "/house/.well-known/openid-configuration",
        "/token",
        "/keys",
    }  # nobody fetches a picture


@pytest.mark.parametrize(
    "name",
    ["<img src=x onerror=alert(1)>", "vera\u202egro.live", "vera\nadmin", "a" * 300, "", {"a": 1}],
)
def test_a24_a_name_that_does_something_is_nobodys(
    provided: ProvidedAccounts, forge: Forge, identity: Identity, name: object
) -> None:
    forge.changed = {"preferred_username": name}

    with pytest.raises(ProviderRefused):
        come(provided, forge)
    assert names(identity) == {"alice"}


def test_a24_another_subject_of_the_same_name_is_somebody_else(
    provided: ProvidedAccounts, forge: Forge
) -> None:
    first = come(provided, forge).principal.name
    forge.changed = {"sub": "another"}

    assert come(provided, forge).principal.name not in {first, "alice"}


def test_a24_a_changed_name_is_the_same_person(provided: ProvidedAccounts, forge: Forge) -> None:
    first = come(provided, forge).principal.name
    forge.changed = {"preferred_username": "vera.married"}

    assert come(provided, forge).principal.name == first


def test_a24_a_directorys_account_is_taken_over_only_where_the_settings_say_so(
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


def test_a24_an_account_with_a_password_is_never_taken_over(
    forge: Forge, identity: Identity
) -> None:
    trusting = over(forge, identity, adopt=True)
    forge.changed = {"preferred_username": "alice"}

    assert come(trusting, forge).principal.name != "alice"
    trusting.provider.close()


def test_a24_an_operator_joins_an_account_and_its_password_ends(
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
def test_a24_groups_are_taken_within_limits(
    forge: Forge, identity: Identity, listed: object, taken: set[str]
) -> None:
    provided = over(forge, identity, groups_claim="groups", groups=("staff", "b*"))
    forge.changed = {"groups": listed}

    assert come(provided, forge).principal.groups == taken
    provided.provider.close()


def test_a24_a_list_of_groups_that_was_cut_is_none(forge: Forge, identity: Identity) -> None:
    provided = over(forge, identity, groups_claim="groups")
    forge.changed = {"groups": ["staff"], "_claim_names": {"groups": "src1"}}

    assert come(provided, forge).principal.groups == frozenset()
    provided.provider.close()


def test_a24_groups_are_those_of_the_latest_sign_in_and_given_ones_stay(
    forge: Forge, identity: Identity
) -> None:
    provided = over(forge, identity, groups_claim="groups")
    forge.changed = {"groups": ["staff", "board"]}
    come(provided, forge)
    identity.set_groups("vera", {"larkspur"})
    forge.changed = {"groups": ["staff"]}

    assert come(provided, forge).principal.groups == {"staff", "larkspur"}
    provided.provider.close()
