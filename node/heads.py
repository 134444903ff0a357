"""Heads over a nonce: asking all members what they know to be newest, and answering them (PROTOCOL §3, §6; T05, T15).

Answerable right after replay, by a node that is not yet fresh itself: four nodes that start together are each other's
heads.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from strongroom.consensus.errors import PeerFault
from strongroom.consensus.messages import Head, HeadBody, HeadRequest, encode_message
from strongroom.consensus.types import ChainId, SignerIndex
from strongroom.consensus.validators import EpochDescription
from strongroom.enclave.primitives import verify
from strongroom.node.enclave_process import EnclaveProcess
from strongroom.node.links import Links

COLLECTIONS_MAX = 64
ASK_AGAIN_SECONDS = 0.5


@dataclass(slots=True)
class _Collection:
    heads: dict[SignerIndex, Head] = field(default_factory=dict)
    enough: asyncio.Event = field(default_factory=asyncio.Event)


class Heads:
    """Collections under way, by nonce; bounded."""

    def __init__(
        self,
        *,
        chain: ChainId,
        members: EpochDescription,
        own: SignerIndex,
        enclave: EnclaveProcess,
        links: Links,
        body: Callable[[bytes, SignerIndex], HeadBody],
    ) -> None:
        self._chain, self._members, self._own = chain, members, own
        self._enclave, self._links, self._body = enclave, links, body
        self._collections: dict[bytes, _Collection] = {}

    async def answer(self, request: HeadRequest, asker: SignerIndex) -> Head:
        """My head over this nonce, with what I hold of the asker's votes."""
        body = self._body(request.nonce, asker)
        signature = await self._enclave.sign_head(body)
        return Head(body, self._members.validators[self._own].node_key, signature)

    def receive(self, sender: SignerIndex, head: Head) -> None:
        """Take a member's answer.

        Raises:
            PeerFault: not signed by the sender's node key.
        """
        collection = self._collections.get(head.body.nonce)
        if collection is None:
            return
        key = self._members.validators[sender].node_key
        if head.node_key != key or not verify(key, head.signature, head.body.signed_bytes(self._chain)):
            raise PeerFault("head: not signed by its sender")
        collection.heads[sender] = head
        if len(collection.heads) >= self._members.quorum.size:
            collection.enough.set()

    async def collect(self, nonce: bytes, *, seconds: float | None) -> list[Head]:
        """Ask all members, asking again while too few answer; returns when q have, or after `seconds` with what came.

        Raises:
            PeerFault: too many collections are under way.
        """
        if len(self._collections) >= COLLECTIONS_MAX:
            raise PeerFault(f"{COLLECTIONS_MAX} collections of heads are under way already: ask again")
        collection = self._collections[nonce] = _Collection()
        try:
            collection.heads[self._own] = await self.answer(HeadRequest(nonce), self._own)
            if len(collection.heads) >= self._members.quorum.size:
                collection.enough.set()
            try:
                async with asyncio.timeout(seconds):
                    await self._ask_until(collection, encode_message(HeadRequest(nonce)))
            except TimeoutError:
                pass
            return [collection.heads[index] for index in sorted(collection.heads)]
        finally:
            del self._collections[nonce]

    async def _ask_until(self, collection: _Collection, request: bytes) -> None:
        while not collection.enough.is_set():
            for index in list(self._links.links):
                if index not in collection.heads:
                    self._links.send(index, request)
            try:
                async with asyncio.timeout(ASK_AGAIN_SECONDS):
                    await collection.enough.wait()
            except TimeoutError:
                continue
