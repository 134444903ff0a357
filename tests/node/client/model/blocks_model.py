"""Followers of the chain through nodes that miss, repeat, skip, end, die, hang, lie and lag.

The chain is a genuine one; the connections are the client's own, over sockets without a wire.
"""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from functools import cache
from pathlib import Path
from typing import Any

from tests.node.client.model.calls_model import NO_BUG, open_client, parts
from tests.node.client.model.service_model import WELL, ModelDoors, Node, World
from tests.node.client.model.virtual_time import run
from tests.node.client.turning import TurningChain
from tests.simulation.planted import Bug

from strongroom.node.faults import NotFound, NotReady, Overloaded

HEIGHTS = 24
BLOCK_SECONDS = 0.25
HANGS_SECONDS = 400
"""Of virtual time: whoever needs more waits for what never comes."""
EVENTS = (
    WELL,
    "is missed",
    "comes twice",
    "is skipped",
    "comes with the wrong height",
    "ends the subscription",
    "dies",
    "hangs",
    "lies: another block",
    "lies: no block",
    "an older one again",
)
RANGES = (WELL, "half of it", "none here", "is full", "dies", "lies: another block", "is not ready")


@cache
def chain() -> tuple[dict[str, Any], ...]:
    """Documents of HEIGHTS blocks, from height 1 on."""
    made = TurningChain()
    for _ in range(HEIGHTS):
        made.commit()
    return tuple(
        {
            "height": block.header.height,
            "hash": block.header.digest,
            "header": block.header.encoded,
        }
        for block in made.blocks[:HEIGHTS]
    )


class BlockWorld(World):
    """Grows by a block each BLOCK_SECONDS."""

    @property
    def height(self) -> int:
        return min(HEIGHTS, int(self.now() / BLOCK_SECONDS))


class BlockNode(Node):
    """Tells of blocks by the script."""

    world: BlockWorld

    def node_status(self, id: int, _params: Any) -> None:
        self.say(id, {"epoch": 0, "executed": self.world.height, "state": "voting"})

    def ledger_subscribe(self, id: int, params: Any) -> None:
        self.say(id, 1)
        self._tell(params["from"])

    def ledger_unsubscribe(self, id: int, _params: Any) -> None:
        self.say(id, None)

    def ledger_blocks(self, id: int, params: Any) -> None:
        blocks = list(chain()[params["from"] - 1 : params["to"]])
        match self.world.script.pick(RANGES):
            case "half of it":
                self.say(id, blocks[: max(1, len(blocks) // 2)])
            case "none here":
                self.refuse(id, NotFound("not kept"))
            case "is full":
                self.refuse(id, Overloaded("full", retry_after_ms=50))
            case "is not ready":
                self.refuse(id, NotReady("syncing"))
            case "dies":
                self.die()
            case "lies: another block":
                self.say(id, [self._another(blocks[0]), *blocks[1:]])
            case _:
                self.say(id, blocks)

    def _another(self, block: dict[str, Any]) -> dict[str, Any]:
        other = chain()[block["height"] % HEIGHTS]
        return {**other, "height": block["height"]}

    def _tell(self, height: int) -> None:
        """Tell of one height, once it is there; then of the next."""
        if self.hangs or self.socket.ended:
            return
        if height > self.world.height:
            self.world.later(BLOCK_SECONDS / 3, lambda: self._tell(height))
            return
        fate = self.world.script.pick(EVENTS)
        if height == HEIGHTS and fate in ("is skipped", "is missed"):
            fate = WELL  # no later event would tell of it
        match fate:
            case "ends the subscription":
                self._event({"ended": "Internal error"})
            case "dies":
                self.die()
            case "hangs":
                self.hangs = True
            case _:
                following = self._tell_of(height, fate) + 1
                if following <= HEIGHTS:
                    self.world.later(0.0, lambda: self._tell(following))

    def _tell_of(self, height: int, fate: str) -> int:
        """Returns the height that was told of last."""
        block, newest = chain()[height - 1], height
        if fate == "is missed":
            newest = max(height, min(self.world.height, height + 3))
            self._event({"missed": {"from": height, "to": newest}})
        elif fate == "comes with the wrong height":
            self._event({"height": height + 1, "block": block})
        elif fate == "lies: another block":
            self._event({"height": height, "block": self._another(block)})
        elif fate == "lies: no block":
            self._event({"height": height, "block": {"header": b"?", "hash": b""}})
        elif fate != "is skipped":
            if fate == "an older one again":
                older = max(1, height - 2)
                self._event({"height": older, "block": chain()[older - 1]})
            for _ in range(2 if fate == "comes twice" else 1):
                self._event({"height": height, "block": block})
        return newest

    def _event(self, event: dict[str, Any]) -> None:
        params = {"subscription": 1, "topic": "blocks", **event}
        self.socket.put({"jsonrpc": "2.0", "method": "ledger_event", "params": params})


class BlockDoors(ModelDoors):
    """Doors to such nodes."""

    node_class = BlockNode


def follow(
    numbers: Sequence[int], *, after: int = 0, slow: bool = False, bug: Bug = NO_BUG
) -> list[str]:
    """Follow the chain from a height to its end, through a world that goes by this script.

    Returns: what happened, in words.
    """
    world = BlockWorld(numbers, liar=None)
    seen = run(_followed(world, parts(bug), after, slow))
    told = f"after {after}: {[one['height'] for one in seen]}: {world.script.told}"
    assert [one["height"] for one in seen] == list(range(after + 1, HEIGHTS + 1)), told
    assert seen == list(chain()[after:]), told
    return world.script.told


async def _followed(
    world: BlockWorld, of: dict[str, Any], after: int, slow: bool
) -> list[dict[str, Any]]:
    client = await open_client(world, of, Path("none"), BlockDoors)
    seen = []
    async with asyncio.timeout(HANGS_SECONDS), aclosing(client.blocks(after)) as blocks:
        async for block in blocks:
            seen.append(block)
            if slow and len(seen) % 5 == 0:
                await asyncio.sleep(3 * BLOCK_SECONDS)
            if block["height"] >= HEIGHTS:
                break
    await client.__aexit__(None, None, None)
    return seen
