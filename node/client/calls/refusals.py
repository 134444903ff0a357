"""What becomes of a call that was ordered and refused before a program ran (DESIGN §5, "Grace").

    duplicate             it was executed before: ask where, and open that result
    unknown session       the same envelope again: a host can replay a refused one after the opening
    outside the window,   this envelope can never be executed: once f+1 nodes say so, hence an
    does not open         honest one, the call is sealed anew, under a new id
    wrong epoch           likewise, but only once f+1 nodes have executed past its epoch (of an
                          opening) or past the grace after it (of a call): one that came too early
                          could be replayed in its time
    anything else         the caller's to know, once f+1 nodes say so; until then its fate is open

A sealed result that says `no room` is none of these: no_room.py has it proven first.

One node's word ends nothing and seals nothing anew: it could hide an execution, so that a payment
is told as refused, or made twice. Nor does a receipt of the refusal: an executed envelope that its
host replays later is refused as well, provably, at that later place.
"""

import asyncio
import logging
from contextlib import suppress
from typing import Any

from strongroom.consensus.errors import StrongroomError
from strongroom.enclave.formats.outcome import Code
from strongroom.enclave.outside.trust import Trust
from strongroom.enclave.primitives import DoesNotOpen
from strongroom.node.client.calls.calls import Entry, Opened
from strongroom.node.client.calls.in_flight import Pipeline
from strongroom.node.client.calls.nodes import Nodes
from strongroom.node.client.calls.replies import number_in
from strongroom.node.client.errors import (
    Behind,
    Disconnected,
    NotTrusted,
    TransactionRefused,
    Unreachable,
)
from strongroom.node.faults import WrongChainOrEpoch

RETRIES_MAX = 6
"""Times that one call is sent again or sealed anew."""
RETRY_SECONDS = 0.2
"""Before the first of them; each further one waits longer by as much."""
ROUNDS_MAX = 3
"""Times that all nodes are asked about one refusal: some may not have executed its block yet."""
NEVER_TURNING = frozenset({Code.OUTSIDE_WINDOW.text, Code.DOES_NOT_OPEN.text})
WRONG_EPOCH = Code.WRONG_EPOCH.text
SEALED_ANEW = NEVER_TURNING | {WRONG_EPOCH}
REASONS = frozenset(code.text for code in Code if code is not Code.EXECUTED)
"""All that a node can truly say of a refused envelope."""
_log = logging.getLogger(__name__)


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
            pipeline.leave(
                Behind(
                    f"this node is in epoch {data['epoch']}, the newest is "
                    f"{entry.opened.epoch.epoch}"
                )
            )
            return
        if error["code"] == WrongChainOrEpoch.code:
            refusal = TransactionRefused(WRONG_EPOCH, id=entry.id, height=0, index=0)
        else:
            if data["reason"] not in REASONS:
                raise ValueError("a refusal for no reason that nodes have")
            place = {"height": number_in(data, "height"), "index": number_in(data, "index")}
            refusal = TransactionRefused(data["reason"], id=entry.id, **place)
        entry.parked = True
        entry.refusals += 1
        self._group.create_task(self._decide(pipeline, entry, entry.opened, refusal))

    async def _decide(
        self, pipeline: Pipeline, entry: Entry, opened: Opened, refusal: TransactionRefused
    ) -> None:
        """Decide about one call; whatever goes wrong with that ends this call alone."""
        try:
            await self._decided(pipeline, entry, opened, refusal)
        except Exception as error:
            _log.warning("what became of a call could not be found out", exc_info=True)
            pipeline.give_up(
                entry, _open_fate(entry, f"a bug in this client ({type(error).__name__})")
            )

    async def _decided(
        self, pipeline: Pipeline, entry: Entry, opened: Opened, refusal: TransactionRefused
    ) -> None:
        reason, tired = refusal.reason, entry.refusals > RETRIES_MAX
        if opened.dead and reason != Code.DUPLICATE.text and not tired:
            await self._seal_anew(pipeline, entry, opened, reason)
        elif reason == Code.UNKNOWN_SESSION.text and not tired:
            await asyncio.sleep(RETRY_SECONDS * entry.refusals)
            pipeline.send_again(entry)
        else:
            await self._ask_around(pipeline, entry, opened, refusal, tired=tired)

    async def _ask_around(
        self,
        pipeline: Pipeline,
        entry: Entry,
        opened: Opened,
        refusal: TransactionRefused,
        *,
        tired: bool,
    ) -> None:
        """Find where it was executed, or f+1 nodes that refuse it for good; else the same envelope
        goes elsewhere."""
        for attempt in range(ROUNDS_MAX):
            found = await self._nodes.opinions("ledger_transaction", id=refusal.id)
            executed = [one for one in found if _says(one, Code.EXECUTED)]
            if any([_finishes(pipeline, entry, one) for one in executed]):  # all: one may lie
                return
            agreeing = [
                one for one in found if not executed and _never(one, entry, opened, refusal.reason)
            ]
            if len(agreeing) > self._faults(opened) and (
                tired or refusal.reason not in SEALED_ANEW
            ):
                pipeline.sealer.end(opened)
                pipeline.give_up(entry, refusal)
                return
            if len(agreeing) > self._faults(opened):
                opened.dead = opened.dead or entry.sequence == 0
                await self._seal_anew(pipeline, entry, opened, refusal.reason)
                return
            await asyncio.sleep(RETRY_SECONDS * (attempt + 1))
        if tired:
            pipeline.give_up(
                entry, _open_fate(entry, f"it was refused too often, last as {refusal.reason!r}")
            )
            return
        pipeline.leave(
            NotTrusted(
                "answer", f"says {refusal.reason!r} of {refusal.id.hex()}, and too few others do"
            )
        )
        pipeline.send_again(entry)

    def _faults(self, opened: Opened) -> int:
        """How many of those who are asked may lie: validators of the newest epoch, or still of the
        session's."""
        epochs = (opened.epoch, self._trust.epoch or opened.epoch)
        return max(epoch.description.quorum.faults for epoch in epochs)

    async def _seal_anew(
        self, pipeline: Pipeline, entry: Entry, opened: Opened, reason: str
    ) -> None:
        if reason != Code.OUTSIDE_WINDOW.text:
            pipeline.sealer.end(opened)
        if reason == WRONG_EPOCH and opened.epoch is self._trust.epoch:
            with suppress(StrongroomError):
                await self._nodes.check_again()
            if opened.epoch is self._trust.epoch:
                pipeline.leave(
                    Disconnected("the epoch is over: the service has to be checked again")
                )
        pipeline.seal_anew(entry)


def _never(found: dict[str, Any], entry: Entry, opened: Opened, reason: str) -> bool:
    """Does this node say that the envelope was not executed, and never can be?"""
    if reason in (Code.DUPLICATE.text, Code.UNKNOWN_SESSION.text):
        return False  # the one was executed, the other may still be
    if reason != WRONG_EPOCH:
        return found.get("status") == "final" and found.get("refusal") == reason
    if _says(found, Code.EXECUTED):
        return False
    epoch, over = found.get("epoch"), found.get("grace_over") is True or entry.sequence == 0
    own = opened.epoch.epoch
    return type(epoch) is int and (epoch > own + 1 or (epoch == own + 1 and over))


def _says(found: dict[str, Any], code: Code) -> bool:
    return found.get("status") == "final" and found.get("code") == code


def _finishes(pipeline: Pipeline, entry: Entry, found: dict[str, Any]) -> bool:
    """Does this record hold the call's result? Only the service can have sealed one that opens."""
    try:
        pipeline.finish(
            entry, number_in(found, "height"), number_in(found, "index"), found["result"]
        )
    except (DoesNotOpen, AttributeError, KeyError, OverflowError, TypeError, ValueError):
        return False
    return True


def _open_fate(entry: Entry, why: str) -> Unreachable:
    return Unreachable(
        f"{why}, and nodes do not agree what became of it: it may still be ordered", id=entry.id
    )
