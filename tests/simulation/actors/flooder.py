"""Signs batches of its own lane that nothing can ever order, as many as it can (T35)."""

from hashlib import sha256

from tests.simulation.actors.actor import ActorEvent, Role, Send
from tests.simulation.actors.puppet import Puppet

from strongroom.consensus.batches import Batch, BatchHeader, encode_payload
from strongroom.consensus.messages import BatchMessage
from strongroom.consensus.replica.events import Now
from strongroom.consensus.types import Digest, Epoch, Lane, Sequence

FIRST = 1_000
"""Its own lane never comes so far."""
BATCHES = 60
"""In each epoch."""
BATCH_BYTES = 800


class Flooder(Puppet):
    """Works honestly, and fills the others' memory."""

    def __init__(self, role: Role) -> None:
        super().__init__(role)
        self._flooded: tuple[Epoch, int] = Epoch(0), 0

    def twist(self, sends: list[Send], event: ActorEvent, now: Now) -> list[Send]:
        """Beside what is honest: one more batch far above the end of its lane."""
        epoch = self.role.members.epoch
        count = self._flooded[1] if self._flooded[0] == epoch else 0
        self._flooded = epoch, count + 1
        if count >= BATCHES or self.inner.own is None:
            return sends
        return [*sends, Send(None, BatchMessage(self._batch(count)))]

    def _batch(self, number: int) -> Batch:
        payload = encode_payload([bytes([number]) * BATCH_BYTES])
        header = BatchHeader(
            epoch=self.role.members.epoch,
            lane=Lane(self.role.index),
            sequence=Sequence(FIRST + number),
            previous=Digest(bytes(32)),
            count=1,
            size=len(payload),
            payload_digest=Digest(sha256(payload).digest()),
        )
        return Batch(header, payload, self.role.node_key.sign(header.signed_bytes(self.role.chain)))
