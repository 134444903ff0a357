"""Asks for others' batches to be passed on, and passes on none, or another (PROTOCOL §3)."""

from dataclasses import replace
from hashlib import sha256

from tests.simulation.actors.actor import ActorEvent, Role, Send
from tests.simulation.actors.puppet import Puppet

from strongroom.consensus.batches import Batch, encode_payload
from strongroom.consensus.messages import BatchMessage, Forward
from strongroom.consensus.replica.events import Now, Received
from strongroom.consensus.types import Digest

LIES_MAX = 60


class FalseForwarder(Puppet):
    """Works honestly but for batches that it should pass on."""

    def __init__(self, role: Role) -> None:
        super().__init__(role)
        self._lies = 0

    def twist(self, sends: list[Send], event: ActorEvent, now: Now) -> list[Send]:
        """Nothing of what it was asked to pass on, or its twin; and a question of its own."""
        if not (isinstance(event, Received) and isinstance(event.message, Forward)):
            return sends
        asked = event.message.batch
        out = [send for send in sends if not _holds(send, asked)]
        if self._lies < LIES_MAX:
            self._lies += 1
            if self._lies % 2:
                out += [Send(send.to, BatchMessage(_twin(asked))) for send in sends[:4]]
            out.append(Send(None, Forward(asked, event.message.to)))
        return out


def _holds(send: Send, batch: Batch) -> bool:
    message = send.message
    return isinstance(message, BatchMessage) and message.batch.header == batch.header


def _twin(batch: Batch) -> Batch:
    """Another batch in its place, under its signature."""
    payload = encode_payload([b"passed on %d" % batch.header.sequence])
    header = replace(
        batch.header, count=1, size=len(payload), payload_digest=Digest(sha256(payload).digest())
    )
    return Batch(header, payload, batch.signature)
