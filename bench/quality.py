"""Retrieval on every evaluation set at hand, with the defaults as shipped: one table.

Vectors and what was read of files are kept under the data folder, so that a second run is short.
"""

from pathlib import Path

from rich.console import Console
from rich.table import Table

import muniment.silence  # noqa: F401  (first, before anything that might speak)
from bench import evaluation_sets as sets
from muniment.evaluate_retrieval import Options, Run, measure_files, measure_passages
from muniment.settings import Settings, load_settings
from rag.fusion import DEFAULT
from rag.measures import figures, percentile

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

console = Console(highlight=False, width=110)


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
    for column in ("Set", "Measure", "Mean", "95 %", "Target", "Reached", "ms p50"):
        table.add_column(column)
    passages = {"ObliQA dev": sets.write_obliqa, "XRefRAG ADGM": sets.write_xrefrag}
    for name, write in passages.items():
        run = measure_passages(write(data, kept / name.split()[0].lower()), settings, options)
        _add(table, name, run, SHOWN[name])
    folder, questions = sets.write_financebench(data, kept / "financebench")
    run = _of_files(folder, questions, settings, options, kept / "financebench" / "data")
    _add(table, "FinanceBench", run, SHOWN["FinanceBench"])
    for part in LEGAL_PARTS:
        folder, questions = sets.write_legalbench(data, kept / "legalbench", part)
        run = _of_files(folder, questions, settings, options, kept / "legalbench" / "data")
        _add(table, f"LegalBench-RAG {part}", run, LEGAL_SHOWN)
    console.print(table)


def _of_files(
    folder: Path, questions: Path, settings: Settings, options: Options, keep: Path
) -> Run:
    return measure_files(folder, questions, settings, options, keep=keep)


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
            "" if target is None else f"{target:.2f}",
            "" if target is None else ("yes" if figure.mean >= target else "no"),
            f"{percentile(run.steps['all'], 0.5):.0f}",
        )
