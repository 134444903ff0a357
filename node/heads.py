"""Heads over a nonce: asking all members what they know to be newest, and answering them (PROTOCOL §3, §6; T05, T15).

Answerable right after replay, by a node that is not yet fresh itself: four nodes that start together are each other's
heads.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from strongroom.consensus.errors import PeerFault
from strongroom.consensus.messages import Head, HeadBody, HeadRequest, encode_message
from strongroom.consensus.statements import Kind
from strongroom.consensus.types import SignerIndex
from strongroom.enclave.finality import check_final
from strongroom.enclave.genesis import VerifiedGenesis
from strongroom.enclave.primitives import verify
from strongroom.node.enclave_process import EnclaveProcess
from strongroom.node.links import Links

COLLECTIONS_MAX = 64
"""Of clients, at once."""
ANSWERS_MAX = 64
"""Answers to one member under way at once; what it asks beyond that is dropped, and it asks again."""
SIGNATURES_MAX = 1024
"""Verified signatures that are remembered."""
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
        genesis: VerifiedGenesis,
        own: SignerIndex,
        enclave: EnclaveProcess,
        links: Links,
        body: Callable[[bytes, SignerIndex], HeadBody],
    ) -> None:
        self._genesis, self._chain, self._members = genesis.header, genesis.chain, genesis.description
        self._own, self._enclave, self._links, self._body = own, enclave, links, body
        self._collections: dict[bytes, _Collection] = {}
        self._answering: Counter[SignerIndex] = Counter()
        self._verified: set[tuple[bytes, bytes, bytes]] = set()

    async def answer(self, request: HeadRequest, asker: SignerIndex) -> Head:
        """My head over this nonce, with what I hold of the asker's votes."""
        body = self._body(request.nonce, asker)
        signature = await self._enclave.sign_head(body)
        return Head(body, self._members.validators[self._own].node_key, signature)

    def ask_linked(self, peer: SignerIndex) -> None:
        """A link to a member has just come up: ask it what is being asked of all."""
        for nonce, collection in self._collections.items():
            if peer not in collection.heads:
                self._links.send(peer, encode_message(HeadRequest(nonce)))

    async def answer_peer(self, request: HeadRequest, asker: SignerIndex) -> None:
        """Answer a member over its link."""
        if self._answering[asker] >= ANSWERS_MAX:
            return
        self._answering[asker] += 1
        try:
            self._links.send(asker, encode_message(await self.answer(request, asker)))
        finally:
            self._answering[asker] -= 1

    def receive(self, sender: SignerIndex, head: Head) -> None:
        """Take a member's answer, if it is one that an enclave would take: a bad one must not stand among q.

        Raises:
            PeerFault: not signed by the sender's node key, of another epoch, or what it shows as newest is not proven.
        """
        collection = self._collections.get(head.body.nonce)
        if collection is None:
            return
        key = self._members.validators[sender].node_key
        if head.node_key != key or not verify(key, head.signature, head.body.signed_bytes(self._chain)):
            raise PeerFault("head: not signed by its sender")
        self._check(head.body)
        collection.heads[sender] = head
        if len(collection.heads) >= self._members.quorum.size:
            collection.enough.set()

    def _check(self, body: HeadBody) -> None:
        if body.epoch != self._members.epoch:
            raise PeerFault(f"head of epoch {body.epoch}")
        header, certificate, notarized = body.header, body.certificate, body.notarized
        if certificate is None:
            if header.digest != self._genesis.digest:
                raise PeerFault(f"head at height {header.height} without a certificate")
        else:
            check_final(header, certificate, self._chain, self._members, self._verify_once)
        if notarized is not None:
            if notarized.kind is not Kind.NOTARIZE:
                raise PeerFault(f"head: a {notarized.kind.name} as its NOTARIZE certificate")
            notarized.check(self._chain, self._members, self._verify_once)

    def _verify_once(self, key: bytes, signature: bytes, message: bytes) -> bool:
        """Verify a vote's signature; most heads show the same votes."""
        if (key, signature, message) in self._verified:
            return True
        if not verify(key, signature, message):
            return False
        if len(self._verified) >= SIGNATURES_MAX:
            self._verified.clear()
        self._verified.add((key, signature, message))
        return True

    async def collect(self, nonce: bytes, *, seconds: float | None) -> list[Head]:
        """Ask all members, asking again while too few answer; returns when q have, or after `seconds` with what came.

        Raises:
            PeerFault: too many collections are under way, or one over this nonce.
        """
        if seconds is not None and (len(self._collections) >= COLLECTIONS_MAX or nonce in self._collections):
            raise PeerFault(f"{len(self._collections)} collections of heads are under way already: ask again")
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
