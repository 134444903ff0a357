"""A record's payload as what it is: of the height at which it stands, or not canonical.

Whoever reads records of a store hands one of these over (`BlockStore.reading`), so that what it
refuses is damage of that file. Refuses to know where records stand.
"""

from collections.abc import Callable
from typing import TypeVar

from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.recovery import Finality
from strongroom.enclave.formats.outcome import Outcome
from strongroom.node.ledger.block_record import StoredBlock, header_and_certificate
from strongroom.node.ledger.outcome_wish import read_wish

_T = TypeVar("_T")


def head_of(height: int) -> Callable[[bytes], tuple[Header, Finality | None]]:
    """What decodes the head of a record that stands at a height.

    Raises (the decoder):
        NotCanonical: it is no block, or one of another height.
    """

    def decode(data: bytes) -> tuple[Header, Finality | None]:
        head = header_and_certificate(data)
        _check_height(head[0].height, height)
        return head

    return decode


def block_of(height: int) -> Callable[[bytes], StoredBlock]:
    """What decodes a block, likewise."""

    def decode(data: bytes) -> StoredBlock:
        block = StoredBlock.decode(data)
        _check_height(block.header.height, height)
        return block

    return decode


def outcome_of(height: int) -> Callable[[bytes], Outcome]:
    """What decodes an outcome, likewise; its wish can be read."""

    def decode(data: bytes) -> Outcome:
        outcome = Outcome.decode(data)
        _check_height(outcome.height, height)
        read_wish(outcome.wish)
        return outcome

    return decode


def with_size(decode: Callable[[bytes], _T]) -> Callable[[bytes], tuple[_T, int]]:
    """What gives the record's bytes on disk as well, about."""
    return lambda data: (decode(data), len(data))


def _check_height(found: int, height: int) -> None:
    if found != height:
        raise NotCanonical(f"it says of itself that it is of height {found}")
