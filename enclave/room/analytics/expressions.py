"""An expression of the query, read into a value: checked, typed, and written anew.

Owns the walk over the engine's expressions: S3 (functions), S4 (constructs), S5 (uses), S7
(literals). Refuses aggregates, unless the scope knows them. Knows no table but through its scope.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from strongroom.enclave.room.analytics import emitting
from strongroom.enclave.room.analytics.functions import FUNCTIONS, converted
from strongroom.enclave.room.analytics.nodes import Node, kind_of, read, same
from strongroom.enclave.room.analytics.places import Places
from strongroom.enclave.room.analytics.policy import Use
from strongroom.enclave.room.analytics.refusals import Refused, Rule
from strongroom.enclave.room.analytics.types import TRUTH
from strongroom.enclave.room.analytics.values import (
    Value,
    as_type,
    check_literals,
    derived,
    literal_value,
    need,
    unified,
)

EXPRESSION_DEPTH_MAX = 48
"""Expressions within one another."""
ITEMS_MAX = 1000
"""Children of one node: of IN, AND, a select list."""
AGGREGATES: Final = frozenset({"count_star", "count", "sum", "avg", "stddev", "stddev_samp"})

_COMPARISONS: Final = frozenset(
    {
        "COMPARE_EQUAL",
        "COMPARE_NOTEQUAL",
        "COMPARE_LESSTHAN",
        "COMPARE_GREATERTHAN",
        "COMPARE_LESSTHANOREQUALTO",
        "COMPARE_GREATERTHANOREQUALTO",
        "COMPARE_DISTINCT_FROM",
        "COMPARE_NOT_DISTINCT_FROM",
    }
)
_ROW_BEARING: Final = frozenset(
    {
        *("any_value", "arbitrary", "arg_max", "arg_min", "argmax", "argmin", "array_agg"),
        *("approx_count_distinct", "approx_quantile", "approx_top_k", "bit_and", "bit_or"),
        *("bit_xor", "bool_and", "bool_or", "corr", "count_if", "countif", "covar_pop"),
        *("covar_samp", "entropy", "favg", "first", "fsum", "group_concat", "histogram"),
        *("kahan_sum", "kurtosis", "last", "list", "listagg", "mad", "max", "max_by", "median"),
        *("min", "min_by", "mode", "product", "quantile", "quantile_cont", "quantile_disc"),
        *("regr_slope", "reservoir_quantile", "skewness", "stddev_pop", "string_agg"),
        *("sum_no_overflow", "var_pop", "var_samp", "variance"),
    }
)
"""Aggregates of the engine that are refused as such (S6); all else by S3."""


class Scope(Protocol):
    """What an expression may name."""

    def column(self, names: Sequence[str], place: str) -> Value:
        """The column of this name, or of this table and name.

        Raises:
            Refused: there is none, or more than one.
        """

    def known(self, node: Node) -> Value | None:
        """What a whole expression stands for: a group's key or an aggregate; None otherwise."""


class Expressions:
    """Reads the expressions of one clause."""

    def __init__(self, scope: Scope, places: Places, clause: str) -> None:
        self._scope, self._places, self._clause = scope, places, clause

    def read(self, node: Any, depth: int = 0) -> Value:
        """The value of an expression.

        Raises:
            Refused: some rule does not take it.
        """
        place = self._places.of(node, self._clause)
        if depth > EXPRESSION_DEPTH_MAX:
            raise Refused(Rule.S4, place, "expressions too deep", "write it with fewer brackets")
        kind = kind_of(node, "class", self._places, self._clause, _READERS)
        read(node, kind, self._places, self._clause)
        known = self._scope.known(node)
        return known if known is not None else _READERS[kind](self, node, place, depth + 1)

    def truth(self, node: Any) -> Value:
        """A condition."""
        return self._truth(self.read(node), self._places.of(node, self._clause))

    def _column(self, node: Node, place: str, _depth: int) -> Value:
        names = node["column_names"]
        if not names or not all(isinstance(name, str) for name in names) or len(names) > 2:
            raise Refused(Rule.S2, place, "a name of many parts", "write column, or table.column")
        return self._scope.column(names, place)

    def _constant(self, node: Node, place: str, _depth: int) -> Value:
        literal = read(node["literal"], "LITERAL", self._places, self._clause)
        value = literal_value(literal["kind"], literal["text"])
        if value is None and literal["kind"] in ("INTEGER", "NUMERIC"):
            raise Refused(Rule.S7, place, "a number beyond 64 bits", "write a smaller one")
        if value is None:
            raise Refused(
                Rule.S4, place, "a literal of another kind", "write a number, a text, true or NULL"
            )
        return value

    def _comparison(self, node: Node, place: str, depth: int) -> Value:
        kind = kind_of(node, "type", self._places, self._clause, dict.fromkeys(_COMPARISONS))
        parts = self._compared([node["left"], node["right"]], place, depth)
        return derived(TRUTH, emitting.comparison(kind, parts[0].node, parts[1].node), parts)

    def _between(self, node: Node, place: str, depth: int) -> Value:
        parts = self._compared([node["input"], node["lower"], node["upper"]], place, depth)
        return derived(TRUTH, emitting.between(*(part.node for part in parts)), parts)

    def _compared(self, nodes: Sequence[Any], place: str, depth: int) -> list[Value]:
        parts = [self.read(child, depth) for child in nodes]
        check_literals(parts, place)
        for part in parts:
            need(part, Use.FILTER, Rule.S5, place)
        _, unified_parts = unified(parts, place)
        for other in unified_parts[1:]:
            if same(unified_parts[0].node, other.node):
                raise Refused(
                    Rule.S7, place, "a value compared with itself", "leave it out: it says nothing"
                )
        return unified_parts

    def _conjunction(self, node: Node, place: str, depth: int) -> Value:
        kinds = dict.fromkeys(("CONJUNCTION_AND", "CONJUNCTION_OR"))
        kind = kind_of(node, "type", self._places, self._clause, kinds)
        parts = [self._truth(part, place) for part in self._children(node, place, depth, 2)]
        return derived(TRUTH, emitting.conjunction(kind, [part.node for part in parts]), parts)

    def _operator(self, node: Node, place: str, depth: int) -> Value:
        kind = kind_of(node, "type", self._places, self._clause, _OPERATORS)
        return _OPERATORS[kind](self, node, place, depth)

    def _null_test(self, node: Node, place: str, depth: int) -> Value:
        (part,) = self._children(node, place, depth, 1, 1)
        if part.literal is not None:
            raise Refused(Rule.S7, place, "nothing but literals", "leave it out")
        need(part, Use.FILTER, Rule.S5, place)
        return derived(TRUTH, emitting.operation(node["type"], part.node), [part])

    def _not(self, node: Node, place: str, depth: int) -> Value:
        (part,) = self._children(node, place, depth, 1, 1)
        part = self._truth(part, place)
        return derived(TRUTH, emitting.operation("OPERATOR_NOT", part.node), [part])

    def _in(self, node: Node, place: str, depth: int) -> Value:
        first, *others = self._children(node, place, depth, 2)
        if any(other.literal is None for other in others):
            raise Refused(Rule.S7, place, "IN with columns", "list literals, or write = and OR")
        parts = [first, *others]
        check_literals(parts, place)
        _, parts = unified(parts, place)
        return derived(
            TRUTH, emitting.operation("COMPARE_IN", *(part.node for part in parts)), parts
        )

    def _coalesce(self, node: Node, place: str, depth: int) -> Value:
        parts = self._children(node, place, depth, 2)
        check_literals(parts, place)
        type_, parts = unified(parts, place)
        return derived(
            type_, emitting.operation("OPERATOR_COALESCE", *(part.node for part in parts)), parts
        )

    def _case(self, node: Node, place: str, depth: int) -> Value:
        checks = [
            read(check, "CASE_CHECK", self._places, self._clause)
            for check in self._bounded(node["case_checks"], place, 1)
        ]
        whens = [self._truth(self.read(check["when_expr"], depth), place) for check in checks]
        thens = [self.read(check["then_expr"], depth) for check in checks]
        type_, results = unified([*thens, self.read(node["else_expr"], depth)], place)
        pairs = [(when.node, then.node) for when, then in zip(whens, results, strict=False)]
        return derived(type_, emitting.case(pairs, results[-1].node), [*whens, *results])

    def _cast(self, node: Node, place: str, depth: int) -> Value:
        type_ = read(node["type_expr"], "TYPE", self._places, self._clause)
        name = type_["type_name"]
        if type_["qualified_name"] != {"path": [name]} or type_["children"]:
            raise Refused(Rule.S3, place, "a type with arguments", "see docs/clean-rooms-sql.md")
        child = self.read(node["child"], depth)
        if child.literal is not None and name.upper() in ("DATE", "TIMESTAMP"):
            return child  # DATE '…': read as what it meets, by our own reader.
        if not node["try_cast"]:
            raise Refused(
                Rule.S3, place, "CAST, which fails on some values", "write TRY_CAST, or DATE '…'"
            )
        return converted(child, name, place)

    def _function(self, node: Node, place: str, depth: int) -> Value:
        name = function_name(node, place)
        if name in AGGREGATES:
            raise Refused(
                Rule.S6, place, f"{name} in {self._clause}", "aggregate in a select list or HAVING"
            )
        if name in _ROW_BEARING:
            raise Refused(
                Rule.S6,
                place,
                f"{name}, which tells of single rows or groups badly",
                "use count, count(DISTINCT …), sum, avg or stddev",
            )
        if name not in FUNCTIONS or node["distinct"]:
            raise Refused(
                Rule.S3,
                place,
                "a function that is not on the list",
                "see the list in docs/clean-rooms-sql.md",
            )
        given = [self.read(one, depth) for one in arguments(node, self._places, place)]
        return FUNCTIONS[name](name, given, place)

    def _children(
        self, node: Node, place: str, depth: int, least: int, most: int = ITEMS_MAX
    ) -> list[Value]:
        nodes = self._bounded(node["children"], place, least, most)
        return [self.read(child, depth) for child in nodes]

    def _bounded(self, nodes: Any, place: str, least: int, most: int = ITEMS_MAX) -> list[Any]:
        if not isinstance(nodes, list) or not least <= len(nodes) <= most:
            raise Refused(Rule.S4, place, "too many or too few parts", f"write at most {most}")
        return nodes

    def _truth(self, value: Value, place: str) -> Value:
        if value.literal is not None:
            raise Refused(Rule.S7, place, "a literal as a condition", "leave it out")
        value = as_type(value, TRUTH, place)
        need(value, Use.FILTER, Rule.S5, place)
        return value


_Reader = Callable[[Expressions, Node, str, int], Value]
_READERS: Final[dict[str, _Reader]] = {
    "COLUMN_REF": Expressions._column,
    "CONSTANT": Expressions._constant,
    "COMPARISON": Expressions._comparison,
    "BETWEEN": Expressions._between,
    "CONJUNCTION": Expressions._conjunction,
    "OPERATOR": Expressions._operator,
    "CASE": Expressions._case,
    "CAST": Expressions._cast,
    "FUNCTION": Expressions._function,
}
_OPERATORS: Final[dict[str, _Reader]] = {
    "OPERATOR_IS_NULL": Expressions._null_test,
    "OPERATOR_IS_NOT_NULL": Expressions._null_test,
    "OPERATOR_NOT": Expressions._not,
    "COMPARE_IN": Expressions._in,
    "OPERATOR_COALESCE": Expressions._coalesce,
}


def function_name(node: Node, place: str) -> str:
    """The plain, lower-case name of a function node that was read.

    Raises:
        Refused: it has another name beside it.
    """
    name: str = node["function_name"]
    if node["qualified_name"] != {"path": [name]} or not name.isascii():
        raise Refused(Rule.S3, place, "a function of another schema", "call it by its plain name")
    return name.lower()


def arguments(node: Node, places: Places, place: str) -> list[Any]:
    """The arguments of a function node that was read.

    Raises:
        Refused: they have names, or are too many.
    """
    if len(node["arguments"]) > ITEMS_MAX:
        raise Refused(Rule.S3, place, "too many arguments", "write fewer")
    return [read(one, "ARGUMENT", places, place)["expression"] for one in node["arguments"]]


def holds_aggregate(nodes: Sequence[Any]) -> bool:
    """Whether one of our aggregates stands anywhere below; without recursion."""
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            name = node.get("function_name")
            if isinstance(name, str) and name.lower() in AGGREGATES:
                return True
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node
    return False
