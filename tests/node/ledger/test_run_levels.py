"""Levels of sorted runs: every entry is found at every moment of every merge, whichever writes were
lost; few runs stand beside one another, and one write does a bounded part of all work (T40,
T70)."""

import random
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import lmdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.node.ledger import run_levels, sorted_runs
from strongroom.node.ledger.run_levels import FAN, RunLevels, State, Table
from strongroom.node.ledger.sorted_runs import ENTRY_SIZE, PREFIX_SIZE, RunDamaged, entry_of

PIECE, LEVEL, STEP = 13, 20, 150
MAP_SIZE = 1 << 26


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorted_runs, "PIECE_ENTRIES_MAX", PIECE)
    monkeypatch.setattr(run_levels, "PIECE_ENTRIES_MAX", PIECE)
    monkeypatch.setattr(run_levels, "LEVEL_ENTRIES_MIN", LEVEL)
    monkeypatch.setattr(run_levels, "STEP_ENTRIES", STEP)


class Runs:
    """An environment with nothing else in it, and what should be found there."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.written: list[bytes] = []
        self.credit: dict[int, int] = {}
        self.open()

    def open(self) -> None:
        """As after a start."""
        self.environment: Any = lmdb.open(
            str(self._directory), max_dbs=1, map_size=MAP_SIZE, sync=False, writemap=True
        )
        self.database = self.environment.open_db(b"RUN")
        self.levels, self.credit = RunLevels(self.database), {}

    def close(self) -> None:
        """As at an end."""
        self.environment.close()

    def write(self, entries: list[bytes], *, lost: bool = False) -> None:
        """One write; `lost`: the process is killed before it is committed."""
        with self.environment.begin(write=True) as writing:
            if entries:
                self.levels.add(writing, sorted(entries))
            left = self.levels.merge(writing, self.credit, len(entries))
            if lost:
                writing.abort()
        if lost:
            self.close()
            self.open()
        else:
            self.credit = left
            self.written += entries

    def go_on(self, steps: int) -> bool:
        """Merge what is due; whether anything is left."""
        with self.environment.begin(write=True) as writing:
            return self.levels.go_on(writing, steps)

    def find(self, prefix: bytes, most: int | None = None) -> list[bytes]:
        """What begins so."""
        with self.environment.begin(buffers=True) as reading:
            return self.levels.find(reading, prefix, most)

    def check(self) -> None:
        """Everything is found, once, and nothing else is."""
        expected: dict[bytes, list[bytes]] = {}
        for entry in sorted(self.written):
            expected.setdefault(entry[:PREFIX_SIZE], []).append(entry)
        for prefix, entries in expected.items():
            assert self.find(prefix) == entries
            assert self.find(prefix, 2) == entries[:2]
        for at in range(20):
            assert self.find(sha256(b"absent %d" % at).digest()[:PREFIX_SIZE]) == []
        assert self.find(bytes(PREFIX_SIZE)) == expected.get(bytes(PREFIX_SIZE), [])
        assert self.find(b"\xff" * PREFIX_SIZE) == expected.get(b"\xff" * PREFIX_SIZE, [])

    def table(self) -> Table:
        """Which runs there are."""
        with self.environment.begin() as reading:
            return self.levels.table(reading)

    def pieces(self) -> Iterator[tuple[bytes, bytes]]:
        """All but the table."""
        with self.environment.begin(db=self.database) as reading:
            yield from ((key, value) for key, value in reading.cursor() if key[:4] != bytes(4))


def some(dice: random.Random, count: int, height: int, alike: bytes = b"") -> list[bytes]:
    return [
        entry_of(alike or dice.randbytes(32), height, at, dice.randrange(3)) for at in range(count)
    ]


@given(
    seed=st.integers(0, 2**32),
    writes=st.lists(
        st.tuples(st.sampled_from([0, 1, 5, 20, 33, 200]), st.booleans()), min_size=1, max_size=90
    ),
)
@settings(max_examples=25, deadline=None)
def test_T40_all_is_found_after_every_write_whichever_of_them_a_kill_took(
    tmp_path_factory: pytest.TempPathFactory, seed: int, writes: list[tuple[int, bool]]
) -> None:
    dice = random.Random(seed)
    runs = Runs(tmp_path_factory.mktemp("runs"))
    with closing(runs):
        for height, (count, lost) in enumerate(writes, start=1):
            alike = b"\x42" * 32 if height % 5 == 0 else b""
            runs.write(some(dice, count, height, alike), lost=lost)
        runs.check()


def test_all_is_found_at_every_moment_of_merges_over_many_levels(tmp_path: Path) -> None:
    dice, moments = random.Random(1), set[tuple[int, State]]()
    runs = Runs(tmp_path)
    with closing(runs):
        for height in range(1, 500):
            runs.write(some(dice, 20, height))
            moments |= {(one.level, one.state) for one in runs.table().runs}
            if height % 9 == 0:
                runs.check()
        seen = {(level, state) for level in (1, 2, 3) for state in State}
        assert seen - {(1, State.MADE)} <= moments
        assert max(level for level, _ in moments) >= 4


def test_T70_few_runs_stand_beside_one_another_however_many_there_were(tmp_path: Path) -> None:
    """And no merge waits for a larger one."""
    dice, runs = random.Random(2), Runs(tmp_path)
    with closing(runs):
        for height in range(1, 1_500):
            runs.write(some(dice, dice.choice((20, 20, 20, 70)), height))
            table = runs.table()
            for level in range(table.highest + 1):
                assert len(table.of(level, State.WHOLE)) < 2 * FAN
                assert len(table.of(level, State.MERGED)) in (0, FAN)
        assert table.highest <= 6
        assert sum(one.count for one in table.runs if one.state is not State.MADE) == len(
            runs.written
        )


def test_T70_large_writes_leave_few_runs_however_many_come(tmp_path: Path) -> None:
    """A recovery writes 16,384 at once: as many times what a run of level 0 has."""
    dice, runs, come = random.Random(7), Runs(tmp_path), 32 * LEVEL
    with closing(runs):
        for height in range(1, 300):
            runs.write(some(dice, come, height))
            table = runs.table()
            for level in range(table.highest + 1):
                assert len(table.of(level, State.WHOLE)) < 2 * FAN
        while runs.go_on(3):
            pass
        table = runs.table()
        for level in range(table.highest + 1):
            assert len(table.of(level, State.WHOLE)) < FAN
        assert all(one.state is State.WHOLE for one in table.runs)
        assert sum(one.count for one in table.runs) == len(runs.written)


def test_T70_one_write_merges_a_bounded_part_however_much_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, loads = sorted_runs.read_piece, [0]

    def counted(*given: Any) -> bytes:
        loads[0] += 1
        return read(*given)

    monkeypatch.setattr(run_levels, "read_piece", counted)
    dice, runs, most = random.Random(3), Runs(tmp_path), 0
    step = STEP // PIECE + 1 + FAN
    with closing(runs):
        for height in range(1, 300):
            loads[0] = 0
            come = 1_000 if height % 50 == 0 else 20
            runs.write(some(dice, come, height))
            assert loads[0] <= step * run_levels.steps_of(come, runs.table().highest + 1)
            most = max(most, loads[0])
        assert most > step
        runs.check()


def test_what_was_merged_stands_in_no_old_run_any_more(tmp_path: Path) -> None:
    """A merge of all takes no room beside what it merges."""
    dice, runs = random.Random(4), Runs(tmp_path)
    with closing(runs):
        for height in range(1, 700):
            runs.write(some(dice, 20, height))
            slack = sum(one.state is not State.WHOLE for one in runs.table().runs) * PIECE
            stored = sum((len(value) - 20) // ENTRY_SIZE for _, value in runs.pieces())
            assert stored <= len(runs.written) + slack


def test_T70_an_id_that_was_sent_again_and_again_gives_a_few_of_its_places(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    alike = b"\x42" * 32
    with closing(runs):
        for height in range(1, 200):
            runs.write([entry_of(alike, height, 0, 0 if height == 77 else 1)])
        assert runs.find(alike[:PREFIX_SIZE], 8) == [
            entry_of(alike, height, 0, 0 if height == 77 else 1)
            for height in (77, 1, 2, 3, 4, 5, 6, 7)
        ]
        runs.check()


def grow(runs: Runs, dice: random.Random) -> None:
    """Until every run of level 0 was merged."""
    for height in range(4, 40):
        runs.write(some(dice, 60, height))


@pytest.mark.parametrize("number", range(7))
def test_T40_a_piece_that_is_gone_cut_changed_or_another_is_seen_by_who_looks_there(
    tmp_path: Path, number: int
) -> None:
    """By merges too: nothing is left out."""
    dice, runs = random.Random(5), Runs(tmp_path)
    with closing(runs):
        for height in range(1, 4):
            runs.write(some(dice, 60, height))
        made = list(runs.pieces())
        key, value = made[1]
        changed: list[bytes | None] = [
            None,
            value[:-1],
            value[:-ENTRY_SIZE],
            value[:12],
            b"",
            value[:50] + bytes((value[50] ^ 1,)) + value[51:],
            next(other for at, other in made if at[:4] != key[:4]),
        ]
        with runs.environment.begin(write=True, db=runs.database) as writing:
            put = changed[number]
            writing.delete(key) if put is None else writing.put(key, put)
        with pytest.raises(RunDamaged):
            runs.find(value[-ENTRY_SIZE:][:PREFIX_SIZE])
        with pytest.raises(RunDamaged):
            grow(runs, dice)


def test_T40_a_merge_that_lost_an_entry_is_seen_before_it_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checksums say that pieces are as they were written, not that all were taken along."""
    take = run_levels._Loaded.next

    def without_one(self: Any, count: int) -> tuple[list[bytes], bool]:
        entries, is_end = take(self, count)
        return entries[1:] if is_end else entries, is_end

    monkeypatch.setattr(run_levels._Loaded, "next", without_one)
    dice = random.Random(1)

    def write_many(runs: Runs) -> None:
        for height in range(1, 200):
            runs.write(some(dice, LEVEL, height))

    with closing(Runs(tmp_path)) as runs, pytest.raises(RunDamaged, match="other entries"):
        write_many(runs)


def test_T40_a_table_that_is_gone_or_changed_is_seen(tmp_path: Path) -> None:
    dice, runs = random.Random(6), Runs(tmp_path)
    with closing(runs):
        runs.write(some(dice, 60, 1))
        table = runs.table().encode()
        assert Table.decode(table) == runs.table()
        for wrong in (table[:-1], b"", table[:20] + bytes((table[20] ^ 1,)) + table[21:], None):
            with runs.environment.begin(write=True, db=runs.database) as writing:
                writing.delete(bytes(4)) if wrong is None else writing.put(bytes(4), wrong)
            with pytest.raises(RunDamaged):
                runs.find(bytes(PREFIX_SIZE))
