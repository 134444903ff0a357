"""A client's HTTP session: opened with a credential, closed so that nothing outlives the loop.

Owns the connections' end alone. A request that was given up leaves a TLS connection that waits for
the other side's farewell; the session knows it no more, and the loop would end before it does.
"""

import asyncio
import sys

import aiohttp
from aiohttp.connector import NEEDS_CLEANUP_CLOSED

from strongroom.node.credentials import Credential, header_of


def open_session(
    credential: Credential | None, timeout: aiohttp.ClientTimeout
) -> aiohttp.ClientSession:
    """A session that shows this credential; `close_session` must follow."""
    # Interpreters that wait for no farewell refuse the option.
    connector = aiohttp.TCPConnector(enable_cleanup_closed=NEEDS_CLEANUP_CLOSED)
    return aiohttp.ClientSession(
        connector=connector, timeout=timeout, headers=header_of(credential)
    )


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
