"""A connection that has ended already is ended once more."""

import asyncio
import sys

import pytest

from strongroom.node.machine.transports import abort


class Ended(asyncio.WriteTransport):
    """As a TLS transport of CPython 3.11.2 whose protocol is gone."""

    def abort(self) -> None:
        raise AttributeError("'NoneType' object has no attribute '_abort'")


class Open(asyncio.WriteTransport):
    """One that notes it."""

    aborted = 0

    def abort(self) -> None:
        self.aborted += 1


def test_an_open_connection_ends() -> None:
    transport = Open()
    abort(transport)
    assert transport.aborted == 1


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="newer interpreters raise nothing here")
def test_one_that_has_ended_stays_ended() -> None:
    abort(Ended())
