"""What each ingredient of retrieval gains and costs: each left out in turn.

    python -m bench ablation [--sets financebench xrefrag obliqa] [--half 0]

A second table says what each keeps of a passage, in bytes: what the index has to hold.
"""

import argparse
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from rich.console import Console
from rich.table import Table

import muniment.silence  # noqa: F401  (first, before anything that might speak)
from bench import evaluation_sets as sets
from corpus.index import Bm25Encoder, lexicon
from muniment.assembly import load_embedder
from muniment.evaluate_retrieval import (
    Options,
    Passages,
    Run,
    indexed,
    indexed_text,
    measure_files,
    measure_indexed,
    read_passages,
)
from muniment.settings import Settings, load_settings
from rag.fusion import DEFAULT
from rag.measures import differences, figures, percentile

PASSAGES = {
    "xrefrag": ("XRefRAG ADGM", sets.write_xrefrag),
    "obliqa": ("ObliQA dev", sets.write_obliqa),
}
SETS = ("financebench", *PASSAGES)
MEASURES = ("Recall@10", "MAP@10", "All@10")
PAGES = ("DocRec@10", "PageRec@10", "PageRec@5")
CEILING = "Recall@100"
BYTES_A_TERM = 8
"""Of the word index: four for the term, four for its weight."""

console = Console(highlight=False, width=130)

Measured = Iterable[tuple[str, Run]]


def main() -> None:
    """Print the difference that leaving each ingredient out makes, with its paired interval."""
    data = sets.data_folder()
    if data is None:
        console.print("Skipped: set MUNIMENT_EVAL_DATA to the folder of the evaluation sets.")
        return
    parser = argparse.ArgumentParser(prog="python -m bench ablation")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--half", type=int, choices=(0, 1), default=None)
    chosen, _ = parser.parse_known_args()
    settings = load_settings()
    variants = _variants(settings, chosen.half)
    kept = settings.data / "cache" / "evaluation"
    if "financebench" in chosen.sets:
        filings, questions = sets.write_financebench(data, kept / "financebench")
        keep = kept / "financebench" / "data"
        _print(
            "FinanceBench",
            PAGES,
            (
                (label, measure_files(filings, questions, settings, options, keep=keep))
                for label, options in variants.items()
                if options.headings
            ),
        )
    with tempfile.TemporaryDirectory(prefix="muniment-bench-") as folder:
        for key, (name, write) in PASSAGES.items():
            if key in chosen.sets:
                passages = read_passages(write(data, Path(folder) / key))
                _print(name, MEASURES, _measured(passages, settings, variants))
                _print_kept(name, passages, load_embedder(settings).dimension)


def _measured(passages: Passages, settings: Settings, variants: dict[str, Options]) -> Measured:
    """Yield what every variant finds; those that index alike share an index."""
    for headings in (True, False):
        alike = {label: one for label, one in variants.items() if one.headings == headings}
        with indexed(passages.rows, settings, next(iter(alike.values()))) as there:
            for label, options in alike.items():
                yield label, measure_indexed(there, passages, options)


def _print(name: str, measures: tuple[str, ...], measured: Measured) -> None:
    table = Table("Left out", *measures, "CPU ms p50", "p95", title=name)
    whole: Run | None = None
    for label, run in measured:
        whole = whole or run
        found, changed = figures(run.values), differences(run.values, whole.values)
        cells = [
            f"{found[one].mean:.4f} ({changed[one].mean:+.4f}, "
            f"{changed[one].low:+.4f} to {changed[one].high:+.4f})"
            for one in measures
        ]
        times = [f"{percentile(run.steps['all'], share):.1f}" for share in (0.5, 0.95)]
        table.add_row(label, *cells, *times)
    console.print(table)
    if whole is not None and CEILING in (found := figures(whole.values)):
        console.print(
            f"Ceiling of any reranking of the 100 candidates: {found[CEILING].mean:.4f} of what "
            "is relevant is among them."
        )


def _print_kept(name: str, passages: Passages, dimension: int) -> None:
    """Print what each ingredient keeps of a passage, on average."""
    texts = [indexed_text(row) for row in passages.rows]
    bm25 = Bm25Encoder()
    read = [bm25.encode_text(text) for text in texts]
    bare = [len(bm25.encode_text(text.body).weights.indices) for text in texts]
    alone = [len(set(lexicon.stems(text.body))) for text in texts]
    table = Table("Ingredient", "bytes a passage", title=f"{name}: what is kept of a passage")

    def add(ingredient: str, sizes: Sequence[int]) -> None:
        table.add_row(ingredient, f"{fmean(sizes):.0f}")

    add("meaning", [4 * dimension])
    add("words", [BYTES_A_TERM * count for count in alone])
    add(
        "pairs of words",
        [BYTES_A_TERM * (both - one) for both, one in zip(bare, alone, strict=True)],
    )
    add(
        "headings",
        [
            BYTES_A_TERM * (len(one.weights.indices) - without)
            for one, without in zip(read, bare, strict=True)
        ],
    )
    add("word by word, repetition", [len(" ".join(one.words).encode()) for one in read])
    add("references", [len(" ".join((*one.labels, *one.references)).encode()) for one in read])
    console.print(table)


def _variants(settings: Settings, half: int | None) -> dict[str, Options]:
    whole = Options(DEFAULT, half, settings.data / "cache" / "vectors.db")

    def without(ingredient: str) -> Options:
        return replace(whole, weights=replace(DEFAULT, **{ingredient: 0.0}))

    return {
        "nothing": whole,
        "meaning": without("dense"),
        "words": replace(whole, weights=replace(DEFAULT, dense=1.0)),
        "pairs of words": replace(whole, pairs=0.0),
        "headings": replace(whole, headings=False),
        "word by word": without("closeness"),
        "named documents": without("document"),
        "references": without("reference"),
        "repetition": without("repetition"),
    }
