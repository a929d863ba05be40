"""Which parser reads which format,  and where it is."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from corpus.documents import ParsedDocument
from ingest import sniffing
from ingest.settings import Limits

Parser = Callable[[Path, Limits], ParsedDocument]


@dataclass(frozen=True, slots=True)
class Format:
    """A format that can be read.

    Attributes:
        name: For people.
        module: Module of the parser; its function ``parse`` reads a file. Imported by the
            jail alone: parsers and their libraries never run in this process.
        library: What does the reading.
    """

    name: str
    module: str
    library: str


FORMATS: dict[str, Format] = {
    sniffing.PDF: Format("PDF", "ingest.parsers.pdf", "PDFium"),
    sniffing.DOCX: Format("Word", "ingest.parsers.docx", "unstructured"),
    sniffing.PPTX: Format("PowerPoint", "ingest.parsers.pptx", "unstructured"),
    sniffing.XLSX: Format("Excel", "ingest.parsers.xlsx", "openpyxl"),
    sniffing.HTML: Format("HTML", "ingest.parsers.html", "unstructured"),
    sniffing.MAIL: Format("e-mail", "ingest.parsers.mail", "standard library, unstructured"),
    sniffing.MARKDOWN: Format("Markdown", "ingest.parsers.markdown", "markdown-it-py"),
    sniffing.CSV: Format("CSV", "ingest.parsers.separated", "standard library"),
    sniffing.TEXT: Format("plain text", "ingest.parsers.text", "standard library"),
    sniffing.PNG: Format("picture", "ingest.parsers.picture", "tesseract or RapidOCR"),
    sniffing.JPEG: Format("picture", "ingest.parsers.picture", "tesseract or RapidOCR"),
    sniffing.TIFF: Format("picture", "ingest.parsers.picture", "tesseract or RapidOCR"),
}


def parser_in(module: str) -> Parser:
    """Return the parser of a module, importing it."""
    parser: Parser = importlib.import_module(module).parse
    return parser
