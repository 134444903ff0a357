"""Calls made from the schemas and of junk, over HTTP and frames of both forms, and what may come
back: one reply, with a result as its schema says or a known code.

Owns what is asked and how a reply is judged; of which door, its callers say: a made-up one in the
suite, a real node in `scripts/fuzz_rpc`.
"""

import json
import random
import re
import ssl
from base64 import b64decode
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgpack
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType
from hypothesis import strategies as st
from hypothesis_jsonschema import from_schema
from tests.node.rpc.results import EVENTS, as_json, problems

from strongroom.node.rpc.methods import METHODS

KNOWN = {-32700, -32600, -32601, -32602, *range(-32007, -32000)}
CARRIERS = ("http", "text", "binary")
JSON_BODY = {"Content-Type": "application/json"}
MOST_CHANGES = 5
_HEX = re.compile("([0-9a-f]{2})+")

Call = tuple[str, str, Any]
"""(carrier, method, parameters)"""


def params_of(name: str) -> st.SearchStrategy[Any]:
    """Parameters as the schema allows them."""
    parts = {one.name: from_schema(one.kind.schema) for one in METHODS[name].parameters}
    required = [one.name for one in METHODS[name].parameters if one.required]
    return st.fixed_dictionaries({key: parts.pop(key) for key in required}, optional=parts)


_ATOM = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
_LIST = st.lists(_ATOM, max_size=4)
_JUNK = _ATOM | _LIST | st.dictionaries(st.text(max_size=8), _ATOM | _LIST, max_size=4)
_CARRIER = st.sampled_from(CARRIERS)
_OF_SCHEMA = st.sampled_from(sorted(METHODS)).flatmap(
    lambda name: st.tuples(_CARRIER, st.just(name), params_of(name))
)
_OF_JUNK = st.tuples(_CARRIER, st.sampled_from([*sorted(METHODS), "no_such_method"]), _JUNK)
CALLS = _OF_SCHEMA | _OF_JUNK


@dataclass
class Fuzz:
    """One door that is asked."""

    http: ClientSession
    url: str
    """https://… or http://…"""
    tls: ssl.SSLContext | None = None
    asked: int = 0
    came: Counter[str] = field(default_factory=Counter)
    """Results and codes."""
    wrong: list[str] = field(default_factory=list)
    _sockets: dict[str, ClientWebSocketResponse] = field(default_factory=dict)

    @property
    def _tls(self) -> Any:
        return True if self.tls is None else self.tls

    async def ask_all(self, calls: Sequence[Call]) -> None:
        """One after the other."""
        for carrier, method, params in calls:
            await self.ask(carrier, method, params)

    async def ask(self, carrier: str, method: str, params: Any) -> None:
        """One call; its reply is judged."""
        self.asked += 1
        request = {"jsonrpc": "2.0", "id": self.asked, "method": method, "params": params}
        if carrier == "http":
            reply = await self._post(json.dumps(request).encode())
        else:
            reply = await self._unless_closed(carrier, self._frame(carrier, request))
        said = f"{carrier} {method} {str(params)[:200]}"
        if reply is not None:
            if reply.get("id") not in (self.asked, None):
                self.wrong.append(f"{said}: the reply is to {reply.get('id')}")
            self._judge(said, method, reply)

    async def junk(self, seed: int, count: int) -> None:
        """Bytes that were a request, with a few of them changed, over each carrier."""
        dice = random.Random(seed)
        good = {"jsonrpc": "2.0", "id": 1, "method": "ledger_block", "params": [1]}
        for _ in range(count):
            carrier = dice.choice(CARRIERS)
            data = bytearray(
                msgpack.packb(good) if carrier == "binary" else json.dumps(good).encode()
            )
            for _ in range(dice.randrange(1, MOST_CHANGES + 1)):
                data[dice.randrange(len(data))] = dice.randrange(256)
            self.asked += 1
            await self._unless_closed(carrier, self._send_junk(carrier, bytes(data)))

    async def close(self) -> None:
        """No longer."""
        for socket in self._sockets.values():
            await socket.close()

    # --- inside ---

    async def _unless_closed(self, carrier: str, work: Awaitable[Any]) -> Any:
        """The door may end a connection after junk, also while the next frame is being sent."""
        try:
            return await work
        except ConnectionError:
            self._sockets.pop(carrier, None)
            self.came["closed"] += 1
            return None

    async def _send_junk(self, carrier: str, data: bytes) -> None:
        if carrier == "http":
            reply = await self._post(data)
        else:
            socket = await self._socket(carrier)
            if carrier == "binary":
                await socket.send_bytes(data)
            else:
                await socket.send_str(data.decode("utf-8", "replace"))
            # What is a notification gets no reply: the next call's reply shows that it is so.
            await socket.send_str('{"jsonrpc": "2.0", "id": "next", "method": "node_status"}')
            reply = await self._received(carrier, socket)
            if reply is not None and reply.get("id") != "next":
                await self._received(carrier, socket)
        if reply is not None and reply.get("id") != "next":
            self._judge(f"{carrier} {data!r}", "", reply)

    def _judge(self, said: str, method: str, reply: dict[str, Any]) -> None:
        if ("result" in reply) == ("error" in reply):
            self.wrong.append(f"{said}: neither a result nor an error: {reply}")
        elif "error" in reply:
            code = reply["error"]["code"]
            self.came[str(code)] += 1
            if code not in KNOWN:
                self.wrong.append(f"{said}: {reply['error']}")
        else:
            self.came["result"] += 1
            self.wrong.extend(f"{said}: {one}" for one in problems(method, reply["result"]))

    async def _post(self, body: bytes) -> Any:
        async with self.http.post(
            f"{self.url}/rpc", data=body, headers=JSON_BODY, ssl=self._tls
        ) as response:
            if response.status == 204:
                return None
            if response.status not in (200, 401):  # a refusal for want of a credential is a reply
                self.wrong.append(f"HTTP {response.status} to {body[:200]!r}")
                return None
            return await response.json()

    async def _frame(self, carrier: str, request: dict[str, Any]) -> Any:
        socket = await self._socket(carrier)
        if carrier == "text":
            await socket.send_str(json.dumps(request))
        else:
            try:
                data = msgpack.packb(_raw(request))
            except (OverflowError, ValueError):
                data = msgpack.packb({**request, "params": [str(request["params"])[:99]]})
            await socket.send_bytes(data)
        return await self._received(carrier, socket)

    async def _socket(self, carrier: str) -> ClientWebSocketResponse:
        socket = self._sockets.get(carrier)
        if socket is None or socket.closed:
            socket = await self.http.ws_connect(f"{self.url}/ws", max_msg_size=0, ssl=self._tls)
            self._sockets[carrier] = socket
        return socket

    async def _received(self, carrier: str, socket: ClientWebSocketResponse) -> Any:
        """The next reply; None when the door has closed the connection, as it may after junk."""
        while True:
            message = await socket.receive()
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                self._sockets.pop(carrier, None)
                self.came["closed"] += 1
                return None
            told = (
                json.loads(message.data)
                if message.type is WSMsgType.TEXT
                else msgpack.unpackb(message.data, strict_map_key=False)
            )
            if "method" not in told:
                return told
            self.came["event"] += 1
            params = as_json(told["params"])
            self.wrong.extend(f"event: {one.message[:200]}" for one in EVENTS.iter_errors(params))


def _raw(value: Any) -> Any:
    """As msgpack has it: what looks like hex or base64 as bytes."""
    if isinstance(value, dict):
        return {key: _raw(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_raw(one) for one in value]
    if isinstance(value, str) and len(value) >= 32 and _HEX.fullmatch(value):
        return bytes.fromhex(value)
    if isinstance(value, str) and value.endswith("="):
        try:
            return b64decode(value, validate=True)
        except ValueError:
            return value
    return value


@asynccontextmanager
async def fuzzed(http: ClientSession, url: str, tls: Any = None) -> AsyncIterator[Fuzz]:
    """A door under fuzz; whatever was wrong fails at the end."""
    fuzz = Fuzz(http, url, tls)
    try:
        yield fuzz
    finally:
        await fuzz.close()
    assert not fuzz.wrong, "\n".join(fuzz.wrong[:20])
