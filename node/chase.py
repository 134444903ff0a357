"""Fetching what is left of an epoch that is over elsewhere (R0, R16): nobody speaks of it by himself any more.

Owns whom to ask for the next range, one linked node after the other, and when it is enough. What comes is checked, and
becomes final, like any range.
"""

import asyncio
from collections.abc import Callable

from strongroom.consensus.messages import RangeRequest, encode_message
from strongroom.consensus.replica import Replica
from strongroom.consensus.types import Height
from strongroom.node.links import Links

ANSWER_SECONDS = 0.5
"""So long one node has to send the next range; then the next one is asked."""
LOOK_SECONDS = 0.02


async def chase(replica: Replica, links: Links, is_overfull: Callable[[], bool]) -> None:
    """Ask until the block that ends the replica's epoch is final here.

    Args:
        replica: of the epoch that is over.
        links: to whoever is there, member of that epoch or not.
        is_overfull: does so much wait for execution that more would only fill memory?
    """
    turn = 0
    while not replica.ended:
        turn += 1
        height = replica.final.height
        if links.links and not is_overfull():
            peer = sorted(links.links)[turn % len(links.links)]
            links.send_to(peer, encode_message(RangeRequest(Height(height + 1))))
        for _ in range(int(ANSWER_SECONDS / LOOK_SECONDS)):
            await asyncio.sleep(LOOK_SECONDS)
            if replica.final.height > height or replica.ended:
                turn -= 1  # it answers: ask it again
                break
