"""Every form of export, and the verifier, over records of growing size: time and memory.

Each runs in a process of its own, so that its peak of memory is its own. One entry in ten has a
payload, as a record mostly holds retrievals, looks and heartbeats.

    python -m bench record_export                     10,000 and 100,000 entries
    python -m bench.record_export measure 1000000     any other number
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from rich.console import Console

from audit import bundle_verify
from audit.canonical import Json, leaf_hash
from audit.events import QuestionAsked
from audit.export import BUNDLE, FORMS, Export, write_export
from audit.log import AuditLog
from audit.store import Batch, EntryRow, Writing
from audit.tree import StoredTree

USUAL_SIZES = (10_000, 100_000)
BATCH = 2_000
MEBIBYTE = 1024


def main(sizes: Sequence[int] = USUAL_SIZES) -> None:
    """Print CPU time and peak memory for every form, and for the verifier of the bundle."""
    console = Console()
    row = "{:>10}  {:<10} {:>8} {:>12} {:>9} {:>12}"
    console.print(row.format("entries", "what", "CPU s", "µs an entry", "peak MiB", "MiB written"))
    for size in sizes:
        with tempfile.TemporaryDirectory() as scratch:
            for what, arguments in _steps(size):
                found = _measured(arguments[0], scratch, *arguments[1:], size=size)
                console.print(row.format(f"{size:,}", what, *found))
                if what not in ("making it", BUNDLE):
                    (Path(scratch) / what).unlink(missing_ok=True)


def _steps(size: int) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield "making it", ("fill", str(size))
    yield BUNDLE, ("export", BUNDLE)
    yield "verify.py", ("verify",)
    for form in FORMS:
        if form != BUNDLE:
            yield form, ("export", form)


def _measured(what: str, folder: str, *arguments: str, size: int) -> tuple[str, ...]:
    command = [sys.executable, "-m", "bench.record_export", what, folder, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    seconds, kibibytes, written = json.loads(done.stdout)
    return (
        f"{seconds:.1f}",
        f"{seconds / size * 1e6:.0f}",
        f"{kibibytes / MEBIBYTE:.0f}",
        f"{written / MEBIBYTE / MEBIBYTE:.1f}",
    )


def _fill(folder: Path, size: int) -> Path:
    """Make a record: questions as the log writes them, and, sooner, plain entries between them."""
    with closing(AuditLog.open(folder / "audit")) as log:
        tree = StoredTree(log.store)
        for first in range(0, size, BATCH):
            questions = min(BATCH, size - first) // 10
            log.append_all([_question(first + number) for number in range(questions)])
            log.store.append(partial(_plain_entries, tree, min(BATCH, size - first) - questions))
        return log.path


def _question(number: int) -> QuestionAsked:
    return QuestionAsked("Ada Lovelace", f"t{number}", "c1", f"What is the fee of case {number}?")


def _plain_entries(stored: StoredTree, count: int, writing: Writing) -> Batch:
    """Entries without payload, in the form that the log gives them."""
    tree, previous = stored.growing(writing.head.size), writing.head.leaf_hash
    entries, tiles = [], []
    for sequence in range(writing.head.size, writing.head.size + count):
        envelope: dict[str, Json] = {
            "v": 1,
            "seq": sequence,
            "id": f"01K{sequence:023d}",
            "ts": writing.head.at,
            "type": "rag.retrieve",
            "actor": {"pid": None},
            "outcome": "done",
            "turn_id": f"t{sequence}",
            "retrieval": [
                {
                    "doc": f"d:{sequence % 997}",
                    "chunk": f"c:{sequence}.{rank}",
                    "chunk_sha256": "ab" * 32,
                    "rank": rank,
                    "score": 0.71,
                }
                for rank in range(1, 4)
            ],
            "payload_commitment": None,
            "payload_key": None,
            "prev_leaf_hash": previous or None,
        }
        line = json.dumps(envelope, sort_keys=True, separators=(",", ":")).encode()
        previous = leaf_hash(line)
        entries.append(EntryRow(sequence, line, previous, "rag.retrieve", writing.head.at))
        tiles += tree.add(bytes.fromhex(previous))
    return Batch(tuple(entries), tiles=tuple(tiles))


def _export(folder: Path, form: str) -> Path:
    output = folder / form
    with closing(AuditLog.open(folder / "audit", create=False)) as log:
        write_export(log, output, Export(form, "bench", "0"))
    return output


def _verify(folder: Path) -> Path:
    bundle = folder / "bundle"
    key = (bundle / "keys.txt").read_text().split("\n")[0]
    bundle_verify.verify(key, "-", bundle, None)
    return bundle / "checkpoint"


def _run(what: str, folder: str, *arguments: str) -> None:
    started = time.process_time()
    if what == "fill":
        path = _fill(Path(folder), int(arguments[0]))
    elif what == "export":
        path = _export(Path(folder), arguments[0])
    else:
        path = _verify(Path(folder))
    seconds = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    files = [path] if path.is_file() else path.rglob("*")
    written = sum(file.stat().st_size for file in files if file.is_file())
    sys.stdout.write(json.dumps([seconds, peak, written]))


if __name__ == "__main__":
    if sys.argv[1] == "measure":
        main([int(size) for size in sys.argv[2:]])
    else:
        _run(*sys.argv[1:])
