"""The active clock: block time without the gaps in which nothing was said (DESIGN §6).

A gap between two blocks counts at most GAP_MS_MAX, so that a cluster that slept has time to attest
again. Every replica moves the clock on at every block, executed or applied, so it stands in the
state (digest, snapshots) and in no write set: it is put past the journal.
"""

from typing import Any

from strongroom.consensus.blocks import Header
from strongroom.consensus.types import Height, Milliseconds
from strongroom.enclave.governance.records import RECENT_BLOCKS
from strongroom.enclave.programs.governance import CLOCK
from strongroom.enclave.programs.state import State

GAP_MS_MAX = 60_000
_SLOTS = RECENT_BLOCKS + 1
"""This block, and the recent ones below it."""
_NEWEST = -1


class ActiveClock:
    """Reads and advances the clock of one state."""

    def __init__(self, state: State) -> None:
        self._map, self._meter = state.maps[CLOCK], state.meter

    def start(self, header: Header) -> None:
        """At genesis it shows block time."""
        self._set(header, header.time_ms)

    def tick(self, header: Header) -> None:
        """Go on to the next block. A few microseconds; nothing is logged."""
        active_ms, time_ms = self._at(_NEWEST)
        self._set(header, active_ms + min(header.time_ms - time_ms, GAP_MS_MAX))

    @property
    def now_ms(self) -> Milliseconds:
        """At the newest block."""
        return Milliseconds(self._at(_NEWEST)[0])

    @property
    def block_ms(self) -> Milliseconds:
        """The newest block's own time."""
        return Milliseconds(self._at(_NEWEST)[1])

    def at(self, height: Height) -> Milliseconds:
        """When a height was executed; the caller knows that it is the newest or one of the
        RECENT_BLOCKS below it."""
        return Milliseconds(self._at(height % _SLOTS)[0])

    def block_ms_at(self, height: Height) -> Milliseconds:
        """Block time of a height, with the same bound."""
        return Milliseconds(self._at(height % _SLOTS)[1])

    def _at(self, slot: int) -> tuple[int, int]:
        left, self._meter.left = self._meter.left, 1
        try:
            reading: Any = self._map.get(slot)
        finally:
            self._meter.left = left
        return reading[0], reading[1]

    def _set(self, header: Header, active_ms: int) -> None:
        reading = (active_ms, int(header.time_ms))
        self._map.pass_time(header.height % _SLOTS, reading)
        self._map.pass_time(_NEWEST, reading)
