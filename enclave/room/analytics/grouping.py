"""A query that groups: its keys and aggregates, and what the rest of it may name.

Owns S5 (what is selected is grouped or aggregated) and S6. Over rows the groups are a release,
whose table is read; over what was released they are a query like any other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from strongroom.enclave.room.analytics import emitting
from strongroom.enclave.room.analytics.expressions import (
    AGGREGATES,
    ITEMS_MAX,
    Expressions,
    arguments,
    function_name,
    holds_aggregate,
)
from strongroom.enclave.room.analytics.nodes import Node, read, same
from strongroom.enclave.room.analytics.places import Places
from strongroom.enclave.room.analytics.policy import MICROS, ColumnPolicy, Use
from strongroom.enclave.room.analytics.refusals import Refused, Rule
from strongroom.enclave.room.analytics.relations import (
    Aliases,
    Relation,
    SourceScope,
    Unit,
    plain_name,
)
from strongroom.enclave.room.analytics.releases import CALLS, Kinds, Release, Releases, clamped
from strongroom.enclave.room.analytics.types import INTEGER, NUMBERS, REAL, Kind, Type
from strongroom.enclave.room.analytics.values import Value, as_type, derived, need, origins

_KINDS: Final = {
    "count": Kinds.PRESENT,
    "sum": Kinds.SUM,
    "stddev": Kinds.DEVIATION,
    "stddev_samp": Kinds.DEVIATION,
}
_WITHIN_UNIT: Final = {("count", False), ("count", True), ("sum", False)}
"""Aggregates of one unit's rows, and whether of a real number."""


@dataclass(slots=True, kw_only=True)
class GroupedScope:
    """What the select list, HAVING and ORDER BY of a query with groups see."""

    rows: SourceScope
    """What was grouped."""
    keys: Sequence[Value]
    alias: str
    release: Release | None
    """None: what was released is grouped again, or rows by their unit."""
    source: Relation
    where: Node | None
    places: Places
    unit: int | None = None
    """Which key is the unit: each group is rows of one unit, and stays one row of it."""
    rounding: int = 1
    """Of counts of that unit's data set."""
    _local: list[tuple[Kinds, Value | None]] = field(default_factory=list)
    _aliases: Mapping[str, Value] = field(default_factory=dict)

    def take_aliases(self, aliases: Mapping[str, Value]) -> None:
        """From here on, HAVING and ORDER BY may name items of the select list."""
        self._aliases = aliases

    def column(self, names: Sequence[str], place: str) -> Value:
        """See `Scope`."""
        if len(names) == 1:
            alias = self._aliases.get(plain_name(names[0], place))
            if alias is not None:
                return alias
        value = self.rows.column(names, place)
        raise Refused(
            Rule.S5,
            place,
            f"{origins(value)} is neither grouped nor aggregated",
            "add it to GROUP BY, or aggregate it",
        )

    def known(self, node: Node) -> Value | None:
        """See `Scope`: an aggregate, or a whole key of the groups."""
        if node["class"] == "FUNCTION" and str(node["function_name"]).lower() in AGGREGATES:
            return self._aggregate(node)
        if node["class"] == "CONSTANT" or holds_aggregate([node]):
            return None
        try:
            value = Expressions(self.rows, self.places, "GROUP BY").read(node)
        except Refused:
            return None  # It is judged again where it stands, with its own place.
        key = self.key_of(value)
        if key is not None and self.unit is None:
            need(value, Use.OUTPUT, Rule.S5, self.places.of(node, "the select list"))
        return key

    def key_of(self, value: Value) -> Value | None:
        """The released key that a value of the rows is, if it is one."""
        for index, key in enumerate(self.keys):
            if same(key.node, value.node):
                node = emitting.column(self.alias, f"g{index}")
                if self.unit is not None:
                    return replace(key, node=node)
                return Value(type=key.type, node=node, plain=True)
        return None

    def relation(self) -> Relation:
        """The groups as a source, once all that is asked of them was read."""
        if self.release is not None:
            node = emitting.table(self.release.table, self.alias)
            return Relation(node=node, columns=(), units=())
        items = [emitting.named(key.node, f"g{index}") for index, key in enumerate(self.keys)]
        for index, (kind, value) in enumerate(self._local):
            items.append(emitting.named(_local_call(kind, value), f"a{index}"))
        query = emitting.select(
            items or [emitting.named(emitting.call("count_star"), "a0")],
            self.source.node,
            where=self.where,
            groups=[key.node for key in self.keys],
        )
        units: tuple[Unit, ...] = ()
        if self.unit is not None:
            of = emitting.column(self.alias, f"g{self.unit}")
            units = (Unit(self.source.units[0].alias, of),)
        return Relation(node=emitting.derived(query, self.alias), columns=(), units=units)

    def _aggregate(self, node: Node) -> Value:
        place = self.places.of(node, "the select list")
        name = function_name(node, place)
        given = arguments(node, self.places, place)
        if name == "count_star":
            if given or node["distinct"]:
                raise _not_plain(place, "count(*) with arguments")
            return self._made(Kinds.ROWS, None, place)
        value = self._argument(given, place)
        if node["distinct"] and name != "count":
            raise _not_plain(place, f"{name}(DISTINCT …)")
        self._check_use(name, value, place)
        if name != "count" and value.type.kind not in NUMBERS:
            raise _not_plain(place, f"{name} of {value.type}")
        if self.unit is not None and (name, value.type == REAL) not in _WITHIN_UNIT:
            raise Refused(
                Rule.S6,
                place,
                f"{name} of {value.type} within a unit",
                "count, and sum whole and decimal numbers; average outside",
            )
        if name == "avg":
            return self._average(value, place)
        kind = Kinds.DISTINCT if node["distinct"] else _KINDS[name]
        return self._made(kind, value, place)

    def _argument(self, given: Sequence[Any], place: str) -> Value:
        if len(given) != 1 or not isinstance(given[0], dict):
            raise _not_plain(place, "an aggregate of other than one argument")
        if given[0].get("class") != "COLUMN_REF":
            raise _not_plain(place, "an aggregate of an expression")
        names = read(given[0], "COLUMN_REF", self.places, "an aggregate")["column_names"]
        if not 0 < len(names) <= 2:
            raise _not_plain(place, "a name of many parts")
        return self.rows.column(names, place)

    def _check_use(self, name: str, value: Value, place: str) -> None:
        if not self.source.of_rows:
            return
        if value.column is None:
            raise _not_plain(place, "an aggregate of a column that was computed")
        if name == "count" and Use.IDENTITY in value.uses:
            return
        need(value, Use.AGGREGATE, Rule.S5, place)

    def _average(self, value: Value, place: str) -> Value:
        """A sum by a count, both as they are released: it tells nothing more."""
        total = as_type(self._made(Kinds.SUM, value, place), REAL, place)
        count = self._made(Kinds.PRESENT, value, place)
        by = emitting.call("nullif", count.node, emitting.integer(0))
        node = emitting.call("/", total.node, by, operator=True)
        return derived(REAL, emitting.tried(node), [total, count])

    def _made(self, kind: Kinds, value: Value | None, place: str) -> Value:
        if self.release is not None:
            index, type_ = self.release.add(kind, value, place)
        else:
            index, type_ = self._add_local(kind, value)
        if self.unit is not None:
            return self._of_unit(kind, value, type_, index)
        return Value(type=type_, node=emitting.column(self.alias, f"a{index}"), plain=True)

    def _of_unit(self, kind: Kinds, value: Value | None, type_: Type, index: int) -> Value:
        """An aggregate of one unit's rows: still its own, and only to be aggregated again."""
        of = value or self.keys[self.unit or 0]
        summed = value.column if kind is Kinds.SUM and value is not None else None
        # Added up outside, counts are counts again: they must stay as coarse as those.
        rounding = summed.rounding if summed is not None else _steps(self.rounding)
        column = ColumnPolicy(
            name=f"a{index}",
            type=type_,
            uses=frozenset({Use.AGGREGATE}),
            rounding=rounding,
        )
        return Value(
            type=type_,
            node=emitting.column(self.alias, f"a{index}"),
            uses=column.uses,
            lineage=of.lineage,
            column=column,
            plain=True,
            counts=kind in (Kinds.PRESENT, Kinds.DISTINCT),
        )

    def _add_local(self, kind: Kinds, value: Value | None) -> tuple[int, Type]:
        type_ = INTEGER
        if value is not None and kind in (Kinds.SUM, Kinds.DEVIATION):
            type_ = REAL if kind is Kinds.DEVIATION else value.type
        self._local.append((kind, value))
        return len(self._local) - 1, type_


def grouped(
    node: Node,
    source: Relation,
    where: Node | None,
    places: Places,
    aliases: Aliases,
    releases: Releases,
    place: str,
) -> GroupedScope:
    """Read GROUP BY, and begin a release if rows are grouped.

    Raises:
        Refused: a key may not be grouped by; sets of groups; S9 and S10.
    """
    rows = SourceScope(source.columns)
    expressions = node["group_expressions"]
    sets = node["group_sets"]
    if len(expressions) > ITEMS_MAX or sets not in ([], [list(range(len(expressions)))]):
        raise Refused(Rule.S4, "GROUP BY", "several sets of groups", "write one GROUP BY")
    keys = [_key(one, node["select_list"], rows, places, source) for one in expressions]
    for index, key in enumerate(keys):
        if any(same(key.node, other.node) for other in keys[:index]):
            raise Refused(Rule.S5, "GROUP BY", "one key twice", "leave one out")
    by_unit = [index for index, key in enumerate(keys) if _is_unit(key, source)]
    releases_rows = source.of_rows and not by_unit
    return GroupedScope(
        rows=rows,
        keys=keys,
        alias=aliases.next(place),
        release=releases.start(source, where, keys, place) if releases_rows else None,
        unit=by_unit[0] if by_unit else None,
        rounding=releases.rounding_of(source),
        source=source,
        where=where,
        places=places,
    )


def _steps(rounding: int) -> int:
    """A rounding of counts as one of a column: 0 is exact."""
    return rounding * MICROS if rounding > 1 else 0


def _is_unit(value: Value, source: Relation) -> bool:
    """Whether a key is the unit of rows that are of one data set alone."""
    return len(source.units) == 1 and not source.joined and same(value.node, source.units[0].node)


def _key(
    node: Any, items: Sequence[Any], rows: SourceScope, places: Places, source: Relation
) -> Value:
    place = places.of(node, "GROUP BY")
    node = _meant(node, items, rows, places, place)
    value = Expressions(rows, places, "GROUP BY").read(node)
    if value.literal is not None:
        raise Refused(Rule.S5, place, "a literal as a key", "leave it out")
    if not _is_unit(value, source):
        need(value, Use.GROUP, Rule.S5, place)
    if value.type.kind is Kind.REAL:
        raise Refused(
            Rule.S5, place, "a real number as a key", "group by a whole number or a decimal"
        )
    return value


def _meant(node: Any, items: Sequence[Any], rows: SourceScope, places: Places, place: str) -> Any:
    """GROUP BY 1 and GROUP BY an alias are the item; a column's name is the column."""
    kind = node.get("class") if isinstance(node, dict) else None
    if kind == "CONSTANT":
        literal = read(node, "CONSTANT", places, "GROUP BY")["literal"]
        text = literal.get("text") if isinstance(literal, dict) else None
        if isinstance(text, str) and text.isdecimal() and 0 < int(text) <= len(items):
            return items[int(text) - 1]
        raise Refused(Rule.S5, place, "a literal as a key", "name a column, or an item's number")
    if kind != "COLUMN_REF":
        return node
    names = read(node, "COLUMN_REF", places, "GROUP BY")["column_names"]
    if len(names) != 1:
        return node
    name = plain_name(names[0], place)
    if any(one.name == name for one in rows.columns):
        return node
    meant = [
        item
        for item in items
        if isinstance(item, dict) and str(item.get("alias", "")).lower() == name
    ]
    return meant[0] if len(meant) == 1 else node


def _local_call(kind: Kinds, value: Value | None) -> Node:
    if value is None:
        return emitting.call("count_star")
    name, distinct = CALLS[kind]
    node = as_type(value, REAL, "").node if kind is Kinds.DEVIATION else value.node
    if kind is Kinds.SUM and value.column is not None:
        node = clamped(value, value.column)  # a unit's own rows, which its policy bounds
    return emitting.call(name, node, distinct=distinct)


def _not_plain(place: str, what: str) -> Refused:
    return Refused(
        Rule.S6, place, what, "use count, count(DISTINCT …), sum, avg, stddev over a plain column"
    )
