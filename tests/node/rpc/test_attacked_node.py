"""Real nodes vote on, and are paid with, while strangers do all they can at the door of one of them
(T31, T70, T71)."""

import asyncio
from pathlib import Path

import aiohttp
import pytest
from tests.hang import HANG_SECONDS
from tests.node.rpc import attacks

from strongroom.node import tls
from strongroom.node.client.client import Client
from strongroom.node.client.identities import KeyFolder
from strongroom.node.cluster.up import bring_up

pytestmark = pytest.mark.processes

PAYMENTS = 60
RSS_GROWTH_MIB_MAX = 400.0
"""Its bounds allow 96 MiB of answers to strangers, 32 MiB of events, as much of kept ones, and what
an allocator keeps of them."""


def resident_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 2**20


@pytest.mark.long
async def test_T31_T70_T71_voting_goes_on_under_all_attacks_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    cluster = await bring_up(folder, say=lambda _: None, nodes=4, base_port=0, fund=True)
    try:
        async with asyncio.timeout(4 * HANG_SECONDS):
            first, keys = cluster.nodes[0], KeyFolder(cluster.layout.keys)
            address = first.config().rpc
            context = tls.client_context(cluster.layout.ca)
            target = attacks.Target(address.host, address.port, context)
            pid = int((first.layout.directory / "host.pid").read_text().split()[0])
            before = resident_mib(pid)
            async with Client.connect(folder, keys.load("alice"), first_endpoint=1) as client:
                to = keys.load("bob").id
                tasks = [asyncio.create_task(attack(target)) for attack in attacks.ALL]
                try:
                    paid = 0
                    while paid < PAYMENTS or len(target.done) < len(attacks.ALL):
                        assert not [one for one in tasks if one.done()], tasks
                        await client.call("payments.transfer", to=to, amount=1)
                        paid += 1
                finally:
                    for task in tasks:
                        task.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)
                height = (await client.call("payments.transfer", to=to, amount=1)).height
            assert resident_mib(pid) - before < RSS_GROWTH_MIB_MAX
            await _comes_to(f"https://{address}", context, height)
            assert "rpc.bug" not in first.layout.log.read_text()
    finally:
        await cluster.down()


async def _comes_to(url: str, context: object, height: int) -> None:
    """The attacked node answers, votes, and has executed what was paid."""
    async with aiohttp.ClientSession() as http:
        while True:
            body = attacks.call("node_status", [])
            async with http.post(f"{url}/rpc", json=body, ssl=context) as response:  # type: ignore[arg-type]
                reply = await response.json()
            status = reply.get("result", {})
            if status.get("state") == "voting" and status["executed"] >= height:
                return
            await asyncio.sleep(0.2)
