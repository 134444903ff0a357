"""Telling a WebSocket of executed blocks.

A subscription is a position in the ledger, not a queue: the ledger is its buffer, so that memory stays flat whatever a
reader does. One that lies further behind than the bound is told which heights it missed (`missed: {from, to}`, to be
fetched with `ledger_blocks`), and goes on from the newest that are kept for it.
"""

import asyncio
from collections.abc import Awaitable, Callable

from strongroom.consensus.errors import InvariantBroken
from strongroom.enclave.governance.public import BALLOT, PROPOSE, WITHDRAW
from strongroom.node.rpc.backend import Backend, Document
from strongroom.node.rpc.failures import log_failure
from strongroom.node.rpc.faults import NotFound, RpcFault, TooLarge
from strongroom.node.rpc.limits import RpcLimits

TOPICS = ("blocks", "transactions", "governance", "nodes")
"""The last two: public transactions of members, and of nodes; heights without any are passed over."""
MEMBERS_ACTIONS = frozenset({PROPOSE, BALLOT, WITHDRAW})
Send = Callable[[Document], Awaitable[None]]


class SubscriptionTable:
    """The subscriptions of one WebSocket; each is a task of the connection's group."""

    def __init__(self, group: asyncio.TaskGroup, backend: Backend, limits: RpcLimits, send: Send) -> None:
        self._group, self._backend, self._limits, self._send = group, backend, limits, send
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._next = 1

    def subscribe(self, topic: str, start: int | None) -> int:
        """Begin at a height (blocks count from 1), or with the next block.

        Raises:
            TooLarge: this connection has as many as it may have.
        """
        if len(self._tasks) >= self._limits.subscriptions_max:
            raise TooLarge(f"at most {self._limits.subscriptions_max} subscriptions per connection")
        if start is None:
            start = self._backend.node_status()["executed"] + 1
        id, self._next = self._next, self._next + 1
        task = self._group.create_task(self._tell(id, topic, max(1, start)))
        self._tasks[id] = task
        task.add_done_callback(lambda _: self._tasks.pop(id, None))
        return id

    @property
    def active(self) -> bool:
        """Is there any?"""
        return bool(self._tasks)

    def unsubscribe(self, id: int) -> None:
        """End one.

        Raises:
            NotFound: this connection has no such subscription.
        """
        task = self._tasks.pop(id, None)
        if task is None:
            raise NotFound(f"no subscription {id} on this connection")
        task.cancel()

    def end(self) -> None:
        """End them all; the connection is closing."""
        for task in list(self._tasks.values()):
            task.cancel()

    async def _tell(self, id: int, topic: str, height: int) -> None:
        try:
            await self._tell_from(id, topic, height)
        except InvariantBroken:
            raise
        except Exception as error:
            log_failure("ledger_subscribe", error)
            await self._notify(id, topic, {"ended": "Internal error"})

    async def _tell_from(self, id: int, topic: str, height: int) -> None:
        while True:
            newest = await self._backend.next_height(height - 1)
            oldest = newest - self._limits.subscription_behind_max + 1
            if height < oldest:
                await self._notify(id, topic, {"missed": {"from": height, "to": oldest - 1}})
                height = oldest
            while height <= newest:
                event = self._event(topic, height)
                if event is not None:
                    await self._notify(id, topic, event)
                height += 1
                await asyncio.sleep(0)  # a long way to catch up must not hold up other connections

    def _event(self, topic: str, height: int) -> Document | None:
        """What a subscriber is told of a height; None when there is nothing on its topic."""
        try:
            block = self._backend.block(height)
        except RpcFault as fault:
            return {"missed": {"from": height, "to": height}, "reason": str(fault)}
        if topic == "blocks":
            return {"height": height, "block": block}
        transactions = block["transactions"]
        if topic == "transactions":
            return {"height": height, "transactions": transactions}
        said = [one for one in transactions if (one.get("action") in MEMBERS_ACTIONS) == (topic == "governance")]
        public = [one for one in said if one.get("action") is not None]
        return {"height": height, "transactions": public} if public else None

    async def _notify(self, id: int, topic: str, event: Document) -> None:
        params = {"subscription": id, "topic": topic, **event}
        await self._send({"jsonrpc": "2.0", "method": "ledger_event", "params": params})
