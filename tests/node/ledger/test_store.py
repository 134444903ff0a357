"""The block store as the driver sees it: order, lookups, and what it remembers after a restart."""

import os
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from shutil import copytree, rmtree

import pytest
from tests.node.ledger.disk import Disk
from tests.node.ledger.ledgers import (
    MAP_SIZE,
    SMALL,
    PlainForm,
    block,
    filled,
    identifiers,
    opened,
    outcome,
)

from strongroom.consensus.errors import InvariantBroken
from strongroom.enclave.formats.merkle import Tree
from strongroom.enclave.formats.outcome import Code
from strongroom.node.ledger.entries import Entries
from strongroom.node.ledger.index import IndexClosed
from strongroom.node.ledger.pending_index import UNINDEXED_MAX
from strongroom.node.ledger.segments import Kind
from strongroom.node.ledger.store import BlockStore
from strongroom.node.ledger.transaction_table import Found
from strongroom.node.machine.durable_files import DiskFault


def test_blocks_and_outcomes_are_found_before_the_sync_after_it_and_after_a_restart(
    tmp_path: Path,
) -> None:
    store = opened(tmp_path)
    for height in (1, 2, 3):
        store.append_block(height, block(height))
    store.append_outcome(1, outcome(1), identifiers(1))

    def check(store: BlockStore) -> None:
        assert (store.newest_block, store.newest_outcome) == (3, 1)
        assert [store.block(height) for height in range(5)] == [
            None,
            block(1),
            block(2),
            block(3),
            None,
        ]
        assert [store.outcome(height) for height in range(3)] == [None, outcome(1), None]

    check(store)
    store.sync()
    check(store)
    store.close()
    store = opened(tmp_path)
    check(store)
    store.close()


def test_heights_come_in_order_and_an_outcome_follows_its_block(tmp_path: Path) -> None:
    store = filled(tmp_path, 3)
    for height in (3, 5, 0):
        with pytest.raises(InvariantBroken):
            store.append_block(height, block(height))
        with pytest.raises(InvariantBroken):
            store.append_outcome(height, outcome(height), identifiers(height))
    with pytest.raises(InvariantBroken):
        store.append_outcome(4, outcome(4), identifiers(4))
    store.append_block(4, block(4))
    store.append_outcome(4, outcome(4), identifiers(4))
    store.close()


def test_a_full_segment_is_followed_by_one_named_by_its_first_height(tmp_path: Path) -> None:
    filled(tmp_path, 12).close()
    names = sorted(path.name for path in (tmp_path / "ledger").iterdir())
    assert len(names) > 3
    assert names[0] == "blocks-000000000001.log"
    store = opened(tmp_path)
    assert [store.block(height) for height in range(1, 13)] == [
        block(height) for height in range(1, 13)
    ]
    assert [store.outcome(height) for height in range(1, 13)] == [
        outcome(height) for height in range(1, 13)
    ]
    store.close()


def test_a_transaction_is_found_as_soon_as_its_outcome_is_appended_and_after_the_sync(
    tmp_path: Path,
) -> None:
    store = filled(tmp_path, 2)
    store.append_block(3, block(3))
    ids = identifiers(3)
    assert [store.find_transaction(identifier) for identifier, _ in ids] == [None] * 4
    store.append_outcome(3, outcome(3), identifiers(3))
    for _ in range(2):
        assert [store.find_transaction(identifier) for identifier, _ in ids] == [
            Found(3, position, code) for position, (_, code) in enumerate(ids)
        ]
        store.sync()
    assert [store.find_transaction(bytes(size)) for size in (0, 31, 32, 33, 1000)] == [None] * 5
    store.close()


def test_before_the_sync_too_an_id_resolves_to_its_executed_position_else_its_first_refusal(
    tmp_path: Path,
) -> None:
    store = opened(tmp_path)
    outcomes = ([(A, 1)], [(A, 1), (B, 1)], [(B, 1)], [(B, 0), (A, 0)], [(A, 1), (B, 1)])
    for height, ids in enumerate(outcomes, start=1):
        store.append_block(height, b"block")
        store.append_outcome(height, b"".join(id + bytes((code,)) for id, code in ids), ids)
        if height == 1:
            store.sync()
        if height == 3:
            assert (store.find_transaction(A), store.find_transaction(B)) == (
                Found(1, 0, 1),
                Found(2, 1, 1),
            )
    assert (store.find_transaction(A), store.find_transaction(B)) == (
        Found(4, 1, 0),
        Found(4, 0, 0),
    )
    store.close()


def found_after(path: Path, *outcomes: list[tuple[bytes, int]]) -> Iterator[Found | None]:
    """What one id resolves to after these outcomes; then again after the index was rebuilt from the
    segments."""
    store = opened(path)
    for height, ids in enumerate(outcomes, start=1):
        store.append_block(height, b"block")
        store.append_outcome(height, b"".join(id + bytes((code,)) for id, code in ids), ids)
        store.sync()
    yield store.find_transaction(A)
    store.close()
    (path / "index" / "data.mdb").unlink()
    store = opened(path)
    yield store.find_transaction(A)
    store.close()


A, B = sha256(b"a").digest(), sha256(b"b").digest()


def test_an_id_resolves_to_its_executed_position_else_to_its_first_refusal(tmp_path: Path) -> None:
    cases = {
        "refused twice": ([[(A, 3)], [(B, 0), (A, 4)]], Found(1, 0, 3)),
        "refused, then executed": ([[(A, 3)], [(B, 0), (A, 0)]], Found(2, 1, 0)),
        "executed, then refused": ([[(A, 0)], [(A, 4)]], Found(1, 0, 0)),
        "refused and executed in one block": ([[(A, 3), (B, 0), (A, 0), (A, 5)]], Found(1, 2, 0)),
        "executed and refused in one block": ([[(B, 1), (A, 0), (A, 4)]], Found(1, 1, 0)),
        "refused twice in one block": ([[(A, 3), (A, 4)]], Found(1, 0, 3)),
        "executed twice": ([[(A, 0)], [(B, 0), (A, 0)]], Found(1, 0, 0)),
        "refused, executed, refused": ([[(A, 3)], [(A, 0)], [(A, 4)]], Found(2, 0, 0)),
    }
    for name, (outcomes, expected) in cases.items():
        assert list(found_after(tmp_path / name, *outcomes)) == [expected, expected], name


def test_the_map_of_the_index_grows_when_it_is_full(tmp_path: Path) -> None:
    store = BlockStore.open(tmp_path, PlainForm(), map_size=64 * 1024)
    many = [(sha256(b"%d" % number).digest(), 0) for number in range(20_000)]
    payload = b"".join(id + b"\x00" for id, _ in many)
    store.append_block(1, payload)
    store.append_outcome(1, payload, many)
    store.sync()
    for position, (identifier, code) in [*enumerate(many)][::997]:
        assert store.find_transaction(identifier) == Found(1, position, code)
    store.close()
    store = BlockStore.open(tmp_path, PlainForm(), map_size=64 * 1024)
    store.append_block(2, block(2))
    store.sync()
    assert store.find_transaction(many[-1][0]) == Found(1, len(many) - 1, 0)
    store.close()


def test_a_question_after_the_end_blames_no_disk_and_leaves_the_index_trusted(
    tmp_path: Path,
) -> None:
    """A client's question may still run while the node stops: the next start rebuilt the index."""
    store = filled(tmp_path, 2)
    store.close()
    with pytest.raises(IndexClosed, match="stopping"):
        store.find_transaction(sha256(b"any").digest())
    assert (tmp_path / "index" / "believed").exists()


def test_what_waits_to_be_indexed_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = BlockStore.open(tmp_path, PlainForm())
    many = [(sha256(b"%d" % number).digest(), 0) for number in range(UNINDEXED_MAX)]
    payload = b"".join(id + b"\x00" for id, _ in many)
    store.append_block(1, payload)
    store.append_outcome(1, payload, many)
    disk = Disk(monkeypatch)
    store.append_block(2, block(2))
    assert ("fdatasync", "blocks-000000000001.log") in disk.trace
    assert store.find_transaction(many[0][0]) == Found(1, 0, 0)
    store.close()


class Compared(bytes):
    """An id that tells how often it was compared with another one."""

    times = 0
    __hash__ = bytes.__hash__

    def __eq__(self, other: object) -> bool:
        Compared.times += 1
        return bytes(self) == other


def test_a_transaction_that_is_not_here_is_compared_with_few_that_wait(tmp_path: Path) -> None:
    """T70: each call of a session that nobody knows asks for one."""
    store = BlockStore.open(tmp_path, PlainForm())
    many = [(Compared(sha256(b"%d" % number).digest()), number % 3) for number in range(5_000)]
    store.append_block(1, block(1))
    store.append_outcome(1, b"", many)
    Compared.times = 0
    assert store.find_transaction(A) is None
    assert Compared.times < 10
    assert store.find_transaction(bytes(many[4_999][0])) == Found(1, 4_999, many[4_999][1])
    store.close()


def test_reads_go_on_while_a_thread_syncs(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for height in range(1, 200):
        store.append_block(height, block(height))
        store.append_outcome(height, outcome(height), identifiers(height))
        thread = threading.Thread(target=store.sync)
        thread.start()
        assert store.block(height) == block(height)
        assert store.outcome(height) == outcome(height)
        assert store.block(1) == block(1)
        thread.join()
    store.close()


def test_a_record_appended_while_a_thread_syncs_stops_the_store(tmp_path: Path) -> None:
    store = filled(tmp_path, 1)
    store.append_block(2, block(2))
    write = store._index.write

    def meanwhile(entries: Entries) -> None:
        write(entries)
        store.append_block(3, block(3))

    store._index.write = meanwhile  # type: ignore[method-assign]
    with pytest.raises(InvariantBroken, match="while another thread synced"):
        store.sync()


def test_blocks_of_one_byte_and_of_a_megabyte_are_kept_alike(tmp_path: Path) -> None:
    store = BlockStore.open(tmp_path, PlainForm(), segment_bytes_max=SMALL)
    sizes = (0, 1, 1_000_000, 2)
    for height, size in enumerate(sizes, start=1):
        store.append_block(height, bytes(size))
    store.sync()
    assert [store.block(height) for height in range(1, 5)] == [bytes(size) for size in sizes]
    store.close()


def test_a_full_disk_is_a_disk_fault_before_the_index_writes_into_its_map(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = filled(tmp_path, 2)
    store.append_block(3, block(3))
    real = os.statvfs(tmp_path)
    nearly_full = os.statvfs_result((*real[:4], 100, *real[5:]))
    with monkeypatch.context() as full:
        full.setattr(os, "statvfs", lambda _path: nearly_full)
        with pytest.raises(DiskFault, match="MiB are free"):
            store.sync()
    store.close()
    store = opened(tmp_path)
    assert store.block(3) == block(3)
    store.close()


def test_a_block_is_found_by_its_hash_also_after_its_index_was_rebuilt(tmp_path: Path) -> None:
    def hash_of(payload: bytes) -> bytes:
        return sha256(payload).digest()

    class HashedForm(PlainForm):
        def hash_of(self, kind: Kind, payload: bytes) -> bytes:
            return hash_of(payload) if kind == Kind.BLOCK else b""

    def reopened(directory: Path = tmp_path) -> BlockStore:
        return BlockStore.open(directory, HashedForm(), segment_bytes_max=SMALL, map_size=MAP_SIZE)

    store = reopened()
    for height in range(1, 8):
        store.append_block(height, block(height))
    assert store.find_block(hash_of(block(7))) is None
    store.sync(index=False)  # durable: its index entry may wait
    assert store.find_block(hash_of(block(7))) == 7
    copied = tmp_path / "as the process ended here"
    copytree(tmp_path, copied)
    crashed = reopened(copied)
    assert crashed.newest_block == 7
    assert [crashed.find_block(hash_of(block(height))) for height in (1, 7)] == [1, 7]
    crashed.close()
    store.close()
    store = reopened()
    assert [store.find_block(hash_of(block(height))) for height in range(1, 8)] == list(range(1, 8))
    assert store.find_block(bytes(32)) is None
    assert store.find_block(b"short") is None
    store.close()
    rmtree(tmp_path / "index")
    store = reopened()
    assert store.find_block(hash_of(block(7))) == 7
    store.close()


@pytest.mark.parametrize("synced", [False, True])
def test_what_found_no_room_in_one_block_counts_where_another_judged_it(
    tmp_path: Path, synced: bool
) -> None:
    """The same envelope may be ordered again: its first place says nothing of what became of it."""
    store = opened(tmp_path)
    codes = (int(Code.NO_ROOM), int(Code.REFUSED), int(Code.NO_ROOM))
    for height, code in enumerate(codes, 1):
        store.append_block(height, block(height))
        store.append_outcome(height, A + bytes((code,)), [(A, code)])
        if synced:
            store.sync()
        found = None if height == 1 else Found(2, 0, int(Code.REFUSED))
        assert store.find_transaction(A) == found
    store.close()


def test_subtrees_are_given_whether_they_are_indexed_or_wait_for_it(tmp_path: Path) -> None:
    """And by the store that is opened next, which goes on from them."""
    leaves = [bytes([height]) * 32 for height in range(17)]
    tree, store = Tree(leaves), opened(tmp_path)
    expected = {
        (level, index): tree.subtree(level, index)
        for level in range(4)
        for index in range(1, 16 >> level)
    }
    for height in range(1, 16):
        store.append_block(height, block(height))
        store.append_outcome(height, outcome(height), identifiers(height), leaves[height])
        if height == 9:
            store.close()
            store = opened(tmp_path)
    assert store._index.column(15) is None, "the newest waits"
    for _ in range(2):
        assert {place: store.subtree(*place) for place in expected} == expected
        assert [store.subtree(0, 16), store.subtree(1, 8), store.subtree(4, 1)] == [None] * 3
        store.sync()
    store.close()


def test_a_height_without_a_leaf_has_no_column_nor_has_one_above_it(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for height in range(1, 9):
        store.append_block(height, block(height))
        leaf = b"" if height == 4 else bytes(32)
        store.append_outcome(height, outcome(height), identifiers(height), leaf)
    assert [store.subtree(0, height) is None for height in range(1, 9)] == 3 * [False] + 5 * [True]
    assert store.peaks is None
    store.close()
    store = opened(tmp_path)
    assert store.peaks is None
    store.close()
