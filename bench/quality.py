"""Retrieval on every evaluation set at hand, with the defaults as shipped: one table.

    python -m bench quality [--sets obliqa xrefrag financebench legalbench] [--agreements 11]

Of LegalBench-RAG's merger agreements, which take minutes each to embed, some can be drawn.
Vectors and what was read of files are kept under the data folder, so that a second run is short.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from rich.console import Console
from rich.table import Table

import muniment.silence  # noqa: F401  (first, before anything that might speak)
from bench import evaluation_sets as sets
from muniment.evaluate_retrieval import Options, Run, half_of, measure_files, measure_passages
from muniment.settings import load_settings
from rag.fusion import DEFAULT, Weights
from rag.measures import differences, figures, percentile

SETS = ("obliqa", "xrefrag", "financebench", "legalbench")
PASSAGES = {
    "obliqa": ("ObliQA dev", sets.write_obliqa),
    "xrefrag": ("XRefRAG ADGM", sets.write_xrefrag),
}
COLUMNS = ("Set", "Measure", "Mean", "95 %", "Half 0", "Half 1", "Target", "Reached", "ms p50")
LEGAL_PARTS = ("contractnli", "maud", "privacy_qa")
TARGETS = {
    ("ObliQA dev", "Recall@10"): 0.81,
    ("ObliQA dev", "MAP@10"): 0.69,
    ("XRefRAG ADGM", "All@10"): 0.80,
    ("FinanceBench", "DocRec@10"): 0.95,
    ("FinanceBench", "PageRec@10"): 0.50,
    ("FinanceBench", "PageRec@5"): 0.40,
}
SHOWN = {
    "ObliQA dev": ("Recall@10", "MAP@10", "nDCG@10"),
    "XRefRAG ADGM": ("All@10", "Recall@10"),
    "FinanceBench": ("DocRec@10", "PageRec@10", "PageRec@5"),
}
LEGAL_SHOWN = ("CharRec@64", "CharPrec@64", "CharRec@10")
LEGAL_GAIN = "CharRec@64"
LEGAL_TARGET = 0.15
"""More than our own BM25 finds among the same chunks."""
BM25_ALONE = Weights(dense=0.0, closeness=0.0, document=0.0, reference=0.0, repetition=0.0)

console = Console(highlight=False, width=140)


def main() -> None:
    """Measure every set that is there and print one table."""
    data = sets.data_folder()
    if data is None:
        console.print("Skipped: set MUNIMENT_EVAL_DATA to the folder of the evaluation sets.")
        return
    settings = load_settings()
    kept = settings.data / "cache" / "evaluation"
    options = Options(DEFAULT, None, settings.data / "cache" / "vectors.db")
    table = Table(title="Retrieval, defaults as shipped")
    for column in (
        "Set",
        "Measure",
        "Mean",
        "95 %",
        "Half 0",
        "Half 1",
        "Target",
        "Reached",
        "ms p50",
    ):
        table.add_column(column)
    chosen = _chosen()
    asked: list[str] = chosen.sets
    for key, (name, write) in PASSAGES.items():
        if key in asked:
            run = measure_passages(write(data, kept / key), settings, options)
            _add(table, name, run, SHOWN[name])
    if "financebench" in asked:
        folder, questions = sets.write_financebench(data, kept / "financebench")
        keep = kept / "financebench" / "data"
        run = measure_files(folder, questions, settings, options, keep=keep)
        _add(table, "FinanceBench", run, SHOWN["FinanceBench"])
    for part in LEGAL_PARTS if "legalbench" in asked else ():
        some = chosen.agreements
        legal = kept / ("legalbench" if some is None else f"legalbench-{some}")
        paths = sets.write_legalbench(data, legal, part, agreements=some)
        _add_legal(table, part, paths, options)
    if "legalbench" in asked and chosen.agreements is not None:
        drawn = sets.drawn_agreements(data, chosen.agreements)
        console.print(f"Merger agreements drawn: {', '.join(sorted(drawn))}")
    console.print(table)


def _chosen() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench quality")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--agreements", type=int, default=None)
    return parser.parse_known_args()[0]


def _add_legal(table: Table, part: str, paths: tuple[Path, Path], options: Options) -> None:
    """Add a part of LegalBench-RAG, beside our own BM25 over the very same chunks."""
    folder, questions = paths
    settings, keep, name = load_settings(), questions.parent / "data", f"LegalBench-RAG {part}"
    run = measure_files(folder, questions, settings, options, keep=keep)
    _add(table, name, run, LEGAL_SHOWN)
    words_alone = replace(options, weights=BM25_ALONE, pairs=0.0)
    alone = measure_files(folder, questions, settings, words_alone, keep=keep)
    _add(table, f"{name}, our BM25 alone", alone, (LEGAL_GAIN,))
    gained = differences(run.values, alone.values)[LEGAL_GAIN]
    table.add_row(
        f"{name}, gained over it",
        LEGAL_GAIN,
        f"{gained.mean:+.4f}",
        f"{gained.low:+.4f} to {gained.high:+.4f}",
        "",
        "",
        f"{LEGAL_TARGET:.2f}",
        "yes" if gained.mean >= LEGAL_TARGET else "no",
        "",
    )


def _add(table: Table, name: str, run: Run, shown: tuple[str, ...]) -> None:
    found = figures(run.values)
    for measure in shown:
        figure = found[measure]
        target = TARGETS.get((name, measure))
        table.add_row(
            name,
            measure,
            f"{figure.mean:.4f}",
            f"{figure.low:.4f} to {figure.high:.4f}",
            *(f"{_mean_of_half(run, measure, half):.4f}" for half in (0, 1)),
            "" if target is None else f"{target:.2f}",
            "" if target is None else ("yes" if figure.mean >= target else "no"),
            f"{percentile(run.steps['all'], 0.5):.0f}",
        )


def _mean_of_half(run: Run, measure: str, half: int) -> float:
    """Return a mean over the half that settings were chosen on (0), or over the other (1)."""
    values = run.values[measure]
    return fmean(values[one] for one in half_of(sorted(values), half))
