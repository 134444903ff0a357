"""Held batches: bounded per origin, but for those that a block names (T35)."""

from dataclasses import replace

import pytest
from tests.consensus import samples

from strongroom.consensus.batches import Batch
from strongroom.consensus.errors import PeerFault
from strongroom.consensus.types import Digest, Sequence
from strongroom.node.mempool.batch_pool import ORIGIN_BYTES_MAX, WANTED_MAX, BatchPool


def batch_of(size: int, sequence: int) -> Batch:
    """As large as its header says; the payload is not looked at here."""
    return Batch(
        replace(samples.BATCH_HEADER, size=size, sequence=Sequence(sequence)),
        b"",
        samples.signature(1),
    )


def test_T35_an_origin_over_its_quota_is_refused_unless_a_block_names_the_batch() -> None:
    pool = BatchPool()
    pool.add(batch_of(ORIGIN_BYTES_MAX, 0))
    with pytest.raises(PeerFault, match="unordered bytes"):
        pool.admit(batch_of(1, 1), wanted=False)
    pool.admit(batch_of(1, 1), wanted=True)


def test_T35_a_batch_is_wanted_until_it_came() -> None:
    pool = BatchPool()
    digest = samples.BATCH_HEADER.digest
    pool.want([digest])
    assert [pool.arrived(digest), pool.arrived(digest)] == [True, False]


def test_T35_names_of_batches_that_never_come_do_not_pile_up() -> None:
    pool = BatchPool()
    for number in range(WANTED_MAX + 2):
        pool.want([Digest(number.to_bytes(32, "big"))])
    assert pool.arrived(Digest((WANTED_MAX + 1).to_bytes(32, "big")))
    assert not pool.arrived(Digest(bytes(32)))
