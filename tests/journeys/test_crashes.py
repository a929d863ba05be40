"""The whole process is killed at random moments; what it leaves is what it would have left."""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pytest

from audit.log import AuditLog
from corpus.catalog import Catalog
from corpus.index import open_index
from corpus.originals import Originals
from tests.conftest import CHECKOUT
from tests.ingest import making

CANARY = "xylophone-7731-quetzal"
FILINGS = ("FOOTLOCKER_2022_8K_dated-2022-05-20.pdf", "AMCOR_2022_8K_dated-2022-07-01.pdf")
LONG_FILINGS = (*FILINGS, "FOOTLOCKER_2022_8K_dated_2022-08-19.pdf", "AMCOR_2023Q4_EARNINGS.pdf")
ANSWER_SECONDS = 3_600
"""A stage alone takes seconds; on a machine that is busy with other things, minutes."""
LEAST_SECONDS = 0.5
SHARE = 0.2
"""Of an undisturbed stage's time, growing from kill to kill: most stages are killed several
times before their end, and all come to one."""
KILLS_A_STAGE = 8
KILLS = int(os.environ.get("CRASH_KILLS", "50"))
SEED = int(os.environ.get("CRASH_SEED", "2001"))
KEPT_MODEL = CHECKOUT / "data" / "cache" / "embedding"
"""Converted once; worlds are given a copy of it where there is one."""


@dataclass(frozen=True, slots=True)
class World:
    """A folder of documents, and the Muniment that reads it."""

    documents: Path
    data: Path

    def catalog(self) -> Catalog:
        return Catalog.open(f"sqlite:///{self.data}/catalog.db")


def data_folder() -> Path:
    return Path(os.environ.get("MUNIMENT_EVAL_DATA", CHECKOUT.parent / "shared" / "data"))


@lru_cache
def policy() -> bytes:
    """The same bytes for every world: a PDF tells when it was made."""
    with tempfile.TemporaryDirectory() as folder:
        return making.policy_pdf(Path(folder) / "policy.pdf").read_bytes()


def write_first(folder: Path, filings: tuple[str, ...]) -> None:
    for number in range(12):
        (folder / f"rule-{number}.md").write_text(
            f"# Rule {number}\n\nClause {number} holds until the year {2030 + number}.\n" * 3
        )
    (folder / "leave.pdf").write_bytes(policy())
    (folder / "copy.pdf").write_bytes((folder / "leave.pdf").read_bytes())
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7\n" + b"\x99garbage" * 50)
    (folder / "secret.txt").write_text(f"The code word is {CANARY}. It is told to nobody.\n")
    source = data_folder() / "financebench" / "pdfs"
    for name in filings:
        shutil.copyfile(source / name, folder / name)


def write_second(folder: Path, filings: tuple[str, ...]) -> None:
    for number in (1, 4, 7):
        (folder / f"rule-{number}.md").write_text(f"# Rule {number}\n\nClause {number} is void.\n")
    (folder / "rule-2.md").unlink()
    (folder / "rule-3.md").rename(folder / "moved.md")
    (folder / "broken.pdf").write_bytes(policy()[:-1] + b" ")
    for number in range(4):
        (folder / f"new-{number}.txt").write_text(f"Addendum {number} is signed in June.")
    if filings:
        (folder / filings[0]).unlink()


def write_third(folder: Path, filings: tuple[str, ...]) -> None:
    (folder / "secret.txt").unlink()
    (folder / "rule-1.md").write_text("# Rule 1\n\nClause 1 holds again.\n")
    (folder / "copy.pdf").unlink()
    if filings:
        shutil.copyfile(data_folder() / "financebench" / "pdfs" / filings[0], folder / filings[0])


STAGES: tuple[Callable[[Path, tuple[str, ...]], None], ...] = (
    write_first,
    write_second,
    write_third,
)


def ask_for_work(world: World, stage: int) -> None:
    """What an operator asks for, once, before each stage."""
    catalog = world.catalog()
    if stage == 0:
        catalog.add_source(name="files", location=world.documents, groups=frozenset({"staff"}))
    source = catalog.source_named("files")
    if stage == 2:
        known = catalog.known_files(source.source_id)["secret.txt"]
        assert known.document_id is not None
        catalog.ask_erasure(known.document_id, by="operator", ground="asked by its owner")
    catalog.queue_run(source.source_id)
    catalog.close()


def work(world: World, *, kill_after: float | None) -> tuple[bool, float]:
    """Let the worker work; say whether it came to its end, and how long it took."""
    environment = {n: v for n, v in os.environ.items() if not n.startswith("MUNIMENT_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.journeys.crash_child", str(world.data)],
        cwd=CHECKOUT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        first = process.stdout.readline()
        assert first == "ready\n", process.stderr.read()
        started = time.monotonic()
        if kill_after is None:
            assert process.wait(ANSWER_SECONDS) == 0, process.stderr.read()
            return True, time.monotonic() - started
        try:
            process.wait(kill_after)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return False, kill_after
        return True, time.monotonic() - started
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        process.stdout.close()
        process.stderr.close()


def state_of(world: World) -> dict[str, object]:
    """Everything that matters, without ids and times."""
    catalog = world.catalog()
    source = catalog.source_named("files")
    live = catalog.live_versions()
    chunks = {
        version.path: [
            (
                one.chunk.number,
                one.chunk.start,
                one.chunk.end,
                one.chunk.heading_path,
                one.chunk.page,
                hashlib.sha256(one.text.encode()).hexdigest(),
            )
            for one in catalog.chunks_of(version.version_id)
        ]
        for version in live
    }
    index = open_index(
        folder=world.data / "index", url="", api_key="", dimension=384, fingerprint=stored(world)
    )
    in_index = index.versions(live=True)
    staged = index.versions(live=False)
    points = index.count()
    index.close()
    record = AuditLog.open(world.data / "audit")
    entries = Counter(
        (entry.type, str((entry.payload or {}).get("path", "")))
        for entry in record.entries(limit=10_000)
        if entry.type.startswith("doc.")
    )
    record.close()
    state = {
        "chunks": chunks,
        "versions": {
            version.path: [
                (one.number, one.original, one.live)
                for one in catalog.versions_of(version.document_id)
            ]
            for version in live
        },
        "files": {
            (path, known.original, known.quarantined.reason if known.quarantined else "")
            for path, known in catalog.known_files(source.source_id).items()
        },
        "ledgers": [
            (run.state, catalog.totals(run.run_id), sorted(catalog.run_files(run.run_id), key=str))
            for run in catalog.runs()
        ],
        "originals": sorted(Originals(world.data / "originals").hashes()),
        "unfinished": list((world.data / "originals").glob("??/.*")),
        "record": entries,
        "indexed are live": in_index == {version.version_id for version in live},
        "staged": len(staged),
        "points": points == sum(len(some) for some in chunks.values()),
    }
    catalog.close()
    return state


def stored(world: World) -> str:
    import json  # noqa: PLC0415

    return str(json.loads((world.data / "index" / "index.json").read_text())["fingerprint"])


def holding_canary(world: World) -> list[str]:
    """Files under the data folder that still hold the erased text, the record set aside."""
    return [
        str(path.relative_to(world.data))
        for path in world.data.rglob("*")
        if path.is_file()
        and "audit" not in path.relative_to(world.data).parts
        and CANARY.encode() in path.read_bytes()
    ]


def make_world(folder: Path, model: Path | None = None) -> World:
    world = World(folder / "documents", folder / "data")
    world.documents.mkdir(parents=True)
    if model is not None:
        shutil.copytree(model, world.data / "cache" / "embedding")
    return world


def run_disturbed(
    world: World,
    filings: tuple[str, ...],
    chance: random.Random,
    seconds: list[float],
    kills_wanted: int,
) -> int:
    """Go through all stages, killing while there are kills left; return how many there were."""
    kills = 0
    for stage, write in enumerate(STAGES):
        write(world.documents, filings)
        ask_for_work(world, stage)
        ended = False
        for attempt in range(1, KILLS_A_STAGE + 1):
            if ended or kills == kills_wanted:
                break
            longest = max(LEAST_SECONDS, seconds[stage] * SHARE) * attempt
            ended, _ = work(world, kill_after=chance.uniform(0, longest))
            kills += not ended
        if not ended:
            ended, _ = work(world, kill_after=None)
    return kills


def prove(tmp_path: Path, filings: tuple[str, ...], kills_wanted: int, seed: int) -> None:
    calm = make_world(tmp_path / "calm", KEPT_MODEL if KEPT_MODEL.is_dir() else None)
    seconds = []
    for stage, write in enumerate(STAGES):
        write(calm.documents, filings)
        ask_for_work(calm, stage)
        seconds.append(work(calm, kill_after=None)[1])
    expected = state_of(calm)
    assert holding_canary(calm) == []
    model = calm.data / "cache" / "embedding"
    kills = rounds = 0
    while kills < kills_wanted:
        chance = random.Random(seed + rounds)  # noqa: S311 - moments, no secret
        world = make_world(tmp_path / f"round-{rounds}", model)
        kills += run_disturbed(world, filings, chance, seconds, kills_wanted - kills)
        found = state_of(world)
        for name, value in expected.items():
            assert found[name] == value, f"{name} differs with seed {seed + rounds}"
        assert holding_canary(world) == []
        print(
            f"seed {seed + rounds}: {kills} kills so far, state equal in {len(expected)} respects"
        )
        shutil.rmtree(world.data.parent)
        rounds += 1


def available(filings: tuple[str, ...]) -> tuple[str, ...]:
    folder = data_folder() / "financebench" / "pdfs"
    return tuple(name for name in filings if (folder / name).is_file())


def test_a_few_kills_leave_what_an_undisturbed_run_leaves(tmp_path: Path) -> None:
    prove(tmp_path, available(FILINGS[:1]), 3, seed=11)


@pytest.mark.long
@pytest.mark.timeout(7_200)
def test_fifty_kills_leave_what_an_undisturbed_run_leaves(tmp_path: Path) -> None:
    filings = available(LONG_FILINGS)
    if not filings:
        pytest.skip("the filings are not here; set MUNIMENT_EVAL_DATA to the evaluation data")

    prove(tmp_path, filings, KILLS, SEED)
