"""Listening with bounds: a connection counts from the moment the kernel hands it over.

Owns accepting: nothing is read, decrypted or allocated for a connection before it has a place. One
that has shown nothing yet, or waits idly, gives its place to a newer one when all are taken; one
that is at work never does, unless its door says that it is idle all the same: it is told so then,
and has a moment to hear it. Knows neither HTTP nor what a peer says: each door's protocol is its
own.
"""

import asyncio
import errno
import socket
import ssl
from collections import Counter, OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import cast

import structlog

from strongroom.node.machine.transports import abort

ACCEPTS_PER_TURN = 64
"""Connections taken from the kernel before the event loop goes on."""
BACKLOG = 512
NO_DESCRIPTORS_SECONDS = 0.2
"""How long nothing is accepted once the process or the machine has no descriptor left."""
NO_DESCRIPTORS_QUIET_SECONDS = 10.0
"""The log says so once in this time."""
FAREWELL_SECONDS = 0.25
"""How long what was written last has to leave, of a connection whose place is another's already."""
_NO_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What one listening socket takes."""

    open_max: int
    """Connections at a time, those whose TLS handshake is under way included."""
    waiting_max: int
    """Of these, connections that have shown nothing yet or wait idly."""
    address_max: int
    """Of one address; the machine's own loopback is exempt, for all local clients share it."""
    handshake_seconds_max: float
    """Until TLS stands."""
    give_way_seconds: float
    """How long a connection has waited at least before it gives way to a newer one."""
    silent_seconds_max: float | None = None
    """Until a connection must have shown something; None: its protocol sees to that itself."""


class Guest(asyncio.Protocol):
    """One accepted connection: stands between its transport and its door's protocol, and counts."""

    def __init__(self, listener: "Listener", address: str) -> None:
        self._listener, self.address = listener, address
        self.transport: asyncio.Transport | None = None
        self.connection: socket.socket | None = None
        """Until TLS stands."""
        self.task: asyncio.Task[None] | None = None
        self.inner: asyncio.Protocol
        self.gone = False
        self.on_gone: Callable[[], None] | None = None

    @property
    def handshaking(self) -> bool:
        """Has TLS not been agreed on yet?"""
        return self.transport is None and not self.gone

    def settle(self) -> None:
        """It is at work: it keeps its place, whoever comes."""
        self._listener.settle(self)

    def wait(self) -> None:
        """It waits idly from now on."""
        self._listener.wait(self)

    def give_way(self) -> None:
        """End it in favour of another one; see Listener.give_way."""
        self._listener.give_way(self)

    def drop(self) -> None:
        """Close it without a word."""
        if self.transport is not None:
            abort(self.transport)
        elif self.connection is not None:
            with suppress(
                OSError
            ):  # cancelling the handshake would keep the descriptor until TLS' own deadline
                self.connection.shutdown(socket.SHUT_RDWR)
        self._listener.forget(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        if self.gone:
            abort(self.transport)
            return
        self.inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if not self.gone:
            self.inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self.inner.eof_received() if self.transport is not None else None

    def pause_writing(self) -> None:
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        self.inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.transport is not None:
            self.transport = None
            self.inner.connection_lost(exc)
        self._listener.forget(self)


MakeProtocol = Callable[[Guest], asyncio.Protocol]


class Listener:
    """The sockets of one door, and everybody who came through it."""

    def __init__(
        self,
        name: str,
        bounds: Bounds,
        protocol: MakeProtocol,
        context: ssl.SSLContext | None,
        *,
        refusal: MakeProtocol | None = None,
        refused_max: int = 0,
    ) -> None:
        """Nothing listens before `start`.

        Args:
            name: for the log.
            bounds: what it takes.
            protocol: the door's protocol for a connection that has a place.
            context: TLS, or None.
            refusal: the protocol that tells a connection without a place so; None: it is closed.
            refused_max: connections that are being told so at a time; beyond, they are closed.
        """
        self.name, self.bounds = name, bounds
        self._protocol, self._context = protocol, context
        self._refusal, self._refused_max = refusal, refused_max
        self.sockets: list[socket.socket] = []
        self.guests: set[Guest] = set()
        self._waiting: OrderedDict[Guest, float] = OrderedDict()
        """Since when, the longest first."""
        self._by_address: Counter[str] = Counter()
        self._refused: set[Guest] = set()
        self._quiet_until = 0.0
        self.turned_away = 0
        """Connections that found no place, since the start."""
        self.gave_way = 0
        """Connections that were closed in favour of a newer one, since the start."""
        self.ask_way: Callable[[str], bool] = lambda address: False
        """Has one of this address that is at work, and idle all the same, `give_way`; False: there
        is none."""

    async def start(self, host: str, port: int) -> None:
        """Begin to listen on every address of `host`.

        Raises:
            OSError: an address cannot be had.
        """
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        try:
            both = len(found) == 1  # `::` alone means every address of this machine, of both kinds
            for family, _, _, _, address in dict.fromkeys(found):
                self.sockets.append(_bound(family, address, both=both and address[0] == "::"))
        except OSError:
            self.close()
            raise
        for entry in self.sockets:
            loop.add_reader(entry.fileno(), self._accept, entry)

    def close(self) -> None:
        """Stop listening; connections under way stay, those without a place or TLS are closed."""
        for entry in self.sockets:
            with suppress(RuntimeError):
                asyncio.get_running_loop().remove_reader(entry.fileno())
            entry.close()
        self.sockets.clear()
        for guest in [*self._refused, *(one for one in self.guests if one.handshaking)]:
            guest.drop()

    # --- places ---

    def settle(self, guest: Guest) -> None:
        """See Guest.settle."""
        self._waiting.pop(guest, None)

    def wait(self, guest: Guest) -> None:
        """See Guest.wait."""
        if guest in self.guests:
            self._waiting[guest] = asyncio.get_running_loop().time()
            self._waiting.move_to_end(guest)

    def forget(self, guest: Guest) -> None:
        """A connection has ended."""
        if guest.on_gone is not None and not guest.gone:
            guest.on_gone()
        guest.gone = True
        self._refused.discard(guest)
        self._waiting.pop(guest, None)
        if guest in self.guests:
            self.guests.discard(guest)
            self._by_address[guest.address] -= 1
            if not self._by_address[guest.address]:
                del self._by_address[guest.address]

    def _has_place(self, address: str) -> bool:
        """Is there a place for one more, if need be by closing who has waited longest?"""
        bounds = self.bounds
        if self._by_address[address] >= bounds.address_max and not is_loopback(address):
            return self._make_way(address)
        if len(self.guests) >= bounds.open_max or len(self._waiting) >= bounds.waiting_max:
            return self._make_way(None)
        return True

    def _make_way(self, address: str | None) -> bool:
        waiting = (one for one in self._waiting if address is None or one.address == address)
        oldest = next(waiting, None)
        now = asyncio.get_running_loop().time()
        if oldest is None or now - self._waiting[oldest] < self.bounds.give_way_seconds:
            return address is not None and self.ask_way(address)
        self.gave_way += 1
        oldest.drop()
        return True

    def give_way(self, guest: Guest) -> None:
        """End one in favour of another: its place is free at once, and what its door has just told
        it may still leave, of as many at a time as are being refused."""
        self.gave_way += 1
        self.forget(guest)
        if guest.transport is None or len(self._refused) >= self._refused_max:
            guest.drop()
            return
        self._refused.add(guest)
        asyncio.get_running_loop().call_later(FAREWELL_SECONDS, guest.drop)

    # --- accepting ---

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(ACCEPTS_PER_TURN):
            try:
                connection, peer = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _NO_DESCRIPTORS:
                    raise
                self._pause(listening, error)
                return
            self._admit(connection, str(peer[0]))

    def _pause(self, listening: socket.socket, error: OSError) -> None:
        """Without a descriptor the kernel would say the same again at once, for ever."""
        loop = asyncio.get_running_loop()
        if loop.time() >= self._quiet_until:
            self._quiet_until = loop.time() + NO_DESCRIPTORS_QUIET_SECONDS
            log.warning(
                "door.no_descriptors", door=self.name, reason=error.strerror, open=len(self.guests)
            )
        loop.remove_reader(listening.fileno())

        def again() -> None:
            if listening in self.sockets:
                loop.add_reader(listening.fileno(), self._accept, listening)

        loop.call_later(NO_DESCRIPTORS_SECONDS, again)

    def _admit(self, connection: socket.socket, address: str) -> None:
        guest = Guest(self, address)
        if self._has_place(address):
            self.guests.add(guest)
            self._by_address[address] += 1
            self.wait(guest)
            guest.inner = self._protocol(guest)
        else:
            self.turned_away += 1
            if self._refusal is None or len(self._refused) >= self._refused_max:
                connection.close()
                return
            self._refused.add(guest)
            guest.inner = self._refusal(guest)
        connection.setblocking(False)
        with suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        guest.connection = connection
        guest.task = asyncio.get_running_loop().create_task(self._open(guest, connection))

    async def _open(self, guest: Guest, connection: socket.socket) -> None:
        seconds = self.bounds.handshake_seconds_max if self._context is not None else None
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: guest, connection, ssl=self._context, ssl_handshake_timeout=seconds
            )
        except (OSError, ssl.SSLError, asyncio.CancelledError):
            self.forget(guest)
            return
        finally:
            guest.task = guest.connection = None
        silent = self.bounds.silent_seconds_max
        if silent is not None:
            asyncio.get_running_loop().call_later(silent, self._end_silent, guest)

    def _end_silent(self, guest: Guest) -> None:
        if guest in self._waiting:
            guest.drop()


def _bound(family: int, address: object, *, both: bool = False) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(not both))
        listening.setblocking(False)
        listening.bind(address)  # type: ignore[arg-type]
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening


def is_loopback(address: str) -> bool:
    """Is it this machine's own?"""
    try:
        parsed = ip_address(address.partition("%")[0])
        return (getattr(parsed, "ipv4_mapped", None) or parsed).is_loopback
    except ValueError:
        return False
