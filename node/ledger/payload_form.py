"""What a block store is told of the payloads that it keeps: how a record is made of one, how it
becomes one again, and what it is found by.

Owns the questions, and that a payload which answers none of them is damage: of that file, at that
place. Refuses to know the answers: those of blocks and outcomes are ledger_form.py's.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from strongroom.consensus.errors import NotCanonical
from strongroom.node.ledger.frames import CorruptRecord
from strongroom.node.ledger.segments import Kind


class PayloadForm(Protocol):
    """One answer for each question; all raise NotCanonical, and nothing else, when the payload is
    not of this form."""

    def hash_of(self, kind: Kind, payload: bytes) -> bytes:
        """What the index finds it by (32 bytes): a block by its header's digest, an outcome by its
        leaf in the history; b"" for nothing."""

    def record_of(self, outcome: bytes) -> bytes:
        """What is stored of an outcome's payload."""

    def whole_of(self, record: bytes, block: bytes, ids: Sequence[bytes]) -> bytes:
        """The outcome's payload again, of what is stored, its block's digest and its block's
        ids."""

    def ids_of(self, block: bytes) -> Sequence[bytes]:
        """The ids (32 bytes) that a block's payload tells, by position."""

    def id_at(self, block: bytes, position: int) -> bytes:
        """The id at a position of a block's payload; b"" if none is there."""

    def transactions_of(self, outcome: bytes) -> Iterable[tuple[bytes, int]]:
        """(id, code) of every transaction in an outcome's payload, by position; code 0 is
        executed."""


@contextmanager
def damage_named(path: Path, offset: int, height: int | None) -> Iterator[None]:
    """What a form refuses is damage, whatever the record's checksum says: whoever writes a disk
    writes that too (T40).

    Raises:
        CorruptRecord: with file, byte, height and what is wrong.
    """
    try:
        yield
    except NotCanonical as error:
        raise CorruptRecord(path, offset, str(error), height) from error
