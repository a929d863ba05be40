"""A headless Chromium, what it asked the network for, and a page for it to open."""

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

from tests.conftest import Stack

HERE = Path(__file__).parent
READER = "margaret"
QUESTION = "After how many wrong attempts does an account lock?"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(frozen=True)
class Site:
    """A running page, who may sign in there, and a question its documents answer."""

    page_address: str
    name: str
    password: str
    question: str
    answer_seconds: float = 60.0


@dataclass
class Log:
    """What the browser asked for and what its console said."""

    requests: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.on("request", self._request)
        page.on("websocket", lambda socket: self.requests.append(socket.url))
        page.on("console", self._message)
        page.on("pageerror", lambda error: self.console.append(f"error: {error}"))

    def _request(self, request: Request) -> None:
        self.requests.append(request.url)

    def _message(self, message: ConsoleMessage) -> None:
        self.console.append(f"{message.type}: {message.text}")

    def foreign(self, address: str) -> list[str]:
        """Return the requests that went to another host than the page's."""
        own = urlsplit(address).netloc
        return [
            url
            for url in self.requests
            if urlsplit(url).scheme not in {"data", "blob"} and urlsplit(url).netloc != own
        ]

    def complaints(self) -> list[str]:
        """Return console errors but the probes by which Streamlit finds its own root (404)."""
        return [
            message
            for message in self.console
            if message.startswith("error") and "404 (Not Found)" not in message
        ]


# Not of the session: while it is open, its event loop counts as running in the main thread.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        pytest.skip("no Chromium here: install it with `apt-get install chromium`")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield found
        found.close()


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def page(browser: Browser, log: Log) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="light")
    found = context.new_page()
    log.watch(found)
    yield found
    context.close()


@pytest.fixture(scope="session")
def stand_in_site() -> Iterator[Site]:
    """The page over a stand-in service with fixed data, each in a process of its own."""
    stand_in = HERE.parent / "ui" / "stand_in.py"
    service, page = free_port(), free_port()
    address = f"http://127.0.0.1:{page}"
    serve = [sys.executable, str(stand_in), str(service), "0.03"]
    show = [
        sys.executable,
        str(HERE / "page_process.py"),
        f"http://127.0.0.1:{service}",
        str(page),
    ]
    with subprocess.Popen(serve) as first, subprocess.Popen(show) as second:
        wait_until_ready(f"{address}/ready", first, second)
        yield Site(
            page_address=address,
            name="amara.okafor",
            password="a long enough password",
            question="How long do we keep customer identification records?",
        )
        first.terminate()
        second.terminate()


@pytest.fixture(scope="session")
def site(request: pytest.FixtureRequest) -> Site:
    """The whole of Muniment with the sample documents."""
    stack: Stack = request.getfixturevalue("stack")
    return Site(
        page_address=stack.page_url,
        name=READER,
        password=stack.passwords[READER],
        question=QUESTION,
        answer_seconds=300.0,
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_ready(address: str, *processes: "subprocess.Popen[bytes]") -> None:
    for _ in range(400):
        assert all(process.poll() is None for process in processes), "a process ended at once"
        try:
            if httpx.get(address, trust_env=False).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    pytest.fail("the page was not ready within 40 seconds")
