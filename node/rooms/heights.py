"""The newest height that a node has executed, for a room that waits for the next one: told by the
node, so that nobody asks again and again.

Owns one subscription, on whichever connection the relay has. Checks nothing: a room that is told
nonsense looks in vain, or later.
"""

import asyncio
from contextlib import suppress

from strongroom.consensus.errors import ClientFault, StrongroomError
from strongroom.node.client.calls.connection import Connection
from strongroom.node.client.calls.events import Events
from strongroom.node.client.calls.replies import number_in

NEXT_HEIGHT = "next_height"
"""What a room asks for."""
NEXT_SECONDS_MAX = 10.0
"""Then the height is told as it is."""


class Heights:
    """The newest height of one connection."""

    def __init__(self) -> None:
        self._connection: Connection | None = None
        self._reading: asyncio.Task[None] | None = None
        self._newest = 0
        self._grown = asyncio.Event()

    async def above(self, connection: Connection, after: object) -> int:
        """The newest height, as soon as it is above `after`, or time is over.

        Raises:
            ClientFault: `after` is no height.
            RpcFault, Disconnected: the node tells nothing.
        """
        if type(after) is not int:
            raise ClientFault("a room waits for what comes after a height")
        if self._connection is not connection:
            await self._follow(connection)
        with suppress(TimeoutError):
            async with asyncio.timeout(NEXT_SECONDS_MAX):
                while self._newest <= after and connection.alive:
                    await self._grown.wait()
        return self._newest

    async def end(self) -> None:
        """Follow no connection."""
        reading, self._reading, self._connection = self._reading, None, None
        if reading is not None:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading

    async def _follow(self, connection: Connection) -> None:
        await self.end()
        self._connection = connection
        newest = number_in(await connection.ask("node_status"), "executed")
        events = await connection.subscribe("heads", newest + 1)
        self._grow(newest)
        self._reading = asyncio.create_task(self._read(events))

    async def _read(self, events: Events) -> None:
        with suppress(StrongroomError, KeyError, TypeError, ValueError, AttributeError):
            while True:
                event = await events.next()
                if "missed" in event:
                    self._grow(number_in(event["missed"], "to"))
                else:
                    self._grow(number_in(event, "height"))
        self._grow(self._newest)

    def _grow(self, newest: int) -> None:
        self._newest = newest
        self._grown.set()
        self._grown = asyncio.Event()
