"""WebSockets that have asked nothing for long: the longest idle gives its place to a newcomer.

Owns whose turn it is. When there is no place is listening.py's and http.py's; what counts as idle,
and what is said last, websocket.py's.
"""

import asyncio
from collections.abc import Callable

from aiohttp import web

from strongroom.node.machine.listening import Guest
from strongroom.node.rpc.limits import RpcLimits
from strongroom.node.rpc.websocket import Connection

_ADDRESSES_MAX = 64
"""Addresses of which it is remembered that nobody is idle enough."""
_LOOK_SECONDS_MAX = 1.0
"""Until it is looked for again."""


class IdleSockets:
    """Those of one front door."""

    def __init__(
        self,
        connections: set[Connection],
        limits: RpcLimits,
        guest_of: Callable[[web.Request], Guest | None],
    ) -> None:
        """Make it.

        Args:
            connections: that are open; one that gives way is taken out.
            limits: `websocket_idle_seconds`.
            guest_of: the place of the connection that a request came through, at this door.
        """
        self._connections, self._limits, self._guest_of = connections, limits, guest_of
        self._none_before: dict[str, float] = {}
        """By address: until then it is not looked again who of it is idle."""

    def give_way_of(self, address: str) -> bool:
        """Have the longest idle of an address give way; False: none has been idle for long enough.

        Whoever knocks at a full door again and again costs one search a second.
        """
        now = asyncio.get_running_loop().time()
        if self._none_before.get(address, 0.0) > now:
            return False
        idle = self._end([one for one in self._connections if one.request.remote == address])
        if idle is None:
            return True
        if len(self._none_before) >= _ADDRESSES_MAX:
            self._none_before.clear()
        wanting = self._limits.websocket_idle_seconds - idle
        self._none_before[address] = now + min(_LOOK_SECONDS_MAX, wanting)
        return False

    def give_way(self) -> bool:
        """Have the longest idle of all give way; False: none has been idle for long enough."""
        return self._end(list(self._connections)) is None

    def _end(self, connections: list[Connection]) -> float | None:
        """End the one that has been idle longest; else for how long that one has been."""
        known = {one: seconds for one in connections if (seconds := one.idle_seconds) is not None}
        idlest = max(known, key=known.__getitem__, default=None)
        idle = 0.0 if idlest is None else known[idlest]
        if idlest is None or idle < self._limits.websocket_idle_seconds:
            return idle
        self._connections.discard(idlest)
        guest = self._guest_of(idlest.request)
        if guest is None:
            idlest.cut()
        else:
            idlest.say_it_gives_way()
            guest.give_way()
        return None
