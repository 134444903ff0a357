"""From what was measured to the document and the line that people read."""

import os
from collections import Counter
from typing import Any

from strongroom.node.bench.flat_memory import Memory, judged, memory_line
from strongroom.node.bench.floor import Floor
from strongroom.node.bench.readings import Reading
from strongroom.node.machine.interpreter import in_words, interpreter

BUCKETS_PER_MS = 20
"""Latencies are counted in steps of 50 µs."""
Document = dict[str, Any]


def make_report(
    results: list[Document],
    before: Reading,
    after: Reading,
    *,
    nodes: int,
    running: int,
    seconds: float,
    blocks: int,
    envelope_bytes: int,
    floor: Floor,
    memory: Memory,
) -> Document:
    """The JSON document of one measurement (INTERFACES, Benchmark).

    Args:
        results: what each load process reported.
        before: readings when the measured window opened.
        after: readings when it closed.
        nodes: replicas of the cluster.
        running: those of them that ran in the window: what one costs is their mean.
        seconds: length of the window.
        blocks: blocks executed in the window.
        envelope_bytes: size class of the envelopes.
        floor: measured in the same run.
        memory: every process' memory over the window.
    """
    committed = sum(result["committed"] for result in results)
    latencies: Counter[int] = Counter()
    faults: Counter[str] = Counter()
    for result in results:
        latencies.update({int(step): count for step, count in result["latencies"]})
        faults.update(result["faults"])
    receipts = sorted(ms for result in results for ms in result["receipt_ms"])
    some = max(1, committed)
    answered = max(1, sum(result["answered"] for result in results))
    host, enclave = after.host - before.host, after.enclave - before.enclave
    client_us = sum(result["cpu_seconds"] for result in results) / answered * 1e6
    floor_us = floor.per_transaction(
        nodes=nodes, running=running, transactions_per_block=committed / max(1, blocks)
    )
    return {
        "committed_per_second": round(committed / seconds, 1),
        "latency_ms": percentiles(latencies),
        "receipt_ms": round(receipts[len(receipts) // 2], 2) if receipts else None,
        "cpu_seconds_per_1000": {
            "host": round(host / some * 1000 / running, 4),
            "enclave": round(enclave / some * 1000 / running, 4),
            "client": round(client_us / 1000, 4),
        },
        "cpu_ms_per_block": {
            "host": round(host / max(1, blocks) * 1000 / running, 3),
            "enclave": round(enclave / max(1, blocks) * 1000 / running, 3),
        },
        "rss_mib_per_node": {"start": round(before.rss_mib, 1), "end": round(after.rss_mib, 1)},
        "memory": judged(memory),
        "bytes_per_transaction": {
            "wire": round((after.wire_bytes - before.wire_bytes) / some),
            "disk": round((after.disk_bytes - before.disk_bytes) / some / running),
        },
        "nodes": nodes,
        "running": running,
        "cores": os.cpu_count(),
        "interpreter": interpreter(),
        "envelope_bytes": envelope_bytes,
        "blocks_per_second": round(blocks / seconds, 1),
        "refused": sum(result["refused"] for result in results) + sum(faults.values()),
        "faults": dict(faults),
        "floor": {
            "transaction_us": round(floor.transaction_us, 2),
            "all_replicas_us": round(floor_us, 1),
        },
        "floor_ratio": round(floor_us / ((host + enclave) / some * 1e6), 3)
        if host + enclave
        else None,
        "load_average": round(os.getloadavg()[0], 2),
    }


def percentiles(latencies: Counter[int]) -> dict[str, float | None]:
    """p50, p95, p99, max and mean in ms of a count of latencies in steps of 1/BUCKETS_PER_MS ms."""
    count = sum(latencies.values())
    if count == 0:
        return {"p50": None, "p95": None, "p99": None, "max": None, "mean": None}
    wanted = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    found: dict[str, float | None] = {}
    seen = 0
    for step in sorted(latencies):
        seen += latencies[step]
        for name, part in wanted.items():
            if name not in found and seen >= part * count:
                found[name] = (step + 1) / BUCKETS_PER_MS
    found["max"] = (max(latencies) + 1) / BUCKETS_PER_MS
    total = sum(step * seen for step, seen in latencies.items())
    found["mean"] = round((total / count + 0.5) / BUCKETS_PER_MS, 2)
    return found


def lines_of(report: Document) -> list[str]:
    """A report as lines for people; the last says it all."""
    lines = []
    for name, value in report.items():
        text = value
        if name == "interpreter":
            text = in_words(value)
        elif name == "memory":
            text = "too short a window to judge" if value is None else memory_line(value)
        elif isinstance(value, dict):
            text = "  ".join(f"{key} {part}" for key, part in value.items())
        lines.append(f"{name:22} {text}")
    return [*lines, summary_of(report)]


def is_good(report: Document) -> bool:
    """Something was committed, all replicas agree on it, it adds up, and no run of it failed."""
    if "failed" in report or "failed_runs" in report:
        return False
    return bool(report["agreement"] and report["committed_per_second"] > 0)


def verdict_of(report: Document) -> str:
    """What the cells of a table say of that."""
    if "failed" in report:
        return "failed"
    if not report["agreement"]:
        return "NO"
    return "yes" if report["committed_per_second"] > 0 else "nothing committed"


def summary_of(report: Document) -> str:
    """One line."""
    if "failed" in report:
        return f"FAILED: {report['failed']}"
    verdict = {
        "yes": "all replicas agree, everything adds up",
        "NO": "REPLICAS OR SUMS DISAGREE",
    }.get(verdict_of(report), "NOTHING WAS COMMITTED IN THE MEASURED TIME")
    latency = report["latency_ms"]
    return (
        f"{report['committed_per_second']:,.0f} committed per "
        f"second, p50 {latency['p50']} ms: {verdict}"
    )
