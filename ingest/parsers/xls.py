"""Workbooks of Excel before 2007, through xlrd."""

from collections.abc import Iterator
from pathlib import Path

import xlrd  # type: ignore[import-untyped]
from xlrd.xldate import XLDateError, xldate_as_datetime  # type: ignore[import-untyped]

from corpus.documents import ParsedDocument
from ingest.building import DocumentBuilder
from ingest.errors import Quarantined
from ingest.parsers.compound_properties import properties_of
from ingest.parsers.sheets import MAXIMUM_COLUMNS, add_sheet, shown
from ingest.quarantine import Reason
from ingest.settings import Limits


def parse(location: Path, limits: Limits) -> ParsedDocument:  # noqa: ARG001 - every parser's form
    """Read an XLS file: values as they are shown, formulas by their last result.

    Raises:
        Quarantined: Encrypted, damaged, no text, or more rows than are read.
    """
    try:
        workbook = xlrd.open_workbook(
            str(location), formatting_info=True, on_demand=True, logfile=_Nowhere()
        )
    except xlrd.XLRDError as error:
        if "encrypted" in str(error):
            raise Quarantined(Reason.ENCRYPTED) from error
        raise Quarantined(Reason.DAMAGED, "its records cannot be followed") from error
    builder = DocumentBuilder()
    for number in range(workbook.nsheets):
        sheet = workbook.sheet_by_index(number)
        if sheet.visibility == 0:
            add_sheet(builder, sheet.name, _rows(workbook, sheet))
        workbook.unload_sheet(number)
    about = properties_of(location)
    return builder.finish(title=about.pop("Title", ""), properties=about)


class _Nowhere:
    """Takes what xlrd would print."""

    def write(self, text: str) -> int:
        """Drop it."""
        return len(text)


def _rows(workbook: xlrd.Book, sheet: xlrd.sheet.Sheet) -> Iterator[list[str]]:
    for number in range(sheet.nrows):
        width = min(sheet.row_len(number), MAXIMUM_COLUMNS)
        yield [_shown(workbook, sheet.cell(number, column)) for column in range(width)]


def _shown(workbook: xlrd.Book, cell: xlrd.sheet.Cell) -> str:
    if cell.ctype in {xlrd.XL_CELL_EMPTY, xlrd.XL_CELL_BLANK, xlrd.XL_CELL_ERROR}:
        return ""
    if cell.ctype == xlrd.XL_CELL_BOOLEAN:
        return shown(bool(cell.value), "")
    if cell.ctype == xlrd.XL_CELL_DATE:
        try:
            return shown(xldate_as_datetime(cell.value, workbook.datemode), "")
        except (XLDateError, OverflowError, ValueError):
            return shown(cell.value, "")
    return shown(cell.value, _format(workbook, cell))


def _format(workbook: xlrd.Book, cell: xlrd.sheet.Cell) -> str:
    if cell.xf_index is None:
        return ""
    style = workbook.xf_list[cell.xf_index]
    known = workbook.format_map.get(style.format_key)
    return known.format_str if known else ""
