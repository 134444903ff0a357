"""What changes between the words about a grant: members, limits, operators, nodes; and how much one
may fill (T59, T11)."""

from dataclasses import replace

import pytest
from tests.enclave.fixtures import key_named, make_cluster_genesis
from tests.enclave.governance.grant_world import HOUR_MS, Ask, GrantWorld
from tests.enclave.governance.world import World, joiner

from strongroom.consensus import codec
from strongroom.enclave.governance import public
from strongroom.enclave.governance.grant_records import GRANT_BEGINS_MAX, REVIEW_MS
from strongroom.enclave.governance.grant_time import CLOSED_GRANTS_BYTES_MAX, CLOSED_GRANTS_MAX
from strongroom.enclave.programs.grants import GRANTS


@pytest.fixture
def world() -> GrantWorld:
    return GrantWorld()


def approvals_needed(world: GrantWorld, number: int) -> None:
    world.decide("set_limit", name="grant_approvals", value=number)


# --- who counts, when it is decided ---


def test_an_approver_who_left_before_the_last_approval_decides_nothing(world: GrantWorld) -> None:
    id = world.asked()
    world.ok(world.approve(id, "member1"))
    world.decide("set_affiliation", key=world.members["member1"].public, operator="operator0")
    assert world.ok(world.approve(id, "member2")) == (id, "asked")
    assert world.refused(world.begin(id)) == "not-approved"
    assert world.ok(world.approve(id, "member3")) == (id, "approved")
    world.ok(world.begin(id))


def test_no_emergency_is_told_before_it_is_one(world: GrantWorld) -> None:
    id = world.asked(Ask(kind="emergency"))
    world.ok(world.approve(id, "member1"))
    assert world.events() == [("emergency", id)]


def test_one_who_left_denies_nothing(world: GrantWorld) -> None:
    id = world.asked()
    world.ok(world.about(public.DENY, id, "member1"))
    world.decide("remove_member", name="member1")
    assert world.ok(world.about(public.DENY, id, "member2")) == (id, "asked")
    assert world.ok(world.about(public.DENY, id, "member3")) == (id, "denied")


def test_members_ask_for_more_approvals_in_between(world: GrantWorld) -> None:
    asked, approved, begun = world.asked(), world.approved(), world.approved(Ask(nodes=("n2",)))
    world.ok(world.approve(asked, "member1"), world.begin(begun, node="n2"))
    approvals_needed(world, 3)
    assert world.ok(world.approve(asked, "member2")) == (asked, "asked")
    assert world.grant(asked).needed == 3
    assert world.refused(world.begin(approved)) == "not-approved"
    assert world.refused(world.act(begun, 2)) == "not-approved"
    assert world.ok(world.approve(asked, "member3")) == (asked, "approved")
    world.ok(world.begin(asked))


def test_fewer_approvals_are_for_what_is_asked_then(world: GrantWorld) -> None:
    id = world.asked()
    approvals_needed(world, 1)
    assert world.ok(world.approve(id, "member1")) == (id, "asked")
    another = world.asked(Ask(nodes=("n2",)))
    assert world.ok(world.approve(another, "member1")) == (another, "approved")


def test_who_acted_for_an_operator_that_is_out_acts_for_nobody(world: GrantWorld) -> None:
    id = world.asked()
    world.ok(world.approve(id, "member3"), world.approve(id, "member1"))
    other = world.asked(Ask(nodes=("n2",)))
    world.decide("set_affiliation", key=key_named("auditor").public, operator="auditors")
    world.decide("forbid_operator", operator="operator3")
    assert world.refused(world.begin(id)) == "not-approved"
    assert world.refused(world.approve(other, "member3")) == "unknown-operator"
    assert world.refused(world.ask(by="member3")) == "unknown-operator"
    assert world.refused(world.ask(by="operator3")) == "unknown-operator"
    world.asked(by="auditor")
    world.decide("allow_operator", operator="operator3", key=key_named("operator3").public)
    assert world.refused(world.approve(other, "member3")) == "unknown-operator"


def test_an_operator_with_another_key_keeps_who_acts_for_it(world: GrantWorld) -> None:
    id = world.asked()
    world.decide("allow_operator", operator="operator3", key=key_named("newer").public)
    world.ok(world.approve(id, "member3"))
    assert world.refused(world.ask(by="operator3")) == "unknown-operator"


class FoundedAffiliated(GrantWorld):
    """Members whose operators stand in the constitution."""

    def __init__(self) -> None:
        World.__init__(self, cluster=make_cluster_genesis(affiliated=True))


def test_members_act_for_their_operators_from_the_founding_on() -> None:
    world = FoundedAffiliated()
    known = dict(world.governance.document().access.affiliations)
    assert known == {key.public: f"operator{name[-1]}" for name, key in world.members.items()}
    id = world.approved(by="member0")
    world.ok(world.begin(id, by="member0"))
    world.ok(world.act(id))
    key = world.members["member3"].public
    id, _ = world.ok(world.proposal("remove_affiliation", key=key))
    world.ok(world.ballot(id, "member1"), world.ballot(id, "member2"))
    assert world.refused(world.ask(by="member3")) == "unknown-operator"


# --- emergencies ---


def test_fewer_reviews_suffice_once_members_ask_for_fewer(world: GrantWorld) -> None:
    """Else nobody would ever ask again, where too few are left to review."""
    id = world.approved(Ask(kind="emergency"))
    world.ok(world.begin(id), world.finish(id))
    world.decide("remove_affiliation", key=world.members["member3"].public)
    world.block(gap_ms=REVIEW_MS + HOUR_MS)
    world.ok(world.about(public.REVIEW, id, "member2"))
    assert world.refused(world.ask(by="operator2")) == "review-due"
    approvals_needed(world, 1)
    world.asked(by="operator2")
    assert world.refused(world.about(public.REVIEW, id, "member2")) == "twice"


def test_more_reviews_are_for_emergencies_of_then(world: GrantWorld) -> None:
    id = world.approved(Ask(kind="emergency"))
    world.ok(world.begin(id), world.finish(id))
    approvals_needed(world, 3)
    world.pass_time(HOUR_MS)
    world.ok(world.about(public.REVIEW, id, "member2"))
    assert world.ok(world.about(public.REVIEW, id, "member3")) == (id, 0)


def test_an_emergency_that_too_few_could_review_is_none(world: GrantWorld) -> None:
    """With one member to approve and one to review, the two reviews that it needs never come."""
    world.decide("remove_affiliation", key=world.members["member3"].public)
    world.asked()
    assert world.refused(world.ask(Ask(kind="emergency"))) == "not-approved"
    approvals_needed(world, 1)
    id = world.approved(Ask(kind="emergency"))
    world.ok(world.begin(id), world.finish(id))
    world.pass_time(HOUR_MS)
    assert world.ok(world.about(public.REVIEW, id, "member2")) == (id, 0)
    world.decide("remove_affiliation", key=world.members["member2"].public)
    assert world.refused(world.ask(Ask(kind="emergency"))) == "not-approved"


# --- nodes ---


def test_a_node_that_takes_a_removed_ones_name_inherits_no_grant(world: GrantWorld) -> None:
    begun, approved = world.approved(Ask(nodes=("n3",))), world.approved(Ask(nodes=("n3",)))
    other = world.approved()
    world.ok(world.begin(begun, node="n3"))
    world.decide("remove_node", node="n3")
    namesake = joiner("n3")
    world.decide("allow_chip", operator="operator0", chip=namesake.applicant.chip.chip_id)
    world.ok(world.attest(namesake))
    world.nodes.append(namesake)
    assert world.refused(world.act(begun, len(world.nodes) - 1)) == "expired"
    assert world.refused(world.begin(approved, node="n3")) == "expired"
    world.ok(world.begin(other))
    later = world.approved(Ask(nodes=("n3",)))
    world.ok(world.begin(later, node="n3"))
    world.ok(world.act(later, len(world.nodes) - 1))


def test_a_node_of_a_new_name_comes_in_under_what_was_asked_for_it(world: GrantWorld) -> None:
    id, node = world.approved(Ask(nodes=("n9",))), joiner("n9")
    world.decide("allow_chip", operator="operator0", chip=node.applicant.chip.chip_id)
    world.ok(world.attest(node))
    world.ok(world.begin(id, node="n9"))


# --- bounds ---


def test_a_grant_is_for_so_many_acts(world: GrantWorld) -> None:
    nodes = tuple(f"n{index}" for index in range(GRANT_BEGINS_MAX // 2))
    most = Ask(operations=("diagnostics", "restart"), nodes=nodes)
    world.asked(most)
    more = replace(most, operations=(*most.operations, "role:payments:auditor"))
    assert world.refused(world.ask(more)) == "malformed"


def test_the_document_holds_so_many_bytes_of_grants_that_are_over(world: GrantWorld) -> None:
    names = tuple(f"{index:064}" for index in range(16))
    long = Ask(nodes=names, reason="\N{EARTH GLOBE ASIA-AUSTRALIA}" * 256, claim_ms=1_000)
    for _ in range(CLOSED_GRANTS_MAX // 16 + 1):
        world.ok(*[world.ask(long) for _ in range(16)])
        world.block(gap_ms=1_001)
    known = [bytes(record) for _, record in world.executing.state.maps[GRANTS].items()]
    size = sum(map(len, known))
    assert CLOSED_GRANTS_BYTES_MAX - max(map(len, known)) < size <= CLOSED_GRANTS_BYTES_MAX
    assert len(known) < CLOSED_GRANTS_MAX
    newest = max(codec.decode(record)[9] for record in known)
    assert newest == max(one.asked_ms for one in world.governance.document().access.grants)


def test_what_one_asker_fills_leaves_room_for_others(world: GrantWorld) -> None:
    """Also within one block, in which it takes all back and asks anew."""
    first = [world.asked() for _ in range(16)]
    world.block(*[world.revoke(id, "operator0") for id in first])
    assert world.refused(world.ask()) == "full"
    assert world.ok(world.ask(by="operator1"))[1] == "asked"
