"""Syslog of RFC 5424, framed by octet counting (RFC 6587, 3.4.1; RFC 5425 asks for it)."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from audit.entries import Entry
from audit.formats.rows import About, Row, iso, row_of

FACILITY: Final = 13
"""Log audit."""

SEVERITIES: Final = {"denied": 4, "failed": 4, "error": 3, "refused": 5, "quarantined": 4}
USUAL_SEVERITY: Final = 6
STRUCTURED_DATA_ID: Final = "muniment@32473"
"""32473 is the number that RFC 5612 sets aside for examples: Muniment has none of its own."""

MESSAGE_MARK: Final = "\ufeff"
"""Says that a message is UTF-8 (RFC 5424, 6.4)."""

NOT_OF_A_NAME: Final = re.compile(r"[^!-~]")
TO_ESCAPE: Final = re.compile(r'(["\\\]])')
BREAKS: Final = re.compile(r"[\r\n\t]+")


def write(entries: Iterable[Entry], about: About) -> Iterator[bytes]:
    """Yield the messages, each with its length in front and nothing in between."""
    for entry in entries:
        message = message_of(row_of(entry), host=about.origin)
        yield b"%d %s" % (len(message), message)


def message_of(row: Row, *, host: str) -> bytes:
    """Return one message, without its frame."""
    priority = FACILITY * 8 + SEVERITIES.get(row.outcome, USUAL_SEVERITY)
    values = {
        "seq": str(row.seq),
        "leafHash": row.leaf_hash,
        "id": row.id,
        "type": row.type,
        "outcome": row.outcome,
        "pseudonym": row.pseudonym,
        "person": row.person,
        "request": row.request,
        "matter": row.matter,
        "documents": " ".join(row.documents),
        "model": row.model,
        "reason": row.reason,
    }
    data = "".join(f' {name}="{escaped(value)}"' for name, value in values.items() if value)
    text = (
        f"<{priority}>1 {iso(row.at)} {_name(host, 255)} muniment - {_name(row.type, 32)} "
        f"[{STRUCTURED_DATA_ID}{data}] {MESSAGE_MARK}{row.summary}"
    )
    return text.encode("utf-8", "replace")


def escaped(value: str) -> str:
    """Return a parameter's value: quotes, backslashes and closing brackets escaped."""
    return TO_ESCAPE.sub(r"\\\1", BREAKS.sub(" ", value))


def _name(text: str, longest: int) -> str:
    return NOT_OF_A_NAME.sub("_", text)[:longest] or "-"
