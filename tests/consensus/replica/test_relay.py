"""Who passes a certificate on, when, and to whom (R2, PROTOCOL §7): few at once, all others later
and only to those that have not shown to hold it."""

import pytest
from tests.consensus.bench import Cluster, F, X

from strongroom.consensus.replica.relay import FIRST_TURN, Relay, has_turn
from strongroom.consensus.types import Digest, SignerIndex, View

DIGEST = Digest(b"d" * 32)
SIZE = 16
CLUSTER = Cluster(SIZE)


def relay_of(own: int) -> Relay:
    others = tuple(SignerIndex(index) for index in range(SIZE) if index != own)
    return Relay(SignerIndex(own), others)


def held(own: int, view: int = 5) -> Relay:
    relay = relay_of(own)
    relay.hold(CLUSTER.certificate(F, view, DIGEST), 1.0, first=0.1, later=1.0)
    return relay


@pytest.mark.parametrize("size", [1, 4, 7, 16, 31, 256])
def test_as_many_as_a_turn_has_pass_each_thing_on_first_and_everybody_comes_to_it(
    size: int,
) -> None:
    turns = [
        [index for index in range(size) if has_turn(SignerIndex(index), size, draw)]
        for draw in range(size)
    ]
    assert {len(turn) for turn in turns} == {min(size, FIRST_TURN)}
    assert {index for turn in turns[: -(-size // FIRST_TURN)] for index in turn} == set(range(size))
    assert not has_turn(None, size, 0)


def test_few_send_a_certificate_soon_and_all_others_later() -> None:
    soon = [own for own in range(SIZE) if held(own).due(1.2)]
    assert len(soon) == FIRST_TURN
    for own in set(range(SIZE)) - set(soon):
        relay = held(own)
        assert relay.deadline == 2.0
        (send,) = relay.due(2.0)
        assert send.to is None
        assert relay.deadline is None


def test_whoever_says_that_it_holds_F_or_is_past_the_next_view_is_sent_none() -> None:
    own = next(own for own in range(SIZE) if not held(own).due(1.2))
    relay = held(own)
    others = [SignerIndex(index) for index in range(SIZE) if index != own]
    relay.seen(others[0], View(6))
    relay.seen(others[1], View(6), View(5))
    relay.seen(others[2], View(7))
    relay.seen(others[3], View(6), View(4))
    assert [send.to for send in relay.due(2.0)] == [others[0], *others[3:]]


def test_a_nullified_view_is_of_no_interest_to_whoever_is_past_it_whatever_it_holds_final() -> None:
    own = next(own for own in range(SIZE) if held(own).due(1.2))
    relay = relay_of(own)
    relay.hold(CLUSTER.certificate(X, 5), 1.0, first=0.1, later=1.0)
    others = [SignerIndex(index) for index in range(SIZE) if index != own]
    relay.seen(others[0], View(5), View(4))
    relay.seen(others[1], View(6), View(4))
    assert {send.to for send in relay.due(1.1)} == {others[0], *others[2:]}
