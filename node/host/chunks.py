"""The chunks of one node: its store, its keeper, and the way to other nodes' chunks.

Owns the composition alone.
"""

import asyncio
from collections.abc import Callable
from random import sample

from strongroom.consensus.heads import Head
from strongroom.node import tls
from strongroom.node.api.queries import QueryDesk
from strongroom.node.api.sources import Sources
from strongroom.node.api.standing import StandingDesk
from strongroom.node.chunks.store import ChunkStore
from strongroom.node.config import Address
from strongroom.node.credentials import load_optional
from strongroom.node.machine.durable_files import disk_faults
from strongroom.node.rpc import probe
from strongroom.node.sync.chunk_keeper import ChunkKeeper

FETCH_SECONDS = 10.0
"""What another node has for one chunk."""


class NodeChunks:
    """A node's sealed chunks."""

    def __init__(self, sources: Sources, on_heads: Callable[[list[Head]], None]) -> None:
        """Open the store.

        Raises:
            OperatorFault: its folder cannot be used.
        """
        self._sources = sources
        folder = sources.config.layout.chunks
        with disk_faults(folder):
            self.store = ChunkStore(folder)
        path = sources.config.door.credential
        self._credential = None if path is None else load_optional(path)
        desk = StandingDesk(sources, QueryDesk(sources, on_heads))
        self.keeper = ChunkKeeper(self.store, desk.ask, self._fetch)

    async def _fetch(self, name: bytes) -> bytes | None:
        """A chunk from any other node that has it; each is asked first now and then."""
        others = self._others()
        for address in sample(others, len(others)):
            found = await asyncio.to_thread(
                probe.fetch,
                address,
                tls.dial_context(),
                f"/blob/{name.hex()}",
                seconds=FETCH_SECONDS,
                credential=self._credential,
            )
            if found is not None:
                return found
        return None

    def _others(self) -> list[Address]:
        document = self._sources.state().governance
        addresses = []
        for node in document.nodes if document is not None else ():
            if node.name == self._sources.config.name:
                continue
            try:
                addresses.append(Address.parse(node.rpc))
            except ValueError:
                continue  # what a node says of itself is believed in nothing
        return addresses
