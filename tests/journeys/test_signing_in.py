# ruff: noqa: F401, F811 - the fixtures of the service's own tests are used here too
"""From an empty house to a second factor, and through an identity provider, as a browser does."""

import html
import re
from collections.abc import Iterator
from dataclasses import replace

import pyotp
import pytest

from rag.oidc import OpenIdProvider
from rag.provided import ProvidedAccounts
from rag.set_up import SetUp
from tests.rag.forge import Forge, settings
from tests.rag.test_service import PASSWORD, House, house, index
from tests.ui.over_service import page_over


def test_the_first_person_makes_an_account_and_a_second_factor(house: House) -> None:
    identity = house.parts.identity
    with identity.store.writing.begin() as connection:
        connection.exec_driver_sql("DELETE FROM accounts")
    house.start()
    code = SetUp(identity, clock=house.clock).offer()
    browser, _ = page_over(house.app)
    with browser:
        assert browser.get("/sign-in").headers["location"] == "/set-up"
        wrong = browser.post("/set-up", data={"code": "x", "name": "ada", "password": PASSWORD})
        first = {"code": code, "name": "ada", "password": PASSWORD}
        made = browser.post("/set-up", data=first)
        begun = browser.post("/second-factor", data={"step": "begin", "password": PASSWORD})
        secret = re.search(r"<code>([A-Z2-7 ]+)</code>", begun.text)
        assert secret is not None
        totp = pyotp.TOTP(secret.group(1).replace(" ", ""))
        now = totp.at(house.clock.now)
        codes = browser.post("/second-factor", data={"step": "confirm", "code": now})
        assert browser.post("/sign-out").headers["location"] == "/sign-in"
        house.clock.advance(seconds=30)
        without = browser.post("/sign-in", data={"name": "ada", "password": PASSWORD})
        given = {"name": "ada", "password": PASSWORD, "code": totp.at(house.clock.now)}
        within = browser.post("/sign-in", data=given)
        later = browser.get("/set-up")

    assert (wrong.status_code, "set-up code is wrong" in wrong.text) == (401, True)
    assert (made.status_code, made.headers["location"]) == (303, "/second-factor")
    assert "data:image/svg+xml" in begun.text
    assert len(re.findall(r"<li><code>", codes.text)) == 10
    assert (without.status_code, "code is wrong" in without.text) == (401, True)
    assert (within.status_code, within.headers["location"]) == (303, "/")
    assert later.headers["location"] == "/sign-in"


def test_a_wrong_code_begins_again_and_sets_nothing_up(house: House) -> None:
    house.start()
    browser, _ = page_over(house.app)
    with browser:
        browser.post("/sign-in", data={"name": "alice", "password": PASSWORD})
        browser.post("/second-factor", data={"step": "begin", "password": PASSWORD})
        reply = browser.post("/second-factor", data={"step": "confirm", "code": "000000"})

    assert (reply.status_code, "Begin again" in reply.text) == (401, True)


@pytest.fixture
def forge(house: House) -> Iterator[Forge]:
    forge = Forge(house.clock)
    provider = OpenIdProvider(settings(), clock=house.clock, transport=forge.transport())
    provided = ProvidedAccounts(provider, house.parts.identity, clock=house.clock)
    house.parts = replace(house.parts, provided=provided)
    house.start()
    yield forge
    provider.close()


def test_a_browser_goes_to_the_provider_and_comes_back_signed_in(
    house: House, forge: Forge
) -> None:
    browser, _ = page_over(house.app, https=True)
    with browser:
        offered = browser.get("/sign-in")
        sent = browser.get("/sign-in/provider")
        asked = forge.went_to(sent.headers["location"])
        back = {"state": asked["state"], "code": "the code"}
        arrived = browser.get("/sign-in/back", params=back)
        inside = browser.get("/library")
        token = forge.logout_token()
        ended = browser.post("/sign-in/back-channel", data={"logout_token": token})

    assert "Sign in with Single sign-on" in html.unescape(offered.text)
    attempt = sent.headers["set-cookie"].lower()
    assert attempt.startswith("__host-muniment_attempt=")
    assert {"secure", "httponly", "samesite=lax"} <= set(attempt.split("; "))
    session = [one for one in arrived.headers.get_list("set-cookie") if "_session=" in one]
    assert session[0].startswith("__Host-muniment_session=")
    assert "secure" in session[0].lower()
    assert "samesite=strict" in session[0].lower()
    assert 'http-equiv="refresh"' in arrived.text
    assert inside.text == "reached"
    assert ended.status_code == 200


def test_an_answer_that_another_browser_asked_for_opens_nothing(house: House, forge: Forge) -> None:
    attackers, _ = page_over(house.app)
    victims, _ = page_over(house.app)
    with attackers, victims:
        asked = forge.went_to(attackers.get("/sign-in/provider").headers["location"])
        victims.get("/sign-in/provider")
        back = {"state": asked["state"], "code": "the code"}
        reply = victims.get("/sign-in/back", params=back)

    assert reply.status_code == 401
    assert "was not accepted" in reply.text
    assert not [one for one in reply.headers.get_list("set-cookie") if "_session=" in one]


def test_a_false_logout_is_refused_in_the_providers_terms(house: House, forge: Forge) -> None:
    browser, _ = page_over(house.app)
    with browser:
        reply = browser.post("/sign-in/back-channel", data={"logout_token": "a.b.c"})

    assert (reply.status_code, reply.headers["cache-control"]) == (400, "no-store")
