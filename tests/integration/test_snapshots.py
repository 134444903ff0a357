"""Snapshots on real processes: taken beside execution, given back at a restart, unused when damaged
(T40, DESIGN 8)."""

import asyncio
import json
from pathlib import Path

import pytest
from tests.hang import HANG_SECONDS
from tests.integration.test_epochs import AT_ONCE, all_until, decide, join, running, until, votes_in

from strongroom.node.client import Client
from strongroom.node.cluster.cluster import Cluster, open_cluster
from strongroom.node.sync.snapshot_peer_search import WORTH_BLOCKS
from strongroom.node.sync.snapshots import SnapshotFolder

pytestmark = pytest.mark.processes

LIMITS = (*AT_ONCE, ("snapshot_blocks", 8))
PAYMENTS = 12


async def pay(folder: Path) -> None:
    """Payments one after the other: each in a block of its own, and blocks that anchor between
    them."""
    async with Client.connect(folder, identity="member0") as client:
        await client.call("payments.issue", to="member0", amount=1_000)
        for _ in range(PAYMENTS):
            await client.call("payments.transfer", to="bob", amount=1)


def snapshots_of(cluster: Cluster, name: str) -> SnapshotFolder:
    return SnapshotFolder(cluster.node(name).layout.snapshots)


async def pay_until_stored(cluster: Cluster, folder: Path, name: str) -> None:
    """Go on until a node holds two whole ones: then the outcome that names the older is recorded,
    and anchored once a further round is paid.

    A host looks now and then, and its enclave keeps two: of a quick run of blocks it may see only
    the last.
    """
    snapshots = snapshots_of(cluster, name)
    async with asyncio.timeout(HANG_SECONDS):
        while sum(map(snapshots.is_whole, snapshots.heights())) < 2:
            await pay(folder)
        await pay(folder)


async def test_a_restart_goes_on_from_a_snapshot_of_a_later_epoch(tmp_path: Path) -> None:
    folder = tmp_path / "cluster"
    async with running(folder, limits=LIMITS) as cluster:
        await pay(folder)
        await decide(cluster, "rotate", compromised=False)
        await all_until(cluster, votes_in(1))
        await pay(folder)
        await pay_until_stored(cluster, folder, "n1")
        node = cluster.node("n1")
        await node.kill()
        await node.start()
        await until(cluster, "n1", votes_in(1))
        assert "snapshot.loaded" in node.layout.log.read_text()
        async with asyncio.timeout(HANG_SECONDS):
            while not all(snapshots_of(cluster, name).heights() for name in cluster.names):
                await pay(folder)


async def test_T40_a_damaged_snapshot_is_said_and_not_used(tmp_path: Path) -> None:
    folder = tmp_path / "cluster"
    async with running(folder, limits=LIMITS) as cluster:
        await pay_until_stored(cluster, folder, "n2")
        node = cluster.node("n2")
        await node.kill()
        heights = snapshots_of(cluster, "n2").heights()
        for height in heights:
            chunk = node.layout.snapshots / str(height) / "0"
            if not chunk.is_file():  # killed before it was written
                continue
            damaged = bytearray(chunk.read_bytes())
            damaged[50] ^= 1
            chunk.write_bytes(damaged)
        before = node.layout.log.stat().st_size
        await node.start()
        await until(cluster, "n2", votes_in(0))
        unusable: set[int] = set()
        for line in node.layout.log.read_bytes()[before:].splitlines():
            match json.loads(line):
                case {"event": "snapshot.unusable", "height": int(named)}:
                    unusable.add(named)
                case {"event": "snapshot.loaded", "height": int(named)}:
                    # A long ledger has a node whose own are no good ask its peers for theirs.
                    assert unusable, "no own one was refused before"
                    assert named in unusable or named not in heights
        assert unusable


async def test_a_joiner_goes_on_from_a_peers_snapshot(tmp_path: Path) -> None:
    """PROTOCOL §6: blocks and outcomes are recorded all the same, and prove it."""
    folder = tmp_path / "cluster"
    async with running(folder, limits=LIMITS) as cluster:
        await pay_until_stored(cluster, folder, "n1")
        while int(str((await until(cluster, "n1", lambda _: True))["height"])) < WORTH_BLOCKS:
            await pay(folder)
        await pay(folder)  # what is named now is anchored once these are
        await join(cluster, "n4")
        grown = open_cluster(folder)
        await all_until(
            grown, lambda status: status["members"] == 5 and status["state"] == "voting"
        )
        assert "snapshot.loaded" in grown.node("n4").layout.log.read_text()
