"""What time alone will change: so that a block in which nothing of it comes costs governance one
comparison.

A pure function of the state and of where the clock stood before the block, so that a replica that
only now looks comes to the same answer as one that looked long ago.
"""

from dataclasses import dataclass

from strongroom.consensus.types import Milliseconds
from strongroom.enclave.governance.action_context import GovernanceView
from strongroom.enclave.governance.grant_time import next_grant_ms
from strongroom.enclave.governance.proposals import next_moment_ms
from strongroom.enclave.governance.records import Status
from strongroom.enclave.governance.succession import READY_MS

NEVER = 2**63


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """When the end of a block has something to do; NEVER where nothing waits."""

    time_ms: int
    """Block time: an activation, an expiry, the end of the grace, the wish, a grant's times."""
    height: int
    """An epoch has lasted its blocks."""
    active_ms: int
    """Active clock: evidence grows too old for something."""
    expiry_ms: int
    """Active clock: evidence grows too old to stay, so that a block is worth making for it."""


def read_deadlines(view: GovernanceView, since_ms: Milliseconds) -> Deadlines:
    """What comes after the active clock showed `since_ms`."""
    tables, winner = view.tables, view.tables.winner
    moments = [next_moment_ms(view), tables.grace_until_ms, next_grant_ms(view)]
    if winner is not None and tables.wish is None:
        moments.append(winner.quorum_ms + READY_MS)
    blocks = tables.limit("epoch_blocks")
    counts = bool(blocks) and tables.due is None and not view.frozen
    suspensions, expiries = _ages(view)
    return Deadlines(
        time_ms=min((moment for moment in moments if moment), default=NEVER),
        height=view.epoch_record.anchor_height + blocks if counts else NEVER,
        active_ms=min(
            (moment for moment in (*suspensions, *expiries) if moment > since_ms), default=NEVER
        ),
        expiry_ms=min((moment for moment in expiries if moment > since_ms), default=NEVER),
    )


def _ages(view: GovernanceView) -> tuple[list[int], list[int]]:
    """When nodes' evidence comes of age, and when it expires, on the active clock."""
    if view.frozen:
        return [], []
    max_age_ms = view.tables.policy.max_age_ms
    nodes = [node for node in view.tables.nodes() if node.status is not Status.REMOVED]
    suspensions = [node.attested_ms + max_age_ms + 1 for node in nodes]
    members = (node for node in nodes if node.status in (Status.VALIDATOR, Status.LEAVING))
    return suspensions, [node.attested_ms + 2 * max_age_ms + 1 for node in members]
