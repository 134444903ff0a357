"""What goes on beside a client's calls: noticing that another epoch began, having a second
connection ready, and going back to one's own node.

Owns how often. What is believed of an epoch is trust.py's; what a node says here only makes the
client look.
"""

import asyncio
import random
from contextlib import suppress

from strongroom.consensus.errors import StrongroomError
from strongroom.enclave.outside.trust import Trust
from strongroom.node.client.calls.in_flight import Pipeline
from strongroom.node.client.calls.lifetime import fenced
from strongroom.node.client.calls.nodes import Nodes
from strongroom.node.client.errors import Returning

EPOCH_SECONDS = 5.0
"""Between two looks at the node's epoch: well below half of a grace (60 s by default)."""
HOME_SECONDS = 10.0
"""Between two looks at the node that was left, more or less by a half: not all clients return at
once."""
DRAIN_SECONDS_MAX = 2.0
"""For the answers to what is under way, before a client changes its node."""
DRAIN_LOOK_SECONDS = 0.005


@fenced
async def follow(trust: Trust, nodes: Nodes) -> None:
    """Have the service checked again whenever its node says that a newer epoch began; until
    cancelled."""
    while True:
        await asyncio.sleep(EPOCH_SECONDS)
        connection, epoch = nodes.current, trust.epoch
        if connection is None or epoch is None:
            continue
        with suppress(StrongroomError):
            status = await connection.ask("node_status")
            shown = status.get("epoch") if isinstance(status, dict) else None
            if type(shown) is int and shown > epoch.epoch:
                await nodes.check_again(connection)


@fenced
async def keep_spare(nodes: Nodes) -> None:
    """Keep a second connection ready for when the first one fails; until cancelled."""
    await nodes.keep_spare()


@fenced
async def fail_back(pipeline: Pipeline, nodes: Nodes) -> None:
    """After a failure, return to the endpoint that this client began with once it serves again;
    until cancelled.

    Clients choose their first node at random, and so are spread over all of them; without this, all
    would stay where the last failure has driven them.
    """
    while True:
        await asyncio.sleep(HOME_SECONDS * random.uniform(0.5, 1.5))
        if nodes.at_home or not await nodes.home_serves():
            continue
        pipeline.rest(until_empty=True)
        try:
            async with asyncio.timeout(DRAIN_SECONDS_MAX):
                while pipeline.sealer.busy:
                    await asyncio.sleep(DRAIN_LOOK_SECONDS)
        except TimeoutError:
            pipeline.rest(until_empty=False)
        else:
            pipeline.leave(Returning("going back to the node that this client began with"))
