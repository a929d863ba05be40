"""What a later edition says instead, found by meaning: which cosine tells it from anything else.

    python -m bench editions

`samples/editions` holds rules of invented organisations in an earlier and a later edition, with
which sentence of the later one stands in the place of which earlier one, in other words. At each
threshold: how many are found, and how often a sentence is taken for a counterpart that is none,
counted over the sentences without one and over the others with theirs left out.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import muniment.silence  # noqa: F401  (first, before anything that might speak)
from bench.answering import embedder
from corpus.vectors import FloatVector
from muniment.settings import CHECKOUT
from rag.editions import SAME_MATTER

EDITIONS = CHECKOUT / "samples" / "editions"
THRESHOLDS = (0.3, 0.35, 0.4, 0.43, SAME_MATTER, 0.5, 0.55, 0.6)
NONE = "-"

console = Console(highlight=False, width=110)


@dataclass(frozen=True, slots=True)
class Editions:
    """Two editions of one document.

    Attributes:
        earlier: Sentences, each with the letter of what stands in its place; NONE for nothing.
        later: Sentences by their letters.
    """

    earlier: list[tuple[str, str]]
    later: dict[str, str]


@dataclass(frozen=True, slots=True)
class Compared:
    """A sentence of an earlier edition beside the later one.

    Attributes:
        has_counterpart: Whether something stands in its place.
        is_found: Whether that is the nearest.
        nearest: Cosine of the nearest sentence.
        nearest_other: Cosine of the nearest that is no counterpart.
    """

    has_counterpart: bool
    is_found: bool
    nearest: float
    nearest_other: float


def main() -> None:
    """Print what each threshold finds and what it takes for a counterpart wrongly."""
    compared = [each for path in sorted(EDITIONS.glob("*.md")) for each in _compare(read(path))]
    sought = [each for each in compared if each.has_counterpart]
    table = Table(title="Rules in an earlier and a later edition, in other words")
    for column in ("cosine", f"found, of {len(sought)}", f"taken wrongly, of {len(compared)}"):
        table.add_column(column, justify="right")
    for threshold in THRESHOLDS:
        right = sum(each.is_found and each.nearest >= threshold for each in sought)
        wrong = sum(each.nearest_other >= threshold for each in compared)
        table.add_row(
            f"{threshold:.2f}{' (shipped)' if threshold == SAME_MATTER else ''}",
            f"{right} ({right / len(sought):.0%})",
            f"{wrong} ({wrong / len(compared):.0%})",
        )
    console.print(table)
    nearest = sum(each.is_found for each in sought)
    console.print(f"The nearest sentence is the right one for {nearest} of {len(sought)}.")


def read(path: Path) -> Editions:
    """Return the editions that a file holds."""
    text = path.read_text(encoding="utf-8")
    earlier = re.findall(r"^= (.+) -> ([a-z-])$", text, re.MULTILINE)
    later = dict(re.findall(r"^([a-z]): (.+)$", text, re.MULTILINE))
    return Editions(earlier, later)


def _compare(editions: Editions) -> Iterator[Compared]:
    letters = list(editions.later)
    later = embedder().embed([editions.later[letter] for letter in letters])
    earlier = embedder().embed([said for said, _ in editions.earlier])
    for (_, letter), vector in zip(editions.earlier, earlier, strict=True):
        yield _compared(letter, letters, later @ vector)


def _compared(letter: str, letters: list[str], cosines: FloatVector) -> Compared:
    best = int(np.argmax(cosines))
    others = [float(one) for key, one in zip(letters, cosines, strict=True) if key != letter]
    return Compared(letter != NONE, letters[best] == letter, float(cosines[best]), max(others))


if __name__ == "__main__":
    main()
