"""PDF through PDFium: the same engine that draws the page images, so boxes match pixels."""

import re
from itertools import islice
from pathlib import Path

import pypdfium2 as pdfium
from pypdfium2 import raw

from corpus.documents import ParsedDocument
from ingest.building import HIDDEN_WORDS, clean
from ingest.errors import Quarantined
from ingest.parsers.assembly import assemble
from ingest.parsers.headings import DEEPEST, Bookmark
from ingest.parsers.hidden_words import without_hidden
from ingest.parsers.page_layout import PageContent, rows_of
from ingest.parsers.page_words import PageWords, TooManyCharacters, words_of_page
from ingest.parsers.recognition import (
    POINTS_PER_INCH,
    Recognised,
    RecognitionUnavailable,
    recognise_page,
)
from ingest.parsers.ruling import grids_of_page
from ingest.quarantine import Reason
from ingest.settings import Limits

USABLE_CHARACTERS = 20
MAXIMUM_UNMAPPED = 0.10
BROKEN_ROWS = 2
"""Where fewer rows are broken by gaps, nobody looks for a ruled table."""
BOOKMARKS = 5_000
_PROPERTIES = ("Author", "Subject", "Keywords", "CreationDate", "ModDate")
_PLACEHOLDERS = frozenset({"untitled", "anonymous", "(anonymous)", "unspecified", "(unspecified)"})
_DATE = re.compile(r"D:(\d{4})(\d\d)(\d\d)")


def parse(location: Path, limits: Limits) -> ParsedDocument:
    """Read a PDF file.

    Raises:
        Quarantined: Encrypted, damaged, too long, or without text.
    """
    document = _opened(location)
    try:
        if len(document) > limits.maximum_pages:
            raise Quarantined(Reason.TOO_MANY_PAGES, f"{len(document)} pages")
        reader = _Reader(document, limits)
        pages = [reader.read(number) for number in range(len(document))]
        return reader.result(pages)
    finally:
        document.close()


def _opened(location: Path) -> pdfium.PdfDocument:
    try:
        return pdfium.PdfDocument(location)
    except pdfium.PdfiumError as error:
        if raw.FPDF_GetLastError() == raw.FPDF_ERR_PASSWORD or "assword" in str(error):
            raise Quarantined(Reason.ENCRYPTED) from error
        raise Quarantined(Reason.DAMAGED, "its structure cannot be followed") from error


class _Reader:
    """Reads the pages of one document and keeps count of those it could not read."""

    def __init__(self, document: pdfium.PdfDocument, limits: Limits) -> None:
        self._document = document
        self._limits = limits
        self._unrecognised: list[int] = []
        self._broken: list[int] = []
        self._hidden: dict[int, int] = {}

    def read(self, number: int) -> PageContent:
        """Return what stands on a page; an empty page when it cannot be read."""
        try:
            page = self._document[number]
        except pdfium.PdfiumError:
            self._broken.append(number)
            return PageContent(PageWords.of([], width=595.0, height=842.0), [])
        try:
            found, hidden = without_hidden(page, words_of_page(page))
            if hidden:
                self._hidden[number] = hidden
            if _needs_recognition(page, found):
                recognised = self._recognise(page, number)
                if recognised is not None:
                    width, height = found.page_size
                    words = recognised.on_page(width=width, height=height)
                    return PageContent(words, rows_of(words), [], recognised.confidence)
            rows = rows_of(found)
            broken = sum(len(row) > 1 for row in rows)
            grids = grids_of_page(page, turn=found.turn) if broken >= BROKEN_ROWS else []
            return PageContent(found, rows, grids)
        except TooManyCharacters as error:
            raise Quarantined(Reason.TOO_LARGE, f"page {number + 1} is overfull") from error
        finally:
            page.close()

    def result(self, pages: list[PageContent]) -> ParsedDocument:
        """Return the document the pages make."""
        if len(self._broken) == len(pages):
            raise Quarantined(Reason.DAMAGED, "no page can be read")
        if not any(page.rows for page in pages) and self._unrecognised:
            raise Quarantined(Reason.RECOGNITION_UNAVAILABLE)
        metadata = self._document.get_metadata_dict(skip_empty=True)
        properties = {
            name: _readable(value)
            for name, value in metadata.items()
            if name in _PROPERTIES and clean(value).lower() not in _PLACEHOLDERS
        }
        unread = sorted({*self._unrecognised, *self._broken})
        if unread:
            properties["Unread pages"] = ", ".join(str(number + 1) for number in unread)
        if self._hidden:
            pages_told = ", ".join(str(number + 1) for number in sorted(self._hidden))
            properties[HIDDEN_WORDS] = f"{sum(self._hidden.values())} on pages {pages_told}"
        title = clean(metadata.get("Title", ""))
        if title.lower() in _PLACEHOLDERS or title.lower().endswith((".doc", ".docx")):
            title = ""
        outline = _outline(self._document)
        return assemble(pages, title=title, properties=properties, outline=outline)

    def _recognise(self, page: pdfium.PdfPage, number: int) -> Recognised | None:
        width, height = page.get_size()
        try:
            return recognise_page(
                lambda dots: page.render(scale=dots / POINTS_PER_INCH, grayscale=True).to_pil(),
                width=width,
                height=height,
                engine=self._limits.ocr,
            )
        except RecognitionUnavailable:
            self._unrecognised.append(number)
            return None


def _outline(document: pdfium.PdfDocument) -> list[Bookmark]:
    """Return the file's own table of contents, as far as it leads to pages."""
    found = []
    try:
        for entry in islice(document.get_toc(max_depth=DEEPEST), BOOKMARKS):
            target = entry.get_dest()
            page = target.get_index() if target else None
            if page is not None:
                found.append(Bookmark(page, entry.level + 1, entry.get_title()))
    except pdfium.PdfiumError:  # what can be read of it is enough
        return found
    return found


def _readable(value: str) -> str:
    """Return a property with dates as ISO 8601 writes them."""
    date = _DATE.match(value)
    return "-".join(date.groups()) if date else clean(value)


def _needs_recognition(page: pdfium.PdfPage, found: PageWords) -> bool:
    if found.unmapped > MAXIMUM_UNMAPPED:
        return True
    characters = sum(map(len, found.texts))
    return characters < USABLE_CHARACTERS and _has_picture(page)


def _has_picture(page: pdfium.PdfPage) -> bool:
    kinds = (raw.FPDF_PAGEOBJ_IMAGE, raw.FPDF_PAGEOBJ_FORM)
    return any(item.type in kinds for item in page.get_objects(max_depth=1))
