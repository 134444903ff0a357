"""Listeners that have heard all there is: each height is put into one frame for all of them, and
written to each without waiting.

Owns who stands in the crowd of a topic and form, and the one task that tells them. Whoever does not
take an event at once leaves with its position, and catches up by itself (subscriptions.py), so a
slow reader holds up nobody and holds no memory.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

from strongroom.node.faults import RpcFault
from strongroom.node.metrics.tallies import Count
from strongroom.node.rpc import frames
from strongroom.node.rpc.backend import Backend
from strongroom.node.rpc.failures import log_failure
from strongroom.node.rpc.feed import Feed, Items
from strongroom.node.rpc.forms import Form
from strongroom.node.rpc.latest import Latest
from strongroom.node.rpc.notifications import TURN, Put, kept_frame

FRAME_BYTES_MAX = frames.PIECE_BYTES
"""An event that is longer is for each to catch up with, piece by piece."""


@dataclass(slots=True, eq=False)
class Listener:
    """One subscription that waits for what comes."""

    id: int
    put: Put
    next: int
    """The height that it is to be told next."""
    left: "asyncio.Future[int]"
    """Done with that height when it has left."""


@dataclass(slots=True)
class Crowd:
    """The listeners of one topic in one form."""

    feed: Feed
    topic: str
    form: Form
    listeners: dict[Listener, None] = field(default_factory=dict)
    _task: "asyncio.Task[None] | None" = None

    async def listen(self, id: int, put: Put, height: int) -> int:
        """Be told of `height` and what follows; the height that this listener is to be told next
        when it is told no more."""
        left: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        listener = Listener(id, put, height, left)
        self.listeners[listener] = None
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._tell())
        try:
            return await left
        finally:
            self.listeners.pop(listener, None)

    def end(self) -> None:
        """Tell nobody any more."""
        if self._task is not None:
            self._task.cancel()

    async def _tell(self) -> None:
        feed = self.feed
        try:
            while self.listeners:
                height = min(listener.next for listener in self.listeners)
                if await feed.above(min(height - 1, feed.newest)) >= height:
                    items = await feed.event(self.topic, self.form, height)
                    await self._tell_all(height, items)
                    await asyncio.sleep(0)
        except Exception as fault:
            if not isinstance(fault, RpcFault):
                log_failure("ledger_subscribe", fault)
            # each of them meets it by itself, and says so to its reader
        finally:
            for listener in tuple(self.listeners):
                self._leave(listener)

    async def _tell_all(self, height: int, items: Items) -> None:
        """Tell those who are to be told of this height."""
        made: dict[int, bytes] = {}
        if sum(len(value) for _, value in items) > FRAME_BYTES_MAX:
            for listener in tuple(self.listeners):
                if listener.next == height:
                    self._leave(listener)
            return
        told = 0
        for listener in tuple(self.listeners):
            if listener.left.done():
                continue  # it has ended, or left; its task will see that in its own turn
            if listener not in self.listeners or listener.next != height:
                continue
            if items and not listener.put(
                kept_frame(made, self.form, listener.id, self.topic, items)
            ):
                self._leave(listener)
                continue
            listener.next += 1
            told += 1
            if told % TURN == 0:
                await asyncio.sleep(0)

    def _leave(self, listener: Listener) -> None:
        self.listeners.pop(listener, None)
        if not listener.left.done():
            listener.left.set_result(listener.next)


@dataclass(slots=True)
class Crowds:
    """All of them, at one front door."""

    feed: Feed
    backend: Backend
    subscribed: Count = field(default_factory=Counter)
    """Subscriptions by topic, in a crowd or on the way to one."""
    missed: int = 0
    """Heights that slow listeners were told they missed, since the start."""
    _crowds: dict[tuple[str, str], Crowd] = field(default_factory=dict)
    _latest: dict[str, Latest] = field(default_factory=dict)

    def of(self, topic: str, form: Form) -> Crowd:
        """The one of a topic and form."""
        crowd = self._crowds.get((topic, form.name))
        if crowd is None:
            crowd = self._crowds[topic, form.name] = Crowd(self.feed, topic, form)
        return crowd

    def latest(self, form: Form) -> Latest:
        """Those who are told of the votes under way."""
        viewers = self._latest.get(form.name)
        if viewers is None:
            viewers = self._latest[form.name] = Latest(self.backend, form)
        return viewers

    def end(self) -> None:
        """Tell nobody any more."""
        for crowd in self._crowds.values():
            crowd.end()
        for viewers in self._latest.values():
            viewers.end()
