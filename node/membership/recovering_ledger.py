"""The ledger that a dead service left on one node's disk: where it ends, and its blocks in portions
that an enclave takes (VAULT §7).

Owns how far a recovery may go on from it:

    executed ≤ certified ≤ newest block

A block counts once a quorum's certificate stands on it or above it. A node stores block and
certificate durably before it executes, so what stands above the newest certified block was executed
by no node that holds only this; it is left out, and said. Of the recorded outcomes those count
under which the recovery rules are still the ones that the certified block anchors: who may agree,
nobody knows of a later one. Reads; what is written in the end is recovering_end.py's.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from strongroom.consensus.blocks import Header
from strongroom.consensus.epochs import EpochEntry
from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.types import Epoch, Height
from strongroom.enclave.proofs.genesis import verify_genesis
from strongroom.node.enclave_client.recovery_calls import Recorded
from strongroom.node.layout import NodeLayout
from strongroom.node.ledger.frames import CorruptRecord
from strongroom.node.ledger.lock import AlreadyRunning, acquire_lock
from strongroom.node.ledger.reading import (
    decoded_outcome_at,
    head_at,
    header_at,
    open_store,
    outcome_at,
    sized_block_at,
    sized_head_at,
    stored_block_at,
)
from strongroom.node.ledger.shortening import go_on_shortening
from strongroom.node.ledger.store import BlockStore
from strongroom.node.membership.recovering_folder import RecoveryFolder
from strongroom.node.ordering.stored_past import stored_epochs

PORTION_BLOCKS_MAX = 128
PORTION_BYTES_MAX = 4 * 1024 * 1024
"""Of the ledger, given to the enclave at once."""


class LedgerDamaged(OperatorFault):
    """A dead service's ledger cannot be read to its end: no peer sends it again."""

    def __init__(self, damage: CorruptRecord) -> None:
        reached = "" if damage.height is None else f" from height {damage.height} on"
        super().__init__(
            f"ledger-damaged: {damage.path}, byte {damage.offset}: {damage.detail}: this ledger is "
            f"of no use{reached}; take another node's, or a copy of it. Only if there is none: "
            "move that file, all later ones, and index/ aside, and begin again from what is left"
        )


class LedgerEnd(NamedTuple):
    """Where a ledger ends, and from where a recovery goes on."""

    certified: Height
    """Of the newest block with a certificate of its own: H of the offer."""
    executed: Height
    """Of the newest outcome that counts: whose state goes on."""
    newest_block: Height
    newest_outcome: Height
    ordered: int
    """Transactions above `executed`, up to `certified`: they will be refused in public."""
    uncertified: int
    """Transactions above `certified`: they are left out."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What of this ledger does not go on, each by its name."""
        said = []
        if self.newest_block > self.certified:
            said.append(
                f"uncertified-tail: blocks {self.certified + 1} to {self.newest_block} "
                f"({self.uncertified} transactions) have no certificate and are left out; this "
                "node executed none of them, and another one only if its ledger goes further: "
                "compare `recover status --ledger` of all nodes, and begin with the newest"
            )
        if self.newest_outcome > self.executed:
            said.append(
                f"unanchored-change: members, shares or policy changed above height "
                f"{self.executed}, and no certified block anchors that: outcomes "
                f"{self.executed + 1} to {self.newest_outcome} do not count; another node's ledger "
                "may have a certificate for them"
            )
        if self.ordered:
            said.append(
                f"not-executed: {self.ordered} transactions of blocks {self.executed + 1} to "
                f"{self.certified} are ordered, and this ledger has no outcome that counts of "
                "them: they will be refused as `lost`; another node's ledger may have it"
            )
        return tuple(said)


@contextmanager
def lost_ledger(layout: NodeLayout) -> Iterator[BlockStore]:
    """The node's ledger, while no host has it. One that a kill left between two places, as it was
    shortened, is put into its place first.

    Raises:
        LedgerDamaged: it cannot be read.
        DiskFault, OperatorFault: the disk refused, or the node runs.
    """
    with alone(layout):
        go_on_shortening(layout.directory, RecoveryFolder(layout).before)
        if not any(layout.ledger.glob("blocks-*.log")):
            raise OperatorFault(
                f"no ledger in {layout.ledger}: put the newest copy of a node's `ledger/` there"
            )
        try:
            store = open_store(layout.directory)
            try:
                yield store
            finally:
                store.close()
        except CorruptRecord as damage:
            raise LedgerDamaged(damage) from None


@contextmanager
def alone(layout: NodeLayout) -> Iterator[None]:
    """While no host, and no other recovery, has the node's folder.

    Raises:
        OperatorFault: one has.
    """
    try:
        lock = acquire_lock(layout.lock)
    except AlreadyRunning as fault:
        raise OperatorFault(
            f"{layout.name} runs, or another recovery does ({fault}): what runs is not lost"
        ) from None
    try:
        yield
    finally:
        lock.release()


def find_end(store: BlockStore) -> LedgerEnd:
    """Where a ledger ends.

    Raises:
        OperatorFault: nothing of it is certified, or outcomes are missing that the certified block
            anchors.
    """
    certified = _newest_certified(store)
    recorded = min(store.newest_outcome, certified)
    anchored = header_at(store, certified).anchor.height
    if anchored > recorded:
        raise OperatorFault(
            f"outcomes-missing: block {certified} anchors height {anchored}, and the outcomes of "
            f"this ledger end at height {recorded}: take another node's, which has them"
        )
    executed = anchored
    if anchored:
        rules = _rules_at(store, anchored)
        while executed < recorded and _rules_at(store, executed + 1) == rules:
            executed = Height(executed + 1)
    return LedgerEnd(
        certified=certified,
        executed=executed,
        newest_block=Height(store.newest_block),
        newest_outcome=Height(store.newest_outcome),
        ordered=_transactions(store, executed + 1, certified),
        uncertified=_transactions(store, certified + 1, store.newest_block),
    )


def _newest_certified(store: BlockStore) -> Height:
    for height in range(store.newest_block, 0, -1):
        if head_at(store, height)[1] is not None:
            return Height(height)
    raise OperatorFault("no block of this ledger is certified: take another node's")


def _rules_at(store: BlockStore, height: int) -> bytes:
    return decoded_outcome_at(store, height).rules


def _transactions(store: BlockStore, first: int, last: int) -> int:
    blocks = (stored_block_at(store, at) for at in range(first, last + 1))
    return sum(batch.header.count for block in blocks for batch in block.batches)


def known_epochs(store: BlockStore, genesis: bytes) -> tuple[EpochEntry, ...]:
    """How every later epoch was opened, as this ledger proves it."""
    epochs = stored_epochs(store, verify_genesis(genesis))
    found: list[EpochEntry] = []
    known = Epoch(0)
    while entries := epochs.entries(Epoch(known + 1)):
        found += entries
        known = entries[-1].description.epoch
    return tuple(found)


def ledger_bytes(layout: NodeLayout) -> int:
    """On disk."""
    return sum(path.stat().st_size for path in layout.ledger.glob("blocks-*.log"))


# --- portions -------------------------------------------------------------------------------------


class Portion(NamedTuple):
    """Consecutive blocks with what they came to."""

    records: tuple[Recorded, ...]
    size: int
    """Bytes on disk, about."""


def portions(store: BlockStore, first: int, last: int, executed: int) -> Iterator[Portion]:
    """Blocks of a range of heights, with their outcomes up to the height `executed`."""
    records: list[Recorded] = []
    size = 0
    for height in range(first, last + 1):
        block, block_bytes = sized_block_at(store, height)
        outcome = outcome_at(store, height) if height <= executed else b""
        records.append((block.header, block.batches, block.certificate, outcome))
        size += block_bytes + len(outcome)
        if len(records) >= PORTION_BLOCKS_MAX or size >= PORTION_BYTES_MAX:
            yield Portion(tuple(records), size)
            records, size = [], 0
    if records:
        yield Portion(tuple(records), size)


class Outcomes(NamedTuple):
    """Consecutive outcomes, with the headers of their blocks."""

    headers: tuple[Header, ...]
    outcomes: tuple[bytes, ...]
    size: int
    """Bytes on disk, about, with the blocks."""


def outcome_portions(store: BlockStore, last: int) -> Iterator[Outcomes]:
    """Outcomes from height 1 on."""
    headers: list[Header] = []
    outcomes: list[bytes] = []
    size = 0
    for height in range(1, last + 1):
        (header, _), block_bytes = sized_head_at(store, height)
        headers.append(header)
        outcomes.append(outcome_at(store, height))
        size += block_bytes + len(outcomes[-1])
        if len(headers) >= PORTION_BLOCKS_MAX or size >= PORTION_BYTES_MAX:
            yield Outcomes(tuple(headers), tuple(outcomes), size)
            headers, outcomes, size = [], [], 0
    if headers:
        yield Outcomes(tuple(headers), tuple(outcomes), size)
