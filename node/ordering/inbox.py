"""What nodes' frames become: events for the participant, or others' business (PROTOCOL §3, R14,
§6).

Owns the strict decoding at the link, and the faults: they are counted per node, and one that goes
on with them is disconnected (T31). Whose message counts in which epoch is node/ordering's.
"""

from collections import Counter
from collections.abc import Callable

import structlog

from strongroom.consensus.errors import PeerFault
from strongroom.consensus.heads import Head
from strongroom.consensus.host_messages import HostMessage, OutcomeRequest
from strongroom.consensus.messages import HeadRequest, Message, certified_statement, decode_message
from strongroom.consensus.types import Height, PublicKey
from strongroom.node.network.heads import Heads
from strongroom.node.network.links import Links
from strongroom.node.ordering.event_queue import EventQueue
from strongroom.node.ordering.events import Heard, OrderingMessage
from strongroom.node.ordering.participant import Participant

FAULTS_MAX = 100
"""Broken messages of one link after which it is closed."""

log = structlog.get_logger()


class Inbox:
    """Dispatches decoded messages of verified nodes."""

    def __init__(
        self,
        *,
        events: EventQueue,
        participant: Participant,
        links: Links,
        heads: Heads,
        send_outcomes: Callable[[PublicKey, Height], None],
        spawn_head_answer: Callable[[PublicKey, HeadRequest], None],
        others: Callable[[PublicKey, HostMessage], None],
    ) -> None:
        """Make it.

        Args:
            events: takes what is the participant's.
            participant: says which certificates it holds already.
            links: to peers.
            heads: collects heads.
            send_outcomes: answers a question for outcomes from a height on.
            spawn_head_answer: answers a question for a head, beside everything else.
            others: takes every other message of hosts.
        """
        self._events, self._participant = events, participant
        self._links, self._heads, self._others = links, heads, others
        self._send_outcomes, self._spawn_head_answer = send_outcomes, spawn_head_answer
        self.faults: Counter[PublicKey] = Counter()

    def receive(self, sender: PublicKey, data: bytes) -> None:
        """Handle one frame of a link; never raises for what a peer did."""
        try:
            if not self._is_held(data):
                self._dispatch(sender, decode_message(data))
        except PeerFault as fault:
            self.note_fault(sender, str(fault))

    def note_fault(self, sender: PublicKey, reason: str) -> None:
        """A node broke a rule."""
        self.faults[sender] += 1
        log.warning("peer.fault", peer=sender.hex()[:16], reason=reason, count=self.faults[sender])
        if self.faults[sender] % FAULTS_MAX == 0:
            self._links.disconnect(sender)

    def _is_held(self, data: bytes) -> bool:
        """A certificate for a statement that is certified here already: most are, for each
        validator makes its own."""
        statement = certified_statement(data)
        return statement is not None and self._participant.has_certified(*statement)

    def _dispatch(self, sender: PublicKey, message: Message) -> None:
        match message:
            case HeadRequest():
                self._spawn_head_answer(sender, message)
            case Head():
                self._heads.receive(sender, message)
            case OutcomeRequest(start):
                self._send_outcomes(sender, start)
            case _ if isinstance(message, OrderingMessage):
                self._events.put(Heard(sender, message))
                if self._events.is_full:
                    self._links.pause(sender)
            case _:
                self._others(sender, message)
