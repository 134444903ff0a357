"""Health and metrics: what probes and Prometheus ask, at the front door and at a socket that
clients cannot fill.

Owns these three routes, and the numbers of the front door itself; the node's own are its backend's.
"""

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
_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def make_health_app(door: web.Application) -> web.Application:
    """The application of a socket that clients cannot fill: health and metrics of another
    application, nothing else."""
    middlewares = [bound_writing, guard(door[keys.NAMES])]
    app = web.Application(client_max_size=1024, middlewares=middlewares)
    app[keys.BACKEND], app[keys.COUNTS], app[keys.CONNECTIONS] = (
        door[keys.BACKEND],
        door[keys.COUNTS],
        door[keys.CONNECTIONS],
    )
    app[keys.LIMITS], app[keys.SITES], app[keys.MAIN] = _ALWAYS_OPEN, [], door
    app[keys.NAMES] = door[keys.NAMES]
    mount(app)
    return app


def mount(app: web.Application) -> None:
    """Add the three routes."""
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
    text = request.app[keys.BACKEND].metrics() + _own_metrics(
        request.app.get(keys.MAIN, request.app)
    )
    return web.Response(body=text.encode(), headers={"Content-Type": _METRICS_TYPE})


def _own_metrics(app: web.Application) -> str:
    counts = app[keys.COUNTS]
    lines = [
        "# HELP strongroom_rpc_calls_total Calls of known methods",
        "# TYPE strongroom_rpc_calls_total counter",
    ]
    lines += [
        f'strongroom_rpc_calls_total{{method="{name}"}} {n}'
        for name, n in sorted(counts.calls.items())
    ]
    lines += ["# HELP strongroom_rpc_errors_total Calls that were refused, by code"]
    lines += ["# TYPE strongroom_rpc_errors_total counter"]
    lines += [
        f'strongroom_rpc_errors_total{{code="{code}"}} {n}'
        for code, n in sorted(counts.errors.items())
    ]
    lines += _shown(
        "strongroom_rpc_websockets", "gauge", "Open WebSockets", len(app[keys.CONNECTIONS])
    )
    listeners = [site.listener for site in app[keys.SITES]]
    lines += _shown(
        "strongroom_rpc_connections",
        "gauge",
        "Open connections",
        sum(len(one.guests) for one in listeners),
    )
    words = "Connections that found no place"
    lines += _shown(
        "strongroom_rpc_turned_away_total",
        "counter",
        words,
        sum(one.turned_away for one in listeners),
    )
    words = "Idle connections that gave way to newer ones"
    lines += _shown(
        "strongroom_rpc_gave_way_total", "counter", words, sum(one.gave_way for one in listeners)
    )
    return "\n".join(lines) + "\n"


def _shown(name: str, kind: str, words: str, value: int) -> list[str]:
    return [f"# HELP {name} {words}", f"# TYPE {name} {kind}", f"{name} {value}"]
