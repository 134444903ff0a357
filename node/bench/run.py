"""One measurement: a cluster of its own, accounts, load processes, readings, and the check that all replicas agree.

Owns the order of a run. The load is load.py, in processes of its own; what is read is readings.py, what is said
report.py.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strongroom.consensus.errors import OperatorFault
from strongroom.enclave.padding import CALL_ENVELOPES, CALL_SIZES
from strongroom.enclave.primitives import Secret, random_bytes
from strongroom.enclave.sender import Identity
from strongroom.node.bench.floor import measure_floor
from strongroom.node.bench.readings import read
from strongroom.node.bench.report import Document, make_report
from strongroom.node.cli.teller import Teller
from strongroom.node.cli.temporary_cluster import Stage, running_cluster
from strongroom.node.client import Client
from strongroom.node.cluster import Cluster
from strongroom.node.cluster_plan import ISSUER

OPENING_BALANCE = 10**12
OUTSTANDING_MAX = 1000
"""Below the anti-replay window of a session."""
SETTLE_SECONDS = 60.0
START_SECONDS = 2.5
"""From orders to the first payment: load processes start and check the service first."""
MEMO_MAX = 256
"""Characters of a payment's memo, at most."""
SIZES = CALL_ENVELOPES[:2]
"""Size classes that a payment can fill."""
CALL_BYTES = 120
"""What a payment without a memo takes before padding, at most."""
_LOAD = Path(__file__).with_name("load.py")

Disturb = Callable[[Cluster], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is to be measured."""

    nodes: int = 4
    clients: int = 4
    """Sessions; client i pays client i+1 and begins with node i."""
    processes: int = 1
    rate: float | None = None
    """Payments per second of all clients together; None: a closed loop."""
    outstanding: int = 500
    """Per client, in a closed loop."""
    seconds: float = 10.0
    warmup: float = 3.0
    size: int = CALL_ENVELOPES[0]
    """Size class of the envelopes, in bytes."""
    one_shot: bool = False
    """Each payment an envelope that opens and closes a session of its own."""


async def measure(load: Load, teller: Teller, *, disturb: Disturb | None = None) -> Document:
    """Measure on a cluster of its own.

    Args:
        load: what to do.
        teller: told what is done.
        disturb: called at the end of the warm-up, for faults that are part of the measurement.

    Raises:
        OperatorFault: a node or a load process failed.
    """
    async with running_cluster(Stage(nodes=load.nodes, base_port=0), teller, fund=False) as cluster:
        directory = cluster.layout.directory
        seeds = [random_bytes(32) for _ in range(load.clients)]
        payers = [Identity.from_seed(Secret(seed)) for seed in seeds]
        with teller.under_way() as say:
            say(f"opening {load.clients} accounts")
            async with Client.connect(directory, ISSUER) as issuer:
                issues = [["id:" + one.id.hex(), OPENING_BALANCE] for one in payers]
                await issuer.call("payments.issue_many", issues=issues)
            floor = measure_floor(load.size)
            text = "as fast as it goes" if load.rate is None else f"{load.rate:g} payments per second"
            say(f"{text}, {load.warmup:g} s to warm up, {load.seconds:g} s measured")
            results, readings, blocks = await _drive(cluster, load, _orders(directory, load, seeds, payers), disturb)
            say("checking that all replicas agree and that balances add up")
            agreement = await _agree(cluster) and await _balances_add_up(directory, payers)
        report = make_report(
            results,
            *readings,
            nodes=load.nodes,
            seconds=load.seconds,
            blocks=blocks,
            envelope_bytes=load.size,
            floor=floor,
        )
        return {
            **report,
            "clients": load.clients,
            "rate": load.rate or "max",
            "agreement": agreement and report["committed_per_second"] > 0,
        }


async def _drive(
    cluster: Cluster, load: Load, orders: list[Document], disturb: Disturb | None
) -> tuple[list[Document], tuple[Any, Any], int]:
    """Run the load processes; their results, the readings around the window, the blocks in it."""
    begin = time.monotonic() + START_SECONDS + load.warmup
    workers = [await _start_worker() for _ in orders]
    for order in orders:
        order |= {"begin": begin, "end": begin + load.seconds}
    tasks = [
        asyncio.create_task(worker.communicate(json.dumps(order).encode()))
        for worker, order in zip(workers, orders, strict=True)
    ]
    try:
        await asyncio.sleep(begin - time.monotonic())
        if disturb is not None:
            await disturb(cluster)
        before, first = read(cluster), await _newest_height(cluster)
        await asyncio.sleep(max(0.0, begin + load.seconds - time.monotonic()))
        after, last = read(cluster), await _newest_height(cluster)
        outputs = [await task for task in tasks]
    finally:
        for worker in workers:
            if worker.returncode is None:
                worker.kill()
    if any(worker.returncode for worker in workers):
        raise OperatorFault("a load process failed: " + outputs[0][1].decode()[-500:])
    return [json.loads(output) for output, _ in outputs], (before, after), last - first


def _orders(directory: Path, load: Load, seeds: list[bytes], payers: list[Identity]) -> list[Document]:
    """One document per load process."""
    memo_bytes = min(CALL_SIZES[CALL_ENVELOPES.index(load.size)] - 1 - CALL_BYTES, MEMO_MAX)
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
    common = {"directory": str(directory), "memo": "m" * memo_bytes, "one_shot": load.one_shot}
    processes = min(load.processes, load.clients)
    return [{**common, "clients": clients[number::processes]} for number in range(processes)]


async def _start_worker() -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    return await asyncio.create_subprocess_exec(
        sys.executable, str(_LOAD), stdin=pipe, stdout=pipe, stderr=pipe, env=environment
    )


async def _statuses(cluster: Cluster) -> list[dict[str, object]]:
    running = cluster.running()
    answers = await asyncio.gather(*(asyncio.to_thread(node.status) for node in running))
    return [answer for answer in answers if answer is not None]


async def _newest_height(cluster: Cluster) -> int:
    return max((int(str(status["executed"])) for status in await _statuses(cluster)), default=0)


async def _agree(cluster: Cluster) -> bool:
    """Every running replica executed to one height and has one history root there."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        statuses = await _statuses(cluster)
        heights = {int(str(status["executed"])) for status in statuses}
        if (len(heights) == 1 and len(statuses) == len(cluster.running())) or time.monotonic() > deadline:
            break
        await asyncio.sleep(0.1)
    height, roots = min(heights), set()
    for node in cluster.running():
        proof: Any = await asyncio.to_thread(node.ask, "ledger_consistency", height, height)
        roots.add(proof["to_root"])
    return len(heights) == 1 and len(roots) == 1


async def _balances_add_up(directory: Path, payers: list[Identity]) -> bool:
    """Whatever was paid, all accounts together have what was issued."""
    total = 0
    for payer in payers:
        async with Client.connect(directory, payer) as client:
            total += (await client.query("payments.balance", linearizable=True)).value
    async with Client.connect(directory, ISSUER) as issuer:
        supply = (await issuer.query("payments.supply")).value
    return bool(total == supply == OPENING_BALANCE * len(payers))
