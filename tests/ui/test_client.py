import httpx
import pytest

from rag.contract import AuditLook, Outcome
from ui.client import Client
from ui.errors import NotAllowed, NotFound, NotSignedIn, RequestRefused, ServiceAway


def answering(status: int, body: object) -> httpx.MockTransport:
    return httpx.MockTransport(lambda _: httpx.Response(status, json=body))


def test_a_wrong_password_is_not_signed_in(service_address: str) -> None:
    with Client(service_address) as client, pytest.raises(NotSignedIn, match="wrong"):
        client.sign_in("amara.okafor", "something else")


def test_without_a_token_nothing_is_told(service_address: str) -> None:
    with Client(service_address) as client, pytest.raises(NotSignedIn):
        client.conversations()


def test_a_conversation_comes_back_with_its_answers(client: Client) -> None:
    conversation = client.conversation("retention")

    answer = conversation.turns[0].answer
    assert answer is not None
    assert answer.outcome is Outcome.ANSWERED


def test_what_is_not_there_is_not_found(client: Client) -> None:
    with pytest.raises(NotFound):
        client.conversation("nowhere")


def test_a_person_without_the_role_is_not_allowed(stranger: Client) -> None:
    with pytest.raises(NotAllowed):
        stranger.audit_entries(AuditLook())


def test_the_services_own_sentence_is_what_the_reader_sees() -> None:
    problem = {"title": "Too many", "detail": "Wait a minute and try again.", "status": 429}
    client = Client("http://service", transport=answering(429, problem))

    with client, pytest.raises(RequestRefused, match="Wait a minute"):
        client.conversations()


def test_an_unexpected_body_is_a_service_of_another_release() -> None:
    client = Client("http://service", transport=answering(200, {"surprise": 1}))

    with client, pytest.raises(ServiceAway, match="same release"):
        client.person()


def test_a_service_that_does_not_listen_is_away() -> None:
    with Client("http://127.0.0.1:9") as client, pytest.raises(ServiceAway):
        client.person()


def test_a_file_is_uploaded_as_it_is(client: Client) -> None:
    run = client.upload("plan (2).pdf", b"x" * 300_000, groups="board,staff")

    assert run.source
    steered = client._http.get("/stand-in/steered").json()
    assert steered[-1] == ["plan (2).pdf", "300000 bytes for board,staff"]


def test_a_schedule_that_is_none_is_refused_in_the_service_s_words(client: Client) -> None:
    assert client.set_schedule("source-1", cron="30 2 * * *", zone="UTC").source_id == "source-1"
    with pytest.raises(RequestRefused, match="is no cron line"):
        client.set_schedule("source-1", cron="soon", zone="UTC")
