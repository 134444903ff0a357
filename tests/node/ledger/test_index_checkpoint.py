"""A crash of the machine costs what came since the index's checkpoint, and nothing that is wrong is
believed for it (T40)."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.node.ledger.disk import Disk
from tests.node.ledger.ledgers import block, check, filled, identifiers, opened, outcome
from tests.node.ledger.test_archive import move, take
from tests.node.ledger.test_recovery import crash_everywhere, files, refused

from strongroom.node.ledger import index as index_module
from strongroom.node.ledger import index_files
from strongroom.node.ledger import store as store_module
from strongroom.node.ledger.frames import CorruptRecord
from strongroom.node.ledger.index_checkpoint import checkpoint_file, write_checkpoint
from strongroom.node.ledger.segments import Heights, Kind, Segments
from strongroom.node.ledger.store import BlockStore

COUNT = 30


def add(store: BlockStore, first: int, last: int) -> None:
    for height in range(first, last + 1):
        store.append_block(height, block(height))
        store.append_outcome(height, outcome(height), identifiers(height))
        store.sync()


@pytest.fixture
def crashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose machine crashed: a checkpoint amid some segments, and an index that is
    garbage."""
    live, left = tmp_path / "live", tmp_path / "left"
    store = filled(live, COUNT)
    store._index.checkpoint()
    add(store, COUNT + 1, 2 * COUNT)
    shutil.copytree(live, left)
    store.close()
    data = left / "index" / "data.mdb"
    data.write_bytes(random.Random(1).randbytes(data.stat().st_size))
    monkeypatch.setattr(index_files, "this_boot", lambda: b"another boot")
    return left


@pytest.fixture
def scanned(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """First heights of the files from which segments were read on."""
    since: list[int] = []
    real = Segments.scan

    def scan(self: Segments, first: int, *given: Any) -> Any:
        since.append(first)
        return real(self, first, *given)

    monkeypatch.setattr(Segments, "scan", scan)
    return since


def test_after_a_crash_of_the_machine_what_came_since_the_checkpoint_is_read_and_no_more(
    crashed: Path, scanned: list[int]
) -> None:
    for _ in range(2):  # the checkpoint stays for the next crash
        store = opened(crashed)
        check(store, 2 * COUNT, 2 * COUNT)
        place = store._index.place(Kind.BLOCK, COUNT)
        assert place is not None
        assert set(scanned) == {place.segment}
        assert 1 < place.segment < store._segments.firsts[-1], "some files before it, some behind"
        store._segments.close()
        store._index._environment.close()  # as a crash leaves it
        (crashed / "index" / "believed").unlink()
        scanned.clear()


def spoil_bit(path: Path, dice: random.Random) -> None:
    data = bytearray(path.read_bytes())
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    path.write_bytes(data)


def spoil_end(path: Path, dice: random.Random) -> None:
    path.write_bytes(path.read_bytes()[: dice.randrange(path.stat().st_size)])


def spoil_more(path: Path, _: random.Random) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def spoil_all(path: Path, _: random.Random) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("spoil", [spoil_bit, spoil_end, spoil_more, spoil_all])
@pytest.mark.parametrize("seed", range(6))
def test_T40_a_checkpoint_that_is_not_what_was_written_is_not_believed(
    crashed: Path, scanned: list[int], spoil: Callable[[Path, random.Random], None], seed: int
) -> None:
    spoil(checkpoint_file(crashed / "index"), random.Random(seed))
    store = opened(crashed)
    check(store, 2 * COUNT, 2 * COUNT)
    assert scanned[0] == 1, "all segments are read"
    store.close()


def test_T40_an_index_that_was_found_wrong_leaves_no_checkpoint(tmp_path: Path) -> None:
    """What was copied of it may be wrong too; nor is one left that was being copied."""
    store = filled(tmp_path, COUNT)
    store._index.checkpoint()
    assert checkpoint_file(tmp_path / "index").exists()
    store._index.distrust()
    assert not checkpoint_file(tmp_path / "index").exists()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index_module, "write_checkpoint", lambda *_: pytest.fail("it was copied"))
        store._index.checkpoint()
    store._index.trust()
    real = write_checkpoint

    def found_meanwhile(copy: Callable[[int], None], directory: Path) -> None:
        store._index.distrust()
        real(copy, directory)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index_module, "write_checkpoint", found_meanwhile)
        store._index.checkpoint()
    assert not checkpoint_file(tmp_path / "index").exists()
    store.close()


def test_T40_a_checkpoint_of_more_than_the_segments_hold_proves_a_loss(crashed: Path) -> None:
    """Before, an index of another boot said nothing of what was durable."""
    place = files(crashed)
    for path in place[len(place) // 3 :]:
        path.unlink()
    assert "were durable" in refused(crashed).detail


def test_T40_segments_between_checkpoint_and_end_that_are_missing_are_refused(
    crashed: Path,
) -> None:
    files(crashed)[-2].unlink()
    assert "missing" in refused(crashed).detail


def test_T40_a_crash_at_any_moment_of_a_checkpoint_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = 0

    def run(directory: Path) -> None:
        nonlocal done
        store = opened(directory)
        for height in range(1, 13):
            add(store, height, height)
            done = height
            if height % 4 == 0:
                store._index.checkpoint()
        store.close()

    def verify(store: BlockStore) -> None:
        assert store.newest_outcome >= done
        check(store, store.newest_block, store.newest_outcome)

    assert crash_everywhere(tmp_path, monkeypatch, run, verify) > 100


def test_T40_a_checkpoint_that_was_made_survives_a_loss_of_power_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = tmp_path / "live"
    live.mkdir()
    disk = Disk(monkeypatch)
    store = filled(live, COUNT)
    store._index.checkpoint()
    made = checkpoint_file(live / "index").read_bytes()
    for seed in range(8):
        left = tmp_path / f"{seed}"
        disk.materialise(live, left, random.Random(seed))
        assert checkpoint_file(left / "index").read_bytes() == made
    store.close()


def test_a_checkpoint_is_made_where_segments_of_its_bytes_were_closed_and_not_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    monkeypatch.setattr(store_module, "CHECKPOINT_BYTES_MIN", 4_000)
    monkeypatch.setattr(index_module.Index, "size", property(lambda _: 9_000))
    real = write_checkpoint

    def write(copy: Callable[[int], None], directory: Path) -> None:
        real(copy, directory)
        made.append(store._index.newest().outcome)

    monkeypatch.setattr(index_module, "write_checkpoint", write)
    store = opened(tmp_path)
    for height in range(1, 81):
        add(store, height, height)
        if store._checkpoint is not None:
            store._checkpoint.join()
    firsts = store._segments.firsts
    assert len(made) > 1
    assert all({height, height + 1} & set(firsts) for height in made), "all that is closed, at once"
    assert len(made) < len(firsts) / 5, "as much again as the index has"
    store.close()


def test_a_segment_that_is_gone_is_told_by_whoever_reads_it_and_not_by_the_next_append(
    tmp_path: Path,
) -> None:
    store = filled(tmp_path, COUNT)
    files(tmp_path)[0].unlink()
    add(store, COUNT + 1, COUNT + 12)
    with pytest.raises(CorruptRecord):
        store.block(1)
    store.close()


def test_a_disk_that_refuses_a_checkpoint_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = filled(tmp_path, COUNT)
    store._index.checkpoint()
    before = checkpoint_file(tmp_path / "index").read_bytes()
    add(store, COUNT + 1, COUNT + 2)

    def refuse(*_: Any) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(index_module, "write_checkpoint", refuse)
    store._index.checkpoint()
    assert checkpoint_file(tmp_path / "index").read_bytes() == before
    add(store, COUNT + 3, COUNT + 4)
    check(store, COUNT + 4, COUNT + 4)
    store.close()


def test_T40_a_checkpoint_that_ends_between_a_block_and_its_outcome_at_the_archives_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The outcomes between stand in archived segments alone, whose contents are read for them."""
    home, away = tmp_path / "n0", tmp_path / "away"
    away.mkdir()
    store, at = opened(home), 0
    for height in range(1, 2 * COUNT):
        store.append_block(height, block(height))
        store.sync()
        if not at and height > COUNT and store._segments.full:
            store._index.checkpoint()
            at = height
        if height > 1:
            store.append_outcome(height - 1, outcome(height - 1), identifiers(height - 1))
            store.sync()
        if at and store._segments.firsts[-1] == at + 1:
            break
    with take(store, home, away) as taken:
        while move(store, taken, at + 1):
            pass
    assert store.archived.base == Heights(at, at - 1)
    left = tmp_path / "left"
    shutil.copytree(home, left)
    store.close()
    (left / "index" / "data.mdb").unlink()
    monkeypatch.setattr(index_files, "this_boot", lambda: b"another boot")
    store = opened(left)
    for height in range(1, store.newest_outcome + 1):
        assert store._index.place(Kind.OUTCOME, height) is not None
        for position, (identifier, code) in enumerate(identifiers(height)):
            assert store._index.places_of(identifier), (height, position, code)
    store.close()


def test_T40_a_checkpoint_that_cannot_be_read_is_none(
    crashed: Path, scanned: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.open

    def broken(self: Path, mode: str = "r", *given: Any) -> Any:
        if self == checkpoint_file(crashed / "index") and mode == "rb":
            raise OSError(5, "Input/output error")
        return real(self, mode, *given)

    monkeypatch.setattr(Path, "open", broken)
    store = opened(crashed)
    check(store, 2 * COUNT, 2 * COUNT)
    assert scanned[0] == 1, "all segments are read"
    store.close()


def test_a_copy_that_was_killed_leaves_nothing(tmp_path: Path) -> None:
    filled(tmp_path, COUNT).close()
    draft = tmp_path / "index" / "checkpoint.new"
    draft.write_bytes(bytes(4096))
    store = opened(tmp_path)
    assert not draft.exists()
    store.close()


def test_the_map_may_grow_while_a_copy_is_made_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, held = filled(tmp_path, COUNT), list[bool]()

    def write(copy: Callable[[int], None], directory: Path) -> None:
        write_checkpoint(copy, directory)
        held.append(store._index._copying.locked())

    monkeypatch.setattr(index_module, "write_checkpoint", write)
    store._index.checkpoint()
    assert held == [False]
    store.close()
