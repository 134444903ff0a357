"""No organisation takes another's room or turn."""

import pytest

from strongroom.consensus.batches import BATCH_BYTES_MAX
from strongroom.consensus.types import TransactionId
from strongroom.node.config import Limits
from strongroom.node.faults import Overloaded
from strongroom.node.mempool.fair_queue import FairQueue
from strongroom.node.mempool.mempool import Mempool
from strongroom.node.mempool.waiters import Waiters


def queue(**weights: int) -> FairQueue:
    return FairQueue(weights.items(), 10_000, 2**30)


def named(name: str, count: int, size: int = 1000) -> list[bytes]:
    return [f"{name}{number:06}".encode().ljust(size, b".") for number in range(count)]


def test_a_modest_organisation_waits_for_one_turn_of_a_greedy_one_only() -> None:
    waiting = queue(greedy=1, modest=1)
    for envelope in named("g", 5_000):
        waiting.extend(waiting.share_of("greedy"), [envelope])
    for envelope in named("m", 10):
        waiting.extend(waiting.share_of("modest"), [envelope])
    batches = [waiting.take(200, BATCH_BYTES_MAX, 5) for _ in range(2)]
    assert [one for batch in batches for one in batch if one[:1] == b"m"] == named("m", 10)


def test_turns_go_by_weight_in_bytes() -> None:
    waiting = queue(one=1, three=3)
    for name in ("one", "three"):
        for envelope in named(name[0], 3_000):
            waiting.extend(waiting.share_of(name), [envelope])
    taken = [waiting.take(100, BATCH_BYTES_MAX, 5) for _ in range(26)]
    counts = [sum(one[:1] == letter for batch in taken for one in batch) for letter in (b"o", b"t")]
    assert 2.5 < counts[1] / counts[0] < 3.5


def test_each_organisation_leaves_in_its_own_order_and_nothing_is_lost() -> None:
    waiting = queue(a=1, b=2)
    for x, y in zip(named("a", 500, 700), named("b", 500, 1900), strict=True):
        waiting.extend(waiting.share_of("a"), [x])
        waiting.extend(waiting.share_of("b"), [y])
    taken: list[bytes] = []
    while waiting:
        batch = waiting.take(64, 100_000, 5)
        assert batch
        assert sum(len(one) + 5 for one in batch) <= 100_000
        taken += batch
    assert [one for one in taken if one[:1] == b"a"] == named("a", 500, 700)
    assert [one for one in taken if one[:1] == b"b"] == named("b", 500, 1900)


def test_what_the_epoch_before_left_goes_first() -> None:
    waiting = queue(a=1)
    for envelope in named("a", 5):
        waiting.extend(waiting.share_of("a"), [envelope])
    waiting.extend(waiting.own, [b"later"])
    waiting.put_first(named("left", 3))
    assert waiting.take(100, BATCH_BYTES_MAX, 5)[:4] == [*named("left", 3), b"later"]


def test_a_full_share_leaves_the_others_their_room_and_refusals_are_told() -> None:
    told: list[tuple[str, int]] = []
    pool = Mempool(
        Waiters(lambda refused: None),
        Limits(mempool_envelopes_max=20),
        envelope_bytes_max=1_000,
        weights=[("greedy", 1), ("modest", 1)],
        on_refused=lambda name, count: told.append((name, count)),
    )
    ids = pool.submit(named("g", 10, 100), wait=False, organisation="greedy")
    with pytest.raises(Overloaded):
        pool.submit([b"one more"], wait=False, organisation="greedy")
    pool.submit(named("m", 10, 100), wait=False, organisation="modest")
    assert isinstance(ids, list)
    pool.executed([(id, 4 if at < 3 else 0) for at, id in enumerate(ids)])
    assert told == [("greedy", 3)]
    pool.executed([(TransactionId(bytes(32)), 4)])
    assert told == [("greedy", 3)], "what others submitted costs nobody here"
    pool.submit([b"one more"], wait=False, organisation="greedy")
