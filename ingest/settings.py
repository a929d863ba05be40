"""The limits within which documents are read."""

from dataclasses import dataclass
from typing import Literal

Recognition = Literal["auto", "tesseract", "rapidocr", "off"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What reading one document may cost.

    Attributes:
        maximum_file_bytes: Size of the original.
        parse_seconds: Wall time.
        parse_memory_bytes: Address space of the process that reads it.
        maximum_pages: Pages of a document that has pages.
        ocr: Which engine recognises text in pictures; "auto" takes tesseract when it is
            installed, else RapidOCR.
        maximum_parts: Files in one listed mail or archive, those in containers inside it too.
        maximum_part_depth: Containers inside containers.
        maximum_unpacked_bytes: What one container or Office file unpacks to.
        office_pages: Whether Office documents are drawn as pages, where LibreOffice is
            installed, so that citations open a marked page.
    """

    maximum_file_bytes: int = 200 * 1024 * 1024
    parse_seconds: float = 120.0
    parse_memory_bytes: int = 3_000 * 1024 * 1024
    maximum_pages: int = 5_000
    ocr: Recognition = "auto"
    maximum_parts: int = 1_000
    maximum_part_depth: int = 3
    maximum_unpacked_bytes: int = 500 * 1024 * 1024
    office_pages: bool = True


@dataclass(frozen=True, slots=True)
class IngestSettings(Limits):
    """How the pipeline works.

    Attributes:
        readers: How many documents are read at the same time.
        gone_share: A run asks first when more than this share of a source's documents is gone.
        gone_at_least: But not for fewer than so many.
        chunk_words: A chunk this long takes no further paragraph.
    """

    readers: int = 2
    gone_share: float = 0.2
    gone_at_least: int = 10
    chunk_words: int = 130
