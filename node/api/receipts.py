"""Receipts out of the ledger, in steps that run beside the event loop.

Owns the search for what anchors an outcome, and a few outcomes that were read last: a block of
14,000 transactions takes some 60 ms to decode and to hash, and mostly many of its senders ask.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial

from strongroom.consensus.errors import InvariantBroken
from strongroom.consensus.statements import Certificate
from strongroom.consensus.types import TransactionId
from strongroom.enclave.formats.outcome import Outcome
from strongroom.node.api.documents import receipt_of
from strongroom.node.api.ledger_sources import LedgerSources
from strongroom.node.faults import NotFound, NotYet
from strongroom.node.ledger.block_record import header_and_certificate
from strongroom.node.ledger.segments import Kind
from strongroom.node.rpc.backend import Document, Step

OUTCOMES_KEPT = 4
"""Decoded outcomes that are kept, each with its tree: at most some 6 MiB."""
STEP_BLOCKS = 4
"""Blocks that one step looks at for an anchor; mostly the next one has it."""
Read = Callable[[], bytes]


class ReceiptDesk:
    """Makes receipts of one node's ledger."""

    def __init__(self, sources: LedgerSources) -> None:
        self._sources, self._store = sources, sources.store
        self._outcomes: OrderedDict[int, Outcome] = OrderedDict()

    def steps(self, id: TransactionId) -> Iterator[Step]:
        """What finds a receipt, step by step: each runs in any thread, and gives it or None. What
        is next is asked for on the event loop.

        Raises:
            NotFound: no executed transaction has this id.
            NotYet: no outcome anchor over it is final yet.
        """
        found = self._store.find_transaction(id)
        if found is None:
            raise NotFound("no executed transaction has this id: ask again later, or check the id")
        height, position = found.height, found.position
        read = self._store.reading(Kind.OUTCOME, height)
        if read is None:
            raise NotYet(f"height {height} is final and not yet executed here", retry_after_ms=50)
        newest = self._store.newest_block
        if newest > height and height not in self._outcomes:
            yield partial(self._read, height, read)
        for start in range(height + 1, newest + 1, STEP_BLOCKS):
            blocks = self._blocks(range(start, min(start + STEP_BLOCKS, newest + 1)))
            yield partial(self._find, height, position, read, blocks)
        raise NotYet(
            f"block {height:,} is final and executed, its anchor comes with one of the next "
            "blocks: ask again in a moment",
            retry_after_ms=50,
        )

    def receipt(self, id: TransactionId) -> Document:
        """All steps at once, for whoever reads files.

        Raises:
            NotFound, NotYet: as above.
        """
        for step in self.steps(id):
            document = step()
            if document is not None:
                return document
        raise InvariantBroken("the steps to a receipt end with a fault")

    def _blocks(self, heights: range) -> list[Read]:
        readings = (self._store.reading(Kind.BLOCK, height) for height in heights)
        return [read for read in readings if read is not None]

    def _read(self, height: int, read: Read) -> None:
        self._outcome(height, read)

    def _outcome(self, height: int, read: Read) -> Outcome:
        outcome = self._outcomes.get(height)
        if outcome is None:
            outcome = self._outcomes[height] = Outcome.decode(read())
            while len(self._outcomes) > OUTCOMES_KEPT:
                self._outcomes.popitem(last=False)
        return outcome

    def _find(self, height: int, position: int, read: Read, blocks: list[Read]) -> Document | None:
        """By the first of these headers with a certificate of its own, by a quorum, whose anchor
        covers the outcome's height."""
        sources = self._sources
        for block in blocks:
            header, certificate = header_and_certificate(block())
            if isinstance(certificate, Certificate) and header.anchor.height >= height:
                return receipt_of(
                    sources.genesis.data,
                    self._outcome(height, read),
                    position,
                    sources.history,
                    header,
                    certificate,
                    sources.epochs,
                )
        return None
