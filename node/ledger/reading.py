"""What is recorded of a height, or a fault that names the folder: blocks, headers, outcomes; and
recorded blocks in the runs in which they are executed.

Reads; sends, signs and decides nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from strongroom.consensus.batches import Batch
from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.recovery import Finality
from strongroom.consensus.types import Height
from strongroom.node.ledger.block_record import StoredBlock, header_and_certificate
from strongroom.node.ledger.ledger_form import LedgerForm
from strongroom.node.ledger.segments import SEGMENT_BYTES_MAX
from strongroom.node.ledger.store import BlockStore

APPLY_BLOCKS_MAX = 128
"""Heights whose recorded outcomes an enclave is given at once, in one APPLY."""
APPLY_BYTES_MAX = 16 * 1024 * 1024
"""Of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Recorded final blocks of one epoch that end with one that has a certificate."""

    blocks: tuple[tuple[Header, tuple[Batch, ...]], ...]
    certificate: Finality
    """Of the last block."""


def open_store(directory: Path, segment_bytes_max: int = SEGMENT_BYTES_MAX) -> BlockStore:
    """The block store of a node's folder, which is told here what blocks and outcomes are.

    Raises:
        CorruptRecord: see `BlockStore.open`.
        DiskFault: likewise.
    """
    return BlockStore.open(directory, LedgerForm(), segment_bytes_max=segment_bytes_max)


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
