"""What listeners of `heads` cost a front door: one process serves, another listens, blocks come at
a steady rate.

The door stands alone on made-up heads, so that its own processor time is all that is measured: TLS,
frames, and telling. Prints one JSON object; exit code 1 when it took more of a core than the bound.
"""

import argparse
import asyncio
import json
import multiprocessing
import ssl
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

from strongroom.node import tls
from strongroom.node.rpc.backend import Document
from strongroom.node.rpc.door import open_door
from strongroom.node.rpc.http import make_app, serve

CORE_SHARE_MAX = 0.10
OPENING_AT_A_TIME = 16
SUBSCRIBE = {"jsonrpc": "2.0", "id": 1, "method": "ledger_subscribe", "params": ["heads"]}


class Heads:
    """A backend that has heads, and nothing else."""

    def __init__(self) -> None:
        self.height = 0
        self._grown = asyncio.Event()

    def grow(self) -> None:
        """One more block."""
        self.height += 1
        self._grown.set()
        self._grown = asyncio.Event()

    def node_status(self) -> Document:
        """How far it is."""
        return {"executed": self.height}

    def head_reading(self, height: int) -> Any:
        """A head of the usual length."""
        return lambda: {
            "height": height,
            "hash": bytes(32),
            "time_ms": 1_800_000_000_000,
            "proposer": "n0",
            "epoch": 1,
            "view": height,
            "count": 412,
            "bytes": 131_220,
            "signers": ["n0", "n1", "n2"],
        }

    async def next_height(self, after: int) -> int:
        """Wait for a block above."""
        while self.height <= after:
            await self._grown.wait()
        return self.height


def listen(url: str, certificate: Path, count: int, told: Any) -> None:
    """In a process of its own: `count` listeners, who count what they are told."""

    async def main() -> None:
        context = tls.client_context(certificate)
        opening = asyncio.Semaphore(OPENING_AT_A_TIME)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
            await asyncio.gather(*(one(http, context, opening) for _ in range(count)))

    async def one(
        http: aiohttp.ClientSession, context: ssl.SSLContext, opening: asyncio.Semaphore
    ) -> None:
        async with opening:
            socket = await http.ws_connect(f"{url}/ws", ssl=context)
            await socket.send_json(SUBSCRIBE)
            await socket.receive()
            told[0] += 1
        async for _ in socket:
            told[1] += 1

    uvloop.run(main())


async def measure(folder: Path, listeners: int, rate: float, seconds: float) -> dict[str, Any]:
    """Serve, and count processor time while blocks come."""
    certificate, key = folder / "tls.pem", folder / "tls.key"
    tls.write_identity(tls.make_certificate("n0"), certificate=certificate, key=key)
    backend: Any = Heads()
    app = make_app(backend, door=open_door())
    runner = await serve(app, "127.0.0.1", 0, tls.server_context(certificate, key))
    url = f"https://127.0.0.1:{runner.addresses[0][1]}"
    told = multiprocessing.Array("q", 2, lock=False)
    process = multiprocessing.Process(
        target=listen, args=(url, certificate, listeners, told), daemon=True
    )
    process.start()
    try:
        while told[0] < listeners:
            await asyncio.sleep(0.1)
        await asyncio.sleep(1.0)
        began, spent, blocks, slowest = time.monotonic(), time.process_time(), 0, 0.0
        while blocks < seconds * rate:
            backend.grow()
            blocks += 1
            expected = began + blocks / rate
            await asyncio.sleep(max(0.0, expected - time.monotonic()))
            slowest = max(slowest, time.monotonic() - expected)
        took, spent = time.monotonic() - began, time.process_time() - spent
        while told[1] < blocks * listeners and process.is_alive():
            await asyncio.sleep(0.1)
    finally:
        process.kill()
        process.join()
        await runner.cleanup()
    return {
        "listeners": listeners,
        "blocks_per_second": round(blocks / took, 2),
        "told": told[1],
        "expected": blocks * listeners,
        "core_share": round(spent / took, 4),
        "microseconds_per_event": round(spent / (blocks * listeners) * 1e6, 1),
        "loop_late_ms": round(slowest * 1000, 1),
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listeners", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=4.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="strongroom-") as folder:
        measured = uvloop.run(
            measure(Path(folder), options.listeners, options.rate, options.seconds)
        )
    print(json.dumps(measured))
    told_all = measured["told"] == measured["expected"]
    return int(not told_all or measured["core_share"] > CORE_SHARE_MAX)


if __name__ == "__main__":
    sys.exit(main())
