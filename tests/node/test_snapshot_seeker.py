"""Looking for a peer's snapshot: one peer after the other, and never longer than it is of use (PROTOCOL §6; T34)."""

from pathlib import Path
from typing import Any, cast

import pytest
from tests.enclave.snapshot_world import Ledger
from tests.node.test_snapshots import Door, Node

from strongroom.consensus.errors import PeerFault
from strongroom.consensus.host_messages import SnapshotChunk, SnapshotRequest
from strongroom.consensus.messages import decode_message
from strongroom.consensus.types import Height, PublicKey
from strongroom.node import snapshot_seeker
from strongroom.node.snapshot_fetch import SnapshotServer
from strongroom.node.snapshot_seeker import ANSWER_SECONDS, SnapshotSeeker
from strongroom.node.snapshots import Snapshots

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

    def __init__(self, directory: Path, giver: Node, monkeypatch: pytest.MonkeyPatch) -> None:
        self.node = Node(directory, giver.ledger)
        self.node.record()
        self.door, self.lines, self.now = Door(giver.ledger), Lines(), 100.0
        self.snapshots = Snapshots(self.node.folder, self.node.store, self.door)
        self.seeker = SnapshotSeeker(self.snapshots, self.node.store, cast(Any, self.lines), giver.ledger.history)
        self.server = SnapshotServer(giver.snapshots, giver.store)
        monkeypatch.setattr(snapshot_seeker, "_now", lambda: self.now)

    def answer(self) -> None:
        """The honest peer answers what it was asked last."""
        peer, request = self.lines.asked[-1]
        assert peer == HONEST
        chunk = self.server.answer(peer, request, self.now)
        assert chunk is not None
        self.seeker.take(HONEST, chunk)

    async def use(self) -> Height:
        newest = self.node.ledger.tip
        return await self.seeker.use(newest, self.node.ledger.certificate(newest))


@pytest.fixture
async def joiner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Joiner:
    giver = Node(tmp_path / "n0", Ledger())
    giver.record()
    await giver.live(66)
    return Joiner(tmp_path / "n4", giver, monkeypatch)


async def test_a_forged_snapshot_costs_one_turn_and_the_next_peers_is_loaded(joiner: Joiner) -> None:
    """T34"""
    joiner.seeker.ask()
    joiner.seeker.take(LIAR, SnapshotChunk(Height(56), 0, 1, b"forged"))
    assert await joiner.use() == 0
    joiner.seeker.ask()
    joiner.answer()
    assert await joiner.use() == 56
    assert joiner.door.executor.height == 56
    assert not joiner.seeker.is_on


async def test_a_peer_that_contradicts_itself_is_left_at_once(joiner: Joiner) -> None:
    """T34"""
    joiner.seeker.ask()
    joiner.seeker.take(LIAR, SnapshotChunk(Height(56), 0, 3, b"first"))
    with pytest.raises(PeerFault):
        joiner.seeker.take(LIAR, SnapshotChunk(Height(56), 1, 4, b"second"))
    joiner.seeker.ask()
    assert joiner.lines.asked[-1] == (HONEST, SnapshotRequest(Height(0), 0))
    assert joiner.node.folder.heights() == []


async def test_silent_peers_are_left_and_then_the_ledger_alone_is_used(joiner: Joiner) -> None:
    for _ in range(3):
        assert joiner.seeker.is_on
        joiner.seeker.ask()
        joiner.now += ANSWER_SECONDS + 0.1
    assert {peer for peer, _ in joiner.lines.asked} == {LIAR, HONEST}
    assert not joiner.seeker.is_on


async def test_a_short_ledger_is_applied_without_asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    giver = Node(tmp_path / "n0", Ledger())
    giver.record()
    joiner = Joiner(tmp_path / "n4", giver, monkeypatch)
    joiner.seeker.ask()
    assert not joiner.seeker.is_on
    assert joiner.lines.asked == []
