"""Writing answers over HTTP, to peers that may be slow or gone.

Owns two bounds: how long a peer may take, and how much is written between two turns of the event
loop.
"""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from strongroom.node.machine.transports import abort
from strongroom.node.rpc.app_keys import LIMITS
from strongroom.node.rpc.frames import PIECE_BYTES

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def bound_writing(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Cut off a peer that does not take its answer in time."""
    response = await handler(request)
    try:
        async with asyncio.timeout(request.app[LIMITS].write_seconds_max):
            await response.prepare(request)
            await response.write_eof()
    except TimeoutError:
        if request.transport is not None:
            abort(request.transport)
    return response


async def in_pieces(request: web.Request, response: web.Response) -> web.StreamResponse:
    """The answer; a long one is written in pieces, so that others have their turn, and its bytes
    are held no longer than the peer may take for them."""
    body = response.body
    if not isinstance(body, bytes) or len(body) <= PIECE_BYTES:
        return response
    told = web.StreamResponse(status=response.status, headers=response.headers)
    told.content_length = len(body)
    try:
        async with asyncio.timeout(request.app[LIMITS].write_seconds_max):
            await told.prepare(request)
            for at in range(0, len(body), PIECE_BYTES):
                await told.write(body[at : at + PIECE_BYTES])
                await asyncio.sleep(0)
            await told.write_eof()
    except (TimeoutError, ConnectionError):
        if request.transport is not None:
            abort(request.transport)
    return told
