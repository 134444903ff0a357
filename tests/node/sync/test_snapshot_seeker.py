"""Fetching a peer's snapshot: from one peer at a time, and used only as the ledger names it
(PROTOCOL §6; T34)."""

from pathlib import Path
from typing import Any, cast

import pytest
from tests.enclave.snapshot_world import Ledger
from tests.node.sync.test_snapshots import Door, Node, archive_is_away

from strongroom.consensus.errors import PeerFault
from strongroom.consensus.host_messages import SnapshotChunk, SnapshotRequest
from strongroom.consensus.messages import decode_message
from strongroom.consensus.types import Height, PublicKey
from strongroom.node.sync.snapshot_fetch import SnapshotServer
from strongroom.node.sync.snapshot_peer_search import ChunkCame, SnapshotTried, SnapshotWhole
from strongroom.node.sync.snapshot_seeker import SnapshotSeeker
from strongroom.node.sync.snapshots import Snapshots

LIAR, HONEST = PublicKey(b"\x01" * 32), PublicKey(b"\x02" * 32)


class Lines:
    """Links to both peers; keeps what was asked."""

    links = (LIAR, HONEST)

    def __init__(self) -> None:
        self.asked: list[tuple[PublicKey, SnapshotRequest]] = []

    def send_to(self, peer: PublicKey, data: bytes) -> None:
        message = decode_message(data)
        assert isinstance(message, SnapshotRequest)
        self.asked.append((peer, message))


class Joiner:
    """A node that records the ledger of another one, and has applied nothing."""

    def __init__(self, directory: Path, giver: Node) -> None:
        self.node = Node(directory, giver.ledger)
        self.node.record()
        self.door, self.lines = Door(giver.ledger), Lines()
        self.snapshots = Snapshots(self.node.folder, self.node.store, self.door)
        self.seeker = SnapshotSeeker(
            self.snapshots, self.node.store, cast(Any, self.lines), giver.ledger.history
        )
        self.server = SnapshotServer(giver.snapshots, giver.store)

    def answer(self) -> object:
        """The honest peer answers what it was asked last."""
        peer, request = self.lines.asked[-1]
        assert peer == HONEST
        chunk = self.server.answer(peer, request, 100.0)
        assert chunk is not None
        return self.seeker.receive(HONEST, chunk)

    async def use(self) -> SnapshotTried:
        newest = self.node.ledger.tip
        return await self.seeker.use(newest, self.node.ledger.certificate(newest))


@pytest.fixture
async def giver(tmp_path: Path) -> Node:
    made = Node(tmp_path / "n0", Ledger())
    made.record()
    await made.live(66)
    return made


@pytest.fixture
def joiner(tmp_path: Path, giver: Node) -> Joiner:
    return Joiner(tmp_path / "n4", giver)


async def test_a_forged_snapshot_costs_one_turn_and_the_next_peers_is_loaded(
    joiner: Joiner,
) -> None:
    """T34"""
    joiner.seeker.fetch(LIAR)
    assert (
        joiner.seeker.receive(LIAR, SnapshotChunk(Height(56), 0, 1, b"forged")) == SnapshotWhole()
    )
    assert await joiner.use() == SnapshotTried(Height(0), gone=True)
    joiner.seeker.fetch(HONEST)
    assert joiner.answer() == SnapshotWhole()
    assert (await joiner.use()).loaded == 56
    assert joiner.door.executor.height == 56


@pytest.mark.parametrize(("above", "below"), [(55, 57), (63, 65)])
async def test_T40_one_whose_proof_the_archive_does_not_give_waits_and_is_not_fetched_again(
    joiner: Joiner, monkeypatch: pytest.MonkeyPatch, above: int, below: int
) -> None:
    """Whether it cannot be given, or not even be named."""
    with monkeypatch.context() as while_away:
        joiner.seeker.fetch(HONEST)
        assert joiner.answer() == SnapshotWhole()
        archive_is_away(joiner.node.store, while_away, above, below)
        for _ in range(2):
            assert await joiner.use() == SnapshotTried(Height(0), waits=True)
        assert joiner.node.folder.heights() == [56]
    asked = len(joiner.lines.asked)
    assert (await joiner.use()).loaded == 56
    assert len(joiner.lines.asked) == asked


async def test_a_peer_that_contradicts_itself_is_left_at_once(joiner: Joiner) -> None:
    """T34"""
    joiner.seeker.fetch(LIAR)
    assert joiner.seeker.receive(LIAR, SnapshotChunk(Height(56), 0, 3, b"first")) == ChunkCame()
    with pytest.raises(PeerFault):
        joiner.seeker.receive(LIAR, SnapshotChunk(Height(56), 1, 4, b"second"))
    assert joiner.node.folder.heights() == []
    assert joiner.seeker.receive(LIAR, SnapshotChunk(Height(56), 1, 3, b"second")) is None


async def test_what_was_not_asked_for_is_nothing(joiner: Joiner) -> None:
    assert joiner.seeker.receive(HONEST, SnapshotChunk(Height(56), 0, 1, b"first")) is None
    joiner.seeker.fetch(HONEST)
    assert joiner.seeker.receive(LIAR, SnapshotChunk(Height(56), 0, 1, b"first")) is None
    assert joiner.seeker.receive(HONEST, SnapshotChunk(Height(56), 3, 9, b"fourth")) is None


async def test_what_is_dropped_leaves_nothing_behind(joiner: Joiner) -> None:
    joiner.seeker.fetch(LIAR)
    joiner.seeker.receive(LIAR, SnapshotChunk(Height(56), 0, 1, b"forged"))
    joiner.seeker.drop("no answer")
    assert joiner.node.folder.heights() == []
    assert await joiner.use() == SnapshotTried(Height(0))


async def test_at_rest_only_what_an_anchor_proves_is_offered(giver: Node) -> None:
    """Issue: the chain rests at the height whose outcome names the newest snapshot, and nothing
    anchors that one."""
    await giver.live(72)  # the outcome of 72 names the snapshot of 64; block 72 anchors 71
    assert giver.snapshots.complete()[0] == 64
    server = SnapshotServer(giver.snapshots, giver.store)
    offered = server.answer(HONEST, SnapshotRequest(Height(0), 0), 100.0)
    assert offered is not None
    assert offered.height == 56
    await giver.live(73)
    offered = server.answer(HONEST, SnapshotRequest(Height(0), 0), 200.0)
    assert offered is not None
    assert offered.height == 64
