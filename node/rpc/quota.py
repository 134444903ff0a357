"""How much one credential may submit: token buckets, on the loop's clock.

Owns counting, and the refusal that says when to come back. Holds nothing that grows.
"""

import asyncio
import math
from collections.abc import Callable

from strongroom.node.faults import Overloaded
from strongroom.node.organisations import Organisation, Quota

BURST_SECONDS = 4.0
"""Of envelopes and bytes that were not used."""
REFUSALS_BURST_SECONDS = 128.0
RETRY_MS_MAX = 10_000
RETRY_MS_MIN = 20


class Bucket:
    """Tokens that come at a rate, up to a capacity. What is larger than the capacity is lent once
    it is full."""

    __slots__ = ("_at", "_clock", "_left", "capacity", "rate")

    def __init__(self, rate: float, capacity: float, clock: Callable[[], float]) -> None:
        self.rate, self.capacity = rate, capacity
        self._clock = clock
        self._left, self._at = capacity, clock()

    def wait_seconds(self, tokens: float) -> float:
        """How long until so many can be taken; 0.0: now."""
        now = self._clock()
        self._left = min(self.capacity, self._left + (now - self._at) * self.rate)
        self._at = now
        return max(0.0, (min(tokens, self.capacity) - self._left) / self.rate)

    def take(self, tokens: float) -> None:
        """Take them, also below zero."""
        self._left -= tokens


class Account:
    """One organisation at this node, or anyone at an open door."""

    def __init__(
        self, name: str, quota: Quota | None, clock: Callable[[], float] | None = None
    ) -> None:
        self.name = name
        self._clock = clock
        self._quota = quota
        self._buckets: tuple[Bucket, Bucket, Bucket] | None = None

    @classmethod
    def of(cls, organisation: Organisation) -> "Account":
        """Of an organisation of the configuration."""
        return cls(organisation.name, organisation.quota)

    def charge(self, envelopes: int, size: int) -> None:
        """Take envelopes and bytes, all or none.

        Raises:
            Overloaded: a quota is used up, or too much of what was submitted was refused; nothing
                was taken.
        """
        buckets = self._made()
        if buckets is None:
            return
        counted, sized, refused = buckets
        for bucket, tokens, what in (
            (counted, envelopes, "envelopes per second"),
            (sized, size, "bytes per second"),
            (refused, 1, "refused envelopes per second"),
        ):
            _check(bucket, tokens, what)
        counted.take(envelopes)
        sized.take(size)

    def check(self) -> None:
        """Before its envelopes are looked at, which costs time as well.

        Raises:
            Overloaded: too much of what was submitted was refused.
        """
        buckets = self._made()
        if buckets is not None:
            _check(buckets[2], 1, "refused envelopes per second")

    def penalise(self, refusals: int) -> None:
        """So many of its envelopes took room on the ledger and were refused there, or were none
        that could ever be executed."""
        buckets = self._made()
        if buckets is not None:
            buckets[2].wait_seconds(0)
            buckets[2].take(refusals)

    def _made(self) -> tuple[Bucket, Bucket, Bucket] | None:
        if self._buckets is None and self._quota is not None:
            quota, clock = self._quota, self._clock or asyncio.get_running_loop().time
            self._buckets = (
                Bucket(
                    quota.envelopes_per_second, BURST_SECONDS * quota.envelopes_per_second, clock
                ),
                Bucket(quota.bytes_per_second, BURST_SECONDS * quota.bytes_per_second, clock),
                Bucket(
                    quota.refusals_per_second,
                    REFUSALS_BURST_SECONDS * quota.refusals_per_second,
                    clock,
                ),
            )
        return self._buckets


def _check(bucket: Bucket, tokens: float, what: str) -> None:
    seconds = bucket.wait_seconds(tokens)
    if seconds > 0:
        raise Overloaded(
            f"this organisation's quota of {what} is used up: nothing was taken, try again",
            retry_after_ms=max(RETRY_MS_MIN, min(RETRY_MS_MAX, math.ceil(seconds * 1000))),
        )
