"""Has this node's enclave been started from an older copy of its sealed state (VAULT §8)?

Owns the one sign of it that a ledger gives. A start takes the next boot number after the one that
was sealed, so two starts from one sealed state bear one number, and the second looks like the first
one attesting again. But each process knows what evidence it made: where the ledger shows its own
number under evidence that it did not make, another start had that number, and this one takes the
number above. So it is announced like any start, and the other one is over. It does so once,
whichever processes the start lives in: of two that run side by side, the one that is announced
later stops.
"""

from collections.abc import Sequence

from strongroom.consensus.types import Digest
from strongroom.enclave.governance.records import Node
from strongroom.enclave.keys.keystore import KeyStore
from strongroom.enclave.primitives import digest

ANNOUNCED_MAX = 4_096
"""Pieces of evidence that a process remembers to have made; one that is forgotten and comes to the
ledger afterwards is taken for another's, which costs a boot number and an event."""


class Starts:
    """What this process announced, and whether others announce under its number."""

    def __init__(self, keystore: KeyStore) -> None:
        self._keystore = keystore
        self._announced: dict[Digest, None] = {}
        self._took_another = False
        self.unsealed = False
        """Was another number taken that no sealed state holds yet?"""

    def take_over(self, announced: Sequence[Digest], *, took_another: bool) -> None:
        """This process goes on with the boot of another, which has handed over: what it announced
        counts as announced here, and the number that it took as taken."""
        self._announced = dict.fromkeys([*announced, *self._announced])
        self._took_another = self._took_another or took_another

    @property
    def announced(self) -> tuple[Digest, ...]:
        """For a successor."""
        return tuple(self._announced)

    @property
    def took_another(self) -> bool:
        """Did this start take the number above its own? For a successor."""
        return self._took_another

    def note(self, evidence: bytes) -> None:
        """This process made evidence for the ledger."""
        self._announced[digest(evidence)] = None
        while len(self._announced) > ANNOUNCED_MAX:
            del self._announced[next(iter(self._announced))]

    def is_over(self, node: Node | None) -> bool:
        """Has another start taken this one's place (T25), as the ledger shows this node? If it only
        had the same number, this one takes the next, once."""
        if node is None or node.boot != self._keystore.boot:
            return node is not None and node.boot > self._keystore.boot
        if _is_of_genesis(node) or node.evidence_digest in self._announced:
            return False
        if self._took_another:
            return True
        self._keystore.boot += 1
        self._took_another = self.unsealed = True
        return False


def _is_of_genesis(node: Node) -> bool:
    """Is its evidence the founder's that stands in genesis, which another process made?"""
    return (node.admitted_height, node.attested_height, node.boot) == (0, 0, 1)
