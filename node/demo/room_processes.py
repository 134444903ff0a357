"""Rooms as their administrators run them: `strongroom room run --json` on a machine of their own,
watched from outside.

Owns the processes and what they say in the open. Knows nothing of what should happen.
"""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from strongroom.node.machine.processes import ProcessId, children_of
from strongroom.node.terminal.teller import StoryFails

COMMAND = (sys.executable, "-c", "from strongroom.node.cli.main import main; main()")
WAIT_SECONDS_MAX = 60.0
EVENTS_MAX = 10_000

Event = dict[str, Any]


@dataclass(slots=True)
class RunningRoom:
    """One `room run`, from its start to its last word."""

    process: asyncio.subprocess.Process
    events: list[Event] = field(default_factory=list)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _reading: "asyncio.Task[None] | None" = None
    _over: bool = False

    @classmethod
    async def start(cls, program: str, *arguments: str, log: Path | None = None) -> "RunningRoom":
        """Start a room with these further words of its command; what it complains of goes to a
        file, or nowhere."""
        with (log or Path(os.devnull)).open("ab") as complaints:
            process = await asyncio.create_subprocess_exec(
                *COMMAND,
                *("room", "run", program, *arguments, "--json"),
                stdout=asyncio.subprocess.PIPE,
                stderr=complaints,
            )
        room = cls(process)
        room._reading = asyncio.create_task(room._read())
        return room

    async def until(
        self, holds: Callable[[Event], bool], what: str, seconds: float = WAIT_SECONDS_MAX
    ) -> Event:
        """The first event for which something holds.

        Raises:
            StoryFails: the room ends, or time is over, without one.
        """
        try:
            async with asyncio.timeout(seconds), self._news:
                while True:
                    for event in self.events:
                        if holds(event):
                            return event
                    if self._over:
                        raise StoryFails(f"the room ended without {what}: {self.events[-1:]}")
                    await self._news.wait()
        except TimeoutError:
            raise StoryFails(f"no {what} within {seconds:g} s") from None

    async def ended(self) -> Event:
        """Its last document: `ok`, or the `error` that ended it."""
        return await self.until(lambda event: "ok" in event, "a last word")

    def of(self, what: str) -> list[Event]:
        """All events of one kind."""
        return [event for event in self.events if event.get("event") == what]

    @property
    def host(self) -> ProcessId | None:
        """The process that the plant's administrators own."""
        return ProcessId.of(self.process.pid)

    @property
    def inside(self) -> ProcessId | None:
        """The room itself."""
        host = self.host
        return next(iter(children_of(host)), None) if host is not None else None

    async def stop(self) -> None:
        """End it, whatever it does."""
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                self.process.terminate()
        await self.process.wait()
        if self._reading is not None:
            await self._reading

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            with suppress(ValueError):
                event = json.loads(line)
                async with self._news:
                    if len(self.events) < EVENTS_MAX:
                        self.events.append(event)
                    self._news.notify_all()
        async with self._news:
            self._over = True
            self._news.notify_all()


def code_of(ended: Event) -> str:
    """The refusal that ended a room; nothing when it ended by itself."""
    if ended.get("ok"):
        return ""
    return str(ended["error"]["message"]).partition(":")[0]


async def run_command(*arguments: str) -> tuple[int, Any]:
    """One command of the command line: its exit status and its document."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        "--json",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, complaint = await process.communicate()
    try:
        return process.returncode or 0, json.loads(output)
    except ValueError:
        words = complaint.decode("utf-8", "replace").strip()
        raise StoryFails(f"`strongroom {' '.join(arguments[:3])}` said: {words}") from None
