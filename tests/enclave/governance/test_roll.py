"""Suspension, expiry, the wished set and the clock that they run on (T20, T22, T29; row 34 of the
fault matrix)."""

import pytest
from tests.enclave.governance.world import STEP_MS, NodeActor, World

from strongroom.consensus.errors import AttestationError
from strongroom.enclave.governance import public

AGE_MS = 600_000
"""Maximum age of evidence in the fixture's policy."""


def suspended(world: World) -> list[str]:
    return [node.name for node in world.governance.nodes() if world.governance.is_suspended(node)]


def wished(world: World) -> list[str]:
    due = world.governance.due
    assert due is not None
    return [node.name for node in world.governance.nodes() if node.node_key in due.members]


def attest(world: World, *nodes: NodeActor) -> None:
    world.ok(*[world.attest(node, vote_key=world.registered_vote(node)) for node in nodes])


def alarms(world: World) -> list[str]:
    return [entry.name for entry in world.governance.document().nodes if entry.alarm]


def test_a_node_that_stops_attesting_is_suspended_from_keys_and_attests_its_way_back() -> None:
    """T29."""
    world = World()
    world.pass_time(AGE_MS)
    attest(world, *world.nodes[:3])
    assert suspended(world) == ["n3"]
    with pytest.raises(AttestationError, match="suspended"):
        world.governance.may_get_keys(world.nodes[3].key)
    attest(world, world.nodes[3])
    assert suspended(world) == []
    world.governance.may_get_keys(world.nodes[3].key)


def test_evidence_counts_until_the_maximum_age_and_not_longer() -> None:
    world = World()
    world.pass_time(AGE_MS)
    assert suspended(world) == []
    world.block(gap_ms=1)
    assert suspended(world) == ["n0"]


def test_suspension_never_leaves_fewer_than_a_quorum_and_is_an_alarm_instead() -> None:
    world = World()
    world.pass_time(3 * AGE_MS)
    assert suspended(world) == ["n0"]
    assert alarms(world) == ["n1", "n2", "n3"]
    for name in ("n1", "n2", "n3"):
        node = next(one for one in world.nodes if one.name == name)
        world.governance.may_get_keys(node.key)


def test_who_stopped_first_is_suspended_first() -> None:
    world = World()
    world.pass_time(120_000)
    attest(world, world.nodes[0], world.nodes[2], world.nodes[3])
    world.pass_time(2 * AGE_MS)
    assert suspended(world) == ["n1"]


def test_a_suspended_member_is_out_of_the_next_epoch_after_twice_the_maximum_age() -> None:
    world = World()
    world.pass_time(AGE_MS)
    attest(world, *world.nodes[:3])
    world.pass_time(AGE_MS - STEP_MS)
    assert world.governance.due is None
    world.block()
    assert wished(world) == ["n0", "n1", "n2"]
    due = world.governance.due
    assert due is not None
    assert due.since_ms == world.tip.time_ms


def test_a_member_that_attests_in_time_calls_the_change_off() -> None:
    world = World()
    world.pass_time(AGE_MS)
    attest(world, *world.nodes[:3])
    world.pass_time(AGE_MS + 60_000)
    assert wished(world) == ["n0", "n1", "n2"]
    world.ok(world.offer(world.nodes[0]))
    attest(world, world.nodes[3])
    assert world.governance.due is None
    assert world.governance.offers() == ()


def test_a_gap_between_two_blocks_counts_at_most_a_minute() -> None:
    """A cluster that slept has time to attest again."""
    world = World()
    world.block(gap_ms=24 * 3_600_000)
    assert world.governance.document().active_ms == world.genesis.header.time_ms + 60_000
    assert suspended(world) == []
    assert world.governance.due is None


def test_age_is_work_at_the_earliest_moment_and_then_no_more() -> None:
    """PROTOCOL §7: a deadline in state; a quiet chain ends up quiet."""
    world = World()
    start_ms = world.tip.time_ms
    assert world.governance.deadline_ms == start_ms + 2 * AGE_MS + 1
    made = 0
    while world.governance.deadline_ms:
        deadline_ms = world.governance.deadline_ms
        assert deadline_ms > world.tip.time_ms
        world.block(gap_ms=deadline_ms - world.tip.time_ms)
        made += 1
    assert made <= 2 * AGE_MS // 60_000 + 1
    assert wished(world) == ["n1", "n2", "n3"]


def test_what_the_policy_no_longer_takes_is_suspended_at_once_and_leaves() -> None:
    """T22, T24."""
    world = World()
    world.decide("forbid_operator", operator="operator2")
    assert suspended(world) == ["n2"]
    assert wished(world) == ["n0", "n1", "n3"]


def test_a_joiner_that_the_policy_no_longer_takes_gets_no_keys() -> None:
    """T24, T29."""
    world = World()
    node = world.admit("n9")
    assert "n9" in wished(world)
    world.decide("forbid_chip", operator="operator0", chip=node.applicant.chip.chip_id)
    assert suspended(world) == ["n9"]
    assert world.governance.due is None


def test_a_revoked_key_makes_everybody_attest_again() -> None:
    """T22, T28."""
    world = World()
    world.pass_time(60_000)
    world.decide("revoke_key", key=bytes(32))
    assert len(suspended(world)) == 1
    assert len(alarms(world)) == 3
    attest(world, *world.nodes)
    assert (suspended(world), alarms(world)) == ([], [])


def test_removals_go_first_and_at_most_a_third_changes_per_epoch() -> None:
    world = World()
    node = world.admit("n9")
    assert sorted(wished(world)) == ["n0", "n1", "n2", "n3", "n9"]
    world.ok(
        world.say(world.nodes[0], public.LEAVE, ()), world.say(world.nodes[1], public.LEAVE, ())
    )
    assert wished(world) == ["n1", "n2", "n3"]
    world.turn(node)
    due = world.governance.due
    assert due is not None
    assert len(due.members) == 2
    assert (world.nodes[1].key in due.members, node.key in due.members) == (False, False)


def test_a_removed_node_goes_before_one_that_leaves() -> None:
    world = World()
    world.ok(world.say(world.nodes[0], public.LEAVE, ()))
    assert wished(world) == ["n1", "n2", "n3"]
    world.decide("remove_node", node="n3")
    assert wished(world) == ["n0", "n1", "n2"]


def test_a_single_validator_is_replaced_by_one_that_joins_first() -> None:
    world = World(1)
    node = world.admit("n9")
    world.turn(node)
    assert len(world.governance.current.validators) == 2
    world.ok(world.say(world.nodes[0], public.LEAVE, ()))
    due = world.governance.due
    assert due is not None
    assert due.members == (node.key,)
    world.turn(node)
    assert [one.node_key for one in world.governance.current.validators] == [node.key]


def test_a_joiner_without_a_wrap_key_for_the_next_epoch_waits() -> None:
    """T29: input secrets come through an offer only."""
    world = World()
    node = world.admit("n9")
    world.ok(world.say(world.nodes[0], public.LEAVE, ()))
    world.turn(node)
    assert world.governance.due is None
    world.ok(world.synced(node))
    due = world.governance.due
    assert due is not None
    assert node.key in due.members
