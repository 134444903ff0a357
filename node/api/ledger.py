"""What a node tells of its ledger: blocks, headers, transactions, receipts. Read from the store,
changed by nothing.

Owns where each answer is found. The shape of a block's document is documents.py's.
"""

from collections.abc import Callable

from strongroom.consensus import codec
from strongroom.consensus.types import Epoch, Height, TransactionId
from strongroom.enclave.formats.outcome import Outcome
from strongroom.enclave.governance.document import Document as PublicState
from strongroom.node.api.documents import (
    block_document,
    code_text,
    count_of,
    envelope_document,
    head_document,
    transaction_documents,
    transaction_rows,
)
from strongroom.node.api.ledger_sources import LedgerSources
from strongroom.node.api.public_state import validator_names
from strongroom.node.faults import NotFound, NotYet
from strongroom.node.ledger.block_record import StoredBlock
from strongroom.node.ledger.decoding import block_of, head_of, outcome_of
from strongroom.node.ledger.pending_index import found_by
from strongroom.node.ledger.segments import Kind
from strongroom.node.rpc.backend import Blob, Document


class LedgerDesk:
    """One node's ledger, as anybody may read it."""

    def __init__(self, sources: LedgerSources) -> None:
        self._sources, self._store = sources, sources.store

    def transaction_reading(self, id: TransactionId) -> Callable[[], Document]:
        """What tells where a transaction stands, with what anybody can see of it, and how far this
        node has executed."""
        finding, executed = self._store.finding(id), self._executed()
        otherwise = "pending" if self._sources.mempool.pending(id) else "unknown"

        def describe() -> Document:
            found = found_by(finding)
            if found is None:
                return {"id": id, "status": otherwise, **executed()}
            block, outcome = self._reading(found.height)()
            if outcome is None:
                raise _not_executed(found.height)
            return {
                "id": id,
                "status": "final",
                "height": found.height,
                "index": found.position,
                "code": found.code,
                "refusal": code_text(found.code) if found.code else None,
                "result": Blob(outcome.result_at(found.position) or b""),
                "envelope": envelope_document(block.envelopes()[found.position]),
                **executed(),
            }

        return describe

    def status_reading(self, id: TransactionId) -> Callable[[], str | None]:
        """What tells whether a transaction is final or pending; None: neither."""
        finding = self._store.finding(id)
        otherwise = "pending" if self._sources.mempool.pending(id) else None

        def status() -> str | None:
            found = found_by(finding)
            return otherwise if found is None else "final"

        return status

    @property
    def newest_block(self) -> int:
        """Height of the newest final block."""
        return self._store.newest_block

    def block_reading(
        self, height_or_hash: int | bytes, *, transactions: bool = True
    ) -> Callable[[], Document]:
        """What describes one final block; transactions and outcome once it is executed."""
        height = (
            self._height_of(height_or_hash) if isinstance(height_or_hash, bytes) else height_or_hash
        )
        read, governance = self._reading(height), self._sources.state().governance

        def describe() -> Document:
            stored, outcome = read()
            names = self._names_in(stored.header.epoch, governance)
            document = block_document(stored, outcome, names, transactions=False)
            if transactions:
                document["transactions"] = transaction_rows(stored, outcome)
            return document

        return describe

    def rows_reading(self, height: int, offset: int, limit: int) -> Callable[[], Document]:
        """What describes some transactions of one final block."""
        read = self._reading(height)

        def describe() -> Document:
            stored, outcome = read()
            rows = transaction_documents(stored, outcome, offset, limit)
            return {
                "height": height,
                "offset": offset,
                "count": count_of(stored),
                "transactions": rows,
            }

        return describe

    def head_reading(self, height: int) -> Callable[[], Document]:
        """What describes one final block's head."""
        read, governance = self._reading(height), self._sources.state().governance

        def describe() -> Document:
            stored, _ = read()
            return head_document(stored, self._names_in(stored.header.epoch, governance))

        return describe

    def _reading(self, height: int) -> Callable[[], tuple[StoredBlock, Outcome | None]]:
        """What reads one block and its outcome, in any thread."""
        store = self._store
        block = store.reading(Kind.BLOCK, height, block_of(height))
        outcome = store.reading(Kind.OUTCOME, height, outcome_of(height))
        if block is None:
            raise self._no_block(height)

        def read() -> tuple[StoredBlock, Outcome | None]:
            return block(), None if outcome is None else outcome()

        return read

    def _no_block(self, height: int) -> NotFound:
        newest = self._store.newest_block
        return NotFound(f"no block at height {height}: the newest final one is {newest}")

    def header_reading(self, height: int) -> Callable[[], Document]:
        """What reads a final header with its own certificate, if it has one."""
        read = self._store.reading(Kind.BLOCK, height, head_of(height))
        if read is None:
            raise self._no_block(height)

        def describe() -> Document:
            header, certificate = read()
            proof = None if certificate is None else Blob(codec.encode(certificate.to_wire()))
            return {"header": Blob(header.encoded), "certificate": proof}

        return describe

    def consistency(self, start: int, end: int) -> Document:
        """That the history over heights 0..start is a prefix of that over 0..end (RFC 6962
        §2.1.2)."""
        history = self._sources.history
        if not 0 <= start <= end < history.size:
            raise NotFound(f"heights 0..{history.size - 1} have a history root, start before end")
        return {
            "from_root": history.root(start + 1),
            "to_root": history.root(end + 1),
            "proof": list(history.consistency(start + 1, end + 1)),
        }

    def _executed(self) -> Callable[[], Document]:
        """What tells the epoch of what will be executed next here, and whether the grace of the one
        before is over."""
        state = self._sources.state()
        executed, governance = state.executed, state.governance
        grace_ms = 0 if governance is None else governance.grace_until_ms
        waits = grace_ms and executed > 0
        read = self._store.reading(Kind.BLOCK, executed, head_of(executed)) if waits else None
        facts = {
            "executed": executed,
            "epoch": self._sources.epochs.epoch_at(Height(executed + 1)),
        }

        def describe() -> Document:
            over = read is None or read()[0].time_ms >= grace_ms
            return {**facts, "grace_over": over}

        return describe

    def _names_in(self, epoch: Epoch, governance: PublicState | None) -> list[str]:
        """Names of an epoch's validators by index."""
        description = self._sources.epochs.description(epoch)
        if description is None:
            raise NotYet(f"epoch {epoch} is not known here yet", retry_after_ms=50)
        names = validator_names(self._sources.genesis, governance)
        return [names.get(one.node_key, one.node_key.hex()) for one in description.validators]

    def _height_of(self, hash: bytes) -> int:
        height = self._store.find_block(hash)
        if height is None:
            raise NotFound("no final block has a header of this digest")
        return height


def _not_executed(height: int) -> NotYet:
    return NotYet(f"height {height} is final and not yet executed here", retry_after_ms=50)
