"""What the block store makes of a damaged disk: cut, rebuilt, or refused by name, and never silent
(T40)."""

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.node.ledger.disk import Disk
from tests.node.ledger.ledgers import block, check, filled, identifiers, opened, outcome

from strongroom.consensus.errors import OperatorFault
from strongroom.node.ledger import index as index_module
from strongroom.node.ledger import index_files
from strongroom.node.ledger.entries import Entries
from strongroom.node.ledger.frames import HEADER_SIZE, CorruptRecord, Frame, Purpose, read_frames
from strongroom.node.ledger.index import Index, IndexDamaged
from strongroom.node.ledger.segments import Kind
from strongroom.node.ledger.store import BlockStore

COUNT = 9


def files(directory: Path) -> list[Path]:
    return sorted((directory / "ledger").iterdir())


def frames(path: Path) -> list[Frame]:
    return list(read_frames(path, Purpose.BLOCKS, int(path.stem.removeprefix("blocks-"))))


def flip(path: Path, byte: int, bit: int = 0) -> None:
    data = bytearray(path.read_bytes())
    data[byte] ^= 1 << bit
    path.write_bytes(data)


def lose_index(directory: Path) -> None:
    shutil.rmtree(directory / "index")


def refusal_of(directory: Path) -> CorruptRecord | None:
    try:
        opened(directory).close()
    except CorruptRecord as damage:
        return damage
    return None


def refused(directory: Path) -> CorruptRecord:
    """Opening is refused, the second time as well, and the ledger's files stay as they are."""
    before = {path: path.read_bytes() for path in files(directory)}
    first, second = refusal_of(directory), refusal_of(directory)
    assert isinstance(first, OperatorFault)
    assert second is not None
    assert str(first) == str(second)
    assert {path: path.read_bytes() for path in files(directory)} == before
    return second


@pytest.mark.parametrize("indexed", [True, False])
def test_T40_a_ledger_cut_at_every_byte_of_its_last_record_loses_that_record_alone(
    tmp_path: Path, indexed: bool
) -> None:
    """With an index, even one that knows that the record was durable."""
    filled(tmp_path / "whole", COUNT).close()
    last = files(tmp_path / "whole")[-1]
    end = frames(last)[-1].offset
    for size in range(end + 1, last.stat().st_size):
        live = tmp_path / f"{size}"
        shutil.copytree(tmp_path / "whole", live)
        os.truncate(live / "ledger" / last.name, size)
        if not indexed:
            lose_index(live)
        store = opened(live)
        check(store, COUNT, COUNT - 1)
        store.append_outcome(COUNT, outcome(COUNT), identifiers(COUNT))
        store.close()
        store = opened(live)
        check(store, COUNT, COUNT)
        store.close()


@settings(deadline=None)
@given(place=st.integers(min_value=0), bit=st.integers(0, 7))
def test_T40_a_bit_flipped_anywhere_is_refused_by_file_offset_and_height_or_was_in_the_last_record(
    place: int, bit: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("flip")
    filled(directory, COUNT).close()
    lose_index(directory)
    path = files(directory)[place % len(files(directory))]
    byte = place // 7 % path.stat().st_size
    hit = next((frame for frame in frames(path) if byte < frame.offset + frame.size), None)
    assert hit is not None
    height = int.from_bytes(hit.payload[:8], "big")
    is_last = path == files(directory)[-1] and hit == frames(path)[-1] and byte >= hit.offset
    flip(path, byte, bit)
    damage = refusal_of(directory)
    if damage is None:
        assert is_last
        store = opened(directory)
        check(store, COUNT, COUNT - 1)
        store.close()
        return
    assert damage.path == path
    assert damage.offset == (0 if byte < HEADER_SIZE else hit.offset)
    assert byte < HEADER_SIZE or (damage.height is not None and damage.height <= height)


def test_T40_damage_in_an_older_segment_is_named_when_read_and_refused_from_then_on(
    tmp_path: Path,
) -> None:
    filled(tmp_path, COUNT).close()
    path = files(tmp_path)[1]
    hit = frames(path)[0]
    height = int.from_bytes(hit.payload[:8], "big")
    flip(path, hit.offset + 40)
    store = opened(tmp_path)
    told: list[OperatorFault] = []
    store.on_damage = told.append
    assert store.block(height - 1) == block(height - 1)
    with pytest.raises(CorruptRecord) as refusal:
        store.block(height)
    assert told == [refusal.value], "the node is told, whoever it was that read"
    assert (refusal.value.path, refusal.value.offset, refusal.value.height) == (
        path,
        hit.offset,
        height,
    )
    store.close()
    damage = refused(tmp_path)
    assert (damage.path, damage.offset) == (path, hit.offset)


def test_T40_a_missing_segment_is_refused_by_name_whichever_it_is_with_and_without_an_index(
    tmp_path: Path,
) -> None:
    filled(tmp_path / "whole", COUNT).close()
    names = [path.name for path in files(tmp_path / "whole")]
    for name in names:
        for indexed in (True, False):
            if name == names[-1] and not indexed:
                continue  # nothing says that it was there: peers and the log do
            live = tmp_path / f"{name}-{indexed}"
            shutil.copytree(tmp_path / "whole", live)
            (live / "ledger" / name).unlink()
            if not indexed:
                lose_index(live)
            damage = refused(live)
            assert damage.path.name == (name if name != names[-1] else names[-2])
            assert damage.height is not None


def test_T40_swapped_segments_are_refused(tmp_path: Path) -> None:
    filled(tmp_path, COUNT).close()
    first, second = files(tmp_path)[:2]
    first.rename(tmp_path / "aside")
    second.rename(first)
    (tmp_path / "aside").rename(second)
    damage = refused(tmp_path)
    assert (damage.path, damage.offset) == (first, 0)


def test_T40_an_older_segment_cut_between_two_records_is_refused_on_opening_or_on_reading(
    tmp_path: Path,
) -> None:
    filled(tmp_path / "whole", COUNT).close()
    name = files(tmp_path / "whole")[1].name
    for frame in frames(tmp_path / "whole" / "ledger" / name):
        live = tmp_path / f"{frame.offset}"
        shutil.copytree(tmp_path / "whole", live)
        os.truncate(live / "ledger" / name, frame.offset)
        if refusal_of(live) is None:
            store = opened(live)
            with pytest.raises(CorruptRecord):
                check(store, COUNT, COUNT)
            store.close()
        lose_index(live)
        refused(live)


def test_T40_a_torn_tail_in_an_older_segment_is_no_torn_tail(tmp_path: Path) -> None:
    filled(tmp_path, COUNT).close()
    path = files(tmp_path)[1]
    os.truncate(path, path.stat().st_size - 1)
    lose_index(tmp_path)
    damage = refused(tmp_path)
    assert (damage.path, damage.offset, type(damage)) == (
        path,
        frames_until_damage(path)[-1],
        CorruptRecord,
    )


def frames_until_damage(path: Path) -> list[int]:
    offsets = [HEADER_SIZE]
    try:
        for frame in read_frames(path, Purpose.BLOCKS, int(path.stem.removeprefix("blocks-"))):
            offsets.append(frame.offset + frame.size)
    except CorruptRecord:
        pass
    return offsets


def test_T40_records_that_were_durable_and_are_gone_are_missed_however_clean_the_cut_is(
    tmp_path: Path,
) -> None:
    """A ledger cut at a record's or a segment's boundary: the index knows better, also after a
    kill."""
    filled(tmp_path / "whole", COUNT).close()
    last = files(tmp_path / "whole")[-1]
    for number, size in enumerate(
        (frames(last)[-1].offset, frames(last)[-2].offset, frames(last)[-2].offset + 1)
    ):
        live = tmp_path / f"{number}"
        shutil.copytree(tmp_path / "whole", live)
        os.truncate(live / "ledger" / last.name, size)
        assert "were durable" in str(refused(live))
        lose_index(live)
        opened(live).close()


def spoil_garbage(path: Path) -> None:
    path.write_bytes(b"no index at all" * 1000)


def spoil_half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def spoil_place(path: Path) -> None:
    """One bit of every copy of a transaction's height."""
    data, identifier = bytearray(path.read_bytes()), identifiers(30)[0][0]
    start = data.find(identifier)
    assert start > 0
    while start > 0:
        data[start + len(identifier) + 7] ^= 1
        start = data.find(identifier, start + 1)
    path.write_bytes(data)


def spoil_empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize(
    "spoil", [spoil_garbage, spoil_half, spoil_place, spoil_empty, Path.unlink]
)
def test_T40_a_lost_or_damaged_index_is_rebuilt_from_the_segments(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    filled(tmp_path, 60).close()
    spoil(tmp_path / "index" / "data.mdb")
    for _ in range(2):
        store = opened(tmp_path)
        check(store, 60, 60)
        store.close()


def test_an_index_of_another_boot_is_not_believed_unless_it_was_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = filled(tmp_path / "live", COUNT)
    shutil.copytree(tmp_path / "live", tmp_path / "killed")
    store.close()
    cleared: list[Path] = []
    real = index_files.remove_index

    def remove(directory: Path) -> None:
        cleared.append(directory)
        real(directory)

    monkeypatch.setattr(index_files, "remove_index", remove)

    def rebuilds(directory: Path) -> bool:
        cleared.clear()
        store = opened(directory)
        check(store, COUNT, COUNT)
        store.close()
        return bool(cleared)

    shutil.copytree(tmp_path / "killed", tmp_path / "same boot")
    assert not rebuilds(tmp_path / "same boot")
    monkeypatch.setattr(index_files, "this_boot", lambda: b"another boot")
    assert not rebuilds(tmp_path / "live")
    assert rebuilds(tmp_path / "killed")


@pytest.mark.parametrize("fill", [b"\x00", b"\xff", b"\x5a"])
@pytest.mark.parametrize("first", range(2, 12))
def test_T40_damaged_pages_of_an_index_of_this_boot_are_rebuilt_like_a_lost_one(
    tmp_path: Path, fill: bytes, first: int
) -> None:
    """Its process was killed, so that nothing but this boot vouches for it."""
    store = filled(tmp_path / "live", COUNT)
    shutil.copytree(tmp_path / "live", tmp_path / "killed")
    store.close()
    data = tmp_path / "killed" / "index" / "data.mdb"
    with data.open("r+b") as file:
        file.seek(first * 4096)
        file.write(fill * 4096)
    store = opened(tmp_path / "killed")
    try:
        check(store, COUNT, COUNT)
    except index_module.IndexDamaged:  # only a reading meets that page
        store.close()
        store = opened(tmp_path / "killed")
        check(store, COUNT, COUNT)
    store.close()


def test_an_index_that_lags_behind_is_brought_up_to_the_segments(tmp_path: Path) -> None:
    filled(tmp_path, 3).close()
    shutil.copytree(tmp_path / "index", tmp_path / "old")
    store = opened(tmp_path)
    for height in range(4, COUNT + 1):
        store.append_block(height, block(height))
        store.append_outcome(height, outcome(height), identifiers(height))
        store.sync()
    store.close()
    lose_index(tmp_path)
    (tmp_path / "old").rename(tmp_path / "index")
    store = opened(tmp_path)
    check(store, COUNT, COUNT)
    store.close()


def test_a_wrong_index_is_found_out_on_reading_and_rebuilt_on_the_next_start(
    tmp_path: Path,
) -> None:
    store = filled(tmp_path, COUNT)
    right = store._index.place(Kind.BLOCK, 5)
    wrong = store._index.place(Kind.BLOCK, 4)
    assert right is not None
    assert wrong is not None
    entries = Entries()
    entries.add(Kind.BLOCK, 5, wrong)
    store._index.write(entries)
    with pytest.raises(CorruptRecord, match="not the block of this height"):
        store.block(5)
    store.close()
    store = opened(tmp_path)
    check(store, COUNT, COUNT)
    assert store._index.place(Kind.BLOCK, 5) == right
    store.close()


def fails_once(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """The next call of the index meets damage."""
    real, left = getattr(Index, method), [True]

    def failing(self: Index, *given: Any) -> Any:
        if left and left.pop():
            raise IndexDamaged(self.directory, "its pages")
        return real(self, *given)

    monkeypatch.setattr(Index, method, failing)


def test_T40_what_a_damaged_index_knew_to_be_durable_is_missed_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path, COUNT).close()
    last = files(tmp_path)[-1]
    os.truncate(last, frames(last)[-2].offset)
    fails_once(monkeypatch, "place")
    damage = refusal_of(tmp_path)
    assert "were durable" in str(damage)


def test_an_index_that_is_damaged_when_the_ledger_is_open_leaves_no_file_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path, COUNT).close()
    before = set(os.listdir("/proc/self/fd"))
    fails_once(monkeypatch, "write")
    store = opened(tmp_path)
    check(store, COUNT, COUNT)
    store.close()
    assert set(os.listdir("/proc/self/fd")) == before


def test_T40_a_rebuild_that_meets_damage_names_it_and_no_file_of_its_own(tmp_path: Path) -> None:
    """Whoever closes the store behind it, as a node does at its end."""
    store = filled(tmp_path, COUNT)
    path = files(tmp_path)[1]
    hit = frames(path)[0]
    flip(path, hit.offset + 40)
    with pytest.raises(CorruptRecord) as damage, closing(store):
        store.rebuild_index()
    assert (damage.value.path, damage.value.offset) == (path, hit.offset)
    assert damage.value.height == int.from_bytes(hit.payload[:8], "big") - 1, "an outcome's"


def test_a_segment_whose_creation_was_cut_short_is_begun_again(tmp_path: Path) -> None:
    filled(tmp_path / "whole", COUNT).close()
    header = files(tmp_path / "whole")[0].read_bytes()[:HEADER_SIZE]
    name = f"blocks-{COUNT + 1:012d}.log"
    for size in range(HEADER_SIZE):
        live = tmp_path / f"{size}"
        shutil.copytree(tmp_path / "whole", live)
        (live / "ledger" / name).write_bytes(header[:size])
        store = opened(live)
        check(store, COUNT, COUNT)
        store.append_block(COUNT + 1, block(COUNT + 1))
        store.close()
        store = opened(live)
        assert store.block(COUNT + 1) == block(COUNT + 1)
        store.close()
        assert files(live)[-1].name == name


def crash_everywhere(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run: Callable[[Path], None],
    verify: Callable[[BlockStore], None],
) -> int:
    """Kill the process and the machine before every call to the disk, open what is left, twice; how
    often."""
    live = tmp_path / "live"
    live.mkdir()
    disk = Disk(monkeypatch)
    boots = iter(range(10**9))
    boot = [b"first"]
    monkeypatch.setattr(index_files, "this_boot", lambda: boot[0])
    crashes = 0

    def crash() -> None:
        nonlocal crashes
        for attempt in range(4):
            crashes += 1
            left = tmp_path / f"{crashes}"
            if attempt == 0:
                disk.copy(live, left)
            else:
                disk.materialise(live, left, random.Random(crashes))
                boot[0] = b"boot %d" % next(boots)
            for _ in range(2):
                store = opened(left)
                verify(store)
                store.close()
            boot[0] = b"first"
            shutil.rmtree(left)

    disk.before_call = crash
    run(live)
    crash()
    return crashes


def test_T40_nothing_synced_is_lost_at_any_crash_and_what_is_left_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = (0, 0)

    def run(directory: Path) -> None:
        nonlocal synced
        store = opened(directory)
        for height in range(1, 11):
            store.append_block(height, block(height))
            if height > 1:
                store.append_outcome(height - 1, outcome(height - 1), identifiers(height - 1))
            if height % 3 == 0:
                store.sync()
                synced = (height, height - 1)
        store.close()
        synced = (10, 9)

    def verify(store: BlockStore) -> None:
        assert store.newest_block >= synced[0]
        assert store.newest_outcome >= synced[1]
        check(store, store.newest_block, store.newest_outcome)

    assert crash_everywhere(tmp_path, monkeypatch, run, verify) > 100


WORKER = """
import sys
from pathlib import Path
from tests.node.ledger.ledgers import block, identifiers, opened, outcome
store = opened(Path(sys.argv[1]))
while True:
    for _ in range(3):
        height = store.newest_block + 1
        store.append_block(height, block(height))
        if height > 1:
            store.append_outcome(height - 1, outcome(height - 1), identifiers(height - 1))
    store.sync()
    print(store.newest_block, flush=True)
"""


@pytest.mark.processes
def test_T40_a_real_process_killed_at_any_moment_keeps_what_it_said_was_synced(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-c", WORKER, str(tmp_path)]
    synced = 0
    for kill in range(6):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
            assert worker.stdout is not None
            for _ in range(5 + 7 * kill):
                worker.stdout.readline()
            worker.kill()
            synced = max([synced, *map(int, worker.stdout.read().split())])
        store = opened(tmp_path)
        assert store.newest_block >= synced
        check(store, store.newest_block, store.newest_outcome)
        store.close()
