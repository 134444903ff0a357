"""Links between nodes: at most one per node key, the newest; who sits at which index of the epoch
(DESIGN §6, T42).

Owns connections and the translation between node keys, which last, and signer indexes of one epoch.
A message's sender is whoever's link it came through. How a peer is verified is handshake.py's;
where it listens, address_book.py's; its broken messages are counted by node/ordering/inbox.py,
`Inbox.note_fault`, which has a link closed here.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any

import structlog

from strongroom.consensus.errors import StrongroomError
from strongroom.consensus.types import PublicKey, SignerIndex
from strongroom.consensus.validators import EpochDescription
from strongroom.node.config import Address
from strongroom.node.enclave_client.replies import CheckedPeer
from strongroom.node.framing import FrameProtocol, Traffic
from strongroom.node.machine.listening import Bounds, Guest, Listener
from strongroom.node.machine.transports import abort
from strongroom.node.network.handshake import HANDSHAKE_SECONDS, Handshake, Wire

HANDSHAKES_MAX = 64
"""Handshakes that are being answered; each asks the enclave for evidence."""
SILENT_MAX = 64
"""Connections that have not said a word; the oldest gives way to a newer one."""
ADDRESS_MAX = 64
"""Connections of one address that is not this machine's own."""
LINKS_MAX = 512
"""Twice the largest validator set: validators, and nodes that join, left, or were removed and still
ask."""
UNSENT_BYTES_MAX = 64 * 1024 * 1024
"""A peer that reads so slowly loses messages; the protocol asks again."""
PEER_CONNECTIONS_MAX = LINKS_MAX + HANDSHAKES_MAX + SILENT_MAX
REDIAL_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0)
LOOK_SECONDS = 1.0
"""How often whoever dials looks whether a link that stands has fallen silent."""
SILENCE_SECONDS_MAX = 15.0
"""Every node says something each second. After so long without a word the dialler dials anew: a
machine that lost its power, or a network that lost its packets, closes no connection, and TCP looks
again only every two minutes."""

log = structlog.get_logger()


@dataclass(slots=True)
class Link:
    """A live connection to one verified node."""

    peer: CheckedPeer
    frames: FrameProtocol
    heard: float
    """When it last said anything, on the loop's clock."""
    dropped: int = 0
    """Messages that were not sent because the peer reads too slowly."""
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when its connection is closed."""

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


@dataclass(slots=True)
class Links:
    """All links of this node."""

    handshake: Handshake
    on_message: Callable[[PublicKey, bytes], None]
    on_link: Callable[[PublicKey], None]
    on_lost: Callable[[PublicKey], None]
    links: dict[PublicKey, Link] = field(default_factory=dict)
    views: dict[PublicKey, PeerView] = field(default_factory=dict)
    traffic: dict[PublicKey, Traffic] = field(default_factory=dict)
    """Bytes of each node that was ever linked; as bounded as `views`."""
    _keys: tuple[PublicKey, ...] = ()
    """Node keys of the epoch, by signer index."""
    _indexes: dict[PublicKey, SignerIndex] = field(default_factory=dict)
    _paused: bool = False
    """Somebody is not read from."""
    _handshakes: int = 0
    _undialled: dict[PublicKey, tuple[Address, str]] = field(default_factory=dict)
    """Where and why the last dial failed, while it does."""

    # --- the epoch's indexes ---

    def turn_to(self, description: EpochDescription) -> None:
        """From now on an index means a validator of this epoch. No link is closed: whoever fell out
        is still served."""
        self._keys = tuple(validator.node_key for validator in description.validators)
        self._indexes = {key: SignerIndex(index) for index, key in enumerate(self._keys)}

    def index_of(self, peer: PublicKey) -> SignerIndex | None:
        """A node's index in the epoch; None if it is no member."""
        return self._indexes.get(peer)

    def linked_validators(self) -> Iterator[SignerIndex]:
        """Validators of the epoch that are linked."""
        return (self._indexes[key] for key in list(self.links) if key in self._indexes)

    # --- sending ---

    def send(self, to: SignerIndex, message: bytes) -> None:
        """Send to one validator, if linked."""
        link = self.links.get(self._keys[to])
        if link is not None:
            link.send(message)

    def send_to(self, to: PublicKey, message: bytes) -> None:
        """Send to one node, if linked."""
        link = self.links.get(to)
        if link is not None:
            link.send(message)

    def broadcast(self, message: bytes) -> None:
        """Send to every linked node: validators, and those that only follow."""
        for link in self.links.values():
            link.send(message)

    def disconnect(self, peer: PublicKey) -> None:
        """Close a peer's link; it may come back through a new handshake."""
        link = self.links.get(peer)
        if link is not None and link.frames.connected:
            abort(link.frames.transport)

    def judge_anew(self) -> None:
        """Today's policy is known: whoever is linked by certificates alone shows evidence again."""
        for key, link in list(self.links.items()):
            if not link.peer.judged:
                log.info("link.judged_anew", peer=link.peer.name)
                self.disconnect(key)

    def pause(self, peer: PublicKey) -> None:
        """Stop reading from a node whose messages pile up."""
        if (link := self.links.get(peer)) is not None:
            link.frames.pause()
            self._paused = True

    def resume(self) -> None:
        """Read on from everybody."""
        if not self._paused:  # mostly: it is asked each turn
            return
        self._paused = False
        for link in self.links.values():
            link.frames.resume()

    def close(self) -> None:
        """Drop every link."""
        for key in list(self.links):
            self.disconnect(key)

    # --- connecting ---

    async def listen(
        self,
        address: Address,
        context: ssl.SSLContext,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        connections_max: int = PEER_CONNECTIONS_MAX,
    ) -> Listener:
        """Accept whoever dials and shows evidence; `spawn` runs a handshake in the owner's task
        group.

        Args:
            address: where to listen.
            context: TLS.
            spawn: a handshake begins only once its dialler has said something: until then it costs
                a place.
            connections_max: for links and handshakes together.
        """

        def accept(guest: Guest) -> asyncio.Protocol:
            def begin() -> None:
                guest.settle()
                spawn(self._accept(wire))

            wire = Wire(begin)
            return wire.frames

        bounds = Bounds(
            open_max=connections_max,
            waiting_max=min(SILENT_MAX, connections_max),
            address_max=ADDRESS_MAX,
            handshake_seconds_max=HANDSHAKE_SECONDS,
            give_way_seconds=0.0,  # whoever is honest speaks within a round trip
            silent_seconds_max=HANDSHAKE_SECONDS,
        )
        listener = Listener("peers", bounds, accept, context)
        await listener.start(address.host, address.port)
        return listener

    async def _accept(self, wire: Wire) -> None:
        if self._handshakes >= HANDSHAKES_MAX or len(self.links) >= LINKS_MAX:
            wire.close()
            return
        self._handshakes += 1
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                peer = await self.handshake.answer(wire)
            self._establish(peer, wire)
        except (StrongroomError, ConnectionError, TimeoutError) as error:
            log.info("link.refused", side="listener", reason=str(error) or type(error).__name__)
            wire.close()
        except Exception as error:
            self._contain(error, wire)
        finally:
            self._handshakes -= 1

    async def dial_forever(self, key: PublicKey, address: Address, context: ssl.SSLContext) -> None:
        """Keep one link to a node, as long as this task lives."""
        failures = 0
        while True:
            self._drop_silent(key)
            if key in self.links or await self._dial(key, address, context):
                failures = 0
                await self._until_gone(key)
            else:
                failures += 1
            await asyncio.sleep(REDIAL_SECONDS[min(failures, len(REDIAL_SECONDS) - 1)])

    async def _until_gone(self, key: PublicKey) -> None:
        """Wait until a link is lost, or until it is time to look whether it is silent."""
        link = self.links.get(key)
        if link is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await link.gone.wait()

    async def dial_once(self, key: PublicKey, address: Address, context: ssl.SSLContext) -> None:
        """One try to have a link to a node that keeps dialling us."""
        if key not in self.links:
            await self._dial(key, address, context)

    def _drop_silent(self, key: PublicKey) -> None:
        link = self.links.get(key)
        if (
            link is not None
            and asyncio.get_running_loop().time() - link.heard > SILENCE_SECONDS_MAX
        ):
            log.warning("link.silent", peer=link.peer.name, seconds=SILENCE_SECONDS_MAX)
            del self.links[key]
            self.on_lost(key)
            if link.frames.connected:
                abort(link.frames.transport)

    async def _dial(self, key: PublicKey, address: Address, context: ssl.SSLContext) -> bool:
        wire = Wire()
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                peer = await self.handshake.dial(wire, key, address, context)
            self._establish(peer, wire)
        except (StrongroomError, OSError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            if not isinstance(error, OSError):
                log.info("link.refused", side="dialler", to=str(address), reason=reason)
            elif self._undialled.get(key) != (
                address,
                reason,
            ):  # each reason once, not every second
                log.warning("link.failed", to=str(address), reason=reason)
                self._undialled[key] = (address, reason)
            wire.close()
            return False
        except Exception as error:
            self._contain(error, wire)
            return False
        self._undialled.pop(key, None)
        return True

    def _contain(self, error: Exception, wire: Wire) -> None:
        """A bug of ours that the other side's bytes lead to costs its link, not this node (T31)."""
        log.error("link.unforeseen", error=type(error).__name__, exc_info=True)
        wire.close()

    def _establish(self, peer: CheckedPeer, wire: Wire) -> None:
        clock = asyncio.get_running_loop().time
        key, link = peer.node_key, Link(peer, wire.frames, clock())
        view = self.views.setdefault(key, PeerView())
        view.verdict, view.evidence_digest, view.checked = (
            peer.summary,
            peer.evidence_digest,
            view.checked + 1,
        )
        known = self.traffic.setdefault(key, Traffic())
        known.received += wire.frames.traffic.received
        known.sent += wire.frames.traffic.sent
        wire.frames.traffic = known
        older = self.links.get(key)
        self.links[key] = link
        if older is not None and older.frames.connected:
            abort(older.frames.transport)

        def gone() -> None:
            link.gone.set()
            if self.links.get(key) is link:
                del self.links[key]
                log.info("link.lost", peer=peer.name)
                self.on_lost(key)

        def heard(message: bytes) -> None:
            link.heard = clock()
            self.on_message(key, message)

        log.info("link.open", peer=peer.name)
        wire.established(heard, gone)
        if self.links.get(key) is link:
            self.on_link(key)
