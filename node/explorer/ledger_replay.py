"""A ledger's files followed from genesis on without a key: its epochs, its history, and what
governance says at its end.

Owns the walk over the files, and where it ends: with the newest block that a quorum certified; what
lies above counts for nothing. What is checked of each block and outcome is the enclave's
(enclave/execution/public_replay.py); the newest certificate is checked here, and with it all that
it stands on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from strongroom.consensus.blocks import Header
from strongroom.consensus.epochs import EpochChain
from strongroom.consensus.errors import (
    AttestationError,
    NotCanonical,
    OperatorFault,
    PeerFault,
    ReceiptInvalid,
)
from strongroom.consensus.types import TransactionId
from strongroom.enclave.execution.public_replay import PublicReplay
from strongroom.enclave.formats.history import HistoryTree
from strongroom.enclave.formats.outcome import Outcome
from strongroom.enclave.governance.document import Document as PublicState
from strongroom.enclave.proofs.genesis import VerifiedGenesis, verify_genesis
from strongroom.node.api.ledger_sources import Records
from strongroom.node.client.audit.ledger_files import find_ledger, read_genesis
from strongroom.node.explorer.ledger_store import FileStore
from strongroom.node.ledger.block_record import StoredBlock

PROGRESS_BLOCKS = 1_000


class NothingWaits:
    """The mempool of files."""

    def pending(self, _id: TransactionId) -> bool:
        """None waits."""
        return False


@dataclass(frozen=True, slots=True)
class AtEnd:
    """How far files go, and what governance says there."""

    executed: int
    governance: PublicState | None


@dataclass(frozen=True, slots=True)
class FileLedger:
    """A ledger that was read: what `LedgerDesk` needs of one (node/api/ledger_sources.py)."""

    folder: Path
    store: Records
    genesis: VerifiedGenesis
    epochs: EpochChain
    history: HistoryTree
    newest: Header
    end: AtEnd
    mempool: NothingWaits
    uncertified: int
    """Blocks above the newest certified one, which are not shown."""

    @property
    def state(self) -> Callable[[], AtEnd]:
        """As a running node has one, at any moment."""
        return lambda: self.end


def read_ledger(folder: Path, progress: Callable[[int], None] = lambda _: None) -> FileLedger:
    """Follow the ledger in a node's folder, or in the folder of its segments.

    Args:
        folder: where it lies, its genesis beside it.
        progress: told the height, now and then.

    Raises:
        ReceiptInvalid: ``cannot check``: there is none, or no quorum certified any of its blocks;
            ``incomplete``: files are damaged; ``forged``: a block or outcome is not what it says.
    """
    ledger = find_ledger(folder)
    data = read_genesis(ledger, None)
    try:
        genesis = verify_genesis(data)
    except (AttestationError, NotCanonical) as error:
        raise ReceiptInvalid(f"the genesis beside {ledger} does not verify: {error}") from None
    try:
        return _follow(folder, FileStore(ledger), genesis, progress)
    except (OperatorFault, PeerFault, NotCanonical) as fault:
        raise ReceiptInvalid(str(fault)) from None


def _follow(
    folder: Path, store: FileStore, genesis: VerifiedGenesis, progress: Callable[[int], None]
) -> FileLedger:
    replay, history = PublicReplay(genesis), HistoryTree(genesis.header)
    newest, certified = genesis.header, None
    uncertified = _leave_uncertified(store)
    governance = replay.governance.document()
    for height in range(1, store.newest_block + 1):
        block = StoredBlock.decode(store.block(height) or b"")
        data = store.outcome(height)
        outcome = None if data is None else Outcome.decode(data)
        replay.follow(block.header, block.batches, block.certificate, outcome)
        if outcome is not None:
            history.append(outcome.history_leaf)
            if height == store.newest_outcome:
                governance = replay.governance.document()
        if block.certificate is not None:
            certified = block
        store.note_block(block.header.digest, height)
        newest = block.header
        if height % PROGRESS_BLOCKS == 0:
            progress(height)
    if certified is not None and certified.certificate is not None:
        replay.epochs.check_final(certified.header, certified.certificate)
    return FileLedger(
        folder,
        store,
        genesis,
        replay.epochs,
        history,
        newest,
        AtEnd(store.newest_outcome, governance),
        NothingWaits(),
        uncertified,
    )


def _leave_uncertified(store: FileStore) -> int:
    """Let the ledger end with its newest block that has a certificate; how many blocks are left."""
    written = store.newest_block
    certified = next(
        (
            height
            for height in range(written, 0, -1)
            if StoredBlock.decode(store.block(height) or b"").certificate is not None
        ),
        0,
    )
    if written and not certified:
        raise ReceiptInvalid(
            "no block in these files has a certificate: nothing says that a quorum agreed; take "
            "the files of another node",
            verdict="cannot check",
        )
    store.end_with(certified)
    return written - certified
