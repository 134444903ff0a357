"""What a call pays in time when its node dies under it.

    python -m tests.node.client.bench_failover [--rounds 40] [--no-spare]

One client calls over relayed wires, one call after the other. In every round its node has taken a
call when the wire is cut (a killed process), held (one that hangs) or spoilt (TLS breaks); the
extra delay is what that call took, less the median of undisturbed ones.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

from tests.enclave.chain import person
from tests.node.client.ledger import Service
from tests.node.client.wires import Wire, wired
from tests.waiting import so

from strongroom.node.client import Client

ALICE, BOB = person("alice"), person("bob")
WAYS = {"killed": Wire.cut, "hung": Wire.hold, "TLS broken": Wire.spoil}


async def _call(client: Client) -> float:
    began = perf_counter()
    await client.call("payments.transfer", to=BOB.id, amount=1)
    return perf_counter() - began


async def _round(service: Service, wires: list[Wire], client: Client, way: str) -> float:
    at = int(client.node.removeprefix("n"))
    node, before = service.nodes[at], len(service.nodes[at].submitted)
    node.swallow = True
    call = asyncio.ensure_future(_call(client))
    while len(node.submitted) == before:
        await asyncio.sleep(0)
    began = perf_counter()
    WAYS[way](wires[at])
    await call
    took = perf_counter() - began
    node.swallow = False
    await wires[at].mend()
    return took


async def _measure(way: str, rounds: int, spare: bool) -> tuple[list[float], list[float]]:
    usual, disturbed = [], []
    with tempfile.TemporaryDirectory() as folder:
        async with wired(Path(folder)) as (service, wires):
            service.fund(ALICE, 1_000_000)
            async with Client.connect(folder, ALICE, spare=spare) as client:
                for _ in range(rounds):
                    usual += [await _call(client) for _ in range(5)]
                    if spare:
                        nodes = client._runtime.nodes
                        await so(lambda: nodes._spare._kept is not None, "a spare one is kept")  # noqa: B023
                    disturbed.append(await _round(service, wires, client, way))
    return usual, disturbed


def _at(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] * 1000


def main() -> None:
    """Measure, and print one row for each way to die."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--no-spare", action="store_true")
    options = parser.parse_args()
    sys.stdout.write(f"load average {os.getloadavg()[0]:.2f}; extra delay in ms\n")
    for way in WAYS:
        usual, disturbed = asyncio.run(_measure(way, options.rounds, not options.no_spare))
        extra = [one - median(usual) for one in disturbed]
        sys.stdout.write(
            f"{way:12} p50 {_at(extra, 0.5):6.1f}  p99 {_at(extra, 0.99):6.1f}  "
            f"(usual call {median(usual) * 1000:.1f})\n"
        )


if __name__ == "__main__":
    main()
