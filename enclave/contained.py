"""Which errors say something of the bytes at hand, and which of this process (DESIGN §3, stop 7;
README, Decisions).

Execution is total: whatever one envelope, one proposal or one piece of evidence makes our own code
raise becomes a refusal, the same on every replica, for every replica runs the same code on the same
bytes. What this process lacks (memory, stack, a descriptor, a key) or contradicts (an invariant) is
no fact of the bytes: it may never become an outcome, so it ends the process instead.
"""

from strongroom.consensus.errors import InvariantBroken, OperatorFault
from strongroom.consensus.types import Epoch


class KeysNeeded(OperatorFault):
    """A secret of an epoch is not here: it was erased, or never given."""

    def __init__(self, epoch: Epoch) -> None:
        super().__init__(
            f"no such secret of epoch {epoch} is held here: apply recorded outcomes, "
            "or ask a peer for KEYS"
        )
        self.epoch = epoch


OF_THIS_PROCESS = (InvariantBroken, KeysNeeded, MemoryError, RecursionError, OSError)
"""Raised on wherever anything else is contained."""
