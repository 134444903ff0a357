"""The node's own ledger as catch_up.py reads it, and a peer's answer measured against it (PROTOCOL
§6; T34).

Owns the way from stored and received bytes to what a follower decides by. Reads; records nothing. A
peer's outcome that gets through here is of the block that is final here; that it is what a quorum
executed, an anchor proves in catch_up.py.
"""

from hashlib import sha256

from strongroom.consensus.errors import NotCanonical, PeerFault
from strongroom.consensus.host_messages import Outcomes
from strongroom.consensus.recovery import RecoveryCertificate
from strongroom.consensus.types import Height, PublicKey
from strongroom.enclave.formats.history import HistoryTree
from strongroom.enclave.formats.merkle import Frontier
from strongroom.enclave.formats.outcome import Outcome
from strongroom.node.ledger.archive.faults import SegmentNotAtHand
from strongroom.node.ledger.outcome_wish import next_epoch, read_wish
from strongroom.node.ledger.reading import head_at, header_at
from strongroom.node.ledger.segments import Kind
from strongroom.node.ledger.store import BlockStore
from strongroom.node.sync.catch_up_events import Given, Link, OutcomesCame


class StoredChain:
    """A `Chain` over one node's ledger folder."""

    def __init__(self, store: BlockStore, history: HistoryTree) -> None:
        """Read from `store`; `history` is over all of its outcomes."""
        self._store, self._history = store, history

    @property
    def newest(self) -> Height:
        """Of all stored blocks."""
        return Height(self._store.newest_block)

    @property
    def recorded(self) -> Height:
        """Newest height whose outcome is recorded."""
        return Height(self._store.newest_outcome)

    @property
    def first(self) -> Height:
        """Of the first block that is not in the archive alone."""
        return Height(self._store.archived.base.block + 1)

    def link(self, height: int) -> Link:
        """What of a stored block decides."""
        header, certificate = head_at(self._store, height)
        return Link(
            header.height,
            header.epoch,
            header.anchor,
            header.next_epoch,
            certificate is not None,
            isinstance(certificate, RecoveryCertificate),
        )

    def frontier(self, size: int) -> Frontier:
        """The history over heights 0 … size−1."""
        return self._history.frontier(size)

    # --- a peer's answer ---

    def decode(self, sender: PublicKey, message: Outcomes, asked: Height) -> OutcomesCame:
        """A peer's answer, as far as it is of blocks that are final here, and at hand.

        Args:
            sender: whoever gives it.
            message: what it gives.
            asked: from where on it was asked; what begins elsewhere is not looked at: no peer says
                which blocks this node fetches from its archive.
        """
        given: list[Given] = []
        fault = ""
        outcomes = message.outcomes if message.start == asked else ()
        for height, data in enumerate(outcomes, message.start):
            at_hand = self._store.archived.is_at_hand(Kind.BLOCK, height)
            if not at_hand or not 1 <= height <= self._store.newest_block:
                break
            try:
                given.append(self._read(Height(height), data))
            except SegmentNotAtHand:  # it was recalled, and made room for another
                break
            except (NotCanonical, PeerFault) as error:
                fault = f"outcome of height {height}: {error}"
                break
        return OutcomesCame(sender, message.start, tuple(given), fault)

    def _read(self, height: Height, data: bytes) -> Given:
        outcome, header = Outcome.decode(data), header_at(self._store, height)
        if (outcome.height, outcome.block) != (height, header.digest):
            raise PeerFault("it is of another block")
        wish = read_wish(outcome.wish)
        if wish is not None and sha256(wish[1]).digest() != wish[0].public_key_digest:
            raise PeerFault("the public key of the epoch that it wishes is another one")
        return Given(height, data, outcome, outcome.history_leaf.hash, next_epoch(outcome, header))
