"""`./scripts/sizes --nodes [ACCOUNTS]`: whole nodes with so many accounts: how long until one votes
again, catches up, has changed its enclave's process (docs/scale.md).

Four nodes of a cluster of its own. One is stopped; the others open the accounts and go on until
each has snapshots of them. Then that one is started and has missed everything; then it is stopped
and started again. Then a fifth node joins, with a peer's snapshot; that ends an epoch, and all
change their processes once its grace is over. Seconds are of the wall, beside them those of the
processor: of host and enclave together, in the last column of the successor alone.
"""

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from scripts.given_sizes import given_sizes

from strongroom.consensus.errors import OperatorFault
from strongroom.node.bench.readings import allocated, cpu_seconds
from strongroom.node.client import Client
from strongroom.node.cluster.cluster import Cluster, Say, open_cluster, state_of
from strongroom.node.cluster.growth import add_node
from strongroom.node.cluster.node_process import NodeProcess
from strongroom.node.cluster.temporary_cluster import Stage, running_cluster
from strongroom.node.machine.processes import ProcessId
from strongroom.node.sync.snapshot_peer_search import WORTH_BLOCKS
from strongroom.node.sync.snapshots import SnapshotFolder
from strongroom.node.terminal.teller import Teller

SIZES = (10_000, 100_000)
ACCOUNTS_A_CALL = 1_000
CALLS_AT_ONCE = 4
PAYER = "member0"
PAYMENTS = 20
LIMITS = (("grace_ms", 1_000), ("snapshot_blocks", 64))
SECONDS_MAX = 240.0
"""For one step, on a busy machine."""
LOOK_SECONDS = 0.02
_ROW = "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |"
HEADS = (
    "accounts",
    "heights",
    "snapshot MiB",
    "catch-up s (CPU)",
    "by",
    "start to vote s (CPU)",
    "by",
    "join to vote s (CPU)",
    "by",
    "successor s (CPU)",
)


async def seen(what: str, holds: Callable[[], bool]) -> None:
    """Look until it is so.

    Raises:
        OperatorFault: not in time.
    """
    try:
        async with asyncio.timeout(SECONDS_MAX):
            while not await asyncio.to_thread(holds):
                await asyncio.sleep(LOOK_SECONDS)
    except TimeoutError:
        raise OperatorFault(f"not within {SECONDS_MAX:g} s: {what}") from None


def height_of(node: NodeProcess) -> int:
    """Its newest executed height; 0 while it does not answer."""
    return int(str((node.status() or {}).get("height", 0)))


def processor_of(node: NodeProcess) -> float:
    """Processor seconds of its two processes since they began."""
    processes = (node.host(), node.enclave())
    return sum(cpu_seconds(one.pid) for one in processes if one is not None)


def whole_above(node: NodeProcess, height: int) -> bool:
    """Does it hold two whole snapshots above a height? Then the outcome that names the older is
    recorded."""
    folder = SnapshotFolder(node.layout.snapshots)
    return sum(folder.is_whole(one) for one in folder.heights() if one > height) >= 2


async def open_accounts(folder: Path, count: int) -> None:
    """As many, of one owner."""
    limit = asyncio.Semaphore(CALLS_AT_ONCE)
    async with Client.connect(folder, identity=PAYER) as client:

        async def some(first: int) -> None:
            async with limit:
                labels = [f"{number:07d}" for number in range(first, first + ACCOUNTS_A_CALL)]
                await client.call("payments.open_many", accounts=labels)

        await asyncio.gather(*map(some, range(0, count, ACCOUNTS_A_CALL)))
        await client.call("payments.issue", to=PAYER, amount=1_000_000)


async def pay(folder: Path) -> None:
    """Payments one after the other, each in blocks of its own."""
    async with Client.connect(folder, identity=PAYER) as client:
        for _ in range(PAYMENTS):
            await client.call("payments.transfer", to="bob", amount=1)


async def timed(node: NodeProcess, work: Awaitable[None], *, began: float = 0.0) -> str:
    """Seconds of the wall that it took, and of the node's processor, less `began` of these."""
    start = time.monotonic()
    await work
    took = time.monotonic() - start
    return f"{took:.1f} ({processor_of(node) - began:.1f})"


async def start_until(node: NodeProcess, what: str, holds: Callable[[], bool]) -> None:
    """Start it, and look until it is so."""
    await node.start()
    await seen(what, holds)


def events_since(node: NodeProcess, size: int) -> list[dict[str, object]]:
    """What it logged behind the first `size` bytes of its log."""
    lines = node.layout.log.read_bytes()[size:].splitlines()
    return [json.loads(line) for line in lines if line.startswith(b"{")]


def by(node: NodeProcess, size: int) -> str:
    """How its state came: by a snapshot, or by outcomes alone."""
    loaded = [
        one["height"] for one in events_since(node, size) if one["event"] == "snapshot.loaded"
    ]
    return f"snapshot {loaded[-1]}" if loaded else "outcomes"


def age_of(process: ProcessId) -> float:
    """Seconds since a process began."""
    after_name = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    up = float(Path("/proc/uptime").read_text().split()[0])
    return up - int(after_name[19]) / os.sysconf("SC_CLK_TCK")


def since_start(process: ProcessId | None, used: float) -> str:
    """Seconds since it began, and those of the processor that were used."""
    if process is None:
        raise OperatorFault("a node ended while it was measured: look at its log")
    return f"{age_of(process):.1f} ({used:.1f})"


async def process_changed(node: NodeProcess, size: int) -> str:
    """How long the successor took from its start until it spoke for the node."""
    await seen(
        "process.changed",
        lambda: any(one["event"] == "process.changed" for one in events_since(node, size)),
    )
    successor = node.enclave()
    return since_start(successor, cpu_seconds(successor.pid) if successor else 0.0)


async def join(cluster: Cluster, say: Say) -> tuple[str, str]:
    """A further node: from its start to its vote, and how its state came."""
    grown = await add_node(cluster, region=None, say=say)
    node = grown.nodes[-1]
    await seen("votes", lambda: state_of(node) == "voting")
    return since_start(node.host(), processor_of(node)), by(node, 0)


async def measure(accounts: int) -> tuple[object, ...]:
    """One size's row."""
    stage, teller = Stage(nodes=4, base_port=0), Teller(to_stderr=True)
    async with running_cluster(stage, teller, fund=False, limits=LIMITS) as cluster:
        folder, first, late = cluster.layout.directory, cluster.nodes[0], cluster.nodes[-1]
        with teller.under_way() as say:
            await late.stop()
            say(f"opening {accounts:,} accounts")
            await open_accounts(folder, accounts)
            filled = height_of(first)
            say("paying until there are snapshots of them")
            while not (whole_above(first, filled) and height_of(first) > WORTH_BLOCKS):
                await pay(folder)
            await pay(folder)
            newest, size = height_of(first), late.layout.log.stat().st_size
            say("a node that has missed it all")
            lag = await timed(
                late, start_until(late, "caught up", lambda: height_of(late) >= newest)
            )
            lag_by = by(late, size)
            await seen("votes", lambda: state_of(late) == "voting")
            await pay(folder)
            say("the same node, stopped and started")
            await late.stop()
            size = late.layout.log.stat().st_size
            again = await timed(
                late, start_until(late, "votes", lambda: state_of(late) == "voting")
            )
            again_by = by(late, size)
            heights, size = height_of(first), late.layout.log.stat().st_size
            try:
                joined = await join(cluster, say)
                say("its epoch's grace is over")
                changed = await process_changed(late, size)
            finally:
                await open_cluster(folder).down()
        snapshot = SnapshotFolder(first.layout.snapshots).heights()[-1]
        mib = allocated(first.layout.snapshots / str(snapshot)) / 2**20
    return (
        f"{accounts:,}",
        f"{heights:,}",
        f"{mib:.1f}",
        lag,
        lag_by,
        again,
        again_by,
        *joined,
        changed,
    )


def main() -> None:
    """Print one row per size."""
    sizes = given_sizes("./scripts/sizes --nodes", __doc__, "ACCOUNTS") or list(SIZES)
    print(_ROW.format(*HEADS))
    print("|" + "---|" * len(HEADS), flush=True)
    for accounts in sizes:
        print(_ROW.format(*asyncio.run(measure(accounts))), flush=True)


if __name__ == "__main__":
    main()
