"""What a file is, decided by its content; the name only tells apart kinds of plain text."""

import zipfile
from pathlib import Path

from ingest.errors import Quarantined
from ingest.quarantine import Reason

PDF = "application/pdf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
HTML = "text/html"
MAIL = "message/rfc822"
MARKDOWN = "text/markdown"
CSV = "text/csv"
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
_MAIL_HEADERS = (
    b"from:",
    b"to:",
    b"subject:",
    b"date:",
    b"received:",
    b"mime-version:",
    b"return-path:",
    b"message-id:",
    b"delivered-to:",
    b"x-",
    b"reply-to:",
)
_TEXT_KINDS = {".md": MARKDOWN, ".markdown": MARKDOWN, ".csv": CSV}
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_PLAUSIBLE_CONTROLS = frozenset(b"\t\n\r\f\x1b")


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
        return _office_type(location)
    if head.startswith(_OLE):
        raise _compound_file_reason(location)
    return _text_type(head, name)


def _office_type(location: Path) -> str:
    try:
        with zipfile.ZipFile(location) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise Quarantined(Reason.DAMAGED, "its zip directory cannot be read") from error
    names = [entry.filename for entry in entries]
    if "[Content_Types].xml" not in names:
        raise Quarantined(Reason.UNSUPPORTED_FORMAT, "a zip archive")
    _refuse_bomb(entries)
    for prefix, media_type in _OFFICE_PARTS:
        if any(entry.startswith(prefix) for entry in names):
            return media_type
    raise Quarantined(Reason.UNSUPPORTED_FORMAT, "an unknown Office format")


def _refuse_bomb(entries: list[zipfile.ZipInfo]) -> None:
    unpacked = sum(entry.file_size for entry in entries)
    packed = max(1, sum(entry.compress_size for entry in entries))
    too_dense = unpacked > RATIO_MATTERS_ABOVE_BYTES and unpacked / packed > MAXIMUM_RATIO
    if unpacked > MAXIMUM_UNPACKED_BYTES or len(entries) > MAXIMUM_ENTRIES or too_dense:
        raise Quarantined(Reason.TOO_LARGE, f"unpacks to {unpacked} bytes")


def _compound_file_reason(location: Path) -> Quarantined:
    with location.open("rb") as stream:
        content = stream.read(1024 * 1024)
    if "EncryptedPackage".encode("utf-16-le") in content:
        return Quarantined(Reason.ENCRYPTED)
    return Quarantined(Reason.UNSUPPORTED_FORMAT, "a binary format of Office before 2007")


def _text_type(head: bytes, name: str) -> str:
    if not _looks_like_text(head):
        raise Quarantined(Reason.UNSUPPORTED_FORMAT, "its content is not text")
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(b"{\\rtf"):
        raise Quarantined(Reason.UNSUPPORTED_FORMAT, "Rich Text Format")
    kind = Path(name).suffix.lower()
    if kind not in _TEXT_KINDS and _is_html(start):
        return HTML
    if _is_mail(head, kind):
        return MAIL
    return _TEXT_KINDS.get(kind, TEXT)


def _looks_like_text(head: bytes) -> bool:
    if head.startswith(_UTF_16_MARKS):
        return True
    strange = sum(1 for byte in head if byte < 32 and byte not in _PLAUSIBLE_CONTROLS)
    return strange <= len(head) / 100 and b"\0\0" not in head


def _is_html(start: bytes) -> bool:
    if start.startswith((b"<!doctype html", b"<html")):
        return True
    return start.startswith(b"<") and (b"<html" in start or b"<body" in start)


def _is_mail(head: bytes, kind: str) -> bool:
    lines = head.lstrip().lower().splitlines()[:40]
    found = {header for header in _MAIL_HEADERS if any(line.startswith(header) for line in lines)}
    certain = {b"from:", b"subject:", b"date:", b"to:", b"message-id:", b"received:"} & found
    if kind == ".eml":
        return bool(found)
    return len(certain) >= 3 and lines[0].split(b":")[0].replace(b"-", b"").isalpha()
