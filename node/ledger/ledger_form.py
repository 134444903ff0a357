"""What blocks and outcomes of a ledger are, as a block store asks (payload_form.py)."""

from collections.abc import Sequence

from strongroom.enclave.formats.outcome import Outcome
from strongroom.node.ledger.block_record import header_hash, id_at, ids_of
from strongroom.node.ledger.outcome_record import joined, without_ids
from strongroom.node.ledger.segments import Kind


class LedgerForm:
    """A `PayloadForm`: blocks as block_record.py writes them, outcomes as enclaves encode them."""

    def hash_of(self, kind: Kind, payload: bytes) -> bytes:
        """The digest of a block's header; the leaf of an outcome in the history."""
        if kind == Kind.BLOCK:
            return header_hash(payload)
        return Outcome.decode(payload).history_leaf.hash

    def record_of(self, outcome: bytes) -> bytes:
        """An outcome without its ids: its block tells them."""
        return without_ids(outcome)

    def whole_of(self, record: bytes, block: bytes, ids: Sequence[bytes]) -> bytes:
        """An outcome with its ids again."""
        return joined(record, block, ids)

    def ids_of(self, block: bytes) -> Sequence[bytes]:
        """The digest of each envelope, void batches left out."""
        return ids_of(block)

    def id_at(self, block: bytes, position: int) -> bytes:
        """The digest of one envelope."""
        return id_at(block, position)

    def transactions_of(self, outcome: bytes) -> list[tuple[bytes, int]]:
        """Ids and codes as an outcome has them."""
        return Outcome.decode(outcome).ids_and_codes()
