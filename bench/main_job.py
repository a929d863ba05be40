"""The main job: ingestion, retrieval and the time to the first token; prints three tables."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import TypeVar

from rich.console import Console
from rich.table import Table

import muniment.silence  # noqa: F401  (first, before anything that might speak)
from corpus.access import Principal
from corpus.documents import ChunkId
from ingest.pipeline import Report
from muniment.assembly import House, open_house
from muniment.children import end_all
from muniment.model_server import OwnModelServer, plan_model
from muniment.samples import read_samples
from muniment.settings import CHECKOUT, Settings, load_settings
from rag.contract import Answer, DraftDelta, Step
from rag.evaluation import read_questions
from rag.generation import Message, ModelServer
from rag.prompting import build_messages, passages_for_prompt
from rag.ranking import DEPTH

QUESTIONS = CHECKOUT / "samples" / "questions-dev.jsonl"
ROUNDS = 3
MODEL_QUESTIONS = 8
READY_SECONDS = 300

T = TypeVar("T")

console = Console(highlight=False, width=100)


def main() -> None:
    """Run all benchmarks on a data folder of their own."""
    load = os.getloadavg()[0]
    console.print(f"{os.cpu_count()} cores, load average {load:.1f} at the start\n")
    with tempfile.TemporaryDirectory(prefix="muniment-bench-") as folder:
        settings = load_settings().model_copy(update={"data": Path(folder), "model_off": True})
        with open_house(settings, worker=True) as house:
            reader = _reader()
            _show_ingestion(_ingest(house))
            _show_retrieval(house, reader)
            _show_first_token(house, settings, reader)


def _reader() -> Principal:
    samples = read_samples()
    groups = {group for account in samples.accounts for group in account.groups}
    return Principal("bench", frozenset(groups))


def _ingest(house: House) -> Report:
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
        dense, milliseconds = _timed(partial(house.embedder.embed_question, question))
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


def _show_first_token(house: House, settings: Settings, reader: Principal) -> None:
    with _model_server(settings) as model:
        if model is None:
            console.print("First token: skipped, no model server (make up installs one).")
            return
        questions = [q.question for q in read_questions(QUESTIONS) if q.answerable]
        bare, whole, ratios = [], [], []
        assistant = type(house.assistant)(
            catalog=house.catalog,
            gate=house.gate,
            index=house.index,
            embedder=house.embedder,
            bm25=house.bm25,
            model=model,
            record=house.record,
        )
        for question in questions[: MODEL_QUESTIONS * 2]:
            answer = _ask(assistant.answer, question, reader)
            if answer.timings.first_token is None:
                continue
            # The first asking fills the server's prefix cache; then the same prompt goes once to
            # the server alone and once through Muniment, so that both find it filled.
            chunks = house.gate.authorize(
                reader,
                house.catalog.load_chunks([ChunkId(p.chunk_id) for p in answer.passages]),
            )
            messages = build_messages(question, passages_for_prompt(chunks))
            milliseconds = _timed(partial(_first_piece, model, messages))[1]
            again = _ask(assistant.answer, question, reader).timings.first_token or 0.0
            bare.append(milliseconds)
            whole.append(again)
            ratios.append(again - milliseconds)
            if len(bare) == MODEL_QUESTIONS:
                break
        _table_of_times(
            "Time to the first token, prompt in the server's prefix cache",
            {"the model server alone": bare, "through Muniment": whole, "difference": ratios},
        )


@contextmanager
def _model_server(settings: Settings) -> Iterator[ModelServer | None]:
    if settings.model_url:
        yield ModelServer(
            url=settings.model_url, name=settings.model_name, api_key=settings.model_key
        )
        return
    kept = load_settings()
    plan = plan_model(kept)
    if not plan.environment.exists():
        yield None
        return
    console.print("Starting the model server …")
    server = OwnModelServer(plan, log=settings.data / "model.log", say=console.print)
    server.start()
    try:
        deadline = time.monotonic() + READY_SECONDS
        while server.step() not in {"ready", "given up"} and time.monotonic() < deadline:
            time.sleep(0.5)
        ready = server.state == "ready"
        yield ModelServer(url=plan.url, name=plan.name, api_key=plan.key) if ready else None
    finally:
        server.stop_conversion()
        end_all([server.child])


def _ask(answer: Callable[..., Answer], question: str, reader: Principal) -> Answer:
    def ignore(_: Step | DraftDelta) -> None:
        return

    return answer(
        question,
        reader,
        turn_id="",
        conversation_id="",
        quotes_only=False,
        progress=ignore,
        stopped=lambda: False,
    )


def _first_piece(model: ModelServer, messages: Sequence[Message]) -> str:
    return next(model.complete(messages, maximum_tokens=1))


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
