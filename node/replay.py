"""What this node's disk says, before it talks to anybody (PROTOCOL §6).

Reads block store and log, gives the enclave its own outcomes back as far as a quorum anchored them, and collects what
the replica must know. Sends nothing, signs nothing, decides nothing.
"""

from dataclasses import dataclass

import structlog

from strongroom.consensus import codec
from strongroom.consensus.blocks import Batch, Header
from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.events import Executed, Record
from strongroom.consensus.records import decode_record
from strongroom.consensus.statements import Certificate
from strongroom.consensus.types import Epoch, Height
from strongroom.enclave.genesis import VerifiedGenesis
from strongroom.enclave.history import HistoryTree
from strongroom.enclave.outcome import Outcome
from strongroom.node.driver import BATCH_RECORD, OBSERVER_RECORD
from strongroom.node.enclave_process import EnclaveProcess
from strongroom.node.ledger.store import BlockStore
from strongroom.node.ledger.wal import WriteAheadLog
from strongroom.node.stored import StoredBlock, header_and_certificate

APPLY_BLOCKS_MAX = 128
APPLY_BYTES_MAX = 16 * 1024 * 1024
PROGRESS_BLOCKS = 10_000
LOST_LOG = "the log was lost while the key exists: observes only, never votes in this epoch"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOver:
    """Final, recorded blocks that no quorum has anchored yet: to be executed again, once heads are fresh."""

    blocks: tuple[tuple[Header, tuple[Batch, ...]], ...]
    certificate: Certificate
    """Of the last block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """Everything that the disk says."""

    records: tuple[Record, ...]
    """The log, in order."""
    batches: tuple[Batch, ...]
    """Held, ordered or not, and not yet in a recorded final block."""
    final: Header
    certificate: Certificate | None
    """FINALIZE for `final`; None for genesis."""
    recent: tuple[Header, ...]
    """Final headers above the final header's anchor, up to it."""
    executed: tuple[Executed, ...]
    """Roots of the heights whose outcomes are recorded, from the final header's anchor on."""
    left_over: tuple[LeftOver, ...]
    observes: str
    """Why this node may not vote in this epoch: its log is lost, or was found to be stale in an earlier boot."""


def read_history(store: BlockStore, genesis: VerifiedGenesis) -> HistoryTree:
    """The history tree over all recorded outcomes."""
    history = HistoryTree(genesis.header)
    for height in range(1, store.newest_outcome + 1):
        history.append(Outcome.decode(_outcome(store, height)).history_leaf)
        if height % PROGRESS_BLOCKS == 0:
            log.info("replay.history", height=height, of=store.newest_outcome)
    return history


async def replay(
    store: BlockStore, wal: WriteAheadLog, history: HistoryTree, genesis: VerifiedGenesis, enclave: EnclaveProcess
) -> Replayed:
    """Read log and store; bring the enclave to the newest anchored execution that is recorded here.

    Raises:
        OperatorFault: the store and the enclave disagree, or a record is broken.
    """
    final, certificate = _newest_certified(store, store.newest_block, genesis.header)
    applied = await _restore_enclave(store, genesis, enclave, final, certificate)
    records, batches, silenced = read_log(wal, genesis.description.epoch)
    recorded = _ordered(final)
    wanted = tuple(batch for batch in batches if batch.header.sequence >= recorded.get(int(batch.header.lane), 0))
    description = genesis.description.digest
    known = range(max(final.anchor.height, 1), store.newest_outcome + 1)
    return Replayed(
        records=records,
        batches=wanted,
        final=final,
        certificate=certificate,
        recent=tuple(header_at(store, height) for height in range(final.anchor.height + 1, final.height + 1)),
        executed=tuple(Executed(Height(height), history.root(height + 1), description) for height in known),
        left_over=_left_over(store, applied, final),
        observes=LOST_LOG if wal.created else silenced,
    )


def read_log(wal: WriteAheadLog, epoch: Epoch) -> tuple[tuple[Record, ...], list[Batch], str]:
    """Records of the consensus core, batches, and why this node is silent in `epoch` (empty: it is not)."""
    records: list[Record] = []
    batches: list[Batch] = []
    silenced = ""
    for kind, payload in wal.replay():
        if kind == BATCH_RECORD:
            batches.append(Batch.from_wire(codec.decode(payload)))
        elif kind == OBSERVER_RECORD:
            of, reason = codec.fields(codec.decode(payload), int, str, name="observer record")
            silenced = reason if of == epoch else silenced
        else:
            records.append(decode_record(kind, payload))
    return tuple(records), batches, silenced


def _ordered(final: Header) -> dict[int, int]:
    """How far each lane is final."""
    return {lane: tip.length for lane, tip in enumerate(final.cut)}


def _outcome(store: BlockStore, height: int) -> bytes:
    data = store.outcome(height)
    if data is None:
        raise OperatorFault(f"the outcome of height {height} is missing from the ledger folder")
    return data


def _block(store: BlockStore, height: int) -> bytes:
    data = store.block(height)
    if data is None:
        raise OperatorFault(f"the block of height {height} is missing from the ledger folder")
    return data


def header_at(store: BlockStore, height: int) -> Header:
    """A recorded final header."""
    return header_and_certificate(_block(store, height))[0]


def _newest_certified(store: BlockStore, newest: int, genesis: Header) -> tuple[Header, Certificate | None]:
    """The newest recorded block, at most at `newest`, that has a certificate of its own."""
    for height in range(newest, 0, -1):
        header, certificate = header_and_certificate(_block(store, height))
        if certificate is not None:
            return header, certificate
    return genesis, None


async def _restore_enclave(
    store: BlockStore, genesis: VerifiedGenesis, enclave: EnclaveProcess, final: Header, certificate: Certificate | None
) -> Height:
    """Apply own outcomes up to the newest anchor that a recorded certificate covers; the height reached."""
    anchoring, proof = final, certificate
    while anchoring.anchor.height > store.newest_outcome:
        anchoring, proof = _newest_certified(store, anchoring.height - 1, genesis.header)
    target = anchoring.anchor.height
    if proof is None or target == 0:
        return Height(0)
    start = 1
    while start <= target:
        headers: list[Header] = []
        outcomes: list[bytes] = []
        size = 0
        while start <= target and len(headers) < APPLY_BLOCKS_MAX and size < APPLY_BYTES_MAX:
            headers.append(header_at(store, start))
            outcomes.append(_outcome(store, start))
            size += len(outcomes[-1])
            start += 1
        await enclave.apply(headers, outcomes)
        log.info("replay.applied", height=start - 1, of=int(target))
    between = range(target + 1, anchoring.height + 1)
    await enclave.confirm([header_at(store, height) for height in between], proof)
    return target


def _left_over(store: BlockStore, applied: Height, final: Header) -> tuple[LeftOver, ...]:
    """Recorded blocks above what was applied, cut into runs that end with a certificate."""
    runs: list[LeftOver] = []
    blocks: list[tuple[Header, tuple[Batch, ...]]] = []
    for height in range(applied + 1, final.height + 1):
        block = StoredBlock.decode(_block(store, height))
        blocks.append((block.header, block.batches))
        if block.certificate is not None:
            runs.append(LeftOver(blocks=tuple(blocks), certificate=block.certificate))
            blocks = []
    return tuple(runs)
