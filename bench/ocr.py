"""What reading a scanned page costs against tesseract alone on the same picture, and how well."""

import json
import os
import resource
import shutil
import statistics
import subprocess
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

import muniment.silence  # noqa: F401  (first, before anything that might speak)
from ingest.jail import Jail
from ingest.settings import Limits
from ingest.sniffing import media_type_of
from tests.ingest.outcomes import data_folder

TARGET_RATIO = 1.3
ROUNDS = 2


def main() -> None:
    """Print CPU seconds of tesseract and of ours for every page, their ratio and the word F1."""
    console = Console(width=110)
    folder = data_folder() / "files" / "ocr"
    program = shutil.which("tesseract")
    if not folder.is_dir() or not program:
        console.print("Skipped: no evaluation data, or tesseract is not installed.")
        return
    truth = json.loads((folder / "truth.json").read_text())
    table = Table(title=f"Text recognition, CPU seconds a page, {ROUNDS} rounds")
    for heading in ("page", "tesseract", "ours, in the jail", "ratio", "word F1"):
        table.add_column(heading, justify="left" if heading == "page" else "right")
    ratios = []
    with Jail() as jail:
        for picture in sorted(folder.glob("*.png")):
            bare = statistics.fmean(_tesseract(program, picture) for _ in range(ROUNDS))
            ours, text = 0.0, ""
            for _ in range(ROUNDS):
                media_type = media_type_of(picture, name=picture.name)
                text = jail.parse(picture, media_type=media_type, limits=Limits()).text
                ours += jail.last_cost.cpu_seconds / ROUNDS
            ratios.append(ours / bare)
            score = _agreement(text, _truth_of(truth, picture))
            table.add_row(
                picture.stem, f"{bare:.2f}", f"{ours:.2f}", f"{ours / bare:.2f}", f"{score:.4f}"
            )
    console.print(table)
    console.print(
        f"Ratio: mean {statistics.fmean(ratios):.2f}, from {min(ratios):.2f} to "
        f"{max(ratios):.2f}; the target is at most {TARGET_RATIO}."
    )


def _tesseract(program: str, picture: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(  # noqa: S603 - the program found on the path
        [program, str(picture), "stdout", "--psm", "3", "tsv"],
        capture_output=True,
        check=True,
        env={**os.environ, "OMP_THREAD_LIMIT": "1"},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def _truth_of(truth: dict[str, list[str]], picture: Path) -> list[str]:
    """Return the words of a page: kept under its number, "3" for ``p3_200_clean.png``."""
    return truth[picture.stem.split("_")[0].removeprefix("p")]


def _agreement(ours: str, truth: list[str]) -> float:
    mine = Counter(word for word in ours.split() if word != "|")
    theirs = Counter(truth)
    return 2 * (mine & theirs).total() / max(1, mine.total() + theirs.total())
