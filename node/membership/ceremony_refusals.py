"""Why a ceremony does not go on: whom it is about, and a ground that stays.

Owns these words alone.
"""

from enum import StrEnum
from typing import NoReturn

from strongroom.consensus.errors import StrongroomError

SOMEBODY = "somebody"
"""Whom a refusal is about when a file does not even say whose it is."""


class Ground(StrEnum):
    """Why a ceremony does not go on; these words stay."""

    FILE = "file"
    """Not the canonical bytes of what it should be."""
    OPERATOR_SIGNATURE = "operator-signature"
    MEMBER_SIGNATURE = "member-signature"
    DEPLOYMENT = "deployment"
    """The operator did not sign this machine, code, name and region."""
    CERTIFICATE = "certificate"
    TERMS = "terms"
    """Terms that no service can begin with."""
    CLOCK = "clock"
    """Made in the future, or too long ago."""
    DOUBLED = "doubled"
    """Two of what there may be one of."""
    MISSING = "missing"
    STRANGER = "stranger"
    """A file of somebody who does not stand in this proposal."""
    OWN_WORDS = "own-words"
    """My own card does not stand in the proposal as I wrote it."""
    OTHER_CARD = "other-card"
    """The proposal has another card of it than the one that I got from itself."""
    OTHER_MEASUREMENT = "other-measurement"
    """It means to run other code than I measure here."""
    OTHER_PROPOSAL = "other-proposal"
    """Its file answers another proposal: an older ceremony, or other terms."""
    EVIDENCE = "evidence"
    """Its evidence does not meet the constitution."""
    OTHER_MACHINE = "other-machine"
    """Its evidence is good, and not of the machine that its card names."""
    FOUNDER = "founder"
    """Not made by whose enclave must make it."""
    OTHER_GENESIS = "other-genesis"
    """This genesis is not the one of these acceptances, or of the others' confirmations."""
    TWO_WORDS = "two-words"
    """It signed two files where there may be one: shown to different organisations."""
    WRAP = "wrap"
    """The secret that it wrapped to me does not open, or is another one."""
    NAME = "name"
    """A name that looks like another, or that no key file can have."""
    ADDRESS = "address"
    """Where nobody, or somebody else, would be reached."""
    LEFT_OUT = "left-out"
    """I have its card, and the proposal leaves it out."""
    GIVEN_UP = "given-up"
    """I gave this proposal up for good: a second answer to it would be a second word."""


class CeremonyRefused(StrongroomError):
    """Something in a ceremony is not as it must be; nothing was signed.

    Attributes:
        party: the operator whom it is about.
        ground: see Ground.
    """

    def __init__(self, party: str, ground: Ground, detail: str) -> None:
        super().__init__(f"{party}: {ground}: {detail}")
        self.party, self.ground = party, ground


def refuse(party: str, ground: Ground, detail: str) -> NoReturn:
    """Refuse.

    Raises:
        CeremonyRefused: always.
    """
    raise CeremonyRefused(party, ground, detail)
