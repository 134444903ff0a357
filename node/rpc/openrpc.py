"""The table of methods as an OpenRPC 1.3 document (https://spec.open-rpc.org)."""

from collections.abc import Iterable
from importlib.metadata import version

from strongroom.node import faults
from strongroom.node.rpc.backend import Document
from strongroom.node.rpc.method import Method
from strongroom.node.rpc.parameters import Parameter

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
    errors = [{"code": fault.code, "message": str(fault.__doc__)} for fault in _FAULTS]
    return {
        "openrpc": "1.3.2",
        "info": {"title": "Strongroom node", "version": version("strongroom")},
        "methods": [
            {
                "name": method.name,
                "summary": method.words,
                "paramStructure": "either",
                "params": [_parameter(parameter) for parameter in method.parameters],
                "result": {"name": "result", "description": method.result, "schema": {}},
                "errors": errors,
            }
            for method in methods
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
