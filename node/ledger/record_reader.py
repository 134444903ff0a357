"""From a record back to its payload, from the segments here or from the archive (DESIGN §8, T40).

Owns the way back: an outcome is stored without what its block tells, so it is read with its block;
a segment may go into the archive while somebody is about to read it. Owns what damage on that way
comes to: it is named, told, and the index that led there is rebuilt by the next opening. Refuses to
know where records stand (pending_index.py), and what payloads are (payload_form.py).
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

from strongroom.consensus.errors import OperatorFault
from strongroom.node.ledger.archive.archived import Archived
from strongroom.node.ledger.frames import CorruptRecord
from strongroom.node.ledger.index import Index, IndexDamaged
from strongroom.node.ledger.payload_form import PayloadForm, damage_named
from strongroom.node.ledger.segments import Kind, Location, Segments
from strongroom.node.ledger.sorted_runs import PREFIX_SIZE
from strongroom.node.ledger.transaction_table import Found

Below = tuple[bytes, Sequence[bytes]]
"""What an outcome leaves to its block: the block's digest, and its ids by position."""
Places = Sequence[Location | None]
"""Where a payload stands: a block's record, or a block's and then its outcome's."""
_T = TypeVar("_T")


class RecordReader:
    """One block store's."""

    def __init__(
        self, segments: Segments, archived: Archived, index: Index, form: PayloadForm
    ) -> None:
        """Reads from `segments` and `archived`; `index` is what led there."""
        self._segments, self._archived = segments, archived
        self._index, self._form = index, form
        self.on_damage: Callable[[OperatorFault], None] = lambda _: None
        """Told of damage before it is raised: whoever reads may answer for less than the node."""

    def read(self, kind: Kind, height: int, places: Places) -> bytes:
        """A payload; in any thread, if its places were made readable.

        Raises:
            CorruptRecord: it is damaged, or not of its form.
            SegmentMissing, SegmentDamaged: the archive cannot give it.
        """
        if self._archived.holds(kind, height):
            return self._read_archived(kind, height)
        try:
            record = self._record_at(kind, height, places[-1])
            if kind == Kind.BLOCK:
                return record
            below = self.below(height, places[0])
            return self.whole(height, record, below, places[-1])
        except CorruptRecord as damage:
            if self._archived.holds(kind, height):  # it went while somebody was about to read it
                return self._read_archived(kind, height)
            self._tell(damage)
            raise

    def decoded(self, kind: Kind, height: int, places: Places, decode: Callable[[bytes], _T]) -> _T:
        """The same, decoded: what that refuses is damage, as it is of a record that was kept.

        Raises:
            CorruptRecord: also when `decode` raises NotCanonical.
            SegmentMissing, SegmentDamaged: as `read`.
        """
        payload = self.read(kind, height, places)
        try:
            with self._damage_of(kind, height, places[-1]):
                return decode(payload)
        except CorruptRecord as damage:
            self._tell(damage)
            raise

    def _tell(self, damage: OperatorFault) -> None:
        """The index led there: the next opening rebuilds it."""
        self._index.distrust()
        self.on_damage(damage)

    def _damage_of(
        self, kind: Kind, height: int, place: Location | None
    ) -> AbstractContextManager[None]:
        if self._archived.holds(kind, height):
            return damage_named(self._archived.contents_of(kind, height), 0, height)
        return self.damage_at(height, place)

    def _record_at(self, kind: Kind, height: int, place: Location | None) -> bytes:
        if place is None:
            raise CorruptRecord(self._segments.path(height), 0, "not in the index", height)
        return self._segments.read(kind, height, place)

    def _read_archived(self, kind: Kind, height: int) -> bytes:
        try:
            record = self._archived.read(kind, height)
            if kind == Kind.BLOCK:
                return record
            with damage_named(self._archived.contents_of(kind, height), 0, height):
                return self._form.whole_of(record, *self._archived.below(height))
        except CorruptRecord as damage:  # of the contents: this node's own disk
            self.on_damage(damage)
            raise

    # --- an outcome, and the block below it ---

    def below(self, height: int, place: Location | None) -> Below:
        """What an outcome leaves to its block, which stands there or is archived.

        Raises:
            CorruptRecord: there is no block.
        """
        try:
            if self._archived.holds(Kind.BLOCK, height):
                return self._archived.below(height)
            block = self._record_at(Kind.BLOCK, height, place)
            with self.damage_at(height, place):
                return self._form.hash_of(Kind.BLOCK, block), self._form.ids_of(block)
        except CorruptRecord:  # it may have gone just now
            if not self._archived.holds(Kind.BLOCK, height):
                raise
        return self._archived.below(height)

    def whole(self, height: int, record: bytes, below: Below, place: Location | None) -> bytes:
        """An outcome's payload of its record, which stands there.

        Raises:
            CorruptRecord: it is not of the block below it.
        """
        with self.damage_at(height, place):
            return self._form.whole_of(record, *below)

    def damage_at(self, height: int, place: Location | None) -> AbstractContextManager[None]:
        """What the form refuses of a record here is damage of its file."""
        segment, offset = (place.segment, place.offset) if place else (height, 0)
        return damage_named(self._segments.path(segment), offset, height)

    # --- is it what is looked for? ---

    def stands(
        self, identifier: bytes, found: Found, place: Location | None, told: bytes | None = None
    ) -> bool:
        """Whether a transaction stands where the index says that one stands which begins alike; in
        any thread.

        Args:
            identifier: its id, 32 bytes.
            found: where the index says.
            place: of that block; None: there is none of this height.
            told: the id that stands there, if it is known; None: the block is read.

        Raises:
            CorruptRecord: the block is damaged.
            IndexDamaged: nothing stands there that begins alike.
        """
        there = self._id_at(found, place) if told is None else told
        if there[:PREFIX_SIZE] != identifier[:PREFIX_SIZE]:
            raise self.index_damage(
                f"height {found.height}, {found.position} begins otherwise than it says"
            )
        return there == identifier

    def index_damage(self, reason: str) -> IndexDamaged:
        """What is raised when the index leads to something else: it is told, and the next opening
        rebuilds the index."""
        damage = IndexDamaged(self._index.directory, reason)
        self._tell(damage)
        return damage

    def _id_at(self, found: Found, place: Location | None) -> bytes:
        """By the block, or by what is known here of an archived one: the archive is not asked."""
        height, position = found.height, found.position
        try:
            if not self._archived.holds(Kind.BLOCK, height):
                return self._id_in(height, position, place)
        except CorruptRecord as damage:  # it may have gone just now
            if not self._archived.holds(Kind.BLOCK, height):
                self._tell(damage)
                raise
        try:
            return self._archived.id_at(height, position)
        except CorruptRecord as damage:  # of the contents: this node's own disk
            self._tell(damage)
            raise

    def _id_in(self, height: int, position: int, place: Location | None) -> bytes:
        if place is None:
            return b""
        block = self._record_at(Kind.BLOCK, height, place)
        with self.damage_at(height, place):
            return self._form.id_at(block, position)
