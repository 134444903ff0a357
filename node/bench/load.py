"""One load process of the benchmark: some clients, each with its own identity and session, open
loop or closed.

Reads its orders as one line of JSON from stdin, says READY once every client is connected, reads
when to begin and end as a second line, and writes what it measured as one JSON document to stdout:
so a busy machine on which it starts slowly loses nothing of the measured time. Latency counts from
when a call was due, not from when it could be sent, so that a slow service is not flattered (no
coordinated omission). Every result is opened and every receipt asked for is verified.
"""

import asyncio
import contextlib
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import uvloop

from strongroom.enclave.outside.client_sessions import Identity
from strongroom.enclave.primitives import Secret
from strongroom.node.bench.report import BUCKETS_PER_MS
from strongroom.node.client import Client
from strongroom.node.client.calls.calls import Done
from strongroom.node.faults import Overloaded

TICK_SECONDS = 0.002
READY = b"ready\n"
RECEIPTS_MAX = 20
"""Receipts that one client asks for, spread over the measurement."""


@dataclass(slots=True)
class Measured:
    """What one client saw inside the measured window."""

    committed: int = 0
    total: int = 0
    refused: int = 0
    latencies: Counter[int] = field(default_factory=Counter)
    """Steps of 1/BUCKETS_PER_MS ms → how often."""
    receipt_ms: list[float] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)


class Caller:
    """One client that calls, and keeps count."""

    def __init__(
        self, client: Client, order: dict[str, Any], window: tuple[float, float], operation: str
    ) -> None:
        self._client, self._operation, self._arguments = client, operation, order["arguments"]
        self._rate: float | None = order["rate"]
        self._outstanding_max: int = order["outstanding"]
        self._begin, self._end = window
        self._under_way = 0
        self._idle = asyncio.Event()
        self._last: Done | None = None
        self.measured = Measured()

    async def run(self) -> None:
        """Call until the window closes, then wait for what is under way."""
        if self._rate is None:
            await self._closed_loop()
        else:
            await self._open_loop(1.0 / self._rate)
        while self._under_way:
            await asyncio.sleep(TICK_SECONDS)

    async def _open_loop(self, interval: float) -> None:
        due = time.monotonic()
        while due < self._end:
            now = time.monotonic()
            while due <= now and due < self._end:
                self._call(due)
                due += interval
            await asyncio.sleep(TICK_SECONDS)

    async def _closed_loop(self) -> None:
        while (now := time.monotonic()) < self._end:
            for _ in range(self._outstanding_max - self._under_way):
                self._call(now)
            self._idle.clear()
            await self._idle.wait()

    def _call(self, due: float) -> None:
        try:
            future = self._client.submit_call(self._operation, **self._arguments)
        except Overloaded:
            self.measured.refused += 1
            return
        self._under_way += 1
        future.add_done_callback(lambda future: self._done(future, due))

    def _done(self, future: "asyncio.Future[Done]", due: float) -> None:
        self._under_way -= 1
        self._idle.set()
        now = time.monotonic()
        if future.cancelled() or (fault := future.exception()) is not None:
            self.measured.faults["cancelled" if future.cancelled() else str(fault)[:100]] += 1
            return
        self._last = future.result()
        self.measured.total += 1
        if self._begin <= now < self._end:
            self.measured.committed += 1
            self.measured.latencies[int((now - due) * 1000 * BUCKETS_PER_MS)] += 1

    async def ask_for_receipts(self) -> None:
        """From time to time, how long until the newest call's receipt is here and verified."""
        pause = max(0.1, (self._end - self._begin) / RECEIPTS_MAX)
        await asyncio.sleep(max(0.0, self._begin - time.monotonic()))
        while time.monotonic() < self._end - pause:
            await asyncio.sleep(pause)
            if self._last is not None:
                done, asked = self._last, time.monotonic()
                await done.receipt()
                self.measured.receipt_ms.append((time.monotonic() - asked) * 1000)


async def load(orders: dict[str, Any]) -> dict[str, Any]:
    """Carry the orders out."""
    async with contextlib.AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(_connected(orders, order))
            for order in orders["clients"]
        ]
        sys.stdout.buffer.write(READY)
        sys.stdout.buffer.flush()
        told = json.loads(await asyncio.to_thread(sys.stdin.readline))
        window, cpu = (told["begin"], told["end"]), time.process_time()
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(_one(client, order, window, orders["operation"]))
                for client, order in zip(clients, orders["clients"], strict=True)
            ]
        cpu = time.process_time() - cpu
    return _told([task.result() for task in running], cpu)


def _told(measured: list[Measured], cpu: float) -> dict[str, Any]:
    latencies: Counter[int] = Counter()
    faults: Counter[str] = Counter()
    for one in measured:
        latencies.update(one.latencies)
        faults.update(one.faults)
    return {
        "committed": sum(one.committed for one in measured),
        "answered": sum(one.total for one in measured),
        "refused": sum(one.refused for one in measured),
        "latencies": sorted(latencies.items()),
        "receipt_ms": [ms for one in measured for ms in one.receipt_ms],
        "faults": dict(faults),
        "cpu_seconds": cpu,
    }


def _connected(
    orders: dict[str, Any], order: dict[str, Any]
) -> contextlib.AbstractAsyncContextManager[Client]:
    identity = Identity.from_seed(Secret(bytes.fromhex(order["seed"])))
    return Client.connect(
        orders["directory"], identity, first_endpoint=order["endpoint"], one_shot=orders["one_shot"]
    )


async def _one(
    client: Client, order: dict[str, Any], window: tuple[float, float], operation: str
) -> Measured:
    caller = Caller(client, order, window, operation)
    receipts = asyncio.create_task(caller.ask_for_receipts()) if order["receipts"] else None
    await caller.run()
    if receipts is not None:
        await receipts
    return caller.measured


if __name__ == "__main__":
    json.dump(uvloop.run(load(json.loads(sys.stdin.readline()))), sys.stdout)
