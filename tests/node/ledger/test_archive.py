"""Closed segments go to an archive and nothing changes for whoever reads: not at a kill between two
steps, not when the archive is gone, damaged, another's or full (T40)."""

import errno
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import google_crc32c
import pytest
from tests.node.ledger.ledgers import (
    MAP_SIZE,
    SMALL,
    PlainForm,
    block,
    check,
    filled,
    identifiers,
    opened,
    outcome,
)

from strongroom.consensus.errors import OperatorFault
from strongroom.node.ledger import moving, transaction_table
from strongroom.node.ledger.archive import archived as archiveds
from strongroom.node.ledger.archive import contents_file, contents_reader
from strongroom.node.ledger.archive import folder as folders
from strongroom.node.ledger.archive import recalled as recalleds
from strongroom.node.ledger.archive.archived import Archived
from strongroom.node.ledger.archive.contents import Contents, Row, Summary
from strongroom.node.ledger.archive.contents_file import PORTION
from strongroom.node.ledger.archive.contents_reader import ContentsReader, read_contents
from strongroom.node.ledger.archive.faults import (
    ArchiveRefused,
    ArchiveUnwritable,
    ContentsDamaged,
    SegmentDamaged,
    SegmentMissing,
)
from strongroom.node.ledger.archive.folder import ArchiveFolder, Manifest
from strongroom.node.ledger.archive.ids import Ids
from strongroom.node.ledger.archive.patience import Patience
from strongroom.node.ledger.archive.recalled import RECALLED_MAX
from strongroom.node.ledger.archive.where import Where, read_where
from strongroom.node.ledger.frames import (
    RECORD_BYTES_MAX,
    CorruptRecord,
    Frame,
    Purpose,
    read_frame,
    read_frames,
)
from strongroom.node.ledger.moving import archive_segment, remove_segment
from strongroom.node.ledger.segments import Heights, Kind, Segments
from strongroom.node.ledger.shortening import shorten
from strongroom.node.ledger.store import BlockStore
from strongroom.node.machine.durable_files import DiskFault

BLOCKS = 60
CHAIN, NODE = "aa" * 32, "n0"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A node's folder with several segments, closed."""
    filled(tmp_path / "n0", BLOCKS).close()
    return tmp_path / "n0"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    made = tmp_path / "archive"
    made.mkdir()
    return made


def take(store: BlockStore, home: Path, directory: Path) -> ArchiveFolder:
    where = store.archived.where
    known = "" if where is None else where.id
    taken = ArchiveFolder.open(directory, id=known, chain=CHAIN, node=NODE, home=home)
    store.archived.keep_where(Where(taken.manifest.id, directory))
    return taken


def move(store: BlockStore, taken: ArchiveFolder, below: int) -> bool:
    """One segment; whether one could go."""
    found = store.closed_below(below)
    if found is None:
        return False
    first, _, path = found
    store.let_go(archive_segment(store, taken, path, first, ()))
    remove_segment(path)
    return True


def move_all(home: Path, directory: Path, below: int = BLOCKS) -> int:
    """Whatever may go; how many went."""
    store = opened(home)
    with take(store, home, directory) as taken:
        moved = 0
        while move(store, taken, below):
            moved += 1
    store.close()
    return moved


def live(home: Path) -> set[str]:
    return {path.name for path in (home / "ledger").iterdir()}


def lose_index(home: Path) -> None:
    """As a machine does that loses its power."""
    shutil.rmtree(home / "index")


@pytest.mark.parametrize("index", ["kept", "lost"])
def test_everything_is_read_from_the_archive_as_it_was_before(
    home: Path, archive: Path, index: str
) -> None:
    assert move_all(home, archive) > 3
    assert len(live(home)) == 1, "the one that is written"
    if index == "lost":
        lose_index(home)
    store = opened(home)
    check(store, BLOCKS, BLOCKS)
    for height in range(1, BLOCKS + 1):
        for kind, made in ((Kind.BLOCK, block), (Kind.OUTCOME, outcome)):
            reading = store.reading(kind, height, bytes)
            assert reading is not None
            assert reading() == made(height)
    store.close()


def test_a_reading_that_began_before_its_segment_went_still_reads_it(
    home: Path, archive: Path
) -> None:
    store = opened(home)
    readings = [store.reading(Kind.BLOCK, height, bytes) for height in range(1, BLOCKS + 1)]
    with take(store, home, archive) as taken:
        while move(store, taken, BLOCKS):
            pass
    assert [read() for read in readings if read] == [block(at) for at in range(1, BLOCKS + 1)]
    store.close()


def test_a_node_goes_on_appending_and_archiving(home: Path, archive: Path) -> None:
    move_all(home, archive)
    store = opened(home)
    for height in range(BLOCKS + 1, 2 * BLOCKS + 1):
        store.append_block(height, block(height))
        store.append_outcome(height, outcome(height), identifiers(height))
        store.sync()
    store.close()
    assert move_all(home, archive, 2 * BLOCKS) > 3
    lose_index(home)
    store = opened(home)
    check(store, 2 * BLOCKS, 2 * BLOCKS)
    store.close()


def test_the_folder_stays_bounded_while_the_ledger_grows(tmp_path: Path, archive: Path) -> None:
    home, bound, highest, whole = tmp_path / "n0", 4 * SMALL, 0, 0
    store = opened(home)
    with take(store, home, archive) as taken:
        for height in range(1, 600):
            store.append_block(height, block(height))
            store.append_outcome(height, outcome(height), identifiers(height))
            store.sync()
            while store.bytes_here() > bound and move(store, taken, height):
                pass
            highest = max(highest, store.bytes_here())
            whole += len(block(height)) + len(outcome(height))
    assert whole > 20 * bound
    assert highest <= bound + SMALL
    check(store, 599, 599)
    store.close()


def test_only_closed_segments_below_a_height_may_go(home: Path, archive: Path) -> None:
    store = opened(home)
    firsts = sorted(int(name[7:-4]) for name in live(home))
    assert store.closed_below(firsts[1] - 1) is None, "a block of it is not below"
    assert store.closed_below(firsts[1]) == (
        1,
        firsts[1] - 1,
        home / "ledger" / "blocks-000000000001.log",
    )
    with take(store, home, archive) as taken:
        while move(store, taken, 10**9):
            pass
    assert live(home) == {f"blocks-{firsts[-1]:012d}.log"}
    store.close()


# --- a start without the archive ------------------------------------------------------------------


@pytest.mark.parametrize("index", ["kept", "lost"])
def test_T40_a_node_starts_without_its_archive_and_names_what_it_cannot_give(
    home: Path, archive: Path, index: str
) -> None:
    move_all(home, archive)
    shutil.rmtree(archive)
    if index == "lost":
        lose_index(home)
    store = opened(home)
    assert (store.newest_block, store.newest_outcome) == (BLOCKS, BLOCKS)
    damages: list[OperatorFault] = []
    store.on_damage = damages.append
    base = store.archived.base
    with pytest.raises(SegmentMissing, match=r"blocks-000000000001\.log.*mount the archive"):
        store.block(1)
    assert store.block(base.block + 1) == block(base.block + 1)
    for position, (identifier, code) in enumerate(identifiers(5)):
        found = store.find_transaction(identifier)
        assert found is not None
        assert (found.height, found.position, found.code) == (5, position, code)
    assert not damages, "no node halts for its archive"
    assert store.archived.reads["missing"] == 1
    store.append_block(BLOCKS + 1, block(BLOCKS + 1))
    store.close()


def flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def rebuilt(home: Path, archive: Path, first: int = 1) -> None:
    """Somebody who knows the format puts another block in, every checksum right."""
    path = archive / f"blocks-{first:012d}.log"
    store = Segments(home / "other")
    for record in Segments(archive, read_only=True).scan(1, Heights()):
        if record.location.segment != first:
            break
        if record.height == first and record.kind == Kind.BLOCK:
            store.resume(Heights(), None)
        payload = record.payload
        if record.kind == Kind.BLOCK and record.height == 2:
            payload = payload[:-1] + bytes((payload[-1] ^ 1,))
        store.append(record.kind, record.height, payload)
    store.sync()
    made = (home / "other" / "blocks-000000000001.log").read_bytes()
    marker_here, marker_there = made[15:19], path.read_bytes()[15:19]
    whole = made.replace(marker_here, marker_there)
    assert len(whole) == path.stat().st_size
    header = whole[:19]
    path.write_bytes(header + google_crc32c.value(header).to_bytes(4, "big") + whole[23:])


def test_T40_a_damaged_archive_gives_an_error_and_never_a_wrong_answer(
    home: Path, archive: Path
) -> None:
    move_all(home, archive)
    path = archive / "blocks-000000000001.log"
    whole, named = path.read_bytes(), set[str]()
    for offset in range(23, len(whole), 7):
        flip(path, offset)
        store = opened(home)
        given = 0
        for height in range(1, 20):
            try:
                assert store.block(height) == block(height)
                given += 1
            except SegmentDamaged as damage:
                named.add(damage.segment)
        assert given
        store.close()
        path.write_bytes(whole)
    assert named == {path.name}


def test_T40_another_block_with_every_checksum_right_is_not_given(
    home: Path, archive: Path
) -> None:
    """A CRC keeps nobody out who writes to the archive's disk."""
    move_all(home, archive)
    rebuilt(home, archive)
    reread = [record.payload for record in Segments(archive, read_only=True).scan(1, Heights())]
    assert block(2) not in reread
    store = opened(home)
    assert store.block(1) == block(1)
    with pytest.raises(SegmentDamaged, match="the block of height 2 is another"):
        store.block(2)
    with pytest.raises(SegmentDamaged, match="SHA-256"):
        store.archived.recall(1)
    assert store.archived.reads["damaged"] == 2
    store.close()


def test_T40_damaged_contents_of_this_nodes_own_halt_it(
    home: Path, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the opening where the ends of the rows stand, by which it counts; else when it is read."""
    monkeypatch.setattr(contents_file, "PORTION_BYTES", 300)
    move_all(home, archive)
    path = home / "archived" / "blocks-000000000001.contents"
    portions = [one for one in read_frames(path, Purpose.CONTENTS, 1) if one.kind == PORTION]
    assert len(portions) > 3
    flip(path, portions[0].offset + 20)
    store = opened(home)
    damages: list[OperatorFault] = []
    store.on_damage = damages.append
    with pytest.raises(ContentsDamaged, match=r"\.contents, byte .*intact copy"):
        store.block(1)
    assert damages
    store.close()
    flip(path, portions[0].offset + 20)
    flip(path, path.stat().st_size - 5)
    with pytest.raises(ContentsDamaged, match=r"blocks-000000000001\.contents"):
        opened(home)


@pytest.mark.parametrize("where", ["here", "archived"])
def test_T40_damage_that_a_find_meets_halts_the_node_whoever_asked(
    home: Path, archive: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """A block or contents that tell whether it is the one; the index is not believed again."""
    monkeypatch.setattr(transaction_table, "RUN_ENTRIES_MIN", 1)
    lose_index(home)
    opened(home).close()
    if where == "archived":
        move_all(home, archive)
    store = opened(home)
    finding = store.finding(identifiers(1)[0][0])
    assert callable(finding), "a block or contents must tell"
    files = {"here": "ledger/blocks-{:012d}.log", "archived": "archived/blocks-{:012d}.contents"}
    path = home / files[where].format(1)
    path.write_bytes(path.read_bytes()[:30] + bytes(path.stat().st_size - 30))
    damages: list[OperatorFault] = []
    store.on_damage = damages.append
    with pytest.raises(CorruptRecord, match=path.name) as damage:
        finding()
    assert damages == [damage.value]
    assert not (home / "index" / "believed").exists()
    store.close()


def test_a_find_whose_segment_goes_meanwhile_does_not_ask_the_archive(
    home: Path, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction_table, "RUN_ENTRIES_MIN", 1)
    lose_index(home)
    store, read = opened(home), Segments.read
    finding = store.finding(identifiers(5)[0][0])
    assert callable(finding)

    def gone(*asked: Any) -> bytes:
        monkeypatch.setattr(Segments, "read", read)
        with take(store, home, archive) as taken:
            while move(store, taken, BLOCKS):
                pass
        shutil.rmtree(archive)
        return read(*asked)

    monkeypatch.setattr(Segments, "read", gone)
    found = finding()
    assert (found and found.height, store.archived.reads["missing"]) == (5, 0)
    store.close()


def test_T40_contents_that_are_missing_are_named(home: Path, archive: Path) -> None:
    move_all(home, archive)
    gone = sorted((home / "archived").glob("*.contents"))[1]
    gone.unlink()
    with pytest.raises(CorruptRecord, match=gone.name):
        opened(home)


def test_what_is_copied_back_is_whole_again(home: Path, archive: Path) -> None:
    before = live(home)
    move_all(home, archive)
    for path in archive.glob("blocks-*.log"):
        shutil.copy(path, home / "ledger")
    shutil.rmtree(home / "archived")
    shutil.rmtree(archive)
    assert live(home) == before
    store = opened(home)
    check(store, BLOCKS, BLOCKS)
    store.close()


# --- a kill at every step -------------------------------------------------------------------------

ONE_SEGMENT_CALLS = 45
"""More than moving one segment takes: each of these is the last one once."""
CALLS = ("write", "fsync", "rename", "replace", "unlink", "link", "open")


def kill_at(call: int) -> None:
    """End this process, without a word, as it makes its n-th call that changes a disk."""
    seen = 0

    def ending(original: Callable[..., object]) -> Callable[..., object]:
        def wrapped(*args: object, **kwargs: object) -> object:
            nonlocal seen
            seen += 1
            if seen == call:
                os._exit(9)
            return original(*args, **kwargs)

        return wrapped

    for name in CALLS:
        setattr(os, name, ending(getattr(os, name)))
    opens = Path.open

    def opening(path: Path, mode: str = "r", **kwargs: Any) -> Any:
        file: Any = opens(path, mode, **kwargs)
        return file if "b" not in mode or "r" in mode else Ending(file, ending(file.write))

    setattr(Path, "open", opening)  # noqa: B010


class Ending:
    """A file that is written, each of its writes a call."""

    def __init__(self, file: Any, write: Callable[..., object]) -> None:
        self._file, self.write = file, write

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> "Ending":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def killed_at(call: int, home: Path, directory: Path) -> int:
    """How a process ended that moved everything, or was killed at its n-th call."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        kill_at(call)
        move_all(home, directory)
        os._exit(0)
    except BaseException:
        os._exit(1)


def test_T40_a_kill_at_any_call_loses_nothing_and_is_gone_on_with(
    home: Path, archive: Path, tmp_path: Path
) -> None:
    """Every call of the system that writes, syncs, names or removes something is the last one
    once."""
    call, killed = 1, True
    while killed:
        here, there = tmp_path / "k" / "n0", tmp_path / "k" / "archive"
        shutil.copytree(home, here)
        shutil.copytree(archive, there)
        ended = killed_at(call, here, there)
        killed = ended == 9
        assert ended in (0, 9)
        store = opened(here)
        check(store, BLOCKS, BLOCKS)
        store.close()
        move_all(here, there)
        assert len(live(here)) == 1
        lose_index(here)
        store = opened(here)
        check(store, BLOCKS, BLOCKS)
        store.close()
        assert not list(there.glob(".*.part"))
        manifest = Manifest.read(there)
        assert {one["file"] for one in manifest.segments} == {
            path.name for path in there.glob("blocks-*.log")
        }
        shutil.rmtree(tmp_path / "k")
        call += 1 if call <= ONE_SEGMENT_CALLS else call // 6
    assert call > 60


@pytest.mark.parametrize("code", ["ENOSPC", "EROFS", "EIO", "ESTALE"])
def test_an_archive_that_refuses_leaves_every_segment_where_it_is(
    home: Path, archive: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    before = live(home)
    store = opened(home)
    with take(store, home, archive) as taken:
        number = getattr(errno, code)

        def fails(self: object, *_: object) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(ArchiveFolder, "_copy", fails)
        with pytest.raises(ArchiveUnwritable, match=os.strerror(number)):
            move(store, taken, BLOCKS)
        monkeypatch.undo()
        assert live(home) == before
        assert not list(archive.glob("blocks-*"))
        check(store, BLOCKS, BLOCKS)
        assert move(store, taken, BLOCKS), "it is tried again"
    store.close()


def test_T40_a_disk_that_gives_back_other_bytes_than_it_took_takes_nothing(
    home: Path, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = live(home)
    store = opened(home)
    copy = ArchiveFolder._copy

    def lies(self: ArchiveFolder, source: Path, target: Path) -> None:
        copy(self, source, target)
        flip(target, 100)

    monkeypatch.setattr(ArchiveFolder, "_copy", lies)
    with take(store, home, archive) as taken:
        with pytest.raises(ArchiveUnwritable, match="not read as written"):
            move(store, taken, BLOCKS)
        with pytest.raises(ArchiveRefused, match="is another file"):
            move(store, taken, BLOCKS)
    assert live(home) == before
    check(store, BLOCKS, BLOCKS)
    store.close()


def test_T40_a_segment_that_is_damaged_here_is_not_archived(home: Path, archive: Path) -> None:
    store = opened(home)
    flip(home / "ledger" / "blocks-000000000001.log", 60)
    with take(store, home, archive) as taken, pytest.raises(CorruptRecord):
        move(store, taken, BLOCKS)
    assert "blocks-000000000001.log" in live(home)
    assert not Manifest.read(archive).segments
    store.close()


# --- whose archive it is --------------------------------------------------------------------------


def test_two_nodes_never_share_an_archive(home: Path, archive: Path, tmp_path: Path) -> None:
    store = opened(home)
    take(store, home, archive).close()
    with pytest.raises(ArchiveRefused, match="node n0"):  # with nothing in it yet
        ArchiveFolder.open(archive, id="", chain=CHAIN, node="n1", home=tmp_path / "n1")
    with take(store, home, archive) as taken:
        move(store, taken, BLOCKS)
        with pytest.raises(ArchiveRefused, match=r"process .* has it"):
            ArchiveFolder.open(archive, id=taken.manifest.id, chain=CHAIN, node=NODE, home=home)
    for other in (
        {"id": "", "chain": CHAIN, "node": "n1"},
        {"id": "", "chain": "bb" * 32, "node": NODE},
        {"id": "", "chain": CHAIN, "node": NODE},
        {"id": "ff", "chain": CHAIN, "node": NODE},
    ):
        with pytest.raises(ArchiveRefused, match=r"node n0|earlier life"):
            ArchiveFolder.open(archive, home=tmp_path / "n1", **other)
    store.close()


def test_an_empty_mount_point_is_not_taken_for_the_archive(home: Path, archive: Path) -> None:
    """A disk that is not mounted leaves an empty folder."""
    move_all(home, archive)
    archive.rename(archive.with_name("unmounted"))
    store = opened(home)
    with pytest.raises(ArchiveUnwritable, match="no such folder"):
        take(store, home, archive)
    archive.mkdir()
    with pytest.raises(ArchiveRefused, match="is it mounted"):
        take(store, home, archive)
    assert list(archive.iterdir()) == [archive / "lock"]
    store.close()


def test_an_archive_begins_in_an_empty_folder_outside_of_the_nodes(
    home: Path, archive: Path, tmp_path: Path
) -> None:
    store = opened(home)
    (archive / "letters.txt").write_text("x")
    with pytest.raises(ArchiveRefused, match=r"holds letters\.txt"):
        take(store, home, archive)
    (home / "inside").mkdir()
    (tmp_path / "link").symlink_to(home / "inside")
    for inside in (home / "inside", tmp_path / "link"):
        with pytest.raises(ArchiveRefused, match="lies in"):
            take(store, home, inside)
    store.close()


def test_an_archive_may_move_and_a_link_to_it_is_followed(
    home: Path, archive: Path, tmp_path: Path
) -> None:
    move_all(home, archive)
    archive.rename(tmp_path / "elsewhere")
    archive.symlink_to(tmp_path / "elsewhere")
    store = opened(home)
    check(store, BLOCKS, BLOCKS)
    archive.unlink()
    with take(store, home, tmp_path / "elsewhere"):
        check(store, BLOCKS, BLOCKS)
    store.close()
    where = read_where(home / "archived")
    assert where is not None
    assert where.directory == tmp_path / "elsewhere"


def test_T40_a_link_in_the_place_of_a_segment_is_not_followed(
    home: Path, archive: Path, tmp_path: Path
) -> None:
    """It may lead into anything that the node's user may read, or write."""
    secret = tmp_path / "precious"
    secret.write_text("precious")
    name = "blocks-000000000001.log"
    store = opened(home)
    with take(store, home, archive) as taken:
        (archive / f".{name}.part").symlink_to(secret)
        (archive / name).symlink_to(secret)
        with pytest.raises(ArchiveUnwritable):
            move(store, taken, BLOCKS)
        (archive / name).unlink()
        assert move(store, taken, BLOCKS)
    assert secret.read_text() == "precious"
    moved = archive / name
    moved.rename(archive / "aside")
    moved.symlink_to(archive / "aside")
    with pytest.raises(SegmentMissing):
        store.block(1)
    store.close()


# --- for peers that catch up ----------------------------------------------------------------------


def test_what_a_peer_asks_for_is_recalled_whole_compared_and_bounded(
    home: Path, archive: Path
) -> None:
    move_all(home, archive)
    store = opened(home)
    archived, wanted = store.archived, list[int]()
    archived.on_wanted = wanted.append
    segments = archived.summaries
    assert len(segments) > RECALLED_MAX
    for one in segments:
        assert not archived.is_at_hand(Kind.BLOCK, one.last)
        archived.recalled.add(one.first, archived.recall(one.first))
        assert archived.is_at_hand(Kind.BLOCK, one.last)
        lying = list((home / "archived" / "recalled").iterdir())
        assert len(lying) <= RECALLED_MAX
    assert wanted == [one.first for one in segments]
    shutil.rmtree(archive)
    newest = segments[-1]
    assert store.block(newest.first) == block(newest.first), "not from the archive"
    with pytest.raises(SegmentMissing):
        store.block(1)
    archived.recalled.forget()
    assert not archived.is_at_hand(Kind.BLOCK, newest.first)
    store.close()


@pytest.mark.parametrize("size", [-1, 1, 1 << 28])
def test_T40_no_more_of_a_file_is_recalled_than_was_archived(
    home: Path, archive: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """A sparse or endless file in the archive would fill the node's own disk."""
    move_all(home, archive)
    store = opened(home)
    one = store.archived.summaries[0]
    os.truncate(archive / one.file, one.size + size)
    copied: list[int] = []

    def hash_of(path: Path) -> tuple[int, bytes]:
        copied.append(path.stat().st_size)
        return folders.hash_of_file(path)

    for looks in ("it is of the right size when it is looked at", "it is not"):
        if looks == "it is not":
            monkeypatch.undo()
            monkeypatch.setattr(recalleds, "hash_of_file", hash_of)
        else:
            fake = SimpleNamespace(st_mode=stat.S_IFREG, st_size=one.size)
            monkeypatch.setattr(os, "fstat", lambda _, fake=fake: fake)
            monkeypatch.setattr(recalleds, "hash_of_file", hash_of)
        with pytest.raises(SegmentDamaged, match="is another"):
            store.archived.recall(one.first)
        assert not list((home / "archived" / "recalled").iterdir()), looks
    assert len(copied) == 1, "one of another size is not copied"
    assert copied[0] <= one.size + 1
    assert store.archived.reads["damaged"] == 2
    store.close()


@pytest.mark.parametrize("name", ["hash_of_file", "rename"])
def test_T40_a_disk_that_refuses_what_is_recalled_is_a_fault_of_it_and_nothing_stays(
    home: Path, archive: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    move_all(home, archive)
    store = opened(home)

    def fails(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    owner: object = recalleds if name == "hash_of_file" else Path
    monkeypatch.setattr(owner, name, fails)
    with pytest.raises(DiskFault, match="error"):
        store.archived.recall(1)
    monkeypatch.undo()
    assert not list((home / "archived" / "recalled").iterdir())
    store.close()


def test_what_was_recalled_is_gone_after_a_start(home: Path, archive: Path) -> None:
    move_all(home, archive)
    store = opened(home)
    store.archived.recalled.add(1, store.archived.recall(1))
    store.close()
    opened(home).close()
    assert not (home / "archived" / "recalled").exists()


def test_a_mount_that_never_answers_holds_nobody_up_for_long(home: Path, archive: Path) -> None:
    """Of those who come after the first that waited in vain none waits at all, and what is here is
    read."""
    move_all(home, archive)
    path = archive / "blocks-000000000001.log"
    path.unlink()
    os.mkfifo(path)  # opening it waits for a writer that never comes
    store = opened(home)
    store.archived.source.patience = Patience(seconds_max=0.01)
    for reason in ("no answer", "a moment ago", "a moment ago"):
        with pytest.raises(SegmentMissing, match=reason):
            store.block(1)
    assert store.block(BLOCKS) == block(BLOCKS)
    store.close()
    with path.open("wb"):
        pass  # let the reader go


# --- the form of what is kept ---------------------------------------------------------------------


def test_a_store_without_an_archive_leaves_no_trace_of_one(tmp_path: Path) -> None:
    filled(tmp_path, 10).close()
    assert {path.name for path in tmp_path.iterdir()} == {"ledger", "index"}


def test_contents_are_small_beside_their_segment(tmp_path: Path, archive: Path) -> None:
    """With ids of transactions, because those are found without the archive."""
    home = tmp_path / "n0"
    store = BlockStore.open(home, PlainForm(), segment_bytes_max=200_000, map_size=MAP_SIZE)
    ids = [(os.urandom(32), 0) for _ in range(100)]
    for height in range(1, 9):
        payload = b"".join(id + b"\0" for id, _ in ids)
        store.append_block(height, os.urandom(60_000))
        store.append_outcome(height, payload, [])
    store.sync()
    with take(store, home, archive) as taken:
        assert move(store, taken, 8)
    kept = (home / "archived" / "blocks-000000000001.contents").stat().st_size
    assert kept < store.archived.summaries[0].size // 10
    store.close()


def contents_with(*counts: int, code: int = 7) -> Contents:
    """Outcomes with so many transactions, each of them refused."""
    last = len(counts)
    summary = Summary(
        first=1,
        last=last,
        outcome_first=1,
        outcome_last=last,
        size=1,
        digest=bytes(32),
        marker=b"\x03\x03\x05\x05",
    )
    made = Contents(summary)
    for height, count in enumerate(counts, 1):
        ids = Ids(os.urandom(32 * count), bytes((code,)) * count if code else b"")
        made.rows[Kind.BLOCK].append(Row(height, 1, os.urandom(32), b"h" * 32))
        made.rows[Kind.OUTCOME].append(Row(height, 1, os.urandom(32), b"l" * 32, ids))
    return made


def test_T40_contents_of_a_segment_of_short_envelopes_are_read_back(tmp_path: Path) -> None:
    """The ids of a whole segment may be as many bytes as a segment has: more than one record of the
    file may."""
    archived = Archived(tmp_path)
    made = contents_with(*[128_000] * 17)
    archived.keep(made)
    path = tmp_path / "blocks-000000000001.contents"
    assert path.stat().st_size > RECORD_BYTES_MAX
    assert read_contents(path, 1) == made


@pytest.mark.parametrize("code", [0, 7])
def test_rows_of_any_size_are_kept_in_pieces_and_portions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(contents_file, "PORTION_BYTES", 1000)
    archived = Archived(tmp_path)
    counts = (0, 1, 29, 30, 31, 61, 300, 0, 2)
    made = contents_with(*counts, code=code)
    archived.keep(made)
    path = tmp_path / "blocks-000000000001.contents"
    frames = list(read_frames(path, Purpose.CONTENTS, 1))
    assert len(frames) > 10
    assert max(frame.size for frame in frames) < 1400
    assert read_contents(path, 1) == made
    kept = ContentsReader(path, 1)
    for height, count in enumerate(counts, 1):
        assert kept.row(Kind.BLOCK, height) == made.rows[Kind.BLOCK][height - 1]
        ids = kept.row(Kind.OUTCOME, height).ids
        at = [kept.id_at(Kind.OUTCOME, height, position) for position in range(count + 2)]
        assert at == [*ids.alone, b"", b""]
        assert (len(ids), len(ids.alone)) == (count, count)
        assert list(ids) == [(id, code) for id in ids.alone]


def test_T70_one_id_of_an_archived_block_costs_one_portion_of_its_contents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks for transactions of archived heights, here and there, had a file of megabytes
    parsed on the event loop each time."""
    archived, made = Archived(tmp_path), contents_with(20_000, 1, 20_000)
    archived.keep(made)
    reader = ContentsReader(tmp_path / "blocks-000000000001.contents", 1)
    read: list[int] = []

    def counted(path: Path, marker: bytes, offset: int, size: int) -> Frame:
        read.append(size)
        return read_frame(path, marker, offset, size)

    monkeypatch.setattr(contents_reader, "read_frame", counted)
    for position in (0, 9_999, 19_999, 20_000):
        expected = made.rows[Kind.OUTCOME][2].ids.alone[position : position + 1] or [b""]
        assert reader.id_at(Kind.OUTCOME, 3, position) == expected[0]
        assert len(read) == 1
        assert read.pop() <= contents_file.PORTION_BYTES + 64
    assert reader.row(Kind.BLOCK, 2) == made.rows[Kind.BLOCK][1]
    assert len(read) == 1


def test_T40_contents_that_are_not_read_back_as_written_let_nothing_go(
    home: Path, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = live(home)
    store = opened(home)

    def lies(path: Path, data: bytes, **_: object) -> None:
        path.write_bytes(data[:-5] + bytes((data[-5] ^ 1,)) + data[-4:])

    with take(store, home, archive) as taken:
        monkeypatch.setattr(archiveds, "write_atomic", lies)
        with pytest.raises(DiskFault, match="not read as written"):
            move(store, taken, BLOCKS)
        monkeypatch.undo()
        assert live(home) == before
        check(store, BLOCKS, BLOCKS)
        assert move(store, taken, BLOCKS), "it is tried again"
    store.close()


def test_the_manifest_names_every_segment_with_its_heights_and_hash(
    home: Path, archive: Path
) -> None:
    move_all(home, archive)
    manifest = Manifest.read(archive)
    assert (manifest.node, manifest.chain) == (NODE, CHAIN)
    height = 0
    for one in manifest.listed():
        assert one.first == height + 1
        assert folders.hash_of_file(archive / one.file) == (one.size, one.digest)
        height = one.last
    assert moving.__doc__


def test_a_copy_that_was_cut_short_leaves_nothing(
    home: Path, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that runs full in the middle."""
    store = opened(home)
    with take(store, home, archive) as taken:

        def full(_: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(ArchiveUnwritable, match="No space left"):
            move(store, taken, BLOCKS)
        monkeypatch.undo()
        assert {path.name for path in archive.iterdir()} == {"archive.json", "lock"}
        check(store, BLOCKS, BLOCKS)
    store.close()


def test_a_ledger_with_an_archive_may_end_earlier_where_it_is_at_hand(
    home: Path, archive: Path, tmp_path: Path
) -> None:
    """VAULT §7: what stands above the end of a lost epoch is cut."""
    move_all(home, archive, BLOCKS - 10)
    with pytest.raises(OperatorFault, match="copy the archive's"):
        shorten(home, tmp_path / "aside", block=5, outcome=5)
    shorten(home, tmp_path / "aside", block=BLOCKS - 1, outcome=BLOCKS - 2)
    store = opened(home)
    check(store, BLOCKS - 1, BLOCKS - 2)
    store.close()
