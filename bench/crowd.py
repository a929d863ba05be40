"""Fifty questions at once through the real service and the real model server.

    python -m bench crowd

One person asks as much as all others together. None may be lost, each must be on record with its
end, and nobody may be served twice while somebody else who asked less waits.
"""

import json
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import httpx
from rich.console import Console
from rich.table import Table

import muniment.silence  # noqa: F401  (first, before anything that might speak)
from audit.log import AuditLog
from bench.running_site import Site, running_site
from muniment.settings import CHECKOUT
from rag.evaluation import read_questions

QUESTIONS = CHECKOUT / "samples" / "questions-dev.jsonl"
CROWD = 50
GREEDY_SHARE = 0.5
PATIENCE_SECONDS = 3_000.0

console = Console(highlight=False, width=110)


@dataclass(slots=True)
class Asked:
    """A question, and what its asker saw.

    Attributes:
        person: Who asked.
        text: What.
        turn_id: Its turn; empty where it was not taken.
        seconds: From asking to the answer; None where none came.
        outcome: How it ended.
        places: In the queue, as they were told.
        heard: Number of the last event.
        broken: How often the connection broke.
    """

    person: str
    text: str
    turn_id: str = ""
    seconds: float | None = None
    outcome: str = ""
    places: list[int] = field(default_factory=list)
    heard: int = 0
    broken: int = 0


def main() -> None:
    """Run the crowd and print what became of it."""
    with (
        tempfile.TemporaryDirectory(prefix="muniment-crowd-") as folder,
        running_site(Path(folder), {}) as site,
    ):
        if site is None:
            return
        asked = _crowd(sorted(site.passwords))
        started = time.monotonic()
        _ask_all(site, asked)
        seconds = time.monotonic() - started
        order, ends = _on_record(site)
    _show_people(asked)
    _show_whole(asked, order, ends, seconds)


def _crowd(people: Sequence[str]) -> list[Asked]:
    """Return the questions, those of the greedy one first."""
    texts = [each.question for each in read_questions(QUESTIONS) if each.answerable]
    greedy = round(CROWD * GREEDY_SHARE)
    askers = [people[0]] * greedy
    askers += [people[1 + number % (len(people) - 1)] for number in range(CROWD - greedy)]
    return [Asked(person, texts[number % len(texts)]) for number, person in enumerate(askers)]


def _ask_all(site: Site, asked: Sequence[Asked]) -> None:
    limits = httpx.Limits(max_connections=2 * CROWD)
    timeout = httpx.Timeout(PATIENCE_SECONDS, connect=60.0)
    with httpx.Client(
        base_url=site.service, limits=limits, timeout=timeout, trust_env=False
    ) as client:
        tokens = {person: _sign_in(client, site, person) for person in {a.person for a in asked}}
        go = threading.Barrier(len(asked))
        threads = [
            threading.Thread(target=_ask, args=(client, tokens[one.person], one, go))
            for one in asked
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def _sign_in(client: httpx.Client, site: Site, person: str) -> str:
    body = {"name": person, "password": site.passwords[person]}
    reply = client.post("/v1/session", json=body)
    reply.raise_for_status()
    return str(reply.json()["token"])


def _ask(client: httpx.Client, token: str, asked: Asked, go: threading.Barrier) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    go.wait()
    started = time.monotonic()
    reply = client.post("/v1/ask", json={"question": asked.text}, headers=headers)
    if reply.is_error:
        asked.outcome = f"refused with {reply.status_code}"
        return
    asked.turn_id = str(reply.json()["turn_id"])
    while asked.seconds is None and time.monotonic() - started < PATIENCE_SECONDS:
        try:
            _listen(client, headers, asked, started)
        except httpx.TransportError:
            asked.broken += 1  # and comes back after the last event it heard


def _listen(client: httpx.Client, headers: dict[str, str], asked: Asked, started: float) -> None:
    """Follow a turn's events from the last one that was heard, until its answer."""
    path = f"/v1/turns/{asked.turn_id}/events"
    resumed = headers | {"Last-Event-ID": str(asked.heard)}
    name = ""
    with client.stream("GET", path, headers=resumed) as stream:
        for line in stream.iter_lines():
            key, _, value = line.partition(": ")
            if key == "id":
                asked.heard = int(value)
            elif key == "event":
                name = value
            elif key == "data" and name == "waiting":
                asked.places.append(int(json.loads(value)["place"]))
            elif key == "data" and name == "answer":
                asked.outcome = str(json.loads(value)["answer"]["outcome"])
                asked.seconds = time.monotonic() - started
                return


def _on_record(site: Site) -> tuple[list[str], Counter[str]]:
    """Return the turns in the order in which they were served, and how often each has ended."""
    order: list[str] = []
    ends: Counter[str] = Counter()
    with closing(AuditLog.open(site.data / "audit")) as record:
        for entry in record.entries(limit=100_000):
            turn = str(entry.envelope.get("turn_id", ""))
            if entry.type == "rag.retrieve":
                order.append(turn)
            elif entry.type in {"rag.answer", "rag.refuse"}:
                ends[turn] += 1
    return order, ends


def largest_lead(order: Sequence[str], asked: Sequence[Asked]) -> int:
    """Return by how many questions somebody was ever ahead of somebody who still waited."""
    person_of = {one.turn_id: one.person for one in asked}
    left = Counter(one.person for one in asked)
    had: Counter[str] = Counter()
    lead = 0
    for turn in order:
        person = person_of.get(turn)
        if person is None:
            continue
        had[person] += 1
        left[person] -= 1
        waiting = [had[other] for other in left if left[other] and other != person]
        if waiting:
            lead = max(lead, had[person] - min(waiting))
    return lead


def _show_people(asked: Sequence[Asked]) -> None:
    table = Table(title=f"{CROWD} questions at once, seconds from asking to the whole answer")
    for column in ("person", "questions", "first answer", "median", "longest", "places told"):
        table.add_column(column, justify="left" if column == "person" else "right")
    by_person: defaultdict[str, list[Asked]] = defaultdict(list)
    for one in asked:
        by_person[one.person].append(one)
    for person, own in by_person.items():
        seconds = sorted(one.seconds for one in own if one.seconds is not None)
        told = sum(bool(one.places) for one in own)
        figures = (seconds[0], median(seconds), seconds[-1]) if seconds else (0.0, 0.0, 0.0)
        table.add_row(person, str(len(own)), *(f"{each:.1f}" for each in figures), str(told))
    console.print(table)


def _show_whole(
    asked: Sequence[Asked], order: Sequence[str], ends: Counter[str], seconds: float
) -> None:
    lost = [one for one in asked if one.seconds is None]
    recorded = sum(ends[one.turn_id] == 1 for one in asked)
    backwards = sum(
        any(later > earlier for earlier, later in zip(one.places, one.places[1:], strict=False))
        for one in asked
    )
    outcomes = Counter(one.outcome for one in asked)
    console.print(f"all answered after {seconds:.0f} s; outcomes: {dict(outcomes)}")
    console.print(f"lost: {len(lost)} of {len(asked)}")
    console.print(f"on record, each with exactly one end: {recorded} of {len(asked)}")
    console.print(
        f"largest lead of one person over another who waited: {largest_lead(order, asked)} "
        "(1 is strictly in turn; as many are answered at once may be added)"
    )
    console.print(f"connections that broke and were resumed: {sum(one.broken for one in asked)}")
    console.print(f"questions that were told a worse place than before: {backwards}")


if __name__ == "__main__":
    main()
