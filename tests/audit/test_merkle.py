import hashlib
import random

import pytest

from audit.errors import ProofInvalid
from audit.merkle import (
    EMPTY_ROOT,
    Frontier,
    check_consistency,
    check_inclusion,
    consistency_path,
    frontier_of,
    hash_leaf,
    inclusion_path,
    root_at,
    root_of,
)

CT_LEAVES = [
    bytes.fromhex(written)
    for written in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
"""The eight leaves of the test vectors of Certificate Transparency."""

CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""Their roots at the sizes 1 to 8."""


class Oracle:
    """The tree as RFC 9162 defines it, word for word and without any cleverness."""

    def __init__(self, lines: list[bytes]) -> None:
        self.lines = lines
        self._known: dict[tuple[int, int], bytes] = {}

    def mth(self, start: int, end: int) -> bytes:
        """MTH(D[start:end])."""
        key = (start, end)
        if key not in self._known:
            self._known[key] = self._mth(start, end)
        return self._known[key]

    def _mth(self, start: int, end: int) -> bytes:
        if end == start:
            return hashlib.sha256().digest()
        if end - start == 1:
            return hashlib.sha256(b"\x00" + self.lines[start]).digest()
        k = self.split(end - start)
        left, right = self.mth(start, start + k), self.mth(start + k, end)
        return hashlib.sha256(b"\x01" + left + right).digest()

    def path(self, m: int, start: int, end: int) -> list[bytes]:
        """PATH(m, D[start:end])."""
        if end - start == 1:
            return []
        k = self.split(end - start)
        if m < k:
            return [*self.path(m, start, start + k), self.mth(start + k, end)]
        return [*self.path(m - k, start + k, end), self.mth(start, start + k)]

    def proof(self, m: int, n: int) -> list[bytes]:
        """PROOF(m, D[n])."""
        return self.subproof(m, 0, n, known=True)

    def subproof(self, m: int, start: int, end: int, *, known: bool) -> list[bytes]:
        if m == end - start:
            return [] if known else [self.mth(start, end)]
        k = self.split(end - start)
        if m <= k:
            first = self.subproof(m, start, start + k, known=known)
            return [*first, self.mth(start + k, end)]
        rest = self.subproof(m - k, start + k, end, known=False)
        return [*rest, self.mth(start, start + k)]

    @staticmethod
    def split(n: int) -> int:
        k = 1
        while k * 2 < n:
            k *= 2
        return k

    def node(self, level: int, index: int) -> bytes:
        return self.mth(index << level, (index + 1) << level)


@pytest.fixture(scope="module")
def tree() -> Oracle:
    return Oracle([f"entry {number}".encode() for number in range(5000)])


def test_the_published_vectors_hold() -> None:
    frontier = Frontier()
    roots = []
    for leaf in CT_LEAVES:
        frontier.add(hash_leaf(leaf))
        roots.append(frontier.root().hex())

    assert roots == CT_ROOTS
    assert Oracle(CT_LEAVES).mth(0, 8).hex() == CT_ROOTS[7]


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert Frontier().root() == EMPTY_ROOT == Oracle([]).mth(0, 0)


def test_roots_and_proofs_of_small_trees_are_those_of_the_standard(tree: Oracle) -> None:
    """Every tree of 0 to 300 entries, every leaf of it, every earlier size of it."""
    frontier = Frontier()
    for size in range(301):
        root = tree.mth(0, size)
        assert frontier.root() == root == root_at(size, tree.node)
        for index in range(size):
            assert inclusion_path(index, size, tree.node) == tree.path(index, 0, size)
        for old in range(1, size + 1):
            assert consistency_path(old, size, tree.node) == tree.proof(old, size)
        frontier.add(hash_leaf(tree.lines[size]))


@pytest.mark.parametrize("sizes", [range(80), "random"])
def test_every_proof_that_is_given_is_accepted(tree: Oracle, sizes: range | str) -> None:
    chosen = random.Random(9162)  # noqa: S311 - not for secrets
    tried = sizes if isinstance(sizes, range) else [chosen.randint(300, 5000) for _ in range(60)]
    for size in tried:
        root = tree.mth(0, size)
        indices = range(size) if size < 300 else chosen.sample(range(size), 20)
        for index in indices:
            path = inclusion_path(index, size, tree.node)
            assert path == tree.path(index, 0, size)
            check_inclusion(
                hash_leaf(tree.lines[index]), index=index, size=size, path=path, root=root
            )
        for old in [0, *indices, size]:
            path = consistency_path(old, size, tree.node)
            old_root = tree.mth(0, old)
            check_consistency(old=old, old_root=old_root, new=size, new_root=root, path=path)


def test_a_proof_with_any_one_thing_changed_is_refused(tree: Oracle) -> None:
    for size, index in [(1, 0), (2, 1), (7, 3), (8, 5), (13, 12), (100, 64)]:
        leaf, root = hash_leaf(tree.lines[index]), tree.mth(0, size)
        path = tree.path(index, 0, size)
        wrong = [[*path, root], path[:-1], path[1:], path[::-1], [root, *path[1:]]]
        for changed in wrong:
            if changed != path:
                with pytest.raises(ProofInvalid):
                    check_inclusion(leaf, index=index, size=size, path=changed, root=root)
        with pytest.raises(ProofInvalid):
            check_inclusion(leaf[::-1], index=index, size=size, path=path, root=root)
        with pytest.raises(ProofInvalid):
            check_inclusion(leaf, index=index, size=size, path=path, root=leaf[::-1])
        with pytest.raises(ProofInvalid):
            check_inclusion(leaf, index=size, size=size, path=path, root=root)


def test_a_rewritten_tree_never_extends_the_old_one(tree: Oracle) -> None:
    rewritten = Oracle([b"another", *tree.lines[1:200]])
    for old, new in [(1, 2), (3, 7), (4, 8), (8, 13), (64, 100), (99, 100)]:
        for path in (tree.proof(old, new), rewritten.proof(old, new)):
            with pytest.raises(ProofInvalid):
                check_consistency(
                    old=old,
                    old_root=tree.mth(0, old),
                    new=new,
                    new_root=rewritten.mth(0, new),
                    path=path,
                )


@pytest.mark.parametrize(
    ("old", "new", "path"), [(0, 5, ["x"]), (5, 5, ["x"]), (3, 5, []), (5, 3, [])]
)
def test_a_proof_of_the_wrong_length_is_refused(
    tree: Oracle, old: int, new: int, path: list[str]
) -> None:
    with pytest.raises(ProofInvalid):
        check_consistency(
            old=old,
            old_root=tree.mth(0, old),
            new=new,
            new_root=tree.mth(0, new),
            path=[tree.mth(0, 1) for _ in path],
        )


def test_two_trees_of_one_size_have_one_root(tree: Oracle) -> None:
    with pytest.raises(ProofInvalid, match="two trees of 5 entries"):
        check_consistency(old=5, old_root=tree.mth(0, 5), new=5, new_root=tree.mth(0, 4), path=[])


def test_what_does_not_exist_cannot_be_proved(tree: Oracle) -> None:
    with pytest.raises(ProofInvalid):
        inclusion_path(5, 5, tree.node)
    with pytest.raises(ProofInvalid):
        consistency_path(6, 5, tree.node)


def test_a_frontier_taken_up_from_nodes_grows_like_one_that_was_kept(tree: Oracle) -> None:
    kept = Frontier()
    for size in range(70):
        taken_up = frontier_of(size, tree.node)
        assert taken_up == kept
        for frontier in (taken_up, kept):
            frontier.add(hash_leaf(tree.lines[size]))
        assert taken_up.root() == kept.root() == root_of(map(hash_leaf, tree.lines[: size + 1]))
