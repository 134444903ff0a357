"""`./scripts/bench`: sealed payments on a cluster of its own, measured from outside (INTERFACES, Benchmark).

Owns the run: cluster, accounts, load processes, readings of /proc, and the check afterwards that all replicas agree and
that balances add up. The load itself is bench_load.py, in processes of its own.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from strongroom.consensus.errors import OperatorFault
from strongroom.enclave.padding import CALL_ENVELOPES, CALL_SIZES
from strongroom.enclave.primitives import Secret, random_bytes
from strongroom.enclave.sender import Identity
from strongroom.node.cli.common import ExitCode, fail, guarded, run
from strongroom.node.client import Client
from strongroom.node.cluster import Cluster
from strongroom.node.cluster_creation import ISSUER
from strongroom.node.cluster_up import bring_up
from strongroom.node.interrupts import cancelled_by_signals

OPENING_BALANCE = 10**12
OUTSTANDING_MAX = 1000
"""Below the anti-replay window of a session."""
BUCKETS_PER_MS = 20
SETTLE_SECONDS = 30.0
CALL_BYTES = 112
"""What a payment without a memo takes before padding, at most: program, measurement, operation, addressee, amount."""
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")

app = typer.Typer(add_completion=False)


@dataclass(frozen=True, slots=True)
class Load:
    """What is to be measured."""

    nodes: int
    clients: int
    rate: float | None
    seconds: float
    warmup: float
    size: int
    processes: int
    outstanding: int


@dataclass(frozen=True, slots=True)
class Reading:
    """Processor seconds and memory of all nodes at one moment."""

    host: float
    enclave: float
    rss_mib: float
    """Mean of the nodes, host and enclave together."""


@app.command(epilog="Example: ./scripts/bench --rate 2000 --seconds 20 --json")
@guarded
def bench(
    nodes: Annotated[int, typer.Option(min=1, max=10, help="Replicas.")] = 4,
    clients: Annotated[int, typer.Option(min=1, help="Clients, each with a session of its own.")] = 4,
    rate: Annotated[str, typer.Option(help="Payments per second in all, or max for a closed loop.")] = "max",
    seconds: Annotated[float, typer.Option(min=1, help="Measured time.")] = 10.0,
    warmup: Annotated[float, typer.Option(min=0, help="Load before it is measured, in seconds.")] = 3.0,
    size: Annotated[int, typer.Option(help=f"Bytes of an envelope at most: {CALL_ENVELOPES[0]}, 512 …")] = 256,
    program: Annotated[str, typer.Option(help="What is called.")] = "payments",
    processes: Annotated[int, typer.Option(min=1, help="Load processes.")] = 1,
    outstanding: Annotated[int, typer.Option(min=1, max=OUTSTANDING_MAX, help="Per client, in a closed loop.")] = 500,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Measure a cluster of its own on this machine; the exit code says whether all replicas agree afterwards."""
    if program != "payments":
        fail("only payments can be measured so far", ExitCode.USAGE)
    if size not in CALL_ENVELOPES:
        fail(f"--size is one of {', '.join(map(str, CALL_ENVELOPES))}", ExitCode.USAGE)
    try:
        per_second = None if rate == "max" else float(rate)
    except ValueError:
        fail(f"--rate is a number or max, got {rate!r}", ExitCode.USAGE)
    load = Load(nodes, clients, per_second, seconds, warmup, size, min(processes, clients), outstanding)
    report = run(_measure(load))
    if as_json:
        typer.echo(json.dumps(report))
    else:
        _print_table(report)
    raise typer.Exit(ExitCode.OK if report["agreement"] else ExitCode.NO)


async def _measure(load: Load) -> dict[str, Any]:
    with cancelled_by_signals(), tempfile.TemporaryDirectory(prefix="strongroom-bench-") as folder:
        directory = Path(folder) / "cluster"
        cluster = await bring_up(directory, nodes=load.nodes, base_port=0, say=_say, fund=False)
        try:
            return await _measure_on(cluster, directory, load)
        finally:
            _say("stopping the nodes")
            await cluster.down()


async def _measure_on(cluster: Cluster, directory: Path, load: Load) -> dict[str, Any]:
    seeds = [random_bytes(32) for _ in range(load.clients)]
    payers = [Identity.from_seed(Secret(seed)) for seed in seeds]
    _say(f"opening {load.clients} accounts")
    async with Client.connect(directory, ISSUER) as issuer:
        await issuer.call("payments.issue_many", issues=[["id:" + one.id.hex(), OPENING_BALANCE] for one in payers])
    begin = time.monotonic() + 2.0 + load.warmup
    orders = _orders(directory, load, seeds, payers, begin)
    text = "as fast as it goes" if load.rate is None else f"{load.rate:g} payments per second"
    _say(f"{text}, {load.warmup:g} s to warm up, {load.seconds:g} s measured")
    workers = [await _start_worker(order) for order in orders]
    tasks = [asyncio.create_task(worker.communicate(json.dumps(order).encode())) for worker, order in workers]
    try:
        await asyncio.sleep(begin - time.monotonic())
        before, blocks_before = _read(cluster), await _heights(cluster)
        await asyncio.sleep(max(0.0, begin + load.seconds - time.monotonic()))
        after, blocks_after = _read(cluster), await _heights(cluster)
        outputs = [await task for task in tasks]
    finally:
        for worker, _ in workers:
            if worker.returncode is None:
                worker.kill()
    if any(worker.returncode for worker, _ in workers):
        raise OperatorFault("a load process failed: " + outputs[0][1].decode()[-500:])
    results = [json.loads(output) for output, _ in outputs]
    _say("checking that all replicas agree and that balances add up")
    agreement = await _agreement(cluster)
    balances = await _balances_add_up(directory, payers, [count for result in results for count in result["paid"]])
    report = _report(load, results, before, after)
    report["blocks_per_second"] = round((blocks_after - blocks_before) / load.seconds, 1)
    report["agreement"] = agreement and balances
    return report


def _orders(
    directory: Path, load: Load, seeds: list[bytes], payers: list[Identity], begin: float
) -> list[dict[str, Any]]:
    """One document per load process; client i pays client i+1 and begins with node i."""
    memo_bytes = CALL_SIZES[CALL_ENVELOPES.index(load.size)] - 1 - CALL_BYTES
    clients = [
        {
            "seed": seed.hex(),
            "to": payers[(index + 1) % len(payers)].id.hex(),
            "endpoint": index % load.nodes,
            "rate": None if load.rate is None else load.rate / load.clients,
            "outstanding": load.outstanding,
            "receipts": index == 0,
        }
        for index, seed in enumerate(seeds)
    ]
    common = {"directory": str(directory), "begin": begin, "end": begin + load.seconds, "memo": "m" * memo_bytes}
    return [{**common, "clients": clients[number :: load.processes]} for number in range(load.processes)]


async def _start_worker(order: dict[str, Any]) -> tuple[asyncio.subprocess.Process, dict[str, Any]]:
    worker = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("bench_load.py")),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    return worker, order


# --- readings ---------------------------------------------------------------------------------------------------


def _read(cluster: Cluster) -> Reading:
    hosts = [process.pid for node in cluster.nodes if (process := node.host()) is not None]
    enclaves = [process.pid for node in cluster.nodes if (process := node.enclave()) is not None]
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in hosts + enclaves)
    return Reading(_cpu(hosts), _cpu(enclaves), pages * _PAGE / 2**20 / len(cluster.nodes))


def _cpu(pids: list[int]) -> float:
    seconds = 0.0
    for pid in pids:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        seconds += (int(after_name[11]) + int(after_name[12])) / _TICKS
    return seconds


async def _heights(cluster: Cluster) -> int:
    statuses = await asyncio.gather(*(asyncio.to_thread(node.status) for node in cluster.nodes))
    return max(int(str((status or {}).get("executed", 0))) for status in statuses)


async def _agreement(cluster: Cluster) -> bool:
    """Every replica executed to one height and has one history root there."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        rows = await asyncio.gather(*(asyncio.to_thread(node.status) for node in cluster.nodes))
        heights = {int(str((row or {}).get("executed", -1))) for row in rows}
        if len(heights) == 1 or time.monotonic() > deadline:
            break
        await asyncio.sleep(0.1)
    height = min(heights)
    roots = set()
    for node in cluster.nodes:
        proof: Any = await asyncio.to_thread(node.ask, "ledger_consistency", height, height)
        roots.add(proof["to_root"])
    return len(heights) == 1 and len(roots) == 1


async def _balances_add_up(directory: Path, payers: list[Identity], paid: list[int]) -> bool:
    """Each account has what it began with, less what its owner paid, plus what the one before it paid."""
    total = 0
    for payer in payers:
        async with Client.connect(directory, payer) as client:
            total += (await client.query("payments.balance", linearizable=True)).value
    async with Client.connect(directory, ISSUER) as issuer:
        supply = (await issuer.query("payments.supply")).value
    return bool(total == supply == OPENING_BALANCE * len(payers) and sum(paid) > 0)


# --- the report -------------------------------------------------------------------------------------------------


def _report(load: Load, results: list[dict[str, Any]], before: Reading, after: Reading) -> dict[str, Any]:
    committed = sum(result["committed"] for result in results)
    latencies: Counter[int] = Counter()
    faults: Counter[str] = Counter()
    for result in results:
        latencies.update({int(step): count for step, count in result["latencies"]})
        faults.update(result["faults"])
    receipts = sorted(ms for result in results for ms in result["receipt_ms"])
    thousands = max(1, committed) / 1000
    paid = max(1, sum(sum(result["paid"]) for result in results))
    return {
        "committed_per_second": round(committed / load.seconds, 1),
        "latency_ms": _percentiles(latencies),
        "receipt_ms": round(receipts[len(receipts) // 2], 2) if receipts else None,
        "cpu_seconds_per_1000": {
            "host": round((after.host - before.host) / thousands / load.nodes, 4),
            "enclave": round((after.enclave - before.enclave) / thousands / load.nodes, 4),
            "client": round(sum(result["cpu_seconds"] for result in results) / (paid / 1000), 4),
        },
        "rss_mib_per_node": {"start": round(before.rss_mib, 1), "end": round(after.rss_mib, 1)},
        "nodes": load.nodes,
        "clients": load.clients,
        "cores": os.cpu_count(),
        "envelope_bytes": load.size,
        "rate": load.rate or "max",
        "refused": sum(result["refused"] for result in results) + sum(faults.values()),
        "faults": dict(faults),
        "load_average": os.getloadavg()[0],
    }


def _percentiles(latencies: Counter[int]) -> dict[str, float | None]:
    count = sum(latencies.values())
    if count == 0:
        return {"p50": None, "p95": None, "p99": None, "max": None}
    wanted = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    found: dict[str, float | None] = {}
    seen = 0
    for step in sorted(latencies):
        seen += latencies[step]
        for name, part in wanted.items():
            if name not in found and seen >= part * count:
                found[name] = (step + 1) / BUCKETS_PER_MS
    found["max"] = (max(latencies) + 1) / BUCKETS_PER_MS
    return found


def _print_table(report: dict[str, Any]) -> None:
    for name, value in report.items():
        text = "  ".join(f"{key} {part}" for key, part in value.items()) if isinstance(value, dict) else value
        typer.echo(f"{name:22} {text}")
    latency = report["latency_ms"]
    verdict = "all replicas agree, balances add up" if report["agreement"] else "REPLICAS OR BALANCES DISAGREE"
    typer.echo(f"{report['committed_per_second']:,.0f} committed per second, p50 {latency['p50']} ms: {verdict}")


def _say(text: str) -> None:
    typer.echo(f"bench: {text}", err=True)


if __name__ == "__main__":
    app()
