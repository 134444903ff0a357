"""Replicas that execute, apply, take turns or look late hold the same; and what costs nothing costs
nothing (T27)."""

import sys
from dataclasses import replace
from types import FrameType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.enclave.fixtures import REGION
from tests.enclave.governance.world import World

from strongroom.consensus import codec
from strongroom.enclave.governance import public
from strongroom.enclave.governance.action_context import ActionContext
from strongroom.enclave.governance.actions import ACTIONS
from strongroom.enclave.governance.deadlines import NEVER
from strongroom.enclave.governance.document import Document
from strongroom.enclave.programs.framework import ProgramError

CALLS_MAX = 30
"""Of a block that governance has nothing to do with; 17 were counted."""
ACTS = (
    "rotate",
    "leave",
    "refresh",
    "attest",
    "offer",
    "ready",
    "terminal",
    "gap",
    "swap",
    "forbid",
    "late",
    "old",
)


def act(world: World, name: str, index: int) -> list[bytes]:
    """The envelopes of one act; whether they succeed is governance's business."""
    node = world.nodes[index]
    state = world.governance
    match name:
        case "rotate":
            return [world.proposal("rotate", by=f"member{index}", compromised=bool(index % 2))] + [
                world.ballot(one.id, f"member{index}") for one in state.document().proposals[:2]
            ]
        case "leave":
            return [world.say(node, public.LEAVE, ())]
        case "refresh":
            return [world.say(node, public.REFRESH, (int(state.epoch),))]
        case "attest":
            return [world.attest(node)]
        case "offer":
            return [world.offer(node)] if state.due else []
        case "ready":
            return [
                world.ready(one, offer)
                for offer in state.offers()[:1]
                for one in world.nodes[: index + 2]
            ]
        case "forbid":
            return [
                world.proposal("forbid_operator", by=f"member{index}", operator=f"operator{index}")
            ]
        case "late":
            return [
                world.say(node, public.READY, (int(state.epoch), bytes(32), bytes(32), bytes(1216)))
            ]
    return []


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 3)), min_size=5, max_size=40))
def test_whoever_executes_and_whoever_applies_stand_at_the_same_state(
    plan: list[tuple[str, int]],
) -> None:
    """World.block compares digests, documents and deadlines after every block."""
    world = World()
    said: list[bytes] = []
    for name, index in plan:
        if name == "swap":
            world.swap()
        elif name == "gap":
            world.block(gap_ms=(10, 2_000, 60_000, 500_000)[index])
        elif name == "terminal":
            if world.governance.wish is not None:
                world.block(terminal=True)
        else:
            envelopes = said[-3:] if name == "old" else act(world, name, index)
            said.extend(envelopes)
            world.block(*envelopes)


@pytest.mark.parametrize("moment", ["suspension", "expiry", "activation", "wish", "grace"])
def test_a_replica_that_looks_late_does_not_miss_what_time_brought_about(moment: str) -> None:
    """Whoever applied the blocks before executes the one in which evidence comes of age, as if it
    had looked before."""
    assert after(moment, take_turns=True) == after(moment, take_turns=False)


def after(moment: str, *, take_turns: bool) -> object:
    """What governance holds after something that time alone brought about."""
    world = World()
    if moment in ("suspension", "expiry"):
        world.pass_time(540_000)
        world.ok(*[world.attest(node) for node in world.nodes[:3]])
    if moment == "activation":
        world.decide("allow_region", region="asia")
        world.pass_time(3_540_000)
    if moment in ("wish", "grace"):
        world.decide("rotate", compromised=False)
        world.ok(world.offer(world.nodes[0]))
        (offer,) = world.governance.offers()
        world.ok(*[world.ready(node, offer) for node in world.nodes[:3]])
    if moment == "grace":
        world.block(gap_ms=2_000)
        world.block(terminal=True)
    for _ in range(2 if moment == "suspension" else 12):
        world.block(gap_ms=60_000)
        if take_turns:
            world.swap()
    assert (world.governance.due is not None) == (moment in ("expiry", "wish", "activation"))
    held = world.everything()
    assert isinstance(held, dict)
    return {name: part for name, part in held.items() if name != "nodes"}


def test_a_look_without_need_changes_nothing() -> None:
    """What a block's end decides is a fixed point."""
    world = World()
    world.decide("rotate", compromised=False)
    world.ok(world.say(world.nodes[3], public.LEAVE, ()))
    before = world.everything()
    world.governance._touched = True
    world.block()
    assert world.everything() == before


def test_the_agenda_is_empty_in_a_quiet_service_but_for_ages() -> None:
    world = World()
    world.block()
    deadlines = world.governance._deadlines
    assert deadlines is not None
    assert (deadlines.time_ms, deadlines.height) == (NEVER, NEVER)


def calls_of_a_quiet_block(world: World) -> int:
    """Function calls that governance makes for it."""
    header, made = world.next_header(), 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal made
        made += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        world.governance.tick(header)
        world.governance.end_block(header)
    finally:
        sys.setprofile(None)
    return made


def test_a_block_without_public_transactions_costs_a_few_calls_whatever_governance_holds() -> None:
    """Two microseconds were measured; calls are counted, for a machine may be slow."""
    world = World()
    for member in world.members:
        for number in range(4):
            world.ok(world.proposal("allow_region", member, region=f"region-{number}-of-{member}"))
    world.block()
    assert calls_of_a_quiet_block(world) < CALLS_MAX
    world.governance.refresh()
    assert calls_of_a_quiet_block(world) > CALLS_MAX, "the control: an agenda that is drawn up anew"


def test_the_document_is_canonical_and_names_its_fields() -> None:
    world = World()
    world.decide("rotate", compromised=False)
    world.ok(world.offer(world.nodes[0]))
    document = world.governance.document()
    read = Document.read(codec.decode(codec.encode(document)))
    assert read == document
    assert read.member_rules() == world.governance.rules
    assert read.due is not None
    assert (read.due.reason, read.due.won) == ("rotate", None)
    assert [entry.name for entry in read.nodes] == ["n0", "n1", "n2", "n3"]
    assert read.offers[0].wrapped == read.due.members


def test_a_clients_dry_run_on_the_document_is_the_enclaves_own() -> None:
    world = World()
    document = Document.read(codec.decode(codec.encode(world.governance.document())))
    assert tuple(entry.node() for entry in document.nodes) == world.governance.nodes()
    (trial,) = document.simulate((("allow_region", (("region", "asia"),)),))
    assert "asia" in trial.after.policy.regions
    for name in ("forbid_region", "remove_node"):
        arguments = {"region": REGION} if name == "forbid_region" else {"node": REGION}
        with pytest.raises(ProgramError) as caught:
            document.simulate(((name, tuple(arguments.items())),))
        assert world.refused(world.proposal(name, **arguments)) == caught.value.code


@pytest.mark.parametrize("error", [KeyError("text of a library"), ProgramError("refused", "late")])
def test_what_fails_is_undone_and_halts_nobody(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """A bug of our own is a refusal, and shows no text."""

    def failing(context: ActionContext) -> object:
        context.tables.write_node(replace(context.tables.nodes()[0], name="gone"))
        raise error

    world = World()
    monkeypatch.setattr(
        "strongroom.enclave.governance.governance.ACTIONS", {**ACTIONS, public.LEAVE: failing}
    )
    code = world.refused(world.say(world.nodes[0], public.LEAVE, ()))
    assert code == (error.code if isinstance(error, ProgramError) else "internal")
