"""GET /ws: many requests side by side on one connection, and notifications.

A text frame holds JSON, a binary frame msgpack of the same shape; an answer comes in the form of
its question, a notification in that of its subscription. Every bound is in `RpcLimits`: a frame
beyond them is refused or ends the connection, and never grows memory (T31).
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from strongroom.node.faults import Overloaded, RpcFault
from strongroom.node.rpc import answering, jsonrpc
from strongroom.node.rpc.backend import Backend
from strongroom.node.rpc.caller import Caller
from strongroom.node.rpc.feed import Feed
from strongroom.node.rpc.forms import JSON, MSGPACK, Form
from strongroom.node.rpc.limits import RpcLimits
from strongroom.node.rpc.methods import Counts, perform
from strongroom.node.rpc.room import Room
from strongroom.node.rpc.subscriptions import SubscriptionTable

BUSY_RETRY_MS = 100
CLOSE_SECONDS_MAX = 2.0


FORMS = {WSMsgType.TEXT: JSON, WSMsgType.BINARY: MSGPACK}


class Connection:
    """One WebSocket from handshake to close."""

    def __init__(
        self,
        request: web.Request,
        backend: Backend,
        limits: RpcLimits,
        counts: Counts,
        asker: Callable[[SubscriptionTable], Caller],
        feed: Feed,
    ) -> None:
        self._asker = asker
        self._request, self._backend, self._limits, self._counts = request, backend, limits, counts
        self._feed = feed
        self._socket = web.WebSocketResponse(
            max_msg_size=limits.body_bytes_max,
            heartbeat=limits.heartbeat_seconds,
            compress=False,
            timeout=CLOSE_SECONDS_MAX,
        )
        self._running: set[asyncio.Task[None]] = set()
        self._garbage_frames = 0
        self._heard = asyncio.get_running_loop().time()
        self._tables: tuple[SubscriptionTable, ...] = ()

    @property
    def idle_seconds(self) -> float:
        """How long it has asked nothing; 0 while an answer is under way or it is subscribed to
        something."""
        if self._running or any(table.active for table in self._tables):
            return 0.0
        return asyncio.get_running_loop().time() - self._heard

    def cut(self) -> None:
        """End it at once; whoever waits idly gives its place to a newer one."""
        if self._request.transport is not None:
            self._request.transport.abort()

    async def serve(self) -> web.WebSocketResponse:
        """Answer frames until the peer goes away; whatever it still waits for is cancelled."""
        await self._socket.prepare(self._request)
        if await self._converse():
            raise asyncio.CancelledError
        return self._socket

    async def _converse(self) -> bool:
        """Answer frames until the end; was that end a cancellation?

        It is not passed through the task group, which in Python 3.11 keeps it, and with it this
        whole connection, in a circle of exception and frame.
        """
        cancelled = False
        async with asyncio.TaskGroup() as group:
            tables = {
                kind: SubscriptionTable(
                    group, self._backend, self._limits, self._feed, form, partial(self._send, form)
                )
                for kind, form in FORMS.items()
            }
            self._tables = tuple(tables.values())
            callers = {kind: self._asker(table) for kind, table in tables.items()}
            try:
                async for message in self._socket:
                    if message.type in FORMS:
                        await self._take(
                            group, callers[message.type], FORMS[message.type], message.data
                        )
            except asyncio.CancelledError:
                cancelled = True
            finally:
                for task in self._running:
                    task.cancel()
                for table in tables.values():
                    table.end()
                self._tables = ()  # they hold this connection: a circle keeps the whole TLS session
        return cancelled

    async def close(self) -> None:
        """The server stops."""
        await self._socket.close(code=WSCloseCode.GOING_AWAY, message=b"the node is stopping")

    async def _take(
        self, group: asyncio.TaskGroup, caller: Caller, form: Form, data: str | bytes
    ) -> None:
        """Start one frame's answer; the tasks begin in the frames' order."""
        self._heard = asyncio.get_running_loop().time()
        if len(self._running) >= self._limits.frames_in_flight_max:
            await self._answer(_busy, form, data)
            return
        task = group.create_task(self._answer(partial(perform, caller, self._counts), form, data))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _answer(self, call: answering.Call, form: Form, data: str | bytes) -> None:
        try:
            value = form.decode(data)
        except RpcFault as fault:
            await self._send(form, form.encode(jsonrpc.error_reply(fault)))
            await self._count_garbage()
            return
        room = Room(form)
        reply = await answering.answer(
            value, call, room, batch_calls_max=self._limits.batch_calls_max
        )
        if reply is not None:
            await self._send(form, reply)
        room.sent()

    async def _count_garbage(self) -> None:
        self._garbage_frames += 1
        if self._garbage_frames > self._limits.garbage_frames_max:
            await self._socket.close(
                code=WSCloseCode.POLICY_VIOLATION, message=b"too many frames that do not parse"
            )

    async def _send(self, form: Form, data: bytes) -> None:
        """Write one frame; a peer that does not take it in time is cut off."""
        kind = WSMsgType.TEXT if form.text else WSMsgType.BINARY
        try:
            async with asyncio.timeout(self._limits.write_seconds_max):
                await self._socket.send_frame(data, kind)
        except ConnectionError:
            return  # the reading side sees the end as well
        except TimeoutError:
            if self._request.transport is not None:
                self._request.transport.abort()


async def _busy(_method: str, _params: object, _room: Room) -> Any:
    raise Overloaded("too many unanswered frames on this connection", retry_after_ms=BUSY_RETRY_MS)
