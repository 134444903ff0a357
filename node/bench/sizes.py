"""What a payment takes on one node's disk, and what each byte of it is for.

Reads a stopped or running node's own files after a measurement: ledger records by kind, the index'
pages in use, the log. Divides by the payments that stand in the ledger; what is there whatever is
paid (genesis, sessions, empty blocks) is in the figures too, and small beside ten thousand
payments.
"""

from contextlib import suppress
from dataclasses import dataclass

from strongroom.node.bench.readings import allocated
from strongroom.node.bench.report import Document
from strongroom.node.client.audit.ledger_files import open_segments
from strongroom.node.layout import NodeLayout
from strongroom.node.ledger.frames import HEADER_SIZE, TornTail
from strongroom.node.ledger.outcome_record import parts_of
from strongroom.node.ledger.segments import Heights, Kind


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes on one node's disk."""

    blocks: int
    """Envelopes in their batches, headers and certificates; who was asked to do what, in order."""
    results: int
    """Sealed results in outcomes: what a sender may ask for again."""
    write_sets: int
    """Sealed changes in outcomes: a restart and a joiner apply these instead of executing anew."""
    outcomes: int
    """The rest of outcomes: codes, claims; with ids, which blocks tell, receipts are made of it."""
    frames: int
    """Lengths, checksums and markers of records and files."""
    index: int
    """Where each height and each transaction stands; made anew from the ledger when lost."""
    log: int
    """Promises, certificates and batches that are not yet final and stored; bounded, begun anew."""
    transactions: int

    @property
    def ledger(self) -> int:
        """What grows with each payment and may not be lost."""
        return self.blocks + self.results + self.write_sets + self.outcomes + self.frames


def sizes_of(layout: NodeLayout) -> Sizes:
    """Read a node's files. One that runs may append meanwhile: what is not whole is not counted."""
    segments = open_segments(layout.ledger)
    blocks = results = write_sets = outcomes = transactions = 0
    frames = HEADER_SIZE * len(segments.firsts)
    with suppress(TornTail):
        for record in segments.scan(1, Heights()):
            size = len(record.payload)
            frames += record.location.size - size
            if record.kind == Kind.BLOCK:
                blocks += size
                continue
            parts = parts_of(record.payload)
            results += parts.results
            write_sets += parts.write_set
            outcomes += size - parts.results - parts.write_set
            transactions += parts.count
    return Sizes(
        blocks=blocks,
        results=results,
        write_sets=write_sets,
        outcomes=outcomes,
        frames=frames,
        index=allocated(layout.index),
        log=allocated(layout.wal),
        transactions=transactions,
    )


def per_transaction(sizes: Sizes) -> Document:
    """Bytes for each transaction by what they are for, and together what grows with each."""
    count = max(1, sizes.transactions)
    parts = ("blocks", "results", "write_sets", "outcomes", "frames", "index")
    shares = {name: round(getattr(sizes, name) / count, 1) for name in parts}
    total = round((sizes.ledger + sizes.index) / count, 1)
    return {**shares, "total": total, "log_mib": round(sizes.log / 2**20, 1)}
