"""Rich text: through LibreOffice with its structure where that is installed, else its words."""

import re
import tempfile
from pathlib import Path

from striprtf.striprtf import rtf_to_text

from corpus.documents import ParsedDocument
from ingest.building import DocumentBuilder
from ingest.errors import Quarantined
from ingest.parsers import docx
from ingest.parsers.libreoffice import converted, installed
from ingest.parsers.rendition import with_pages
from ingest.parsers.text import add_text
from ingest.settings import Limits

_ABOUT = re.compile(r"\{\\(title|author|company) ([^{}\\]{1,300})\}")


def parse(location: Path, limits: Limits) -> ParsedDocument:
    """Read an RTF file.

    Raises:
        Quarantined: No text.
    """
    if installed():
        try:
            return with_pages(_structured(location, limits), location, suffix=".rtf", limits=limits)
        except Quarantined:
            return _words(location)
    return _words(location)


def _structured(location: Path, limits: Limits) -> ParsedDocument:
    with tempfile.NamedTemporaryFile(suffix=".docx") as file:
        file.write(converted(location, suffix=".rtf", to="docx", limits=limits))
        file.flush()
        return docx.text_of(Path(file.name))


def _words(location: Path) -> ParsedDocument:
    # Rich text is ASCII; anything beyond is told by its code page.
    source = location.read_bytes().decode("latin-1")
    builder = DocumentBuilder()
    words: str = rtf_to_text(source, errors="replace")  # type: ignore[no-untyped-call]
    add_text(builder, words)
    about = {name.title(): value for name, value in _ABOUT.findall(source[:20_000])}
    return builder.finish(title=about.pop("Title", ""), properties=about)
