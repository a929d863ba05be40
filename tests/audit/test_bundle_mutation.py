"""Change the bytes of an export one at a time: none passes.

Here every fifth byte of the smallest record with everything in it is changed in one way; the
whole run, every byte in nine ways, is ``python -m bench record_mutation``.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from audit import bundle_verify
from tests.audit.bundle_builder import COSIGNER, LOG, Record

STEP = 5


@pytest.fixture
def export(tmp_path: Path) -> Path:
    record = Record()
    record.append("rag.ask", turn_id="t1", body='{"question":"Wie hoch ist die Gebühr?"}')
    record.append("rag.retrieve", turn_id="t1", passages=[{"chunk_id": "c1", "score": 0.71}])
    record.append("audit.redaction", redacts=[1])
    record.redact(1)
    return record.write(tmp_path / "export", LOG, COSIGNER)


@pytest.fixture
def proof(tmp_path: Path) -> Path:
    record = Record()
    for number in range(3):
        record.append("rag.ask", body=f'{{"question":"{number}"}}')
    return record.write_proof(tmp_path / "proof", 1, LOG, COSIGNER)


@pytest.mark.parametrize("kind", ["export", "proof"])
def test_no_changed_byte_passes(kind: str, request: pytest.FixtureRequest) -> None:
    folder: Path = request.getfixturevalue(kind)
    assert passes(folder)

    survivors = [
        f"{path.name}, byte {place}"
        for path in evidence(folder)
        for place in range(0, path.stat().st_size, STEP)
        if passes_with(path, place, folder)
    ]

    assert survivors == []


@pytest.mark.parametrize("kind", ["export", "proof"])
def test_no_missing_or_doubled_byte_passes(kind: str, request: pytest.FixtureRequest) -> None:
    folder: Path = request.getfixturevalue(kind)

    for path in evidence(folder):
        genuine = path.read_bytes()
        for changed in (genuine[:-1], genuine[1:], genuine + b"\n", genuine + genuine[-2:], b""):
            path.write_bytes(changed)
            # A payload's file may end with a newline or not.
            same = path.parent.name == "payloads" and changed == genuine.rstrip(b"\n")
            assert passes(folder) is same, f"{path.name}: {changed[:20]!r}"
        path.write_bytes(genuine)


def evidence(folder: Path) -> Iterator[Path]:
    """Every file that the verifier relies on; README is for people."""
    yield from sorted(
        path for path in folder.rglob("*") if path.is_file() and path.name != "README"
    )


def passes_with(path: Path, place: int, folder: Path) -> bool:
    genuine = path.read_bytes()
    path.write_bytes(
        genuine[:place] + bytes([genuine[place] ^ (1 << place % 8)]) + genuine[place + 1 :]
    )
    try:
        return passes(folder)
    finally:
        path.write_bytes(genuine)


def passes(folder: Path) -> bool:
    try:
        bundle_verify.verify(LOG.vkey, COSIGNER.vkey, folder, None)
    except bundle_verify.Fault:
        return False
    return True
