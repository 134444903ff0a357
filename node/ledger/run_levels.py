"""Which sorted runs there are, and how they become fewer: levels of a log-structured merge (O'Neil
et al., 1996), each of runs four times as large as the one below, without an end (DESIGN §8).

Four runs of a level become one of the next, some entries at each write: a few thousand, or more
where more come with it. What is merged
already stands in the new run alone, the rest in the old ones alone; where that is cut, the table
says, in the same transaction of LMDB. So a kill leaves a right index at any point, no step is lost,
no piece is there twice, and a search looks into either.

    table   magic 4 | CRC32C u32 | next number u32 | rows
    row     number u32 | level u8 | state u8 | entries u64 | bound 16

Owns the table, the order of merges and their pace. Refuses to know ids and places
(sorted_runs.py, transaction_table.py).
"""

import struct
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from heapq import heapify, heappop, heapreplace
from typing import Any

import google_crc32c

from strongroom.node.ledger.sorted_runs import (
    ENTRY_SIZE,
    NOTHING,
    PIECE_ENTRIES_MAX,
    PREFIX_SIZE,
    RunDamaged,
    before_of,
    entries_of,
    first_alike,
    key_of,
    pieces,
    read_piece,
    seed_of,
)

LEVEL_ENTRIES_MIN = 512
"""Of a run of level 0; one of the next level has at least four times as many."""
FAN = 4
"""Runs that become one."""
STEP_ENTRIES = 16 * PIECE_ENTRIES_MAX
"""About as many are merged in one step: some 1 ms."""
PACE = 8
"""Entries that a level may merge for each that comes, as far as the steps of that write go: four
runs of a level are less than four times as large as four others that come to it meanwhile."""
STEPS_MIN = 5
"""That one write may do, however few entries come with it."""
SLACK = 2
"""Each entry is merged once a level; a write may do so many times that for what comes with it."""
_KEY = key_of(0)
"""Of the table, among the pieces: no run has this number."""
_MAGIC = b"RUN2"
_HEAD = struct.Struct(">I")
_HEAD_SIZE = len(_MAGIC) + 4
_ROW = struct.Struct(f">IBBQ{ENTRY_SIZE}s")
_LOWEST = bytes(ENTRY_SIZE - PREFIX_SIZE)


class State(IntEnum):
    """What a run is."""

    WHOLE = 0
    MERGED = 1
    """It becomes part of one of the next level: what is above that one's last entry counts."""
    MADE = 2
    """It is that one."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run."""

    number: int
    level: int
    state: State
    count: int
    """Entries; of one that is being merged, also those that are in the new one."""
    bound: bytes
    """Its last entry; `NOTHING` where it has none yet."""


@dataclass(frozen=True, slots=True)
class Table:
    """All runs."""

    next: int = 1
    """Number of the next run that begins."""
    runs: tuple[Run, ...] = ()

    def encode(self) -> bytes:
        """Its bytes."""
        rows = (
            _ROW.pack(one.number, one.level, one.state, one.count, one.bound) for one in self.runs
        )
        body = _HEAD.pack(self.next) + b"".join(rows)
        return _MAGIC + _checksum(body) + body

    @classmethod
    def decode(cls, data: bytes) -> "Table":
        """Read them.

        Raises:
            RunDamaged: it is not what was written.
        """
        body = data[_HEAD_SIZE:]
        if data[: len(_MAGIC)] != _MAGIC or len(body) % _ROW.size != _HEAD.size:
            raise RunDamaged("no table of runs, or cut short")
        if _checksum(body) != data[len(_MAGIC) : _HEAD_SIZE]:
            raise RunDamaged("the checksum of the table of runs does not hold")
        (number,) = _HEAD.unpack_from(body)
        rows = _ROW.iter_unpack(body[_HEAD.size :])
        return cls(
            number,
            tuple(
                Run(number, level, State(state), count, bound)
                for number, level, state, count, bound in rows
            ),
        )

    def of(self, level: int, state: State) -> list[Run]:
        """The runs of a level in a state, the oldest first."""
        return [one for one in self.runs if (one.level, one.state) == (level, state)]

    @property
    def highest(self) -> int:
        """Level of the largest runs; -1: there are none."""
        return max((one.level for one in self.runs), default=-1)

    def made_above(self, level: int) -> Run | None:
        """The run that those of a level become."""
        return next(iter(self.of(level + 1, State.MADE)), None)

    def changed(self, *gone: Run, come: Sequence[Run] = ()) -> "Table":
        """Without some, with others."""
        number = max((self.next, *(one.number + 1 for one in come)))
        return Table(number, (*(one for one in self.runs if one not in gone), *come))


@dataclass(frozen=True, slots=True)
class _Sought:
    """A run as a search sees it."""

    key: bytes
    seed: int
    bound: bytes
    floor: bytes
    """Nothing below this counts here: it stands in the new run."""

    @classmethod
    def all_of(cls, table: Table) -> list["_Sought"]:
        found = []
        for one in (one for one in table.runs if one.count):
            made = table.made_above(one.level) if one.state == State.MERGED else None
            floor = b"" if made is None else above(made.bound)
            found.append(cls(key_of(one.number), seed_of(one.number), one.bound, floor))
        return found

    def alike(self, cursor: Any, lowest: bytes, most: int | None) -> list[bytes]:
        """Entries that begin as `lowest` does."""
        prefix, low, found = lowest[:PREFIX_SIZE], lowest, list[bytes]()
        if self.floor > low:
            low = self.floor
            if self.bound < low:
                return found
        before, is_there = low, cursor.set_range(self.key + low)
        while True:
            piece = _piece_at(cursor, self.key, self.seed, before, is_there)
            at = first_alike(piece, prefix)
            if at < 0:
                return found
            for start in range(at, len(piece), ENTRY_SIZE):
                entry = piece[start : start + ENTRY_SIZE]
                if not entry.startswith(prefix) or len(found) == most:
                    return found
                if entry >= low:
                    found.append(entry)
            before = piece[-ENTRY_SIZE:]
            if before >= self.bound:
                return found
            is_there = cursor.next()


class RunLevels:
    """The runs of one index; its environment is somebody else's."""

    def __init__(self, database: Any) -> None:
        self._database = database
        self._read: tuple[bytes, Table, list[_Sought]] = (b"", Table(), [])
        """The table that was read last: its bytes, itself, and its runs for a search."""

    def find(self, reading: Any, prefix: bytes, most: int | None) -> list[bytes]:
        """Entries that begin so, the best first.

        Args:
            reading: a transaction of the environment.
            prefix: 7 bytes of an id.
            most: how many; None: all.

        Raises:
            RunDamaged: a run is not what was written.
        """
        _, _, runs = self._known(reading)
        found: list[bytes] = []
        lowest = prefix + _LOWEST
        with reading.cursor(self._database) as cursor:
            for one in runs:
                if one.bound >= lowest:
                    found += one.alike(cursor, lowest, most)
        found.sort()
        return found[:most]

    def add(self, writing: Any, entries: Sequence[bytes]) -> None:
        """One more run, of ascending entries.

        Raises:
            RunDamaged: the table is not what was written.
        """
        table = self.table(writing)
        for key, piece in pieces(table.next, NOTHING, entries):
            writing.put(key, piece, db=self._database)
        count, level = len(entries), 0
        while count >= LEVEL_ENTRIES_MIN * FAN ** (level + 1):
            level += 1
        run = Run(table.next, level, State.WHOLE, count, entries[-1])
        self._put(writing, table.changed(come=[run]))

    def merge(self, writing: Any, credit: dict[int, int], come: int) -> dict[int, int]:
        """Go on with runs that become one, the lowest levels first.

        Args:
            writing: a transaction; with it, this is done or not.
            credit: entries that each level may merge, as the write before left it.
            come: entries that come with this write.

        Returns:
            What is left for the next write.

        Raises:
            RunDamaged: a run is not what was written.
        """
        steps = most = steps_of(come, self.table(writing).highest + 1)
        left, level = dict[int, int](), 0
        while level <= self.table(writing).highest:
            mine = credit.get(level, 0) + PACE * come
            while (made := self._begun(writing, level)) is not None:
                if mine < STEP_ENTRIES or not steps:
                    left[level] = min(mine, most * STEP_ENTRIES)
                    break
                mine, steps = mine - STEP_ENTRIES, steps - 1
                self._step(writing, level, made)
            level += 1
        return left

    def go_on(self, writing: Any, steps: int) -> bool:
        """Merge whatever is due, whatever came with it; whether anything is left after so many
        steps.

        Raises:
            RunDamaged: a run is not what was written.
        """
        level = 0
        while level <= self.table(writing).highest:
            while (made := self._begun(writing, level)) is not None:
                if not steps:
                    return True
                steps -= 1
                self._step(writing, level, made)
            level += 1
        return False

    def _begun(self, writing: Any, level: int) -> Run | None:
        """What the runs of a level are becoming, or begin to when they are enough."""
        table = self.table(writing)
        made, whole = table.made_above(level), table.of(level, State.WHOLE)[:FAN]
        if made is not None or len(whole) < FAN:
            return made
        made = Run(table.next, level + 1, State.MADE, 0, NOTHING)
        come = [*(replace(one, state=State.MERGED) for one in whole), made]
        self._put(writing, table.changed(*whole, come=come))
        return made

    def _step(self, writing: Any, level: int, made: Run) -> None:
        """Move the next entries from the old runs into the new one."""
        table = self.table(writing)
        old = table.of(level, State.MERGED)
        loaded = _Loaded(writing, self._database, old, made.bound)
        entries, is_end = loaded.next(STEP_ENTRIES)
        for key, piece in pieces(made.number, made.bound, entries):
            writing.put(key, piece, db=self._database)
        grown = replace(made, count=made.count + len(entries), bound=entries[-1])
        for key in loaded.keys:
            if key[-ENTRY_SIZE:] <= grown.bound:
                writing.delete(key, db=self._database)
        if not is_end:
            self._put(writing, table.changed(made, come=[grown]))
            return
        if grown.count != sum(one.count for one in old):
            raise RunDamaged("a merge has other entries than its runs")
        self._put(writing, table.changed(made, *old, come=[replace(grown, state=State.WHOLE)]))

    def table(self, reading: Any) -> Table:
        """Which runs there are.

        Raises:
            RunDamaged: what says so is not what was written.
        """
        return self._known(reading)[1]

    def _known(self, reading: Any) -> tuple[bytes, Table, list[_Sought]]:
        data = reading.get(_KEY, db=self._database)
        read = self._read
        if data is None:
            if reading.stat(self._database)["entries"]:
                raise RunDamaged("the table of runs is missing")
            return b"", Table(), []
        if data != read[0]:
            table = Table.decode(bytes(data))
            read = self._read = (bytes(data), table, _Sought.all_of(table))
        return read

    def _put(self, writing: Any, table: Table) -> None:
        writing.put(_KEY, table.encode(), db=self._database)


class _Loaded:
    """Pieces of runs that are becoming one, from where that stands, read for one step."""

    def __init__(self, writing: Any, database: Any, runs: Sequence[Run], floor: bytes) -> None:
        self._runs, self._floor = runs, floor
        self._cursors = [writing.cursor(database) for _ in runs]
        self._entries: list[bytes] = []
        self.keys: list[bytes] = []
        """Of what was read."""

    def next(self, count: int) -> tuple[list[bytes], bool]:
        """The next entries, about `count`, in whole pieces; and whether they are the last ones."""
        low = above(self._floor)
        tops = [
            (self._load(at, cursor.set_range(key_of(run.number) + low), low), at)
            for at, (run, cursor) in enumerate(zip(self._runs, self._cursors, strict=True))
            if run.bound >= low
        ]
        heapify(tops)
        while tops:  # the run of which least is known is read on
            top, at = tops[0]
            if top == self._runs[at].bound:
                heappop(tops)
            elif len(self._entries) >= count:
                break
            else:
                heapreplace(tops, (self._load(at, self._cursors[at].next(), top), at))
        for cursor in self._cursors:
            cursor.close()
        entries = self._entries
        entries.sort()
        start = bisect_right(entries, self._floor)
        if not tops:
            return entries[start:], True
        known = bisect_right(entries, tops[0][0]) - start
        return entries[start : start + known - known % PIECE_ENTRIES_MAX], False

    def _load(self, at: int, is_there: bool, before: bytes) -> bytes:
        """Read one piece; returns its last entry."""
        cursor, number = self._cursors[at], self._runs[at].number
        piece = _piece_at(cursor, key_of(number), seed_of(number), before, is_there)
        self.keys.append(bytes(cursor.key()))
        self._entries += entries_of(piece)
        return piece[-ENTRY_SIZE:]


def steps_of(come: int, levels: int) -> int:
    """Of merges, at most, in a write with which so many entries come: no fewer than what comes
    needs, or the runs would become ever more."""
    return max(STEPS_MIN, -(-SLACK * come * levels // STEP_ENTRIES))


def above(entry: bytes) -> bytes:
    """The lowest that lies above an entry."""
    return entry + bytes(1)


def _piece_at(cursor: Any, key: bytes, seed: int, before: bytes, is_there: bool) -> bytes:
    """The piece of a run at which a cursor stands, and no other stands between `before` and it."""
    found, value = cursor.item()
    piece = read_piece(seed, bytes(found), bytes(value))
    if not is_there or found[: len(key)] != key or before_of(piece) > before:
        raise RunDamaged("a piece is missing")
    return piece


def _checksum(body: bytes) -> bytes:
    checksum: int = google_crc32c.value(body)
    return checksum.to_bytes(4, "big")
