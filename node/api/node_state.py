"""What a node is at one moment: a value, read anew for each answer.

Owns the node's state in words and what follows from the numbers. Made by node/host/wiring.py; it
reaches back to nothing, so that whoever holds one can change nothing.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from strongroom.consensus.messages import Status
from strongroom.consensus.types import Height, PublicKey, SignerIndex, View
from strongroom.consensus.validators import EpochDescription
from strongroom.enclave.governance.document import Document

BEHIND_BLOCKS = 8
"""A node that is further below what f+1 validators say is syncing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeState:
    """One node, now."""

    stage: str
    """`starting`, `stopped`: outside of these, `word` says more."""
    alarm: str
    """What is wrong with this node itself; empty: nothing."""
    begun: bool
    """It has fresh heads, and takes part."""
    voting: bool
    description: EpochDescription
    """Of the current epoch."""
    own: SignerIndex | None
    """Its index there; None: it is no validator."""
    node_key: PublicKey
    height: Height
    """Newest final block."""
    executed: int
    backlog: int
    """Final blocks that wait for execution."""
    behind: bool
    """The enclave cannot execute what is final: it is caught up by outcomes."""
    fresh_height: Height
    """What q heads showed when this boot began."""
    view: View
    leader: SignerIndex
    strikes: int
    clock_behind_ms: int
    statuses: Mapping[PublicKey, Status]
    """The newest word of each node."""
    linked: Collection[PublicKey]
    faults: Mapping[PublicKey, int]
    """Broken messages of each peer."""
    executing: frozenset[PublicKey]
    """Validators that execute, as this node sees it."""
    execution_alarm: str
    archive_alarm: str
    """Why nothing can be archived; empty: it can, or nobody wants it."""
    governance: Document | None
    """The newest public state that the enclave told."""

    @property
    def word(self) -> str:
        """starting → joining or syncing → voting → stopped; suspended while a validator only
        observes; following while it votes and its enclave is caught up by outcomes."""
        if self.stage == "stopped" or not self.begun:
            return self.stage
        if self.alarm:
            return "suspended"
        follows = self.own is not None and self.behind
        if self._is_behind(self.height if follows else self.executed):
            return "syncing"
        return "joining" if self.own is None else "following" if follows else "voting"

    @property
    def alarm_in_words(self) -> str:
        """What is wrong here, the gravest alone; empty: nothing."""
        return self.urgent_alarm or self.archive_alarm

    @property
    def urgent_alarm(self) -> str:
        """The same without what may wait until morning: an archive that takes nothing."""
        return self.alarm or self.execution_alarm or clock_in_words(self.clock_behind_ms)

    def _is_behind(self, height: int) -> bool:
        return height + BEHIND_BLOCKS < max(self.claimed_height, self.fresh_height)

    @property
    def claimed_height(self) -> int:
        """What f+1 validators say to be final, so one honest one at least; 0: none says."""
        claimed = sorted((one.body.height for one in self.statuses.values()), reverse=True)
        faults = self.description.quorum.faults
        return claimed[min(faults, len(claimed) - 1)] if claimed else 0

    @property
    def execution_lag(self) -> int:
        """Blocks that f+1 validators say to have executed beyond this node."""
        claims = sorted((one.body.executed for one in self.statuses.values()), reverse=True)
        faults = self.description.quorum.faults
        return claims[faults] - self.executed if len(claims) > faults else 0


def clock_in_words(behind_ms: int) -> str:
    """What an operator is to know of a clock that is behind the chain's time; empty: it is not."""
    if not behind_ms:
        return ""
    return (
        f"this clock is {behind_ms / 1000:.0f} s behind the chain's time: if it is wrong, set it; "
        "if others were ahead and were put right, the chain's time stands nearly still until "
        "clocks pass it"
    )
