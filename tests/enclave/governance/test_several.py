"""Proposals of several changes: voted on together, in force together, or not at all."""

from collections.abc import Mapping
from typing import Any

import pytest
from tests.enclave.fixtures import key_named
from tests.enclave.governance.world import World, split

from strongroom.enclave.governance import activation, changes, proposals, public
from strongroom.enclave.governance.action_context import GovernanceView
from strongroom.enclave.governance.change_rows import Change
from strongroom.enclave.governance.document import ProposalEntry
from strongroom.enclave.governance.public import changes_digest, proposal_digest, proposal_id
from strongroom.enclave.governance.refusals import refuse
from strongroom.enclave.programs.governance import LIFETIMES

DELAY_MS = 3_600_000
NEW = key_named("new").public
ONE = ("rotate", (("compromised", False),))
Pairs = tuple[tuple[str, tuple[tuple[str, Any], ...]], ...]


def listed(*given: tuple[str, Mapping[str, Any]]) -> Pairs:
    return tuple((name, tuple(arguments.items())) for name, arguments in given)


def several(world: World, listing: object, *, lifetime_ms: int = 0, by: str = "member0") -> bytes:
    world._nonce += 1
    fields = (world._nonce.to_bytes(16, "big"), lifetime_ms, listing)
    return world.sign(by, public.PROPOSE_SEVERAL, fields)


def decide(world: World, listing: Pairs) -> str:
    id, status = world.ok(several(world, listing))
    for name in list(world.members)[1:]:
        if status == "open":
            id, status = world.ok(world.ballot(id, name))
    return str(id)


def entry(world: World, id: str) -> ProposalEntry:
    return next(one for one in world.governance.document().proposals if one.id == id)


NEW_OPERATOR = listed(
    ("allow_operator", {"operator": "new", "key": NEW}),
    ("allow_chip", {"operator": "new", "chip": bytes(64)}),
    ("allow_region", {"region": "us-east"}),
)


def test_each_change_is_tried_on_what_the_former_ones_left_and_all_take_effect_together() -> None:
    world = World()
    id = decide(world, NEW_OPERATOR)
    assert world.status(id) == "accepted", "all wait, for one loosens"
    world.pass_time(DELAY_MS)
    policy = world.governance.policy
    assert policy.operator_key("new") == NEW
    assert ("new", bytes(64)) in policy.chips
    assert "us-east" in policy.regions
    assert entry(world, id).changes == NEW_OPERATOR
    swapped = (NEW_OPERATOR[1], NEW_OPERATOR[0])
    other = World()
    assert other.refused(several(other, swapped)) == "arguments"


def test_one_change_that_must_not_be_makes_the_proposal_none_and_is_named() -> None:
    """T43."""
    world = World()
    bad = listed(("allow_region", {"region": "us-east"}), ("forbid_region", {"region": "eu-west"}))
    ((good, (code, message)),) = world.block(several(world, bad))
    assert (good, code) == (False, "lock-out")
    assert message.startswith("change 2 of 2, forbid_region: ")
    assert world.governance.document().proposals == ()


def test_none_takes_effect_when_one_no_longer_may_and_the_note_names_it() -> None:
    """T43: the first change would be lawful alone, and the third too."""
    world = World()
    role: dict[str, Any] = {"program": "payments", "role": "auditor", "identity": bytes(32)}
    grace = ("set_limit", {"name": "grace_ms", "value": 5})
    first = world.decide("grant", **role)
    second = decide(world, listed(("allow_region", {"region": "us-east"}), ("grant", role), grace))
    world.pass_time(DELAY_MS + 60_000)
    assert (world.status(first), world.status(second)) == ("active", "void")
    assert entry(world, second).note == "no-change: change 2 of 3, grant: grant: it is so already"
    assert "us-east" not in world.governance.policy.regions
    assert world.governance.limits["grace_ms"] == 60_000


def test_what_the_former_changes_did_to_nodes_is_taken_back_when_a_later_one_fails() -> None:
    """T43."""
    world = World()
    waiting = decide(
        world, listed(("set_floors", FLOORS), ("remove_node", {"node": "n3"}), NEW_REGION)
    )
    assert world.status(world.decide("remove_node", node="n3")) == "active"
    world.pass_time(DELAY_MS - 120_000)
    world.ok(*(world.attest(one, vote_key=world.registered_vote(one)) for one in world.nodes[:3]))
    before = world.governance.rules, world.governance.nodes()
    world.pass_time(120_000)
    seen = entry(world, waiting)
    assert (seen.status, seen.note[:43]) == ("void", "arguments: change 2 of 3, remove_node: node")
    assert (world.governance.rules, world.governance.nodes()) == before


NEW_REGION = ("allow_region", {"region": "us-east"})
FLOORS = {
    "product": "SIMULATED",
    "committed": (0,) * 5,
    "launch": (0,) * 5,
    "reported": (0,) * 5,
}


def test_a_bug_in_the_middle_leaves_nothing_of_the_proposal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    one, _ = world.ok(several(world, (*listed(("remove_member", {"name": "member3"})), ONE)))

    def broken(view: object, name: str, given: object, height: object) -> None:
        if name == "rotate":
            raise KeyError("a bug")

    monkeypatch.setattr(activation, "_affect", broken)
    world.ok(world.ballot(one, "member1"))
    world.ok(world.ballot(one, "member2"))
    assert (entry(world, one).status, entry(world, one).note[:8]) == ("void", "internal")
    assert "member3" in world.governance.members


def test_no_proposal_removes_node_after_node_until_none_is_left() -> None:
    """T43: each removal is lawful alone."""
    world = World()
    removals = [("remove_node", {"node": f"n{number}"}) for number in range(4)]
    assert world.refused(several(world, listed(*removals))) == "lock-out"
    assert world.refused(several(world, listed(removals[0], removals[0]))) == "arguments"
    decide(world, listed(*removals[:2]))
    removed = [one.name for one in world.governance.nodes() if one.status == "removed"]
    assert sorted(removed) == ["n0", "n1"]


def test_a_rows_own_deed_is_tried_before_it_is_proposed_and_undone_with_the_proposal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rows of other modules judge by what stands in the state when it comes to them."""

    def note(view: GovernanceView, values: Mapping[str, Any], *_: object) -> None:
        tables = view.tables
        if tables.maps.get(LIFETIMES, values["region"]) is not None:
            refuse("taken", "it stands already")
        tables.maps.put(LIFETIMES, values["region"], 1)

    row = Change(takes=changes.CHANGES["allow_region"].takes, carry_out=note)
    monkeypatch.setitem(changes.CHANGES, "note", row)
    world = World()
    mark = ("note", {"region": "asia"})
    before = world.everything()
    ((good, (code, message)),) = world.block(several(world, listed(mark, mark)))
    assert (good, code, message) == (False, "taken", "change 2 of 2, note: it stands already")
    assert world.everything() == before
    world.ok(several(world, listed(mark)))
    assert world.executing.governance._view.tables.maps.get(LIFETIMES, "asia") is None
    decide(world, listed(mark, ("note", {"region": "africa"})))
    assert world.executing.governance._view.tables.maps.get(LIFETIMES, "africa") == 1


def test_the_digest_of_one_change_is_the_same_whichever_way_it_was_proposed() -> None:
    """Ballots, and ledgers of before, stay valid."""
    world = World()
    envelope = several(world, (ONE,), lifetime_ms=60_000)
    id, _ = world.ok(envelope)
    read = public.read_public(*split(envelope), world.genesis.chain)
    assert id == proposal_id(read.signer, read.payload)
    assert entry(world, id).digest == proposal_digest(*ONE) == changes_digest((ONE,))
    two = (*NEW_OPERATOR[:1], ONE)
    assert len({changes_digest(two), changes_digest(two[::-1]), proposal_digest("", two)}) == 3


def test_a_ballot_counts_for_exactly_these_changes_in_this_order() -> None:
    """T43."""
    world = World()
    id, _ = world.ok(several(world, NEW_OPERATOR))
    for other in (NEW_OPERATOR[:2], NEW_OPERATOR[::-1], NEW_OPERATOR[:1]):
        wrong = world.ballot(id, "member1", digest=changes_digest(other))
        assert world.refused(wrong) == "another-proposal"
    assert world.ok(world.ballot(id, "member1")) == (id, "open")


@pytest.mark.parametrize(
    ("listing", "code"),
    [
        ((), "arguments"),
        ((ONE,) * (proposals.CHANGES_OF_PROPOSAL_MAX + 1), "arguments"),
        ((("rotate",),), "arguments"),
        ((("rotate", True),), "arguments"),
        (((b"rotate", ()),), "arguments"),
        ((ONE, ("x" * 70_000, ())), "full"),
        ((ONE, ("x" * 7_000, ())), "unknown-change"),
        ((ONE, ("rotate", ("compromised", False))), "arguments"),
    ],
    ids=range(8),
)
def test_T31_what_is_no_list_of_changes_is_refused_on_a_ground(listing: object, code: str) -> None:
    world = World()
    assert world.refused(several(world, listing)) == code


def test_a_refusal_repeats_no_name_that_is_none_of_ours() -> None:
    world = World()
    ((_, (_, message)),) = world.block(several(world, (ONE, ("\x1b[2J", ()))))
    assert "\x1b" not in message
    assert message.startswith("change 2 of 2: ")


def test_as_many_changes_as_there_may_be_are_one_proposal() -> None:
    world = World()
    many = listed(
        *(
            ("allow_region", {"region": f"region{number}"})
            for number in range(proposals.CHANGES_OF_PROPOSAL_MAX)
        )
    )
    id = decide(world, many)
    world.pass_time(DELAY_MS)
    assert world.status(id) == "active"
    assert {f"region{number}" for number in range(16)} <= {*world.governance.policy.regions}
