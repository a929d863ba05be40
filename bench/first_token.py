"""Time to the first token: through the service over HTTP against the bare model server.

    python -m bench first_token [--stand-in]

Muniment's time is from sending the question to the first piece of the draft, over HTTP as the
page asks it: signing in aside, everything is in it, the search, the record, the decision whether
the passages answer at all. The bare server's is from sending the very prompt that the record
says Muniment sent, to the first piece. Each is taken cold, the prompt in nobody's cache, and
warm; at last a second question over the same passages is asked. The documents have been read
ahead, as they are half a minute after a start or a run.

Where MUNIMENT_MODEL_URL names a model server that runs, that one is asked. On a machine whose
processors the model shares with Muniment, the two slow each other down; with `--stand-in` a small
server takes the model's place, which begins its reply a second after it was asked, writes fifty
pieces a second and takes no processor meanwhile, as a model on processors of its own: the
difference is what Muniment adds.
"""

import argparse
import json
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median

import httpx
from rich.console import Console
from rich.table import Table

import muniment.silence  # noqa: F401  (first, before anything that might speak)
from audit.log import AuditLog
from bench.main_job import QUESTIONS
from bench.running_model import Served, served_model
from bench.running_site import Site, running_site
from rag.evaluation import read_questions
from rag.generation import Message, ModelServer

MEASURED = 12
SECOND = "Please tell me: {}"
READ_AHEAD_SECONDS = 300.0
SETTLED_SECONDS = 35.0
"""After the last documents read ahead; the service looks for more every 30 seconds."""
REST_SECONDS = 1.0
"""Between two questions: who asks has read the answer before."""
QUIET_SECONDS = 120.0
STAND_IN_SECONDS = 1.0
PIECE_SECONDS = 0.02
"""Between two pieces of its reply: fifty a second."""

console = Console(highlight=False, width=110)


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds to the first piece of a reply.

    Attributes:
        bare: The model server alone, the prompt in no cache.
        whole: Through Muniment, the same.
        bare_warm: The model server alone, the prompt in its cache.
        whole_warm: Through Muniment, the same.
        second: A second question over the same passages, through Muniment; None where its
            prompt had other passages.
    """

    bare: float
    whole: float
    bare_warm: float
    whole_warm: float
    second: float | None


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench first_token")
    parser.add_argument("--stand-in", action="store_true")
    chosen, _ = parser.parse_known_args()
    serving = _stand_in() if chosen.stand_in else served_model()
    with serving as model, tempfile.TemporaryDirectory(prefix="muniment-first-") as folder:
        if model is None:
            return
        with running_site(Path(folder), _speaking_to(model)) as site:
            if site is not None:
                _wait_until_read(site)
                _show(list(_measured(site, model.client())))


@contextmanager
def _stand_in() -> Iterator[Served]:
    """Serve a model that reads every prompt in a second, without a processor of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _StandIn)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Served(f"http://127.0.0.1:{server.server_port}", "stand-in", "")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _StandIn(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._tell({"data": [{"id": "stand-in", "max_model_len": 4_096}]})

    def do_POST(self) -> None:
        until = time.perf_counter() + STAND_IN_SECONDS
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/tokenize":
            self._tell({"count": len(asked["prompt"]) // 4})
            return
        time.sleep(max(0.0, until - time.perf_counter()))
        self.send_response(200)
        self.end_headers()
        with suppress(OSError):
            for word in ("The", " passages", " do", " not", " answer", " this."):
                piece = json.dumps({"choices": [{"delta": {"content": word}}]})
                self.wfile.write(f"data: {piece}\n\n".encode())
                time.sleep(PIECE_SECONDS)
            self.wfile.write(b"data: [DONE]\n\n")

    def _tell(self, told: object) -> None:
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        del args


def _speaking_to(model: Served) -> dict[str, str]:
    return {
        "MUNIMENT_MODEL_URL": model.url,
        "MUNIMENT_MODEL_NAME": model.name,
        "MUNIMENT_MODEL_KEY": model.key,
        "MUNIMENT_LOG_LEVEL": "info",
    }


def _wait_until_read(site: Site) -> None:
    """Wait until the service has read the documents ahead, as its log says."""
    log = site.data / "logs" / "service.log"
    until, times, last = time.monotonic() + READ_AHEAD_SECONDS, 0, time.monotonic()
    while not times or time.monotonic() < last + SETTLED_SECONDS:
        if time.monotonic() > until:
            console.print("The documents were not read ahead in time.")
            return
        told = log.read_text(encoding="utf-8").count("reading_ahead.read")
        if told > times:
            times, last = told, time.monotonic()
        time.sleep(1)


def _measured(site: Site, model: ModelServer) -> Iterator[Times]:
    person, password = next(iter(site.passwords.items()))
    with httpx.Client(base_url=site.service, timeout=QUIET_SECONDS, trust_env=False) as client:
        reply = client.post("/v1/session", json={"name": person, "password": password})
        client.headers["Authorization"] = f"Bearer {reply.raise_for_status().json()['token']}"
        taken = 0
        for known in read_questions(QUESTIONS):
            if taken == MEASURED:
                return
            whole, turn_id = _asked(client, known.question)
            prompt = _prompt_of(site, turn_id)
            if whole is None or not prompt:
                continue
            taken += 1
            bare = _bare(model, prompt, reader=turn_id)
            whole_warm, _ = _asked(client, known.question)
            bare_warm = _bare(model, prompt, reader=turn_id)
            second, second_turn = _asked(client, SECOND.format(known.question))
            if _passages_in(_prompt_of(site, second_turn)) != _passages_in(prompt):
                second = None
            if whole_warm is not None:
                yield Times(bare, whole, bare_warm, whole_warm, second)


def _asked(client: httpx.Client, question: str) -> tuple[float | None, str]:
    """Ask, stop at the first piece of the draft; return milliseconds to it, and the turn.

    No milliseconds where no draft was written.
    """
    time.sleep(REST_SECONDS)
    started = time.perf_counter()
    reply = client.post("/v1/ask", json={"question": question})
    turn_id = str(reply.raise_for_status().json()["turn_id"])
    first: float | None = None
    with client.stream("GET", f"/v1/turns/{turn_id}/events") as stream:
        for line in stream.iter_lines():
            if line == "event: draft" and first is None:
                first = (time.perf_counter() - started) * 1_000
                client.post(f"/v1/turns/{turn_id}/stop")
    return first, turn_id


def _prompt_of(site: Site, turn_id: str) -> list[Message]:
    """Return the prompt of a turn as it is on record; empty where it had none."""
    with closing(AuditLog.open(site.data / "audit")) as record:
        for entry in record.entries(limit=100_000, type="rag.answer"):
            told = {**entry.envelope, **(entry.payload or {})}
            if told.get("turn_id") == turn_id and told.get("prompt"):
                messages: list[Message] = json.loads(str(told["prompt"]))
                return messages
    return []


def _passages_in(prompt: Sequence[Message]) -> str:
    return "".join(message["content"] for message in prompt).rpartition("\nQuestion:")[0]


def _bare(model: ModelServer, prompt: Sequence[Message], *, reader: str) -> float:
    """Return milliseconds to the first piece of a reply to a prompt sent without Muniment.

    What the server has kept for another reader does not serve this one.
    """
    time.sleep(REST_SECONDS)
    started = time.perf_counter()
    with closing(model.complete(prompt, maximum_tokens=1, reader=reader)) as reply:
        next(reply, None)
    return (time.perf_counter() - started) * 1_000


def _show(times: Sequence[Times]) -> None:
    table = Table(title="Time to the first token, milliseconds")
    for column in ("", "p50", "p95", "smallest", "largest", "n"):
        table.add_column(column, justify="right" if column else "left")
    rows = {
        "cold: the model server alone": [one.bare for one in times],
        "cold: through Muniment": [one.whole for one in times],
        "cold: difference": [one.whole - one.bare for one in times],
        "warm: the model server alone": [one.bare_warm for one in times],
        "warm: through Muniment": [one.whole_warm for one in times],
        "warm: difference": [one.whole_warm - one.bare_warm for one in times],
        "a second question over the same passages": [
            one.second for one in times if one.second is not None
        ],
        "that in percent of the first": [
            100 * one.second / one.whole for one in times if one.second is not None
        ],
    }
    for name, values in rows.items():
        ordered = sorted(values)
        if ordered:
            high = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
            figures = (median(ordered), high, ordered[0], ordered[-1])
            table.add_row(name, *(f"{value:.0f}" for value in figures), str(len(ordered)))
    console.print(table)


if __name__ == "__main__":
    main()
