"""Who today's validators are, for a node that can link to too few of them (PROTOCOL §6, catch-up;
DESIGN §5, joiner).

Owns the asking at other nodes' front doors: how later epochs were opened, and where their
validators listen. A newcomer knows genesis, a node that was away an older epoch, and links need
both. Nobody at a door is trusted: each epoch is proven by the one before, and an address is only
tried: who listens there shows evidence.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from strongroom.consensus.epochs import EpochChain
from strongroom.consensus.types import KEY_SIZE, PublicKey
from strongroom.node import tls
from strongroom.node.config import NodeConfig
from strongroom.node.membership.joining import ASK_SECONDS
from strongroom.node.network.address_book import PeerAddress, PeerBook
from strongroom.node.rpc import probe

ALONE_SECONDS = 2.0
"""So long links have time to come up by themselves."""
LOOK_SECONDS = 2.0
"""Between two doors."""

log = structlog.get_logger()


class Acquaintance:
    """One node's looking round before it sees the newest ledger."""

    def __init__(
        self,
        *,
        config: NodeConfig,
        epochs: EpochChain,
        book: PeerBook,
        follow: Callable[[Callable[..., Awaitable[Any]]], Awaitable[None]],
    ) -> None:
        """Begin.

        Args:
            config: whose peers' front doors are asked.
            epochs: what this node knows of them.
            book: takes addresses.
            follow: takes a door's way of being asked, and follows the epochs that it shows.
        """
        self._doors = [peer.rpc for peer in config.peers if peer.rpc is not None]
        self._epochs, self._book, self._follow = epochs, book, follow
        self._context = tls.dial_context()
        self._turn = 0

    async def look_until(self, enough: Callable[[], bool]) -> None:
        """Ask one door after the other, until this node sees the newest ledger."""
        await asyncio.sleep(ALONE_SECONDS)
        while self._doors and not enough():
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Ask the next door."""
        door = self._doors[self._turn % len(self._doors)]
        self._turn += 1

        async def ask(method: str, **parameters: Any) -> Any:
            given = parameters.values()
            return await asyncio.to_thread(
                probe.ask, door, self._context, method, *given, seconds=ASK_SECONDS
            )

        try:
            await self._follow(ask)
            self._book.learn(self._members_in(await ask("service_nodes")))
        except probe.NoAnswer as fault:
            log.info("acquaintance.failed", door=str(door), reason=str(fault))

    def _members_in(self, shown: Any) -> list[PeerAddress]:
        """What a door says of validators of the newest epoch; what cannot be read is nobody."""
        keys = {validator.node_key for validator in self._epochs.newest.validators}
        places = []
        for one in shown if type(shown) is list else ():
            place = _place(one)
            if place is not None and place.node_key in keys:
                places.append(place)
        return places


def _place(document: Any) -> PeerAddress | None:
    key, name, peer = (
        map(document.get, ("node_key", "name", "peer")) if type(document) is dict else (None,) * 3
    )
    if type(key) is not str or type(name) is not str or type(peer) is not str:
        return None
    try:
        node_key = bytes.fromhex(key)
    except ValueError:
        return None
    return PeerAddress(PublicKey(node_key), name, "", peer) if len(node_key) == KEY_SIZE else None
