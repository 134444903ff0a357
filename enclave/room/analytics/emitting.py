"""New nodes of the engine's syntax tree: what runs is made of these alone.

Owns one function per kind of node, with every field. No text, name or node of the analyst's goes
in, but literals that types.py has read. Knows no policy.
"""

from collections.abc import Sequence
from typing import Any

from strongroom.enclave.room.analytics.nodes import Node


def column(*names: str) -> Node:
    """A column of a table."""
    return _expression("COLUMN_REF", "COLUMN_REF", column_names=list(names))


def literal(kind: str, text: str) -> Node:
    """A literal: INTEGER, NUMERIC, STRING, BOOLEAN or NULL_LITERAL."""
    return _expression("CONSTANT", "VALUE_CONSTANT", literal={"kind": kind, "text": text})


def integer(number: int) -> Node:
    """A whole number."""
    return literal("INTEGER", str(number))


def null() -> Node:
    """NULL."""
    return literal("NULL_LITERAL", "")


def call(name: str, *arguments: Node, distinct: bool = False, operator: bool = False) -> Node:
    """A function or an operator."""
    return _expression(
        "FUNCTION",
        "FUNCTION",
        function_name=name,
        schema="",
        filter=None,
        order_bys={"type": "ORDER_MODIFIER", "orders": []},
        distinct=distinct,
        is_operator=operator,
        export_state=False,
        catalog="",
        arguments=[{"name": "", "expression": argument} for argument in arguments],
        qualified_name={"path": [name]},
        is_legacy_function_call=False,
    )


def tried(child: Node) -> Node:
    """NULL instead of an error: what makes a function total."""
    return operation("OPERATOR_TRY", child)


def operation(kind: str, *children: Node) -> Node:
    """IS NULL, NOT, IN, COALESCE, TRY."""
    return _expression("OPERATOR", kind, children=list(children))


def comparison(kind: str, left: Node, right: Node) -> Node:
    """One of the six, and the two of IS DISTINCT FROM."""
    return _expression("COMPARISON", kind, left=left, right=right)


def between(value: Node, lower: Node, upper: Node) -> Node:
    """BETWEEN, both ends included."""
    return _expression("BETWEEN", "COMPARE_BETWEEN", input=value, lower=lower, upper=upper)


def conjunction(kind: str, children: Sequence[Node]) -> Node:
    """AND or OR, flat as the engine's parser makes it."""
    flat: list[Node] = []
    for child in children:
        flat += child["children"] if child["type"] == kind else [child]
    return flat[0] if len(flat) == 1 else _expression("CONJUNCTION", kind, children=flat)


def case(checks: Sequence[tuple[Node, Node]], otherwise: Node) -> Node:
    """CASE WHEN."""
    pairs = [{"when_expr": when, "then_expr": then} for when, then in checks]
    return _expression("CASE", "CASE_EXPR", case_checks=pairs, else_expr=otherwise)


def cast(child: Node, type_name: str, *, tries: bool) -> Node:
    """CAST, or TRY_CAST, to a type without arguments."""
    return _expression(
        "CAST",
        "OPERATOR_CAST",
        child=child,
        try_cast=tries,
        type_expr=_expression(
            "TYPE",
            "TYPE",
            catalog="",
            schema="",
            type_name=type_name,
            children=[],
            qualified_name={"path": [type_name]},
        ),
    )


def named(expression: Node, alias: str) -> Node:
    """An item of a select list."""
    return {**expression, "alias": alias}


def table(name: str, alias: str) -> Node:
    """A table of ours."""
    return {
        "type": "BASE_TABLE",
        "alias": alias,
        "sample": None,
        "schema_name": "",
        "table_name": name,
        "column_name_alias": [],
        "catalog_name": "",
        "at_clause": None,
        "qualified_name": {"path": [name]},
    }


def derived(query: Node, alias: str) -> Node:
    """A query in FROM."""
    return {
        "type": "SUBQUERY",
        "alias": alias,
        "sample": None,
        "subquery": {"node": query, "named_param_map": []},
        "column_name_alias": [],
    }


def join(left: Node, right: Node, condition: Node) -> Node:
    """An inner join."""
    return {
        "type": "JOIN",
        "alias": "",
        "sample": None,
        "left": left,
        "right": right,
        "condition": condition,
        "join_type": "INNER",
        "ref_type": "REGULAR",
        "using_columns": [],
        "delim_flipped": False,
        "duplicate_eliminated_columns": [],
        "is_implicit": False,
        "ranking_expression": None,
        "nearest_count": 1,
        "nearest_order_type": "ASCENDING",
        "nearest_approx": False,
    }


def select(
    items: Sequence[Node],
    source: Node,
    *,
    where: Node | None = None,
    groups: Sequence[Node] = (),
    modifiers: Sequence[Node] = (),
) -> Node:
    """SELECT … FROM … WHERE … GROUP BY."""
    return {
        "type": "SELECT_NODE",
        "modifiers": list(modifiers),
        "cte_map": {"map": []},
        "select_list": list(items),
        "from_table": source,
        "where_clause": where,
        "group_expressions": list(groups),
        "group_sets": [list(range(len(groups)))] if groups else [],
        "aggregate_handling": "STANDARD_HANDLING",
        "having": None,
        "sample": None,
        "qualify": None,
    }


def union(children: Sequence[Node]) -> Node:
    """UNION ALL, flat as the engine's parser makes it."""
    return {
        "type": "SET_OPERATION_NODE",
        "modifiers": [],
        "cte_map": {"map": []},
        "setop_type": "UNION",
        "left": None,
        "right": None,
        "setop_all": True,
        "children": list(children),
    }


def order(keys: Sequence[tuple[Node, bool]]) -> Node:
    """ORDER BY; `True` descends. Gaps come last."""
    return {
        "type": "ORDER_MODIFIER",
        "orders": [
            {
                "type": "DESCENDING" if descends else "ASCENDING",
                "null_order": "NULLS LAST",
                "expression": key,
            }
            for key, descends in keys
        ],
    }


def limit(count: int, skipped: int) -> Node:
    """LIMIT and OFFSET."""
    return {
        "type": "LIMIT_MODIFIER",
        "limit": integer(count),
        "offset": integer(skipped) if skipped else None,
        "limit_type": "ROW_COUNT",
    }


def statement(query: Node) -> Node:
    """What the engine writes as text."""
    return {"error": False, "statements": [{"node": query, "named_param_map": []}]}


def _expression(kind: str, inner: str, /, **fields: Any) -> Node:
    return {"class": kind, "type": inner, "alias": "", **fields}
