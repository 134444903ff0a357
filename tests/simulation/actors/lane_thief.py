"""Makes batches in the lanes of others, and old blocks that hold such ones (T34, T35)."""

from dataclasses import replace
from hashlib import sha256

from tests.simulation.actors.actor import ActorEvent, Role, Send
from tests.simulation.actors.puppet import Puppet

from strongroom.consensus.batches import Batch, encode_payload
from strongroom.consensus.blocks import Header, LaneTip
from strongroom.consensus.messages import BatchMessage, Range
from strongroom.consensus.replica.events import Now, Received
from strongroom.consensus.statements import Certificate
from strongroom.consensus.types import Digest, Sequence

STOLEN_MAX = 30


class LaneThief(Puppet):
    """Works honestly, and speaks in others' names where only a signature tells."""

    def __init__(self, role: Role) -> None:
        super().__init__(role)
        self._stolen = 0

    def twist(self, sends: list[Send], event: ActorEvent, now: Now) -> list[Send]:
        """A twin of each batch that comes; ranges whose blocks hold twins."""
        out = [
            Send(send.to, _with_twin(send.message)) if isinstance(send.message, Range) else send
            for send in sends
        ]
        if (
            isinstance(event, Received)
            and isinstance(event.message, BatchMessage)
            and self._stolen < STOLEN_MAX
        ):
            self._stolen += 1
            out.append(Send(None, BatchMessage(_twin(event.message.batch))))
        return out


def _twin(batch: Batch) -> Batch:
    """Another batch at the same place, under the signature of the first."""
    payload = encode_payload([b"in your name %d" % batch.header.sequence])
    header = replace(
        batch.header, count=1, size=len(payload), payload_digest=Digest(sha256(payload).digest())
    )
    return Batch(header, payload, batch.signature)


def _with_twin(message: Range) -> Range:
    """The first block that holds a batch, holding a twin of it, and nothing after it; what it
    holds fits it, and its certificate is of nobody."""
    for at, (header, batches) in enumerate(message.blocks):
        if not batches:
            continue
        twin = _twin(batches[-1])
        forged = _holding(header, twin)
        blocks = (*message.blocks[:at], (forged, (*batches[:-1], twin)))
        old = message.certificate
        assert isinstance(old, Certificate)
        statement = replace(old.statement, digest=forged.digest)
        return Range(blocks, Certificate(statement, old.signers, old.signatures))
    return message


def _holding(header: Header, batch: Batch) -> Header:
    cut = list(header.cut)
    named = batch.header
    cut[named.lane] = LaneTip(Sequence(named.sequence + 1), named.digest)
    return replace(header, cut=tuple(cut))
