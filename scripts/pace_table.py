"""`./scripts/pace`: what waiting costs and brings, with constants and as learnt
(docs/performance.md).

For each of four waits and each case: the median with every constant of a range, the others as
learnt; with what is learnt; and how that compares with the best constant of the row. What is learnt
is the same in all rows, the best constant is not. The machine is scripts/pace_model.py's.
"""

import argparse
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

from scripts.pace_model import Case, Seen, Waits, measure

ALLOWED = 1.15
"""Learnt ÷ the best constant, at most."""
NEAR, FAR, FARTHEST = 0.001, 0.01, 0.1
BUSY = (
    Case(link=NEAR, rate=500),
    Case(link=NEAR, rate=2500),
    Case(link=NEAR, rate=5000),
    Case(link=NEAR, rate=7500),
    Case(link=NEAR, clients=16, outstanding=4),
    Case(link=NEAR, slower=2, rate=1250),
    Case(link=NEAR, slower=2, rate=2500),
    Case(link=FAR, rate=1000),
    Case(link=FAR, rate=5000),
    Case(link=FAR, slower=2, rate=2500),
    Case(link=FARTHEST, rate=1000),
)
LONE = tuple(
    Case(link=link, slower=slower, clients=1)
    for link, slower in ((NEAR, 1.0), (NEAR, 2.0), (FAR, 1.0), (FARTHEST, 1.0))
)
SPARSE = tuple(
    Case(link=link, slower=slower, rate=10.0)
    for link, slower in ((NEAR, 1.0), (NEAR, 2.0), (FAR, 1.0), (FARTHEST, 1.0))
)


@dataclass(frozen=True, slots=True)
class Table:
    """One wait, its constants, and by what it is judged."""

    wait: str
    constants_ms: tuple[float, ...]
    cases: tuple[Case, ...]
    judged: Callable[[Seen], float]
    words: str


TABLES = (
    Table("gap", (0, 2, 3, 5, 8), BUSY, lambda seen: seen.p50, "a batch of the block below; p50"),
    Table("lead", (0, 2, 5, 10, 20), BUSY, lambda seen: seen.p50, "before a leader; p50"),
    Table("company", (0, 2, 4, 8), BUSY, lambda seen: seen.p50, "of calls; p50"),
    Table("anchor", (0, 4, 12, 30), LONE, lambda seen: seen.p50, "a lone client; p50"),
    Table(
        "anchor",
        (0, 4, 12, 30),
        SPARSE,
        lambda seen: seen.p50 + seen.receipt,
        "10 a second at random; p50 to the receipt",
    ),
)
WAITS = {table.wait for table in TABLES}


def _cell(wanted: tuple[Case, Waits]) -> Seen:
    return measure(*wanted)


def _load(case: Case) -> str:
    return f"{case.rate:,.0f}/s" if case.rate else f"{case.clients} × {case.outstanding}"


def print_table(table: Table, cells: Callable[[list[tuple[Case, Waits]]], list[Seen]]) -> float:
    """One table; the worst ratio of its rows."""
    constants = [replace(Waits(), **{table.wait: ms / 1000}) for ms in table.constants_ms]
    heads = [f"{ms:g} ms" for ms in table.constants_ms]
    columns = ["link ms", "slower", "load", *heads, "learnt", "÷ best"]
    sys.stdout.write(f"\n**{table.wait}** ({table.words})\n\n| {' | '.join(columns)} |\n")
    sys.stdout.write("|---" * len(columns) + "|\n")
    worst = 0.0
    for case in table.cases:
        every = cells([(case, waits) for waits in (*constants, Waits())])
        *found, learnt = (table.judged(seen) for seen in every)
        ratio = learnt / min(found)
        worst = max(worst, ratio)
        shown = [f"{value:.1f}" for value in (*found, learnt)]
        head = [f"{case.link * 1000:g}", f"{case.slower:g}", _load(case)]
        sys.stdout.write(f"| {' | '.join([*head, *shown, f'{ratio:.2f}'])} |\n")
        sys.stdout.flush()
    return worst


def main() -> None:
    """Print the tables that are named, or all; exits 1 when a ratio is above ALLOWED."""
    parser = argparse.ArgumentParser(prog="./scripts/pace", description=__doc__)
    parser.add_argument("wait", nargs="*", metavar="WAIT", help=", ".join(sorted(WAITS)))
    wanted: list[str] = parser.parse_args().wait
    if unknown := set(wanted) - WAITS:
        parser.error(f"no such wait: {', '.join(sorted(unknown))}; of {', '.join(sorted(WAITS))}")
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        worst = max(
            print_table(table, lambda cells: list(pool.map(_cell, cells)))
            for table in TABLES
            if not wanted or table.wait in wanted
        )
    sys.stdout.write(f"\nlearnt ÷ the best constant of its row: {worst:.2f} at most\n")
    sys.exit(0 if worst <= ALLOWED else 1)


if __name__ == "__main__":
    main()
