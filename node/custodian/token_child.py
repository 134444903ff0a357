"""The child process that holds a device, as its parent sees it: started, asked, killed.

Owns the process and its pipe. When it is killed, and what is tried again, is device.py's.
"""

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical
from strongroom.node.client.passphrases import PASSPHRASE_VARIABLE
from strongroom.node.custodian.token_words import LENGTH_BYTES, frame, length_of

_END_SECONDS = 2.0
"""For a killed process to go; one that the kernel holds back is not waited for."""


class Hung(Exception):
    """No answer in time."""


class Crashed(Exception):
    """The child ended, or said what is no answer."""


class TokenChild:
    """The process and its pipe."""

    def __init__(
        self,
        process: "subprocess.Popen[bytes]",
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._process, self._reader, self._writer = process, reader, writer

    @classmethod
    async def start(cls, command: Sequence[str], more: Mapping[str, str]) -> "TokenChild":
        """Start it. What a vendor's module prints goes nowhere: it could hold the PIN."""
        ours, theirs = socket.socketpair()
        with theirs:
            environment = {**os.environ, **more}
            environment.pop(PASSPHRASE_VARIABLE, None)
            try:
                process = subprocess.Popen(  # noqa: S603 (our own interpreter)
                    (*command, str(theirs.fileno()), str(os.getpid())),
                    pass_fds=(theirs.fileno(),),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env=environment,
                    start_new_session=True,  # a terminal's Ctrl-C is for the custodian
                )
            except BaseException:
                ours.close()
                raise
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        return cls(process, reader, writer)

    async def ask(self, request: codec.Wire, seconds: float) -> tuple[Any, ...]:
        """One request and its answer.

        Raises:
            Hung: none in time.
            Crashed: the process ended, or said what is no answer.
        """
        try:
            async with asyncio.timeout(seconds):
                self._writer.write(frame(request))
                await self._writer.drain()
                size = length_of(await self._reader.readexactly(LENGTH_BYTES))
                answer = codec.decode(await self._reader.readexactly(size))
        except TimeoutError:
            raise Hung from None
        except (OSError, EOFError, NotCanonical):
            raise Crashed from None
        if type(answer) is not tuple or len(answer) not in (2, 3) or type(answer[0]) is not bool:
            raise Crashed
        return answer

    async def end(self) -> None:
        """Kill it, and what its module started. One that the kernel holds back is not waited
        for."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()
        with suppress(OSError):  # its group is its own, and its number nobody else's till `wait`
            os.killpg(self._process.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(self._process.wait, _END_SECONDS)
