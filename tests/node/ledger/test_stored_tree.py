"""The history tree whose subtrees lie on disk: the same as one in memory, or the disk is damaged
(T40)."""

from collections.abc import Callable
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.enclave.formats.merkle import Tree, leaf_hash
from strongroom.node.ledger import stored_tree
from strongroom.node.ledger.history_columns import HistoryColumns, peaks_of, subtree_in
from strongroom.node.ledger.stored_tree import StoredTree

sizes = st.integers(1, 150)


class Damaged(Exception):
    """A subtree is missing or wrong."""


def leaves_of(size: int) -> list[bytes]:
    return [leaf_hash(b"%d" % number) for number in range(size)]


class Disk:
    """Columns of every height above genesis, and how many were read."""

    def __init__(self, leaves: list[bytes]) -> None:
        self._made = HistoryColumns()
        self.columns = dict(enumerate(map(self._made.append, leaves[1:]), 1))
        self.reads = 0

    def append(self, leaf: bytes) -> None:
        self.columns[len(self.columns) + 1] = self._made.append(leaf)

    def subtree(self, level: int, index: int) -> bytes | None:
        self.reads += 1
        return subtree_in(self.columns.get, level, index)


def opened(leaves: list[bytes], disk: Disk) -> StoredTree:
    return StoredTree(leaves[0], len(leaves), disk.subtree, Damaged)


@given(size=sizes)
def test_columns_hold_every_complete_subtree_but_those_with_genesis(size: int) -> None:
    leaves = leaves_of(size)
    tree, disk = Tree(leaves), Disk(leaves)
    for level in range(size.bit_length()):
        for index in range(1, size >> level):
            assert disk.subtree(level, index) == tree.subtree(level, index)
    held = sum(map(len, disk.columns.values())) // 32
    assert held == sum((size >> level) - 1 for level in range(size.bit_length()))


@given(size=sizes)
def test_columns_go_on_from_what_is_kept(size: int) -> None:
    leaves = leaves_of(size + 20)
    whole, part = Disk(leaves), Disk(leaves[:size])
    going_on = HistoryColumns(size, part.columns.get)
    assert [going_on.append(leaf) for leaf in leaves[size:]] == [
        whole.columns[height] for height in range(size, size + 20)
    ]


@given(size=sizes, more=st.integers(0, 40), data=st.data())
def test_roots_paths_and_frontiers_are_those_of_a_tree_in_memory(
    size: int, more: int, data: st.DataObject
) -> None:
    """Of any size up to the newest, before and after it has grown."""
    leaves = leaves_of(size + more)
    disk = Disk(leaves[:size])
    stored, tree = opened(leaves[:size], disk), Tree(leaves)
    assert stored.root() == tree.root(size)
    for leaf in leaves[size:]:
        disk.append(leaf)
        stored.append(leaf)
    assert stored.size == tree.size
    new = data.draw(st.integers(1, stored.size))
    old, index = data.draw(st.integers(1, new)), data.draw(st.integers(0, new - 1))
    assert stored.root(new) == tree.root(new)
    assert stored.path(index, new) == tree.path(index, new)
    assert stored.consistency(old, new) == tree.consistency(old, new)
    assert stored.frontier(new).peaks == tree.frontier(new).peaks


def test_an_opening_reads_two_roots_a_level_at_most() -> None:
    """However many leaves there are."""
    for size in (1, 2, 255, 256, 1000, 4095):
        leaves = leaves_of(size)
        disk = Disk(leaves)
        opened(leaves, disk)
        assert disk.reads <= 2 * size.bit_length()


def test_what_is_held_in_memory_is_bounded_and_nothing_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stored_tree, "NODES_KEPT_MAX", 16)
    leaves = leaves_of(600)
    disk = Disk(leaves[:1])
    stored, tree = opened(leaves[:1], disk), Tree(leaves)
    for leaf in leaves[1:]:
        disk.append(leaf)
        stored.append(leaf)
        assert len(stored._known) <= 16
    assert disk.reads == 0, "who appends reads nothing"
    assert [stored.path(index) for index in range(600)] == [tree.path(at) for at in range(600)]
    assert len(stored._known) <= 16


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "another": lambda root: sha256(root).digest(),
    "missing": lambda _: b"",
}


@pytest.mark.parametrize("change", CHANGES)
@given(size=sizes, data=st.data())
def test_whatever_stands_there_a_path_is_right_or_the_disk_is_damaged(
    change: str, size: int, data: st.DataObject
) -> None:
    """One changed root anywhere: an opening that comes to the anchored root gives right paths, or
    says that something is damaged; each root that belongs to a path is looked at."""
    leaves = leaves_of(size + 1)
    disk, tree = Disk(leaves), Tree(leaves)
    height = data.draw(st.integers(1, size))
    column = disk.columns[height]
    level = data.draw(st.integers(0, len(column) // 32 - 1)) if column else 0
    place, start = (level, (height + 1 >> level) - 1), level * 32
    changed = CHANGES[change](column[start : start + 32])
    disk.columns[height] = column[:start] + changed + (column[start + 32 :] if changed else b"")
    try:
        stored = opened(leaves, disk)
    except Damaged:
        return
    if stored.root() != tree.root():  # an anchor tells
        assert place in peaks_of(size + 1) or place[1] == 1
        return
    told = 0
    for index in range(size + 1):
        try:
            assert stored.path(index) == tree.path(index)
        except Damaged:
            told += 1
    assert told or place[1] == 0, "nobody reads what lies below genesis"
