"""Who holds a good token of an issuer that members marked may open sessions; nobody else gets
anything by presenting."""

from typing import Any

import pytest
from tests.enclave.chain import codes, person
from tests.enclave.sessions.test_session_admission import decide
from tests.enclave.token_issuer import ISSUER, REMOVED, TokenChain, id_of

from strongroom.consensus import codec
from strongroom.consensus.types import Epoch
from strongroom.enclave.execution.public_work import PRESENTED_MAX, PRESENTED_OF_LANE_MIN
from strongroom.enclave.formats.envelope import transaction_id
from strongroom.enclave.governance.public import PROPOSE, sign_public
from strongroom.enclave.programs.roster_tables import (
    BEARERS,
    OPENED,
    SPONSORED,
    USAGE,
)
from strongroom.enclave.programs.sponsors import opened_in
from strongroom.enclave.sessions.session_admission import PRESENTED_BYTES_MAX


def marked(**limits: int) -> TokenChain:
    chain = TokenChain(**limits)
    chain.mark()
    return chain


def choose(chain: TokenChain, issuer: str = ISSUER) -> None:
    """Members choose an issuer; its tokens admit nobody by that."""
    said = {
        "issuer": issuer,
        "audience": "ledger",
        "claim": "ctry",
        "regions": (("DE", "europe"),),
        "guests": (),
        "life_ms": 3_600_000,
        "observed": True,
    }
    decide(chain, "add_issuer", tuple(said.items()))


def opening_of(chain: TokenChain, who: str, **options: Any) -> str:
    return codes(chain.commit(chain.open(who, **options)[1]))[0]


def presented(chain: TokenChain, who: str, token: str | None = None) -> str:
    return codes(chain.commit(chain.presenting(who, token)))[0]


def test_a_stranger_presents_a_good_token_and_opens_sessions_from_then_on() -> None:
    chain = marked()
    assert opening_of(chain, "ann") == "not admitted"
    session, envelope = chain.open(
        "ann", chain.call("badges.present", issuer=ISSUER, token=chain.token("ann")), close=True
    )
    outcome = chain.commit(envelope)
    assert codes(outcome) == ["executed"]
    result = session.open_result(0, transaction_id(envelope), outcome.result_at(0))
    assert result.ok
    assert result.value == {"until_ms": 2**41}
    assert opening_of(chain, "ann") == "executed"
    assert opening_of(chain, "bob") == "not admitted"


def _without_clock(executor: Any) -> list[Any]:
    return [
        (program, name, sorted(items.items(), key=repr))
        for program, name, items in executor._runner.state.copy()
        if name != "clock"
    ]


BAD: dict[str, Any] = {
    "no good": {"token": "bad ann 99 1"},
    "a refusal on record": {"token": "recorded ann 99 1"},
    "a bug of the program": {"token": "good"},
    "lapsed": {"token": "good ann 1 1"},
    "another issuer": {"issuer": "https://other.test"},
    "a session that stays open": {"close": False},
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_not_good_leaves_nothing_and_is_refused_in_public(case: str) -> None:
    chain = marked()
    executor = chain.executor
    tables, maps = executor._tables.digest(), _without_clock(executor)
    outcome = chain.commit(chain.presenting("ann", **BAD[case]))
    assert codes(outcome) == ["not admitted"]
    assert outcome.results == (b"",)
    assert (executor._tables.digest(), _without_clock(executor)) == (tables, maps)
    assert opening_of(chain, "ann") == "not admitted"


def test_nothing_but_to_present_is_heard_of_a_stranger() -> None:
    chain = marked()
    calls = [
        chain.call("badges.elsewhere", issuer=ISSUER),
        chain.call("roster.bring", users=[id_of("ann")]),
        chain.call("payments.open", account="a"),
        chain.call("badges.present", issuer=ISSUER, token="x" * PRESENTED_BYTES_MAX),
    ]
    many = calls * (PRESENTED_MAX // 4 + 1)  # and none of them is looked at: there would be no room
    openings = [chain.open("ann", call, close=True)[1] for call in many]
    assert codes(chain.commit(*openings)) == ["not admitted"] * len(many)


def test_where_no_issuer_is_marked_nothing_is_heard() -> None:
    chain = TokenChain()
    assert presented(chain, "ann") == "not admitted"
    assert chain.once("member0", "badges.present", issuer=ISSUER, token=chain.token("m")).ok


def test_a_good_token_of_an_issuer_that_is_marked_later_admits_from_then_on() -> None:
    chain = TokenChain()
    chain.once("member0", "roster.bring", users=[id_of("ann")])
    assert presented(chain, "ann") == "executed"
    chain.once("member0", "roster.dismiss", users=[id_of("ann")])
    assert opening_of(chain, "ann") == "not admitted"
    chain.mark()
    assert opening_of(chain, "ann") == "executed"


def test_when_it_lapses_or_the_issuer_goes_no_further_session_is_opened_and_open_ones_go_on() -> (
    None
):
    chain = marked()
    now = chain.tip.time_ms
    assert presented(chain, "ann", chain.token("ann", now + 60)) == "executed"
    session = chain.session("ann")
    while chain.tip.time_ms < now + 59:
        chain.commit()
    assert opening_of(chain, "ann") == "not admitted"
    assert chain.do(session, "payments.open", account="a").ok
    assert presented(chain, "ann") == "executed", "a newer token, and she is back"
    state = chain.executor._runner.state
    state.meter.left = 1
    state.maps[REMOVED].put(ISSUER, True)
    state.commit()
    assert opening_of(chain, "ann") == "not admitted"
    assert chain.do(session, "payments.open", account="b").ok


def test_the_last_moment_is_before_until() -> None:
    chain = marked()
    at = chain.tip.time_ms + 20  # the block after next
    assert presented(chain, "ann", chain.token("ann", at)) == "executed"
    assert opening_of(chain, "ann") == "not admitted"
    chain = marked()
    assert presented(chain, "ann", chain.token("ann", at + 1)) == "executed"
    assert opening_of(chain, "ann") == "executed"


def test_an_envelope_that_was_heard_once_is_a_duplicate_and_its_statement_is_used_up() -> None:
    chain = marked()
    envelope = chain.presenting("ann")
    assert codes(chain.commit(envelope, envelope)) == ["executed", "duplicate"]
    assert codes(chain.commit(envelope)) == ["duplicate"]


def test_T11_a_block_looks_at_so_many_tokens_and_each_lane_has_its_share() -> None:
    chain = marked()
    share = max(PRESENTED_OF_LANE_MIN, PRESENTED_MAX // 4)
    liar = [chain.presenting(f"x{number}", "bad x 9 1") for number in range(share + 3)]
    outcome = chain.commit_lanes({0: [liar], 1: [[chain.presenting("ann")]]})
    assert codes(outcome) == ["not admitted"] * share + ["no room"] * 3 + ["executed"]
    assert codes(chain.commit(liar[-1])) == ["not admitted"], "and it may come again"


def test_T11_a_person_is_one_whatever_keys_he_makes() -> None:
    chain = marked(sessions_per_identity=4, entries_per_user=4)
    found = [presented(chain, f"key{n}", chain.token("ann")) for n in range(6)]
    assert found == ["executed"] * 4 + ["not admitted"] * 2
    assert opening_of(chain, "key0") == "too many sessions"
    assert presented(chain, "bob") == "executed", "another person is not touched"
    usage = chain.executor._runner.state.maps[USAGE].copy()
    assert sorted(entries for entries, _ in usage.values()) == [1, 4]
    assert not any(person(f"key{n}").id in usage for n in range(6))


def test_T11_a_further_key_costs_an_entry_and_without_one_there_is_no_session() -> None:
    chain = marked(entries_per_user=2)
    found = [presented(chain, f"key{n}", chain.token("ann")) for n in range(4)]
    assert found == ["executed"] * 2 + ["not admitted"] * 2
    assert opening_of(chain, "key0") == "executed", "what he has goes on"
    assert len(chain.executor._runner.state.maps[BEARERS].copy()) == 2


def test_T11_all_whom_an_issuer_admits_share_its_sessions_and_state() -> None:
    chain = marked(sessions_per_sponsor=5, entries_per_sponsor=4)
    found = [presented(chain, f"p{n}") for n in range(6)]
    assert found == ["executed"] * 4 + ["not admitted"] * 2
    assert opening_of(chain, "p0") == "executed"
    assert opening_of(chain, "p1") == "too many sessions"
    chain.once("member0", "roster.bring", users=[id_of("ann")])
    assert opening_of(chain, "ann") == "executed", "an issuer's people take nobody else's place"
    assert chain.once("ann", "payments.open", account="a").ok
    shown = chain.ask("member1", "roster.issuer", issuer=ISSUER)
    assert shown["admitting"] is True
    assert (shown["entries"], shown["sessions"]) == (4, 5)
    assert chain.refusal("p0", "roster.issuer", issuer=ISSUER) == "not a member"


def test_T11_all_whom_a_member_brings_share_its_sessions_and_state() -> None:
    chain = TokenChain(sessions_per_sponsor=3, entries_per_sponsor=2)
    chain.once("member0", "roster.bring", users=[id_of("ann"), id_of("bob")])
    chain.once("member1", "roster.bring", users=[id_of("eve")])
    ann, bob = chain.session("ann"), chain.session("bob")
    assert chain.do(ann, "payments.open", account="a").ok
    assert chain.do(bob, "payments.open", account="b").ok
    refused = chain.do(ann, "payments.open", account="c")
    assert (refused.ok, refused.code) == (False, "quota")
    assert [opening_of(chain, who) for who in ("ann", "bob", "eve")] == [
        "executed",
        "too many sessions",
        "executed",
    ]
    assert chain.once("eve", "payments.open", account="e").ok
    assert chain.once("member0", "payments.open", account="m").ok, "a member has its own"
    shown = chain.ask("member0", "roster.standing")
    assert shown["together"] == {"entries": 2, "bytes": shown["together"]["bytes"], "sessions": 3}
    assert chain.ask("ann", "roster.standing")["together"] is None


def test_rooms_count_among_the_sessions_of_who_answers_for_their_user() -> None:
    chain = TokenChain(sessions_per_sponsor=3)
    chain.once("member0", "roster.bring", users=[id_of("plant")])
    assert chain.once("plant", "roster.vouch", room=id_of("room")).ok
    assert [opening_of(chain, "room") for _ in range(3)] == ["executed"] * 2 + ["too many sessions"]


def test_sessions_are_counted_anew_in_each_epoch() -> None:
    chain = marked()
    presented(chain, "ann")
    context = chain.executor._runner.context
    context._meter.left = 100
    (account, (epoch, opened)), *_ = chain.executor._runner.state.maps[OPENED].copy().items()
    assert (epoch, opened) == (context.epoch, opened_in(context, account))
    context.epoch = Epoch(context.epoch + 1)
    assert opened_in(context, account) == 0


def test_what_each_is_told_of_his_own_standing() -> None:
    chain = marked()
    chain.once("member0", "roster.bring", users=[id_of("ann")])
    presented(chain, "bob", chain.token("bob", 2**42))
    told = {who: chain.ask(who, "roster.standing") for who in ("member0", "ann", "bob", "eve")}
    assert [told[who]["admitted"] for who in told] == ["role", "brought", "token", None]
    assert [told[who]["until_ms"] for who in told] == [None, None, 2**42, None]
    assert told["member0"]["roles"] == ["payments.issuer"]
    assert told["member0"]["users_max"] == 10_000
    assert told["ann"]["users_max"] == told["eve"]["sessions_max"] == 0
    assert [told[who]["sponsored"] for who in told] == [False, True, True, False]


def test_whoever_a_member_brings_or_members_vote_for_pays_for_himself_though_he_has_a_token() -> (
    None
):
    chain = marked()
    presented(chain, "ann")
    chain.once("member0", "roster.bring", users=[id_of("ann")])
    assert chain.ask("ann", "roster.standing")["admitted"] == "brought"
    session = chain.session("ann")
    assert chain.do(session, "payments.open", account="a").ok
    state = chain.executor._runner.state
    assert state.maps[USAGE].copy()[person("ann").id][0] == 1
    assert state.maps[SPONSORED].copy()[person("member0").id][0] == 1


def test_what_is_done_in_a_session_after_its_token_has_lapsed_is_charged_to_the_person_still() -> (
    None
):
    chain = marked(entries_per_user=2)
    presented(chain, "ann", chain.token("ann", chain.tip.time_ms + 40))
    session = chain.session("ann")
    for _ in range(5):
        chain.commit()
    assert chain.do(session, "payments.open", account="a").ok
    assert chain.do(session, "payments.open", account="b").code == "quota"


def test_members_mark_an_issuer_and_dismiss_it_and_every_replica_decides_alike() -> None:
    chain = TokenChain()
    choose(chain)
    assert presented(chain, "ann") == "not admitted"
    decide(chain, "admit_issuer", (("issuer", ISSUER),))
    assert presented(chain, "ann") == "executed"
    assert presented(chain, "eve", "bad eve 9 1") == "not admitted"
    session = chain.session("ann")
    assert chain.do(session, "payments.open", account="a").ok
    decide(chain, "dismiss_issuer", (("issuer", ISSUER),))
    assert opening_of(chain, "ann") == "not admitted"
    assert presented(chain, "bob") == "not admitted"
    assert chain.do(session, "payments.open", account="b").ok
    executing, applying = chain.new_executor(1), chain.new_executor(2)
    for made, outcome in zip(chain.blocks, chain.outcomes, strict=True):
        (again,) = executing.execute(chain.run_of(made, parent=executing.header), [made.batches])
        assert again.encode() == outcome.encode()
        applying.apply(made.header, outcome)
    assert executing.state_digest() == applying.state_digest() == chain.executor.state_digest()


def test_what_would_change_nothing_or_too_much_is_no_proposal() -> None:
    chain = TokenChain()
    member = chain.cluster.members["member0"]

    def proposed(change: str, issuer: object) -> str:
        nonce = bytes(15) + bytes((len(chain.blocks),))
        fields = (nonce, change, (("issuer", issuer),))
        asked = sign_public(member.public, member.sign, chain.genesis.chain, PROPOSE, fields)
        outcome = chain.commit(asked)
        told: Any = codec.decode(outcome.result_at(0))
        return "proposed" if told[0] else str(told[1][0])

    assert proposed("admit_issuer", ISSUER) == "arguments", "members did not choose it"
    choose(chain)
    assert proposed("dismiss_issuer", ISSUER) == "no-change"
    for wrong in ("", "x" * 257, "https://a\nb", "https://é", "issuer.test", 7, b"x"):
        for change in ("admit_issuer", "dismiss_issuer"):
            assert proposed(change, wrong) == "arguments", (change, wrong)
    chain.mark()
    assert proposed("admit_issuer", ISSUER) == "no-change"
    assert proposed("dismiss_issuer", ISSUER) == "proposed"


def test_a_good_token_of_another_issuer_than_those_marked_admits_nobody() -> None:
    chain = marked()
    chain.once("member0", "roster.bring", users=[id_of("ann")])
    other = chain.presenting("ann", issuer="https://other.test")
    assert codes(chain.commit(other)) == ["executed"], "he is admitted, by a member's word"
    chain.once("member0", "roster.dismiss", users=[id_of("ann")])
    assert opening_of(chain, "ann") == "not admitted"
