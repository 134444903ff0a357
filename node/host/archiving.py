"""Which segments of the ledger go into the archive, when, and what happens when they cannot.

Owns the bound (`after_bytes`) and the height below which nothing is needed here: below the older of
the two newest snapshots that a quorum anchored, of a node that executes. From there a start goes on
with nothing but the node's folder, also when the newest snapshot is damaged. Owns the alarm as
well: an archive that refuses stops nothing; segments stay, and it is tried again. The steps of one
segment: node/ledger/moving.py.
"""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog

from strongroom.consensus.epochs import EpochChain
from strongroom.consensus.errors import OperatorFault
from strongroom.node.archive_settings import ArchiveSettings
from strongroom.node.execution.pipeline import Pipeline
from strongroom.node.ledger.archive.faults import ArchiveFault, SegmentNotAtHand
from strongroom.node.ledger.archive.folder import ArchiveFolder
from strongroom.node.ledger.archive.where import Where
from strongroom.node.ledger.frames import CorruptRecord
from strongroom.node.ledger.moving import archive_segment, remove_segment
from strongroom.node.ledger.reading import header_at
from strongroom.node.ledger.store import BlockStore
from strongroom.node.machine.aside import run_aside
from strongroom.node.machine.durable_files import DiskFault
from strongroom.node.network.pace import RANGE_BYTES_PER_SECOND
from strongroom.node.ordering.stored_past import epochs_opened
from strongroom.node.sync.snapshots import KEPT, SnapshotDamaged, Snapshots

LOOK_SECONDS = 1.0
"""Between two looks at whether a segment may go."""
RETRY_SECONDS = 10.0
"""After an archive refused."""
SILENT_SECONDS = 60.0
"""Work at the archive that takes longer is an alarm, until it ends."""
RECALLED_SECONDS = 60.0
"""What peers asked for stays here so long after one of them asked for something of it."""

_T = TypeVar("_T")

log = structlog.get_logger()


class Archiving:
    """One node's archive: what goes there, and what comes back for peers."""

    def __init__(
        self,
        settings: ArchiveSettings | None,
        *,
        home: Path,
        node: str,
        chain: str,
        store: BlockStore,
        epochs: EpochChain,
        snapshots: Snapshots,
        pipeline: Pipeline,
    ) -> None:
        """Make it; `run` works.

        Args:
            settings: where and when; None: nothing goes, what went is found all the same.
            home: the node's folder.
            node: its name.
            chain: hex.
            store: the ledger.
            epochs: every epoch that is known.
            snapshots: this node's.
            pipeline: says whether it executes.
        """
        self._settings, self._home, self._node, self._chain = settings, home, node, chain
        self._store, self._archived = store, store.archived
        self._epochs, self._snapshots, self._pipeline = epochs, snapshots, pipeline
        self._folder: ArchiveFolder | None = None
        self._wanted: int | None = None
        self._wake = asyncio.Event()
        self._again_at = 0.0
        self.alarm = ""
        """Why nothing can be archived; empty: nothing is wrong."""
        self._archived.on_wanted = self._want

    async def run(self) -> None:
        """Work until cancelled.

        Raises:
            CorruptRecord: a segment here is damaged: the node halts, as for any reader.
        """
        try:
            while True:
                await self._recall()
                if not await self._archive():
                    await self._pause()
        finally:
            if self._folder is not None:
                self._folder.close()

    # --- out ---

    async def _archive(self) -> bool:
        """Move one segment, if one may go; whether it went."""
        if self._settings is None or _now() < self._again_at:
            return False
        try:
            return await self._move(self._settings)
        except CorruptRecord:
            raise
        except (ArchiveFault, DiskFault) as fault:
            self._again_at = _now() + RETRY_SECONDS
            self._raise_alarm(str(fault))
            self._close()
            return False

    async def _move(self, settings: ArchiveSettings) -> bool:
        folder = await self._open(settings)
        kept = await asyncio.to_thread(self._store.bytes_here)
        due = kept > settings.after_bytes
        found = self._store.closed_below(await self.stable_height()) if due else None
        if found is None:
            self._over()
            return False
        first, last, path = found
        opened = epochs_opened(self._epochs, first, last)
        move = partial(archive_segment, self._store, folder, path, first, opened)
        summary = await self._waiting(settings.directory, move)
        self._store.let_go(summary)
        await asyncio.to_thread(remove_segment, path)
        self._over()  # not before: an archive that is full can be opened
        log.info(
            "archive.segment",
            file=path.name,
            first=first,
            last=last,
            bytes=summary.size,
            kept_bytes=kept - summary.size,
        )
        return True

    async def stable_height(self) -> int:
        """Everything below this height is needed by nothing here; 0: nothing is known to be so."""
        if self._pipeline.behind.is_set() or not self._store.newest_block:
            return 0
        try:
            complete = await asyncio.to_thread(self._snapshots.complete)
            if len(complete) < KEPT:
                return 0
            oldest = complete[KEPT - 1]
            due, _ = self._snapshots.folder.named(oldest)
        except SnapshotDamaged:  # it has just been replaced by a newer one
            return 0
        anchored = header_at(self._store, self._store.newest_block).anchor.height
        return int(oldest) if due <= anchored and oldest <= self._pipeline.reached else 0

    async def _open(self, settings: ArchiveSettings) -> ArchiveFolder:
        """The archive, held as long as nothing fails there."""
        if self._folder is None:
            known = self._archived.where
            self._folder = await self._waiting(
                settings.directory,
                partial(
                    ArchiveFolder.open,
                    settings.directory,
                    id="" if known is None else known.id,
                    chain=self._chain,
                    node=self._node,
                    home=self._home,
                ),
            )
            where = Where(self._folder.manifest.id, settings.directory)
            await asyncio.to_thread(self._archived.keep_where, where)
        return self._folder

    async def _waiting(self, directory: Path, work: Callable[[], _T]) -> _T:
        """What work at the archive gives, however long that takes: a mount that hangs is an alarm,
        and nothing else is tried there meanwhile."""
        task = asyncio.ensure_future(run_aside(work))
        try:
            while not (await asyncio.wait({task}, timeout=SILENT_SECONDS))[0]:
                self._raise_alarm(
                    f"archive {directory} has not answered for {SILENT_SECONDS:g} s: look at its "
                    "mount. All segments stay in this node's folder"
                )
            return task.result()
        finally:
            task.cancel()

    def _raise_alarm(self, text: str) -> None:
        if text != self.alarm:
            log.error("archive.failed", text=text, then="all segments stay here")
        self.alarm = text

    def _over(self) -> None:
        if self.alarm:
            log.info("archive.works", what="the archive takes segments again")
        self.alarm = ""

    def _close(self) -> None:
        if self._folder is not None:
            self._folder.close()
            self._folder = None

    # --- back, for peers that catch up ---

    def _want(self, first: int) -> None:
        self._wanted = first
        self._wake.set()

    async def _recall(self) -> None:
        """Have one segment here that a peer asked for; peers ask again until then."""
        first, self._wanted = self._wanted, None
        self._wake.clear()
        if first is None or first in self._archived.recalled.firsts:
            unread = time.monotonic() - self._archived.recalled.asked_at
            if self._archived.recalled.firsts and unread > RECALLED_SECONDS:
                self._archived.recalled.forget()
            return
        where, alarm = self._archived.where, self.alarm
        directory = Path("(unknown)") if where is None else where.directory
        try:
            made = await self._waiting(directory, partial(self._archived.recall, first))
        except (SegmentNotAtHand, OperatorFault) as fault:
            log.warning("archive.not_served", text=str(fault))
            await asyncio.sleep(LOOK_SECONDS)
            return
        finally:
            if self.alarm != alarm:  # it hung; whatever else is wrong is wrong as before
                self._over()
                self.alarm = alarm
        self._archived.recalled.add(first, made)
        size = next(one.size for one in self._archived.summaries if one.first == first)
        await asyncio.sleep(size / RANGE_BYTES_PER_SECOND)

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            return


def _now() -> float:
    return asyncio.get_running_loop().time()
