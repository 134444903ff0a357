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
from strongroom.node.rpc.crowd import Crowds
from strongroom.node.rpc.forms import JSON, MSGPACK, Form
from strongroom.node.rpc.frame_writer import FrameWriter
from strongroom.node.rpc.limits import RpcLimits
from strongroom.node.rpc.messages import bytes_max, check_batch, check_size, check_values
from strongroom.node.rpc.methods import Counts, perform
from strongroom.node.rpc.outgoing import Outgoing
from strongroom.node.rpc.room import Room
from strongroom.node.rpc.subscriptions import Peer, SubscriptionTable

BUSY_RETRY_MS = 100
GAVE_WAY = b"idle: a newer connection has this place, connect again"
"""Why a WebSocket was closed with 1013 (try again later)."""
_GAVE_WAY_FRAME = (
    bytes([0x80 | WSMsgType.CLOSE, 2 + len(GAVE_WAY)])
    + WSCloseCode.TRY_AGAIN_LATER.to_bytes(2, "big")
    + GAVE_WAY
)
"""RFC 6455, §5.5.1: whole, of the server."""
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
        asker: Callable[[SubscriptionTable | None], Caller],
        crowds: Crowds,
    ) -> None:
        self._asker = asker
        self._request, self._backend, self._limits, self._counts = request, backend, limits, counts
        self._crowds = crowds
        caller = asker(None)
        self._outgoing = Outgoing(whole=caller.answers)
        known = caller.known or caller.near
        self._events = crowds.feed.outgoing.share(caller.whose, known=known)
        self._allowances, self._payer = caller.library.allowances, caller.payer
        self._socket = web.WebSocketResponse(
            max_msg_size=bytes_max(caller),
            heartbeat=limits.heartbeat_seconds,
            compress=False,
            timeout=CLOSE_SECONDS_MAX,
        )
        self._writer = FrameWriter(request, self._socket, limits.write_seconds_max)
        self._running: set[asyncio.Task[None]] = set()
        self._garbage_frames = 0
        self._heard = asyncio.get_running_loop().time()
        self._tables: tuple[SubscriptionTable, ...] = ()

    @property
    def idle_seconds(self) -> float | None:
        """How long it has asked nothing; None while an answer is under way or it is subscribed to
        something."""
        if self._running or any(table.active for table in self._tables):
            return None
        return asyncio.get_running_loop().time() - self._heard

    @property
    def request(self) -> web.Request:
        """The one that it began with."""
        return self._request

    def say_it_gives_way(self) -> None:
        """Say that its place is a newer one's now, if it takes that at once."""
        self._writer.put(_GAVE_WAY_FRAME)
        self._writer.flush()

    def cut(self) -> None:
        """End it at once."""
        self._writer.cut()

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
        peer = Peer(self._writer.put, self._events, self._allowances, self._payer)
        async with asyncio.TaskGroup() as group:
            tables = {
                kind: SubscriptionTable(
                    group,
                    self._backend,
                    self._limits,
                    self._crowds,
                    form,
                    partial(self._writer.send, form),
                    peer,
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
            except ConnectionError:
                pass  # it went away while a ping of its was answered
            finally:
                for task in self._running:
                    task.cancel()
                for table in tables.values():
                    table.end()
                self._tables = ()  # they hold this connection: a circle keeps the whole TLS session
        return cancelled

    async def close(self) -> None:
        """The server stops."""
        self._writer.flush()
        await self._socket.close(code=WSCloseCode.GOING_AWAY, message=b"the node is stopping")

    async def _take(
        self, group: asyncio.TaskGroup, caller: Caller, form: Form, data: str | bytes
    ) -> None:
        """Start one frame's answer; the tasks begin in the frames' order."""
        self._heard = asyncio.get_running_loop().time()
        busy = len(self._running) >= self._limits.frames_in_flight_max
        call = _busy if busy else partial(perform, caller, self._counts)
        if busy:
            await self._answer(caller, call, form, data)
            return
        task = group.create_task(self._answer(caller, call, form, data))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _answer(
        self, caller: Caller, call: answering.Call, form: Form, data: str | bytes
    ) -> None:
        room = Room(form, outgoing=self._outgoing)
        try:
            check_size(caller, len(data))
            if form.text:
                check_values(data)
            value = form.decode(data)
            check_batch(caller, value)
        except RpcFault as fault:
            room.late = isinstance(fault, Overloaded)
            await room.wait()
            await self._writer.send(form, form.encode(jsonrpc.error_reply(fault)))
            if not room.late:
                await self._count_garbage()
            return
        try:
            reply = await answering.answer(
                value, call, room, batch_calls_max=self._limits.batch_calls_max
            )
            await room.wait()
            if reply is not None:
                await self._writer.send(form, reply)
            room.sent()
        finally:
            room.close()

    async def _count_garbage(self) -> None:
        self._garbage_frames += 1
        if self._garbage_frames > self._limits.garbage_frames_max:
            self._writer.flush()
            await self._socket.close(
                code=WSCloseCode.POLICY_VIOLATION, message=b"too many frames that do not parse"
            )


async def _busy(_method: str, _params: object, _room: Room) -> Any:
    raise Overloaded("too many unanswered frames on this connection", retry_after_ms=BUSY_RETRY_MS)
