"""The closed form of the engine's syntax tree: which node may have which field with which value.

Owns one table per kind of node. What is not in a table is refused, and so is a field that holds
anything but what its table says: a new version of the engine that adds a construct adds a field or
a kind, and both are refused until someone reads them. Knows no policy.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from strongroom.enclave.room.analytics.places import Places
from strongroom.enclave.room.analytics.refusals import Refused, Rule

Node = dict[str, Any]
"""One of the engine's nodes, or whatever stood in its place."""

_LOCATIONS = frozenset({"query_location", "query_location_length"})


@dataclass(frozen=True, slots=True)
class Only:
    """A field with one value; any other is refused by this rule."""

    value: Any
    rule: Rule
    remedy: str


@dataclass(frozen=True, slots=True)
class Read:
    """A field that a rule reads; here its type alone is checked."""

    type: type


@dataclass(frozen=True, slots=True)
class Item:
    """A field that holds a node, a list of them, or nothing: read where it is used."""


_TEXT, _LIST, _TRUTH = Read(str), Read(list), Read(bool)
_ITEM = Item()
Form = Mapping[str, Only | Read | Item]

_NO_SAMPLE = Only(None, Rule.S4, "do not sample: group and count")
_NO_SCHEMA = Only("", Rule.S2, "name a table by its alias in the contract alone")
_PLAIN_FUNCTION = "call it by its plain name"
_EXPRESSION: Form = {"class": _TEXT, "type": _TEXT, "alias": _TEXT}
_TABLE: Form = {"type": _TEXT, "alias": _TEXT, "sample": _NO_SAMPLE}
_NO_COLUMN_ALIASES = Only([], Rule.S4, "name columns with AS in the select list")
_NO_CTES_HERE = "put WITH before the first SELECT alone"

FORMS: Final[Mapping[str, Form]] = {
    "SELECT_NODE": {
        "type": _TEXT,
        "modifiers": _LIST,
        "cte_map": _ITEM,
        "select_list": _LIST,
        "from_table": _ITEM,
        "where_clause": _ITEM,
        "group_expressions": _LIST,
        "group_sets": _LIST,
        "aggregate_handling": Only(
            "STANDARD_HANDLING", Rule.S4, "name the columns of GROUP BY one by one"
        ),
        "having": _ITEM,
        "sample": _NO_SAMPLE,
        "qualify": Only(None, Rule.S4, "windows are not taken, hence no QUALIFY"),
    },
    "SET_OPERATION_NODE": {
        "type": _TEXT,
        "modifiers": _LIST,
        "cte_map": _ITEM,
        "setop_type": Only("UNION", Rule.S1, "of set operations, UNION ALL alone is taken"),
        "left": Only(None, Rule.S1, "write UNION ALL"),
        "right": Only(None, Rule.S1, "write UNION ALL"),
        "setop_all": Only(True, Rule.S1, "write UNION ALL: whether rows are equal is not told"),
        "children": _LIST,
    },
    "CTE": {
        "aliases": _NO_COLUMN_ALIASES,
        "materialized": Only("CTE_MATERIALIZE_DEFAULT", Rule.S4, "leave MATERIALIZED out"),
        "key_targets": Only([], Rule.S1, "recursion is not taken"),
        "payload_aggregates": Only([], Rule.S1, "recursion is not taken"),
        "query_node": _ITEM,
    },
    "STATEMENT": {
        "node": _ITEM,
        "named_param_map": Only([], Rule.S4, "write values as literals: there are no parameters"),
    },
    "BASE_TABLE": {
        **_TABLE,
        "schema_name": _NO_SCHEMA,
        "catalog_name": _NO_SCHEMA,
        "table_name": _TEXT,
        "column_name_alias": _NO_COLUMN_ALIASES,
        "at_clause": Only(None, Rule.S4, "the contract pins versions: leave AT out"),
        "qualified_name": _ITEM,
    },
    "TABLE_SUBQUERY": {**_TABLE, "subquery": _ITEM, "column_name_alias": _NO_COLUMN_ALIASES},
    "JOIN": {
        **_TABLE,
        "left": _ITEM,
        "right": _ITEM,
        "condition": _ITEM,
        "join_type": Only("INNER", Rule.S8, "write JOIN … ON: only inner joins are taken"),
        "ref_type": Only("REGULAR", Rule.S8, "write JOIN … ON a.x = b.y"),
        "using_columns": Only([], Rule.S8, "write ON a.x = b.x"),
        "delim_flipped": Only(False, Rule.S8, "write JOIN … ON"),
        "duplicate_eliminated_columns": Only([], Rule.S8, "write JOIN … ON"),
        "is_implicit": Only(False, Rule.S8, "write JOIN … ON"),
        "ranking_expression": Only(None, Rule.S8, "write JOIN … ON"),
        "nearest_count": Only(1, Rule.S8, "write JOIN … ON"),
        "nearest_order_type": Only("ASCENDING", Rule.S8, "write JOIN … ON"),
        "nearest_approx": Only(False, Rule.S8, "write JOIN … ON"),
    },
    "COLUMN_REF": {**_EXPRESSION, "column_names": _LIST},
    "CONSTANT": {**_EXPRESSION, "literal": _ITEM},
    "LITERAL": {"kind": _TEXT, "text": _TEXT},
    "COMPARISON": {**_EXPRESSION, "left": _ITEM, "right": _ITEM},
    "BETWEEN": {**_EXPRESSION, "input": _ITEM, "lower": _ITEM, "upper": _ITEM},
    "CONJUNCTION": {**_EXPRESSION, "children": _LIST},
    "OPERATOR": {**_EXPRESSION, "children": _LIST},
    "CASE": {**_EXPRESSION, "case_checks": _LIST, "else_expr": _ITEM},
    "CASE_CHECK": {"when_expr": _ITEM, "then_expr": _ITEM},
    "CAST": {**_EXPRESSION, "child": _ITEM, "try_cast": _TRUTH, "type_expr": _ITEM},
    "TYPE": {
        **_EXPRESSION,
        "catalog": Only("", Rule.S3, _PLAIN_FUNCTION),
        "schema": Only("", Rule.S3, _PLAIN_FUNCTION),
        "type_name": _TEXT,
        "children": _LIST,
        "qualified_name": _ITEM,
    },
    "FUNCTION": {
        **_EXPRESSION,
        "function_name": _TEXT,
        "schema": Only("", Rule.S3, _PLAIN_FUNCTION),
        "catalog": Only("", Rule.S3, _PLAIN_FUNCTION),
        "filter": Only(None, Rule.S6, "use WHERE: FILTER is not taken"),
        "order_bys": Only(
            {"type": "ORDER_MODIFIER", "orders": []}, Rule.S6, "an aggregate has no ORDER BY"
        ),
        "distinct": _TRUTH,
        "is_operator": _TRUTH,
        "export_state": Only(False, Rule.S6, "states of aggregates are not taken"),
        "arguments": _LIST,
        "qualified_name": _ITEM,
        "is_legacy_function_call": Only(False, Rule.S3, _PLAIN_FUNCTION),
    },
    "ARGUMENT": {
        "name": Only("", Rule.S3, "arguments have no names"),
        "expression": _ITEM,
    },
    "ORDER_MODIFIER": {"type": _TEXT, "orders": _LIST},
    "ORDER": {"type": _TEXT, "null_order": _TEXT, "expression": _ITEM},
    "LIMIT_MODIFIER": {
        "type": _TEXT,
        "limit": _ITEM,
        "offset": _ITEM,
        "limit_type": Only("ROW_COUNT", Rule.S11, "give LIMIT a number of rows"),
    },
}
"""Of every node that may stand in a query."""

OTHERS: Final[Mapping[str, tuple[Rule, str, str]]] = {
    "STAR": (Rule.S4, "a star or COLUMNS", "name each column"),
    "SUBQUERY": (Rule.S4, "a subquery in an expression", "join a WITH query instead"),
    "WINDOW": (Rule.S4, "a window", "group instead"),
    "LAMBDA": (Rule.S4, "a lambda", "leave it out"),
    "PARAMETER": (Rule.S4, "a parameter", "write the value as a literal"),
    "COLLATE": (Rule.S4, "a collation", "compare texts as they are"),
    "POSITIONAL_REFERENCE": (Rule.S4, "a column by its number", "name the column"),
    "LAMBDA_REF": (Rule.S4, "a lambda", "leave it out"),
    "DEFAULT": (Rule.S4, "DEFAULT", "leave it out"),
    "TABLE_FUNCTION": (Rule.S4, "a table function", "read the contract's tables alone"),
    "SHOW_REF": (Rule.S4, "SHOW, DESCRIBE or SUMMARIZE", "the schema is in the contract"),
    "PIVOT": (Rule.S4, "a pivot", "group by both columns"),
    "EXPRESSION_LIST": (Rule.S2, "VALUES", "read the contract's tables alone"),
    "EMPTY": (Rule.S2, "no FROM", "read one of the contract's tables"),
    "COLUMN_DATA": (Rule.S2, "rows in the query", "read the contract's tables alone"),
    "DELIM_GET": (Rule.S4, "a correlated subquery", "join a WITH query instead"),
    "RECURSIVE_CTE_NODE": (Rule.S1, "a recursive WITH", "write each step as a query of its own"),
    "CTE_NODE": (Rule.S1, "WITH within WITH", _NO_CTES_HERE),
    "INSERT_QUERY_NODE": (Rule.S1, "INSERT", "write one SELECT"),
    "UPDATE_QUERY_NODE": (Rule.S1, "UPDATE", "write one SELECT"),
    "DELETE_QUERY_NODE": (Rule.S1, "DELETE", "write one SELECT"),
    "DISTINCT_MODIFIER": (Rule.S4, "DISTINCT", "use GROUP BY"),
    "LIMIT_PERCENT_MODIFIER": (Rule.S11, "LIMIT in percent", "give LIMIT a number of rows"),
}
"""Nodes of the engine that are refused by their own rule; all others are by S4."""


def read(node: Any, form: str, places: Places, clause: str) -> Node:
    """A node with exactly the fields of its form.

    Raises:
        Refused: it has others, lacks one, or one holds what it may not.
    """
    if not isinstance(node, dict):
        raise Refused(Rule.S4, clause, "not a node of the syntax tree", "write plain SQL")
    fields = FORMS[form]
    place = places.of(node, clause)
    for name in node:
        if name not in fields and name not in _LOCATIONS:
            raise Refused(Rule.S4, place, f"an unknown part of {form}", "leave it out")
    for name, field in fields.items():
        if name not in node:
            raise Refused(Rule.S4, place, f"{form} without its {name}", "write plain SQL")
        value = node[name]
        if isinstance(field, Only) and not same(value, field.value):
            raise Refused(field.rule, place, f"{_spoken(form)} with {_spoken(name)}", field.remedy)
        if isinstance(field, Read) and type(value) is not field.type:
            raise Refused(Rule.S4, place, f"{form} with another {name}", "write plain SQL")
    return node


def kind_of(node: Any, key: str, places: Places, clause: str, allowed: Mapping[str, Any]) -> str:
    """The kind of a node (its field `key`), if it is one of these.

    Raises:
        Refused: it is none, by the rule of its kind.
    """
    kind = node.get(key) if isinstance(node, dict) else None
    if isinstance(kind, str) and kind in allowed:
        return kind
    rule, what, remedy = OTHERS.get(
        kind if isinstance(kind, str) else "",
        (Rule.S4, "a construct that is not on the list", "see docs/clean-rooms-sql.md"),
    )
    raise Refused(rule, places.of(node, clause), what, remedy)


def same(one: Any, other: Any) -> bool:
    """Whether two values of a tree are the same, places aside; true is not 1.

    Compared without recursion: what is read may be deep.
    """
    pairs = [(one, other)]
    while pairs:
        left, right = pairs.pop()
        if type(left) is not type(right):
            return False
        if isinstance(left, dict):
            names = left.keys() - _LOCATIONS
            if names != right.keys() - _LOCATIONS:
                return False
            pairs += [(left[name], right[name]) for name in names]
        elif isinstance(left, list):
            if len(left) != len(right):
                return False
            pairs += zip(left, right, strict=True)
        elif left != right:
            return False
    return True


def _spoken(name: str) -> str:
    return name.replace("_", " ").lower()
