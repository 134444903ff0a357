"""The table of the README: one measurement a row, each on a cluster of its own, all of one run of
this machine.

Owns the rows and their order. A row that fails says so and takes no other with it. How they are
shown: suite_tables.py.
"""

import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, replace

from strongroom.consensus.errors import InvariantBroken, StrongroomError
from strongroom.node.bench import disturbances, peer_etcd
from strongroom.node.bench.aims import DEAD, HALF, LONE, MOST
from strongroom.node.bench.disturbances import Disturbance
from strongroom.node.bench.repeated import together
from strongroom.node.bench.report import Document
from strongroom.node.bench.run import Load, measure
from strongroom.node.bench.work import Payments, Records
from strongroom.node.rpc.probe import NoAnswer
from strongroom.node.terminal.teller import Teller

RECORD_SIZES = {"256 B": 256, "1 KiB": 1024, "16 KiB": 16 * 1024}
HALVED = "half the machine"
PEER_ROWS = (MOST, HALF)
"""Rows beside which a peer's figures stand."""
SOAK_RATE = 3000.0
"""Calls per second, below half of what the machine carries."""
SOAK_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    name: str
    load: Load
    share: float | None = None
    """Open loop at this share of the first row's throughput."""
    disturb: Disturbance = disturbances.none


def rows(seconds: float) -> list[Row]:
    """All rows; the first measures the throughput that shares are of."""
    base = Load(seconds=seconds)
    records = [
        Row(
            f"records of {name}",
            replace(base, work=Records(size), outstanding=max(8, min(500, 1_000_000 // size))),
        )
        for name, size in RECORD_SIZES.items()
    ]
    return [
        Row(MOST, base),
        Row("10 % load", base, share=0.1),
        Row(HALF, base, share=0.5),
        Row("80 % load", base, share=0.8),
        Row(LONE, replace(base, clients=1, outstanding=1)),
        Row("16 connections × 4", replace(base, clients=16, outstanding=4)),
        Row("one-shot envelopes", replace(base, clients=8, outstanding=32, one_shot=True)),
        Row("512 B envelopes", replace(base, work=Payments(512))),
        *records,
        Row("n = 1", replace(base, nodes=1)),
        Row("n = 7", replace(base, nodes=7)),
        Row("n = 10", replace(base, nodes=10)),
        Row(DEAD, base, disturb=disturbances.one_dead),
        Row("one of four slow", base, share=0.25, disturb=disturbances.one_slow),
        Row("one of four catches up", base, share=0.5, disturb=disturbances.one_catches_up),
        Row("one of four restarts", base, share=0.5, disturb=disturbances.one_restarts),
        Row(HALVED, base, share=0.25, disturb=disturbances.half_the_machine),
    ]


def soak(rate: float | None, seconds: float | None) -> Row:
    """Steady load for long: what matters is `memory`."""
    return Row("soak", Load(rate=rate or SOAK_RATE, seconds=seconds or SOAK_SECONDS))


async def run_suite(
    seconds: float, teller: Teller, *, repeat: int = 1, peer: bool = False
) -> AsyncIterator[tuple[str, Document]]:
    """Measure row by row; a row that fails is `{"failed": why}`.

    Args:
        seconds: of each measurement.
        teller: told what is done.
        repeat: measurements of each row.
        peer: measure etcd too, right after each run of the rows that are compared with it.
    """
    most, wanted, began = 0.0, rows(seconds), time.monotonic()
    for number, row in enumerate(wanted):
        teller.line(
            f"{time.strftime('%H:%M:%S')} row {number + 1} of {len(wanted)}: {row.name}"
            f"{_left(number, len(wanted), time.monotonic() - began)}"
        )
        report = await _row(row, most, teller, repeat, peer=peer and row.name in PEER_ROWS)
        if row.name == MOST:
            most = report.get("committed_per_second", 0.0)
        yield row.name, report


def _left(done: int, count: int, seconds: float) -> str:
    """Words for how long the rest may take, by what was done."""
    return f", about {seconds / done * (count - done) / 60:.0f} min left" if done else ""


async def _row(row: Row, most: float, teller: Teller, repeat: int, *, peer: bool) -> Document:
    """The runs of one row together, those that failed left out and counted."""
    if row.share is None:
        load = row.load
    elif most:
        load = replace(row.load, rate=max(1.0, most * row.share))
    else:
        return {"failed": f"{MOST} was not measured, and this row's load is a share of it"}
    runs: list[Document] = []
    faults: list[str] = []
    for number in range(repeat):
        if repeat > 1:
            teller.line(f"run {number + 1} of {repeat}")
        try:
            report = await measure(load, teller, disturb=row.disturb)
            if peer:
                beside = await peer_etcd.measure_etcd(load.seconds, load.warmup)
                report = peer_etcd.beside(report, beside)
        except InvariantBroken:
            raise
        except (StrongroomError, NoAnswer, OSError, ExceptionGroup) as fault:
            faults.append(f"{type(fault).__name__}: {fault}")
            teller.line(f"failed, the other rows go on: {faults[-1]}")
        else:
            runs.append(report)
    if not runs:
        return {"failed": faults[-1]}
    return {**together(runs), **({"failed_runs": len(faults)} if faults else {})}


def compare(reports: dict[str, Document], earlier: dict[str, Document]) -> list[str]:
    """Ratios now ÷ then of throughput and p50, row by row."""
    lines = []
    for name, report in reports.items():
        with suppress(KeyError, TypeError, ZeroDivisionError):
            then = earlier[name]
            pace = report["committed_per_second"] / then["committed_per_second"]
            wait = report["latency_ms"]["p50"] / then["latency_ms"]["p50"]
            lines.append(f"{name}: throughput × {pace:.2f}, p50 × {wait:.2f}")
    return lines
