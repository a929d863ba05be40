"""How far a sentence's support can be told: claims that are true, false or unheard of.

    python -m bench claims [--contracts N] [--draw]

Two sets. Our own, the passages of `samples/claims` that the judge was not taught on, is for
choosing thresholds: passages of the kind that organisations write, each with claims that it bears
out, contradicts or says nothing about. ContractNLI's development part is for reporting:
a hypothesis against the passages of its contract that are nearest to it, as many as are read for
a question.
"""

import argparse
import json
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

import muniment.silence  # noqa: F401  (first, before anything that might speak)
from bench.answering import checks, embedder
from bench.curves import draw
from bench.evaluation_sets import data_folder
from bench.judge import held_out, items
from bench.texts import nearest, passages_of, whole
from corpus.access import AuthorizedChunk
from rag.assistant import PASSAGES

KINDS = {"E": "true", "C": "false", "N": "unheard of"}
CHOICES = {"Entailment": "E", "Contradiction": "C", "NotMentioned": "N"}
SEED = 5
RECALLS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
"""Parts of the true claims, at which the curve is printed."""

console = Console(highlight=False, width=100)


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence, the passages it is held against, and what is right.

    Attributes:
        sentence: What is claimed.
        passages: What it is held against.
        kind: "E" borne out, "C" contradicted, "N" not mentioned.
    """

    sentence: str
    passages: list[AuthorizedChunk]
    kind: str


def main() -> None:
    """Print, for each set, how many claims of each kind are called supported."""
    parser = argparse.ArgumentParser(prog="python -m bench claims")
    parser.add_argument("--contracts", type=int, default=None, help="Drawn by chance; all of them.")
    parser.add_argument("--draw", action="store_true")
    chosen, _ = parser.parse_known_args()
    if chosen.contracts is None:
        _show("Our own claims, on passages not taught, for choosing", list(own_claims()))
    data = data_folder()
    if data is None or not (data / "contractnli").is_dir():
        console.print("ContractNLI is not here (MUNIMENT_EVAL_DATA), so it is left out.")
        return
    claims = list(contract_claims(data, most=chosen.contracts))
    title = f"ContractNLI, development part, {chosen.contracts or 'all'} contracts, for reporting"
    _show(title, claims, picture="claims" if chosen.draw else "")


def own_claims() -> Iterator[Claim]:
    """Yield the claims about those of our passages that the judge was not taught on."""
    for item in items(held_out()):
        if item.kind in KINDS:
            yield Claim(item.text, whole(item.passage), item.kind)


def contract_claims(data: Path, *, most: int | None = None) -> Iterator[Claim]:
    """Yield ContractNLI's hypotheses, each with the passages of its contract nearest to it.

    Args:
        data: Where the evaluation sets are.
        most: So many contracts, drawn by chance with a fixed seed; None for all.
    """
    known = json.loads((data / "contractnli" / "dev.json").read_text(encoding="utf-8"))
    documents = known["documents"]
    if most is not None:
        documents = random.Random(SEED).sample(documents, min(most, len(documents)))  # noqa: S311
    for number, document in enumerate(documents):
        found = document["annotation_sets"][0]["annotations"]
        hypotheses = [known["labels"][name]["hypothesis"] for name in found]
        passages = passages_of(document["text"], document=f"contract-{number}")
        near = nearest(passages, hypotheses, embedder(), most=PASSAGES)
        for hypothesis, one, read in zip(hypotheses, found.values(), near, strict=True):
            yield Claim(hypothesis, read, CHOICES[one["choice"]])


def _show(title: str, claims: Sequence[Claim], *, picture: str = "") -> None:
    total = Counter(claim.kind for claim in claims)
    for which, check in checks().items():
        started = time.process_time()
        found = [check(claim.sentence, claim.passages) for claim in claims]
        spent = (time.process_time() - started) / max(len(claims), 1)
        called = Counter(
            claim.kind for claim, one in zip(claims, found, strict=True) if one.supported
        )
        table = Table(title=f"{title}, {which}")
        for column in ("claims that are", "claims", "called supported", "share"):
            table.add_column(column, justify="left" if column == "claims that are" else "right")
        for kind, name in KINDS.items():
            share = called[kind] / max(total[kind], 1)
            table.add_row(name, str(total[kind]), str(called[kind]), f"{share:.1%}")
        console.print(table)
        right = called["E"] / max(sum(called.values()), 1)
        console.print(
            f"Of what is called supported {right:.1%} is true; {spent * 1000:.1f} ms CPU a claim."
        )
        scores = [one.score for one in found]
        if any(score is not None for score in scores):
            _curve(claims, [score or 0.0 for score in scores], picture=picture)
        console.print()


def _curve(claims: Sequence[Claim], scores: Sequence[float], *, picture: str) -> None:
    """Print what other thresholds would call supported, and draw it where that is wanted."""
    ordered = sorted(zip(scores, claims, strict=True), key=lambda pair: -pair[0])
    total = Counter(claim.kind for claim in claims)
    curve = Table(title="The curve: what other thresholds call supported")
    for column in ("of the true", "of it true", "of the false", "threshold"):
        curve.add_column(column, justify="right")
    called: Counter[str] = Counter()
    line: list[tuple[float, float]] = []
    left = list(RECALLS)
    for score, claim in ordered:
        called[claim.kind] += 1
        recall, precision = called["E"] / max(total["E"], 1), called["E"] / called.total()
        line.append((recall, precision))
        if left and recall >= left[0]:
            false = called["C"] / max(total["C"], 1)
            curve.add_row(f"{recall:.0%}", f"{precision:.1%}", f"{false:.1%}", f"{score:.3f}")
            left = [one for one in left if one > recall]
    console.print(curve)
    if picture:
        across, up = "of the true, called supported", "of what is called supported, true"
        path = draw(picture, {"every rule and this score": line}, {}, across=across, up=up)
        console.print(f"Drawn in {path.name}.")


if __name__ == "__main__":
    main()
