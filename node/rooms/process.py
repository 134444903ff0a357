"""A room's process and the door to it, from its start to its end.

Owns the life of that process and who answers its questions (relay.py). What it says in the open is
handed on as events.
"""

import asyncio
import os
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical, OperatorFault, StrongroomError
from strongroom.consensus.types import PublicKey, Signature
from strongroom.enclave.room.crew.measurement import NAME as NAME_CREW
from strongroom.enclave.room.door import ROOM_FRAME_BYTES_MAX, ToHost, ToRoom
from strongroom.enclave.room.worker.measurement import ENVIRONMENT, NAME, NAME_ML
from strongroom.node.framing import FrameProtocol
from strongroom.node.machine.transports import abort
from strongroom.node.rooms.relay import Relay, failure

QUESTIONS_MAX = 256
MEMORY, MEMORY_MB = "memory", "2048"
"""Word with which an operator says how many MiB a worker's job may take; what it is without."""
WORKER_FILES = {
    NAME: ("worker/__main__.py", "strongroom.enclave.room.worker"),
    NAME_ML: ("worker/ml.py", "strongroom.enclave.room.worker.ml"),
    NAME_CREW: ("crew/__main__.py", "strongroom.enclave.room.crew"),
}
"""Below enclave/room, what stands for a program where a worker or a crew's room runs; and its
module."""
STOP_SECONDS = 10.0
"""For a room that was asked to end, to end its leases; then it is killed, and they lapse."""

OnEvent = Callable[[str, dict[str, Any]], None]
"""Told what a room says in the open: what, and its fields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """With what a room is started."""

    pin: str
    room: str
    region: str
    operator: str
    operator_key: PublicKey
    signature: Signature
    """Of the operator, over chain and deployment: this room, chip, code and region."""
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a room ended."""

    ok: bool
    code: str
    """Of the refusal that ended it; empty when its program ended by itself."""
    text: str


@dataclass(frozen=True, slots=True)
class Ahead:
    """A room's process that nobody has told what it is: it loads, measures itself, raises its walls
    and waits. It has no key and no state, and has read nothing of the room's."""

    process: asyncio.subprocess.Process
    end: socket.socket

    @classmethod
    async def begin(cls, chip: Path, program: Path, parameters: Mapping[str, str]) -> "Ahead":
        """Start it.

        Raises:
            OSError: it cannot be started.
        """
        worker = worker_of(program)
        memory = parameters.get(MEMORY, MEMORY_MB)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with ExitStack() as stack:
            stack.enter_context(theirs)
            nowhere = chip.resolve() / "no-bytecode"
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-B", "-X", f"pycache_prefix={nowhere}"),
                *("-m", WORKER_FILES[worker][1] if worker else "strongroom.enclave.room"),
                *("--socket", str(theirs.fileno()), "--host", str(os.getpid())),
                *("--chip", str(chip.resolve())),
                *(("--memory", memory) if worker else ("--program", str(program.resolve()))),
                stdin=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
                env=dict(ENVIRONMENT) if worker else {},
            )
        ours.setblocking(False)
        return cls(process, ours)

    async def end_it(self) -> None:
        """It has ended, or nobody needs it."""
        self.end.close()
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


class RoomProcess:
    """One room, alive from `launch` until it ends or is stopped."""

    def __init__(
        self, process: asyncio.subprocess.Process, relay: Relay, on_event: OnEvent
    ) -> None:
        self._process, self._relay, self._on_event = process, relay, on_event
        self._frames = FrameProtocol(
            self._on_frame, self._on_close, frame_bytes_max=ROOM_FRAME_BYTES_MAX
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended: asyncio.Future[Ended | None] = asyncio.get_running_loop().create_future()

    @classmethod
    async def launch(
        cls,
        chip: Path,
        program: Path,
        relay: Relay,
        on_event: OnEvent,
        start: Start,
        ahead: "Ahead | None" = None,
    ) -> "RoomProcess":
        """Start `python -m strongroom.enclave.room` on a chip, or the worker in its place, and tell
        it what it is; `ahead`: a process that was started for this before.

        Raises:
            OperatorFault: it cannot be started.
        """
        begun = ahead or await Ahead.begin(chip, program, start.parameters)
        room = cls(begun.process, relay, on_event)
        loop = asyncio.get_running_loop()
        await loop.create_unix_connection(lambda: room._frames, sock=begun.end)
        room._send(ToRoom.START, _start_wire(start, relay.sealed_state()))
        return room

    @property
    def pid(self) -> int:
        """Of the room."""
        return self._process.pid

    async def until_ended(self) -> Ended:
        """Wait for its end.

        Raises:
            OperatorFault: it did not start, or ended without a word; says what it said before.
        """
        complaint = b""
        if self._process.stderr is not None:
            complaint = await self._process.stderr.read()
        status = await self._process.wait()
        ended = await self._ended
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if ended is None:
            words = complaint.decode("utf-8", "replace").strip().splitlines()
            raise OperatorFault(words[-1] if words else _without_a_word(status))
        return ended

    async def stop(self, seconds: float) -> None:
        """Ask it to end: it ends its leases and erases what it holds. Killed when it has not ended
        by then."""
        if not self._ended.done():
            self._send(ToRoom.STOP)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._process.wait()
        await self.kill()

    async def kill(self) -> None:
        """End it now, if it is still there; whoever waits for its end is told."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    def _send(self, *frame: Any) -> None:
        if self._frames.connected:
            self._frames.send(msgpack.packb(frame))

    def _on_frame(self, frame: bytes) -> None:
        try:
            self._take(codec.decode(frame, size_max=ROOM_FRAME_BYTES_MAX))
        except NotCanonical:
            abort(self._frames.transport)

    def _take(self, frame: Any) -> None:
        match frame:
            case (ToHost.TELL, str(what), tuple(fields)):
                if what == "other-node":
                    self._begin(self._relay.other_node())
                self._on_event(what, dict(fields))
            case (ToHost.ENDED, bool(ok), str(code), str(text)):
                if not self._ended.done():
                    self._ended.set_result(Ended(ok, code, text))
            case (ToHost.ASK, int(number), str(method), tuple(params)):
                self._begin(self._answer(number, self._relay.ask(method, dict(params))))
            case (ToHost.READ, int(number), str(file), int(offset), int(size)):
                self._begin(self._answer(number, _now(self._relay.read, file, offset, size)))
            case (ToHost.SAVE, int(number), bytes(sealed)):
                self._begin(self._answer(number, _now(self._relay.save, sealed)))
            case _:
                raise NotCanonical("no frame of a room")

    def _begin(self, work: Any) -> None:
        if len(self._tasks) >= QUESTIONS_MAX:
            work.close()
            abort(self._frames.transport)
            return
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, number: int, work: Any) -> None:
        try:
            self._send(ToRoom.ANSWER, number, True, await work)
        except StrongroomError as fault:
            self._send(ToRoom.ANSWER, number, False, failure(fault))

    def _on_close(self, _error: Exception | None) -> None:
        if not self._ended.done():
            self._ended.set_result(None)


def worker_of(program: Path) -> str:
    """Which worker this is, by its name; empty: it is a room's program."""
    path = program.resolve().as_posix()
    for name, (file, _) in WORKER_FILES.items():
        if path.endswith(f"enclave/room/{file}"):
            return name
    return ""


def _without_a_word(status: int) -> str:
    how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
    return (
        f"the room {how}, without a word: start it again; until the lease that it had is over, its "
        "machine is busy, and what that lease reserved stays counted"
    )


def _start_wire(start: Start, sealed: bytes) -> dict[str, Any]:
    return {
        "pin": start.pin,
        "room": start.room,
        "region": start.region,
        "operator": start.operator,
        "operator_key": start.operator_key,
        "signature": start.signature,
        "parameters": dict(start.parameters),
        "sealed": sealed,
    }


async def _now(work: Callable[..., Any], *arguments: Any) -> Any:
    return work(*arguments)
