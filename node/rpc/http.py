"""The front door of a node: HTTPS routes, and the server that stands on them.

`make_app` is the application, `serve` puts it on a port. It knows no method (methods.py), no rule
of JSON-RPC (jsonrpc.py), and nothing of the node but its `Backend`.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

from aiohttp import web

from strongroom.node.faults import RpcFault
from strongroom.node.machine.descriptors import HEALTH
from strongroom.node.machine.listening import Guest
from strongroom.node.organisations import DoorPolicy
from strongroom.node.rpc import answering, jsonrpc
from strongroom.node.rpc.backend import Backend, Document
from strongroom.node.rpc.blobs import BlobDoor, Chunks
from strongroom.node.rpc.caller import Caller, Subscriptions
from strongroom.node.rpc.door import Door
from strongroom.node.rpc.feed import Feed
from strongroom.node.rpc.forms import JSON
from strongroom.node.rpc.guard import guard
from strongroom.node.rpc.limits import RpcLimits
from strongroom.node.rpc.methods import METHODS, Counts, perform
from strongroom.node.rpc.openrpc import openrpc
from strongroom.node.rpc.reading import Library
from strongroom.node.rpc.room import Room
from strongroom.node.rpc.site import BoundedSite, at_work
from strongroom.node.rpc.websocket import Connection

_BACKEND = web.AppKey("backend", Backend)
_LIMITS = web.AppKey("limits", RpcLimits)
_COUNTS = web.AppKey("counts", Counts)
_DOOR = web.AppKey("door", Door)
_CONNECTIONS = web.AppKey("connections", set[Connection])
_SITES = web.AppKey("sites", list[BoundedSite])
_ALWAYS_OPEN = RpcLimits(
    connections_max=HEALTH,
    address_connections_max=HEALTH,
    refused_max=0,
    give_way_seconds=0.0,
    idle_seconds_max=5.0,
)
"""Of the socket of health and metrics: few connections, and none of them stays."""
_LIBRARY = web.AppKey("library", Library)
_CHUNKS: web.AppKey[Chunks | None] = web.AppKey("chunks")
_FEED = web.AppKey("feed", Feed)
_MAIN = web.AppKey("main", web.Application)
_RETRY = {"Retry-After": "1"}
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="strongroom"'}
_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(
    backend: Backend,
    limits: RpcLimits | None = None,
    door: Door | None = None,
    *,
    hosts: Iterable[str] = (),
    chunks: Chunks | None = None,
) -> web.Application:
    """The application: POST /rpc, GET /ws, /openrpc.json, /health/live, /health/ready, /metrics;
    with a store of chunks also /blob/NAME and /blobs/ROOT.

    Args:
        backend: the node.
        limits: bounds other than the defaults.
        door: who may submit; without one nobody may.
        hosts: names under which it is reached, beside IP addresses and `localhost`.
        chunks: the node's store of sealed chunks.
    """
    bounds = limits or RpcLimits()
    app = web.Application(
        client_max_size=bounds.body_bytes_max, middlewares=[_bound_writing, guard(hosts)]
    )
    app[_BACKEND], app[_LIMITS], app[_COUNTS] = backend, bounds, Counts()
    app[_CONNECTIONS], app[_SITES] = set(), []
    app[_DOOR] = door or Door(DoorPolicy())
    library = app[_LIBRARY] = Library()
    app[_FEED] = Feed(backend, library.lane)
    app.router.add_post("/rpc", _rpc)
    app.router.add_get("/ws", _websocket)
    app.router.add_get("/openrpc.json", _openrpc)
    app.router.add_get("/health/live", _live)
    app.router.add_get("/health/ready", _ready)
    app.router.add_get("/metrics", _metrics)
    app[_CHUNKS] = chunks
    if chunks is not None:
        BlobDoor(chunks, bounds, app[_DOOR]).mount(app)
    app.on_shutdown.append(_close_connections)
    app.on_cleanup.append(_end_feed)
    return app


def make_health_app(door: web.Application) -> web.Application:
    """The application of a socket that clients cannot fill: health and metrics of another
    application, nothing else."""
    app = web.Application(client_max_size=1024, middlewares=[_bound_writing])
    app[_BACKEND], app[_COUNTS], app[_CONNECTIONS] = (
        door[_BACKEND],
        door[_COUNTS],
        door[_CONNECTIONS],
    )
    app[_LIMITS], app[_SITES], app[_MAIN] = _ALWAYS_OPEN, [], door
    app.router.add_get("/health/live", _live)
    app.router.add_get("/health/ready", _ready)
    app.router.add_get("/metrics", _metrics)
    return app


async def serve(
    app: web.Application, host: str, port: int, ssl_context: ssl.SSLContext | None
) -> web.AppRunner:
    """Listen. `runner.addresses` says where (port 0 picks a free one); `await runner.cleanup()`
    stops gracefully.

    Raises:
        OSError: the address cannot be had.
    """
    limits = app[_LIMITS]
    runner = web.AppRunner(
        app,
        access_log=None,
        handler_cancellation=True,
        keepalive_timeout=limits.idle_seconds_max,
        shutdown_timeout=limits.shutdown_seconds_max,
        auto_decompress=False,
    )
    await runner.setup()
    try:
        site = BoundedSite(runner, host, port, ssl_context=ssl_context, limits=limits)
        app[_SITES].append(site)
        await site.start()
    except BaseException:
        await runner.cleanup()
        raise
    return runner


# --- routes ---------------------------------------------------------------------------------------


async def _rpc(request: web.Request) -> web.Response:
    try:
        async with asyncio.timeout(request.app[_LIMITS].body_seconds_max):
            body = await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout(text="the body did not come in time") from None
    with at_work(_guest_of(request)):
        return await _answered(request, body)


async def _answered(request: web.Request, body: bytes) -> web.Response:
    app, limits = request.app, request.app[_LIMITS]
    reply: bytes | None
    try:
        value = jsonrpc.decode_json(body)
    except RpcFault as fault:
        reply = JSON.encode(jsonrpc.error_reply(fault))
    else:
        caller = _caller(request, None)
        call = partial(perform, caller, app[_COUNTS])
        reply = await answering.answer(
            value, call, Room(JSON), batch_calls_max=limits.batch_calls_max
        )
        if caller.turned_away and type(value) is not list and reply is not None:
            return web.Response(
                body=reply,
                content_type="application/json",
                charset="utf-8",
                status=401,
                headers=_CHALLENGE,
            )
    if reply is None:
        return web.Response(status=204)
    return web.Response(body=reply, content_type="application/json", charset="utf-8")


def _caller(request: web.Request, subscriptions: Subscriptions | None) -> Caller:
    """Who asks, with the credential that the request shows."""
    app, authorization = request.app, request.headers.get("Authorization")
    return Caller(
        app[_BACKEND],
        app[_LIMITS],
        app[_DOOR],
        account=app[_DOOR].account_of(authorization),
        shown=authorization is not None,
        subscriptions=subscriptions,
        library=app[_LIBRARY],
        chunks=app[_CHUNKS],
        address=request.remote or "",
    )


async def _websocket(request: web.Request) -> web.StreamResponse:
    app = request.app
    connections, limits = app[_CONNECTIONS], app[_LIMITS]
    if len(connections) >= limits.websockets_max and not _make_way(
        connections, limits.websocket_idle_seconds
    ):
        full = web.HTTPServiceUnavailable(
            text="too many WebSockets: try again in a second", headers=_RETRY
        )
        full.force_close()
        raise full
    asker = partial(_caller, request)
    connection = Connection(request, app[_BACKEND], limits, app[_COUNTS], asker, app[_FEED])
    connections.add(connection)
    try:
        with at_work(_guest_of(request)):
            return await connection.serve()
    finally:
        connections.discard(connection)


def _make_way(connections: set[Connection], idle_seconds: float) -> bool:
    """Close the WebSocket that has been idle longest, if one has been for long enough."""
    idlest = max(connections, key=lambda one: one.idle_seconds, default=None)
    if idlest is None or idlest.idle_seconds < idle_seconds:
        return False
    connections.discard(idlest)
    idlest.cut()
    return True


def _guest_of(request: web.Request) -> Guest | None:
    """The place of the connection that a request came through."""
    return next(
        (guest for site in request.app[_SITES] if (guest := site.guest_of(request)) is not None),
        None,
    )


async def _openrpc(_request: web.Request) -> web.Response:
    return web.Response(
        text=jsonrpc.encode_json(openrpc(METHODS.values())), content_type="application/json"
    )


async def _live(request: web.Request) -> web.Response:
    return _health("live", request.app[_BACKEND].live)


async def _ready(request: web.Request) -> web.Response:
    backend = request.app[_BACKEND]
    return _health("ready", backend.ready, backend.replicas)


def _health(word: str, good: bool, more: Document | None = None) -> web.Response:
    return web.json_response({word: good, **(more or {})}, status=200 if good else 503)


async def _metrics(request: web.Request) -> web.Response:
    text = request.app[_BACKEND].metrics() + _own_metrics(request.app.get(_MAIN, request.app))
    return web.Response(body=text.encode(), headers={"Content-Type": _METRICS_TYPE})


def _own_metrics(app: web.Application) -> str:
    counts = app[_COUNTS]
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
    lines += _shown("strongroom_rpc_websockets", "gauge", "Open WebSockets", len(app[_CONNECTIONS]))
    listeners = [site.listener for site in app[_SITES]]
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


# --- bounds ---------------------------------------------------------------------------------------


@web.middleware
async def _bound_writing(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Cut off a peer that does not take its answer in time."""
    response = await handler(request)
    try:
        async with asyncio.timeout(request.app[_LIMITS].write_seconds_max):
            await response.prepare(request)
            await response.write_eof()
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
    return response


async def _close_connections(app: web.Application) -> None:
    await asyncio.gather(*(connection.close() for connection in app[_CONNECTIONS]))


async def _end_feed(app: web.Application) -> None:
    app[_FEED].close()
