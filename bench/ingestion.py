"""Ingestion: whole against its slowest stage, ten thousand files, memory, and what jobs cost.

``BENCH_FILINGS``, ``BENCH_LISTED`` and ``BENCH_FILES`` say of how many; 0 leaves a part out.
"""

import os
import random
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

import muniment.silence  # noqa: F401  (first, before anything that might speak)
from bench.evaluation_sets import data_folder
from corpus.documents import SourceId
from ingest.chunking import search_text
from ingest.jobs import DurableJobs
from ingest.pipeline import Jobs, Report
from ingest.reading import Readers
from ingest.sources import Folder
from muniment.assembly import House, ingest_settings, open_house
from muniment.settings import Settings, load_settings

FILES = int(os.environ.get("BENCH_FILES", "10000"))
LISTED = int(os.environ.get("BENCH_LISTED", "100000"))
FILINGS = int(os.environ.get("BENCH_FILINGS", "6"))
WORDS = (
    "ledger clause annex tariff quorum lease notice deposit term audit trustee remedy waiver "
    "schedule consent surety vessel freight premium claim"
).split()

console = Console(highlight=False, width=100)


@dataclass(frozen=True, slots=True)
class Spent:
    """What some work took: wall and processor seconds, those of the jails included."""

    wall: float
    processor: float


def main() -> None:
    """Print the tables."""
    console.print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} at the start\n")
    with tempfile.TemporaryDirectory(prefix="muniment-bench-") as folder:
        settings = load_settings().model_copy(
            update={"data": Path(folder) / "data", "model_off": True, "ocr": "off"}
        )
        with open_house(settings, worker=True) as house:
            _show_stages(house)
            if LISTED:
                _show_listing(Path(folder) / "listed")
            if FILES:
                _show_many(house, settings, Path(folder) / "many")


def _show_stages(house: House) -> None:
    root = data_folder()
    filings = root / "financebench" / "pdfs" if root else Path()
    found = sorted(filings.glob("*.pdf"), key=lambda path: path.stat().st_size)
    if not FILINGS:
        return
    if not found:
        console.print("The filings are not here: set MUNIMENT_EVAL_DATA. Stages skipped.\n")
        return
    chosen = found[:FILINGS]
    assert house.pipeline is not None  # noqa: S101  (opened with worker=True)
    readers = Readers(house.originals, ingest_settings(house.settings))
    originals = {path.name: house.originals.keep(path.read_bytes()) for path in chosen}
    texts: list[list[str]] = []

    def parse() -> None:
        for name, original in originals.items():
            read = readers.read(name, original)
            assert read.parsed is not None  # noqa: S101  (filings have text)
            texts.append(
                [
                    search_text(read.parsed.title, chunk, read.parsed.text[chunk.start : chunk.end])
                    for chunk in read.chunks
                ]
            )

    def embed() -> None:
        for some in texts:
            house.embedder.embed(some)

    alone = {"parse": _spend(parse)}
    readers.close()
    alone["embed"] = _spend(embed)
    with tempfile.TemporaryDirectory() as folder:
        linked = Path(folder) / "filings"
        linked.mkdir()
        for path in chosen:
            (linked / path.name).write_bytes(path.read_bytes())
        source = house.catalog.add_source(name="filings", location=linked, groups=frozenset())
        whole = _spend(lambda: _run(house, source.source_id, None))
    table = Table(title=f"{len(chosen)} filings, {sum(map(len, texts))} chunks")
    for column in ("Stage", "Wall seconds", "Processor seconds"):
        table.add_column(column, justify="left" if column == "Stage" else "right")
    for name, spent in {**alone, "whole pipeline": whole}.items():
        table.add_row(name, f"{spent.wall:.1f}", f"{spent.processor:.1f}")
    slowest = max(alone.values(), key=lambda spent: spent.wall)
    console.print(table)
    console.print(
        f"The whole is {slowest.wall / whole.wall:.0%} as fast as its slowest stage alone "
        f"(target 85 %); in processor time the stages are "
        f"{sum(one.processor for one in alone.values()) / whole.processor:.0%} of it.\n"
    )


def _show_listing(folder: Path) -> None:
    """List very many files and say what that takes."""
    for number in range(LISTED):
        if number % 1000 == 0:
            (folder / str(number // 1000)).mkdir(parents=True, exist_ok=True)
        (folder / str(number // 1000) / f"{number}.txt").touch()
    before = _peak_megabytes()
    started = time.perf_counter()
    count = sum(1 for _ in Folder(folder).walk())
    console.print(
        f"Listing {count:,} files: {time.perf_counter() - started:.1f} seconds, "
        f"{_peak_megabytes() - before:.0f} MB more than before.\n"
    )


def _show_many(house: House, settings: Settings, folder: Path) -> None:
    """Bring in very many small files, look at memory on the way, and go over them again."""
    assert house.pipeline is not None  # noqa: S101
    folder.mkdir()
    chance = random.Random(7)  # noqa: S311 - words of notes, no secret
    for number in range(FILES):
        (folder / f"{number:06}.txt").write_text(
            f"Note {number}. " + " ".join(chance.choices(WORDS, k=60)) + "."
        )
    time.sleep(2.1)  # younger files are compared by their bytes
    source = house.catalog.add_source(name="many", location=folder, groups=frozenset())
    memory: list[tuple[int, float, float]] = []

    def watch(done: int) -> None:
        if not memory or done - memory[-1][0] >= FILES // 10:
            memory.append((done, *_resident_megabytes()))

    jobs = DurableJobs(house.pipeline.steps, url=settings.jobs_url, worker_id="bench")
    first = _spend(lambda: _run(house, source.source_id, jobs, watch))
    started = time.perf_counter()
    jobs.forget(house.catalog.runs()[0].run_id)
    forgotten = time.perf_counter() - started
    jobs.close()
    again = [_spend(lambda: _run(house, source.source_id, None)) for _ in range(3)]
    checked = _spend(lambda: _run(house, source.source_id, None, options=["check"]))
    table = Table(title=f"{FILES:,} small files")
    for column in ("What", "Wall seconds", "Processor seconds"):
        table.add_column(column, justify="left" if column == "What" else "right")
    table.add_row("brought in, as durable jobs", f"{first.wall:.1f}", f"{first.processor:.1f}")
    table.add_row("jobs forgotten afterwards", f"{forgotten:.1f}", "")
    walls = sorted(one.wall for one in again)
    table.add_row(
        "gone over again, unchanged",
        f"{median(walls):.1f} ({walls[0]:.1f} to {walls[-1]:.1f})",
        f"{median(one.processor for one in again):.1f}",
    )
    table.add_row("the same, comparing bytes", f"{checked.wall:.1f}", f"{checked.processor:.1f}")
    console.print(table)
    kernel = resource.getrusage(resource.RUSAGE_SELF)
    console.print(
        f"Of this process's {kernel.ru_utime + kernel.ru_stime:.0f} processor seconds "
        f"{kernel.ru_stime / (kernel.ru_utime + kernel.ru_stime):.0%} were the kernel's."
    )
    table = Table(title="Resident megabytes")
    for column in ("Files done", "the process's own", "pages of files"):
        table.add_column(column, justify="right")
    for done, own, mapped in memory:
        table.add_row(f"{done:,}", f"{own:.0f}", f"{mapped:.0f}")
    console.print(table)


def _run(
    house: House,
    source_id: SourceId,
    jobs: Jobs | None,
    watch: Callable[[int], None] = lambda _: None,
    options: list[str] | None = None,
) -> Report:
    assert house.pipeline is not None  # noqa: S101
    run_id = house.catalog.queue_run(source_id, options=options or [])
    house.catalog.claim_run()
    return house.pipeline.run(
        run_id, jobs=jobs, progress=lambda progress: watch(progress.files_done)
    )


def _spend(work: Callable[[], object]) -> Spent:
    wall, processor = time.perf_counter(), _processor_seconds()
    work()
    return Spent(time.perf_counter() - wall, _processor_seconds() - processor)


def _processor_seconds() -> float:
    """Of this process, its threads and every jail that has ended or still runs."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime
    return total + _running_children_seconds()


def _running_children_seconds() -> float:
    ticks = os.sysconf("SC_CLK_TCK")
    total = 0.0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid():
            total += sum(int(fields[place]) for place in (11, 12, 13, 14)) / ticks
    return total


def _resident_megabytes() -> tuple[float, float]:
    """Return what this process holds itself, and what it has mapped of files, such as the index's.

    The kernel takes the latter back when anybody needs the room.
    """
    told = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    own, mapped = (int(told[name].split()[0]) / 1_024 for name in ("RssAnon", "RssFile"))
    return own, mapped


def _peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
