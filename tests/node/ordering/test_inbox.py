"""What a frame becomes: an event for the participant, somebody else's business, or a fault
(T31)."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.consensus import samples

from strongroom.consensus.host_messages import OutcomeRequest, Submit
from strongroom.consensus.messages import BatchMessage, encode_message
from strongroom.consensus.types import Height, PublicKey
from strongroom.node.ordering.event_queue import QUEUE_EVENTS_MAX, EventQueue
from strongroom.node.ordering.events import Heard, ParticipantEvent
from strongroom.node.ordering.inbox import FAULTS_MAX, Inbox

PEER = samples.EPOCH.validators[1].node_key


@dataclass
class StandInParticipant:
    """Holds every certificate, or none."""

    certified: bool = False

    def has_certified(self, *_: object) -> bool:
        return self.certified


@dataclass
class StandInLinks:
    """Keeps who was disconnected."""

    gone: list[PublicKey] = field(default_factory=list)

    paused: list[PublicKey] = field(default_factory=list)

    def pause(self, peer: PublicKey) -> None:
        self.paused.append(peer)

    def disconnect(self, peer: PublicKey) -> None:
        self.gone.append(peer)


@dataclass
class Bench:
    """An inbox among stand-ins."""

    inbox: Inbox
    events: EventQueue
    participant: StandInParticipant
    links: StandInLinks
    others: list[object]
    outcomes_asked: list[tuple[PublicKey, Height]]

    @property
    def came(self) -> list[ParticipantEvent]:
        """What reached the participant."""
        return self.events.pop(len(self.events))


@pytest.fixture
def bench() -> Bench:
    events, participant = EventQueue(), StandInParticipant()
    links, others, asked = StandInLinks(), list[object](), list[tuple[PublicKey, Height]]()
    unused = dict.fromkeys(("heads", "spawn_head_answer"))
    loose: dict[str, Any] = {"events": events, "participant": participant, "links": links, **unused}
    inbox = Inbox(
        others=lambda _, message: others.append(message),
        send_outcomes=lambda sender, start: asked.append((sender, start)),
        **loose,
    )
    return Bench(inbox, events, participant, links, others, asked)


def test_a_question_for_outcomes_is_answered_by_whoever_holds_them(bench: Bench) -> None:
    bench.inbox.receive(PEER, encode_message(OutcomeRequest(Height(7))))
    assert (bench.outcomes_asked, bench.came, bench.others) == ([(PEER, Height(7))], [], [])


def test_messages_about_order_go_to_the_participant_and_others_elsewhere(bench: Bench) -> None:
    batch, submit = BatchMessage(samples.BATCH), Submit(b"envelope")
    for message in (batch, submit):
        bench.inbox.receive(PEER, encode_message(message))
    assert (bench.came, bench.others) == ([Heard(PEER, batch)], [submit])


def test_a_certificate_that_is_held_already_is_not_even_decoded(bench: Bench) -> None:
    from strongroom.consensus.messages import CertificateMessage

    data = encode_message(CertificateMessage(samples.certificate("finalize")))
    bench.participant.certified = True
    bench.inbox.receive(PEER, data)
    assert bench.came == []
    bench.participant.certified = False
    bench.inbox.receive(PEER, data)
    assert len(bench.came) == 1


def test_T31_whoever_goes_on_with_broken_messages_is_disconnected(bench: Bench) -> None:
    for _ in range(FAULTS_MAX - 1):
        bench.inbox.receive(PEER, b"\xc1")
    assert (bench.inbox.faults[PEER], bench.links.gone) == (FAULTS_MAX - 1, [])
    bench.inbox.receive(PEER, b"\xc1")
    assert bench.links.gone == [PEER]


def test_T31_a_peer_whose_messages_pile_up_is_not_read_from(bench: Bench) -> None:
    data = encode_message(BatchMessage(samples.BATCH))
    for _ in range(QUEUE_EVENTS_MAX):
        bench.events.put(Heard(PEER, BatchMessage(samples.BATCH)))
    assert bench.links.paused == []
    bench.inbox.receive(PEER, data)
    assert bench.links.paused == [PEER]
