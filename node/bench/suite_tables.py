"""What a suite's rows look like: the tables of docs/performance.md and of README.md, as they stand
there, and what is said below them.

Owns the words. Lines are as wide as our pages: tables as wide as they are, prose TEXT_COLUMNS.
"""

import os
import textwrap
import time

from strongroom.node.bench.aims import (
    DEAD,
    HALF,
    LONE,
    MOST,
    aims_line,
    aims_table,
    ways_table,
)
from strongroom.node.bench.costs import costs_line
from strongroom.node.bench.flat_memory import memory_line
from strongroom.node.bench.report import Document, verdict_of
from strongroom.node.machine.interpreter import in_words, interpreter

TEXT_COLUMNS = 100
README_ROWS = (MOST, HALF, LONE, DEAD)
SUITE_HEAD = (
    "| load | per second | p50 / p95 / p99 ms | receipt ms | "
    "host + enclave + client µs | floor | agree |"
)
README_HEAD = "| load | per second | p50 / p95 / p99 ms | host + enclave + client µs |"
COST_ROWS = (MOST, "10 % load", HALF, "80 % load", LONE, "16 connections × 4")
"""Rows of equal clusters and calls: what a block and a payment cost follows from these."""
SIZE_ROWS = (MOST, LONE, "one-shot envelopes", "512 B envelopes", "records of 1 KiB")
"""Rows that differ in what a call takes on the disk."""
Reports = list[tuple[str, Document]]


def markdown_of(reports: Reports, command: str = "--suite") -> list[str]:
    """What docs/performance.md says of a suite: when and on what it was measured, its rows, the
    aims, where time goes, and what is to be said of a row beside its figures."""
    lines = [*measured_on(reports, command), "", *table_of(reports)]
    found = dict(reports)
    for table in (aims_table(found) if MOST in found else [], ways_table(found)):
        lines += ["", *table] if table else []
    sized = [
        f"{name}: {sizes_line(report)}"
        for name, report in reports
        if report.get("bytes_on_disk") and (name in SIZE_ROWS or len(reports) == 1)
    ]
    notes = [f"{name}: {note}" for name, report in reports for note in _notes_on(report)] + sized
    equal = [report for name, report in reports if name in COST_ROWS and "failed" not in report]
    if equal and (line := costs_line(equal, equal[0]["nodes"])) is not None:
        notes.append(f"apart: {line}")
    if MOST in found:
        notes.append(aims_line(found))
    told = [line for note in notes for line in _wrapped(f"- {note}", "  ")]
    return [*lines, "", *told] if told else lines


def measured_on(reports: Reports, command: str) -> list[str]:
    """By which command, when, and how busy the machine was."""
    loads = [report["load_average"] for _, report in reports if "failed" not in report]
    busy = f", load average {min(loads)} to {max(loads)}" if loads else ""
    text = (
        f"`./scripts/bench {command}`, {time.strftime('%Y-%m-%d')}, {os.cpu_count()} processors, "
        f"{in_words(interpreter())}{busy}."
    )
    return _wrapped(text)


def table_of(reports: Reports) -> list[str]:
    """A line for each row."""
    lines = [SUITE_HEAD, "|---|---|---|---|---|---|---|"]
    for name, report in reports:
        if "failed" in report:
            cells = [name, "–", "–", "–", "–", "–", verdict_of(report)]
        else:
            cells = [
                name,
                _pace(report),
                " / ".join(str(report["latency_ms"][part]) for part in ("p50", "p95", "p99")),
                str(report["receipt_ms"]),
                _costs(report),
                str(report["floor_ratio"]),
                verdict_of(report),
            ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def readme_table(reports: Reports) -> list[str]:
    """The README's four rows, latencies in whole milliseconds; a row that was not measured or is
    not good is left out."""
    lines = [README_HEAD, "|---|---|---|---|"]
    found = dict(reports)
    for name in README_ROWS:
        if name in found and verdict_of(found[name]) == "yes":
            latency = found[name]["latency_ms"]
            waits = " / ".join(f"{latency[part]:.0f}" for part in ("p50", "p95", "p99"))
            lines.append(f"| {name} | {_pace(found[name])} | {waits} | {_costs(found[name])} |")
    return lines


def tables_text(reports: Reports) -> str:
    """Both, each under the name of its page: what is to be pasted there."""
    pages = {
        "docs/performance.md": markdown_of(reports),
        "README.md": [*readme_table(reports), "", *measured_on(reports, "--suite")],
    }
    return "\n".join(
        f"<!-- {page} -->\n\n" + "\n".join(lines) + "\n" for page, lines in pages.items()
    )


def _pace(report: Document) -> str:
    return f"{report['committed_per_second']:,.0f}"


def _costs(report: Document) -> str:
    cpu = report["cpu_seconds_per_1000"]
    return " + ".join(f"{cpu[part] * 1000:.0f}" for part in ("host", "enclave", "client"))


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text, TEXT_COLUMNS, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _notes_on(report: Document) -> list[str]:
    if "failed" in report:
        return [f"failed: {report['failed']}"]
    notes = []
    if "failed_runs" in report:
        notes.append(f"{report['failed_runs']} runs failed and are left out")
    if "by" in report:
        notes.append(f"{report['processor_share']:g} of the processors, by {report['by']}")
    if "catch_up" in report:
        caught = report["catch_up"]
        notes.append(
            f"{caught['blocks']} blocks in {caught['seconds']} s after a start of "
            f"{caught['start_seconds']} s, {caught['blocks_per_second']} blocks per second"
        )
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
    if report.get("memory"):
        notes.append(memory_line(report["memory"]))
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
