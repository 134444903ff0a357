"""What a new log must begin with before the old one may go (PROTOCOL §5).

Owns the records that no other part of the state holds any more: of final blocks that are not
executed yet, and of a final block that the block store has lost. It decides no vote, and writes
nothing.
"""

from collections import deque
from collections.abc import Iterable

from strongroom.consensus.blocks import Header
from strongroom.consensus.replica.blocktree import BlockTree
from strongroom.consensus.replica.events import (
    CandidateRecord,
    CastRecord,
    CertificateRecord,
    FinalRecord,
    Record,
)
from strongroom.consensus.replica.proofs import Proofs
from strongroom.consensus.safety import SafetyRules
from strongroom.consensus.types import Height, View


class CarriedRecords:
    """Log records that outlive what they are about."""

    def __init__(self, promises: SafetyRules, proofs: Proofs, tree: BlockTree) -> None:
        self._promises = promises
        self._proofs = proofs
        self._tree = tree
        self.ahead: FinalRecord | None = None
        """The newest FinalRecord of the log that is above the block store, until the blocks are
        here again."""
        self._retired: deque[tuple[Height, Record]] = deque()
        """Records of final blocks that are not executed yet, with the height of their commit."""

    def __len__(self) -> int:
        return len(self._retired)

    def note_ahead(self, record: FinalRecord) -> None:
        """The log knows this block to be final, and the block store does not have it."""
        if self.ahead is None or record.header.height > self.ahead.header.height:
            self.ahead = record

    def retire(self, header: Header, view: View, recent: Iterable[Header]) -> None:
        """Keep for the log what becomes final now, until it was executed: by then the block store
        has it for sure. To be called before the parts forget it.

        A log that began without it would let a restart from the older store contradict what was
        said in between.

        Args:
            header: the new final block.
            view: what was said and certified up to this view retires with it.
            recent: the headers that become final, `header` among them; older ones are passed over.
        """
        settled = self._tree.final.height
        if settled == header.height:
            return
        final = (CandidateRecord(block) for block in recent if block.height > settled)
        held = (
            CertificateRecord(certificate)
            for certificate in self._proofs.all()
            if certificate.view <= view
        )
        said = (
            CastRecord(statement) for statement in self._promises.all() if statement.view <= view
        )
        records: tuple[Record, ...] = (*final, *held, *said)
        if self.ahead is not None and self.ahead.header.height <= header.height:
            records, self.ahead = (*records, self.ahead), None
        self._retired += ((header.height, record) for record in records)

    def drop_executed(self, height: Height) -> None:
        """Blocks up to this height were executed: the block store has them."""
        while self._retired and self._retired[0][0] <= height:
            self._retired.popleft()

    def all(self) -> tuple[Record, ...]:
        """All that is not both final and executed: these records, and what the parts still hold."""
        ahead = () if self.ahead is None else (self.ahead,)
        retired = (record for _, record in self._retired)
        headers = (CandidateRecord(header) for header in self._tree.headers())
        certificates = (CertificateRecord(certificate) for certificate in self._proofs.all())
        said = (CastRecord(statement) for statement in self._promises.all())
        return (*ahead, *retired, *headers, *certificates, *said)
