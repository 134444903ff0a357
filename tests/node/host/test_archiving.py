"""Which segments may go, and that an archive which refuses stops nothing (T40)."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.enclave.succession import Succession, after_epochs
from tests.hang import HANG_SECONDS
from tests.waiting import so

from strongroom.consensus.types import Height
from strongroom.node.archive_settings import ArchiveSettings
from strongroom.node.host import archiving
from strongroom.node.host.archiving import Archiving
from strongroom.node.ledger.archive.archived import Archived
from strongroom.node.ledger.archive.faults import ArchiveUnwritable
from strongroom.node.ledger.archive.folder import ArchiveFolder
from strongroom.node.ledger.moving import archive_segment, remove_segment
from strongroom.node.ledger.reading import open_store
from strongroom.node.ledger.store import BlockStore
from strongroom.node.ordering.stored_past import StoredPast, epochs_opened, stored_epochs
from strongroom.node.sync.snapshots import SnapshotDamaged

CHAIN = after_epochs(3)
SEGMENT_BYTES = 1500


def written(directory: Path, chain: Succession = CHAIN) -> BlockStore:
    store = open_store(directory, SEGMENT_BYTES)
    for block, outcome in zip(chain.blocks, chain.outcomes, strict=True):
        if block.header.height > store.newest_block:
            store.append_block(block.header.height, block.encode())
            leaf = outcome.history_leaf.hash
            store.append_outcome(outcome.height, outcome.encode(), outcome.ids_and_codes(), leaf)
            store.sync()
    return store


class Snaps:
    """Snapshots of some heights, each named by the outcome one above it."""

    def __init__(self, *heights: int) -> None:
        self.heights, self.damaged = list(heights), False
        self.folder = SimpleNamespace(named=self._named)

    def complete(self) -> list[int]:
        return sorted(self.heights, reverse=True)

    def _named(self, height: int) -> tuple[int, int]:
        if self.damaged:
            raise SnapshotDamaged("gone")
        return height + 1, 1


@asynccontextmanager
async def at_work(one: Archiving) -> AsyncIterator[None]:
    """It runs meanwhile; what it raised is raised at the end."""
    task = asyncio.ensure_future(one.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


class World:
    """One node's archiving, without the node."""

    def __init__(self, folder: Path) -> None:
        self.home, self.directory = folder / "n0", folder / "archive"
        self.store = written(self.home)
        self.tip = int(CHAIN.tip.height)
        self.anchored = int(CHAIN.tip.anchor.height)
        self.snapshots = Snaps(self.anchored - 2, self.anchored - 1)
        self.pipeline = SimpleNamespace(behind=asyncio.Event(), reached=Height(self.tip))
        self.epochs = stored_epochs(self.store, CHAIN.genesis)
        self.settings = ArchiveSettings(self.directory, 1)
        self.archiving = self.made()

    def made(self) -> Archiving:
        loose: Any = self.snapshots
        pipeline: Any = self.pipeline
        return Archiving(
            self.settings,
            home=self.home,
            node="n0",
            chain=CHAIN.genesis.chain.hex(),
            store=self.store,
            epochs=self.epochs,
            snapshots=loose,
            pipeline=pipeline,
        )

    @property
    def archived(self) -> int:
        return len(self.store.archived.summaries)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    for name in ("LOOK_SECONDS", "RETRY_SECONDS"):
        monkeypatch.setattr(archiving, name, 0.01)
    made = World(tmp_path)
    yield made
    made.store.close()


async def test_nothing_goes_that_the_older_of_two_anchored_snapshots_needs(world: World) -> None:
    made, (older, newer) = world.archiving, world.snapshots.heights
    assert await made.stable_height() == older
    world.snapshots.heights = [newer]
    assert await made.stable_height() == 0, "one alone may be damaged"
    world.snapshots.heights = [newer, older]
    world.pipeline.behind.set()
    assert await made.stable_height() == 0, "who follows needs what was recorded"
    world.pipeline.behind.clear()
    world.pipeline.reached = Height(older - 1)
    assert await made.stable_height() == 0, "not executed here"
    world.pipeline.reached = Height(world.tip)
    world.snapshots.heights = [world.anchored, world.anchored + 1]
    assert await made.stable_height() == 0, "no quorum has anchored what names it"
    world.snapshots.heights = [newer, older]
    world.snapshots.damaged = True
    assert await made.stable_height() == 0


async def test_everything_below_goes_and_epochs_are_known_without_it(world: World) -> None:
    world.directory.mkdir()
    async with at_work(world.archiving):
        below = world.snapshots.heights[0]
        await so(lambda: world.store.closed_below(below) is None, "all below went")
    assert world.archived > 2
    base = world.store.archived.base
    assert base.block < below
    opened = CHAIN.tip.epoch
    assert opened == 3
    assert list(world.store.archived.epochs()), "some epochs end in what went"
    for path in world.directory.glob("blocks-*"):
        path.unlink()
    world.store.close()
    world.store = written(world.home)
    known = stored_epochs(world.store, CHAIN.genesis)
    assert known.newest.digest == world.epochs.newest.digest
    assert StoredPast(world.store, CHAIN.history).archived == base.block


def test_an_epoch_that_began_in_the_archive_and_goes_on_is_known_without_it(
    tmp_path: Path,
) -> None:
    """Where an epoch ends is found by halving, among blocks that are here."""
    chain = Succession()
    for number in range(40):
        chain.commit(b"%d" % number)
    store, directory = written(tmp_path / "n0", chain), tmp_path / "archive"
    directory.mkdir()
    known = chain.genesis.chain.hex()
    with ArchiveFolder.open(directory, id="", chain=known, node="n0", home=tmp_path / "n0") as it:
        while found := store.closed_below(30):
            store.let_go(archive_segment(store, it, found[2], found[0], ()))
            remove_segment(found[2])
    assert store.archived.base.block > 20, "more than half"
    assert stored_epochs(store, chain.genesis).newest.epoch == 0
    store.close()


def test_epochs_are_told_by_the_blocks_that_opened_them(world: World) -> None:
    whole = epochs_opened(world.epochs, 1, world.tip)
    assert len(whole) == 3
    for cut in range(1, world.tip):
        below = epochs_opened(world.epochs, 1, cut)
        assert below + epochs_opened(world.epochs, cut + 1, world.tip) == whole


async def test_an_archive_that_is_not_there_is_an_alarm_and_used_once_it_is(world: World) -> None:
    async with at_work(world.archiving):
        await so(lambda: "no such folder" in world.archiving.alarm, "an alarm")
        assert world.archived == 0
        world.directory.mkdir()
        await so(lambda: world.archived > 0, "it is used")
        assert world.archiving.alarm == ""


async def test_an_archive_that_hangs_is_an_alarm_until_it_answers(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hard mount whose server is gone: no error ever comes."""
    monkeypatch.setattr(archiving, "SILENT_SECONDS", 0.01)
    world.directory.mkdir()
    answers, put = threading.Event(), ArchiveFolder.put

    def hangs(self: ArchiveFolder, source: Path) -> tuple[int, bytes]:
        answers.wait(HANG_SECONDS)
        return put(self, source)

    monkeypatch.setattr(ArchiveFolder, "put", hangs)
    async with at_work(world.archiving):
        await so(lambda: "has not answered" in world.archiving.alarm, "an alarm")
        assert world.archived == 0
        assert world.store.block(1) == CHAIN.blocks[0].encode()
        answers.set()
        await so(lambda: world.archived > 1 and not world.archiving.alarm, "it is used")


async def test_nothing_goes_while_the_folder_holds_no_more_than_it_may(world: World) -> None:
    world.directory.mkdir()
    world.settings = ArchiveSettings(world.directory, 10**9)
    made = world.made()
    assert not await made._archive()
    assert world.archived == 0


async def test_what_a_peer_wants_is_recalled_while_others_work(world: World) -> None:
    world.directory.mkdir()
    async with at_work(world.archiving):
        await so(lambda: world.archived > 1, "two went")
        past = StoredPast(world.store, CHAIN.history)
        assert not past.is_at_hand(1)
        await so(lambda: past.is_at_hand(1), "it is here")
        assert past.head_at(1)[0].height == 1


async def test_a_recall_that_hangs_is_an_alarm_and_one_that_is_read_stays(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archiving, "SILENT_SECONDS", 0.01)
    world.directory.mkdir()
    answers, recall = threading.Event(), Archived.recall

    def hangs(self: Archived, first: int) -> Path:
        answers.wait(HANG_SECONDS)
        return recall(self, first)

    monkeypatch.setattr(Archived, "recall", hangs)
    async with at_work(world.archiving):
        await so(lambda: world.archived > 1, "two went")
        past, archived = StoredPast(world.store, CHAIN.history), world.store.archived
        assert not past.is_at_hand(1)
        await so(lambda: "has not answered" in world.archiving.alarm, "an alarm")
        answers.set()
        await so(lambda: not world.archiving.alarm and past.is_at_hand(1), "it is here")
        read_at = archived.recalled.asked_at
        await so(
            lambda: past.is_at_hand(1) and archived.recalled.asked_at > read_at, "reading counts"
        )
        monkeypatch.setattr(archiving, "RECALLED_SECONDS", 0.0)
        await so(lambda: not archived.recalled.firsts, "nobody reads it any more")


async def test_an_archive_that_is_full_stays_an_alarm_until_a_segment_went(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It can be opened all the while."""
    world.directory.mkdir()
    seen: list[str] = []

    def full(_: ArchiveFolder, __: Path) -> tuple[int, bytes]:
        seen.append(world.archiving.alarm)
        raise ArchiveUnwritable(world.directory, "No space left on device")

    monkeypatch.setattr(ArchiveFolder, "put", full)
    async with at_work(world.archiving):
        await so(lambda: len(seen) > 3, "it is tried again")
        assert all("No space left" in alarm for alarm in seen[1:])
        monkeypatch.undo()
        monkeypatch.setattr(archiving, "RETRY_SECONDS", 0.01)
        await so(lambda: world.archived > 0 and not world.archiving.alarm, "it is used")
