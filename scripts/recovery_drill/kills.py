"""kill -9 at a chosen moment of a command: of the command itself, or of the enclave that it
started.

Owns how a moment is found: by a child that lives, by a line that was told, by a file that appeared.
A command that ended before the moment came was not killed, and that is said.
"""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from scripts.recovery_drill.drill import Drill

ENCLAVE = b"strongroom.enclave"
TICK_SECONDS = 0.001


@dataclass
class Running:
    """A command that runs, and what it has told so far."""

    process: asyncio.subprocess.Process
    told: bytearray = field(default_factory=bytearray)

    @property
    def enclave(self) -> int | None:
        """Pid of the enclave that it started, while it lives."""
        pid = self.process.pid
        with suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                for child in (task / "children").read_text().split():
                    if ENCLAVE in Path(f"/proc/{child}/cmdline").read_bytes():
                        return int(child)
        return None

    async def read(self) -> None:
        stream = self.process.stderr
        while stream is not None and (some := await stream.read(4096)):
            self.told += some


Moment = Callable[[Running], bool]


def enclave_lives(running: Running) -> bool:
    """Its enclave was started."""
    return running.enclave is not None


def told(text: str) -> Moment:
    """It has said this on stderr."""
    return lambda running: text.encode() in running.told


def appeared(path: Path) -> Moment:
    """A file is there that was not when the command began, or it is another one now."""
    before = _version(path)
    return lambda _: _version(path) not in (None, before)


def _version(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


async def killed(drill: Drill, moment: Moment, *words: str, enclave: bool = False) -> bool:
    """Run a command until the moment comes, and end it, or its enclave alone, by kill -9; was it
    killed?

    A command whose enclave alone is killed must end by itself, with a sentence.
    """
    process = await drill.spawn(*words)
    running = Running(process)
    reading = asyncio.gather(running.read(), _drained(process.stdout))
    ended = asyncio.ensure_future(process.wait())
    while not ended.done() and not moment(running):
        await asyncio.sleep(TICK_SECONDS)
    child = running.enclave
    if ended.done() or (enclave and child is None):
        await asyncio.gather(ended, reading)
        return False
    with suppress(ProcessLookupError):
        os.kill(child if enclave and child is not None else process.pid, signal.SIGKILL)
    await asyncio.gather(ended, reading)
    if enclave:
        words_told = running.told.decode()
        drill.expect(
            process.returncode == 0 or "enclave ended" in words_told,
            f"{words}: its enclave was killed, and it said: {words_told}",
        )
    while child is not None and Path(f"/proc/{child}").exists():
        await asyncio.sleep(TICK_SECONDS)  # it ends with the door that its host held
    return True


async def _drained(stream: asyncio.StreamReader | None) -> None:
    while stream is not None and await stream.read(4096):
        pass
