"""Whom to ask for what is missing, and when to ask the next one (R14, catch-up of PROTOCOL §6).

Owns one errand for each missing thing; at most one request of an errand is outstanding. Answers are
verified elsewhere: an errand ends when its thing is no longer wanted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from strongroom.consensus.types import Digest, Height, SignerIndex, View

ERRANDS_MAX = 512


class Thing(IntEnum):
    """What can be missing."""

    BATCH = 1
    HEADER = 2
    CERTIFICATES = 3
    RANGE = 4


@dataclass(frozen=True, slots=True)
class Want:
    """One missing thing."""

    thing: Thing
    name: Digest | View | Height
    """Digest of a batch or header; the view that certificates lead on from; the first height of a
    range."""


@dataclass(slots=True)
class _Errand:
    sources: tuple[SignerIndex, ...]
    due: float
    attempt: int = 0


class Fetcher:
    """Errands of one replica."""

    def __init__(self, timeout_max: float) -> None:
        self._timeout_max = timeout_max
        self._errands: dict[Want, _Errand] = {}

    def pursue(
        self,
        wanted: Mapping[Want, tuple[SignerIndex, ...]],
        waits: Mapping[Thing, float],
        now: float,
    ) -> None:
        """Replace the list of what is wanted.

        Args:
            wanted: each missing thing with whom to ask, best first; empty sources are skipped.
            waits: seconds that a new want may still arrive by itself.
            now: monotonic seconds.
        """
        kept: dict[Want, _Errand] = {}
        for want, sources in wanted.items():
            if not sources or len(kept) == ERRANDS_MAX:
                continue
            errand = self._errands.get(want) or _Errand(sources, now + waits[want.thing])
            errand.sources = sources
            kept[want] = errand
        self._errands = kept

    def due(self, now: float, delta: float) -> list[tuple[Want, SignerIndex]]:
        """What to ask of whom now; the wait for an answer is 2Δ, doubling with each attempt."""
        asks = []
        for want, errand in self._errands.items():
            if errand.due <= now:
                asks.append((want, errand.sources[errand.attempt % len(errand.sources)]))
                errand.due = now + min(2 * delta * 2 ** min(errand.attempt, 16), self._timeout_max)
                errand.attempt += 1
        return asks

    def wants(self, want: Want) -> bool:
        """Is this still missing?"""
        return want in self._errands

    @property
    def deadline(self) -> float | None:
        """When the next question is due."""
        return min((errand.due for errand in self._errands.values()), default=None)

    @property
    def size(self) -> int:
        """Errands open."""
        return len(self._errands)
