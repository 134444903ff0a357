"""From envelopes to batches of this node's own lane (DESIGN §3, stop 5).

Owns the envelopes that this node took and has not yet seen executed, and that no organisation takes
another's room or turn. They stay opaque bytes: all that is read of them here is their length and
their SHA-256. There is no gossip: what a client gave to this node, this node orders.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Protocol

from strongroom.consensus.batches import BATCH_BYTES_MAX, BATCH_ENVELOPES_MAX
from strongroom.consensus.types import TransactionId
from strongroom.enclave.proofs.block_data import ENVELOPE_BYTES_MEAN_MIN, SMALL_ENVELOPES_MAX
from strongroom.node.config import Limits
from strongroom.node.faults import Overloaded, TooLarge
from strongroom.node.ledger.place import Place
from strongroom.node.mempool.fair_queue import FairQueue, Share
from strongroom.node.mempool.waiters import Waiters
from strongroom.node.metrics.observer import Observer

RETRY_AFTER_MS = 200
BATCH_ENVELOPES_GOAL = 512
"""A batch that has this many does not wait for company."""
LATE_SECONDS_MAX = 0.04
"""A smaller batch waits for company until it is due, and no longer than this beyond what that was
when its wait began: a view that does not end holds nothing up here."""
THROTTLE_SECONDS = 0.005
"""While nothing may be ordered, how often to look whether it may."""
_ENVELOPE_OVERHEAD = 5
"""Bytes that msgpack adds to an envelope, at most."""


class LaneState(Protocol):
    """What the mempool asks of the lane that it fills."""

    @property
    def batch_due(self) -> float | None:
        """When a batch should leave, on the loop's clock; None: not before `look` is called."""
        ...

    @property
    def throttled(self) -> bool:
        """Back-pressure: no new batches now (PROTOCOL §7)."""
        ...


class Mempool:
    """Envelopes of this node's clients, bounded in number and bytes."""

    def __init__(
        self,
        answers: Waiters,
        limits: Limits,
        *,
        envelope_bytes_max: int,
        weights: Iterable[tuple[str, int]] = (),
        on_refused: Callable[[str, int], None] | None = None,
        observer: Observer | None = None,
    ) -> None:
        """Make an empty one.

        Args:
            answers: who waits for what.
            limits: of this host.
            envelope_bytes_max: of one envelope.
            weights: (organisation, weight): each has room and turns by its weight; the node's own
                words have others'.
            on_refused: told whose envelopes execution refused, and how many.
            observer: notes what is taken, refused and batched.
        """
        self._answers, self._on_refused = answers, on_refused
        self._observer = observer or Observer()
        self._waits_since = 0.0
        """Since when the oldest envelope waits for a batch, about; monotonic seconds."""
        self._envelope_bytes_max = envelope_bytes_max
        self._queue = FairQueue(weights, limits.mempool_envelopes_max, limits.mempool_bytes_max)
        self._known: dict[bytes, tuple[int, Share]] = {}
        """Taken and not yet executed: id → bytes, whose."""
        self._known_bytes = 0
        self._arrived = asyncio.Event()
        self._look = asyncio.Event()
        """Something changed that a waiting batch may go by: its size, or the view."""

    def limit(self, limits: Limits) -> None:
        """From now on these are the bounds; what was taken stays."""
        self._queue.resize(limits.mempool_envelopes_max, limits.mempool_bytes_max)

    @property
    def envelopes(self) -> int:
        """Taken and not yet executed."""
        return len(self._known)

    @property
    def held_bytes(self) -> int:
        """Bytes of these."""
        return self._known_bytes

    def submit(
        self,
        envelopes: list[bytes],
        *,
        wait: bool,
        organisation: str = "",
        first: bool = False,
    ) -> "asyncio.Future[list[Place]] | list[TransactionId]":
        """Take envelopes, all or none (see Backend.submit). With `first` they leave before all
        others: what this node itself says carries the service. What waits here already waits once;
        what was executed before is batched again, refused as a duplicate, and answered with its
        first place (`Waiters.settle`)."""
        limit = self._envelope_bytes_max
        size = 0
        for envelope in envelopes:
            if len(envelope) > limit:
                self._observer.refused["too_large"] += 1
                raise TooLarge(
                    f"envelope of {len(envelope)} bytes: at most {limit} are taken", limit=limit
                )
            size += len(envelope)
        share = self._queue.share_of(organisation)
        if not share.has_room(len(envelopes), size):
            self._observer.refused["full"] += 1
            raise Overloaded(
                "the mempool is full: nothing was taken, try again", retry_after_ms=RETRY_AFTER_MS
            )
        ids = [TransactionId(sha256(envelope).digest()) for envelope in envelopes]
        known, queue = self._known, self._queue
        fresh = []
        for id, envelope in zip(ids, envelopes, strict=True):
            if id not in known:
                known[id] = (len(envelope), share)
                fresh.append(envelope)
        size = sum(map(len, fresh))
        self._known_bytes += size
        share.hold(len(fresh), size)
        if first:
            queue.put_first(fresh)
        else:
            queue.extend(share, fresh)
        if self._observer.journeys is not None:
            self._observer.journeys.taken(ids, envelopes)
        if queue:
            self._begin_to_wait()
            if len(queue) >= BATCH_ENVELOPES_GOAL:
                self.look()
        return self._answers.expect(ids) if wait else ids

    def remember(self, envelopes: list[bytes]) -> None:
        """After a restart: envelopes of own batches that are not ordered yet."""
        for envelope in envelopes:
            id = sha256(envelope).digest()
            if id not in self._known:
                self._known[id] = (len(envelope), self._queue.own)
                self._known_bytes += len(envelope)
                self._queue.own.hold(1, len(envelope))

    def batch_again(self, envelopes: list[bytes]) -> None:
        """Envelopes that the epoch before did not order: they go into the next batches, before all
        others."""
        self.remember(envelopes)
        self._queue.put_first(envelopes)
        if self._queue:
            self._begin_to_wait()

    def _begin_to_wait(self) -> None:
        """Something waits for a batch."""
        if not self._arrived.is_set():
            self._waits_since = time.monotonic()
            self._arrived.set()

    def pending(self, id: TransactionId) -> bool:
        """Taken here, and not yet executed."""
        return id in self._known

    def executed(self, leaves: Sequence[tuple[bytes, int]]) -> None:
        """Let go of what took its place in a block: (id, code) of each; who had refused ones there
        pays for them."""
        known = self._known
        if not known:
            return
        refused: Counter[str] = Counter()
        freed = 0
        for id, code in leaves:
            if id in known:
                size, share = known.pop(id)
                freed += size
                share.envelopes -= 1
                share.bytes -= size
                if code:
                    refused[share.name] += 1
        self._known_bytes -= freed
        if self._on_refused is not None:
            for name, count in refused.items():
                self._on_refused(name, count)

    async def next_batch(self, lane: LaneState) -> list[bytes]:
        """Wait until there is something to batch, and for company as long as that costs nobody
        anything."""
        while True:
            await self._arrived.wait()
            if lane.throttled:
                await asyncio.sleep(THROTTLE_SECONDS)
                continue
            await self._wait_for_company(lane)
            return self._take()

    def look(self) -> None:
        """Have a batch that waits look again whether it should go."""
        self._look.set()

    async def _wait_for_company(self, lane: LaneState) -> None:
        """What leaves earlier than a leader could take it only waits there: let it grow here
        meanwhile."""
        clock = asyncio.get_running_loop().time
        latest = max(clock(), lane.batch_due or 0.0) + LATE_SECONDS_MAX
        while len(self._queue) < BATCH_ENVELOPES_GOAL:
            due = lane.batch_due
            pause = (latest if due is None else min(due, latest)) - clock()
            if pause <= 0:
                return
            self._look.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._look.wait()

    def _take(self) -> list[bytes]:
        taken = self._queue.take(
            BATCH_ENVELOPES_MAX,
            BATCH_BYTES_MAX - 8,
            _ENVELOPE_OVERHEAD,
            few=SMALL_ENVELOPES_MAX,
            # What a batch must have (block_data.is_void), and more than it counts here.
            mean_min=ENVELOPE_BYTES_MEAN_MIN + _ENVELOPE_OVERHEAD,
        )
        now = time.monotonic()
        self._observer.batched(now - self._waits_since)
        self._waits_since = now
        if not self._queue:
            self._arrived.clear()
        return taken
