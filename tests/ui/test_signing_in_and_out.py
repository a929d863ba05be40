"""What the page tells the service of a visitor, and where it sends one who leaves."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from ui.asgi import Routes
from ui.guard import Sessions

AWAY = "https://login.example.org/out?id_token_hint=a.b.c&client_id=x%22%3Ey"


def page_over(answer: Callable[[httpx.Request], httpx.Response]) -> TestClient:
    """Return a browser at 192.0.2.7 before the page's own routes."""
    service = httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://localhost")
    routes = Routes(service, Sessions(service, clock=lambda: 0.0), https=False)
    return TestClient(
        Starlette(routes=routes.all()), client=("192.0.2.7", 50_000), follow_redirects=False
    )


def test_the_service_is_told_where_an_attempt_comes_from() -> None:
    given: list[dict[str, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            given.append(json.loads(request.content))
        return httpx.Response(401, json={"title": "x", "detail": "x", "status": 401})

    form = {"name": "ada", "password": "long enough", "address": "198.51.100.1"}
    page_over(answer).post("/sign-in", data=form)

    assert [one["address"] for one in given] == ["192.0.2.7"]


def leave(reply: httpx.Response) -> Any:
    browser = page_over(lambda _: reply)
    browser.cookies.set("muniment_session", "a token")
    return browser.post("/sign-out")


def test_who_came_from_a_provider_is_led_there_to_sign_out_too() -> None:
    answer = leave(httpx.Response(200, json={"address": AWAY}))

    assert answer.status_code == 200
    assert f'content="0; url={AWAY.replace("&", "&amp;")}"' in answer.text
    assert "muniment_session=" in answer.headers["set-cookie"]
    assert "Max-Age=0" in answer.headers["set-cookie"]


@pytest.mark.parametrize("status", [204, 401])
def test_everybody_else_ends_at_the_sign_in_page(status: int) -> None:
    answer = leave(httpx.Response(status))

    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
