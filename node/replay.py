"""What this node's disk says, before it talks to anybody (PROTOCOL §6).

Reads block store and log, gives the enclave its newest snapshot and its own outcomes back as far as a quorum anchored
them, and collects what the first replica must know. Sends nothing, signs nothing, decides nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import structlog

from strongroom.consensus.blocks import Batch, Header, decode_payload
from strongroom.consensus.epochs import EpochChain
from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.statements import Certificate
from strongroom.consensus.types import Epoch, Height, PublicKey
from strongroom.consensus.validators import EpochDescription
from strongroom.enclave.genesis import VerifiedGenesis
from strongroom.enclave.history import HistoryTree
from strongroom.enclave.keys import KeysNeeded
from strongroom.enclave.outcome import Outcome
from strongroom.enclave.primitives import digest
from strongroom.enclave.requests import Refusal
from strongroom.node.enclave_process import EnclaveProcess
from strongroom.node.ledger.store import BlockStore
from strongroom.node.ledger.wal import WriteAheadLog
from strongroom.node.snapshots import SnapshotFolder, Snapshots
from strongroom.node.standing import Standing, block_at, header_at, outcome_at, read_log, standing_at
from strongroom.node.stored import StoredBlock, header_and_certificate

APPLY_BLOCKS_MAX = 128
APPLY_BYTES_MAX = 16 * 1024 * 1024
PROGRESS_BLOCKS = 10_000
LOST_LOG = "the log was lost while the key exists: observes only, never votes in this epoch"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Recorded final blocks of one epoch that end with one that has a certificate."""

    blocks: tuple[tuple[Header, tuple[Batch, ...]], ...]
    certificate: Certificate
    """Of the last block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """Everything that the disk says."""

    standing: Standing
    applied: Height
    """What the enclave has confirmed now; what is recorded above it is executed again once heads are fresh."""
    unordered: tuple[bytes, ...]
    """Envelopes of own batches of earlier epochs that no block ordered: to be batched again (PROTOCOL §2, Lane)."""


def read_history(store: BlockStore, genesis: VerifiedGenesis) -> HistoryTree:
    """The history tree over all recorded outcomes."""
    history = HistoryTree(genesis.header)
    for height in range(1, store.newest_outcome + 1):
        history.append(Outcome.decode(outcome_at(store, height)).history_leaf)
        if height % PROGRESS_BLOCKS == 0:
            log.info("replay.history", height=height, of=store.newest_outcome)
    return history


async def replay(
    store: BlockStore,
    wal: WriteAheadLog,
    history: HistoryTree,
    epochs: EpochChain,
    snapshots: SnapshotFolder,
    enclave: EnclaveProcess,
    own: PublicKey,
) -> Replayed:
    """Read log and store; bring the enclave to the newest anchored execution that is recorded here.

    Args:
        store: the ledger folder.
        wal: the log.
        history: over all recorded outcomes.
        epochs: every epoch that the folder proves; the enclave knows them.
        snapshots: this node's.
        enclave: unsealed, nothing executed.
        own: this node's key.

    Raises:
        OperatorFault: the store and the enclave disagree, or a record is broken.
    """
    final, certificate = newest_certified(store, epochs, store.newest_block)
    try:
        applied = await restore_enclave(store, history, epochs, snapshots, enclave)
    except Refusal as refusal:
        if refusal.kind != KeysNeeded.__name__:
            raise
        applied = Height(0)  # a joiner recorded what it has no keys for yet: it follows from where its enclave stands
        log.info("replay.keys_needed", reason=str(refusal))
    description, anchor = epoch_above(store, epochs, final)
    standing = standing_at(store, history, description, anchor, final, certificate)
    read = read_log(wal)
    lanes = [tip.length for tip in final.cut] if standing.certificate is not None else []
    ordered = dict(enumerate(lanes))
    batches = tuple(
        batch
        for batch in read.batches
        if batch.header.epoch == description.epoch and batch.header.sequence >= ordered.get(int(batch.header.lane), 0)
    )
    return Replayed(
        standing=replace(
            standing,
            records=read.records,
            batches=batches,
            silence=(description.epoch, LOST_LOG) if wal.created else read.silence(description.epoch),
        ),
        applied=applied,
        unordered=tuple(_unordered(store, epochs, read.batches, standing, own)),
    )


async def show_epochs(epochs: EpochChain, enclave: EnclaveProcess, known: Epoch) -> Epoch:
    """Show an enclave that knows the epochs up to `known` all that is known here; it checks every entry itself."""
    while known < epochs.newest.epoch:
        known = await enclave.epochs(epochs.entries(Epoch(known + 1)))
    return known


def epoch_above(store: BlockStore, epochs: EpochChain, final: Header) -> tuple[EpochDescription, Header]:
    """The epoch that goes on above a final block, and its anchor: a terminal block opens the next one once executed."""
    current = epochs.description(final.epoch)
    anchor = epochs.anchor_of(final.epoch)
    following = epochs.description(Epoch(final.epoch + 1))
    if current is None or anchor is None:
        raise OperatorFault(f"no proof of epoch {final.epoch} in the ledger folder")
    ended = final.next_epoch != current.digest and final.height > anchor.height
    if ended and following is not None and store.newest_outcome >= final.height:
        return following, final
    return current, anchor


def newest_certified(store: BlockStore, epochs: EpochChain, newest: int) -> tuple[Header, Certificate | None]:
    """The newest recorded block up to `newest`, of a known epoch and with a certificate of its own; else genesis."""
    for height in range(newest, 0, -1):
        header, certificate = header_and_certificate(block_at(store, height))
        if certificate is not None and epochs.description(header.epoch) is not None:
            return header, certificate
    genesis = epochs.anchor_of(Epoch(0))
    assert genesis is not None, "the chain of epochs begins at genesis"
    return genesis, None


async def restore_enclave(
    store: BlockStore, history: HistoryTree, epochs: EpochChain, snapshots: SnapshotFolder, enclave: EnclaveProcess
) -> Height:
    """From the newest usable snapshot, apply own outcomes up to the newest anchor that a recorded certificate covers.

    Returns the height reached.
    """
    anchoring, proof = newest_certified(store, epochs, store.newest_block)
    while proof is not None and not _anchors(store, anchoring):
        anchoring, proof = newest_certified(store, epochs, anchoring.height - 1)
    target = anchoring.anchor.height
    if proof is None or target == 0:
        return Height(0)
    begun = await Snapshots(snapshots, store, enclave).restore(history, anchoring, proof)
    for start, end in _portions(store, begun + 1, target):
        heights = range(start, end)
        await enclave.apply([header_at(store, at) for at in heights], [outcome_at(store, at) for at in heights])
        log.info("replay.applied", height=end - 1, of=int(target))
    between = range(target + 1, anchoring.height + 1)
    await enclave.confirm([header_at(store, height) for height in between], proof)
    return target


def _anchors(store: BlockStore, header: Header) -> bool:
    """Is what this header anchors recorded here, and provable by blocks of its own epoch alone?"""
    target = header.anchor.height
    return target <= store.newest_outcome and header_at(store, target + 1).epoch == header.epoch


def _portions(store: BlockStore, first: int, target: int) -> Iterator[tuple[int, int]]:
    """Heights first … target in portions [start, end) of at most so many blocks and bytes."""
    start = end = first
    size = 0
    while end <= target:
        size += len(outcome_at(store, end))
        end += 1
        if end - start >= APPLY_BLOCKS_MAX or size >= APPLY_BYTES_MAX:
            yield start, end
            start, size = end, 0
    if end > start:
        yield start, end


def stored_runs(store: BlockStore, above: Height) -> Iterator[Run]:
    """Recorded blocks above a height, cut into runs that end with a certificate.

    None of them crosses an epoch: the last block of an epoch always has a certificate of its own.
    """
    blocks: list[tuple[Header, tuple[Batch, ...]]] = []
    for height in range(above + 1, store.newest_block + 1):
        block = StoredBlock.decode(block_at(store, height))
        blocks.append((block.header, block.batches))
        if block.certificate is not None:
            yield Run(blocks=tuple(blocks), certificate=block.certificate)
            blocks = []


def _unordered(
    store: BlockStore, epochs: EpochChain, batches: Sequence[Batch], standing: Standing, own: PublicKey
) -> Iterator[bytes]:
    for batch in batches:
        header = batch.header
        ended = epochs.description(header.epoch)
        terminal = epochs.anchor_of(Epoch(header.epoch + 1))
        if header.epoch >= standing.description.epoch or ended is None or terminal is None:
            continue
        lane = ended.index_of(own)
        if lane is not None and int(lane) == int(header.lane) and header.sequence >= terminal.cut[header.lane].length:
            for envelope in decode_payload(batch.payload, header.count):
                if store.find_transaction(digest(envelope)) is None:
                    yield envelope
