"""Snapshots of the enclave's state on this node's disk: taken from the enclave, kept, checked,
given back at a start.

Owns `snapshots/` (DESIGN §8): a folder per height, a file per sealed chunk, and `named`, which says
how many there are and whose outcome names their root. All of it is public or sealed. A damaged one
is reported, removed and never used: an older one takes its place, or the outcomes from genesis on
(T40). Chunks of peers: snapshot_fetch.py.
"""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import structlog

from strongroom.consensus import codec
from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.recovery import Finality
from strongroom.consensus.types import Digest, Height
from strongroom.enclave.formats.history import HistoryLeaf, HistoryTree
from strongroom.enclave.formats.snapshot import CHUNKS_MAX, chunk_hash, snapshot_root
from strongroom.node.enclave_client.refusals import LoadRefused, Refusal
from strongroom.node.enclave_client.replies import MadeChunks
from strongroom.node.ledger.archive.faults import SegmentNotAtHand
from strongroom.node.ledger.decoding import head_of, outcome_of
from strongroom.node.ledger.segments import Kind
from strongroom.node.ledger.store import BlockStore
from strongroom.node.machine.durable_files import disk_faults, make_directory, write_atomic

KEPT = 2
"""Complete snapshots that are kept; the one that is being made comes on top."""
_NAMED = "named"

log = structlog.get_logger()


class SnapshotDoor(Protocol):
    """What is asked of the enclave: EnclaveClient has it."""

    async def snapshot(self, height: Height, first: int) -> MadeChunks | None:
        """Chunks made since; those of `height` below `first` are stored. None when there are
        none."""

    async def load(
        self,
        header: Header,
        leaf: HistoryLeaf,
        path: tuple[Digest, ...],
        certified: Header,
        certificate: Finality,
        count: int,
    ) -> None:
        """Begin to take a snapshot in."""

    async def load_chunk(self, index: int, chunk: bytes) -> None:
        """Its next chunk."""

    async def end_load(self) -> None:
        """Go on from it."""


class SnapshotDamaged(Exception):
    """What lies in the folder is not the snapshot that the ledger names; the text says what is
    wrong."""


class SnapshotFolder:
    """The files. Nothing that it says is believed: `hashes` and the ledger decide."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def store(self, height: Height, index: int, chunk: bytes) -> None:
        """Write one chunk durably, whole or not at all.

        Raises:
            DiskFault: the disk refused.
        """
        folder = self._directory / str(height)
        with disk_faults(folder):
            make_directory(folder)
            write_atomic(folder / str(index), chunk)

    def name(self, height: Height, due: Height, count: int) -> None:
        """Write down how many chunks there are and whose outcome names their root.

        Raises:
            DiskFault: the disk refused.
        """
        folder = self._directory / str(height)
        with disk_faults(folder):
            make_directory(folder)
            write_atomic(folder / _NAMED, codec.encode((due, count)))

    def heights(self) -> list[Height]:
        """Of everything that is here, complete or not, newest first."""
        if not self._directory.is_dir():
            return []
        return sorted(
            (
                Height(int(one.name))
                for one in self._directory.iterdir()
                if one.name.isascii() and one.name.isdigit()
            ),
            reverse=True,
        )

    def named(self, height: Height) -> tuple[Height, int]:
        """(due, count) of a snapshot.

        Raises:
            SnapshotDamaged: it cannot be read.
        """
        try:
            due, count = codec.fields(
                codec.decode((self._directory / str(height) / _NAMED).read_bytes()),
                int,
                int,
                name=_NAMED,
            )
            due = Height(codec.unsigned(due, name="due"))
            return due, codec.unsigned(count, name="count", value_max=CHUNKS_MAX)
        except (OSError, NotCanonical) as error:
            raise SnapshotDamaged(f"{_NAMED}: {error}") from None

    def chunk(self, height: Height, index: int) -> bytes:
        """One sealed chunk.

        Raises:
            SnapshotDamaged: it is not here.
        """
        try:
            return (self._directory / str(height) / str(index)).read_bytes()
        except OSError as error:
            raise SnapshotDamaged(f"chunk {index}: {error.strerror}") from None

    def chunks(self, height: Height, count: int) -> Iterator[bytes]:
        """All of them, one at a time in memory."""
        return (self.chunk(height, index) for index in range(count))

    def is_whole(self, height: Height) -> bool:
        """Are all files here? What they hold is another question."""
        try:
            _, count = self.named(height)
        except SnapshotDamaged:
            return False
        return all((self._directory / str(height) / str(index)).is_file() for index in range(count))

    def remove(self, height: Height) -> None:
        """Remove a snapshot."""
        folder = self._directory / str(height)
        with disk_faults(folder):
            shutil.rmtree(folder, ignore_errors=True)


class Snapshots:
    """The node's snapshots, between enclave, disk and ledger."""

    def __init__(self, folder: SnapshotFolder, store: BlockStore, enclave: SnapshotDoor) -> None:
        self.folder, self._store, self._enclave = folder, store, enclave
        self._stored = (Height(0), 0)
        """(height, chunks of it that are durable) of the one that was written last."""
        self._awaited = Height(0)
        """Once the outcome of this height is recorded, that one is complete, and older ones may go;
        0: nothing new."""

    async def collect(self) -> None:
        """Store what the enclave has sealed since; to be called after blocks, and cheap when there
        is nothing.

        Raises:
            DiskFault: the disk refused.
        """
        while made := await self._enclave.snapshot(*self._stored):
            await asyncio.to_thread(self._write, made)
            self._stored = (made.height, made.first + len(made.chunks))
            if self._stored[1] == made.count:
                self._awaited = made.due
                log.info("snapshot.stored", height=made.height, chunks=made.count)
        if 0 < self._awaited <= self._store.newest_outcome:
            self._awaited = Height(0)
            await asyncio.to_thread(self._drop_old)

    def complete(self) -> list[Height]:
        """Heights of those that are whole and whose root the recorded outcomes name, newest
        first."""
        return [height for height in self.folder.heights() if self._is_complete(height)]

    async def restore(
        self, history: HistoryTree, certified: Header, certificate: Finality
    ) -> Height:
        """Give the enclave the newest usable snapshot; the height from which it goes on, 0 when
        there is none.

        Args:
            history: over all recorded outcomes.
            certified: a recorded header whose anchor's outcome is recorded too.
            certificate: FINALIZE for it.

        Raises:
            SegmentNotAtHand: what proves one of them is archived, and cannot be read now, and no
                other one could be given: all are kept.
        """
        away: SegmentNotAtHand | None = None
        for height in self.folder.heights():
            try:
                if await self._give(height, history, certified, certificate):
                    log.info("snapshot.loaded", height=height)
                    return height
            except SegmentNotAtHand as fault:
                away = away or fault
            except (SnapshotDamaged, Refusal) as error:
                if isinstance(error, Refusal) and not isinstance(error, LoadRefused):
                    log.info(
                        "snapshot.not_yet", height=height, reason=str(error)
                    )  # a key is missing, or an epoch
                    continue
                log.error(
                    "snapshot.unusable",
                    height=height,
                    reason=str(error),
                    then="an older one is tried",
                )
                self.folder.remove(height)
        if away is not None:
            raise away
        return Height(0)

    def check(self, height: Height) -> tuple[HistoryLeaf, int]:
        """Check a snapshot's bytes against the ledger: (the leaf that names its root, count).

        Raises:
            SnapshotDamaged: they are not what the recorded outcomes name.
        """
        due, count = self.folder.named(height)
        outcome = self._store.decoded(Kind.OUTCOME, due, outcome_of(due))
        if outcome is None:
            raise SnapshotDamaged(f"the outcome of height {due}, which names it, is not recorded")
        leaf = outcome.history_leaf
        hashes = [chunk_hash(chunk) for chunk in self.folder.chunks(height, count)]
        if snapshot_root(hashes) != leaf.snapshot_root:
            raise SnapshotDamaged(
                f"its {count} chunks are not those that the outcome of height {due} names"
            )
        return leaf, count

    async def _give(
        self, height: Height, history: HistoryTree, certified: Header, certificate: Finality
    ) -> bool:
        if self.folder.named(height)[0] > certified.anchor.height:
            return False  # not finished, or not anchored yet: nothing is wrong with it
        head = self._store.decoded(Kind.BLOCK, height, head_of(height))
        if head is None:
            raise SnapshotDamaged("its block is not recorded")
        leaf, count = await asyncio.to_thread(self.check, height)
        path = history.path(leaf.height, certified.anchor.height + 1)
        await self._enclave.load(head[0], leaf, path, certified, certificate, count)
        for index in range(count):
            await self._enclave.load_chunk(index, self.folder.chunk(height, index))
        await self._enclave.end_load()
        return True

    def _write(self, made: MadeChunks) -> None:
        if made.first == 0:
            self.folder.name(made.height, made.due, made.count)
        for index, chunk in enumerate(made.chunks, made.first):
            self.folder.store(made.height, index, chunk)

    def _is_complete(self, height: Height) -> bool:
        return (
            self.folder.is_whole(height)
            and self.folder.named(height)[0] <= self._store.newest_outcome
        )

    def _drop_old(self) -> None:
        """Keep the newest complete ones, and what is younger than they."""
        complete = self.complete()
        if len(complete) >= KEPT:
            for height in self.folder.heights():
                if height < complete[KEPT - 1]:
                    self.folder.remove(height)
