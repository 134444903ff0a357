"""Fault matrix rows 35 and 36, as far as one epoch goes: its terminal block is the last, in
whatever view."""

from random import Random

import pytest
from tests.simulation.chaos import DELAY_CLASSES
from tests.simulation.network import Network
from tests.simulation.scenes import Scene

from strongroom.consensus.messages import CertificateMessage, Justify, Message, VoteMessage
from strongroom.consensus.statements import Kind
from strongroom.consensus.types import Digest, SignerIndex

WISH = Digest(b"\x05" * 32)


def ended(scene: Scene) -> bool:
    return all(replica.state.ended for replica in scene.replicas)


def test_row_34_a_wish_ends_the_epoch_once_and_nothing_comes_after() -> None:
    scene = Scene(4, wishes={3: WISH})
    scene.start()
    scene.load(10, every=0.05)
    assert scene.run(3.0, lambda: ended(scene))
    heights = scene.heights()
    scene.load(5)
    scene.run(3.0)
    assert scene.heights() == heights
    last = scene.ledger.blocks[max(scene.ledger.blocks)].header
    assert last.next_epoch == WISH
    assert all(
        block.header.next_epoch != WISH
        for height, block in scene.ledger.blocks.items()
        if height < last.height
    )
    assert [replica.deadline() for replica in scene.replicas] == [None] * 4


@pytest.mark.parametrize("hidden", [Kind.NOTARIZE, Kind.FINALIZE])
def test_row_35_a_terminal_block_that_is_notarized_and_nullified_is_proposed_again(
    hidden: Kind,
) -> None:
    scene = Scene(4, wishes={1: WISH})
    state = {"until": 0.0}

    def hide(_: SignerIndex, receiver: SignerIndex, message: Message) -> bool:
        match message:
            case VoteMessage(vote):
                kind = vote.statement.kind
            case CertificateMessage(certificate):
                kind = certificate.kind
            case Justify():
                return scene.now > state["until"]
            case _:
                return True
        terminal_exists = any(statement.digest in terminals(scene) for _, statement in scene.said)
        if not terminal_exists or kind is not hidden or receiver % 2:
            return True
        state["until"] = state["until"] or scene.now + 1.0
        return scene.now > state["until"]

    scene.network.filter = hide
    scene.start()
    scene.load(5, every=0.05)
    assert scene.run(20.0, lambda: ended(scene))
    last = scene.replicas[0].state.final
    assert last.next_epoch == WISH
    certificate = scene.replicas[0].state.final_certificate
    assert certificate is not None
    assert certificate.view >= last.view


def terminals(scene: Scene) -> set[Digest]:
    return {header.digest for header in scene.omniscient.headers() if header.next_epoch == WISH}


@pytest.mark.parametrize("seed", range(6))
def test_row_36_delay_classes_and_a_crash_at_the_end_of_the_epoch(seed: int) -> None:
    scene = Scene(
        4,
        seed=seed,
        wishes={2: WISH},
        network=Network(Random(seed), classes=DELAY_CLASSES, salt=seed),
    )
    scene.start()
    scene.load(6, every=0.1)
    scene.run(1.0)
    scene.crash(seed % 4)
    scene.run(3.0)
    scene.restart(seed % 4)
    scene.network.heal()
    assert scene.run(20.0, lambda: ended(scene))
    assert len({replica.state.final.digest for replica in scene.replicas}) == 1
