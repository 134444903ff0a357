"""The consensus log of one epoch as its driver writes it: what is said, what is held, what a new file must carry (§5).

Owns the kinds of records that the consensus core does not know, and the rotation. What is written must be durable
before anything that rests on it is said: `settle` is the one fsync of a turn.
"""

from collections.abc import Callable, Sequence

import structlog

from strongroom.consensus import codec
from strongroom.consensus.blocks import Batch
from strongroom.consensus.events import CastRecord, FinalRecord, Output, Record
from strongroom.consensus.records import encode_record
from strongroom.consensus.replica import Replica
from strongroom.consensus.types import Epoch
from strongroom.node.batches import BatchPool
from strongroom.node.ledger.wal import WriteAheadLog

BATCH_RECORD = 100
"""Kind of a log record that holds a batch; kinds below are the consensus core's."""
OBSERVER_RECORD = 101
"""Kind of a log record that silences this node's vote: (epoch, why), up to that epoch. No restart may forget it."""

log = structlog.get_logger()


class ConsensusLog:
    """Writes what one replica wants remembered."""

    def __init__(
        self,
        wal: WriteAheadLog,
        replica: Replica,
        batches: BatchPool,
        *,
        bytes_max: int,
        later: Sequence[Record] = (),
    ) -> None:
        self._wal, self._replica, self._batches = wal, replica, batches
        self._bytes_max = self._rotate_at = bytes_max
        self._dirty = False
        """There are records that must be durable before anything of this turn is said; others may follow later."""
        self._recorded: FinalRecord | None = None
        self._later = tuple(later)
        """Records of later epochs: a block store that was cut back over an epoch's end is behind its own log."""
        self._observes = b""
        """Payload of the record that silences this node; empty while it may vote."""

    def observe(self, epoch: Epoch, reason: str) -> None:
        """Remember, durably, that this node votes no more up to this epoch, whatever restarts come (PROTOCOL §6)."""
        self._observes = codec.encode((epoch, reason))
        self._wal.append(OBSERVER_RECORD, self._observes)
        self._wal.sync()

    def hold(self, batch: Batch, *, urgent: bool) -> None:
        """A batch was admitted: it is durable with this turn when it is urgent, else with the next vote."""
        self._wal.append(BATCH_RECORD, codec.encode(batch.to_wire()))
        self._dirty = self._dirty or urgent

    def note_final(self, record: FinalRecord) -> None:
        """The block store has every block up to this one; the log may lose what lies below at its next rotation."""
        self._wal.append(*encode_record(record))
        if self._recorded is None or record.header.height > self._recorded.header.height:
            self._recorded = record

    def take(self, outputs: list[Output]) -> None:
        """What outputs want remembered, and what they are about to say."""
        for output in outputs:
            for record in output.persist:
                self._wal.append(*encode_record(record))
            for cast in output.cast:
                self._wal.append(*encode_record(CastRecord(cast.statement)))
                self._dirty = True

    def settle(self) -> None:
        """Make durable what something of this turn rests on."""
        if self._dirty:
            self._wal.sync()
            self._dirty = False

    def rotate_if_long(self, record: Callable[[], FinalRecord | None]) -> None:
        """Begin a new file when this one is long. The replica remembers nothing below its final block: `record` stores
        that in the block store first.

        What is carried may be more than the limit; so the log doubles at least before the next time.
        """
        if self._wal.size_bytes > self._rotate_at:
            self._recorded = record() or self._recorded
            self._wal.rotate(self._carry())
            self._rotate_at = max(self._bytes_max, 2 * self._wal.size_bytes)

    def _carry(self) -> list[tuple[int, bytes]]:
        """What a new file begins with: all that the old one still says about the future."""
        carry: list[tuple[int, bytes]] = []
        if self._recorded is not None:
            carry.append(encode_record(self._recorded))
        if self._observes:
            carry.append((OBSERVER_RECORD, self._observes))
        carry += [encode_record(record) for record in (*self._later, *self._replica.log_records())]
        carry += [(BATCH_RECORD, codec.encode(batch.to_wire())) for batch in self._batches.all()]
        log.info("log.rotated", height=self._replica.final.height, records=len(carry))
        return carry


def begin_epoch(
    wal: WriteAheadLog,
    opened: FinalRecord,
    *,
    later: Sequence[Record],
    silences: Sequence[tuple[Epoch, str]],
    unordered: Sequence[Batch],
) -> None:
    """Begin a new file for a new epoch. The old epoch's promises go: its terminal block is stored, executed and final,
    so a restart runs no replica of that epoch, and its statements are of no use to another.

    Args:
        wal: the log.
        opened: the terminal block with its certificate; the block store has it.
        later: records of the new epoch and those after it that the old file holds.
        silences: (epoch, why): of the new epoch and those after it.
        unordered: own batches that the old epoch did not order: a restart batches their envelopes again.
    """
    carry: list[tuple[int, bytes]] = [encode_record(opened)]
    carry += [(OBSERVER_RECORD, codec.encode(silence)) for silence in silences]
    carry += [encode_record(record) for record in later]
    carry += [(BATCH_RECORD, codec.encode(batch.to_wire())) for batch in unordered]
    wal.rotate(carry)
    log.info("log.new_epoch", height=opened.header.height, records=len(carry))
