"""What is recorded of a height, or a fault that names the folder: blocks, headers, outcomes; and
recorded blocks in the runs in which they are executed.

Reads; sends, signs and decides nothing. What a record's bytes cannot be decoded to is damage of its
file (CorruptRecord), whatever its checksum says (T40): no peer and no client is blamed for it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from strongroom.consensus.batches import Batch
from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.recovery import Finality
from strongroom.consensus.types import Height
from strongroom.enclave.formats.outcome import Outcome
from strongroom.node.ledger.block_record import StoredBlock
from strongroom.node.ledger.decoding import block_of, head_of, outcome_of, with_size
from strongroom.node.ledger.ledger_form import LedgerForm
from strongroom.node.ledger.segments import SEGMENT_BYTES_MAX, Kind
from strongroom.node.ledger.store import BlockStore

APPLY_BLOCKS_MAX = 128
"""Heights whose recorded outcomes an enclave is given at once, in one APPLY."""
APPLY_BYTES_MAX = 16 * 1024 * 1024
"""Of these."""
_T = TypeVar("_T")


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
        raise _missing(Kind.OUTCOME, height)
    return data


def block_at(store: BlockStore, height: int) -> bytes:
    """A recorded block.

    Raises:
        OperatorFault: it is missing.
    """
    data = store.block(height)
    if data is None:
        raise _missing(Kind.BLOCK, height)
    return data


def head_at(store: BlockStore, height: int) -> tuple[Header, Finality | None]:
    """A recorded final header, and its own certificate if it has one."""
    return sized_head_at(store, height)[0]


def header_at(store: BlockStore, height: int) -> Header:
    """A recorded final header."""
    return head_at(store, height)[0]


def sized_head_at(store: BlockStore, height: int) -> tuple[tuple[Header, Finality | None], int]:
    """The same, and how many bytes the whole block has."""
    return _decoded(store, Kind.BLOCK, height, with_size(head_of(height)))


def sized_block_at(store: BlockStore, height: int) -> tuple[StoredBlock, int]:
    """A recorded block, decoded, and its bytes."""
    return _decoded(store, Kind.BLOCK, height, with_size(block_of(height)))


def stored_block_at(store: BlockStore, height: int) -> StoredBlock:
    """A recorded block, decoded."""
    return sized_block_at(store, height)[0]


def decoded_outcome_at(store: BlockStore, height: int) -> Outcome:
    """A recorded outcome, decoded."""
    return _decoded(store, Kind.OUTCOME, height, outcome_of(height))


def _decoded(store: BlockStore, kind: Kind, height: int, decode: Callable[[bytes], _T]) -> _T:
    found = store.decoded(kind, height, decode)
    if found is None:
        raise _missing(kind, height)
    return found


def _missing(kind: Kind, height: int) -> OperatorFault:
    return OperatorFault(
        f"the {kind.name.lower()} of height {height} is missing from the ledger folder"
    )


def stored_runs(store: BlockStore, above: Height) -> Iterator[Run]:
    """Recorded blocks above a height, cut into runs that end with a certificate.

    None of them crosses an epoch: the last block of an epoch always has a certificate of its own.
    """
    blocks: list[tuple[Header, tuple[Batch, ...]]] = []
    for height in range(above + 1, store.newest_block + 1):
        block = stored_block_at(store, height)
        blocks.append((block.header, block.batches))
        if block.certificate is not None:
            yield Run(blocks=tuple(blocks), certificate=block.certificate)
            blocks = []
