"""How many cells of known tables are found right, with the lines drawn around them and without.

    python -m bench tables

The truth are the tables of the sample documents' sources; read are the PDFs made of them. The
second column reads the same pages as if no line were drawn, by the columns of words alone.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from corpus.documents import CELL_JOINT, BlockKind
from ingest.building import joined
from ingest.parsers import pdf
from ingest.settings import Limits

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
_RULE = re.compile(r"^\|[\s:|-]+\|$")
_MARKS = re.compile(r"[*`_]|\[([^\]]*)\]\([^)]*\)")


def main() -> None:
    """Print cells, rows and column names found right, by document and in all."""
    console = Console(width=110)
    table = Table(title="Known tables of the sample PDFs: found right of all")
    table.add_column("document")
    for name in ("cells", "cells, lines unseen", "rows named by their columns"):
        table.add_column(name, justify="right")
    totals = [[0, 0], [0, 0], [0, 0]]
    for source in sorted((SAMPLES / "content").glob("*.md")):
        text = source.read_text(encoding="utf-8")
        target = re.search(r"^target: (.+\.pdf)$", text, re.MULTILINE)
        truth = _tables(text)
        file = SAMPLES / "documents" / target[1] if target else None
        if not truth or file is None or not file.exists():
            continue
        drawn, unseen = _rows(file), _rows_without_lines(file)
        counts = [_cells_right(truth, drawn), _cells_right(truth, unseen), _named(truth, drawn)]
        for total, (right, of) in zip(totals, counts, strict=True):
            total[0] += right
            total[1] += of
        table.add_row(file.name, *(f"{right} of {of}" for right, of in counts))
    table.add_row(
        "all", *(f"{right} of {of}, {right / of:.1%}" for right, of in totals), style="bold"
    )
    console.print(table)


def _tables(text: str) -> list[list[list[str]]]:
    """Return the tables of a source, row by row, their first row the names of the columns."""
    tables: list[list[list[str]]] = []
    inside = False
    for line in text.splitlines():
        if not line.startswith("|"):
            inside = False
        elif not _RULE.match(line):
            cells = [_plain(cell) for cell in line.strip().strip("|").split("|")]
            if inside:
                tables[-1].append(cells)
            else:
                tables.append([cells])
            inside = True
    return tables


def _plain(cell: str) -> str:
    return " ".join(_MARKS.sub(lambda found: found[1] or "", cell).split())


def _rows(file: Path) -> list[tuple[list[str], str]]:
    """Return the cells and the context of every row that is read."""
    parsed = pdf.parse(file, Limits(ocr="off"))
    return [
        ([cell.strip() for cell in parsed.text[b.start : b.end].split(CELL_JOINT)], b.context)
        for b in parsed.blocks
        if b.kind is BlockKind.TABLE_ROW
    ]


def _rows_without_lines(file: Path) -> list[tuple[list[str], str]]:
    parser = vars(pdf)
    seen = parser["grids_of_page"]
    parser["grids_of_page"] = lambda _page, *, turn: []  # noqa: ARG005
    try:
        return _rows(file)
    finally:
        parser["grids_of_page"] = seen


def _cells_right(
    truth: Sequence[list[list[str]]], rows: Sequence[tuple[list[str], str]]
) -> tuple[int, int]:
    right = of = 0
    for table in truth:
        for wanted in table:
            of += len(wanted)
            right += max(
                (
                    sum(one == other for one, other in zip(wanted, cells, strict=False))
                    for cells, _ in rows
                ),
                default=0,
            )
    return right, of


def _named(
    truth: Sequence[list[list[str]]], rows: Sequence[tuple[list[str], str]]
) -> tuple[int, int]:
    found = {(joined(cells), context) for cells, context in rows}
    wanted = [(joined(row), joined(table[0])) for table in truth for row in table[1:]]
    return sum(row in found for row in wanted), len(wanted)
