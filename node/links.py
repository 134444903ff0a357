"""Authenticated links between members: TLS, mutual fresh attestation, then frames (DESIGN §6, T20, T42).

Owns connections. The member of lower index dials. Each side sends a nonce and gets evidence over it, which its own
enclave judges; the dialler sees that the TLS key is the one named in the claims, and proves its node key over the
listener's nonce and TLS key. Only then is there a `Link`, and a message's sender is whoever's link it came through.
"""

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import structlog

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import NotCanonical, PeerFault, StrongroomError
from strongroom.consensus.types import ChainId, SignerIndex
from strongroom.consensus.validators import EpochDescription
from strongroom.enclave.primitives import random_bytes, verify
from strongroom.enclave.requests import Refusal
from strongroom.node import tls
from strongroom.node.config import Address
from strongroom.node.enclave_process import CheckedPeer, EnclaveProcess
from strongroom.node.framing import FrameProtocol

HANDSHAKE_SECONDS = 10.0
HANDSHAKES_MAX = 64
HANDSHAKE_BYTES_MAX = 64 * 1024
LINK_BYTES_MAX = codec.MESSAGE_BYTES_MAX
UNSENT_BYTES_MAX = 64 * 1024 * 1024
"""A peer that reads so slowly loses messages; the protocol asks again."""
REDIAL_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0)
SILENCE_SECONDS_MAX = 15.0
"""Every member says something each second. After so long without a word the dialler dials anew: a machine that lost its
power, or a network that lost its packets, closes no connection, and TCP looks again only every two minutes."""
PROTOCOL_NAME = "strongroom-link/1"

log = structlog.get_logger()


@dataclass(slots=True)
class Link:
    """A live connection to one verified member."""

    peer: CheckedPeer
    frames: FrameProtocol
    heard: float
    """When it last said anything, on the loop's clock."""
    dropped: int = 0
    """Messages that were not sent because the peer reads too slowly."""

    def send(self, message: bytes) -> None:
        """Send, or drop when the peer is gone or too slow."""
        if self.frames.unsent_bytes > UNSENT_BYTES_MAX:
            self.dropped += 1
            return
        try:
            self.frames.send(message)
        except ConnectionError:
            self.dropped += 1


@dataclass(slots=True)
class PeerView:
    """What this node knows of a peer's admission, for people to look at."""

    verdict: str = "not checked yet"
    evidence_digest: str = ""
    checked: int = 0
    """How often its evidence was judged good."""


class _Wire:
    """A stream before it is a link: frames one by one, with a deadline for the whole handshake."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=8)
        self.frames = FrameProtocol(self._on_frame, self._on_close, frame_bytes_max=LINK_BYTES_MAX)
        self.on_message: Callable[[bytes], None] | None = None
        self.on_gone: Callable[[], None] | None = None

    def _on_frame(self, frame: bytes) -> None:
        if self.on_message is not None:
            self.on_message(frame)
        elif self._queue.full() or len(frame) > HANDSHAKE_BYTES_MAX:
            self.frames.transport.abort()
        else:
            self._queue.put_nowait(frame)

    def _on_close(self, _error: Exception | None) -> None:
        if self.on_gone is not None:
            self.on_gone()
        elif not self._queue.full():
            self._queue.put_nowait(None)

    async def receive(self, *shape: type, name: str) -> tuple[object, ...]:
        frame = await self._queue.get()
        if frame is None:
            raise PeerFault(f"link closed before {name}")
        return codec.fields(codec.decode(frame, size_max=HANDSHAKE_BYTES_MAX), *shape, name=name)

    def send(self, *fields: object) -> None:
        self.frames.send(codec.encode(fields))

    def established(self, on_message: Callable[[bytes], None], on_gone: Callable[[], None]) -> None:
        self.on_message, self.on_gone = on_message, on_gone
        while not self._queue.empty():
            frame = self._queue.get_nowait()
            on_gone() if frame is None else on_message(frame)

    def close(self) -> None:
        if self.frames.connected:
            self.frames.transport.abort()


@dataclass(slots=True)
class Links:
    """All links of this node; at most one per member, the newest."""

    chain: ChainId
    members: EpochDescription
    own: SignerIndex
    own_tls_key: bytes
    enclave: EnclaveProcess
    wall_ms: Callable[[], int]
    on_message: Callable[[SignerIndex, bytes], None]
    on_link: Callable[[SignerIndex], None]
    links: dict[SignerIndex, Link] = field(default_factory=dict)
    views: dict[SignerIndex, PeerView] = field(default_factory=dict)
    _handshakes: int = 0

    def send(self, to: SignerIndex, message: bytes) -> None:
        """Send to one member, if linked."""
        link = self.links.get(to)
        if link is not None:
            link.send(message)

    def broadcast(self, message: bytes) -> None:
        """Send to every linked member."""
        for link in self.links.values():
            link.send(message)

    def disconnect(self, peer: SignerIndex) -> None:
        """Close a peer's link; it may come back through a new handshake."""
        link = self.links.get(peer)
        if link is not None and link.frames.connected:
            link.frames.transport.abort()

    def pause(self, peer: SignerIndex) -> None:
        """Stop reading from a peer whose messages pile up."""
        if (link := self.links.get(peer)) is not None:
            link.frames.pause()

    def resume(self) -> None:
        """Read on from everybody."""
        for link in self.links.values():
            link.frames.resume()

    def close(self) -> None:
        """Drop every link."""
        for link in list(self.links.values()):
            if link.frames.connected:
                link.frames.transport.abort()

    # --- listening ---

    async def listen(
        self, address: Address, context: ssl.SSLContext, spawn: Callable[[Coroutine[Any, Any, None]], None]
    ) -> asyncio.Server:
        """Accept whoever dials and shows evidence; `spawn` runs a handshake in the owner's task group."""

        def accept() -> asyncio.BaseProtocol:
            wire = _Wire()
            spawn(self._accept(wire))
            return wire.frames

        loop = asyncio.get_running_loop()
        return await loop.create_server(accept, address.host, address.port, ssl=context, backlog=HANDSHAKES_MAX)

    async def _accept(self, wire: _Wire) -> None:
        if self._handshakes >= HANDSHAKES_MAX:
            wire.close()
            return
        self._handshakes += 1
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                await self._answer(wire)
        except (StrongroomError, ConnectionError, TimeoutError) as error:
            log.info("link.refused", side="listener", reason=str(error) or type(error).__name__)
            wire.close()
        finally:
            self._handshakes -= 1

    async def _answer(self, wire: _Wire) -> None:
        name, chain, nonce = await wire.receive(str, bytes, bytes, name="hello")
        if name != PROTOCOL_NAME or chain != self.chain:
            raise PeerFault("hello for another protocol or chain")
        own_nonce = random_bytes(32)
        wire.send(await self.enclave.link_evidence(codec.sized(nonce, 32, name="nonce")), own_nonce)
        evidence, signature = await wire.receive(bytes, bytes, name="proof")
        peer = await self._judge(evidence, own_nonce)
        key = self.members.validators[peer.index].node_key
        message = labels.bound(labels.LINK, self.chain, own_nonce + self.own_tls_key)
        if type(signature) is not bytes or not verify(key, signature, message):
            raise PeerFault(f"proof of {peer.name}: signature does not verify")
        wire.send(True)
        self._establish(peer, wire)

    # --- dialling ---

    async def dial_forever(self, index: SignerIndex, address: Address, context: ssl.SSLContext) -> None:
        """Keep one link to a member, as long as this task lives."""
        failures = 0
        while True:
            self._drop_silent(index)
            linked = index in self.links or await self._dial(index, address, context)
            failures = 0 if linked else failures + 1
            await asyncio.sleep(REDIAL_SECONDS[min(failures, len(REDIAL_SECONDS) - 1)])

    def _drop_silent(self, index: SignerIndex) -> None:
        link = self.links.get(index)
        if link is not None and asyncio.get_running_loop().time() - link.heard > SILENCE_SECONDS_MAX:
            log.warning("link.silent", peer=link.peer.name, seconds=SILENCE_SECONDS_MAX)
            del self.links[index]
            if link.frames.connected:
                link.frames.transport.abort()

    async def _dial(self, index: SignerIndex, address: Address, context: ssl.SSLContext) -> bool:
        wire = _Wire()
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                loop = asyncio.get_running_loop()
                await loop.create_connection(lambda: wire.frames, address.host, address.port, ssl=context)
                await self._introduce(wire, index)
        except (StrongroomError, OSError, TimeoutError) as error:
            if not isinstance(error, OSError):
                log.info("link.refused", side="dialler", to=int(index), reason=str(error) or type(error).__name__)
            wire.close()
            return False
        return True

    async def _introduce(self, wire: _Wire, index: SignerIndex) -> None:
        nonce = random_bytes(32)
        wire.send(PROTOCOL_NAME, self.chain, nonce)
        evidence, peer_nonce = await wire.receive(bytes, bytes, name="welcome")
        peer = await self._judge(evidence, nonce)
        if peer.index != index:
            raise PeerFault(f"{peer.name} answers where validator {index} was dialled")
        shown = wire.frames.transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
        if shown is None or tls.spki_digest(shown) != peer.tls_key:
            raise PeerFault(f"{peer.name}: the TLS key is not the one in its claims")
        peer_nonce = codec.sized(peer_nonce, 32, name="nonce")
        own_evidence = await self.enclave.link_evidence(peer_nonce)
        wire.send(own_evidence, await self.enclave.sign_link(peer_nonce, peer.tls_key))
        await wire.receive(bool, name="open")
        self._establish(peer, wire)

    # --- both ---

    async def _judge(self, evidence: object, nonce: bytes) -> CheckedPeer:
        if type(evidence) is not bytes:
            raise NotCanonical("evidence: expected bytes")
        try:
            peer = await self.enclave.check_link(evidence, nonce, self.wall_ms())
        except Refusal as refusal:
            log.warning("attestation.refused", reason=refusal.reason or str(refusal))
            raise
        if peer.index == self.own:
            raise PeerFault("evidence of this node itself")
        view = self.views.setdefault(peer.index, PeerView())
        view.verdict, view.checked = peer.words, view.checked + 1
        view.evidence_digest = labels.labelled_digest(labels.CLAIMS, evidence).hex()
        log.info("attestation.accepted", peer=peer.name, verdict=peer.words)
        return peer

    def _establish(self, peer: CheckedPeer, wire: _Wire) -> None:
        clock = asyncio.get_running_loop().time
        link = Link(peer, wire.frames, clock())
        older = self.links.get(peer.index)
        self.links[peer.index] = link
        if older is not None and older.frames.connected:
            older.frames.transport.abort()

        def gone() -> None:
            if self.links.get(peer.index) is link:
                del self.links[peer.index]
                log.info("link.lost", peer=peer.name)

        def heard(message: bytes) -> None:
            link.heard = clock()
            self.on_message(peer.index, message)

        log.info("link.open", peer=peer.name)
        wire.established(heard, gone)
        self.on_link(peer.index)
