"""One public transaction before the rules: what an action is given."""

from dataclasses import dataclass
from typing import Any, TypeVar

from strongroom.consensus import codec
from strongroom.consensus.errors import InvariantBroken, NotCanonical
from strongroom.consensus.types import ChainId, Epoch, PublicKey
from strongroom.enclave.governance.clock import ActiveClock
from strongroom.enclave.governance.node_roster import NodeRoster
from strongroom.enclave.governance.public import PublicTransaction
from strongroom.enclave.governance.records import (
    RECENT_BLOCKS,
    BlockFacts,
    EpochRecord,
    Node,
    Status,
)
from strongroom.enclave.governance.refusals import Ground, refuse
from strongroom.enclave.governance.tables import Tables
from strongroom.enclave.primitives import HYBRID_PUBLIC_SIZE, check_hybrid

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class GovernanceView:
    """The state that rules judge on, at one block."""

    tables: Tables
    clock: ActiveClock
    chain: ChainId
    blind: bool = False
    """What is sealed cannot be read here: what rests on it was judged when it was recorded."""

    @property
    def epoch_record(self) -> EpochRecord:
        """The current epoch."""
        return present(self.tables.epoch_record(), "governance was not founded")

    @property
    def roster(self) -> NodeRoster:
        """The registry, now."""
        return NodeRoster(
            nodes=self.tables.nodes(),
            current=self.epoch_record.description,
            policy=self.tables.policy,
            active_ms=self.clock.now_ms,
        )

    @property
    def frozen(self) -> bool:
        """Is the next epoch decided?"""
        return self.tables.winner is not None or self.tables.wish is not None


@dataclass(frozen=True, slots=True)
class ActionContext:
    """A public transaction whose signature verified, its block, and the state."""

    view: GovernanceView
    transaction: PublicTransaction
    block: BlockFacts

    @property
    def tables(self) -> Tables:
        """The maps."""
        return self.view.tables

    @property
    def signer(self) -> PublicKey:
        """Who signed."""
        return self.transaction.signer

    @property
    def fields(self) -> tuple[Any, ...]:
        """The action's fields."""
        return self.transaction.fields

    def member(self) -> None:
        """Check that the signer governs now: a member, and not one that only watches.

        Raises:
            ProgramError: ``not-a-member``, ``watcher``.
        """
        if self.signer in self.tables.voter_keys():
            return
        if self.tables.is_member(self.signer):
            refuse(Ground.WATCHER, "a member with weight 0 watches: members give it weight 1")
        refuse(Ground.NOT_A_MEMBER, "only members govern: sign with a member's key")

    def node(self, *statuses: Status) -> Node:
        """The node that signed.

        Raises:
            ProgramError: ``not-a-node``, ``removed``, or it has none of these statuses.
        """
        node = self.tables.node(self.signer)
        if node is None:
            refuse(Ground.NOT_A_NODE, "no node has this key: attest first")
        if node.status is Status.REMOVED:
            refuse(Ground.REMOVED, "this node was removed: join with new keys")
        if node.status not in statuses:
            refuse(Ground.NOT_A_NODE, f"the node is {node.status}, not {' or '.join(statuses)}")
        return node

    def following(self, epoch: int) -> Epoch:
        """Check that an epoch is the next one.

        Raises:
            ProgramError: ``wrong-epoch``.
        """
        current = self.view.epoch_record.description.epoch
        if epoch != current + 1:
            refuse(Ground.WRONG_EPOCH, f"epoch {epoch} was named, the next one is {current + 1}")
        return Epoch(epoch)

    def recent(self, height: int) -> None:
        """Check that a height is one of the recent executed ones below this block.

        Raises:
            ProgramError: ``too-old``.
        """
        if not max(0, self.block.height - RECENT_BLOCKS) <= height < self.block.height:
            refuse(
                Ground.TOO_OLD,
                f"height {height} is none of the {RECENT_BLOCKS} below {self.block.height}",
            )


def present(value: _T | None, detail: str) -> _T:
    """What cannot be missing.

    Raises:
        InvariantBroken: it is missing.
    """
    if value is None:
        raise InvariantBroken(detail)
    return value


def checked_size(data: Any, size: int, *, name: str) -> bytes:
    """Bytes of a fixed size.

    Raises:
        ProgramError: ``malformed``.
    """
    try:
        return codec.sized(data, size, name=name)
    except NotCanonical:
        refuse(Ground.MALFORMED, f"{name}: expected {size} bytes")


def checked_hybrid(key: Any, *, name: str) -> bytes:
    """A hybrid public key to which something can be sealed, so that none that cannot stalls an
    epoch (T2A).

    Raises:
        ProgramError: ``malformed``.
    """
    checked_size(key, HYBRID_PUBLIC_SIZE, name=name)
    try:
        check_hybrid(key)
    except NotCanonical:
        refuse(Ground.MALFORMED, f"{name}: nothing can be sealed to it")
    return bytes(key)
