"""Fetches one peer's snapshot after the other, and gives the enclave what the ledger names
(PROTOCOL §6).

Carries out what snapshot_peer_search.py decides: whom to ask, how long, and when to give up. What
came is worth what the ledger says (snapshot_fetch.py, snapshots.py). Without a snapshot nothing is
lost: outcomes are applied from genesis on.
"""

import structlog

from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import PeerFault
from strongroom.consensus.host_messages import SnapshotChunk
from strongroom.consensus.messages import encode_message
from strongroom.consensus.recovery import Finality
from strongroom.consensus.types import Height, PublicKey
from strongroom.enclave.formats.history import HistoryTree
from strongroom.node.ledger.archive.faults import SegmentNotAtHand
from strongroom.node.ledger.store import BlockStore
from strongroom.node.network.links import Links
from strongroom.node.sync.snapshot_fetch import SnapshotFetch
from strongroom.node.sync.snapshot_peer_search import ChunkCame, SnapshotTried, SnapshotWhole
from strongroom.node.sync.snapshots import Snapshots

log = structlog.get_logger()


class SnapshotSeeker:
    """At most one snapshot on its way here."""

    def __init__(
        self, snapshots: Snapshots, store: BlockStore, links: Links, history: HistoryTree
    ) -> None:
        self._snapshots, self._store, self._links, self._history = snapshots, store, links, history
        self._fetch: tuple[PublicKey, SnapshotFetch] | None = None
        self._found: Height | None = None
        self._away = ""
        """What the archive did not give; it is told once."""

    def fetch(self, peer: PublicKey) -> None:
        """Begin with a peer's newest."""
        self._fetch, self._found = (peer, SnapshotFetch(self._snapshots, self._store, peer)), None
        self.ask()

    def ask(self) -> None:
        """Ask for the next chunk."""
        if self._fetch is not None and (request := self._fetch[1].request) is not None:
            self._links.send_to(self._fetch[0], encode_message(request))

    def receive(
        self, sender: PublicKey, message: SnapshotChunk
    ) -> ChunkCame | SnapshotWhole | None:
        """A peer's chunk; None: it was not asked for.

        Raises:
            PeerFault: it contradicts what the peer said before; what came is removed.
        """
        if self._fetch is None or sender != self._fetch[0]:
            return None
        fetch = self._fetch[1]
        before = fetch.request
        try:
            fetch.receive(sender, message)
        except PeerFault:
            self.drop("it contradicts itself, or is of no use")
            raise
        if fetch.request == before:
            return None
        self.ask()
        return SnapshotWhole() if fetch.request is None else ChunkCame()

    def drop(self, reason: str) -> None:
        """Remove what came."""
        if self._fetch is not None:
            log.info("snapshot.dropped", peer=self._fetch[0].hex()[:16], reason=reason)
            self._fetch[1].give_up()
        self._fetch = self._found = None

    async def use(self, certified: Header, certificate: Finality) -> SnapshotTried:
        """Give the enclave what is whole, once outcomes are recorded that name it. While what
        proves it is archived, and cannot be read, it waits: whoever fetched it again would stand
        there again.

        Args:
            certified: a recorded header whose anchor's outcome is recorded too.
            certificate: FINALIZE for it.
        """
        try:
            return await self._use(certified, certificate)
        except SegmentNotAtHand as fault:
            if str(fault) != self._away:
                log.error("snapshot.archive_away", reason=str(fault), then="it is tried again")
            self._away = str(fault)
            return SnapshotTried(Height(0), waits=True)

    async def _use(self, certified: Header, certificate: Finality) -> SnapshotTried:
        if self._fetch is not None and self._found is None:
            peer, fetch = self._fetch
            try:
                self._found = fetch.settle()
            except PeerFault as fault:
                log.warning("snapshot.forged", peer=peer.hex()[:16], reason=str(fault))
                self._fetch = None
                return SnapshotTried(Height(0), gone=True)
        if self._found is None or not self._snapshots.complete():
            return SnapshotTried(Height(0))
        due, _ = self._snapshots.folder.named(self._found)
        loaded = await self._snapshots.restore(self._history, certified, certificate)
        gone = self._found not in self._snapshots.folder.heights()
        return SnapshotTried(loaded, gone=gone, waits=not gone and due <= certified.anchor.height)
