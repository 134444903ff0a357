"""A member's client judges an offer before it agrees: against the pin, and against what it knows
(VAULT §7; T45, T5B)."""

from dataclasses import replace
from functools import cache

import pytest
from tests.enclave.chain import founded
from tests.enclave.dead_service import Dead, died, enclave, planned, recovery_key
from tests.enclave.fixtures import key_named

from strongroom.consensus.types import Height, Milliseconds, Signature
from strongroom.enclave.attestation.policy import Policy
from strongroom.enclave.formats.recovery_plan import RecoveryPlan
from strongroom.enclave.member.recovery import Recovery
from strongroom.enclave.outside.recovery_giving import (
    AHEAD_MS_MAX,
    Offer,
    RefusedToGive,
    check_newest,
    check_time,
    give,
    judge_offer,
)
from strongroom.enclave.primitives import DoesNotOpen


@cache
def scene() -> tuple[Dead, Recovery, RecoveryPlan, Offer]:
    one = died()
    (lead,), plan = planned(one)
    genesis = one.chain.genesis.data
    return one, lead, plan, Offer(genesis=genesis, entries=(), plan=plan, generation=one.generation)


def test_an_honest_offer_is_given_a_share_that_its_enclave_takes() -> None:
    one, lead, plan, offer = scene()
    judged = judge_offer(offer.encode(), one.chain.genesis.pin)
    assert judged.height == plan.head.header.height == one.records[-1][0].height
    assert [enclave.claims.node for enclave in judged.enclaves] == ["n0"]
    check_newest(judged, judged.height)
    key = one.chain.members_keys["member3"]
    given = give(judged, key.public, key.sign, recovery_key("member3"))
    _, name, missing = lead.take(given.encode())
    assert (name, missing) == ("member3", 1)


def test_T5B_an_offer_below_what_a_member_knows_is_refused() -> None:
    one, _, _, offer = scene()
    judged = judge_offer(offer.encode(), one.chain.genesis.pin)
    with pytest.raises(RefusedToGive, match="and you know height") as refused:
        check_newest(judged, Height(judged.height + 1))
    assert refused.value.reason == "older-than-you-know"


def test_T5B_an_offer_that_would_go_on_after_a_members_clock_is_refused() -> None:
    """Block time is kept by a quorum's clocks; in a recovery one host says it."""
    one, _, _, offer = scene()
    judged = judge_offer(offer.encode(), one.chain.genesis.pin)
    begins = judged.plan.opening.time_ms
    for now_ms in (begins - AHEAD_MS_MAX, begins, begins + 30 * 86_400_000):
        check_time(judged, now_ms)
    with pytest.raises(RefusedToGive, match="put right") as refused:
        check_time(judged, begins - AHEAD_MS_MAX - 1)
    assert refused.value.reason == "time-ahead"
    head = judged.plan.head.header
    at_once = enclave(one, 0)
    at_once.follow(one.records)
    _, encoded, _ = at_once.plan([at_once.show()[1]], Milliseconds(0))
    soonest = replace(offer, plan=RecoveryPlan.decode(encoded))
    judged = judge_offer(soonest.encode(), one.chain.genesis.pin)
    assert judged.plan.opening.time_ms == head.time_ms + 1
    check_time(judged, 0)  # a chain that is ahead of all clocks can come back


def test_T45_a_forged_offer_is_refused_by_name() -> None:
    one, _, plan, offer = scene()
    other = planned(died(lost=1))[1]
    policy = Policy.decode(plan.policy)
    wider = replace(policy, regions=tuple(sorted((*policy.regions, "elsewhere"))))
    lies = {
        "not signed by its lead": replace(plan, signature=Signature(bytes(64))),
        "another plan's signature": replace(plan, signature=other.signature),
        "another head": replace(plan, head=other.head),
        "another opening": replace(plan, opening=other.opening),
        "a lower threshold": replace(plan, rules=replace(plan.rules, threshold=1)),
        "no policy": replace(plan, policy=plan.policy + b"\0"),
        "a wider policy": replace(plan, policy=wider.encode()),
        "no evidence": replace(plan, evidence=()),
        "other evidence": replace(plan, evidence=other.evidence),
    }
    offers = {name: replace(offer, plan=lie) for name, lie in lies.items()}
    offers["other shares"] = replace(offer, generation=replace(offer.generation, number=9))
    for lie in offers.values():
        with pytest.raises(RefusedToGive) as refused:
            judge_offer(lie.encode(), one.chain.genesis.pin)
        assert refused.value.reason == "offer-forged"
    with pytest.raises(RefusedToGive) as refused:
        judge_offer(b"\xc0", one.chain.genesis.pin)
    assert refused.value.reason == "offer-forged"


def test_another_services_offer_is_refused() -> None:
    _, _, _, offer = scene()
    with pytest.raises(RefusedToGive) as refused:
        judge_offer(offer.encode(), founded().verified.pin)
    assert refused.value.reason == "another-service"


def test_a_stranger_has_nothing_to_give_and_another_key_opens_nothing() -> None:
    one, _, _, offer = scene()
    judged, stranger = judge_offer(offer.encode(), one.chain.genesis.pin), key_named("stranger")
    with pytest.raises(RefusedToGive, match="not-a-member"):
        give(judged, stranger.public, stranger.sign, recovery_key("member0"))
    key = one.chain.members_keys["member0"]
    with pytest.raises(DoesNotOpen):
        give(judged, key.public, key.sign, recovery_key("member1"))
