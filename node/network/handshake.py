"""Who is at the other end: TLS, then mutual fresh attestation, before there is a link (DESIGN §6,
T20, T42).

Owns the order of the handshake and its bounds. Each side sends a nonce and gets evidence over it,
which its own enclave judges; the dialler sees that the TLS key is the one named in the claims, and
proves its node key over the listener's nonce and TLS key. Whom to dial, and what is said over a
link, is links.py's.
"""

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import NotCanonical, PeerFault
from strongroom.consensus.types import ChainId, PublicKey
from strongroom.enclave.primitives import random_bytes, verify
from strongroom.node import tls
from strongroom.node.config import Address
from strongroom.node.enclave_client.calls import EnclaveClient
from strongroom.node.enclave_client.refusals import Refusal
from strongroom.node.enclave_client.replies import CheckedPeer
from strongroom.node.framing import FrameProtocol
from strongroom.node.machine.transports import abort
from strongroom.node.metrics.catalogue import EVIDENCE_REFUSALS, OTHER_REASON
from strongroom.node.metrics.tallies import Count

HANDSHAKE_SECONDS = 10.0
HANDSHAKE_BYTES_MAX = 64 * 1024
HANDSHAKE_FRAMES_MAX = 8
LINK_BYTES_MAX = codec.MESSAGE_BYTES_MAX
PROTOCOL_NAME = "strongroom-link/1"

log = structlog.get_logger()


class Wire:
    """A stream before it is a link: frames one by one, none of them large."""

    def __init__(self, on_first: Callable[[], None] | None = None) -> None:
        """`on_first` is called when the other side has said something for the first time."""
        self._on_first = on_first
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=HANDSHAKE_FRAMES_MAX)
        self.frames = FrameProtocol(
            self._on_frame, self._on_close, frame_bytes_max=HANDSHAKE_BYTES_MAX
        )
        self.on_message: Callable[[bytes], None] | None = None
        self.on_gone: Callable[[], None] | None = None

    def _on_frame(self, frame: bytes) -> None:
        if self.on_message is not None:
            self.on_message(frame)
        elif self._queue.full() or len(frame) > HANDSHAKE_BYTES_MAX:
            abort(self.frames.transport)
        else:
            self._queue.put_nowait(frame)
            begin, self._on_first = self._on_first, None
            if begin is not None:
                begin()

    def _on_close(self, _error: Exception | None) -> None:
        if self.on_gone is not None:
            self.on_gone()
        elif not self._queue.full():
            self._queue.put_nowait(None)

    async def receive(self, *shape: type, name: str) -> tuple[object, ...]:
        """The next frame's fields.

        Raises:
            PeerFault: the stream ended.
            NotCanonical: the frame is not of this shape.
        """
        frame = await self._queue.get()
        if frame is None:
            raise PeerFault(f"link closed before {name}")
        return codec.fields(codec.decode(frame, size_max=HANDSHAKE_BYTES_MAX), *shape, name=name)

    def send(self, *fields: object) -> None:
        """One frame."""
        self.frames.send(codec.encode(fields))

    def established(self, on_message: Callable[[bytes], None], on_gone: Callable[[], None]) -> None:
        """From now on frames are messages; those that came already are the first."""
        self.on_message, self.on_gone = on_message, on_gone
        self.frames.frame_bytes_max = LINK_BYTES_MAX
        while not self._queue.empty():
            frame = self._queue.get_nowait()
            on_gone() if frame is None else on_message(frame)

    def close(self) -> None:
        """Drop the stream."""
        if self.frames.connected:
            abort(self.frames.transport)


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """Both sides of a handshake, as one node does them."""

    chain: ChainId
    node_key: PublicKey
    tls_key: bytes
    """SHA-256 of this node's own SubjectPublicKeyInfo."""
    enclave: EnclaveClient
    wall_ms: Callable[[], int]
    refusals: Count = field(default_factory=Counter)
    """How often evidence was refused here, by reason; the reasons are an enumeration."""

    async def answer(self, wire: Wire) -> CheckedPeer:
        """The listener's side.

        Raises:
            PeerFault, NotCanonical: the peer keeps to no rule, or proves nothing.
            Refusal: this node's enclave does not take its evidence.
        """
        name, chain, nonce = await wire.receive(str, bytes, bytes, name="hello")
        if name != PROTOCOL_NAME or chain != self.chain:
            raise PeerFault("hello for another protocol or chain")
        own_nonce = random_bytes(32)
        wire.send(await self.enclave.link_evidence(codec.sized(nonce, 32, name="nonce")), own_nonce)
        evidence, signature = await wire.receive(bytes, bytes, name="proof")
        peer = await self._judge(evidence, own_nonce)
        message = labels.bound(labels.LINK, self.chain, own_nonce + self.tls_key)
        if type(signature) is not bytes or not verify(peer.node_key, signature, message):
            raise PeerFault(f"proof of {peer.name}: signature does not verify")
        wire.send(True)
        return peer

    async def dial(
        self, wire: Wire, node_key: PublicKey, address: Address, context: ssl.SSLContext
    ) -> CheckedPeer:
        """The dialler's side.

        Raises:
            OSError: nobody listens there.
            PeerFault, NotCanonical: another node, another TLS key, or no rule kept.
            Refusal: this node's enclave does not take its evidence.
        """
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: wire.frames, address.host, address.port, ssl=context)
        nonce = random_bytes(32)
        wire.send(PROTOCOL_NAME, self.chain, nonce)
        evidence, peer_nonce = await wire.receive(bytes, bytes, name="welcome")
        peer = await self._judge(evidence, nonce)
        if peer.node_key != node_key:
            raise PeerFault(f"{peer.name} answers where node {node_key.hex()[:16]} was dialled")
        shown = wire.frames.transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
        if shown is None or tls.spki_digest(shown) != peer.tls_key:
            raise PeerFault(f"{peer.name}: the TLS key is not the one in its claims")
        peer_nonce = codec.sized(peer_nonce, 32, name="nonce")
        own_evidence = await self.enclave.link_evidence(peer_nonce)
        wire.send(own_evidence, await self.enclave.sign_link(peer_nonce, peer.tls_key))
        await wire.receive(bool, name="open")
        return peer

    async def _judge(self, evidence: object, nonce: bytes) -> CheckedPeer:
        if type(evidence) is not bytes:
            raise NotCanonical("evidence: expected bytes")
        try:
            peer = await self.enclave.check_link(evidence, nonce, self.wall_ms())
        except Refusal as refusal:
            log.warning("attestation.refused", reason=refusal.reason or str(refusal))
            known = refusal.reason in EVIDENCE_REFUSALS
            self.refusals[refusal.reason if known else OTHER_REASON] += 1
            raise
        if peer.node_key == self.node_key:
            raise PeerFault("evidence of this node itself")
        log.info("attestation.accepted", peer=peer.name, verdict=peer.summary)
        return peer
