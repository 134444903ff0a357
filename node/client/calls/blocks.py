"""Following the chain: every executed block once, in order, whatever connections come and go."""

from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import NotCanonical, StrongroomError
from strongroom.node.client.calls.connection import Connection
from strongroom.node.client.calls.events import Events
from strongroom.node.client.calls.nodes import Nodes
from strongroom.node.client.calls.replies import number_in
from strongroom.node.client.errors import Disconnected, NotTrusted
from strongroom.node.faults import NotFound, NotReady, Overloaded

RANGE_BLOCKS_MAX = 100


async def follow_blocks(nodes: Nodes, after: int | None) -> AsyncGenerator[dict[str, Any], None]:
    """Yield block documents from height `after`+1 on, or from the next block; never ends by itself.

    Raises:
        NotFound: a block is not kept by any node any more.
    """
    last: Header | None = None
    without: set[str] = set()
    """Endpoints that do not keep the next block."""
    while True:
        connection = await nodes.connection()
        try:
            if after is None:
                after = number_in(await connection.ask("node_status"), "executed")
            events = await connection.subscribe("blocks", after + 1)
            try:
                while True:
                    shown, newest = await _next(events, after + 1)
                    while after < newest:
                        for block in shown or await _range(connection, after + 1, newest):
                            last = _follows(block, after + 1, last)
                            after += 1
                            without.clear()
                            yield block
                        shown = []
            finally:
                with suppress(StrongroomError):
                    await connection.unsubscribe(events)
        except (Disconnected, NotReady, NotTrusted, Overloaded) as fault:
            await nodes.leave(connection, fault)
        except NotFound as fault:
            without.add(connection.endpoint)
            if len(without) == len(nodes.endpoints):
                raise
            await nodes.leave(connection, fault)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            await nodes.leave(connection, NotTrusted("answer", f"not a block: {error}"))


async def _next(events: Events, height: int) -> tuple[list[dict[str, Any]], int]:
    """What the next event brings: the block of `height`, or nothing, and up to which height there
    are blocks."""
    event = await events.next()
    if "missed" in event:
        return [], number_in(event["missed"], "to")
    newest = number_in(event, "height")
    return ([event["block"]] if newest == height else []), newest


async def _range(connection: Connection, start: int, newest: int) -> list[dict[str, Any]]:
    """Blocks that no event brought; at least one."""
    end = min(newest, start + RANGE_BLOCKS_MAX - 1)
    fetched = await connection.ask("ledger_blocks", **{"from": start, "to": end})
    if not fetched:
        raise NotFound(f"block {start} is not kept any more: begin after it")
    return list(fetched)


def _follows(block: dict[str, Any], height: int, last: Header | None) -> Header:
    """Check that a block's header is the next one.

    Raises:
        NotTrusted: it is not.
    """
    try:
        header = Header.decode(block["header"])
    except NotCanonical as error:
        raise NotTrusted("answer", f"block {height} has no header: {error}") from None
    if (
        header.height != height
        or header.digest != block["hash"]
        or (last is not None and header.parent != last.digest)
    ):
        raise NotTrusted("answer", f"block {height} does not follow the one before it")
    return header
