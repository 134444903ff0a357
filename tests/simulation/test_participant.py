"""What one participant decides, looked at from close by: whom it asks, what it keeps, what its log
says first."""

from dataclasses import replace
from hashlib import sha256

import pytest
from tests.simulation.actors.honest import LANE_BYTES_MAX
from tests.simulation.keys import FakeKeyring
from tests.simulation.scenes import Scene

from strongroom.consensus.batches import Batch, BatchHeader, encode_payload
from strongroom.consensus.errors import PeerFault
from strongroom.consensus.host_messages import EpochMessage
from strongroom.consensus.messages import BatchMessage, CertificateRequest, RangeRequest
from strongroom.consensus.replica.events import Ask, Commit, Now
from strongroom.consensus.statements import Kind, Statement
from strongroom.consensus.types import (
    Digest,
    Epoch,
    Height,
    Lane,
    Sequence,
    Signature,
    SignerIndex,
    View,
)
from strongroom.node.ordering.backlog import BACKLOG_BLOCKS_MAX
from strongroom.node.ordering.effects import Append, Effect, Sync, Tell
from strongroom.node.ordering.events import Heard
from strongroom.node.ordering.log import OBSERVER_RECORD
from strongroom.node.ordering.turn import Turn


def running() -> Scene:
    """Four nodes that have ordered something."""
    scene = Scene(4)
    scene.start()
    scene.load(4)
    scene.settle()
    return scene


def batch_of(scene: Scene, sequence: int, *, signer: int = 1, size: int = 10) -> Batch:
    """Of lane 1, signed by some node."""
    payload = encode_payload([bytes([sequence % 256]) * size])
    header = BatchHeader(
        epoch=scene.honest(0).epoch,
        lane=Lane(1),
        sequence=Sequence(sequence),
        previous=Digest(bytes(32)),
        count=1,
        size=len(payload),
        payload_digest=Digest(sha256(payload).digest()),
    )
    return Batch(
        header, payload, scene.roles[signer].node_key.sign(header.signed_bytes(scene.chain))
    )


def asked(scene: Scene, ask: Ask) -> list[Effect]:
    return scene.honest(0).participant.run._ask(ask)


def test_what_is_final_is_asked_of_any_reachable_node_when_the_member_is_gone() -> None:
    """A node that was away for several epochs asks members of its own, who may all have left."""
    scene = running()
    node, key = scene.honest(0), scene.realm.node_keys[3].public
    assert asked(scene, Ask(SignerIndex(1), range_from=Height(9))) == [
        Tell(scene.realm.node_keys[1].public, RangeRequest(Height(9)))
    ]
    node.participant._reachable.clear()
    node.participant._reachable.add(key)
    assert asked(scene, Ask(SignerIndex(1), range_from=Height(9))) == [
        Tell(key, RangeRequest(Height(9)))
    ]


def test_old_blocks_are_asked_for_only_when_execution_has_caught_up() -> None:
    scene = running()
    node = scene.honest(0)
    final = node.replica.state.final
    many = range(final.height + 1, final.height + BACKLOG_BLOCKS_MAX + 2)
    node.participant.backlog.add(
        [Commit(replace(final, height=Height(at)), (), None) for at in many]
    )
    assert asked(scene, Ask(SignerIndex(1), range_from=Height(9))) == []
    turn = Turn(scene.clock(0))
    node.participant.run.tick(turn)
    assert turn.rest == []
    node.participant.backlog.note_executed(Height(many[0]))
    node.participant.run.tick(turn)
    assert turn.rest == [Tell(scene.realm.node_keys[1].public, RangeRequest(Height(9)))]


def test_T35_a_batch_that_came_is_wanted_no_more_whether_it_was_kept_or_not() -> None:
    """T35: nobody grows this node's memory with names of batches."""
    scene = running()
    node = scene.honest(0)
    for batch in (batch_of(scene, 1000), batch_of(scene, 1000), batch_of(scene, 0)):
        node.pool.want([batch.header.digest])
        node.participant.run.hear_batch(batch, Turn(scene.clock(0)))
        assert not node.pool.arrived(batch.header.digest)


def test_T35_a_batch_of_no_lane_or_of_another_hand_or_beyond_the_quota_is_refused() -> None:
    scene = running()
    run, turn = scene.honest(0).participant.run, Turn(scene.clock(0))
    with pytest.raises(PeerFault, match="signature"):
        run.hear_batch(batch_of(scene, 1000, signer=2), turn)
    stray = batch_of(scene, 1000)
    with pytest.raises(PeerFault, match="no such lane"):
        run.hear_batch(replace(stray, header=replace(stray.header, lane=Lane(9))), turn)
    for sequence in range(1000, 1003):
        run.hear_batch(batch_of(scene, sequence, size=1000), turn)
    with pytest.raises(PeerFault, match="unordered bytes"):
        run.hear_batch(batch_of(scene, 1003, size=1000), turn)


def test_row_25_that_the_log_is_lost_is_durable_before_anything_else() -> None:
    """PROTOCOL §6: the next start finds a log, but not the one in which the promises stood."""
    scene = running()
    scene.crash(2)
    scene.lose_log(2)
    scene.restart(2)
    first, second, *_ = scene.honest(2).participant.restore()
    assert isinstance(first, Append)
    assert (first.kind, second) == (OBSERVER_RECORD, Sync())


def test_R0_a_message_of_an_ended_epoch_is_answered_with_how_the_next_one_was_opened() -> None:
    scene = running()
    scene.submit(0, b"govern: rotate 0")
    assert scene.run(5.0, lambda: all(node.epoch == 1 for node in scene.honest_nodes))
    scene.run(2.0)
    peer = scene.realm.node_keys[3].public
    event = Heard(peer, CertificateRequest(Epoch(0), View(1)))
    (told,) = scene.honest(0).participant.step([event], scene.clock(0))
    assert told == Tell(peer, EpochMessage(scene.honest(0).epochs.entries(Epoch(1))))


def test_a_step_without_events_wants_nothing() -> None:
    scene = running()
    now = scene.clock(0)
    assert scene.honest(0).participant.step([], Now(now.monotonic, now.wall_ms)) == []


def test_T35_a_lane_of_which_peers_miss_the_first_batch_goes_on_however_much_waits_in_it() -> None:
    """T35, P8: a peer that is full of what comes after it keeps no relay of the one it misses, and
    has no work: so nobody makes more than fits into half of what peers keep of one origin."""
    scene = Scene(4)
    scene.start()
    scene.network.filter = lambda sender, _, message: (
        not (
            sender == 0 and isinstance(message, BatchMessage) and message.batch.header.sequence == 0
        )
    )
    for number in range(12):
        scene.submit(0, b"%d" % number + bytes(900))
    scene.run(0.015)
    node = scene.honest(0)
    assert node.participant.lane_is_full
    assert node.unbatched
    assert sum(batch.header.size for batch in node.pool.all()) < LANE_BYTES_MAX
    scene.network.heal()
    scene.settle(10.0)


def test_the_own_enclave_is_believed_once_a_signature_of_it_has_verified() -> None:
    scene = running()
    run, keyring = scene.honest(0).participant.run, scene.keyring
    assert run.own is not None
    key = run.description.validators[run.own].vote_key
    assert isinstance(keyring, FakeKeyring)

    def held(
        view: int, signature: bytes, kind: Kind = Kind.NOTARIZE, epoch: Epoch = run.epoch
    ) -> bool:
        """Does a vote of its own with this signature count, without being verified?"""
        statement = Statement(kind, epoch, View(view), Digest(bytes([7]) * 32))
        run.votes([statement], [Signature(signature)])
        before = keyring.verifications
        counts = run.context.verify(key, signature, statement.signed_bytes(scene.chain))
        return counts and keyring.verifications == before

    # A key that is not the one that the epoch names convinces nobody, however often it signs.
    assert not run._own_key_proven
    assert not held(1_000, b"s" * 64)
    assert not held(1_001, b"s" * 64)
    run._own_key_proven = True
    assert held(1_002, b"s" * 64)
    # What the store keeps for ever is verified, and another epoch names another key.
    assert not held(1_003, b"s" * 64, Kind.FINALIZE)
    assert not held(1_004, b"s" * 64, epoch=Epoch(run.epoch + 1))


@pytest.mark.parametrize("kind", list(Kind))
def test_T40_a_bit_that_flips_between_enclave_and_host_stops_no_host(kind: Kind) -> None:
    """Its vote counts for nobody, itself included: every certificate that it stores holds."""
    scene = running()
    node, flipped = scene.honest(1), list[Statement]()
    run, sign = node.participant.run, node.enclave.sign

    def on_its_way(statement: Statement) -> Signature:
        signature = sign(statement)
        if statement.kind is not kind or not run._own_key_proven or len(flipped) == 3:
            return signature
        flipped.append(statement)
        return Signature(bytes([signature[0] ^ 1]) + signature[1:])

    node.enclave.sign = on_its_way  # type: ignore[method-assign]
    scene.load(20, every=0.05)
    scene.run(0.3)
    if kind is Kind.NULLIFY:
        scene.crash(2)
        scene.run(5.0)
        scene.restart(2)
    scene.run(2.0)
    scene.settle(20.0)
    assert flipped
    # What a restart would show the enclave, and what any client and peer is given.
    held = [certificate for _, _, certificate in node.store.blocks if certificate is not None]
    assert len(held) > 3
    for certificate in held:
        certificate.check(scene.chain, run.description, scene.keyring.verify)
