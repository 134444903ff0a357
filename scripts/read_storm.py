"""What reading in bulk and listening cost a node that votes: the time from block to block, before
and under both.

Starts a cluster of four in a temporary folder, fills blocks, then keeps a light load on n1 and
measures there how long one block comes after the other, in turns so that a noisy machine weighs on
all alike: alone, while n0 is asked for its 100 newest blocks in a loop by batches, and with many
listeners of `heads` at n0. Prints one JSON object; exit code 1 when the 99th percentile over all
turns moved by more than the bound.
"""

import argparse
import asyncio
import json
import ssl
import sys
import tempfile
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp

from strongroom.node import tls
from strongroom.node.client.client import Client
from strongroom.node.client.identities import KeyFolder
from strongroom.node.cluster.cluster import Cluster
from strongroom.node.cluster.up import bring_up
from strongroom.node.faults import Overloaded

MOVED_MS_MAX = 50.0
READERS = 32
"""Each with an address of its own, unless they are told to share one."""
LIGHT_SECONDS = 0.05
OUTSTANDING_MAX = 4096


class Stand:
    """One cluster, its client and its doors."""

    def __init__(
        self, cluster: Cluster, client: Client, http: aiohttp.ClientSession, receiver: bytes
    ) -> None:
        self.client, self.http, self._receiver = client, http, receiver
        self.listening = self.served = self.batches = 0
        self.urls = [f"https://{node.config().rpc}" for node in cluster.nodes]
        self.context: ssl.SSLContext = tls.client_context(cluster.layout.ca)

    async def ask(self, method: str, params: Any) -> Any:
        """One call at n0; the whole reply."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        async with self.http.post(f"{self.urls[0]}/rpc", json=body, ssl=self.context) as response:
            return await response.json()

    def pay(self) -> "asyncio.Future[Any]":
        """Submit one payment."""
        return self.client.submit_call("payments.transfer", to=self._receiver, amount=1)

    async def fill(self, seconds: float) -> int:
        """Pay as fast as it goes; how many were answered."""
        end, under_way, answered = time.monotonic() + seconds, set[asyncio.Future[Any]](), 0
        while time.monotonic() < end or under_way:
            with suppress(Overloaded):
                while time.monotonic() < end and len(under_way) < OUTSTANDING_MAX:
                    under_way.add(self.pay())
            done, under_way = await asyncio.wait(
                under_way, timeout=1.0, return_when="FIRST_COMPLETED"
            )
            answered += len(done)
        return answered

    async def light(self) -> None:
        """A payment now and then, until cancelled."""
        while True:
            self.pay().add_done_callback(lambda future: future.exception())
            await asyncio.sleep(LIGHT_SECONDS)

    async def read(self, start: int, address: str) -> None:
        """Ask n0 for 100 blocks in batches, until cancelled; as a stranger from this
        address, which is not the one by which this machine's own programs ask."""
        call = {"jsonrpc": "2.0", "method": "ledger_blocks", "params": [start, start + 99]}
        own = aiohttp.TCPConnector(local_addr=(address, 0))
        async with aiohttp.ClientSession(connector=own) as http:
            while True:
                batch = [{**call, "id": id} for id in range(100)]
                async with http.post(
                    f"{self.urls[0]}/rpc", json=batch, ssl=self.context
                ) as response:
                    self.served += len(await response.read())
                    self.batches += 1

    async def listen(self) -> None:
        """Be told of heads by n0, until cancelled."""
        async with self.http.ws_connect(f"{self.urls[0]}/ws", ssl=self.context) as socket:
            body = {"jsonrpc": "2.0", "id": 1, "method": "ledger_subscribe", "params": ["heads"]}
            await socket.send_json(body)
            await socket.receive()
            self.listening += 1
            async for _ in socket:
                pass

    async def intervals(self, seconds: float) -> list[float]:
        """Milliseconds from block to block, as n1 tells of them."""
        times: list[float] = []
        async with self.http.ws_connect(f"{self.urls[1]}/ws", ssl=self.context) as socket:
            body = {"jsonrpc": "2.0", "id": 1, "method": "ledger_subscribe", "params": ["heads"]}
            await socket.send_json(body)
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    async for message in socket:
                        if "method" in json.loads(message.data):
                            times.append(time.monotonic())
        return [(later - earlier) * 1000 for earlier, later in pairwise(times)]

    async def under(self, seconds: float, *disturbances: Any, listeners: int = 0) -> list[float]:
        """The intervals while others are at it, once all listeners are there."""
        tasks = [asyncio.create_task(one) for one in (self.light(), *disturbances)]
        try:
            await asyncio.sleep(2.0)
            while self.listening < listeners:
                await asyncio.sleep(0.1)
            return await self.intervals(seconds)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.listening = 0


def summary(gaps: list[float]) -> dict[str, Any]:
    """Number, median and 99th percentile."""
    ordered, count = sorted(gaps), len(gaps)
    if not ordered:
        return {"blocks": 0, "p50_ms": None, "p99_ms": None}
    p50, p99 = ordered[count // 2], ordered[min(count - 1, count * 99 // 100)]
    return {"blocks": count, "p50_ms": round(p50, 1), "p99_ms": round(p99, 1)}


async def measure(
    folder: Path,
    seconds: float,
    fill: float,
    listeners: int,
    turns: int,
    addresses: list[str],
) -> dict[str, Any]:
    """Everything on one cluster."""
    cluster = await bring_up(folder, say=lambda _: None, nodes=4, base_port=0, fund=True)
    try:
        keys = KeyFolder(cluster.layout.keys)
        payer, receiver = keys.load("alice"), keys.load("bob")
        connector = aiohttp.TCPConnector(limit=0)
        async with (
            Client.connect(folder, payer, first_endpoint=1) as client,
            aiohttp.ClientSession(connector=connector) as http,
        ):
            stand = Stand(cluster, client, http, receiver.id)
            answered = await stand.fill(fill)
            newest = (await stand.ask("node_status", []))["result"]["height"]
            start = max(1, newest - 99)
            first = (await stand.ask("ledger_blocks", [start, start + 99, False]))["result"]
            gaps: dict[str, list[float]] = {"alone": [], "reading": [], "listening": []}
            for _ in range(turns):
                gaps["alone"] += await stand.under(seconds)
                readers = (stand.read(start, address) for address in addresses)
                gaps["reading"] += await stand.under(seconds, *readers)
                many = (stand.listen() for _ in range(listeners))
                gaps["listening"] += await stand.under(seconds, *many, listeners=listeners)
            return {
                "filled": answered,
                "height": newest,
                "transactions_read": sum(block["count"] for block in first),
                "readers": len(addresses),
                "addresses": len(set(addresses)),
                "batches": stand.batches,
                "served_bytes": stand.served,
                "listeners": listeners,
                **{name: summary(found) for name, found in gaps.items()},
            }
    finally:
        await cluster.down()


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="of one turn")
    parser.add_argument("--turns", type=int, default=3, help="of each of the three")
    parser.add_argument("--fill", type=float, default=20.0)
    parser.add_argument("--listeners", type=int, default=1000)
    parser.add_argument("--readers", type=int, default=READERS)
    parser.add_argument("--one-address", action="store_true", help="all readers share one")
    options = parser.parse_args()
    step = 0 if options.one_address else 1
    with tempfile.TemporaryDirectory(prefix="strongroom-") as folder:
        measured = asyncio.run(
            measure(
                Path(folder) / "cluster",
                options.seconds,
                options.fill,
                options.listeners,
                options.turns,
                [f"127.0.0.{2 + step * reader}" for reader in range(options.readers)],
            )
        )
    print(json.dumps(measured))
    moved = [
        measured[one]["p99_ms"] - measured["alone"]["p99_ms"] for one in ("reading", "listening")
    ]
    return int(max(moved) > MOVED_MS_MAX)


if __name__ == "__main__":
    sys.exit(main())
