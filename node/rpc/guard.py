"""Whose page is it that asks? A browser carries requests of any page to any address that it
reaches.

Owns three refusals: a Host that is no name of this node (a name of the attacker's that now resolves
to it), an Origin of another site, and a body of a type that a page may send anywhere unasked.
Programs are not held up: they send no Origin, and the address that they were given as Host. Probes
of health may call a node by any name, and learn one word then.
"""

from collections.abc import Awaitable, Callable, Iterable
from ipaddress import ip_address

from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
JSON = "application/json"
PROBES = ("/health/live", "/health/ready")
_ALWAYS = "localhost"


def names_of(hosts: Iterable[str]) -> frozenset[str]:
    """The names of a node that is reached under its IP addresses, `localhost` and these."""
    return frozenset((_ALWAYS, *(host.lower() for host in hosts)))


def guard(names: frozenset[str]) -> Middleware:
    """The middleware of a node with these names."""

    @web.middleware
    async def refuse_foreign(request: web.Request, handler: Handler) -> web.StreamResponse:
        probe = request.path in PROBES and request.method in (hdrs.METH_GET, hdrs.METH_HEAD)
        if not probe:
            check_host(request.headers.getall(hdrs.HOST, []), names)
        check_origin(
            request.headers.getall(hdrs.ORIGIN, []),
            request.scheme,
            request.headers.get(hdrs.HOST, ""),
        )
        if request.method == hdrs.METH_POST and request.content_type != JSON:
            text = f"the body is {JSON}: say so in Content-Type"
            raise web.HTTPUnsupportedMediaType(text=text)
        return await handler(request)

    return refuse_foreign


def is_own(given: list[str], names: frozenset[str]) -> bool:
    """Is this one Host, and an IP address or one of `names`?"""
    host = _without_port(given[0]) if len(given) == 1 else ""
    return host in names or _is_address(host)


def check_host(given: list[str], names: frozenset[str]) -> None:
    """Raises HTTPForbidden unless there is one Host, an IP address or one of `names`."""
    if not is_own(given, names):
        raise web.HTTPForbidden(
            text="this Host is none of this node's names: ask by its IP address, or have"
            ' its operator add the name to `hosts = ["..."]` in node.toml'
        )


def check_origin(given: list[str], scheme: str, host: str) -> None:
    """Raises HTTPForbidden for a page that this node did not serve itself."""
    own = f"{scheme}://{_without_usual_port(scheme, host)}".lower()
    if given and [origin.lower() for origin in given] != [own]:
        raise web.HTTPForbidden(
            text="pages of other sites are not served: this Origin is not this node's"
        )


def _without_usual_port(scheme: str, host: str) -> str:
    """As browsers name an origin."""
    return host.removesuffix(":443" if scheme == "https" else ":80")


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
