"""Values separated by commas, semicolons or tabs: rows with their column names."""

import csv
from itertools import islice
from pathlib import Path

from corpus.documents import ParsedDocument
from ingest.building import DocumentBuilder
from ingest.decoding import decoded
from ingest.errors import Quarantined
from ingest.quarantine import Reason
from ingest.settings import Limits

MAXIMUM_ROWS = 200_000
_SAMPLE_CHARACTERS = 20_000


def parse(location: Path, limits: Limits) -> ParsedDocument:  # noqa: ARG001 - every parser's form
    """Read a CSV file.

    Raises:
        Quarantined: Nothing but blank, or more rows than are read.
    """
    text = decoded(location.read_bytes())
    rows = list(islice(csv.reader(text.splitlines(), dialect=_dialect(text)), MAXIMUM_ROWS + 1))
    if len(rows) > MAXIMUM_ROWS:
        raise Quarantined(Reason.TOO_LARGE, f"more than {MAXIMUM_ROWS} rows")
    builder = DocumentBuilder()
    builder.add_table(rows)
    return builder.finish()


def _dialect(text: str) -> type[csv.Dialect]:
    try:
        return csv.Sniffer().sniff(text[:_SAMPLE_CHARACTERS], ",;\t|")
    except csv.Error:
        return csv.excel
