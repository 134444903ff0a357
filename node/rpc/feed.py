"""What subscribers are told of each height: read and encoded once per topic and form, whoever
listens.

Owns the newest encoded events, within bounds of number and bytes, and one wait for the next height.
A subscriber that lies further behind costs a reading of the ledger, which takes its turn with
everybody else's (reading.py). Those that lie behind nothing are told together: crowd.py.
"""

import asyncio
from collections import OrderedDict
from functools import partial

from strongroom.enclave.governance.public import (
    BALLOT,
    GRANT_ACTIONS,
    PROPOSE,
    PROPOSE_SEVERAL,
    WITHDRAW,
)
from strongroom.enclave.governance.recovery_public import MEMBERS_RECOVERY_ACTIONS
from strongroom.node.rpc.backend import Backend, Document
from strongroom.node.rpc.forms import Form
from strongroom.node.rpc.lanes import Lane
from strongroom.node.rpc.outgoing import EVENTS_OUT_BYTES_MAX, Unread
from strongroom.node.rpc.reading import SLICE_BYTES_MIN
from strongroom.node.rpc.slices import ROWS, Describe, Keep, read
from strongroom.node.rpc.weights import ROW

TOPICS = ("blocks", "transactions", "governance", "nodes", "heads")
"""The third and fourth: public transactions of members, and of nodes; heights without any are
passed over."""
MEMBERS_ACTIONS = frozenset(
    {PROPOSE, PROPOSE_SEVERAL, BALLOT, WITHDRAW, *MEMBERS_RECOVERY_ACTIONS, *GRANT_ACTIONS}
)
EVENTS_MAX = 4096
EVENTS_BYTES_MAX = 32 * 1024 * 1024
"""Of the encoded events that are kept."""
FRESH_HEIGHTS = 8
"""Heights so near the newest are read before what others catch up with."""

Items = tuple[tuple[str, bytes], ...]
"""Names and encoded values of an event."""
_Key = tuple[str, str, int]


class Feed:
    """Events of one front door."""

    def __init__(self, backend: Backend, behind: Lane) -> None:
        self._backend, self._behind, self._fresh = backend, behind, Lane()
        self.outgoing = Unread(EVENTS_OUT_BYTES_MAX)
        """Where an event counts that is long, while it is sent to one listener."""
        self._newest = 0
        self._next: asyncio.Future[int] | None = None
        self._events: OrderedDict[_Key, tuple[Items, int]] = OrderedDict()
        self._bytes = 0
        self._reading: dict[_Key, asyncio.Future[tuple[Items, int]]] = {}

    async def above(self, height: int) -> int:
        """Wait until a block above `height` is executed; the newest executed height. All wait for
        the same."""
        while self._newest <= height:
            if self._next is None or self._next.done():
                self._next = asyncio.ensure_future(
                    self._backend.next_height(max(height, self._newest))
                )
            self._newest = max(self._newest, await asyncio.shield(self._next))
        return self._newest

    @property
    def newest(self) -> int:
        """The newest executed height, as far as anybody has waited for it."""
        return self._newest

    def learn(self, executed: int) -> None:
        """So much is executed, as somebody has seen."""
        self._newest = max(self._newest, executed)

    async def event(self, topic: str, form: Form, height: int) -> Items:
        """What is told of a height; empty when there is nothing on this topic.

        Raises:
            Overloaded: too many read.
            RpcFault: the block cannot be had.
        """
        items, _ = await self.weighed(topic, form, height)
        return items

    async def weighed(self, topic: str, form: Form, height: int) -> tuple[Items, int]:
        """The same, and what it weighs to have it (weights.py): its bytes; where it has to be read,
        also what is described for it, told or not."""
        key = (topic, form.name, height)
        kept = self._events.get(key)
        if kept is not None:
            return kept
        reading = self._reading.get(key)
        if reading is None:
            reading = self._reading[key] = asyncio.ensure_future(self._read(topic, form, height))
            reading.add_done_callback(lambda _: self._reading.pop(key, None))
        return await asyncio.shield(reading)

    def close(self) -> None:
        """Wait and read no more."""
        for reading in self._reading.values():
            reading.cancel()
        if self._next is not None:
            self._next.cancel()

    async def _read(self, topic: str, form: Form, height: int) -> tuple[Items, int]:
        def prepare() -> Describe:
            backend = self._backend
            if topic == "heads":
                return backend.head_reading(height)
            return backend.block_reading(height)

        lane = self._fresh if height > self._newest - FRESH_HEIGHTS else self._behind
        members, told = await read(lane, form, prepare, _any_size, _KEPT.get(topic))
        items = _told(topic, form, members, told)
        size = sum(len(value) for _, value in items)
        self._events[topic, form.name, height] = (items, size)
        self._bytes += size
        while self._bytes > EVENTS_BYTES_MAX or len(self._events) > EVENTS_MAX:
            self._bytes -= self._events.popitem(last=False)[1][1]
        rows = 0 if topic == "heads" else form.decode(members["count"])
        return items, size + SLICE_BYTES_MIN + ROW * rows


def _told(topic: str, form: Form, members: dict[str, bytes], told: int) -> Items:
    """The members of a topic's event, of a block's or head's that are encoded already."""
    if topic == "heads":
        return tuple(members.items())
    height = ("height", members["height"])
    if topic == "blocks":
        return (height, ("block", form.map(tuple(members.items()))))
    return (height, (ROWS, members[ROWS])) if told or topic == "transactions" else ()


def _any_size(_size: int) -> None:
    """A block has its bound already."""


def _is_said(row: Document, *, by_members: bool) -> bool:
    action = row.get("action")
    return action is not None and (action in MEMBERS_ACTIONS) == by_members


_KEPT: dict[str, Keep] = {
    "governance": partial(_is_said, by_members=True),
    "nodes": partial(_is_said, by_members=False),
}
"""Which transactions are told, on topics that do not tell all."""
