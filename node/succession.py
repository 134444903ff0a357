"""The epochs of this node's own ledger folder: which terminal blocks lie in it, and what each of them opened (R16).

Owns the way from stored blocks and outcomes to `EpochEntry`. Nothing of it is stored twice: a terminal block has a
FINALIZE certificate of its own, and the outcome at its anchor holds the wish that it made true.
"""

from bisect import bisect_left

from strongroom.consensus import codec
from strongroom.consensus.blocks import Header
from strongroom.consensus.epochs import EpochChain, EpochEntry
from strongroom.consensus.errors import OperatorFault, PeerFault
from strongroom.consensus.types import Digest, Epoch, Height
from strongroom.consensus.validators import EpochDescription
from strongroom.enclave.genesis import VerifiedGenesis, epoch_chain
from strongroom.enclave.outcome import Outcome
from strongroom.node.ledger.store import BlockStore
from strongroom.node.stored import header_and_certificate


def stored_epochs(store: BlockStore, genesis: VerifiedGenesis) -> EpochChain:
    """Every epoch that this folder proves, from genesis on.

    Raises:
        OperatorFault: a stored terminal block does not open the epoch that its outcome wishes.
    """
    chain = epoch_chain(genesis)
    while (entry := next_stored(store, chain)) is not None:
        try:
            chain.extend(entry)
        except PeerFault as fault:
            raise OperatorFault(
                f"the ledger folder contradicts itself at height {entry.header.height}: {fault}"
            ) from None
    return chain


def next_stored(store: BlockStore, chain: EpochChain) -> EpochEntry | None:
    """What opens the epoch after the newest of `chain`, if block and outcome for it are stored."""
    height = _last_of(store, chain.newest.epoch, chain.anchor.height)
    if height is None:
        return None
    data = store.block(height)
    if data is None:
        return None
    header, certificate = header_and_certificate(data)
    if certificate is None or header.next_epoch == chain.newest.digest:
        return None
    wish = _wish_at(store, header.anchor.height)
    if wish is None:
        return None
    return EpochEntry(header, certificate, *wish)


def next_epoch(outcome: Outcome, header: Header) -> Digest:
    """What the state wishes to follow after a height: its wish, else the epoch that goes on or has just begun.

    A block that ends its epoch names the next one itself, and once it is executed that one is current.
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


def _wish_at(store: BlockStore, height: Height) -> tuple[EpochDescription, bytes] | None:
    data = store.outcome(height) if 0 < height <= store.newest_outcome else None
    return None if data is None else read_wish(Outcome.decode(data).wish)


def _last_of(store: BlockStore, epoch: Epoch, anchor: Height) -> Height | None:
    """The last stored height of an epoch, by bisection: epochs never go back. None if no block of it is stored."""
    heights = range(anchor + 1, store.newest_block + 1)
    count = bisect_left(heights, True, key=lambda height: epoch_of(store, height) > epoch)
    return Height(anchor + count) if count else None


def epoch_of(store: BlockStore, height: int) -> Epoch:
    """The epoch of a stored block.

    Raises:
        OperatorFault: the block is missing.
    """
    data = store.block(height)
    if data is None:
        raise OperatorFault(f"the block of height {height} is missing from the ledger folder")
    return header_and_certificate(data)[0].epoch
