"""What a file is, decided by its content; the name only tells apart kinds of plain text."""

import csv
import itertools
import re
import zipfile
from pathlib import Path

import olefile  # type: ignore[import-untyped]

from ingest.decoding import decoded, marked_encoding, unmarked_wide_encoding
from ingest.errors import Quarantined
from ingest.quarantine import Reason

PDF = "application/pdf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
DOC = "application/msword"
PPT = "application/vnd.ms-powerpoint"
XLS = "application/vnd.ms-excel"
ODT = "application/vnd.oasis.opendocument.text"
ODS = "application/vnd.oasis.opendocument.spreadsheet"
ODP = "application/vnd.oasis.opendocument.presentation"
RTF = "application/rtf"
EPUB = "application/epub+zip"
ZIP = "application/zip"
HTML = "text/html"
MAIL = "message/rfc822"
OUTLOOK = "application/vnd.ms-outlook"
MARKDOWN = "text/markdown"
CSV = "text/csv"
TSV = "text/tab-separated-values"
TEXT = "text/plain"
PNG = "image/png"
JPEG = "image/jpeg"
TIFF = "image/tiff"

HEAD_BYTES = 8_192
MAXIMUM_UNPACKED_BYTES = 500 * 1024 * 1024
MAXIMUM_RATIO = 200
MAXIMUM_ENTRIES = 10_000
RATIO_MATTERS_ABOVE_BYTES = 50 * 1024 * 1024
"""A small document may be packed tightly: only what becomes large is a danger."""

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_IMAGES = ((b"\x89PNG\r\n\x1a\n", PNG), (b"\xff\xd8\xff", JPEG), (b"II*\0", TIFF), (b"MM\0*", TIFF))
_OFFICE_PARTS = (("word/", DOCX), ("ppt/", PPTX), ("xl/", XLSX))
_DECLARED_TYPES = {kind.encode(): kind for kind in (ODT, ODS, ODP, EPUB)}
_SEALED_PACKAGE = "EncryptedPackage".encode("utf-16-le")
_COMPOUND_STREAMS = (
    ("EncryptedPackage", ""),
    ("__properties_version1.0", OUTLOOK),
    ("WordDocument", DOC),
    ("PowerPoint Document", PPT),
    ("Workbook", XLS),
    ("Book", XLS),
)
"""Streams at the top of a compound file, by what they make it; the first that is there decides."""
_UNREAD = (
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x1f\x8b", "gzip-compressed"),
    (b"BZh", "bzip2-compressed"),
    (b"\xfd7zXZ\0", "xz-compressed"),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed"),
    (b"GIF8", "a GIF picture"),
    (b"BM", "a bitmap picture"),
    (b"MZ", "a program for Windows"),
    (b"\x7fELF", "a program"),
    (b"OggS", "a sound or film"),
    (b"ID3", "a sound"),
    (b"fLaC", "a sound"),
    (b"SQLite format 3\0", "a database"),
)
_MAIL_HEADERS = (
    "from:",
    "to:",
    "subject:",
    "date:",
    "received:",
    "mime-version:",
    "return-path:",
    "message-id:",
    "delivered-to:",
    "x-",
    "reply-to:",
    "content-type:",
)
_TEXT_KINDS = {".md": MARKDOWN, ".markdown": MARKDOWN}
_PLAUSIBLE_CONTROLS = frozenset(b"\t\n\r\f\x1b")
_ATX_HEADING = re.compile(r"(?:\A|\n[ \t]*\n)#{1,6} +\S[^\n]*\n[ \t]*\n")
_DELIMITERS = ("\t", ",", ";", "|")
_ROWS_TRIED = 30


def media_type_of(location: Path, *, name: str) -> str:
    """Return the media type of a file.

    Args:
        location: Where the bytes lie.
        name: What the file is called, which may be wrong.

    Raises:
        Quarantined: Empty, encrypted, damaged, a bomb, or of a format nobody here reads.
    """
    with location.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    if not head.strip(b"\0 \t\r\n"):
        raise Quarantined(Reason.EMPTY)
    if b"%PDF-" in head[:1024]:
        return PDF
    for magic, media_type in _IMAGES:
        if head.startswith(magic):
            return media_type
    if head.startswith(b"PK"):
        return _archive_type(location)
    if head.startswith(_OLE):
        return _compound_type(location)
    return _text_type(head, name)


def _archive_type(location: Path) -> str:
    """Return what a zip archive is: an Office file, a book, or a folder of files."""
    try:
        with zipfile.ZipFile(location) as archive:
            entries = archive.infolist()
            declared = _declared_type(archive, entries)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError) as error:
        raise Quarantined(Reason.DAMAGED, "its zip directory cannot be read") from error
    names = [entry.filename for entry in entries]
    _refuse_bomb(entries)
    if declared:
        return declared
    if "[Content_Types].xml" not in names:
        return ZIP
    if "xl/workbook.bin" in names:
        raise Quarantined(Reason.UNSUPPORTED_FORMAT, "a binary workbook (XLSB)")
    for prefix, media_type in _OFFICE_PARTS:
        if any(entry.startswith(prefix) for entry in names):
            return media_type
    return ZIP


def _declared_type(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> str:
    """Return what OpenDocument files and books say of themselves in a member of that name."""
    for entry in entries:
        if entry.filename == "mimetype" and entry.file_size < 200:
            return _DECLARED_TYPES.get(archive.read(entry).strip(), "")
    return ""


def _refuse_bomb(entries: list[zipfile.ZipInfo]) -> None:
    unpacked = sum(entry.file_size for entry in entries)
    packed = max(1, sum(entry.compress_size for entry in entries))
    too_dense = unpacked > RATIO_MATTERS_ABOVE_BYTES and unpacked / packed > MAXIMUM_RATIO
    if unpacked > MAXIMUM_UNPACKED_BYTES or too_dense:
        raise Quarantined(Reason.TOO_LARGE, f"unpacks to {unpacked} bytes")
    if len(entries) > MAXIMUM_ENTRIES:
        raise Quarantined(Reason.TOO_LARGE, f"holds {len(entries)} files")


def _compound_type(location: Path) -> str:
    """Return what a compound file of Office before 2007 is, or raise why it is not read."""
    try:
        with olefile.OleFileIO(str(location)) as compound:
            top = {path[0] for path in compound.listdir() if len(path) == 1}
    except Exception as error:
        if _SEALED_PACKAGE in location.read_bytes():
            raise Quarantined(Reason.ENCRYPTED) from error
        raise Quarantined(Reason.DAMAGED, "its directory cannot be followed") from error
    for stream, media_type in _COMPOUND_STREAMS:
        if stream in top:
            if not media_type:
                raise Quarantined(Reason.ENCRYPTED)
            return media_type
    raise Quarantined(Reason.UNSUPPORTED_FORMAT, "a compound file that is no Office document")


def _text_type(head: bytes, name: str) -> str:
    what = _unread_kind(head)
    if what:
        raise Quarantined(Reason.UNSUPPORTED_FORMAT, what)
    if not _looks_like_text(head):
        raise Quarantined(Reason.UNSUPPORTED_FORMAT, "its content is not text")
    start = decoded(_whole_characters(head)).lstrip("\ufeff \t\r\n")
    if start.startswith("{\\rtf"):
        return RTF
    kind = Path(name).suffix.lower()
    if kind not in _TEXT_KINDS and _is_html(start.lower()):
        return HTML
    if _is_mail(start, kind):
        return MAIL
    return _plain_kind(start, kind)


def _unread_kind(head: bytes) -> str:
    if head[257:262] == b"ustar":
        return "a tar archive"
    if head[4:8] == b"ftyp":
        return "a picture or film in a container such as HEIC or MP4"
    if head[:4] == b"RIFF":
        return "a picture, sound or film in a RIFF container such as WebP"
    binary = b"\0" in head and not unmarked_wide_encoding(head)
    sure = (
        kind for magic, kind in _UNREAD if head.startswith(magic) and (binary or len(magic) > 2)
    )
    return next(sure, "")


def _looks_like_text(head: bytes) -> bool:
    if marked_encoding(head) or unmarked_wide_encoding(head):
        return True
    strange = sum(1 for byte in head if byte < 32 and byte not in _PLAUSIBLE_CONTROLS)
    return strange <= len(head) / 100 and b"\0\0" not in head


def _whole_characters(head: bytes) -> bytes:
    """Return the head cut so that it ends with no half of a character."""
    if len(head) < HEAD_BYTES or marked_encoding(head) or unmarked_wide_encoding(head):
        return head
    return head[: head.rfind(b"\n") + 1] or head


def _is_html(start: str) -> bool:
    if start.startswith(("<!doctype html", "<html")):
        return True
    return start.startswith("<") and ("<html" in start or "<body" in start)


def _is_mail(start: str, kind: str) -> bool:
    lines = start.lower().splitlines()[:40]
    found = {header for header in _MAIL_HEADERS if any(line.startswith(header) for line in lines)}
    certain = {"from:", "subject:", "date:", "to:", "message-id:", "received:"} & found
    if kind == ".eml":
        return bool(found)
    return len(certain) >= 3 and lines[0].split(":")[0].replace("-", "").isalpha()


def _plain_kind(start: str, kind: str) -> str:
    """Return the kind of a plain text: its content, and its name where that does not object."""
    if kind in _TEXT_KINDS:
        return _TEXT_KINDS[kind]
    named_table = kind in {".csv", ".tsv", ".tab"}
    delimiter = _delimiter_of(start, least_rows=1 if named_table else 3)
    if named_table and delimiter:
        return TSV if delimiter == "\t" else CSV
    if delimiter == "\t":
        return TSV
    if delimiter and not named_table and _is_tabular(start, delimiter):
        return CSV
    return MARKDOWN if len(_ATX_HEADING.findall(start)) >= 2 else TEXT


def _delimiter_of(start: str, *, least_rows: int) -> str:
    """Return what parts the same number of cells, two or more, in every row; else empty."""
    for delimiter in _DELIMITERS:
        widths = _widths(start, delimiter)
        if len(widths) >= least_rows and len(set(widths)) == 1 and widths[0] > 1:
            return delimiter
    if least_rows == 1:  # its name says it is a table: the one that occurs most
        return max(_DELIMITERS, key=start.count) if any(map(start.count, _DELIMITERS)) else ""
    return ""


def _widths(start: str, delimiter: str) -> list[int]:
    lines = start.splitlines()
    lines = lines[:-1] if len(lines) > _ROWS_TRIED else lines
    try:
        rows = itertools.islice(csv.reader(lines, delimiter=delimiter), _ROWS_TRIED)
        return [len(row) for row in rows if row]
    except csv.Error:
        return []


def _is_tabular(start: str, delimiter: str) -> bool:
    """Say whether rows have three cells or more and no comma that a sentence would have."""
    return _widths(start, delimiter)[0] > 2 and f"{delimiter} " not in start
