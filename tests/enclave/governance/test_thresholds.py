"""Thresholds of classes, members who only watch, and proposals that expire."""

from typing import Any

import pytest
from tests.enclave.fixtures import key_named
from tests.enclave.governance.test_several import decide, entry, listed, several
from tests.enclave.governance.world import World, founded

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical
from strongroom.enclave.governance import public
from strongroom.enclave.governance.changes import CHANGES
from strongroom.enclave.governance.counting import groups_of
from strongroom.enclave.governance.dry_runs import dry_run, try_each
from strongroom.enclave.governance.rules import Rules
from strongroom.enclave.governance.thresholds import (
    SETTABLE,
    Class,
    is_as_strict,
    is_threshold,
    yes_needed,
)
from strongroom.enclave.programs.framework import ProgramError

DELAY_MS = 3_600_000
DAY_MS = 86_400_000
ROTATE: tuple[str, dict[str, Any]] = ("rotate", {"compromised": False})
REGION: tuple[str, dict[str, Any]] = ("allow_region", {"region": "us-east"})
ROLE: dict[str, Any] = {"program": "payments", "role": "auditor", "identity": bytes(32)}


def threshold(world: World, group: str, asked: str) -> str:
    return world.decide("set_threshold", **{"class": group, "threshold": asked})


def votes(world: World, id: str, *names: str) -> str:
    for name in names:
        world.ok(world.ballot(id, name))
    return world.status(id)


# --- how many -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "voters", "needed"),
    [
        ("majority", 1, 1),
        ("majority", 4, 3),
        ("majority", 5, 3),
        ("unanimous", 4, 4),
        ("1", 4, 1),
        ("3", 4, 3),
        ("5", 4, 5),
    ],
)
def test_a_threshold_is_a_majority_a_number_or_all(asked: str, voters: int, needed: int) -> None:
    assert is_threshold(asked)
    assert yes_needed(asked, voters) == needed


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "+3", "03", "3.0", "257", "9" * 99, "٣", "Majority", "3 of 4", 3, None]
)
def test_nothing_else_is_a_threshold(text: object) -> None:
    assert not is_threshold(text)


def test_one_threshold_is_as_strict_as_another_when_no_removal_of_members_makes_it_weaker() -> None:
    """T44: members go at once."""
    assert is_as_strict("3", "majority", 4)
    assert is_as_strict("unanimous", "4", 4)
    assert is_as_strict("4", "unanimous", 4)
    assert not is_as_strict("majority", "3", 4), "2 of 3, when one is gone"
    assert not is_as_strict("3", "unanimous", 4)
    assert not is_as_strict("3", "majority", 6)
    assert not is_as_strict("2", "3", 4)
    assert is_as_strict("3", "2", 4)


def test_every_class_has_its_own_threshold() -> None:
    world = World()
    threshold(world, "code", "unanimous")
    threshold(world, "nodes", "1")
    world.pass_time(DELAY_MS)
    assert world.ok(world.proposal(ROTATE[0], **ROTATE[1]))[1] == "active", "one of the nodes'"
    id, _ = world.ok(world.proposal("allow_measurement", measurement=bytes(48)))
    assert votes(world, id, "member1", "member2") == "open"
    assert (entry(world, id).yes, entry(world, id).needed) == (3, 4)
    assert votes(world, id, "member3") == "accepted"
    id, _ = world.ok(world.proposal("grant", **ROLE))
    assert votes(world, id, "member1") == "open"
    assert votes(world, id, "member2") == "accepted", "users: a majority, as ever"


def test_a_no_rejects_as_soon_as_the_threshold_cannot_be_reached() -> None:
    world = World()
    threshold(world, "code", "unanimous")
    id, _ = world.ok(world.proposal("allow_measurement", measurement=bytes(48)))
    assert world.ok(world.ballot(id, "member2", yes=False))[1] == "rejected"


def test_several_changes_need_the_strictest_of_their_classes_and_the_longest_delay() -> None:
    world = World()
    threshold(world, "code", "unanimous")
    code = ("forbid_measurement", {"measurement": bytes(48)})
    world.decide("grant", **ROLE)
    world.ok(several(world, listed(ROTATE)))
    mixed = listed(ROTATE, ("revoke_key", {"key": bytes(32)}))
    id, _ = world.ok(several(world, mixed))
    assert entry(world, id).needed == 4
    assert votes(world, id, "member1", "member2") == "open"
    assert votes(world, id, "member3") == "active", "both tighten"
    id, _ = world.ok(several(world, listed(ROTATE, REGION)))
    assert votes(world, id, "member1", "member2") == "accepted", "one of both waits, so both do"
    assert code[0] in CHANGES


def test_every_row_has_a_class_and_how_governance_goes_is_of_the_strictest() -> None:
    for name in ("allow_chip", "add_member", "grant", "revoke_key"):
        assert CHANGES[name].group is not Class.OTHER
    assert groups_of(listed(("set_threshold", {"class": "code", "threshold": "1"}))) == {
        Class.STRICTEST
    }
    for limit, group in (
        ("activation_delay_ms", Class.STRICTEST),
        ("proposal_lifetime_ms", Class.STRICTEST),
        ("grant_approvals", Class.STRICTEST),
        ("upgrade_grants", Class.STRICTEST),
        ("grace_ms", Class.LIMITS),
    ):
        assert groups_of(listed(("set_limit", {"name": limit, "value": 0}))) == {group}
    assert groups_of((("no such row", ()),)) == {Class.STRICTEST}


@pytest.mark.parametrize("change", ["set_threshold", "set_limit"])
def test_no_class_loosens_a_stricter_one(change: str) -> None:
    """T44: else the easiest class would be the only one."""
    world = World()
    threshold(world, "code", "unanimous")
    arguments: dict[str, Any] = (
        {"class": "code", "threshold": "1"}
        if change == "set_threshold"
        else {"name": "activation_delay_ms", "value": 0}
    )
    id, _ = world.ok(world.proposal(change, **arguments))
    assert votes(world, id, "member1", "member2") == "open"
    assert votes(world, id, "member3") == "accepted"


def test_a_lower_threshold_waits_and_a_higher_one_does_not() -> None:
    """T44."""
    world = World()
    assert world.status(threshold(world, "code", "unanimous")) == "active"
    assert world.status(threshold(world, "code", "3")) == "accepted"
    assert world.governance.rules.threshold(Class.CODE) == "unanimous"
    world.pass_time(DELAY_MS)
    assert world.governance.rules.threshold(Class.CODE) == "3"
    assert world.status(threshold(world, "code", "4")) == "active"
    assert world.status(threshold(world, "code", "majority")) == "accepted"
    back = listed(
        ("set_threshold", {"class": "users", "threshold": "4"}),
        ("set_threshold", {"class": "users", "threshold": "majority"}),
    )
    assert world.status(decide(world, back)) == "accepted", "judged on what the former left"


def test_a_threshold_that_no_members_could_reach_is_refused_and_so_is_what_would_make_it_one() -> (
    None
):
    """T43: lock-outs."""
    world = World()
    five = {"class": "code", "threshold": "5"}
    assert world.refused(world.proposal("set_threshold", **five)) == "lock-out"
    threshold(world, "code", "4")
    assert world.refused(world.proposal("remove_member", name="member3")) == "lock-out"
    assert world.refused(world.proposal("set_weight", name="member3", weight=0)) == "lock-out"
    eased = listed(
        ("set_threshold", {"class": "code", "threshold": "3"}),
        ("remove_member", {"name": "member3"}),
    )
    id = decide(world, eased)
    world.pass_time(DELAY_MS)
    assert world.status(id) == "active"
    assert len(world.governance.voters) == 3


def test_a_waiting_change_needs_the_threshold_of_when_its_time_comes() -> None:
    """T44."""
    world = World()
    id, _ = world.ok(world.proposal("allow_measurement", measurement=bytes(48)))
    assert votes(world, id, "member1", "member2") == "accepted"
    threshold(world, "code", "unanimous")
    world.pass_time(DELAY_MS)
    seen = entry(world, id)
    assert seen.status == "void"
    assert seen.note == "only 3 of the 4 yes that it needs count any more"


def test_a_majority_is_no_entry_so_that_rules_without_thresholds_have_the_bytes_they_had() -> None:
    rules = Rules.of(founded(4).constitution)
    assert len(rules.to_wire()) == 4
    world = World()
    threshold(world, "code", "unanimous")
    changed = world.governance.rules
    assert Rules.from_wire(codec.decode(codec.encode(changed.to_wire()))) == changed
    threshold(world, "code", "majority")
    world.pass_time(DELAY_MS)
    assert world.governance.rules == rules
    assert world.governance.rules.to_wire() == rules.to_wire()
    wire = rules.to_wire()
    for bad in (
        ("thresholds", (("code", 3),)),
        ("thresholds", ("code",)),
        ("watchers", (b"name",)),
        ("watchers", "name"),
        ("others", ()),
        "watchers",
    ):
        with pytest.raises(NotCanonical):
            Rules.from_wire((*wire, bad))
    with pytest.raises(NotCanonical):
        Rules.from_wire((*wire, ("watchers", ("a",)), ("watchers", ("b",))))
    with pytest.raises(NotCanonical):
        Rules.from_wire(wire[:3])


# --- who only watches -----------------------------------------------------------------------------


def watching(name: str = "member3") -> World:
    world = World()
    assert world.status(world.decide("set_weight", name=name, weight=0)) == "active"
    return world


def test_a_member_with_weight_0_neither_proposes_nor_votes_nor_withdraws() -> None:
    world = World()
    own, _ = world.ok(world.proposal(REGION[0], by="member3", **REGION[1]))
    other, _ = world.ok(world.proposal(ROTATE[0], **ROTATE[1]))
    world.decide("set_weight", name="member3", weight=0)
    for envelope in (
        world.proposal(REGION[0], by="member3", **REGION[1]),
        several(world, listed(ROTATE), by="member3"),
        world.ballot(other, "member3"),
        world.sign("member3", public.WITHDRAW, (own,)),
    ):
        assert world.refused(envelope) == "watcher"
    assert "member3" in world.governance.members, "it is a member still"
    assert set(world.governance.voters) == {"member0", "member1", "member2"}


def test_its_ballots_of_before_count_no_more_and_all_is_counted_without_it() -> None:
    """T43."""
    world = World()
    id, _ = world.ok(world.proposal(ROTATE[0], by="member3", **ROTATE[1]))
    assert votes(world, id, "member1") == "open"
    world.decide("set_weight", name="member3", weight=0)
    seen = entry(world, id)
    assert (seen.yes, seen.needed, seen.status) == (1, 2, "open")
    assert votes(world, id, "member2") == "active", "2 of 3"


def test_weight_1_waits_as_a_new_member_does_and_an_unknown_one_has_none() -> None:
    """T44."""
    world = watching()
    assert world.refused(world.proposal("set_weight", name="member3", weight=0)) == "no-change"
    assert world.refused(world.proposal("set_weight", name="nobody", weight=0)) == "arguments"
    for weight in (2, -1, True, "1"):
        said = world.proposal("set_weight", name="member3", weight=weight)
        assert world.refused(said) == "arguments"
    id = world.decide("set_weight", name="member3", weight=1)
    assert world.status(id) == "accepted"
    world.pass_time(DELAY_MS)
    assert len(world.governance.voters) == 4
    assert world.governance.rules == Rules.of(founded(4).constitution)


def test_the_last_voting_member_stays_one_and_a_removed_watcher_leaves_nothing() -> None:
    """T43."""
    world = World()
    for name in ("member3", "member2", "member1"):
        world.decide("set_weight", name=name, weight=0)
    assert world.refused(world.proposal("set_weight", name="member0", weight=0)) == "lock-out"
    assert world.refused(world.proposal("remove_member", name="member0")) == "lock-out"
    world.decide("remove_member", name="member3")
    assert world.governance.rules.watchers == ("member1", "member2")
    back = ("add_member", {"name": "member3", "key": key_named("new").public})
    decide(world, listed(back))
    world.pass_time(DELAY_MS)
    assert "member3" in world.governance.voters, "a new member of that name votes"


def test_a_member_comes_in_to_watch_by_one_proposal() -> None:
    world = World()
    new = {"name": "regulator", "key": key_named("new").public}
    weight = {"name": "regulator", "weight": 0}
    decide(world, listed(("add_member", new), ("set_weight", weight)))
    world.pass_time(DELAY_MS)
    assert "regulator" in world.governance.members
    assert len(world.governance.voters) == 4


def test_a_watcher_takes_no_share_of_the_list_of_proposals(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from strongroom.enclave.governance import proposals

    monkeypatch.setattr(proposals, "ALIVE_MAX", 9)
    world = watching()
    world.ok(*(world.proposal(ROTATE[0], **ROTATE[1]) for _ in range(3)))
    assert world.refused(world.proposal(ROTATE[0], **ROTATE[1])) == "full"


# --- until when -----------------------------------------------------------------------------------


def test_an_undecided_proposal_expires_by_block_time_and_takes_no_further_ballots() -> None:
    world = World()
    id, _ = world.ok(several(world, listed(ROTATE), lifetime_ms=10_000))
    assert entry(world, id).expires_ms == world.tip.time_ms + 10_000
    assert world.governance.deadline_ms == world.tip.time_ms + 10_000, "a block is worth making"
    world.block(gap_ms=9_999)
    assert world.status(id) == "open"
    ((good, (code, message)),) = world.block(world.ballot(id, "member1"), gap_ms=1)
    assert (good, code, message[:23]) == (False, "closed", "the proposal is expired")
    assert entry(world, id).status == "expired"
    assert entry(world, id).decided_ms == world.tip.time_ms
    assert world.governance.deadline_ms > world.tip.time_ms + 60_000, "and none is, after it"
    assert world.refused(world.ballot(id, "member2")) == "closed"
    assert world.refused(world.sign("member0", public.WITHDRAW, (id,))) == "closed"


def test_on_a_quiet_chain_one_block_at_its_time_is_enough() -> None:
    world = World()
    id, _ = world.ok(world.proposal(ROTATE[0], **ROTATE[1]))
    at = entry(world, id).expires_ms
    assert at - world.tip.time_ms == 30 * DAY_MS, "by default"
    world.block(gap_ms=at - world.tip.time_ms)
    assert world.status(id) == "expired"


def test_the_limit_of_now_counts_for_open_proposals_too_and_nobody_names_more() -> None:
    world = World()
    most = 30 * DAY_MS
    too_long = several(world, listed(ROTATE), lifetime_ms=most + 1)
    assert world.refused(too_long) == "arguments"
    for few in (-1, 1, 999):
        assert world.refused(several(world, listed(ROTATE), lifetime_ms=few)) == "arguments"
    own, _ = world.ok(several(world, listed(ROTATE), lifetime_ms=2 * DAY_MS))
    plain, _ = world.ok(world.proposal(REGION[0], **REGION[1]))
    for name, value in (("activation_delay_ms", 0), ("proposal_lifetime_ms", DAY_MS)):
        world.decide("set_limit", name=name, value=value)
        world.pass_time(DELAY_MS)
    for id in (own, plain):
        assert entry(world, id).expires_ms == entry(world, id).proposed_ms + DAY_MS


def test_an_accepted_proposal_does_not_expire_while_it_waits() -> None:
    world = World()
    id, _ = world.ok(several(world, listed(REGION), lifetime_ms=1_000))
    assert votes(world, id, "member1", "member2") == "accepted"
    world.pass_time(DELAY_MS)
    assert world.status(id) == "active"


def test_what_was_decided_in_time_is_decided_though_the_same_block_ends_its_time() -> None:
    """A ballot in the last millisecond counts, and an expiry changes nothing that was counted."""
    world = World()
    id, _ = world.ok(several(world, listed(ROTATE), lifetime_ms=1_000))
    world.ok(world.ballot(id, "member1"))
    (_, (_, status)) = world.block(world.ballot(id, "member2"), gap_ms=1_000 - 2 * 10 + 9)[0]
    assert status == "active"


def test_no_later_change_of_members_accepts_what_is_past_its_time() -> None:
    """Two of four said yes; when one is removed in the block that ends its time, it is no
    majority."""
    world = World()
    removal, _ = world.ok(world.proposal("remove_member", name="member3"))
    world.ok(world.ballot(removal, "member1"))
    id, _ = world.ok(several(world, listed(ROTATE), lifetime_ms=1_000))
    world.ok(world.ballot(id, "member1"))
    world.block(world.ballot(removal, "member2"), gap_ms=1_000)
    assert (world.status(removal), world.status(id)) == ("active", "expired")


def test_a_ledger_of_before_has_no_entry_of_the_new_limit_and_means_the_default() -> None:
    rules = Rules.of(founded(4).constitution)
    assert "proposal_lifetime_ms" not in dict(rules.limits)
    assert rules.limit("proposal_lifetime_ms") == 30 * DAY_MS


# --- the pure function ----------------------------------------------------------------------------


def test_each_trial_says_what_it_left_and_whether_it_waits() -> None:
    world = World()
    nodes, current = world.governance.nodes(), world.governance.current
    trials = [
        *try_each(world.governance.rules, listed(ROTATE, REGION), nodes, current),
    ]
    assert [one.waits for one in trials] == [False, True]
    assert trials[0].after == trials[1].before == world.governance.rules
    assert "us-east" in trials[1].after.policy.regions


@pytest.mark.parametrize("group", ["strictest", "none", "", 3])
def test_only_classes_have_thresholds(group: object) -> None:
    world = World()
    arguments = (("class", group), ("threshold", "unanimous"))
    with pytest.raises(ProgramError) as caught:
        dry_run(
            world.governance.rules,
            "set_threshold",
            arguments,
            world.governance.nodes(),
            world.governance.current,
        )
    assert caught.value.code == "arguments"
    assert Class.STRICTEST not in SETTABLE
