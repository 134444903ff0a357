"""Where the other nodes listen, and which of them this node dials (DESIGN §6).

Owns the address book: what the configuration says, then what the ledger says of registered nodes,
which is newer unless the configuration pins it. It connects nothing: `PeerBook.wanted` names whom
to dial now, and `Dialling` keeps one task for each.
"""

import asyncio
import ssl
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any

import structlog

from strongroom.consensus.types import PublicKey
from strongroom.node.config import Address, Peer
from strongroom.node.network.links import LINKS_MAX, Links

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class PeerAddress:
    """One registered node, as the ledger names it."""

    node_key: PublicKey
    name: str
    rpc: str
    peer: str


@dataclass(slots=True)
class PeerBook:
    """Addresses by node key."""

    own: PublicKey
    addresses: dict[PublicKey, Address] = field(default_factory=dict)
    _named: dict[str, Address] = field(default_factory=dict)
    """Peers of the configuration whose key is not known yet."""
    _pinned: set[str] = field(default_factory=set)
    """Names of peers whose address the ledger does not change."""

    _told: set[str] = field(default_factory=set)
    """Peers of which was said that the ledger names another address."""

    def configure(
        self, peers: Iterable[Peer], key_named: Callable[[str], PublicKey | None]
    ) -> None:
        """Take the configuration's peers; a key that stands there counts before genesis' name."""
        for peer in peers:
            if peer.pinned:
                self._pinned.add(peer.name)
            key = PublicKey(peer.node_key) if peer.node_key is not None else key_named(peer.name)
            if key is None:
                self._named[peer.name] = peer.address
            elif key != self.own:
                self.addresses[key] = peer.address

    def learn(self, places: Iterable[PeerAddress]) -> None:
        """Take what the ledger says. A node that names no address keeps the one that the
        configuration gives."""
        for place in places:
            if place.node_key == self.own or len(self.addresses) >= LINKS_MAX:
                continue
            named = self._named.get(place.name) if place.node_key not in self.addresses else None
            address = _parsed(place.peer) or named
            if place.name in self._pinned:
                address = named or self.addresses.get(place.node_key)
            configured = named or self.addresses.get(place.node_key)
            if configured is not None and address != configured and place.name not in self._told:
                self._told.add(place.name)
                log.warning(
                    "peer.address_overruled",
                    peer=place.name,
                    configured=str(configured),
                    ledger=str(address),
                    hint=(
                        "the ledger is newer; `pinned = true` in [[peers]] keeps what is configured"
                    ),
                )
            if address is not None:
                self.addresses[place.node_key] = address

    def wanted(self, validators: frozenset[PublicKey]) -> dict[PublicKey, Address]:
        """Whom to dial: between validators the smaller key dials; whoever is no validator dials all
        of them."""
        reachable = self.reachable(validators)
        if self.own not in validators:
            return reachable
        return {key: address for key, address in reachable.items() if key > self.own}

    def reachable(self, validators: frozenset[PublicKey]) -> dict[PublicKey, Address]:
        """All of them whose address is known."""
        return {key: address for key, address in self.addresses.items() if key in validators}


def _parsed(text: str) -> Address | None:
    try:
        return Address.parse(text) if text else None
    except ValueError:
        log.warning("peer.address", given=text, reason="not HOST:PORT")
        return None


@dataclass(slots=True)
class Dialling:
    """One task for each node that is to be dialled."""

    links: Links
    context: ssl.SSLContext
    spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None] | None]
    _tasks: dict[PublicKey, tuple[Address, asyncio.Task[None]]] = field(default_factory=dict)

    def reconcile(self, wanted: dict[PublicKey, Address]) -> None:
        """Begin with whoever is new or moved, end with whoever is wanted no more. Links that stand
        stay."""
        for key, (address, task) in list(self._tasks.items()):
            if wanted.get(key) != address or task.done():
                task.cancel()
                del self._tasks[key]
        for key, address in wanted.items():
            if key not in self._tasks:
                begun = self.spawn(self.links.dial_forever(key, address, self.context))
                if begun is not None:
                    self._tasks[key] = (address, begun)
