"""Epochs on real processes (PROTOCOL R16, §10 rows 34–39; DESIGN §5): the service goes on while
everything changes.

The nodes are those of `strongroom cluster`; the members decide over a node's front door.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from scripts.fault_matrix.council import Council
from tests.waiting import seen

from strongroom.node.client import Client
from strongroom.node.cluster.cluster import Cluster, open_cluster
from strongroom.node.cluster.creation import create
from strongroom.node.cluster.plan import Plan
from strongroom.node.config import Address, Peer
from strongroom.node.machine.ports import reserve_free
from strongroom.node.membership.joining import PreparedJoiner, prepare_joiner

pytestmark = pytest.mark.processes

AT_ONCE = (("activation_delay_ms", 0),)


@asynccontextmanager
async def running(
    folder: Path, nodes: int = 4, limits: tuple[tuple[str, int], ...] = AT_ONCE
) -> AsyncIterator[Cluster]:
    """A fresh cluster that votes."""
    cluster = await create(
        folder, Plan(nodes=nodes, base_port=0, limits=limits), say=lambda _: None
    )
    try:
        await cluster.start(lambda _: None)
        await all_until(cluster, votes_in(0))
        yield cluster
    finally:
        await open_cluster(folder).down()


async def until(
    cluster: Cluster, name: str, holds: Callable[[dict[str, object]], bool]
) -> dict[str, object]:
    """Wait until a node says so of itself; a busy one may not answer at once."""
    node = cluster.node(name)

    async def look() -> dict[str, object]:
        return await asyncio.to_thread(node.status) or {}

    return await seen(
        look,
        lambda status: status and holds(status),
        pause=0.05,
        or_else=lambda: f"{name}: {node.last_log_lines()[-3:]}",
    )


async def all_until(
    cluster: Cluster, holds: Callable[[dict[str, object]], bool], *names: str
) -> None:
    await asyncio.gather(*(until(cluster, name, holds) for name in names or cluster.names))


def votes_in(epoch: int) -> Callable[[dict[str, object]], bool]:
    return lambda status: status["epoch"] == epoch and status["state"] == "voting"


async def decide(cluster: Cluster, change: str, *, door: str = "n0", **arguments: object) -> str:
    return await asyncio.to_thread(lambda: Council(cluster, door).decide(change, **arguments))


async def join(cluster: Cluster, name: str) -> PreparedJoiner:
    """Prepare a fifth node, have governance allow what it needs, start it."""
    reservation = reserve_free(2, "127.0.0.1")
    rpc, peer = (Address("127.0.0.1", port) for port in reservation.ports)
    peers = [Peer(node.name, node.config().peer, rpc=node.config().rpc) for node in cluster.nodes]
    prepared = await prepare_joiner(
        cluster.layout, name=name, operator="late", region="dublin", rpc=rpc, peer=peer, peers=peers
    )
    reservation.release()
    await decide(cluster, "allow_operator", operator="late", key=prepared.operator_key)
    await decide(cluster, "allow_chip", operator="late", chip=prepared.chip_id)
    await open_cluster(cluster.layout.directory).node(name).start()
    return prepared


async def test_a_rotation_under_load_keeps_every_call(tmp_path: Path) -> None:
    """Row 34; issue 3: nothing is lost or done twice while the epoch changes under the calls."""
    folder = tmp_path / "cluster"
    async with running(folder) as cluster, Client.connect(folder, identity="member0") as client:
        await client.call("payments.issue", to="member0", amount=1_000_000)
        before = (await client.query("payments.balance")).value
        stop = asyncio.Event()

        async def pay() -> int:
            paid = 0
            while not stop.is_set():
                await client.call("payments.transfer", to="bob", amount=1)
                paid += 1
            return paid

        paying = [asyncio.create_task(pay()) for _ in range(4)]
        for epoch in (1, 2):
            await decide(cluster, "rotate", compromised=False)
            await all_until(cluster, votes_in(epoch))
        stop.set()
        paid = sum(await asyncio.gather(*paying))
        assert paid > 0
        assert (await client.query("payments.balance")).value == before - paid


async def test_a_fifth_node_joins_votes_and_is_removed_again(tmp_path: Path) -> None:
    """Rows 34, 39: admitted, caught up by outcomes, in the set by its readiness; once removed it is
    still served."""
    async with running(tmp_path / "cluster") as cluster:
        await join(cluster, "n4")
        grown = open_cluster(cluster.layout.directory)
        await all_until(
            grown, lambda status: status["members"] == 5 and status["state"] == "voting"
        )
        await decide(cluster, "remove_node", node="n4")
        await all_until(grown, lambda status: status["members"] == 4, "n0", "n1", "n2", "n3")
        await until(
            grown, "n4", lambda status: status["members"] == 4 and status["state"] != "voting"
        )
        await decide(cluster, "set_limit", name="grace_ms", value=50_000)
        height = int(str((await until(grown, "n0", lambda _: True))["height"]))
        await until(grown, "n4", lambda status: int(str(status["height"])) >= height)


async def test_a_validator_that_was_away_for_three_epochs_is_given_keys_and_votes(
    tmp_path: Path,
) -> None:
    """Row 32, 38: EPOCH, then RANGE and outcomes through every epoch; the others went on without
    it."""
    async with running(tmp_path / "cluster") as cluster:
        await cluster.node("n3").kill()
        for epoch in (1, 2, 3):
            await decide(cluster, "rotate", compromised=False)
            await all_until(cluster, votes_in(epoch), "n0", "n1", "n2")
        await cluster.node("n3").start()
        await until(cluster, "n3", votes_in(3))
        await cluster.node("n1").kill()
        await decide(cluster, "rotate", compromised=False)
        await all_until(cluster, votes_in(4), "n0", "n2", "n3")


@pytest.mark.long
@pytest.mark.parametrize("killed", [("n2",), ("n0", "n1", "n2", "n3")])
async def test_killed_during_the_switch_nodes_come_back_into_one_epoch(
    tmp_path: Path, killed: tuple[str, ...]
) -> None:
    """Row 37: the old epoch's log is there, and is not replayed into the new one."""
    async with running(tmp_path / "cluster") as cluster:
        await decide(cluster, "rotate", compromised=False)
        while "log.new_epoch" not in cluster.node("n2").layout.log.read_text():
            await asyncio.sleep(0.002)
        await asyncio.gather(*(cluster.node(name).kill() for name in killed))
        await cluster.start(lambda _: None)
        await all_until(cluster, votes_in(1))
        await decide(cluster, "rotate", compromised=False)
        await all_until(cluster, votes_in(2))


@pytest.mark.long
async def test_a_node_without_its_log_is_refreshed_and_votes_in_the_epoch_that_this_opens(
    tmp_path: Path,
) -> None:
    """Row 25, PROTOCOL §6: its new statements did not exist before its restart."""
    async with running(tmp_path / "cluster") as cluster:
        await decide(cluster, "rotate", compromised=False)
        await all_until(cluster, votes_in(1))
        await cluster.node("n1").kill()
        for file in cluster.node("n1").layout.wal.iterdir():
            file.unlink()
        await cluster.node("n1").start()
        await all_until(cluster, votes_in(2))
