"""A few blocks of a ledger's files, without reading all others: found through the index, and
checked as if it were an enemy's.

Owns what must hold before a block is shown. The epochs are followed from the genesis beside the
files on, each terminal header with its certificate; the block stands below a header that its
epoch's quorum certified; its batches are those of its header; its outcome is the leaf of its height
in the history that the newest certified header anchors. What does not hold, and what needs
governance, is `NotInPart`: then the whole ledger is read (ledger_replay.py), which says what is
wrong.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from strongroom.consensus.blocks import Header
from strongroom.consensus.epochs import EpochEntry
from strongroom.consensus.errors import (
    AttestationError,
    NotCanonical,
    OperatorFault,
    PeerFault,
    ReceiptInvalid,
)
from strongroom.consensus.recovery import Finality, RecoveryCertificate
from strongroom.consensus.types import Epoch, Height
from strongroom.enclave.execution.public_replay import is_public
from strongroom.enclave.formats.history import HistoryTree, genesis_leaf
from strongroom.enclave.formats.outcome import Code, Outcome
from strongroom.enclave.governance.rules import LIMITS
from strongroom.enclave.proofs.block_data import ordered_lanes
from strongroom.enclave.proofs.genesis import VerifiedGenesis, epoch_chain, verify_genesis
from strongroom.node.client.audit.ledger_files import find_ledger, open_segments, read_genesis
from strongroom.node.explorer.ledger_replay import AtEnd, FileLedger, NothingWaits
from strongroom.node.ledger.block_record import StoredBlock, header_and_certificate
from strongroom.node.ledger.index_view import IndexView, NoIndex
from strongroom.node.ledger.outcome_record import joined, with_ids
from strongroom.node.ledger.outcome_wish import read_wish
from strongroom.node.ledger.pending_index import Finding, IdKnown
from strongroom.node.ledger.segments import Kind
from strongroom.node.ledger.stored_tree import StoredTree
from strongroom.node.ledger.transaction_table import Found

UNCERTIFIED_WALK_MAX = 1_024
"""Blocks up to the next one with a certificate of its own, at most."""
WISH_WALK_MAX = 256
"""Heights below a terminal block at which the wish for the next epoch is looked for."""
BLOCKS_KEPT_MAX = 128
_T = TypeVar("_T")
_FAULTS = (AttestationError, NoIndex, NotCanonical, OperatorFault, PeerFault, ReceiptInvalid)


class NotInPart(Exception):
    """This cannot be shown from a part of the ledger: read it whole."""


class PartStore:
    """Blocks and outcomes by height; what it gives was checked."""

    def __init__(self, folder: Path, index: IndexView) -> None:
        """Follow the epochs, and check the newest certified block.

        Raises:
            NotInPart: they do not lead there.
        """
        ledger = find_ledger(folder)
        self.genesis: VerifiedGenesis = verify_genesis(read_genesis(ledger, None))
        self._index, self._segments = index, open_segments(ledger)
        self._checked: dict[int, tuple[bytes, bytes | None]] = {}
        known = index.newest()
        self.newest, certificate = self._newest_certified(known.block)
        self.newest_block = int(self.newest.height)
        self.newest_outcome = min(known.outcome, self.newest_block)
        self.uncertified = known.block - self.newest_block
        self.epochs = epoch_chain(self.genesis)
        for epoch in range(self.newest.epoch):
            self.epochs.extend(self._entry(Epoch(epoch)))
        self.epochs.check_final(self.newest, certificate)
        anchored = self.newest.anchor.height
        first = genesis_leaf(self.genesis.header).hash
        self._tree = StoredTree(first, anchored + 1, index.subtree, NotInPart)
        self.history = HistoryTree.over(self._tree)
        if anchored and self._tree.root() != self.newest.anchor.root:
            raise NotInPart("the index has another history than the newest block anchors")
        self._check_names()

    # --- as LedgerDesk reads it ---

    def block(self, height: int) -> bytes | None:
        """The payload of a block; None if there is none of this height."""
        return self._at(height)[0] if 1 <= height <= self.newest_block else None

    def outcome(self, height: int) -> bytes | None:
        """The payload of an outcome; None if there is none of this height."""
        return self._at(height)[1] if 1 <= height <= self.newest_outcome else None

    def reading(
        self, kind: Kind, height: int, decode: Callable[[bytes], _T]
    ) -> Callable[[], _T] | None:
        """What gives a record, decoded; None if there is none."""
        data = self.block(height) if kind == Kind.BLOCK else self.outcome(height)
        return None if data is None else lambda: decode(data)

    def find_transaction(self, identifier: bytes) -> Found:
        """Where a transaction was executed.

        Raises:
            NotInPart: the index knows no such place: only all outcomes together show that there is
                none, or which refusal was the first.
        """
        found = self._index.find_transaction(identifier, partial(self._stands, identifier))
        data = None if found is None else self.outcome(found.height)
        if found is None or data is None or found.code != Code.EXECUTED:
            raise NotInPart("no executed transaction of this id is indexed")
        placed = list(Outcome.decode(data).ids_and_codes())[found.position : found.position + 1]
        if placed != [(identifier, Code.EXECUTED)]:
            raise NotInPart("another transaction stands there")
        self._check_no_grace()
        return found

    def finding(self, identifier: bytes, told: IdKnown = lambda _: None) -> Finding:
        """What looks for it; it raises NotInPart as `find_transaction` does."""
        return partial(self.find_transaction, identifier)

    def _stands(self, identifier: bytes, found: Found) -> bool:
        data = self.outcome(found.height)
        ids = Outcome.decode(data).ids_and_codes() if data else []
        return ids[found.position : found.position + 1] == [(identifier, found.code)]

    def find_block(self, hash: bytes) -> int:
        """Height of the block of this digest.

        Raises:
            NotInPart: the index knows none, or a wrong one.
        """
        height = self._index.find_block(hash)
        data = None if height is None else self.block(height)
        if height is None or data is None or header_and_certificate(data)[0].digest != hash:
            raise NotInPart("no block of this digest is indexed")
        return height

    # --- what must hold ---

    def _at(self, height: int) -> tuple[bytes, bytes | None]:
        if height not in self._checked:
            found = self._check(height)
            while len(self._checked) >= BLOCKS_KEPT_MAX:
                del self._checked[next(iter(self._checked))]
            self._checked[height] = found
        return self._checked[height]

    def _check(self, height: int) -> tuple[bytes, bytes | None]:
        data = self._read(Kind.BLOCK, height)
        block = StoredBlock.decode(data)
        header = block.header
        if (header.height, header.chain) != (height, self.genesis.chain):
            raise NotInPart(f"another block than {height} stands there")
        if header.epoch != self.epochs.epoch_at(Height(height)):
            raise NotInPart(f"block {height} is of another epoch")
        self._check_certified(header, block.certificate)
        parent = self._header(height - 1)[0]
        description = self.epochs.description(header.epoch)
        if description is None or parent.digest != header.parent:
            raise NotInPart(f"block {height} does not stand on block {height - 1}")
        lanes = ordered_lanes(parent, header, block.batches, len(description.validators))
        if height > self.newest_outcome:
            return data, None
        ids = [sha256(envelope).digest() for lane in lanes for envelope in lane]
        recorded = joined(self._read(Kind.OUTCOME, height), header.digest, ids)
        outcome = Outcome.decode(recorded)
        if outcome.height != height:
            raise NotInPart(f"the outcome of height {height} is of another block")
        if height >= self._tree.size:
            if any(is_public(envelope) for lane in lanes for envelope in lane):
                raise NotInPart("public transactions that no anchor covers are executed again")
        elif outcome.history_leaf.hash != self._tree.subtree(0, height):
            raise NotInPart(f"the outcome of height {height} is not the one that was anchored")
        return data, recorded

    def _check_certified(self, header: Header, certificate: Finality | None) -> None:
        """Up to the next block with a certificate; it is of the same epoch."""
        for _ in range(UNCERTIFIED_WALK_MAX):
            if certificate is not None:
                self.epochs.check_final(header, certificate)
                return
            above, certificate = self._header(header.height + 1)
            if (above.parent, above.epoch) != (header.digest, header.epoch):
                raise NotInPart(f"block {above.height} does not stand on block {header.height}")
            header = above
        raise NotInPart(f"no certificate up to block {header.height}")

    def _check_names(self) -> None:
        """Nodes that came later have their names from governance."""
        founders = {one.claims.node_key for one in self.genesis.validators}
        for epoch in range(self.newest.epoch + 1):
            description = self.epochs.description(Epoch(epoch))
            if (
                description is None
                or not {one.node_key for one in description.validators} <= founders
            ):
                raise NotInPart("a validator came after genesis: its name stands in governance")

    def _check_no_grace(self) -> None:
        """Whether an ended epoch's grace is over, governance says; after its longest, everybody."""
        if not self.newest.epoch:
            return
        executed = self._header(self.newest_outcome)[0]
        if executed.time_ms < self.epochs.anchor.time_ms + LIMITS["grace_ms"].most:
            raise NotInPart("an epoch ended lately: governance says how long its grace is")

    # --- reading ---

    def _newest_certified(self, height: int) -> tuple[Header, Finality]:
        for at in range(height, max(0, height - UNCERTIFIED_WALK_MAX), -1):
            header, certificate = self._header(at)
            if certificate is not None:
                return header, certificate
        raise NotInPart("no certified block")

    def _entry(self, epoch: Epoch) -> EpochEntry:
        """What opened the epoch after this one: by halving, for epochs only grow."""
        low, high = int(self.epochs.anchor.height) + 1, self.newest_block
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (
                (middle, high) if self._header(middle)[0].epoch <= epoch else (low, middle - 1)
            )
        header, certificate = self._header(low)
        if certificate is None:
            raise NotInPart(f"block {low} ends an epoch without a certificate")
        if isinstance(certificate, RecoveryCertificate):
            return EpochEntry(header, certificate, certificate.description, certificate.public_key)
        for height in range(low, max(0, low - WISH_WALK_MAX), -1):
            record, block = self._read(Kind.OUTCOME, height), self._read(Kind.BLOCK, height)
            wish = read_wish(Outcome.decode(with_ids(record, block)).wish)
            if wish is not None and wish[0].digest == header.next_epoch:
                return EpochEntry(header, certificate, *wish)
        raise NotInPart(f"what block {low} opens stands in no outcome near it")

    def _header(self, height: int) -> tuple[Header, Finality | None]:
        if height == 0:
            return self.genesis.header, None
        return header_and_certificate(self._read(Kind.BLOCK, height))

    def _read(self, kind: Kind, height: int) -> bytes:
        place = self._index.place(kind, height)
        if place is None:
            raise NotInPart(f"the index has no {kind.name.lower()} of height {height}")
        return self._segments.read(kind, height, place)


class LedgerPart:
    """A ledger of which only what is asked for is read: `with LedgerPart(folder) as part`."""

    def __init__(self, folder: Path) -> None:
        """Open it.

        Raises:
            NotInPart: it has no index, or what that shows does not hold.
        """
        with in_part():
            self._index = IndexView(find_ledger(folder).parent / "index")
            try:
                store = PartStore(folder, self._index)
            except BaseException:
                self._index.__exit__(None, None, None)
                raise
        self.ledger = FileLedger(
            folder,
            store,
            store.genesis,
            store.epochs,
            store.history,
            store.newest,
            AtEnd(store.newest_outcome, None),
            NothingWaits(),
            store.uncertified,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._index.__exit__(kind, error, trace)


@contextmanager
def in_part() -> Iterator[None]:
    """Whatever does not hold inside is NotInPart."""
    try:
        yield
    except _FAULTS as fault:
        raise NotInPart(str(fault)) from fault
