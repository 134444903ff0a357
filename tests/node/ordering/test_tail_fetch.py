"""Fetching the end of an epoch: whoever answers is asked again, whoever does not is asked no more
(R16)."""

from strongroom.consensus.types import Height, PublicKey
from strongroom.node.ordering.tail_fetch import ANSWER_SECONDS, LOOK_SECONDS, TailFetch

PEERS = [PublicKey(bytes([index]) * 32) for index in range(3)]


def test_nobody_is_asked_before_there_is_something_to_fetch() -> None:
    tail = TailFetch()
    assert (tail.whom(Height(1), PEERS, 9.0, overfull=False), tail.deadline) == (None, None)


def test_one_after_the_other_is_asked_until_one_answers_and_that_one_again_at_once() -> None:
    tail = TailFetch()
    tail.begin(1.0)
    first = tail.whom(Height(1), PEERS, 1.0, overfull=False)
    assert tail.whom(Height(1), PEERS, 1.0 + ANSWER_SECONDS / 2, overfull=False) is None
    second = tail.whom(Height(1), PEERS, 1.0 + ANSWER_SECONDS, overfull=False)
    third = tail.whom(Height(65), PEERS, 1.01 + ANSWER_SECONDS, overfull=False)
    assert first is not None
    assert (first != second, second) == (True, third)
    assert tail.whom(Height(65), PEERS, 1.02 + ANSWER_SECONDS, overfull=False) is None
    tail.end()
    assert tail.deadline is None


def test_while_execution_is_behind_nothing_is_asked_and_then_soon() -> None:
    tail = TailFetch()
    tail.begin(1.0)
    assert tail.whom(Height(1), PEERS, 1.0, overfull=True) is None
    assert tail.whom(Height(1), PEERS, 1.0 + LOOK_SECONDS, overfull=False) in PEERS


def test_without_anybody_to_ask_it_waits() -> None:
    tail = TailFetch()
    tail.begin(1.0)
    assert tail.whom(Height(1), [], 1.0, overfull=False) is None
    assert tail.deadline == 1.0 + ANSWER_SECONDS
