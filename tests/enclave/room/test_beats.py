"""When rooms beat: never later than they said, at moments that many share, spread over all."""

import random
from collections import Counter

import pytest

from strongroom.enclave.room.leases import BEAT_SHARE, BEATS_TOGETHER, next_beat

NEAR = 1e-5
"""Seconds: time since 1970 leaves a float so much."""


def some(count: int) -> list[tuple[bytes, float, float, float]]:
    """Leases, when they beat last, their heartbeats, and where their clocks say that 1970 was."""
    chance = random.Random(10)
    return [
        (
            chance.randbytes(16),
            chance.uniform(0, 1e6),
            chance.choice([0.1, 1.0, 10.0, 60.0, 3600.0]),
            chance.choice([-1.8e9, 0.0, 1e9]) + chance.uniform(0, 1e6),
        )
        for _ in range(count)
    ]


def test_a_beat_is_due_after_the_newest_and_no_later_than_half_a_heartbeat_after_it() -> None:
    for lease, beaten, heartbeat, origin in some(2_000):
        due = next_beat(lease, beaten, heartbeat, origin)
        assert beaten - NEAR < due <= beaten + heartbeat * BEAT_SHARE + NEAR


@pytest.mark.parametrize("late", [0.0, 0.02, 0.4])
def test_once_at_its_moment_a_lease_beats_at_even_intervals_however_late_each_is_sent(
    late: float,
) -> None:
    for lease, beaten, heartbeat, origin in some(200):
        between = heartbeat * BEAT_SHARE
        first = next_beat(lease, beaten, heartbeat, origin)
        second = next_beat(lease, first + late * between + NEAR, heartbeat, origin)
        assert second - first == pytest.approx(between, abs=2 * NEAR)


def test_rooms_that_asked_at_any_time_share_few_moments_evenly() -> None:
    chance, heartbeat, origin = random.Random(11), 20.0, -1.8e9
    between = heartbeat * BEAT_SHARE
    moments = Counter(
        round((next_beat(lease, beaten, heartbeat, origin) - origin) % between, 3) % between
        for lease, beaten in ((chance.randbytes(16), chance.uniform(0, 100)) for _ in range(1_000))
    )
    assert len(moments) == BEATS_TOGETHER
    assert max(moments.values()) < 2 * 1_000 / BEATS_TOGETHER


def test_rooms_that_all_beat_at_once_after_an_outage_do_not_stay_together() -> None:
    chance, heartbeat, origin = random.Random(12), 20.0, -1.8e9
    due = {round(next_beat(chance.randbytes(16), 50.0, heartbeat, origin), 3) for _ in range(1_000)}
    assert len(due) == BEATS_TOGETHER
