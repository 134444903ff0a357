"""One test for each rule of PROTOCOL §4, on a single replica; the rule is in the name."""

from dataclasses import replace

import pytest
from tests.consensus.bench import Bench, Cluster, F, N, X

from strongroom.consensus.blocks import Header, LaneTip
from strongroom.consensus.errors import PeerFault
from strongroom.consensus.justifications import Justification
from strongroom.consensus.messages import (
    BlockMessage,
    CertificateMessage,
    CertificateRequest,
    Justify,
    Status,
    StatusBody,
    VoteMessage,
)
from strongroom.consensus.replica.events import (
    CandidateRecord,
    CertificateRecord,
    Equivocation,
    FinalRange,
    LaneFork,
    Output,
    Received,
    Send,
    Work,
)
from strongroom.consensus.replica.replica import SPREAD_DELTAS
from strongroom.consensus.replica.settings import Settings
from strongroom.consensus.statements import Kind
from strongroom.consensus.types import (
    NO_DIGEST,
    Digest,
    Epoch,
    Height,
    Lane,
    Milliseconds,
    Sequence,
    Signature,
    SignerIndex,
    View,
)

QUICK = Settings(delta0=0.1, skip_after=2.0)


SPREAD_SECONDS = SPREAD_DELTAS * Settings().delta0
"""How long after a certificate is held it goes to whoever may lack it."""


def follower(view: int = 1, **options: object) -> Bench:
    """A replica that does not lead this view."""
    cluster = Cluster()
    own = next(
        index for index in range(4) if index not in (cluster.leader(view), cluster.leader(view + 1))
    )
    return Bench(cluster, own, **options)  # type: ignore[arg-type]


def leader(view: int = 1, **options: object) -> Bench:
    """A replica that leads this view."""
    cluster = Cluster()
    return Bench(cluster, cluster.leader(view), **options)  # type: ignore[arg-type]


def others(bench: Bench) -> list[int]:
    return [index for index in range(bench.cluster.size) if index != bench.own]


def messages(out: Output, kind: type) -> list[Send]:
    return [send for send in out.send if isinstance(send.message, kind)]


def passed_on(bench: Bench) -> set[tuple[int | None, Kind, int]]:
    """(To whom, kind, view) of the certificates that are sent once their time has come."""
    sends = bench.tick(SPREAD_SECONDS).send
    given = [
        (send.to, send.message.certificate)
        for send in sends
        if isinstance(send.message, CertificateMessage)
    ]
    return {(to, certificate.kind, certificate.view) for to, certificate in given}


def proposed(bench: Bench) -> Digest:
    """The follower gets a batch and a block with it; returns the block's digest."""
    batch = bench.cluster.batch(lane=1)
    bench.hold(batch)
    header = bench.cluster.header(batches=[batch])
    bench.propose(bench.cluster.proposal(header))
    return header.digest


# --- R0, R1 ---------------------------------------------------------------------------------------


def test_R0_votes_of_other_epochs_and_far_views_are_dropped() -> None:
    bench = follower()
    statement = replace(bench.cluster.statement(X, 1), epoch=Epoch(1))
    vote = replace(bench.cluster.vote(X, 1, others(bench)[0]), statement=statement)
    bench.step(Received(vote.signer, VoteMessage(vote)))
    bench.hear(X, 1 + 65, others(bench)[0])
    assert bench.replica.state.sizes["votes"] == 0


def test_R1_a_certificate_forms_at_a_quorum_and_not_before() -> None:
    bench = follower()
    first, second, third = others(bench)
    bench.hear(X, 1, first)
    assert bench.replica.state.view == 1
    bench.hear(X, 1, second)  # b = 2: the replica joins, and is the third
    assert bench.said(X, 1)
    assert bench.replica.state.view == 2
    assert third not in {
        vote.signer for vote in bench.replica.state.newest_votes_of(SignerIndex(third))
    }


def test_R1_signatures_are_verified_lazily_and_not_after_the_quorum() -> None:
    bench = follower(feed_back=False)
    digest = proposed(bench)
    before = bench.cluster.keyring.verifications
    peers = [peer for peer in others(bench) if peer != bench.cluster.leader(1)]
    bench.hear(N, 1, peers[0], digest)
    assert bench.cluster.keyring.verifications == before
    bench.hear(N, 1, peers[1], digest)
    assert bench.cluster.keyring.verifications == before + 2
    bench.step(
        Received(
            bench.own or SignerIndex(0),
            VoteMessage(bench.cluster.vote(N, 1, bench.own or 0, digest)),
        )
    )
    assert bench.cluster.keyring.verifications == before + 2


def test_R1_T36_a_forged_vote_does_not_occupy_an_honest_signers_slot() -> None:
    bench = follower(feed_back=False)
    first, second, third = others(bench)
    forged = replace(bench.cluster.vote(X, 1, second), signature=Signature(bytes(64)))
    with pytest.raises(PeerFault):
        bench.step(Received(SignerIndex(first), VoteMessage(forged)))
    assert bench.replica.state.sizes["votes"] == 0
    bench.step(Received(SignerIndex(second), VoteMessage(forged)))
    bench.hear(X, 1, first)
    out = bench.hear(X, 1, third)
    assert out.faults == [second]
    assert bench.replica.state.view == 1
    assert bench.replica.state.sizes["votes"] == 2
    bench.hear(X, 1, second)
    assert bench.replica.state.view == 2


def digests_of(found: list[Equivocation | LaneFork]) -> list[tuple[Digest, Digest]]:
    votes = [evidence for evidence in found if isinstance(evidence, Equivocation)]
    assert len(votes) == len(found)
    return [
        (evidence.first.statement.digest, evidence.second.statement.digest) for evidence in votes
    ]


def test_R1_R15_two_votes_are_evidence_only_when_both_verify() -> None:
    bench = follower()
    signer = others(bench)[0]
    one, two = Digest(b"1" * 32), Digest(b"2" * 32)
    bench.hear(N, 1, signer, one)
    forged = replace(bench.cluster.vote(N, 1, signer, two), signature=Signature(bytes(64)))
    with pytest.raises(PeerFault):
        bench.step(Received(SignerIndex(signer), VoteMessage(forged)))
    out = bench.hear(N, 1, signer, two)
    assert digests_of(out.evidence) == [(one, two)]
    assert not bench.hear(N, 1, signer, Digest(b"3" * 32)).evidence


def test_R1_R15_a_forged_first_vote_is_no_evidence_against_its_signer() -> None:
    bench = follower()
    signer = others(bench)[0]
    one, two, three = (Digest(bytes([number]) * 32) for number in (1, 2, 3))
    forged = replace(bench.cluster.vote(N, 1, signer, one), signature=Signature(bytes(64)))
    bench.step(Received(SignerIndex(signer), VoteMessage(forged)))
    out = bench.hear(N, 1, signer, two)
    assert (out.evidence, out.faults) == ([], [signer])
    assert digests_of(bench.hear(N, 1, signer, three).evidence) == [(two, three)]


def test_R1_R15_nullify_and_finalise_of_a_view_are_evidence_and_notarise_and_nullify_not() -> None:
    bench = follower()
    signer = others(bench)[0]
    digest = Digest(b"1" * 32)
    assert not bench.hear(N, 1, signer, digest).evidence
    assert not bench.hear(X, 1, signer).evidence
    assert len(bench.hear(F, 1, signer, digest).evidence) == 1


# --- R2, R3 ---------------------------------------------------------------------------------------


def test_R2_a_certificate_held_first_is_logged_and_a_while_later_sent_to_all_once() -> None:
    bench = follower()
    out = bench.certify(X, 1)
    assert [record for record in out.persist if isinstance(record, CertificateRecord)]
    assert not messages(out, CertificateMessage)
    assert not messages(bench.tick(0.9 * SPREAD_SECONDS), CertificateMessage)
    assert bench.replica.deadline() == pytest.approx(bench.now + 0.1 * SPREAD_SECONDS)
    assert [
        send.to for send in messages(bench.tick(0.11 * SPREAD_SECONDS), CertificateMessage)
    ] == [None]
    assert not bench.certify(X, 1, sender=2).send
    assert not messages(bench.tick(SPREAD_SECONDS), CertificateMessage)


def test_R2_a_certificate_is_not_sent_to_members_that_vote_in_a_later_view() -> None:
    bench = follower()
    voter, *silent = others(bench)
    bench.certify(X, 1)
    bench.hear(X, 2, voter)
    sent = messages(bench.tick(SPREAD_SECONDS), CertificateMessage)
    assert [send.to for send in sent] == silent


def test_R2_nothing_is_sent_to_members_for_another_members_vote() -> None:
    """A vote that a third party brings is verified before it shows where its signer is."""
    bench = follower()
    signer, bringer, _ = others(bench)
    bench.certify(X, 1)
    forged = replace(bench.cluster.vote(X, 2, signer), signature=Signature(bytes(64)))
    with pytest.raises(PeerFault):
        bench.step(Received(SignerIndex(bringer), VoteMessage(forged)))
    assert [send.to for send in messages(bench.tick(SPREAD_SECONDS), CertificateMessage)] == [None]


def test_R2_who_casts_finalize_has_the_views_N_and_who_does_so_a_view_later_has_its_F() -> None:
    bench = follower()
    digest = proposed(bench)
    voter, *silent = others(bench)
    bench.certify(N, 1, digest)
    bench.certify(F, 1, digest)
    bench.hear(F, 1, voter, digest)
    assert passed_on(bench) == {(None, F, 1), *((member, N, 1) for member in silent)}
    bench = follower()
    digest = proposed(bench)
    bench.certify(N, 1, digest)
    bench.certify(F, 1, digest)
    for member in others(bench):
        bench.hear(F, 2, member, Digest(b"2" * 32))
    assert passed_on(bench) == {(None, F, 2)}


def test_R2_a_certificate_short_of_a_quorum_or_forged_changes_nothing() -> None:
    bench = follower()
    cluster = bench.cluster
    short = cluster.certificate(X, 1, signers=(0, 1))
    genuine = cluster.certificate(X, 1)
    forged = replace(genuine, signatures=(*genuine.signatures[:-1], Signature(bytes(64))))
    repeated = replace(genuine, signatures=(genuine.signatures[0],) * 3)
    for certificate in (short, forged, repeated):
        with pytest.raises(PeerFault):
            bench.step(Received(SignerIndex(1), CertificateMessage(certificate)))
    assert bench.replica.state.view == 1
    assert bench.replica.state.sizes["certificates"] == 0


def test_R3_views_move_by_certificates_only_and_may_skip() -> None:
    bench = follower()
    bench.hear(F, 5, others(bench)[0], Digest(b"1" * 32))
    assert bench.replica.state.view == 1
    bench.certify(X, 7)
    assert bench.replica.state.view == 8
    bench.certify(X, 3)
    assert bench.replica.state.view == 8


# --- R4 -------------------------------------------------------------------------------------------


def test_R4_a_leader_with_work_proposes_on_the_final_block_at_once() -> None:
    bench = leader(feed_back=False)
    out = bench.hold(bench.cluster.batch(lane=2))
    (cast,) = out.cast
    assert cast.proposal is not None
    header = cast.proposal.header
    assert (header.parent, header.height, header.batch_count) == (
        bench.cluster.genesis.digest,
        1,
        1,
    )
    assert cast.proposal.justification == Justification(None, ())
    assert CandidateRecord(header) in out.persist


def test_R4_a_leader_prefers_the_notarized_branch_over_the_null() -> None:
    cluster = Cluster()
    bench = Bench(cluster, cluster.leader(2), feed_back=False)
    batch = cluster.batch(lane=1)
    bench.hold(batch)
    header = cluster.header(batches=[batch])
    bench.propose(cluster.proposal(header))
    both = (cluster.certificate(X, 1), cluster.certificate(N, 1, header.digest))
    bench.step(Received(SignerIndex(1), Justify(Epoch(0), View(2), both, ())))
    out = bench.hold(cluster.batch(lane=2))
    (proposal,) = [cast.proposal for cast in out.cast if cast.proposal is not None]
    assert proposal.header.parent == header.digest
    assert proposal.justification == Justification(both[1], ())


def test_R4_a_skipped_view_needs_its_null_or_the_leader_asks_for_it() -> None:
    cluster = Cluster()
    bench = Bench(cluster, cluster.leader(3), feed_back=False)
    bench.hold(cluster.batch(lane=1))
    bench.certify(X, 2)
    assert bench.replica.state.view == 3
    assert not bench.cast
    asked = [send.message for send in messages(bench.tick(0.1), CertificateRequest)]
    assert asked == [CertificateRequest(Epoch(0), View(1))]
    out = bench.certify(X, 1)
    (cast,) = out.cast
    assert cast.proposal is not None
    assert [null.view for null in cast.proposal.justification.nulls] == [1, 2]


def test_R4_a_leader_that_drains_nullifies_its_view_at_once() -> None:
    bench = leader()
    bench.replica.state.draining = True
    bench.hold(bench.cluster.batch(lane=1))
    assert bench.cast == [bench.cluster.statement(X, 1)]


WISH = Digest(b"next" * 8)


def with_terminal(bench: Bench, wish: Digest = WISH) -> Header:
    """Height 1 is final and executed, its state wishes another epoch, and a terminal block is
    notarized in view 2."""
    cluster = bench.cluster
    bench.replica.state.voting = False
    batch = cluster.batch(lane=1)
    bench.hold(batch)
    first = cluster.header(batches=[batch])
    bench.propose(cluster.proposal(first))
    bench.certify(N, 1, first.digest)
    bench.certify(F, 1, first.digest)
    bench.execute(1, next_epoch=wish)
    terminal = cluster.header(first, view=2, anchor=bench.anchor(1), next_epoch=wish)
    bench.propose(cluster.proposal(terminal, parent=cluster.certificate(N, 1, first.digest)))
    bench.certify(N, 2, terminal.digest)
    bench.replica.state.voting = True
    return terminal


def test_R4_a_terminal_parent_is_proposed_again_as_it_is() -> None:
    cluster = Cluster()
    bench = Bench(cluster, cluster.leader(3), feed_back=False)
    terminal = with_terminal(bench)
    bench.hold(cluster.batch(lane=2))
    (cast,) = [cast for cast in bench.tick(0.3).cast if cast.proposal is not None]
    assert cast.proposal is not None
    assert (cast.proposal.header, cast.statement.view, cast.statement.digest) == (
        terminal,
        3,
        terminal.digest,
    )
    assert cast.proposal.justification == Justification(
        cluster.certificate(N, 2, terminal.digest), ()
    )


# --- R5 -------------------------------------------------------------------------------------------


def test_R5_a_proposal_counts_from_any_peer_and_lifts_a_lagging_replica_into_its_view() -> None:
    bench = follower(view=3)
    cluster = bench.cluster
    header = cluster.header(view=3, batches=[cluster.batch(lane=1)])
    bench.hold(cluster.batch(lane=1))
    nulls = (cluster.certificate(X, 1), cluster.certificate(X, 2))
    relay = next(peer for peer in others(bench) if peer != cluster.leader(3))
    bench.propose(cluster.proposal(header, nulls=nulls), sender=relay)
    assert bench.replica.state.view == 3
    assert bench.said(N, 3, header.digest)


def test_R5_a_proposal_with_a_bad_justification_changes_nothing() -> None:
    bench = follower(view=3)
    cluster = bench.cluster
    header = cluster.header(view=3)
    one, two, three = (cluster.certificate(X, view) for view in (1, 2, 3))
    notarized = cluster.certificate(N, 1, Digest(b"1" * 32))
    bad = [
        cluster.proposal(header, nulls=(two,)),
        cluster.proposal(header, nulls=(one, one, two)),
        cluster.proposal(header, nulls=(two, one)),
        cluster.proposal(header, nulls=(one, two, three)),
        cluster.proposal(header, nulls=(one, replace(two, signatures=one.signatures))),
        cluster.proposal(header, nulls=(one, cluster.certificate(X, 2, signers=(0, 1)))),
        cluster.proposal(header, parent=notarized, nulls=(two,)),
        cluster.proposal(header, parent=one, nulls=(two,)),
        cluster.proposal(cluster.header(view=2), view=3, nulls=(one, two)),
        replace(
            cluster.proposal(header, nulls=(one, two)),
            vote=cluster.vote(N, 3, cluster.leader(2), header.digest),
        ),
        replace(
            cluster.proposal(header, nulls=(one, two)),
            vote=cluster.vote(N, 3, cluster.leader(3), Digest(b"1" * 32)),
        ),
        cluster.proposal(cluster.header(view=3, proposer=cluster.leader(2)), nulls=(one, two)),
    ]
    for proposal in bad:
        with pytest.raises(PeerFault):
            bench.propose(proposal)
    assert bench.replica.state.view == 1
    assert not any(bench.replica.state.sizes.values())


def test_R5_a_second_candidate_of_a_view_is_not_taken_and_its_leader_is_nullified() -> None:
    bench = follower(feed_back=True)
    cluster = bench.cluster
    batch = cluster.batch(lane=1)
    one, two = cluster.header(batches=[batch]), cluster.header()
    bench.propose(cluster.proposal(one))
    out = bench.propose(cluster.proposal(two))
    assert len(out.evidence) == 1
    bench.hold(batch)
    assert bench.cast == [cluster.statement(X, 1)]


def test_R5_T31_a_leader_with_a_thousand_faces_fills_one_place() -> None:
    bench = follower(view=2)
    cluster = bench.cluster
    bench.certify(X, 1)
    bench.certify(X, 2)
    for face in range(200):
        nulls = (cluster.certificate(X, 1),)
        bench.propose(
            cluster.proposal(
                cluster.header(view=2, time_ms=Milliseconds(cluster.genesis.time_ms + 1 + face)),
                nulls=nulls,
            )
        )
    assert bench.replica.state.sizes["headers"] == 1


def test_R5_only_a_terminal_block_may_be_proposed_again() -> None:
    bench = follower(view=2)
    cluster = bench.cluster
    batch = cluster.batch(lane=1)
    bench.hold(batch)
    header = cluster.header(batches=[batch])
    bench.propose(cluster.proposal(header))
    with pytest.raises(PeerFault):
        bench.propose(
            cluster.proposal(header, view=2, parent=cluster.certificate(N, 1, header.digest))
        )


def test_R5_a_terminal_block_again_is_voted_for_and_ends_the_epoch_in_its_new_view() -> None:
    bench = follower(view=3)
    cluster = bench.cluster
    terminal = with_terminal(bench)
    bench.propose(
        cluster.proposal(terminal, view=3, parent=cluster.certificate(N, 2, terminal.digest))
    )
    assert bench.said(N, 3, terminal.digest)
    out = bench.certify(F, 3, terminal.digest)
    assert [commit.header for commit in out.commit] == [terminal]
    assert bench.replica.state.ended
    assert not bench.certify(F, 2, terminal.digest).commit
    assert not bench.certify(F, 5, terminal.digest).commit
    casts = len(bench.cast)
    bench.hear(X, 4, others(bench)[0])
    bench.hear(X, 4, others(bench)[1])
    bench.tick(100)
    assert len(bench.cast) == casts


# --- R6 -------------------------------------------------------------------------------------------


def test_R6_no_vote_before_all_data_is_durable_here() -> None:
    bench = follower()
    batch = bench.cluster.batch(lane=1)
    header = bench.cluster.header(batches=[batch])
    bench.propose(bench.cluster.proposal(header))
    assert not bench.cast
    out = bench.hold(batch)
    assert bench.cast == [bench.cluster.statement(N, 1, header.digest)]
    assert CandidateRecord(header) in out.persist


def test_R6_a_child_of_a_terminal_block_is_never_voted_for() -> None:
    bench = follower(view=3)
    cluster = bench.cluster
    terminal = with_terminal(bench)
    child = cluster.header(terminal, view=3)
    bench.propose(cluster.proposal(child, parent=cluster.certificate(N, 2, terminal.digest)))
    assert bench.said(X, 3)
    assert not bench.said(N, 3, child.digest)


def test_R6_waits_for_a_clock_an_execution_and_a_parent_and_never_says_no_for_them() -> None:
    bench = follower(settings=Settings(delta0=100))
    cluster = bench.cluster
    early = cluster.header(time_ms=Milliseconds(bench.clock().wall_ms + 700))
    bench.propose(cluster.proposal(early))
    assert not bench.cast
    assert bench.replica.deadline() == pytest.approx(bench.now + 0.2)
    bench.tick(0.3)
    assert bench.said(N, 1, early.digest)
    bench.certify(N, 1, early.digest)
    bench.certify(F, 1, early.digest)
    raised = cluster.header(early, view=2, anchor=bench.anchor(1))
    bench.propose(cluster.proposal(raised, parent=cluster.certificate(N, 1, early.digest)))
    assert not bench.said(N, 2, raised.digest)
    bench.execute(1)
    assert bench.said(N, 2, raised.digest)


@pytest.mark.parametrize(
    "flaw", ["time", "height", "cut", "count", "bytes", "anchor", "root", "next", "limits", "chain"]
)
def test_R6_R10_T32_an_invalid_block_is_nullified_at_once(flaw: str) -> None:
    bench = follower()
    cluster = bench.cluster
    batch, stranger = cluster.batch(lane=1), cluster.batch(lane=1, previous=Digest(b"s" * 32))
    bench.hold(batch)
    bench.hold(stranger)
    good = cluster.header(batches=[batch])
    tip = good.cut[1]
    changes: dict[str, dict[str, object]] = {
        "time": {"time_ms": cluster.genesis.time_ms},
        "height": {"height": Height(2)},
        "cut": {"cut": good.cut[:3]},
        "count": {"batch_count": 2},
        "bytes": {"batch_bytes": 99},
        "anchor": {"anchor": bench.anchor(1)},
        "root": {"anchor": replace(cluster.genesis.anchor, root=Digest(b"r" * 32))},
        "next": {"next_epoch": Digest(b"n" * 32)},
        "limits": {
            "cut": (*good.cut[:1], replace(tip, length=Sequence(300)), *good.cut[2:]),
            "batch_count": 300,
        },
        "chain": {"cut": (*good.cut[:1], LaneTip(Sequence(1), stranger.digest), *good.cut[2:])},
    }
    header = cluster.header(**{"batches": [batch], **changes[flaw]})  # type: ignore[arg-type]
    bench.propose(cluster.proposal(header))
    assert bench.cast == [cluster.statement(X, 1)]


def test_R6_the_guard_allows_one_notarize_per_view_and_none_after_nullify() -> None:
    bench = follower()
    for signer in others(bench)[:2]:
        bench.hear(X, 1, signer)
    header = bench.cluster.header()
    bench.propose(bench.cluster.proposal(header))
    assert bench.cast == [bench.cluster.statement(X, 1)]


# --- R7, R8 ---------------------------------------------------------------------------------------


def test_R7_finalises_a_notarized_view_that_it_has_left_and_did_not_vote_for() -> None:
    bench = follower()
    cluster = bench.cluster
    batch = cluster.batch(lane=1)
    header = cluster.header(batches=[batch])
    out = bench.certify(N, 1, header.digest)
    assert CertificateRecord(cluster.certificate(N, 1, header.digest)) in out.persist
    assert bench.replica.state.view == 2
    bench.propose(cluster.proposal(header))
    bench.certify(X, 2)
    bench.certify(X, 3)
    assert not bench.cast
    out = bench.hold(batch)
    assert cluster.statement(F, 1, header.digest) in bench.cast
    assert CandidateRecord(header) in out.persist


def test_R7_never_finalises_a_view_that_it_has_nullified() -> None:
    bench = follower(settings=QUICK)
    digest = proposed(bench)
    bench.tick(0.7)
    assert bench.said(X, 1)
    bench.certify(N, 1, digest)
    assert bench.replica.state.view == 2
    bench.tick(5)
    assert not bench.said(F, 1, digest)


def test_R7_a_notarized_block_that_is_invalid_here_stops_the_vote_with_an_alarm() -> None:
    bench = follower()
    header = bench.cluster.header(batch_bytes=1)
    bench.propose(bench.cluster.proposal(header))
    out = bench.certify(N, 1, header.digest)
    assert "invalid" in out.alarm or "notarized block" in out.alarm
    casts = len(bench.cast)
    bench.certify(X, 2)
    bench.tick(100)
    assert len(bench.cast) == casts


def test_R8_commits_in_height_order_once_headers_and_batches_are_held() -> None:
    bench = follower()
    cluster = bench.cluster
    one, two = cluster.batch(lane=1), cluster.batch(lane=2)
    first = cluster.header(batches=[one])
    second = cluster.header(first, view=2, batches=[two])
    out = bench.certify(F, 2, second.digest)
    assert not out.commit
    assert bench.replica.state.view == 3
    bench.hold(two)
    asked = bench.tick(0.1).ask
    assert [ask.headers for ask in asked] == [(second.digest,)]
    bench.step(Received(SignerIndex(1), BlockMessage(second)))
    assert [ask.headers for ask in bench.tick(0.1).ask] == [(first.digest,)]
    bench.step(Received(SignerIndex(1), BlockMessage(first)))
    assert [ask.batches for ask in bench.tick(0.1).ask] == [(one.digest,)]
    out = bench.hold(one)
    assert [(c.header, c.batches) for c in out.commit] == [
        (first, (one.digest,)),
        (second, (two.digest,)),
    ]
    assert [c.certificate for c in out.commit] == [None, cluster.certificate(F, 2, second.digest)]
    assert (bench.replica.state.final, bench.replica.state.final_view) == (second, 2)


def test_R8_finality_decays_strikes_by_one() -> None:
    bench = follower(settings=QUICK)
    digest = proposed(bench)
    bench.tick(0.7)
    assert bench.replica.state.strikes == 1
    bench.certify(F, 1, digest)
    assert bench.replica.state.strikes == 0


# --- R9 to R12 ------------------------------------------------------------------------------------


def test_R9_timers_are_armed_by_work_alone() -> None:
    bench = follower(settings=QUICK)
    assert bench.replica.deadline() is None
    bench.tick(1000)
    assert not bench.cast
    bench.hold(bench.cluster.batch(lane=1))
    assert bench.replica.deadline() == pytest.approx(bench.now + 0.2)  # relay first, after 2Δ
    out = bench.tick(0.21)
    assert len(out.relay) == 1
    assert bench.replica.deadline() == pytest.approx(bench.now + 0.4)  # then t_prop, after 4Δ
    bench.tick(0.41)
    assert bench.said(X, 1)


def test_R9_growth_begins_after_f_strikes_and_is_bounded() -> None:
    bench = follower(settings=Settings(delta0=0.1, skip_after=1e9))
    bench.hold(bench.cluster.batch(lane=1))
    deltas = []
    for view in range(1, 13):
        for _ in range(12):
            if bench.said(X, view):
                break
            deadline = bench.replica.deadline()
            assert deadline is not None
            bench.tick(deadline - bench.now + 0.001)
        deltas.append(round(bench.replica.state.delta / 0.1))
        bench.certify(X, view)
    own_views = sum(bench.cluster.leader(view) == bench.own for view in range(1, 13))
    assert deltas[0] == 1
    assert deltas[1] == 2
    assert max(deltas) <= 256
    assert own_views >= 2


def test_R9_a_candidate_meets_t_prop_and_t_view_still_runs() -> None:
    bench = follower(settings=QUICK)
    proposed(bench)
    bench.tick(0.45)
    assert not bench.said(X, 1)
    bench.tick(0.2)
    assert bench.said(X, 1)


def test_R10_joins_b_others_and_follows_its_leaders_own_nullify() -> None:
    bench = follower()
    bench.hear(X, 1, next(peer for peer in others(bench) if peer != bench.cluster.leader(1)))
    assert not bench.cast
    bench = follower()
    bench.hear(X, 1, bench.cluster.leader(1))
    assert bench.said(X, 1)


def test_R11_a_leader_that_is_dead_while_a_quorum_lives_is_skipped_at_once() -> None:
    bench = follower(settings=QUICK)
    alive = [peer for peer in others(bench) if peer != bench.cluster.leader(1)]
    status = Status(
        StatusBody(Epoch(1), View(1), View(0), Height(0), NO_DIGEST, Height(0), (), Height(0)),
        Signature(b""),
    )
    bench.now += 2.5
    bench.step(Received(SignerIndex(alive[0]), status))
    bench.hold(bench.cluster.batch(lane=1))
    assert not bench.cast  # only two of four are there: no quorum, no skip
    bench.step(Received(SignerIndex(alive[1]), status))
    bench.tick()
    assert bench.said(X, 1)
    assert bench.replica.state.strikes == 0


def test_R12_repeats_while_there_is_work_and_only_then() -> None:
    bench = follower(settings=QUICK)
    bench.hold(bench.cluster.batch(lane=1))
    for _ in range(3):
        bench.tick((bench.replica.deadline() or bench.now) - bench.now + 0.001)
    assert bench.said(X, 1)
    out = bench.tick(1.3)
    (send,) = messages(out, Justify)
    assert send.to is None
    assert isinstance(send.message, Justify)
    assert [vote.statement for vote in send.message.votes] == [bench.cluster.statement(X, 1)]
    assert out.relay, "a batch that is known here alone is relayed again"
    digest = bench.cluster.header(batches=[bench.cluster.batch(lane=1)])
    bench.propose(bench.cluster.proposal(digest))
    bench.certify(N, 1, digest.digest)
    bench.certify(F, 1, digest.digest)
    bench.tick(SPREAD_DELTAS * QUICK.delta0)
    assert bench.replica.deadline() is None


def test_R13_a_vote_for_a_view_that_was_left_is_answered_once_per_interval() -> None:
    bench = follower()
    bench.certify(X, 1)
    bench.certify(X, 2)
    peer = others(bench)[0]
    assert not bench.hear(X, 1, peer).send, "the certificate is on its way"
    bench.now += 0.6
    (send,) = bench.hear(X, 1, peer).send
    assert isinstance(send.message, Justify)
    assert (send.to, [certificate.view for certificate in send.message.certificates]) == (
        peer,
        [1, 2],
    )
    assert not bench.hear(X, 1, peer).send
    bench.now += 1.1
    assert len(bench.hear(X, 1, peer).send) == 1


def test_R13_a_request_for_certificates_is_answered() -> None:
    bench = follower()
    bench.certify(X, 1)
    (send,) = bench.step(
        Received(SignerIndex(others(bench)[0]), CertificateRequest(Epoch(0), View(1)))
    ).send
    assert isinstance(send.message, Justify)
    assert len(send.message.certificates) == 1


# --- R14 and catch-up -----------------------------------------------------------------------------


def test_R14_asks_proposer_then_origin_then_the_others_with_growing_patience() -> None:
    cluster = Cluster()
    lead = cluster.leader(1)
    own, origin = (index for index in range(4) if index != lead and index != (lead + 3) % 4)
    bench = Bench(cluster, own)
    batch = cluster.batch(lane=origin)
    bench.propose(cluster.proposal(cluster.header(batches=[batch])))
    asked, times = [], []
    for _ in range(4):
        deadline = bench.replica.deadline()
        assert deadline is not None
        out = bench.tick(deadline - bench.now + 1e-6)
        if out.ask:
            asked.append(out.ask[0].to)
            times.append(bench.now)
    assert asked[:2] == [lead, origin]
    assert times[1] - times[0] == pytest.approx(0.5, abs=0.01)


def test_R14_a_header_that_was_not_asked_for_is_not_kept() -> None:
    bench = follower()
    bench.step(Received(SignerIndex(1), BlockMessage(bench.cluster.header())))
    assert bench.replica.state.sizes["headers"] == 0


def test_R14_a_claim_only_picks_whom_to_ask() -> None:
    bench = follower()
    claim = StatusBody(Epoch(0), View(9), View(9), Height(50), NO_DIGEST, Height(50), (), Height(1))
    bench.step(Received(SignerIndex(others(bench)[0]), Status(claim, Signature(b""))))
    assert (bench.replica.state.view, bench.replica.state.final.height) == (1, 0)
    (ask,) = bench.tick(0.3).ask
    assert (ask.to, ask.range_from) == (others(bench)[0], 1)
    bench.step(Received(SignerIndex(others(bench)[1]), Status(claim, Signature(b""))))
    assert bench.tick(0.6).ask[0].to == others(bench)[1]


def test_a_final_range_goes_through_the_one_commit_path() -> None:
    bench = follower()
    cluster = bench.cluster
    batch = cluster.batch(lane=1)
    first = cluster.header(batches=[batch])
    second = cluster.header(first, view=4)
    certificate = cluster.certificate(F, 4, second.digest)
    with pytest.raises(PeerFault):
        bench.step(FinalRange((second,), certificate))
    with pytest.raises(PeerFault):
        bench.step(
            FinalRange(
                (first, second), replace(certificate, signatures=(Signature(bytes(64)),) * 3)
            )
        )
    with pytest.raises(PeerFault):
        bench.step(FinalRange((first, second), cluster.certificate(N, 4, second.digest)))
    assert bench.replica.state.view == 1
    bench.hold(batch)
    out = bench.step(FinalRange((first, second), certificate))
    assert [commit.header.height for commit in out.commit] == [1, 2]
    assert bench.replica.state.view == 5


# --- work, quiet, pressure ------------------------------------------------------------------------


def test_work_an_executed_block_is_anchored_and_then_the_chain_is_quiet() -> None:
    bench = Bench(Cluster(1), 0)
    out = bench.hold(bench.cluster.batch(lane=0))
    assert [commit.header.batch_count for commit in out.commit] == [1]
    assert not bench.replica.state.has_work
    out = bench.execute(1)
    assert [commit.header.anchor.height for commit in out.commit] == [1]
    out = bench.execute(2)
    assert not out.commit
    assert (bench.replica.deadline(), bench.replica.state.has_work) == (None, False)


def test_work_from_outside_lasts_until_a_block_of_that_time_is_final() -> None:
    bench = Bench(Cluster(1), 0)
    out = bench.step(Work())
    assert [commit.header.batch_count for commit in out.commit] == [0]
    assert bench.replica.deadline() is None


def test_work_an_idle_block_is_made_once_per_interval_if_asked_for() -> None:
    bench = Bench(Cluster(1), 0, settings=Settings(idle_block=2.0))
    assert bench.replica.deadline() == pytest.approx(bench.now + 2.0)
    assert [commit.header.height for commit in bench.tick(2.0).commit] == [1]
    assert not bench.tick(1.0).commit
    assert [commit.header.height for commit in bench.tick(1.0).commit] == [2]


def test_work_a_leader_may_wait_for_a_block_to_grow_when_the_one_below_was_busy() -> None:
    bench = Bench(Cluster(1), 0, settings=Settings(min_gap=0.02))
    batches = [bench.cluster.batch(lane=0)]
    for sequence in (1, 2):
        batches.append(bench.cluster.batch(lane=0, sequence=sequence, previous=batches[-1].digest))
    assert [commit.header.batch_count for commit in bench.hold(batches[0]).commit] == [1]
    assert not bench.hold(batches[1]).commit
    bench.hold(batches[2])
    assert [commit.header.batch_count for commit in bench.tick(0.021).commit] == [2]


def test_work_a_leader_waits_as_long_again_for_as_many_batches_as_the_block_below_had() -> None:
    bench = Bench(Cluster(1), 0, settings=Settings(min_gap=0.02))
    batches = [bench.cluster.batch(lane=0)]
    for sequence in range(1, 6):
        batches.append(bench.cluster.batch(lane=0, sequence=sequence, previous=batches[-1].digest))
    bench.hold(batches[0])
    bench.hold(batches[1])
    bench.hold(batches[2])
    assert [commit.header.batch_count for commit in bench.tick(0.021).commit] == [2]
    bench.hold(batches[3])
    assert not bench.tick(0.041).commit, "the block below had two"
    assert [commit.header.batch_count for commit in bench.tick(0.04).commit] == [1]
    bench.tick(1.0)
    assert [commit.header.batch_count for commit in bench.hold(batches[4]).commit] == [1]


def test_pressure_no_new_batches_while_execution_lags_by_eight_and_no_empty_spin() -> None:
    bench = Bench(Cluster(1), 0)
    previous, heights = None, 0
    for sequence in range(12):
        batch = bench.cluster.batch(lane=0, sequence=sequence, previous=previous)
        previous = batch.digest
        heights += len(bench.hold(batch).commit)
    assert heights == 8
    assert bench.replica.state.throttled
    out = bench.execute(1)
    assert [commit.header.batch_count for commit in out.commit] == [4]


def test_pressure_no_new_batches_at_full_depth_and_an_empty_block_still_helps_finality() -> None:
    cluster = Cluster()
    bench = Bench(cluster, cluster.leader(3), settings=Settings(depth_max=2), feed_back=False)
    bench.replica.state.voting = False
    parent, proof = cluster.genesis, None
    for view in (1, 2):
        batch = cluster.batch(lane=view)
        bench.hold(batch)
        header = cluster.header(parent, view=view, batches=[batch])
        bench.propose(cluster.proposal(header, parent=proof))
        bench.certify(N, view, header.digest)
        parent, proof = header, cluster.certificate(N, view, header.digest)
    bench.hold(cluster.batch(lane=3))
    bench.replica.state.voting = True
    assert bench.replica.state.throttled
    (proposal,) = [cast.proposal for cast in bench.tick(0.3).cast if cast.proposal is not None]
    assert (proposal.header.height, proposal.header.batch_count) == (3, 0)


def test_pressure_is_a_validity_rule() -> None:
    cluster = Cluster()
    bench = follower(view=9)
    parent, previous = cluster.genesis, None
    for view in range(1, 10):
        bench.replica.state.voting = view == 9
        batch = cluster.batch(lane=1, sequence=view - 1, previous=previous)
        previous = batch.digest
        bench.hold(batch)
        header = cluster.header(parent, view=view, batches=[batch])
        proof = None if view == 1 else cluster.certificate(N, view - 1, parent.digest)
        bench.propose(cluster.proposal(header, parent=proof))
        if view < 9:
            bench.certify(N, view, header.digest)
            bench.certify(F, view, header.digest)
        parent = header
    assert bench.replica.state.final.height == 8
    assert bench.said(X, 9)


def test_lanes_a_forked_lane_is_frozen_and_the_others_go_on() -> None:
    bench = leader(feed_back=False)
    bench.replica.state.voting = False
    one, two, three = (
        bench.cluster.batch(lane=1, body=body) for body in (b"one", b"two", b"three")
    )
    assert not bench.hold(one).evidence
    assert bench.hold(two).evidence == [LaneFork(Lane(1), one.digest, two.digest)]
    assert not bench.hold(three).evidence, "once per lane and epoch"
    assert bench.replica.state.frozen_lanes == {1}
    assert not bench.replica.state.has_work
    bench.replica.state.voting = True
    (cast,) = bench.hold(bench.cluster.batch(lane=2)).cast
    assert cast.proposal is not None
    assert [tip.length for tip in cast.proposal.header.cut] == [0, 0, 1, 0]


def test_observers_follow_and_never_cast() -> None:
    for own in (None, 0):
        cluster = Cluster()
        bench = Bench(cluster, own, voting=False, settings=QUICK)
        batch = cluster.batch(lane=1)
        bench.hold(batch)
        header = cluster.header(batches=[batch])
        bench.propose(cluster.proposal(header))
        bench.tick(10)
        out = bench.certify(F, 1, header.digest)
        assert not bench.cast
        assert [commit.header for commit in out.commit] == [header]
        assert own is not None or not out.send


def test_contradicting_certificates_stop_the_vote_with_an_alarm() -> None:
    bench = follower()
    bench.certify(X, 1)
    out = bench.certify(F, 1, Digest(b"1" * 32))
    assert "both nullified and final" in out.alarm
