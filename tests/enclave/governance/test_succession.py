"""Offers, readies, the wish, and the epoch that it becomes (DESIGN §5, R16; T13, T2A, T2B, T33)."""

from dataclasses import replace
from typing import Any

import pytest
from tests.enclave.governance.world import World, hybrid, joiner

from strongroom.consensus.errors import InvariantBroken
from strongroom.consensus.types import Digest, Epoch
from strongroom.enclave.governance import public
from strongroom.enclave.governance.records import Offer


def due_world(n: int = 4, *, compromised: bool = False) -> World:
    world = World(n)
    world.decide("rotate", compromised=compromised)
    return world


def offered(world: World, index: int = 0) -> Offer:
    world.ok(world.offer(world.nodes[index]))
    return world.governance.offers()[-1]


# --- what is due ---


def test_nothing_is_due_and_nothing_may_be_offered_at_first() -> None:
    world = World()
    assert world.governance.due is None
    fields = (1, bytes(32), hybrid("x"), ())
    assert world.refused(world.say(world.nodes[0], public.OFFER, fields)) == "nothing-due"


def test_an_epoch_is_due_after_so_many_blocks() -> None:
    world = World()
    world.decide("set_limit", name="epoch_blocks", value=100)
    world.pass_time(3_600_000)
    world.keep_attested()
    while world.tip.height < 99:
        world.block()
    assert world.governance.due is None
    world.block()
    due = world.governance.due
    assert due is not None
    assert (due.reason, due.epoch, due.since_ms) == ("blocks", 1, world.tip.time_ms)
    world.turn()
    anchor = world.tip.height
    assert world.governance.due is None
    while world.tip.height < anchor + 100:
        assert world.governance.due is None
        world.block()
    assert world.governance.due is not None


def test_a_change_of_the_due_set_voids_its_offers_and_begins_anew() -> None:
    """T2A."""
    world = due_world()
    before = world.governance.due
    offer = offered(world)
    world.ok(world.ready(world.nodes[1], offer))
    world.ok(world.say(world.nodes[3], public.LEAVE, ()))
    due = world.governance.due
    assert due is not None
    assert before is not None
    assert (due.digest != before.digest, due.since_ms) == (True, world.tip.time_ms)
    assert world.governance.offers() == ()
    assert world.refused(world.ready(world.nodes[2], offer)) == "unknown-offer"


def test_the_same_set_is_due_under_another_name_in_the_next_epoch() -> None:
    """T2A: an offer is for one epoch."""
    world = due_world()
    first = world.governance.due
    world.turn()
    world.decide("rotate", compromised=False)
    second = world.governance.due
    assert first is not None
    assert second is not None
    assert first.members == second.members
    assert first.digest != second.digest


# --- offers ---


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"epoch": 2}, "wrong-epoch"),
        ({"epoch": 0}, "wrong-epoch"),
        ({"members": bytes(32)}, "nothing-due"),
        ({"public_key": bytes(1215)}, "malformed"),
        ({"public_key": b"\xff" * 1216}, "malformed"),
        ({"wraps": ()}, "wraps"),
        ({"wraps": ((b"x", b"y"),) * 4}, "wraps"),
        ({"wraps": (1, 2, 3, 4)}, "wraps"),
    ],
)
def test_an_offer_is_for_the_due_epoch_its_members_and_their_keys(
    changed: dict[str, Any], code: str
) -> None:
    """T2A."""
    world = due_world()
    assert world.refused(world.offer(world.nodes[0], **changed)) == code


def test_an_offer_wraps_to_exactly_those_who_announced_a_key_in_order() -> None:
    """T2A: nobody is left out, nobody is added."""
    world = due_world()
    due = world.governance.due
    assert due is not None
    wraps = tuple((member, b"wrap") for member in due.members)
    for wrong in (
        wraps[:3],
        wraps[1:],
        (*wraps, (joiner("x").key, b"wrap")),
        wraps[::-1],
        (*wraps[:3], wraps[2]),
    ):
        assert world.refused(world.offer(world.nodes[0], wraps=wrong)) == "wraps"
    for size in (0, 4097):
        assert (
            world.refused(
                world.offer(world.nodes[0], wraps=(*wraps[:3], (wraps[3][0], bytes(size))))
            )
            == "wraps"
        )
    world.ok(world.offer(world.nodes[0], wraps=wraps))


def test_an_offer_wraps_to_no_key_of_another_epoch() -> None:
    """A member without a key for the epoch asks its peers (KEYS)."""
    world = due_world()
    offer = offered(world)
    world.ok(*[world.ready(node, offer) for node in world.nodes[:3]])
    world.block(gap_ms=2_000)
    world.block(terminal=True)
    world.decide("rotate", compromised=False)
    due = world.governance.due
    assert due is not None
    assert [key for key, _ in world.governance.recipients(due)] == sorted(
        node.key for node in world.nodes[:3]
    )
    world.ok(world.offer(world.nodes[3]))


def test_only_a_member_of_both_epochs_offers() -> None:
    """T2A: an offer by a non-member."""
    world = World()
    node = world.admit("n9")
    assert world.refused(world.offer(node)) == "not-a-node"
    assert world.refused(world.offer(joiner("stranger"))) == "not-a-node"
    world = World()
    world.ok(world.say(world.nodes[2], public.LEAVE, ()))
    assert world.refused(world.offer(world.nodes[2])) == "not-a-node"
    world.ok(world.offer(world.nodes[0]))


def test_T29_no_secret_is_wrapped_to_a_suspended_member() -> None:
    world = due_world()
    world.pass_time(world.governance.policy.max_age_ms // 2)
    for node in world.nodes[:3]:
        world.ok(world.attest(node))
    world.pass_time(world.governance.policy.max_age_ms // 2 + 60_000)
    due = world.governance.due
    assert due is not None
    assert world.nodes[3].key in due.members
    assert [member for member, _ in world.governance.recipients(due)] == [
        node.key for node in world.nodes[:3]
    ]


def test_a_suspended_member_offers_nothing() -> None:
    """T29."""
    world = World()
    world.pass_time(600_000)
    world.ok(*[world.attest(node) for node in world.nodes[:3]])
    world.decide("rotate", compromised=False)
    assert world.refused(world.offer(world.nodes[3])) == "suspended"


def test_a_member_has_one_offer_for_a_due_set() -> None:
    """T2A."""
    world = due_world()
    envelope = world.offer(world.nodes[0])
    world.ok(envelope)
    assert world.refused(envelope) == "twice"
    assert world.refused(world.offer(world.nodes[0], "another")) == "twice"
    world.ok(world.offer(world.nodes[1]))
    assert [offer.offerer for offer in world.governance.offers()] == [
        node.key for node in world.nodes[:2]
    ]


def test_the_current_key_is_offered_to_nobody_again() -> None:
    """T13."""
    world = due_world()
    assert (
        world.refused(world.offer(world.nodes[0], public_key=world.governance.public_key))
        == "taken"
    )


def test_an_offer_of_an_epoch_is_none_for_the_next() -> None:
    world = due_world()
    envelope = world.offer(world.nodes[0])
    world.turn()
    world.decide("rotate", compromised=False)
    assert world.refused(envelope) == "wrong-epoch"


# --- readies ---


def test_a_ready_is_for_an_open_offer_by_a_member_of_the_due_set_once() -> None:
    """T2B."""
    world = due_world()
    offer = offered(world)
    assert world.refused(world.ready(world.nodes[0], bytes(32))) == "unknown-offer"
    assert world.refused(world.ready(world.nodes[0], offer, epoch=2)) == "wrong-epoch"
    assert world.refused(world.ready(joiner("x"), offer)) == "not-a-node"
    envelope = world.ready(world.nodes[0], offer)
    world.ok(envelope)
    assert world.refused(envelope) == "twice"
    (offer,) = world.governance.offers()
    assert list(offer.readies) == [world.nodes[0].key]
    assert world.governance.wrap_key(world.nodes[0].key, Epoch(2)) == world.nodes[0].wrap_key(2)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"vote_key": bytes(31)}, "malformed"),
        ({"wrap_key": bytes(5)}, "malformed"),
        ({"wrap_key": b"\xff" * 1216}, "malformed"),
        ({"offer": bytes(31)}, "malformed"),
    ],
)
def test_a_ready_announces_keys_that_work(changed: dict[str, Any], code: str) -> None:
    """T2A: a key to which nothing can be sealed would stall the epoch after."""
    world = due_world()
    offer = offered(world)
    assert world.refused(world.ready(world.nodes[0], offer, **changed)) == code


def test_a_vote_key_is_nobody_elses_and_for_one_epoch() -> None:
    """T2B, T33."""
    world = due_world()
    offer = offered(world)
    first, second = world.nodes[:2]
    world.ok(world.ready(second, offer))
    for taken in (first.vote_key(0), second.vote_key(0), second.vote_key(1), first.key, second.key):
        assert world.refused(world.ready(first, offer, vote_key=taken)) == "taken"
    world.ok(world.ready(first, offer))


def test_a_joiner_may_not_take_a_vote_key_that_somebody_is_ready_with() -> None:
    """T2B: else the next epoch would have one key twice."""
    world = World()
    node = joiner("new")
    world.decide("allow_chip", operator="operator0", chip=node.applicant.chip.chip_id)
    world.pass_time(3_600_000)
    world.keep_attested()
    world.decide("rotate", compromised=False)
    offer = offered(world)
    world.ok(world.ready(world.nodes[1], offer))
    assert world.refused(world.attest(node, vote_key=world.nodes[1].vote_key(1))) == "taken"


# --- winner, wish, epoch ---


def test_the_first_offer_with_a_quorum_of_readies_wins() -> None:
    world = due_world()
    first, second = offered(world, 0), offered(world, 1)
    world.ok(*[world.ready(node, first) for node in world.nodes[:2]])
    world.ok(*[world.ready(node, second) for node in world.nodes[:3]])
    world.ok(world.ready(world.nodes[2], first), world.ready(world.nodes[3], first))
    assert world.governance.wish is None
    world.block(gap_ms=2_000)
    wish = world.governance.wish
    assert wish is not None
    assert wish.public_key == second.public_key


def test_the_wish_comes_with_the_last_ready_or_two_seconds_after_the_quorum() -> None:
    world = due_world()
    offer = offered(world)
    world.ok(*[world.ready(node, offer) for node in world.nodes[:2]])
    world.block(gap_ms=5_000)
    assert world.governance.wish is None
    world.ok(world.ready(world.nodes[2], offer))
    assert world.governance.deadline_ms == world.tip.time_ms + 2_000
    world.block(gap_ms=1_999)
    assert world.governance.wish is None
    world.block(gap_ms=1)
    assert world.governance.wish is not None
    world = due_world()
    world.agree()


def test_a_member_without_ready_keeps_its_last_vote_key() -> None:
    world = due_world()
    offer = offered(world)
    world.ok(*[world.ready(node, offer) for node in world.nodes[:3]])
    world.block(gap_ms=2_000)
    wish = world.governance.wish
    assert wish is not None
    keys = [validator.vote_key for validator in wish.description.validators]
    assert keys == [*(node.vote_key(1) for node in world.nodes[:3]), world.nodes[3].vote_key(0)]
    assert wish.description.epoch == 1


def test_a_winning_offer_freezes_everything_of_the_next_epoch() -> None:
    """The wish must not change once a block may name it."""
    world = due_world()
    offer = offered(world)
    world.ok(*[world.ready(node, offer) for node in world.nodes[:3]])
    due = world.governance.due
    assert world.refused(world.offer(world.nodes[1])) == "frozen"
    world.ok(world.say(world.nodes[3], public.LEAVE, ()))
    assert world.governance.due == due
    world.block(gap_ms=2_000)
    wish = world.governance.wish
    world.ok(world.ready(world.nodes[3], offer))
    world.decide("remove_node", node="n2")
    world.pass_time(120_000)
    assert (world.governance.due, world.governance.wish) == (due, wish)
    assert world.governance.wrap_key(world.nodes[3].key, Epoch(2)) == world.nodes[3].wrap_key(2)
    world.block(terminal=True)
    assert wish is not None
    assert world.governance.current == wish.description
    after = world.governance.due
    assert after is not None
    assert world.nodes[2].key not in after.members
    assert world.nodes[3].key in after.members


def test_the_terminal_block_makes_the_wish_the_epoch() -> None:
    """R16."""
    world = due_world()
    world.agree()
    wish = world.governance.wish
    world.block(terminal=True)
    governance = world.governance
    assert wish is not None
    assert (governance.current, governance.epoch, governance.public_key) == (
        wish.description,
        1,
        wish.public_key,
    )
    assert (governance.wish, governance.due, governance.offers()) == (None, None, ())
    assert governance.grace_until_ms == world.tip.time_ms + 60_000
    assert governance.deadline_ms == governance.grace_until_ms
    for node in world.nodes:
        found = governance.node(node.key)
        assert found is not None
        assert (found.status, found.vote_key) == ("validator", node.vote_key(1))
        assert [governance.wrap_key(node.key, Epoch(epoch)) for epoch in (0, 1)] == [None, None]
        assert governance.wrap_key(node.key, Epoch(2)) == node.wrap_key(2)


def test_the_grace_ends_by_itself_and_there_is_none_after_a_compromise() -> None:
    """T13."""
    world = due_world()
    world.turn()
    world.block(gap_ms=59_999)
    assert world.governance.grace_until_ms
    world.block(gap_ms=1)
    assert world.governance.grace_until_ms == 0
    world = due_world(compromised=True)
    world.turn()
    assert world.governance.grace_until_ms == 0


def test_a_compromise_that_is_told_after_the_wish_ends_the_grace_and_the_next_epoch_too() -> None:
    """T13: the next secret was already made by then."""
    world = due_world()
    world.agree()
    world.decide("rotate", compromised=True)
    world.block(terminal=True)
    assert world.governance.grace_until_ms == 0
    due = world.governance.due
    assert due is not None
    assert (due.epoch, due.reason, due.compromised) == (2, "rotate", True)


def test_a_late_ready_announces_a_wrap_key_and_nothing_else() -> None:
    world = due_world()
    offer = offered(world)
    world.ok(*[world.ready(node, offer) for node in world.nodes[:3]])
    world.block(gap_ms=2_000)
    world.block(terminal=True)
    late = world.nodes[3]
    ready = world.ready(late, offer, epoch=1, vote_key=late.vote_key(1), wrap_key=late.wrap_key(2))
    assert world.refused(world.ready(late, bytes(32), epoch=1)) == "unknown-offer"
    assert world.refused(world.ready(joiner("x"), offer, epoch=1)) == "not-a-node"
    world.ok(ready)
    assert world.governance.wrap_key(late.key, Epoch(2)) == late.wrap_key(2)
    found = world.governance.node(late.key)
    assert found is not None
    assert found.vote_key == late.vote_key(0)
    assert world.refused(ready) == "twice"
    assert world.refused(world.ready(world.nodes[0], offer, epoch=1)) == "twice"


def test_a_terminal_block_that_names_something_else_stops_the_replica() -> None:
    world = due_world()
    world.agree()
    header = replace(world.next_header(terminal=True), next_epoch=Digest(bytes(32)))
    with pytest.raises(InvariantBroken):
        world.governance.end_epoch(header)
    world = World()
    with pytest.raises(InvariantBroken):
        world.governance.end_epoch(world.next_header())


def test_a_joiner_comes_in_and_whoever_leaves_goes_out() -> None:
    """Rows 34 to 37 of the fault matrix."""
    world = World()
    node = world.admit("n9")
    world.turn(node)
    assert len(world.governance.current.validators) == 5
    found = world.governance.node(node.key)
    assert found is not None
    assert (found.status, found.vote_key) == ("validator", node.vote_key(1))
    world.nodes.append(node)
    world.ok(world.say(world.nodes[0], public.LEAVE, ()))
    world.turn()
    assert world.governance.current.index_of(world.nodes[0].key) is None
    assert [one.reason for one in world.governance.document().epochs] == ["founded", "set", "set"]


def test_one_node_alone_goes_from_epoch_to_epoch() -> None:
    world = World(1)
    for epoch in range(1, 4):
        world.decide("rotate", compromised=False)
        world.turn()
        assert world.governance.epoch == epoch
