"""What a node's refusal means to a client: JSON-RPC error objects become faults again."""

import os
import re
from typing import Any

import aiohttp

from strongroom.node import faults
from strongroom.node.faults import RpcFault
from strongroom.node.rpc import jsonrpc
from strongroom.node.shown_text import shown

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
        faults.Archived,
        jsonrpc.ParseError,
        jsonrpc.InvalidRequest,
        jsonrpc.MethodNotFound,
        jsonrpc.InvalidParams,
        jsonrpc.InternalError,
    )
}


_OBJECTS = re.compile(r"<[^<>]* object at 0x[0-9a-f]+>")
"""What Python says of a thing that has no words; no user can do anything with it."""
MESSAGE_MAX = 1000
"""Characters of a node's words that are kept."""
NUMBER_MAX = 2**63 - 1
"""Heights, indices and times of a ledger stay below."""


def fault_of(error: Any) -> RpcFault:
    """The fault that a reply's `error` member tells of; a node's words become one line that no
    terminal obeys (T72).

    Raises:
        KeyError, TypeError: it is no error object.
    """
    code, message, data = error["code"], error["message"], error.get("data") or {}
    fault = _FAULTS.get(code, RpcFault)(shown(message)[:MESSAGE_MAX])
    fault.data = dict(data)
    return fault


def number_in(document: Any, name: str) -> int:
    """A height, index or count that a node sent.

    Raises:
        KeyError, TypeError, ValueError: missing, or nothing that a node would send.
    """
    value = document[name]
    if type(value) is not int or not 0 <= value <= NUMBER_MAX:
        raise ValueError(f"{name} is no number from 0 to 2^63 - 1")
    return value


def words_of(error: BaseException) -> str:
    """Why a connection failed, in short."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        wrong = error.certificate_error
        return getattr(wrong, "verify_message", "") or type(wrong).__name__
    if isinstance(error, aiohttp.ClientConnectorError):
        number = error.os_error.errno  # the loop's own text repeats the address
        return os.strerror(number).lower() if number else str(error.os_error) or "cannot connect"
    return _OBJECTS.sub("…", shown(error)) or type(error).__name__
