"""Upgrades bound to a grant, and starts that nobody planned."""

import pytest
from tests.enclave.fixtures import MEASUREMENT
from tests.enclave.governance.grant_world import Ask, GrantWorld
from tests.enclave.governance.world import NodeActor, World, joiner

from strongroom.enclave.governance.grant_events import EVENTS_OF_SUBJECT_MAX

OTHER_CODE = b"\x0b" * 48
assert OTHER_CODE != MEASUREMENT


@pytest.fixture
def world() -> GrantWorld:
    world = GrantWorld()
    world.decide("allow_measurement", measurement=OTHER_CODE)
    return world


def newcomer(world: GrantWorld, name: str = "n9", code: bytes = OTHER_CODE) -> NodeActor:
    node = joiner(name)
    node.measurement = code
    world.decide("allow_chip", operator="operator0", chip=node.applicant.chip.chip_id)
    return node


def reboot(world: GrantWorld, index: int = 1) -> bytes:
    node = world.nodes[index]
    node.boot += 1
    return world.attest(node, vote_key=world.registered_vote(node))


def demand(world: GrantWorld) -> None:
    world.decide("set_limit", name="upgrade_grants", value=1)


def begun(world: GrantWorld, operation: str, node: str, *parameters: bytes) -> str:
    id = world.approved(Ask(operations=(operation,), nodes=(node,)))
    world.ok(world.begin(id, operation, node, parameters))
    return id


def test_a_start_that_nobody_planned_is_told_and_not_refused(world: GrantWorld) -> None:
    world.ok(reboot(world))
    assert world.events() == [("unplanned-start", "n1")]
    world.ok(world.attest(world.nodes[1], vote_key=world.registered_vote(world.nodes[1])))
    assert world.events() == [("unplanned-start", "n1")]


def test_the_first_start_of_a_founder_is_its_founding() -> None:
    world = World()
    world.block()
    node = world.nodes[1]
    node.boot = 2
    world.ok(world.attest(node))
    assert world.governance.document().access.events == ()
    node.boot = 3
    world.ok(world.attest(node))
    assert [one.subject for one in world.governance.document().access.events] == ["n1"]


def test_a_planned_start_is_no_event_and_only_once(world: GrantWorld) -> None:
    id = begun(world, "restart", "n1")
    world.ok(reboot(world, 2))
    assert world.events() == [("unplanned-start", "n2")]
    world.ok(reboot(world))
    assert world.grant(id).begins[0].acted_ms
    assert world.events() == [("unplanned-start", "n2")]
    world.ok(reboot(world))
    assert world.events() == [("unplanned-start", "n2"), ("unplanned-start", "n1")]


def test_a_node_that_starts_over_and_over_pushes_out_its_own_events(world: GrantWorld) -> None:
    world.ok(reboot(world, 2))
    for _ in range(EVENTS_OF_SUBJECT_MAX + 4):
        world.ok(reboot(world))
    told = [("unplanned-start", "n1")] * EVENTS_OF_SUBJECT_MAX
    assert world.events() == [("unplanned-start", "n2"), *told]
    numbers = [one.number for one in world.governance.document().access.events]
    assert numbers[1:] == list(range(6, 6 + EVENTS_OF_SUBJECT_MAX))


def test_a_revoked_grant_plans_no_start(world: GrantWorld) -> None:
    id = begun(world, "restart", "n1")
    world.ok(world.revoke(id, "member1"), reboot(world))
    assert world.events() == [("unplanned-start", "n1")]


def test_other_code_joins_as_before_where_nobody_demands_a_grant(world: GrantWorld) -> None:
    world.ok(world.attest(newcomer(world)))


def test_other_code_joins_under_a_grant_alone(world: GrantWorld) -> None:
    demand(world)
    node = newcomer(world)
    assert world.refused(world.attest(node)) == "no-grant"
    id = begun(world, "upgrade", "n9", OTHER_CODE)
    world.ok(world.attest(node))
    assert world.grant(id).begins[0].acted_ms == world.tip.time_ms
    another = newcomer(world, "n10")
    assert world.refused(world.attest(another)) == "no-grant"


def test_the_same_code_joins_without_a_grant(world: GrantWorld) -> None:
    demand(world)
    world.ok(world.attest(newcomer(world, code=MEASUREMENT)))


@pytest.mark.parametrize(
    ("operation", "node", "parameters"),
    [
        ("upgrade", "n10", (OTHER_CODE,)),
        ("upgrade", "n9", (MEASUREMENT,)),
        ("restart", "n9", ()),
    ],
)
def test_a_grant_for_something_else_upgrades_nothing(
    world: GrantWorld, operation: str, node: str, parameters: tuple[bytes, ...]
) -> None:
    demand(world)
    begun(world, operation, node, *parameters)
    assert world.refused(world.attest(newcomer(world))) == "no-grant"


def test_an_upgrade_revoked_in_the_same_block(world: GrantWorld) -> None:
    demand(world)
    id, node = begun(world, "upgrade", "n9", OTHER_CODE), newcomer(world)
    results = world.block(world.revoke(id, "operator0"), world.attest(node))
    assert results[1][1][0] == "no-grant"
    assert world.governance.node(node.key) is None


def test_an_upgrade_after_the_grants_time(world: GrantWorld) -> None:
    demand(world)
    id = world.approved(Ask(operations=("upgrade",), nodes=("n9",), duration_ms=60_000))
    world.ok(world.begin(id, "upgrade", "n9", (OTHER_CODE,)))
    node = newcomer(world)
    world.block(gap_ms=60_000)
    assert world.refused(world.attest(node)) == "no-grant"


def test_a_node_attests_again_with_other_code_under_a_grant_alone(world: GrantWorld) -> None:
    demand(world)
    node = world.nodes[2]
    node.boot, node.measurement = 2, OTHER_CODE
    again = {"vote_key": world.registered_vote(node)}
    assert world.refused(world.attest(node, **again)) == "no-grant"
    begun(world, "upgrade", "n2", OTHER_CODE)
    world.ok(world.attest(node, **again))
    assert world.events() == []


@pytest.mark.parametrize("others", [(), ("role:payments:auditor",), ("restart",)])
def test_an_upgrade_goes_on_at_other_nodes_when_one_came_back_under_it(
    world: GrantWorld, others: tuple[str, ...]
) -> None:
    """Whatever else it is for at that node was asked for the one that was removed."""
    demand(world)
    nodes = ("n1", "n3")
    id = world.approved(Ask(operations=("upgrade", *others), nodes=nodes))
    beside = world.approved(Ask(operations=("upgrade",), nodes=nodes))
    world.ok(world.begin(id, "upgrade", "n3", (OTHER_CODE,)))
    world.decide("remove_node", node="n3")
    world.ok(world.attest(newcomer(world, "n3")))
    goes_on = "restart" not in others
    again = world.begin(id, "upgrade", "n3", (OTHER_CODE,))
    assert world.refused(again) == ("twice" if goes_on else "expired")
    ((good, _),) = world.block(world.begin(id, "upgrade", "n1", (OTHER_CODE,)))
    assert good == goes_on
    again = world.begin(beside, "upgrade", "n3", (OTHER_CODE,))
    assert world.refused(again) == "expired", "it came in under another"
