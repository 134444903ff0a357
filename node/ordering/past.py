"""What a participant may read of this node's own past.

Owns the questions; who answers them has the disk. What is read is final and never changes.
"""

from typing import Protocol

from strongroom.consensus.blocks import Header
from strongroom.consensus.recovery import Finality
from strongroom.consensus.replica.events import Executed
from strongroom.consensus.types import Height
from strongroom.consensus.validators import EpochDescription


class Past(Protocol):
    """The block store, read. Heights from 1 on; a method raises OperatorFault for what should be
    there and is not."""

    @property
    def newest_block(self) -> Height:
        """Of the newest stored block; 0: none."""
        ...

    @property
    def newest_outcome(self) -> Height:
        """Of the newest recorded outcome; 0: none."""
        ...

    @property
    def archived(self) -> Height:
        """Of the newest block that is in the archive alone; 0: none. Every epoch that such blocks
        opened is known without them."""
        ...

    def is_at_hand(self, height: int) -> bool:
        """Whether a block can be read now; if not, it is fetched from the archive: ask again
        later."""
        ...

    def head_at(self, height: int) -> tuple[Header, Finality | None]:
        """A stored header, and its own FINALIZE certificate if it has one."""
        ...

    def bytes_at(self, height: int) -> int:
        """Bytes of a stored block with its batches."""
        ...

    def executed_at(self, height: int) -> Executed:
        """What a replica is told of a recorded outcome."""
        ...

    def wish_at(self, height: int) -> tuple[EpochDescription, bytes] | None:
        """The epoch that the state wishes next after a recorded outcome, and its public key; None:
        no wish."""
        ...

    def has_transaction(self, envelope: bytes) -> bool:
        """Does a recorded outcome hold this envelope, as far as is known at once?"""
        ...
