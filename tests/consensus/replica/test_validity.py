"""Validity (PROTOCOL §7) as a pure function: each flaw by its name, and what is pending is never a
flaw."""

from dataclasses import replace
from typing import Any

import pytest
from tests.consensus.bench import Cluster

from strongroom.consensus.blocks import BLOCK_BATCHES_MAX, BLOCK_BYTES_MAX, Anchor, Header, LaneTip
from strongroom.consensus.replica.events import Executed
from strongroom.consensus.replica.lanes import Walk
from strongroom.consensus.replica.validity import (
    LAG_BLOCKS_MAX,
    Flaw,
    Pending,
    data_flaw,
    execution_flaw,
    header_flaw,
)
from strongroom.consensus.types import Digest, Epoch, Height, Lane, Milliseconds, Sequence

CLUSTER = Cluster()
BATCH = CLUSTER.batch(lane=1)
PARENT = CLUSTER.header(
    view=3, batches=[BATCH], anchor=Anchor(Height(0), CLUSTER.genesis.anchor.root)
)
ROOT, OTHER = Digest(b"r" * 32), Digest(b"o" * 32)


def child(**changes: Any) -> Header:
    return CLUSTER.header(PARENT, **{"view": 5, **changes})


def flaw(header: Header, lag: int = 0) -> Flaw | None:
    return header_flaw(header, PARENT, PARENT.cut, order=CLUSTER.order, lag=lag)


def moved(lane: int, length: int, digest: Digest = OTHER) -> dict[str, Any]:
    cut = list(PARENT.cut)
    cut[lane] = LaneTip(Sequence(length), digest)
    count = sum(tip.length for tip in cut) - sum(tip.length for tip in PARENT.cut)
    return {"cut": tuple(cut), "batch_count": max(0, count), "batch_bytes": 10}


def test_a_block_without_flaw() -> None:
    assert flaw(child()) is None
    assert flaw(child(**moved(0, 2))) is None
    assert flaw(child(anchor=Anchor(Height(1), ROOT))) is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"height": Height(3)}, Flaw.HEIGHT),
        ({"height": Height(1)}, Flaw.HEIGHT),
        ({"view": 3}, Flaw.VIEW),
        ({"proposer": CLUSTER.leader(6)}, Flaw.LEADER),
        ({"time_ms": PARENT.time_ms}, Flaw.TIME),
        ({"time_ms": Milliseconds(0)}, Flaw.TIME),
        ({"cut": PARENT.cut[:-1]}, Flaw.CUT),
        ({"cut": (*PARENT.cut, PARENT.cut[0])}, Flaw.CUT),
        (moved(1, 0), Flaw.CUT),
        (moved(1, 1), Flaw.CUT),
        (moved(0, BLOCK_BATCHES_MAX + 1), Flaw.LIMITS),
        ({**moved(0, 1), "batch_bytes": BLOCK_BYTES_MAX + 1}, Flaw.LIMITS),
        ({**moved(0, 2), "batch_count": 1}, Flaw.COUNT),
        ({"batch_count": 1}, Flaw.COUNT),
        ({"anchor": Anchor(Height(2), ROOT)}, Flaw.ANCHOR),
        ({"anchor": Anchor(Height(0), ROOT)}, Flaw.ANCHOR),
    ],
)
def test_T32_every_flaw_of_a_header_has_its_name(changes: dict[str, Any], expected: Flaw) -> None:
    assert flaw(child(**changes)) is expected


def test_T32_an_anchor_below_the_parents_is_a_flaw() -> None:
    parent = CLUSTER.header(PARENT, view=4, anchor=Anchor(Height(1), ROOT))
    header = CLUSTER.header(parent, view=5, anchor=PARENT.anchor)
    assert header_flaw(header, parent, parent.cut, order=CLUSTER.order, lag=0) is Flaw.ANCHOR


def test_the_limits_themselves_are_allowed() -> None:
    assert flaw(child(**{**moved(0, BLOCK_BATCHES_MAX), "batch_bytes": BLOCK_BYTES_MAX})) is None


def test_pressure_forbids_new_batches_from_the_lag_on_and_nothing_else() -> None:
    assert flaw(child(**moved(0, 1)), lag=LAG_BLOCKS_MAX - 1) is None
    assert flaw(child(**moved(0, 1)), lag=LAG_BLOCKS_MAX) is Flaw.PRESSURE
    assert flaw(child(), lag=LAG_BLOCKS_MAX + 5) is None


def test_views_count_from_1_in_each_epoch() -> None:
    def judge(epoch: int) -> Flaw | None:
        anchor = CLUSTER.header(view=900, epoch=Epoch(epoch))
        header = CLUSTER.header(anchor, epoch=Epoch(1))
        return header_flaw(header, anchor, anchor.cut, order=CLUSTER.order, lag=0)

    assert judge(0) is None
    assert judge(1) is Flaw.VIEW


def test_data_that_is_missing_is_no_flaw_and_a_broken_chain_is() -> None:
    header = child(**moved(0, 1))
    assert data_flaw(header, Walk((), 0, ((Lane(0), OTHER),))) is None
    assert data_flaw(header, Walk((OTHER,), 10)) is None
    assert data_flaw(header, Walk((OTHER,), 11)) is Flaw.COUNT
    assert data_flaw(header, Walk((), 0, chained=False)) is Flaw.CUT


def test_an_anchor_is_compared_with_ones_own_execution_and_waits_for_it() -> None:
    current = CLUSTER.members.digest
    own = Executed(Height(1), ROOT, current)
    raised = child(anchor=Anchor(Height(1), ROOT))

    def judge(header: Header, executed: int, known: Executed | None) -> object:
        return execution_flaw(header, PARENT, current=current, executed=Height(executed), own=known)

    assert judge(raised, 0, None) == Pending(executed=Height(1))
    assert judge(raised, 2, None) == Pending(executed=Height(1))
    assert judge(raised, 1, own) is None
    assert judge(raised, 1, replace(own, root=OTHER)) is Flaw.ROOT
    assert judge(raised, 1, replace(own, next_epoch=OTHER)) is Flaw.NEXT_EPOCH
    terminal = child(anchor=Anchor(Height(1), ROOT), next_epoch=OTHER)
    assert judge(terminal, 1, own) is Flaw.NEXT_EPOCH
    assert judge(terminal, 1, replace(own, next_epoch=OTHER)) is None
    assert judge(child(next_epoch=OTHER), 1, own) is Flaw.NEXT_EPOCH
