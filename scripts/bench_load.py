"""One load process of `./scripts/bench`: payments of one identity, at a rate (open loop) or as fast as they are taken.

Owns sending and timing. Says `ready` when its session stands, begins on a line of input, ends with one line of JSON.
At a rate, latency counts from the moment at which a payment was due, so that a stall is not left out of the figures.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from strongroom.consensus.errors import StrongroomError
from strongroom.node.client import Client
from strongroom.node.client.errors import Unreachable
from strongroom.node.rpc.faults import Overloaded

OUTSTANDING_MAX = 512
"""Payments under way at once in a closed loop."""
BUCKETS_PER_MS = 20
"""Resolution of the latencies that are reported: 50 µs."""
STALL_SECONDS_MAX = 60.0
_BATCH_SECONDS = 0.001


@dataclass(slots=True)
class Load:
    """What is to be sent, and what came of it in the measured time."""

    client: Client
    to: str
    memo: str
    begins: float
    """Start of the measured time, on the loop's clock."""
    ends: float
    committed: int = 0
    refused: int = 0
    latencies: Counter[int] = field(default_factory=Counter)
    """Of payments that were due or sent in the measured time, by bucket."""
    waiting: int = 0
    room: asyncio.Event = field(default_factory=asyncio.Event)

    def send(self, due: float) -> None:
        """One payment; never waits."""
        try:
            future = self.client.submit_call("payments.transfer", to=self.to, amount=1, memo=self.memo)
        except Overloaded:
            self.refused += 1
            return
        self.waiting += 1
        future.add_done_callback(lambda done: self._settle(due, done))

    async def wait_for_room(self, at_most: int) -> None:
        """Until fewer than `at_most` are under way. Raises Unreachable after a minute without any answer."""
        while self.waiting >= at_most:
            self.room.clear()
            async with asyncio.timeout(STALL_SECONDS_MAX):
                await self.room.wait()

    def _settle(self, due: float, future: "asyncio.Future[Any]") -> None:
        self.waiting -= 1
        self.room.set()
        now = asyncio.get_running_loop().time()
        if future.cancelled() or future.exception() is not None:
            self.refused += 1
            return
        self.committed += self.begins <= now < self.ends
        if self.begins <= due < self.ends:
            self.latencies[int((now - due) * 1000 * BUCKETS_PER_MS)] += 1


async def run_open(load: Load, rate: float) -> None:
    """Payments at fixed times, whatever becomes of earlier ones."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    while due < load.ends:
        now = loop.time()
        while due <= now:
            load.send(due)
            due += 1 / rate
        await asyncio.sleep(max(_BATCH_SECONDS, due - loop.time()))
    await load.wait_for_room(1)


async def run_closed(load: Load) -> None:
    """As many payments as are answered."""
    loop = asyncio.get_running_loop()
    while loop.time() < load.ends:
        while load.waiting < OUTSTANDING_MAX:
            load.send(loop.time())
        await load.wait_for_room(OUTSTANDING_MAX)
    await load.wait_for_room(1)


async def main() -> None:
    """One load process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--identity", required=True)
    parser.add_argument("--to", required=True)
    parser.add_argument("--endpoint", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True, help="payments a second; 0: as many as are answered")
    parser.add_argument("--warm-up", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--memo", type=int, required=True, help="characters")
    given = parser.parse_args()
    async with Client.connect(given.dir, given.identity, first_endpoint=given.endpoint) as client:
        await client.call("payments.transfer", to=given.to, amount=1)
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        begins = asyncio.get_running_loop().time() + given.warm_up
        load = Load(client, given.to, "x" * given.memo, begins, begins + given.seconds)
        try:
            await (run_open(load, given.rate) if given.rate else run_closed(load))
        except TimeoutError:
            raise Unreachable(f"no payment was answered for {STALL_SECONDS_MAX:.0f} s") from None
    cpu = time.process_time()
    print(json.dumps({"committed": load.committed, "refused": load.refused, "latencies": load.latencies, "cpu": cpu}))


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except StrongroomError as fault:
        sys.exit(f"load: {fault}")
