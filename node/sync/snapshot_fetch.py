"""Snapshots between nodes: chunks for peers, and a peer's snapshot for a node that has none
(PROTOCOL §3, §6; T34).

Owns SNAP_REQ and SNAP. A request for height 0 asks for the newest. All chunks of one snapshot come
from one peer, so that it is known who lied; blocks and outcomes come by RANGE and OUTCOMES as ever,
and what they name decides. Gives nothing to the enclave: snapshots.py does, in the same way as at a
restart.
"""

from collections.abc import Hashable

import structlog

from strongroom.consensus.errors import PeerFault
from strongroom.consensus.host_messages import SnapshotChunk, SnapshotRequest
from strongroom.consensus.types import NO_DIGEST, Digest, Height
from strongroom.enclave.formats.snapshot import chunk_hash, snapshot_root
from strongroom.node.ledger.reading import decoded_outcome_at, header_at
from strongroom.node.ledger.store import BlockStore
from strongroom.node.network.pace import RANGE_BYTES_PER_SECOND, Pace
from strongroom.node.sync.snapshots import SnapshotDamaged, Snapshots

NEWEST = Height(0)
FETCH_CHUNKS_MAX = 8 * 1024
"""Of a peer's snapshot: some 7 GiB; more than an enclave could hold is not stored because somebody
says so (T34)."""

log = structlog.get_logger()


class SnapshotServer:
    """Answers peers from what is complete here."""

    def __init__(self, snapshots: Snapshots, store: BlockStore) -> None:
        self._snapshots, self._store = snapshots, store
        self._pace = Pace()

    def answer(self, peer: Hashable, request: SnapshotRequest, now: float) -> SnapshotChunk | None:
        """The chunk that a peer asked for; None when there is none, or when it asks too fast.

        Args:
            peer: whoever asks.
            request: what for.
            now: seconds on any steady clock.
        """
        if not self._pace.allows(peer, now):
            return None
        height = request.height
        if height == NEWEST:
            height = self._newest()
        try:
            due, count = self._snapshots.folder.named(height)
            if due > self._store.newest_outcome or request.chunk >= count:
                return None
            data = self._snapshots.folder.chunk(height, request.chunk)
        except (
            SnapshotDamaged
        ):  # or never here: the peer asks another one; a restart looks at it and says so
            return None
        self._pace.wait(peer, now + len(data) / RANGE_BYTES_PER_SECOND)
        return SnapshotChunk(height, request.chunk, count, data)

    def _newest(self) -> Height:
        """The newest one that whoever has the blocks of this node can prove: on a quiet chain no
        further one may come.

        The outcome of the newest blocks is here, and no header anchors it yet.
        """
        newest = self._store.newest_block
        anchored = header_at(self._store, newest).anchor.height if newest else Height(0)
        provable = (
            at
            for at in self._snapshots.complete()
            if self._snapshots.folder.named(at)[0] <= anchored
        )
        return next(provable, NEWEST)


class SnapshotFetch:
    """One peer's newest snapshot on its way here; one at a time. Whoever drives it asks again when
    nothing comes."""

    def __init__(self, snapshots: Snapshots, store: BlockStore, peer: Hashable) -> None:
        self._snapshots, self._store, self.peer = snapshots, store, peer
        self._height = NEWEST
        self._count = 0
        self._hashes: list[Digest] = []
        self._searched = Height(0)
        """Outcomes up to this height do not name it."""

    @property
    def request(self) -> SnapshotRequest | None:
        """What to ask the peer next; None when all chunks are here."""
        if self._count and len(self._hashes) == self._count:
            return None
        return SnapshotRequest(self._height, len(self._hashes))

    def receive(self, peer: Hashable, message: SnapshotChunk) -> None:
        """Take a chunk; one that was not asked for changes nothing.

        Raises:
            PeerFault: it contradicts what the peer said before; ask another peer.
            DiskFault: the disk refused.
        """
        wanted = self.request
        if peer != self.peer or wanted is None or message.chunk != wanted.chunk:
            return
        if self._height == NEWEST:
            # What names a snapshot from before what is archived may be archived: no peer says
            # what this node reads there, and an older snapshot than its own is of no use.
            if (
                message.height == NEWEST
                or message.height <= self._store.archived.base.outcome
                or message.count > FETCH_CHUNKS_MAX
                or message.height in self._snapshots.complete()
            ):
                raise PeerFault(
                    f"snapshot of height {message.height} in {message.count} chunks: of no use"
                )
            self._height, self._count, self._searched = (
                message.height,
                message.count,
                message.height,
            )
        if (message.height, message.count) != (self._height, self._count):
            raise PeerFault(
                f"snapshot of height {self._height}: another height or count in the middle"
            )
        self._snapshots.folder.store(self._height, message.chunk, message.data)
        self._hashes.append(chunk_hash(message.data))

    def settle(self) -> Height | None:
        """Look among the outcomes recorded since for the one that names this snapshot; its own
        height once found.

        From then on the snapshot is like one that this node made. To be called while outcomes are
        recorded.

        Raises:
            PeerFault: an outcome names another root for it; the peer lied, and what it sent is
                removed.
            SegmentNotAtHand: that outcome is archived, and cannot be read now.
        """
        if self.request is not None:
            return None
        root = snapshot_root(self._hashes)
        for number in range(self._searched + 1, self._store.newest_outcome + 1):
            named = decoded_outcome_at(self._store, number).snapshot_root
            self._searched = Height(number)
            if named == root:
                self._snapshots.folder.name(self._height, self._searched, self._count)
                return self._height
            if named != NO_DIGEST:
                self.give_up()
                raise PeerFault(
                    f"snapshot of height {self._height}: height {number} names another one"
                )
        return None

    def give_up(self) -> None:
        """Remove what came."""
        if self._height != NEWEST:
            self._snapshots.folder.remove(self._height)
