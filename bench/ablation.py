"""What each ingredient of retrieval gains and costs: each left out in turn, on three sets."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

import muniment.silence  # noqa: F401  (first, before anything that might speak)
from bench import evaluation_sets as sets
from muniment.evaluate_retrieval import Options, Run, measure_files, measure_passages
from muniment.settings import Settings, load_settings
from rag.fusion import DEFAULT
from rag.measures import differences, figures, percentile

PASSAGES = ("Recall@10", "MAP@10", "All@10")
PAGES = ("DocRec@10", "PageRec@10", "PageRec@5")
CEILING = "Recall@100"

console = Console(highlight=False, width=120)


def main() -> None:
    """Print the difference that leaving each ingredient out makes, with its paired interval."""
    data = sets.data_folder()
    if data is None:
        console.print("Skipped: set MUNIMENT_EVAL_DATA to the folder of the evaluation sets.")
        return
    settings = load_settings()
    kept = settings.data / "cache" / "evaluation" / "financebench"
    with tempfile.TemporaryDirectory(prefix="muniment-bench-") as folder:
        filings, questions = sets.write_financebench(data, Path(folder) / "financebench")
        _print(
            "FinanceBench",
            PAGES,
            lambda options: measure_files(
                filings, questions, settings, options, keep=kept / "data"
            ),
            {label: one for label, one in _variants(settings).items() if one.headings},
        )
        for name, write in (
            ("XRefRAG ADGM", sets.write_xrefrag),
            ("ObliQA dev", sets.write_obliqa),
        ):
            beir = write(data, Path(folder) / name.split()[0])
            _print(name, PASSAGES, _passages(beir, settings), _variants(settings))


def _passages(beir: Path, settings: Settings) -> Callable[[Options], Run]:
    return lambda options: measure_passages(beir, settings, options)


def _print(
    name: str,
    measures: tuple[str, ...],
    measure: Callable[[Options], Run],
    variants: dict[str, Options],
) -> None:
    table = Table("Left out", *measures, "CPU ms p50", title=name)
    whole: Run | None = None
    for label, options in variants.items():
        run = measure(options)
        whole = whole or run
        found, changed = figures(run.values), differences(run.values, whole.values)
        cells = [
            f"{found[one].mean:.4f} ({changed[one].mean:+.4f}, "
            f"{changed[one].low:+.4f} to {changed[one].high:+.4f})"
            for one in measures
        ]
        table.add_row(label, *cells, f"{percentile(run.steps['all'], 0.5):.0f}")
    console.print(table)
    if whole is not None and CEILING in (found := figures(whole.values)):
        console.print(
            f"Ceiling of any reranking of the 100 candidates: {found[CEILING].mean:.4f} of what "
            "is relevant is among them."
        )


def _variants(settings: Settings) -> dict[str, Options]:
    whole = Options(DEFAULT, None, settings.data / "cache" / "vectors.db")

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
