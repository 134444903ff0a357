"""Asking another node: its answer comes in time, or is none (T67)."""

import asyncio
from contextlib import suppress

from tests.hang import HANG_SECONDS

from strongroom.node.config import Address
from strongroom.node.rpc import probe


async def asked(answer: bytes, *, then_drip: bytes) -> bytes | None:
    """What is fetched of a node that begins with this answer, and then gives a byte now and then,
    each sooner than a read's time-out."""

    gone = asyncio.Event()

    async def answered(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            writer.write(answer)
            while then_drip:
                writer.write(then_drip)
                await writer.drain()
                await asyncio.sleep(0.02)
        writer.close()
        gone.set()

    server = await asyncio.start_server(answered, "127.0.0.1", 0)
    async with server, asyncio.timeout(HANG_SECONDS):
        port = server.sockets[0].getsockname()[1]
        found = await asyncio.to_thread(
            probe.fetch,
            Address("127.0.0.1", port),
            None,  # type: ignore[arg-type]
            "/blob/x",
            seconds=0.3,
        )
        await gone.wait()
        return found


async def test_what_comes_in_time_is_the_answer() -> None:
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
    assert await asked(whole, then_drip=b"") == b"abc"


async def test_T67_a_node_that_drips_is_one_that_does_not_answer() -> None:
    body = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
    assert await asked(body, then_drip=b"x") is None
    assert await asked(b"HTTP/1.1 200 OK\r\nX: ", then_drip=b"x") is None
