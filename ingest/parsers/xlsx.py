"""Workbooks through openpyxl, row by row: unstructured holds whole sheets in memory."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from openpyxl import load_workbook  # type: ignore[import-untyped]

from corpus.documents import ParsedDocument
from ingest.building import DocumentBuilder
from ingest.parsers.office_properties import properties_of
from ingest.parsers.sheets import MAXIMUM_COLUMNS, add_sheet, shown
from ingest.settings import Limits


def parse(location: Path, limits: Limits) -> ParsedDocument:  # noqa: ARG001 - every parser's form
    """Read an XLSX file: values as they are shown, formulas by their last result.

    Raises:
        Quarantined: No text, or more rows than are read.
    """
    about = properties_of(location)
    # As a stream: by its name openpyxl would refuse a file without an extension.
    with location.open("rb") as stream:
        builder = _read(stream)
    return builder.finish(title=about.pop("Title", ""), properties=about)


def _read(stream: BinaryIO) -> DocumentBuilder:
    workbook = load_workbook(stream, read_only=True, data_only=True)
    builder = DocumentBuilder()
    try:
        for sheet in workbook.worksheets:
            if sheet.sheet_state == "visible":
                sheet.reset_dimensions()
                add_sheet(builder, sheet.title, _rows(sheet))
    finally:
        workbook.close()
    return builder


def _rows(sheet: object) -> Iterator[list[str]]:
    # Without a last column: openpyxl would fill every empty row up to it.
    for row in sheet.iter_rows():  # type: ignore[attr-defined]
        yield [
            shown(cell.value, getattr(cell, "number_format", "")) for cell in row[:MAXIMUM_COLUMNS]
        ]
