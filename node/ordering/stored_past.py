"""The block store as a participant reads it, and the epochs that it proves.

Owns the way from stored bytes to headers, outcomes and wishes. Reads; decides nothing.
"""

from strongroom.consensus import codec
from strongroom.consensus.blocks import Header
from strongroom.consensus.epochs import EpochChain, EpochEntry
from strongroom.consensus.recovery import Finality
from strongroom.consensus.replica.events import Executed
from strongroom.consensus.types import Epoch, Height
from strongroom.consensus.validators import EpochDescription
from strongroom.enclave.formats.history import HistoryTree
from strongroom.enclave.primitives import digest
from strongroom.enclave.proofs.genesis import VerifiedGenesis, epoch_chain
from strongroom.node.ledger.outcome_wish import next_epoch, read_wish
from strongroom.node.ledger.payload_form import damage_named
from strongroom.node.ledger.reading import (
    decoded_outcome_at,
    header_at,
    sized_head_at,
)
from strongroom.node.ledger.segments import Kind
from strongroom.node.ledger.store import BlockStore
from strongroom.node.ordering.start import extend_by, extend_from


class StoredPast:
    """A `Past` over one node's ledger folder."""

    def __init__(self, store: BlockStore, history: HistoryTree) -> None:
        """Read from `store`; `history` is over all of its outcomes."""
        self._store, self._history = store, history
        self._last: tuple[int, tuple[tuple[Header, Finality | None], int]] | None = None
        """The block that was read last: its head and its size are asked for together."""

    @property
    def newest_block(self) -> Height:
        """Of the newest stored block; 0: none."""
        return Height(self._store.newest_block)

    @property
    def newest_outcome(self) -> Height:
        """Of the newest recorded outcome; 0: none."""
        return Height(self._store.newest_outcome)

    @property
    def archived(self) -> Height:
        """Of the newest block that is in the archive alone; 0: none."""
        return Height(self._store.archived.base.block)

    def is_at_hand(self, height: int) -> bool:
        """Whether a block can be read now, without waiting for the archive."""
        return self._store.archived.is_at_hand(Kind.BLOCK, height)

    def head_at(self, height: int) -> tuple[Header, Finality | None]:
        """A stored header, and its own FINALIZE certificate if it has one."""
        return self._block(height)[0]

    def bytes_at(self, height: int) -> int:
        """Bytes of a stored block with its batches."""
        return self._block(height)[1]

    def _block(self, height: int) -> tuple[tuple[Header, Finality | None], int]:
        last = self._last
        if last is None or last[0] != height:
            last = self._last = (height, sized_head_at(self._store, height))
        return last[1]

    def executed_at(self, height: int) -> Executed:
        """What a replica is told of a recorded outcome."""
        outcome = decoded_outcome_at(self._store, height)
        root = self._history.root(height + 1)
        return Executed(Height(height), root, next_epoch(outcome, header_at(self._store, height)))

    def wish_at(self, height: int) -> tuple[EpochDescription, bytes] | None:
        """The epoch that the state wishes next after a recorded outcome, and its public key; None:
        no wish."""
        return read_wish(decoded_outcome_at(self._store, height).wish)

    def has_transaction(self, envelope: bytes) -> bool:
        """Does a recorded outcome hold this envelope, as far as no block must be read to know: one
        that is ordered again is refused as a duplicate, and answered with its first place."""
        finding = self._store.finding(digest(envelope))
        return finding is not None and not callable(finding)


def stored_epochs(store: BlockStore, genesis: VerifiedGenesis) -> EpochChain:
    """Every epoch that this folder proves, from genesis on.

    Raises:
        OperatorFault: a stored terminal block does not open the epoch that its outcome wishes.
    """
    chain = epoch_chain(genesis)
    for data, kept in store.archived.epochs():
        with damage_named(kept, 0, None):
            entry = EpochEntry.from_wire(codec.decode(data))
        extend_by(chain, entry)
    extend_from(StoredPast(store, HistoryTree(genesis.header)), chain)
    return chain


def epochs_opened(epochs: EpochChain, first: int, last: int) -> tuple[bytes, ...]:
    """How epochs were opened by the blocks of some executed heights, encoded: with these, nothing
    has to look for them in the blocks."""
    opened: list[bytes] = []
    entries = epochs.entries(Epoch(epochs.epoch_at(Height(first)) + 1))
    while entries and entries[0].header.height <= last:
        opened += [codec.encode(one.to_wire()) for one in entries if one.header.height <= last]
        entries = epochs.entries(Epoch(entries[-1].description.epoch + 1))
    return tuple(opened)
