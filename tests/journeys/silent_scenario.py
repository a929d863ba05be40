"""The main job from end to end, as commands and plain HTTP: run it under the tripwire.

    python tests/journeys/silent_scenario.py DOCUMENTS FOLDER [--leak]

Makes an account, ingests, asks on the command line, starts the service and the page, signs in and
asks through the page. ``--leak`` adds one look-up by a child process that never heard of the
refusal: the tripwire must then go red. Exit code 0 when everything worked.
"""

import argparse
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

REPOSITORY = Path(__file__).parents[2]
SERVICE_PORT, PAGE_PORT = 28_471, 28_472
NAME, GROUP, PASSWORD = "reader", "staff", "a long enough password"
START_SECONDS = 240.0
TURN_SECONDS = 60.0


class Scenario:
    """The steps, with what they share."""

    def __init__(self, documents: Path, folder: Path) -> None:
        self._documents = documents
        self._environment = {
            **{name: value for name, value in os.environ.items() if name in ("PATH", "LANG")},
            "HOME": str(folder),
            "MUNIMENT_DATA": str(folder / "data"),
            "MUNIMENT_PORT": str(PAGE_PORT),
            "MUNIMENT_SERVICE_PORT": str(SERVICE_PORT),
            "MUNIMENT_MODEL_OFF": "true",
        }

    def muniment(self, *arguments: str, accepted: tuple[int, ...] = (0,)) -> str:
        """Run a command of ours and return what it printed."""
        done = subprocess.run(
            [sys.executable, "-P", "-m", "muniment", *arguments],
            cwd=REPOSITORY,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        print(f"muniment {arguments[0]}: {done.returncode}", done.stderr[-2000:])
        if done.returncode not in accepted:
            raise SystemExit(f"muniment {' '.join(arguments)} ended with {done.returncode}")
        return done.stdout

    @contextlib.contextmanager
    def serving(self, program: str, port: int, path: str) -> Iterator[None]:
        """Run one of our programs while the block lasts; begin when it answers."""
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "muniment", "serve", program],
            cwd=REPOSITORY,
            env=self._environment,
            stdout=subprocess.DEVNULL,
        )
        try:
            wait_for(port, path, process)
            yield
        finally:
            process.terminate()
            process.wait(timeout=30)

    def on_the_command_line(self, question: str) -> None:
        """Account, documents, question."""
        self.muniment("user", "add", NAME, "--groups", GROUP, "--password", PASSWORD)
        self.muniment("ingest", str(self._documents), "--groups", GROUP, "--json")
        answer = json.loads(self.muniment("ask", question, "--as", NAME, "--quotes", "--json"))
        if not answer["citations"]:
            raise SystemExit(f"no citation for {question!r}: {answer}")
        self.muniment("audit", "verify")

    def in_the_browser(self, question: str) -> None:
        """Sign in, open the page, ask, look at a page image, sign out."""
        with (
            self.serving("rag", SERVICE_PORT, "/ready"),
            self.serving("ui", PAGE_PORT, "/sign-in"),
        ):
            cookie = sign_in()
            page = fetch(PAGE_PORT, "/", cookie=cookie)
            for asset in sorted(set(re.findall(rb'(?:src|href)="\.?(/[^"]+)"', page)))[:20]:
                fetch(PAGE_PORT, asset.decode(), cookie=cookie, accepted=(200, 404))
            knock_with_a_foreign_origin(cookie)
            ask_through_the_service(question, cookie.partition("=")[2], cookie)
            fetch(PAGE_PORT, "/sign-out", method="POST", cookie=cookie, accepted=(303,))


def fetch(
    port: int,
    path: str,
    *,
    method: str = "GET",
    body: str = "",
    cookie: str = "",
    headers: dict[str, str] | None = None,
    accepted: tuple[int, ...] = (200,),
) -> bytes:
    """Return the body of an answer from this machine."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    sent = {"Accept": "text/html,application/json", **(headers or {})}
    if cookie:
        sent["Cookie"] = cookie
    connection.request(method, path, body or None, sent)
    response = connection.getresponse()
    content = response.read()
    print(method, path, response.status)
    if response.status not in accepted:
        raise SystemExit(f"{method} {path} answered {response.status}: {content[:300]!r}")
    return content


def wait_for(port: int, path: str, process: subprocess.Popen[bytes]) -> None:
    """Return when a program answers, whatever it answers."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            fetch(port, path, accepted=(200, 503))
            return
        time.sleep(0.5)
    raise SystemExit(f"nothing answers on port {port}")


def sign_in() -> str:
    """Return the session cookie."""
    connection = HTTPConnection("127.0.0.1", PAGE_PORT, timeout=60)
    form = urlencode({"name": NAME, "password": PASSWORD})
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/sign-in", form, kind)
    response = connection.getresponse()
    if response.status != 303:
        raise SystemExit(f"sign-in answered {response.status}: {response.read()[:300]!r}")
    return str(response.headers["Set-Cookie"]).split(";")[0]


def knock_with_a_foreign_origin(cookie: str) -> None:
    """Open the page's socket as a foreign site would.

    The page's framework compares the origin with the machine's outside address, and asks an
    outside host for it unless it is told an address.
    """
    request = (
        f"GET /_stcore/stream HTTP/1.1\r\nHost: 127.0.0.1:{PAGE_PORT}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nOrigin: https://foreign.example\r\nCookie: {cookie}\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", PAGE_PORT), timeout=30) as connection:
        connection.sendall(request.encode())
        status = connection.recv(4096).split(b"\r\n")[0]
    print("foreign origin:", status.decode())
    if b" 101 " in status:
        raise SystemExit("the page let a foreign origin in")


def ask_through_the_service(question: str, token: str, cookie: str) -> None:
    """Ask as the page does, wait, and fetch the image of a cited page through the page."""
    bearer = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    body = json.dumps({"question": question, "quotes_only": True})
    turn = json.loads(
        fetch(
            SERVICE_PORT, "/v1/ask", method="POST", body=body, headers=bearer, accepted=(200, 202)
        )
    )
    deadline = time.monotonic() + TURN_SECONDS
    while turn["state"] != "done":
        if time.monotonic() > deadline:
            raise SystemExit("the answer did not come")
        time.sleep(0.3)
        turn = json.loads(fetch(SERVICE_PORT, f"/v1/turns/{turn['turn_id']}", headers=bearer))
    for citation in turn["answer"]["citations"]:
        if citation["page"] is not None:
            image = f"/page/{citation['version_id']}/{citation['page']}.png"
            fetch(PAGE_PORT, image, cookie=cookie)
            return


def leak() -> None:
    """What must not happen: a child process asks a name server."""
    look_up = "import socket\ntry: socket.getaddrinfo('planted.example', 443)\nexcept OSError: pass"
    subprocess.run([sys.executable, "-c", look_up], check=True)


def main() -> None:
    """Run the scenario."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("documents", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--question", required=True)
    parser.add_argument("--leak", action="store_true")
    arguments = parser.parse_args()
    scenario = Scenario(arguments.documents.resolve(), arguments.folder.resolve())
    scenario.on_the_command_line(arguments.question)
    if arguments.leak:
        leak()
        return
    scenario.in_the_browser(arguments.question)


if __name__ == "__main__":
    main()
