"""Change every byte of a small export in nine ways, one at a time: none passes.

Each bit of each byte is flipped, and then all of them. The export has everything in it that an
export can have: payloads, one of them erased, an announced redaction, and a witness. Signatures
that were checked once are remembered, for most changes leave them as they were.
"""

import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from rich.console import Console
from rich.table import Table

from audit import bundle_verify
from tests.audit.bundle_builder import COSIGNER, LOG, Record, small_record

CHANGES = (*(1 << bit for bit in range(8)), 0xFF)


def main() -> None:
    """Print, for each file of evidence, how many changed copies were tried and how many passed."""
    bundle_verify.ed25519_holds = cache(bundle_verify.ed25519_holds)
    with tempfile.TemporaryDirectory() as scratch:
        record = _record()
        table = Table("kind", "file", "bytes", "changed copies", "passed", box=None)
        started = time.process_time()
        for kind, folder in (
            ("export", record.write(Path(scratch) / "export", LOG, COSIGNER)),
            ("proof", record.write_proof(Path(scratch) / "proof", 4, LOG, COSIGNER)),
        ):
            if not _passes(folder):
                raise SystemExit(f"the genuine {kind} does not pass")
            for path in _evidence(folder):
                size = path.stat().st_size
                passed = sum(_passing_changes(path, folder))
                name = str(path.relative_to(folder))
                table.add_row(kind, name, str(size), str(size * len(CHANGES)), str(passed))
        Console().print(table)
        Console().print(f"{time.process_time() - started:.0f} s CPU; README is for people.")


def _record() -> Record:
    record = small_record()
    record.append("audit.redaction", redacts=[3])
    record.redact(3)
    del record.payloads[7]
    return record


def _evidence(folder: Path) -> Iterator[Path]:
    yield from sorted(
        path for path in folder.rglob("*") if path.is_file() and path.name != "README"
    )


def _passing_changes(path: Path, folder: Path) -> Iterator[bool]:
    genuine = path.read_bytes()
    for place, byte in enumerate(genuine):
        for change in CHANGES:
            path.write_bytes(genuine[:place] + bytes([byte ^ change]) + genuine[place + 1 :])
            yield _passes(folder)
    path.write_bytes(genuine)


def _passes(folder: Path) -> bool:
    try:
        bundle_verify.verify(LOG.vkey, COSIGNER.vkey, folder, None)
    except bundle_verify.Fault:
        return False
    return True
