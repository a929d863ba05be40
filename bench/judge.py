"""How well the judge tells what a passage answers, states, contradicts and leaves open.

Measured on the passages of `samples/claims` that it was not taught on: every twelfth, told by a
hash of the passage, so that adding others moves none.
"""

import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

from muniment.settings import CHECKOUT
from rag import profiles
from rag.judging import Judge, Pair, Verdict

CLAIMS = CHECKOUT / "samples" / "claims"
HELD_OUT = 12
"""One passage in so many is not taught."""
ANSWERED, UNANSWERED, TRUE, FALSE, OPEN = "+", "-", "E", "C", "N"
SETS = (
    ("question the passage answers, or near miss", ANSWERED, UNANSWERED),
    ("claim that is true, or contradicted", TRUE, FALSE),
    ("claim that is true, or left open", TRUE, OPEN),
)

console = Console(highlight=False, width=100)


@dataclass(frozen=True, slots=True)
class Item:
    """A question or claim and its passage.

    Attributes:
        text: The question or claim.
        passage: What it is held against.
        kind: One of ANSWERED, UNANSWERED, TRUE, FALSE, OPEN.
    """

    text: str
    passage: str
    kind: str

    def pair(self) -> Pair:
        """Return it as it is put to a judge."""
        return Pair(self.text, self.passage, is_question=self.kind in (ANSWERED, UNANSWERED))


def main() -> None:
    """Print how well the judges do on the passages they were not taught on."""
    # Imported here because teaching uses this module, and loads neither.
    from bench.answering import judge, larger_judge  # noqa: PLC0415

    _show("The judge", judge())
    larger = larger_judge()
    if larger is None:
        console.print("The larger judge's model is not here; `muniment up` prepares it.\n")
    else:
        _show("The larger judge", larger)


def _show(name: str, judge: Judge) -> None:
    held = list(items(held_out()))
    started = time.process_time()
    verdicts = judge.weigh([item.pair() for item in held])
    spent = time.process_time() - started
    table = Table(title=f"{name} on {len({item.passage for item in held})} passages not taught")
    for column in ("told apart", "first", "second", "area under the curve"):
        table.add_column(column, justify="left" if column == "told apart" else "right")
    for told, first, second in SETS:
        highs, lows = _bears_out(held, verdicts, first), _bears_out(held, verdicts, second)
        table.add_row(told, str(len(highs)), str(len(lows)), f"{area(highs, lows):.3f}")
    console.print(table)
    console.print(f"{spent / len(held) * 1000:.1f} ms CPU a pair.\n")


def items(known: Iterable[profiles.Item]) -> Iterator[Item]:
    """Yield every question and claim about some passages, in their order."""
    for one in known:
        marked = (one.answered, one.unanswered, one.true, one.false, one.open)
        for mark, texts in zip(profiles.MARKS, marked, strict=True):
            yield from (Item(text, one.text, mark) for text in texts)


def held_out() -> list[profiles.Item]:
    """Return the passages that are for measuring."""
    return [one for one in profiles.read_items(CLAIMS) if is_held_out(one.text)]


def is_held_out(passage: str) -> bool:
    """Say whether a passage is for measuring, and not for teaching."""
    return int(hashlib.sha256(passage.encode()).hexdigest(), 16) % HELD_OUT == 0


def area(highs: Sequence[float], lows: Sequence[float]) -> float:
    """Return how often one that should score high does score higher than one that should not."""
    high, low = np.array(highs)[:, None], np.array(lows)[None]
    return float((high > low).mean() + 0.5 * (high == low).mean())


def _bears_out(held: Sequence[Item], verdicts: Sequence[Verdict], kind: str) -> list[float]:
    return [
        verdict.bears_out for item, verdict in zip(held, verdicts, strict=True) if item.kind == kind
    ]


if __name__ == "__main__":
    main()
