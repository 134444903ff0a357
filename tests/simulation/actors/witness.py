"""What checkers see of an honest node, and how a crash falls into it.

Owns no check: the world is a witness, and so is nobody in particular.
"""

from strongroom.consensus.replica.events import Commit
from strongroom.consensus.statements import Statement
from strongroom.consensus.types import SignerIndex
from strongroom.consensus.validators import EpochDescription


class Crash(Exception):
    """The node loses power between two effects."""


class Witness:
    """What checkers see of an honest node; this one sees nothing."""

    def point(self, node: SignerIndex, name: str) -> None:
        """A boundary between two effects; may raise Crash."""

    def signed(self, node: SignerIndex, statement: Statement) -> None:
        """The vote key signed this."""

    def committed(self, node: SignerIndex, commit: Commit) -> None:
        """This block is in the node's block store."""

    def began(self, node: SignerIndex, members: EpochDescription) -> None:
        """The node has a replica of this epoch."""

    def booted(self, node: SignerIndex) -> None:
        """The node has read its block store; it has said and stored nothing since its crash."""

    def fault(self, node: SignerIndex, peer: SignerIndex, reason: str) -> None:
        """The node blames a peer."""

    def evidence(self, node: SignerIndex, signer: SignerIndex) -> None:
        """The node holds two contradicting votes of a signer."""

    def lost_secret(self, node: SignerIndex) -> bool:
        """Does the node come back without the input secret that it needs to execute?"""
        return False

    def gives_secret(self, node: SignerIndex) -> bool:
        """Does a peer that executes give the missing secret to this node now?"""
        return True
