"""Whoever follows arrives, on real processes: on a ledger written under load, and over a rotation
(PROTOCOL §6)."""

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.hang import HANG_SECONDS
from tests.integration.test_epochs import AT_ONCE, all_until, decide, join, running, until, votes_in
from tests.waiting import so

from strongroom.node.client import Client
from strongroom.node.cluster.cluster import Cluster, open_cluster

pytestmark = pytest.mark.processes

OLD_BLOCKS = int(os.environ.get("STRONGROOM_OLD_BLOCKS", "2000"))
"""How long a ledger the long test writes."""
CALLS_UNDER_WAY = 256


def number(status: dict[str, object], name: str) -> int:
    return int(str(status.get(name, 0)))


@asynccontextmanager
async def load(folder: Path) -> AsyncIterator[None]:
    """Payments at full load, as many under way as a client may have."""
    async with Client.connect(folder, identity="member0") as client:
        await client.call("payments.issue", to="member0", amount=1_000_000_000)

        async def pay() -> None:
            while True:
                await client.call("payments.transfer", to="bob", amount=1)

        paying = [asyncio.create_task(pay()) for _ in range(CALLS_UNDER_WAY)]
        try:
            yield
        finally:
            for task in paying:
                task.cancel()
            await asyncio.gather(*paying, return_exceptions=True)


async def grown_to(cluster: Cluster, height: int) -> int:
    """Wait as long as the chain grows."""
    before, since = -1, time.monotonic()
    while time.monotonic() - since < HANG_SECONDS:
        status = await asyncio.to_thread(cluster.node("n0").status) or {}
        now = number(status, "height")
        if now >= height:
            return now
        if now > before:
            before, since = now, time.monotonic()
        await asyncio.sleep(0.2)
    raise AssertionError(f"no block above {before}")


async def arrives(cluster: Cluster, name: str, epoch: int) -> dict[str, object]:
    """Wait as long as the node gets on."""
    before, since = -1, time.monotonic()
    while time.monotonic() - since < HANG_SECONDS:
        status = await asyncio.to_thread(cluster.node(name).status) or {}
        if status.get("state") == "voting" and number(status, "epoch") >= epoch:
            return status
        now = number(status, "executed") + number(status, "height")
        if now > before:
            before, since = now, time.monotonic()
        await asyncio.sleep(0.2)
    raise AssertionError(f"{name} does not arrive: {status}")


def executes(cluster: Cluster, name: str) -> bool:
    """Since its last start: its log's last word on it is that it executes."""
    words = cluster.node(name).layout.log.read_text()
    return words.rfind("follower.executes") > words.rfind("pipeline.follows")


async def until_executing(cluster: Cluster, name: str) -> None:
    await so(lambda: executes(cluster, name), f"{name}, which votes, executes")


@pytest.mark.long
async def test_a_member_that_was_away_over_a_rotation_under_full_load_arrives(
    tmp_path: Path,
) -> None:
    """Distances come from what the chain shows: certificates stand 64 blocks apart after ranges,
    and anchors lag."""
    folder = tmp_path / "cluster"
    limits = (*AT_ONCE, ("grace_ms", 2_000))
    async with running(folder, limits=limits) as cluster:
        async with load(folder):
            await grown_to(cluster, OLD_BLOCKS // 2)
            await cluster.node("n3").kill()
            height = await grown_to(cluster, OLD_BLOCKS)
            await decide(cluster, "rotate", compromised=False)
            await all_until(cluster, votes_in(1), "n0", "n1", "n2")
            await grown_to(cluster, height + 100)
            await asyncio.sleep(2.5)  # the grace, by the chain's time
            await cluster.node("n3").start()
            await arrives(cluster, "n3", 1)
            await until_executing(cluster, "n3")
        await join(cluster, "n4")
        grown = open_cluster(folder)
        await arrives(grown, "n4", 2)
        await until_executing(grown, "n4")


async def test_a_newcomer_joins_a_ledger_without_snapshots_and_may_lose_its_copy(
    tmp_path: Path,
) -> None:
    """64 blocks and more, and no snapshot below height 4,096: outcomes do."""
    folder = tmp_path / "cluster"
    async with running(folder) as cluster:
        async with Client.connect(folder, identity="member0") as client:
            await client.call("payments.issue", to="member0", amount=1_000)
            while number(await until(cluster, "n0", lambda _: True), "height") < 80:
                await client.call("payments.transfer", to="bob", amount=1)
        await join(cluster, "n4")
        grown = open_cluster(folder)
        await all_until(
            grown, lambda status: status["members"] == 5 and status["state"] == "voting"
        )
        await grown.node("n4").kill()
        for lost in (grown.node("n4").layout.ledger, grown.node("n4").layout.index):
            shutil.rmtree(lost)
        await grown.node("n4").start()
        await arrives(grown, "n4", 1)


@pytest.mark.parametrize("compromised", [False, True])
async def test_on_a_quiet_chain_a_member_that_was_away_over_a_rotation_executes_again(
    tmp_path: Path, compromised: bool
) -> None:
    """Nobody pays: whatever it waits for must be work, or there already."""
    folder = tmp_path / "cluster"
    async with running(folder, limits=(*AT_ONCE, ("grace_ms", 1_000))) as cluster:
        await cluster.node("n3").kill()
        await decide(cluster, "rotate", compromised=compromised)
        await all_until(cluster, votes_in(1), "n0", "n1", "n2")
        await asyncio.sleep(3.0)  # past the grace, and what follows it
        await cluster.node("n3").start()
        await arrives(cluster, "n3", 1)
        await until_executing(cluster, "n3")
