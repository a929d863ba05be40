"""Whether the text under a chunk's stored boxes is the chunk's text, read by another library.

    python -m bench boxes

Takes chunks at random (the seed is ``BENCH_SEED``, else 3) from the PDFs that ``bench parsing``
reads, marks each with its boxes as a citation would be, and reads with pdfminer.six which letters
stand in them. What does not match is read a third time, by poppler's pdftotext where it is
installed: it tells who of the other two misreads.
"""

import os
import random
import shutil
import statistics
import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from lxml import etree  # type: ignore[import-untyped]
from rich.console import Console
from rich.table import Table

from bench.parsing import data_files
from corpus.documents import line_boxes
from ingest.chunking import cut
from ingest.errors import Quarantined
from ingest.parsers import pdf
from ingest.settings import Limits
from tests.ingest.marks import Letter, Marked, agreement, letters_of

CHUNKS = 200
SEED = int(os.environ.get("BENCH_SEED", "3"))
THIRD = "pdftotext"
AS_NEAR = 0.002
"""Two libraries whose F1 differ by less read the same."""
MATCHING = 0.98
"""F1 of letters from which a chunk counts as found under its boxes."""


def main() -> None:
    """Print how many chunks match, by file and in all."""
    console = Console(width=110)
    chosen = _choose(data_files(), CHUNKS)
    scores: dict[str, list[float]] = {}
    missed: list[tuple[Path, Marked, float]] = []
    for file, chunks in chosen.items():
        letters = letters_of(file, {box.page for chunk in chunks for box in chunk.boxes})
        scores[file.name] = [agreement(chunk, letters) for chunk in chunks]
        missed += [
            (file, chunk, score)
            for chunk, score in zip(chunks, scores[file.name], strict=True)
            if score < MATCHING
        ]
    count = sum(map(len, scores.values()))
    table = Table(title=f"Letters under the boxes of {count} chunks, seed {SEED}")
    for name in ("file", "chunks", "match", "least F1"):
        table.add_column(name, justify="left" if name == "file" else "right")
    for name, found in sorted(scores.items(), key=lambda item: min(item[1])):
        matches = sum(score >= MATCHING for score in found)
        if matches < len(found):
            table.add_row(name, str(len(found)), str(matches), f"{min(found):.3f}")
    everything = [score for found in scores.values() for score in found]
    matches = sum(score >= MATCHING for score in everything)
    table.add_row("all files", str(len(everything)), str(matches), "", style="bold")
    console.print(table)
    console.print(
        f"{matches / len(everything):.1%} match (F1 of letters at least {MATCHING}), "
        f"{sum(score == 1 for score in everything) / len(everything):.1%} exactly; mean F1 "
        f"{statistics.fmean(everything):.4f}. Files listed are those with a chunk that does not."
    )
    if missed and shutil.which(THIRD):
        console.print(_read_again(missed))
    elif missed:
        console.print(f"{THIRD} is not installed: nobody reads the others a third time.")


def _read_again(missed: Sequence[tuple[Path, Marked, float]]) -> Table:
    """Return what a third library makes of the chunks that the second one reads otherwise."""
    table = Table(title="What does not match, read a third time")
    for name in ("file", "page", "F1, pdfminer.six", f"F1, {THIRD}", "the third agrees with"):
        table.add_column(name, justify="right" if name.startswith("F1") else "left")
    for file, chunk, score in missed:
        pages = sorted({box.page for box in chunk.boxes})
        third = agreement(chunk, {page: _words_by_poppler(file, page) for page in pages})
        told = ", ".join(str(page + 1) for page in pages)
        with_second = abs(third - score) < AS_NEAR
        verdict = "us" if third >= MATCHING else "the second" if with_second else "neither"
        table.add_row(file.name, told, f"{score:.3f}", f"{third:.3f}", verdict)
    return table


def _words_by_poppler(file: Path, page: int) -> list[Letter]:
    """Return the words of a page (from 0) at their middles, as pdftotext reads them."""
    number = str(page + 1)
    done = subprocess.run(  # noqa: S603
        [THIRD, "-bbox", "-f", number, "-l", number, str(file), "-"],
        capture_output=True,
        check=False,
    )
    root = etree.fromstring(done.stdout, etree.XMLParser(recover=True, resolve_entities=False))
    if root is None:
        return []
    return [
        Letter(
            word.text or "",
            (float(word.get("xMin", 0)) + float(word.get("xMax", 0))) / 2,
            (float(word.get("yMin", 0)) + float(word.get("yMax", 0))) / 2,
        )
        for word in root.iter("{http://www.w3.org/1999/xhtml}word")
    ]


def _choose(files: Sequence[Path], wanted: int) -> dict[Path, list[Marked]]:
    """Return chunks at random, each file with the same chance, by file."""
    chance = random.Random(SEED)  # noqa: S311
    picks = Counter(chance.choices(files, k=3 * wanted))
    chosen: dict[Path, list[Marked]] = {}
    missing = wanted
    for file in picks:
        if not missing:
            break
        try:
            parsed = pdf.parse(file, Limits(ocr="off"))
        except Quarantined:
            continue
        chunks = cut(parsed)
        some = chance.sample(chunks, min(missing, len(chunks), picks[file]))
        missing -= len(some)
        words = list(parsed.words)
        chosen[file] = [
            Marked(parsed.text[chunk.start : chunk.end], line_boxes(words, chunk.start, chunk.end))
            for chunk in some
        ]
    return chosen
