"""The functions that a query may call: all of them total, whatever stands in a row (S3).

Owns the list. What the engine may refuse to compute is asked inside TRY, which answers NULL: an
error would tell of a row by its coming. Neither the clock, chance, files, settings nor the
environment are on it. tests/enclave/room/analytics/test_functions.py calls each on edge values.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from strongroom.enclave.room.analytics import emitting
from strongroom.enclave.room.analytics.refusals import Refused, Rule
from strongroom.enclave.room.analytics.types import (
    DATE,
    INTEGER,
    NUMBERS,
    REAL,
    TEXT,
    TIMESTAMP,
    TRUTH,
    Kind,
    Type,
)
from strongroom.enclave.room.analytics.values import (
    Value,
    as_type,
    check_literals,
    derived,
    unified,
    whole_number,
)

Function = Callable[[str, Sequence[Value], str], Value]
"""Name in the engine, arguments, place."""

PARTS = frozenset({"year", "quarter", "month", "week", "day", "hour", "minute", "second", "isodow"})
"""Of a date or a moment."""
_TRUNCATED_TO = PARTS - {"isodow"}
_WHOLE = frozenset({Kind.INTEGER, Kind.DECIMAL})
_DAYS = frozenset({Kind.DATE, Kind.TIMESTAMP})
ROUND_DIGITS_MAX = 12
"""That `round` may keep or drop."""
TEXT_PLACE_MAX = 10**6


def _arithmetic(name: str, given: Sequence[Value], place: str) -> Value:
    """+ - * of numbers: exact where both are whole or of one scale, else real."""
    if len(given) == 1 and name == "-":
        return _same_number(name, given, place)
    _count(given, 2, place)
    _numbers(given, place)
    check_literals(given, place)
    if name == "*":
        return _product(given, place)
    type_, parts = unified(given, place)
    node = emitting.call(name, *(part.node for part in parts), operator=True)
    return derived(type_, node if type_ == REAL else emitting.tried(node), given)


def _product(given: Sequence[Value], place: str) -> Value:
    scales = [one.type.scale for one in given]
    if all(scales) or any(one.type.kind not in _WHOLE for one in given):
        parts = [as_type(one, REAL, place) for one in given]
        node = emitting.call("*", *(part.node for part in parts), operator=True)
        return derived(REAL, node, given)
    type_ = given[0].type if scales[0] else given[1].type
    node = emitting.call("*", *(one.node for one in given), operator=True)
    return derived(type_, emitting.tried(node), given)


def _quotient(name: str, given: Sequence[Value], place: str) -> Value:
    """/ of numbers: always real."""
    _count(given, 2, place)
    _numbers(given, place)
    check_literals(given, place)
    parts = [as_type(one, REAL, place) for one in given]
    node = emitting.call(name, *(part.node for part in parts), operator=True)
    return derived(REAL, emitting.tried(node), given)


def _whole_quotient(name: str, given: Sequence[Value], place: str) -> Value:
    """// and % of whole numbers."""
    _count(given, 2, place)
    check_literals(given, place)
    parts = [as_type(one, INTEGER, place) for one in given]
    node = emitting.call(name, *(part.node for part in parts), operator=True)
    return derived(INTEGER, emitting.tried(node), given)


def _same_number(name: str, given: Sequence[Value], place: str) -> Value:
    """abs and the sign's change."""
    _count(given, 1, place)
    _numbers(given, place)
    check_literals(given, place)
    node = emitting.call(name, given[0].node, operator=name == "-")
    return derived(given[0].type, emitting.tried(node), given)


def _of_real(name: str, given: Sequence[Value], place: str) -> Value:
    """floor, ceil, sqrt, ln."""
    _count(given, 1, place)
    _numbers(given, place)
    check_literals(given, place)
    node = emitting.call(name, as_type(given[0], REAL, place).node)
    return derived(REAL, emitting.tried(node), given)


def _rounded(name: str, given: Sequence[Value], place: str) -> Value:
    """round to digits that the query says."""
    digits = 0 if len(given) == 1 else whole_number(given[-1], -ROUND_DIGITS_MAX, ROUND_DIGITS_MAX)
    if len(given) not in (1, 2) or digits is None:
        raise _wrong(
            place, f"round takes a number and {-ROUND_DIGITS_MAX} to {ROUND_DIGITS_MAX} digits"
        )
    _numbers(given[:1], place)
    check_literals(given[:1], place)
    number = as_type(given[0], REAL, place)
    node = emitting.call(name, number.node, emitting.integer(digits))
    return derived(REAL, emitting.tried(node), given[:1])


def _of_text(name: str, given: Sequence[Value], place: str) -> Value:
    """lower, upper, trim, length."""
    _count(given, 1, place)
    check_literals(given, place)
    text = as_type(given[0], TEXT, place)
    node = emitting.call(name, text.node)
    return derived(INTEGER if name == "length" else TEXT, emitting.tried(node), given)


def _piece(name: str, given: Sequence[Value], place: str) -> Value:
    """substr from a place that the query says."""
    _count(given, 3, place)
    bounds = [whole_number(one, 1, TEXT_PLACE_MAX) for one in given[1:]]
    if None in bounds:
        raise _wrong(
            place, f"substr takes a text, a first place and a length, 1 to {TEXT_PLACE_MAX}"
        )
    check_literals(given[:1], place)
    text = as_type(given[0], TEXT, place)
    numbers = [emitting.integer(bound) for bound in bounds if bound is not None]
    return derived(TEXT, emitting.tried(emitting.call(name, text.node, *numbers)), given[:1])


def _like(name: str, given: Sequence[Value], place: str) -> Value:
    """LIKE and NOT LIKE, with a pattern that the query says."""
    _count(given, 2, place)
    if given[1].literal is None or given[0].literal is not None:
        raise _wrong(place, "LIKE compares a column with a literal pattern")
    check_literals(given, place)
    parts = [as_type(one, TEXT, place) for one in given]
    node = emitting.call(name, *(part.node for part in parts), operator=True)
    return derived(TRUTH, emitting.tried(node), given)


def _date_part(name: str, given: Sequence[Value], place: str) -> Value:
    part = _part_of(given, PARTS, place)
    node = emitting.call(name, emitting.literal("STRING", part), given[1].node)
    return derived(INTEGER, emitting.tried(node), given[1:])


def _date_trunc(name: str, given: Sequence[Value], place: str) -> Value:
    part = _part_of(given, _TRUNCATED_TO, place)
    node = emitting.call(name, emitting.literal("STRING", part), given[1].node)
    return derived(TIMESTAMP, emitting.tried(node), given[1:])


def _short_part(name: str, given: Sequence[Value], place: str) -> Value:
    """year(x) and its like: date_part."""
    part = Value(type=TEXT, node=emitting.null(), literal=("STRING", name))
    return _date_part("date_part", [part, *given], place)


def _nullif(name: str, given: Sequence[Value], place: str) -> Value:
    _count(given, 2, place)
    check_literals(given, place)
    type_, parts = unified(given, place)
    return derived(type_, emitting.call(name, *(part.node for part in parts)), given)


FUNCTIONS: Final[Mapping[str, Function]] = {
    **dict.fromkeys("+-*", _arithmetic),
    "/": _quotient,
    **dict.fromkeys(("//", "%"), _whole_quotient),
    "abs": _same_number,
    **dict.fromkeys(("floor", "ceil", "sqrt", "ln"), _of_real),
    "round": _rounded,
    **dict.fromkeys(("lower", "upper", "trim", "length"), _of_text),
    "substr": _piece,
    **dict.fromkeys(("~~", "!~~"), _like),
    "date_part": _date_part,
    "date_trunc": _date_trunc,
    **dict.fromkeys(sorted(PARTS), _short_part),
    "nullif": _nullif,
}
"""By their names in the engine's tree; LIKE is `~~`, EXTRACT is `date_part`."""

CAST_FROM: Final[Mapping[Type, frozenset[Kind]]] = {
    INTEGER: frozenset({Kind.TEXT, Kind.TRUTH, Kind.REAL, Kind.INTEGER}),
    REAL: frozenset({Kind.TEXT, Kind.INTEGER, Kind.DECIMAL, Kind.REAL}),
    TEXT: frozenset({Kind.INTEGER, Kind.TRUTH, Kind.DATE, Kind.TEXT}),
    DATE: frozenset({Kind.TEXT, Kind.TIMESTAMP, Kind.DATE}),
    TIMESTAMP: frozenset({Kind.TEXT, Kind.DATE, Kind.TIMESTAMP}),
}
"""What TRY_CAST makes of what."""
CAST_NAMES: Final[Mapping[str, Type]] = {
    **dict.fromkeys(("BIGINT", "INTEGER", "INT", "INT8", "LONG"), INTEGER),
    **dict.fromkeys(("DOUBLE", "FLOAT8"), REAL),
    **dict.fromkeys(("VARCHAR", "TEXT", "STRING"), TEXT),
    "DATE": DATE,
    "TIMESTAMP": TIMESTAMP,
}
"""By the names of types in SQL; all whole numbers have 64 bits."""


def converted(value: Value, type_name: str, place: str) -> Value:
    """TRY_CAST: NULL where the value is none of that type.

    Raises:
        Refused: no such conversion is taken.
    """
    type_ = CAST_NAMES.get(type_name.upper())
    if type_ is None or value.literal is not None or value.type.kind not in CAST_FROM[type_]:
        raise _wrong(place, f"no TRY_CAST of {value.type} to that type is taken")
    if value.type.kind is Kind.DECIMAL:
        return derived(REAL, as_type(value, REAL, place).node, [value])
    return derived(type_, emitting.cast(value.node, type_.engine, tries=True), [value])


def _part_of(given: Sequence[Value], parts: frozenset[str], place: str) -> str:
    _count(given, 2, place)
    kind, text = given[0].literal or ("", "")
    part = text.lower()
    if kind != "STRING" or part not in parts or given[1].literal is not None:
        raise _wrong(place, f"a part is one of {', '.join(sorted(parts))}, as a literal")
    if given[1].type.kind not in _DAYS:
        raise _wrong(place, f"{given[1].type} where a date or a timestamp is expected")
    return part


def _numbers(given: Sequence[Value], place: str) -> None:
    for one in given:
        if one.type.kind not in NUMBERS:
            raise _wrong(place, f"{one.type} where a number is expected")


def _count(given: Sequence[Value], expected: int, place: str) -> None:
    if len(given) != expected:
        raise _wrong(place, f"{len(given)} arguments, expected {expected}")


def _wrong(place: str, what: str) -> Refused:
    return Refused(Rule.S3, place, what, "see the list in docs/clean-rooms-sql.md")
