"""Hold a record against the checkpoints it was signed with.

Who can write to the store can rewrite all entries so that they fit one another. They then no
longer give the roots that were signed, as long as the key is out of reach.
"""

import hashlib
from collections.abc import Iterable, Sequence

from audit.errors import NoteInvalid
from audit.merkle import EMPTY_ROOT, Frontier
from audit.notes import VerifierKey, check_note, parse_checkpoint, parse_note

LEAF_PREFIX = b"\x00"
REDACTED = b"#"


def fault_against(lines: Iterable[bytes], notes: Sequence[str], log_key: VerifierKey) -> str:
    """Return one sentence on the first checkpoint that a record does not fit; empty if none.

    Args:
        lines: The record's lines, as they stand, in order; a redacted one is ``#`` and its hash.
        notes: Signed checkpoints, in any order.
        log_key: The key that they must be signed with.
    """
    signed: dict[int, bytes] = {}
    for note in notes:
        try:
            checkpoint = parse_checkpoint(note)
            check_note(parse_note(note), log_key)
        except NoteInvalid as error:
            return f"A checkpoint that is kept does not hold: {error}"
        if signed.setdefault(checkpoint.size, checkpoint.root) != checkpoint.root:
            return f"Two checkpoints of {checkpoint.size} entries were signed that contradict."
    if signed.get(0, EMPTY_ROOT) != EMPTY_ROOT:
        return "The checkpoint of the empty record does not hold."
    return _fault_in_tree(lines, signed)


def _fault_in_tree(lines: Iterable[bytes], signed: dict[int, bytes]) -> str:
    tree = Frontier()
    for line in lines:
        tree.add(_leaf(line))
        if tree.size in signed and tree.root() != signed[tree.size]:
            return (
                f"The first {tree.size} entries are not those that were signed: the record was "
                "rewritten."
            )
    largest = max(signed, default=0)
    if largest > tree.size:
        return (
            f"{largest} entries were signed, and only {tree.size} are there: the end was cut off."
        )
    return ""


def _leaf(line: bytes) -> bytes:
    if line.startswith(REDACTED):
        return bytes.fromhex(line[1:].decode("ascii"))
    return hashlib.sha256(LEAF_PREFIX + line).digest()
