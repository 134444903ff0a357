"""What proves a lie, and what does not (R15)."""

from dataclasses import replace

import pytest
from tests.consensus.bench import Cluster, F, N, X

from strongroom.consensus.batches import BatchHeader
from strongroom.consensus.equivocation import (
    PROOF_BYTES_MAX,
    BatchEvidence,
    Proof,
    VoteEvidence,
    check,
    decode_evidence,
    encode_evidence,
)
from strongroom.consensus.errors import NotCanonical, PeerFault
from strongroom.consensus.statements import Kind, Vote
from strongroom.consensus.types import (
    NO_DIGEST,
    Digest,
    Epoch,
    Lane,
    Sequence,
    Signature,
    SignerIndex,
)

ONE, TWO = Digest(b"1" * 32), Digest(b"2" * 32)


def liar(evidence: Proof, cluster: Cluster) -> SignerIndex:
    return check(
        decode_evidence(encode_evidence(evidence)),
        cluster.chain,
        cluster.members,
        cluster.keyring.verify,
    )


def votes(
    cluster: Cluster, one: tuple[Kind, Digest], two: tuple[Kind, Digest], view: int = 3
) -> VoteEvidence:
    return VoteEvidence(
        cluster.vote(one[0], view, 2, one[1]), cluster.vote(two[0], view, 2, two[1])
    )


def test_R15_two_notarised_two_finalised_or_nullified_and_finalised_prove_a_lie() -> None:
    cluster = Cluster()
    for one, two in (
        ((N, ONE), (N, TWO)),
        ((F, ONE), (F, TWO)),
        ((X, NO_DIGEST), (F, ONE)),
        ((F, ONE), (X, NO_DIGEST)),
    ):
        assert liar(votes(cluster, one, two), cluster) == 2


def test_R15_notarise_and_nullify_by_one_member_is_legal_as_is_all_that_honesty_allows() -> None:
    cluster = Cluster()
    for one, two in (
        ((N, ONE), (X, NO_DIGEST)),
        ((N, ONE), (F, TWO)),
        ((N, ONE), (N, ONE)),
        ((X, NO_DIGEST),) * 2,
    ):
        with pytest.raises(PeerFault):
            liar(votes(cluster, one, two), cluster)


def test_R15_votes_of_two_views_or_signers_or_another_epoch_or_unsigned_prove_nothing() -> None:
    cluster = Cluster()
    good = votes(cluster, (N, ONE), (N, TWO))
    epoch = replace(good.second.statement, epoch=Epoch(1))
    for second in (
        cluster.vote(N, 4, 2, TWO),
        cluster.vote(N, 3, 1, TWO),
        replace(good.second, signature=Signature(bytes(64))),
        Vote(epoch, SignerIndex(2), cluster.keys[2].sign(epoch.signed_bytes(cluster.chain))),
    ):
        for claim in (replace(good, second=second), VoteEvidence(second, good.first)):
            with pytest.raises(PeerFault):
                liar(claim, cluster)
    other = Cluster(7)
    with pytest.raises(PeerFault):
        liar(good, other)


def batches(cluster: Cluster, one: BatchHeader, two: BatchHeader, signer: int = 1) -> BatchEvidence:
    node_keys = {
        key.public: key
        for i in range(cluster.size)
        if (key := cluster.keyring.make(b"node %d" % i))
    }
    key = node_keys[cluster.members.validators[signer].node_key]
    return BatchEvidence(
        one,
        key.sign(one.signed_bytes(cluster.chain)),
        two,
        key.sign(two.signed_bytes(cluster.chain)),
    )


def test_R15_two_batches_of_one_lane_and_sequence_prove_a_lie() -> None:
    cluster = Cluster()
    one, two = cluster.batch(lane=1, body=b"one"), cluster.batch(lane=1, body=b"two")
    assert liar(batches(cluster, one, two), cluster) == 1


def test_R15_batches_that_one_honest_origin_may_make_or_that_another_signed_prove_nothing() -> None:
    cluster = Cluster()
    one, two = cluster.batch(lane=1, body=b"one"), cluster.batch(lane=1, body=b"two")
    for second in (
        one,
        cluster.batch(lane=1, sequence=1, previous=one.digest),
        replace(two, lane=Lane(2)),
        replace(two, epoch=Epoch(1)),
    ):
        with pytest.raises(PeerFault):
            liar(batches(cluster, one, second), cluster)
    good = batches(cluster, one, two)
    for claim in (
        batches(cluster, one, two, signer=2),
        replace(good, first_signature=Signature(bytes(64))),
        replace(good, second_signature=Signature(bytes(64))),
        batches(cluster, replace(one, lane=Lane(9)), replace(two, lane=Lane(9))),
        batches(cluster, replace(one, epoch=Epoch(1)), replace(two, epoch=Epoch(1))),
    ):
        with pytest.raises(PeerFault):
            liar(claim, cluster)


def test_evidence_has_one_form_and_is_small() -> None:
    cluster = Cluster()
    largest = replace(cluster.batch(lane=1), epoch=Epoch(2**64 - 1), sequence=Sequence(2**64 - 1))
    assert len(encode_evidence(batches(cluster, largest, largest))) < PROOF_BYTES_MAX
    for data in (b"\x90", b"\x91\x03", b"\x93\x01\x90\x90", b"\xc0"):
        with pytest.raises(NotCanonical):
            decode_evidence(data)
