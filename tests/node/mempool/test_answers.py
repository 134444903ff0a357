"""Who waits gets the place of its transaction, once, and nobody else's."""

import asyncio
import threading
from functools import partial

import pytest

from strongroom.consensus.errors import InvariantBroken
from strongroom.consensus.types import Height, TransactionId
from strongroom.node.ledger.place import Place
from strongroom.node.mempool.waiters import Waiters

FIRST, SECOND = TransactionId(b"\x01" * 32), TransactionId(b"\x02" * 32)


def _place(
    id: TransactionId, *, height: int, index: int, code: int = 0, result: bytes = b"sealed"
) -> Place:
    return Place(id, Height(height), index, code, result)


async def test_a_frame_is_answered_when_its_last_transaction_is_executed() -> None:
    answers = Waiters(lambda refused: None)
    future = answers.expect([FIRST, SECOND])
    answers.settle(5, [(SECOND, 0)], lambda position: b"two")
    assert not future.done()
    answers.settle(6, [(b"\x09" * 32, 0), (FIRST, 0)], lambda position: b"one")
    assert await future == [
        _place(FIRST, height=6, index=1, result=b"one"),
        _place(SECOND, height=5, index=0, result=b"two"),
    ]
    assert len(answers) == 0


async def test_a_refused_retry_is_answered_with_the_place_where_it_took_effect() -> None:
    took_effect = _place(FIRST, height=3, index=7)
    answers = Waiters(lambda refused: took_effect if refused.id == FIRST else None)
    future = answers.expect([FIRST])
    answers.settle(9, [(FIRST, 1)], lambda position: None)
    assert await future == [took_effect]


async def test_a_refusal_that_never_took_effect_is_answered_with_its_code_and_no_sealed_bytes() -> (
    None
):
    answers = Waiters(lambda refused: None)
    future = answers.expect([FIRST])
    answers.settle(9, [(FIRST, 3)], lambda position: None)
    assert await future == [_place(FIRST, height=9, index=0, code=3, result=b"")]


async def test_one_id_in_two_frames_and_twice_in_one_answers_all() -> None:
    answers = Waiters(lambda refused: None)
    one, two = answers.expect([FIRST]), answers.expect([FIRST, FIRST])
    answers.settle(1, [(FIRST, 0)], lambda position: b"r")
    assert len(await one) == 1
    assert len(await two) == 2


async def test_a_caller_that_goes_away_leaves_nothing_behind() -> None:
    answers = Waiters(lambda refused: None)
    kept, left = answers.expect([FIRST]), answers.expect([FIRST, SECOND])
    left.cancel()
    await asyncio.sleep(0)
    assert len(answers) == 1
    answers.settle(1, [(FIRST, 0), (SECOND, 0)], lambda position: b"r")
    assert (await kept)[0].id == FIRST
    assert len(answers) == 0


async def test_T31_what_took_effect_before_is_read_beside_the_event_loop_one_at_a_time() -> None:
    gate, threads = threading.Event(), set[threading.Thread]()

    def read(id: TransactionId) -> Place:
        gate.wait()
        threads.add(threading.current_thread())
        return _place(id, height=3, index=7)

    answers = Waiters(lambda refused: partial(read, refused.id))
    one, gone, other = (answers.expect([id]) for id in (FIRST, FIRST, SECOND))
    answers.settle(9, [(FIRST, 1), (SECOND, 1)], lambda position: None)
    assert not one.done()
    gone.cancel()
    fresh = answers.expect([TransactionId(b"\x03" * 32)])
    answers.settle(10, [(b"\x03" * 32, 0)], lambda position: b"new")
    assert (await fresh)[0].height == 10  # who comes new waits for none of them
    gate.set()
    assert await one == [_place(FIRST, height=3, index=7)]
    assert await other == [_place(SECOND, height=3, index=7)]
    assert threading.main_thread() not in threads
    assert len(answers) == 0


async def test_a_place_that_cannot_be_read_fails_who_waits_and_nobody_else() -> None:
    def read(id: TransactionId) -> Place:
        if id == FIRST:
            raise OSError("the disk")
        return _place(id, height=3, index=7)

    answers = Waiters(lambda refused: partial(read, refused.id))
    for _ in range(2):  # also once there was nothing to read
        one, other = answers.expect([FIRST]), answers.expect([SECOND])
        answers.settle(9, [(FIRST, 1), (SECOND, 1)], lambda position: None)
        with pytest.raises(OSError, match="the disk"):
            await one
        assert (await other)[0].index == 7


async def test_a_bug_that_a_thread_meets_ends_what_runs_beside_everything_else() -> None:
    """A node ends with it; whoever waited is no guard of the ledger."""

    def broken() -> Place:
        raise InvariantBroken("in the index, and no outcome")

    futures: list[asyncio.Future[list[Place]]] = []

    async def node() -> None:
        async with asyncio.TaskGroup() as tasks:
            begun = set[asyncio.Task[None]]()
            answers = Waiters(lambda _: broken, lambda work: begun.add(tasks.create_task(work)))
            futures.append(answers.expect([FIRST]))
            answers.settle(9, [(FIRST, 1)], lambda position: None)

    with pytest.raises(ExceptionGroup) as ended:
        await node()
    assert [type(one) for one in ended.value.exceptions] == [InvariantBroken]
    with pytest.raises(InvariantBroken):
        await futures[0]
