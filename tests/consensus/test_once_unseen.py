"""Lines beside the rules that could be changed once without any seed or test noticing: each has its
test here."""

import pytest
from tests.consensus.bench import Bench, Cluster, F, N, X
from tests.consensus.test_rules import follower, leader, messages, others, with_terminal

from strongroom.consensus.errors import PeerFault
from strongroom.consensus.leaders import leader_order
from strongroom.consensus.messages import CertificateMessage, Justify, VoteMessage
from strongroom.consensus.replica.events import Received
from strongroom.consensus.statements import Certificate, Kind
from strongroom.consensus.types import Digest, Epoch, Milliseconds, SignerIndex, View

A, B = Digest(b"a" * 32), Digest(b"b" * 32)


def carried(bench: Bench, kind: Kind, view: int, signer: int, digest: Digest) -> None:
    """A vote over another member's link: it is verified at once."""
    vote = bench.cluster.vote(kind, view, signer, digest)
    sender = next(peer for peer in others(bench) if peer != signer)
    bench.step(Received(SignerIndex(sender), VoteMessage(vote)))


def test_R1_a_known_signature_counts_for_its_own_statement_only() -> None:
    """A certificate made of signatures that were verified as votes, two of them for another block,
    is forged."""
    bench = follower()
    cluster, signers = bench.cluster, others(bench)
    said = dict(zip(signers, (A, A, B), strict=True))
    for signer, digest in said.items():
        carried(bench, N, 1, signer, digest)
    signatures = tuple(
        cluster.vote(N, 1, signer, digest).signature for signer, digest in said.items()
    )
    for digest in (A, B):
        forged = Certificate(
            cluster.statement(N, 1, digest), tuple(map(SignerIndex, signers)), signatures
        )
        with pytest.raises(PeerFault):
            bench.step(Received(SignerIndex(signers[0]), CertificateMessage(forged)))
    assert bench.replica.state.view == 1


def test_R1_a_known_signature_counts_for_its_own_signer_only() -> None:
    """One verified vote does not stand for three members."""
    bench = follower()
    cluster, (signer, *_) = bench.cluster, others(bench)
    carried(bench, N, 1, signer, A)
    signature = cluster.vote(N, 1, signer, A).signature
    forged = Certificate(
        cluster.statement(N, 1, A),
        (SignerIndex(0), SignerIndex(1), SignerIndex(2)),
        (signature,) * 3,
    )
    with pytest.raises(PeerFault):
        bench.step(Received(SignerIndex(signer), CertificateMessage(forged)))
    assert bench.replica.state.view == 1


def test_R10_a_finalize_of_a_view_is_no_word_for_its_end() -> None:
    """One member says F and one says X: that is one X, not b of them."""
    bench = follower()
    nuller, finaliser = (peer for peer in others(bench) if peer != bench.cluster.leader(1))
    bench.hear(F, 1, finaliser, A)
    bench.hear(X, 1, nuller)
    bench.tick()
    assert not bench.cast
    bench.hear(X, 1, bench.cluster.leader(1))
    assert bench.said(X, 1)


def test_R4_a_notarized_block_without_its_batches_is_no_parent_where_its_view_was_nullified() -> (
    None
):
    """The leader goes below it at once, instead of waiting for what may never come."""
    bench = leader(view=3)
    cluster = bench.cluster
    bench.certify(X, 1)
    absent = cluster.header(view=2, batches=[cluster.batch(lane=2)])
    bench.propose(cluster.proposal(absent, nulls=(cluster.certificate(X, 1),)))
    bench.certify(N, 2, absent.digest)
    bench.certify(X, 2)
    out = bench.hold(cluster.batch(lane=1))
    (proposal,) = [cast.proposal for cast in out.cast if cast.proposal is not None]
    assert proposal.header.parent == cluster.genesis.digest
    assert [null.view for null in proposal.justification.nulls] == [1, 2]


def test_R4_a_leader_whose_execution_is_behind_its_parents_anchor_declines_after_delta() -> None:
    """It cannot judge what it would build on; the next leader need not wait for t_prop."""
    bench = leader(view=3)
    cluster = bench.cluster
    batch = cluster.batch(lane=1)
    bench.hold(batch)
    first = cluster.header(batches=[batch])
    bench.propose(cluster.proposal(first))
    bench.certify(N, 1, first.digest)
    ahead = cluster.header(first, view=2, anchor=bench.anchor(1))
    bench.propose(cluster.proposal(ahead, parent=cluster.certificate(N, 1, first.digest)))
    bench.certify(N, 2, ahead.digest)
    assert bench.replica.state.view == 3
    bench.hold(cluster.batch(lane=2))
    assert not any(said.view == 3 for said in bench.cast), "its execution may come within Δ"
    bench.tick(bench.replica.state.delta)
    assert bench.said(X, 3)


def test_R5_a_proposal_of_a_final_view_is_passed_over() -> None:
    """Nothing of it is kept: no header, no candidate, no fault of whoever brings it late."""
    bench = follower(view=3)
    cluster = bench.cluster
    final = cluster.genesis
    for view in (1, 2):
        header = cluster.header(final, view=view)
        parent = None if view == 1 else cluster.certificate(N, 1, final.digest)
        bench.propose(cluster.proposal(header, parent=parent))
        bench.certify(N, view, header.digest)
        bench.certify(F, view, header.digest)
        final = header
    before = bench.replica.state.sizes
    for view in (1, 2):
        face = cluster.header(view=view, time_ms=Milliseconds(cluster.genesis.time_ms + 77))
        nulls = tuple(cluster.certificate(X, at) for at in range(1, view))
        out = bench.propose(cluster.proposal(face, nulls=nulls))
        assert not [*out.cast, *out.faults, *out.ask, *out.evidence]
    assert bench.replica.state.sizes == before


def test_R5_a_terminal_block_again_needs_its_own_certificate() -> None:
    """Its parent's would make it a second child of that block, in a view that it was not built
    for."""
    bench = follower(view=4)
    cluster = bench.cluster
    terminal = with_terminal(bench)
    first = next(header for header in [bench.replica.state.final] if header.height == 1)
    bench.certify(X, 2)
    nulls = (cluster.certificate(X, 2),)
    with pytest.raises(PeerFault, match="neither fresh nor a terminal block again"):
        bench.propose(
            cluster.proposal(
                terminal, view=3, parent=cluster.certificate(N, 1, first.digest), nulls=nulls
            )
        )
    assert not bench.said(N, 3, terminal.digest)
    bench.propose(
        cluster.proposal(terminal, view=3, parent=cluster.certificate(N, 2, terminal.digest))
    )
    assert bench.said(N, 3, terminal.digest)


def justify(bench: Bench, view: int, *certificates: Certificate) -> Justify:
    return Justify(Epoch(0), View(view), certificates, ())


def test_R13_nobody_is_helped_who_is_further_or_is_oneself() -> None:
    bench = follower(view=4)
    cluster, peer = bench.cluster, others(bench)[0]
    for view in (1, 2, 3):
        bench.certify(X, view)
    bench.now += 10
    assert bench.own is not None
    for sender, view in ((bench.own, 1), (bench.own, 4), (peer, 4), (peer, 5), (peer, 9)):
        out = bench.step(Received(SignerIndex(sender), justify(bench, view)))
        assert not messages(out, Justify), (sender, view)
        bench.now += 10
    (helped,) = messages(bench.step(Received(SignerIndex(peer), justify(bench, 1))), Justify)
    assert helped.to == peer
    bench.now += 10
    for signer, view in ((peer, 4), (peer, 5), (bench.own, 1)):
        out = bench.step(Received(SignerIndex(signer), VoteMessage(cluster.vote(X, view, signer))))
        assert not messages(out, Justify), (signer, view)


def test_R13_whoever_is_in_the_same_view_is_helped_once_something_was_said_there() -> None:
    bench = follower(view=2)
    peer = others(bench)[0]
    bench.certify(X, 1)
    bench.hear(X, 2, peer)
    bench.hear(X, 2, others(bench)[1])
    assert bench.said(X, 2)
    bench.now += 10
    out = bench.step(Received(SignerIndex(peer), justify(bench, 2)))
    assert [send.to for send in messages(out, Justify)] == [peer]


def test_leaders_order_follows_from_the_anchor() -> None:
    """Whoever could choose it without choosing the anchor would lead when it pleases. Frozen:
    replicas must agree."""
    orders = {leader_order(Digest(bytes((byte,)) * 32), 7) for byte in range(64)}
    assert len(orders) > 32
    assert leader_order(A, 7) == ORDER_OF_A
    assert leader_order(B, 7) != ORDER_OF_A
    for anchor in (A, B):
        assert sorted(leader_order(anchor, 7)) == list(range(7))
    genesis = Cluster().genesis
    assert Bench().replica.state.tree.order == leader_order(genesis.digest, 4)


ORDER_OF_A = (1, 5, 2, 0, 4, 6, 3)
