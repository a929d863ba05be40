"""What reading born-digital PDF costs against PDFium's plain text, and how well its order holds.

    python -m bench parsing

Reads the FinanceBench filings and the PDFs of the folder that MUNIMENT_EVAL_DATA names, else the
sample documents. CPU time of one process, everything on one thread; the passes alternate.
"""

import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import pypdfium2 as pdfium
from rich.console import Console
from rich.table import Table

from ingest.errors import Quarantined
from ingest.parsers import pdf
from ingest.parsers.page_words import TooManyCharacters, words_of_page
from ingest.settings import Limits

ROUNDS = 2
LIMITS = Limits(ocr="off", maximum_pages=20_000)
SAMPLES = Path(__file__).resolve().parents[1] / "samples" / "documents"


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds of one file, the least of the rounds."""

    name: str
    pages: int
    words: int
    plain: float
    boxes: float
    whole: float


def main() -> None:
    """Print the ratios by file and in total, memory, and the comparison of words and order."""
    console = Console(width=110)
    files = data_files()
    costs = [cost for file in files if (cost := _cost(file)) is not None]
    _print_speed(console, costs)
    _print_memory(console, max(costs, key=lambda cost: cost.pages), files)
    if shutil.which("pdftotext"):
        _print_order(console, files)
    else:
        console.print("pdftotext is not installed: words and order are not compared.")


def data_files() -> list[Path]:
    """Return the PDFs to read: those of the evaluation data, else the samples."""
    data = Path(os.environ.get("MUNIMENT_EVAL_DATA", "../shared/data"))
    folders = [data / "financebench" / "pdfs", data / "files" / "pdf", data / "files" / "synth"]
    found = [file for folder in folders for file in sorted(folder.glob("*.pdf"))]
    if not found:
        print(f"No PDFs under {data}: reading the sample documents instead.", file=sys.stderr)
        found = sorted(SAMPLES.rglob("*.pdf"))
    return found


def _cost(file: Path) -> Cost | None:
    """Return what a file costs; None where it cannot be read or has no text without OCR."""
    try:
        parsed = pdf.parse(file, LIMITS)
    except Quarantined:
        return None
    times = {
        run: min(_seconds(run, file) for _ in range(ROUNDS)) for run in (_plain, _boxes, _whole)
    }
    return Cost(
        file.name, len(parsed.pages), len(parsed.words), times[_plain], times[_boxes], times[_whole]
    )


def _seconds(run: Callable[[Path], None], file: Path) -> float:
    started = time.process_time()
    run(file)
    return time.process_time() - started


def _plain(file: Path) -> None:
    """Read every page's text as a program does that wants nothing but text."""
    document = pdfium.PdfDocument(file)
    for number in range(len(document)):
        try:
            page = document[number]
        except pdfium.PdfiumError:
            continue
        text = page.get_textpage()
        text.get_text_range()
        text.close()
        page.close()
    document.close()


def _boxes(file: Path) -> None:
    document = pdfium.PdfDocument(file)
    for number in range(len(document)):
        try:
            page = document[number]
            words_of_page(page)
        except (pdfium.PdfiumError, TooManyCharacters):
            continue
        page.close()
    document.close()


def _whole(file: Path) -> None:
    pdf.parse(file, LIMITS)


def _print_speed(console: Console, costs: Sequence[Cost]) -> None:
    table = Table(title="CPU time against PDFium's plain text")
    for name in ("file", "pages", "words", "plain, ms/page", "words and boxes", "everything"):
        table.add_column(name, justify="left" if name == "file" else "right")
    total = Cost("total", *(sum(values) for values in zip(*map(_numbers, costs), strict=True)))
    for cost in [*sorted(costs, key=lambda cost: -cost.pages), total]:
        table.add_row(
            cost.name, str(cost.pages), str(cost.words), f"{cost.plain * 1000 / cost.pages:.2f}",
            f"{cost.boxes / cost.plain:.2f} x", f"{cost.whole / cost.plain:.2f} x",
            style="bold" if cost is total else "",
        )  # fmt: skip
    console.print(table)
    console.print(
        "everything: words, boxes, order, offsets, and besides headings, tables, furniture, notes"
    )


def _numbers(cost: Cost) -> tuple[int, int, float, float, float]:
    return cost.pages, cost.words, cost.plain, cost.boxes, cost.whole


def _print_memory(console: Console, largest: Cost, files: Sequence[Path]) -> None:
    """Print the peak memory of a process that reads the file with most pages."""
    file = next(file for file in files if file.name == largest.name)
    with get_context("spawn").Pool(1) as pool:
        before, after = pool.apply(_peaks, (file,))
    console.print(
        f"{file.name}, {largest.pages} pages: peak memory {after} MB in a process that needs "
        f"{before} MB before it opens the file."
    )


def _peaks(file: Path) -> tuple[int, int]:
    before = _peak()
    pdf.parse(file, LIMITS)
    return before, _peak()


def _peak() -> int:
    """Return the most memory this process has held, in MB."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) // 1024


def _print_order(console: Console, files: Sequence[Path]) -> None:
    table = Table(title="Against pdftotext: F1 of words, and of pairs of words that follow")
    for name in ("file", "words", "pairs, as drawn", "pairs, ordered"):
        table.add_column(name, justify="left" if name == "file" else "right")
    scores = {file.name: found for file in files if (found := _scores(file)) is not None}
    worse = sum(ordered < drawn - 0.005 for _, drawn, ordered in scores.values())
    for name, (words, drawn, ordered) in sorted(
        scores.items(), key=lambda item: item[1][2] - item[1][1]
    ):
        if abs(ordered - drawn) >= 0.005:
            table.add_row(name, f"{words:.3f}", f"{drawn:.3f}", f"{ordered:.3f}")
    means = [sum(column) / len(scores) for column in zip(*scores.values(), strict=True)]
    table.add_row("mean of all", *(f"{mean:.3f}" for mean in means), style="bold")
    console.print(table)
    console.print(
        f"{len(scores)} files; shown are those whose order changed by 0.005 or more. "
        f"Further from pdftotext than as drawn: {worse}. Tables are read by rows here and by "
        "lines there, and footers are put last here, so that its order is no truth."
    )


def _scores(file: Path) -> tuple[float, float, float] | None:
    try:
        parsed = pdf.parse(file, LIMITS)
    except Quarantined:
        return None
    done = subprocess.run(["pdftotext", "-q", str(file), "-"], capture_output=True, check=False)  # noqa: S603, S607
    theirs = done.stdout.decode(errors="replace").split()
    if len(theirs) < 50:
        return None
    ours = [parsed.text[word.start : word.end] for word in parsed.words]
    drawn = _as_drawn(file)
    return (
        _f1(ours, theirs),
        _f1(list(pairwise(drawn)), list(pairwise(theirs))),
        _f1(list(pairwise(ours)), list(pairwise(theirs))),
    )


def _as_drawn(file: Path) -> list[str]:
    document = pdfium.PdfDocument(file)
    words: list[str] = []
    for number in range(len(document)):
        try:
            page = document[number]
        except pdfium.PdfiumError:
            continue
        words.extend(words_of_page(page).texts)
        page.close()
    document.close()
    return words


def _f1(ours: Sequence[object], theirs: Sequence[object]) -> float:
    shared = sum((Counter(ours) & Counter(theirs)).values())
    return 2 * shared / (len(ours) + len(theirs)) if ours or theirs else 1.0
