"""Whose page is it that asks? A browser carries requests of any page to any address that it
reaches.

Owns three refusals: a Host that is no name of this node (a name of the attacker's that now resolves
to it), an Origin of another site, and a body of a type that a page may send anywhere unasked.
Programs are not held up: they send no Origin, and the address that they were given as Host.
"""

from collections.abc import Awaitable, Callable, Iterable
from ipaddress import ip_address

from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
JSON = "application/json"
_ALWAYS = "localhost"


def guard(hosts: Iterable[str]) -> Middleware:
    """The middleware of a node that is reached under its IP addresses, `localhost` and these
    names."""
    names = frozenset((_ALWAYS, *(host.lower() for host in hosts)))

    @web.middleware
    async def refuse_foreign(request: web.Request, handler: Handler) -> web.StreamResponse:
        check_host(request.headers.getall(hdrs.HOST, []), names)
        check_origin(
            request.headers.getall(hdrs.ORIGIN, []), request.scheme, request.headers[hdrs.HOST]
        )
        if request.method == hdrs.METH_POST and request.content_type != JSON:
            text = f"the body is {JSON}: say so in Content-Type"
            raise web.HTTPUnsupportedMediaType(text=text)
        return await handler(request)

    return refuse_foreign


def check_host(given: list[str], names: frozenset[str]) -> None:
    """Raises HTTPForbidden unless there is one Host, an IP address or one of `names`."""
    host = _without_port(given[0]) if len(given) == 1 else ""
    if host not in names and not _is_address(host):
        raise web.HTTPForbidden(
            text="this Host is none of this node's names: ask by its IP address, or have"
            ' its operator add the name to `hosts = ["..."]` in node.toml'
        )


def check_origin(given: list[str], scheme: str, host: str) -> None:
    """Raises HTTPForbidden for a page that this node did not serve itself."""
    if given and [origin.lower() for origin in given] != [f"{scheme}://{host}".lower()]:
        raise web.HTTPForbidden(
            text="pages of other sites are not served: this Origin is not this node's"
        )


def _without_port(host: str) -> str:
    name, separator, port = host.rpartition(":")
    if separator and port.isascii() and port.isdigit() and not name.endswith(":"):
        host = name
    return host.removeprefix("[").removesuffix("]").lower()


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
