"""Health and metrics: what probes and Prometheus ask, at the front door and at a socket that
clients cannot fill.

Owns these three routes; the node's numbers are its backend's, the front door's door_metrics.py's.
"""

import math
import time
from collections.abc import Callable

from aiohttp import hdrs, web

from strongroom.node.machine.descriptors import HEALTH
from strongroom.node.rpc import app_keys as keys
from strongroom.node.rpc.backend import Document
from strongroom.node.rpc.guard import guard, is_own
from strongroom.node.rpc.limits import RpcLimits
from strongroom.node.rpc.writing import bound_writing

_ALWAYS_OPEN = RpcLimits(
    connections_max=HEALTH,
    address_connections_max=HEALTH,
    refused_max=0,
    give_way_seconds=0.0,
    idle_seconds_max=5.0,
)
"""Of the socket of health and metrics: few connections, and none of them stays."""
AGE_SECONDS_MAX, OWN_AGE_SECONDS_MAX = 0.5, 0.1
"""How old a text of metrics may be at the clients' door, and at a socket of its own: making it
takes some milliseconds of the event loop (docs/metrics.md), and either may be asked in a loop."""
_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Told:
    """The last text of metrics, which is made anew when it is asked for and too old."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._text, self._made = "", -math.inf

    def get(self, own: bool, make: Callable[[], str]) -> str:
        """The text; `own`: it is asked for at a socket of its own."""
        now = self._clock()
        if now - self._made >= (OWN_AGE_SECONDS_MAX if own else AGE_SECONDS_MAX):
            self._text, self._made = make(), now
        return self._text


def make_health_app(door: web.Application, *, health: bool = True) -> web.Application:
    """The application of a socket that clients cannot fill: metrics of another application, and its
    health unless that is not wanted; nothing else."""
    middlewares = [bound_writing, guard(door[keys.NAMES])]
    app = web.Application(client_max_size=1024, middlewares=middlewares)
    app[keys.BACKEND], app[keys.COUNTS], app[keys.CONNECTIONS] = (
        door[keys.BACKEND],
        door[keys.COUNTS],
        door[keys.CONNECTIONS],
    )
    app[keys.LIMITS], app[keys.SITES], app[keys.MAIN] = _ALWAYS_OPEN, [], door
    app[keys.NAMES] = door[keys.NAMES]
    mount(app, health=health)
    return app


def mount(app: web.Application, *, health: bool = True) -> None:
    """Add the three routes; without health, that of metrics alone."""
    if health:
        app.router.add_get("/health/live", _live)
        app.router.add_get("/health/ready", _ready)
    app.router.add_get("/metrics", _metrics)


async def _live(request: web.Request) -> web.Response:
    return _health("live", request.app[keys.BACKEND].live)


async def _ready(request: web.Request) -> web.Response:
    backend, names = request.app[keys.BACKEND], request.app[keys.NAMES]
    own = is_own(request.headers.getall(hdrs.HOST, []), names)
    return _health("ready", backend.ready, backend.replicas if own else None)


def _health(word: str, good: bool, more: Document | None = None) -> web.Response:
    return web.json_response({word: good, **(more or {})}, status=200 if good else 503)


async def _metrics(request: web.Request) -> web.Response:
    own = keys.MAIN in request.app
    app = request.app.get(keys.MAIN, request.app)
    text = app[keys.TOLD].get(own, lambda: app[keys.BACKEND].metrics() + app[keys.METRICS].render())
    return web.Response(body=text.encode(), headers={"Content-Type": _METRICS_TYPE})
