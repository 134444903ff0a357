"""Traces of the Quint model, repeated step for step by real replicas (how: replay.py)."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.proof.replay import Repeated

from strongroom.consensus import safety
from strongroom.consensus.errors import StrongroomError
from strongroom.consensus.quorum import Quorum
from strongroom.consensus.replica import validity, work
from strongroom.consensus.replica.proofs import Proofs
from strongroom.consensus.replica.state import ReplicaState
from strongroom.consensus.replica.tally import Tally
from strongroom.consensus.statements import Kind

MODEL = Path(__file__).parents[2] / "consensus" / "model"
LAG_BLOCKS = 1
"""The model's bound of the lag: small enough to be met in sixty steps."""
TRACES = {
    path.name.removesuffix(".itf.json"): path
    for path in sorted((MODEL / "traces").glob("*.itf.json"))
}


def plain(value: Any) -> Any:
    """A value of the Informal Trace Format: numbers, sets and maps as Python has them."""
    if isinstance(value, list):
        return [plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    if "#bigint" in value:
        return int(value["#bigint"])
    if "#set" in value:
        return [plain(one) for one in value["#set"]]
    if "#map" in value:
        return {plain(key): plain(held) for key, held in value["#map"]}
    return {key: plain(held) for key, held in value.items()}


def said(statement: dict[str, Any]) -> tuple[str, int, int, int]:
    return statement["kind"], statement["epoch"], statement["view"], statement["block"]


def expected(member: dict[str, Any]) -> dict[str, object]:
    """A member of the model, as Repeated.shows says it."""
    same = ("epoch", "view", "finalView", "ledger", "executed", "frozen", "voting", "ended")
    return {name: member[name] for name in same} | {
        "certificates": {said(one) for one in member["certificates"]},
        "promises": {said(one) for one in member["promises"]},
        "votes": {(one["signer"], said(one["said"])) for one in member["votes"]},
        "candidates": {(one["view"], one["block"]) for one in member["candidates"]},
        "headers": set(member["headers"]),
        "spoken": {said(one) for one in member["spoken"]},
    }


def whole(states: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Each state in full: the files hold only what a step changed."""
    members: dict[int, dict[str, Any]] = {}
    for state in states:
        for place, news in state["members"].items():
            members[place] = {**members.get(place, {}), **news}
        yield {**state, "last": {**states[0]["last"], **state["last"]}, "members": dict(members)}


def repeat(states: list[dict[str, Any]]) -> Repeated:
    """Follow a trace; after every step each member must be what the model says."""
    repeated = Repeated(states[0]["liar"], states[0]["wishAt"])
    for number, state in enumerate(whole(states)):
        last, blocks = state["last"], state.get("blocks", [])
        told = f"step {number}: {last['what']} at {last.get('member')}"
        before = len(repeated.blocks)
        if number:
            repeated.follow(last, blocks[0] if blocks else None)
            assert len(repeated.blocks) == before + len(blocks), told
        if number and blocks:
            check_block(repeated, blocks[0], told)
        for place, member in state["members"].items():
            assert repeated.shows(place) == expected(member), told
    return repeated


def check_block(repeated: Repeated, block: dict[str, Any], told: str) -> None:
    """A new block is what the model built."""
    header = repeated.blocks[-1]
    epoch = block["epoch"]
    assert (header.epoch, header.view, header.height) == (epoch, block["view"], block["height"]), (
        told
    )
    assert header.parent == repeated.blocks[block["parent"]].digest, told
    assert header.cut == repeated._cut(epoch, block["good"], block["forked"]), told
    assert header.anchor.height == block["anchor"], told
    assert (header.next_epoch != repeated.epochs[epoch].digest) == block["terminal"], told


@pytest.fixture(autouse=True)
def small_lag(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (validity, work):
        monkeypatch.setattr(module, "LAG_BLOCKS_MAX", LAG_BLOCKS)


def repeat_file(name: str) -> Repeated:
    return repeat(plain(json.loads(TRACES[name].read_text()))["states"])


@pytest.mark.parametrize("name", TRACES)
def test_the_real_replicas_do_what_the_model_does(name: str) -> None:
    repeated = repeat_file(name)
    assert max(len(member.ledger) for member in repeated.members.values()) > 1


def test_the_traces_show_what_they_are_named_for() -> None:
    assert set(TRACES) == {
        "nullified_view",
        "restart",
        "epoch_end",
        "lost_log",
        "snapshot",
        "forked_lane",
        "lag",
    }
    assert any(member.epoch == 1 for member in repeat_file("epoch_end").members.values())
    nullified = repeat_file("nullified_view").members.values()
    assert any(one.kind is Kind.NULLIFY for member in nullified for one in member.spoken)


def quorum_off_by_one(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Quorum, "size", property(lambda self: (self.members + self.faults) // 2))


def finalise_after_nullify(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(safety._EXCLUDED_BY, Kind.FINALIZE, (Kind.FINALIZE,))


def promises_not_replayed(patch: pytest.MonkeyPatch) -> None:
    replay = ReplicaState._replay

    def forgetful(self: ReplicaState, record: Any) -> None:
        if type(record).__name__ != "CastRecord":
            replay(self, record)

    patch.setattr(ReplicaState, "_replay", forgetful)


def lag_unbounded(patch: pytest.MonkeyPatch) -> None:
    for module in (validity, work):
        patch.setattr(module, "LAG_BLOCKS_MAX", 8)


def others_nullify_unheard(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Tally, "nullifiers", lambda self, view: 0)


def terminal_block_goes_on(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        ReplicaState, "ended", property(lambda self: False, lambda self, value: None), raising=False
    )


def nulls_not_held(patch: pytest.MonkeyPatch) -> None:
    add = Proofs.add

    def forgetful(self: Proofs, certificate: Any) -> None:
        if certificate.kind is not Kind.NULLIFY:
            add(self, certificate)

    patch.setattr(Proofs, "add", forgetful)


PLANTED = [
    quorum_off_by_one,
    finalise_after_nullify,
    promises_not_replayed,
    lag_unbounded,
    others_nullify_unheard,
    terminal_block_goes_on,
    nulls_not_held,
]


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_a_replica_with_a_planted_bug_leaves_the_traces(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    left = []
    for name in TRACES:
        try:
            repeat_file(name)
        except (AssertionError, StrongroomError, KeyError):
            left.append(name)
    print(plant.__name__, left)  # noqa: T201
    assert left


@pytest.mark.long
@pytest.mark.skipif(shutil.which("npm") is None, reason="the model needs node and npm")
def test_the_model_itself_is_sound() -> None:
    done = subprocess.run(
        [str(MODEL / "check"), "--samples", "40"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
