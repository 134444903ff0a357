"""Makes two batches of every sequence in its lane and shows each to another half (row 15; T35)."""

from hashlib import sha256

from tests.simulation.actors.actor import ActorEvent, Role, Send
from tests.simulation.actors.puppet import Puppet

from strongroom.consensus.batches import Batch, BatchHeader, encode_payload
from strongroom.consensus.messages import BatchMessage
from strongroom.consensus.replica.events import Now
from strongroom.consensus.types import Digest, Lane


class LaneForker(Puppet):
    """Two branches from its first batch on."""

    def __init__(self, role: Role) -> None:
        super().__init__(role)
        self._other: dict[Digest, Batch] = {}

    def twist(self, sends: list[Send], event: ActorEvent, now: Now) -> list[Send]:
        """Odd members get the other branch."""
        out = []
        for send in sends:
            message = send.message
            if (
                isinstance(message, BatchMessage)
                and message.batch.header.lane == Lane(self.role.index)
                and send.to is not None
            ):
                if send.to % 2:
                    message = BatchMessage(self._twin(message.batch))
                out.append(Send(send.to, message))
            else:
                out.append(send)
        return out

    def _twin(self, batch: Batch) -> Batch:
        header = batch.header
        if header.digest not in self._other:
            payload = encode_payload([b"other branch %d" % header.sequence])
            previous = next(
                (
                    twin.header.digest
                    for digest, twin in self._other.items()
                    if digest == header.previous
                ),
                header.previous,
            )
            twin = BatchHeader(
                epoch=header.epoch,
                lane=header.lane,
                sequence=header.sequence,
                previous=previous,
                count=1,
                size=len(payload),
                payload_digest=Digest(sha256(payload).digest()),
            )
            signature = self.role.node_key.sign(twin.signed_bytes(self.role.chain))
            self._other[header.digest] = Batch(twin, payload, signature)
        return self._other[header.digest]
