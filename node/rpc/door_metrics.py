"""The front door's own numbers, in a registry that lives as long as its application.

Owns what is counted before and around calls; the calls themselves are counted in methods.py, the
node's numbers are its backend's.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from http import HTTPStatus

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from strongroom.node.faults import Overloaded
from strongroom.node.metrics.catalogue import REJECTIONS, counters, gauge, gauges, histograms
from strongroom.node.rpc import app_keys as keys
from strongroom.node.rpc import malformed
from strongroom.node.rpc.feed import TOPICS
from strongroom.node.rpc.methods import METHODS, OK, UNKNOWN

_REASONS = {
    HTTPStatus.BAD_REQUEST: malformed.REASON,
    HTTPStatus.FORBIDDEN: "foreign",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "content_type",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "too_large",
    HTTPStatus.REQUEST_TIMEOUT: "too_slow",
    HTTPStatus.SERVICE_UNAVAILABLE: "no_place",
}
"""What a refusal by HTTP is counted as; whatever else (404, 405) is no call and no load."""

_FROM_THE_START = {
    (method, code): 0
    for method in (*METHODS, UNKNOWN)
    for code in (OK, str(Overloaded.code))
    if method != UNKNOWN or code != OK
}
"""Told at 0: an alert takes a rate of the second, which does not see a series that begins at 1."""


class DoorMetrics(Collector):
    """What one application counts."""

    def __init__(self, app: web.Application) -> None:
        self._app = app
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def render(self) -> str:
        """All of it, read now."""
        return generate_latest(self._registry).decode()

    def describe(self) -> Iterable[Metric]:
        """Nothing: the registry need not ask for values to learn names."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The metrics of the catalogue that begin with `rpc`."""
        app = self._app
        counts, crowds = app[keys.COUNTS], app[keys.CROWDS]
        listeners = [site.listener for site in app[keys.SITES]]
        turned = {
            "no_place": sum(one.turned_away for one in listeners),
            "gave_way": sum(one.gave_way for one in listeners),
        }
        yield counters("rpc_requests_total", {**_FROM_THE_START, **counts.calls}.items())
        yield histograms(
            "rpc_request_seconds", [((name,), one) for name, one in counts.seconds.items()]
        )
        yield gauge("rpc_connections", sum(len(one.guests) for one in listeners))
        yield gauge("rpc_websockets", len(app[keys.CONNECTIONS]))
        yield gauges("rpc_subscriptions", [((one,), crowds.subscribed[one]) for one in TOPICS])
        yield counters("rpc_missed_blocks_total", [((), crowds.missed)])
        rejected = counts.rejected
        yield counters(
            "rpc_rejected_total",
            [((one,), rejected[one] + turned.get(one, 0)) for one in REJECTIONS],
        )


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def count_refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count what is refused by HTTP, before or instead of a call."""
    try:
        return await handler(request)
    except web.HTTPException as refusal:
        reason = _REASONS.get(HTTPStatus(refusal.status))
        if reason is not None:
            request.app[keys.COUNTS].rejected[reason] += 1
        raise
