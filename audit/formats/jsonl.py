"""JSON lines for programs: every entry whole, with the sentence that people read."""

import json
from collections.abc import Iterable, Iterator

from audit.entries import Entry
from audit.formats.rows import About, iso


def write(entries: Iterable[Entry], about: About) -> Iterator[bytes]:
    """Yield an entry a line."""
    del about
    for entry in entries:
        line = {
            "seq": entry.sequence,
            "leaf_hash": entry.leaf_hash,
            "time": iso(entry.at),
            "type": entry.type,
            "outcome": entry.outcome,
            "person": entry.person,
            "summary": entry.summary,
            "envelope": entry.envelope,
            "payload": entry.payload,
        }
        yield json.dumps(line, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
