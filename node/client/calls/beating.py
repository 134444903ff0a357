"""The signs of life of one connection, and its end when there are none.

Owns what counts as a sign: a message, bytes of a long one, bytes of ours that the other machine
took. When silence is too long is pulse.py's.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import aiohttp

from strongroom.node.client.calls.pulse import (
    PATIENCE_SECONDS_MAX,
    TICK_SECONDS,
    Pulse,
    Verdict,
)
from strongroom.node.client.http import Socket

USED_TICKS = 1
"""Looks at a connection after the last thing that was awaited of it, before they rest: so that
calls one after the other do not wake them each time, and one question now and then does not keep
them awake."""
UNREAD_TURNS = 4
"""Of the event loop, from bytes that have arrived to a message that is read."""
SLOW_LINE_BYTES = 4096
"""Of ours on the way: with more, a line is busy that takes them; a ping or two are less."""
PING = b"pulse"
"""Tells the answers to our pings from those to the library's."""


class Heart:
    """Of one connection; `beat` must be running for it to end one."""

    def __init__(
        self,
        socket: aiohttp.ClientWebSocketResponse,
        patience: float,
        quiet: Callable[[], float | None],
    ) -> None:
        self._socket, self._quiet = socket, quiet
        self._pulse = Pulse(patience)
        self.answers = 0
        """Messages that carried something."""
        self._beats = self._taken = self._unsent = 0
        self._used = asyncio.Event()

    def wake(self) -> None:
        """Something is awaited now, or the connection has ended."""
        if not self._used.is_set():
            self._used.set()

    def admitted(self, patience: float) -> None:
        """The node is admitted; until then it had the longest time."""
        self._pulse.admitted(patience)

    @property
    def patience_ms(self) -> float:
        """How long a ping may take now."""
        return self._pulse.patience * 1000

    async def is_beat(self, message: aiohttp.WSMessage) -> bool:
        """Answer a ping, or take the answer to one; False: it is something else."""
        if message.type not in (aiohttp.WSMsgType.PING, aiohttp.WSMsgType.PONG):
            return False
        self._beats += 1
        if message.type is aiohttp.WSMsgType.PING:
            await self._socket.pong(message.data)
        elif message.data == PING:
            self._pulse.pong(asyncio.get_running_loop().time())
        return True

    async def until_gone(self, alive: Callable[[], bool]) -> bool:
        """Look until the connection ends; True: something is awaited of a node that gives no sign
        of life."""
        loop, idle = asyncio.get_running_loop(), 0
        while alive():
            idle = 0 if self._quiet() is not None else idle + 1
            if idle > USED_TICKS:
                self._used.clear()
                await self._used.wait()
                self._pulse.rested()
                idle = 0
            await self._until_due()
            match self._look(loop.time()):
                case Verdict.LIVES:
                    continue
                case Verdict.PING:
                    with suppress(aiohttp.ClientError, OSError):  # who reads sees the end as well
                        await self._socket.ping(PING)
                case Verdict.GONE:
                    if await self._nothing_unread() and alive():
                        return True
        return False

    async def _until_due(self) -> None:
        """Until the next look; when that is not soon, a new question brings it about."""
        if self._pulse.wait <= TICK_SECONDS:
            await asyncio.sleep(self._pulse.wait)
            return
        self._used.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._pulse.wait):
                await self._used.wait()

    async def speaks_again(self) -> bool:
        """Listen a little longer to a node that was given up: does a sign of life come after all?
        Then it was in vain, and patience too short."""
        before, left = self._signs, int(PATIENCE_SECONDS_MAX / TICK_SECONDS)
        while left and self._signs == before:
            await asyncio.sleep(TICK_SECONDS)
            left -= 1
        return self._signs != before

    def _look(self, now: float) -> Verdict:
        quiet = self._quiet()
        if quiet is not None and isinstance(self._socket, Socket):
            unsent = self._socket.unsent  # a slow line that takes our bytes is no dead node
            self._taken += SLOW_LINE_BYTES < unsent < self._unsent
            self._unsent = unsent
        return self._pulse.look(now, frames=self._signs, answers=self.answers, quiet=quiet)

    async def _nothing_unread(self) -> bool:
        """What has arrived and was not read yet still counts."""
        before = self._signs
        for _ in range(UNREAD_TURNS):
            await asyncio.sleep(0)
        return self._signs == before

    @property
    def _signs(self) -> int:
        arrivals = self._socket.arrivals if isinstance(self._socket, Socket) else 0
        return self.answers + self._beats + self._taken + arrivals
