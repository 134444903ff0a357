"""Wires between a client and the nodes of a service, that a test cuts, holds or spoils.

Each is a TCP relay on a port of its own; TLS passes through it untouched.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from tests.node.client.ledger import Service, running

PIECE_BYTES = 64 * 1024


class Wire:
    """To one node."""

    def __init__(self, port: int) -> None:
        self.port = 0
        """Where clients connect to."""
        self.accepted = 0
        """Connections ever."""
        self.delay = 0.0
        """Seconds that each byte takes, one way."""
        self._node = port
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._clients: set[asyncio.StreamWriter] = set()
        self._flows = asyncio.Event()
        self._flows.set()

    async def lay(self) -> None:
        """Lay it, or lay it again on its port."""
        self._flows.set()
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """As when the process at its end is killed: connections are reset, new ones refused."""
        if self._server is not None:
            self._server.close()
        for end in list(self._ends):
            end.transport.abort()

    def hold(self) -> None:
        """As when that process hangs: what is connected stays, new ones are accepted, nothing comes
        through."""
        self._flows.clear()

    def spoil(self) -> None:
        """As when TLS breaks: bytes that nobody encrypted; new ones are refused."""
        if self._server is not None:
            self._server.close()
        for client in list(self._clients):
            client.write(b"\x17\x03\x03\x00\x20" + b"\x00" * 32)

    async def mend(self) -> None:
        """Whole again; what hung is gone."""
        self.cut()
        await self.lay()

    async def _carry(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        self.accepted += 1
        try:
            there, node = await asyncio.open_connection("127.0.0.1", self._node)
        except OSError:
            client.transport.abort()
            return
        ends = {client, node}
        self._ends |= ends
        self._clients.add(client)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, node))
                group.create_task(self._pump(there, client))
        finally:
            self._ends -= ends
            self._clients.discard(client)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        loop, under_way = asyncio.get_running_loop(), asyncio.Queue[tuple[float, bytes]]()

        async def deliver() -> None:
            while True:
                due, data = await under_way.get()
                await asyncio.sleep(max(0.0, due - loop.time()))
                await self._flows.wait()
                sink.write(data)
                await sink.drain()

        delivering = asyncio.ensure_future(deliver())
        with suppress(OSError):
            while data := await source.read(PIECE_BYTES):
                under_way.put_nowait((loop.time() + self.delay, data))
        delivering.cancel()
        await asyncio.wait({delivering})
        if not delivering.cancelled():
            delivering.exception()  # the sink was gone
        sink.transport.abort()


@asynccontextmanager
async def wired(directory: Path) -> AsyncIterator[tuple[Service, list[Wire]]]:
    """A service whose service.json names the wires' ends."""
    async with running(directory) as service, AsyncExitStack() as stack:
        wires = [Wire(port) for port in service.ports]
        for wire in wires:
            await wire.lay()
            stack.callback(wire.cut)
        own, service.ports = service.ports, [wire.port for wire in wires]
        service.write()
        service.ports = own
        yield service, wires
