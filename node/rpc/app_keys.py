"""What the front door's application carries with it, by key."""

from collections.abc import Callable
from typing import Protocol

from aiohttp import web

from strongroom.node.rpc.backend import Backend
from strongroom.node.rpc.blobs import Chunks
from strongroom.node.rpc.crowd import Crowds
from strongroom.node.rpc.door import Door
from strongroom.node.rpc.limits import RpcLimits
from strongroom.node.rpc.methods import Counts
from strongroom.node.rpc.reading import Library
from strongroom.node.rpc.site import BoundedSite
from strongroom.node.rpc.websocket import Connection

BACKEND = web.AppKey("backend", Backend)
LIMITS = web.AppKey("limits", RpcLimits)
COUNTS = web.AppKey("counts", Counts)
DOOR = web.AppKey("door", Door)
CONNECTIONS = web.AppKey("connections", set[Connection])
SITES = web.AppKey("sites", list[BoundedSite])
LIBRARY = web.AppKey("library", Library)
CHUNKS: web.AppKey[Chunks | None] = web.AppKey("chunks")
CROWDS = web.AppKey("crowds", Crowds)
NAMES = web.AppKey("names", frozenset[str])
"""Under which the node is reached, beside its IP addresses."""
MAIN = web.AppKey("main", web.Application)
"""Of the health socket's application: the front door's."""


class Rendered(Protocol):
    """Numbers that can be told as text."""

    def render(self) -> str: ...


class Kept(Protocol):
    """A text that is made anew now and then."""

    def get(self, own: bool, make: Callable[[], str]) -> str: ...


TOLD = web.AppKey("told", Kept)
"""The last text of metrics."""
METRICS = web.AppKey("metrics", Rendered)
"""The front door's own numbers."""
