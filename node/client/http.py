"""A client's HTTP session: opened with a credential, closed so that nothing outlives the loop.

Owns the connections' end, and what a WebSocket tells of bytes that come and go. A request that was
given up leaves a TLS connection that waits for the other side's farewell; the session knows it no
more, and the loop would end before it does.
"""

import asyncio
import fcntl
import sys
import termios
from contextlib import suppress

import aiohttp
from aiohttp.connector import NEEDS_CLEANUP_CLOSED

from strongroom.node.credentials import Credential, header_of


class Socket(aiohttp.ClientWebSocketResponse):
    """A WebSocket that also tells of parts of messages: a long one on a slow line is a sign of life
    long before its end."""

    arrivals = 0
    """How often bytes came."""

    def _on_data_received(self) -> None:
        self.arrivals += 1
        super()._on_data_received()

    @property
    def unsent(self) -> int:
        """Bytes that were written and that the other machine has not taken yet; 0: not known."""
        transport = self.get_extra_info("socket")
        if transport is None or self._conn is None or self._conn.transport is None:
            return 0
        waiting = bytearray(4)
        with suppress(OSError, ValueError):
            fcntl.ioctl(transport.fileno(), termios.TIOCOUTQ, waiting)
        kept: int = self._conn.transport.get_write_buffer_size()
        return kept + int.from_bytes(waiting, sys.byteorder)


def open_session(
    credential: Credential | None, timeout: aiohttp.ClientTimeout
) -> aiohttp.ClientSession:
    """A session that shows this credential and follows no redirect (`SentElsewhere`);
    `close_session` must follow."""
    # Interpreters that wait for no farewell refuse the option.
    connector = aiohttp.TCPConnector(enable_cleanup_closed=NEEDS_CLEANUP_CLOSED)
    return aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        headers=header_of(credential),
        trace_configs=[_staying()],
        ws_response_class=Socket,
    )


class SentElsewhere(aiohttp.ClientError):
    """A node answers with a redirect, which no node of ours does."""


def _staying() -> aiohttp.TraceConfig:
    """No redirect is followed, of whatever request: a node that lies would have this machine ask
    whom it likes, in its own network and with what it has been given to say."""
    config = aiohttp.TraceConfig()
    config.on_request_redirect.append(_refuse_redirect)
    return config


async def _refuse_redirect(
    _session: aiohttp.ClientSession,
    _context: object,
    params: aiohttp.TraceRequestRedirectParams,
) -> None:
    params.response.close()
    raise SentElsewhere(f"it answers with a redirect (status {params.response.status})")


async def close_session(session: aiohttp.ClientSession) -> None:
    """End all connections, those too that only wait for a farewell."""
    try:
        await session.close()
    except AttributeError:
        if sys.version_info >= (3, 12):
            raise
        # CPython before 3.11.4, Debian 12's: a TLS transport that has ended cannot be aborted, and
        # the first of them keeps the session from its end. What is left ends with the loop.
        await session.close()
    await asyncio.sleep(0)  # an aborted connection tells its end in the loop's next turn
