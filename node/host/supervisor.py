"""What a node tells the supervisor that started it, if one asks to be told (sd_notify(3), as of
systemd's `Type=notify`).

Owns that protocol: one datagram a word. `READY=1` is said once the node takes part, not when its
process runs: whoever restarts nodes one by one waits for the right thing. From then on the watchdog
hears of it as long as the event loop turns; a loop that hangs is a node that is started again.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress

LOOK_SECONDS = 1.0
"""How often the state is looked at; a watchdog's word is said at least twice as often as asked."""


class Supervisor:
    """The supervisor's socket; without one every word is said to nobody."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        path = environment.get("NOTIFY_SOCKET", "")
        self._path = f"\0{path[1:]}" if path.startswith("@") else path
        asked = environment.get("WATCHDOG_USEC", "")
        own = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self._watchdog = int(asked) / 1e6 if own and asked.isascii() and asked.isdigit() else 0.0
        self._told = ""

    @property
    def listens(self) -> bool:
        """Is there one?"""
        return bool(self._path)

    def say(self, *words: str) -> None:
        """Tell it; a supervisor that is gone, or whose queue is full, is no reason to stop."""
        if not self._path:
            return
        with (
            suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as end,
        ):
            end.connect(self._path)
            end.send("\n".join(words).encode())

    def tell(self, ready: bool, state: str) -> None:
        """Say what has changed, and that the loop turns."""
        words = [] if state == self._told else [f"STATUS={state}"]
        self._told = state
        if ready:
            words.append("READY=1")
        if self._watchdog:
            words.append("WATCHDOG=1")
        if words:
            self.say(*words)

    async def follow(self, look: Callable[[], tuple[bool, str]]) -> None:
        """Tell what `look` says (ready, state in a word) until cancelled; `READY=1` once."""
        if not self.listens:
            return
        ready = False
        pause = min(LOOK_SECONDS, self._watchdog / 2) if self._watchdog else LOOK_SECONDS
        while True:
            good, state = look()
            self.tell(good and not ready, state)
            ready = ready or good
            await asyncio.sleep(pause)

    def stopping(self) -> None:
        """It was told to stop, and does."""
        self.say("STOPPING=1")
