"""The end of a connection without a farewell.

Owns one difference between interpreters: before CPython 3.11.4 (Debian 12 has 3.11.2) a TLS
transport that has ended already raises when it is told to.
"""

import asyncio
import sys


def abort(transport: asyncio.WriteTransport) -> None:
    """End a connection now; one that has ended stays ended."""
    try:
        transport.abort()
    except AttributeError:
        if sys.version_info >= (3, 12):
            raise
