"""The local reader: the page on http://127.0.0.1, for nodes that it checks itself, or for files.

Owns the server and where it listens: this machine alone, without TLS, behind the same guard of Host
and Origin as a node's front door. Whom it asks is checking.py's, what may be asked proxy.py's.
"""

import errno
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hmac import compare_digest
from secrets import token_urlsafe
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Middleware

from strongroom.consensus.errors import OperatorFault
from strongroom.node import tls
from strongroom.node.client.http import close_session, open_session
from strongroom.node.client.trust.service import Service
from strongroom.node.explorer.ledger_reader import LedgerReader
from strongroom.node.machine.ports import holder_of
from strongroom.node.rpc import app_keys as keys
from strongroom.node.rpc.guard import guard, names_of
from strongroom.node.rpc.http import make_app, serve
from strongroom.node.rpc.limits import RpcLimits
from strongroom.node.rpc.writing import bound_writing
from strongroom.node.web import files_backend, pages
from strongroom.node.web.checking import Checker
from strongroom.node.web.proxy import ASKED_BYTES_MAX, Proxy

HOST = "127.0.0.1"
LIMITS = RpcLimits(
    connections_max=128, websockets_max=32, refused_max=4, body_bytes_max=ASKED_BYTES_MAX
)
"""One reader's own browser."""
OPEN_SECONDS_MAX = 3.0
KEY_BYTES = 24
"""Of the random word in the URL."""
_PREFIX = "/{key}"
_NO_KEY = "open the whole URL that `strongroom explorer web` printed\n"


@dataclass(frozen=True, slots=True)
class Reading:
    """A reader that listens."""

    url: str
    """Of nodes, with the key without which nothing is answered: a secret of this user."""
    findings: tuple[dict[str, Any], ...] = ()
    """What was found at each node."""


@asynccontextmanager
async def reading_nodes(
    service: Service, port: int, say: Callable[[str], None]
) -> AsyncIterator[Reading]:
    """Check the nodes of a service, then serve the page for those that are good.

    Raises:
        NotTrusted, Unreachable: no node may be shown.
        OperatorFault: the port cannot be had.
    """
    context = tls.client_context(service.ca)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=OPEN_SECONDS_MAX)
    http = open_session(service.credential, timeout)
    try:
        checker = Checker(service, http, context)
        await checker.check_all(say)
        key = token_urlsafe(KEY_BYTES)
        app = _bare_app(key)
        Proxy(checker, http).mount(app, _PREFIX)

        def served() -> dict[str, Any]:
            findings = [one.document() for one in checker.findings.values()]
            return {"from": "reader", "node": "", "pin": service.pin, "nodes": findings}

        pages.mount(app, served, _PREFIX)
        try:
            async with _listening(app, port) as url:
                findings = tuple(one.document() for one in checker.findings.values())
                yield Reading(f"{url}{key}/", findings)
        finally:
            await checker.close()
    finally:
        await close_session(http)


@asynccontextmanager
async def reading_files(reader: LedgerReader, port: int) -> AsyncIterator[Reading]:
    """Serve the page for a ledger's files.

    Raises:
        OperatorFault: the port cannot be had.
    """
    app = make_app(files_backend.FilesBackend(reader), LIMITS)
    pages.mount(app, lambda: files_backend.served(reader))
    async with _listening(app, port) as url:
        yield Reading(url)


def _bare_app(key: str) -> web.Application:
    middlewares = [bound_writing, guard(names_of(())), only_with(key)]
    app = web.Application(client_max_size=ASKED_BYTES_MAX, middlewares=middlewares)
    app[keys.LIMITS], app[keys.SITES] = LIMITS, []
    return app


def only_with(key: str) -> Middleware:
    """Whoever does not know the key that the printed URL begins with gets nothing: the nodes are
    asked with this user's credential, and every process of this machine reaches 127.0.0.1."""

    @web.middleware
    async def check(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        shown = request.path.split("/", 2)[1]
        if not compare_digest(shown.encode(), key.encode()):
            return web.Response(status=404, text=_NO_KEY, headers=pages.HEADERS)
        return await handler(request)

    return check


@asynccontextmanager
async def _listening(app: web.Application, port: int) -> AsyncIterator[str]:
    try:
        runner = await serve(app, HOST, port, None)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        pid = holder_of(port)
        who = "another process" if pid is None else f"pid {pid}"
        raise OperatorFault(
            f"port {port} is taken by {who}: choose another with --port, or 0 for a free one"
        ) from None
    try:
        yield f"http://{HOST}:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()
