"""`./scripts/scale`: what a cluster does and costs as it grows (docs/scale.md).

Real participants in the simulator, on machines that pay for every message, signature, block and
payment (scale_model.py, scale_costs.py), with lines of some bandwidth and links of one delay.
"""

import sys
import time
from dataclasses import dataclass

from scripts.scale_costs import Costs
from scripts.scale_model import Load, Machines

from strongroom.node.host.wiring import SETTINGS

SIZES = (4, 7, 10, 16, 31)
LINKS_MS = (1, 100)
START_SECONDS, WARM_SECONDS, SECONDS, ROUNDS = 0.5, 1.0, 2.0, 12
OVERLOAD = 80_000
"""Payments a second: more than any cluster takes."""


@dataclass(frozen=True, slots=True)
class Row:
    """One cluster under one load."""

    throughput: float
    p50: float
    p99: float
    blocks: float
    leader_bytes: float
    other_bytes: float
    messages: float
    host: float
    enclave: float
    kinds: dict[str, float]


def measure(
    size: int, link: float, rate: float, *, costs: Costs, mbit: float, origins: int, dead: int = 0
) -> Row:
    """One cluster under one load; times in seconds, bytes and messages a block."""
    world = Machines(
        size, costs=costs, link=link, settings=SETTINGS, bytes_per_second=mbit * 125_000
    )
    world.start(*range(size - dead, size))
    world.run(START_SECONDS + 6 * link)
    load = Load(world, rate, tuple(range(min(origins or size, size - dead))))
    load.poll()
    world.run(WARM_SECONDS + 2 * ROUNDS * link)
    world.lines.forget()
    world.spent.clear()
    begin, height = world.now, max(world.heights())
    executed = len(load.waits)
    world.run(SECONDS + ROUNDS * 2 * link)
    elapsed = world.now - begin
    blocks = max(1, max(world.heights()) - height)
    waits = sorted(wait for came, wait in load.waits[executed:])
    lines = world.lines
    return Row(
        (len(load.waits) - executed) / elapsed,
        waits[len(waits) // 2] if waits else float("nan"),
        waits[len(waits) * 99 // 100] if waits else float("nan"),
        blocks / elapsed,
        max(lines.sent.values()) / blocks,
        sorted(lines.sent.values())[len(lines.sent) // 2] / blocks,
        sum(lines.messages.values()) / blocks,
        world.spent["host"] / blocks / size,
        world.spent["enclave"] / blocks / size,
        {kind: count / blocks for kind, count in lines.messages.items()},
    )


if __name__ == "__main__":
    for size in map(int, sys.argv[3:]):
        for link in LINKS_MS:
            t = time.time()
            r = measure(
                size,
                link / 1000,
                float(sys.argv[1]),
                costs=Costs(),
                mbit=1000,
                origins=int(sys.argv[2]),
            )
            print(
                size,
                link,
                {
                    k: (
                        round(v, 4)
                        if not isinstance(v, dict)
                        else {a: round(b, 1) for a, b in v.items()}
                    )
                    for k, v in ((f, getattr(r, f)) for f in r.__slots__)
                },
                f"{time.time() - t:.1f} s",
                flush=True,
            )
