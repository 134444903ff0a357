"""The client library: `from strongroom.node.client import Client`. Loaded when first asked for, to
start fast."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from strongroom.node.client.calls.calls import Done
    from strongroom.node.client.calls.requests import QueryResult
    from strongroom.node.client.client import Client
    from strongroom.node.client.errors import (
        Busy,
        CannotCheck,
        NoQuorum,
        NotTrusted,
        ProgramFailed,
        TransactionRefused,
        Unreachable,
    )
    from strongroom.node.client.sync import SyncClient

_HOMES = {
    "Busy": "errors",
    "Client": "client",
    "Done": "calls.calls",
    "QueryResult": "calls.requests",
    "SyncClient": "sync",
    "CannotCheck": "errors",
    "NoQuorum": "errors",
    "NotTrusted": "errors",
    "ProgramFailed": "errors",
    "TransactionRefused": "errors",
    "Unreachable": "errors",
}
__all__ = [
    "Busy",
    "CannotCheck",
    "Client",
    "Done",
    "NoQuorum",
    "NotTrusted",
    "ProgramFailed",
    "QueryResult",
    "SyncClient",
    "TransactionRefused",
    "Unreachable",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
