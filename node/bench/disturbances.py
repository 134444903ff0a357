"""What happens to a cluster while it is measured: a node that is dead, one that is slow, one that
has to catch up.

Each is a context around the measured window; it yields a document, to which it may add what it saw.
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from typing import Any

from strongroom.consensus.errors import OperatorFault
from strongroom.node.bench.quota import limited
from strongroom.node.bench.report import Document
from strongroom.node.cluster.cluster import Cluster
from strongroom.node.cluster.node_process import NodeProcess
from strongroom.node.machine.processes import ProcessId, children_of

SLICE_SECONDS = 0.1
RUNNING_SHARE = 0.3
"""A slow node runs for this share of each slice, and is stopped for the rest."""
HALF_SHARE = 0.5
HALF_SLICE_SECONDS = 0.01
CATCH_UP_SECONDS_MAX = 300.0
_POLL_SECONDS = 0.05

Disturbance = Callable[[Cluster], AbstractAsyncContextManager[Document]]


@asynccontextmanager
async def none(_: Cluster) -> AsyncIterator[Document]:
    """Nothing happens."""
    yield {}


@asynccontextmanager
async def one_dead(cluster: Cluster) -> AsyncIterator[Document]:
    """SIGKILL the last node; it stays away."""
    await cluster.nodes[-1].kill()
    yield {}


@asynccontextmanager
async def one_slow(cluster: Cluster) -> AsyncIterator[Document]:
    """The last node's host and enclave get a share of their time only, by SIGSTOP and SIGCONT."""
    slowing = asyncio.create_task(_slow_down(cluster.nodes[-1]))
    try:
        yield {"slow_node_share": RUNNING_SHARE}
    finally:
        slowing.cancel()
        await asyncio.gather(slowing, return_exceptions=True)


async def _slow_down(node: NodeProcess) -> None:
    processes = [process for process in (node.host(), node.enclave()) if process is not None]
    try:
        while True:
            await asyncio.sleep(SLICE_SECONDS * RUNNING_SHARE)
            for process in processes:
                process.send(signal.SIGSTOP)
            await asyncio.sleep(SLICE_SECONDS * (1 - RUNNING_SHARE))
            for process in processes:
                process.send(signal.SIGCONT)
    finally:
        for process in processes:
            process.send(signal.SIGCONT)


@asynccontextmanager
async def one_catches_up(cluster: Cluster) -> AsyncIterator[Document]:
    """SIGKILL the last node; after the window it starts again, and how soon it has what the others
    have is measured."""
    node, document = cluster.nodes[-1], Document()
    await cluster.nodes[0].wait_live()
    missed_from = await _executed(cluster.nodes[0])
    await node.kill()
    yield document
    start, seconds, reached = await _come_back(node, cluster)
    document["catch_up"] = {
        "blocks": reached - missed_from,
        "start_seconds": round(start, 2),
        "seconds": round(seconds, 2),
        "blocks_per_second": round((reached - missed_from) / max(seconds, _POLL_SECONDS)),
    }


@asynccontextmanager
async def one_restarts(cluster: Cluster) -> AsyncIterator[Document]:
    """After the window SIGKILL the last node and start it at once: how soon it answers, and has
    what the others have, with all of its ledger on its disk."""
    node, document = cluster.nodes[-1], Document()
    yield document
    await node.kill()
    start, seconds, reached = await _come_back(node, cluster)
    document["restart"] = {
        "blocks": reached,
        "start_seconds": round(start, 2),
        "seconds": round(seconds, 2),
    }


async def _come_back(node: NodeProcess, cluster: Cluster) -> tuple[float, float, int]:
    """Start a node: seconds until it answers, further seconds until it executed what the first
    node has, and which height that is."""
    began = time.monotonic()
    node.spawn()
    await node.wait_live()
    answering = time.monotonic()
    async with asyncio.timeout(CATCH_UP_SECONDS_MAX):
        while (reached := await _executed(node)) < await _executed(cluster.nodes[0]):
            await asyncio.sleep(_POLL_SECONDS)
    return answering - began, time.monotonic() - answering, reached


@asynccontextmanager
async def half_the_machine(cluster: Cluster) -> AsyncIterator[Document]:
    """All nodes and the load get half of this machine's processor time: by the kernel's quota, and
    where that may not be set, by stopping them for half of each slice.

    On half of the processors alone they would have more than half: two hyperthreads share a core.
    """
    pids = [
        process.pid
        for node in cluster.nodes
        for process in (node.host(), node.enclave())
        if process is not None
    ]
    own = ProcessId.of(os.getpid())
    children = [] if own is None else children_of(own)
    every = sorted({*pids, *(child.pid for child in children)})
    with ExitStack() as stack:
        try:
            stack.enter_context(limited(every, HALF_SHARE))
        except OperatorFault as fault:
            slowing = asyncio.create_task(_stop_and_go(every))
            try:
                yield {"processor_share": HALF_SHARE, "by": f"stops and starts: {fault}"}
            finally:
                slowing.cancel()
                await asyncio.gather(slowing, return_exceptions=True)
        else:
            yield {"processor_share": HALF_SHARE, "by": "the kernel's quota"}


async def _stop_and_go(pids: Iterable[int]) -> None:
    """Half of each slice for these processes."""
    processes = [process for pid in pids if (process := ProcessId.of(pid)) is not None]
    try:
        while True:
            await asyncio.sleep(HALF_SLICE_SECONDS)
            for process in processes:
                process.send(signal.SIGSTOP)
            await asyncio.sleep(HALF_SLICE_SECONDS)
            for process in processes:
                process.send(signal.SIGCONT)
    finally:
        for process in processes:
            process.send(signal.SIGCONT)


async def _executed(node: NodeProcess) -> int:
    status: Any = await asyncio.to_thread(node.status)
    return int(status["executed"]) if status else 0
