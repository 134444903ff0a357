"""Following the chain: every executed block once, in order, whatever connections come and go."""

from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import NotCanonical, StrongroomError
from strongroom.consensus.types import Digest
from strongroom.node.client.connection import Connection
from strongroom.node.client.errors import Disconnected, NotTrusted
from strongroom.node.client.nodes import Nodes
from strongroom.node.rpc.faults import NotFound, NotReady

RANGE_BLOCKS_MAX = 100


async def follow_blocks(nodes: Nodes, after: int | None) -> AsyncGenerator[dict[str, Any], None]:
    """Yield block documents from height `after`+1 on, or from the next block; never ends by itself.

    Raises:
        NotFound: a block is not kept by the node any more.
    """
    last: Header | None = None
    while True:
        connection = await nodes.connection()
        try:
            if after is None:
                after = int((await connection.ask("node_status"))["executed"])
            events = await connection.subscribe("blocks", after + 1)
            try:
                while True:
                    event = await events.next()
                    for block in await _blocks_of(connection, event, after + 1):
                        last = _follows(block, after + 1, last)
                        after += 1
                        yield block
            finally:
                with suppress(StrongroomError):
                    await connection.unsubscribe(events)
        except (Disconnected, NotReady, NotTrusted) as fault:
            await nodes.leave(connection, fault)


async def _blocks_of(connection: Connection, event: dict[str, Any], height: int) -> list[dict[str, Any]]:
    """The blocks that an event brings from `height` on; those that it says were missed are fetched."""
    missed = event.get("missed")
    if missed is None and event.get("height") == height:
        return [event["block"]]
    newest = int(missed["to"] if missed else event["height"])
    blocks: list[dict[str, Any]] = []
    while height + len(blocks) <= newest:
        start = height + len(blocks)
        fetched = await connection.ask(
            "ledger_blocks", **{"from": start, "to": min(newest, start + RANGE_BLOCKS_MAX - 1)}
        )
        if not fetched:
            raise NotFound(f"block {start} is not kept by this node any more: begin after it")
        blocks += fetched
    return blocks


def _follows(block: dict[str, Any], height: int, last: Header | None) -> Header:
    """Check that a block's header is the next one.

    Raises:
        NotTrusted: it is not.
    """
    try:
        header = Header.decode(block["header"])
    except (NotCanonical, KeyError, TypeError) as error:
        raise NotTrusted("answer", f"block {height} has no header: {error}") from None
    parent: Digest | None = None if last is None else last.digest
    if header.height != height or header.digest != block["hash"] or (parent is not None and header.parent != parent):
        raise NotTrusted("answer", f"block {height} does not follow the one before it")
    return header
