"""What peers ask for: answered from what is stored, and not without end (T31, T34)."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from tests.consensus import samples

from strongroom.consensus.blocks import Header
from strongroom.consensus.messages import RANGE_BLOCKS_MAX, REQUEST_DIGESTS_MAX, BatchMessage
from strongroom.consensus.statements import Certificate
from strongroom.consensus.types import Epoch, Height, PublicKey
from strongroom.node.ledger.archive.faults import SegmentMissing
from strongroom.node.mempool.batch_pool import BatchPool
from strongroom.node.network.pace import RANGE_BYTES_MAX, RANGE_BYTES_PER_SECOND
from strongroom.node.ordering.effects import SendBlocks, Tell
from strongroom.node.ordering.serving import (
    BURST_SECONDS,
    Serving,
)

ASKER, OTHER = (validator.node_key for validator in samples.EPOCH.validators[1:3])
SIZE = 100_000


@dataclass
class StandInPast:
    """Blocks of a size; those of some heights have no certificate of their own."""

    blocks: list[tuple[Header, Certificate | None]] = field(default_factory=list)
    size: int = SIZE
    away: set[int] = field(default_factory=set)
    """Heights that are archived."""
    wanted: list[int] = field(default_factory=list)

    @property
    def newest_block(self) -> int:
        return len(self.blocks)

    def is_at_hand(self, height: int) -> bool:
        if height in self.away:
            self.wanted.append(height)
        return height not in self.away

    def head_at(self, height: int) -> tuple[Header, Certificate | None]:
        return self.blocks[height - 1]

    def bytes_at(self, _: int) -> int:
        return self.size


@pytest.fixture
def past() -> StandInPast:
    made = StandInPast()
    add(made, 3, without={2})
    return made


def add(past: StandInPast, count: int, *, epochs: int = 0, without: set[int] = frozenset()) -> None:  # type: ignore[assignment]
    for _ in range(count):
        height = past.newest_block + 1
        block = replace(
            samples.HEADER, height=Height(height), epoch=Epoch(samples.HEADER.epoch + epochs)
        )
        past.blocks.append((block, None if height in without else samples.certificate("finalize")))


def ask(past: StandInPast, start: int, peer: PublicKey = ASKER) -> list[tuple[int, int]]:
    return spans(serving(past).range_from(peer, Height(start), 1.0))


def serving(past: StandInPast) -> Serving:
    loose: Any = past
    return Serving(loose, BatchPool(), loose)


def spans(effects: Any) -> list[tuple[int, int]]:
    assert all(isinstance(effect, SendBlocks) for effect in effects)
    return [(int(effect.first), int(effect.last)) for effect in effects]


def test_a_range_ends_with_a_block_that_has_a_certificate_of_its_own(past: StandInPast) -> None:
    assert ask(past, 1) == [(1, 3)]
    add(past, 2, without={4, 5})
    assert ask(past, 1) == [(1, 3)]
    assert ask(past, 4) == []


def test_T31_a_peer_that_asks_for_old_blocks_without_end_gets_them_at_a_pace(
    past: StandInPast,
) -> None:
    """T31: a range is read, checked and packed: a member that only asks would leave time for
    nothing else."""
    made = serving(past)
    asked = [made.range_from(ASKER, Height(1), 1.0) for _ in range(1000)]
    assert [spans(effects) for effects in asked if effects] == [[(1, 3)]]
    assert made.range_from(OTHER, Height(1), 1.0)
    assert not made.range_from(ASKER, Height(1), 1.0 + 2 * SIZE / RANGE_BYTES_PER_SECOND)
    assert made.range_from(ASKER, Height(1), 1.0 + 3 * SIZE / RANGE_BYTES_PER_SECOND)


def test_T31_a_range_is_bounded_in_blocks_and_bytes(past: StandInPast) -> None:
    add(past, 2 * RANGE_BLOCKS_MAX)
    assert ask(past, 1) == [(1, RANGE_BLOCKS_MAX)]
    past.size = RANGE_BYTES_MAX // 3
    assert ask(past, 1) == [(1, 3)]
    past.size = 2 * RANGE_BYTES_MAX
    assert ask(past, 1) == [(1, 1)], "one block always"


def test_T34_a_range_never_crosses_the_end_of_an_epoch(past: StandInPast) -> None:
    """R16: its certificate is of one epoch's quorum, and proves nothing of blocks of another."""
    add(past, 2, epochs=1)
    assert (ask(past, 2), ask(past, 4)) == ([(2, 3)], [(4, 5)])


def test_T31_a_peer_that_asks_for_one_batch_again_and_again_gets_it_at_a_pace() -> None:
    """T31: 9 KB of a request named one batch 256 times, each packed anew: 256 MiB."""
    payload = bytes(1024 * 1024)
    batch = replace(samples.BATCH, payload=payload)
    loose: Any = StandInPast()
    pool = BatchPool()
    pool.add(batch)
    made = Serving(loose, pool, loose)
    digest = batch.header.digest
    once = made.batches(ASKER, (digest,) * REQUEST_DIGESTS_MAX, 1.0)
    assert once == [Tell(ASKER, BatchMessage(batch))]
    told = sum(len(made.batches(ASKER, (digest,), 1.0)) for _ in range(1000))
    assert told * len(payload) <= 2 * BURST_SECONDS * RANGE_BYTES_PER_SECOND
    assert made.batches(OTHER, (digest,), 1.0)
    assert made.batches(ASKER, (digest,), 2.0)


def test_what_is_archived_is_fetched_first_and_no_oftener_than_at_a_pace(
    past: StandInPast,
) -> None:
    """T31: whoever asks for old blocks would have this node read its archive without end."""
    past.away = {1, 2}
    made = serving(past)
    assert not any(made.range_from(ASKER, Height(1), 1.0 + n / 1000) for n in range(100))
    assert past.wanted == [1]
    past.away = {3}
    assert spans(made.range_from(ASKER, Height(1), 2.0)) == [(1, 1)], "what is at hand"
    assert past.wanted == [1, 3]


def test_a_block_that_was_recalled_and_made_room_is_asked_for_again(past: StandInPast) -> None:
    def gone(_: int) -> int:
        raise SegmentMissing(Path("blocks-000000000001.log"), 1, 2, "cannot be read")

    made = serving(past)
    past.bytes_at = gone  # type: ignore[method-assign]
    assert made.range_from(ASKER, Height(1), 1.0) == []
    del past.bytes_at
    assert made.range_from(ASKER, Height(1), 1.1) == [], "at a pace"
    assert made.range_from(ASKER, Height(1), 2.0)
