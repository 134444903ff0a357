"""What is recorded of a height, or a fault that names the folder: blocks, headers, outcomes.

Reads; sends, signs and decides nothing.
"""

from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import OperatorFault
from strongroom.node.ledger.block_record import header_and_certificate
from strongroom.node.ledger.store import BlockStore


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
