"""The wish in an outcome: which epoch is to follow (R16).

Owns the reading of wishes: the description of that epoch, and its public key. Who forms them:
enclave/governance/succession.py.
"""

from strongroom.consensus import codec
from strongroom.consensus.blocks import Header
from strongroom.consensus.types import Digest
from strongroom.consensus.validators import EpochDescription
from strongroom.enclave.formats.outcome import Outcome


def next_epoch(outcome: Outcome, header: Header) -> Digest:
    """What the state wishes to follow after a height: its wish, else the epoch that goes on or has
    just begun.

    A block that ends its epoch names the next one itself, and once it is executed that one is
    current.
    """
    wish = read_wish(outcome.wish)
    return header.next_epoch if wish is None else wish[0].digest


def read_wish(wish: bytes) -> tuple[EpochDescription, bytes] | None:
    """The description of the next epoch and its public key; None for no wish.

    Raises:
        NotCanonical: not a wish.
    """
    if not wish:
        return None
    description, public_key = codec.fields(codec.decode(wish), bytes, bytes, name="wish")
    return EpochDescription.decode(description), public_key
