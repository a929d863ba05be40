"""The main job: ingestion and retrieval; prints two tables."""

import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import TypeVar

from rich.console import Console
from rich.table import Table

import muniment.silence  # noqa: F401  (first, before anything that might speak)
from corpus.access import Principal
from ingest.pipeline import Report
from muniment.assembly import House, open_house
from muniment.samples import read_samples
from muniment.settings import CHECKOUT, load_settings
from rag.evaluation import read_questions
from rag.ranking import DEPTH

QUESTIONS = CHECKOUT / "samples" / "questions-dev.jsonl"
ROUNDS = 3

T = TypeVar("T")

console = Console(highlight=False, width=100)


def main() -> None:
    """Run all benchmarks on a data folder of their own."""
    load = os.getloadavg()[0]
    console.print(f"{os.cpu_count()} cores, load average {load:.1f} at the start\n")
    with tempfile.TemporaryDirectory(prefix="muniment-bench-") as folder:
        settings = load_settings().model_copy(update={"data": Path(folder), "model_off": True})
        with open_house(settings, worker=True) as house:
            reader = sample_reader()
            _show_ingestion(ingest_samples(house))
            _show_retrieval(house, reader)


def sample_reader() -> Principal:
    """Return somebody who may read all the sample documents."""
    samples = read_samples()
    groups = {group for account in samples.accounts for group in account.groups}
    return Principal("bench", frozenset(groups))


def ingest_samples(house: House) -> Report:
    """Bring the sample documents in."""
    samples = read_samples()
    source = house.catalog.add_source(
        name=samples.name, location=samples.folder, groups=samples.groups, rules=samples.rules
    )
    assert house.pipeline is not None  # noqa: S101  (opened with worker=True)
    return house.pipeline.run(house.catalog.queue_run(source.source_id))


def _show_ingestion(report: Report) -> None:
    pages = sum(file.pages for file in report.files)
    chunks = sum(file.chunks for file in report.files)
    table = Table(title="Ingestion of the sample documents, end to end")
    for column in ("Step", "Seconds", "Share of the whole"):
        table.add_column(column, justify="left" if column == "Step" else "right")
    for step, seconds in report.steps.items():
        table.add_row(step, f"{seconds:.2f}", f"{seconds / report.seconds:.0%}")
    table.add_row("end to end", f"{report.seconds:.2f}", "100%")
    console.print(table)
    console.print(
        f"{len(report.files)} files, {pages} pages ({pages / report.seconds:.1f} a second), "
        f"{chunks} chunks ({chunks / report.seconds:.1f} a second). "
        "Parsing runs in processes beside the other steps, so the shares add up to more.\n"
    )


def _show_retrieval(house: House, reader: Principal) -> None:
    questions = [each.question for each in read_questions(QUESTIONS)]
    lists = house.gate.lists_for(reader)
    embed, index, search = [], [], []
    for question in questions * ROUNDS:
        # With a space, so that the search after it does not find the vector at hand.
        dense, milliseconds = _timed(partial(house.embedder.embed_question, f"{question} "))
        embed.append(milliseconds)
        sparse = house.bm25.encode_question(question)
        rank = partial(
            house.index.rankings, dense=dense, sparse=sparse, access_lists=lists, limit=DEPTH
        )
        index.append(_timed(rank)[1])
        search.append(_timed(partial(house.assistant.search, question, reader, limit=8))[1])
    _table_of_times(
        f"Retrieval with an access filter and on the record, {house.index.count()} chunks",
        {"embed": embed, "index": index, "search, all steps": search},
    )


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    started = time.perf_counter()
    result = work()
    return result, (time.perf_counter() - started) * 1_000


def _table_of_times(title: str, steps: Mapping[str, Sequence[float]]) -> None:
    table = Table(title=title)
    table.add_column("Milliseconds")
    for column in ("p50", "p95", "smallest", "largest", "n"):
        table.add_column(column, justify="right")
    for step, values in steps.items():
        ordered = sorted(values)
        high = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
        table.add_row(
            step,
            *(f"{value:.1f}" for value in (median(ordered), high, ordered[0], ordered[-1])),
            str(len(ordered)),
        )
    console.print(table)
    console.print()
