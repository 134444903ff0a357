"""The network between the nodes of a cluster, as a fault needs it: one relay for every way of
dialling.

Owns what happens to bytes on their way: they pass, wait, stand still, or the connection is cut.
Links are TLS: a relay can delay and break and do nothing else. Knows nodes by name and address
only.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from strongroom.node.cluster.cluster import Cluster
from strongroom.node.config import Address, Peer, dumps

CHUNK_BYTES_MAX = 64 * 1024
CHUNKS_MAX = 256
"""Chunks on their way in one direction; beyond that the sender waits, as for a full window."""
RETRANSMISSION_SECONDS = 0.2
"""What a lost packet costs the stream that it belongs to (RFC 6298: the least timeout in
practice)."""
_HOST = "127.0.0.1"


@dataclass(slots=True)
class Weather:
    """What becomes of bytes in one direction."""

    delay: float = 0.0
    """Seconds that each chunk is under way."""
    loss: float = 0.0
    """Share of chunks that are lost once, and arrive a retransmission later with all that
    follow."""
    held: bool = False
    """Nothing arrives, and nobody is told."""
    _fair: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._fair.set()

    def set(self, *, delay: float = 0.0, loss: float = 0.0, held: bool = False) -> None:
        """Change it, for what is under way too."""
        self.delay, self.loss, self.held = delay, loss, held
        if held:
            self._fair.clear()
        else:
            self._fair.set()

    async def until_fair(self) -> None:
        """Wait while everything is held."""
        await self._fair.wait()

    def arrival(self, now: float) -> float:
        """When a chunk that is sent now arrives, were it alone on its way."""
        lost = self.loss > 0 and random.random() < self.loss
        return now + self.delay + (RETRANSMISSION_SECONDS if lost else 0.0)


class Relay:
    """One node's way of dialling one other."""

    def __init__(self, target: Address) -> None:
        self._target = target
        self.forth, self.back = Weather(), Weather()
        self.cut = False
        self._open: set[asyncio.StreamWriter] = set()
        self._carrying: set[asyncio.Task[None]] = set()

    async def start(self) -> Address:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._begin, _HOST, 0)
        return Address(_HOST, self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening; reset whatever is open, and wait until it is gone."""
        self.cut = True
        self._server.close()
        self.reset()
        await asyncio.gather(*self._carrying, return_exceptions=True)
        await asyncio.sleep(0)  # what was aborted is closed in the loop's next turn

    def reset(self) -> None:
        """Break every open connection."""
        for writer in self._open:
            writer.transport.abort()

    def _begin(self, near: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._accept(near, near_out))
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)

    async def _accept(self, near: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        if self.cut:
            near_out.transport.abort()
            return
        try:
            far, far_out = await asyncio.open_connection(self._target.host, self._target.port)
        except OSError:
            near_out.transport.abort()
            return
        both = {near_out, far_out}
        self._open |= both
        directions = (_carry(near, far_out, self.forth), _carry(far, near_out, self.back))
        ways = [asyncio.create_task(direction) for direction in directions]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._open -= both
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for writer in both:
                writer.transport.abort()


async def _carry(
    source: asyncio.StreamReader, sink: asyncio.StreamWriter, weather: Weather
) -> None:
    """Carry bytes in order until either end is gone."""
    loop = asyncio.get_running_loop()
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(CHUNKS_MAX)

    async def deliver() -> None:
        while True:
            due, data = await under_way.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            await weather.until_fair()
            sink.write(data)
            await sink.drain()

    async def take() -> None:
        while data := await source.read(CHUNK_BYTES_MAX):
            await under_way.put((weather.arrival(loop.time()), data))

    halves = [asyncio.create_task(deliver()), asyncio.create_task(take())]
    try:
        await asyncio.wait(halves, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for half in halves:
            half.cancel()
        await asyncio.gather(*halves, return_exceptions=True)


class Network:
    """All relays of one cluster."""

    def __init__(self, relays: dict[tuple[str, str], Relay]) -> None:
        self._relays = relays
        """By (who dials, who is dialled)."""

    @classmethod
    @asynccontextmanager
    async def between(cls, cluster: Cluster) -> "AsyncIterator[Network]":
        """Relays for all nodes of a cluster that does not run yet; their addresses are written into
        its node.toml."""
        real = {node.name: node.config().peer for node in cluster.nodes}
        relays = {
            (dialler, other): Relay(real[other])
            for dialler in real
            for other in real
            if dialler != other
        }
        try:
            shown = {ends: await relay.start() for ends, relay in relays.items()}
            for node in cluster.nodes:
                config = node.config()
                peers = tuple(
                    Peer(peer.name, shown[node.name, peer.name], peer.node_key, pinned=True)
                    for peer in config.peers
                )
                node.layout.config.write_text(
                    dumps(replace(config, peers=peers), base=node.layout.directory)
                )
            yield cls(relays)
        finally:
            await asyncio.gather(*(relay.close() for relay in relays.values()))

    def fair(self) -> None:
        """Everything passes again."""
        for relay in self._relays.values():
            relay.cut = False
            relay.forth.set()
            relay.back.set()

    def cut(self, *groups: Collection[str]) -> None:
        """Break what connects different groups, and refuse every new attempt."""
        for relay in self._across(groups):
            relay.cut = True
            relay.reset()

    def hold(self, *groups: Collection[str]) -> None:
        """Let nothing arrive in another group, without a word: connections stay open."""
        for relay in self._across(groups):
            relay.forth.set(held=True)
            relay.back.set(held=True)

    def mute(self, name: str) -> None:
        """Let nothing arrive that this node sends; it hears everything."""
        for (dialler, dialled), relay in self._relays.items():
            if dialler == name:
                relay.forth.set(held=True)
            elif dialled == name:
                relay.back.set(held=True)

    def worsen(self, *, delay: float, loss: float) -> None:
        """The same weather on all links, in both directions."""
        for relay in self._relays.values():
            relay.forth.set(delay=delay, loss=loss)
            relay.back.set(delay=delay, loss=loss)

    def _across(self, groups: Sequence[Collection[str]]) -> Iterator[Relay]:
        side = {name: number for number, group in enumerate(groups) for name in group}
        for (dialler, dialled), relay in self._relays.items():
            if side.get(dialler) != side.get(dialled):
                yield relay
