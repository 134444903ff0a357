"""A file that says which tables a query may read, and what their owners allow (`rooms check`).

Owns the TOML form and its errors, each with its place in the file. What it says is what a contract
and its policies will say; the judge is the room's own (enclave/room/analytics). Knows no ledger.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from strongroom.consensus.errors import ClientFault, OperatorFault
from strongroom.enclave.room.analytics.checking import Key
from strongroom.enclave.room.analytics.policy import (
    MICROS,
    ColumnPolicy,
    DataPolicy,
    Noise,
    Use,
)
from strongroom.enclave.room.analytics.relations import DataSet
from strongroom.enclave.room.analytics.types import Kind, Type

SCHEMA_FILE_BYTES_MAX = 1024 * 1024
OF_CODE = ("outputs", "parameters", "memory_mb", "duration")
"""Sections for code in Python, which code_bounds.py reads."""

_TYPE = re.compile(r"([a-z]+)(?:\(([0-9]{1,2})\))?")
_USES = {use.name.lower(): use for use in Use}


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """What such a file says."""

    inputs: Mapping[str, DataSet]
    named_keys: Mapping[str, Sequence[tuple[Key, ...]]]
    digits: int


def read_schema(data: bytes) -> Schema:
    """Read a file of at most SCHEMA_FILE_BYTES_MAX.

    Raises:
        OperatorFault: it is no such file, with the place and what is expected there.
    """
    if len(data) > SCHEMA_FILE_BYTES_MAX:
        raise OperatorFault(f"the schema has more than {SCHEMA_FILE_BYTES_MAX} bytes")
    try:
        document = tomllib.loads(data.decode("utf-8"), parse_float=Decimal)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise OperatorFault(f"the schema is no TOML: {error}") from None
    _only(document, {"tables", "digits", *OF_CODE}, "the schema")
    tables = _get(document, "tables", dict, "the schema")
    inputs, named = {}, {}
    for alias, written in tables.items():
        place = f"tables.{alias}"
        if type(written) is not dict:
            raise OperatorFault(f"{place}: expected a table")
        inputs[alias] = _data_set(alias, written, place)
        if "keys" in written:
            named[alias] = _keys(written["keys"], f"{place}.keys")
    digits = document.get("digits", 6)
    if type(digits) is not int:
        raise OperatorFault("digits: expected a whole number")
    return Schema(inputs=inputs, named_keys=named, digits=digits)


def _data_set(alias: str, written: Mapping[str, Any], place: str) -> DataSet:
    known = {"data_set", "unit", "k", "rounding", "columns", "noise", "epsilon", "keys"}
    _only(written, known, place)
    columns = _get(written, "columns", dict, place)
    noise = written.get("noise")
    try:
        policy = DataPolicy(
            columns=tuple(
                _column(name, one, f"{place}.columns.{name}") for name, one in columns.items()
            ),
            unit=_get(written, "unit", str, place),
            k=_get(written, "k", int, place),
            rounding=written.get("rounding", 1),
            noise=None if noise is None else _noise(noise, f"{place}.noise"),
        )
    except ClientFault as error:
        raise OperatorFault(f"{place}: {error}") from None
    identity = written.get("data_set", alias)
    if type(identity) is not str or not identity:
        raise OperatorFault(f"{place}.data_set: expected a name")
    epsilon = _micros(written["epsilon"], f"{place}.epsilon") if "epsilon" in written else 0
    return DataSet(identity=identity, policy=policy, epsilon=epsilon)


def _column(name: str, written: Any, place: str) -> ColumnPolicy:
    if type(written) is not dict:
        raise OperatorFault(f'{place}: expected {{ type = "…", uses = ["…"] }}')
    _only(written, {"type", "uses", "bounds", "rounding"}, place)
    found = _TYPE.fullmatch(_get(written, "type", str, place))
    kinds = {kind.value: kind for kind in Kind}
    if found is None or found[1] not in kinds:
        raise OperatorFault(f"{place}.type: expected one of {', '.join(sorted(kinds))}(digits)")
    uses = _get(written, "uses", list, place)
    unknown = [use for use in uses if use not in _USES]
    if unknown or len(set(uses)) < len(uses):
        raise OperatorFault(f"{place}.uses: expected some of {', '.join(_USES)}, each once")
    bounds = written.get("bounds")
    if bounds is not None and (type(bounds) is not list or len(bounds) != 2):
        raise OperatorFault(f"{place}.bounds: expected [least, greatest]")
    low, high = (_micros(one, f"{place}.bounds") for one in bounds or (0, 0))
    return ColumnPolicy(
        name=name,
        type=Type(kinds[found[1]], int(found[2] or 0)),
        uses=frozenset(_USES[use] for use in uses),
        bounds=(low, high) if bounds is not None else None,
        rounding=_micros(written.get("rounding", 0), f"{place}.rounding"),
    )


def _noise(written: Any, place: str) -> Noise:
    if type(written) is not dict:
        raise OperatorFault(f"{place}: expected a table")
    names = ("epsilon_job", "epsilon_life", "groups", "rows", "threshold")
    _only(written, set(names), place)
    return Noise(
        epsilon_job=_micros(_get(written, "epsilon_job", (int, Decimal), place), place),
        epsilon_life=_micros(_get(written, "epsilon_life", (int, Decimal), place), place),
        groups=_get(written, "groups", int, place),
        rows=_get(written, "rows", int, place),
        threshold=_get(written, "threshold", int, place),
    )


def _keys(written: Any, place: str) -> list[tuple[Key, ...]]:
    if type(written) is not list or any(type(one) is not list for one in written):
        raise OperatorFault(f"{place}: expected a list of lists, one per group")
    for one in written:
        if any(type(part) not in (bool, int, str) for part in one):
            raise OperatorFault(f"{place}: expected whole numbers, texts, true and false")
    return [tuple(one) for one in written]


def _micros(value: Any, place: str) -> int:
    if type(value) not in (int, Decimal) or not Decimal(value).is_finite():
        raise OperatorFault(f"{place}: expected a number")
    scaled = Decimal(value) * MICROS
    if scaled != scaled.to_integral_value():
        raise OperatorFault(f"{place}: at most six digits behind the point")
    return int(scaled)


def _get(written: Mapping[str, Any], name: str, types: Any, place: str) -> Any:
    value = written.get(name)
    if value is None or type(value) not in (types if isinstance(types, tuple) else (types,)):
        raise OperatorFault(f"{place}: {name} is missing, or of another type")
    return value


def _only(written: Mapping[str, Any], known: set[str], place: str) -> None:
    unknown = sorted(set(written) - known)
    if unknown:
        raise OperatorFault(f"{place}: unknown {unknown[0]!r}; known: {', '.join(sorted(known))}")
