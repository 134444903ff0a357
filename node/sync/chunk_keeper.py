"""Which chunks a node keeps, and how it comes by those that it lacks (ROOMS §3; T67).

Owns the rhythm: lists that were brought are kept once the ledger knows their root, and dropped when
it does so no more; what is missing of them is got from other nodes, by name. Knows neither disk nor
network: a store, an enclave's answer and a way to other nodes are handed in.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice
from random import shuffle
from typing import Protocol

import structlog

from strongroom.enclave.outside.chunks import ChunkChanged
from strongroom.node.faults import NotFound, RpcFault

LOOK_SECONDS = 2.0
"""Between two looks at lists that wait, and at what is missing."""
REVIEW_SECONDS = 60.0
"""Between two looks at whether what is kept still stands."""
ASKED_AT_ONCE = 64
FETCHED_AT_ONCE = 64
"""Chunks that are asked for between two looks, at most: one of each root in turn."""
ABSENT_SECONDS = 10.0
"""Until a chunk is asked for again that no node had."""
ABSENT_MAX = 65_536
"""Of such chunks, that are remembered."""

log = structlog.get_logger()

Standing = Callable[[Sequence[bytes]], Awaitable[list[bool] | None]]
"""Which roots stand, as this node's enclave knows it now; None: it cannot say, or is behind."""
Fetch = Callable[[bytes], Awaitable[bytes | None]]
"""A chunk by its name from any other node; None: no one has it."""


class Keeping(Protocol):
    """What the keeper needs of a store; its calls block."""

    @property
    def kept_roots(self) -> list[bytes]: ...
    @property
    def pooled_roots(self) -> list[bytes]: ...
    def names(self, root: bytes) -> tuple[bytes, ...]: ...
    def missing(self, names: Sequence[bytes]) -> list[bytes]: ...
    def put(self, name: bytes, sealed: bytes, now: float) -> None: ...
    def keep(self, root: bytes) -> bool: ...
    def drop(self, root: bytes) -> None: ...
    def expire(self, now: float) -> int: ...


class ChunkKeeper:
    """Keeps the chunks of one node."""

    def __init__(self, store: Keeping, standing: Standing, fetch: Fetch) -> None:
        self._store, self._standing, self._fetch = store, standing, fetch
        self._reviewed = 0.0
        self._absent: dict[bytes, float] = {}
        """Chunks that no node had: until when they are not asked for."""
        self._fallen: set[bytes] = set()
        """Roots that did not stand when last reviewed: they are dropped if they do not again."""

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            try:
                await self.look(time.time())
            except (OSError, RpcFault) as fault:
                log.warning("chunks.not_kept", text=str(fault))
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self, now: float) -> None:
        """One look. While the enclave cannot say what stands, nothing is thrown away: what was
        brought before this node went away may be on the ledger by now.

        Raises:
            OSError: the disk refused.
        """
        standing = await self._those(self._pooled, stand=True)
        for root in standing or ():
            if not await asyncio.to_thread(self._store.keep, root):
                log.error("chunks.full", text="no room for more chunks: give this node more disk")
        if now - self._reviewed >= REVIEW_SECONDS:
            await self._review()
            self._reviewed = now
        await self._fill(now)
        if standing is not None:
            await asyncio.to_thread(self._store.expire, now)

    async def _review(self) -> None:
        """Drop what does not stand in two reviews: a node that goes back a little, as after a
        restart, has not seen a withdrawal."""
        fallen = set(await self._those(self._kept, stand=False) or ())
        for root in fallen & self._fallen:
            await asyncio.to_thread(self._store.drop, root)
            log.info("chunks.dropped", root=root.hex())
        self._fallen = fallen - self._fallen

    async def _those(self, which: Callable[[], list[bytes]], *, stand: bool) -> list[bytes] | None:
        """Roots that stand, or those that do not; None: the enclave is behind, and cannot say."""
        roots, found = await asyncio.to_thread(which), list[bytes]()
        for start in range(0, len(roots), ASKED_AT_ONCE):
            asked = roots[start : start + ASKED_AT_ONCE]
            answers = await self._standing(asked)
            if answers is None:
                return None
            found += [root for root, one in zip(asked, answers, strict=True) if one == stand]
        return found

    async def _fill(self, now: float) -> None:
        """Ask for some of what is missing: a root whose chunks are nowhere, or which has very many,
        takes no other's turn."""
        self._absent = {name: until for name, until in self._absent.items() if until > now}
        roots = await asyncio.to_thread(self._kept)
        shuffle(roots)
        waiting = deque([await asyncio.to_thread(self._wanted, root) for root in roots])
        for _ in range(FETCHED_AT_ONCE):
            while waiting and not waiting[0]:
                waiting.popleft()
            if not waiting:
                return
            await self._ask_for(waiting[0].pop(), now)
            waiting.rotate(-1)

    async def _ask_for(self, name: bytes, now: float) -> None:
        sealed = await self._fetch(name)
        if sealed is not None:
            try:
                await asyncio.to_thread(self._store.put, name, sealed, now)
                return
            except ChunkChanged:
                log.warning("chunks.other", text="another node gave a chunk of another name")
            except RpcFault as fault:
                log.error("chunks.full", text=str(fault))
        if len(self._absent) < ABSENT_MAX:
            self._absent[name] = now + ABSENT_SECONDS

    def _wanted(self, root: bytes) -> list[bytes]:
        """What lacks of a root and may be somewhere, the last of what is asked for now first."""
        wanted = (name for name in self._lacking(root) if name not in self._absent)
        return list(islice(wanted, FETCHED_AT_ONCE))[::-1]

    def _kept(self) -> list[bytes]:
        return self._store.kept_roots

    def _pooled(self) -> list[bytes]:
        return self._store.pooled_roots

    def _lacking(self, root: bytes) -> list[bytes]:
        try:
            return self._store.missing(self._store.names(root))
        except NotFound:
            return []  # dropped meanwhile
