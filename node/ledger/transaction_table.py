"""Where each transaction stands, within an index: the newest few hundred by their ids, all older
ones in sorted runs (run_levels.py).

A tree of random keys leaves a third of its pages empty, and holds ids that blocks tell: 139 bytes a
transaction; a run takes 16. Owns which transactions move from one to the other, and which of an
id's places counts. Refuses to know where the table lies (index.py), and whether what it says is so
(store.py).
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import lmdb

from strongroom.consensus.types import DIGEST_SIZE
from strongroom.enclave.formats.outcome import Code
from strongroom.node.ledger.run_levels import RunLevels
from strongroom.node.ledger.sorted_runs import PREFIX_SIZE, entry_of, place_of

EXECUTED, NO_ROOM = int(Code.EXECUTED), int(Code.NO_ROOM)
"""The code of a transaction that was executed; any other is a refusal."""
RECENT, RUNS = b"RECENT", b"RUN"
"""Databases: by id, and of pieces of runs."""
FOUND = struct.Struct(">QIH")
_EXECUTED = EXECUTED.to_bytes(2, "big")
RUN_ENTRIES_MIN = 512
"""So many by their ids become a run."""
CANDIDATES_MAX = 8
"""That one look on the event loop gives: an id that was sent again and again has as many as that
was, and the first of them tells."""

Rows = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Found:
    """Where a transaction counts: its executed position, else its first refusal; what found no room
    counts nowhere."""

    height: int
    position: int
    code: int
    """0 for executed, else the reason of the refusal."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where an id may count: where it was executed, which is once, else its first refusal."""

    candidates: Sequence[Found]
    """By runs, the best first: what stands there begins alike, and a run knows no more."""
    sure: Found | None
    """By the id itself: the newest place, which counts when none of the others does."""
    all: Callable[[], "Places"] | None = None
    """Where not all of the candidates are among these."""

    def best(self, stands: Callable[[Found], bool]) -> Found | None:
        """Where it counts; `stands`: whether it does at a place. The next candidate is looked at
        only when another id stands at this one: replays cost nothing."""
        found = next(filter(stands, self.candidates), None)
        if found is None and self.all is not None:
            return self.all().best(stands)
        return found or self.sure

    def may_be_executed(self) -> bool:
        """Whether an id that begins alike was: no block is looked at."""
        best = self.candidates[0] if self.candidates else self.sure
        return best is not None and best.code == EXECUTED


class TransactionTable:
    """The transactions of one index; its environment is somebody else's."""

    def __init__(self, environment: Any, *, create: bool = True) -> None:
        self._recent = environment.open_db(RECENT, create=create)
        self._levels = RunLevels(environment.open_db(RUNS, create=create))
        self._credit: dict[int, int] = {}
        """What merges may do with the next write."""
        self._left: dict[int, int] = {}
        """The same once the write that is under way stands."""

    def places_of(self, reading: Any, id: bytes, most: int | None = None) -> Places:
        """Where an id may count.

        Args:
            reading: a transaction of the environment, with buffers.
            id: 32 bytes; nothing is found under anything else.
            most: candidates, at most; None: all of them.

        Raises:
            RunDamaged: a run is not what was written.
            lmdb.Error, struct.error: likewise of pages.
        """
        if len(id) != DIGEST_SIZE:
            return Places((), None)
        value = reading.get(id, db=self._recent)
        sure = None if value is None else Found(*FOUND.unpack(value))
        if sure is not None and sure.code == EXECUTED:
            return Places((), sure)
        entries = self._levels.find(reading, id[:PREFIX_SIZE], most)
        return Places([_found(entry) for entry in entries], sure)

    def put(self, writing: lmdb.Transaction, executed: Rows, refused: Rows) -> None:
        """Add (id, FOUND), all or none with the transaction; it may run again if that fails.

        Raises:
            RunDamaged: a run is not what was written.
        """
        come = len(executed) + len(refused)
        if come and writing.stat(self._recent)["entries"] + come >= RUN_ENTRIES_MIN:
            self._seal(writing, [*executed, *refused])
        elif come:
            self._put_recent(writing, executed, refused)
        self._left = self._levels.merge(writing, self._credit, come)

    def written(self) -> None:
        """What `put` wrote stands."""
        self._credit = self._left

    def go_on(self, writing: lmdb.Transaction, steps: int) -> bool:
        """Merge runs beside all writes; whether anything is due after so many steps.

        Raises:
            RunDamaged: a run is not what was written.
        """
        return self._levels.go_on(writing, steps)

    def _put_recent(self, writing: lmdb.Transaction, executed: Rows, refused: Rows) -> None:
        with writing.cursor(self._recent) as cursor:
            consumed, added = cursor.putmulti(executed, overwrite=False)
            if added < consumed:
                self._replace_refusals(writing, executed)
            cursor.putmulti(refused, overwrite=False)

    def _seal(self, writing: lmdb.Transaction, come: Rows) -> None:
        """Make a run of what stands by ids and of what comes."""
        with writing.cursor(self._recent) as cursor:
            rows = [*((bytes(id), bytes(value)) for id, value in cursor), *come]
        self._levels.add(writing, sorted(_entry(id, value) for id, value in rows))
        writing.drop(self._recent, delete=False)

    def _replace_refusals(self, writing: lmdb.Transaction, executed: Rows) -> None:
        for identifier, value in executed:
            present = writing.get(identifier, db=self._recent)
            if present is not None and FOUND.unpack(present)[2] != EXECUTED:
                writing.put(identifier, value, db=self._recent)


def _entry(id: bytes, value: bytes) -> bytes:
    if value[-2:] == _EXECUTED:  # as entry_of makes it, in a third of the time
        return id[:PREFIX_SIZE] + value[3:8] + value[9:12] + b"\0"
    return entry_of(id, *FOUND.unpack(value))


def _found(entry: bytes) -> Found:
    place = place_of(entry)
    return Found(place.height, place.position, place.code)
