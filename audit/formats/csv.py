"""CSV for people with a spreadsheet: nothing in it is ever taken for a formula."""

import csv
import io
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final

from audit.entries import Entry
from audit.formats.rows import NOT_EVIDENCE, About, Row, iso, row_of

BYTE_ORDER_MARK: Final = "\ufeff".encode()
FORMULA_STARTS: Final = frozenset("=+-@\t\r\N{MINUS SIGN}")
LONGEST_CELL: Final = 32_000
"""Spreadsheets cut a cell at 32,767 characters without saying so; we say so."""

COLUMNS: Final = (
    "seq",
    "leaf_hash",
    "time (UTC)",
    "type",
    "outcome",
    "person",
    "pseudonym",
    "matter",
    "request",
    "documents",
    "model",
    "milliseconds",
    "what happened",
    "question",
    "answer",
    "reason",
    NOT_EVIDENCE,
)


def write(entries: Iterable[Entry], about: About) -> Iterator[bytes]:
    """Yield the file: UTF-8 with a mark for spreadsheets, every cell quoted, lines end in CRLF."""
    del about
    yield BYTE_ORDER_MARK + _line(COLUMNS)
    for entry in entries:
        yield _line(_cells(row_of(entry)))


def _cells(row: Row) -> tuple[str, ...]:
    cells = (
        str(row.seq),
        row.leaf_hash,
        iso(row.at),
        row.type,
        row.outcome,
        row.person,
        row.pseudonym,
        row.matter,
        row.request,
        " ".join(row.documents),
        row.model,
        "" if row.milliseconds is None else f"{row.milliseconds:.3f}",
        row.summary,
        row.question,
        row.answer,
        row.reason,
        "",
    )
    return tuple(harmless(cell) for cell in cells)


def harmless(cell: str) -> str:
    """Return a cell that no spreadsheet reads as a formula.

    What counts is the first character that is seen: spaces and invisible characters before it
    are skipped, as spreadsheets skip them, and its full-width and small forms count as itself.
    """
    if len(cell) > LONGEST_CELL:
        cell = cell[:LONGEST_CELL] + " [cut; whole in the native bundle]"
    if cell[:1] in ("\t", "\r"):
        return "'" + cell
    for character in cell:
        if character.isspace() or unicodedata.category(character) in ("Cf", "Cc"):
            continue
        first = unicodedata.normalize("NFKC", character)[:1]
        return "'" + cell if first in FORMULA_STARTS else cell
    return cell


def _line(cells: Iterable[str]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerow(cells)
    return buffer.getvalue().encode("utf-8", "replace")
