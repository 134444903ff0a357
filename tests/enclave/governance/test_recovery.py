"""Recovery by k of n members: keys, generations, acknowledgements, what each epoch adds (VAULT §7;
T45, T5A)."""

from dataclasses import replace
from itertools import combinations, permutations
from typing import Any

import pytest
from tests.enclave.governance.recovery_world import (
    RecoveryWorld,
    forged,
    key_of,
    recovery_key,
    secrets_of,
)

from strongroom.consensus import codec
from strongroom.consensus.types import PublicKey
from strongroom.enclave.formats.recovery import EPOCH_BOX_SIZE, Generation
from strongroom.enclave.governance import public
from strongroom.enclave.governance import recovery_public as says
from strongroom.enclave.governance.recovery import CHECK_MS, PAUSE_MS
from strongroom.enclave.governance.recovery_actions import (
    ASSEMBLY_MS,
    KEY_PAUSE_MS,
    PART_BYTES_MAX,
    PARTS_MAX,
)
from strongroom.enclave.governance.recovery_document import ALARMS, RecoveryEntry
from strongroom.enclave.governance.rules import Rules
from strongroom.enclave.keys.recovery import (
    check_generation,
    make_generation,
    open_share,
    seal_epoch,
    wrapping_of,
)
from strongroom.enclave.primitives import Secret, hybrid_seal
from strongroom.enclave.programs.framework import ProgramError


def _orders() -> list[tuple[str, ...]]:
    """Every order of two checks among three acknowledgements."""
    words = ["held 0", "held 1", "held 2"]
    orders = []
    for first, second in combinations(range(5), 2):
        order = list(words)
        order.insert(first, "check 1")
        order.insert(second, "check 2")
        orders.append(tuple(order))
    return orders


def active(world: RecoveryWorld) -> int | None:
    found = [one.number for one in world.entries if one.active]
    assert len(found) <= 1
    return found[0] if found else None


# --- off, on, who ---


def test_recovery_is_off_until_members_set_a_threshold_and_the_document_says_so() -> None:
    world = RecoveryWorld(threshold=0)
    assert world.governance.recovery_due(world.tip.time_ms) is None
    assert world.alarms == ("off",)
    world.set_threshold(2)
    assert world.alarms == ("none-active",)
    assert world.missing.threshold == 2


def test_nothing_is_due_while_fewer_than_k_members_have_keys() -> None:
    world = RecoveryWorld(threshold=3, keys=2)
    assert world.governance.recovery_due(world.tip.time_ms) is None
    assert "too-few-keys" in world.alarms
    world.ok(world.recovery_key("member2"))
    assert [member for member, _ in world.missing.members] == sorted(
        world.members[name].public for name in world.names[:3]
    )


def test_T43_a_threshold_that_the_members_cannot_reach_locks_out() -> None:
    world = RecoveryWorld(threshold=3)
    assert world.refused(world.proposal("set_recovery_threshold", threshold=5)) == "lock-out"
    assert world.refused(world.proposal("set_recovery_threshold", threshold=256)) == "arguments"
    world.decide("remove_member", name="member3")
    assert world.refused(world.proposal("remove_member", name="member2")) == "lock-out"
    document = world.governance.document()
    with pytest.raises(ProgramError, match="set_recovery_threshold first"):
        document.simulate((("remove_member", (("name", "member2"),)),))


def test_a_threshold_is_no_limit_that_set_limit_sets_and_0_is_off() -> None:
    world = RecoveryWorld(threshold=3)
    refused = world.refused(world.proposal("set_limit", name="recovery_threshold", value=1))
    assert refused == "arguments"
    world.activate()
    world.set_threshold(0)
    assert world.alarms == ("off",)
    assert world.governance.recovery_due(world.tip.time_ms) is None
    rules = world.governance.rules
    assert "recovery_threshold" not in dict(rules.limits)
    assert Rules.from_wire(rules.to_wire()) == rules


# --- members' keys ---


def test_a_member_publishes_a_key_and_nobody_else_does() -> None:
    world = RecoveryWorld(keys=0)
    digest = world.ok(world.recovery_key("member0"))
    assert digest == key_of("member0").digest.hex()
    entry = world.governance.document().recovery.keys[0]
    assert (entry.member, entry.digest.hex()) == (world.members["member0"].public, digest)
    fields = (recovery_key("x").public, b"", int(world.tip.height))
    assert world.refused(world.say(world.nodes[0], says.RECOVERY_KEY, fields)) == "not-a-member"


def test_keys_to_which_nothing_can_be_sealed_are_refused() -> None:
    world, good = RecoveryWorld(keys=0), recovery_key("member0").public
    for hybrid, point in (
        (b"", b""),
        (good[:-1], b""),
        (b"\xff" * len(good), b""),
        (good[:-32] + bytes(32), b""),
        (good, b"\x04" + bytes(64)),
        (good, b"\x02" + bytes(32)),
    ):
        fields = (hybrid, point, int(world.tip.height))
        assert world.refused(world.sign("member0", says.RECOVERY_KEY, fields)) == "malformed"


def test_a_former_recovery_key_cannot_be_replayed() -> None:
    world = RecoveryWorld(keys=0)
    first = world.recovery_key("member0")
    world.ok(first)
    assert world.refused(first) == "twice"
    assert world.refused(world.recovery_key("member0", turn=1)) == "too-soon"
    world.pass_time(KEY_PAUSE_MS)
    world.ok(world.recovery_key("member0", turn=1))
    world.pass_time(KEY_PAUSE_MS)
    assert world.refused(first) == "twice"
    assert world.refused(world.recovery_key("member0", height=int(world.tip.height) + 5)) == (
        "too-old"
    )
    key = world.governance.document().recovery.keys[0]
    assert key.digest != key_of("member0").digest


def test_a_former_members_key_cannot_be_replayed_when_it_comes_back() -> None:
    world = RecoveryWorld(threshold=2, keys=4)
    old = world.recovery_key("member3", turn=0)
    world.pass_time(KEY_PAUSE_MS)
    world.ok(world.recovery_key("member3", turn=1))
    key = world.members["member3"].public
    world.decide("remove_member", name="member3")
    assert key not in [one.member for one in world.governance.document().recovery.keys]
    assert world.refused(world.recovery_key("member3", turn=2)) == "not-a-member"
    world.decide("add_member", name="member3", key=key)
    world.pass_time(3_600_000)
    world.keep_attested()
    assert world.refused(old) == "twice"


# --- a generation ---


def test_a_generation_becomes_active_in_whatever_order_it_is_checked_and_held() -> None:
    for order in _orders():
        world = RecoveryWorld()
        one = world.publish()
        for at, word in enumerate(order, 1):
            what, number = word.split()
            said = (
                world.check(one, int(number))
                if what == "check"
                else world.held(f"member{number}", one)
            )
            world.ok(said)
            assert active(world) == (1 if at == len(order) else None)


def test_k_plus_one_acknowledgements_are_needed_or_all_there_are() -> None:
    for threshold, needed in ((1, 2), (2, 3), (3, 4), (4, 4)):
        world = RecoveryWorld(threshold=threshold)
        one = world.publish()
        world.ok(world.check(one, 1), world.check(one, 2))
        for at, name in enumerate(world.names, 1):
            assert active(world) == (1 if at > needed else None)
            world.ok(world.held(name, one))
        assert active(world) == 1
        assert world.entries[0].needed == needed


def test_f_plus_one_checks_are_needed_by_validators_of_now() -> None:
    world = RecoveryWorld()
    one = world.publish()
    world.ok(*[world.held(name, one) for name in world.names])
    world.ok(world.check(one, 3))
    assert active(world) is None
    assert world.refused(world.check(one, 3)) == "twice"
    world.ok(world.check(one, 0))
    assert active(world) == 1
    assert world.alarms == ()


def test_T5A_acknowledgements_are_not_replayed_nor_taken_of_others() -> None:
    world = RecoveryWorld(keys=3)
    one = world.publish()
    said = world.held("member0", one)
    world.ok(said)
    assert world.refused(said) == "twice"
    assert world.refused(world.held("member3", one)) == "not-a-member"  # has no share
    node = world.nodes[0]
    assert world.refused(world.say(node, says.SHARE_HELD, (1, one.digest))) == "not-a-member"
    for number, digest in ((2, one.digest), (1, bytes(32)), (0, one.digest)):
        refused = world.refused(world.sign("member1", says.SHARE_HELD, (number, digest)))
        assert refused == "other-generation"


def test_T5A_an_acknowledgement_of_a_former_generation_counts_for_no_later_one() -> None:
    world = RecoveryWorld()
    first = world.activate()
    late = world.held("member3", first)
    world.pass_time(KEY_PAUSE_MS)
    world.ok(world.recovery_key("member0", turn=1))
    second = world.publish()
    world.ok(world.check(second, 1), world.check(second, 2))
    world.ok(*[world.held(name, second) for name in ("member0", "member1", "member2")])
    assert active(world) == 2
    assert [one.number for one in world.entries] == [2]
    assert world.refused(late) == "other-generation"


def test_only_what_is_due_is_taken() -> None:
    world = RecoveryWorld()
    good = world.make()
    members = world.missing.members
    wrong: dict[str, dict[str, Any]] = {
        "threshold": {"threshold": 3},
        "members": {"members": members[1:]},
        "keys": {"members": ((members[0][0], key_of("stranger")), *members[1:])},
        "chain": {"chain": bytes(32)},
        "basis": {"basis": bytes(32)},
    }
    for name, changed in wrong.items():
        (said,) = world.parts(world.make(**changed))
        assert world.refused(said) == "other-generation", name
    (numbered,) = world.parts(world.make(number=2))
    assert world.refused(numbered) == "nothing-due"
    garbage = world.say(world.nodes[0], says.GENERATION, (1, 0, 1, b"garbage"))
    assert world.refused(garbage) == "malformed"
    for fields in ((1, 0, 0, b"x"), (1, 1, 1, b"x"), (1, -1, 1, b"x"), (1, 0, 1, b"")):
        assert world.refused(world.say(world.nodes[0], says.GENERATION, fields)) == "malformed"
    too_much = (1, 0, 2, bytes(PART_BYTES_MAX + 1))
    assert world.refused(world.say(world.nodes[0], says.GENERATION, too_much)) == "malformed"
    too_many = (1, 0, PARTS_MAX + 1, b"x")
    assert world.refused(world.say(world.nodes[0], says.GENERATION, too_many)) == "malformed"
    assert world.refused(world.sign("member0", says.GENERATION, (1, 0, 1, b"x"))) == "not-a-node"
    world.ok(*world.parts(good))
    assert world.refused(world.parts(good, 1)[0]) == "nothing-due"


def test_a_generation_in_parts_is_whole_with_the_last_of_them_in_any_order() -> None:
    for order in permutations(range(3)):
        world = RecoveryWorld()
        one = world.make()
        parts = world.parts(one, size=len(one.encode()) // 3 + 1)
        assert len(parts) == 3
        for at in order:
            assert world.entries == ()
            world.ok(parts[at])
            if world.entries == ():
                assert world.refused(parts[at]) == "twice"
        assert world.entries[0].digest == one.digest


def test_T2A_one_makers_parts_come_in_at_a_time_and_hold_nobody_up_for_long() -> None:
    world = RecoveryWorld()
    one, other = world.make(), world.make()
    size = len(one.encode()) // 2 + 1
    mine, others = world.parts(one, 0, size), world.parts(other, 1, size)
    world.ok(mine[0])
    assert world.refused(others[0]) == "too-soon"
    world.pass_time(ASSEMBLY_MS)
    assert world.refused(mine[0]) == "too-soon"  # it had its turn
    world.ok(others[0], others[1])
    assert world.entries[0].digest == other.digest
    again = RecoveryWorld()
    again.ok(again.parts(again.make(), 0, size)[0])
    again.ok(*again.parts(again.make(), 1))  # in one part: waits for nobody
    assert len(again.entries) == 1


def test_T2A_no_generation_follows_another_at_once_and_a_liar_makes_no_second() -> None:
    world = RecoveryWorld()
    lie = forged(world.make())
    world.ok(*world.parts(lie, 3))
    assert world.governance.recovery_due(lie_ms := world.tip.time_ms) is None
    world.pass_time(CHECK_MS)
    assert world.tip.time_ms >= lie_ms + CHECK_MS
    again = world.make()
    assert again.number == 2
    assert world.refused(world.parts(again, 3)[0]) == "proves-nothing"
    world.ok(*world.parts(again, 1))
    assert [one.number for one in world.entries] == [2]
    world.pass_time(KEY_PAUSE_MS)
    world.ok(world.check(again, 0), world.check(again, 1))
    world.ok(world.recovery_key("member0", turn=1))
    third = world.publish(3)  # for other keys it may
    assert third.number == 3
    world.ok(world.recovery_key("member1", turn=1))
    assert world.governance.recovery_due(world.tip.time_ms) is None
    world.pass_time(PAUSE_MS)
    assert world.missing.number == 4


def test_a_node_whose_lies_all_others_repeat_is_heard_again() -> None:
    """When every validator's generation failed, none is barred: else none could ever be made."""
    world = RecoveryWorld()
    for node in range(4):
        world.ok(*world.parts(forged(world.make()), node))
        world.pass_time(CHECK_MS)
    world.ok(*world.parts(world.make(), 0))


def test_T5A_a_maker_that_lies_to_one_member_is_followed_only_when_it_stands_in_the_way() -> None:
    world = RecoveryWorld(threshold=2)
    one = world.publish()
    world.ok(world.check(one, 1), world.check(one, 2))
    world.ok(world.bad("member0", one))
    assert "share-bad" in world.alarms
    world.pass_time(CHECK_MS)
    assert world.governance.recovery_due(world.tip.time_ms) is None  # three others can hold it
    assert world.refused(world.bad("member0", one)) == "twice"
    assert world.refused(world.held("member0", one)) == "twice"
    world.ok(world.bad("member1", one))
    assert world.missing.number == 2
    assert active(world) is None


def test_T5A_with_all_members_needed_one_that_it_lies_to_is_enough() -> None:
    world = RecoveryWorld(threshold=4)
    one = world.publish()
    world.pass_time(PAUSE_MS)
    assert world.governance.recovery_due(world.tip.time_ms) is None
    world.ok(world.bad("member0", one))
    assert world.missing.number == 2


def test_the_former_stays_until_the_next_is_held() -> None:
    world = RecoveryWorld()
    world.activate()
    world.decide("remove_member", name="member3")
    assert "outdated" in world.alarms
    world.pass_time(PAUSE_MS)
    second = world.publish()
    assert active(world) == 1
    world.ok(world.check(second, 0), world.check(second, 1))
    world.ok(world.held("member0", second), world.held("member1", second))
    assert active(world) == 1
    assert world.refused(world.held("member3", second)) == "not-a-member"
    world.ok(world.held("member2", second))
    assert active(world) == 2
    assert world.alarms == ()


@pytest.mark.parametrize(
    ("change", "given"),
    [("remove_member", {"name": "member3"}), ("set_weight", {"name": "member3", "weight": 0})],
)
def test_T5A_who_governs_no_more_agrees_to_no_recovery(change: str, given: dict[str, Any]) -> None:
    """At once, also while the generation in which it has a share is the active one."""
    world = RecoveryWorld()
    world.activate()
    rules = world.governance.recovery_rules
    assert rules is not None
    assert "member3" in dict(rules.members)
    world.decide(change, **given)
    rules = world.governance.recovery_rules
    assert rules is not None
    assert sorted(dict(rules.members)) == ["member0", "member1", "member2"]


def test_what_makes_a_new_generation_due() -> None:
    """Members, their keys, the threshold, suspicion; not an epoch of the same validators."""

    def members(world: RecoveryWorld) -> None:
        world.decide("remove_member", name="member3")

    def keys(world: RecoveryWorld) -> None:
        world.pass_time(KEY_PAUSE_MS)
        world.ok(world.recovery_key("member0", turn=1))

    def threshold(world: RecoveryWorld) -> None:
        world.set_threshold(3)

    def compromised(world: RecoveryWorld) -> None:
        world.decide("rotate", compromised=True)
        world.turn()

    def leaving(world: RecoveryWorld) -> None:
        world.decide("remove_node", node="n3")
        world.turn()

    for change in (members, keys, threshold, compromised, leaving):
        world = RecoveryWorld()
        world.activate()
        assert world.governance.recovery_due(world.tip.time_ms + PAUSE_MS) is None
        change(world)
        world.pass_time(PAUSE_MS)
        assert world.missing.number == 2, change.__name__
        assert "outdated" in world.alarms
        assert active(world) == 1


def test_what_was_changed_and_changed_back_needs_no_new_generation() -> None:
    world = RecoveryWorld()
    world.activate()
    world.set_threshold(3)
    pending = world.publish()
    world.set_threshold(2)
    assert world.governance.recovery_due(world.tip.time_ms) is None
    assert world.refused(world.held("member0", pending)) == "other-generation"
    world.ok(world.check(pending, 1), world.check(pending, 2))
    assert active(world) == 1


# --- epochs ---


def turned(world: RecoveryWorld) -> None:
    world.decide("rotate", compromised=False)
    world.turn()


def test_an_epoch_is_covered_once_enough_say_the_same_bytes() -> None:
    world = RecoveryWorld()
    one = world.activate()
    turned(world)
    assert "uncovered" in world.alarms
    liar = seal_epoch(Secret(bytes(32)), secrets_of(1), one.chain, 1)
    for box in (liar, bytes(EPOCH_BOX_SIZE)):
        node = 3 if box is liar else 2
        assert world.ok(world.cover(one, 1, node, box)) == (1, 1, False)
    assert world.ok(world.cover(one, 1, 0)) == (1, 1, False)
    assert world.refused(world.cover(one, 1, 0)) == "twice"
    assert world.ok(world.cover(one, 1, 1)) == (1, 1, True)
    assert world.refused(world.cover(one, 1, 2)) == "twice"
    assert not world.alarms
    box = seal_epoch(wrapping_of(one, secrets_of(0)), secrets_of(1), one.chain, 1)
    assert world.governance.recovery.added(1) == {1: box}
    assert world.entries[0].covered == 1


def test_an_epoch_that_it_holds_or_that_did_not_begin_is_not_added() -> None:
    world = RecoveryWorld()
    one = world.activate()
    assert world.refused(world.cover(one, 0, 0)) == "wrong-epoch"
    assert world.refused(world.cover(one, 1, 0)) == "wrong-epoch"
    turned(world)
    assert world.refused(world.cover(one, 2, 0)) == "wrong-epoch"
    for box in (b"", bytes(EPOCH_BOX_SIZE + 1)):
        assert world.refused(world.cover(one, 1, 0, box)) == "malformed"
    fields = (2, 1, bytes(EPOCH_BOX_SIZE))
    assert world.refused(world.say(world.nodes[0], says.EPOCH, fields)) == "other-generation"
    assert world.refused(world.sign("member0", says.EPOCH, fields)) == "not-a-node"


def test_no_later_epoch_is_sealed_under_what_a_node_that_went_could_open() -> None:
    for compromised in (True, False):
        world = RecoveryWorld()
        one = world.activate()
        if compromised:
            world.decide("rotate", compromised=True)
        else:
            world.decide("remove_node", node="n3")
        world.turn()
        assert world.refused(world.cover(one, 1, 0)) == "other-generation"
        assert set(world.alarms) == {"outdated", "uncovered"}
        world.pass_time(PAUSE_MS)
        second = world.publish()
        assert (second.first, second.epoch) == (0, 1)
        check_generation(second, [secrets_of(0), secrets_of(1)])


def test_a_joiner_that_goes_again_took_what_opens_the_seed_with_it() -> None:
    world = RecoveryWorld()
    node = world.admit("n9")
    one = world.activate()
    world.ok(world.say(node, public.LEAVE, ()))
    assert "outdated" in world.alarms
    turned(world)
    assert world.refused(world.cover(one, 1, 0)) == "other-generation"


def test_no_later_epoch_is_sealed_under_what_a_suspended_node_could_open() -> None:
    """T29: it gets no secret of the new epoch, so none by way of W either; each time anew."""
    world = RecoveryWorld()
    world.activate()
    number = 1
    for again in (False, True, True):
        if again:
            world.ok(world.attest(world.nodes[3], vote_key=world.registered_vote(world.nodes[3])))
            number += 1
            assert world.activate().number == number
        world.pass_time(world.governance.policy.max_age_ms + 60_000)
        for node in world.nodes[:3]:
            world.ok(world.attest(node, vote_key=world.registered_vote(node)))
        known = world.governance.node(world.nodes[3].key)
        assert known is not None
        assert world.governance.is_suspended(known)
        assert "outdated" not in world.alarms
        turned(world)
        assert {"outdated", "uncovered"} <= set(world.alarms)
    number += 1
    assert world.activate().number == number
    turned(world)  # it still is, and had nothing of the epoch in which this one was made
    one = world.governance.recovery.generation(world.governance.recovery.generations()[0])
    assert "outdated" not in world.alarms
    world.ok(world.cover(one, one.epoch + 1, 0))


def test_a_node_that_was_removed_speaks_of_no_generation() -> None:
    world = RecoveryWorld()
    one = world.publish()
    world.decide("remove_node", node="n3")
    assert world.refused(world.check(one, 3)) == "removed"
    world.pass_time(PAUSE_MS)


# --- the document ---


def test_the_document_says_who_holds_and_who_is_missing_and_is_read_again() -> None:
    world = RecoveryWorld()
    one = world.activate()
    document = world.governance.document().recovery
    entry = document.active
    assert entry is not None
    assert RecoveryEntry.read(codec.decode(codec.encode(document))) == document
    assert entry.holders == tuple(holder.member for holder in one.holders)
    held = {world.members[name].public for name in world.names[:3]}
    assert set(entry.held) == held
    world.ok(world.bad("member0", one))  # its key was lost since
    after = world.governance.document().recovery
    assert set(after.alarms) == {"share-bad", "few-hold"}
    assert set(after.alarms) <= set(ALARMS)
    world.ok(world.held("member3", one))
    assert world.alarms == ("share-bad",)


def test_of_a_generation_that_is_gone_nothing_is_left_in_the_state() -> None:
    world = RecoveryWorld()
    world.activate()
    turned(world)
    first = world.governance.recovery.generation(world.governance.recovery.generations()[0])
    world.ok(world.cover(first, 1, 0))
    world.pass_time(KEY_PAUSE_MS)
    world.ok(world.recovery_key("member0", turn=1))
    world.activate()
    maps: dict[str, Any] = {
        schema.name: [key for key, _ in held.items()]
        for schema, held in world.executing.state.maps.items()
    }
    for name in ("generations", "generation-parts", "shares-held", "generation-checks"):
        numbers = {key if name == "generations" else key[0] for key in maps[name]}
        assert numbers == {2}, name
    assert maps["epoch-boxes"] == []


def test_shares_on_the_ledger_open_for_their_members_and_a_sealed_lie_does_not() -> None:
    world = RecoveryWorld()
    one = world.make()
    for name in world.names:
        member = PublicKey(world.members[name].public)
        assert open_share(one, member, recovery_key(name)).check(one)
    holder = one.holders[0]
    sealed = hybrid_seal(recovery_key("member0").public, bytes(64), b"another info")
    lie = replace(one, holders=(replace(holder, sealed=sealed), *one.holders[1:]))
    assert Generation.decode(lie.encode()) == lie
    again = make_generation(
        chain=one.chain,
        number=1,
        basis=one.basis,
        threshold=2,
        members=world.missing.members,
        secrets=[secrets_of(0)],
    )
    assert again.digest != one.digest
