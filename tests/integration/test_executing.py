"""Every replica executes, whatever honest operation brings (DESIGN §5, Grace; P8): on real
processes, under payments.

A replica that votes and cannot execute helps nobody: two of them in four, and nothing is anchored
any more.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.hang import HANG_SECONDS
from tests.integration.test_epochs import all_until, decide, running, votes_in
from tests.waiting import seen, so

from strongroom.consensus.errors import StrongroomError
from strongroom.consensus.types import Epoch
from strongroom.enclave.keys.sealing import seal_state, unseal_state
from strongroom.enclave.platform.chip import SimulatedChip
from strongroom.enclave.platform.measurement import measure
from strongroom.enclave.programs import PROGRAM_NAMES
from strongroom.node import tls
from strongroom.node.client import Client
from strongroom.node.cluster.cluster import Cluster
from strongroom.node.layout import SEALED_STATE, NodeLayout
from strongroom.node.rpc.probe import NoAnswer

pytestmark = pytest.mark.processes

BLOCKS = 12
"""Final blocks that count as "it goes on"."""


class Payers:
    """Identities that pay all the time, over the sessions of one client each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.paid = 0

    @contextlib.asynccontextmanager
    async def paying(self) -> AsyncIterator["Payers"]:
        tasks = [asyncio.create_task(self._pay(name)) for name in ("alice", "bob")]
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _pay(self, name: str) -> None:
        while True:
            with contextlib.suppress(StrongroomError, OSError, TimeoutError):
                async with Client.connect(self._folder, identity=name) as client:
                    while True:
                        await client.call(
                            "payments.open", account=f"{name}-{self.paid}-{time.monotonic_ns()}"
                        )
                        self.paid += 1
            await asyncio.sleep(0.1)


async def executed(cluster: Cluster) -> dict[str, int]:
    """By node, as it says; -1 when it does not answer."""

    def ask(name: str) -> int:
        said = cluster.node(name).status()
        return int(str(said["executed"])) if said and "executed" in said else -1

    answers = await asyncio.gather(*(asyncio.to_thread(ask, name) for name in cluster.names))
    return dict(zip(cluster.names, answers, strict=True))


async def all_execute(cluster: Cluster, above: int) -> None:
    """Wait until every node has executed more than this; fails when nothing moves any more."""
    heights, since = await executed(cluster), time.monotonic()
    while min(heights.values()) <= above:
        await asyncio.sleep(0.1)
        now = await executed(cluster)
        if now != heights:
            heights, since = now, time.monotonic()
        logs = {
            name: cluster.node(name).last_log_lines()[-3:]
            for name in heights
            if heights[name] <= above
        }
        assert time.monotonic() - since < HANG_SECONDS, (
            f"stands still at {heights}, below {above}: {logs}"
        )


async def goes_on(cluster: Cluster, payers: Payers) -> None:
    """Every replica executes further blocks, and payments are answered."""
    paid = payers.paid
    await all_execute(cluster, max((await executed(cluster)).values()) + BLOCKS)
    await so(lambda: payers.paid > paid, "a payment is answered")


async def while_away(cluster: Cluster, name: str) -> None:
    """One node is stopped, and starts once the others have gone on without it."""
    await cluster.node(name).stop()
    without = replace(cluster, nodes=tuple(node for node in cluster.nodes if node.name != name))
    await all_execute(without, max((await executed(without)).values()) + BLOCKS)
    await cluster.node(name).start()


async def test_restarts_one_after_the_other_within_the_grace_of_a_rotation_leave_a_quorum_executing(
    tmp_path: Path,
) -> None:
    """It once stopped the ledger for ever: who came back within the grace had no secret to execute
    with any more."""
    folder = tmp_path / "cluster"
    grace = (("activation_delay_ms", 0), ("grace_ms", 600_000))
    async with running(folder, limits=grace) as cluster, Payers(folder).paying() as payers:
        await goes_on(cluster, payers)
        await decide(cluster, "rotate", compromised=False)
        await all_until(cluster, votes_in(1))
        for name in ("n0", "n1"):
            await while_away(cluster, name)
        await goes_on(cluster, payers)


async def test_all_killed_within_the_grace_of_a_rotation_execute_again(tmp_path: Path) -> None:
    folder = tmp_path / "cluster"
    grace = (("activation_delay_ms", 0), ("grace_ms", 600_000))
    async with running(folder, limits=grace) as cluster, Payers(folder).paying() as payers:
        await goes_on(cluster, payers)
        await decide(cluster, "rotate", compromised=False)
        await all_until(cluster, votes_in(1))
        await goes_on(cluster, payers)
        await asyncio.gather(*(cluster.node(name).kill() for name in cluster.names))
        await cluster.start(lambda _: None)
        await goes_on(cluster, payers)


async def test_a_ledger_that_had_stopped_for_want_of_a_secret_in_grace_goes_on_by_KEYS(
    tmp_path: Path,
) -> None:
    """Two of four lost it for good, as they once did by restarting: whoever has it gives it to them
    (T29)."""
    folder = tmp_path / "cluster"
    grace = (("activation_delay_ms", 0), ("grace_ms", 600_000))
    async with running(folder, limits=grace) as cluster, Payers(folder).paying() as payers:
        await decide(cluster, "rotate", compromised=False)
        await all_until(cluster, votes_in(1))
        await goes_on(cluster, payers)
        for name in ("n0", "n1"):
            await cluster.node(name).stop()
            lose_input(cluster.node(name).layout, Epoch(0))
        await asyncio.gather(*(cluster.node(name).start() for name in ("n0", "n1")))
        await goes_on(cluster, payers)
        # Three execute and anchor by now; the fourth may still ask one who has them not himself.
        await so(lambda: all(took_keys(cluster, "n0", "n1")), "both took keys")
        await all_until(cluster, votes_in(1))


def took_keys(cluster: Cluster, *names: str) -> list[bool]:
    """Who says in its log that a peer gave it secrets."""
    return ["keys.taken" in cluster.node(name).layout.log.read_text() for name in names]


def lose_input(node: NodeLayout, epoch: Epoch) -> None:
    """What is left on a disk from which an epoch's input secret was erased too early."""
    secret = SimulatedChip.load(node.chip).sealing_secret(measure(PROGRAM_NAMES).digest)
    path = node.sealed / SEALED_STATE
    state = unseal_state(secret, path.read_bytes())
    secrets = tuple(one.without_input() if one.epoch == epoch else one for one in state.secrets)
    assert [one.opens for one in secrets] != [one.opens for one in state.secrets]
    path.write_bytes(seal_state(secret, replace(state, secrets=secrets)))


async def test_fewer_than_a_quorum_of_executing_replicas_is_said_everywhere_and_is_an_alarm(
    tmp_path: Path,
) -> None:
    """Issue 15.3: what shows health says how many replicas execute, not only who votes."""
    async with running(tmp_path / "cluster") as cluster:
        # A node that started last, or is slow, may have raised an alarm before: it ends.
        status = await shown(cluster, well(4))
        assert (status["quorum"], status["members"]) == (3, 4)
        await cluster.node("n2").stop()
        await shown(cluster, well(3))
        expected = (
            200,
            {
                "ready": True,
                "state": "voting",
                "executing": 3,
                "members": 4,
                "quorum": 3,
                "alarm": None,
            },
        )
        await seen(lambda: ready(cluster, "n0"), lambda said: said == expected)
        await cluster.node("n3").stop()
        words = "2 of 4 replicas execute, 3 needed"
        await shown(
            cluster,
            lambda status: (
                status["executing"] == 2
                and str(status["alarm"]).startswith("n0")
                and words in status["alarm"]
            ),
        )
        code, said = await ready(cluster, "n0")
        assert (code, said["ready"], said["executing"]) == (503, False, 2)
        await seen(
            lambda: executing(cluster, "n0"), lambda said: said == [True, True, False, False]
        )
        await cluster.node("n3").start()
        await shown(cluster, well(3))


def well(count: int) -> Callable[[dict[str, Any]], bool]:
    """So many execute, and nobody raises an alarm."""
    return lambda status: status["alarm"] is None and status["executing"] == count


async def shown(cluster: Cluster, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """`cluster status` once it says so."""
    return await seen(cluster.status, holds)


async def executing(cluster: Cluster, name: str) -> list[bool]:
    """Who executes, by name, as one node says; nothing when it does not answer in time."""
    try:
        nodes: Any = await asyncio.to_thread(cluster.node(name).ask, "service_nodes")
    except NoAnswer:
        return []
    return [node["executes"] for node in sorted(nodes, key=lambda node: str(node["name"]))]


async def ready(cluster: Cluster, name: str) -> tuple[int, dict[str, Any]]:
    """`/health/ready` of a node."""
    node = cluster.node(name)
    context = tls.client_context(node.layout.tls_certificate)
    async with aiohttp.ClientSession() as session:
        url = f"https://{node.config().rpc}/health/ready"
        async with session.get(url, ssl=context) as response:
            return response.status, await response.json()
