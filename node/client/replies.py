"""What a node's refusal means to a client: JSON-RPC error objects become faults again."""

from typing import Any

import aiohttp

from strongroom.node.rpc import faults, jsonrpc
from strongroom.node.rpc.faults import RpcFault

_FAULTS: dict[int, type[RpcFault]] = {
    fault.code: fault
    for fault in (
        faults.NotFound,
        faults.Refused,
        faults.TooLarge,
        faults.NotYet,
        faults.Overloaded,
        faults.WrongChainOrEpoch,
        faults.NotReady,
        jsonrpc.MethodNotFound,
        jsonrpc.InvalidParams,
        jsonrpc.InternalError,
    )
}


def fault_of(error: Any) -> RpcFault:
    """The fault that a reply's `error` member tells of.

    Raises:
        KeyError, TypeError: it is no error object.
    """
    code, message, data = error["code"], error["message"], error.get("data") or {}
    fault = _FAULTS.get(code, RpcFault)(str(message))
    fault.data = dict(data)
    return fault


def words_of(error: BaseException) -> str:
    """Why a connection failed, in short."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error.strerror or "cannot connect"
    return str(error) or type(error).__name__
