"""Lanes and cuts (PROTOCOL §2): chains, forks, limits, and what is forgotten."""

from hypothesis import given
from hypothesis import strategies as st

from strongroom.consensus.batches import BatchHeader
from strongroom.consensus.blocks import BLOCK_BATCHES_MAX, BLOCK_BYTES_MAX, LaneTip, initial_cut
from strongroom.consensus.replica.lanes import Lanes
from strongroom.consensus.types import Digest, Epoch, Lane, Sequence

ANCHOR = Digest(b"\x01" * 32)


def chain(lane: int, length: int, size: int = 10, body: bytes = b"\x02") -> list[BatchHeader]:
    previous, batches = ANCHOR, []
    for sequence in range(length):
        batch = BatchHeader(
            epoch=Epoch(0),
            lane=Lane(lane),
            sequence=Sequence(sequence),
            previous=previous,
            count=1,
            size=size,
            payload_digest=Digest(body * 32),
        )
        batches.append(batch)
        previous = batch.digest
    return batches


def held(*batches: BatchHeader) -> Lanes:
    lanes = Lanes(Epoch(0), 3, ANCHOR)
    for batch in batches:
        lanes.add(batch)
    return lanes


BASE = initial_cut(ANCHOR, 3)


@given(st.permutations(chain(0, 4) + chain(2, 3)))
def test_batches_between_cuts_are_in_execution_order_whatever_order_they_came_in(
    order: list[BatchHeader],
) -> None:
    lanes = held(*order)
    cut, count, size = lanes.newest_cut(BASE)
    assert (count, size) == (7, 70)
    walk = lanes.between(BASE, cut)
    assert walk.batches == tuple(batch.digest for batch in chain(0, 4) + chain(2, 3))
    assert lanes.lengths == (4, 0, 3)


def test_a_gap_ends_a_lane_and_is_named() -> None:
    one, two, three = chain(0, 3)
    lanes = held(one, three)
    cut, count, _ = lanes.newest_cut(BASE)
    assert (count, cut[0]) == (1, LaneTip(Sequence(1), one.digest))
    walk = lanes.between(BASE, (LaneTip(Sequence(3), three.digest), *BASE[1:]))
    assert walk.missing == ((0, two.digest),)
    assert walk.chained


def test_a_cut_that_does_not_extend_by_chain_is_told() -> None:
    stranger = chain(0, 2, body=b"\x03")
    lanes = held(*chain(0, 2), *stranger)
    older = (LaneTip(Sequence(1), chain(0, 1)[0].digest), *BASE[1:])
    newer = (LaneTip(Sequence(2), stranger[1].digest), *BASE[1:])
    assert not lanes.between(older, newer).chained
    other_lane = (BASE[0], LaneTip(Sequence(2), stranger[1].digest), BASE[2])
    assert not lanes.between(BASE, other_lane).chained
    wrong_length = (LaneTip(Sequence(1), stranger[1].digest), *BASE[1:])
    assert not lanes.between(BASE, wrong_length).chained


def test_limits_of_a_block_bound_its_cut_and_lanes_take_turns() -> None:
    lanes = held(*chain(0, BLOCK_BATCHES_MAX + 5), *chain(1, 10))
    cut, count, _ = lanes.newest_cut(BASE)
    assert count == BLOCK_BATCHES_MAX
    assert [tip.length for tip in cut] == [BLOCK_BATCHES_MAX - 10, 10, 0]
    big = held(*chain(0, 9, size=BLOCK_BYTES_MAX // 4), *chain(1, 9, size=1000))
    _, _, size = big.newest_cut(BASE)
    assert size <= BLOCK_BYTES_MAX


def test_T35_a_forked_lane_is_frozen_and_both_branches_are_kept_until_one_is_final() -> None:
    ours, theirs = chain(1, 2), chain(1, 2, body=b"\x03")
    lanes = held(*ours, theirs[0], *chain(0, 1))
    assert lanes.frozen == {1}
    cut, _, _ = lanes.newest_cut(BASE)
    assert [tip.length for tip in cut] == [1, 0, 0]
    assert [batch.header.lane for batch in lanes.waiting(BASE, 0.0)] == [0]
    assert ours[0].digest in lanes
    assert theirs[0].digest in lanes
    final = (BASE[0], LaneTip(Sequence(1), theirs[0].digest), BASE[2])
    lanes.settle(final)
    assert ours[0].digest not in lanes
    assert theirs[0].digest not in lanes
    assert lanes.frozen == {1}


def test_what_is_final_or_foreign_is_not_kept() -> None:
    batches = chain(0, 5)
    lanes = held(*batches)
    lanes.settle((LaneTip(Sequence(5), batches[-1].digest), *BASE[1:]))
    assert lanes.size == 0
    lanes.add(batches[2])
    lanes.add(chain(7, 1)[0])
    assert lanes.size == 0
    assert lanes.lengths == (5, 0, 0)
