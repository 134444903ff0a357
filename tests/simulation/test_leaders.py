"""Fault matrix rows 1 to 6 and 16: good, dead, slow, two-faced and wrong leaders."""

from dataclasses import replace
from random import Random

import pytest
from tests.simulation.actors.actor import ActorEvent, Liar, Send
from tests.simulation.actors.equivocator import Equivocator
from tests.simulation.actors.false_leader import FLAWS, FalseLeader
from tests.simulation.actors.puppet import Puppet
from tests.simulation.actors.silent_proposer import SilentProposer
from tests.simulation.actors.slow_drip import SlowDrip
from tests.simulation.network import Network, kind_of, view_of
from tests.simulation.scenes import DELTA, QUICK, Scene

from strongroom.consensus.messages import Message
from strongroom.consensus.replica.events import Now
from strongroom.consensus.replica.settings import Settings
from strongroom.consensus.statements import Kind, Statement
from strongroom.consensus.types import SignerIndex


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 10])
def test_row_1_under_load_everything_is_final_everywhere_and_nobody_nullifies(size: int) -> None:
    scene = Scene(size)
    scene.start()
    scene.load(30, every=0.03)
    scene.run(1.0)
    scene.settle(3.0)
    assert len(set(scene.heights())) == 1
    assert not scene.views(Kind.NULLIFY)
    assert all(replica.state.strikes == 0 for replica in scene.replicas)


@pytest.mark.long
def test_row_1_thirty_members() -> None:
    scene = Scene(30)
    scene.start()
    scene.load(10)
    scene.run(0.6)
    scene.settle(3.0)
    assert not scene.views(Kind.NULLIFY)


def test_row_1_a_transaction_at_the_leader_is_final_everywhere_after_three_message_delays() -> None:
    scene = Scene(4)
    scene.start()
    scene.submit(scene.leader(1), b"first")
    begun = scene.now
    assert scene.run(1.0, scene.everything_final)
    assert scene.now - begun == pytest.approx(3 * DELTA)


def test_row_2_a_dead_leader_costs_no_timeout_once_its_silence_is_known() -> None:
    for dead in ([0], [0, 1]):
        scene = Scene(4 if len(dead) == 1 else 7, liars=dict.fromkeys(dead, Liar))
        scene.start()
        scene.load(20, every=0.1)
        scene.run(3.0)
        scene.settle(5.0)
        slowest = 0.0
        for number in range(12):
            begun = scene.now
            scene.submit(scene.honest_nodes[number % 3].role.index, b"warm %d" % number)
            assert scene.run(2.0, scene.everything_final)
            slowest = max(slowest, scene.now - begun)
            scene.run(0.3)
        assert slowest < 4 * QUICK.delta0, "no view waits for t_prop"


@pytest.mark.parametrize("size", [4, 7, 10])
def test_row_2_a_leader_is_not_skipped_before_its_first_word_could_come(size: int) -> None:
    """Nobody has work until then, so a first STATUS is the only sign of life there is (R11)."""
    for after in (QUICK.skip_after, QUICK.skip_after + 5 * DELTA, 1.5 * QUICK.skip_after):
        scene = Scene(size)
        scene.start()
        scene.run(after)
        scene.submit((scene.leader(1) + 1) % size, b"first")
        assert scene.run(1.0, scene.everything_final)
        assert not scene.views(Kind.NULLIFY)


@pytest.mark.parametrize("reached", range(8))
def test_row_3_a_leader_that_dies_while_it_speaks_to_the_kth_leaves_the_view_final_or_nullified(
    reached: int,
) -> None:
    scene = Scene(4)
    scene.start()
    first = scene.leader(1)
    scene.crash_at(first, "sending", reached + 1)
    scene.submit(first, b"cut short")
    scene.run(3.0)
    scene.restart(first)
    scene.settle()
    assert len(set(scene.heights())) == 1


def test_row_4_a_silent_proposer_costs_at_most_t_prop_and_delta_does_not_grow() -> None:
    scene = Scene(4, liars={2: SilentProposer})
    scene.start()
    scene.load(60, every=0.1)
    scene.run(6.0)
    scene.settle(5.0)
    assert all(replica.state.strikes <= 1 for replica in scene.replicas)
    assert all(replica.state.delta == QUICK.delta0 for replica in scene.replicas)


def test_row_5_a_leader_that_proposes_just_in_time_does_not_stop_the_chain() -> None:
    scene = Scene(4, liars={1: SlowDrip})
    scene.start()
    scene.load(30, every=0.1)
    scene.run(3.0)
    scene.settle(5.0)


@pytest.mark.parametrize("seed", range(12))
def test_row_6_T30_an_equivocating_leader_never_splits_the_chain_and_is_named(seed: int) -> None:
    scene = Scene(4, seed=seed, liars={seed % 4: Equivocator})
    scene.start()
    scene.load(20, every=0.1)
    scene.run(2.5)
    scene.settle(10.0)
    assert scene.accused <= scene.liars
    assert len({replica.state.final.digest for replica in scene.replicas}) == 1


def test_row_6_T30_evidence_of_two_faces_is_found() -> None:
    accused = set()
    for seed in range(6):
        scene = Scene(4, seed=seed, liars={0: Equivocator})
        scene.start()
        scene.load(20, every=0.1)
        scene.run(3.0)
        accused |= scene.accused
    assert accused == {0}


@pytest.mark.parametrize("seed", range(len(FLAWS)))
def test_row_16_T32_no_invalid_block_is_ever_notarized(seed: int) -> None:
    scene = Scene(4, seed=seed, liars={seed % 4: FalseLeader})
    scene.start()
    scene.load(30, every=0.1)
    scene.run(3.5)
    scene.settle(10.0)
    proposers = {block.header.proposer for block in scene.ledger.blocks.values()}
    assert not proposers & scene.liars
    assert not scene.alarms()


def test_row_30_a_delta_ten_times_too_small_grows_until_it_fits() -> None:
    scene = Scene(4, settings=Settings(delta0=0.001, retry=0.3, skip_after=5.0))
    scene.network.delay = (0.01, 0.02)
    scene.start()
    scene.load(40, every=0.1)
    scene.run(5.0)
    scene.settle(20.0)
    assert max(replica.state.delta for replica in scene.replicas) <= 0.256


def test_R11_three_dead_of_ten_do_not_slow_the_rest() -> None:
    scene = Scene(10, liars={1: Liar, 4: Liar, 8: Liar})
    scene.start()
    scene.load(40, every=0.1)
    scene.run(5.0)
    scene.settle(5.0)
    begun = scene.now
    scene.submit(0, b"late")
    assert scene.run(2.0, scene.everything_final)
    assert scene.now - begun < 20 * DELTA


class HoldsBack(Puppet):
    """Votes for every other view alone: rounds take now as long as links, now as long as the
    slowest member."""

    def twist(self, sends: list[Send], event: ActorEvent, now: Now) -> list[Send]:
        """Drop NOTARIZE of odd views."""
        return [
            send
            for send in sends
            if view_of(send.message) % 2 == 0 or kind_of(send.message) != "vote-NOTARIZE"
        ]


class OneSlow(Network):
    """Everything to and from one member takes six times as long."""

    slow = SignerIndex(3)

    def delays(self, sender: SignerIndex, receiver: SignerIndex, message: Message) -> list[float]:
        """As long as that."""
        return [6 * DELTA if self.slow in (sender, receiver) else DELTA]


class Waits(Scene):
    """Sees how long a member that leads had been in a view when it proposed."""

    waited: dict[tuple[int, int], float]

    def signed(self, node: SignerIndex, statement: Statement) -> None:
        """Its own NOTARIZE goes out with the proposal."""
        super().signed(node, statement)
        state = self.honest(node).replica.state
        if statement.kind is Kind.NOTARIZE and self.leader(statement.view) == node:
            waited = self.now - state.pacemaker.entered
            self.waited[(node, int(statement.view))] = waited


def test_T30_votes_held_back_and_a_slow_peer_make_no_leader_wait_beyond_its_bound() -> None:
    settings = replace(QUICK, gap_executions=1_000.0, gap_rounds_max=1_000.0)
    scene = Waits(5, liars={1: HoldsBack}, settings=settings, network=OneSlow(Random(1)))
    scene.waited = {}
    scene.start()
    scene.load(600, every=0.005)
    scene.run(0.1)
    scene.waited.clear()
    scene.run(2.5)
    # With work at hand a leader waits twice its gap at most: half of Δ0.
    assert max(scene.waited.values()) <= settings.delta0 / 2 + 0.001
    assert max(scene.waited.values()) > settings.delta0 / 5, "nobody waited: nothing is tested"
    assert {node for node, _ in scene.waited} == {0, 2, 3, 4}
    scene.settle(5.0)
    assert not scene.views(Kind.NULLIFY)
