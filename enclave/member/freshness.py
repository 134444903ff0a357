"""Does this enclave see the newest ledger (PROTOCOL §6, Fresh; T05, T06, T13)?

Owns the nonce that is out, the newest point that a quorum showed over one, and which queries wait
for a later one. With the first point of a boot, input secrets of ended epochs are in doubt: a disk
from yesterday holds keys of epochs whose grace is over. What decides is the ledger, once this
enclave stands where a quorum did (member.py).
"""

from collections.abc import Sequence

from strongroom.consensus.epochs import EpochChain
from strongroom.consensus.errors import ClientFault, OperatorFault
from strongroom.consensus.heads import Head
from strongroom.consensus.types import Height
from strongroom.enclave.keys.keystore import KeyStore
from strongroom.enclave.primitives import random_bytes, verify
from strongroom.enclave.proofs.heads import FreshPoint, check_heads

DEMANDS_MAX = 1024


class NotFresh(ClientFault):
    """The enclave does not know yet whether its host shows it the newest ledger."""


class StaleHeads(OperatorFault):
    """Heads or ledger lie below what this enclave had executed before: the disk or the peers were
    rolled back."""


class Freshness:
    """The newest point that this enclave knows of."""

    def __init__(self, epochs: EpochChain, keystore: KeyStore) -> None:
        self._epochs, self._keystore = epochs, keystore
        self._nonce: bytes | None = None
        self.point: FreshPoint | None = None
        self._challenges = 0
        self._answered = 0
        """Number of the challenge that `point` answers."""
        self._demands: dict[bytes, int] = {}
        """Linearizable queries that wait for heads: id → challenges made before they came."""

    def challenge(self) -> bytes:
        """A nonce for heads; the one before is void."""
        self._nonce = random_bytes(32)
        self._challenges += 1
        return self._nonce

    def freshen(self, heads: Sequence[Head]) -> FreshPoint:
        """Take q heads over my nonce, by validators of the newest epoch that is known.

        Raises:
            NotFresh: no nonce is out.
            EpochUnknown: the heads are of a later epoch.
            PeerFault: fewer than q validators' heads verify.
            StaleHeads: they are older than what this enclave had executed (T05).
        """
        if self._nonce is None:
            raise NotFresh("CHALLENGE comes first")
        point = check_heads(heads, self._nonce, self._epochs, verify)
        if point.height < self._keystore.mark[0]:
            size = self._epochs.newest.quorum.size
            raise StaleHeads(f"{size} heads end at height {point.height}, below my own mark")
        self._nonce = None
        if self.point is None:
            self._doubt_older(point)
        self.point, self._answered = point, self._challenges
        return point

    def need(self) -> FreshPoint:
        """The newest point.

        Raises:
            NotFresh: there is none.
        """
        if self.point is None:
            raise NotFresh("FRESHEN first: q heads over my nonce are needed")
        return self.point

    def is_reached_by(self, height: Height) -> bool:
        """Is there a point, at or below this height?"""
        return self.point is not None and height >= self.point.height

    def is_followed_by(self, height: Height) -> bool:
        """Is everything here that a quorum had anchored at the point? Whoever cannot execute cannot
        have more."""
        return self.point is not None and height >= self.point.header.anchor.height

    # --- linearizable queries ---

    def demand(self, id: bytes) -> None:
        """A linearizable query came: only heads over a nonce made from now on can serve it."""
        if len(self._demands) >= DEMANDS_MAX:
            self._demands.pop(next(iter(self._demands)))
        self._demands[id] = self._challenges

    def since(self, id: bytes) -> FreshPoint | None:
        """The newest point, if it answers a challenge made after this query came."""
        demanded = self._demands.get(id) if self._demands else None
        return self.point if demanded is not None and self._answered > demanded else None

    # --- older input secrets ---

    def _doubt_older(self, point: FreshPoint) -> None:
        """Set ended epochs' input secrets aside; those that not even grace can reach any more are
        forgotten (T13)."""
        ring = self._keystore.keyring
        anchored = self._epochs.epoch_at(Height(point.header.anchor.height + 1))
        for secrets in ring.all():
            if secrets.epoch >= self._epochs.newest.epoch:
                continue
            if secrets.epoch + 1 < anchored:
                ring.forget_input(secrets.epoch)
            else:
                ring.doubt(secrets.epoch)
