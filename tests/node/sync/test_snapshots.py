"""Snapshots on disk and between nodes: whole, checked against the ledger, and never used when
damaged (T34, T40)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.enclave.snapshot_world import Ledger
from tests.node.ledger.ledgers import UnreadForm

from strongroom.consensus import codec
from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import PeerFault
from strongroom.consensus.host_messages import SnapshotChunk, SnapshotRequest
from strongroom.consensus.types import Height
from strongroom.enclave.contained import KeysNeeded
from strongroom.enclave.door.serve import kind_of
from strongroom.enclave.execution.snapshot_loading import LoadRefused
from strongroom.enclave.keys.keyring import Keyring
from strongroom.node.enclave_client.refusals import refusal_of
from strongroom.node.enclave_client.replies import MadeChunks
from strongroom.node.ledger.archive.archived import Archived
from strongroom.node.ledger.archive.faults import SegmentMissing
from strongroom.node.ledger.block_record import StoredBlock
from strongroom.node.ledger.segments import Heights, Kind
from strongroom.node.ledger.store import BlockStore
from strongroom.node.network.pace import RANGE_BYTES_PER_SECOND
from strongroom.node.sync.snapshot_fetch import (
    FETCH_CHUNKS_MAX,
    SnapshotFetch,
    SnapshotServer,
)
from strongroom.node.sync.snapshots import KEPT, SnapshotFolder, Snapshots


class Door:
    """An enclave without its process; made anew it is one that was just started."""

    def __init__(self, ledger: Ledger, *, executes: bool = False) -> None:
        self.executor, self._loader = ledger.fresh()
        self.asked: list[Height] = []
        """Heights that it was told to load."""
        if executes:
            self.executor = ledger.executor

    async def snapshot(self, height: Height, first: int) -> MadeChunks | None:
        of, due, count, begins, chunks = self.executor.snapshots.hand_out(height, first)
        return MadeChunks(Height(of), Height(due), count, begins, chunks) if chunks else None

    async def load(self, header: Header, *rest: Any) -> None:
        self.asked.append(header.height)
        self._refusing(lambda: self._loader.begin(header, *rest))

    async def load_chunk(self, index: int, chunk: bytes) -> None:
        self._refusing(lambda: self._loader.add(index, chunk))

    async def end_load(self) -> None:
        self._refusing(self._loader.end)

    def _refusing(self, step: Callable[[], None]) -> None:
        try:
            step()
        except (LoadRefused, KeysNeeded) as error:
            raise refusal_of(kind_of(error), str(error)) from None


class Node:
    """A host's files: the ledger of `ledger`, recorded."""

    def __init__(self, directory: Path, ledger: Ledger) -> None:
        self.ledger = ledger
        self.store = BlockStore.open(directory, UnreadForm())
        self.folder = SnapshotFolder(directory / "snapshots")
        self.snapshots = Snapshots(self.folder, self.store, Door(ledger, executes=True))

    async def live(self, height: int) -> None:
        """Commit up to a height, recording and taking chunks after each block, as a host does."""
        while self.ledger.tip.height < height:
            self.ledger.go_to(self.ledger.tip.height + 1)
            self.record()
            await self.snapshots.collect()

    def record(self) -> None:
        for number in range(self.store.newest_outcome, len(self.ledger.outcomes)):
            made, outcome = self.ledger.blocks[number], self.ledger.outcomes[number]
            certificate = self.ledger.certificate(made.header)
            self.store.append_block(
                number + 1, StoredBlock(made.header, certificate, made.batches).encode()
            )
            self.store.append_outcome(number + 1, outcome.encode(), ())
        self.store.sync()

    async def restart(self) -> tuple[Door, Height]:
        """A new enclave, and the newest usable snapshot given to it."""
        door = Door(self.ledger)
        snapshots = Snapshots(self.folder, self.store, door)
        newest = self.ledger.tip
        return door, await snapshots.restore(
            self.ledger.history, newest, self.ledger.certificate(newest)
        )


@pytest.fixture
async def node(tmp_path: Path) -> Node:
    """At height 26: the snapshots of 8 and 16 are complete, that of 24 is being made."""
    made = Node(tmp_path / "n0", Ledger())
    made.record()
    await made.live(26)
    return made


# --- taken, kept, given back ----------------------------------------------------------------------


async def test_a_restart_goes_on_from_the_newest_snapshot(node: Node) -> None:
    assert node.snapshots.complete() == [16, 8]
    door, height = await node.restart()
    assert height == door.executor.height == 16
    node.ledger.follow(door.executor, 16, by_execution=False)


async def test_the_newest_two_are_kept(node: Node) -> None:
    await node.live(42)
    assert node.snapshots.complete() == [32, 24]
    assert len(node.snapshots.complete()) == KEPT
    assert node.folder.heights()[-1] == 24


async def test_one_that_no_quorum_has_anchored_yet_is_left_alone(node: Node) -> None:
    await node.live(32)  # block 32 anchors height 31; the root of 24 is in the outcome of 32
    assert node.snapshots.complete() == [24, 16]
    _, height = await node.restart()
    assert height == 16
    assert 24 in node.folder.heights()


async def test_after_a_restart_the_next_snapshot_is_made_again_with_the_same_bytes(
    node: Node,
) -> None:
    """What was half written before is written over."""
    await node.live(34)
    chunk = node.folder.chunk(Height(24), 0)
    node.folder.remove(Height(24))
    door, height = await node.restart()
    assert height == 16
    node.ledger.follow(door.executor, 16, by_execution=False)
    await Snapshots(node.folder, node.store, door).collect()
    assert node.snapshots.complete()[0] == 24
    assert node.folder.chunk(Height(24), 0) == chunk


async def test_without_any_the_outcomes_are_applied_from_genesis_on(node: Node) -> None:
    for height in node.folder.heights():
        node.folder.remove(height)
    door, height = await node.restart()
    assert height == 0
    node.ledger.follow(door.executor, 0, by_execution=False)


def _flip(folder: Path) -> None:
    data = bytearray((folder / "0").read_bytes())
    data[len(data) // 2] ^= 4
    (folder / "0").write_bytes(data)


def _truncate(folder: Path) -> None:
    (folder / "0").write_bytes((folder / "0").read_bytes()[:-1])


def _lose(folder: Path) -> None:
    (folder / "0").unlink()


def _take_an_older_chunk(folder: Path) -> None:
    (folder / "0").write_bytes((folder.parent / "8" / "0").read_bytes())


def _lose_its_name(folder: Path) -> None:
    (folder / "named").unlink()


def _name_garbage(folder: Path) -> None:
    (folder / "named").write_bytes(b"\xc1")


def _name_another_count(folder: Path) -> None:
    (folder / "named").write_bytes(codec.encode((24, 2)))
    (folder / "1").write_bytes((folder / "0").read_bytes())


def _name_another_height(folder: Path) -> None:
    (folder / "named").write_bytes(codec.encode((23, 1)))


DAMAGES = [
    _flip,
    _truncate,
    _lose,
    _take_an_older_chunk,
    _lose_its_name,
    _name_garbage,
    _name_another_count,
    _name_another_height,
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda one: one.__name__.strip("_"))
async def test_a_damaged_snapshot_is_reported_and_an_older_one_is_used(
    node: Node, damage: Callable[[Path], None]
) -> None:
    """T40: the host itself sees it, and does not trouble its enclave."""
    damage(node.folder._directory / "16")
    with capture_logs() as logs:
        door, height = await node.restart()
    assert height == door.executor.height == 8
    assert door.asked == [8]
    assert [(one["event"], one["log_level"]) for one in logs if one.get("height") == 16] == [
        ("snapshot.unusable", "error")
    ]
    node.ledger.follow(door.executor, 8, by_execution=False)


def archive_is_away(
    store: BlockStore, monkeypatch: pytest.MonkeyPatch, above: int, below: int
) -> None:
    """Nothing can be read of heights in between."""
    real = store.decoded

    def decoded(kind: Kind, height: int, decode: Callable[[bytes], Any]) -> Any:
        if above < height < below:
            raise SegmentMissing(Path("blocks-000000000001.log"), 1, below, "cannot be read")
        return real(kind, height, decode)

    monkeypatch.setattr(store, "decoded", decoded)


async def test_T40_one_whose_proof_the_archive_does_not_give_is_kept_and_an_older_one_used(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive_is_away(node.store, monkeypatch, 16, 25)  # the outcome of 16 names that of 8
    door, height = await node.restart()
    assert height == door.executor.height == 8
    assert 16 in node.folder.heights(), "nothing is wrong with it"


async def test_T40_a_start_that_the_archive_gives_no_proof_at_all_says_so_and_keeps_them(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive_is_away(node.store, monkeypatch, 0, 25)
    before = node.folder.heights()
    with pytest.raises(SegmentMissing):
        await node.restart()
    assert node.folder.heights() == before


async def test_when_all_are_damaged_the_ledger_alone_decides(node: Node) -> None:
    """T40"""
    for height in (16, 8):
        _flip(node.folder._directory / str(height))
    door, height = await node.restart()
    assert height == door.executor.height == 0
    node.ledger.follow(door.executor, 0, by_execution=False)


async def test_a_folder_renamed_to_another_height_is_refused_by_the_enclave(node: Node) -> None:
    """T40: its bytes are those that the ledger names, and still it is not the state of that
    height."""
    (node.folder._directory / "16").rename(node.folder._directory / "15")
    door, height = await node.restart()
    assert height == door.executor.height == 8


async def test_one_whose_key_is_not_here_yet_is_kept(node: Node) -> None:
    """Before KEYS a joiner can load nothing; what it fetched is good all the same."""
    door = Door(node.ledger)
    door.executor, door._loader = node.ledger.fresh(Keyring())
    newest = node.ledger.tip
    snapshots = Snapshots(node.folder, node.store, door)
    assert (
        await snapshots.restore(node.ledger.history, newest, node.ledger.certificate(newest)) == 0
    )
    assert snapshots.complete() == [16, 8]


# --- between nodes --------------------------------------------------------------------------------


@pytest.fixture
def joiner(tmp_path: Path, node: Node) -> Node:
    """A node that has recorded the ledger, and has no snapshot."""
    made = Node(tmp_path / "n4", node.ledger)
    made.record()
    return made


def fetch(server: SnapshotServer, fetching: SnapshotFetch, *, at: float = 0.0) -> None:
    while (request := fetching.request) is not None:
        answer = server.answer("joiner", request, at)
        assert answer is not None
        fetching.receive("peer", answer)
        at += 1.0


async def test_a_node_without_snapshots_goes_on_from_a_peers(node: Node, joiner: Node) -> None:
    fetching = SnapshotFetch(joiner.snapshots, joiner.store, "peer")
    assert fetching.request == SnapshotRequest(Height(0), 0)
    fetch(SnapshotServer(node.snapshots, node.store), fetching)
    assert fetching.settle() == 16
    door, height = await joiner.restart()
    assert height == door.executor.height == 16
    node.ledger.follow(door.executor, 16, by_execution=False)


async def test_a_peer_that_sends_other_bytes_is_found_out_by_the_ledger(
    node: Node, joiner: Node
) -> None:
    """T34: before the enclave sees any of it; nothing of it stays."""
    fetching = SnapshotFetch(joiner.snapshots, joiner.store, "peer")
    fetching.receive("peer", SnapshotChunk(Height(16), 0, 1, b"forged"))
    with pytest.raises(PeerFault, match="names another one"):
        fetching.settle()
    assert joiner.folder.heights() == []
    assert (await joiner.restart())[1] == 0


async def test_a_peer_that_says_another_height_is_refused_by_the_enclave(
    node: Node, joiner: Node
) -> None:
    """T34"""
    fetching = SnapshotFetch(joiner.snapshots, joiner.store, "peer")
    fetching.receive("peer", SnapshotChunk(Height(17), 0, 1, node.folder.chunk(Height(16), 0)))
    assert fetching.settle() == 17
    door, height = await joiner.restart()
    assert (height, door.executor.height) == (0, 0)
    assert joiner.folder.heights() == []


async def test_contradictions_and_endless_snapshots_are_faults(joiner: Node) -> None:
    """T34"""
    with pytest.raises(PeerFault, match="of no use"):
        SnapshotFetch(joiner.snapshots, joiner.store, "peer").receive(
            "peer", SnapshotChunk(Height(8), 0, FETCH_CHUNKS_MAX + 1, b"x")
        )
    for later in (SnapshotChunk(Height(8), 1, 4, b"x"), SnapshotChunk(Height(9), 1, 3, b"x")):
        fetching = SnapshotFetch(joiner.snapshots, joiner.store, "peer")
        fetching.receive("peer", SnapshotChunk(Height(8), 0, 3, b"x"))
        with pytest.raises(PeerFault, match="in the middle"):
            fetching.receive("peer", later)


async def test_T34_a_snapshot_from_before_what_is_archived_is_of_no_use(
    joiner: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T34: which outcome names it would be looked for in the archive."""
    monkeypatch.setattr(Archived, "base", Heights(9, 8))
    with pytest.raises(PeerFault, match="of no use"):
        SnapshotFetch(joiner.snapshots, joiner.store, "peer").receive(
            "peer", SnapshotChunk(Height(8), 0, 3, b"x")
        )
    fetching = SnapshotFetch(joiner.snapshots, joiner.store, "peer")
    fetching.receive("peer", SnapshotChunk(Height(9), 0, 3, b"x"))
    assert fetching.request == SnapshotRequest(Height(9), 1)
    monkeypatch.undo()


async def test_what_was_not_asked_for_changes_nothing(joiner: Node) -> None:
    fetching = SnapshotFetch(joiner.snapshots, joiner.store, "peer")
    fetching.receive("somebody", SnapshotChunk(Height(8), 0, 1, b"x"))
    fetching.receive("peer", SnapshotChunk(Height(8), 1, 2, b"x"))
    assert fetching.request == SnapshotRequest(Height(0), 0)
    assert joiner.folder.heights() == []


async def test_a_peer_gets_chunks_of_complete_snapshots_and_not_too_fast(node: Node) -> None:
    server = SnapshotServer(node.snapshots, node.store)
    newest = server.answer("a", SnapshotRequest(Height(0), 0), 0.0)
    assert newest is not None
    assert (newest.height, newest.chunk, newest.count) == (16, 0, 1)
    assert server.answer("a", SnapshotRequest(Height(0), 0), 0.0) is None
    assert (
        server.answer("a", SnapshotRequest(Height(8), 0), len(newest.data) / RANGE_BYTES_PER_SECOND)
        is not None
    )
    for height, chunk in ((16, 1), (24, 0), (7, 0)):
        assert server.answer(height, SnapshotRequest(Height(height), chunk), 0.0) is None
