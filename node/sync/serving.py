"""Outcomes that other nodes may have of this one's past (PROTOCOL §6; T31, T34); blocks are served
by node/ordering.

Owns how much a peer gets at once and how fast. All of it is public to nodes, also to whoever has
fallen out of the validator set.
"""

import asyncio

import structlog

from strongroom.consensus.host_messages import OUTCOMES_MAX, Outcomes
from strongroom.consensus.messages import encode_message
from strongroom.consensus.types import Height, PublicKey
from strongroom.node.ledger.archive.faults import SegmentNotAtHand
from strongroom.node.ledger.segments import Kind
from strongroom.node.ledger.store import BlockStore
from strongroom.node.network.links import Links
from strongroom.node.network.pace import RANGE_BYTES_MAX, RANGE_BYTES_PER_SECOND, Pace

log = structlog.get_logger()


class Serving:
    """Answers from what is stored here."""

    def __init__(self, *, store: BlockStore, links: Links) -> None:
        self._store, self._links, self._outcomes = store, links, Pace()

    def send_outcomes(self, to: PublicKey, start: Height) -> None:
        """Recorded outcomes from `start` on, within bounds; the asker proves them by an anchor."""
        now = asyncio.get_running_loop().time()
        if not self._outcomes.allows(to, now):
            return
        outcomes: list[bytes] = []
        size = 0
        for height in range(max(1, start), self._store.newest_outcome + 1):
            if not self._store.archived.is_at_hand(Kind.OUTCOME, height):
                break  # it is fetched from the archive: whoever asks asks again
            try:
                data = self._store.outcome(height)
            except SegmentNotAtHand as fault:  # it was recalled, and made room for another
                log.warning("archive.not_served", text=str(fault))
                break
            if (
                data is None
                or len(outcomes) >= OUTCOMES_MAX
                or (outcomes and size + len(data) > RANGE_BYTES_MAX)
            ):
                break
            outcomes.append(data)
            size += len(data)
        self._outcomes.wait(to, now + size / RANGE_BYTES_PER_SECOND)
        if outcomes:
            self._links.send_to(
                to, encode_message(Outcomes(Height(max(1, start)), tuple(outcomes)))
            )
