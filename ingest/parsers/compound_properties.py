"""What Office documents before 2007 say of themselves, and whether they are encrypted."""

from datetime import datetime
from pathlib import Path

import olefile  # type: ignore[import-untyped]

_WORD_ENCRYPTED = 0x0100
_SLIDES_ENCRYPTED = b"\xdf\xc4\xd1\xf3"
_NAMES = {
    "title": "Title",
    "author": "Author",
    "subject": "Subject",
    "company": "Company",
    "create_time": "Created",
    "last_saved_time": "Modified",
}


def properties_of(location: Path) -> dict[str, str]:
    """Return title, author, company and dates where the document has them."""
    try:
        with olefile.OleFileIO(str(location)) as compound:
            about = compound.get_metadata()
    except Exception:  # noqa: BLE001 - olefile raises whatever it stumbles over
        return {}
    values = {name: getattr(about, field, None) for field, name in _NAMES.items()}
    return {name: told for name, value in values.items() if (told := _text(value))}


def is_encrypted(location: Path) -> bool:
    """Say whether a Word or PowerPoint file needs a password to be read."""
    try:
        with olefile.OleFileIO(str(location)) as compound:
            if compound.exists("WordDocument"):
                head = compound.openstream("WordDocument").read(12)
                return bool(int.from_bytes(head[10:12], "little") & _WORD_ENCRYPTED)
            if compound.exists("EncryptedSummary"):
                return True
            if compound.exists("Current User"):
                return bool(compound.openstream("Current User").read(16)[12:] == _SLIDES_ENCRYPTED)
    except OSError:
        return False
    return False


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.date().isoformat() if value.year > 1980 else ""
    if isinstance(value, bytes):
        value = value.decode("cp1252", errors="replace")
    return " ".join(str(value or "").replace("\0", " ").split())
