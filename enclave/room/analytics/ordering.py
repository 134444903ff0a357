"""The order of the whole result: the query's own, then by every column, so that it is one (S11).

Owns ORDER BY and LIMIT of the outermost query. Both see what was released, and nothing else.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from strongroom.enclave.room.analytics import emitting
from strongroom.enclave.room.analytics.expressions import ITEMS_MAX, Expressions
from strongroom.enclave.room.analytics.nodes import Node, kind_of, read
from strongroom.enclave.room.analytics.places import Places
from strongroom.enclave.room.analytics.refusals import Refused, Rule
from strongroom.enclave.room.analytics.values import Value, literal_value, whole_number

LIMIT_MAX = 10**9

MODIFIERS = dict.fromkeys(("ORDER_MODIFIER", "LIMIT_MODIFIER"))
_DESCENDS = {"ORDER_DEFAULT": False, "ASCENDING": False, "DESCENDING": True}
_GAPS_LAST = ("ORDER_DEFAULT", "NULLS LAST")


def order_of(
    modifiers: Sequence[Any],
    values: Sequence[Value],
    names: Mapping[str, Value],
    reader: Expressions,
    places: Places,
) -> list[Node]:
    """ORDER BY and LIMIT for a result with these values.

    Raises:
        Refused: a limit without an order, or another modifier.
    """
    keys: list[tuple[Node, bool]] = []
    limits: list[Node] = []
    for modifier in modifiers:
        kind = kind_of(modifier, "type", places, "ORDER BY", MODIFIERS)
        read(modifier, kind, places, "ORDER BY")
        if kind == "LIMIT_MODIFIER":
            limits.append(_limit(modifier, places))
        else:
            keys += _keys(modifier["orders"], values, names, reader, places)
    if limits and not keys:
        raise Refused(Rule.S11, "LIMIT", "a limit without an order", "write ORDER BY before LIMIT")
    if len(limits) > 1:
        raise Refused(Rule.S11, "LIMIT", "two limits", "write one")
    keys += [(value.node, False) for value in values if value.literal is None]
    return [*([emitting.order(keys)] if keys else []), *limits]


def _keys(
    orders: Any,
    values: Sequence[Value],
    names: Mapping[str, Value],
    reader: Expressions,
    places: Places,
) -> list[tuple[Node, bool]]:
    if not isinstance(orders, list) or len(orders) > ITEMS_MAX:
        raise Refused(Rule.S11, "ORDER BY", "too many keys", "order by fewer")
    keys = []
    for one in orders:
        order = read(one, "ORDER", places, "ORDER BY")
        if order["type"] not in _DESCENDS or order["null_order"] not in _GAPS_LAST:
            raise Refused(Rule.S11, "ORDER BY", "NULLS FIRST", "gaps come last: leave it out")
        value = _key(order["expression"], values, names, reader, places)
        if value.literal is None:
            keys.append((value.node, _DESCENDS[order["type"]]))
    return keys


def _key(
    node: Any,
    values: Sequence[Value],
    names: Mapping[str, Value],
    reader: Expressions,
    places: Places,
) -> Value:
    if isinstance(node, dict) and node.get("class") == "COLUMN_REF":
        parts = read(node, "COLUMN_REF", places, "ORDER BY")["column_names"]
        if len(parts) == 1 and isinstance(parts[0], str) and parts[0].lower() in names:
            return names[parts[0].lower()]
    value = reader.read(node)
    if value.literal is None:
        return value
    number = whole_number(value, 1, len(values))
    if number is None:
        raise Refused(Rule.S11, "ORDER BY", "a literal", "name a column, or an item's number")
    return values[number - 1]


def _limit(modifier: Node, places: Places) -> Node:
    numbers: list[int] = []
    for part in ("limit", "offset"):
        node = modifier[part]
        if node is None and part == "offset":
            numbers.append(0)
            continue
        number = None
        if isinstance(node, dict) and node.get("class") == "CONSTANT":
            literal = read(node, "CONSTANT", places, "LIMIT")["literal"]
            read(literal, "LITERAL", places, "LIMIT")
            value = literal_value(literal["kind"], literal["text"])
            number = None if value is None else whole_number(value, 0, LIMIT_MAX)
        if number is None:
            raise Refused(
                Rule.S11, "LIMIT", "no whole number", f"write LIMIT with 0 to {LIMIT_MAX}"
            )
        numbers.append(number)
    return emitting.limit(*numbers)
