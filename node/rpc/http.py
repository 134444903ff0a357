"""The front door of a node: HTTPS routes, and the server that stands on them.

`make_app` is the application, `serve` puts it on a port. It knows no method (methods.py), no rule of JSON-RPC
(jsonrpc.py), and nothing of the node but its `Backend`.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from functools import partial

from aiohttp import web

from strongroom.node.organisations import DoorPolicy
from strongroom.node.rpc import jsonrpc
from strongroom.node.rpc.backend import Backend
from strongroom.node.rpc.caller import Caller
from strongroom.node.rpc.door import REASON, Door
from strongroom.node.rpc.faults import RpcFault
from strongroom.node.rpc.limits import RpcLimits
from strongroom.node.rpc.methods import METHODS, Counts, perform
from strongroom.node.rpc.openrpc import openrpc
from strongroom.node.rpc.quota import Account
from strongroom.node.rpc.site import BoundedSite
from strongroom.node.rpc.websocket import Connection

_BACKEND = web.AppKey("backend", Backend)
_LIMITS = web.AppKey("limits", RpcLimits)
_COUNTS = web.AppKey("counts", Counts)
_DOOR = web.AppKey("door", Door)
_CONNECTIONS = web.AppKey("connections", set[Connection])
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="strongroom"'}
_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(backend: Backend, limits: RpcLimits | None = None, door: Door | None = None) -> web.Application:
    """The application: POST /rpc, GET /ws, /openrpc.json, /health/live, /health/ready, /metrics.

    Without a door nobody may submit.
    """
    bounds = limits or RpcLimits()
    app = web.Application(client_max_size=bounds.body_bytes_max, middlewares=[_bound_writing])
    app[_BACKEND], app[_LIMITS], app[_COUNTS] = backend, bounds, Counts()
    app[_DOOR] = door or Door(DoorPolicy())
    app[_CONNECTIONS] = set()
    app.router.add_post("/rpc", _rpc)
    app.router.add_get("/ws", _websocket)
    app.router.add_get("/openrpc.json", _openrpc)
    app.router.add_get("/health/live", _live)
    app.router.add_get("/health/ready", _ready)
    app.router.add_get("/metrics", _metrics)
    app.on_shutdown.append(_close_connections)
    return app


async def serve(app: web.Application, host: str, port: int, ssl_context: ssl.SSLContext | None) -> web.AppRunner:
    """Listen. `runner.addresses` says where (port 0 picks a free one); `await runner.cleanup()` stops gracefully.

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
        await BoundedSite(runner, host, port, ssl_context=ssl_context, connections_max=limits.connections_max).start()
    except BaseException:
        await runner.cleanup()
        raise
    return runner


# --- routes ---------------------------------------------------------------------------------------------------------


async def _rpc(request: web.Request) -> web.Response:
    limits = request.app[_LIMITS]
    try:
        async with asyncio.timeout(limits.body_seconds_max):
            body = await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout(text="the body did not come in time") from None
    reply: object
    try:
        value = jsonrpc.decode_json(body)
    except RpcFault as fault:
        reply = jsonrpc.error_reply(fault)
    else:
        caller = Caller(request.app[_BACKEND], limits, request.app[_DOOR], *_whose(request))
        call = partial(perform, caller, request.app[_COUNTS])
        reply = await jsonrpc.answer(value, call, batch_calls_max=limits.batch_calls_max)
    if reply is None:
        return web.Response(status=204)
    text = jsonrpc.encode_json(reply)
    if _lacks_credential(reply):
        return web.Response(text=text, content_type="application/json", status=401, headers=_CHALLENGE)
    return web.Response(text=text, content_type="application/json")


def _whose(request: web.Request) -> tuple[Account | None, bool]:
    """Whose credential a request shows, and whether it shows one."""
    authorization = request.headers.get("Authorization")
    return request.app[_DOOR].account_of(authorization), authorization is not None


def _lacks_credential(reply: object) -> bool:
    """Is this the refusal of a single call, for want of a credential?"""
    error = reply.get("error") if isinstance(reply, dict) else None
    return isinstance(error, dict) and error.get("data", {}).get("reason") == REASON


async def _websocket(request: web.Request) -> web.StreamResponse:
    app = request.app
    asker = partial(Caller, app[_BACKEND], app[_LIMITS], app[_DOOR], *_whose(request))
    connection = Connection(request, app[_BACKEND], app[_LIMITS], app[_COUNTS], asker)
    app[_CONNECTIONS].add(connection)
    try:
        return await connection.serve()
    finally:
        app[_CONNECTIONS].discard(connection)


async def _openrpc(_request: web.Request) -> web.Response:
    return web.Response(text=jsonrpc.encode_json(openrpc(METHODS.values())), content_type="application/json")


async def _live(request: web.Request) -> web.Response:
    return _health("live", request.app[_BACKEND].live)


async def _ready(request: web.Request) -> web.Response:
    return _health("ready", request.app[_BACKEND].ready)


def _health(word: str, good: bool) -> web.Response:
    return web.json_response({word: good}, status=200 if good else 503)


async def _metrics(request: web.Request) -> web.Response:
    text = request.app[_BACKEND].metrics() + _own_metrics(request.app)
    return web.Response(body=text.encode(), headers={"Content-Type": _METRICS_TYPE})


def _own_metrics(app: web.Application) -> str:
    counts = app[_COUNTS]
    lines = ["# TYPE strongroom_rpc_calls_total counter"]
    lines += [f'strongroom_rpc_calls_total{{method="{name}"}} {n}' for name, n in sorted(counts.calls.items())]
    lines.append("# TYPE strongroom_rpc_errors_total counter")
    lines += [f'strongroom_rpc_errors_total{{code="{code}"}} {n}' for code, n in sorted(counts.errors.items())]
    lines += ["# TYPE strongroom_rpc_websockets gauge", f"strongroom_rpc_websockets {len(app[_CONNECTIONS])}"]
    return "\n".join(lines) + "\n"


# --- bounds ---------------------------------------------------------------------------------------------------------


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
