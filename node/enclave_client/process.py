"""The enclave's process and the one socket to it: requests out, answers back, each with its
request's number (DESIGN §2).

Owns starting, ending and replacing that process, how much may be asked at once, and that requests
and answers are those of the door's table (enclave/door/requests.py). What a host asks is said in
calls.py.
"""

import asyncio
import signal
import time
from itertools import count
from pathlib import Path
from typing import Any, Self

import structlog

from strongroom.consensus.errors import NotCanonical, OperatorFault
from strongroom.enclave.door.requests import (
    FRAME_BYTES_MAX,
    NUMBER_BYTES,
    Ending,
    Op,
    decode_answer,
    encode_request,
)
from strongroom.node.enclave_client.launch import Launched, launch
from strongroom.node.enclave_client.refusals import Refusal, RefusalKind, Unforeseen, refusal_of
from strongroom.node.faults import Overloaded
from strongroom.node.framing import FrameProtocol
from strongroom.node.machine.transports import abort
from strongroom.node.metrics.catalogue import FAST
from strongroom.node.metrics.tallies import Histograms

REQUESTS_MAX = 1024
OTHERS_REQUESTS_MAX = 512
"""With so many under way, nothing more is asked on behalf of clients and peers: votes and blocks
have the rest."""
RETRY_AFTER_MS = 100
_STOP_SECONDS = 5.0

_NAMES = {op: op.name for op in Op}
"""An enum's `name` is a call into Python, at each request."""

log = structlog.get_logger()


class EnclaveGone(OperatorFault):
    """The enclave's process ended; nothing that it held can be asked for again."""


class EnclaveSocket:
    """One process behind one socket: what waits for its answers."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.waiting: dict[bytes, asyncio.Future[bytes]] = {}
        """By the number of the request; in the order in which they were asked."""
        self._count = count()
        self.frames = FrameProtocol(self._on_frame, self._on_close, frame_bytes_max=FRAME_BYTES_MAX)
        self.closed = asyncio.Event()

    def _on_frame(self, frame: bytes) -> None:
        future = self.waiting.pop(frame[:NUMBER_BYTES], None)
        if future is None:
            abort(self.frames.transport)
        elif not future.done():
            future.set_result(frame[NUMBER_BYTES:])

    def ask(self, request: bytes) -> asyncio.Future[bytes]:
        """Send a request; its answer, once it is here."""
        number = (next(self._count) % (1 << 8 * NUMBER_BYTES)).to_bytes(NUMBER_BYTES, "big")
        future = self.waiting[number] = asyncio.get_running_loop().create_future()
        self.frames.send(number + request)
        return future

    def _on_close(self, _error: Exception | None) -> None:
        self.closed.set()
        waiting, self.waiting = self.waiting, {}
        for future in waiting.values():
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
        self._behind = EnclaveSocket(process)
        self._open = asyncio.Event()
        """Clear while one process hands over to the next: requests wait."""
        self._open.set()
        self.waits = Histograms(FAST)
        """How long requests waited for their answers, by operation."""

    @classmethod
    async def start(cls, chip: Path, log: Path | None = None) -> Self:
        """Launch a process and connect to it (see `launch`)."""
        return await cls.over(await launch(chip, log))

    @classmethod
    async def over(cls, launched: Launched) -> Self:
        """Connect to a process that was launched."""
        enclave = cls(launched.process)
        await asyncio.get_running_loop().create_unix_connection(
            lambda: enclave._behind.frames, sock=launched.socket
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

    async def ask(self, op: Op, *arguments: object) -> Any:
        """One request; its answer, as its row of the table says.

        Raises:
            Refusal: the enclave refused, or the arguments are not of the row's shape.
            Overloaded: asked on behalf of others, and too much waits.
            EnclaveGone: the process ended, or answers what cannot be read.
        """
        if not self._open.is_set():
            await self._open.wait()
        return await self.ask_paused(op, *arguments)

    async def ask_paused(self, op: Op, *arguments: object) -> Any:
        """The same, also while the process is about to be replaced."""
        behind = self._behind
        if behind.closed.is_set():
            raise EnclaveGone("the enclave has ended: start the node again")
        if op.for_others and len(behind.waiting) >= OTHERS_REQUESTS_MAX:
            raise Overloaded(
                "the enclave has too much to do: ask again, or ask another node",
                retry_after_ms=RETRY_AFTER_MS,
            )
        if len(behind.waiting) >= REQUESTS_MAX:
            raise OperatorFault(f"{REQUESTS_MAX} requests wait for the enclave already")
        try:
            request = encode_request(op, *op.arguments.encode(arguments))
        except NotCanonical as error:
            raise refusal_of(RefusalKind.NOT_CANONICAL, f"{op.name}: {error}") from None
        began = time.perf_counter()
        frame = await behind.ask(request)
        self.waits[_NAMES[op]].observe(time.perf_counter() - began)
        return _answer_in(op, frame)


def _answer_in(op: Op, frame: bytes) -> Any:
    """The answer in a frame, or its refusal."""
    try:
        return op.answer.decode(decode_answer(frame))
    except Refusal as refused:
        refusal = refusal_of(refused.kind, str(refused), refused.reason)
    except NotCanonical as error:
        raise EnclaveGone(f"{op.name}: the enclave's answer cannot be read ({error})") from None
    if isinstance(refusal, Unforeseen):
        log.error("enclave.unforeseen", request=op.name, text=str(refusal))
    raise refusal
