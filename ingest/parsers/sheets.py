"""Rows of spreadsheets, whichever program wrote them: with their headers and their place."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time

from corpus.documents import BlockKind
from ingest.building import DocumentBuilder, joined, names_columns
from ingest.errors import Quarantined
from ingest.quarantine import Reason

MAXIMUM_ROWS = 100_000
MAXIMUM_COLUMNS = 200
_CURRENCIES = "£€$¥"


def add_sheet(builder: DocumentBuilder, name: str, rows: Iterable[Sequence[str]]) -> None:
    """Append a sheet: its name as a heading, then every row that holds something.

    Args:
        builder: Takes the blocks.
        name: Of the sheet.
        rows: Cells as they are shown, from the first row and column on.

    Raises:
        Quarantined: More rows than are read.
    """
    header: list[str] = []
    builder.add(BlockKind.HEADING, name, level=1, place=f"Sheet {name}")
    for number, cells in _filled(rows):
        place = f"Sheet {name}, {_cells(number, cells)}"
        filled = [cell for cell in cells if cell]
        if len(filled) == 1 and not header:
            builder.add(BlockKind.PARAGRAPH, filled[0], place=place)
            continue
        is_header = not header and names_columns(cells)
        context = "" if is_header else joined(header)
        builder.add(BlockKind.TABLE_ROW, joined(cells), place=place, context=context)
        if is_header:
            header = cells


def _filled(rows: Iterable[Sequence[str]]) -> Iterator[tuple[int, list[str]]]:
    for number, row in enumerate(rows, start=1):
        filled = [index for index, cell in enumerate(row) if cell]
        if not filled:
            continue
        if number > MAXIMUM_ROWS:
            raise Quarantined(Reason.TOO_LARGE, f"a sheet with more than {MAXIMUM_ROWS} rows")
        yield number, list(row[: filled[-1] + 1])


def _cells(row: int, cells: Sequence[str]) -> str:
    """Return the range from the first cell of a row that holds something to its last."""
    first = next(column for column, cell in enumerate(cells) if cell)
    start, end = (f"{_letters(column)}{row}" for column in (first, len(cells) - 1))
    return start if start == end else f"{start}:{end}"


def _letters(column: int) -> str:
    """Return what spreadsheets call a column, counted from 0: A, Z, AA."""
    letters = ""
    column += 1
    while column:
        column, letter = divmod(column - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return letters


def shown(value: object, number_format: str) -> str:
    """Return a cell's value much as the program shows it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return _number(value, number_format)
    if isinstance(value, datetime) and value.time() != time():
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, datetime):
        value = value.date()
    if isinstance(value, date | time):
        return value.isoformat()
    return "" if value is None else " ".join(str(value).split())


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
