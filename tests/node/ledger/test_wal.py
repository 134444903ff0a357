"""The consensus log: replay, rotation, and every crash in between (PROTOCOL §5, T40)."""

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.node.ledger.disk import Disk

from strongroom.consensus.errors import InvariantBroken
from strongroom.node.ledger.frames import HEADER_SIZE, CorruptRecord, Purpose, read_frames
from strongroom.node.ledger.wal import CHECKPOINT, EMPTY_SIZE, WriteAheadLog
from strongroom.node.machine.durable_files import DiskFault

Entry = tuple[int, bytes]


def entry(number: int) -> Entry:
    return number % 5, b"vote %d " % number * (number % 40 + 1)


def replayed(directory: Path) -> list[Entry]:
    wal = WriteAheadLog.open(directory)
    entries = list(wal.replay())
    wal.close()
    return entries


def refusal_of(directory: Path) -> CorruptRecord | None:
    try:
        WriteAheadLog.open(directory).close()
    except CorruptRecord as damage:
        return damage
    return None


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def filled(directory: Path, count: int = 6) -> WriteAheadLog:
    wal = WriteAheadLog.open(directory)
    for number in range(count):
        wal.append(*entry(number))
        wal.sync()
    return wal


def test_a_log_says_whether_it_was_there_before(tmp_path: Path) -> None:
    assert filled(tmp_path / "wal").created
    assert not WriteAheadLog.open(tmp_path / "wal").created
    shutil.rmtree(tmp_path / "wal")
    assert WriteAheadLog.open(tmp_path / "wal").created


def test_replay_gives_what_was_appended_in_order_before_and_after_a_restart(tmp_path: Path) -> None:
    wal = filled(tmp_path / "wal")
    wal.append(*entry(6))
    assert list(wal.replay()) == [entry(number) for number in range(7)]
    wal.sync()
    wal.close()
    assert replayed(tmp_path / "wal") == [entry(number) for number in range(7)]


def test_a_rotated_log_holds_what_was_carried_and_what_came_after_in_one_file(
    tmp_path: Path,
) -> None:
    wal = filled(tmp_path / "wal", 40)
    before = wal.size_bytes
    wal.rotate(kept for kept in wal.replay() if kept[0] == 3)
    assert wal.size_bytes < before
    wal.append(*entry(40))
    wal.sync()
    expected = [entry(number) for number in range(40) if number % 5 == 3] + [entry(40)]
    assert list(wal.replay()) == expected
    wal.close()
    assert replayed(tmp_path / "wal") == expected
    assert names(tmp_path / "wal") == ["wal-000000000002.log"]


def test_the_marker_is_the_logs_own(tmp_path: Path) -> None:
    wal = filled(tmp_path / "wal")
    with pytest.raises(InvariantBroken):
        wal.append(CHECKPOINT, b"")
    with pytest.raises(InvariantBroken):
        wal.rotate([(CHECKPOINT, b"")])


def test_T40_a_log_cut_at_every_byte_of_its_last_record_loses_that_record_alone(
    tmp_path: Path,
) -> None:
    filled(tmp_path / "wal").close()
    (path,) = (tmp_path / "wal").iterdir()
    whole = path.read_bytes()
    *_, last = read_frames(path, Purpose.LOG, 1)
    for end in range(last.offset + 1, len(whole)):
        path.write_bytes(whole[:end])
        assert replayed(tmp_path / "wal") == [entry(number) for number in range(5)]
        assert path.stat().st_size == last.offset


@settings(deadline=None)
@given(bit=st.integers(min_value=0))
def test_T40_a_bit_flipped_anywhere_in_the_log_is_refused_or_was_in_its_last_record(
    bit: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("flip") / "wal"
    filled(directory).close()
    (path,) = directory.iterdir()
    *_, last = read_frames(path, Purpose.LOG, 1)
    data = bytearray(path.read_bytes())
    bit %= 8 * len(data)
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)
    damage = refusal_of(directory)
    if damage is None:
        assert bit // 8 >= last.offset
        assert replayed(directory) == [entry(number) for number in range(5)]
        return
    assert damage.path == path
    assert damage.offset <= bit // 8
    assert path.read_bytes() == data


def check_crashes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run: Callable[[Path], None],
    verify: Callable[[list[Entry]], None],
) -> None:
    """Kill the machine and the process before every call to the disk; whatever is left must satisfy
    `verify`."""
    live = tmp_path / "live"
    live.mkdir()
    disk = Disk(monkeypatch)
    number = 0

    def crash() -> None:
        nonlocal number
        for seed in range(6):
            number += 1
            left = tmp_path / f"{number}"
            if seed:
                disk.materialise(live, left, random.Random(number))
            else:
                disk.copy(live, left)
            verify(replayed(left / "wal"))
            verify(replayed(left / "wal"))
            assert len(names(left / "wal")) == 1
            shutil.rmtree(left)

    disk.before_call = crash
    run(live / "wal")
    crash()
    assert number > 100


def test_T40_nothing_synced_is_lost_at_any_crash_and_what_is_left_is_a_beginning_of_what_was_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = 0

    def run(directory: Path) -> None:
        nonlocal synced
        wal = WriteAheadLog.open(directory)
        for number in range(24):
            wal.append(*entry(number))
            if number % 4 == 3:
                wal.sync()
                synced = number + 1

    def verify(found: list[Entry]) -> None:
        assert len(found) >= synced
        assert found == [entry(number) for number in range(len(found))]

    check_crashes(tmp_path, monkeypatch, run, verify)


def test_T40_a_crash_at_any_step_of_a_rotation_leaves_the_old_log_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = [entry(number) for number in range(30)]
    carried = old[::3]
    later = [entry(number) for number in range(30, 36)]
    synced, rotated, after = 0, False, 0

    def run(directory: Path) -> None:
        nonlocal synced, rotated, after
        wal = WriteAheadLog.open(directory)
        for record in old:
            wal.append(*record)
        wal.sync()
        synced = len(old)
        wal.rotate(carried)
        rotated = True
        for record in later:
            wal.append(*record)
            wal.sync()
            after += 1
        wal.rotate([*carried, *later])

    def verify(found: list[Entry]) -> None:
        is_old = not rotated and len(found) >= synced and found == old[: len(found)]
        is_new = (
            synced
            and len(found) >= len(carried) + after
            and found == [*carried, *later][: len(found)]
        )
        assert is_old or is_new

    check_crashes(tmp_path, monkeypatch, run, verify)


def test_an_older_file_goes_once_the_new_one_is_durable_and_is_durably_gone_on_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wal = filled(tmp_path / "wal")
    disk = Disk(monkeypatch)
    wal.rotate([entry(1)])
    new = "wal-000000000002.log"
    assert disk.trace == [
        ("write", new),
        ("fdatasync", new),
        ("fsync", "wal"),
        ("write", new),
        ("fdatasync", new),
        ("unlink", "wal-000000000001.log"),
        ("fsync", "wal"),
    ]


def test_a_newest_file_without_its_whole_checkpoint_is_discarded_and_the_older_one_counts(
    tmp_path: Path,
) -> None:
    wal = filled(tmp_path / "wal")
    old = (tmp_path / "wal" / "wal-000000000001.log").read_bytes()
    wal.rotate([entry(90), entry(91)])
    wal.close()
    new = (tmp_path / "wal" / "wal-000000000002.log").read_bytes()
    for end in range(len(new)):
        (tmp_path / "wal" / "wal-000000000001.log").write_bytes(old)
        (tmp_path / "wal" / "wal-000000000002.log").write_bytes(new[:end])
        assert replayed(tmp_path / "wal") == [entry(number) for number in range(6)]
        assert names(tmp_path / "wal") == ["wal-000000000001.log"]
    (tmp_path / "wal" / "wal-000000000002.log").write_bytes(new)
    assert replayed(tmp_path / "wal") == [entry(90), entry(91)]
    assert names(tmp_path / "wal") == ["wal-000000000002.log"]


def test_T40_an_only_file_without_its_checkpoint_is_refused_unless_it_is_the_first_and_empty(
    tmp_path: Path,
) -> None:
    first, second = (
        tmp_path / "wal" / "wal-000000000001.log",
        tmp_path / "wal" / "wal-000000000002.log",
    )
    wal = filled(tmp_path / "wal")
    zeroed = first.read_bytes()
    first.write_bytes(zeroed[:HEADER_SIZE] + bytes(len(zeroed) - HEADER_SIZE))
    with pytest.raises(CorruptRecord):
        WriteAheadLog.open(tmp_path / "wal")
    first.write_bytes(zeroed[: EMPTY_SIZE - 1])
    assert WriteAheadLog.open(tmp_path / "wal").created
    wal = WriteAheadLog.open(tmp_path / "wal")
    wal.rotate([])
    wal.close()
    os.truncate(second, EMPTY_SIZE - 1)
    with pytest.raises(CorruptRecord):
        WriteAheadLog.open(tmp_path / "wal")
    assert names(tmp_path / "wal") == [second.name]


def test_T40_a_log_under_another_logs_name_is_refused(tmp_path: Path) -> None:
    filled(tmp_path / "wal").close()
    (tmp_path / "wal" / "wal-000000000001.log").rename(tmp_path / "wal" / "wal-000000000004.log")
    with pytest.raises(CorruptRecord, match="number 4"):
        WriteAheadLog.open(tmp_path / "wal")


def test_a_rotation_that_failed_stops_the_log_because_either_file_may_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in range(7):
        wal = filled(tmp_path / f"{step}")
        with monkeypatch.context() as broken:
            disk = Disk(broken)

            def refuse(disk: Disk = disk, step: int = step) -> None:
                if len(disk.trace) > step:
                    raise OSError("the disk refuses")

            disk.before_call = refuse
            with pytest.raises(DiskFault):
                wal.rotate([entry(7)])
        with pytest.raises(DiskFault):
            wal.append(*entry(8))
        assert replayed(tmp_path / f"{step}") in (
            [entry(number) for number in range(6)],
            [entry(7)],
        )
