"""The table of methods as an OpenRPC 1.3 document (https://spec.open-rpc.org)."""

from collections.abc import Iterable
from importlib.metadata import version

from strongroom.node import faults
from strongroom.node.rpc.backend import Document
from strongroom.node.rpc.method import Method
from strongroom.node.rpc.parameters import Parameter
from strongroom.node.rpc.results import EXAMPLES, RESULTS, errors_of
from strongroom.node.rpc.schemas import ANY, COMPONENTS, COUNT, TEXT, Schema, array, ref, shape

_FAULTS = (
    faults.NotFound,
    faults.Refused,
    faults.TooLarge,
    faults.NotYet,
    faults.Overloaded,
    faults.WrongChainOrEpoch,
    faults.NotReady,
)


def openrpc(methods: Iterable[Method]) -> Document:
    """The whole document."""
    return {
        "openrpc": "1.3.2",
        "info": {
            "title": "Strongroom node",
            "description": "Digests and keys are lowercase hex, envelopes and encoded documents "
            "base64; in msgpack frames of the WebSocket both are raw bytes.",
            "version": version("strongroom"),
        },
        "servers": [
            {"name": "https", "url": "https://{node}/rpc", "variables": _NODE},
            {"name": "websocket", "url": "wss://{node}/ws", "variables": _NODE},
        ],
        "methods": [_method(method) for method in methods],
        "components": {
            "schemas": COMPONENTS,
            "errors": {
                fault.__name__: {"code": fault.code, "message": str(fault.__doc__)}
                for fault in _FAULTS
            },
        },
        "x-notifications": [
            {
                "name": "ledger_event",
                "summary": "What a subscription is told, in order of height, never before the "
                "reply that names it; `missed` when it lay too far behind, `ended` at its end.",
                "params": EVENT,
            }
        ],
    }


_NODE = {"node": {"default": "127.0.0.1:7400", "description": "Address of a node."}}
EVENT: Schema = shape(
    {"subscription": COUNT, "topic": TEXT},
    {
        **COMPONENTS["BlockHead"]["properties"],
        **COMPONENTS["Consensus"]["properties"],
        "block": ref("Block"),
        "transactions": array(ref("TransactionRow")),
        "missed": shape({"from": COUNT, "to": COUNT}),
        "reason": TEXT,
        "ended": TEXT,
    },
)
"""Parameters of a notification."""


def _method(method: Method) -> Document:
    name, example = method.name, EXAMPLES.get(method.name, {})
    return {
        "name": name,
        "summary": method.words,
        "tags": [{"name": name.partition("_")[0].partition(".")[0]}],
        "paramStructure": "either",
        "params": [_parameter(parameter) for parameter in method.parameters],
        "result": {
            "name": "result",
            "description": method.result,
            "schema": RESULTS.get(name, ANY),
        },
        "errors": [{"$ref": f"#/components/errors/{one.__name__}"} for one in errors_of(name)],
        "examples": [
            {
                "name": f"one {name}",
                "params": [{"name": key, "value": value} for key, value in example.items()],
                "result": {"name": "result", "value": f"${name.upper()}"},
            }
        ],
    }


def _parameter(parameter: Parameter) -> Document:
    schema = dict(parameter.kind.schema)
    if not parameter.required:
        schema["default"] = parameter.default
    return {
        "name": parameter.name,
        "description": f"{parameter.words} {parameter.kind.words.capitalize()}.",
        "required": parameter.required,
        "schema": schema,
    }
