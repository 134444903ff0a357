"""Clocks that are put back by hours, on one node, f, q or all: the chain goes on, says so, and
spins nowhere (R6)."""

from itertools import pairwise

import pytest
from tests.simulation.actors.actor import ActorEvent, Send
from tests.simulation.actors.puppet import Puppet
from tests.simulation.scenes import Scene

from strongroom.consensus.replica.events import Now, Work
from strongroom.consensus.replica.proposals import CLOCK_SKEW_MAX
from strongroom.consensus.types import Milliseconds

HOURS = 5 * 3_600_000
"""Milliseconds."""


def ahead(scene: Scene, nodes: range | list[int]) -> None:
    """Clocks of these nodes are hours ahead."""
    for index in nodes:
        scene.skew_ms[index] = HOURS


def pay(scene: Scene, count: int, nodes: list[int] | None = None) -> None:
    """Transactions, all final within some seconds."""
    scene.load(count, every=0.05, nodes=nodes)
    scene.run(0.05 * count)
    scene.settle(30.0)


def times(scene: Scene) -> list[int]:
    return [block.header.time_ms for _, block in sorted(scene.ledger.blocks.items())]


def wall_ms(scene: Scene, index: int = 0) -> int:
    return scene.clock(index).wall_ms


@pytest.mark.parametrize(
    ("size", "corrected"), [(1, 1), (4, 1), (4, 3), (4, 4), (7, 2), (7, 5), (7, 7)]
)
def test_clocks_that_are_put_back_by_hours_stop_nothing(size: int, corrected: int) -> None:
    """One, f, q or all of them; those that are not corrected stay ahead."""
    scene = Scene(size)
    ahead(scene, range(size))
    scene.start()
    pay(scene, 5)
    newest = times(scene)[-1]
    for index in range(corrected):
        scene.skew_ms[index] = 0
    scene.run(1.0)
    before = max(scene.heights())
    pay(scene, 10)
    assert max(scene.heights()) > before
    grown = times(scene)
    assert all(one < other for one, other in pairwise(grown))
    quorum = scene.members.quorum.size
    if corrected >= quorum:
        assert grown[-1] - newest < 5 * len(grown) + CLOCK_SKEW_MAX, (
            "time stands nearly still meanwhile"
        )
    for index in range(corrected):
        behind = scene.honest(index).replica.state.clock_behind_ms(scene.clock(index).wall_ms)
        assert abs(behind - HOURS) < 60_000, "it is said"
    assert not scene.alarms()
    scene.run(5.0)
    heights, words = scene.heights(), len(scene.said)
    scene.run(60.0)
    assert (scene.heights(), len(scene.said)) == (heights, words), "and then it is quiet"


def test_block_time_follows_the_clocks_again_once_they_have_passed_it() -> None:
    scene = Scene(4)
    ahead(scene, range(4))
    scene.start()
    pay(scene, 3)
    scene.skew_ms.clear()
    pay(scene, 3)
    for index in range(4):
        scene.skew_ms[index] = HOURS + 60_000
    pay(scene, 3)
    assert abs(times(scene)[-1] - wall_ms(scene)) < 10_000
    assert [
        replica.state.clock_behind_ms(scene.clock(0).wall_ms) for replica in scene.replicas
    ] == [0] * 4


@pytest.mark.parametrize("back", [HOURS, 60_000, 2_000])
def test_a_deadline_that_is_ahead_of_corrected_clocks_again_is_no_work(back: int) -> None:
    """Else a chain whose clocks were put back makes empty blocks, a millisecond of time each, until
    they pass it."""
    scene = Scene(4)
    for index in range(4):
        scene.skew_ms[index] = back
    scene.start()
    pay(scene, 2)
    scene.run(1.0)
    for index in range(4):
        scene.honest(index).replica.step(Work(), scene.clock(index))
        scene.skew_ms[index] = 0
    heights = scene.heights()
    scene.run(30.0)
    assert max(scene.heights()) <= max(heights) + 2
    assert not any(replica.state.has_work for replica in scene.replicas)
    pay(scene, 2)


class Hasty(Puppet):
    """Proposes with a clock that is hours ahead."""

    def on_event(self, event: ActorEvent, now: Now) -> list[Send]:
        return super().on_event(event, Now(now.monotonic, Milliseconds(now.wall_ms + HOURS)))


def test_one_members_clock_or_lie_leads_block_time_by_no_more_than_the_skew() -> None:
    """R6: whatever a leader writes, it is voted for only within the skew of a quorum's clocks."""
    liar = 2
    scene = Scene(4, liars={liar: Hasty})
    scene.start()
    pay(scene, 20, nodes=[0, 1, 3])
    newest = times(scene)[-1]
    assert newest <= wall_ms(scene) + CLOCK_SKEW_MAX
    assert [replica.state.clock_behind_ms(scene.clock().wall_ms) for replica in scene.replicas] == [
        0
    ] * 3
