"""A second connection, open and admitted before it is needed, so that a call whose node dies goes
on at once.

Owns when it is opened and when it may be used. It asks nothing while it waits; a node whose doors
are full closes it first, and then it is long before the next try.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from strongroom.consensus.errors import StrongroomError
from strongroom.node.client.calls.connection import Connection

LOOK_SECONDS = 0.5
"""Between two looks; also the age from which on a client has a spare one: what is over sooner needs
none."""
PAUSE_LOOKS_MAX = 64
"""Looks between two tries: twice as many each time, until one connection lived for so long, or was
of use."""


class Spare:
    """At most one connection beside the current one."""

    def __init__(self, current: Callable[[], Connection | None], epoch: Callable[[], int]) -> None:
        self._current, self._epoch = current, epoch
        self._kept: tuple[Connection, str, int] | None = None
        """Connection, node's name, and the epoch in which it was admitted."""
        self._looks = 0
        """Since it was opened."""
        self._pause = 1
        """Looks before the next try."""

    def take(self, only: str | None = None) -> tuple[Connection, str] | None:
        """The connection and its node's name, if it is of use now.

        Args:
            only: the endpoint that alone is wanted.
        """
        if self._kept is None or (only is not None and self._kept[0].endpoint != only):
            return None
        (connection, name, epoch), self._kept = self._kept, None
        if connection.alive and epoch == self._epoch():
            self._pause = 1
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
                await asyncio.sleep(LOOK_SECONDS)
                self._looks += 1
                current = self._current()
                if current is None or await self._is_good(current) or self._looks < self._pause:
                    continue
                endpoint = candidate(current.endpoint)
                if endpoint is not None:
                    self._looks, self._pause = 0, min(2 * self._pause, PAUSE_LOOKS_MAX)
                    epoch = self._epoch()
                    with suppress(StrongroomError):
                        self._kept = (*await enter(endpoint), epoch)
        finally:
            if self._kept is not None:
                await self._kept[0].close()

    async def _is_good(self, current: Connection) -> bool:
        """Is there one that would be of use? Any other is ended."""
        if self._kept is None:
            return False
        connection, _, epoch = self._kept
        if connection.alive and epoch == self._epoch() and connection.endpoint != current.endpoint:
            if self._looks > PAUSE_LOOKS_MAX:
                self._pause = 1
            return True
        self._kept = None
        await connection.close()
        return False
