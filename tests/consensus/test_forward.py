"""FORWARD and what a laggard asks when others have gone on (PROTOCOL §3, R14)."""

import pytest
from tests.consensus import samples
from tests.consensus.bench import F
from tests.consensus.test_rules import follower

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.messages import (
    FORWARD,
    FORWARD_TO_MAX,
    Forward,
    StatusBody,
    decode_message,
    encode_message,
)
from strongroom.consensus.messages import Status as StatusMessage
from strongroom.consensus.replica.events import BatchRelay, Received
from strongroom.consensus.types import (
    NO_DIGEST,
    Epoch,
    Height,
    Sequence,
    Signature,
    SignerIndex,
    View,
)


def wire(to: tuple[int, ...]) -> bytes:
    return codec.encode((FORWARD, *samples.BATCH.to_wire(), to))


def test_receivers_ascend_and_are_few() -> None:
    genuine = Forward(samples.BATCH, (SignerIndex(2), SignerIndex(9)))
    assert decode_message(encode_message(genuine)) == genuine
    assert decode_message(wire(())) == Forward(samples.BATCH, ())
    for bad in ((9, 2), (2, 2), (2, 256), tuple(range(FORWARD_TO_MAX + 1))):
        with pytest.raises(NotCanonical):
            decode_message(wire(bad))


def test_R14_a_final_block_whose_batches_do_not_come_is_asked_for_as_a_range() -> None:
    """Others have executed it, and hold its batches in their stores alone."""
    bench = follower()
    batch = bench.cluster.batch(lane=1)
    header = bench.cluster.header(batches=[batch])
    bench.propose(bench.cluster.proposal(header))
    bench.certify(F, 1, header.digest)
    asked = [ask for _ in range(8) for ask in bench.tick(0.1).ask]
    assert any(ask.batches == (batch.digest,) for ask in asked)
    assert any(ask.range_from == 1 for ask in asked)
    bench.hold(batch)
    assert not [ask for _ in range(8) for ask in bench.tick(0.1).ask]


def test_waiting_batches_are_sent_again_only_to_who_has_not_shown_to_hold_them() -> None:
    bench = follower()
    batch = bench.cluster.batch(lane=1)
    peers = [SignerIndex(index) for index in range(4) if index != bench.own]

    def shows(peer: SignerIndex, length: int) -> None:
        lanes = tuple(Sequence(length if lane == 1 else 0) for lane in range(4))
        body = StatusBody(
            Epoch(0), View(1), View(0), Height(0), NO_DIGEST, Height(0), lanes, Height(1)
        )
        bench.step(Received(peer, StatusMessage(body, Signature(bytes(64)))))

    bench.hold(batch)
    shows(peers[0], 1)
    shows(peers[1], 0)
    relays = [relay for _ in range(12) for relay in bench.tick(0.1).relay]
    assert relays[0] == BatchRelay(batch.digest, (peers[1], peers[2]), late=True)
    shows(peers[1], 1)
    shows(peers[2], 1)
    assert not [relay for _ in range(40) for relay in bench.tick(0.1).relay]
