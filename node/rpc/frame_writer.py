"""Writing to one WebSocket: what is said in one turn of the event loop leaves in one write.

A block answers many frames at once; each write of its own would be a TLS record and a system call.
Owns the order of messages, that none comes between the pieces of another, and that a peer which
does not take them in time is cut off. What they say is websocket.py's.
"""

import asyncio

from aiohttp import web

from strongroom.node.machine.transports import abort
from strongroom.node.rpc import frames
from strongroom.node.rpc.forms import Form

TURN_BYTES_MAX = 64 * 1024
"""Of one turn; with more, what there is leaves at once."""


class FrameWriter:
    """The sending half of one WebSocket."""

    def __init__(
        self,
        request: web.Request,
        socket: web.WebSocketResponse,
        seconds_max: float,
    ) -> None:
        """Make it.

        Args:
            request: the one that the WebSocket began with.
            socket: says whether it is closed.
            seconds_max: for a peer to take one message.
        """
        self._request, self._socket = request, socket
        self._seconds_max = seconds_max
        self._loop = asyncio.get_running_loop()
        self._in_pieces = asyncio.Lock()
        """No other message comes between the pieces of one."""
        self._pending: list[bytes] = []
        self._pending_bytes = 0

    @property
    def busy(self) -> bool:
        """Is a long message under way, or one that the peer does not take yet?"""
        return self._in_pieces.locked()

    async def send(self, form: Form, data: bytes) -> None:
        """Write one message; a peer that does not take it in time is cut off. What is short and
        taken at once, as nearly all is, waits for nothing."""
        if len(data) <= frames.PIECE_BYTES and self.put(frames.whole(form.text, data)):
            return
        try:
            # Its time begins with its turn: who reads slowly, but reads, is not cut off.
            async with self._in_pieces, asyncio.timeout(self._seconds_max):
                await self._send_in_pieces(form, data)
        except ConnectionError:
            return  # the reading side sees the end as well
        except TimeoutError:
            self.cut()

    def cut(self) -> None:
        """End the connection at once."""
        if self._request.transport is not None:
            abort(self._request.transport)

    async def _send_in_pieces(self, form: Form, data: bytes) -> None:
        """Between two pieces others have their turn, and the peer takes the last one before the
        next is even encrypted."""
        protocol = self._request.protocol
        self.flush()
        if protocol._paused:
            await protocol._drain_helper()
        for piece in frames.pieces(form.text, data):
            transport = self._request.transport
            if transport is None or transport.is_closing() or self._socket.closed:
                raise ConnectionResetError
            transport.write(piece)
            if protocol._paused:
                await protocol._drain_helper()
            await asyncio.sleep(0)

    def put(self, frame: bytes) -> bool:
        """Write a whole frame in this turn; False: the peer is slow or a long message is under way,
        and nothing is written."""
        transport = self._request.transport
        if transport is None or transport.is_closing() or self._socket.closed:
            return True  # the reading side sees the end as well
        if self._in_pieces.locked() or self._request.protocol._paused:
            return False
        if not self._pending:
            self._loop.call_soon(self.flush)
        self._pending.append(frame)
        self._pending_bytes += len(frame)
        if self._pending_bytes > TURN_BYTES_MAX:
            self.flush()
        return True

    def flush(self) -> None:
        """Write what was put, now: before a close, which nothing may follow."""
        if not self._pending:
            return
        data = b"".join(self._pending)
        self._pending.clear()
        self._pending_bytes = 0
        transport = self._request.transport
        if transport is not None and not transport.is_closing() and not self._socket.closed:
            transport.write(data)
