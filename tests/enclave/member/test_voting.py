"""The guard around the voting key, inside the enclave (PROTOCOL §4 Guard, §6; T30)."""

from dataclasses import replace

import pytest
from tests.enclave.fixtures import FoundedCluster, make_cluster_genesis

from strongroom.consensus.remembered import RememberedSignatures
from strongroom.consensus.safety import GuardRefuses
from strongroom.consensus.statements import Kind, Statement, Vote
from strongroom.consensus.types import NO_DIGEST, Digest, Epoch, SignerIndex, View
from strongroom.enclave.member.voting import Silenced, VoteSigner, VotingGuards
from strongroom.enclave.primitives import verify

A, B = Digest(b"\xaa" * 32), Digest(b"\xbb" * 32)


def _guard(cluster: FoundedCluster, index: int = 0) -> VoteSigner:
    genesis = cluster.verified
    key = cluster.keys[index].vote(Epoch(0))
    return VoteSigner(genesis.chain, genesis.description, key, RememberedSignatures(verify))


def _say(kind: Kind, view: int, digest: Digest = NO_DIGEST) -> Statement:
    return Statement(kind, Epoch(0), View(view), digest)


@pytest.fixture(scope="module")
def cluster() -> FoundedCluster:
    return make_cluster_genesis(4)


def test_a_signature_is_the_vote_keys_over_the_statement(cluster: FoundedCluster) -> None:
    statement = _say(Kind.NOTARIZE, 1, A)
    (signature,) = _guard(cluster).cast([statement])
    key = cluster.verified.description.validators[0].vote_key
    assert verify(key, signature, statement.signed_bytes(cluster.verified.chain))


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        (_say(Kind.NOTARIZE, 1, A), _say(Kind.NOTARIZE, 1, B)),
        (_say(Kind.NULLIFY, 1), _say(Kind.NOTARIZE, 1, A)),
        (_say(Kind.FINALIZE, 1, A), _say(Kind.NULLIFY, 1)),
        (_say(Kind.NULLIFY, 1), _say(Kind.FINALIZE, 1, A)),
        (_say(Kind.FINALIZE, 1, A), _say(Kind.FINALIZE, 1, B)),
    ],
)
def test_a_contradiction_is_never_signed_nor_anything_beside_it(
    cluster: FoundedCluster, said: Statement, asked: Statement
) -> None:
    guard = _guard(cluster)
    guard.cast([said])
    with pytest.raises(GuardRefuses):
        guard.cast([_say(Kind.NULLIFY, 9), asked])


def test_a_contradiction_within_one_call_is_refused(cluster: FoundedCluster) -> None:
    with pytest.raises(GuardRefuses):
        _guard(cluster).cast([_say(Kind.NOTARIZE, 1, A), _say(Kind.NOTARIZE, 1, B)])


def test_a_call_that_is_refused_leaves_no_promise_behind(cluster: FoundedCluster) -> None:
    guard = _guard(cluster)
    for ask in (guard.recall, guard.cast):
        with pytest.raises(GuardRefuses):
            ask([_say(Kind.NOTARIZE, 1, A), _say(Kind.NOTARIZE, 2, A), _say(Kind.NOTARIZE, 2, B)])
    assert len(guard.cast([_say(Kind.NOTARIZE, 1, B), _say(Kind.NOTARIZE, 2, B)])) == 2


def test_what_the_log_recalls_binds_like_what_was_cast(cluster: FoundedCluster) -> None:
    guard = _guard(cluster)
    guard.recall([_say(Kind.NOTARIZE, 3, A)])
    with pytest.raises(GuardRefuses):
        guard.cast([_say(Kind.NOTARIZE, 3, B)])
    assert guard.cast([_say(Kind.NOTARIZE, 3, A)])


def test_nothing_is_recalled_after_the_first_cast(cluster: FoundedCluster) -> None:
    guard = _guard(cluster)
    guard.cast([_say(Kind.NULLIFY, 1)])
    with pytest.raises(Silenced):
        guard.recall([_say(Kind.NULLIFY, 2)])


def test_a_vote_that_peers_hold_and_the_log_does_not_silences_the_key(
    cluster: FoundedCluster,
) -> None:
    lost = _say(Kind.NOTARIZE, 7, A)
    (signature,) = _guard(cluster).cast([lost])
    reborn = _guard(cluster)
    reborn.notice([Vote(lost, SignerIndex(0), signature)])
    assert not reborn.may_vote
    with pytest.raises(Silenced):
        reborn.cast([_say(Kind.NULLIFY, 8)])


def test_a_forged_vote_silences_nobody_and_a_remembered_one_neither(
    cluster: FoundedCluster,
) -> None:
    remembered = _say(Kind.NOTARIZE, 7, A)
    guard = _guard(cluster)
    (signature,) = guard.cast([remembered])
    guard.notice([Vote(remembered, SignerIndex(0), signature)])
    (other,) = _guard(cluster, index=1).cast([_say(Kind.NOTARIZE, 9, A)])
    guard.notice([Vote(_say(Kind.NOTARIZE, 9, A), SignerIndex(0), other)])
    assert guard.may_vote


def test_nothing_is_signed_for_a_final_view(cluster: FoundedCluster) -> None:
    guard = _guard(cluster)
    guard.forget_below(View(5))
    with pytest.raises(GuardRefuses):
        guard.cast([_say(Kind.NULLIFY, 5)])
    assert guard.cast([_say(Kind.NULLIFY, 6)])


def _guards(cluster: FoundedCluster, *epochs: int) -> VotingGuards:
    """A process that knows these epochs; of all it has the same vote key, for the test's ease."""
    guards = VotingGuards(cluster.verified.chain, RememberedSignatures(verify))
    for epoch in epochs:
        _learn(cluster, guards, epoch)
    return guards


def _learn(cluster: FoundedCluster, guards: VotingGuards, epoch: int) -> None:
    description = replace(cluster.verified.description, epoch=Epoch(epoch))
    guards.begin(description, cluster.keys[0].vote(Epoch(0)))


def _of(epoch: int, digest: Digest) -> Statement:
    return Statement(Kind.NOTARIZE, Epoch(epoch), View(1), digest)


def test_who_is_silenced_in_one_epoch_votes_in_the_next_also_in_another_process(
    cluster: FoundedCluster,
) -> None:
    """PROTOCOL §6: a lost log costs its own epoch; the refresh brings a new one."""
    first, second = _guards(cluster, 0, 1), _guards(cluster, 0, 1)
    lost = _of(0, A)
    signature = cluster.keys[0].vote(Epoch(0)).sign(lost.signed_bytes(cluster.verified.chain))
    first.notice([Vote(lost, SignerIndex(0), signature)])
    second.take_over(first.hand_over())
    assert (second.may_vote(Epoch(0)), second.may_vote(Epoch(1))) == (False, True)


def test_T30_what_was_said_goes_through_a_process_that_never_knew_the_epoch(
    cluster: FoundedCluster,
) -> None:
    """T30: a host keeps the beginning of an epoch from the second process of three, so that the
    third one would sign again what the first has signed otherwise."""
    first, second, third = _guards(cluster, 0, 1), _guards(cluster, 0), _guards(cluster, 0)
    first.cast([_of(1, A)])
    second.take_over(first.hand_over())
    third.take_over(second.hand_over())
    _learn(cluster, third, 1)
    with pytest.raises(GuardRefuses):
        third.cast([_of(1, B)])
