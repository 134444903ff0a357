"""A value of an expression: its type, what it was made of, and what may still be done with it.

Owns lineage (S5) and what literals may meet (S7). A value that was computed keeps the uses that all
its parts have, and loses those that hang on a column's being itself: to be aggregated, joined, or
counted as an identity. Knows no syntax tree.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from strongroom.enclave.room.analytics import emitting
from strongroom.enclave.room.analytics.nodes import Node
from strongroom.enclave.room.analytics.policy import ColumnPolicy, Use
from strongroom.enclave.room.analytics.refusals import Refused, Rule
from strongroom.enclave.room.analytics.types import (
    INTEGER,
    NUMBERS,
    REAL,
    TEXT,
    TRUTH,
    Kind,
    Type,
    day,
    moment,
    real,
    scaled,
    whole,
)

EVERY_USE = frozenset(Use)
"""Of what was released, and of literals."""
_OF_ITSELF = frozenset({Use.AGGREGATE, Use.JOIN, Use.IDENTITY})


@dataclass(frozen=True, slots=True)
class Origin:
    """A column of a data set, by its alias in the contract."""

    alias: str
    column: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Value:
    """What an expression comes to."""

    type: Type
    node: Node
    uses: frozenset[Use] = EVERY_USE
    lineage: frozenset[Origin] = frozenset()
    """Columns of rows that it hangs on; none: it was released, or is a literal."""
    column: ColumnPolicy | None = None
    """Set if it is a plain column of rows, not computed."""
    plain: bool = False
    """It is a column, of rows or of what was released."""
    counts: bool = False
    """It counts values of one unit's rows: where it is zero, that unit has none."""
    literal: tuple[str, str] | None = None
    """Kind and text, if it is a literal."""

    def __post_init__(self) -> None:
        if self.column is not None and not self.plain:
            raise AssertionError("a column of rows is plain")


def derived(type_: Type, node: Node, parts: Sequence[Value]) -> Value:
    """A value that was computed of these."""
    rows = [part for part in parts if part.lineage]
    uses = frozenset.intersection(*(part.uses for part in parts)) if parts else EVERY_USE
    return Value(
        type=type_,
        node=node,
        uses=uses - _OF_ITSELF if rows else uses,
        lineage=frozenset[Origin]().union(*(part.lineage for part in parts)),
    )


def check_literals(parts: Sequence[Value], place: str) -> None:
    """Literals meet filter columns alone (S7), and never one another alone.

    Raises:
        Refused: one meets another.
    """
    literals = [part for part in parts if part.literal is not None]
    if not literals:
        return
    if len(literals) == len(parts):
        raise Refused(
            Rule.S7, place, "nothing but literals", "leave it out, or compute it yourself"
        )
    for part in parts:
        if Use.IDENTITY in part.uses and part.lineage:
            raise Refused(
                Rule.S7,
                place,
                f"a literal with {origins(part)}, which names units",
                "ask about groups: an identity meets no literal",
            )
        if Use.FILTER not in part.uses:
            raise Refused(
                Rule.S7,
                place,
                f"a literal with {origins(part)}, which is no filter column",
                "ask its owner for the use filter, or leave it out",
            )


def need(value: Value, use: Use, rule: Rule, place: str) -> None:
    """Check that a value may be used so.

    Raises:
        Refused: it may not.
    """
    if use not in value.uses:
        computed = "" if value.plain else " in an expression"
        raise Refused(
            rule,
            place,
            f"{origins(value)}{computed} is no {use.name.lower()} column",
            f"ask its owner for the use {use.name.lower()}, or leave it out",
        )


def origins(value: Value) -> str:
    """The columns that a value hangs on, for a sentence."""
    names = sorted(f"{origin.alias}.{origin.column}" for origin in value.lineage)
    return ", ".join(names) or "a value"


def as_type(value: Value, type_: Type, place: str) -> Value:
    """A value as another type: literals are read as it, numbers become real.

    Raises:
        Refused: it is none.
    """
    if value.literal is not None:
        return _read_literal(value, type_, place)
    if value.type == type_:
        return value
    if type_ == REAL and value.type.kind in NUMBERS:
        return replace(value, type=REAL, node=_real_node(value), column=None, plain=False)
    raise Refused(
        Rule.S3,
        place,
        f"{value.type} where {type_} is expected",
        "convert with TRY_CAST, which never fails",
    )


def unified(parts: Sequence[Value], place: str) -> tuple[Type, list[Value]]:
    """The one type of several values, and each as that type.

    Raises:
        Refused: there is none.
    """
    types = {part.type for part in parts if part.literal is None}
    if not types:
        types = {part.type for part in parts if part.literal and part.literal[0] != "NULL_LITERAL"}
    if len(types) > 1 and all(one.kind in NUMBERS for one in types):
        types = {REAL}
    if len(types) != 1:
        shown = " and ".join(sorted(str(one) for one in types)) or "nothing but NULL"
        raise Refused(Rule.S3, place, f"{shown} in one place", "convert with TRY_CAST")
    (type_,) = types
    return type_, [as_type(part, type_, place) for part in parts]


def literal_value(kind: str, text: str) -> Value | None:
    """A literal as the query has it; None if it is of no kind that is taken."""
    types = {
        "INTEGER": INTEGER,
        "NUMERIC": REAL,
        "STRING": TEXT,
        "BOOLEAN": TRUTH,
        "NULL_LITERAL": TEXT,
    }
    if kind not in types:
        return None
    node = _literal_node(kind, text, types[kind])
    if node is None:
        return None
    return Value(type=types[kind], node=node, literal=(kind, text))


def _read_literal(value: Value, type_: Type, place: str) -> Value:
    if value.literal is None:
        raise AssertionError("as_type looked")
    kind, text = value.literal
    node = _literal_node(kind, text, type_)
    if node is None:
        raise Refused(
            Rule.S7,
            place,
            f"a literal that is no {type_}",
            f"write it as {type_}, with no more digits than its column has",
        )
    return replace(value, type=type_, node=node)


def _literal_node(kind: str, text: str, type_: Type) -> Node | None:
    if kind == "NULL_LITERAL":
        return emitting.cast(emitting.null(), type_.engine, tries=False)
    number = kind in ("INTEGER", "NUMERIC")
    match type_.kind:
        case Kind.INTEGER | Kind.DECIMAL:
            found = scaled(text, type_.scale) if number else None
            return None if found is None else emitting.integer(found)
        case Kind.REAL:
            value = real(text) if number else None
            return None if value is None else real_literal(value)
        case Kind.TEXT:
            return emitting.literal("STRING", text) if kind == "STRING" else None
        case Kind.TRUTH:
            return emitting.literal("BOOLEAN", text) if text in ("true", "false") else None
        case Kind.DATE | Kind.TIMESTAMP:
            read = day if type_.kind is Kind.DATE else moment
            when = read(text) if kind == "STRING" else None
            if when is None:
                return None
            return emitting.cast(emitting.literal("STRING", when), type_.engine, tries=False)


def real_literal(value: float) -> Node:
    """A real number, written so that the engine reads it as one and not as a decimal."""
    text = repr(value)
    return emitting.literal("NUMERIC", text if "e" in text else f"{text}e0")


def _real_node(value: Value) -> Node:
    cast = emitting.cast(value.node, "DOUBLE", tries=False)
    if not value.type.scale:
        return cast
    return emitting.call("/", cast, real_literal(float(10**value.type.scale)), operator=True)


def whole_number(value: Value, low: int, high: int) -> int | None:
    """The number that a literal is, if it is a whole one within these bounds."""
    if value.literal is None or value.literal[0] != "INTEGER":
        return None
    number = whole(value.literal[1])
    return number if number is not None and low <= number <= high else None
