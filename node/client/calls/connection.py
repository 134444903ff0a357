"""One WebSocket to one node: JSON-RPC in binary frames, many requests side by side, notifications.

Owns the pairing of answers with questions, the digest of the TLS key at the other end, and the end
of a connection whose node gives no sign of life (beating.py, pulse.py). Trusts nobody: whose
key it is, trust.py finds out (T42).
"""

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Any

import aiohttp

from strongroom.consensus.errors import ClientFault
from strongroom.consensus.types import PublicKey
from strongroom.node import faults, tls
from strongroom.node.client.calls.beating import Heart
from strongroom.node.client.calls.events import Events
from strongroom.node.client.calls.pulse import (
    ANSWER_SECONDS,
    EVENT_SECONDS,
    PATIENCE_SECONDS_MIN,
)
from strongroom.node.client.calls.replies import fault_of, words_of
from strongroom.node.client.errors import Disconnected, Hung, NotTrusted
from strongroom.node.faults import RpcFault
from strongroom.node.machine.transports import abort
from strongroom.node.rpc import jsonrpc

CONNECT_SECONDS_MAX = 5.0
HEARTBEAT_SECONDS = 10.0
NO_ROOM = 503
"""Answered by a node whose connections are all taken."""
FULL_RETRY_MS = 1000
"""What such an answer asks for (`Retry-After`)."""
REPLY_BYTES_MAX = 256 * 1024 * 1024
"""1,024 results of the largest size class."""
ASKED_MAX = 4096
"""Questions without an answer."""
_log = logging.getLogger(__name__)


class Connection:
    """Open from `open` until the peer or `close` ends it; `run` and `beat` must be running
    meanwhile."""

    def __init__(
        self,
        endpoint: str,
        socket: aiohttp.ClientWebSocketResponse,
        tls_digest: bytes,
        *,
        patience: float = PATIENCE_SECONDS_MIN,
    ) -> None:
        self._transport = _transport_of(socket)
        self.endpoint = endpoint
        self.tls_digest = tls_digest
        """SHA-256 of the peer's SubjectPublicKeyInfo, 32 bytes."""
        self.node_key = PublicKey(b"")
        """Of the node behind it, from its verified claims, once it is admitted."""
        self.alive = True
        self.ended = Disconnected(f"{endpoint}: the connection ended")
        """Why it ended, once it has."""
        self.on_end: Callable[[], None] | None = None
        """Called once when it ends."""
        self.on_in_vain: Callable[[], None] | None = None
        """Called when it was given up as hung, and its node spoke again after all."""
        self._socket = socket
        self._next_id = 0
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._then: dict[int, Callable[[Any], None]] = {}
        self._events: dict[int, Events] = {}
        self._forgotten: set[int] = set()
        """Questions whose asker has gone; their answers may still come."""
        self._heart = Heart(socket, patience, self._quiet)

    @classmethod
    async def open(
        cls,
        http: aiohttp.ClientSession,
        endpoint: str,
        context: ssl.SSLContext,
        *,
        patience: float = PATIENCE_SECONDS_MIN,
    ) -> "Connection":
        """Connect; the peer's certificate stands in the context's bundle.

        Raises:
            Disconnected: nobody answers there.
            NotTrusted: the certificate is not one of the bundle (``tls-key``).
            Overloaded: the node has no room for another connection.
        """
        try:
            async with asyncio.timeout(CONNECT_SECONDS_MAX):
                socket = await http.ws_connect(
                    f"{endpoint}/ws",
                    ssl=context,
                    heartbeat=HEARTBEAT_SECONDS,
                    autoping=False,
                    max_msg_size=REPLY_BYTES_MAX,
                    timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
                )
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError) as error:
            raise NotTrusted(
                "tls-key", f"{endpoint}: a certificate that is not in the bundle: {words_of(error)}"
            ) from None
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            if isinstance(error, aiohttp.WSServerHandshakeError) and error.status == NO_ROOM:
                full = f"{endpoint}: no room for another connection"
                raise faults.Overloaded(full, retry_after_ms=FULL_RETRY_MS) from None
            raise Disconnected(f"{endpoint}: {words_of(error)}") from None
        tunnel = socket.get_extra_info("ssl_object")
        certificate = None if tunnel is None else tunnel.getpeercert(binary_form=True)
        if certificate is None:
            await socket.close()
            raise NotTrusted("tls-key", f"{endpoint} shows no certificate")
        return cls(endpoint, socket, tls.spki_digest(certificate), patience=patience)

    async def start(
        self, method: str, params: dict[str, Any], then: Callable[[Any], None] | None = None
    ) -> "asyncio.Future[Any]":
        """Send a request; the future is its result, or an RpcFault, or Disconnected.

        Args:
            method: its name.
            params: by name; bytes stay raw.
            then: called with the result before the next frame is read.

        Raises:
            Disconnected: the connection has ended.
            Overloaded: too many questions have no answer yet.
            ClientFault: a parameter has no form on the wire; nothing was sent.
        """
        _, future = await self._send(method, params, then)
        return future

    async def _send(
        self, method: str, params: dict[str, Any], then: Callable[[Any], None] | None
    ) -> "tuple[int, asyncio.Future[Any]]":
        if not self.alive:
            raise type(self.ended)(str(self.ended))
        if len(self._asked) >= ASKED_MAX:
            raise faults.Overloaded(f"{ASKED_MAX} questions have no answer yet: wait for some")
        id = self._next_id + 1
        try:
            frame = jsonrpc.encode_msgpack(
                {"jsonrpc": "2.0", "id": id, "method": method, "params": params}
            )
        except (OverflowError, TypeError, ValueError, RecursionError) as error:
            raise ClientFault(f"{method}: a parameter cannot be encoded: {error}") from None
        self._next_id = id
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asked[id] = future
        self._heart.wake()
        if then is not None:
            self._then[id] = then
        try:
            await self._socket.send_bytes(frame)
        except (aiohttp.ClientError, OSError) as error:
            self._asked.pop(id, None)
            self._end()
            raise Disconnected(f"{self.endpoint}: {words_of(error)}") from None
        return id, future

    async def ask(self, method: str, **params: Any) -> Any:
        """Send a request and wait for its result.

        Raises:
            RpcFault: the node refuses.
            Disconnected: the connection ended first.
        """
        id, future = await self._send(method, params, None)
        try:
            return await future
        except asyncio.CancelledError:
            self._forget(id)
            raise

    async def subscribe(self, topic: str, start: int) -> Events:
        """Be told of blocks from a height on."""
        events = Events()

        def register(id: Any) -> None:
            events.id = id
            self._events[id] = events

        await (await self.start("ledger_subscribe", {"topic": topic, "from": start}, register))
        if not self.alive:
            events.end()
        return events

    async def unsubscribe(self, events: "Events") -> None:
        """No longer."""
        if self._events.pop(events.id, None) is not None and self.alive:
            await self.ask("ledger_unsubscribe", id=events.id)

    async def run(self) -> None:
        """Read frames until the connection ends, by whichever side. What a peer sends never raises
        here: it ends it."""
        try:
            async for message in self._socket:
                if message.type is aiohttp.WSMsgType.BINARY:
                    self._heart.answers += 1
                    if not self._take(message.data):
                        break
                elif not await self._heart.is_beat(message):
                    break
        except Exception as error:
            _log.warning(
                "reading from %s failed: the connection ends (%s)",
                self.endpoint,
                type(error).__name__,
            )
        finally:
            await self.close()

    async def beat(self) -> None:
        """End the connection when something is awaited of a node that gives no sign of life."""
        if await self._heart.until_gone(lambda: self.alive):
            self.ended = Hung(
                f"{self.endpoint}: no sign of life for {self._heart.patience_ms:.0f} ms"
            )
            self._end()
            try:
                if await self._heart.speaks_again() and self.on_in_vain is not None:
                    self.on_in_vain()
            finally:
                self._abort()

    def admitted(self, patience: float) -> None:
        """Its node is admitted: a ping may take so many seconds from now on, or as long as those
        before it took."""
        self._heart.admitted(patience)

    def _quiet(self) -> float | None:
        """Seconds of silence before a ping; None: nothing is awaited."""
        return ANSWER_SECONDS if self._asked else EVENT_SECONDS if self._events else None

    async def close(self) -> None:
        """End it."""
        self._end()
        if isinstance(self.ended, Hung):
            return  # a farewell would wait for the silent one; `beat` ends it
        try:
            await self._socket.close()
        finally:
            # After both Close frames nothing is left to say: TLS's own goodbye would only outlive
            # the event loop.
            self._abort()

    def _abort(self) -> None:
        if self._transport is not None:
            abort(self._transport)

    def _take(self, data: bytes) -> bool:
        """Pair one frame; False when it is none that a node would send: then whoever asked is told
        by the end."""
        try:
            value = jsonrpc.decode_msgpack(data)
            if "method" in value:
                self._on_event(value["params"])
                return True
            id = value["id"]
            if id in self._forgotten:
                self._forgotten.remove(id)
                return True
            future = self._asked[id]
            fault = fault_of(value["error"]) if "error" in value else None
            result = value["result"] if fault is None else None
            then = self._then.pop(id, None)
            if fault is None and then is not None:
                then(result)
        except (RpcFault, AttributeError, KeyError, OverflowError, TypeError, ValueError):
            return False
        del self._asked[id]
        if future.done():
            return True
        if fault is None:
            future.set_result(result)
        else:
            future.set_exception(fault)
        return True

    def _forget(self, id: int) -> None:
        """Nobody waits for this answer any more; a node that never gives it does not keep its place
        for ever."""
        if self._asked.pop(id, None) is None:
            return
        self._forgotten.add(id)
        if len(self._forgotten) > ASKED_MAX:
            _log.warning(
                "%s leaves %d questions without an answer: the connection ends",
                self.endpoint,
                ASKED_MAX,
            )
            self._end()

    def _on_event(self, params: Any) -> None:
        events = self._events.get(params["subscription"])
        if events is None:
            return
        if "ended" in params:
            events.end()
        else:
            events.put(params)

    def _end(self) -> None:
        if not self.alive:
            return
        self.alive, fault = False, self.ended
        self._heart.wake()
        for future in self._asked.values():
            if not future.done():
                future.set_exception(fault)
                future.exception()  # whoever asked may be gone; that is no error
        self._asked.clear()
        for events in self._events.values():
            events.end()
        if self.on_end is not None:
            self.on_end()


def _transport_of(socket: aiohttp.ClientWebSocketResponse) -> asyncio.WriteTransport | None:
    connection = socket._response.connection
    transport = None if connection is None else connection.transport
    return transport if isinstance(transport, asyncio.WriteTransport) else None
