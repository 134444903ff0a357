"""What an enclave is to its host: the stage of its life, and what it cannot do without one.

Owns the two words alone. Which request a stage allows stands in the door's table
(door/requests.py); how a stage is left, in lifecycle.py and member.py.
"""

from enum import IntEnum, IntFlag


class Stage(IntFlag):
    """Exactly one at a time; the door's table names those in which a request is answered."""

    EMPTY = 1
    """It has no keys yet."""
    FOUNDING = 2
    """It has keys for a genesis to be; what ACCEPT sealed is unsealed in another process."""
    SUCCESSOR = 4
    """It learns what the ledger says, and says nothing until TAKE_OVER."""
    MEMBER = 8
    """It has keys and a service, and does not know yet whether it sees the newest ledger."""
    FRESH = 16
    """A member to which q heads over its nonce have shown what is newest."""
    ENDED = 32
    """It has handed over."""
    RECOVERING = 64
    """It has no keys, and follows a ledger to bring a dead service back (recovery.py)."""


ALWAYS = ~Stage(0)
ACTIVE = Stage.MEMBER | Stage.FRESH
LEARNING = Stage.SUCCESSOR | ACTIVE


class Need(IntEnum):
    """What an enclave cannot do without its host."""

    NOTHING = 0
    KEYS = 1
    """Secrets that a peer has."""
    ATTEST = 2
    """Evidence of this boot on the ledger."""
    SUCCESSOR = 3
    """Something is due to be erased from its process' memory."""
    SUPERSEDED = 4
    """A newer boot of this node is registered: this one must stop (T25)."""
