"""ArcSight's Common Event Format, version 0: one event a line."""

from collections.abc import Iterable, Iterator
from typing import Final

from audit.entries import Entry
from audit.formats.rows import About, Row, milliseconds_since_1970, row_of

VENDOR: Final = "Muniment"
PRODUCT: Final = "Muniment"
LONGEST_VALUE: Final = 1023
"""What the format allows in most of its text fields."""

SEVERITIES: Final = {"denied": 6, "failed": 5, "error": 6, "refused": 3, "quarantined": 4}
USUAL_SEVERITY: Final = 1


def write(entries: Iterable[Entry], about: About) -> Iterator[bytes]:
    """Yield the events, each ended by a newline."""
    for entry in entries:
        yield line_of(row_of(entry), version=about.version).encode("utf-8", "replace") + b"\n"


def line_of(row: Row, *, version: str) -> str:
    """Return an event as one line, without its newline."""
    header = (
        "CEF:0",
        VENDOR,
        PRODUCT,
        version,
        row.type,
        name_of(row.type),
        str(SEVERITIES.get(row.outcome, USUAL_SEVERITY)),
    )
    values = {
        "rt": str(milliseconds_since_1970(row.at)),
        "externalId": row.id,
        "cat": row.type.partition(".")[0],
        "act": row.type,
        "outcome": row.outcome,
        "suid": row.pseudonym,
        "suser": row.person,
        "reason": row.reason,
        "msg": row.summary,
        "cn1Label": "seq",
        "cn1": str(row.seq),
        "cs1Label": "leafHash",
        "cs1": row.leaf_hash,
        "cs2Label": "request" if row.request else "",
        "cs2": row.request,
        "cs3Label": "documents" if row.documents else "",
        "cs3": " ".join(row.documents),
        "cs4Label": "model" if row.model else "",
        "cs4": row.model,
        "cs5Label": "matter" if row.matter else "",
        "cs5": row.matter,
    }
    extension = " ".join(
        f"{name}={escaped_value(value[:LONGEST_VALUE])}" for name, value in values.items() if value
    )
    return "|".join((header[0], *(escaped_header(part) for part in header[1:]), extension))


def name_of(kind: str) -> str:
    """Return a type of event in words: "rag.answer" becomes "rag answer"."""
    return kind.replace(".", " ").replace("_", " ")


def escaped_header(text: str) -> str:
    """Return text for the header: backslashes and bars escaped, no line breaks."""
    return " ".join(text.replace("\\", "\\\\").replace("|", "\\|").splitlines())


def escaped_value(text: str) -> str:
    """Return text for the extension: backslashes, equals signs and line breaks escaped."""
    return text.replace("\\", "\\\\").replace("=", "\\=").replace("\r", "\\r").replace("\n", "\\n")
