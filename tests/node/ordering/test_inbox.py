"""What a frame becomes: an event for the participant, somebody else's business, or a fault
(T31)."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.consensus import samples

from strongroom.consensus.host_messages import Submit
from strongroom.consensus.messages import BatchMessage, encode_message
from strongroom.consensus.types import PublicKey
from strongroom.node.ordering.effects import Heard, ParticipantEvent
from strongroom.node.ordering.inbox import FAULTS_MAX, Inbox

PEER = samples.EPOCH.validators[1].node_key


@dataclass
class StandInDriver:
    """Keeps what reaches the participant."""

    came: list[ParticipantEvent] = field(default_factory=list)
    participant: Any = None
    certified: bool = False

    def __post_init__(self) -> None:
        self.participant = self

    def has_certified(self, *_: object) -> bool:
        return self.certified

    def put_from_peer(self, _: PublicKey, event: ParticipantEvent) -> None:
        self.came.append(event)


@dataclass
class StandInLinks:
    """Keeps who was disconnected."""

    gone: list[PublicKey] = field(default_factory=list)

    def disconnect(self, peer: PublicKey) -> None:
        self.gone.append(peer)


@dataclass
class Bench:
    """An inbox among stand-ins."""

    inbox: Inbox
    driver: StandInDriver
    links: StandInLinks
    office: list[object]


@pytest.fixture
def bench() -> Bench:
    driver, links, office = StandInDriver(), StandInLinks(), list[object]()
    unused = dict.fromkeys(("heads", "serving", "spawn_head_answer"))
    loose: dict[str, Any] = {"driver": driver, "links": links, **unused}
    inbox = Inbox(office=lambda _, message: office.append(message), **loose)
    return Bench(inbox, driver, links, office)


def test_messages_about_order_go_to_the_participant_and_others_elsewhere(bench: Bench) -> None:
    batch, submit = BatchMessage(samples.BATCH), Submit(b"envelope")
    for message in (batch, submit):
        bench.inbox.receive(PEER, encode_message(message))
    assert (bench.driver.came, bench.office) == ([Heard(PEER, batch)], [submit])


def test_a_certificate_that_is_held_already_is_not_even_decoded(bench: Bench) -> None:
    from strongroom.consensus.messages import CertificateMessage

    data = encode_message(CertificateMessage(samples.certificate("finalize")))
    bench.driver.certified = True
    bench.inbox.receive(PEER, data)
    assert bench.driver.came == []
    bench.driver.certified = False
    bench.inbox.receive(PEER, data)
    assert len(bench.driver.came) == 1


def test_T31_whoever_goes_on_with_broken_messages_is_disconnected(bench: Bench) -> None:
    for _ in range(FAULTS_MAX - 1):
        bench.inbox.receive(PEER, b"\xc1")
    assert (bench.inbox.faults[PEER], bench.links.gone) == (FAULTS_MAX - 1, [])
    bench.inbox.receive(PEER, b"\xc1")
    assert bench.links.gone == [PEER]
