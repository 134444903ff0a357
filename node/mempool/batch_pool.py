"""Batches that are held and not yet executed: the data that blocks name (PROTOCOL §2, §7; T35).

Owns their bytes in memory, bounded per origin; the log owns their durability, and the replica,
which knows only their headers, what they mean.
"""

from collections.abc import Iterable

from strongroom.consensus.batches import Batch
from strongroom.consensus.errors import PeerFault
from strongroom.consensus.types import Digest, Lane

ORIGIN_BYTES_MAX = 32 * 1024 * 1024
"""Unordered payload bytes that one origin may make this node keep."""
WANTED_MAX = 65_536
"""Batches that were asked for and have not come; beyond this they are forgotten, to be asked for
again."""


class BatchPool:
    """Held batches by digest."""

    def __init__(self, origin_bytes_max: int = ORIGIN_BYTES_MAX) -> None:
        self.origin_bytes_max = origin_bytes_max
        """Quota of unordered payload bytes of one origin."""
        self._held: dict[Digest, Batch] = {}
        self._bytes: dict[Lane, int] = {}
        self._wanted: set[Digest] = set()

    def __contains__(self, digest: Digest) -> bool:
        return digest in self._held

    def __len__(self) -> int:
        return len(self._held)

    def want(self, digests: Iterable[Digest]) -> None:
        """Blocks name these batches: when they come, they are outside their origins' quotas."""
        if len(self._wanted) > WANTED_MAX:
            self._wanted.clear()
        self._wanted.update(digests)

    def arrived(self, digest: Digest) -> bool:
        """A batch came, kept or not: it is wanted no more; returns whether it was."""
        wanted = digest in self._wanted
        self._wanted.discard(digest)
        return wanted

    def admit(self, batch: Batch, *, wanted: bool) -> None:
        """Check the origin's quota before a batch is logged; what a block needs (`wanted`) is
        outside it.

        Raises:
            PeerFault: the origin has too many unordered bytes here.
        """
        if (
            not wanted
            and self._bytes.get(batch.header.lane, 0) + batch.header.size > self.origin_bytes_max
        ):
            raise PeerFault(
                f"lane {batch.header.lane}: over {self.origin_bytes_max} unordered bytes"
            )

    def add(self, batch: Batch) -> None:
        """Keep a batch; adding it again changes nothing."""
        header = batch.header
        if header.digest not in self._held:
            self._held[header.digest] = batch
            self._bytes[header.lane] = self._bytes.get(header.lane, 0) + header.size

    def get(self, digest: Digest) -> Batch | None:
        """The batch, if held."""
        return self._held.get(digest)

    def drop(self, digest: Digest) -> None:
        """Let go of a batch that is executed and in the block store."""
        batch = self._held.pop(digest, None)
        if batch is not None:
            self._bytes[batch.header.lane] -= batch.header.size

    def all(self) -> list[Batch]:
        """Every held batch, for the carry of a log rotation."""
        return list(self._held.values())

    def waiting(self, lane: Lane) -> int:
        """Held batches of one lane."""
        return sum(1 for batch in self._held.values() if batch.header.lane == lane)
