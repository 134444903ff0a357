"""Heads over a nonce: asking all validators what they know to be newest, and answering them
(PROTOCOL §3, §6; T05, T15).

Answerable right after replay, by a node that is not yet fresh itself: four nodes that start
together are each other's heads. Validators are those of the newest epoch that is known; a head of a
later one is a reason to ask how it was opened.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from strongroom.consensus.epochs import EpochChain
from strongroom.consensus.errors import PeerFault
from strongroom.consensus.heads import Head, HeadBody
from strongroom.consensus.host_messages import EpochRequest
from strongroom.consensus.messages import HeadRequest, encode_message
from strongroom.consensus.statements import Kind
from strongroom.consensus.types import Epoch, PublicKey
from strongroom.enclave.primitives import verify
from strongroom.node.enclave_client.calls import EnclaveClient
from strongroom.node.network.links import Links

COLLECTIONS_MAX = 64
"""Of clients, at once."""
ANSWERS_MAX = 64
"""Answers to one node under way at once; what it asks beyond that is dropped, and it asks again."""
ANSWERS_OF_ALL_MAX = 256
"""Answers to all nodes together. Each may have as many under way as places are free, so that many
who ask without end leave some to everybody, and the enclave's requests to votes and blocks."""
SIGNATURES_MAX = 1024
"""Verified signatures that are remembered."""
ASK_AGAIN_SECONDS = 0.5


@dataclass(slots=True)
class _Collection:
    heads: dict[PublicKey, Head] = field(default_factory=dict)
    enough: asyncio.Event = field(default_factory=asyncio.Event)


class Heads:
    """Collections under way, by nonce; bounded."""

    def __init__(
        self,
        *,
        epochs: EpochChain,
        own: PublicKey,
        enclave: EnclaveClient,
        links: Links,
        body: Callable[[bytes, PublicKey], HeadBody],
    ) -> None:
        self._epochs, self._chain = epochs, epochs.anchor.chain
        self._own, self._enclave, self._links, self._body = own, enclave, links, body
        self._collections: dict[bytes, _Collection] = {}
        self._answering: Counter[PublicKey] = Counter()
        self._verified: set[tuple[bytes, bytes, bytes]] = set()

    async def answer(self, request: HeadRequest, asker: PublicKey) -> Head:
        """My head over this nonce, with what I hold of the asker's votes."""
        body = self._body(request.nonce, asker)
        return Head(body, self._own, await self._enclave.sign_head(body))

    def ask_linked(self, peer: PublicKey) -> None:
        """A link to a node has just come up: ask it what is being asked of all."""
        for nonce, collection in self._collections.items():
            if peer not in collection.heads:
                self._links.send_to(peer, encode_message(HeadRequest(nonce)))

    async def answer_peer(self, request: HeadRequest, asker: PublicKey) -> None:
        """Answer a node over its link."""
        free = ANSWERS_OF_ALL_MAX - self._answering.total()
        if self._answering[asker] >= min(ANSWERS_MAX, free):
            return
        self._answering[asker] += 1
        try:
            self._links.send_to(asker, encode_message(await self.answer(request, asker)))
        finally:
            self._answering[asker] -= 1

    def receive(self, sender: PublicKey, head: Head) -> None:
        """Take a node's answer, if it is one that an enclave would take: a bad one must not stand
        among q.

        Raises:
            PeerFault: not signed by the sender's node key, or what it shows as newest is not
                proven.
        """
        collection = self._collections.get(head.body.nonce)
        if collection is None:
            return
        signed = head.body.signed_bytes(self._chain)
        if head.node_key != sender or not verify(sender, head.signature, signed):
            raise PeerFault("head: not signed by its sender")
        if self._epochs.description(head.body.epoch) is None:
            self._links.send_to(
                sender, encode_message(EpochRequest(Epoch(self._epochs.newest.epoch + 1)))
            )
            return
        self._check(head.body)
        collection.heads[sender] = head
        self._count(collection)

    def recount(self) -> None:
        """Another epoch is known: others are validators, and may be enough already."""
        for collection in self._collections.values():
            self._count(collection)

    def _count(self, collection: _Collection) -> None:
        if len(self._of_validators(collection)) >= self._epochs.newest.quorum.size:
            collection.enough.set()
        else:
            collection.enough.clear()

    def _of_validators(self, collection: _Collection) -> list[Head]:
        keys = (validator.node_key for validator in self._epochs.newest.validators)
        return [collection.heads[key] for key in keys if key in collection.heads]

    def _check(self, body: HeadBody) -> None:
        header, certificate, notarized = body.header, body.certificate, body.notarized
        if certificate is None:
            genesis = self._epochs.anchor_of(Epoch(0))
            if genesis is None or header.digest != genesis.digest:
                raise PeerFault(f"head at height {header.height} without a certificate")
        else:
            self._epochs.check_final(header, certificate, self._verify_once)
        if notarized is not None:
            if notarized.kind is not Kind.NOTARIZE:
                raise PeerFault(f"head: a {notarized.kind.name} as its NOTARIZE certificate")
            description = self._epochs.description(notarized.statement.epoch)
            if description is None:
                raise PeerFault(f"head with a certificate of epoch {notarized.statement.epoch}")
            notarized.check(self._chain, description, self._verify_once)

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
        """Ask all validators, asking again while too few answer; returns when q have, or after
        `seconds` with what came.

        Raises:
            PeerFault: too many collections are under way, or one over this nonce.
        """
        if seconds is not None and (
            len(self._collections) >= COLLECTIONS_MAX or nonce in self._collections
        ):
            raise PeerFault(
                f"{len(self._collections)} collections of heads are under way already: ask again"
            )
        collection = self._collections[nonce] = _Collection()
        try:
            collection.heads[self._own] = await self.answer(HeadRequest(nonce), self._own)
            self._count(collection)
            try:
                async with asyncio.timeout(seconds):
                    await self._ask_until(collection, encode_message(HeadRequest(nonce)))
            except TimeoutError:
                pass
            return self._of_validators(collection)
        finally:
            del self._collections[nonce]

    async def _ask_until(self, collection: _Collection, request: bytes) -> None:
        while not collection.enough.is_set():
            for key in list(self._links.links):
                if key not in collection.heads:
                    self._links.send_to(key, request)
            try:
                async with asyncio.timeout(ASK_AGAIN_SECONDS):
                    await collection.enough.wait()
            except TimeoutError:
                continue
