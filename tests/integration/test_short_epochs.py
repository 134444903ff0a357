"""Epochs of 20 blocks under a light load, as `cluster up --epoch-blocks 20` makes them (PROTOCOL
R16; DESIGN §5).

A few payments end an epoch, a pause lets the chain fall quiet in any of its moments: every node
lives, executes and votes to the end, also when one of them is killed in each round.
"""

import asyncio
import os
import random
import signal
import time
from pathlib import Path

import pytest
from tests.hang import HANG_SECONDS
from tests.integration.test_epochs import running, until
from tests.integration.test_executing import all_execute, executed
from tests.waiting import so

from strongroom.node.client import Client
from strongroom.node.cluster.cluster import Cluster
from strongroom.node.cluster.plan import LOCAL_LIMITS
from strongroom.node.machine.processes import ProcessId

pytestmark = pytest.mark.processes

LIMITS = (*LOCAL_LIMITS, ("epoch_blocks", 20))
PAYMENTS = 25
PAUSE_SECONDS = 4.0
"""Part of the load: the chain falls quiet."""
PATIENCE = 2000
"""Payments that may go by, one block or more each, before an epoch of 20 blocks counts as stuck."""
SEED = int(os.environ.get("SEED", "1"))


async def pay(folder: Path, first: int, count: int = PAYMENTS) -> None:
    """Payments of 1, 2, 3 …, one after the other."""
    async with Client.connect(folder, identity="member0") as client:
        for number in range(first, first + count):
            await client.call("payments.issue", to="alice", amount=number + 1)


async def pay_until(cluster: Cluster, folder: Path, first: int, epoch: int) -> int:
    """Pays on until the ledger is in that epoch, and says how many were paid in all: a quick
    machine pays a round before its blocks have ended an epoch."""
    count = first
    while await epoch_of(cluster) < epoch:
        assert count < first + PATIENCE, f"{count - first} more payments ended no epoch"
        await pay(folder, count, 1)
        count += 1
    return count


async def killed(cluster: Cluster, name: str, *, enclave: bool) -> None:
    """SIGKILL to a node's host, or to its enclave alone; what is left of it ends, and it starts
    again."""
    node = cluster.node(name)
    process: ProcessId | None = node.enclave() if enclave else node.host()
    assert process is not None, name
    process.send(signal.SIGKILL)
    assert await asyncio.to_thread(process.wait_gone, HANG_SECONDS)

    def gone() -> bool:
        cluster.collect()
        return node.host() is None

    await so(gone, f"the host of {name} is gone")
    await node.kill()
    await node.start()


async def rounds(folder: Path, count: int, *, kill: bool, pause: float) -> None:
    """The load; at the end of each round every node executes, at the end of all it votes and holds
    what was paid."""
    chance = random.Random(SEED)
    async with running(folder, limits=LIMITS) as cluster:
        for number in range(count):
            paying = asyncio.create_task(pay(folder, number * PAYMENTS))
            try:
                if kill:
                    await asyncio.sleep(chance.uniform(0.0, 2.0))
                    await killed(
                        cluster, chance.choice(cluster.names), enclave=chance.random() < 0.5
                    )
                await paying
            finally:
                paying.cancel()
                await asyncio.gather(paying, return_exceptions=True)
            await all_execute(cluster, max((await executed(cluster)).values()) - 3)
            await asyncio.sleep(pause)
        payments = await pay_until(cluster, folder, count * PAYMENTS, count // 2 + 1)
        states = await settled(cluster)
        assert set(states.values()) == {"voting"}, states
        paid = sum(range(1, payments + 1))
        async with Client.connect(folder, identity="alice") as client:
            assert (await client.query("payments.balance", linearizable=True)).value == paid


async def settled(cluster: Cluster) -> dict[str, str]:
    """Every node's state once all vote, or none changes any more."""
    states, since = await cluster.states(), time.monotonic()
    while set(states.values()) != {"voting"} and time.monotonic() - since < HANG_SECONDS:
        await asyncio.sleep(0.1)
        now = await cluster.states()
        if now != states:
            states, since = now, time.monotonic()
    return states


async def epoch_of(cluster: Cluster) -> int:
    return int(str((await until(cluster, "n0", lambda _: True))["epoch"]))


@pytest.mark.parametrize("kill", [False, True], ids=["quiet", "kills"])
async def test_short_epochs_go_by_and_every_node_goes_on(tmp_path: Path, kill: bool) -> None:
    await rounds(tmp_path / "cluster", 2, kill=kill, pause=0.5)


@pytest.mark.long
@pytest.mark.parametrize("kill", [False, True], ids=["quiet", "kills"])
async def test_ten_rounds_of_short_epochs_leave_every_node_voting_and_executing(
    tmp_path: Path, kill: bool
) -> None:
    """Issue 15.2."""
    await rounds(tmp_path / "cluster", 10, kill=kill, pause=PAUSE_SECONDS)
