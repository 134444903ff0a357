"""Asking a node of this machine how it is, over its own public front door.

Owns one small synchronous HTTPS call with a deadline, for managing processes: no session, no
secret, nothing that is relied on for more than showing it. Users' calls go through
strongroom.node.client, which verifies before it believes.
"""

import http.client
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from strongroom.node.config import Address
from strongroom.node.credentials import Credential, header_of

_ANSWER_BYTES_MAX = 8 * 2**20


class NoAnswer(Exception):
    """The node does not answer, or not in time, or not with what was asked for."""


def is_live(address: Address, context: ssl.SSLContext | None, *, seconds: float) -> bool:
    """Does the host answer `/health/live` with 200? Without a context, on its socket of health
    alone."""
    try:
        return (
            _exchange(address, context, "GET", "/health/live", None, seconds)[0]
            == http.HTTPStatus.OK
        )
    except NoAnswer:
        return False


def health(
    address: Address, context: ssl.SSLContext | None, word: str, *, seconds: float
) -> tuple[int, dict[str, Any]]:
    """(status, document) of `/health/live` or `/health/ready`.

    Raises:
        NoAnswer: none in time, or no document.
    """
    status, body = _exchange(address, context, "GET", f"/health/{word}", None, seconds)
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise NoAnswer(f"{address} did not answer as a node does: status {status}")
    return status, told


def ask(
    address: Address,
    context: ssl.SSLContext,
    method: str,
    *parameters: Any,
    seconds: float,
    credential: Credential | None = None,
) -> Any:
    """One JSON-RPC call (POST /rpc).

    Raises:
        NoAnswer: no result in time.
    """
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(parameters)}
    _, body = _exchange(
        address, context, "POST", "/rpc", json.dumps(request).encode(), seconds, credential
    )
    try:
        return json.loads(body)["result"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise NoAnswer(f"{address} did not answer {method}: {body[:200]!r}") from None


def fetch(
    address: Address,
    context: ssl.SSLContext,
    path: str,
    *,
    seconds: float,
    credential: Credential | None = None,
) -> bytes | None:
    """What a node serves at a path; None: it has nothing there, or does not answer in time. Nothing
    of it is believed: whoever asks knows the digest."""
    try:
        status, body = _exchange(address, context, "GET", path, None, seconds, credential)
    except NoAnswer:
        return None
    return body if status == http.HTTPStatus.OK else None


def _exchange(
    address: Address,
    context: ssl.SSLContext | None,
    verb: str,
    path: str,
    body: bytes | None,
    seconds: float,
    credential: Credential | None = None,
) -> tuple[int, bytes]:
    headers = {"Content-Type": "application/json", "Connection": "close", **header_of(credential)}
    try:
        with _connected(address, context, seconds) as end, _cut_after(end, seconds) as late:
            if isinstance(end, ssl.SSLSocket):
                end.do_handshake()
            connection = http.client.HTTPConnection(address.host, address.port)
            connection.sock = end
            connection.request(verb, path, body, headers)
            response = connection.getresponse()
            answer = response.read(_ANSWER_BYTES_MAX)
            if late.is_set() or response.length:
                raise NoAnswer(f"{address}: not all of its answer came, or not in time")
            return response.status, answer
    except (OSError, http.client.HTTPException) as fault:
        raise NoAnswer(f"{address}: {fault}") from None


def _connected(
    address: Address, context: ssl.SSLContext | None, seconds: float
) -> socket.socket | ssl.SSLSocket:
    end = socket.create_connection((address.host, address.port), seconds)
    if context is None:
        return end
    return context.wrap_socket(end, server_hostname=address.host, do_handshake_on_connect=False)


@contextmanager
def _cut_after(end: socket.socket, seconds: float) -> Iterator[threading.Event]:
    """A socket's own time-out is for each read: who gives a byte now and then would hold it, and
    the thread that reads, for ever. Set once it was cut off."""
    late = threading.Event()

    def cut() -> None:
        late.set()
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()
