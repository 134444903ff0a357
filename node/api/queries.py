"""Sealed queries at a node's front door: what an enclave that cannot answer yet asks for is done
here.

Owns how long a query waits. Neither question nor answer can be read here.
"""

import asyncio
from collections.abc import Callable

from strongroom.consensus.errors import PeerFault
from strongroom.consensus.heads import Head
from strongroom.consensus.types import TransactionId
from strongroom.enclave.door.refusals import RefusalKind
from strongroom.node.api.sources import Sources, asking_enclave
from strongroom.node.enclave_client.refusals import BelowDemanded, HeadsNeeded, NotFresh, Refusal
from strongroom.node.faults import NotYet, Overloaded, Refused, RpcFault
from strongroom.node.ledger.pending_index import found_by
from strongroom.node.ledger.segments import Kind
from strongroom.node.rpc.backend import Blob, Document

HEADS_SECONDS = 3.0
BEHIND_SECONDS = 10.0
"""How long a query waits for a height that it demands."""
STALE_PAUSE_SECONDS = 0.02
"""Before heads are collected anew that were older than what was executed here meanwhile."""


class QueryDesk:
    """One node's answers to queries, and the heads that freshness needs."""

    def __init__(self, sources: Sources, on_heads: Callable[[list[Head]], None]) -> None:
        """Make it.

        Args:
            sources: the node.
            on_heads: takes what heads prove, like any certificate that a peer sends (R2).
        """
        self._sources, self._on_heads = sources, on_heads
        self._freshening = asyncio.Lock()
        """One challenge of the enclave at a time."""

    async def collect(self, nonce: bytes, seconds: float = HEADS_SECONDS) -> list[Head]:
        """Heads over a nonce, of q members or of those that answer in time.

        Raises:
            Overloaded: too many ask.
            NotReady: the enclave, which signs this node's own, has ended.
        """
        try:
            with asking_enclave():
                return await self._sources.heads.collect(nonce, seconds=seconds)
        except PeerFault as fault:
            raise Overloaded(str(fault), retry_after_ms=200) from None

    async def answer(self, envelope: bytes) -> Document:
        """A sealed answer; waits for a demanded height, and for fresh heads when the query is
        linearizable.

        Raises:
            RpcFault: not now, not here, or not ever.
        """
        with asking_enclave():
            return await self._answer(envelope)

    async def _answer(self, envelope: bytes) -> Document:
        outcome: bytes | None = None
        deadline = asyncio.get_running_loop().time() + BEHIND_SECONDS
        while True:
            try:
                answer = await self._sources.enclave.query(envelope, outcome)
            except Refusal as refusal:
                await self._overcome(refusal, deadline)
                continue
            if not isinstance(answer, bytes):
                return {"answer": Blob(answer[0]), "height": answer[1]}
            outcome = await self._needed(TransactionId(answer))

    async def _needed(self, id: TransactionId) -> bytes:
        """The outcome of the block that executed it: megabytes, read beside the event loop."""
        store = self._sources.store
        finding = store.finding(id)

        def read() -> bytes:
            found = found_by(finding)
            outcome = None if found is None else store.reading(Kind.OUTCOME, found.height, bytes)
            return b"" if outcome is None else outcome()

        return await asyncio.to_thread(read)

    async def _overcome(self, refusal: Refusal, deadline: float) -> None:
        """Do what an enclave that cannot answer yet asks for, or pass its refusal on."""
        left = deadline - asyncio.get_running_loop().time()
        match refusal:
            case BelowDemanded() | NotFresh():
                try:
                    async with asyncio.timeout(left):
                        await self._sources.pipeline.wait_reached(self._sources.pipeline.reached)
                except TimeoutError:
                    raise NotYet(str(refusal), executed=self._sources.pipeline.executed) from None
            case HeadsNeeded() if left > 0:
                await self._freshen(left)
            case _:
                raise _fault_of(refusal)

    async def _freshen(self, seconds: float) -> None:
        async with self._freshening:
            enclave = self._sources.enclave
            heads = await self.collect(await enclave.challenge(), min(seconds, HEADS_SECONDS))
            self._on_heads(heads)
            try:
                await enclave.freshen(heads)
            except Refusal as refusal:
                if refusal.kind is not RefusalKind.STALE_HEADS:
                    raise NotYet(f"not linearizable now: {refusal}") from None
                # Slow links: this node came further while they answered. They are asked anew, as
                # long as the query has time.
                await asyncio.sleep(STALE_PAUSE_SECONDS)


def _fault_of(refusal: Refusal) -> RpcFault:
    """The front door's refusal for the enclave's."""
    if isinstance(refusal, HeadsNeeded):
        return NotYet("no quorum answers over this query's nonce: not linearizable now")
    return Refused(str(refusal), reason=refusal.reason or refusal.kind.label)
