"""Our own paths, in the page's real process, against the stand-in service."""

import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

PAGE = Path(__file__).parents[1] / "browser" / "page_process.py"
NAME = "amara.okafor"
PASSWORD = "a long enough password"


@pytest.fixture(scope="module")
def page_address(service_address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    command = [sys.executable, str(PAGE), service_address, str(port)]
    with subprocess.Popen(command, cwd=elsewhere) as process:
        for _ in range(300):
            assert process.poll() is None, "the page ended at once"
            try:
                httpx.get(f"http://127.0.0.1:{port}/ready", trust_env=False)
            except httpx.HTTPError:
                time.sleep(0.1)
            else:
                break
        yield f"http://127.0.0.1:{port}"
        process.terminate()


@pytest.fixture
def browser(page_address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=page_address, trust_env=False) as found:
        yield found


@pytest.fixture
def signed_in(browser: httpx.Client) -> httpx.Client:
    browser.post("/sign-in", data={"name": NAME, "password": PASSWORD})
    return browser


def test_signing_in_sets_a_cookie_that_script_cannot_read(browser: httpx.Client) -> None:
    response = browser.post("/sign-in", data={"name": NAME, "password": PASSWORD})

    cookie = response.headers["set-cookie"].lower()
    assert response.status_code == 303
    assert response.headers["location"] == "/"
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "path=/" in cookie


def test_a_wrong_password_shows_the_form_again_with_the_name(browser: httpx.Client) -> None:
    response = browser.post("/sign-in", data={"name": NAME, "password": "no"})

    assert response.status_code == 401
    assert "Name, password or code is wrong." in response.text
    assert f'value="{NAME}"' in response.text
    assert "set-cookie" not in response.headers


def test_a_hostile_name_stays_text(browser: httpx.Client) -> None:
    response = browser.post("/sign-in", data={"name": '"><script>x', "password": "no"})

    assert "<script>" not in response.text


def test_the_form_has_no_script_and_nothing_inline(browser: httpx.Client) -> None:
    text = browser.get("/sign-in").text

    assert "<script" not in text
    assert "style=" not in text


def test_a_form_too_large_is_refused(browser: httpx.Client) -> None:
    response = browser.post("/sign-in", data={"name": NAME, "password": "x" * 20_000})

    assert response.status_code == 400


def test_a_page_image_comes_through_and_is_not_stored(signed_in: httpx.Client) -> None:
    response = signed_in.get("/page/retention-v1/3.png?start=10&end=90")

    assert response.headers["content-type"] == "image/png"
    assert response.content.startswith(b"\x89PNG")
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    ["/page/retention-v1/3.png", "/original/retention-v1", "/audit/export", "/media/x.png", "/"],
)
def test_without_a_session_nothing_comes_through(browser: httpx.Client, path: str) -> None:
    assert browser.get(path).status_code == 401


def test_after_signing_out_nothing_comes_through(signed_in: httpx.Client) -> None:
    token = signed_in.cookies["muniment_session"]
    before = signed_in.get("/page/retention-v1/3.png").status_code

    signed_in.post("/sign-out")
    signed_in.cookies.set("muniment_session", token)
    after = signed_in.get("/page/retention-v1/3.png").status_code

    assert [before, after] == [200, 401]


def test_an_original_is_a_download_that_can_run_nothing(signed_in: httpx.Client) -> None:
    response = signed_in.get("/original/retention-v1")

    assert response.headers["content-disposition"] == 'attachment; filename="original.html"'
    assert "sandbox" in response.headers["content-security-policy"]


def test_the_record_is_a_download(signed_in: httpx.Client) -> None:
    response = signed_in.get("/audit/export?format=csv&person=tom.visser&surprise=1")

    asked, *entries = response.text.splitlines()
    assert json.loads(asked) == {"format": "csv", "person": "tom.visser"}
    assert len(entries) == 3
    assert response.headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize(("form", "ending"), [("pdf", "pdf"), ("markdown", "md")])
def test_a_conversation_is_a_download(signed_in: httpx.Client, form: str, ending: str) -> None:
    response = signed_in.get(f"/conversation/retention/{form}")

    assert response.text.startswith(f"{form}: ")
    wanted = f'attachment; filename="conversation.{ending}"'
    assert response.headers["content-disposition"] == wanted


@pytest.mark.parametrize("path", ["/page/a%2Fb/1.png", "/original/..%2f..%2fx", "/page/v/-1.png"])
def test_an_identifier_never_reaches_another_path(signed_in: httpx.Client, path: str) -> None:
    response = signed_in.get(path)

    assert response.headers.get("content-type") != "image/png"
    assert "attachment" not in response.headers.get("content-disposition", "")


def test_readiness_tells_a_stranger_nothing_but_yes_or_no(browser: httpx.Client) -> None:
    assert browser.get("/ready").json() == {"ready": True}


def test_the_page_is_streamlits_with_our_policy(signed_in: httpx.Client) -> None:
    response = signed_in.get("/")

    assert "<title>" in response.text
    assert re.search(r"script-src [^;]*'sha256-", response.headers["content-security-policy"])


def test_streamlit_tells_the_browser_of_no_other_origin(signed_in: httpx.Client) -> None:
    settings = signed_in.get("/_stcore/host-config").json()

    assert settings["allowedOrigins"] == []
