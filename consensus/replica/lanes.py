"""What is held of every lane, by batch headers alone (PROTOCOL §2).

Owns the chains above the final cut: which batches lie between two cuts, which cut is newest, which
lanes are forked. A held batch is durable here before any vote that rests on it. Quotas are its
caller's: what was stored is remembered.
"""

from collections.abc import Sequence as Items
from dataclasses import dataclass

from strongroom.consensus.batches import BatchHeader
from strongroom.consensus.blocks import BLOCK_BATCHES_MAX, BLOCK_BYTES_MAX, LaneTip, initial_cut
from strongroom.consensus.replica.events import LaneFork
from strongroom.consensus.types import Digest, Epoch, Lane, Sequence

Cut = tuple[LaneTip, ...]


@dataclass(slots=True)
class HeldBatch:
    """A batch that is stored here and not final."""

    header: BatchHeader
    first_at: float | None = None
    """Monotonic seconds since when it is the next one that its lane could order; None while it is
    not, or none may."""
    relayed: bool = False
    retries: int = 0
    """How often it was due to be relayed again: each time since, it is the turn of others."""


@dataclass(frozen=True, slots=True)
class Walk:
    """What lies between two cuts."""

    batches: tuple[Digest, ...]
    """In execution order: lanes in index order, sequence ascending; complete only if nothing is
    missing."""
    size: int
    """Bytes of their payloads."""
    missing: tuple[tuple[Lane, Digest], ...] = ()
    """The newest batch of each lane that is not held."""
    chained: bool = True
    """False: the newer cut does not extend the older one by chain."""


class Lanes:
    """The lanes of one epoch."""

    def __init__(self, epoch: Epoch, members: int, anchor: Digest) -> None:
        self._epoch = epoch
        self._floor: Cut = initial_cut(anchor, members)
        self._held: dict[Digest, HeldBatch] = {}
        self._after: dict[tuple[Lane, Digest], list[Digest]] = {}
        self._at: dict[tuple[Lane, Sequence], list[Digest]] = {}
        self._frozen: set[Lane] = set()
        self._untold: list[LaneFork] = []

    def add(self, header: BatchHeader) -> None:
        """Take a durable batch; one of another epoch, of no lane, or below the final cut is
        ignored.

        A second batch of one lane and sequence freezes the lane: it is ordered no further by this
        replica, and both branches are kept until one is final.
        """
        lane = header.lane
        if header.epoch != self._epoch or lane >= len(self._floor) or header.digest in self._held:
            return
        if header.sequence < self._floor[lane].length:
            return
        self._held[header.digest] = HeldBatch(header)
        self._after.setdefault((lane, header.previous), []).append(header.digest)
        twins = self._at.setdefault((lane, header.sequence), [])
        twins.append(header.digest)
        if len(twins) > 1 and lane not in self._frozen:
            self._frozen.add(lane)
            self._untold.append(LaneFork(lane, twins[0], twins[1]))

    def __contains__(self, digest: Digest) -> bool:
        return digest in self._held

    @property
    def frozen(self) -> frozenset[Lane]:
        """Lanes of which two branches were seen."""
        return frozenset(self._frozen)

    def take_forks(self) -> list[LaneFork]:
        """The forks that were not told yet, each lane's first alone."""
        untold, self._untold = self._untold, []
        return untold

    def between(self, older: Items[LaneTip], newer: Items[LaneTip]) -> Walk:
        """Walk every lane back from the newer tip to the older one; lengths must not shrink."""
        order: list[Digest] = []
        missing: list[tuple[Lane, Digest]] = []
        size = 0
        for index, (start, end) in enumerate(zip(older, newer, strict=True)):
            path: list[Digest] = []
            digest = end.digest
            for sequence in range(end.length - 1, start.length - 1, -1):
                held = self._held.get(digest)
                if held is None:
                    missing.append((Lane(index), digest))
                    break
                if held.header.lane != index or held.header.sequence != sequence:
                    return Walk((), 0, chained=False)
                path.append(digest)
                size += held.header.size
                digest = held.header.previous
            else:
                if digest != start.digest:
                    return Walk((), 0, chained=False)
            order.extend(reversed(path))
        return Walk(tuple(order), size, tuple(missing))

    def newest_cut(self, base: Cut) -> tuple[Cut, int, int]:
        """The newest cut that extends `base` within a block's limits, with its batches and bytes.

        Lanes take turns, so that a full one does not starve the others.
        """
        tips = list(base)
        count = size = 0
        growing = [lane for lane in range(len(tips)) if lane not in self._frozen]
        while growing:
            for lane in tuple(growing):
                following = self._following(Lane(lane), tips[lane])
                full = count == BLOCK_BATCHES_MAX
                if following is None or full or size + following.header.size > BLOCK_BYTES_MAX:
                    growing.remove(lane)
                    continue
                tips[lane] = LaneTip(Sequence(tips[lane].length + 1), following.header.digest)
                count += 1
                size += following.header.size
        return tuple(tips), count, size

    def waiting(self, base: Cut, now: float) -> tuple[HeldBatch, ...]:
        """The first unordered batch of each lane that is not frozen, each with since when it is."""
        firsts = self._firsts(base)
        for first in firsts:
            first.first_at = now if first.first_at is None else first.first_at
        return firsts

    def hold_back(self, base: Cut) -> None:
        """No batches may be ordered now: nobody is late with them."""
        for first in self._firsts(base):
            first.first_at = None

    def _firsts(self, base: Cut) -> tuple[HeldBatch, ...]:
        found = [
            self._following(Lane(index), tip)
            for index, tip in enumerate(base)
            if index not in self._frozen
        ]
        return tuple([batch for batch in found if batch is not None])

    def following(self, batch: HeldBatch) -> HeldBatch | None:
        """The batch after this one in its lane, if held."""
        header = batch.header
        return self._following(header.lane, LaneTip(Sequence(header.sequence + 1), header.digest))

    def relay_anew(self, firsts: Items[HeldBatch], count_max: int) -> None:
        """Let what follows these batches be relayed again once it is first in its lane: the first
        time may be lost."""
        for first in firsts:
            batch: HeldBatch | None = first
            for _ in range(count_max):
                batch = None if batch is None else self.following(batch)
                if batch is not None:
                    batch.relayed = False

    def _following(self, lane: Lane, tip: LaneTip) -> HeldBatch | None:
        for digest in self._after.get((lane, tip.digest), ()):
            held = self._held[digest]
            if held.header.sequence == tip.length:
                return held
        return None

    def settle(self, cut: Cut) -> None:
        """The final cut has come to here: forget what it orders, and what lost against it."""
        for index, (old, new) in enumerate(zip(self._floor, cut, strict=True)):
            lane = Lane(index)
            for sequence in range(old.length, new.length):
                for digest in self._at.pop((lane, Sequence(sequence)), ()):
                    self._forget(digest)
        self._floor = cut

    def _forget(self, digest: Digest) -> None:
        header = self._held.pop(digest).header
        siblings = self._after[header.lane, header.previous]
        siblings.remove(digest)
        if not siblings:
            del self._after[header.lane, header.previous]

    @property
    def lengths(self) -> tuple[Sequence, ...]:
        """How far each lane is held without a gap, from its first batch."""
        return tuple(self.length(Lane(index)) for index in range(len(self._floor)))

    def length(self, lane: Lane) -> Sequence:
        """How far one lane is held without a gap."""
        tip = self._floor[lane]
        length, batch = tip.length, self._following(lane, tip)
        while batch is not None:
            length = Sequence(length + 1)
            batch = self.following(batch)
        return length

    @property
    def size(self) -> int:
        """Batches held above the final cut."""
        return len(self._held)
