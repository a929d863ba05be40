"""How well the product tells what passages answer from what they do not: MTRAG-UN's tasks.

    python -m bench mtrag [--draw]

Every task is a conversation with the passages that somebody's retriever found for its last
question. The question is made to stand alone as the product does it without a model, passages
are cut as the product cuts them, and the score is the one by which the product refuses.
"""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import muniment.silence  # noqa: F401  (first, before anything that might speak)
from bench.answering import finders, score_of
from bench.curves import Step, area, draw, steps
from bench.evaluation_sets import data_folder
from bench.texts import passages_of
from corpus.access import AuthorizedChunk
from rag.following import stand_alone

ANSWERABLE, UNANSWERABLE = "answerable", "unanswerable"
KINDS = (ANSWERABLE, "partial", "underspecified", UNANSWERABLE)
SHOWN_REFUSALS = (0.05, 0.10, 0.15, 0.20, 0.30, 0.40, 0.50)
"""Parts of the answerable that are refused, at which the curve is printed."""
WANTED_AT_MOST = 0.15
"""Of the answerable, refused at the shipped threshold."""

console = Console(highlight=False, width=100)


@dataclass(frozen=True, slots=True)
class Task:
    """A question with passages, and whether they answer it.

    Attributes:
        question: The last one of the conversation, made to stand alone.
        passages: As the product would cut them.
        kind: One of `KINDS`.
    """

    question: str
    passages: list[AuthorizedChunk]
    kind: str


def main() -> None:
    """Print the curve, its area, and the share refused of every kind, without and with a judge."""
    data = data_folder()
    if data is None or not (data / "mtrag_un" / "tasks.jsonl").is_file():
        console.print("Skipped: MTRAG-UN is not here (MUNIMENT_EVAL_DATA).")
        return
    tasks = read_tasks(data / "mtrag_un" / "tasks.jsonl")
    empty = [task for task in tasks if not task.passages]
    console.print(
        f"{len(tasks)} tasks; {len(empty)} come without any passage and are refused by all."
    )
    lines: dict[str, Sequence[tuple[float, float]]] = {}
    points: dict[str, tuple[float, float]] = {}
    for which, finder in finders().items():
        started = time.process_time()
        scored = [score_of(finder, task.question, task.passages) for task in tasks]
        spent = (time.process_time() - started) / len(tasks)
        refused = [not score.sufficient for score in scored]
        values = [score.value for score in scored]
        _print(which, tasks, values, refused, milliseconds=spent * 1000)
        pairs = _pairs(tasks, values)
        lines[which] = [(1 - step.wanted, 1 - step.unwanted) for step in steps(pairs)]
        points[which] = _share(tasks, refused, ANSWERABLE), _share(tasks, refused, UNANSWERABLE)
    if "--draw" in sys.argv:
        path = draw(
            "refusing",
            lines,
            points,
            across="answerable questions refused",
            up="unanswerable questions refused",
        )
        console.print(f"Drawn in {path.name}.")


def read_tasks(path: Path) -> list[Task]:
    """Return the tasks of a file of MTRAG-UN."""
    return [_task(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def _task(row: dict[str, Any]) -> Task:
    asked = [one["text"] for one in row["input"] if one["speaker"] == "user"]
    passages = [
        chunk
        for place, context in enumerate(row["contexts"])
        for chunk in passages_of(
            context["text"].replace("<br>", "\n"),
            document=f"{row['task_id']}-{place}",
            title=str(context.get("title") or ""),
        )
    ]
    (kind,) = row["answerability"]
    return Task(stand_alone(asked[-1], asked[:-1]), passages, str(kind).lower())


def _pairs(tasks: Sequence[Task], values: Sequence[float]) -> list[tuple[float, bool]]:
    return [
        (value, task.kind == ANSWERABLE)
        for task, value in zip(tasks, values, strict=True)
        if task.kind in {ANSWERABLE, UNANSWERABLE}
    ]


def _share(tasks: Sequence[Task], refused: Sequence[bool], kind: str) -> float:
    own = [no for task, no in zip(tasks, refused, strict=True) if task.kind == kind]
    return sum(own) / max(len(own), 1)


def _print(
    which: str,
    tasks: Sequence[Task],
    values: Sequence[float],
    refused: Sequence[bool],
    *,
    milliseconds: float,
) -> None:
    pairs = _pairs(tasks, values)
    filled = [pair for pair, task in zip(values, tasks, strict=True) if task.passages]
    with_passages = [task for task in tasks if task.passages]
    shares = Table(title=f"MTRAG-UN, {which}: refused at the shipped threshold")
    for column in ("tasks that are", "tasks", "refused", "share"):
        shares.add_column(column, justify="left" if column == "tasks that are" else "right")
    for kind in KINDS:
        own = [no for task, no in zip(tasks, refused, strict=True) if task.kind == kind]
        shares.add_row(kind, str(len(own)), str(sum(own)), f"{sum(own) / max(len(own), 1):.1%}")
    console.print(shares)
    curve = Table(title="The curve: what is refused at other thresholds")
    curve.add_column("answerable refused at most")
    curve.add_column("unanswerable refused", justify="right")
    curve.add_column("threshold", justify="right")
    for most in SHOWN_REFUSALS:
        step = _step_at(steps(pairs), most)
        curve.add_row(f"{most:.0%}", f"{1 - step.unwanted:.1%}", f"{step.threshold:.3f}")
    console.print(curve)
    console.print(
        f"Area under the curve {area(pairs):.3f} ({area(_pairs(with_passages, filled)):.3f} "
        f"among tasks with passages); {milliseconds:.0f} ms CPU a task. "
        f"Asked for: answerable refused at most {WANTED_AT_MOST:.0%}.\n"
    )


def _step_at(found: Sequence[Step], most: float) -> Step:
    """Return the highest threshold that refuses no more of the wanted than a share."""
    return next((step for step in found if 1 - step.wanted <= most), found[-1])


if __name__ == "__main__":
    main()
