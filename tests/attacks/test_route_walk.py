# ruff: noqa: F401, F811 - the fixtures of the service's own tests are used here too
"""Every route and every page, as the wrong person, as nobody, and with tokens that are no good.

Attacks A01, A33, A36 (refusals alike), A37 and A46 of the table that this house holds itself to.
The routes are those that the applications have, so that a new one is walked from its first day.
What a route needs is read from its description: one whose path has a part that nobody has given
an example of fails here until somebody does.
"""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from starlette.routing import BaseRoute, Mount
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from corpus.access import person_named
from corpus.documents import Version
from rag.contract import Person, Role
from rag.identity import Identity
from rag.roles import GIVEN, Rule
from rag.service import require_rules
from rag.service_parts import OPEN, rule_of
from rag.tokens import SCOPES, ApiTokens
from tests.rag.test_service import (
    CANARY,
    PASSWORD,
    House,
    ask,
    finished,
    house,
    index,
    secret,
    sign_in,
)
from tests.ui.over_service import page_over
from ui.guard import OPEN_PREFIXES, PublicRoute, SignedInRoute
from ui.menu import MENU, entries_for

NO_ID = "00000000-0000-4000-8000-000000000000"
SEES_EVERYTHING = frozenset({Role.ADMINISTRATOR, Role.AUDITOR})
"""Roles to which nothing of their own kind is foreign."""

ANY_OF_A_KIND = {"number": "0", "name": "fees.txt", "person": "bob", "sequence": "0"}
"""Parts of paths that name no thing which belongs to somebody."""


@dataclass(frozen=True)
class Office:
    """A service in which alice has one of everything, and another installation beside it."""

    house: House
    client: TestClient
    version: Version
    alices: dict[str, str]
    bad: dict[str, str]

    @property
    def app(self) -> FastAPI:
        return self.house.app

    def denied(self) -> int:
        return self.house.parts.record.count(type="access.denied")


@pytest.fixture
def office(house: House, secret: Version, tmp_path: Path) -> Iterator[Office]:
    client = house.start()
    alice = sign_in(client, "alice")
    turn = ask(client, alice)
    finished(client, alice, turn["turn_id"])
    source_id = house.parts.catalog.sources()[0].source_id
    token = ApiTokens(house.parts.identity.store, house.parts.identity, clock=house.clock)
    made = token.make("alice", "hers", ["ask"], timedelta(days=1))
    alices = {
        "turn_id": turn["turn_id"],
        "conversation_id": turn["conversation_id"],
        "document_id": secret.document_id,
        "version_id": secret.version_id,
        "source_id": source_id,
        "run_id": house.parts.catalog.queue_run(source_id),
        "token_id": made.known_as.token_id,
        "user_id": house.parts.identity.account_id_of("alice"),
        "group_id": "finance",
    }
    yield Office(house, client, secret, alices, bad_tokens(house, client, tmp_path / "elsewhere"))
    client.close()


def bad_tokens(house: House, client: TestClient, elsewhere: Path) -> dict[str, str]:
    """Return tokens that were good once, elsewhere, or never."""
    identity = house.parts.identity
    tokens = ApiTokens(identity.store, identity, clock=house.clock)
    bad = {"an expired session": bearer_of(client, "bob")}
    expired = tokens.make("bob", "expired", ["ask"], timedelta(hours=1))
    bad["an expired token of a program"] = expired.token
    house.clock.advance(hours=2)
    for name in ("removed", "locked"):
        identity.add_account(name, PASSWORD)
        bad[f"a session of somebody {name}"] = bearer_of(client, name)
        bad[f"a token of somebody {name}"] = tokens.make(
            name, "x", list(SCOPES), timedelta(days=1)
        ).token
    identity.remove_account("removed")
    identity.disable_account("locked", by="an operator")
    ended = bearer_of(client, "bob")
    identity.sign_out(ended)
    revoked = tokens.make("bob", "revoked", ["ask"], timedelta(days=1))
    tokens.revoke("bob", revoked.known_as.token_id)
    bad |= {"a session that was ended": ended, "a revoked token": revoked.token}
    return bad | foreign_tokens(elsewhere) | forged_tokens()


def foreign_tokens(folder: Path) -> dict[str, str]:
    """Return alice's tokens of another installation, good there."""
    folder.mkdir()
    hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    other = Identity.open(f"sqlite:///{folder}/service.db", hasher=hasher)
    other.add_account("alice", PASSWORD, groups={"finance"}, roles=GIVEN)
    made = ApiTokens(other.store, other).make("alice", "x", list(SCOPES), timedelta(days=1))
    session = other.sign_in("alice", PASSWORD).token
    other.close()
    return {
        "a session of another installation": session,
        "a token of another installation": made.token,
    }


def forged_tokens() -> dict[str, str]:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    claims = {"sub": "alice", "name": "alice", "roles": sorted(GIVEN), "exp": 9_999_999_999}
    return {
        "a guessed session": "A" * 43,
        "a guessed token": f"muniment_{'A' * 43}",
        "an unsigned web token": f"{part({'alg': 'none'})}.{part(claims)}.",
        "a name": "alice",
        "a line of SQL": "' OR '1'='1",
        "nothing but the prefix": "muniment_",
    }


def bearer_of(client: TestClient, name: str) -> str:
    return sign_in(client, name)["Authorization"].removeprefix("Bearer ")


# Requests, read from the description


@dataclass(frozen=True, repr=False)
class Step:
    """One route of the walk."""

    method: str
    route: APIRoute
    rule: Rule
    described: dict[str, Any]
    schemas: dict[str, Any]

    def __repr__(self) -> str:
        return f"{self.method} {self.route.path}"

    def send(
        self, client: TestClient, ids: dict[str, str], headers: dict[str, str] | None = None
    ) -> Any:
        path = self.route.path
        for name in parts_of(path):
            path = path.replace(f"{{{name}}}", ids[name])
        query = {
            one["name"]: "1" if one["schema"].get("type") == "integer" else "bob"
            for one in self.described.get("parameters", [])
            if one["in"] == "query" and one.get("required")
        }
        content = self.described.get("requestBody", {}).get("content", {})
        body: dict[str, Any] = {}
        if "application/octet-stream" in content:
            body = {"content": b"What a file says"}
        elif content:
            (form,) = list(content.values())[:1]
            body = {"json": example(form["schema"], self.schemas)}
        return client.request(self.method, path, params=query, headers=headers, **body)


def parts_of(path: str) -> list[str]:
    return [piece.partition("}")[0] for piece in path.split("{")[1:]]


def example(schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    """Return the least that a schema takes."""
    if "$ref" in schema:
        return example(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if "enum" in schema or "const" in schema:
        return schema.get("enum", [schema.get("const")])[0]
    for several in schema.keys() & {"anyOf", "oneOf", "allOf"}:
        return example(schema[several][0], schemas)
    kind = schema.get("type")
    if kind == "object" or "properties" in schema:
        needed = schema.get("required", [])
        return {name: example(schema["properties"][name], schemas) for name in needed}
    if kind == "array":
        return [example(schema["items"], schemas)] * schema.get("minItems", 0)
    plain = {"integer": schema.get("minimum", 1), "number": 1.0, "boolean": True}
    return plain.get(str(kind), "x" * max(1, schema.get("minLength", 1)))


def walk(app: FastAPI) -> list[Step]:
    """Return every route that the service has."""
    document = app.openapi()
    steps = []
    for route in app.routes:
        if not isinstance(route, APIRoute):
            continue
        rule = rule_of(route)
        assert rule is not None, f"{route.path} declares no rule"
        for method in sorted(route.methods):
            described = document["paths"].get(route.path, {}).get(method.lower(), {})
            steps.append(Step(method, route, rule, described, document["components"]["schemas"]))
    return steps


def ids_for(step: Step, office: Office, *, real: bool) -> dict[str, str]:
    """Return what to put into a path: alice's things, or what there is nowhere."""
    known = ANY_OF_A_KIND | office.alices
    missing = set(parts_of(step.route.path)) - known.keys()
    assert not missing, f"{step} has a part nobody has given an example of: {sorted(missing)}"
    return known if real else {**dict.fromkeys(office.alices, NO_ID), **ANY_OF_A_KIND}


def alike(replies: list[Any]) -> bool:
    """Say whether nobody could tell these replies apart."""
    forms = {(one.status_code, one.content, tuple(sorted(one.headers.items()))) for one in replies}
    return len(forms) == 1


# Nobody, and tokens that are no good


def test_every_route_declares_exactly_one_rule(office: Office) -> None:
    """The service would not have started otherwise; and it serves nothing beside its routes."""
    steps = walk(office.app)

    others = {
        getattr(one, "path", "") for one in office.app.routes if not isinstance(one, APIRoute)
    }
    assert len(steps) >= 45
    assert others == {"/openapi.json"}
    assert {str(step) for step in steps if step.rule.public} == {
        "GET /health",
        "GET /ready",
        "GET /v1/sign-in",
        "POST /v1/provider/begin",
        "POST /v1/provider/finish",
        "POST /v1/provider/logout",
        "POST /v1/session",
        "POST /v1/set-up",
    }


def test_the_service_does_not_start_with_a_route_without_a_rule() -> None:
    app = FastAPI()

    @app.get("/open", dependencies=[OPEN])
    def said() -> None: ...

    require_rules(app)

    @app.get("/forgotten")
    def forgotten() -> None: ...

    with pytest.raises(RuntimeError, match="/forgotten"):
        require_rules(app)


def test_nobody_and_no_bad_token_gets_past_any_route(office: Office) -> None:
    for step in walk(office.app):
        if step.rule.public:
            continue
        before = office.denied()
        proofs: list[dict[str, str]] = [{}, {"Authorization": "Basic YWxpY2U6eA=="}]
        proofs += [{"Authorization": f"Bearer {token}"} for token in office.bad.values()]

        replies = [
            step.send(office.client, ids_for(step, office, real=real), headers)
            for headers, real in [*product(proofs, [True]), *product(proofs[:4], [False])]
        ]

        assert replies[0].status_code == 401, step
        assert alike(replies), step
        assert office.denied() > before, f"{step} is not on record"
        assert all(CANARY not in reply.text for reply in replies)


def test_a_token_anywhere_but_in_its_header_is_none(office: Office) -> None:
    token = bearer_of(office.client, "alice")
    client = TestClient(
        office.app, base_url="http://localhost", cookies={"muniment_session": token}
    )

    replies = [
        client.get("/v1/documents", params={"token": token, "access_token": token}),
        client.get("/v1/documents", headers={"X-Forwarded-User": "alice", "Remote-User": "alice"}),
        client.get("/v1/documents", headers={"Authorization": token}),
    ]

    assert [reply.status_code for reply in replies] == [401, 401, 401]


def test_strangers_do_not_decide_how_fast_the_record_grows(office: Office) -> None:
    before = office.denied()

    for _ in range(20):
        office.client.get("/v1/documents")
    within_a_minute = office.denied() - before
    office.house.clock.advance(minutes=1)
    office.client.get("/v1/documents")

    assert (within_a_minute, office.denied() - before) == (1, 2)


# The wrong person


def test_whoever_lacks_the_role_is_refused_alike_and_on_record(office: Office) -> None:
    identity = office.house.parts.identity
    for step in walk(office.app):
        if not step.rule.roles:
            continue
        identity.set_roles("mallory", GIVEN - step.rule.roles)
        who = {"Authorization": f"Bearer {identity.open_session_for('mallory')}"}
        before = office.denied()

        replies = [
            step.send(office.client, ids_for(step, office, real=real), who)
            for real in (True, False)
        ]

        assert replies[0].status_code == 403, step
        assert alike(replies), step
        assert office.denied() == before + 2, step


def test_a_programs_token_goes_no_further_than_its_scopes(office: Office) -> None:
    identity = office.house.parts.identity
    tokens = ApiTokens(identity.store, identity, clock=office.house.clock)
    identity.set_roles("mallory", GIVEN)
    for step in walk(office.app):
        if not step.rule.scope and not step.rule.in_person:
            continue
        others = [scope for scope in SCOPES if scope != step.rule.scope]
        made = tokens.make("mallory", "x", others, timedelta(days=1))
        who = {"Authorization": f"Bearer {made.token}"}
        before = office.denied()

        replies = [
            step.send(office.client, ids_for(step, office, real=real), who)
            for real in (True, False)
        ]
        tokens.revoke("mallory", made.known_as.token_id)

        assert replies[0].status_code == 403, step
        assert alike(replies), step
        assert office.denied() == before + 2, step


def test_what_is_somebody_elses_looks_like_what_there_is_not(office: Office) -> None:
    """As somebody who has the roles, and owns a source, but not this one."""
    catalog, identity = office.house.parts.catalog, office.house.parts.identity
    other = catalog.add_source(name="Bob's", location=Path("/srv/bobs"), groups=frozenset())
    catalog.set_owners(other.source_id, [person_named("bob")])
    walked = 0
    for step in walk(office.app):
        may = step.rule.roles - SEES_EVERYTHING
        if not set(parts_of(step.route.path)) & office.alices.keys() or (
            step.rule.roles and not may
        ):
            continue
        identity.set_roles("bob", may - {Role.OWNER})
        who = {"Authorization": f"Bearer {identity.open_session_for('bob')}"}
        before = office.denied()

        replies = [
            step.send(office.client, ids_for(step, office, real=real), who)
            for real in (True, False)
        ]

        walked += 1
        assert replies[0].status_code == 404, step
        assert alike(replies), step
        assert office.denied() == before + 2, step
        assert CANARY not in replies[0].text
    assert walked >= 15


# The page


@dataclass(frozen=True)
class Page:
    """A browser at the page over the office's service, and the page's own routes."""

    browser: TestClient
    routes: list[BaseRoute]

    def get(self, path: str, **headers: str) -> Any:
        return self.browser.get(path, headers=headers)


@pytest.fixture
def page(office: Office) -> Iterator[Page]:
    browser, routes = page_over(office.app)
    with browser:
        yield Page(browser, routes)


def paths_of_pages() -> list[str]:
    return ["/", *(f"/{one.path}" for one in MENU)]


def signed_in_paths(page: Page, version: str, other: str) -> list[str]:
    named = {"version": version, "turn": other, "conversation": other, "format": "markdown"}
    paths = []
    for route in page.routes:
        if isinstance(route, SignedInRoute):
            path = route.path.replace("{number:int}", "0")
            for name in parts_of(path):
                path = path.replace(f"{{{name}}}", named[name])
            paths.append(path)
    return paths


def test_every_path_of_the_page_says_whom_it_is_for(page: Page) -> None:
    for route in page.routes:
        if isinstance(route, Mount):
            assert f"{route.path}/" in OPEN_PREFIXES
        else:
            assert isinstance(route, PublicRoute | SignedInRoute), route


def test_nobody_and_no_bad_cookie_reaches_a_page(office: Office, page: Page) -> None:
    streamlits = ["/media/x.png", "/_stcore/upload_file/x/y", "/_stcore/host-config"]
    paths = [
        *paths_of_pages(),
        *streamlits,
        *signed_in_paths(page, office.version.version_id, office.alices["conversation_id"]),
    ]
    cookies = [
        "",
        *(f"muniment_session={token}" for token in office.bad.values() if "'" not in token),
    ]
    for path in paths:
        plain = [page.get(path, Cookie=cookie) for cookie in cookies]
        browser = [page.get(path, Cookie=cookie, Accept="text/html") for cookie in cookies]

        assert plain[0].status_code == 401, path
        assert alike(plain), path
        assert (browser[0].status_code, browser[0].headers["location"]) == (303, "/sign-in")
        assert alike(browser), path


def test_a_bad_cookie_at_the_page_is_on_record(office: Office, page: Page) -> None:
    before = office.denied()

    page.get("/", Cookie="muniment_session=forged")

    assert office.denied() == before + 1


def test_nobody_opens_the_pages_socket(office: Office, page: Page) -> None:
    for cookie in ("", f"muniment_session={office.bad['a session of another installation']}"):
        headers = {"Cookie": cookie, "Host": "localhost"}
        with (
            pytest.raises((WebSocketDisconnect, WebSocketDenialResponse)),
            page.browser.websocket_connect("/_stcore/stream", headers=headers),
        ):
            pass


def test_through_the_page_too_what_is_somebody_elses_looks_like_what_there_is_not(
    office: Office, page: Page
) -> None:
    identity = office.house.parts.identity
    identity.set_roles("bob", {"reader"})
    cookie = f"muniment_session={identity.open_session_for('bob')}"
    real = signed_in_paths(page, office.version.version_id, office.alices["conversation_id"])
    nowhere = signed_in_paths(page, NO_ID, NO_ID)
    walked = [(one, other) for one, other in zip(real, nowhere, strict=True) if one != other]

    for foreign, nothing in walked:
        replies = [page.get(path, Cookie=cookie) for path in (foreign, nothing)]

        assert replies[0].status_code == 404, foreign
        assert alike(replies), foreign
    assert len(walked) >= 4


@pytest.mark.parametrize("role", Role)
def test_a_page_is_shown_to_those_whose_role_it_is_for(role: Role) -> None:
    shown = {one.path for one in entries_for(Person(name="x", groups=[], roles=[role.value]))}

    assert (
        shown
        == {
            Role.READER: {"ask", "library", "account"},
            Role.CONTRIBUTOR: {"ingestion", "account"},
            Role.OWNER: {"ingestion", "account"},
            Role.ADMINISTRATOR: {"ingestion", "account"},
            Role.AUDITOR: {"audit", "account"},
            Role.PRIVACY_OFFICER: {"account"},
        }[role]
    )


def test_every_page_says_whom_it_is_for() -> None:
    assert [one.path for one in MENU if not one.roles] == ["account"]
