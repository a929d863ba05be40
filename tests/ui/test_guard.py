from collections.abc import Callable

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from ui.guard import Guard, Sessions

Service = Callable[[httpx.Request], httpx.Response]


def only_good(request: httpx.Request) -> httpx.Response:
    good = request.headers["authorization"] == "Bearer good"
    return httpx.Response(200 if good else 401, json={})


def away(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("no route", request=request)


async def anything(_: Request) -> PlainTextResponse:
    return PlainTextResponse("reached")


async def stream(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.close()


def guarded(service: Service = only_good, clock: Callable[[], float] = lambda: 0.0) -> TestClient:
    http = httpx.AsyncClient(transport=httpx.MockTransport(service), base_url="http://service")
    app = Starlette(
        routes=[
            WebSocketRoute("/_stcore/stream", stream),
            Route("/{path:path}", anything, methods=["GET", "POST", "PUT"]),
        ],
        middleware=[
            Middleware(
                Guard,
                sessions=Sessions(http, clock=clock),
                host_names=["page.test"],
                policy="default-src 'self'",
                open_paths=["/sign-in", "/ready"],
            )
        ],
    )
    return TestClient(app, base_url="http://page.test", follow_redirects=False)


SIGNED_IN = {"Cookie": "muniment_session=good"}


@pytest.mark.parametrize(
    "path",
    [
        "/media/abc.png",
        "/_stcore/upload_file/x/y",
        "/_stcore/host-config",
        "/page/v/1.png",
        "/original/v",
        "/audit/export",
        "/turn/t/events",
        "/",
        "/library",
    ],
)
def test_a_stranger_reaches_nothing(path: str) -> None:
    assert guarded().get(path).status_code == 401


def test_a_stranger_who_wants_a_page_is_sent_to_sign_in() -> None:
    response = guarded().get("/library", headers={"Accept": "text/html"})

    assert response.status_code == 303
    assert response.headers["location"] == "/sign-in"


def test_a_stranger_cannot_upload() -> None:
    assert guarded().put("/_stcore/upload_file/x/y").status_code == 401


def test_a_stranger_cannot_open_the_stream() -> None:
    client = guarded()

    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/_stcore/stream"):
        pass


def test_a_signed_in_person_opens_the_stream() -> None:
    with guarded().websocket_connect("/_stcore/stream", headers={**SIGNED_IN, "Host": "page.test"}):
        pass


def test_a_signed_in_person_reaches_the_page() -> None:
    assert guarded().get("/media/abc.png", headers=SIGNED_IN).text == "reached"


def test_a_forged_cookie_is_refused() -> None:
    headers = {"Cookie": "muniment_session=forged"}

    assert guarded().get("/media/abc.png", headers=headers).status_code == 401


@pytest.mark.parametrize("path", ["/sign-in", "/ready", "/static/a.js", "/assets/inter.woff2"])
def test_what_signing_in_needs_is_open(path: str) -> None:
    assert guarded().get(path).status_code == 200


@pytest.mark.parametrize(
    "path", ["/_stcore/metrics", "/_stcore/agent/openapi.json", "/library/_stcore/metrics"]
)
def test_paths_nobody_needs_are_not_there_for_anybody(path: str) -> None:
    assert guarded().get(path, headers=SIGNED_IN).status_code == 404


@pytest.mark.parametrize("host", ["evil.test", "page.test.evil.test", "", "[::1", "127.0.0.1"])
def test_another_host_name_is_not_served(host: str) -> None:
    response = guarded().get("/sign-in", headers={**SIGNED_IN, "Host": host})

    assert response.status_code == 400


def test_a_form_sent_from_elsewhere_is_refused() -> None:
    response = guarded().post("/sign-in", headers={"Origin": "http://evil.test"})

    assert response.status_code == 403


def test_a_socket_opened_from_elsewhere_is_refused() -> None:
    headers = {**SIGNED_IN, "Host": "page.test", "Origin": "http://evil.test"}

    with (
        pytest.raises(WebSocketDisconnect),
        guarded().websocket_connect("/_stcore/stream", headers=headers),
    ):
        pass


def test_our_own_form_is_accepted() -> None:
    response = guarded().post("/sign-in", headers={"Origin": "http://page.test"})

    assert response.status_code == 200


def test_without_the_service_nobody_is_let_in() -> None:
    assert guarded(away).get("/media/abc.png", headers=SIGNED_IN).status_code == 503


def test_a_service_in_trouble_lets_nobody_in() -> None:
    client = guarded(lambda _: httpx.Response(500))

    assert client.get("/media/abc.png", headers=SIGNED_IN).status_code == 503


def test_a_session_that_ended_elsewhere_ends_here_within_seconds() -> None:
    moment = [0.0]
    answers = iter([httpx.Response(200), httpx.Response(401)])
    client = guarded(lambda _: next(answers), lambda: moment[0])

    first = client.get("/media/a.png", headers=SIGNED_IN).status_code
    moment[0] = 2.0
    second = client.get("/media/a.png", headers=SIGNED_IN).status_code
    moment[0] = 4.0
    third = client.get("/media/a.png", headers=SIGNED_IN).status_code

    assert [first, second, third] == [200, 200, 401]


@pytest.mark.parametrize("path", ["/sign-in", "/media/abc.png", "/_stcore/metrics"])
def test_every_response_carries_the_headers(path: str) -> None:
    headers = guarded().get(path).headers

    assert headers["content-security-policy"] == "default-src 'self'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == "no-store"
