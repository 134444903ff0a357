"""What the consensus log says: of one epoch while it runs, and what the next file must carry
(PROTOCOL §5, §6, R16).

Owns the kinds of records that the consensus core does not know, and the decision when a new file
begins. It writes nothing: records leave as effects.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from strongroom.consensus import codec
from strongroom.consensus.batches import Batch, decode_payload
from strongroom.consensus.replica.events import FinalRecord, Record
from strongroom.consensus.replica.records import decode_record, encode_record
from strongroom.consensus.replica.state import ReplicaState
from strongroom.consensus.types import Digest, Epoch
from strongroom.node.mempool.batch_pool import BatchPool
from strongroom.node.ordering.effects import Append, Effect, ReplaceLog, StoreNow

BATCH_RECORD = 100
"""Kind of a log record that holds a batch; kinds below are the consensus core's."""
OBSERVER_RECORD = 101
"""Kind of a log record that silences this node's vote: (epoch, why), up to that epoch. No restart
may forget it."""
RECORD_OVERHEAD = 16
"""Bytes that a frame adds to a record, about."""

Silence = tuple[Epoch, str]
"""(epoch, why): up to this epoch, itself included, this node may not vote."""
Frames = Sequence[tuple[int, bytes]]


@dataclass(frozen=True, slots=True)
class ReadLog:
    """What a log says."""

    records: tuple[Record, ...]
    batches: list[Batch]
    silences: list[Silence] = field(default_factory=list)
    size: int = 0
    """Bytes, about."""

    def silence(self, epoch: Epoch) -> Silence | None:
        """How long and why this node is silent in an epoch; None: it is not."""
        return max((silence for silence in self.silences if silence[0] >= epoch), default=None)


def read_log(frames: Iterable[tuple[int, bytes]]) -> ReadLog:
    """Every record of the log, of all epochs that it still knows."""
    records: list[Record] = []
    batches: list[Batch] = []
    silences: list[Silence] = []
    size = 0
    for kind, payload in frames:
        size += len(payload) + RECORD_OVERHEAD
        if kind == BATCH_RECORD:
            batches.append(Batch.from_wire(codec.decode(payload)))
        elif kind == OBSERVER_RECORD:
            epoch, reason = codec.fields(codec.decode(payload), int, str, name="observer record")
            silences.append((Epoch(epoch), reason))
        else:
            records.append(decode_record(kind, payload))
    return ReadLog(tuple(records), batches, silences, size)


class LogContent:
    """What one node's log holds, in one epoch after the other."""

    def __init__(self, *, bytes_max: int, size: int) -> None:
        """Go on with a log of so many bytes; beyond `bytes_max` a new one begins."""
        self._bytes_max, self.size = bytes_max, size
        """Bytes of the file, about, and never less than it has."""
        self._rotate_at = bytes_max
        self.recorded: FinalRecord | None = None
        """The newest final block that the block store is known to have."""
        self.later: tuple[Record, ...] = ()
        """Records of later epochs: a block store that was cut back over an epoch's end is behind
        its own log."""
        self.later_batches: tuple[Batch, ...] = ()
        """The same of batches: a lane that forgot its own would fork itself."""
        self.silence: Silence | None = None
        self._owed: dict[Digest, tuple[Batch, set[bytes]]] = {}
        """Own batches that ended epochs left unordered, with those envelopes that no batch of this
        epoch holds yet."""

    def limit(self, bytes_max: int) -> None:
        """From now on a new log begins beyond so many bytes, or twice what must be carried."""
        self._bytes_max = self._rotate_at = bytes_max

    # --- what is added ---

    def record(self, record: Record) -> Append:
        """A record of the consensus core."""
        return self._append(*encode_record(record))

    def hold(self, batch: Batch, *, own: bool) -> Append:
        """A batch that was admitted."""
        if own and self._owed:
            self._pay(decode_payload(batch.payload, batch.header.count))
        return self._append(BATCH_RECORD, codec.encode(batch.to_wire()))

    def observe(self, silence: Silence) -> Append:
        """This node votes no more up to an epoch, whatever restarts come (PROTOCOL §6)."""
        self.silence = silence
        return self._append(OBSERVER_RECORD, codec.encode(silence))

    def note_final(self, record: FinalRecord) -> Append:
        """The block store has every block up to this one; the log may lose what lies below when it
        begins anew."""
        if self.recorded is None or record.header.height > self.recorded.header.height:
            self.recorded = record
        return self.record(record)

    def owe(self, batches: Iterable[Batch]) -> None:
        """The log keeps these own batches of ended epochs until their envelopes are batched
        again."""
        for batch in batches:
            self._owed[batch.header.digest] = (
                batch,
                set(decode_payload(batch.payload, batch.header.count)),
            )

    def owed_envelopes(self) -> list[bytes]:
        """What ended epochs left unordered of this node's lanes."""
        owed = (batch for batch, _ in self._owed.values())
        return [
            envelope
            for batch in owed
            for envelope in decode_payload(batch.payload, batch.header.count)
        ]

    def _pay(self, envelopes: Iterable[bytes]) -> None:
        paid = set(envelopes)
        for digest, (_, left) in list(self._owed.items()):
            left -= paid
            if not left:
                del self._owed[digest]

    def _append(self, kind: int, payload: bytes) -> Append:
        self.size += len(payload) + RECORD_OVERHEAD
        return Append(int(kind), payload)

    # --- a new file ---

    def rotate_if_long(self, state: ReplicaState, pool: BatchPool) -> list[Effect]:
        """Begin a new file when this one is long. The replica remembers nothing below its final
        block: the block store must have that first.

        What is carried may be more than the limit; so the log doubles at least before the next
        time.
        """
        return self.rotate(state, pool) if self.size > self._rotate_at else []

    def rotate(self, state: ReplicaState, pool: BatchPool) -> list[Effect]:
        """Begin a new file with all that the old one still says about the future."""
        if state.final_proof is not None:
            self.recorded = FinalRecord(state.final, state.final_proof)
        core = [encode_record(record) for record in state.log_records()]
        return [StoreNow(), self._replace([*self._beginning(), *core], pool.all())]

    def begin_epoch(self, opened: FinalRecord, unordered: Iterable[Batch]) -> ReplaceLog:
        """Begin a new file for a new epoch. The old epoch's promises go: its terminal block is
        stored, executed and final, so a restart runs no replica of that epoch, and its statements
        are of no use to another.

        Args:
            opened: the terminal block with its certificate; the block store has it.
            unordered: own batches that the old epoch did not order: a restart batches their
                envelopes again.
        """
        self.recorded = opened
        self.owe(unordered)
        return replace(self._replace(self._beginning(), []), opens=Epoch(opened.header.epoch + 1))

    def _beginning(self) -> list[tuple[int, bytes]]:
        records: list[tuple[int, bytes]] = []
        if self.recorded is not None:
            records.append(encode_record(self.recorded))
        if self.silence is not None:
            records.append((OBSERVER_RECORD, codec.encode(self.silence)))
        return records + [encode_record(record) for record in self.later]

    def _replace(self, records: Frames, batches: Iterable[Batch]) -> ReplaceLog:
        kept = [(int(kind), payload) for kind, payload in records]
        owed = (batch for batch, _ in self._owed.values())
        kept += [
            (BATCH_RECORD, codec.encode(batch.to_wire()))
            for batch in (*owed, *self.later_batches, *batches)
        ]
        self.size = sum(len(payload) + RECORD_OVERHEAD for _, payload in kept)
        self._rotate_at = max(self._bytes_max, 2 * self.size)
        return ReplaceLog(tuple(kept))
