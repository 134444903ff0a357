"""Receipts out of the ledger, in steps that run beside the event loop.

Owns the search for what anchors an outcome, and a few outcomes that were read last: a block of
14,000 transactions takes some 60 ms to decode and to hash, and mostly many of its senders ask.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import InvariantBroken
from strongroom.consensus.recovery import Finality
from strongroom.consensus.statements import Certificate
from strongroom.consensus.types import TransactionId
from strongroom.enclave.formats.outcome import Outcome
from strongroom.node.api.documents import receipt_of
from strongroom.node.api.ledger_sources import LedgerSources
from strongroom.node.faults import NotFound, NotYet
from strongroom.node.ledger.decoding import head_of, outcome_of
from strongroom.node.ledger.segments import Kind
from strongroom.node.ledger.transaction_table import Found
from strongroom.node.rpc.backend import Document, Step

OUTCOMES_KEPT = 4
"""Decoded outcomes that are kept, each with its tree: at most some 6 MiB."""
STEP_BLOCKS = 4
"""Blocks that one step looks at for an anchor; mostly the next one has it."""
ReadHead = Callable[[], tuple[Header, Finality | None]]


@dataclass(slots=True)
class _Held:
    """What one way to a receipt has found: it stays until the end, whoever else reads meanwhile."""

    found: Found | None = None
    outcome: Outcome | None = None

    def look(self, finding: Callable[[], Found | None]) -> None:
        """Find the transaction; a block may be read for it."""
        self.found = finding()

    @property
    def known(self) -> Outcome:
        """Which a step before has read."""
        if self.outcome is None:
            raise InvariantBroken("a receipt is made of an outcome that was read")
        return self.outcome

    def hash(self, position: int) -> None:
        """Make its tree and root, which stay with it."""
        self.known.path_of(position)
        _ = self.known.root


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
        held, finding = _Held(), self._store.finding(id, self._known_id)
        if callable(finding):
            yield Step(partial(held.look, finding), long=True)
        else:
            held.found = finding
        found = held.found
        if found is None:
            raise NotFound("no executed transaction has this id: ask again later, or check the id")
        height, position = found.height, found.position
        read = self._store.reading(Kind.OUTCOME, height, outcome_of(height))
        if read is None:
            raise NotYet(f"height {height} is final and not yet executed here", retry_after_ms=50)
        newest = self._store.newest_block
        held.outcome = self._outcomes.get(height)
        if newest > height and held.outcome is None:
            yield Step(partial(self._read, height, read, held), long=True)
            yield Step(partial(held.hash, position), long=True)
        for start in range(height + 1, newest + 1, STEP_BLOCKS):
            blocks = self._blocks(range(start, min(start + STEP_BLOCKS, newest + 1)))
            yield Step(partial(self._find, height, position, held, blocks))
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
            document = step.run()
            if document is not None:
                return document
        raise InvariantBroken("the steps to a receipt end with a fault")

    def _known_id(self, found: Found) -> TransactionId | None:
        """By an outcome that is kept."""
        outcome = self._outcomes.get(found.height)
        return None if outcome is None else outcome.id_at(found.position)

    def _blocks(self, heights: range) -> list[ReadHead]:
        readings = (self._store.reading(Kind.BLOCK, at, head_of(at)) for at in heights)
        return [read for read in readings if read is not None]

    def _read(self, height: int, read: Callable[[], Outcome], held: "_Held") -> None:
        """Decode the outcome, unless somebody else has meanwhile."""
        outcome = self._outcomes.get(height)
        if outcome is None:
            outcome = self._outcomes[height] = read()
            while len(self._outcomes) > OUTCOMES_KEPT:
                self._outcomes.popitem(last=False)
        held.outcome = outcome

    def _find(
        self, height: int, position: int, held: "_Held", blocks: list[ReadHead]
    ) -> Document | None:
        """By the first of these headers with a certificate of its own, by a quorum, whose anchor
        covers the outcome's height."""
        sources = self._sources
        for block in blocks:
            header, certificate = block()
            if isinstance(certificate, Certificate) and header.anchor.height >= height:
                return receipt_of(
                    sources.genesis.data,
                    held.known,
                    position,
                    sources.history,
                    header,
                    certificate,
                    sources.epochs,
                )
        return None
