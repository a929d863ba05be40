# ruff: noqa: F401, F811 - the fixtures of the service's own tests are used here too
"""A directory pushes people and groups: SCIM 2.0, by the shapes of RFC 7644's examples."""

import threading
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from corpus.access import Principal
from rag import service_scim
from rag.directory_book import DirectoryGroup, DirectoryPerson
from rag.scim import ERROR, GROUP, LIST, PATCH, USER, ScimFault, patched_group, patched_person
from rag.tokens import ApiTokens
from tests.rag.test_service import PASSWORD, House, client, house, index, secret, sign_in

Json = dict[str, Any]


class Provider:
    """An identity provider with a token of its own."""

    def __init__(self, house: House, client: TestClient, scopes: frozenset[str]) -> None:
        identity = house.parts.identity
        identity.add_account("provisioner", PASSWORD, roles={"administrator"})
        tokens = ApiTokens(identity.store, identity, clock=house.parts.clock)
        made = tokens.make("provisioner", "provider", scopes, timedelta(days=30))
        self.headers = {"Authorization": f"Bearer {made.token}"}
        self.client = client

    def send(self, method: str, path: str, body: object = None, **query: Any) -> Any:
        kind = self.headers | {"Content-Type": "application/scim+json"}
        return self.client.request(method, f"/scim/v2{path}", headers=kind, json=body, params=query)

    def person(self, user_name: str, **more: Any) -> Json:
        made = self.send("POST", "/Users", {"schemas": [USER], "userName": user_name, **more})
        assert made.status_code == 201, made.text
        shown: Json = made.json()
        return shown

    def group(self, name: str, *members: Json) -> Json:
        body = {
            "schemas": [GROUP],
            "displayName": name,
            "members": [{"value": one["id"]} for one in members],
        }
        made = self.send("POST", "/Groups", body)
        assert made.status_code == 201, made.text
        shown: Json = made.json()
        return shown

    def patch(self, place: str, *operations: Json) -> Any:
        return self.send("PATCH", place, {"schemas": [PATCH], "Operations": list(operations)})


@pytest.fixture
def provider(house: House, client: TestClient) -> Provider:
    return Provider(house, client, frozenset({"directory"}))


def names(house: House, person: str) -> set[str]:
    principal = house.parts.identity.principal_named(person)
    return {one.name for one in house.parts.catalog.names(Principal(principal.name))} - {person}


def assert_refused(reply: Any, status: int, kind: str = "") -> None:
    assert reply.status_code == status, reply.text
    body = reply.json()
    assert reply.headers["content-type"].startswith("application/scim+json")
    assert body["schemas"] == [ERROR]
    assert body["status"] == str(status)
    assert body.get("scimType", "") == kind
    assert body["detail"]


def test_a_person_is_made_read_replaced_patched_and_deleted(
    house: House, provider: Provider
) -> None:
    bea = provider.person(
        "bea@example.org", displayName="Bea B.", externalId="e-1", name={"givenName": "Bea"}
    )
    place = f"/Users/{bea['id']}"

    assert (bea["userName"], bea["active"], bea["externalId"]) == ("bea@example.org", True, "e-1")
    assert bea["meta"]["location"] == f"/scim/v2{place}"
    assert provider.send("GET", place).json() == bea
    body = {"schemas": [USER], "userName": "bea@example.org", "displayName": "Beatrix"}
    assert provider.send("PUT", place, body).json()["displayName"] == "Beatrix"
    off = provider.patch(place, {"op": "Replace", "path": "active", "value": "False"})
    assert off.json()["active"] is False
    assert house.parts.identity.current(Principal("bea@example.org")) is None
    provider.patch(place, {"op": "replace", "value": {"active": True}})
    assert house.parts.identity.current(Principal("bea@example.org")) is not None
    assert provider.send("DELETE", place).status_code == 204
    assert_refused(provider.send("GET", place), 404)
    locked = {one.name: one.disabled_by for one in house.parts.identity.accounts()}
    assert locked["bea@example.org"] == "directory:scim"


def test_who_is_locked_has_lost_the_session_with_the_reply(
    house: House, client: TestClient, provider: Provider
) -> None:
    bea = provider.person("bea")
    house.parts.identity.set_password("bea", PASSWORD)
    session = sign_in(client, "bea")
    assert client.get("/v1/documents", headers=session).status_code == 200

    provider.patch(f"/Users/{bea['id']}", {"op": "replace", "path": "active", "value": False})

    assert client.get("/v1/documents", headers=session).status_code == 401


def test_groups_and_groups_in_groups_are_pushed(house: House, provider: Provider) -> None:
    bea, cem = provider.person("bea"), provider.person("cem")
    partners = provider.group("partners", cem)
    staff = provider.group("staff", bea, partners)

    assert names(house, "cem") == {"partners", "staff"}
    assert [one["type"] for one in staff["members"]].count("Group") == 1
    place = f"/Groups/{staff['id']}"
    provider.patch(place, {"op": "add", "path": "members", "value": [{"value": cem["id"]}]})
    provider.patch(place, {"op": "remove", "path": f'members[value eq "{partners["id"]}"]'})
    shown = provider.send("GET", place).json()
    assert {one["value"] for one in shown["members"]} == {bea["id"], cem["id"]}
    assert "members" not in provider.send("GET", place, excludedAttributes="members").json()
    body = {"schemas": [GROUP], "displayName": "staff", "members": []}
    assert provider.send("PUT", place, body).json()["members"] == []
    assert names(house, "bea") == set()
    assert provider.send("DELETE", place).status_code == 204
    assert_refused(provider.send("GET", place), 404)


def test_lists_are_filtered_and_paged(provider: Provider) -> None:
    for number in range(5):
        provider.person(f"p{number}", externalId=f"e-{number}")
    provider.group("staff")

    page = provider.send("GET", "/Users", startIndex=2, count=2).json()
    assert page["schemas"] == [LIST]
    assert (page["totalResults"], page["startIndex"], page["itemsPerPage"]) == (5, 2, 2)
    assert [one["userName"] for one in page["Resources"]] == ["p1", "p2"]
    for wanted in ('userName eq "P3"', 'externalId eq "e-3"'):
        found = provider.send("GET", "/Users", filter=wanted).json()
        assert [one["userName"] for one in found["Resources"]] == ["p3"]
    assert provider.send("GET", "/Users", filter="active eq false").json()["totalResults"] == 0
    assert provider.send("GET", "/Users", count=0).json()["totalResults"] == 5
    named = provider.send("GET", "/Groups", filter='displayName eq "staff"').json()
    assert named["totalResults"] == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "refused"),
    [
        ("GET", '/Users?filter=userName sw "p"', None, (400, "invalidFilter")),
        ("GET", '/Users?filter=password eq "p"', None, (400, "invalidFilter")),
        ("GET", '/Users?filter=userName eq "p" or active eq true', None, (400, "invalidFilter")),
        ("GET", "/Users/unknown", None, (404, "")),
        ("POST", "/Users", {"schemas": [USER]}, (400, "invalidValue")),
        ("POST", "/Users", {"userName": "x"}, (400, "invalidSyntax")),
        ("POST", "/Users", [1], (400, "invalidSyntax")),
        ("POST", "/Users", {"schemas": [USER], "userName": "alice"}, (409, "uniqueness")),
        ("POST", "/Users", {"schemas": [USER], "userName": ["x"]}, (400, "invalidValue")),
        ("POST", "/Groups", {"schemas": [GROUP], "displayName": ""}, (400, "invalidValue")),
        (
            "POST",
            "/Groups",
            {"schemas": [GROUP], "displayName": "g", "members": [{"value": "nobody"}]},
            (400, "invalidValue"),
        ),
        ("PATCH", "/Groups/unknown", {"schemas": [PATCH], "Operations": []}, (404, "")),
    ],
)
def test_what_is_not_valid_is_refused_in_the_form_of_the_standard(
    provider: Provider, method: str, path: str, body: object, refused: tuple[int, str]
) -> None:
    place, _, query = path.partition("?filter=")

    reply = provider.send(method, place, body, **({"filter": query} if query else {}))

    assert_refused(reply, *refused)


def test_a_name_is_never_given_to_somebody_else(house: House, provider: Provider) -> None:
    bea = provider.person("bea", externalId="e-1")
    provider.send("DELETE", f"/Users/{bea['id']}")

    stranger = {"schemas": [USER], "userName": "bea", "externalId": "e-2"}
    assert_refused(provider.send("POST", "/Users", stranger), 409, "uniqueness")
    back = provider.person("bea", externalId="e-1")

    assert back["id"] == bea["id"]
    assert house.parts.identity.current(Principal("bea")) is not None


@pytest.mark.parametrize("scopes", [{"ask"}, {"administer"}, {"ask", "administer", "audit"}])
def test_a_token_without_the_scope_pushes_nothing(
    house: House, client: TestClient, scopes: set[str]
) -> None:
    provider = Provider(house, client, frozenset(scopes))

    reply = provider.send("POST", "/Users", {"schemas": [USER], "userName": "bea"})

    assert_refused(reply, 403)
    assert "access.denied" in house.types_on_record()


def test_nobody_and_a_reader_push_nothing(house: House, client: TestClient) -> None:
    assert_refused(client.get("/scim/v2/Users"), 401)
    alice = sign_in(client, "alice")
    assert_refused(client.get("/scim/v2/Users", headers=alice), 403)


def test_nothing_is_pushed_while_the_record_is_away(house: House, provider: Provider) -> None:
    with house.record_away():
        reply = provider.send("POST", "/Users", {"schemas": [USER], "userName": "bea"})

    assert_refused(reply, 503)
    assert provider.send("GET", "/Users").json()["totalResults"] == 0


def test_a_provider_sees_only_whom_it_pushed(provider: Provider) -> None:
    assert provider.send("GET", "/Users").json()["totalResults"] == 0
    shown = provider.send("GET", "/ServiceProviderConfig").json()
    assert shown["patch"]["supported"] is True
    kinds = provider.send("GET", "/ResourceTypes").json()["Resources"]
    assert [one["id"] for one in kinds] == ["User", "Group"]


PERSON = DirectoryPerson("1", "bea", "Bea", external_id="e-1")
STAFF = DirectoryGroup("g", "staff", frozenset({"1", "2"}))


@pytest.mark.parametrize(
    ("operation", "after"),
    [
        ({"op": "add", "path": f"{USER}:displayName", "value": "B."}, ("bea", "B.", True)),
        ({"op": "Add", "value": {"name": {"givenName": "x"}}}, ("bea", "Bea", True)),
        ({"op": "replace", "path": "name.givenName", "value": "x"}, ("bea", "Bea", True)),
        ({"op": "replace", "path": 'emails[type eq "work"].value', "value": "x"},
         ("bea", "Bea", True)),
        ({"op": "remove", "path": "displayName"}, ("bea", "", True)),
    ],
)  # fmt: skip
def test_a_patch_changes_what_is_kept_and_lets_the_rest_go(
    operation: Json, after: tuple[str, str, bool]
) -> None:
    person = patched_person(PERSON, {"schemas": [PATCH], "Operations": [operation]})

    assert (person.name, person.display, person.active) == after


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ({"op": "add", "path": "members", "value": [{"value": "3"}]}, {"1", "2", "3"}),
        ({"op": "add", "value": {"members": [{"value": "3"}]}}, {"1", "2", "3"}),
        ({"op": "replace", "path": "members", "value": [{"value": "3"}]}, {"3"}),
        ({"op": "remove", "path": "members", "value": [{"value": "2"}]}, {"1"}),
        ({"op": "remove", "path": "members"}, set()),
        ({"op": "remove", "path": 'members[value eq "1"]'}, {"2"}),
        ({"op": "replace", "path": "displayName", "value": "all"}, {"1", "2"}),
    ],
)
def test_a_patch_changes_the_members(operation: Json, members: set[str]) -> None:
    assert patched_group(STAFF, {"schemas": [PATCH], "Operations": [operation]}).members == members


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove"},
        {"op": "copy", "path": "userName", "value": "x"},
        {"op": "replace", "path": "active", "value": "perhaps"},
        {"op": "replace", "path": "id", "value": "2"},
        {"op": "remove", "path": "userName"},
        {"op": "add", "path": "displayName"},
        {"op": "replace", "path": "a b ==", "value": "x"},
        {"op": "replace", "value": "text"},
    ],
)
def test_a_patch_that_is_not_understood_changes_nothing(operation: Json) -> None:
    with pytest.raises(ScimFault):
        patched_person(PERSON, {"schemas": [PATCH], "Operations": [operation]})


def test_of_changes_that_come_at_once_none_undoes_another(
    house: House, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two writers have read the same state before either writes, if nothing keeps them apart."""
    bea, cem = (provider.person(name) for name in ("bea", "cem"))
    both_have_read = threading.Barrier(2)
    apply = service_scim._apply

    def late(*given: Any) -> None:
        with suppress(threading.BrokenBarrierError):
            both_have_read.wait(timeout=0.5)
        apply(*given)

    monkeypatch.setattr(service_scim, "_apply", late)
    locking = {"op": "replace", "path": "active", "value": False}
    requests = [
        threading.Thread(target=provider.patch, args=(f"/Users/{one['id']}", locking))
        for one in (bea, cem)
    ]
    for request in requests:
        request.start()
    for request in requests:
        request.join()

    accounts = {one.name: one.disabled_by for one in house.parts.identity.accounts()}
    assert accounts["bea"]
    assert accounts["cem"]
