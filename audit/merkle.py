"""The tree over the entries: RFC 9162, section 2.1, and the tiles it is kept in.

A leaf is SHA-256(0x00 ‖ line), a node SHA-256(0x01 ‖ left ‖ right). Nothing here reads or
writes; what needs a node of a tree is given a function that returns it.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from audit.errors import ProofInvalid

LEAF_PREFIX = b"\x00"
NODE_PREFIX = b"\x01"
HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()
"""Root of the tree without leaves (RFC 9162, section 2.1.1)."""

TILE_LEVELS = 8
"""Levels of the tree in a tile, as in C2SP tlog-tiles: a tile holds 2^8 hashes."""
TILE_WIDTH = 1 << TILE_LEVELS

Node: TypeAlias = Callable[[int, int], bytes]
"""Gives the hash of a complete subtree: its level (0 for leaves) and its index on that level."""


def hash_leaf(line: bytes) -> bytes:
    """Return the hash under which a line stands in the tree."""
    return hashlib.sha256(LEAF_PREFIX + line).digest()


def hash_children(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return hashlib.sha256(NODE_PREFIX + left + right).digest()


@dataclass(slots=True)
class Frontier:
    """The right edge of a tree: enough to add leaves and to tell the root, in O(log n) memory.

    Attributes:
        size: How many leaves there are.
        subtrees: Roots of the complete subtrees the tree consists of, largest (leftmost) first:
            one for every bit that is set in ``size``.
    """

    size: int = 0
    subtrees: list[bytes] = field(default_factory=list)

    def add(self, leaf: bytes) -> None:
        """Add the hash of a leaf at the right."""
        node, rest = leaf, self.size
        while rest & 1:
            node = hash_children(self.subtrees.pop(), node)
            rest >>= 1
        self.subtrees.append(node)
        self.size += 1

    def root(self) -> bytes:
        """Return the root of the tree as it is now."""
        if not self.subtrees:
            return EMPTY_ROOT
        node = self.subtrees[-1]
        for subtree in reversed(self.subtrees[:-1]):
            node = hash_children(subtree, node)
        return node

    def copy(self) -> "Frontier":
        """Return one that grows on its own."""
        return Frontier(self.size, list(self.subtrees))


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Return the root of the tree over some leaf hashes."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.add(leaf)
    return frontier.root()


def frontier_of(size: int, node: Node) -> Frontier:
    """Return the right edge of a tree of that size, reading one node for every bit set."""
    subtrees, start = [], 0
    for level in reversed(range(size.bit_length())):
        if size >> level & 1:
            subtrees.append(node(level, start >> level))
            start += 1 << level
    return Frontier(size, subtrees)


def root_at(size: int, node: Node) -> bytes:
    """Return the root that the tree had when it was of that size."""
    return frontier_of(size, node).root()


def inclusion_path(index: int, size: int, node: Node) -> list[bytes]:
    """Return the proof that a leaf is in the tree: PATH(m, D[n]) of RFC 9162, section 2.1.3.1.

    Args:
        index: The leaf, from 0.
        size: The size of the tree the proof is for.
        node: Gives complete subtrees of a tree of at least this size.

    Raises:
        ProofInvalid: There is no such leaf in a tree of that size.
    """
    if not 0 <= index < size:
        raise ProofInvalid(f"Entry {index} is not in a tree of {size} entries.")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _largest_power_below(end - start)
        if index < middle:
            path.append(_range_root(middle, end, node))
            end = middle
        else:
            path.append(_range_root(start, middle, node))
            start = middle
    path.reverse()
    return path


def consistency_path(old: int, new: int, node: Node) -> list[bytes]:
    """Return the proof that a tree extends an earlier one: section 2.1.4.1 of RFC 9162.

    Empty when both are of one size, or the earlier one is empty.

    Raises:
        ProofInvalid: The earlier tree is the larger one.
    """
    if not 0 <= old <= new:
        raise ProofInvalid(f"A tree of {new} entries does not extend one of {old}.")
    if old in {0, new}:
        return []
    path: list[bytes] = []
    start, end, whole = 0, new, True
    while old != end:
        middle = start + _largest_power_below(end - start)
        if old <= middle:
            path.append(_range_root(middle, end, node))
            end = middle
        else:
            path.append(_range_root(start, middle, node))
            start, whole = middle, False
    if not whole:
        path.append(_range_root(start, end, node))
    path.reverse()
    return path


def check_inclusion(
    leaf: bytes, *, index: int, size: int, path: Sequence[bytes], root: bytes
) -> None:
    """Check that a leaf is in a tree, as section 2.1.3.2 of RFC 9162 tells.

    Raises:
        ProofInvalid: It is not, or the proof is none.
    """
    if not 0 <= index < size:
        raise ProofInvalid(f"Entry {index} is not in a tree of {size} entries.")
    node = leaf
    for sibling, stands_left in _climb(index, size - 1, path):
        node = hash_children(sibling, node) if stands_left else hash_children(node, sibling)
    if node != root:
        raise ProofInvalid(f"The proof does not lead from entry {index} to the root.")


def check_consistency(
    *, old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]
) -> None:
    """Check that a tree extends an earlier one, as section 2.1.4.2 of RFC 9162 tells.

    Raises:
        ProofInvalid: It does not, or the proof is none.
    """
    if not 0 <= old <= new:
        raise ProofInvalid(f"A tree of {new} entries does not extend one of {old}.")
    if old in {0, new}:
        _check_trivial(old=old, old_root=old_root, new=new, new_root=new_root, path=path)
        return
    hashes = [old_root, *path] if old & (old - 1) == 0 else list(path)
    if not hashes:
        raise ProofInvalid("The proof of consistency is empty.")
    position, last = old - 1, new - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    first = second = hashes[0]
    for sibling, stands_left in _climb(position, last, hashes[1:]):
        if stands_left:
            first, second = hash_children(sibling, first), hash_children(sibling, second)
        else:
            second = hash_children(second, sibling)
    if first != old_root or second != new_root:
        raise ProofInvalid(f"The tree of {new} entries does not extend the one of {old}.")


def _climb(position: int, last: int, path: Sequence[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Yield each hash of a proof, and whether it stands left of what it is joined with."""
    for sibling in path:
        if last == 0:
            raise ProofInvalid("The proof is longer than the tree is high.")
        stands_left = bool(position & 1) or position == last
        yield sibling, stands_left
        while stands_left and not position & 1 and position:
            position, last = position >> 1, last >> 1
        position, last = position >> 1, last >> 1
    if last != 0:
        raise ProofInvalid("The proof is shorter than the tree is high.")


def _check_trivial(
    *, old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]
) -> None:
    if path:
        raise ProofInvalid("Between these trees nothing is to be proved, yet hashes are given.")
    if old == new and old_root != new_root:
        raise ProofInvalid(f"There are two trees of {new} entries with different roots.")
    if old == 0 and old_root != EMPTY_ROOT:
        raise ProofInvalid("The root of the empty tree is another.")


def _largest_power_below(number: int) -> int:
    """The largest power of two that is smaller than a number of at least 2."""
    return 1 << (number - 1).bit_length() - 1


def _range_root(start: int, end: int, node: Node) -> bytes:
    """The root over a range of leaves that a split of the tree has made."""
    count = end - start
    if count & (count - 1) == 0:
        level = count.bit_length() - 1
        return node(level, start >> level)
    middle = start + _largest_power_below(count)
    return hash_children(_range_root(start, middle, node), _range_root(middle, end, node))
