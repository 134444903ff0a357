"""What a GET of the front door weighs: pages and descriptions are made once, and sending them still
costs.

Owns the refusal of an address that has asked for more than it may, over HTTP. What calls weigh is
methods.py's.
"""

import asyncio

from aiohttp import hdrs, web

from strongroom.node.faults import Overloaded
from strongroom.node.rpc import app_keys as keys
from strongroom.node.rpc.weights import WEIGHT, Payer, network_of


def spend(request: web.Request, size: int) -> None:
    """It weighs so many bytes on whoever asks, where this application keeps allowances.

    Raises:
        HTTPTooManyRequests: its address has asked for more than it may.
    """
    app = request.app
    if keys.LIBRARY not in app:
        return
    stranger, now = Payer(network_of(request.remote or "")), asyncio.get_running_loop().time()
    try:
        app[keys.LIBRARY].allowances.spend(stranger, WEIGHT + size, now)
    except Overloaded as fault:
        seconds = -(-int(str(fault.data["retry_after_ms"])) // 1000)
        raise web.HTTPTooManyRequests(
            text=f"{fault}\n", headers={hdrs.RETRY_AFTER: str(seconds)}
        ) from None
