"""What an opening of a block store finds, and what it does about it (DESIGN §8, T40).

Owns the comparison: what is indexed was durable before, so an index that knows more than the
segments hold proves a loss. A torn tail is cut, a lost or wrong index made anew of contents and
segments; anything else is damage, and nothing is changed. Refuses to know how bytes are framed
(frames.py).
"""

from itertools import pairwise

import structlog

from strongroom.node.ledger.archive.archived import Archived
from strongroom.node.ledger.entries import Entries
from strongroom.node.ledger.frames import CorruptRecord, TornTail
from strongroom.node.ledger.history_columns import HistoryColumns
from strongroom.node.ledger.index import Index, IndexDamaged
from strongroom.node.ledger.payload_form import PayloadForm
from strongroom.node.ledger.pending_index import UNINDEXED_MAX
from strongroom.node.ledger.record_reader import RecordReader
from strongroom.node.ledger.segments import Heights, Kind, Record, Segments

log = structlog.get_logger()


class Recovery:
    """One opening."""

    def __init__(
        self,
        segments: Segments,
        archived: Archived,
        index: Index,
        reader: RecordReader,
        form: PayloadForm,
    ) -> None:
        """`run` works."""
        self._segments, self._archived, self._index = segments, archived, index
        self._reader, self._form = reader, form
        self._columns = HistoryColumns()
        self._durable = Heights()
        """What the index is known to have said, also one that was cleared since."""

    def run(self) -> HistoryColumns:
        """Bring segments and index to what is durable; the segments can be appended to then.

        Returns what makes the columns of the history that come next.

        Raises:
            CorruptRecord: the ledger is damaged, or records that were durable are missing.
            DiskFault: the disk refused.
        """
        try:
            self._run()
        except IndexDamaged as damage:  # the segments tell all that it told
            log.warning("ledger.index_damaged", reason=str(damage))
            self._segments.close()
            self._index.clear()
            self._run()
        return self._columns

    def _run(self) -> None:
        """Find what is stored, compare it with what the index knows was durable, cut the torn tail,
        index the rest."""
        indexed, files = self._known_durable(), self._segments.firsts
        found, tail, since = Heights(), None, self._index_leads_to(files)
        if since is not None:
            try:
                found, tail = self._survey(since, self._heights_before(since))
            except (
                CorruptRecord
            ):  # unless the index is wrong: the whole ledger is read before anything is said
                since = None
        if since is None:
            found, tail = self._survey(files[0], self._archived.base)
        lost = max(0, indexed.block - found.block) + max(0, indexed.outcome - found.outcome)
        if lost > (tail is not None):
            detail = f"ends with {found}, but {indexed} were durable"
            raise CorruptRecord(self._segments.path(files[-1]), 0, detail, found.outcome + 1)
        rebuild = since is None or lost > 0
        first = files[0] if since is None or lost else since
        if rebuild:
            log.warning(
                "ledger.index_rebuilt",
                directory=str(self._segments.path(1).parent),
                records=str(found),
            )
            self._index.clear()
        if tail is not None:
            log.warning(
                "ledger.tail_cut",
                file=str(tail.path),
                offset=tail.offset,
                reason=tail.detail,
                durable=lost > 0,
            )
        self._segments.resume(found, tail)
        self._columns = HistoryColumns(self._index.newest().outcome + 1, self._index.column)
        is_empty = self._index.newest() == Heights()
        if rebuild:
            self._index_archived()
        self._index_from(first)
        if is_empty:  # all of it was written just now
            self._index.merge_all()
        self._index.trust()

    def _known_durable(self) -> Heights:
        indexed, before = self._index.newest(), self._durable
        self._durable = Heights(
            max(indexed.block, before.block), max(indexed.outcome, before.outcome)
        )
        return self._durable

    # --- what is stored ---

    def _index_leads_to(self, files: list[int]) -> int | None:
        """The file where the index ends, so that only this and what follows need be read: the
        newest, or an older one where it begins with a checkpoint. None: it does not know where each
        file before that one ends."""
        newest, base = self._index.newest(), self._archived.base
        if newest.outcome < base.outcome:  # a copy of before the archive's end
            return None
        since = max((first for first in files if first <= newest.block), default=None)
        if since is None and (len(files) > 1 or newest.block < base.block):
            return None
        since = files[0] if since is None else since
        for first, following in pairwise(first for first in files if first <= since):
            place = self._index.place(Kind.BLOCK, following - 1)
            if place is None or place.segment != first or not self._segments.holds(place):
                return None
        summaries = self._archived.summaries
        place = self._index.place(Kind.BLOCK, base.block) if summaries else None
        if summaries and (place is None or place.segment != summaries[-1].first):
            return None
        return since if files[0] == base.block + 1 else None

    def _heights_before(self, first: int) -> Heights:
        """What is stored before a file, as the index knows it."""
        if first == self._segments.firsts[0]:
            return self._archived.base
        outcome = self._index.newest().outcome
        while (place := self._index.place(Kind.OUTCOME, outcome)) and place.segment >= first:
            outcome -= 1
        return Heights(first - 1, outcome)

    def _survey(self, since: int, found: Heights) -> tuple[Heights, TornTail | None]:
        """Read everything from a file on, `found` being reached before it; the heights reached, and
        the torn tail."""
        try:
            for record in self._segments.scan(since, found):
                found = record.reached
        except TornTail as tail:
            return found, tail
        return found, None

    # --- the index, made anew or brought up ---

    def _index_archived(self) -> None:
        """What is archived, from its contents: the archive itself is not asked."""
        entries = Entries()
        for kind, height, place, row in self._archived.records():
            ids = row.ids if kind == Kind.OUTCOME else ()  # a block's have no codes yet
            entries.add(kind, height, place, ids, self._indexed(kind, row.hash))
            entries = self._written_if_full(entries)
        self._index.write(entries)

    def _index_from(self, since: int) -> None:
        indexed, entries = self._index.newest(), Entries()
        for record in self._segments.scan(since, self._heights_before(since)):
            if record.height > indexed.of(record.kind):
                self._add(record, entries)
                entries = self._written_if_full(entries)
        self._index.write(entries)

    def _add(self, record: Record, entries: Entries) -> None:
        kind, height, place = record.kind, record.height, record.location
        payload, ids = record.payload, []
        if kind == Kind.OUTCOME:  # its block stands before it, or is archived
            block = entries.places[Kind.BLOCK].get(height) or self._index.place(Kind.BLOCK, height)
            payload = self._reader.whole(height, payload, self._reader.below(height, block), place)
        with self._reader.damage_at(height, place):
            if kind == Kind.OUTCOME:
                ids = list(self._form.transactions_of(payload))
            hash = self._form.hash_of(kind, payload)
        entries.add(kind, height, place, ids, self._indexed(kind, hash))

    def _indexed(self, kind: Kind, hash: bytes) -> bytes:
        """What the index keeps of a block's digest, or of the leaf of the next outcome."""
        return self._columns.append(hash) if kind == Kind.OUTCOME else hash

    def _written_if_full(self, entries: Entries) -> Entries:
        if entries.count < UNINDEXED_MAX:
            return entries
        self._index.write(entries)
        return Entries()
