"""Why a public transaction changes nothing: every ground, and the one way to say it.

The code is part of the interface and never changes its meaning; the message says what to do next.
Both are public and the same on every replica, so no text of a library ever stands in them (T27).
"""

from enum import StrEnum
from typing import NoReturn

from strongroom.enclave.programs.framework import ProgramError


class Ground(StrEnum):
    """The class of a refusal."""

    NOT_A_MEMBER = "not-a-member"
    """The signer governs nothing."""
    WATCHER = "watcher"
    """The signer is a member with weight 0."""
    NOT_A_NODE = "not-a-node"
    """The signer is no node of the registry, or not one that may do this."""
    REMOVED = "removed"
    """The node was removed."""
    UNKNOWN_PROPOSAL = "unknown-proposal"
    ANOTHER_PROPOSAL = "another-proposal"
    """The ballot names another change than the proposal of this id."""
    CLOSED = "closed"
    """The proposal is decided."""
    TWICE = "twice"
    """This was said before: a replay, or a second word on one question."""
    UNKNOWN_CHANGE = "unknown-change"
    ARGUMENTS = "arguments"
    """An argument of a change is missing, of another kind or out of range."""
    NO_CHANGE = "no-change"
    """It would change nothing."""
    LOCK_OUT = "lock-out"
    """Afterwards nobody could govern, operate or validate."""
    FULL = "full"
    """A bound is reached."""
    MALFORMED = "malformed"
    """Bytes inside the transaction are not what they must be."""
    TOO_OLD = "too-old"
    """It refers to a block that is no longer, or not yet, one of the recent ones."""
    TAKEN = "taken"
    """A name, key or chip that another node has."""
    OTHER_NODE = "other-node"
    """The evidence names another node than the one that is registered under this key."""
    OLDER_BOOT = "older-boot"
    """Evidence of a boot and height that are not newer than the registered ones."""
    OTHER_HISTORY = "other-history"
    """The node executed something else than this state."""
    WRONG_EPOCH = "wrong-epoch"
    NOTHING_DUE = "nothing-due"
    """No epoch is due, or another set of members."""
    UNKNOWN_OFFER = "unknown-offer"
    WRAPS = "wraps"
    """An offer does not wrap to exactly the members that announced a key, in order."""
    SUSPENDED = "suspended"
    TOO_SOON = "too-soon"
    FROZEN = "frozen"
    """The next epoch is decided; nothing of it changes any more."""
    LAST = "last"
    """The last validator stays."""
    PROVES_NOTHING = "proves-nothing"
    """Evidence of an offence that contradicts nothing."""
    NO_ONE_IN_REGION = "no-one-in-region"
    """A rule that nobody could meet."""
    OTHER_GENERATION = "other-generation"
    """A generation of recovery shares that is not, or no longer, one of this state."""
    UNKNOWN_OPERATOR = "unknown-operator"
    """Members have not said for which operator this key acts."""
    UNKNOWN_GRANT = "unknown-grant"
    ANOTHER_GRANT = "another-grant"
    """What was said names another ask than the grant of this id."""
    SELF_APPROVED = "self-approved"
    SAME_OPERATOR = "same-operator"
    """Asker and member act for one operator."""
    NOT_ASKED_BY = "not-asked-by"
    """Only who asked may say this."""
    NOT_APPROVED = "not-approved"
    """The grant was not approved, or what approved it counts no more."""
    REVOKED = "revoked"
    EXPIRED = "expired"
    """The claim-by or the end of the grant is over."""
    NOT_IN_GRANT = "not-in-grant"
    """Another operation or node than the grant names."""
    OTHER_PARAMETERS = "other-parameters"
    NOT_BEGUN = "not-begun"
    NO_GRANT = "no-grant"
    """The service demands a grant for this."""
    WRONG_REGION = "wrong-region"
    """The person's region is unknown, or none of those that members allow."""
    REVIEW_DUE = "review-due"
    """A used emergency was not reviewed in time."""
    NOT_OBSERVED = "not-observed"
    """Members add keys of this issuer by vote alone."""


def refuse(ground: Ground | str, message: str) -> NoReturn:
    """Refuse a public transaction.

    Raises:
        ProgramError: always.
    """
    raise ProgramError(str(ground), message)
