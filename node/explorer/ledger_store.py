"""A node's ledger files as a store that is only read: where each record lies, transactions by
looking.

Owns positions. What records mean, and whether they hold, is ledger_replay.py's.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from strongroom.consensus.errors import NotCanonical, ReceiptInvalid
from strongroom.enclave.formats.outcome import Code, Outcome
from strongroom.node.client.audit.ledger_files import open_segments
from strongroom.node.ledger.frames import CorruptRecord, TornTail
from strongroom.node.ledger.outcome_record import with_ids
from strongroom.node.ledger.pending_index import Finding, IdKnown
from strongroom.node.ledger.segments import Heights, Kind, Location, Segments
from strongroom.node.ledger.transaction_table import Found

_T = TypeVar("_T")


class FileStore:
    """Blocks and outcomes of a ledger that is on disk; one scan at the beginning."""

    def __init__(self, ledger: Path) -> None:
        """Read where each record lies; a torn end is where the ledger ends.

        Raises:
            ReceiptInvalid: ``incomplete``: a file is missing, damaged or out of order.
        """
        self._places: dict[Kind, list[Location]] = {Kind.BLOCK: [], Kind.OUTCOME: []}
        self._heights: dict[bytes, int] = {}
        self._segments: Segments | None = None
        try:
            self._segments = open_segments(ledger)
            for record in self._segments.scan(1, Heights()):
                self._places[record.kind].append(record.location)
        except TornTail:
            pass
        except CorruptRecord as damage:
            raise ReceiptInvalid(str(damage), verdict="incomplete") from None

    @property
    def newest_block(self) -> int:
        """Height of the newest block; 0 when there is none."""
        return len(self._places[Kind.BLOCK])

    @property
    def newest_outcome(self) -> int:
        """Height of the newest outcome."""
        return len(self._places[Kind.OUTCOME])

    def end_with(self, height: int) -> None:
        """Know nothing of what lies above."""
        for places in self._places.values():
            del places[height:]

    def block(self, height: int) -> bytes | None:
        """The payload of a block; None if there is none of this height."""
        return self._read(Kind.BLOCK, height)

    def outcome(self, height: int) -> bytes | None:
        """The payload of an outcome; None if there is none of this height."""
        return self._read(Kind.OUTCOME, height)

    def reading(
        self, kind: Kind, height: int, decode: Callable[[bytes], _T]
    ) -> Callable[[], _T] | None:
        """What reads and decodes a record; None if there is none."""
        if not 1 <= height <= len(self._places[kind]):
            return None
        return lambda: decode(self._read(kind, height) or b"")

    def find_transaction(self, identifier: bytes) -> Found | None:
        """Where a transaction was executed, else where it was first refused: by looking through
        all outcomes."""
        refused: Found | None = None
        for height in range(1, self.newest_outcome + 1):
            payload = self.outcome(height) or b""
            if identifier not in payload:
                continue
            for position, (id, code) in enumerate(Outcome.decode(payload).ids_and_codes()):
                if id != identifier or code == Code.NO_ROOM:
                    continue
                found = Found(height, position, code)
                if code == Code.EXECUTED:
                    return found
                refused = refused or found
        return refused

    def finding(self, identifier: bytes, told: IdKnown = lambda _: None) -> Finding:
        """What looks for it, in any thread."""
        return partial(self.find_transaction, identifier)

    def note_block(self, hash: bytes, height: int) -> None:
        """A block of this digest has this height."""
        self._heights[hash] = height

    def find_block(self, hash: bytes) -> int | None:
        """Height of the block of this digest."""
        return self._heights.get(hash)

    def _read(self, kind: Kind, height: int) -> bytes | None:
        if self._segments is None or not 1 <= height <= len(self._places[kind]):
            return None
        try:
            record = self._segments.read(kind, height, self._places[kind][height - 1])
            if kind == Kind.BLOCK:
                return record
            place = self._places[Kind.BLOCK][height - 1]
            return with_ids(record, self._segments.read(Kind.BLOCK, height, place))
        except CorruptRecord as damage:
            raise ReceiptInvalid(str(damage), verdict="incomplete") from None
        except NotCanonical as error:
            raise ReceiptInvalid(f"height {height}: {error}") from None
