"""A client of a real cluster whose nodes are killed and stopped under it: every call is paid once,
every block comes once."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.docs.test_client_page import run
from tests.waiting import so

from strongroom.node.client import Client
from strongroom.node.layout import ClusterLayout

pytestmark = pytest.mark.processes

CALLS_BEFORE_NEXT = 15
"""Progress that is seen between two troubles."""


@asynccontextmanager
async def cluster(folder: Path) -> AsyncIterator[Path]:
    await asyncio.to_thread(run, "cluster", "up", "--detach", "--base-port", "0", folder=folder)
    try:
        yield folder / "strongroom-data"
    finally:
        await asyncio.to_thread(run, "cluster", "down", folder=folder)


class Payer:
    """Pays 1 again and again, and follows the blocks."""

    def __init__(self, client: Client) -> None:
        self.client, self.paid, self.over = client, 0, False
        self.heights: list[int] = []

    async def pay(self) -> None:
        while not self.over:
            await self.client.call("payments.transfer", to="bob", amount=1)
            self.paid += 1

    async def follow(self) -> None:
        async for block in self.client.blocks(after=0):
            self.heights.append(block["height"])

    async def goes_on(self) -> None:
        paid, heights = self.paid + CALLS_BEFORE_NEXT, len(self.heights) + 1
        await so(
            lambda: self.paid >= paid and len(self.heights) >= heights, "calls and blocks go on"
        )


def host_of(directory: Path, node: str) -> int:
    return int(json.loads(ClusterLayout(directory).node(node).host_pid.read_bytes())["host"]["pid"])


async def test_nodes_that_are_killed_and_stopped_cost_no_call_and_no_block(
    tmp_path: Path,
) -> None:
    async with cluster(tmp_path) as directory, Client.connect(directory, "alice") as client:
        before = (await client.query("payments.balance")).value
        payer = Payer(client)
        following, paying = (asyncio.ensure_future(one()) for one in (payer.follow, payer.pay))
        await payer.goes_on()
        killed = client.node
        await asyncio.to_thread(run, "cluster", "kill", killed, folder=tmp_path)
        await payer.goes_on()
        assert client.node != killed
        await asyncio.to_thread(run, "cluster", "start", killed, "--wait", folder=tmp_path)
        hung = client.node
        os.kill(host_of(directory, hung), signal.SIGSTOP)
        try:
            await payer.goes_on()
            assert client.node != hung
        finally:
            os.kill(host_of(directory, hung), signal.SIGCONT)
        await payer.goes_on()
        payer.over = True
        await paying
        after = (await client.query("payments.balance")).value
        assert before - after == payer.paid
        last = (await client.query("payments.balance")).height
        await so(lambda: payer.heights[-1] >= last, "the last block comes")
        following.cancel()
        assert payer.heights == list(range(1, len(payer.heights) + 1))
