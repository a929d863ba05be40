"""What each ingredient of retrieval gains and costs: each left out in turn, on ObliQA dev."""

import tempfile
from dataclasses import fields, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

import muniment.silence  # noqa: F401  (first, before anything that might speak)
from bench import evaluation_sets as sets
from muniment.evaluate_retrieval import Options, measure_passages
from muniment.settings import load_settings
from rag.fusion import DEFAULT, Weights
from rag.measures import differences, figures, percentile

MEASURES = ("Recall@10", "MAP@10", "All@10")

console = Console(highlight=False, width=110)


def main() -> None:
    """Print the difference that leaving each ingredient out makes, with its paired interval."""
    data = sets.data_folder()
    if data is None:
        console.print("Skipped: set MUNIMENT_EVAL_DATA to the folder of the evaluation sets.")
        return
    settings = load_settings()
    for name, write in (("ObliQA dev", sets.write_obliqa), ("XRefRAG ADGM", sets.write_xrefrag)):
        table = Table("Left out", *MEASURES, "ms p50", title=name)
        with tempfile.TemporaryDirectory(prefix="muniment-bench-") as folder:
            beir = write(data, Path(folder))
            runs = {
                label: measure_passages(
                    beir, settings, Options(weights, None, settings.data / "cache" / "vectors.db")
                )
                for label, weights in _variants().items()
            }
        whole = runs["nothing"]
        for label, run in runs.items():
            found, changed = figures(run.values), differences(run.values, whole.values)
            cells = [
                f"{found[measure].mean:.4f} ({changed[measure].mean:+.4f}, "
                f"{changed[measure].low:+.4f} to {changed[measure].high:+.4f})"
                for measure in MEASURES
            ]
            table.add_row(label, *cells, f"{percentile(run.steps['all'], 0.5):.0f}")
        console.print(table)


def _variants() -> dict[str, Weights]:
    left_out = {one.name: replace(DEFAULT, **{one.name: 0.0}) for one in fields(Weights)}
    return {"nothing": DEFAULT, **left_out}
