"""What becomes of files as ingestion reads them: sniffing, the jail, and what containers hold."""

import dataclasses
import hashlib
import os
import re
import tempfile
import time
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path

from corpus.documents import ParsedDocument
from ingest.containers import expand, is_container
from ingest.errors import Quarantined
from ingest.jail import Jail
from ingest.parsing import FORMATS
from ingest.parts import depth_of, part_path
from ingest.settings import Limits
from ingest.sniffing import media_type_of

UNTOLD = "not told"


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file.

    Attributes:
        path: From the data's folder, through containers.
        format: As people call it.
        reason: Why it is in quarantine; empty when it is live.
        detail: What the operator is told besides.
        pages: With pictures of them.
        anchored: Share of the words that stand on a page; 0 without pages.
        characters: Of its text.
        cpu_seconds: In the jail.
        seconds: On the clock.
        peak_bytes: The most memory the child held.
    """

    path: str
    format: str
    reason: str = ""
    detail: str = ""
    pages: int = 0
    anchored: float = 0.0
    characters: int = 0
    cpu_seconds: float = 0.0
    seconds: float = 0.0
    peak_bytes: int = 0


def data_folder() -> Path:
    """Return where the evaluation data is expected."""
    return Path(os.environ.get("MUNIMENT_EVAL_DATA", "../shared/data")).resolve()


def outcomes(folder: Path, *, limits: Limits) -> Iterator[Outcome]:
    """Yield what becomes of every file below a folder, and of every file inside those."""
    with Jail() as jail, tempfile.TemporaryDirectory() as scratch:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.name != "MANIFEST.tsv":
                name = str(path.relative_to(folder.parent))
                yield from _outcomes(jail, path, name, Path(scratch), limits)


def _outcomes(
    jail: Jail, location: Path, path: str, scratch: Path, limits: Limits
) -> Iterator[Outcome]:
    try:
        media_type = media_type_of(location, name=path)
    except Quarantined as refusal:
        yield Outcome(path, UNTOLD, refusal.reason.value, refusal.detail)
        return
    yield _read(jail, location, path, media_type, limits)
    if not is_container(media_type):
        return
    try:
        parts = expand(jail, location, media_type=media_type, limits=limits, depth=depth_of(path))
    except Quarantined as refusal:
        yield Outcome(f"{path}!/", FORMATS[media_type].name, refusal.reason.value, refusal.detail)
        return
    for part in parts:
        inner = part_path(path, part.name)
        if part.reason is not None:
            yield Outcome(inner, UNTOLD, part.reason.value, part.detail)
            continue
        kept = scratch / hashlib.sha256(part.data).hexdigest()
        kept.write_bytes(part.data)
        yield from _outcomes(jail, kept, inner, scratch, limits)


def _read(jail: Jail, location: Path, path: str, media_type: str, limits: Limits) -> Outcome:
    started = time.perf_counter()
    outcome = Outcome(path, FORMATS[media_type].name)
    try:
        parsed = jail.parse(location, media_type=media_type, limits=limits)
        outcome = dataclasses.replace(
            outcome,
            pages=len(parsed.pages),
            anchored=_anchored(parsed) if parsed.pages else 0.0,
            characters=len(parsed.text),
        )
    except Quarantined as refusal:
        outcome = dataclasses.replace(outcome, reason=refusal.reason.value, detail=refusal.detail)
    cost = jail.last_cost
    return dataclasses.replace(
        outcome,
        seconds=time.perf_counter() - started,
        cpu_seconds=cost.cpu_seconds,
        peak_bytes=cost.peak_bytes,
    )


def _anchored(parsed: ParsedDocument) -> float:
    """Return the share of the text's words with a letter or figure that have a place on a page."""
    starts = sorted(word.start for word in parsed.words)
    told = [word for word in re.finditer(r"\S+", parsed.text) if any(map(str.isalnum, word[0]))]
    placed = sum(
        bisect_left(starts, word.start()) < bisect_left(starts, word.end()) for word in told
    )
    return placed / max(1, len(told))
