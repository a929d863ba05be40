"""The tree of a stored record: how it grows, and how its nodes are found again.

Tiles are kept once complete. What is not in a complete tile yet is read from the entries, and
on higher levels from the roots of the tiles below.
"""

from dataclasses import dataclass, field
from functools import lru_cache

from audit.errors import RecordDamaged
from audit.merkle import (
    HASH_BYTES,
    TILE_LEVELS,
    TILE_WIDTH,
    Frontier,
    consistency_path,
    frontier_of,
    inclusion_path,
    root_at,
    root_of,
)
from audit.store import Store, TileRow

TILES_REMEMBERED = 512


@dataclass(slots=True)
class GrowingTree:
    """The right edge of the tree, with the hashes of the tiles that are not complete.

    Attributes:
        frontier: Tells size and root.
        open_tiles: Of each level of tiles, the hashes since the last complete tile.
    """

    frontier: Frontier = field(default_factory=Frontier)
    open_tiles: list[list[bytes]] = field(default_factory=lambda: [[]])

    def copy(self) -> "GrowingTree":
        """Return one that grows on its own."""
        return GrowingTree(self.frontier.copy(), [list(hashes) for hashes in self.open_tiles])

    def add(self, leaf: bytes) -> list[TileRow]:
        """Add a leaf's hash and return the tiles that became complete by it."""
        self.frontier.add(leaf)
        complete: list[TileRow] = []
        node = leaf
        for level, _ in enumerate(self.open_tiles):
            self.open_tiles[level].append(node)
            if len(self.open_tiles[level]) < TILE_WIDTH:
                return complete
            node = root_of(self.open_tiles[level])
            index = (self.frontier.size >> TILE_LEVELS * (level + 1)) - 1
            complete.append(TileRow(level, index, b"".join(self.open_tiles[level]), node))
            self.open_tiles[level] = []
        self.open_tiles.append([node])
        return complete


class StoredTree:
    """Answers from the store what the tree holds. Safe in several threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._complete_tile = lru_cache(maxsize=TILES_REMEMBERED)(self._require_tile)

    def growing(self, size: int) -> GrowingTree:
        """Return the right edge of the tree of that size, ready to grow."""
        if size == 0:
            return GrowingTree()
        tiles: list[list[bytes]] = []
        count = size
        while count or not tiles:
            complete = count // TILE_WIDTH * TILE_WIDTH
            tiles.append(self._open_hashes(len(tiles), complete, count))
            count //= TILE_WIDTH
        return GrowingTree(frontier_of(size, self._node), tiles)

    def root(self, size: int) -> bytes:
        """Return the root that the tree had at that size."""
        return root_at(size, self._node)

    def inclusion(self, sequence: int, size: int) -> list[bytes]:
        """Return the proof that an entry is in the tree of that size.

        Raises:
            ProofInvalid: It is not.
        """
        return inclusion_path(sequence, size, self._node)

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Return the proof that the tree of one size extends that of an earlier one.

        Raises:
            ProofInvalid: The earlier one is larger.
        """
        return consistency_path(old, new, self._node)

    def _node(self, level: int, index: int) -> bytes:
        tile_level, above = divmod(level, TILE_LEVELS)
        first = index << above
        return root_of(self._hashes(tile_level, first, (index + 1) << above))

    def _hashes(self, tile_level: int, start: int, end: int) -> list[bytes]:
        """Hashes of one level of tiles; a range within one tile."""
        index, offset = divmod(start, TILE_WIDTH)
        if not self._is_complete(tile_level, index):
            return self._open_hashes(tile_level, start, end)
        hashes = self._complete_tile(tile_level, index)
        return [
            hashes[HASH_BYTES * place : HASH_BYTES * (place + 1)]
            for place in range(offset, offset + end - start)
        ]

    def _is_complete(self, tile_level: int, index: int) -> bool:
        try:
            self._complete_tile(tile_level, index)
        except RecordDamaged:
            return False
        return True

    def _require_tile(self, tile_level: int, index: int) -> bytes:
        tile = self._store.tile(tile_level, index)
        if tile is None or len(tile.hashes) != HASH_BYTES * TILE_WIDTH:
            raise RecordDamaged(f"Tile {tile_level}/{index} of the record is not there.")
        return tile.hashes

    def _open_hashes(self, tile_level: int, start: int, end: int) -> list[bytes]:
        if start == end:
            return []
        if tile_level == 0:
            found = [bytes.fromhex(leaf) for leaf in self._store.leaf_hashes(start, end - 1)]
        else:
            found = self._store.tile_roots(tile_level - 1, start, end - 1)
        if len(found) != end - start:
            raise RecordDamaged(
                f"Of the entries or tiles {start} to {end - 1} some are missing. "
                "Run `muniment audit verify` to see what is wrong."
            )
        return found
