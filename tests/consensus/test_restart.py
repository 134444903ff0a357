"""Restart (PROTOCOL §6): the log fills guard and tally, and nothing is said that contradicts it."""

from collections.abc import Iterable

import pytest
from tests.consensus.bench import Bench, Cluster, F, N, X

from strongroom.consensus.messages import BlockMessage, Justify, VoteMessage
from strongroom.consensus.replica.events import (
    CandidateRecord,
    CastRecord,
    CertificateRecord,
    FinalRecord,
    Output,
    Received,
)
from strongroom.consensus.replica.replica import Replica
from strongroom.consensus.replica.settings import Settings
from strongroom.consensus.safety import GuardRefuses
from strongroom.consensus.statements import Statement
from strongroom.consensus.types import Digest, Epoch, SignerIndex, View


def restarted(
    bench: Bench, records: Iterable[object], **options: object
) -> tuple[Replica, tuple[Statement, ...]]:
    bench.replica = bench.make(Settings())
    bench.cast = []
    values: dict[str, object] = {
        "final": bench.cluster.genesis,
        "final_certificate": None,
        **options,
    }
    statements = bench.replica.state.restore(records=records, **values)  # type: ignore[arg-type]
    return bench.replica, statements


def follower() -> Bench:
    cluster = Cluster()
    own = next(index for index in range(4) if index not in (cluster.leader(1), cluster.leader(2)))
    return Bench(cluster, own)


def records_of(out: Output) -> list[object]:
    return [*out.persist, *(CastRecord(cast.statement) for cast in out.cast)]


def test_after_nullify_and_restart_the_view_is_never_finalised() -> None:
    bench = follower()
    batch = bench.cluster.batch(lane=1)
    header = bench.cluster.header(batches=[batch])
    _, statements = restarted(bench, [CastRecord(bench.cluster.statement(X, 1))])
    assert statements == (bench.cluster.statement(X, 1),)
    bench.replica.resume(bench.clock())
    bench.hold(batch)
    bench.propose(bench.cluster.proposal(header))
    bench.certify(N, 1, header.digest)
    bench.tick(10)
    assert not any(statement.view == 1 for statement in bench.cast)


def test_after_notarise_and_restart_there_is_no_other_vote_in_the_view() -> None:
    bench = follower()
    one, two = bench.cluster.header(), bench.cluster.header(batches=[bench.cluster.batch(lane=1)])
    bench.hold(bench.cluster.batch(lane=1))
    out = bench.propose(bench.cluster.proposal(one))
    restarted(bench, records_of(out))
    bench.replica.resume(bench.clock())
    bench.propose(bench.cluster.proposal(two))
    assert not bench.said(N, 1, two.digest)


def test_own_votes_fill_the_tally_like_all_others() -> None:
    bench = follower()
    replica, statements = restarted(bench, [CastRecord(bench.cluster.statement(X, 1))])
    own = bench.own or SignerIndex(0)
    for statement in statements:
        vote = bench.cluster.vote(statement.kind, statement.view, own)
        replica.step(Received(own, VoteMessage(vote)), bench.clock())
    (send,) = replica.resume(bench.clock()).send
    assert isinstance(send.message, Justify)
    assert [vote.statement for vote in send.message.votes] == list(statements)
    peers = [peer for peer in range(4) if peer != own]
    bench.hear(X, 1, peers[0])
    bench.hear(X, 1, peers[1])
    assert replica.state.view == 2


def test_certificates_rebuild_view_and_finality_and_the_commit_is_made_up_for() -> None:
    bench = follower()
    cluster = bench.cluster
    batch = cluster.batch(lane=1)
    header = cluster.header(batches=[batch])
    records: list[object] = [
        CandidateRecord(header),
        CertificateRecord(cluster.certificate(N, 1, header.digest)),
        CertificateRecord(cluster.certificate(F, 1, header.digest)),
        CertificateRecord(cluster.certificate(X, 2)),
    ]
    replica, _ = restarted(bench, records, batches=[batch])
    assert replica.state.view == 3
    assert replica.state.final.height == 0
    (commit,) = replica.resume(bench.clock()).commit
    assert (commit.header, commit.batches) == (header, (batch.digest,))
    assert replica.state.final_view == 1


def test_records_of_another_epoch_are_passed_over() -> None:
    bench = follower()
    old = Statement(X, Epoch(7), View(1), bench.cluster.statement(X, 1).digest)
    replica, statements = restarted(bench, [CastRecord(old)])
    assert statements == ()
    assert replica.state.view == 1


def test_a_log_that_contradicts_itself_is_refused() -> None:
    bench = follower()
    with pytest.raises(GuardRefuses):
        restarted(
            bench,
            [
                CastRecord(bench.cluster.statement(X, 1)),
                CastRecord(bench.cluster.statement(F, 1, Digest(b"1" * 32))),
            ],
        )


def test_a_block_store_that_was_cut_back_is_filled_from_the_final_certificate_in_the_log() -> None:
    bench = follower()
    cluster = bench.cluster
    batch = cluster.batch(lane=1)
    first = cluster.header(batches=[batch])
    second = cluster.header(first, view=3)
    replica, _ = restarted(bench, [FinalRecord(second, cluster.certificate(F, 3, second.digest))])
    assert (replica.state.view, replica.state.final.height) == (4, 0)
    bench.replica.resume(bench.clock())
    (ask,) = bench.tick(1.0).ask
    assert ask.headers == (first.digest,)
    bench.step(Received(ask.to, BlockMessage(first)))
    out = bench.hold(batch)
    assert [commit.header for commit in out.commit] == [first, second]
    assert any(isinstance(record, FinalRecord) for record in replica.state.log_records()), (
        "the store may lose them again"
    )
    bench.execute(2)
    assert not any(isinstance(record, FinalRecord) for record in replica.state.log_records())


def test_views_up_to_a_final_record_above_the_block_store_are_closed() -> None:
    """X(1) was said, became settled and left the log; then the store lost its end: F(1) must not
    follow."""
    bench = follower()
    cluster = bench.cluster
    batch = cluster.batch(lane=1)
    nullified, middle = cluster.header(batches=[batch]), cluster.header(view=2)
    final = cluster.header(middle, view=3)
    known = FinalRecord(final, cluster.certificate(F, 3, final.digest))
    replica, _ = restarted(bench, [known, CastRecord(cluster.statement(X, 4))], batches=[batch])
    bench.replica.resume(bench.clock())
    bench.propose(cluster.proposal(nullified))
    bench.certify(N, 1, nullified.digest)
    bench.certify(N, 3, final.digest)
    assert not any(statement.view <= 3 for statement in bench.cast)
    assert known in replica.state.log_records(), (
        "until the blocks are here again, the next log must know it too"
    )


def test_promises_up_to_a_final_record_above_the_block_store_are_kept_and_said_again() -> None:
    bench = follower()
    cluster = bench.cluster
    final = cluster.header(view=3)
    known = FinalRecord(final, cluster.certificate(F, 3, final.digest))
    said = (cluster.statement(X, 2), cluster.statement(F, 3, final.digest), cluster.statement(X, 4))
    replica, statements = restarted(bench, [known, *map(CastRecord, said)])
    assert statements == said
    assert {
        record.statement for record in replica.state.log_records() if isinstance(record, CastRecord)
    } == set(said)


def test_a_final_record_of_a_later_epoch_waits_in_the_log_for_its_own_replica() -> None:
    bench = follower()
    header = bench.cluster.header(epoch=Epoch(1))
    later = FinalRecord(header, bench.cluster.certificate(F, 1, header.digest))
    replica, _ = restarted(bench, [later])
    assert (replica.state.view, replica.state.log_records()) == (1, ())


@pytest.mark.parametrize("later", [True, False])
def test_R16_an_epoch_that_the_log_has_seen_end_is_followed_without_a_word(later: bool) -> None:
    """Its promises went with its log; a block store that was cut back below its end must not make
    it speak again."""
    bench = follower()
    cluster = bench.cluster
    last = cluster.header(cluster.header(), view=2, next_epoch=Digest(b"n" * 32))
    ended = FinalRecord(last, cluster.certificate(F, 2, last.digest))
    record = (
        CastRecord(Statement(X, Epoch(1), View(1), cluster.statement(X, 1).digest))
        if later
        else ended
    )
    replica, _ = restarted(bench, [record])
    assert not replica.state.voting
    bench.replica.resume(bench.clock())
    bench.hold(cluster.batch(lane=1))
    bench.tick(30)
    bench.certify(X, 3)
    bench.tick(30)
    assert not bench.cast


def test_R16_the_anchors_certificate_of_the_epoch_before_is_none_of_this_one() -> None:
    bench = follower()
    foreign = bench.cluster.certificate(F, 7, bench.cluster.genesis.digest)
    replica, _ = restarted(bench, [], final_certificate=foreign)
    assert (replica.state.view, replica.state.final_certificate, replica.state.log_records()) == (
        1,
        None,
        (),
    )


def test_a_new_log_carries_what_a_restart_needs() -> None:
    bench = follower()
    batch = bench.cluster.batch(lane=1)
    bench.hold(batch)
    header = bench.cluster.header(batches=[batch])
    bench.propose(bench.cluster.proposal(header))
    bench.certify(N, 1, header.digest)
    assert bench.said(F, 1, header.digest)
    carried = list(bench.replica.state.log_records())
    replica, statements = restarted(bench, carried, batches=[batch])
    assert set(statements) == {
        bench.cluster.statement(N, 1, header.digest),
        bench.cluster.statement(F, 1, header.digest),
    }
    assert (replica.state.view, replica.state.newest_notarized) == (
        2,
        bench.cluster.certificate(N, 1, header.digest),
    )
    assert set(replica.state.log_records()) == set(carried)


def test_a_new_log_keeps_what_is_final_until_it_was_executed() -> None:
    """The block store may be behind when the log begins anew; a restart from it must contradict
    nothing."""
    bench = follower()
    cluster = bench.cluster
    nullified, batch = cluster.header(), cluster.batch(lane=1)
    for peer in [peer for peer in range(4) if peer != bench.own][:2]:
        bench.hear(X, 1, peer)
    assert bench.said(X, 1)
    bench.hold(batch)
    final = cluster.header(view=2, batches=[batch])
    bench.propose(cluster.proposal(final, nulls=(cluster.certificate(X, 1),)))
    assert bench.certify(F, 2, final.digest).commit
    carried = list(bench.replica.state.log_records())
    replica, statements = restarted(bench, carried, batches=[batch])
    assert cluster.statement(X, 1) in statements
    assert replica.resume(bench.clock()).commit
    bench.propose(cluster.proposal(nullified))
    bench.certify(N, 1, nullified.digest)
    assert not bench.said(F, 1, nullified.digest)
    bench.execute(1)
    assert CastRecord(cluster.statement(X, 1)) not in replica.state.log_records()


def test_everything_that_a_vote_rests_on_is_in_the_log_with_it_or_before() -> None:
    bench = follower()
    cluster = bench.cluster
    batch = cluster.batch(lane=1)
    bench.hold(batch)
    first = cluster.header(batches=[batch])
    second = cluster.header(first, view=2)
    logged: list[object] = []
    logged += records_of(bench.certify(N, 1, first.digest))
    logged += records_of(
        bench.propose(cluster.proposal(second, parent=cluster.certificate(N, 1, first.digest)))
    )
    assert not bench.cast
    logged += records_of(bench.propose(cluster.proposal(first)))
    casts = [record.statement for record in logged if isinstance(record, CastRecord)]
    assert cluster.statement(F, 1, first.digest) in casts
    assert cluster.statement(N, 2, second.digest) in casts
    cast_at = logged.index(CastRecord(cluster.statement(N, 2, second.digest)))
    for needed in (
        CandidateRecord(first),
        CandidateRecord(second),
        CertificateRecord(cluster.certificate(N, 1, first.digest)),
    ):
        assert logged.index(needed) < cast_at


def test_the_newest_votes_of_a_member_are_known_from_votes_and_certificates() -> None:
    bench = follower()
    peer = next(index for index in range(3) if index != bench.own)
    bench.certify(X, 3)
    assert [vote.statement for vote in bench.replica.state.newest_votes_of(SignerIndex(peer))] == [
        bench.cluster.statement(X, 3)
    ]
    vote = bench.replica.state.newest_votes_of(SignerIndex(peer))[0]
    vote.check(bench.cluster.chain, bench.cluster.members, bench.cluster.keyring.verify)
    bench.hear(X, 4, peer)
    assert bench.replica.state.newest_votes_of(SignerIndex(peer))[0].statement.view == 4
