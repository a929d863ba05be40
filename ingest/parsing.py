"""Which parser reads which format,  and where it is."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from corpus.documents import ParsedDocument
from ingest import sniffing
from ingest.parts import Part
from ingest.settings import Limits

Process = Literal["light", "office"]
LIGHT: Process = "light"
OFFICE: Process = "office"
Parser = Callable[[Path, Limits], ParsedDocument]
Opener = Callable[[Path, Limits], list[Part]]


@dataclass(frozen=True, slots=True)
class Format:
    """A format that can be read.

    Attributes:
        name: For people.
        module: Module of the parser; its function ``parse`` reads a file. Imported by the
            jail alone: parsers and their libraries never run in this process.
        library: What does the reading.
        process: Which helper of the jail reads it. What is imported there makes every copy of
            it for a document dearer, so that the large libraries have one of their own.
        container: Whether files of this format may hold others; its module then has a
            function ``parts`` too.
    """

    name: str
    module: str
    library: str
    container: bool = False
    process: Process = LIGHT


FORMATS: dict[str, Format] = {
    sniffing.PDF: Format("PDF", "ingest.parsers.pdf", "PDFium"),
    sniffing.DOCX: Format("Word", "ingest.parsers.docx", "unstructured", process=OFFICE),
    sniffing.DOC: Format(
        "Word before 2007", "ingest.parsers.old_office", "LibreOffice, unstructured", process=OFFICE
    ),
    sniffing.PPTX: Format("PowerPoint", "ingest.parsers.pptx", "unstructured", process=OFFICE),
    sniffing.PPT: Format(
        "PowerPoint before 2007",
        "ingest.parsers.old_office",
        "LibreOffice, unstructured",
        process=OFFICE,
    ),
    sniffing.XLSX: Format("Excel", "ingest.parsers.xlsx", "openpyxl"),
    sniffing.XLS: Format("Excel before 2007", "ingest.parsers.xls", "xlrd"),
    sniffing.ODT: Format(
        "OpenDocument text", "ingest.parsers.opendocument", "lxml", process=OFFICE
    ),
    sniffing.ODS: Format(
        "OpenDocument sheets", "ingest.parsers.opendocument", "lxml", process=OFFICE
    ),
    sniffing.ODP: Format(
        "OpenDocument slides", "ingest.parsers.opendocument", "lxml", process=OFFICE
    ),
    sniffing.RTF: Format(
        "rich text", "ingest.parsers.rtf", "LibreOffice, unstructured or striprtf", process=OFFICE
    ),
    sniffing.HTML: Format("HTML", "ingest.parsers.html", "unstructured", process=OFFICE),
    sniffing.EPUB: Format("EPUB", "ingest.parsers.epub", "lxml, unstructured", process=OFFICE),
    sniffing.MAIL: Format(
        "e-mail",
        "ingest.parsers.mail",
        "standard library, unstructured",
        container=True,
        process=OFFICE,
    ),
    sniffing.OUTLOOK: Format(
        "Outlook message",
        "ingest.parsers.outlook",
        "python-oxmsg, unstructured",
        container=True,
        process=OFFICE,
    ),
    sniffing.ZIP: Format(
        "ZIP archive", "ingest.parsers.archive", "standard library", container=True
    ),
    sniffing.MARKDOWN: Format("Markdown", "ingest.parsers.markdown", "markdown-it-py"),
    sniffing.CSV: Format("CSV", "ingest.parsers.separated", "standard library"),
    sniffing.TSV: Format("TSV", "ingest.parsers.separated", "standard library"),
    sniffing.TEXT: Format("plain text", "ingest.parsers.text", "standard library"),
    sniffing.PNG: Format("PNG", "ingest.parsers.picture", "tesseract or RapidOCR"),
    sniffing.JPEG: Format("JPEG", "ingest.parsers.picture", "tesseract or RapidOCR"),
    sniffing.TIFF: Format("TIFF", "ingest.parsers.picture", "tesseract or RapidOCR"),
}


def parser_in(module: str) -> Parser:
    """Return the parser of a module, importing it."""
    parser: Parser = importlib.import_module(module).parse
    return parser


def opener_in(module: str) -> Opener:
    """Return what lists the parts of a container, importing it."""
    opener: Opener = importlib.import_module(module).parts
    return opener
