"""Sealed chunks by name through a host that is believed in nothing (ROOMS §3; T64, T67).

Owns the order: every chunk of an input is asked for, from the first to the last, whatever a program
reads of it, so that no host learns what was asked. Several are under way at a time.
"""

from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Any

from strongroom.consensus.types import DIGEST_SIZE
from strongroom.enclave.outside.chunks import (
    ChunkChanged,
    ChunkOpener,
    ChunkSealer,
    DataPlace,
    check_chunk,
    check_names,
    chunk_name,
    chunks_root,
)
from strongroom.enclave.primitives import Secret
from strongroom.enclave.room.host import Host, HostFailed
from strongroom.enclave.room.turns import Turns, Waiting
from strongroom.enclave.room.worker.link import TooLate

AHEAD = 8
"""Chunks under way: so many MiB are held."""
RESULT_BYTES_MIN = 64 * 1024
"""Of a sealed result: below it, its host does not see how many rows a secret has made."""
AGAIN_SECONDS = 0.5
"""Before a host is asked again that gave nothing, or something else."""


class Chunks:
    """A worker's way to the chunks of one job, until its time is over."""

    def __init__(self, host: Host, turns: Turns, until: float) -> None:
        self._host, self._turns, self._until = host, turns, until

    async def names(self, root: bytes, count: int) -> list[bytes]:
        """The names under a root that the ledger gave.

        Raises:
            TooLate: no host gave them in time.
        """
        while True:
            try:
                data = await self._answered(self._host.begin("chunk_names", root=root))
                names = [data[at : at + DIGEST_SIZE] for at in range(0, len(data), DIGEST_SIZE)]
                check_names(names, root, count)
                return names
            except (HostFailed, ChunkChanged):
                await self._pause()

    async def read(
        self, names: Sequence[bytes], key: Secret, place: DataPlace, first: int
    ) -> AsyncIterator[bytes]:
        """The stream that was sealed as these chunks of a place, part by part.

        Args:
            names: of one segment.
            key: of the data set's version.
            place: of that segment.
            first: index of its first chunk.

        Raises:
            TooLate: no host gave them in time.
            ChunkChanged: they are what the ledger says, and do not open.
        """
        opener = ChunkOpener(key, place, first)
        under_way: deque[tuple[bytes, Waiting[Any]]] = deque()
        waiting = iter(names)
        for index in range(len(names)):
            while len(under_way) < AHEAD and (name := next(waiting, None)) is not None:
                under_way.append((name, self._host.begin("chunk", name=name)))
            sealed = await self._checked(*under_way.popleft())
            yield opener.open(sealed, last=index == len(names) - 1)

    async def store(self, data: bytes, key: Secret, place: DataPlace) -> tuple[bytes, int, int]:
        """Seal a result and have it kept: (root, chunks, size class).

        Raises:
            TooLate: no host took it in time.
        """
        sealer = ChunkSealer(key, place, at_least=RESULT_BYTES_MIN)
        names, size = list[bytes](), 0
        for sealed in sealer.feed(data):
            size += await self._put(sealed, names)
        size += await self._put(sealer.finish(), names)
        root = chunks_root(names)
        await self._done("put_names", root=bytes(root), names=b"".join(names))
        return bytes(root), len(names), (size - 1).bit_length()

    async def _put(self, sealed: bytes, names: list[bytes]) -> int:
        name = chunk_name(sealed)
        await self._done("put_chunk", name=name, sealed=sealed)
        names.append(name)
        return len(sealed)

    async def _done(self, method: str, **params: bytes) -> None:
        while True:
            try:
                await self._in_time(self._host.begin(method, **params))
                return
            except HostFailed:
                await self._pause()

    async def _checked(self, name: bytes, first: Waiting[Any]) -> bytes:
        waiting = first
        while True:
            try:
                sealed = await self._answered(waiting)
                check_chunk(sealed, name)
                return sealed
            except (HostFailed, ChunkChanged):
                await self._pause()
                waiting = self._host.begin("chunk", name=name)

    async def _answered(self, waiting: Waiting[Any]) -> bytes:
        answer = await self._in_time(waiting)
        if type(answer) is not bytes:
            raise HostFailed(0, "the host gave no bytes")
        return answer

    async def _in_time(self, waiting: Waiting[Any]) -> Any:
        self._turns.expire(waiting, self._until)
        answer = await waiting
        if self._turns.now() >= self._until:
            raise TooLate
        return answer

    async def _pause(self) -> None:
        if self._turns.now() + AGAIN_SECONDS >= self._until:
            raise TooLate
        await self._turns.pause(AGAIN_SECONDS)
