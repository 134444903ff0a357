"""Listening with a bound: a connection beyond it is told 503 and closed, before it costs a request."""

import asyncio
import ssl

from aiohttp import web

REFUSING_MAX = 64
"""Connections that are being told 503 at a time; beyond that they are cut off without a word."""
REFUSING_SECONDS_MAX = 5.0
_BODY = b"too many connections: try again in a second\n"
_ANSWER = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nRetry-After: 1\r\nConnection: close\r\n"
    b"Content-Length: " + str(len(_BODY)).encode() + b"\r\n\r\n" + _BODY
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
        connections_max: int,
    ) -> None:
        super().__init__(runner, ssl_context=ssl_context)
        self._host, self._port, self._connections_max = host, port, connections_max
        self._refusing: set[_Refusal] = set()

    @property
    def name(self) -> str:
        """Its URL."""
        return f"{'https' if self._ssl_context else 'http'}://{self._host}:{self._port}"

    async def start(self) -> None:
        """Begin to listen."""
        await super().start()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._protocol, self._host, self._port, ssl=self._ssl_context)

    async def stop(self) -> None:
        """Stop listening; who is still being refused is cut off."""
        for refusal in list(self._refusing):
            refusal.abort()
        await super().stop()

    def _protocol(self) -> asyncio.BaseProtocol:
        server = self._runner.server
        if server is None or len(server.connections) >= self._connections_max:
            return _Refusal(self._refusing)
        return server()


class _Refusal(asyncio.Protocol):
    """Waits for the first bytes, since a close before them would drop the answer; says 503."""

    def __init__(self, all_refusing: "set[_Refusal]") -> None:
        self._all = all_refusing
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if len(self._all) >= REFUSING_MAX:
            transport.abort()
            return
        self._all.add(self)
        self._timer = asyncio.get_running_loop().call_later(REFUSING_SECONDS_MAX, self.abort)

    def data_received(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(_ANSWER)
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._all.discard(self)
        if self._timer is not None:
            self._timer.cancel()

    def abort(self) -> None:
        """Cut it off."""
        if self._transport is not None:
            self._transport.abort()
