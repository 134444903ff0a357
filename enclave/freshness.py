"""Does this enclave see the newest ledger (PROTOCOL §6, Fresh; T05, T06, T13)?

Owns the nonce that is out, the newest point that a quorum showed over one, and which queries wait for a later one. With
the first point of a boot it also decides which older input secrets may still be used: a disk from yesterday holds keys
of epochs whose grace is over, and they open nothing any more.
"""

from collections.abc import Sequence
from itertools import pairwise

from strongroom.consensus.blocks import Header
from strongroom.consensus.epochs import EpochChain
from strongroom.consensus.errors import ClientFault, OperatorFault
from strongroom.consensus.messages import Head
from strongroom.consensus.types import Epoch, Height
from strongroom.enclave.heads import FreshPoint, check_heads
from strongroom.enclave.primitives import random_bytes, verify
from strongroom.enclave.standing import Standing

DEMANDS_MAX = 1024


class NotFresh(ClientFault):
    """The enclave does not know yet whether its host shows it the newest ledger."""


class StaleHeads(OperatorFault):
    """Heads or ledger lie below what this enclave had executed before: the disk or the peers were rolled back."""


class Freshness:
    """The newest point that this enclave knows of."""

    def __init__(self, epochs: EpochChain, standing: Standing) -> None:
        self._epochs, self._standing = epochs, standing
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

    def freshen(self, heads: Sequence[Head], below: Sequence[Header], *, grace_ms: int) -> FreshPoint:
        """Take q heads over my nonce.

        Args:
            heads: by members of the newest epoch that is known.
            below: headers from the anchor's height of the newest head's header up to just below it; may be empty.
            grace_ms: how long input secrets live on after their epoch, as far as this enclave knows.

        Raises:
            NotFresh: no nonce is out.
            EpochUnknown: the heads are of a later epoch.
            PeerFault: fewer than q members' heads verify.
            StaleHeads: they are older than what this enclave had executed (T05).
        """
        if self._nonce is None:
            raise NotFresh("CHALLENGE comes first")
        point = check_heads(heads, self._nonce, self._epochs, verify)
        if point.height < self._standing.mark[0]:
            size = self._epochs.newest.quorum.size
            raise StaleHeads(f"{size} heads end at height {point.height}, below my own mark")
        self._nonce = None
        if self.point is None:
            self._forget_expired(point, below, grace_ms)
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
        """Is everything here that a quorum had anchored at the point? Whoever cannot execute cannot have more."""
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

    def _forget_expired(self, point: FreshPoint, below: Sequence[Header], grace_ms: int) -> None:
        """Keep an ended epoch's input secret only while a quorum's newest anchor lies within its grace (T13)."""
        newest = self._epochs.newest.epoch
        anchored = self._epochs.epoch_at(Height(point.header.anchor.height + 1))
        for secrets in self._standing.keyring.all():
            if not secrets.opens or secrets.epoch >= newest:
                continue
            if secrets.epoch + 1 < anchored or not self._within_grace(point, below, secrets.epoch, grace_ms):
                self._standing.keyring.forget_input(secrets.epoch)

    def _within_grace(self, point: FreshPoint, below: Sequence[Header], epoch: Epoch, grace_ms: int) -> bool:
        anchor = point.header.anchor
        terminal = self._epochs.anchor_of(Epoch(epoch + 1))
        if terminal is None or anchor.height <= terminal.height:
            return terminal is not None
        chain = [*below, point.header]
        linked = all(later.parent == earlier.digest for earlier, later in pairwise(chain))
        if not linked or chain[0].height != anchor.height:
            return False
        return chain[0].time_ms <= terminal.time_ms + grace_ms
