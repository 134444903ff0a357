"""Results against their schemas: the one hook that sees every answer of a front door under test,
and the least document of a shape."""

import asyncio
import re
from typing import Any

import jsonschema
import msgpack
import pytest

from strongroom.node.client.calls.connection import Connection
from strongroom.node.rpc import answering, notifications
from strongroom.node.rpc.forms import Form
from strongroom.node.rpc.methods import METHODS
from strongroom.node.rpc.openrpc import EVENT
from strongroom.node.rpc.results import RESULTS
from strongroom.node.rpc.schemas import COMPONENTS, Schema

ITEMS_LOOKED_AT = 20
_TEXTS = {
    "^[0-9a-f]{64}$": "ab" * 32,
    "^[0-9a-f]{32}$": "ab" * 16,
    "^([0-9a-f]{2})*$": "ab",
}


def closed(schema: Any) -> Any:
    """The schema as tests want it: no object has a member that is not told of."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: closed(value) for name, value in schema.items()}
    if (
        made.get("type") == "object"
        and "properties" in made
        and isinstance(made["properties"], dict)
    ):
        made.setdefault("additionalProperties", False)
    return made


def validator(schema: Schema) -> jsonschema.Draft7Validator:
    """Of one schema among the components."""
    return jsonschema.Draft7Validator(
        {**closed(schema), "components": {"schemas": closed(COMPONENTS)}}
    )


VALIDATORS = {name: validator(schema) for name, schema in RESULTS.items()}
EVENTS = validator(EVENT)


def problems(method: str, result: Any, *, null_is_fine: bool = False) -> list[str]:
    """What is wrong with a result; empty: nothing."""
    if method not in METHODS:  # a test's own
        return []
    return [
        f"{method}: {error.json_path}: {error.message[:300]}"
        for error in VALIDATORS[method].iter_errors(as_json(result))
        if not (null_is_fine and error.instance is None)
    ]


def as_json(value: Any) -> Any:
    """A value of either form as it stands in JSON; long lists by their first items."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (list, tuple)):
        return [as_json(one) for one in value[:ITEMS_LOOKED_AT]]
    if isinstance(value, dict):
        return {name: as_json(one) for name, one in value.items()}
    return value


def watched(monkeypatch: pytest.MonkeyPatch, *, null_is_fine: bool = False) -> list[str]:
    """Look at every answer and event of a front door in this process, and at every answer that a
    client in it gets, of whatever process; what is wrong is in the list."""
    found: list[str] = []
    _watch_door(monkeypatch, found, null_is_fine)
    _watch_clients(monkeypatch, found)
    return found


def _watch_door(monkeypatch: pytest.MonkeyPatch, found: list[str], null_is_fine: bool) -> None:
    answer_one, notify = answering._answer_one, notifications.notification

    async def looked_at(value: Any, call: Any, room: Any) -> Any:
        reply = await answer_one(value, call, room)
        if reply is not None and isinstance(value, dict):
            document = decoded(room.form, reply)
            if "result" in document and isinstance(value.get("method"), str):
                result = document["result"]
                found.extend(problems(value["method"], result, null_is_fine=null_is_fine))
        return reply

    def told(form: Form, id: int, topic: str, items: Any) -> bytes:
        frame = notify(form, id, topic, items)
        params = as_json(decoded(form, frame)["params"])
        found.extend(f"event: {error.message[:300]}" for error in EVENTS.iter_errors(params))
        return frame

    monkeypatch.setattr(answering, "_answer_one", looked_at)
    for module in ("notifications", "subscriptions"):
        monkeypatch.setattr(f"strongroom.node.rpc.{module}.notification", told)


def _watch_clients(monkeypatch: pytest.MonkeyPatch, found: list[str]) -> None:
    send = Connection._send

    async def sent(self: Connection, method: str, params: Any, then: Any) -> Any:
        id, future = await send(self, method, params, then)

        def come(answer: "asyncio.Future[Any]") -> None:
            if not answer.cancelled() and answer.exception() is None:
                found.extend(problems(method, answer.result()))

        future.add_done_callback(come)
        return id, future

    monkeypatch.setattr(Connection, "_send", sent)


def decoded(form: Form, data: bytes) -> Any:
    """A message; ids of msgpack may be longer than JSON's."""
    return form.decode(data) if form.text else msgpack.unpackb(data, strict_map_key=False)


def least(schema: Schema) -> Any:
    """The least value of a shape."""
    if "$ref" in schema:
        return least(COMPONENTS[schema["$ref"].rpartition("/")[2]])
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    for choice in ("oneOf", "anyOf"):
        if choice in schema:
            return least(schema[choice][0])
    kind = schema.get("type")
    if kind == "object":
        parts = schema.get("properties", {})
        return {name: least(parts.get(name, {})) for name in schema.get("required", ())}
    if kind == "string":
        text = _TEXTS.get(schema.get("pattern", ""), "")
        assert re.search(schema.get("pattern", ""), text)
        return text
    return {"array": [], "integer": 0, "boolean": False}.get(str(kind))
