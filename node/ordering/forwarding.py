"""Large batches in large sets travel over two hops (PROTOCOL §3, FORWARD).

To all alike, an origin's line carries n − 1 copies of each batch, and one busy origin is bounded by
that. Here it sends a few: to the next leaders, so that whoever proposes has the batch as soon as
ever, each with the names of those that it passes the batch on to. Owns who is asked to, and when
nobody is. It is transport alone: whoever gets a batch checks its origin's signature, and one that a
dead or lying node did not pass on is fetched by digest (R14) or sent by its origin after 2Δ
(PROTOCOL §7).
"""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from math import isqrt

from strongroom.consensus.batches import Batch
from strongroom.consensus.errors import PeerFault
from strongroom.consensus.messages import FORWARD_TO_MAX, BatchMessage, Forward, Message
from strongroom.consensus.types import Digest, PublicKey, SignerIndex

DIRECT_SECONDS = 10.0
"""How long an origin sends to all itself after a batch of its own stayed unordered: somebody may
not have passed it on."""
FORWARDED_MAX = 2048
"""Newest own batches of which it is known that others were asked to pass them on: an origin's
unordered bytes hold no more of `bytes_min`."""


@dataclass(frozen=True, slots=True)
class ForwardBounds:
    """From where on it pays (docs/scale.md). One for all nodes: whoever is asked below refuses, so
    only tests change them, and for all."""

    members_min: int = 16
    """Validators."""
    bytes_min: int = 16 * 1024
    """Of a payload: below, a second hop takes longer than the line."""


class Forwarding:
    """The first hop of one node's batches in one epoch, and the second one of others'."""

    def __init__(
        self, keys: tuple[PublicKey, ...], own: SignerIndex | None, bounds: ForwardBounds
    ) -> None:
        self._keys, self._own, self._bounds = keys, own, bounds
        self._direct_until = float("-inf")
        self._forwarded: deque[Digest] = deque(maxlen=FORWARDED_MAX)

    def distrust(self, digest: Digest, now: float) -> None:
        """A batch of one's own stayed unordered for 2Δ: if others were to pass it on, somebody may
        not have."""
        if digest in self._forwarded:
            self._direct_until = now + DIRECT_SECONDS

    @property
    def _relays(self) -> int:
        """How many are asked to pass a batch on."""
        return min(isqrt(len(self._keys) - 2) + 1, FORWARD_TO_MAX)

    @property
    def _share_max(self) -> int:
        """To how many each of them does."""
        relays = self._relays
        return -(-(len(self._keys) - 1 - relays) // relays)

    def _pays(self, batch: Batch) -> bool:
        bounds = self._bounds
        return len(self._keys) >= bounds.members_min and batch.header.size >= bounds.bytes_min

    def copies(
        self,
        batch: Batch,
        leaders: tuple[SignerIndex, ...],
        reachable: Collection[PublicKey],
        now: float,
    ) -> list[tuple[PublicKey | None, Message]]:
        """What is said of a new batch, to whom; None is everybody.

        Args:
            batch: of the own lane.
            leaders: of the views to come, the next one first.
            reachable: nodes that can be asked, validators or not.
            now: monotonic seconds.
        """
        whole: list[tuple[PublicKey | None, Message]] = [(None, BatchMessage(batch))]
        count = len(self._keys)
        if not self._pays(batch) or now < self._direct_until:
            return whole
        wanted = self._relays
        firsts = [
            leader for leader in leaders if leader != self._own and self._keys[leader] in reachable
        ][:wanted]
        others = [
            SignerIndex(index)
            for index in range(count)
            if index != self._own and index not in firsts
        ]
        shares = [tuple(others[turn :: len(firsts)]) for turn in range(len(firsts))]
        if len(firsts) < wanted or any(len(share) > FORWARD_TO_MAX for share in shares):
            return whole
        self._forwarded.append(batch.header.digest)
        followers = sorted(set(reachable) - set(self._keys))
        return [
            *((self._keys[at], Forward(batch, to)) for at, to in zip(firsts, shares, strict=True)),
            *((follower, BatchMessage(batch)) for follower in followers),
        ]

    def check(self, sender: SignerIndex, forward: Forward) -> None:
        """May this node ask for it? Only for what it would ask for if it were honest.

        Raises:
            PeerFault: the batch is of another lane than its sender's, or goes to all at once here;
                or more are named than a share has, its origin, this node or no validator.
        """
        lane = int(forward.batch.header.lane)
        if lane != sender:
            raise PeerFault(f"forward of lane {lane} by validator {sender}")
        if not self._pays(forward.batch):
            raise PeerFault("forward of a batch that goes to all at once")
        if any(index >= len(self._keys) for index in forward.to):
            raise PeerFault("forward to a validator that there is none of")
        if len(forward.to) > self._share_max or {lane, self._own} & {*forward.to}:
            raise PeerFault(f"forward to {len(forward.to)} that is no share of the others")

    def passed_on(self, forward: Forward) -> list[tuple[PublicKey, Message]]:
        """The second hop of another node's batch."""
        message = BatchMessage(forward.batch)
        return [(self._keys[to], message) for to in forward.to]
