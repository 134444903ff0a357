"""A query, from WITH to LIMIT: what is rows, what is released, and what is refused between them.

Owns S1, S2, S9 (each data set once) and S11. Rows leave a query only aggregated, and an aggregate
over rows is a release (releases.py): the rest of the query reads the released table alone, so that
no HAVING, ORDER BY or WHERE outside sees a group that is too small or a sum that is not rounded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from strongroom.enclave.room.analytics import emitting
from strongroom.enclave.room.analytics.expressions import (
    ITEMS_MAX,
    Expressions,
    holds_aggregate,
)
from strongroom.enclave.room.analytics.grouping import GroupedScope, grouped
from strongroom.enclave.room.analytics.nodes import FORMS, Node, kind_of, read, same
from strongroom.enclave.room.analytics.ordering import MODIFIERS, order_of
from strongroom.enclave.room.analytics.places import Places
from strongroom.enclave.room.analytics.policy import ColumnPolicy, strictest
from strongroom.enclave.room.analytics.refusals import PolicyRefused, Refused, Rule
from strongroom.enclave.room.analytics.relations import (
    Aliases,
    DataSet,
    Query,
    Relation,
    SourceScope,
    data_set_relation,
    joined,
    plain_name,
)
from strongroom.enclave.room.analytics.releases import Release, Releases
from strongroom.enclave.room.analytics.values import Value, unified

QUERY_DEPTH_MAX = 16
"""Queries within one another."""

_QUERIES: Final = {name: FORMS[name] for name in ("SELECT_NODE", "SET_OPERATION_NODE")}
_TABLES: Final = {"BASE_TABLE": 0, "SUBQUERY": 0, "JOIN": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A whole query: what is released first, and what is computed of it."""

    releases: tuple[Release, ...]
    final: Node
    names: tuple[str, ...]
    values: tuple[Value, ...]


@dataclass(slots=True)
class Reader:
    """Reads one query. Used once."""

    inputs: Mapping[str, DataSet]
    places: Places
    aliases: Aliases = field(default_factory=Aliases)
    releases: Releases = field(init=False)

    def __post_init__(self) -> None:
        self.releases = Releases(self.inputs)

    def whole(self, node: Any) -> Read:
        """The outermost query.

        Raises:
            Refused: some rule does not take it.
        """
        with_queries = self._with_queries(node)
        query = self._query(node, with_queries, 0, outermost=True)
        if query.units:
            raise Refused(
                Rule.S5,
                "the select list",
                "rows that nobody aggregated",
                "group them: rows of a unit never leave",
            )
        return Read(
            releases=self.releases.made(),
            final=query.node,
            names=query.names,
            values=query.values,
        )

    def _with_queries(self, node: Any) -> dict[str, Query]:
        found: dict[str, Query] = {}
        for one in self._ctes(node):
            if not isinstance(one, dict) or one.keys() != {"key", "value"}:
                raise Refused(Rule.S4, "WITH", "an unknown part", "write WITH name AS (…)")
            name = plain_name(one["key"], "WITH")
            if name in found or name in self.inputs:
                raise Refused(
                    Rule.S2, f"WITH {name}", "a second table of this name", "choose another"
                )
            inner = read(one["value"], "CTE", self.places, f"WITH {name}")["query_node"]
            kind = kind_of(inner, "type", self.places, f"WITH {name}", _QUERIES)
            read(inner, kind, self.places, f"WITH {name}")
            found[name] = self._query(inner, dict(found), 1)
        return found

    def _ctes(self, node: Any) -> list[Any]:
        kind = kind_of(node, "type", self.places, "the query", _QUERIES)
        ctes = read(node, kind, self.places, "the query")["cte_map"]
        if not isinstance(ctes, dict) or ctes.keys() != {"map"} or type(ctes["map"]) is not list:
            raise Refused(Rule.S4, "WITH", "an unknown part", "write WITH name AS (…)")
        found: list[Any] = ctes["map"]
        return found

    def _query(
        self, node: Any, known: Mapping[str, Query], depth: int, *, outermost: bool = False
    ) -> Query:
        if depth > QUERY_DEPTH_MAX:
            raise Refused(Rule.S1, "the query", "queries too deep", "write WITH queries")
        kind = kind_of(node, "type", self.places, "the query", _QUERIES)
        read(node, kind, self.places, "the query")
        if not outermost and self._ctes(node):
            raise Refused(
                Rule.S1, "WITH", "WITH within a query", "put all WITH before the first SELECT"
            )
        self._check_modifiers(node, outermost=outermost)
        if kind == "SELECT_NODE":
            return self._select(node, known, depth, outermost=outermost)
        return self._union(node, known, depth, outermost=outermost)

    def _check_modifiers(self, node: Node, *, outermost: bool) -> None:
        for modifier in node["modifiers"]:
            kind_of(modifier, "type", self.places, "ORDER BY", MODIFIERS)
            if not outermost:
                raise Refused(
                    Rule.S11,
                    "ORDER BY or LIMIT",
                    "order within a query",
                    "order the whole result alone",
                )

    def _union(
        self, node: Node, known: Mapping[str, Query], depth: int, *, outermost: bool
    ) -> Query:
        children = node["children"]
        if not 2 <= len(children) <= ITEMS_MAX:
            raise Refused(Rule.S1, "UNION ALL", "too many parts", "unite fewer")
        parts = [self._query(child, known, depth + 1) for child in children]
        if len({bool(part.units) for part in parts}) > 1:
            raise Refused(
                Rule.S5, "UNION ALL", "rows united with what was released", "unite before you group"
            )
        if len({len(part.values) for part in parts}) > 1:
            raise Refused(Rule.S1, "UNION ALL", "parts of unequal width", "select as many columns")
        query = self._united(parts)
        if not outermost or query.units:
            return query
        relation = query.relation(self.aliases.next("UNION ALL"), "")
        values = [one.value for one in relation.columns]
        return self._emitted(
            query.names, values, relation, None, node["modifiers"], SourceScope(relation.columns)
        )

    def _united(self, parts: Sequence[Query]) -> Query:
        units = [unit for part in parts for unit in part.units]
        values = []
        for column in zip(*(part.values for part in parts), strict=True):
            type_, _ = unified([replace(one, literal=None) for one in column], "UNION ALL")
            if any(one.type != type_ for one in column):
                raise Refused(Rule.S3, "UNION ALL", "columns of several types", "use TRY_CAST")
            policies = [one.column for one in column]
            values.append(
                replace(
                    column[0],
                    literal=None,
                    plain=all(one.plain for one in column),
                    uses=frozenset.intersection(*(one.uses for one in column)),
                    lineage=frozenset().union(*(one.lineage for one in column)),
                    column=_one_policy(policies) if all(one.plain for one in column) else None,
                )
            )
        nodes, before = [], 0
        for part in parts:
            after = len(units) - before - len(part.units)
            nodes.append(self._with_units(part, before, after))
            before += len(part.units)
        return Query(
            node=emitting.union(nodes),
            names=parts[0].names,
            values=tuple(values),
            units=tuple(units),
            joined=True,
        )

    def _with_units(self, part: Query, before: int, after: int) -> Node:
        """A part of a union, with NULL for the units of the others."""
        alias = self.aliases.next("UNION ALL")
        relation = part.relation(alias, "")
        units = [
            *(emitting.null() for _ in range(before)),
            *(unit.node for unit in relation.units),
            *(emitting.null() for _ in range(after)),
        ]
        items = [
            emitting.named(one.value.node, f"c{index}")
            for index, one in enumerate(relation.columns)
        ]
        items += [emitting.named(one, f"u{index}") for index, one in enumerate(units)]
        return emitting.select(items, relation.node)

    def _select(
        self, node: Node, known: Mapping[str, Query], depth: int, *, outermost: bool
    ) -> Query:
        source = self._table(node["from_table"], known, depth)
        scope = SourceScope(source.columns)
        where = None
        if node["where_clause"] is not None:
            condition = Expressions(scope, self.places, "WHERE").truth(node["where_clause"])
            if source.of_rows and not condition.lineage:
                raise Refused(Rule.S7, "WHERE", "a condition on no column", "leave it out")
            where = condition.node
        items = node["select_list"]
        if not 0 < len(items) <= ITEMS_MAX:
            raise Refused(Rule.S1, "the select list", "too many or too few items", "select fewer")
        if node["group_expressions"] or holds_aggregate([*items, node["having"]]):
            place = self.places.of(node["from_table"], "FROM")
            post = grouped(node, source, where, self.places, self.aliases, self.releases, place)
            released = replace(
                source, columns=(), units=source.units if post.unit is not None else ()
            )
            return self._selected(node, released, post, None, outermost=outermost)
        if node["having"] is not None:
            raise Refused(Rule.S6, "HAVING", "HAVING without a group", "write WHERE")
        return self._selected(node, source, scope, where, outermost=outermost)

    def _selected(
        self,
        node: Node,
        source: Relation,
        scope: SourceScope | GroupedScope,
        where: Node | None,
        *,
        outermost: bool,
    ) -> Query:
        reader = Expressions(scope, self.places, "the select list")
        values = [reader.read(item) for item in node["select_list"]]
        names = self._names(node["select_list"], values, scope)
        if isinstance(scope, GroupedScope):
            scope.take_aliases(dict(zip(names, values, strict=True)))
            if node["having"] is not None:
                where = Expressions(scope, self.places, "HAVING").truth(node["having"]).node
        modifiers = node["modifiers"] if outermost and not source.of_rows else None
        return self._emitted(names, values, source, where, modifiers, scope)

    def _emitted(
        self,
        names: Sequence[str],
        values: Sequence[Value],
        source: Relation,
        where: Node | None,
        modifiers: Sequence[Any] | None,
        scope: SourceScope | GroupedScope,
    ) -> Query:
        """A query written anew, in its order if `modifiers` are those of the outermost."""
        order: list[Node] = []
        if modifiers is not None:
            reader = Expressions(scope, self.places, "ORDER BY")
            by_name = dict(zip(names, values, strict=True))
            order = order_of(modifiers, values, by_name, reader, self.places)
        if isinstance(scope, GroupedScope):
            source = scope.relation()
        items = [emitting.named(value.node, f"c{index}") for index, value in enumerate(values)]
        items += [emitting.named(unit.node, f"u{index}") for index, unit in enumerate(source.units)]
        return Query(
            node=emitting.select(items, source.node, where=where, modifiers=order),
            names=tuple(names),
            values=tuple(values),
            units=tuple(unit.alias for unit in source.units),
            joined=source.joined,
        )

    def _names(
        self, items: Sequence[Node], values: Sequence[Value], scope: SourceScope | GroupedScope
    ) -> list[str]:
        names: list[str] = []
        for index, (item, value) in enumerate(zip(items, values, strict=True)):
            place = self.places.of(item, "the select list")
            if item["alias"]:
                name = plain_name(item["alias"], place)
                scope_check(scope, name, value, place)
            elif item["class"] == "COLUMN_REF":
                name = plain_name(item["column_names"][-1], place)
            else:
                name = f"column{index + 1}"
            if name in names:
                raise Refused(Rule.S2, place, "two columns of one name", "name one with AS")
            names.append(name)
        return names

    def _table(self, node: Any, known: Mapping[str, Query], depth: int) -> Relation:
        if depth > QUERY_DEPTH_MAX:
            raise Refused(Rule.S1, "FROM", "tables too deep", "write WITH queries")
        kind = kind_of(node, "type", self.places, "FROM", _TABLES)
        form = "TABLE_SUBQUERY" if kind == "SUBQUERY" else kind
        read(node, form, self.places, "FROM")
        if kind == "JOIN":
            return joined(
                self._table(node["left"], known, depth + 1),
                self._table(node["right"], known, depth + 1),
                node["condition"],
                self.places,
            )
        place = self.places.of(node, "FROM")
        alias = self.aliases.next(place)
        if kind == "SUBQUERY":
            name = plain_name(node["alias"], place) if node["alias"] else ""
            inner = read(node["subquery"], "STATEMENT", self.places, "FROM")["node"]
            return self._query(inner, known, depth + 1).relation(alias, name)
        return self._named_table(node, known, alias, place)

    def _named_table(
        self, node: Node, known: Mapping[str, Query], alias: str, place: str
    ) -> Relation:
        if node["qualified_name"] != {"path": [node["table_name"]]}:
            raise Refused(Rule.S2, place, "a table of a schema", "name the contract's alias alone")
        name = plain_name(node["table_name"], place)
        table = plain_name(node["alias"], place) if node["alias"] else name
        if name in known:
            return known[name].relation(alias, table)
        if name not in self.inputs:
            raise Refused(
                Rule.S2,
                place,
                "a table that the contract does not name",
                f"it names {', '.join(sorted(self.inputs))}",
            )
        return data_set_relation(name, table, alias, self.inputs[name])


def scope_check(scope: SourceScope | GroupedScope, name: str, value: Value, place: str) -> None:
    """An alias hides no other column: HAVING and ORDER BY would mean one of two.

    Raises:
        Refused: it does.
    """
    source = scope.rows if isinstance(scope, GroupedScope) else scope
    hidden = [one for one in source.columns if one.name == name]
    if hidden and not (value.plain and value.literal is None and _is_it(scope, hidden, value)):
        raise Refused(
            Rule.S2, place, "an alias that is another column's name", "choose another alias"
        )


def _is_it(scope: SourceScope | GroupedScope, hidden: Sequence[Any], value: Value) -> bool:
    if isinstance(scope, GroupedScope):
        found = [scope.key_of(one.value) for one in hidden]
        return any(one is not None and same(one.node, value.node) for one in found)
    return any(same(one.value.node, value.node) for one in hidden)


def _one_policy(policies: Sequence[ColumnPolicy | None]) -> ColumnPolicy | None:
    known = [policy for policy in policies if policy is not None]
    if not known or len(known) < len(policies):
        return None
    try:
        return strictest(known, known[0].name)
    except PolicyRefused as error:
        raise Refused(Rule.S5, "UNION ALL", str(error), "unite other columns") from None
