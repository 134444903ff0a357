"""Sampled transactions on their way through the node that took them: ten stops, a time stamp each.

Owns who is sampled (by id, so that every node takes the same ones) and the stamps. It knows nothing
of OpenTelemetry (exporting.py), and of an envelope only its id, its size class and its place: never
an identity, a session or a program. All is bounded; what does not fit is given up and counted.
"""

import time
from array import array
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from strongroom.consensus.blocks import Header
from strongroom.enclave.formats.size_classes import CALL_ENVELOPES

OPEN_MAX = 256
"""Journeys under way."""
ENDED_MAX = 1_024
"""Journeys that wait to be exported."""
_NS = 1_000_000_000


class Stop(IntEnum):
    """Where a transaction passes, in this order."""

    TAKEN = 0
    """Into the mempool of this node."""
    BATCHED = 1
    """A batch of this node's lane took it."""
    SIGNED = 2
    """The enclave has signed that batch."""
    SAID = 3
    """The batch is durable here, and said to all."""
    PROPOSED = 4
    """A leader's block names it: that block's time, by the leader's clock."""
    FINAL = 5
    """That block is final here."""
    RECORDED = 6
    """The block is durable here, and given to the enclave."""
    EXECUTED = 7
    """The enclave has executed it."""
    KEPT = 8
    """Its outcome is recorded."""
    ANSWERED = 9
    """Whoever waits for it has its answer."""


SPANS = ("company", "sign", "log", "propose", "agree", "record", "execute", "keep", "answer")
"""What lies between two stops, in their order."""


@dataclass(slots=True)
class Journey:
    """One sampled transaction."""

    id: bytes
    size_class: int
    """Bytes of the smallest class that holds its envelope; public anyway."""
    envelope: bytes | None = field(repr=False)
    """Until its batch is found; opaque."""
    stamps: "array[int]" = field(default_factory=lambda: array("q", bytes(8 * len(Stop))))
    """Unix nanoseconds by stop; 0: not yet."""
    lane: int = -1
    height: int = 0

    def put_in_order(self) -> None:
        """No stop before the one before it: a leader's clock is not this node's, and a stop that
        was missed (a batch of before a restart) took no time."""
        last = self.stamps[Stop.TAKEN]
        for stop in Stop:
            last = self.stamps[stop] = max(last, self.stamps[stop])


class Sampled:
    """Those that are under way, and those that have ended."""

    def __init__(
        self, one_in: int, on_dropped: Callable[[], None], now: Callable[[], int] = time.time_ns
    ) -> None:
        """Sample one id of `one_in`; ids are SHA-256, so the lowest are as good as any."""
        self._below = min((1 << 256) // one_in, (1 << 256) - 1).to_bytes(32, "big")
        self._on_dropped, self._now = on_dropped, now
        self._open: dict[bytes, Journey] = {}
        self._waiting: dict[int, Journey] = {}
        """For a batch, by the identity of the envelope's bytes."""
        self._batch: list[Journey] = []
        """Of the batch that is being made."""
        self._unsaid: deque[list[Journey]] = deque()
        """Of batches that are signed and not said yet, the oldest first."""
        self._run = [0, 0, 0]
        """When the run of blocks under way was recorded, executed, kept."""
        self.ended: deque[Journey] = deque()

    # --- see observer.Journeys ---

    def taken(self, ids: Sequence[bytes], envelopes: Sequence[bytes]) -> None:
        """Begin to follow those of these that are sampled."""
        below = self._below
        for id, envelope in zip(ids, envelopes, strict=True):
            if id < below and id not in self._open:
                self._begin(id, envelope)

    def _begin(self, id: bytes, envelope: bytes) -> None:
        if len(self._open) >= OPEN_MAX:  # the oldest was lost with an epoch, or waits for a quorum
            self._give_up(self._open.pop(next(iter(self._open))))
            self._on_dropped()
        journey = Journey(id, size_class_of(len(envelope)), envelope)
        journey.stamps[Stop.TAKEN] = self._now()
        self._open[id] = self._waiting[_identity(envelope)] = journey

    def batched(self, envelopes: Sequence[bytes], lane: int) -> None:
        """A batch of this lane has these."""
        self._batch = []
        if not self._waiting:
            return
        now = self._now()
        for envelope in envelopes:
            journey = self._waiting.pop(_identity(envelope), None)
            if journey is not None:
                journey.lane, journey.envelope = lane, None
                journey.stamps[Stop.BATCHED] = now
                self._batch.append(journey)

    def signed(self) -> None:
        """The batch is signed."""
        now = self._now()
        for journey in self._batch:
            journey.stamps[Stop.SIGNED] = now
        self._unsaid.append(self._batch)
        if len(self._unsaid) > OPEN_MAX:
            self._unsaid.popleft()

    def said(self) -> None:
        """The oldest batch that is signed is said to all."""
        now = self._now()
        for journey in self._unsaid.popleft() if self._unsaid else ():
            journey.stamps[Stop.SAID] = now

    def recorded(self, now: float) -> None:
        """The next blocks to be executed are durable."""
        self._run = [int(now * _NS), 0, 0]

    def executed(self, now: float) -> None:
        """They are executed."""
        self._run[1] = int(now * _NS)

    def kept(self, now: float) -> None:
        """Their outcomes are recorded."""
        self._run[2] = int(now * _NS)

    def answered(self, header: Header, final: float, leaves: Sequence[tuple[bytes, int]]) -> None:
        """A block of them is answered."""
        if not self._open:
            return
        below, found = self._below, self._open
        for id, _ in leaves:
            if id < below and id in found:
                self._end(found.pop(id), header, final)

    def _give_up(self, journey: Journey) -> None:
        """Wait for no batch of it any more."""
        if journey.envelope is not None:
            self._waiting.pop(_identity(journey.envelope), None)
            journey.envelope = None

    def _end(self, journey: Journey, header: Header, final: float) -> None:
        self._give_up(journey)  # it may have been batched elsewhere, or in an epoch before
        stamps = journey.stamps
        journey.height = int(header.height)
        stamps[Stop.PROPOSED] = min(header.time_ms * 1_000_000, int(final * _NS))
        stamps[Stop.FINAL] = int(final * _NS)
        stamps[Stop.RECORDED], stamps[Stop.EXECUTED], stamps[Stop.KEPT] = self._run
        stamps[Stop.ANSWERED] = self._now()
        journey.put_in_order()
        if len(self.ended) >= ENDED_MAX:
            self._on_dropped()
            return
        self.ended.append(journey)


def size_class_of(size: int) -> int:
    """The smallest class of envelopes that holds so many bytes; 0: none does."""
    return next((one for one in CALL_ENVELOPES if size <= one), 0)


def _identity(envelope: bytes) -> int:
    """The mempool hands on the bytes that it took: the same object, which is held meanwhile."""
    return id(envelope)
