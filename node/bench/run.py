"""One measurement: a cluster of its own, load processes, readings, and the check that all replicas
agree.

Owns the order of a run. What is called is work.py, the load is load.py, in processes of its own;
what happens to the cluster meanwhile is disturbances.py, what is read readings.py, what is said
report.py.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from strongroom.consensus.errors import OperatorFault
from strongroom.enclave.outside.client_sessions import Identity
from strongroom.enclave.primitives import Secret, random_bytes
from strongroom.node.bench import disturbances, profile
from strongroom.node.bench.disturbances import Disturbance
from strongroom.node.bench.flat_memory import Memory
from strongroom.node.bench.floor import measure_floor
from strongroom.node.bench.load import READY
from strongroom.node.bench.readings import Reading, largest, own_memory, read
from strongroom.node.bench.report import Document, make_report
from strongroom.node.bench.sizes import per_transaction, sizes_of
from strongroom.node.bench.stages import Passed, read_stages, way
from strongroom.node.bench.work import Payments, Work
from strongroom.node.client.bringing import bring
from strongroom.node.cluster.cluster import Cluster
from strongroom.node.cluster.node_process import NodeProcess
from strongroom.node.cluster.plan import BRINGER
from strongroom.node.cluster.temporary_cluster import Stage, running_cluster
from strongroom.node.rpc import probe
from strongroom.node.terminal.teller import Teller

SETTLE_SECONDS = 60.0
"""Without any replica moving for so long, they are as they are."""
START_SECONDS_MAX = 120.0
"""In which every load process must have connected all of its clients: long, for a busy machine."""
MEMORY_READINGS = 60
"""How often memory is read in the measured window."""
PROGRESS_SECONDS_MIN = 9.0
"""Between two words on how far a long window is."""
_LOAD = Path(__file__).with_name("load.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is to be measured."""

    nodes: int = 4
    clients: int = 4
    """Sessions; client i begins with node i."""
    processes: int = 1
    rate: float | None = None
    """Calls per second of all clients together; None: a closed loop."""
    outstanding: int = 500
    """Per client, in a closed loop."""
    seconds: float = 10.0
    warmup: float = 3.0
    work: Work = field(default_factory=Payments)
    """What is called."""
    one_shot: bool = False
    """Each call an envelope that opens and closes a session of its own."""


@dataclass(frozen=True, slots=True)
class _Window:
    """What was seen of the measured time."""

    results: list[Document]
    """One of each load process."""
    before: Reading
    after: Reading
    blocks: int
    running: int
    """Nodes, when it opened."""
    memory: Memory
    passed: tuple[Passed, Passed]
    """What nodes counted of their stages when it opened, and when it closed."""
    facts: Document
    """What a disturbance adds."""


async def measure(
    load: Load,
    teller: Teller,
    *,
    disturb: Disturbance = disturbances.none,
    flames: Path | None = None,
) -> Document:
    """Measure on a cluster of its own.

    Args:
        load: what to do.
        teller: told what is done.
        disturb: around the measured window.
        flames: where flame graphs of one node's host and enclave go.

    Raises:
        OperatorFault: a node, a load process or the profiler failed.
    """
    work = load.work
    async with running_cluster(Stage(nodes=load.nodes, base_port=0), teller, fund=False) as cluster:
        directory = cluster.layout.directory
        seeds = [random_bytes(32) for _ in range(load.clients)]
        clients = [Identity.from_seed(Secret(seed)) for seed in seeds]
        with teller.under_way() as say:
            say(f"preparing {load.clients} clients for {work.operation}")
            await bring(directory, [one.id for one in clients], member=BRINGER)
            await work.prepare(directory, clients)
            floor = measure_floor(work.envelope_bytes)
            text = "as fast as it goes" if load.rate is None else f"{load.rate:g} calls per second"
            say(f"{text}, {load.warmup:g} s to warm up, {load.seconds:g} s measured")
            window = await _drive(
                cluster, load, _orders(directory, load, seeds, clients), disturb, flames, say
            )
            say("checking that all replicas agree and that everything adds up")
            answered = sum(result["answered"] for result in window.results)
            unknown = sum(sum(result["faults"].values()) for result in window.results)
            agreement = await agree(cluster) and await work.adds_up(
                directory, clients, answered, unknown
            )
        report = make_report(
            window.results,
            window.before,
            window.after,
            nodes=load.nodes,
            running=window.running,
            seconds=load.seconds,
            blocks=window.blocks,
            envelope_bytes=work.envelope_bytes,
            floor=floor,
            memory=window.memory,
        )
        return {
            **report,
            **window.facts,
            "way_ms": way(*window.passed, report["latency_ms"]["mean"]),
            "bytes_on_disk": per_transaction(sizes_of(cluster.nodes[0].layout)),
            "operation": work.operation,
            "clients": load.clients,
            "rate": load.rate or "max",
            "agreement": agreement,
        }


async def _drive(
    cluster: Cluster,
    load: Load,
    orders: list[Document],
    disturb: Disturbance,
    flames: Path | None,
    say: Callable[[str], None],
) -> _Window:
    """Run the load processes, and read what the window between warm-up and end shows.

    What disturbs does so from before the warm-up: processor time is read when the window opens, and
    what is under way by then (a kill, a quota) would take part of it.
    """
    workers: list[asyncio.subprocess.Process] = []
    try:
        for order in orders:
            workers.append(await _start_worker(order))
        await asyncio.gather(*map(_until_ready, workers))
        async with disturb(cluster) as facts:
            begin = time.monotonic() + load.warmup
            window = {"begin": begin, "end": begin + load.seconds}
            tasks = [asyncio.create_task(worker.communicate(_line(window))) for worker in workers]
            await asyncio.sleep(begin - time.monotonic())
            before, first = read(cluster), await newest_height(cluster)
            passed, running = await read_stages(cluster), len(cluster.running())
            drawing = (
                None if flames is None else profile.draw(cluster.nodes[0], flames, load.seconds)
            )
            drawn, memory = await asyncio.gather(
                drawing or _nothing(), _watch(cluster, workers, begin, load.seconds, say)
            )
            after, last = read(cluster), await newest_height(cluster)
            passed_after = await read_stages(cluster)
            outputs = [await task for task in tasks]
    finally:
        for worker in workers:
            if worker.returncode is None:
                worker.kill()
                await worker.wait()
    if any(worker.returncode for worker in workers):
        raise OperatorFault("a load process failed: " + outputs[0][1].decode()[-500:])
    if drawn:
        facts["flame_graphs"] = [str(path) for path in drawn]
    return _Window(
        [json.loads(output) for output, _ in outputs],
        before,
        after,
        last - first,
        running,
        memory,
        (passed, passed_after),
        facts,
    )


async def _nothing() -> list[Path]:
    return []


async def _watch(
    cluster: Cluster,
    workers: list[asyncio.subprocess.Process],
    begin: float,
    seconds: float,
    say: Callable[[str], None],
) -> Memory:
    """Read every process' memory now and then until the window closes, or a load process failed;
    say in a long window how far it is."""
    readings: Memory = []
    said = begin
    for number in range(1, MEMORY_READINGS + 1):
        now, sizes = time.monotonic(), own_memory(cluster)
        readings.append((now - begin, sizes))
        if now - said >= PROGRESS_SECONDS_MIN:
            said = now
            say(f"{now - begin:,.0f} of {seconds:,.0f} s; largest in MiB: {largest(sizes)}")
        if any(worker.returncode for worker in workers):
            break
        await asyncio.sleep(max(0.0, begin + seconds * number / MEMORY_READINGS - time.monotonic()))
    return readings


def _orders(
    directory: Path, load: Load, seeds: list[bytes], identities: list[Identity]
) -> list[Document]:
    """One document per load process."""
    clients = [
        {
            "seed": seed.hex(),
            "arguments": load.work.arguments(identities, index),
            "endpoint": index % load.nodes,
            "rate": None if load.rate is None else load.rate / load.clients,
            "outstanding": load.outstanding,
            "receipts": index == 0,
        }
        for index, seed in enumerate(seeds)
    ]
    common = {
        "directory": str(directory),
        "operation": load.work.operation,
        "one_shot": load.one_shot,
    }
    processes = min(load.processes, load.clients)
    return [{**common, "clients": clients[number::processes]} for number in range(processes)]


async def _start_worker(orders: Document) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    worker = await asyncio.create_subprocess_exec(
        sys.executable, str(_LOAD), stdin=pipe, stdout=pipe, stderr=pipe, env=environment
    )
    if worker.stdin is not None:
        worker.stdin.write(_line(orders))
    return worker


async def _until_ready(worker: asyncio.subprocess.Process) -> None:
    """Every client of a load process is connected.

    Raises:
        OperatorFault: it failed, or took START_SECONDS_MAX.
    """
    said = b""
    with suppress(TimeoutError):
        async with asyncio.timeout(START_SECONDS_MAX):
            said = b"" if worker.stdout is None else await worker.stdout.readline()
    if said == READY:
        return
    if worker.returncode is None:
        with suppress(ProcessLookupError):
            worker.kill()
    _, errors = await worker.communicate()
    why = errors.decode()[-500:] or f"not connected after {START_SECONDS_MAX:g} s"
    raise OperatorFault(f"a load process failed: {why}")


def _line(document: Document) -> bytes:
    return json.dumps(document).encode() + b"\n"


async def _statuses(cluster: Cluster) -> list[dict[str, object]]:
    running = cluster.running()
    answers = await asyncio.gather(*(asyncio.to_thread(node.status) for node in running))
    return [answer for answer in answers if answer is not None]


async def newest_height(cluster: Cluster) -> int:
    """Height up to which some running replica executed."""
    return max((int(str(status["executed"])) for status in await _statuses(cluster)), default=0)


async def agree(cluster: Cluster) -> bool:
    """Every running replica executed to one height and has one history root there.

    They have as long as it takes, on however busy a machine, while any of them moves.

    Raises:
        OperatorFault: one does not answer any more.
    """
    seen, moved = -1, time.monotonic()
    while True:
        statuses = await _statuses(cluster)
        heights = [int(str(status["executed"])) for status in statuses]
        whole = len(heights) == len(cluster.running())
        if whole and len(set(heights)) == 1:
            break
        if sum(heights) != seen:
            seen, moved = sum(heights), time.monotonic()
        elif time.monotonic() - moved > SETTLE_SECONDS:
            if whole:
                return False
            raise OperatorFault(f"a replica has not answered for {SETTLE_SECONDS:g} s")
        await asyncio.sleep(0.1)
    roots = set()
    for node in cluster.running():
        proof: Any = await asyncio.to_thread(_patiently, node, heights[0])
        roots.add(proof["to_root"])
    return len(roots) == 1


def _patiently(node: NodeProcess, height: int) -> object:
    """A node's history root at a height; a busy one is asked again."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        try:
            return node.ask("ledger_consistency", height, height)
        except probe.NoAnswer as fault:
            if time.monotonic() > deadline:
                raise OperatorFault(f"{node.name}: {fault}") from None
