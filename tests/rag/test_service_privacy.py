# ruff: noqa: F401, F811 - the fixtures of the service's own tests are used here too
"""What a privacy officer gets, and does not."""

import io
import json
import zipfile

import pytest
from fastapi.testclient import TestClient

from corpus.documents import Version
from tests.rag.test_service import (
    CANARY,
    PASSWORD,
    House,
    ask,
    client,
    finished,
    house,
    index,
    secret,
    sign_in,
)

PATH = "/v1/privacy/subject-access"


@pytest.fixture
def officer(house: House, client: TestClient) -> dict[str, str]:
    house.parts.identity.add_account("olga", PASSWORD, roles={"privacy-officer"})
    return sign_in(client, "olga")


def test_a_privacy_officer_gets_what_is_kept_about_a_person(
    house: House, client: TestClient, secret: Version, officer: dict[str, str]
) -> None:
    alice = sign_in(client, "alice")
    finished(client, alice, ask(client, alice, "What closes in May?")["turn_id"])

    reply = client.get(PATH, params={"person": "Alice"}, headers=officer)

    assert reply.status_code == 200, reply.text
    with zipfile.ZipFile(io.BytesIO(reply.content)) as archive:
        told = json.loads(archive.read("subject-access/conversations.json"))
        entries = archive.read("subject-access/entries.jsonl").decode()
    assert told[0]["questions"][0]["question"] == "What closes in May?"
    assert CANARY not in json.dumps(told)
    assert "auth.login" in entries
    assert house.types_on_record()[-1] == "dsar.export"


def test_a_person_there_is_not_is_refused_and_on_record(
    house: House, client: TestClient, officer: dict[str, str]
) -> None:
    reply = client.get(PATH, params={"person": "nobody"}, headers=officer)

    assert reply.status_code == 404
    assert house.types_on_record()[-1] == "access.denied"


def test_nothing_is_handed_out_while_the_record_is_away(
    house: House, client: TestClient, officer: dict[str, str]
) -> None:
    with house.record_away():
        reply = client.get(PATH, params={"person": "alice"}, headers=officer)

    assert reply.status_code == 503


def test_a_privacy_officer_reads_neither_content_nor_the_record(
    client: TestClient, secret: Version, officer: dict[str, str]
) -> None:
    for path in ("/v1/documents", "/v1/audit/entries", "/v1/ingestion"):
        assert client.get(path, headers=officer).status_code == 403
