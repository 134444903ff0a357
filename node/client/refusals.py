"""What becomes of a call that was ordered and refused before a program ran (DESIGN §5, "Grace").

    duplicate                       it was executed before: ask where, and open that result
    unknown session                 the same envelope again, for a host can replay a refused one once the opening stands
    outside the window,             this envelope can never be executed: once f+1 nodes say so, hence an honest one, the
    does not open                   call is sealed anew, under a new id
    wrong epoch, at the front       likewise, but only once f+1 nodes have executed past its epoch (an opening) or past
    door or in a block              the grace after it (a call): one that came too early could be replayed in its time
    anything else                   the caller's to know

One node's word seals nothing anew: it could hide an execution and make a payment twice. Nor does a receipt of the
refusal: an executed envelope that its host replays later is refused as well, provably, at that later place.
"""

import asyncio
from contextlib import suppress
from typing import Any

from strongroom.consensus.errors import StrongroomError
from strongroom.enclave.outcome import Code
from strongroom.enclave.primitives import DoesNotOpen
from strongroom.node.client.calls import Entry, Opened
from strongroom.node.client.errors import Behind, Disconnected, NotTrusted, TransactionRefused
from strongroom.node.client.nodes import Nodes
from strongroom.node.client.pipeline import Pipeline
from strongroom.node.client.trust import Trust
from strongroom.node.rpc.faults import WrongChainOrEpoch

RETRIES_MAX = 6
"""Times that one call is sent again or sealed anew."""
RETRY_SECONDS = 0.2
"""Before the first of them; each further one waits longer by as much."""
ROUNDS_MAX = 3
"""Times that all nodes are asked about one refusal: some may not have executed its block yet."""
NEVER_TURNING = frozenset({Code.OUTSIDE_WINDOW.text, Code.DOES_NOT_OPEN.text})
WRONG_EPOCH = Code.WRONG_EPOCH.text


class Refusals:
    """Decides for each refused call; each decision is a task of the client's group."""

    def __init__(self, group: asyncio.TaskGroup, trust: Trust, nodes: Nodes) -> None:
        self._group, self._trust, self._nodes = group, trust, nodes

    def take(self, pipeline: Pipeline, entry: Entry, error: Any) -> None:
        """One refused call; it is parked until the decision.

        Raises:
            KeyError, TypeError, ValueError: the refusal is not one that a node would send.
        """
        data = error["data"]
        if entry.id is None or entry.opened is None:
            raise ValueError("a refusal of what was never sent")
        if error["code"] == WrongChainOrEpoch.code and data["epoch"] < entry.opened.epoch.epoch:
            pipeline.leave(Behind(f"this node is in epoch {data['epoch']}, the newest is {entry.opened.epoch.epoch}"))
            return
        if error["code"] == WrongChainOrEpoch.code:
            refusal = TransactionRefused(WRONG_EPOCH, id=entry.id, height=0, index=0)
        else:
            refusal = TransactionRefused(
                str(data["reason"]), id=entry.id, height=int(data["height"]), index=int(data["index"])
            )
        entry.parked = True
        entry.refusals += 1
        self._group.create_task(self._decide(pipeline, entry, entry.opened, refusal))

    async def _decide(self, pipeline: Pipeline, entry: Entry, opened: Opened, refusal: TransactionRefused) -> None:
        reason = refusal.reason
        if entry.refusals > RETRIES_MAX:
            pipeline.give_up(entry, refusal)
        elif opened.dead and reason != Code.DUPLICATE.text:
            await self._seal_anew(pipeline, entry, opened, reason)
        elif reason in NEVER_TURNING or reason in (Code.DUPLICATE.text, WRONG_EPOCH):
            await self._ask_around(pipeline, entry, opened, refusal)
        elif reason == Code.UNKNOWN_SESSION.text:
            await asyncio.sleep(RETRY_SECONDS * entry.refusals)
            pipeline.send_again(entry)
        else:
            pipeline.sealer.end(opened)
            pipeline.give_up(entry, refusal)

    async def _ask_around(self, pipeline: Pipeline, entry: Entry, opened: Opened, refusal: TransactionRefused) -> None:
        """Find where it was executed, or f+1 nodes that refuse it for good; else the same envelope goes elsewhere."""
        for attempt in range(ROUNDS_MAX):
            found = await self._nodes.opinions("ledger_transaction", id=refusal.id)
            executed = [one for one in found if _says(one, Code.EXECUTED)]
            if any(_finishes(pipeline, entry, one) for one in executed):
                return
            agreeing = [one for one in found if not executed and _never(one, entry, opened, refusal.reason)]
            if len(agreeing) > self._faults(opened):
                opened.dead = opened.dead or entry.sequence == 0
                await self._seal_anew(pipeline, entry, opened, refusal.reason)
                return
            await asyncio.sleep(RETRY_SECONDS * (attempt + 1))
        pipeline.leave(NotTrusted("answer", f"says {refusal.reason!r} of {refusal.id.hex()}, and too few others do"))
        pipeline.send_again(entry)

    def _faults(self, opened: Opened) -> int:
        """How many of those who are asked may lie: validators of the newest epoch, or still of the session's."""
        epochs = (opened.epoch, self._trust.epoch or opened.epoch)
        return max(epoch.description.quorum.faults for epoch in epochs)

    async def _seal_anew(self, pipeline: Pipeline, entry: Entry, opened: Opened, reason: str) -> None:
        if reason != Code.OUTSIDE_WINDOW.text:
            pipeline.sealer.end(opened)
        if reason == WRONG_EPOCH and opened.epoch is self._trust.epoch:
            with suppress(StrongroomError):
                await self._nodes.check_again()
            if opened.epoch is self._trust.epoch:
                pipeline.leave(Disconnected("the epoch is over: the service has to be checked again"))
        pipeline.seal_anew(entry)


def _never(found: dict[str, Any], entry: Entry, opened: Opened, reason: str) -> bool:
    """Does this node say that the envelope was not executed, and never can be?"""
    if reason in NEVER_TURNING:
        return found.get("refusal") == reason
    if reason != WRONG_EPOCH or _says(found, Code.EXECUTED):
        return False
    epoch, over = found.get("epoch"), found.get("grace_over") is True or entry.sequence == 0
    own = opened.epoch.epoch
    return type(epoch) is int and (epoch > own + 1 or (epoch == own + 1 and over))


def _says(found: dict[str, Any], code: Code) -> bool:
    return found.get("status") == "final" and found.get("code") == code


def _finishes(pipeline: Pipeline, entry: Entry, found: dict[str, Any]) -> bool:
    """Does this record hold the call's result? Only the service can have sealed one that opens."""
    try:
        pipeline.finish(entry, int(found["height"]), int(found["index"]), found["result"])
    except (DoesNotOpen, KeyError, TypeError, ValueError):
        return False
    return True
