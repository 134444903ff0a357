"""What devices of three owners have seen: made from a seed, or read from the public set
(public.py).

Owns readings, the batches in which devices sign them, and what is right to say of them, counted
here as it is defined and not as the program counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random

HOUR, DAY, MINUTE = 3_600, 86_400, 60
START = int(datetime(2026, 11, 23, tzinfo=UTC).timestamp())
"""A Monday."""
DAYS = 7
SPREAD_SECONDS = 300
DESKS = 16
ZONES = {
    "north": ("studio", "library"),
    "south": ("workshop", "canteen"),
    "east": ("lab", "archive"),
}
"""Of each owner: each zone has a hub that sees its desks, and signs."""
BUSY = {
    "studio": (9, 18, 0.72),
    "library": (10, 20, 0.48),
    "workshop": (7, 16, 0.81),
    "canteen": (11, 14, 0.93),
    "lab": (8, 22, 0.57),
    "archive": (13, 15, 0.12),
}
"""From, until, share of desks that are taken then."""
Cell = tuple[str, int]
"""A zone and the first second of an hour."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one desk's sensor said once."""

    time: int
    occupied: int
    zone: str
    desk: str


@dataclass(frozen=True, slots=True)
class Hub:
    """A device: its own key, and readings in the batches that it signs, day by day."""

    name: str
    owner: str
    batches: tuple[tuple[Reading, ...], ...]


@dataclass(frozen=True, slots=True)
class World:
    """All of it."""

    owners: tuple[str, ...]
    hubs: tuple[Hub, ...]
    reading_seconds: int
    together: str
    """How a zone's minutes are counted over its desks: most or sum."""
    minutes_min: int
    round_minutes: int
    expected: tuple[int, int, int] | None = None
    """(hours with data, of these occupied ones, minutes) that the public set is known for."""
    secrets: dict[str, str] = field(default_factory=dict)
    """By owner: a desk's name, which stands in readings alone."""

    def of(self, owner: str) -> list[Hub]:
        """An owner's hubs."""
        return [hub for hub in self.hubs if hub.owner == owner]

    @property
    def readings(self) -> list[Reading]:
        """Every one, of the batches that a hub signs first."""
        return [row for hub in self.hubs for batch in hub.batches for row in batch]


def make_world(seed: int) -> World:
    """A week of three owners' zones: the same for the same seed."""
    random = Random(seed)
    hubs, secrets = list[Hub](), dict[str, str]()
    for owner, zones in ZONES.items():
        for zone in zones:
            desks = [f"desk-{random.randrange(16**8):08x}" for _ in range(DESKS)]
            secrets.setdefault(owner, desks[0])
            days = tuple(tuple(_day(random, zone, desks, day)) for day in range(DAYS))
            hubs.append(Hub(f"hub-{zone}", owner, days))
    return World(
        owners=tuple(ZONES),
        hubs=tuple(hubs),
        reading_seconds=SPREAD_SECONDS,
        together="sum",
        minutes_min=60,
        round_minutes=30,
        secrets=secrets,
    )


def counted(readings: Sequence[Reading], reading_seconds: int, together: str) -> dict[Cell, int]:
    """Minutes of each zone and hour in which it has readings, by their definition: of each desk the
    times at which it was taken, once each, at most an hour and the reading that reaches beyond it;
    of a zone the desk that has most, or all."""
    most = HOUR + reading_seconds
    seen: dict[Cell, dict[str, set[int]]] = {}
    for row in readings:
        desks = seen.setdefault((row.zone, row.time // HOUR * HOUR), {})
        times = desks.setdefault(row.desk, set())
        if row.occupied:
            times.add(row.time)
    join = max if together == "most" else sum
    return {
        cell: join(min(len(times) * reading_seconds, most) for times in desks.values()) // MINUTE
        for cell, desks in seen.items()
    }


def _day(random: Random, zone: str, desks: Sequence[str], day: int) -> list[Reading]:
    opens, closes, share = BUSY[zone]
    share *= 0.05 if day >= 5 else random.uniform(0.75, 1.1)
    rows = []
    for desk in desks:
        comes = opens * HOUR + random.randrange(-HOUR, HOUR)
        goes = closes * HOUR + random.randrange(-HOUR, HOUR)
        taken = random.random() < share
        for at in range(0, DAY, SPREAD_SECONDS):
            here = taken and comes <= at < goes and random.random() < 0.9
            rows.append(Reading(START + day * DAY + at, int(here), zone, desk))
    return rows
