"""q heads over one's own nonce, or nothing is fresh (T05, T15)."""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256

import pytest
from tests.enclave.chain import EPOCH, Chain
from tests.enclave.fixtures import make_cluster_genesis

from strongroom.consensus.errors import InvariantBroken, PeerFault
from strongroom.consensus.heads import Head, HeadBody
from strongroom.consensus.statements import Kind
from strongroom.consensus.types import Epoch, Milliseconds, PublicKey, Signature, View
from strongroom.enclave.primitives import SigningKey, verify
from strongroom.enclave.proofs.heads import FreshPoint, check_heads

NONCE = sha256(b"my nonce").digest()


@pytest.fixture
def chain() -> Chain:
    chain = Chain()
    for _ in range(3):
        chain.commit()
    return chain


def head_by(chain: Chain, index: int, body: HeadBody) -> Head:
    """A head that a member's enclave signed."""
    return signed_for(chain, chain.cluster.keys[index].node, body)


def signed_for(chain: Chain, key: SigningKey, body: HeadBody) -> Head:
    return Head(body, key.public, key.sign(body.signed_bytes(chain.genesis.chain)))


def body_at(
    chain: Chain, height: int, *, notarized: int | None = None, nonce: bytes = NONCE
) -> HeadBody:
    if height == 0:
        return HeadBody(nonce, EPOCH, chain.genesis.header, None, None, ())
    header = chain.blocks[height - 1].header
    above = (
        None
        if notarized is None
        else chain.certificate(chain.blocks[notarized - 1].header, Kind.NOTARIZE)
    )
    return HeadBody(nonce, EPOCH, header, chain.certificate(header), above, ())


def check(chain: Chain, heads: Sequence[Head], nonce: bytes = NONCE) -> FreshPoint:
    return check_heads(heads, nonce, chain.epochs, verify)


def test_T05_the_highest_of_q_heads_counts(chain: Chain) -> None:
    heights = (1, 3, 2)
    point = check(
        chain,
        [head_by(chain, index, body_at(chain, height)) for index, height in enumerate(heights)],
    )
    assert (point.height, point.header, point.members) == (3, chain.blocks[2].header, (0, 1, 2))
    assert point.certificate == chain.certificate(chain.blocks[2].header)
    assert point.view == chain.blocks[2].header.view


def test_T05_a_notarized_block_above_raises_the_view(chain: Chain) -> None:
    heads = [
        head_by(chain, index, body_at(chain, 1, notarized=3 if index == 2 else None))
        for index in range(3)
    ]
    point = check(chain, heads)
    assert (point.height, point.view) == (1, chain.blocks[2].header.view)


def test_T05_four_that_start_together_are_fresh_at_genesis(chain: Chain) -> None:
    assert (
        check(chain, [head_by(chain, index, body_at(chain, 0)) for index in range(4)]).height == 0
    )


@pytest.mark.parametrize("count", [0, 1, 2])
def test_T05_fewer_than_q_heads_are_not_enough(chain: Chain, count: int) -> None:
    with pytest.raises(PeerFault, match="3 are needed"):
        check(chain, [head_by(chain, index, body_at(chain, 3)) for index in range(count)])


def test_T15_one_member_counts_once(chain: Chain) -> None:
    """T15: an evicted or lying node cannot answer for the others."""
    twice = [head_by(chain, 0, body_at(chain, height)) for height in (1, 2, 3, 3)]
    with pytest.raises(PeerFault, match="1 good heads"):
        check(chain, twice)


def spoilt(chain: Chain) -> dict[str, Head]:
    """Heads that must not count, each with one thing wrong."""
    good = head_by(chain, 2, body_at(chain, 2))
    body = good.body
    stranger = Chain(make_cluster_genesis(3, programs=("payments", "probe", "system")))
    late = body_at(chain, 3).certificate
    unsigned = replace(good, signature=Signature(bytes(64)))
    cut = chain.certificate(body.header, signers=(0, 1))
    notarize, final = (
        chain.certificate(body.header, kind) for kind in (Kind.NOTARIZE, Kind.FINALIZE)
    )
    view = replace(body, header=replace(body.header, view=View(body.header.view + 1)))
    return {
        "another nonce": head_by(chain, 2, replace(body, nonce=bytes(32))),
        "another epoch": head_by(chain, 2, replace(body, epoch=Epoch(1))),
        "no signature": unsigned,
        "another's signature": replace(head_by(chain, 1, body), node_key=good.node_key),
        "signed by the vote key": replace(
            good,
            signature=chain.cluster.keys[2]
            .vote(EPOCH)
            .sign(body.signed_bytes(chain.genesis.chain)),
        ),
        "no member": replace(good, node_key=PublicKey(stranger.cluster.keys[0].node.public)),
        "a stranger's": head_by(stranger, 2, body),
        "a stranger's, for this chain": signed_for(chain, stranger.cluster.keys[2].node, body),
        "no certificate": head_by(chain, 2, replace(body, certificate=None)),
        "another block's certificate": head_by(chain, 2, replace(body, certificate=late)),
        "too few signers": head_by(chain, 2, replace(body, certificate=cut)),
        "only notarized": head_by(chain, 2, replace(body, certificate=notarize)),
        "another view": head_by(chain, 2, view),
        "a FINALIZE as notarized": head_by(chain, 2, replace(body, notarized=final)),
        "a forged notarized": head_by(
            chain,
            2,
            replace(body, notarized=chain.certificate(body.header, Kind.NOTARIZE, signers=(0, 1))),
        ),
        "another chain's genesis": head_by(
            chain, 2, replace(body_at(chain, 0), header=stranger.genesis.header)
        ),
    }


def test_T15_a_bad_head_counts_for_nothing_and_stops_nobody(chain: Chain) -> None:
    good = [head_by(chain, index, body_at(chain, 1)) for index in (0, 1, 3)]
    for reason, bad in spoilt(chain).items():
        expected = "epoch 1 is not known" if reason == "another epoch" else "2 good heads"
        with pytest.raises(PeerFault, match=expected):
            check(chain, [*good[:2], bad])
        point = check(chain, [bad, *good])
        assert (point.height, point.members) == (1, (0, 1, 3)), reason


def test_T15_two_final_blocks_at_one_height_are_a_fork_not_a_choice(chain: Chain) -> None:
    header = chain.blocks[2].header
    other = replace(header, time_ms=Milliseconds(header.time_ms + 1))
    forked = HeadBody(NONCE, EPOCH, other, chain.certificate(other), None, ())
    heads = [
        head_by(chain, 0, body_at(chain, 3)),
        head_by(chain, 1, forked),
        head_by(chain, 2, body_at(chain, 1)),
    ]
    with pytest.raises(PeerFault, match="two final blocks"):
        check(chain, heads)


def test_only_check_heads_makes_a_fresh_point(chain: Chain) -> None:
    with pytest.raises(InvariantBroken):
        FreshPoint(chain.tip, None, (EPOCH, View(1), chain.tip.digest), (), object())
