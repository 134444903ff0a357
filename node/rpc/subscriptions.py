"""Telling a WebSocket of executed blocks.

A subscription is a position in the ledger, not a queue: the ledger is its buffer, so that memory
stays flat whatever a reader does. One that lies further behind than the bound is told which heights
it missed (`missed: {from, to}`, to be fetched with `ledger_blocks`), and goes on from the newest
that are kept for it. Its first event never comes before the reply that names it. Who lies behind
nothing waits in a crowd, and is told with all others (crowd.py). The votes under way have no
heights: latest.py.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from strongroom.consensus.errors import InvariantBroken
from strongroom.node.faults import NotFound, Overloaded, RpcFault, TooLarge
from strongroom.node.ledger.archive.faults import SegmentNotAtHand
from strongroom.node.rpc import frames
from strongroom.node.rpc.backend import Backend, Document
from strongroom.node.rpc.crowd import Crowds
from strongroom.node.rpc.failures import archived_fault, log_failure
from strongroom.node.rpc.feed import Items
from strongroom.node.rpc.forms import Form
from strongroom.node.rpc.jsonrpc import InvalidParams
from strongroom.node.rpc.latest import TOPIC as LATEST
from strongroom.node.rpc.limits import RpcLimits
from strongroom.node.rpc.notifications import Put, notification
from strongroom.node.rpc.outgoing import Share
from strongroom.node.rpc.room import Room
from strongroom.node.rpc.weights import WEIGHT, Allowances, Payer

OVERLOADED_SECONDS = 0.2
WAIT_SECONDS_MAX = 1.0
Send = Callable[[bytes], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Peer:
    """How one connection is told of what it did not take at once: one event at a time, of whichever
    subscription."""

    put: Put
    share: Share
    """Where a long event counts while it is sent."""
    allowances: Allowances
    payer: Payer
    """On whose allowance weighs what it catches up with."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def spend(self, size: int) -> None:
        """Pay for so many bytes that it is told.

        Raises:
            Overloaded: it has asked for more than it may.
        """
        now = asyncio.get_running_loop().time()
        self.allowances.spend(self.payer, WEIGHT + size, now)


class SubscriptionTable:
    """The subscriptions of one WebSocket in one form; each is a task of the connection's group."""

    def __init__(
        self,
        group: asyncio.TaskGroup,
        backend: Backend,
        limits: RpcLimits,
        crowds: Crowds,
        form: Form,
        send: Send,
        peer: Peer,
    ) -> None:
        self._group, self._backend, self._limits = group, backend, limits
        self._crowds, self._feed = crowds, crowds.feed
        self._form, self._send, self._peer = form, send, peer
        self._tasks: dict[int, asyncio.Task[None] | None] = {}
        """None: the reply that names it is not sent yet."""
        self._sending: asyncio.Task[None] | None = None
        """The one whose event is being written."""
        self._next = 1
        self._ended = False
        self._latest: int | None = None
        """The newest subscription of the votes under way."""

    def subscribe(self, topic: str, start: int | None, room: Room) -> int:
        """Begin at a height (blocks count from 1), or with the next block, once the room's answer
        is sent.

        Raises:
            TooLarge: this connection has as many as it may have.
            InvalidParams: a height, of a topic that has none; or a second subscription of that.
        """
        if topic == LATEST:
            self._check_latest(start)
        if len(self._tasks) >= self._limits.subscriptions_max:
            raise TooLarge(f"at most {self._limits.subscriptions_max} subscriptions per connection")
        executed: int = self._backend.node_status()["executed"]
        self._feed.learn(executed)
        first = max(1, executed + 1 if start is None else start)
        id, self._next = self._next, self._next + 1
        self._tasks[id] = None
        if topic == LATEST:
            self._latest = id
        room.after.append(lambda: self._begin(id, topic, first))
        return id

    def _check_latest(self, start: int | None) -> None:
        if start is not None:
            raise InvalidParams("topic 'consensus' has no heights: leave 'from' out")
        if self._latest in self._tasks:
            raise InvalidParams(
                f"this connection is told of 'consensus' already, as subscription {self._latest}: "
                "end that first (ledger_unsubscribe)"
            )

    def _begin(self, id: int, topic: str, height: int) -> None:
        if self._ended or id not in self._tasks:
            return
        task = self._group.create_task(self._tell(id, topic, height))
        self._tasks[id] = task
        task.add_done_callback(lambda _: self._tasks.pop(id, None))

    @property
    def active(self) -> bool:
        """Is there any?"""
        return bool(self._tasks)

    def unsubscribe(self, id: int) -> None:
        """End one. An event of it that is being written is written to its end, before the answer:
        half a message is the end of the whole connection.

        Raises:
            NotFound: this connection has no such subscription.
        """
        if id not in self._tasks:
            raise NotFound(f"no subscription {id} on this connection")
        task = self._tasks.pop(id)
        if task is not None and task is not self._sending:
            task.cancel()

    def end(self) -> None:
        """End them all; the connection is closing."""
        self._ended = True
        for task in (*self._tasks.values(), self._sending):
            if task is not None:
                task.cancel()

    async def _tell(self, id: int, topic: str, height: int) -> None:
        self._crowds.subscribed[topic] += 1
        try:
            if topic == LATEST:
                await self._crowds.latest(self._form).listen(id, self._peer.put, self._peer.spend)
            else:
                await self._tell_from(id, topic, height)
        except InvariantBroken:
            raise
        except Exception as error:
            log_failure("ledger_subscribe", error)
            await self._notify(id, topic, {"ended": "Internal error"})
        finally:
            self._crowds.subscribed[topic] -= 1

    async def _tell_from(self, id: int, topic: str, height: int) -> None:
        while id in self._tasks:
            if height > self._feed.newest:
                crowd = self._crowds.of(topic, self._form)
                height = await crowd.listen(id, self._peer.put, height)
            newest = await self._feed.above(height - 1)
            oldest = newest - self._limits.subscription_behind_max + 1
            if height < oldest:
                self._crowds.missed += oldest - height
                await self._notify(id, topic, {"missed": {"from": height, "to": oldest - 1}})
                height = oldest
            while height <= newest and id in self._tasks:
                await self._tell_height(id, topic, height)
                height += 1
                await asyncio.sleep(0)  # a long way to catch up must not hold up other connections

    async def _tell_height(self, id: int, topic: str, height: int) -> None:
        while True:
            try:
                async with self._peer.turn:
                    self._peer.share.check()
                    items = await self._read(topic, height)
                    self._peer.share.check()
                    if items:
                        data = notification(self._form, id, topic, items)
                        del items  # the feed may have forgotten them, and a reader may be slow
                        await self._send_event(data)
                return
            except Overloaded:
                await asyncio.sleep(OVERLOADED_SECONDS)
            except (RpcFault, SegmentNotAtHand) as fault:
                reason = archived_fault(fault) if isinstance(fault, SegmentNotAtHand) else fault
                self._crowds.missed += 1
                missed = {"from": height, "to": height}
                await self._notify(id, topic, {"missed": missed, "reason": str(reason)})
                return

    async def _read(self, topic: str, height: int) -> Items:
        """The event, at the cost of this peer's address, once it has not asked for much: whoever
        hears of a height when it comes is told what was read for all."""
        allowances, payer = self._peer.allowances, self._peer.payer
        clock = asyncio.get_running_loop().time
        async with allowances.turn_to_catch_up(payer):
            while wait := allowances.wait_to_catch_up(payer, clock()):
                await asyncio.sleep(min(wait, WAIT_SECONDS_MAX))
            items, weight = await self._feed.weighed(topic, self._form, height)
            allowances.charge(payer, max(weight, WEIGHT), clock())
        return items

    async def _notify(self, id: int, topic: str, event: Document) -> None:
        encode = self._form.encode
        items = tuple((name, encode(value)) for name, value in event.items())
        async with self._peer.turn:
            await self._send_event(notification(self._form, id, topic, items))

    async def _send_event(self, data: bytes) -> None:
        """Write it, in this peer's turn."""
        long, share = len(data) if len(data) > frames.PIECE_BYTES else 0, self._peer.share
        share.add(long)
        self._sending = asyncio.current_task()
        try:
            await self._send(data)
        finally:
            self._sending = None
            share.add(-long)
