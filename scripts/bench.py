"""`./scripts/bench`: committed payments a second and latency, on a cluster and load processes of its own (INTERFACES).

Owns the run and its figures: warm-up, measured time, and the check at the end that all replicas agree and that the
balances add up. How one load process works stands in bench_load.py.
"""

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from strongroom.consensus.errors import OperatorFault
from strongroom.node.cli.common import ExitCode, JsonOption, emit, fail, guarded, run
from strongroom.node.cli.teller import StoryFails, Teller
from strongroom.node.cli.temporary_cluster import Stage, running_cluster
from strongroom.node.client import Client
from strongroom.node.client.identities import KeyFolder
from strongroom.node.cluster import Cluster
from strongroom.node.cluster_plan import DEFAULT_NODES, ISSUER
from strongroom.node.interrupts import cancelled_by_signals

BUCKETS_PER_MS = 20
"""As in bench_load.py."""
OPENING_AMOUNT = 10**12
CALL_BYTES = 120
"""Plaintext of a payment without a memo, about."""
MEMO_MAX = 256
_LOAD = Path(__file__).with_name("bench_load.py")

app = typer.Typer(add_completion=False)


@dataclass(frozen=True, slots=True)
class Shape:
    """What is measured."""

    clients: int
    rate: float
    """Payments a second of all clients together; 0: as many as are answered."""
    seconds: float
    warm_up: float
    size: int
    """Bytes of plaintext of a payment, about."""

    @property
    def names(self) -> list[str]:
        """The identities that pay each other in a ring."""
        return [f"load{number}" for number in range(self.clients)]


@app.command(epilog="Exit codes: 0 measured, and all checks hold · 1 a check does not hold · 2 a step failed.")
@guarded
def bench(
    nodes: Annotated[int, typer.Option(min=1, help="How many nodes.")] = DEFAULT_NODES,
    clients: Annotated[int, typer.Option(min=1, max=64, help="Load processes, each with a session of its own.")] = 2,
    rate: Annotated[str, typer.Option(metavar="R|max", help="Payments a second in all (open loop), or max.")] = "max",
    seconds: Annotated[float, typer.Option(min=0.1, help="Measured time.")] = 10.0,
    warm_up: Annotated[float, typer.Option(min=0.0, help="Time before it.")] = 2.0,
    size: Annotated[int, typer.Option(min=1, help="Bytes of plaintext of a payment, about.")] = 300,
    program: Annotated[str, typer.Option(help="What is called; payments is what there is.")] = "payments",
    as_json: JsonOption = False,
) -> None:
    """Measure committed payments a second and the latency to the opened result.

    Example: ./scripts/bench --rate 2000 --seconds 20

    Example: ./scripts/bench --rate max --clients 4 --json
    """
    teller = Teller(to_stderr=as_json)
    if program != "payments":
        fail(f"--program {program}: payments is what there is", ExitCode.USAGE)
    shape = Shape(clients, _rate(rate), seconds, warm_up, size)
    try:
        figures = run(_bench(Stage(nodes, 0), shape, teller))
    except StoryFails as failure:
        fail(str(failure), ExitCode.NO)
    emit(figures, as_json, lambda: _tell(figures, teller))


async def _bench(stage: Stage, shape: Shape, teller: Teller) -> dict[str, Any]:
    with cancelled_by_signals():
        teller.step(f"Found a service and start {stage.nodes} nodes")
        async with running_cluster(stage, teller, fund=False) as cluster:
            await _fund(cluster, shape)
            teller.step(f"{shape.clients} load processes, {shape.warm_up:g} s of warm-up, {shape.seconds:g} s measured")
            answers = await _load(cluster, shape)
            teller.step("Do all replicas agree, and do the balances add up?")
            teller.line(await _check(cluster, shape))
    return _figures(stage, shape, answers)


async def _fund(cluster: Cluster, shape: Shape) -> None:
    keys = KeyFolder(cluster.layout.keys)
    for name in shape.names:
        keys.new(name)
    async with Client.connect(cluster.layout.directory, ISSUER) as client:
        await client.call("payments.issue_many", issues=[[name, OPENING_AMOUNT] for name in shape.names])


async def _load(cluster: Cluster, shape: Shape) -> list[dict[str, Any]]:
    """Start the load processes, let them go together, and gather what they report; leaves none of them."""
    processes: list[asyncio.subprocess.Process] = []
    try:
        for number in range(shape.clients):
            processes.append(await _start_load(cluster, shape, number))
        for process in processes:
            if await _line(process) != "ready":
                raise OperatorFault("step failed: a load process did not get ready")
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(b"go\n")
        return [json.loads(await _line(process)) for process in processes]
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def _start_load(cluster: Cluster, shape: Shape, number: int) -> asyncio.subprocess.Process:
    options = {
        "dir": cluster.layout.directory,
        "identity": shape.names[number],
        "to": shape.names[(number + 1) % shape.clients],
        "endpoint": number % len(cluster.nodes),
        "rate": shape.rate / shape.clients,
        "warm-up": shape.warm_up,
        "seconds": shape.seconds,
        "memo": min(max(shape.size - CALL_BYTES, 0), MEMO_MAX),
    }
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, str(_LOAD), *words, stdin=pipe, stdout=pipe, limit=2**26, start_new_session=True
    )


async def _line(process: asyncio.subprocess.Process) -> str:
    """The next line of a load process. Raises OperatorFault when it ended instead; it has said why on stderr."""
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode().strip()
    if not line:
        raise OperatorFault("step failed: a load process ended early; what it said stands above")
    return line


async def _check(cluster: Cluster, shape: Shape) -> str:
    """Every node's enclave gives the same history root at the newest height; money is neither made nor lost.

    Raises:
        StoryFails: they differ.
    """
    folder = cluster.layout.directory
    height, balances = 0, 0
    for name in shape.names:
        async with Client.connect(folder, name) as client:
            answer = await client.query("payments.balance", linearizable=True)
            height, balances = max(height, answer.height), balances + answer.value
    if balances != shape.clients * OPENING_AMOUNT:
        raise StoryFails(f"balances add up to {balances}, {shape.clients * OPENING_AMOUNT} were issued")
    roots: dict[str, str] = {}
    for index, node in enumerate(cluster.nodes):
        async with Client.connect(folder, ISSUER, first_endpoint=index) as client:
            answer = await client.query("payments.supply", at_least=height)
            roots[node.name] = f"{answer.root.hex()} at height {answer.height}"
    if len(set(roots.values())) != 1:
        raise StoryFails(f"replicas differ: {roots}")
    return f"{len(roots)} of {len(roots)} replicas have history root {next(iter(roots.values()))}; balances add up"


def _figures(stage: Stage, shape: Shape, answers: Sequence[dict[str, Any]]) -> dict[str, Any]:
    latencies: Counter[int] = Counter()
    for answer in answers:
        latencies.update({int(bucket): count for bucket, count in answer["latencies"].items()})
    return {
        "committed_per_second": round(sum(answer["committed"] for answer in answers) / shape.seconds, 1),
        "latency_ms": _percentiles(latencies),
        "nodes": stage.nodes,
        "cores": len(os.sched_getaffinity(0)),
        "clients": shape.clients,
        "rate": shape.rate or "max",
        "seconds": shape.seconds,
        "refused": sum(answer["refused"] for answer in answers),
        "agree": True,
    }


def _percentiles(latencies: Counter[int]) -> dict[str, float | None]:
    """Upper edges of the buckets that hold each share."""
    total, seen = sum(latencies.values()), 0
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    found: dict[str, float | None] = dict.fromkeys(shares)
    for bucket in sorted(latencies):
        seen += latencies[bucket]
        for name, share in shares.items():
            if found[name] is None and seen >= share * total:
                found[name] = round((bucket + 1) / BUCKETS_PER_MS, 2)
    return found


def _tell(figures: dict[str, Any], teller: Teller) -> None:
    teller.step("Figures")
    teller.facts(figures)
    latency = figures["latency_ms"]
    print(
        f"{figures['committed_per_second']:,} committed a second, p50 {latency['p50']} ms, p99 {latency['p99']} ms, "
        f"{figures['refused']} refused, {figures['nodes']} nodes on {figures['cores']} cores"
    )


def _rate(text: str) -> float:
    """Raises OperatorFault."""
    try:
        rate = 0.0 if text == "max" else float(text)
    except ValueError:
        rate = -1.0
    if rate < 0 or (rate == 0 and text != "max"):
        raise OperatorFault(f"--rate is a number of payments a second, or max; got {text!r}")
    return rate


if __name__ == "__main__":
    app()
