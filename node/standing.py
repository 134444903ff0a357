"""Where a replica begins: what block store and log say of one epoch, at a start or at the change of epochs (§6, R16).

Owns `Standing`, which is the same in both cases. Reads; sends, signs and decides nothing.
"""

from dataclasses import dataclass, field

from strongroom.consensus import codec
from strongroom.consensus.blocks import Batch, Header
from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.events import Executed, Record
from strongroom.consensus.records import decode_record
from strongroom.consensus.statements import Certificate
from strongroom.consensus.types import Epoch, Height
from strongroom.consensus.validators import EpochDescription
from strongroom.enclave.history import HistoryTree
from strongroom.enclave.outcome import Outcome
from strongroom.node.consensus_log import BATCH_RECORD, OBSERVER_RECORD
from strongroom.node.ledger.store import BlockStore
from strongroom.node.ledger.wal import WriteAheadLog
from strongroom.node.stored import header_and_certificate
from strongroom.node.succession import next_epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where the replica of one epoch begins."""

    description: EpochDescription
    anchor: Header
    """Genesis, or the terminal block that opened the epoch."""
    final: Header
    """The newest final header that is stored: the anchor, or one above it."""
    certificate: Certificate | None
    """FINALIZE for `final`; None for the anchor, which is final by definition."""
    recent: tuple[Header, ...]
    """Final headers above the final header's anchor, up to it, of whatever epoch."""
    executed: tuple[Executed, ...]
    """Roots of the heights whose outcomes are recorded, from the final header's anchor on."""
    records: tuple[Record, ...] = ()
    """The log, in order; a replica passes over those of other epochs."""
    batches: tuple[Batch, ...] = ()
    """Of this epoch, held, and not yet in a recorded final block."""
    silence: tuple[Epoch, str] | None = None
    """(epoch, why): up to this epoch, this one included, the node may not vote; None: it may."""


@dataclass(frozen=True, slots=True)
class ReadLog:
    """What a log says."""

    records: tuple[Record, ...]
    batches: list[Batch]
    silences: list[tuple[Epoch, str]] = field(default_factory=list)
    """(epoch, why): up to this epoch, itself included, this node is silent."""

    def silence(self, epoch: Epoch) -> tuple[Epoch, str] | None:
        """How long and why this node is silent in an epoch; None: it is not."""
        return max((silence for silence in self.silences if silence[0] >= epoch), default=None)


def read_log(wal: WriteAheadLog) -> ReadLog:
    """Every record of the log, of all epochs that it still knows."""
    records: list[Record] = []
    read = ReadLog((), [])
    for kind, payload in wal.replay():
        if kind == BATCH_RECORD:
            read.batches.append(Batch.from_wire(codec.decode(payload)))
        elif kind == OBSERVER_RECORD:
            epoch, reason = codec.fields(codec.decode(payload), int, str, name="observer record")
            read.silences.append((Epoch(epoch), reason))
        else:
            records.append(decode_record(kind, payload))
    return ReadLog(tuple(records), read.batches, read.silences)


def standing_at(
    store: BlockStore,
    history: HistoryTree,
    description: EpochDescription,
    anchor: Header,
    final: Header,
    certificate: Certificate | None,
) -> Standing:
    """Where the replica of this epoch begins when `final` is the newest of its final blocks in the store."""
    return Standing(
        description=description,
        anchor=anchor,
        final=final,
        certificate=None if final.digest == anchor.digest else certificate,
        recent=tuple(header_at(store, height) for height in range(final.anchor.height + 1, final.height + 1)),
        executed=tuple(
            executed_at(store, history, Height(height))
            for height in range(max(final.anchor.height, 1), store.newest_outcome + 1)
        ),
    )


def executed_at(store: BlockStore, history: HistoryTree, height: Height) -> Executed:
    """What a replica is told of a recorded outcome."""
    outcome = Outcome.decode(outcome_at(store, height))
    return Executed(height, history.root(height + 1), next_epoch(outcome, header_at(store, height)))


def outcome_at(store: BlockStore, height: int) -> bytes:
    """A recorded outcome.

    Raises:
        OperatorFault: it is missing.
    """
    data = store.outcome(height)
    if data is None:
        raise OperatorFault(f"the outcome of height {height} is missing from the ledger folder")
    return data


def block_at(store: BlockStore, height: int) -> bytes:
    """A recorded block.

    Raises:
        OperatorFault: it is missing.
    """
    data = store.block(height)
    if data is None:
        raise OperatorFault(f"the block of height {height} is missing from the ledger folder")
    return data


def header_at(store: BlockStore, height: int) -> Header:
    """A recorded final header."""
    return header_and_certificate(block_at(store, height))[0]
