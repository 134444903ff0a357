"""A node whose enclave has applied nothing yet looks for a peer's snapshot before it applies everything (PROTOCOL §6).

Owns whom to ask, how long, and when to give it up; what came is worth what the ledger says (snapshot_fetch.py,
snapshots.py). Without a snapshot nothing is lost: outcomes are applied from genesis on.
"""

import asyncio

import structlog

from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import PeerFault
from strongroom.consensus.host_messages import SnapshotChunk
from strongroom.consensus.messages import encode_message
from strongroom.consensus.statements import Certificate
from strongroom.consensus.types import Height, PublicKey
from strongroom.enclave.history import HistoryTree
from strongroom.node.ledger.store import BlockStore
from strongroom.node.links import Links
from strongroom.node.snapshot_fetch import SnapshotFetch
from strongroom.node.snapshots import Snapshots

ANSWER_SECONDS = 3.0
"""So long a peer has for each chunk; then the next one is asked."""
WORTH_BLOCKS = 64
"""A ledger with fewer blocks is applied faster than anybody is asked."""

log = structlog.get_logger()


class SnapshotSeeker:
    """At most one snapshot is sought in a process' life: once something was applied there is no use for one."""

    def __init__(self, snapshots: Snapshots, store: BlockStore, links: Links, history: HistoryTree) -> None:
        self._snapshots, self._store, self._links, self._history = snapshots, store, links, history
        self._fetch: SnapshotFetch | None = None
        self._asked: set[PublicKey] = set()
        self._answered_at = 0.0
        self._found: Height | None = None
        self._over = False

    @property
    def is_on(self) -> bool:
        """Is a snapshot still hoped for?"""
        return not self._over and self._store.newest_block >= WORTH_BLOCKS

    def ask(self) -> None:
        """Ask for the next chunk; to be called now and then."""
        if self._found is not None or not self.is_on:
            return
        if self._fetch is None or (self._fetch.request is not None and _now() - self._answered_at > ANSWER_SECONDS):
            self._turn_to_next()
        self._send()

    def take(self, sender: PublicKey, message: SnapshotChunk) -> None:
        """A peer's chunk.

        Raises:
            PeerFault: it contradicts what the peer said before; the next one is asked.
        """
        if self._fetch is None or self._over:
            return
        try:
            self._fetch.receive(sender, message)
        except PeerFault:
            self._turn_to_next()
            raise
        self._answered_at = _now()
        self._send()

    async def use(self, certified: Header, certificate: Certificate) -> Height:
        """Give the enclave what was found, once outcomes are recorded that name it; its height, 0 while there is none.

        Args:
            certified: a recorded header whose anchor's outcome is recorded too.
            certificate: FINALIZE for it.
        """
        if self._found is None and self._fetch is not None:
            try:
                self._found = self._fetch.settle()
            except PeerFault as fault:
                log.warning("snapshot.forged", peer=str(self._fetch.peer), reason=str(fault))
                self._turn_to_next()
        if self._found is None or not self._snapshots.complete():
            return Height(0)
        loaded = await self._snapshots.restore(self._history, certified, certificate)
        self._over = loaded > 0 or not self._snapshots.folder.heights()
        return loaded

    def _turn_to_next(self) -> None:
        if self._fetch is not None:
            self._fetch.give_up()
        self._fetch, self._answered_at = None, _now()
        left = sorted(set(self._links.links) - self._asked)
        if left:
            self._asked.add(left[0])
            self._fetch = SnapshotFetch(self._snapshots, self._store, left[0])
        elif self._asked:
            self._over = True
            log.info("snapshot.none", asked=len(self._asked))

    def _send(self) -> None:
        request = None if self._fetch is None else self._fetch.request
        if self._fetch is not None and request is not None:
            self._links.send_to(PublicKey(self._fetch.peer), encode_message(request))  # type: ignore[arg-type]


def _now() -> float:
    return asyncio.get_running_loop().time()
