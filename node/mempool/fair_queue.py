"""Envelopes that wait for a batch, by organisation: each has its own room, and its turn by weight.

Owns fairness: deficit round robin (Shreedhar and Varghese, 1995) over bytes. What one organisation
submits leaves in the order in which it came; how much another submits changes neither its room nor
its turn.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence

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

    def let_go(self, size: int) -> None:
        """One less."""
        self.envelopes -= 1
        self.bytes -= size


class FairQueue:
    """All shares of one mempool."""

    def __init__(
        self, weights: Iterable[tuple[str, int]], envelopes_max: int, bytes_max: int
    ) -> None:
        known = list(weights)
        total = sum(weight for _, weight in known) or 1
        self.own = Share("", 1, envelopes_max, bytes_max)
        """The node's own words, and what nobody in the table submits."""
        self._shares = {"": self.own}
        for name, weight in known:
            share = Share(
                name,
                weight,
                max(1, envelopes_max * weight // total),
                max(1, bytes_max * weight // total),
            )
            self._shares[name] = share
        self._turns: deque[Share] = deque()
        """Those with envelopes that wait; the first one's turn it is."""
        self._length = 0

    def __len__(self) -> int:
        return self._length

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
        least: Callable[[int], int] = lambda _: 0,
    ) -> list[bytes]:
        """The next batch's envelopes; at least one, if any wait.

        Args:
            count_max: of them.
            bytes_max: of all together.
            overhead: bytes that each takes beside its own.
            least: bytes that a batch of so many must at least have, overhead counted; one more that
                would make it smaller than that stays for the next.
        """
        taken: list[bytes] = []
        turns, room = self._turns, bytes_max
        while turns and len(taken) < count_max:
            share = turns[0]
            queue, alone = share.queue, len(turns) == 1
            size = len(queue[0])
            if not alone and share.deficit < size:
                share.deficit += share.weight * QUANTUM_BYTES
                turns.rotate(-1)
                continue
            room -= size + overhead
            if taken and (room < 0 or bytes_max - room < least(len(taken) + 1)):
                break
            share.deficit = 0 if alone else share.deficit - size
            taken.append(queue.popleft())
            if not queue:
                share.deficit = 0
                turns.popleft()
        self._length -= len(taken)
        return taken
