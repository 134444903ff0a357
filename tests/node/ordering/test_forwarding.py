"""Two hops of a batch (PROTOCOL §3, FORWARD): everybody gets it once, whoever leads next first, and
nobody passes on what is not its sender's."""

from dataclasses import replace

import pytest
from tests.consensus import samples

from strongroom.consensus.batches import Batch
from strongroom.consensus.errors import PeerFault
from strongroom.consensus.messages import FORWARD_TO_MAX, BatchMessage, Forward
from strongroom.consensus.types import Lane, PublicKey, SignerIndex
from strongroom.consensus.validators import VALIDATORS_MAX
from strongroom.node.ordering.forwarding import DIRECT_SECONDS, ForwardBounds, Forwarding

KEYS = tuple(PublicKey(bytes((index // 256, index % 256)) * 16) for index in range(VALIDATORS_MAX))
OWN = SignerIndex(3)


def batch_of(lane: int, size: int) -> Batch:
    header = replace(samples.BATCH.header, lane=Lane(lane), size=size)
    return replace(samples.BATCH, header=header)


LARGE = batch_of(OWN, ForwardBounds().bytes_min)


def leaders(size: int) -> tuple[SignerIndex, ...]:
    return tuple(SignerIndex((7 + 5 * turn) % size) for turn in range(size))


@pytest.mark.parametrize("size", [16, 17, 31, 100, 256])
def test_everybody_gets_a_large_batch_once_over_two_hops_and_the_next_leaders_over_one(
    size: int,
) -> None:
    keys = KEYS[:size]
    origin = Forwarding(keys, OWN, ForwardBounds())
    first = origin.copies(LARGE, leaders(size), keys, 1.0)
    got = []
    for key, message in first:
        assert isinstance(message, Forward)
        assert key is not None
        assert len(message.to) <= FORWARD_TO_MAX
        got.append(key)
        relay = Forwarding(keys, SignerIndex(keys.index(key)), ForwardBounds())
        relay.check(OWN, message)
        second = relay.passed_on(message)
        assert all(passed == BatchMessage(LARGE) for _, passed in second)
        got += [to for to, _ in second]
    assert sorted(got) == sorted(set(keys) - {keys[OWN]})
    assert len(first) <= -(-(size**0.5) // 1) + 1
    soon = [leader for leader in leaders(size) if leader != OWN][: len(first)]
    assert {key for key, _ in first} == {keys[leader] for leader in soon}


def test_small_sets_and_small_batches_go_to_all_at_once() -> None:
    for size, batch in ((15, LARGE), (31, batch_of(OWN, ForwardBounds().bytes_min - 1))):
        copies = Forwarding(KEYS[:size], OWN, ForwardBounds()).copies(
            batch, leaders(size), KEYS[:size], 1.0
        )
        assert copies == [(None, BatchMessage(batch))]


def test_nobody_who_cannot_be_reached_is_asked_and_too_few_are_not_asked_either() -> None:
    keys, origin = KEYS[:16], Forwarding(KEYS[:16], OWN, ForwardBounds())
    away = keys[leaders(16)[0]]
    copies = origin.copies(LARGE, leaders(16), set(keys) - {away}, 1.0)
    assert away not in {key for key, _ in copies}
    assert any(
        keys.index(away) in message.to for _, message in copies if isinstance(message, Forward)
    )
    assert origin.copies(LARGE, leaders(16), keys[:2], 1.0) == [(None, BatchMessage(LARGE))]


def test_nodes_that_only_follow_get_it_from_its_origin() -> None:
    follower = KEYS[200]
    origin = Forwarding(KEYS[:16], OWN, ForwardBounds())
    copies = origin.copies(LARGE, leaders(16), {*KEYS[:16], follower}, 1.0)
    assert copies[-1] == (follower, BatchMessage(LARGE))


def test_after_a_batch_that_stayed_unordered_an_origin_sends_to_all_itself_for_a_while() -> None:
    origin = Forwarding(KEYS[:16], OWN, ForwardBounds())
    origin.distrust(LARGE.header.digest, 1.0)
    assert len(origin.copies(LARGE, leaders(16), KEYS[:16], 1.0)) > 1, "nobody was asked yet"
    origin.distrust(LARGE.header.digest, 5.0)
    assert len(origin.copies(LARGE, leaders(16), KEYS[:16], 5.0 + DIRECT_SECONDS / 2)) == 1
    assert len(origin.copies(LARGE, leaders(16), KEYS[:16], 5.0 + DIRECT_SECONDS)) > 1


@pytest.mark.parametrize("size", [16, 17, 31, 100, 256])
def test_T35_nobody_is_asked_to_pass_on_more_than_an_honest_origin_asks_for(size: int) -> None:
    origin = Forwarding(KEYS[:size], OWN, ForwardBounds())
    copies = origin.copies(LARGE, leaders(size), KEYS[:size], 1.0)
    largest = max(len(message.to) for _, message in copies if isinstance(message, Forward))
    relay = Forwarding(KEYS[:size], SignerIndex(size - 1), ForwardBounds())
    others = tuple(SignerIndex(index) for index in range(size - 1) if index != OWN)
    relay.check(OWN, Forward(LARGE, others[:largest]))
    for to in (
        others[: largest + 1],
        (*others[: largest - 1], SignerIndex(size - 1)),
        (OWN, *others[3 : largest + 2]),
    ):
        with pytest.raises(PeerFault, match="no share"):
            relay.check(OWN, Forward(LARGE, to))


@pytest.mark.parametrize(
    ("size", "batch"),
    [
        (1, LARGE),
        (4, LARGE),
        (15, LARGE),
        (31, batch_of(OWN, ForwardBounds().bytes_min - 1)),
    ],
)
def test_T35_what_goes_to_all_at_once_is_passed_on_by_nobody(size: int, batch: Batch) -> None:
    relay = Forwarding(KEYS[:size], SignerIndex(0), ForwardBounds())
    with pytest.raises(PeerFault, match="all at once"):
        relay.check(OWN, Forward(batch, ()))


def test_another_lanes_batch_and_unknown_receivers_are_refused() -> None:
    relay = Forwarding(KEYS[:16], SignerIndex(1), ForwardBounds())
    with pytest.raises(PeerFault, match="lane 3 by validator 2"):
        relay.check(SignerIndex(2), Forward(LARGE, (SignerIndex(4),)))
    with pytest.raises(PeerFault, match="none of"):
        relay.check(OWN, Forward(LARGE, (SignerIndex(16),)))
