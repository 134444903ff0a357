"""Envelopes that wait for a batch, by organisation: each has its own room, and its turn by weight.

Owns fairness: deficit round robin (Shreedhar and Varghese, 1995) over bytes. What one organisation
submits leaves in the order in which it came; how much another submits changes neither its room nor
its turn.
"""

from collections import deque
from collections.abc import Iterable, Sequence

QUANTUM_BYTES = 64 * 1024
"""Of one turn of weight 1; more than the largest envelope would waste nothing, less only takes more
turns."""


class Share:
    """One organisation's room and queue."""

    __slots__ = (
        "bytes",
        "bytes_max",
        "deficit",
        "envelopes",
        "envelopes_max",
        "name",
        "queue",
        "weight",
    )

    def __init__(self, name: str, weight: int, envelopes_max: int, bytes_max: int) -> None:
        self.name, self.weight = name, weight
        self.envelopes_max, self.bytes_max = envelopes_max, bytes_max
        self.envelopes = self.bytes = 0
        """Taken and not yet executed."""
        self.queue: deque[bytes] = deque()
        """Taken and not yet batched."""
        self.deficit = 0

    def has_room(self, envelopes: int, size: int) -> bool:
        """For so many more, of so many bytes together?"""
        return (
            self.envelopes + envelopes <= self.envelopes_max and self.bytes + size <= self.bytes_max
        )

    def hold(self, envelopes: int, size: int) -> None:
        """So many more are held, of so many bytes together."""
        self.envelopes += envelopes
        self.bytes += size


class FairQueue:
    """All shares of one mempool."""

    def __init__(
        self, weights: Iterable[tuple[str, int]], envelopes_max: int, bytes_max: int
    ) -> None:
        known = list(weights)
        self._total = sum(weight for _, weight in known) or 1
        self.own = Share("", 1, envelopes_max, bytes_max)
        """The node's own words, and what nobody in the table submits."""
        self._shares = {"": self.own}
        for name, weight in known:
            self._shares[name] = Share(name, weight, 0, 0)
        self.resize(envelopes_max, bytes_max)
        self._turns: deque[Share] = deque()
        """Those with envelopes that wait; the first one's turn it is."""
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def resize(self, envelopes_max: int, bytes_max: int) -> None:
        """From now on there is room for so many, and so many bytes; what is held already stays."""
        self.own.envelopes_max, self.own.bytes_max = envelopes_max, bytes_max
        for share in self._shares.values():
            if share is not self.own:
                share.envelopes_max = max(1, envelopes_max * share.weight // self._total)
                share.bytes_max = max(1, bytes_max * share.weight // self._total)

    def share_of(self, name: str) -> Share:
        """An organisation's share; the node's own for who is not in the table."""
        return self._shares.get(name, self.own)

    def extend(self, share: Share, envelopes: Sequence[bytes]) -> None:
        """These at the end of a share's queue, in this order."""
        if envelopes and not share.queue:
            self._turns.append(share)
        share.queue.extend(envelopes)
        self._length += len(envelopes)

    def put_first(self, envelopes: Sequence[bytes]) -> None:
        """These leave before all others, in this order."""
        own = self.own
        if not envelopes:
            return
        if own.queue:
            self._turns.remove(own)
        own.queue.extendleft(reversed(envelopes))
        own.deficit = sum(map(len, envelopes))
        self._turns.appendleft(own)
        self._length += len(envelopes)

    def take(
        self,
        count_max: int,
        bytes_max: int,
        overhead: int,
        *,
        few: int = 0,
        mean_min: int = 0,
    ) -> list[bytes]:
        """The next batch's envelopes; at least one, if any wait.

        Args:
            count_max: of them.
            bytes_max: of all together.
            overhead: bytes that each takes beside its own.
            few: so many may be as small as they like.
            mean_min: bytes that each of more than these must have on average, overhead counted; one
                that would bring them below that stays for the next batch.
        """
        taken: list[bytes] = []
        turns, count, used, full = self._turns, 0, 0, False
        while turns and not full:
            share = turns[0]
            queue, alone, deficit = share.queue, len(turns) == 1, share.deficit
            while queue:  # the hot path: one organisation's envelopes
                size = len(queue[0])
                if not alone and deficit < size:
                    break
                filled = used + size + overhead
                full = count == count_max or (
                    count > 0
                    and (filled > bytes_max or (count >= few and filled < (count + 1) * mean_min))
                )
                if full:
                    break
                used, count = filled, count + 1
                deficit -= size
                taken.append(queue.popleft())
            share.deficit = 0 if alone or not queue else deficit
            if not queue:
                turns.popleft()
            elif not full:
                share.deficit += share.weight * QUANTUM_BYTES
                turns.rotate(-1)
        self._length -= count
        return taken
