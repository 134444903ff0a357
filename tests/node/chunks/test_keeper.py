"""What a node keeps follows the ledger, and what it lacks comes from others (T67)."""

import os
from collections.abc import Sequence
from pathlib import Path

from strongroom.enclave.outside.chunks import chunk_name, chunks_root
from strongroom.node.chunks.store import POOL_SECONDS, ChunkStore
from strongroom.node.sync.chunk_keeper import (
    ABSENT_SECONDS,
    FETCHED_AT_ONCE,
    REVIEW_SECONDS,
    ChunkKeeper,
)

CHUNKS = [bytes([at]) * 100 for at in range(3)]
NAMES = [chunk_name(one) for one in CHUNKS]
ROOT = bytes(chunks_root(NAMES))
LATER = REVIEW_SECONDS + 1


class Node:
    """A keeper over a real store; ledger and other nodes are what a test says."""

    def __init__(self, folder: Path) -> None:
        self.store = ChunkStore(folder)
        self.standing: set[bytes] | None = set()
        self.others: dict[bytes, bytes] = {}
        self.now = 1.0
        self.keeper = ChunkKeeper(self.store, self.stands, self.fetch)

    async def stands(self, roots: Sequence[bytes]) -> list[bool] | None:
        return None if self.standing is None else [root in self.standing for root in roots]

    async def fetch(self, name: bytes) -> bytes | None:
        return self.others.get(name)

    async def look(self, later: float = 1.0) -> None:
        self.now += later
        await self.keeper.look(self.now)


def given(tmp_path: Path, *chunks: bytes) -> Node:
    node = Node(tmp_path)
    node.store.put_names(ROOT, NAMES, 1.0)
    for chunk in chunks:
        node.store.put(chunk_name(chunk), chunk, 1.0)
    return node


async def test_a_list_is_kept_once_the_ledger_knows_it_and_what_lacks_is_fetched(
    tmp_path: Path,
) -> None:
    node = given(tmp_path, CHUNKS[0])
    node.others = {NAMES[1]: CHUNKS[1], NAMES[2]: CHUNKS[1]}
    await node.look()
    assert node.store.kept_roots == []
    node.standing = {ROOT}
    await node.look()
    assert node.store.kept_roots == [ROOT]
    assert node.store.missing(NAMES) == [NAMES[2]], "another's bytes are not taken for it"
    node.others[NAMES[2]] = CHUNKS[2]
    await node.look()
    assert node.store.missing(NAMES) == [NAMES[2]], "it was asked for a moment ago"
    await node.look(ABSENT_SECONDS)
    assert node.store.missing(NAMES) == []
    await node.look(2 * POOL_SECONDS)
    assert node.store.missing(NAMES) == []


async def test_what_stands_no_more_is_dropped_after_two_reviews(tmp_path: Path) -> None:
    node = given(tmp_path, *CHUNKS)
    node.standing = {ROOT}
    await node.look()
    node.standing = set()
    await node.look(LATER)
    assert node.store.kept_roots == [ROOT]
    node.standing = {ROOT}
    await node.look(LATER)
    node.standing = set()
    await node.look(LATER)
    assert node.store.kept_roots == [ROOT], "it stood in between"
    await node.look(LATER)
    assert node.store.kept_roots == []
    assert node.store.missing(NAMES) == NAMES


async def test_a_node_that_is_behind_drops_and_keeps_nothing(tmp_path: Path) -> None:
    node = given(tmp_path, *CHUNKS)
    node.standing = {ROOT}
    await node.look()
    node.standing = None
    for _ in range(4):
        await node.look(LATER)
    assert node.store.kept_roots == [ROOT]


async def test_what_no_ledger_knows_goes_after_an_hour(tmp_path: Path) -> None:
    node = given(tmp_path, *CHUNKS)
    await node.look()
    await node.look(POOL_SECONDS + 1)
    assert (node.store.pooled_roots, node.store.missing(NAMES)) == ([], NAMES)


async def test_T67_a_root_whose_chunks_are_nowhere_takes_no_others_turn(tmp_path: Path) -> None:
    """Somebody names very many chunks that he never brings, before another brings his."""
    node = Node(tmp_path)
    for at in range(3):
        names = [bytes([at]) * 31 + bytes([number]) for number in range(2 * FETCHED_AT_ONCE)]
        node.standing = {*(node.standing or ()), bytes(chunks_root(names))}
        node.store.put_names(bytes(chunks_root(names)), names, 1.0)
    await node.look()
    node.store.put_names(ROOT, NAMES, 1.0)
    node.standing = {*(node.standing or ()), ROOT}
    node.others = dict(zip(NAMES, CHUNKS, strict=True))
    for _ in range(3):
        await node.look()
    assert node.store.missing(NAMES) == []


async def test_T67_a_node_without_room_goes_on_with_what_it_has_room_for(tmp_path: Path) -> None:
    small, great = [b"small" * 9], [bytes(1000)]
    node = Node(tmp_path)
    node.store = ChunkStore(tmp_path / "small", kept_bytes_max=200)
    node.keeper = ChunkKeeper(node.store, node.stands, node.fetch)
    roots = []
    for chunks in (great, small):
        names = list(map(chunk_name, chunks))
        roots.append(bytes(chunks_root(names)))
        node.store.put_names(roots[-1], names, 1.0)
        node.others |= dict(zip(names, chunks, strict=True))
    node.standing = set(roots)
    await node.look()
    assert node.store.missing([chunk_name(great[0]), chunk_name(small[0])]) == [
        chunk_name(great[0])
    ]


async def test_T67_what_came_before_a_node_went_away_is_not_thrown_away_while_it_catches_up(
    tmp_path: Path,
) -> None:
    """It was killed after the list came, is back hours later, and cannot say yet what stands."""
    given(tmp_path, *CHUNKS)
    for path in tmp_path.rglob("*"):
        os.utime(path, (1.0, 1.0))
    node = Node(tmp_path)
    node.standing = None
    for _ in range(3):
        await node.look(2 * POOL_SECONDS)
    node.standing = {ROOT}
    await node.look()
    assert node.store.kept_roots == [ROOT]
    assert node.store.missing(NAMES) == []
