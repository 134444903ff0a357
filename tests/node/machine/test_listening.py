"""Places at a door, on the event loop of nodes and on the plain one: who is counted, who gives way
(T31)."""

import asyncio
import errno
import os
import resource
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest
import structlog
import uvloop
from tests.hang import HANG_SECONDS

from strongroom.consensus.errors import OperatorFault
from strongroom.node import tls
from strongroom.node.machine import descriptors, listening
from strongroom.node.machine.listening import Bounds, Guest, Listener

BOUNDS = Bounds(
    open_max=4, waiting_max=4, address_max=1, handshake_seconds_max=10.0, give_way_seconds=0.0
)
Test = Callable[[], Awaitable[None]]


@pytest.fixture(params=[uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"])
def loop(request: pytest.FixtureRequest) -> Callable[[Test], None]:
    def run(test: Test) -> None:
        async def within() -> None:
            async with asyncio.timeout(HANG_SECONDS):
                await test()

        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(within())

    return run


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "tls.pem", folder / "tls.key"
    tls.write_identity(tls.make_certificate("n0"), certificate=certificate, key=key)
    return tls.server_context(certificate, key), tls.dial_context()


class Greeter(asyncio.Protocol):
    """Says its word once it hears something; `settles` when that is work."""

    def __init__(self, guest: Guest, word: bytes = b"welcome", *, settles: bool = False) -> None:
        self._guest, self._word, self._settles = guest, word, settles

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        if self._settles:
            self._guest.settle()
        self._transport.write(self._word)


@asynccontextmanager
async def opened(
    bounds: Bounds, context: ssl.SSLContext | None = None, **options: Any
) -> AsyncIterator[Listener]:
    settles = options.pop("settles", False)
    listener = Listener(
        "test", bounds, lambda guest: Greeter(guest, settles=settles), context, **options
    )
    await listener.start("127.0.0.1", 0)
    try:
        yield listener
    finally:
        listener.close()
        for guest in list(listener.guests):
            guest.drop()
        while OPENED:
            writer = OPENED.pop()
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
OPENED: list[asyncio.StreamWriter] = []
"""By the test that runs."""


async def connect(listener: Listener, context: ssl.SSLContext | None = None) -> Stream:
    port = listener.sockets[0].getsockname()[1]
    stream = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    OPENED.append(stream[1])
    return stream


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


async def hear(stream: Stream) -> bytes:
    """What comes back after a word; b"" if the connection was closed."""
    with suppress(ConnectionError):
        stream[1].write(b"hello")
        return await stream[0].read(100)
    return b""


def test_T31_a_connection_counts_before_its_tls_handshake_and_the_oldest_idle_one_gives_way(
    loop: Callable[[Test], None], contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    server, client = contexts

    async def test() -> None:
        async with opened(BOUNDS, server) as listener:
            silent = [await connect(listener) for _ in range(BOUNDS.open_max)]
            await until(lambda: len(listener.guests) == BOUNDS.open_max)
            assert all(guest.handshaking for guest in listener.guests)
            assert await hear(await connect(listener, client)) == b"welcome"
            assert len(listener.guests) == BOUNDS.open_max
            assert await silent[0][0].read() == b"", "the oldest is closed, not only forgotten"
            assert listener.gave_way == 1

    loop(test)


def test_T31_a_connection_that_gives_way_gives_its_descriptor_back_at_once(
    loop: Callable[[Test], None], contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    """Not when its TLS handshake is given up by itself: by then others would have taken the
    rest."""
    server, _ = contexts

    async def test() -> None:
        async with opened(BOUNDS, server) as listener:
            before, silent = len(os.listdir("/proc/self/fd")), 20
            for _ in range(silent):
                await connect(listener)
            await until(lambda: listener.gave_way == silent - BOUNDS.open_max)
            await until(
                lambda: len(os.listdir("/proc/self/fd")) <= before + silent + BOUNDS.open_max
            )

    loop(test)


def test_T31_who_is_at_work_keeps_its_place_and_the_newcomer_is_told_so_over_tls(
    loop: Callable[[Test], None], contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    server, client = contexts

    async def test() -> None:
        refusing: Any = {"refusal": lambda guest: Greeter(guest, b"full"), "refused_max": 1}
        async with opened(BOUNDS, server, settles=True, **refusing) as listener:
            working = [await connect(listener, client) for _ in range(BOUNDS.open_max)]
            assert [await hear(one) for one in working] == [b"welcome"] * BOUNDS.open_max
            told = await connect(listener, client)
            assert await hear(told) == b"full"
            second = await connect(listener)
            assert await hear(second) == b"", "only so many are told"
            assert [await hear(one) for one in working] == [b"welcome"] * BOUNDS.open_max
            assert (listener.turned_away, listener.gave_way) == (2, 0)
            working[0][1].close()
            await until(lambda: len(listener.guests) < BOUNDS.open_max)
            assert await hear(await connect(listener, client)) == b"welcome"

    loop(test)


def test_one_that_came_just_now_does_not_give_way(loop: Callable[[Test], None]) -> None:
    async def test() -> None:
        async with opened(replace(BOUNDS, give_way_seconds=60.0)) as listener:
            first = [await connect(listener) for _ in range(BOUNDS.open_max)]
            await until(lambda: len(listener.guests) == BOUNDS.open_max)
            assert await hear(await connect(listener)) == b""
            assert [await hear(one) for one in first] == [b"welcome"] * BOUNDS.open_max

    loop(test)


def test_one_that_never_speaks_is_closed_in_time(loop: Callable[[Test], None]) -> None:
    async def test() -> None:
        async with opened(replace(BOUNDS, silent_seconds_max=0.01), settles=True) as listener:
            silent = await connect(listener)
            assert await silent[0].read() == b""
            assert not listener.guests

    loop(test)


def test_one_that_never_finishes_its_handshake_is_closed_in_time(
    loop: Callable[[Test], None], contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    async def test() -> None:
        async with opened(replace(BOUNDS, handshake_seconds_max=0.01), contexts[0]) as listener:
            silent = await connect(listener)
            with suppress(ConnectionError):
                assert await silent[0].read() == b""
            await until(lambda: not listener.guests)

    loop(test)


async def test_T31_one_address_takes_only_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "is_loopback", lambda _: False)
    async with opened(replace(BOUNDS, give_way_seconds=60.0)) as listener:
        first = await connect(listener)
        assert await hear(first) == b"welcome"
        assert await hear(await connect(listener)) == b""
        assert len(listener.guests) == 1


async def test_T31_without_descriptors_it_waits_says_so_and_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Spent(socket.socket):
        def accept(self) -> Any:
            if not spent:
                return super().accept()
            spent.pop()
            raise OSError(errno.EMFILE, "Too many open files")

    spent = [True]
    monkeypatch.setattr(socket, "socket", Spent)
    with structlog.testing.capture_logs() as logs:
        async with asyncio.timeout(HANG_SECONDS), opened(BOUNDS) as listener:
            assert await hear(await connect(listener)) == b"welcome"
    assert [line["event"] for line in logs] == ["door.no_descriptors"]


def test_descriptors_are_divided_so_that_no_share_takes_another_ones() -> None:
    for limit in (descriptors.DESCRIPTORS_MIN, 512, 1024, 4096, 1 << 20):
        shares = descriptors.divide(limit, clients=2048, peers=640)
        assert min(shares.clients, shares.peers, shares.health, shares.refused) >= 16
        assert (
            shares.clients + shares.peers + shares.health + shares.refused + descriptors.OWN
            <= limit
        )
    assert (shares.clients, shares.peers) == (2048, 640)


@pytest.mark.parametrize(
    ("soft", "hard", "now"), [(1024, 4096, 4096), (4096, 4096, 4096), (256, -1, 1 << 20)]
)
def test_the_soft_limit_is_raised_to_the_hard_one(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, now: int
) -> None:
    limits = [(soft, hard)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, pair: limits.append(pair))
    assert descriptors.raise_limit() == now
    assert limits[-1][0] == now


def test_too_few_descriptors_are_said_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64, 64))
    with pytest.raises(OperatorFault, match="ulimit -Hn"):
        descriptors.raise_limit()


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
async def test_every_address_of_both_kinds_is_listened_on() -> None:
    """Who listens on `::` is found under an IPv4 address that it announces."""
    bounds = Bounds(
        open_max=4,
        waiting_max=4,
        address_max=4,
        handshake_seconds_max=10.0,
        give_way_seconds=0.0,
    )
    listener = Listener("test", bounds, Greeter, None)
    try:
        await listener.start("::", 0)
    except OSError as error:
        pytest.skip(f"IPv6 is off here: {error}")
    port = listener.sockets[0].getsockname()[1]
    try:
        for host in ("127.0.0.1", "::1"):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(b"x")
            assert await reader.read(7) == b"welcome"
            writer.close()
    finally:
        listener.close()
        for guest in list(listener.guests):
            guest.drop()


def test_an_address_in_both_forms_is_this_machines_own() -> None:
    assert listening.is_loopback("::ffff:127.0.0.1")
    assert not listening.is_loopback("::ffff:10.0.0.1")


class Wire:
    """A transport that only ends."""

    aborted = False

    def abort(self) -> None:
        self.aborted = True


async def test_T31_as_many_farewells_at_a_time_as_refusals_and_each_place_free_at_once() -> None:
    listener = Listener("x", BOUNDS, lambda _: asyncio.Protocol(), None, refused_max=1)
    wires: list[Any] = [Wire(), Wire()]
    for wire in wires:
        guest = Guest(listener, "10.0.0.1")
        guest.transport = wire
        listener.guests.add(guest)
        guest.give_way()
    assert [wire.aborted for wire in wires] == [False, True]
    assert listener.guests == set()
    assert listener.gave_way == 2
    listener.close()
    assert wires[0].aborted
