"""`./scripts/scale`: what a cluster does and costs as it grows (docs/scale.md).

Real participants in the simulator, on machines that pay for every message, signature, block and
payment (scale_model.py, scale_costs.py), with lines of some bandwidth and links of one delay.
"""

import argparse
import sys
from dataclasses import dataclass

from scripts.scale_costs import Costs, measured
from scripts.scale_model import Load, Machines

from strongroom.node.host.wiring import SETTINGS

SIZES = (4, 7, 10, 16, 31)
LINKS_MS = (1, 100)
START_SECONDS, WARM_SECONDS, SECONDS = 0.3, 0.5, 0.7
START_LINKS, WARM_LINKS, LINKS = 6, 14, 24
"""Measured for as long, and as many links' delays more."""
OVERLOAD = 80_000
"""Payments a second: more than any cluster takes."""
COLUMNS = (
    "n",
    "link ms",
    "most a second",
    "p50 / p99 ms",
    "blocks a second",
    "messages a block",
    "of them votes",
    "kB sent a block: leader",
    "others",
    "host ms a block",
    "enclave ms",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One cluster under one load; times in seconds, bytes and messages of one block."""

    throughput: float
    p50: float
    p99: float
    blocks: float
    """A second."""
    leader_bytes: float
    other_bytes: float
    messages: dict[str, float]
    host: float
    """Processor time of one node and block."""
    enclave: float


def measure(
    size: int,
    link: float,
    rate: float,
    *,
    costs: Costs,
    bytes_per_second: float = 125e6,
    origins: int = 0,
) -> Row:
    """One cluster under one load.

    Args:
        size: validators.
        link: seconds of one hop.
        rate: payments a second, open loop.
        costs: of the machines.
        bytes_per_second: of each node's line.
        origins: nodes that payments arrive at; 0: all.
    """
    world = Machines(
        size, costs=costs, link=link, settings=SETTINGS, bytes_per_second=bytes_per_second
    )
    world.start()
    world.run(START_SECONDS + START_LINKS * link)
    load = Load(world, rate, tuple(range(origins or size)))
    load.poll()
    world.run(WARM_SECONDS + WARM_LINKS * link)
    world.forget()
    begin, height, before = world.now, max(world.heights()), len(load.waits)
    world.run(SECONDS + LINKS * link)
    elapsed, blocks = world.now - begin, max(1, max(world.heights()) - height)
    waits = sorted(wait for _, wait in load.waits[before:]) or [float("nan")]
    lines = world.lines
    proposals = lines.bytes["Propose"] / blocks
    other = (sum(lines.bytes.values()) / blocks - proposals) / size
    return Row(
        (len(load.waits) - before) / elapsed,
        waits[len(waits) // 2],
        waits[len(waits) * 99 // 100],
        blocks / elapsed,
        other + proposals,
        other,
        {kind: count / blocks for kind, count in sorted(lines.messages.items())},
        world.spent["host"] / blocks / size,
        world.spent["enclave"] / blocks / size,
    )


def line(size: int, link_ms: float, most: float, row: Row) -> str:
    """One row of the table."""
    votes = sum(count for kind, count in row.messages.items() if kind.startswith("vote"))
    cells = (
        f"{size}",
        f"{link_ms:g}",
        f"{most:,.0f}",
        f"{row.p50 * 1000:.0f} / {row.p99 * 1000:.0f}",
        f"{row.blocks:.0f}",
        f"{sum(row.messages.values()):,.0f}",
        f"{votes:,.0f}",
        f"{row.leader_bytes / 1000:,.0f}",
        f"{row.other_bytes / 1000:,.0f}",
        f"{row.host * 1000:.1f}",
        f"{row.enclave * 1000:.1f}",
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="./scripts/scale", description=__doc__)
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES, metavar="N")
    parser.add_argument("--links", nargs="+", type=float, default=LINKS_MS, metavar="MS")
    parser.add_argument("--rate", type=float, default=5_000.0, help="payments a second of p50, p99")
    parser.add_argument("--mbit", type=float, default=1000.0, help="of each node's line")
    parser.add_argument("--origins", type=int, default=0, help="nodes that take payments; 0: all")
    parser.add_argument("--measure", action="store_true", help="this machine's costs")
    given = parser.parse_args()
    costs = Costs()
    if given.measure:
        costs, steps = measured()
        shown = ", ".join(f"{kind} {seconds * 1e6:.0f}" for kind, seconds in steps.items())
        sys.stdout.write(f"{costs}\nsteps in µs: {shown}\n\n")
    sys.stdout.write(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|\n")
    for size in given.sizes:
        for link_ms in given.links:
            most, row = (
                measure(
                    size,
                    link_ms / 1000,
                    rate,
                    costs=costs,
                    bytes_per_second=given.mbit * 125_000,
                    origins=min(given.origins, size),
                )
                for rate in (OVERLOAD, given.rate)
            )
            sys.stdout.write(line(size, link_ms, most.throughput, row) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
