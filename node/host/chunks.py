"""The chunks of one node: its store, its keeper, and the way to other nodes' chunks.

Owns the composition alone.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import sample

from strongroom.node import tls
from strongroom.node.api.kept_chunks import KeptChunksDesk
from strongroom.node.api.sources import Sources
from strongroom.node.chunks.store import ChunkStore
from strongroom.node.config import Address
from strongroom.node.credentials import load_optional
from strongroom.node.machine.durable_files import disk_faults
from strongroom.node.rpc import probe
from strongroom.node.rpc.backend import Document
from strongroom.node.sync.chunk_keeper import ChunkKeeper

FETCH_SECONDS = 10.0
"""What another node has for one chunk."""


def open_chunks(folder: Path) -> ChunkStore:
    """The store in a folder; blocks.

    Raises:
        OperatorFault: it cannot be used.
    """
    with disk_faults(folder):
        return ChunkStore(folder)


class NodeChunks:
    """A node's sealed chunks."""

    def __init__(
        self,
        sources: Sources,
        store: ChunkStore,
        query: Callable[[bytes], Awaitable[Document]],
    ) -> None:
        self._sources, self.store = sources, store
        self._context = tls.dial_context()
        path = sources.config.door.credential
        self._credential = None if path is None else load_optional(path)
        self.keeper = ChunkKeeper(store, KeptChunksDesk(sources, query).ask, self._fetch)

    async def _fetch(self, name: bytes) -> bytes | None:
        """A chunk from any other node that has it; each is asked first now and then."""
        others = self._others()
        for address in sample(others, len(others)):
            found = await asyncio.to_thread(
                probe.fetch,
                address,
                self._context,
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
