"""What reading in the jail costs beyond reading: CPU time of every process that has part in it."""

import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

import muniment.silence  # noqa: F401  (first, before anything that might speak)
from ingest.jail import Jail
from ingest.parsing import FORMATS, parser_in
from ingest.settings import Limits
from ingest.sniffing import CSV, DOCX, HTML, PDF, TEXT, XLSX, media_type_of
from tests.ingest.outcomes import data_folder

DOCUMENTS = 20
ROUNDS = 5
TARGET_MILLISECONDS = 20.0
FILES = (
    (PDF, "hostile/unstructured/copy-protected.pdf"),
    (DOCX, "files/office/fake.docx"),
    (XLSX, "files/office/xlsx_01.xlsx"),
    (HTML, "files/web/ideas-page.html"),
    (CSV, "files/text/stanley-cups.csv"),
    (TEXT, "files/text/norwich-city.txt"),
)


def main() -> None:
    """Print milliseconds of CPU a document, with and without the jail."""
    console = Console(width=110)
    data = data_folder()
    if not data.is_dir():
        console.print(f"Skipped: there is no evaluation data in {data}.")
        return
    limits = Limits(ocr="off", office_pages=False)
    table = Table(
        title=f"Isolation, CPU milliseconds a document, median of {ROUNDS} rounds of {DOCUMENTS} "
        f"(target: at most {TARGET_MILLISECONDS:g} more)"
    )
    for heading in ("format", "in process", "in the jail", "isolation", "lowest", "highest"):
        table.add_column(heading, justify="left" if heading == "format" else "right")
    with Jail() as jail:
        for _, name in FILES:  # one jail reads all formats, as in ingestion: all are imported
            media_type = media_type_of(data / name, name=name)
            jail.parse(data / name, media_type=media_type, limits=limits)
        for media_type, name in FILES:
            bare, jailed = _compared(jail, data / name, media_type, limits)
            extra = [second - first for first, second in zip(bare, jailed, strict=True)]
            row = (statistics.median(bare), statistics.median(jailed), statistics.median(extra))
            spread = (min(extra), max(extra))
            table.add_row(FORMATS[media_type].name, *(f"{each:.1f}" for each in (*row, *spread)))
    console.print(table)


def _compared(
    jail: Jail, location: Path, media_type: str, limits: Limits
) -> tuple[list[float], list[float]]:
    parse = parser_in(FORMATS[media_type].module)
    bare, jailed = [], []
    for _ in range(ROUNDS):
        bare.append(_milliseconds(lambda: parse(location, limits), time.process_time))
        jailed.append(
            _milliseconds(
                lambda: jail.parse(location, media_type=media_type, limits=limits),
                lambda: time.process_time() + _helper_seconds(jail),
            )
        )
    return bare, jailed


def _milliseconds(work: Callable[[], object], clock: Callable[[], float]) -> float:
    work()
    started = clock()
    for _ in range(DOCUMENTS):
        work()
    return 1_000 * (clock() - started) / DOCUMENTS


def _helper_seconds(jail: Jail) -> float:
    """Return the CPU time of the helper processes and of all children they have collected."""
    ticks = 0
    for helper in jail._helpers.values():  # noqa: SLF001 - nobody else needs to know them
        told = Path(f"/proc/{helper.pid}/stat").read_text(encoding="ascii").rpartition(")")[2]
        ticks += sum(map(int, told.split()[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")
