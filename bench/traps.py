"""How many planted falsehoods get past the check: swapped numbers, wrong sources, stale rules.

    python -m bench traps

Every trap (`samples/traps`) is a question about the sample documents with a sentence that a bad
model might answer it with. The question goes through the real assistant, the model is a stand-in
that says the trap, and what would be shown is looked at: does the trap stand there as a fact?
"""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

import muniment.silence  # noqa: F401  (first, before anything that might speak)
from bench.desk import Desk, opened, stand_in
from corpus.access import Principal
from muniment.settings import CHECKOUT
from rag.contract import Answer, Outcome

TRAPS = CHECKOUT / "samples" / "traps"
DOCUMENTS = CHECKOUT / "samples" / "documents"
READER = Principal("margaret", frozenset({"staff"}))
MOST_SHOWN = 1
"""Of the ninety, as facts."""

console = Console(highlight=False, width=110)


@dataclass(frozen=True, slots=True)
class Trap:
    """A falsehood that a model might say.

    Attributes:
        name: In its file.
        question: What it is said in answer to.
        draft: What the model says.
        superseded: The edition it is taken from, where what it says was true once; else empty.
        in_force: The edition that says otherwise now; empty where there is none.
        why: What is wrong with it.
    """

    name: str
    question: str
    draft: str
    superseded: str
    in_force: str
    why: str


def main() -> None:
    """Print, by kind, how many traps are shown as facts, and which."""
    table = Table(title="Planted falsehoods that the model says")
    for column in (
        "kind",
        "traps",
        "shown as fact",
        "answered otherwise",
        "refused",
        "ms CPU each",
    ):
        table.add_column(column, justify="left" if column == "kind" else "right")
    shown_in_all: list[Trap] = []
    total = dated = current = 0
    with opened(DOCUMENTS, groups=READER.groups) as desk:
        for path in sorted(TRAPS.glob("*.jsonl")):
            traps = list(read_traps(path))
            started = time.process_time()
            answers = [answer_to(trap, desk) for trap in traps]
            spent = (time.process_time() - started) / len(traps) * 1000
            shown = [trap for trap, one in zip(traps, answers, strict=True) if is_shown(trap, one)]
            refused = sum(one.outcome is Outcome.REFUSED for one in answers)
            others = len(traps) - len(shown) - refused
            table.add_row(
                path.stem,
                str(len(traps)),
                str(len(shown)),
                str(others),
                str(refused),
                f"{spent:.0f}",
            )
            shown_in_all += shown
            of_editions = [
                (trap, one) for trap, one in zip(traps, answers, strict=True) if trap.in_force
            ]
            dated += len(of_editions)
            current += sum(is_in_force_first(trap, one) for trap, one in of_editions)
            total += len(traps)
    console.print(table)
    for trap in shown_in_all:
        console.print(f"Shown: {trap.name}: {trap.draft} ({trap.why})")
    console.print(
        f"{len(shown_in_all)} of {total} are shown as facts; asked for: at most {MOST_SHOWN}."
    )
    console.print(f"The edition in force is quoted first for {current} of {dated}.")


def read_traps(path: Path) -> Iterator[Trap]:
    """Yield the traps of a file."""
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        yield Trap(
            name=row["id"],
            question=row["question"],
            draft=row["draft"],
            superseded=row.get("superseded", ""),
            in_force=row.get("in_force", ""),
            why=row["why"],
        )


def answer_to(trap: Trap, desk: Desk) -> Answer:
    """Return what is shown when the model says a trap."""
    return desk.ask(trap.question, READER, model=stand_in(lambda _: trap.draft))


def is_shown(trap: Trap, answer: Answer) -> bool:
    """Say whether an answer states a trap as a fact.

    What an earlier edition said is no falsehood where the later one stands beside it or a note
    says that it is earlier.
    """
    if trap.superseded:
        told = bool(answer.note) or answer.outcome is Outcome.CONFLICT
        cites = any(citation.path == trap.superseded for citation in answer.citations)
        return cites and not told
    said = [_plain(sentence.text) for sentence in answer.sentences]
    return _plain(trap.draft) in said


def is_in_force_first(trap: Trap, answer: Answer) -> bool:
    """Say whether the edition in force is quoted, and before the one that it replaced."""
    paths = [citation.path for citation in answer.citations]
    editions = [path for path in paths if path in (trap.in_force, trap.superseded)]
    return editions[:1] == [trap.in_force]


def _plain(text: str) -> str:
    return " ".join(re.findall(r"[\w%\u00a3.]+", text.lower())).rstrip(".")


if __name__ == "__main__":
    main()
