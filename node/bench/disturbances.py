"""What happens to a cluster while it is measured: a node that is dead, one that is slow, one that
has to catch up.

Each is a context around the measured window; it yields a document, to which it may add what it saw.
"""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from strongroom.node.bench.report import Document
from strongroom.node.cluster.cluster import Cluster
from strongroom.node.cluster.node_process import NodeProcess

SLICE_SECONDS = 0.1
RUNNING_SHARE = 0.3
"""A slow node runs for this share of each slice, and is stopped for the rest."""
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
    began = time.monotonic()
    node.spawn()
    await node.wait_live()
    answering = time.monotonic()
    async with asyncio.timeout(CATCH_UP_SECONDS_MAX):
        while (reached := await _executed(node)) < await _executed(cluster.nodes[0]):
            await asyncio.sleep(_POLL_SECONDS)
    seconds = time.monotonic() - answering
    document["catch_up"] = {
        "blocks": reached - missed_from,
        "start_seconds": round(answering - began, 2),
        "seconds": round(seconds, 2),
        "blocks_per_second": round((reached - missed_from) / max(seconds, _POLL_SECONDS)),
    }


async def _executed(node: NodeProcess) -> int:
    status: Any = await asyncio.to_thread(node.status)
    return int(status["executed"]) if status else 0
