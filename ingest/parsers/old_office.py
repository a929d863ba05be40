"""Word and PowerPoint files before 2007: LibreOffice makes new ones of them, which are read."""

import tempfile
from pathlib import Path

import olefile  # type: ignore[import-untyped]

from corpus.documents import ParsedDocument
from ingest.errors import Quarantined
from ingest.parsers import docx, pptx
from ingest.parsers.compound_properties import is_encrypted, properties_of
from ingest.parsers.libreoffice import converted
from ingest.parsers.rendition import with_pages
from ingest.quarantine import Reason
from ingest.settings import Limits


def parse(location: Path, limits: Limits) -> ParsedDocument:
    """Read a DOC or PPT file.

    Raises:
        Quarantined: Encrypted, LibreOffice is missing or cannot open it, or no text.
    """
    if is_encrypted(location):
        raise Quarantined(Reason.ENCRYPTED)
    with olefile.OleFileIO(str(location)) as compound:
        is_word = compound.exists("WordDocument")
    old, new = (".doc", "docx") if is_word else (".ppt", "pptx")
    read = docx.text_of if is_word else pptx.text_of
    with tempfile.NamedTemporaryFile(suffix=f".{new}") as file:
        file.write(converted(location, suffix=old, to=new, limits=limits))
        file.flush()
        parsed = read(Path(file.name))
    parsed.properties.update(properties_of(location))
    parsed.properties.pop("Title", None)
    return with_pages(parsed, location, suffix=old, limits=limits)
