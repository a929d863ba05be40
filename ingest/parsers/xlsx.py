"""Workbooks through openpyxl, row by row: unstructured holds whole sheets in memory."""

from collections.abc import Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import BinaryIO

from openpyxl import load_workbook  # type: ignore[import-untyped]

from corpus.documents import BlockKind, ParsedDocument
from ingest.building import DocumentBuilder, joined, names_columns
from ingest.errors import Quarantined
from ingest.quarantine import Reason
from ingest.settings import Limits

MAXIMUM_ROWS = 100_000
MAXIMUM_COLUMNS = 200
_CURRENCIES = "£€$¥"


def parse(location: Path, limits: Limits) -> ParsedDocument:  # noqa: ARG001 - every parser's form
    """Read an XLSX file: values as they are shown, formulas by their last result.

    Raises:
        Quarantined: No text, or more rows than are read.
    """
    # As a stream: by its name openpyxl would refuse a file without an extension.
    with location.open("rb") as stream:
        return _read(stream)


def _read(stream: BinaryIO) -> ParsedDocument:
    workbook = load_workbook(stream, read_only=True, data_only=True)
    builder = DocumentBuilder()
    try:
        for sheet in workbook.worksheets:
            if sheet.sheet_state == "visible":
                builder.add(BlockKind.HEADING, sheet.title, level=1, place=f"Sheet {sheet.title}")
                sheet.reset_dimensions()
                _add_rows(builder, sheet.title, _rows(sheet))
        about = workbook.properties
        return builder.finish(title=about.title or "", properties={"Author": about.creator or ""})
    finally:
        workbook.close()


def _rows(sheet: object) -> Iterator[tuple[int, list[str]]]:
    rows = sheet.iter_rows(max_col=MAXIMUM_COLUMNS)  # type: ignore[attr-defined]
    for number, row in enumerate(rows, start=1):
        if number > MAXIMUM_ROWS:
            raise Quarantined(Reason.TOO_LARGE, f"a sheet with more than {MAXIMUM_ROWS} rows")
        cells = [_shown(cell.value, getattr(cell, "number_format", "")) for cell in row]
        filled = [index for index, cell in enumerate(cells) if cell]
        if filled:
            yield number, cells[: filled[-1] + 1]


def _add_rows(builder: DocumentBuilder, sheet: str, rows: Iterator[tuple[int, list[str]]]) -> None:
    header: list[str] = []
    for number, cells in rows:
        place = f"Sheet {sheet}, row {number}"
        filled = [cell for cell in cells if cell]
        if len(filled) == 1 and not header:
            builder.add(BlockKind.PARAGRAPH, filled[0], place=place)
            continue
        is_header = not header and names_columns(cells)
        context = "" if is_header else joined(header)
        builder.add(BlockKind.TABLE_ROW, joined(cells), place=place, context=context)
        if is_header:
            header = cells


def _shown(value: object, number_format: str) -> str:
    """Return a cell's value much as the program shows it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, int | float):
        return _number(value, number_format)
    return str(value)


def _number(value: float, number_format: str) -> str:
    if "%" in number_format:
        return f"{round(value * 100, 4):g}%"
    places = 0 if float(value).is_integer() else 2
    if ".00" in number_format:
        places = 2
    currency = next((sign for sign in _CURRENCIES if sign in number_format), "")
    if "," in number_format or currency:
        return f"{'-' if value < 0 else ''}{currency}{abs(value):,.{places}f}"
    return f"{value:.{12}g}"
