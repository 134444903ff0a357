"""The front door of a node: HTTPS routes, and the server that stands on them.

`make_app` is the application, `serve` puts it on a port. It knows no method (methods.py), no rule
of JSON-RPC (jsonrpc.py), and nothing of the node but its `Backend`.
"""

import asyncio
import ssl
from collections.abc import Iterable
from functools import partial

from aiohttp import web

from strongroom.node.faults import Overloaded, RpcFault
from strongroom.node.machine.listening import Guest
from strongroom.node.organisations import DoorPolicy
from strongroom.node.rpc import answering, jsonrpc, monitoring
from strongroom.node.rpc import app_keys as keys
from strongroom.node.rpc.backend import Backend
from strongroom.node.rpc.blobs import BlobDoor, Chunks
from strongroom.node.rpc.caller import Caller, Subscriptions
from strongroom.node.rpc.crowd import Crowds
from strongroom.node.rpc.door import Door
from strongroom.node.rpc.door_metrics import DoorMetrics, count_refusals
from strongroom.node.rpc.feed import Feed
from strongroom.node.rpc.forms import JSON
from strongroom.node.rpc.getting import spend
from strongroom.node.rpc.guard import guard, names_of
from strongroom.node.rpc.idle_sockets import IdleSockets
from strongroom.node.rpc.limits import RpcLimits
from strongroom.node.rpc.malformed import noted_in
from strongroom.node.rpc.messages import bytes_max, check_batch, check_size, check_values, too_long
from strongroom.node.rpc.methods import Counts, discovered, perform
from strongroom.node.rpc.reading import Library
from strongroom.node.rpc.room import Room
from strongroom.node.rpc.site import BoundedSite, at_work
from strongroom.node.rpc.websocket import Connection
from strongroom.node.rpc.writing import bound_writing, in_pieces

_RETRY = {"Retry-After": "1"}
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="strongroom"'}


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
    bounds, names = limits or RpcLimits(), names_of(hosts)
    app = web.Application(
        client_max_size=bounds.body_bytes_max,
        middlewares=[count_refusals, bound_writing, guard(names)],
    )
    app[keys.BACKEND], app[keys.LIMITS], app[keys.COUNTS] = backend, bounds, Counts()
    app[keys.CONNECTIONS], app[keys.SITES], app[keys.NAMES] = set(), [], names
    app[keys.DOOR] = door or Door(DoorPolicy())
    library = app[keys.LIBRARY] = Library()
    app[keys.CROWDS] = Crowds(Feed(backend, library.lane), backend)
    app[keys.METRICS], app[keys.TOLD] = DoorMetrics(app), monitoring.Told()
    app.router.add_post("/rpc", _rpc)
    app.router.add_get("/ws", _websocket)
    app.router.add_get("/openrpc.json", _openrpc)
    monitoring.mount(app)
    app[keys.CHUNKS] = chunks
    if chunks is not None:
        BlobDoor(chunks, bounds, app[keys.DOOR]).mount(app)
    app.on_shutdown.append(_close_connections)
    app.on_cleanup.append(_end_telling)
    return app


async def serve(
    app: web.Application, host: str, port: int, ssl_context: ssl.SSLContext | None
) -> web.AppRunner:
    """Listen. `runner.addresses` says where (port 0 picks a free one); `await runner.cleanup()`
    stops gracefully.

    Raises:
        OSError: the address cannot be had.
    """
    limits = app[keys.LIMITS]
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
        counts = app.get(keys.COUNTS) or Counts()  # a local reader keeps none
        note = noted_in(counts.rejected)
        site = BoundedSite(runner, host, port, ssl_context=ssl_context, limits=limits, note=note)
        if keys.MAIN not in app:
            idle = IdleSockets(app.get(keys.CONNECTIONS, set()), limits, site.guest_of)
            site.listener.ask_way = idle.give_way_of
        app[keys.SITES].append(site)
        await site.start()
    except BaseException:
        await runner.cleanup()
        raise
    return runner


# --- routes ---------------------------------------------------------------------------------------


async def _rpc(request: web.Request) -> web.StreamResponse:
    caller = _caller(request, None)
    most = bytes_max(caller)
    if (request.content_length or 0) > most:
        raise web.HTTPRequestEntityTooLarge(
            most, request.content_length or 0, text=too_long(caller, request.content_length or 0)
        )
    try:
        async with asyncio.timeout(request.app[keys.LIMITS].body_seconds_max):
            body = await request.clone(client_max_size=most).read()  # it may tell no length
    except TimeoutError:
        raise web.HTTPRequestTimeout(text="the body did not come in time") from None
    with at_work(_guest_of(request)):
        room = Room(JSON, outgoing=caller.answers)
        try:
            return await in_pieces(request, await _answered(caller, request, body, room))
        finally:
            room.close()


async def _answered(caller: Caller, request: web.Request, body: bytes, room: Room) -> web.Response:
    app, reply = request.app, None
    try:
        check_size(caller, len(body))
        check_values(body.lstrip())
        value = jsonrpc.decode_json(body)
        check_batch(caller, value)
    except RpcFault as fault:
        room.late = isinstance(fault, Overloaded)
        await room.wait()
        return _json(JSON.encode(jsonrpc.error_reply(fault)))
    call = partial(perform, caller, app[keys.COUNTS])
    limit = app[keys.LIMITS].batch_calls_max
    reply = await answering.answer(value, call, room, batch_calls_max=limit)
    await room.wait()
    if reply is None:
        return web.Response(status=204)
    if caller.turned_away and type(value) is not list:
        return _json(reply, status=401, headers=_CHALLENGE)
    return _json(reply)


def _json(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        body=body,
        content_type="application/json",
        charset="utf-8",
        status=status,
        headers=headers,
    )


def _caller(request: web.Request, subscriptions: Subscriptions | None) -> Caller:
    """Who asks, with the credential that the request shows."""
    app, authorization = request.app, request.headers.get("Authorization")
    return Caller(
        app[keys.BACKEND],
        app[keys.LIMITS],
        app[keys.DOOR],
        account=app[keys.DOOR].account_of(authorization),
        shown=authorization is not None,
        subscriptions=subscriptions,
        library=app[keys.LIBRARY],
        chunks=app[keys.CHUNKS],
        address=request.remote or "",
    )


async def _websocket(request: web.Request) -> web.StreamResponse:
    app = request.app
    connections, limits = app[keys.CONNECTIONS], app[keys.LIMITS]
    idle = IdleSockets(connections, limits, partial(_guest_of_sites, app))
    if len(connections) >= limits.websockets_max and not idle.give_way():
        full = web.HTTPServiceUnavailable(
            text="too many WebSockets: try again in a second", headers=_RETRY
        )
        full.force_close()
        raise full
    asker = partial(_caller, request)
    connection = Connection(
        request,
        app[keys.BACKEND],
        limits,
        app[keys.COUNTS],
        asker,
        app[keys.CROWDS],
    )
    connections.add(connection)
    try:
        with at_work(_guest_of(request)):
            return await connection.serve()
    finally:
        connections.discard(connection)


def _guest_of(request: web.Request) -> Guest | None:
    """The place of the connection that a request came through."""
    return _guest_of_sites(request.app, request)


def _guest_of_sites(app: web.Application, request: web.Request) -> Guest | None:
    found = (site.guest_of(request) for site in app[keys.SITES])
    return next((guest for guest in found if guest is not None), None)


async def _openrpc(request: web.Request) -> web.Response:
    described = discovered(JSON)
    spend(request, len(described))
    return _json(described)


async def _close_connections(app: web.Application) -> None:
    await asyncio.gather(*(connection.close() for connection in app[keys.CONNECTIONS]))


async def _end_telling(app: web.Application) -> None:
    app[keys.CROWDS].end()
    app[keys.CROWDS].feed.close()
