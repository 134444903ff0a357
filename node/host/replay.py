"""What this node's disk says, before it talks to anybody (PROTOCOL §6).

Reads block store and log, gives the enclave its newest snapshot and its own outcomes back as far as
a quorum anchored them, and collects what the first replica must know. Sends nothing, signs nothing,
decides nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import structlog

from strongroom.consensus.blocks import Anchor, Header
from strongroom.consensus.epochs import EpochChain
from strongroom.consensus.recovery import RecoveryCertificate
from strongroom.consensus.types import Epoch, Height, PublicKey
from strongroom.enclave.formats.history import HistoryTree, genesis_leaf
from strongroom.enclave.proofs.genesis import VerifiedGenesis
from strongroom.node.enclave_client.calls import EnclaveClient
from strongroom.node.enclave_client.refusals import KeysNeeded
from strongroom.node.ledger.archive.faults import ContentsDamaged, SegmentNotAtHand
from strongroom.node.ledger.index import IndexDamaged
from strongroom.node.ledger.reading import (
    APPLY_BLOCKS_MAX,
    APPLY_BYTES_MAX,
    decoded_outcome_at,
    header_at,
    outcome_at,
)
from strongroom.node.ledger.store import BlockStore
from strongroom.node.ledger.stored_tree import StoredTree
from strongroom.node.ledger.wal import WriteAheadLog
from strongroom.node.ordering.log import read_log
from strongroom.node.ordering.start import ReplicaStart, newest_certified, start_after_restart
from strongroom.node.ordering.stored_past import StoredPast
from strongroom.node.sync.snapshots import SnapshotFolder, Snapshots

PROGRESS_BLOCKS = 10_000

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """Everything that the disk says."""

    start: ReplicaStart
    applied: Height
    """What the enclave has confirmed now; what is recorded above it is executed again once heads
    are fresh."""


def read_history(store: BlockStore, genesis: VerifiedGenesis) -> HistoryTree:
    """The history tree over all recorded outcomes, however many: 2 log n roots are read.

    They are those that the index kept, if they come to the root that the newest final header
    anchors; leaves above that are made of their outcomes, as ever. If they do not, or if the next
    columns would be made with others, the index is made anew: every outcome here is read, and of
    archived ones what the node kept.

    Raises:
        ContentsDamaged: what it kept of archived outcomes does not come to the anchored root.
        CorruptRecord, DiskFault: as `BlockStore.open` does.
    """
    anchor = _newest_anchor(store)
    try:
        tree = _kept_tree(store, genesis, anchor)
        if tree.frontier(tree.size).peaks[1:] == store.peaks:
            return HistoryTree.over(tree)
        reason = "the index goes on from another history"
    except IndexDamaged as damage:
        reason = str(damage)
    log.warning("replay.history_anew", reason=reason)
    store.rebuild_index()
    try:
        return HistoryTree.over(_kept_tree(store, genesis, anchor))
    except IndexDamaged as damage:  # no index is to blame
        if store.archived.base.outcome:  # their leaves stand in contents: no archive is read for it
            text = "the history made of these contents and of the segments is not the anchored one"
            raise ContentsDamaged(store.archived.directory, 0, text) from None
        # The enclave judges the outcomes, T40.
        log.error("replay.history_differs", reason=str(damage))
        return HistoryTree.over(_kept_tree(store, genesis, None))


def _kept_tree(store: BlockStore, genesis: VerifiedGenesis, anchor: Anchor | None) -> StoredTree:
    """By what the index kept up to an anchor, by the outcomes above it.

    Raises:
        IndexDamaged: what it kept is not what was anchored.
    """
    size = anchor.height + 1 if anchor else 1
    first = genesis_leaf(genesis.header).hash
    tree = StoredTree(first, size, store.subtree, store.history_damage)
    if anchor and tree.root() != anchor.root:
        raise store.history_damage("it does not come to the anchored root")
    for height in range(size, store.newest_outcome + 1):
        tree.append(decoded_outcome_at(store, height).history_leaf.hash)
        if height % PROGRESS_BLOCKS == 0:
            log.info("replay.history", height=height, of=store.newest_outcome)
    return tree


def _newest_anchor(store: BlockStore) -> Anchor | None:
    """The newest anchor of a recorded header whose outcome is recorded too."""
    for height in range(store.newest_block, 0, -1):
        anchor = header_at(store, height).anchor
        if anchor.height <= store.newest_outcome:
            return anchor
    return None


async def replay(
    store: BlockStore,
    wal: WriteAheadLog,
    history: HistoryTree,
    epochs: EpochChain,
    snapshots: SnapshotFolder,
    enclave: EnclaveClient,
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
    try:
        applied = await restore_enclave(store, history, epochs, snapshots, enclave)
    except KeysNeeded as refusal:
        applied = Height(
            0
        )  # a joiner recorded what it has no keys for yet: it follows from where its enclave stands
        log.info("replay.keys_needed", reason=str(refusal))
    except SegmentNotAtHand as fault:  # it follows likewise, until the archive or a peer can give
        applied = Height(0)
        log.error("replay.archive_away", text=str(fault), then="this node follows until it is back")
    past = StoredPast(store, history)
    return Replayed(
        start=start_after_restart(past, epochs, wal.read(read_log), own, log_lost=wal.created),
        applied=applied,
    )


async def show_epochs(epochs: EpochChain, enclave: EnclaveClient, known: Epoch) -> Epoch:
    """Show an enclave that knows the epochs up to `known` all that is known here; it checks every
    entry itself."""
    while known < epochs.newest.epoch:
        known = await enclave.epochs(epochs.entries(Epoch(known + 1)))
    return known


async def restore_enclave(
    store: BlockStore,
    history: HistoryTree,
    epochs: EpochChain,
    snapshots: SnapshotFolder,
    enclave: EnclaveClient,
) -> Height:
    """From the newest usable snapshot, apply own outcomes up to the newest anchor that a recorded
    certificate covers.

    Returns the height reached.
    """
    past = StoredPast(store, history)
    anchoring, proof = newest_certified(past, epochs, store.newest_block)
    while proof is not None and not _anchors(store, anchoring):
        anchoring, proof = newest_certified(past, epochs, anchoring.height - 1)
    target = anchoring.anchor.height
    if proof is None or target == 0:
        return Height(0)
    begun = await Snapshots(snapshots, store, enclave).restore(history, anchoring, proof)
    for start, end in _portions(store, begun + 1, target):
        heights = range(start, end)
        await enclave.apply(
            [header_at(store, at) for at in heights], [outcome_at(store, at) for at in heights]
        )
        log.info("replay.applied", height=end - 1, of=int(target))
    between = range(target + 1, anchoring.height + 1)
    await enclave.confirm([header_at(store, height) for height in between], proof)
    if isinstance(proof, RecoveryCertificate) and store.newest_outcome >= anchoring.height:
        return await _apply_recovered(store, target, anchoring.height, enclave)
    return target


async def _apply_recovered(
    store: BlockStore, target: Height, last: Height, enclave: EnclaveClient
) -> Height:
    """The blocks that end a lost epoch, which no quorum can have anchored yet: an enclave that made
    them knows its own history root."""
    for start, end in _portions(store, target + 1, last):
        heights = range(start, end)
        await enclave.apply(
            [header_at(store, at) for at in heights], [outcome_at(store, at) for at in heights]
        )
    log.info("replay.recovered", height=int(last))
    return last


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
