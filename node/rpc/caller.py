"""Who asks: what a method may know of the connection that called it."""

from dataclasses import dataclass, field
from typing import Protocol

from strongroom.node.machine.listening import is_loopback
from strongroom.node.rpc.backend import Backend
from strongroom.node.rpc.blobs import Chunks
from strongroom.node.rpc.door import ANYONE, Door
from strongroom.node.rpc.limits import RpcLimits
from strongroom.node.rpc.outgoing import Share
from strongroom.node.rpc.quota import Account
from strongroom.node.rpc.reading import Library
from strongroom.node.rpc.room import Room
from strongroom.node.rpc.weights import Payer, network_of


class Subscriptions(Protocol):
    """What a connection that can be told things offers."""

    def subscribe(self, topic: str, start: int | None, room: Room) -> int: ...
    def unsubscribe(self, id: int) -> None: ...


@dataclass(slots=True)
class Caller:
    """One HTTP request, or one WebSocket for all of its life."""

    backend: Backend
    limits: RpcLimits
    door: Door
    account: Account | None = None
    """Whose credential it shows; None: nobody's."""
    shown: bool = False
    """Does it show a credential at all?"""
    subscriptions: Subscriptions | None = None
    """None over HTTP."""
    library: Library = field(default_factory=Library)
    """Where blocks are read; one for the whole front door."""
    chunks: Chunks | None = None
    """The node's store of chunks, where it has one."""
    address: str = ""
    """Whence it came."""
    submitted: bytes | None = None
    """Id of the last envelope that this connection submitted and the mempool took; None before the
    first."""
    turned_away: bool = False
    """A call was refused for want of a credential."""

    @property
    def known(self) -> bool:
        """Does it show the credential of an organisation?"""
        return self.account is not None and self.account.name != ANYONE

    @property
    def whose(self) -> str:
        """Whose calls these are: an organisation's, or an address's."""
        return self.account.name if self.account and self.known else f"{self.address} {ANYONE}"

    @property
    def payer(self) -> Payer:
        """Whose allowance calls weigh on: a known organisation at an address has one of its own,
        whoever else asks from there (behind one NAT)."""
        name = self.account.name if self.account and self.known else ""
        return Payer(network_of(self.address), name)

    @property
    def answers(self) -> Share:
        """Where answers count until they are read."""
        return self.library.outgoing.share(self.whose, known=self.known or self.near)

    @property
    def near(self) -> bool:
        """Does it ask on this machine?"""
        return is_loopback(self.address)
