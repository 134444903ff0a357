"""Envelopes are taken all or none, bounded, once, and leave in order."""

import asyncio
from hashlib import sha256

import pytest
from tests.hang import HANG_SECONDS

from strongroom.consensus.batches import BATCH_BYTES_MAX, BATCH_ENVELOPES_MAX, encode_payload
from strongroom.enclave.proofs.block_data import ENVELOPE_BYTES_MEAN_MIN, SMALL_ENVELOPES_MAX
from strongroom.node.config import Limits
from strongroom.node.faults import Overloaded, TooLarge
from strongroom.node.mempool.mempool import BATCH_ENVELOPES_GOAL, LATE_SECONDS_MAX, Mempool
from strongroom.node.mempool.waiters import Waiters


class _Lane:
    """A lane whose next batch is due at a time of the loop's clock, long ago by default."""

    def __init__(self, batch_due: float | None = 0.0) -> None:
        self.batch_due = batch_due
        self.throttled = False


def _mempool(**limits: int) -> Mempool:
    return Mempool(Waiters(lambda refused: None), Limits(**limits), envelope_bytes_max=1000)


def _envelopes(count: int, size: int = 100) -> list[bytes]:
    return [number.to_bytes(4, "big") * (size // 4) for number in range(count)]


async def test_envelopes_leave_in_the_order_in_which_they_came() -> None:
    pool = _mempool()
    first, second = _envelopes(10)[:5], _envelopes(10)[5:]
    pool.submit(first, wait=False)
    pool.submit(second, wait=False)
    assert await pool.next_batch(_Lane()) == first + second


async def test_what_the_node_itself_says_leaves_before_all_that_waits() -> None:
    pool = _mempool()
    waiting = _envelopes(10)
    pool.submit(waiting, wait=False)
    pool.submit([b"first word"], wait=False, first=True)
    pool.submit([b"second word"], wait=False, first=True)
    taken = await pool.next_batch(_Lane())
    assert set(taken[:2]) == {b"first word", b"second word"}
    assert taken[2:] == waiting


async def test_a_full_mempool_takes_nothing_of_a_frame_and_says_when_to_come_back() -> None:
    pool = _mempool(mempool_envelopes_max=10)
    pool.submit(_envelopes(6), wait=False)
    with pytest.raises(Overloaded) as refused:
        pool.submit([b"a" * 8, b"b" * 8, b"c" * 8, b"d" * 8, b"e" * 8], wait=False)
    assert refused.value.data["retry_after_ms"]
    assert pool.envelopes == 6
    assert await pool.next_batch(_Lane()) == _envelopes(6)


async def test_bytes_are_bounded_too_and_come_free_when_executed() -> None:
    pool = _mempool(mempool_bytes_max=1000)
    ids = pool.submit(_envelopes(10), wait=False)
    assert isinstance(ids, list)
    with pytest.raises(Overloaded):
        pool.submit([b"x"], wait=False)
    pool.executed([(id, 0) for id in ids])
    assert (pool.envelopes, pool.held_bytes) == (0, 0)
    pool.submit([b"x"], wait=False)


async def test_what_is_remembered_from_the_log_counts_once_and_comes_free_when_executed() -> None:
    pool = _mempool()
    envelopes = _envelopes(3)
    pool.remember([*envelopes, envelopes[0]])
    pool.remember(envelopes[:2])
    assert (pool.envelopes, pool.held_bytes) == (3, 300)
    pool.executed([(sha256(envelope).digest(), 0) for envelope in envelopes])
    assert (pool.envelopes, pool.held_bytes) == (0, 0)


async def test_an_envelope_over_the_limit_is_refused_with_the_limit() -> None:
    pool = _mempool()
    with pytest.raises(TooLarge, match="1000"):
        pool.submit([b"y" * 1001], wait=False)
    assert pool.envelopes == 0


async def test_a_resent_envelope_is_batched_once() -> None:
    pool = _mempool()
    first = pool.submit([b"same"], wait=False)
    assert pool.submit([b"same"], wait=False) == first
    assert await pool.next_batch(_Lane()) == [b"same"]


async def test_a_batch_never_exceeds_what_its_header_may_say() -> None:
    pool = Mempool(Waiters(lambda refused: None), Limits(), envelope_bytes_max=100_000)
    large = [bytes([number]) * 90_000 for number in range(30)]
    pool.submit(large, wait=False)
    taken = await pool.next_batch(_Lane())
    assert len(encode_payload(taken)) <= BATCH_BYTES_MAX
    assert taken == large[: len(taken)]
    small = _envelopes(BATCH_ENVELOPES_MAX + 5, size=40)
    pool = _mempool()
    pool.submit(small, wait=False)
    assert len(await pool.next_batch(_Lane())) == BATCH_ENVELOPES_MAX
    assert len(await pool.next_batch(_Lane())) == 5


async def test_a_batch_waits_for_company_until_a_leader_could_take_it() -> None:
    pool = _mempool()
    clock = asyncio.get_running_loop().time
    pool.submit([b"early"], wait=False)
    due = clock() + 0.01
    making = asyncio.ensure_future(pool.next_batch(_Lane(due)))
    await asyncio.sleep(0)
    pool.submit([b"late"], wait=False)
    assert await making == [b"early", b"late"]
    assert clock() >= due


async def test_a_batch_that_is_due_goes_at_once() -> None:
    pool = _mempool()
    pool.submit([b"lone"], wait=False)
    making = asyncio.ensure_future(pool.next_batch(_Lane()))
    await asyncio.sleep(0)
    assert making.done()


async def test_a_batch_that_is_not_due_in_this_view_goes_in_the_next_one() -> None:
    pool = _mempool()
    lane = _Lane(batch_due=None)
    pool.submit([b"early"], wait=False)
    making = asyncio.ensure_future(pool.next_batch(lane))
    await asyncio.sleep(0)
    lane.batch_due = 0.0
    pool.look()
    assert await making == [b"early"]


async def test_a_batch_never_waits_longer_for_a_view_that_does_not_end() -> None:
    pool = _mempool()
    clock = asyncio.get_running_loop().time
    began = clock()
    pool.submit([b"early"], wait=False)
    assert await pool.next_batch(_Lane(batch_due=None)) == [b"early"]
    assert clock() - began >= LATE_SECONDS_MAX


class _LaneThatPutsOff:
    """Its batch is always due a little later: a view that does not end, as it is reckoned."""

    throttled = False

    @property
    def batch_due(self) -> float:
        return asyncio.get_running_loop().time() + LATE_SECONDS_MAX / 8


async def test_a_batch_that_is_put_off_again_and_again_goes_at_last() -> None:
    pool = _mempool()
    pool.submit([b"early"], wait=False)
    async with asyncio.timeout(HANG_SECONDS):
        assert await pool.next_batch(_LaneThatPutsOff()) == [b"early"]


async def test_a_batch_that_is_full_does_not_wait() -> None:
    pool = _mempool()
    pool.submit(_envelopes(3), wait=False)
    making = asyncio.ensure_future(pool.next_batch(_Lane(batch_due=None)))
    await asyncio.sleep(0)
    pool.submit(_envelopes(BATCH_ENVELOPES_GOAL + 3)[3:], wait=False)
    for _ in range(10):
        await asyncio.sleep(0)
    assert making.done()


async def test_a_flood_of_tiny_envelopes_never_makes_a_batch_void_that_holds_others() -> None:
    """A void batch holds nothing (enclave/proofs/block_data.py): what was accepted beside them
    would be lost."""
    pool = _mempool()
    sound = _envelopes(3, 400)
    tiny = [number.to_bytes(4, "big") for number in range(1000)]
    pool.submit([*tiny[:500], sound[0], *tiny[500:], *sound[1:]], wait=False)
    left: list[bytes] = []
    while len(left) < 1003:
        batch = await pool.next_batch(_Lane())
        assert (
            len(batch) <= SMALL_ENVELOPES_MAX
            or len(encode_payload(batch)) >= len(batch) * ENVELOPE_BYTES_MEAN_MIN
        )
        left += batch
    assert left == [*tiny[:500], sound[0], *tiny[500:], *sound[1:]]
