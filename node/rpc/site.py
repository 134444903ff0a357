"""The front door's listening socket: who has no place is told 503, before it costs a request.

Owns how aiohttp's runner and the bounded listener meet, and which of a door's connections are at
work. How places are counted and given is listening.py's.
"""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from strongroom.node.machine.listening import Bounds, Guest, Listener
from strongroom.node.rpc.limits import RpcLimits
from strongroom.node.rpc.malformed import HttpConversation, Note

REFUSING_SECONDS_MAX = 5.0
_BODY = b"too many connections: try again in a second\n"
_ANSWER = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\n"
    b"Retry-After: 1\r\nConnection: close\r\nContent-Length: "
    + str(len(_BODY)).encode()
    + b"\r\n\r\n"
    + _BODY
)


def bounds_of(limits: RpcLimits) -> Bounds:
    """What a front door with these limits takes."""
    return Bounds(
        open_max=limits.connections_max,
        waiting_max=limits.connections_max,
        address_max=limits.address_connections_max,
        handshake_seconds_max=limits.handshake_seconds_max,
        give_way_seconds=limits.give_way_seconds,
    )


class BoundedSite(web.BaseSite):
    """A TCP site of an aiohttp runner that accepts at most so many connections."""

    def __init__(
        self,
        runner: web.AppRunner,
        host: str,
        port: int,
        *,
        ssl_context: ssl.SSLContext | None,
        limits: RpcLimits,
        note: Note,
    ) -> None:
        super().__init__(runner, ssl_context=ssl_context)
        self._note = note
        self._host, self._port = host, port
        self._guests: dict[object, Guest] = {}
        """By the protocol that aiohttp made for it."""
        self.listener = Listener(
            "rpc",
            bounds_of(limits),
            self._serve,
            ssl_context,
            refusal=_Refusal,
            refused_max=limits.refused_max,
        )

    @property
    def name(self) -> str:
        """Its URL."""
        return f"{'https' if self._ssl_context else 'http'}://{self._host}:{self._port}"

    async def start(self) -> None:
        """Begin to listen."""
        await super().start()
        await self.listener.start(self._host, self._port)
        self._server = cast(Any, self.listener)  # for `runner.addresses`

    def guest_of(self, request: web.Request) -> Guest | None:
        """The connection that a request came through."""
        return self._guests.get(request.protocol)

    def _serve(self, guest: Guest) -> asyncio.Protocol:
        server = self._runner.server
        if server is None:
            return _Refusal(guest)
        protocol = HttpConversation(server, self._note)
        self._guests[protocol] = guest
        guest.on_gone = partial(self._leave, protocol)
        return protocol

    def _leave(self, protocol: RequestHandler) -> None:
        """Forget a connection, and break the circle in which aiohttp leaves it.

        The handler keeps a method of the WebSocket, the WebSocket its writer, the writer the
        handler, and all of them the TLS session: 70 KiB until the oldest generation is collected,
        which a host all but never does.
        """
        self._guests.pop(protocol, None)
        protocol._data_received_cb = None


@contextmanager
def at_work(guest: Guest | None) -> Iterator[None]:
    """While a request is being answered its connection keeps its place."""
    if guest is not None:
        guest.settle()
    try:
        yield
    finally:
        if guest is not None:
            guest.wait()


class _Refusal(asyncio.Protocol):
    """Waits for the first bytes, since a close before them would drop the answer; says 503."""

    def __init__(self, guest: Guest) -> None:
        self._transport: asyncio.Transport | None = None
        self._timer = asyncio.get_running_loop().call_later(REFUSING_SECONDS_MAX, guest.drop)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(
            asyncio.Transport, transport
        )  # uvloop's transports are of no such class

    def data_received(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(_ANSWER)
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
