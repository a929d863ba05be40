"""unstructured beside what reads a format here: CPU time, words found, structure kept.

Words are compared with those of the other reader: a share under one says what it missed.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

import muniment.silence  # noqa: F401  (first, before anything that might speak)
from corpus.documents import BlockKind, ParsedDocument
from ingest.parsers.unstructured_seam import UNDETECTED
from ingest.parsing import FORMATS, parser_in
from ingest.settings import Limits
from ingest.sniffing import CSV, DOCX, HTML, MAIL, MARKDOWN, OUTLOOK, PPTX, TEXT, XLSX
from tests.ingest.outcomes import data_folder

LIMITS = Limits(ocr="off", office_pages=False)
FILES = {
    DOCX: ("office/handbook-1p.docx", "office/word_tables.docx", "office/textbox.docx"),
    PPTX: ("office/powerpoint_sample.pptx", "office/sample-presentation.pptx"),
    XLSX: ("office/xlsx_01.xlsx", "office/more-than-1k-cells.xlsx", "office/vodafone.xlsx"),
    HTML: ("web/example-10k-1p.html", "web/wiki_duck.html", "web/ideas-page.html"),
    MAIL: ("mail/fake-email.eml", "mail/mime-different-plain-html.eml"),
    OUTLOOK: ("mail/fake-email.msg", "tika/testMSG_forwarded.msg"),
    MARKDOWN: ("text/README.md", "text/codeblock.md"),
    CSV: ("text/stanley-cups.csv", "text/csv-with-long-lines.csv"),
    TEXT: ("text/norwich-city.txt",),
}


@dataclass(frozen=True, slots=True)
class Read:
    """What a reader made of some files.

    Attributes:
        cpu_seconds: Of the second reading: the first imports and warms.
        words: With how often each occurs.
        headings: Spans taken for headings or titles.
        rows: Table rows that can be found alone.
        failed: The error's name, empty when there was none.
    """

    cpu_seconds: float
    words: Counter[str]
    headings: int
    rows: int
    failed: str = ""


def main() -> None:
    """Print a row for every format: unstructured, ours, and what each has that the other lacks."""
    console = Console(width=130)
    folder = data_folder() / "files"
    if not folder.is_dir():
        console.print(f"Skipped: there is no evaluation data in {folder.parent}.")
        return
    table = Table(title="Readers beside each other (CPU milliseconds for all files of a row)")
    for heading in (
        "format", "served by", "unstructured ms", "ours ms", "its words we have",
        "our words it has", "headings it / we", "rows it / we",
    ):  # fmt: skip
        table.add_column(heading, justify="left" if heading in {"format", "served by"} else "right")
    for media_type, names in FILES.items():
        paths = [folder / name for name in names]
        theirs = _read(_unstructured(media_type), paths)
        ours = _read(_ours(media_type), paths)
        table.add_row(
            FORMATS[media_type].name,
            FORMATS[media_type].library,
            theirs.failed or f"{1_000 * theirs.cpu_seconds:.0f}",
            ours.failed or f"{1_000 * ours.cpu_seconds:.0f}",
            _share(ours.words, theirs.words),
            _share(theirs.words, ours.words),
            f"{theirs.headings} / {ours.headings}",
            f"{theirs.rows} / {ours.rows}",
        )
    console.print(table)


Reader = Callable[[Path], tuple[str, int, int]]
"""Gives the text of a file, and how many headings and rows are in it."""


def _read(reader: Reader, paths: list[Path]) -> Read:
    try:
        for path in paths:
            reader(path)
        started = time.process_time()
        found = [reader(path) for path in paths]
    except Exception as error:  # noqa: BLE001 - a reader that fails is a result
        return Read(0.0, Counter(), 0, 0, type(error).__name__)
    seconds = time.process_time() - started
    words = Counter(word for text, _, _ in found for word in text.split() if word not in "|•")
    return Read(seconds, words, sum(each[1] for each in found), sum(each[2] for each in found))


def _ours(media_type: str) -> Reader:
    parse = parser_in(FORMATS[media_type].module)

    def read(path: Path) -> tuple[str, int, int]:
        parsed: ParsedDocument = parse(path, LIMITS)
        kinds = Counter(block.kind for block in parsed.blocks)
        return parsed.text, kinds[BlockKind.HEADING], kinds[BlockKind.TABLE_ROW]

    return read


def _unstructured(media_type: str) -> Reader:
    # Imported here, after the seam has taken the place of what would ask for downloads.
    from unstructured.partition import csv, docx, email, html, md, msg, pptx, text, xlsx  # noqa: PLC0415

    partition = {
        DOCX: docx.partition_docx, PPTX: pptx.partition_pptx, XLSX: xlsx.partition_xlsx,
        HTML: html.partition_html, MAIL: email.partition_email, OUTLOOK: msg.partition_msg,
        MARKDOWN: md.partition_md, CSV: csv.partition_csv, TEXT: text.partition_text,
    }[media_type]  # fmt: skip

    def read(path: Path) -> tuple[str, int, int]:
        elements = partition(filename=str(path), languages=UNDETECTED)
        titles = sum(each.category == "Title" for each in elements)
        # A table is one element, however many rows it has.
        return "\n".join(each.text for each in elements), titles, 0

    return read


def _share(having: Counter[str], wanted: Counter[str]) -> str:
    return f"{(having & wanted).total() / max(1, wanted.total()):.3f}"
