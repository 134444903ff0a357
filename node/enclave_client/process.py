"""The enclave's process and the one socket to it: requests out, answers back in the same order
(DESIGN §2).

Owns starting, ending and replacing that process, and how much may be asked at once. What is asked
is said in enclave_process.py and enclave_duties.py; the words are those of
enclave/door/requests.py.
"""

import asyncio
import os
import signal
import socket
import sys
from collections import deque
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import structlog

from strongroom.consensus.errors import OperatorFault
from strongroom.enclave.door.requests import (
    FRAME_BYTES_MAX,
    UNFORESEEN,
    Ending,
    Op,
    Refusal,
    decode_answer,
    encode_request,
)
from strongroom.node.faults import Overloaded
from strongroom.node.framing import FrameProtocol

REQUESTS_MAX = 1024
OTHERS_REQUESTS_MAX = 512
"""With so many under way, nothing more is asked on behalf of clients and peers: votes and blocks
have the rest."""
RETRY_AFTER_MS = 100
_FOR_OTHERS = frozenset(
    {Op.LINK_EVIDENCE, Op.CHECK_LINK, Op.QUERY, Op.KEYS_CHALLENGE, Op.KEYS_GIVE}
)
_STOP_SECONDS = 5.0

log = structlog.get_logger()


class EnclaveGone(OperatorFault):
    """The enclave's process ended; nothing that it held can be asked for again."""


class _Process:
    """One process behind one socket."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.waiting: deque[asyncio.Future[bytes]] = deque()
        self.frames = FrameProtocol(self._on_frame, self._on_close, frame_bytes_max=FRAME_BYTES_MAX)
        self.closed = asyncio.Event()

    def _on_frame(self, frame: bytes) -> None:
        if not self.waiting:
            self.frames.transport.abort()
            return
        future = self.waiting.popleft()
        if not future.done():
            future.set_result(frame)

    def _on_close(self, _error: Exception | None) -> None:
        self.closed.set()
        while self.waiting:
            future = self.waiting.popleft()
            if not future.done():
                future.set_exception(
                    EnclaveGone("the enclave ended: look at the last lines of the node's log")
                )

    async def stop(self) -> None:
        if self.frames.connected:
            self.frames.transport.close()
        try:
            await asyncio.wait_for(self.process.wait(), _STOP_SECONDS)
        except TimeoutError:
            self.process.send_signal(signal.SIGKILL)
            await self.process.wait()


class EnclaveConnection:
    """One enclave, alive from `start` until `stop` or its death; its process may be replaced in
    between."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._behind = _Process(process)
        self._open = asyncio.Event()
        """Clear while one process hands over to the next: requests wait."""
        self._open.set()

    @classmethod
    async def start(cls, chip: Path, log: Path | None = None) -> Self:
        """Start `python -m strongroom.enclave` with one end of a socket pair and no other
        descriptor.

        Args:
            chip: folder of the simulated chip.
            log: where it may complain until its walls are up; by default this process' own standard
                error.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with ExitStack() as stack:
            stack.enter_context(theirs)
            for end in (ours, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
            # Isolated, and from measured source: no bytecode is read that the measurement does not
            # cover.
            python = [sys.executable, "-I", "-B", "-X", f"pycache_prefix={chip / 'no-bytecode'}"]
            command = [
                "-m",
                "strongroom.enclave",
                "--socket",
                str(theirs.fileno()),
                "--chip",
                str(chip),
            ]
            complaints = None if log is None else stack.enter_context(log.open("ab"))
            process = await asyncio.create_subprocess_exec(
                *python,
                *command,
                "--host",
                str(os.getpid()),
                stdin=asyncio.subprocess.DEVNULL,
                stderr=complaints,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # a terminal's Ctrl-C is for whoever manages it
                env={},
            )
        enclave = cls(process)
        ours.setblocking(False)
        await asyncio.get_running_loop().create_unix_connection(
            lambda: enclave._behind.frames, sock=ours
        )
        return enclave

    @property
    def pid(self) -> int:
        """Process id of the enclave."""
        return self._behind.process.pid

    async def stop(self) -> None:
        """Close the door, which ends the enclave; kill it when it lingers. Safe to call twice."""
        await self._behind.stop()

    @property
    def closed(self) -> asyncio.Event:
        """Set when the process has ended."""
        return self._behind.closed

    async def until_closed(self) -> None:
        """Wait for the end of the enclave; that of a process which handed over is not one."""
        while not self._behind.closed.is_set() or not self._open.is_set():
            await self._behind.closed.wait()
            await self._open.wait()

    async def ending(self) -> str:
        """How its process ended, in words; waits for its end."""
        status = await self._behind.process.wait()
        if status == -signal.SIGSYS:
            return (
                "it made a system call that its walls forbid, which is a bug of ours or a break-in"
            )
        if status < 0:
            return f"signal {signal.Signals(-status).name}"
        return Ending(status).text if status in set(Ending) else f"exit status {status}"

    def pause(self) -> None:
        """Let no further request in, but those of `ask_paused`: the process is about to be
        replaced."""
        self._open.clear()

    def resume(self) -> None:
        """Let requests in again: the process stays."""
        self._open.set()

    async def become(self, successor: Self) -> None:
        """Go on with the process of another door, and end the one before; requests go in again."""
        before, self._behind = self._behind, successor._behind
        self._open.set()
        await before.stop()

    async def _ask(self, op: Op, *arguments: object) -> object:
        if not self._open.is_set():
            await self._open.wait()
        return await self._ask_paused(op, *arguments)

    async def _ask_paused(self, op: Op, *arguments: object) -> object:
        behind = self._behind
        if behind.closed.is_set():
            raise EnclaveGone("the enclave has ended: start the node again")
        if op in _FOR_OTHERS and len(behind.waiting) >= OTHERS_REQUESTS_MAX:
            raise Overloaded(
                "the enclave has too much to do: ask again, or ask another node",
                retry_after_ms=RETRY_AFTER_MS,
            )
        if len(behind.waiting) >= REQUESTS_MAX:
            raise OperatorFault(f"{REQUESTS_MAX} requests wait for the enclave already")
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        behind.waiting.append(future)
        behind.frames.send(encode_request(op, *arguments))
        try:
            return decode_answer(await future)
        except Refusal as refusal:
            if refusal.kind == UNFORESEEN:
                log.error("enclave.unforeseen", request=op.name, text=str(refusal))
            raise

    async def _ask_bytes(self, op: Op, *arguments: object) -> bytes:
        answer = await self._ask(op, *arguments)
        if type(answer) is not bytes:
            raise EnclaveGone(f"{op.name}: the enclave's answer is no byte string")
        return answer
