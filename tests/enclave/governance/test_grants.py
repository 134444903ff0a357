"""Privileged access: who may ask, agree, begin, act, and how often (T59)."""

from dataclasses import replace

import pytest
from tests.enclave.fixtures import key_named, make_cluster_genesis
from tests.enclave.governance.grant_world import DONE, HOUR_MS, REASON, Ask, GrantWorld

from strongroom.consensus.types import ChainId
from strongroom.enclave.governance import public
from strongroom.enclave.governance.grant_records import REVIEW_MS


@pytest.fixture
def world() -> GrantWorld:
    return GrantWorld()


def test_the_way_of_a_grant(world: GrantWorld) -> None:
    id = world.approved()
    assert world.grant(id).until_ms == 0
    _, _, _, until_ms = world.ok(world.begin(id))
    assert until_ms == world.tip.time_ms + HOUR_MS
    assert world.ok(world.act(id)) == (id, "diagnostics", "n1")
    (begun,) = world.grant(id).begins
    assert begun.acted_ms == world.tip.time_ms
    assert begun.result == DONE
    world.ok(world.finish(id))
    (begun,) = world.grant(id).begins
    assert (begun.outcome, begun.outcome_digest, begun.unreported) == ("done", DONE, False)
    world.pass_time(HOUR_MS)
    assert world.grant(id).status == "ended"
    assert world.events() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"reason": REASON[:19]},
        {"reason": " " * 10 + REASON[:10] + " " * 10},
        {"reason": "x" * 257},
        {"reason": "one line, and then\nanother of them"},
        {"operations": ()},
        {"operations": ("reboot",)},
        {"operations": ("role:payments",), "nodes": ()},
        {"operations": ("diagnostics", "diagnostics")},
        {"nodes": ()},
        {"nodes": ("n1", "n1")},
        {"nodes": ("a node",)},
        {"operations": ("role:payments:auditor",)},
        {"kind": "urgent"},
        {"claim_ms": 8 * 24 * HOUR_MS},
        {"duration_ms": 25 * HOUR_MS},
        {"duration_ms": 0},
        {"kind": "emergency", "duration_ms": HOUR_MS + 1},
    ],
)
def test_an_ask_that_is_none(world: GrantWorld, wrong: dict[str, object]) -> None:
    assert world.refused(world.ask(replace(Ask(), **wrong))) == "malformed"  # type: ignore[arg-type]


def test_only_who_acts_for_an_operator_asks(world: GrantWorld) -> None:
    assert world.refused(world.ask(by="stranger")) == "unknown-operator"
    world.decide("set_affiliation", key=key_named("stranger").public, operator="operator3")
    assert world.grant(world.asked(by="stranger")).operator == "operator3"


def test_nobody_approves_its_own(world: GrantWorld) -> None:
    id = world.asked(by="member0")
    assert world.refused(world.approve(id, "member0")) == "self-approved"
    assert world.refused(world.about(public.DENY, id, "member0")) == "self-approved"


def test_nobody_of_the_askers_operator_approves(world: GrantWorld) -> None:
    id = world.asked(by="operator0")
    assert world.refused(world.approve(id, "member0")) == "same-operator"


def test_a_member_of_no_known_operator_approves_nothing(world: GrantWorld) -> None:
    id = world.asked()
    world.decide("remove_affiliation", key=world.members["member3"].public)
    assert world.refused(world.approve(id, "member3")) == "unknown-operator"


def test_who_is_no_member_approves_nothing(world: GrantWorld) -> None:
    id = world.asked()
    assert world.refused(world.approve(id, "operator1")) == "not-a-member"


def test_one_member_is_counted_once(world: GrantWorld) -> None:
    id = world.asked()
    world.ok(world.approve(id, "member1"))
    assert world.refused(world.approve(id, "member1")) == "twice"
    assert world.refused(world.about(public.DENY, id, "member1")) == "twice"
    assert world.refused(world.begin(id)) == "not-approved"


def test_a_word_names_what_was_read(world: GrantWorld) -> None:
    first, second = world.asked(), world.asked(Ask(nodes=("n2",)))
    digest = world.grant(first).digest
    assert digest != world.grant(second).digest
    assert world.refused(world.about(public.APPROVE, second, "member1", digest)) == "another-grant"
    assert world.refused(world.about(public.APPROVE, "0" * 32, "member1", digest)) == (
        "unknown-grant"
    )


def test_denied(world: GrantWorld) -> None:
    id = world.asked()
    world.ok(world.approve(id, "member1"), world.about(public.DENY, id, "member2"))
    world.ok(world.about(public.DENY, id, "member3"))
    assert world.grant(id).status == "denied"
    assert world.refused(world.begin(id)) == "not-approved"


def test_the_governed_number_counts(world: GrantWorld) -> None:
    world.decide("set_limit", name="grant_approvals", value=3)
    id = world.asked()
    world.ok(world.approve(id, "member1"), world.approve(id, "member2"))
    assert world.refused(world.begin(id)) == "not-approved"
    world.ok(world.approve(id, "member3"))
    world.ok(world.begin(id))


def test_too_few_who_could_approve(world: GrantWorld) -> None:
    world.decide("set_limit", name="grant_approvals", value=4)
    assert world.refused(world.ask()) == "not-approved"


def test_an_approver_who_is_removed_no_longer_counts(world: GrantWorld) -> None:
    id = world.approved()
    world.decide("remove_member", name="member2")
    assert world.refused(world.begin(id)) == "not-approved"


def test_an_approver_who_changes_sides_no_longer_counts(world: GrantWorld) -> None:
    id = world.approved()
    world.ok(world.begin(id))
    world.decide("set_affiliation", key=world.members["member2"].public, operator="operator0")
    assert world.refused(world.act(id)) == "not-approved"


def test_an_approver_of_whom_nobody_knows_the_operator_no_longer_counts(world: GrantWorld) -> None:
    id = world.approved()
    world.decide("remove_affiliation", key=world.members["member2"].public)
    assert world.refused(world.begin(id)) == "not-approved"


def test_an_asker_who_changes_sides_begins_nothing(world: GrantWorld) -> None:
    id = world.approved(by="member0")
    world.decide("set_affiliation", key=world.members["member0"].public, operator="operator3")
    assert world.refused(world.begin(id, by="member0")) == "unknown-operator"


def test_who_only_watches_decides_nothing(world: GrantWorld) -> None:
    id = world.approved()
    open_ = world.asked(by="operator3")
    world.decide("set_weight", name="member2", weight=0)
    assert world.refused(world.begin(id)) == "not-approved"
    assert world.refused(world.approve(open_, "member2")) == "watcher"


def test_claim_by_is_over(world: GrantWorld) -> None:
    id = world.approved(Ask(claim_ms=60_000))
    late = world.begin(id)
    (refused,) = world.block(late, gap_ms=60_001)
    assert refused == (False, ("expired", "the claim-by of this grant is over: ask again"))
    assert world.grant(id).status == "lapsed"
    assert world.refused(late) == "expired"


def test_approved_after_its_claim_by(world: GrantWorld) -> None:
    id = world.asked(Ask(claim_ms=60_000))
    word = world.approve(id, "member1")
    assert world.block(word, gap_ms=60_001)[0][1][0] == "expired"


def test_the_grants_time_is_over(world: GrantWorld) -> None:
    id = world.approved(Ask(operations=("diagnostics", "restart"), duration_ms=60_000))
    world.ok(world.begin(id))
    second = world.begin(id, "restart", parameters=())
    assert [one[1][0] for one in world.block(world.act(id), second, gap_ms=60_000)] == [
        "expired",
        "expired",
    ]
    assert world.grant(id).begins[0].acted_ms == 0


def test_only_the_asker_begins(world: GrantWorld) -> None:
    id = world.approved()
    assert world.refused(world.begin(id, by="operator1")) == "not-asked-by"
    assert world.refused(world.begin(id, by="member0")) == "not-asked-by"


def test_another_operation_or_node(world: GrantWorld) -> None:
    id = world.approved()
    assert world.refused(world.begin(id, "upgrade")) == "not-in-grant"
    assert world.refused(world.begin(id, node="n2")) == "not-in-grant"
    assert world.refused(world.begin(id, node="")) == "not-in-grant"


def test_another_node_does_not_act(world: GrantWorld) -> None:
    id = world.approved()
    world.ok(world.begin(id))
    assert world.refused(world.act(id, 2)) == "not-begun"
    assert world.refused(world.act(id, 2, named="n1")) == "not-begun"


def test_an_act_names_the_very_parameters_and_operation(world: GrantWorld) -> None:
    id = world.approved(Ask(operations=("diagnostics", "upgrade")))
    world.ok(world.begin(id))
    assert world.refused(world.act(id, parameters=(b"another",))) == "other-parameters"
    assert world.refused(world.act(id, operation="upgrade")) == "not-begun"
    world.ok(world.begin(id, "upgrade"))
    assert world.refused(world.act(id, operation="upgrade")) == "not-in-grant"


def test_one_begin_one_operation(world: GrantWorld) -> None:
    id = world.approved()
    world.ok(world.begin(id))
    assert world.refused(world.begin(id)) == "twice"
    assert world.refused(world.begin(id, parameters=(b"another",))) == "twice"
    world.ok(world.act(id))
    assert world.refused(world.act(id)) == "twice"


def test_one_begin_one_operation_in_one_block(world: GrantWorld) -> None:
    id = world.approved()
    results = world.block(world.begin(id), world.act(id), world.act(id), world.begin(id))
    assert [good for good, _ in results] == [True, True, False, False]


def test_finished_before_it_acted(world: GrantWorld) -> None:
    id = world.approved()
    world.ok(world.begin(id), world.finish(id, outcome="not needed any more"))
    assert world.refused(world.act(id)) == "twice"


@pytest.mark.parametrize("by", ["operator0", "member1", "member2"])
def test_revoked_between_begin_and_act(world: GrantWorld, by: str) -> None:
    id = world.approved()
    world.ok(world.begin(id))
    results = world.block(world.revoke(id, by), world.act(id))
    assert results[0] == (True, (id, "revoked"))
    assert results[1][1][0] == "revoked"
    assert world.grant(id).begins[0].acted_ms == 0


def test_members_revoke_together(world: GrantWorld) -> None:
    id = world.approved()
    world.ok(world.begin(id))
    assert world.ok(world.revoke(id, "member3")) == (id, "approved")
    assert world.refused(world.revoke(id, "member3")) == "twice"
    assert world.refused(world.revoke(id, "operator1")) == "not-a-member"
    assert world.ok(world.revoke(id, "member0")) == (id, "revoked")
    assert world.refused(world.begin(id)) == "revoked"


def test_an_ask_is_never_replayed(world: GrantWorld) -> None:
    envelope = world.ask(Ask(claim_ms=60_000))
    id, _ = world.ok(envelope)
    assert world.refused(envelope) == "twice"
    world.ok(world.revoke(id, "operator0"))
    assert world.refused(envelope) == "twice"
    world.pass_time(120_000)
    assert world.refused(envelope) == "expired"


def test_words_of_another_chain_count_nowhere(world: GrantWorld) -> None:
    id = world.asked()
    other = ChainId(make_cluster_genesis(4).verified.chain)
    key = key_named("member1")
    foreign = public.sign_public(
        key.public, key.sign, other, public.APPROVE, (id, world.grant(id).digest)
    )
    before = world.everything()
    with pytest.raises(public.Unsigned):
        world.block(foreign)
    assert world.everything() == before


def test_an_emergency_needs_one_of_another_operator_and_is_an_alarm(world: GrantWorld) -> None:
    id = world.asked(Ask(kind="emergency"))
    assert world.refused(world.approve(id, "member0")) == "same-operator"
    world.ok(world.approve(id, "member1"))
    assert world.grant(id).status == "approved"
    assert world.events() == [("emergency", id)]
    world.ok(world.begin(id))


def test_an_emergency_is_reviewed_or_nobody_asks(world: GrantWorld) -> None:
    id = world.approved(Ask(kind="emergency"))
    world.ok(world.begin(id), world.finish(id))
    assert world.refused(world.about(public.REVIEW, id, "member2")) == "too-soon"
    world.block(gap_ms=REVIEW_MS - 1_000)
    other = world.asked(by="operator3")
    world.block(gap_ms=HOUR_MS)
    assert world.events() == [("emergency", id), ("review-due", id)]
    assert world.refused(world.ask(by="operator2")) == "review-due"
    assert world.grant(other).status == "asked"
    assert world.refused(world.about(public.REVIEW, id, "member1")) == "self-approved"
    assert world.refused(world.about(public.REVIEW, id, "member0")) == "same-operator"
    assert world.ok(world.about(public.REVIEW, id, "member2")) == (id, 1)
    assert world.refused(world.about(public.REVIEW, id, "member2")) == "twice"
    assert world.refused(world.ask(by="operator2")) == "review-due"
    assert world.ok(world.about(public.REVIEW, id, "member3")) == (id, 0)
    world.asked(by="operator2")


def test_an_emergency_that_was_not_used_needs_no_review(world: GrantWorld) -> None:
    id = world.approved(Ask(kind="emergency", claim_ms=60_000))
    world.block(gap_ms=REVIEW_MS + HOUR_MS)
    assert world.grant(id).status == "lapsed"
    assert world.refused(world.about(public.REVIEW, id, "member2")) == "closed"
    world.asked()


def test_what_is_not_finished_within_an_hour_is_unreported(world: GrantWorld) -> None:
    id = world.approved(Ask(duration_ms=2 * HOUR_MS))
    world.ok(world.begin(id), world.act(id))
    world.block(gap_ms=HOUR_MS - 100)
    assert world.events() == []
    assert world.governance.deadline_ms == world.grant(id).begins[0].report_by_ms
    world.block(gap_ms=100)
    assert world.events() == [("unreported", id)]
    assert world.grant(id).begins[0].unreported
    world.block(gap_ms=HOUR_MS)
    assert world.events() == [("unreported", id)]
    world.ok(world.finish(id))


def test_only_the_asker_reports_and_once(world: GrantWorld) -> None:
    id = world.approved()
    assert world.refused(world.finish(id)) == "not-begun"
    world.ok(world.begin(id))
    assert world.refused(world.finish(id, by="member1")) == "not-asked-by"
    assert world.refused(world.finish(id, outcome="")) == "malformed"
    world.ok(world.finish(id))
    assert world.refused(world.finish(id)) == "twice"


def test_a_rule_of_regions_fails_closed(world: GrantWorld) -> None:
    id = world.approved()
    world.decide("set_access_regions", regions=("eu",))
    assert world.refused(world.begin(id)) == "wrong-region"


def test_a_rule_of_regions_waits_only_where_it_widens(world: GrantWorld) -> None:
    world.decide("set_limit", name="activation_delay_ms", value=HOUR_MS)
    for narrower in (("eu", "us"), ("us",)):
        world.decide("set_access_regions", regions=narrower)
        assert world.governance.document().access.regions == narrower
    for wider in (("us", "eu"), ("eu",), ()):
        id = world.decide("set_access_regions", regions=wider)
        assert world.status(id) == "accepted"
        assert world.governance.document().access.regions == ("us",)
    same = world.proposal("set_access_regions", regions=("us",))
    assert world.refused(same) == "no-change"


def test_grants_are_bounded_and_forgotten(world: GrantWorld) -> None:
    share = 0
    while True:
        ((good, answer),) = world.block(world.ask(Ask(claim_ms=60_000)))
        if not good:
            break
        share += 1
    assert answer[0] == "full"
    assert share == 16
    world.asked(by="operator1")
    for _ in range(9):
        world.block(gap_ms=61_000)
        for _ in range(share):
            world.ok(world.ask(Ask(claim_ms=60_000)))
    world.block(gap_ms=61_000)
    shown = world.governance.document().access.grants
    assert len([one for one in shown if one.status == "lapsed"]) == 128
    assert [one.asked_ms for one in shown] == sorted(one.asked_ms for one in shown)
