"""Who may open a session, how many, and how much an identity may add to the state: governed, the
same everywhere."""

from typing import Any

import pytest
from tests.enclave.chain import Chain, codes, person
from tests.enclave.fixtures import make_cluster_genesis

from strongroom.consensus import codec
from strongroom.consensus.types import Epoch
from strongroom.enclave.governance.public import (
    BALLOT,
    PROPOSE,
    proposal_digest,
    proposal_id,
    sign_public,
)
from strongroom.enclave.governance.rules import LIMITS as GOVERNED
from strongroom.enclave.programs import PROGRAM_NAMES
from strongroom.enclave.programs.framework import Context, ProgramError
from strongroom.enclave.programs.roster import vouch
from strongroom.enclave.programs.roster_tables import ROOMS_MAX, WORDS_MAX
from strongroom.enclave.programs.schema import Identity

LIMITS = {"open_admission": 0, "activation_delay_ms": 0}


def closed(**limits: int) -> Chain:
    """A service whose roster is empty."""
    return Chain(make_cluster_genesis(4, programs=PROGRAM_NAMES, limits=LIMITS | limits))


def id_of(who: str) -> str:
    return "id:" + person(who).id.hex()


def opening_of(chain: Chain, who: str, **options: Any) -> str:
    """What becomes of an opening."""
    _, envelope = chain.open(who, **options)
    return codes(chain.commit(envelope))[0]


def decide(chain: Chain, change: str, arguments: tuple[tuple[str, Any], ...]) -> None:
    """Three of four members vote for a change, in one block."""
    members, id = chain.cluster.members, chain.genesis.chain
    first = members["member0"]
    asked = sign_public(
        first.public,
        first.sign,
        id,
        PROPOSE,
        (bytes(15) + bytes((len(chain.blocks),)), change, arguments),
    )
    payload: Any = codec.decode(asked)[3]
    ballot = (proposal_id(first.public, payload), proposal_digest(change, arguments), True)
    votes = [
        sign_public(members[name].public, members[name].sign, id, BALLOT, ballot)
        for name in ("member1", "member2")
    ]
    outcome = chain.commit(asked, *votes)
    assert codes(outcome)[:2] == ["executed"] * 2, "of three members, two are enough"
    chain.commit()


def test_a_stranger_opens_no_session_and_nothing_of_the_refusal_is_sealed() -> None:
    chain = closed()
    before = chain.executor._tables.digest()
    _, envelope = chain.open("stranger")
    _, lone = chain.open("stranger", chain.call("payments.open", account="a"), close=True)
    outcome = chain.commit(envelope, lone, envelope)
    assert codes(outcome) == ["not admitted"] * 3
    assert outcome.results == (b"", b"", b"")
    assert chain.executor._tables.digest() == before


def test_members_and_who_has_a_role_are_admitted_without_being_on_the_roster() -> None:
    chain = Chain(
        make_cluster_genesis(
            4, programs=PROGRAM_NAMES, limits=LIMITS, auditor=person("auditor").public
        )
    )
    assert [opening_of(chain, who) for who in ("member0", "member3", "auditor", "alice")] == [
        "executed",
        "executed",
        "executed",
        "not admitted",
    ]


def test_whom_a_member_brings_is_admitted_at_once_within_its_quota_and_removed_by_it_alone() -> (
    None
):
    chain = closed(users_per_member=2)
    member = chain.session("member1")
    _, bring = member.seal_call(chain.call("roster.bring", users=[id_of("alice"), id_of("bob")]))
    _, opening = chain.open("alice")
    assert codes(chain.commit(bring, opening)) == ["executed", "executed"]
    refused = chain.do(member, "roster.bring", users=[id_of("carol")])
    assert (refused.ok, refused.code) == (False, "quota")
    assert opening_of(chain, "carol") == "not admitted"
    assert chain.do(member, "roster.bring", users=[id_of("alice")]).value == {"users": 2}, (
        "twice is once"
    )
    other = chain.session("member2")
    assert chain.do(other, "roster.dismiss", users=[id_of("bob")]).code == "not yours"
    assert chain.do(member, "roster.dismiss", users=[id_of("bob")]).value == {"users": 1}
    assert opening_of(chain, "bob") == "not admitted"
    assert chain.ask("member1", "roster.users") == {"users": [id_of("alice")], "next": None}


def test_a_user_brings_nobody() -> None:
    chain = closed()
    chain.once("member0", "roster.bring", users=[id_of("alice")])
    assert chain.once("alice", "roster.bring", users=[id_of("mallory")]).code == "not a member"
    assert opening_of(chain, "mallory") == "not admitted"


def test_members_vote_users_in_and_out_and_a_members_users_go_with_it() -> None:
    chain = closed()
    chain.once("member3", "roster.bring", users=[id_of("bob"), id_of("carol")])
    decide(chain, "add_users", (("users", (person("alice").id, person("bob").id)),))
    decide(chain, "remove_member", (("name", "member3"),))
    assert [opening_of(chain, who) for who in ("alice", "bob", "carol", "member3")] == [
        "executed",
        "executed",
        "not admitted",
        "not admitted",
    ]
    decide(chain, "remove_users", (("users", (person("alice").id,)),))
    assert opening_of(chain, "alice") == "not admitted"


def test_members_can_open_and_close_the_service() -> None:
    chain = closed()
    decide(chain, "set_limit", (("name", "open_admission"), ("value", 1)))
    assert opening_of(chain, "anybody") == "executed"
    decide(chain, "set_limit", (("name", "open_admission"), ("value", 0)))
    assert opening_of(chain, "anybody") == "not admitted"


def test_one_identity_opens_so_many_sessions_in_an_epoch_one_shots_too() -> None:
    chain = closed(sessions_per_identity=3)
    chain.once("member0", "roster.bring", users=[id_of("alice"), id_of("bob")])
    found = [opening_of(chain, "alice", close=number == 1) for number in range(5)]
    assert found == ["executed"] * 3 + ["too many sessions"] * 2
    assert opening_of(chain, "bob") == "executed"


@pytest.mark.parametrize(
    ("limits", "calls"),
    [
        ({"entries_per_user": 2}, [("payments.open", {"account": name}) for name in "abc"]),
        ({"bytes_per_user": 2_200}, [("payments.open", {"account": name}) for name in "abc"]),
        (
            {"bytes_per_user": 1_000},
            [
                ("records.append", {"collection": "c", "contents": "x" * size})
                for size in (200, 200, 400)
            ],
        ),
        (
            {"entries_per_user": 3},
            [("records.append", {"collection": "c", "contents": "x", "tags": ["t"]})] * 2,
        ),
    ],
)
def test_what_an_identity_adds_to_the_state_is_bounded_and_the_refusal_is_sealed(
    limits: dict[str, int], calls: list[tuple[str, dict[str, Any]]]
) -> None:
    chain = closed(**limits)
    chain.once("member0", "roster.bring", users=[id_of("alice")])
    session = chain.session("alice")
    results = [chain.do(session, name, **arguments) for name, arguments in calls]
    assert [one.ok for one in results] == [True] * (len(calls) - 1) + [False]
    assert results[-1].code == "quota"
    kept = chain.ask("alice", "roster.standing")
    assert kept["entries"] <= kept["entries_max"]
    assert kept["bytes"] <= kept["bytes_max"]
    assert chain.once("member0", *calls[0][:1], **calls[0][1]).ok, "a member has a quota of its own"


def test_who_pays_into_new_accounts_of_others_is_charged_for_them() -> None:
    chain = closed(entries_per_user=3)
    chain.once("member0", "roster.bring", users=[id_of("alice")])
    chain.once("member0", "payments.issue", to="alice", amount=100)
    session = chain.session("alice")
    paid = [
        chain.do(session, "payments.transfer", to=f"stranger{number}", amount=1).ok
        for number in range(5)
    ]
    assert paid == [True] * 3 + [False] * 2
    assert chain.do(session, "payments.transfer", to="stranger0", amount=1).ok


def test_every_replica_decides_alike_whether_it_executes_or_applies() -> None:
    chain = closed(sessions_per_identity=2, entries_per_user=2)
    member = chain.session("member0")
    _, bring = member.seal_call(chain.call("roster.bring", users=[id_of("alice")]))
    openings = [chain.open("alice", close=number % 2 == 0)[1] for number in range(4)]
    stranger = chain.open("mallory")[1]
    chain.commit(bring, *openings, stranger)
    executing, applying = chain.new_executor(1), chain.new_executor(2)
    for made, outcome in zip(chain.blocks, chain.outcomes, strict=True):
        run = chain.run_of(made, parent=executing.header)
        (again,) = executing.execute(run, [made.batches])
        assert again.encode() == outcome.encode()
        applying.apply(made.header, outcome)
    assert executing.state_digest() == applying.state_digest() == chain.executor.state_digest()
    late = chain.open("alice")[1]
    made = chain.make({0: [[late]]})
    found = [
        one.execute(chain.run_of(made, parent=one.header), [made.batches])[0]
        for one in (executing, applying)
    ]
    assert [codes(outcome) for outcome in found] == [["too many sessions"]] * 2


# --- rooms: a new identity at each start ----------------------------------------------------------


def test_a_user_vouches_for_rooms_and_the_oldest_makes_place() -> None:
    chain = closed()
    chain.once("member0", "roster.bring", users=[id_of("plant")])
    plant = chain.session("plant")
    for number in range(ROOMS_MAX):
        assert chain.do(plant, "roster.vouch", room=id_of(f"room{number}")).ok
    assert opening_of(chain, "room0") == opening_of(chain, f"room{ROOMS_MAX - 1}") == "executed"
    again = chain.do(plant, "roster.vouch", room=id_of("room0"))
    assert again.value == {"rooms": ROOMS_MAX}, "a repetition takes nobody's place"
    chain.do(plant, "roster.vouch", room=id_of("one more"))
    assert opening_of(chain, "one more") == "executed"
    assert opening_of(chain, "room0") == "not admitted"
    assert opening_of(chain, "room1") == "executed"


def test_only_whom_a_member_or_the_vote_admits_vouches_and_no_room_for_rooms() -> None:
    chain = closed()
    chain.once("member0", "roster.bring", users=[id_of("plant")])
    assert chain.once("member1", "roster.vouch", room=id_of("own")).ok
    assert chain.once("plant", "roster.vouch", room=id_of("room")).ok
    refused = chain.once("room", "roster.vouch", room=id_of("other"))
    assert refused.code == "not a user"
    assert opening_of(chain, "other") == "not admitted"
    chain = Chain(make_cluster_genesis(4, programs=PROGRAM_NAMES))
    assert chain.once("stranger", "roster.vouch", room=id_of("room")).code == "not a user"


def vouching(**limits: int) -> Chain:
    """A service in which member0 brought the plant, which vouched for a room."""
    chain = closed(**limits)
    chain.once("member0", "roster.bring", users=[id_of("plant")])
    assert chain.once("plant", "roster.vouch", room=id_of("room")).ok
    assert opening_of(chain, "room") == "executed"
    return chain


def context_of(chain: Chain, who: str) -> Context:
    """What a program of this chain would be given, with steps enough."""
    context = Context(chain.executor._runner.state)
    context.limits = {name: one.default for name, one in GOVERNED.items()} | LIMITS
    context.members = frozenset({person("member0").id})
    context.enter(person(who).id)
    context._meter.left = 1_000_000
    return context


def turn(chain: Chain, who: str) -> None:
    """As many words as the ring has places."""
    session = chain.session(who)
    for number in range(ROOMS_MAX):
        assert chain.do(session, "roster.vouch", room=id_of(f"{who}{number}")).ok


def test_a_room_goes_with_who_vouched_for_it_whoever_shows_him_out() -> None:
    chain = vouching()
    assert chain.once("member0", "roster.dismiss", users=[id_of("plant")]).value == {"users": 0}
    assert opening_of(chain, "room") == "not admitted"
    chain = vouching()
    decide(chain, "add_users", (("users", (person("plant").id,)),))
    assert opening_of(chain, "room") == "executed"
    decide(chain, "remove_users", (("users", (person("plant").id,)),))
    assert opening_of(chain, "room") == "not admitted"
    chain = closed()
    chain.once("member3", "roster.bring", users=[id_of("plant")])
    chain.once("plant", "roster.vouch", room=id_of("room"))
    chain.once("member3", "roster.vouch", room=id_of("own"))
    decide(chain, "remove_member", (("name", "member3"),))
    assert [opening_of(chain, one) for one in ("room", "own")] == ["not admitted"] * 2


def test_every_replica_decides_alike_about_rooms_whether_it_executes_or_applies() -> None:
    chain = vouching(entries_per_user=ROOMS_MAX + 1)
    turn(chain, "plant")
    decide(chain, "remove_users", (("users", (person("plant3").id,)),))
    found = [opening_of(chain, one) for one in ("room", "plant3", "plant4")]
    assert found == ["not admitted"] * 2 + ["executed"]
    executing, applying = chain.new_executor(1), chain.new_executor(2)
    for made, outcome in zip(chain.blocks, chain.outcomes, strict=True):
        (again,) = executing.execute(chain.run_of(made, parent=executing.header), [made.batches])
        assert again.encode() == outcome.encode()
        applying.apply(made.header, outcome)
    assert executing.state_digest() == applying.state_digest() == chain.executor.state_digest()
    made = chain.make({0: [[chain.open(one)[1] for one in ("plant3", "plant4", "room")]]})
    for one in (executing, applying):
        (late,) = one.execute(chain.run_of(made, parent=one.header), [made.batches])
        assert codes(late) == ["not admitted", "executed", "not admitted"]


def test_the_word_of_who_is_no_more_than_a_room_by_now_admits_nobody() -> None:
    chain = vouching()
    chain.once("member0", "roster.dismiss", users=[id_of("plant")])
    chain.once("member1", "roster.vouch", room=id_of("plant"))
    assert opening_of(chain, "plant") == "executed"
    assert opening_of(chain, "room") == "not admitted"
    assert chain.once("plant", "roster.vouch", room=id_of("other")).code == "not a user"


def test_a_room_voted_out_is_out_until_somebody_vouches_anew() -> None:
    chain = vouching()
    decide(chain, "remove_users", (("users", (person("room").id,)),))
    assert opening_of(chain, "room") == "not admitted"
    assert opening_of(chain, "plant") == "executed"


def test_what_a_room_adds_is_charged_to_who_vouched_also_when_the_ring_has_turned() -> None:
    chain = closed(entries_per_user=ROOMS_MAX + 4)
    chain.once("member0", "roster.bring", users=[id_of("plant")])
    chain.once("plant", "roster.vouch", room=id_of("room"))
    session = chain.session("room")
    assert chain.do(session, "payments.open", account="a").ok
    assert chain.ask("plant", "roster.standing")["entries"] == 2, "the word, and the account"
    turn(chain, "plant")
    assert opening_of(chain, "room") == "not admitted"
    assert chain.do(session, "payments.open", account="b").ok
    assert chain.do(chain.session("plant1"), "payments.open", account="c").ok
    assert chain.do(session, "payments.open", account="d").code == "quota"
    assert chain.once("plant2", "payments.open", account="d").code == "quota"
    assert chain.once("plant", "roster.vouch", room=id_of("more")).code == "quota"
    assert chain.ask("room", "roster.standing")["entries"] == ROOMS_MAX + 4


def test_the_rooms_of_one_user_open_no_more_sessions_together_than_one_identity_may() -> None:
    chain = closed(sessions_per_identity=2 * (WORDS_MAX + ROOMS_MAX))
    chain.once("member0", "roster.bring", users=[id_of("plant")])
    plant = chain.session("plant")
    for number in range(WORDS_MAX):
        assert chain.do(plant, "roster.vouch", room=id_of(f"room{number}")).ok
    assert chain.do(plant, "roster.vouch", room=id_of("more")).code == "quota"
    last = f"room{WORDS_MAX - 1}"
    assert [opening_of(chain, last) for _ in range(3)] == ["executed"] * 2 + ["too many sessions"]


@pytest.mark.parametrize("by_vote", [True, False])
def test_whom_a_vote_or_a_member_admits_is_out_of_the_ring_for_good(by_vote: bool) -> None:
    chain = vouching(entries_per_user=ROOMS_MAX + 1)
    if by_vote:
        decide(chain, "add_users", (("users", (person("room").id,)),))
    else:
        assert chain.once("member1", "roster.bring", users=[id_of("room")]).value == {"users": 1}
    turn(chain, "plant")
    assert chain.ask("plant", "roster.standing")["entries"] == ROOMS_MAX + 1
    assert opening_of(chain, "room") == "executed"
    assert chain.once("room", "payments.open", account="a").ok, "he has a quota of his own"
    chain.once("member0", "roster.dismiss", users=[id_of("plant")])
    assert opening_of(chain, "room") == "executed"
    assert chain.once("room", "roster.vouch", room=id_of("his")).ok
    if by_vote:
        decide(chain, "remove_users", (("users", (person("room").id,)),))
    else:
        assert chain.once("member1", "roster.dismiss", users=[id_of("room")]).value == {"users": 0}
    assert opening_of(chain, "room") == "not admitted"


@pytest.mark.parametrize("by_vote", [True, False])
def test_who_was_taken_out_of_the_ring_does_not_fall_back_into_it(by_vote: bool) -> None:
    chain = vouching()
    if by_vote:
        decide(chain, "add_users", (("users", (person("room").id,)),))
        decide(chain, "remove_users", (("users", (person("room").id,)),))
    else:
        chain.once("member1", "roster.bring", users=[id_of("room")])
        chain.once("member1", "roster.dismiss", users=[id_of("room")])
    assert opening_of(chain, "room") == "not admitted"
    assert chain.once("member2", "roster.vouch", room=id_of("room")).ok, "no word is in the way"
    assert opening_of(chain, "room") == "executed"


def test_to_vouch_for_who_is_admitted_changes_nothing() -> None:
    chain = Chain(
        make_cluster_genesis(
            4, programs=PROGRAM_NAMES, limits=LIMITS, auditor=person("auditor").public
        )
    )
    chain.once("member0", "roster.bring", users=[id_of("plant"), id_of("alice"), id_of("bob")])
    assert chain.once("bob", "roster.vouch", room=id_of("room")).ok
    for who in ("member1", "alice", "auditor", "plant"):
        assert chain.once("plant", "roster.vouch", room=id_of(who)).value == {"rooms": 0}
    assert chain.once("plant", "roster.vouch", room=id_of("room")).code == "not yours"
    assert chain.ask("plant", "roster.standing")["entries"] == 0
    chain.once("member0", "roster.dismiss", users=[id_of("alice"), id_of("bob")])
    assert [opening_of(chain, who) for who in ("alice", "room")] == ["not admitted"] * 2
    assert chain.once("plant", "roster.vouch", room=id_of("room")).value == {"rooms": 1}
    assert opening_of(chain, "room") == "executed"


def test_T11_a_word_costs_few_steps_however_many_rooms_there_are() -> None:
    chain = closed()
    chain.once("member0", "roster.bring", users=[id_of("plant")])
    turn(chain, "plant")
    context = context_of(chain, "plant")
    before = context._meter.left
    assert vouch(context, room=Identity(person("room").id)) == {"rooms": ROOMS_MAX}
    assert before - context._meter.left <= 24


def test_words_are_counted_anew_in_each_epoch() -> None:
    chain = closed()
    chain.once("member0", "roster.bring", users=[id_of("plant")])
    context = context_of(chain, "plant")
    for number in range(2 * WORDS_MAX):
        context.epoch = Epoch(number // WORDS_MAX)
        vouch(context, room=Identity(person(f"room{number}").id))
    with pytest.raises(ProgramError, match="in an epoch"):
        vouch(context, room=Identity(person("more").id))


def test_who_is_admitted_otherwise_by_now_pays_for_himself() -> None:
    chain = vouching(entries_per_user=1)
    assert chain.once("room", "payments.open", account="a").code == "quota"
    decide(chain, "set_limit", (("name", "open_admission"), ("value", 1)))
    assert chain.once("room", "payments.open", account="a").ok
