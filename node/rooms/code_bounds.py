"""What a schema file says for code in Python: outputs, parameters, memory, time (`rooms check`).

Owns that part of the TOML form and its errors. What it says is what a contract will say.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from strongroom.consensus.errors import ClientFault, NotCanonical, OperatorFault
from strongroom.enclave.formats.clean_rooms.contract import (
    DURATION_MS,
    MEMORY_MB,
    Output,
    check_output,
)
from strongroom.node.vault.names import read_duration

MEMORY, DURATION, BYTES = 1024, "60s", 1 << 20
"""Of a contract's file, too, where it says nothing."""


@dataclass(frozen=True, slots=True)
class CodeBounds:
    """With what code is tried."""

    outputs: Mapping[str, Output]
    parameters: Mapping[str, bool | int | str]
    memory_mb: int
    duration_ms: int
    digits: int


def read_code_bounds(data: bytes) -> CodeBounds:
    """Read them of a schema file that is one (schema_file.py).

    Raises:
        OperatorFault: something is missing or of another type, with the place.
    """
    document = tomllib.loads(data.decode("utf-8"))
    written = document.get("outputs")
    if type(written) is not dict or not written:
        raise OperatorFault(
            'the schema says no outputs: add [outputs.NAME] with columns = { NAME = "integer" }'
        )
    parameters = document.get("parameters", {})
    if type(parameters) is not dict or not all(
        type(value) in (bool, int, str) for value in parameters.values()
    ):
        raise OperatorFault("parameters: whole numbers, texts, true and false")
    memory = document.get("memory_mb", MEMORY)
    if type(memory) is not int or not MEMORY_MB[0] <= memory <= MEMORY_MB[1]:
        raise OperatorFault(f"memory_mb: {MEMORY_MB[0]} to {MEMORY_MB[1]}")
    return CodeBounds(
        {name: _output(name, one) for name, one in written.items()},
        dict(sorted(parameters.items())),
        memory,
        _duration(document.get("duration", DURATION)),
        document.get("digits", 6),
    )


def _output(name: str, written: Any) -> Output:
    place = f"outputs.{name}"
    if type(written) is not dict or not written.keys() <= {"kind", "bytes", "columns"}:
        raise OperatorFault(f"{place}: kind, bytes and columns are said here")
    columns = written.get("columns", {})
    kind, most = written.get("kind", "table"), written.get("bytes", BYTES)
    if type(columns) is not dict or (kind == "table" and not columns):
        raise OperatorFault(f'{place}.columns: a table says its columns: {{ NAME = "integer" }}')
    try:
        made = Output(name, kind, (), most, "", 0, tuple(columns.items()))
        check_output(made, ())
    except NotCanonical as error:
        raise OperatorFault(f"{place}: {error}") from None
    return made


def _duration(written: Any) -> int:
    try:
        duration = read_duration(written) if type(written) is str else 0
    except ClientFault as error:
        raise OperatorFault(f"duration: {error}") from None
    if not DURATION_MS[0] <= duration <= DURATION_MS[1]:
        raise OperatorFault('duration: a text of "1s" to "1h"')
    return duration
