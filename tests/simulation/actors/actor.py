"""Who stands at a node of a simulated cluster: the one interface of honest members and liars.

An actor gets events and answers with messages to send. It is told its own keys, the validator set
and the network's delay classes, and nothing of the others' state. `scripts/simulate --liar FILE.py`
runs a `Liar` that somebody else wrote.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from tests.simulation.keys import SigningKey
from tests.simulation.network import Span
from tests.simulation.realm import Realm, State

from strongroom.consensus.blocks import Header
from strongroom.consensus.messages import Message, VoteMessage
from strongroom.consensus.replica.events import Linked, Now, Received, Tick, Unlinked
from strongroom.consensus.replica.settings import Settings
from strongroom.consensus.statements import Kind, Statement, Vote
from strongroom.consensus.types import NO_DIGEST, ChainId, Digest, SignerIndex, View
from strongroom.consensus.validators import EpochDescription, Verify


@dataclass(frozen=True, slots=True)
class Send:
    """A message to one member, or to all others when `to` is None."""

    to: SignerIndex | None
    message: Message


@dataclass(frozen=True, slots=True)
class Submitted:
    """A client gives this node a transaction."""

    transaction: bytes


ActorEvent = Received | Tick | Submitted | Linked | Unlinked
"""Senders and peers are seats: the node's number in the world. Only honest nodes are told of
links."""


@dataclass(frozen=True, slots=True)
class Role:
    """What an actor is given."""

    index: SignerIndex
    """Its seat, which is its signer index in epoch 0; of a puppet in a later epoch, its signer
    index there."""
    node_key: SigningKey
    vote_key: SigningKey
    chain: ChainId
    members: EpochDescription
    anchor: Header
    verify: Verify
    settings: Settings
    random: Random
    delay_classes: tuple[Span, ...] = ()
    wishes: dict[int, Digest] = field(default_factory=dict)
    """Height from which on the executed state wishes another epoch, for terminal blocks that
    nothing follows."""
    realm: Realm = field(kw_only=True)
    """The public descriptions of all epochs that the seats may form."""
    vote_key_of: Callable[[int], SigningKey] = field(kw_only=True)
    """Its own vote key in any epoch."""
    new_state: Callable[[], State] = field(kw_only=True)
    """The state of governance as genesis has it."""

    @property
    def seats(self) -> int:
        """Nodes that exist, members or not."""
        return len(self.realm.node_keys)


class Actor:
    """A node of the cluster."""

    hears_links = False
    """Is it told of links that come up and are lost?"""

    def __init__(self, role: Role) -> None:
        self.role = role

    def on_event(self, event: ActorEvent, now: Now) -> list[Send]:
        """Take one event; answer with what to send."""
        raise NotImplementedError

    def deadline(self) -> float | None:
        """Monotonic seconds at which a Tick is wanted."""
        return None

    def vote(self, kind: Kind, view: int, digest: Digest = NO_DIGEST) -> Vote:
        """Sign any statement with one's own key; no guard stands before it."""
        statement = Statement(kind, self.role.members.epoch, View(view), digest)
        return Vote(
            statement,
            self.role.index,
            self.role.vote_key.sign(statement.signed_bytes(self.role.chain)),
        )

    def say(
        self, kind: Kind, view: int, digest: Digest = NO_DIGEST, *, to: SignerIndex | None = None
    ) -> Send:
        """A vote, ready to be sent."""
        return Send(to, VoteMessage(self.vote(kind, view, digest)))


class Liar(Actor):
    """A member that may do anything; at most f of them."""

    def on_event(self, event: ActorEvent, now: Now) -> list[Send]:
        """Say nothing at all; liars override this."""
        return []
