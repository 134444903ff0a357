"""The table of the README: one measurement a row, each on a cluster of its own, all of one run of
this machine."""

import os
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, replace

from strongroom.node.bench import disturbances, peer_etcd
from strongroom.node.bench.aims import DEAD, HALF, LONE, MOST, aims_table, ways_table
from strongroom.node.bench.costs import costs_line
from strongroom.node.bench.disturbances import Disturbance
from strongroom.node.bench.repeated import together
from strongroom.node.bench.report import Document, verdict_of
from strongroom.node.bench.run import Load, measure
from strongroom.node.bench.work import Payments, Records
from strongroom.node.machine.interpreter import in_words, interpreter
from strongroom.node.terminal.teller import Teller

RECORD_SIZES = {"256 B": 256, "1 KiB": 1024, "16 KiB": 16 * 1024}
HALVED = "half the machine"
PEER_ROWS = (MOST, HALF)
"""Rows beside which a peer's figures stand."""
COST_ROWS = (MOST, "10 % load", HALF, "80 % load", LONE, "16 connections × 4")
"""Rows of equal clusters and calls: what a block and a payment cost follows from these."""
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
    """Steady load for long: what matters is `memory_mib_per_hour`."""
    return Row("soak", Load(rate=rate or SOAK_RATE, seconds=seconds or SOAK_SECONDS))


async def run_suite(
    seconds: float, teller: Teller, *, repeat: int = 1, peer: bool = False
) -> AsyncIterator[tuple[str, Document]]:
    """Measure row by row.

    Args:
        seconds: of each measurement.
        teller: told what is done.
        repeat: measurements of each row.
        peer: measure etcd too, right beside the rows that are compared with it.
    """
    most = 0.0
    for row in rows(seconds):
        teller.line(f"{row.name}: {time.strftime('%H:%M:%S')}")
        load = row.load if row.share is None else replace(row.load, rate=max(1.0, most * row.share))
        report = together([await measure(load, teller, disturb=row.disturb) for _ in range(repeat)])
        if peer and row.name in PEER_ROWS:
            beside = await peer_etcd.measure_etcd(seconds, row.load.warmup)
            report = peer_etcd.beside(report, beside)
        most = most or report["committed_per_second"]
        yield row.name, report


def table_of(reports: list[tuple[str, Document]]) -> list[str]:
    """Markdown, as it stands in the README."""
    lines = [
        "| load | per second | p50 / p95 / p99 ms | receipt ms | "
        "host + enclave + client µs | floor | agree |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, report in reports:
        latency, cpu = report["latency_ms"], report["cpu_seconds_per_1000"]
        costs = " + ".join(f"{cpu[part] * 1000:.0f}" for part in ("host", "enclave", "client"))
        cells = (
            name,
            f"{report['committed_per_second']:,.0f}",
            f"{latency['p50']} / {latency['p95']} / {latency['p99']}",
            report["receipt_ms"],
            costs,
            report["floor_ratio"],
            verdict_of(report),
        )
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    notes = [f"{name}: {note}" for name, report in reports for note in _notes_on(report)]
    equal = [report for name, report in reports if name in COST_ROWS]
    if equal and (line := costs_line(equal, equal[0]["nodes"])) is not None:
        notes.append(f"apart: {line}")
    rows = dict(reports)
    for table in (aims_table(rows) if MOST in rows else [], ways_table(rows)):
        lines += ["", *table] if table else []
    return [*lines, *([""] if notes else []), *notes]


def markdown_of(reports: list[tuple[str, Document]]) -> list[str]:
    """The table as it stands in a document, with when and on what it was measured."""
    loads = [report["load_average"] for _, report in reports]
    day, cores = time.strftime("%Y-%m-%d"), os.cpu_count()
    measured = (
        f"`./scripts/bench --suite`, {day}, {cores} processors, {in_words(interpreter())}, load "
        f"average {min(loads)} to {max(loads)}."
    )
    return [measured, "", *table_of(reports)]


def _notes_on(report: Document) -> list[str]:
    notes = []
    if "catch_up" in report:
        caught = report["catch_up"]
        notes.append(
            f"{caught['blocks']} blocks in {caught['seconds']} s after a start of "
            f"{caught['start_seconds']} s, {caught['blocks_per_second']} blocks per second"
        )
    if report.get("bytes_on_disk") and report.get("rate") == "max":
        notes.append(sizes_line(report))
    if "restart" in report:
        again = report["restart"]
        notes.append(
            f"with {again['blocks']} blocks on its disk it answered after "
            f"{again['start_seconds']} s, and had caught up {again['seconds']} s later"
        )
    if "etcd" in report:
        notes.append(peer_note(report))
    if "interval_95" in report:
        notes.append(interval_note(report))
    if report.get("memory_mib_per_hour"):
        notes.append(
            ", ".join(
                f"{role} {mib:+} MiB per hour"
                for role, mib in report["memory_mib_per_hour"].items()
            )
        )
    return notes


def peer_note(report: Document) -> str:
    """What ours is of etcd's, measured beside it."""
    peer, ratio = report["etcd"], report["ratio_to_etcd"]
    return (
        f"etcd ({peer['members']} members, {peer['connections']} connections) "
        f"{peer['committed_per_second']:,.0f} per second, p50 {peer['latency_ms']['p50']}, p99 "
        f"{peer['latency_ms']['p99']} ms: ours is × {ratio['committed_per_second']} of its "
        f"throughput, × {ratio['p50']} of its p50"
    )


def interval_note(report: Document) -> str:
    """How far the means of several runs can be believed."""
    found = report["interval_95"]
    parts = [f"{name} {low:g} to {high:g}" for name, (low, high) in found.items()]
    return f"95 % intervals of {report['runs']} runs: " + ", ".join(parts)


def sizes_line(report: Document) -> str:
    """What a transaction takes on one node's disk, and what for."""
    parts = report["bytes_on_disk"]
    return (
        f"{parts['total']:g} bytes on a node's disk for each: envelope, batch, header and "
        f"certificate {parts['blocks']:g}, sealed result {parts['results']:g}, write set "
        f"{parts['write_sets']:g}, ids and codes {parts['outcomes']:g}, framing "
        f"{parts['frames']:g}, index {parts['index']:g}; the log has {parts['log_mib']:g} MiB"
    )


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
