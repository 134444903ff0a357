"""What an enclave refuses, as exceptions: one class for each kind that a host does something about.

Owns the classes alone. The kinds are the door's (enclave/door/refusals.py); a kind without a class
of its own is a plain Refusal.
"""

from strongroom.enclave.door.refusals import Refusal, RefusalKind

__all__ = [
    "BelowDemanded",
    "EpochUnknown",
    "HeadsNeeded",
    "KeysNeeded",
    "LoadRefused",
    "NotFresh",
    "Refusal",
    "RefusalKind",
    "Superseded",
    "Unforeseen",
    "refusal_of",
]


class Unforeseen(Refusal):
    """A bug of ours, met while others' bytes were judged: an alarm."""


class KeysNeeded(Refusal):
    """An epoch's secret is not in this enclave: apply recorded outcomes, or ask a peer for keys."""


class EpochUnknown(Refusal):
    """It has not been shown how an epoch began: `epochs` first."""


class Superseded(Refusal):
    """A newer boot of this node is registered: this one stops (T25)."""


class NotFresh(Refusal):
    """It waits for fresh heads, or for blocks that are final elsewhere."""


class HeadsNeeded(Refusal):
    """A linearizable query needs heads over a new challenge."""


class BelowDemanded(Refusal):
    """A query demands a height that is not executed here yet."""


class LoadRefused(Refusal):
    """A snapshot is not what a quorum named."""


_CLASSES: dict[RefusalKind, type[Refusal]] = {
    RefusalKind.UNFORESEEN: Unforeseen,
    RefusalKind.KEYS_NEEDED: KeysNeeded,
    RefusalKind.EPOCH_UNKNOWN: EpochUnknown,
    RefusalKind.SUPERSEDED: Superseded,
    RefusalKind.NOT_FRESH: NotFresh,
    RefusalKind.HEADS_NEEDED: HeadsNeeded,
    RefusalKind.BELOW_DEMANDED: BelowDemanded,
    RefusalKind.LOAD_REFUSED: LoadRefused,
}


def refusal_of(kind: RefusalKind, text: str, reason: str = "") -> Refusal:
    """A refusal of its kind's class."""
    return _CLASSES.get(kind, Refusal)(kind, reason, text)
