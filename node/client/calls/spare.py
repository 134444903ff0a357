"""A second connection, open and admitted before it is needed, so that a call whose node dies goes
on at once.

Owns when it is opened and when it may be used. It asks nothing while it waits; a node whose doors
are full closes it first, and then it is long before the next try.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

from strongroom.consensus.errors import StrongroomError
from strongroom.node.client.calls.connection import Connection
from strongroom.node.faults import Overloaded

LOOK_SECONDS = 0.5
"""The age from which on a client has a spare one: what is over sooner needs none. Also the shortest
wait before a next try."""
PAUSE_SECONDS_MAX = 32.0
"""The longest one: twice as long each time, until a connection was of use or lived for so long."""
FULL_SECONDS = 300.0
"""A node that has no room for it is spared this long, more or less by a half."""
KEPT_LOOK_SECONDS = 10.0
"""Between two looks at one that is ready; its end and its use are told at once."""


class Spare:
    """At most one connection beside the current one."""

    def __init__(self, current: Callable[[], Connection | None], epoch: Callable[[], int]) -> None:
        self._current, self._epoch = current, epoch
        self._kept: tuple[Connection, str, int] | None = None
        """Connection, node's name, and the epoch in which it was admitted."""
        self._opened_at = 0.0
        self._pause = LOOK_SECONDS
        """Before the next try."""
        self._changed = asyncio.Event()

    def take(self, only: str | None = None) -> tuple[Connection, str] | None:
        """The connection and its node's name, if it is of use now.

        Args:
            only: the endpoint that alone is wanted.
        """
        if self._kept is None or (only is not None and self._kept[0].endpoint != only):
            return None
        (connection, name, epoch), self._kept = self._kept, None
        self._changed.set()
        if connection.alive and epoch == self._epoch():
            connection.on_end = None
            self._pause = LOOK_SECONDS
            return connection, name
        self._kept = (connection, name, epoch)  # the next look ends it
        return None

    async def keep(
        self,
        candidate: Callable[[str], str | None],
        enter: Callable[[str], Awaitable[tuple[Connection, str]]],
    ) -> None:
        """Keep one ready until cancelled.

        Args:
            candidate: which endpoint it may go to, beside the one that is talked to; None: none.
            enter: opens an admitted connection.
        """
        try:
            while True:
                self._changed.clear()
                current = self._current()
                if current is not None and await self._is_good(current):
                    await self._wait(KEPT_LOOK_SECONDS)
                    continue
                await asyncio.sleep(self._pause)
                current = self._current()
                endpoint = None if current is None else candidate(current.endpoint)
                if endpoint is not None and self._kept is None:
                    await self._try(endpoint, enter)
        finally:
            if self._kept is not None:
                await self._kept[0].close()

    async def _try(
        self, endpoint: str, enter: Callable[[str], Awaitable[tuple[Connection, str]]]
    ) -> None:
        self._pause, epoch = min(2 * self._pause, PAUSE_SECONDS_MAX), self._epoch()
        try:
            connection, name = await enter(endpoint)
        except Overloaded:
            await asyncio.sleep(FULL_SECONDS * random.uniform(0.5, 1.5))
        except StrongroomError:
            return
        else:
            connection.on_end = self._changed.set
            self._kept = (connection, name, epoch)
            self._opened_at = asyncio.get_running_loop().time()

    async def _wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    async def _is_good(self, current: Connection) -> bool:
        """Is there one that would be of use? Any other is ended."""
        if self._kept is None:
            return False
        connection, _, epoch = self._kept
        if connection.alive and epoch == self._epoch() and connection.endpoint != current.endpoint:
            if asyncio.get_running_loop().time() - self._opened_at > PAUSE_SECONDS_MAX:
                self._pause = LOOK_SECONDS
            return True
        self._kept = None
        await connection.close()
        return False
