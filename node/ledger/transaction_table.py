"""Where each transaction stands, within an index: the newest few thousand by their ids, all older
ones in sorted runs (sorted_runs.py).

A tree of random keys leaves a third of its pages empty, and holds ids that blocks tell: 139 bytes a
transaction; a run takes 16. Owns which transactions move from one to the other, and when runs
become one. Refuses to know where the table lies (index.py), and whether what it says is so
(store.py).
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import lmdb

from strongroom.consensus.types import DIGEST_SIZE
from strongroom.enclave.formats.outcome import Code
from strongroom.node.ledger.sorted_runs import (
    STEP_ENTRIES,
    Run,
    check_run,
    count_of,
    find_in,
    make_run,
    merge,
)

EXECUTED, NO_ROOM = int(Code.EXECUTED), int(Code.NO_ROOM)
"""The code of a transaction that was executed; any other is a refusal."""
RECENT, RUNS = b"RECENT", b"RUN"
"""Databases: by id, and by (first height, last height) of a run."""
FOUND = struct.Struct(">QIH")
RUN_ENTRIES_MIN = 512
"""So many by their ids become a run."""
LEVELS = (8_192, 65_536, 262_144)
"""Runs below a level become one as soon as they reach it together; larger ones stay."""
MERGED_PER_ENTRY = 4
"""Entries that are merged for each that comes: each is merged once a level, so this keeps pace."""
_HEIGHTS = struct.Struct(">QQ")
_HALF = _HEIGHTS.size // 2

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

    def best(self, stands: Callable[[Found], bool]) -> Found | None:
        """Where it counts; `stands`: whether it does at a place. The next candidate is looked at
        only when another id stands at this one: replays cost nothing."""
        return next(filter(stands, self.candidates), self.sure)

    def may_be_executed(self) -> bool:
        """Whether an id that begins alike was: no block is looked at."""
        best = self.candidates[0] if self.candidates else self.sure
        return best is not None and best.code == EXECUTED


@dataclass(slots=True)
class _Merging:
    """Runs that are becoming one."""

    keys: list[bytes]
    steps: Iterator[bytes | None]
    made: bytes | None = None


class TransactionTable:
    """The transactions of one index; its environment is somebody else's."""

    def __init__(self, environment: Any, *, create: bool = True) -> None:
        self._environment = environment
        self._recent = environment.open_db(RECENT, create=create)
        self._runs = environment.open_db(RUNS, create=create)
        self._checked: set[bytes] = set()
        """Runs whose checksum was seen to hold, or that were made here."""
        self._merging: _Merging | None = None
        self._reading: Any = None
        """The transaction in which `advance` reads."""

    def places_of(self, reading: Any, id: bytes) -> "Places":
        """Where an id may count.

        Args:
            reading: a transaction of the environment, with buffers.
            id: 32 bytes; nothing is found under anything else.

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
        return Places(sorted(self._candidates(reading, id), key=_by_worth), sure)

    def _candidates(self, reading: Any, id: bytes) -> Iterator[Found]:
        """Where something stands in the runs that begins as this id."""
        with reading.cursor(self._runs) as cursor:
            for key, run in cursor:
                self._check(bytes(key), run)
                for one in find_in(run, id):
                    yield Found(one.height, one.position, one.code)

    def advance(self, reading: Any, added: int) -> None:
        """Go on with runs that become one, for so many entries that come; `put` writes it."""
        if self._merging is None:
            keys = _to_merge(reading.cursor(self._runs))
            if not keys:
                return
            self._merging = _Merging(keys, merge(lambda: self._runs_of(keys)))
        self._reading = reading
        for _ in range(1 + MERGED_PER_ENTRY * added // STEP_ENTRIES):
            if self._merging.made is None:
                self._merging.made = next(self._merging.steps)
        self._reading = None

    def put(self, writing: lmdb.Transaction, executed: Rows, refused: Rows) -> None:
        """Add (id, FOUND), all or none with the transaction; it may run again if that fails."""
        if self._merging is not None and self._merging.made is not None:
            keys = self._merging.keys
            for key in keys:
                writing.delete(key, db=self._runs)
            self._put_run(writing, keys[0][:_HALF] + keys[-1][_HALF:], self._merging.made)
        come = len(executed) + len(refused)
        if writing.stat(self._recent)["entries"] + come >= RUN_ENTRIES_MIN:
            self._seal(writing, [*executed, *refused])
        elif come:
            self._put_recent(writing, executed, refused)

    def written(self) -> None:
        """What `put` wrote stands."""
        if self._merging is not None and self._merging.made is not None:
            self._checked.difference_update(self._merging.keys)
            self._merging = None

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
        known = [(id, *FOUND.unpack(value)) for id, value in rows]
        heights = [height for _, height, _, _ in known]
        self._put_run(writing, _HEIGHTS.pack(min(heights), max(heights)), make_run(known))
        writing.drop(self._recent, delete=False)

    def _runs_of(self, keys: Sequence[bytes]) -> list[Run]:
        runs: list[Run] = [self._reading.get(key, db=self._runs) for key in keys]
        for key, run in zip(keys, runs, strict=True):
            self._check(key, run)
        return runs

    def _check(self, key: bytes, run: Run) -> None:
        """Once for each run."""
        if key not in self._checked:
            check_run(run)
            self._checked.add(key)

    def _put_run(self, writing: lmdb.Transaction, key: bytes, run: bytes) -> None:
        writing.put(key, run, db=self._runs)
        self._checked.discard(key)

    def _replace_refusals(self, writing: lmdb.Transaction, executed: Rows) -> None:
        for identifier, value in executed:
            present = writing.get(identifier, db=self._recent)
            if present is not None and FOUND.unpack(present)[2] != EXECUTED:
                writing.put(identifier, value, db=self._recent)


def _by_worth(place: Found) -> tuple[bool, int, int]:
    return place.code != EXECUTED, place.height, place.position


def _to_merge(cursor: Any) -> list[bytes]:
    """The runs of one level that are enough for the next, the oldest first; none if none are."""
    runs = [(bytes(key), count_of(run)) for key, run in cursor]
    least = 0
    for level in LEVELS:
        group = [(key, count) for key, count in runs if least <= count < level]
        if len(group) > 1 and sum(count for _, count in group) >= level:
            return [key for key, _ in group]
        least = level
    return []
