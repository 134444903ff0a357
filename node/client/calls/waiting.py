"""What a client says while nothing moves, and when it turns to another node.

Owns words and patience. The words come from unverified statuses: they inform a user and decide
nothing.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import chain, repeat
from math import inf
from typing import Any, Protocol

from strongroom.consensus.quorum import Quorum
from strongroom.node.client.calls.in_flight import Pipeline
from strongroom.node.client.calls.lifetime import fenced
from strongroom.node.client.calls.nodes import Nodes
from strongroom.node.client.errors import Disconnected
from strongroom.node.faults import NotYet, RpcFault


class Surveyed(Protocol):
    """Whoever can look around."""

    async def survey(self) -> Sequence[dict[str, Any] | None]:
        """Every endpoint's status; None: no answer."""
        ...


OnWaiting = Callable[[str], None]
"""Told, in words, why an answer does not come."""

WAITING_SECONDS = 3.0
"""Without progress for so long, the user is told."""
STALL_SECONDS_MIN = 10.0
STALL_SECONDS_MAX = 60.0
"""Without progress for so long, another node is asked; the time doubles while that does not help
either."""
WATCH_SECONDS = 0.5
_log = logging.getLogger(__name__)
RECEIPT_LOOKS = (0.025, 0.05, 0.1, 0.2)
"""Seconds between looks for a receipt, the last one again and again: a busy chain anchors within a
block or two."""


def receipt_pauses() -> Iterator[float]:
    """How long to wait before each next look for a receipt, in seconds; never ends."""
    return chain(RECEIPT_LOOKS, repeat(RECEIPT_LOOKS[-1]))


async def receipt_once_there(
    look: Callable[[], Awaitable[Any]],
    *,
    missing: tuple[type[RpcFault], ...] = (),
    seconds: float = inf,
    on_waiting: OnWaiting | None = None,
) -> Any:
    """What `look` finds, asked again and again while that is not yet anchored.

    Args:
        look: asks a node for the receipt.
        missing: faults that also mean "not yet".
        seconds: after so long the next of these faults is raised.
        on_waiting: told once, in words, what is waited for.
    """
    loop, pauses = asyncio.get_running_loop(), receipt_pauses()
    not_yet: tuple[type[RpcFault], ...] = (NotYet, *missing)
    deadline = loop.time() + seconds
    while True:
        try:
            return await look()
        except not_yet as fault:
            if loop.time() > deadline:
                raise
            if on_waiting is not None:
                on_waiting(str(fault))
                on_waiting = None
            await asyncio.sleep(next(pauses))


@fenced
async def watch(pipeline: Pipeline, nodes: Nodes, on_waiting: OnWaiting | None) -> None:
    """Watch a pipeline until cancelled."""
    loop = asyncio.get_running_loop()
    patience, told = STALL_SECONDS_MIN, ""
    stalled_at = 0.0
    while True:
        await pipeline.used.wait()
        await asyncio.sleep(WATCH_SECONDS)
        if not pipeline.busy:
            pipeline.used.clear()
        still = loop.time() - pipeline.progress_at if pipeline.busy else 0.0
        if still < WAITING_SECONDS:
            patience, told = STALL_SECONDS_MIN, ""
            continue
        if on_waiting is not None:
            told = await tell(nodes, on_waiting, told)
        if len(nodes.endpoints) > 1 and still > patience and loop.time() - stalled_at > patience:
            stalled_at, patience = loop.time(), min(2 * patience, STALL_SECONDS_MAX)
            pipeline.leave(Disconnected(f"no answer for {still:.0f} s"))


@fenced
async def tell_while(nodes: Surveyed, on_waiting: OnWaiting) -> None:
    """Tell why it takes so long, from now on until cancelled."""
    told = ""
    await asyncio.sleep(WAITING_SECONDS)
    while True:
        told = await tell(nodes, on_waiting, told)
        await asyncio.sleep(WATCH_SECONDS)


async def tell(nodes: Surveyed, on_waiting: OnWaiting, told: str) -> str:
    """Look around; tell it if it is not what was told last. Returns what stands told now."""
    text = words_for(await nodes.survey())
    if text != told:
        try:
            on_waiting(text)
        except (
            Exception
        ) as error:  # a listener of the caller's, e.g. one that writes to a pipe that is closed
            _log.warning(
                "whoever is told why an answer does not come raised %s", type(error).__name__
            )
    return text


def words_for(statuses: Sequence[dict[str, Any] | None]) -> str:
    """Why an answer does not come, from each endpoint's status (None: it does not answer)."""
    quorum = Quorum(len(statuses))
    voting = sum(1 for status in statuses if status is not None and status.get("state") == "voting")
    if voting < quorum.size:
        return f"no quorum ({voting} of {quorum.members} answer, {quorum.size} needed), waiting"
    return f"{voting} of {quorum.members} nodes answer, and no result yet, waiting"
