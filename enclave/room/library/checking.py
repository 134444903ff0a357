"""Checks what a program is given, and what it gives, against what it declares (ROOMS §5, T63, T64).

Owns `start`, the only way in which a worker calls a library program, and the checks that a contract
runs before a job is charged. Knows no ledger and no single program.
"""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from strongroom.enclave.room.library.shapes import (
    SEED_SIZE,
    Column,
    Inputs,
    Kind,
    Model,
    Outputs,
    Parameter,
    Parameters,
    Program,
    ProgramRefused,
    Table,
    TableSchema,
    Value,
)

PROGRAM_TABLES_MAX = 1_024
ROWS_MAX = 50_000_000
"""Of all tables together."""
LISTED_TEXT_MAX = 200
"""Characters of one text within a list."""
_NUMPY = {Kind.INTEGER: "iu", Kind.REAL: "f", Kind.TRUTH: "b", Kind.TEXT: "UT"}
_PYTHON: dict[Kind, type] = {
    Kind.INTEGER: int,
    Kind.REAL: float,
    Kind.TRUTH: bool,
    Kind.TEXT: str,
}


def start(
    program: Program,
    tables: Mapping[str, Table],
    parameters: Mapping[str, object],
    seed: bytes,
    models: Mapping[str, bytes] = MappingProxyType({}),
) -> Outputs:
    """Check, run, check again.

    Raises:
        ProgramRefused: parameters or tables are not what the program declares, it refuses them, or
            it gave what it does not declare.
    """
    checked = check_parameters(program, parameters)
    schema = program.inputs(checked)
    if not 0 < len(tables) <= PROGRAM_TABLES_MAX:
        raise ProgramRefused("tables", f"{program.name} takes 1 to {PROGRAM_TABLES_MAX} tables")
    if sum(table.rows for table in tables.values()) > ROWS_MAX:
        raise ProgramRefused("rows", f"{program.name} takes at most {ROWS_MAX} rows")
    if len(seed) != SEED_SIZE:
        raise ProgramRefused("seed", f"a job's seed has {SEED_SIZE} bytes")
    if len(models) != program.models:
        raise ProgramRefused("models", f"{program.name} takes {program.models} models")
    for alias, table in tables.items():
        check_table(schema, table, alias=alias)
    outputs = program.run(
        Inputs(tables=dict(tables), parameters=checked, seed=seed, models=dict(models))
    )
    _check_outputs(program, outputs)
    return outputs


def check_parameters(program: Program, given: Mapping[str, object]) -> Parameters:
    """The parameters of a contract, with defaults filled in.

    Raises:
        ProgramRefused: one is unknown, missing, of another type, or beyond its bounds.
    """
    declared = {parameter.name: parameter for parameter in program.parameters}
    for name in given:
        if name not in declared:
            raise ProgramRefused("parameter", f"{program.name} has no such parameter: remove it")
    return {
        name: _checked(parameter, given.get(name, parameter.default))
        for name, parameter in declared.items()
    }


def check_columns(schema: TableSchema, columns: Mapping[str, Kind], *, alias: str) -> None:
    """Check a data set's own schema, before anything is charged.

    Raises:
        ProgramRefused: a column is missing, or of another kind.
    """
    for column in schema.columns:
        kind = columns.get(column.name)
        if kind is None and not column.optional:
            raise ProgramRefused("column", f"table {alias} lacks the column {column.name}")
        if kind is not None and kind not in column.kinds:
            raise ProgramRefused(
                "kind", f"column {column.name} of table {alias} must be {_kinds(column)}"
            )


def check_table(schema: TableSchema, table: Table, *, alias: str) -> None:
    """Check a table's values.

    Raises:
        ProgramRefused: a column is missing, of another kind, has gaps or numbers without end.
    """
    for column in schema.columns:
        values = table.columns.get(column.name)
        if values is None:
            if not column.optional:
                raise ProgramRefused("column", f"table {alias} lacks the column {column.name}")
            continue
        where = f"column {column.name} of table {alias}"
        if len(values) != table.rows:
            raise ProgramRefused("uneven", f"{where} has another length than its table")
        if isinstance(values, np.ndarray) and values.dtype.kind != "O":
            _check_array(column, values, where)
        else:
            _check_objects(column, values, where)


def rounded(value: float, digits: int) -> float:
    """A number of a result: what is left of it has one shortest text on every machine.

    Raises:
        ProgramRefused: it is no number.
    """
    if not math.isfinite(value):
        raise ProgramRefused("number", "a result is no finite number: the data do not bear it")
    return round(float(value), digits) + 0.0


def _checked(parameter: Parameter, value: object) -> Value:
    where = f"parameter {parameter.name}"
    low, high = parameter.minimum, parameter.maximum
    if value is None:
        raise ProgramRefused("parameter", f"{where} is missing: the contract must say it")
    if parameter.type is bool:
        if isinstance(value, bool):
            return value
        raise ProgramRefused("parameter", f"{where} must be true or false")
    if parameter.type is int:
        if type(value) is int and low <= value <= high:
            return value
        raise ProgramRefused("parameter", f"{where} must be an integer from {low} to {high}")
    if parameter.type is str:
        return _checked_text(parameter, value, where)
    if not isinstance(value, list | tuple) or not low <= len(value) <= high:
        raise ProgramRefused("parameter", f"{where} must be a list of {low} to {high} texts")
    if not all(isinstance(text, str) and 0 < len(text) <= LISTED_TEXT_MAX for text in value):
        raise ProgramRefused(
            "parameter", f"{where} must be a list of texts of 1 to {LISTED_TEXT_MAX} characters"
        )
    return tuple(value)


def _checked_text(parameter: Parameter, value: object, where: str) -> str:
    low, high = parameter.minimum, parameter.maximum
    if not isinstance(value, str):
        raise ProgramRefused("parameter", f"{where} must be a text")
    if parameter.choices and value not in parameter.choices:
        raise ProgramRefused("parameter", f"{where} must be one of {', '.join(parameter.choices)}")
    if not parameter.choices and not low <= len(value) <= high:
        raise ProgramRefused("parameter", f"{where} must have {low} to {high} characters")
    return value


def _check_array(column: Column, values: np.ndarray[Any, Any], where: str) -> None:
    gappy_numbers = column.gaps and Kind.INTEGER in column.kinds and values.dtype.kind == "f"
    kinds = "".join(_NUMPY[kind] for kind in column.kinds)
    if values.ndim != 1 or (values.dtype.kind not in kinds and not gappy_numbers):
        raise ProgramRefused("kind", f"{where} must be {_kinds(column)}")
    if values.dtype.kind == "f":
        if np.isinf(values).any():
            raise ProgramRefused("number", f"{where} holds a number that is not finite")
        if not column.gaps and np.isnan(values).any():
            raise ProgramRefused("gaps", f"{where} may have no gaps")


def _check_objects(column: Column, values: Any, where: str) -> None:
    kinds = {_PYTHON[kind] for kind in column.kinds}
    found = set(map(type, values))
    if type(None) in found:
        if not column.gaps:
            raise ProgramRefused("gaps", f"{where} may have no gaps")
        found.discard(type(None))
    if not found <= kinds:
        raise ProgramRefused("kind", f"{where} must be {_kinds(column)}")
    if not all(math.isfinite(one) for one in values if isinstance(one, float)):
        raise ProgramRefused("number", f"{where} holds a number that is not finite")


def _kinds(column: Column) -> str:
    return " or ".join(kind.value for kind in column.kinds)


def _check_outputs(program: Program, outputs: Outputs) -> None:
    if outputs.keys() != program.outputs.keys():
        raise ProgramRefused("output", f"{program.name} gave other outputs than it declares")
    for name, declared in program.outputs.items():
        given = outputs[name]
        if isinstance(declared, TableSchema):
            if not isinstance(given, Table) or tuple(given.columns) != declared.names():
                raise ProgramRefused("output", f"{name} is not the table that is declared")
            check_table(declared, given, alias=name)
        elif not isinstance(given, Model) or given.format is not declared:
            raise ProgramRefused("output", f"{name} is not the model that is declared")
