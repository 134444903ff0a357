"""What stands in FROM: rows of units, or what was released; and the names that a clause sees.

Owns scopes and joins (S2, S8). Rows carry, hidden, the unit column of each data set that they come
from, through WITH queries, joins and UNION ALL, until they are aggregated. Knows no aggregate.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from strongroom.enclave.room.analytics import emitting
from strongroom.enclave.room.analytics.nodes import Node, read, same
from strongroom.enclave.room.analytics.places import Places
from strongroom.enclave.room.analytics.policy import NAME, DataPolicy, Use
from strongroom.enclave.room.analytics.refusals import Refused, Rule
from strongroom.enclave.room.analytics.values import Origin, Value, need

TABLES_MAX = 16
"""Tables that a query joins or unites, WITH queries counted as often as they are read."""
_OF_LABELS = frozenset({Use.OUTPUT, Use.GROUP})


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """An input of the contract."""

    identity: str
    """Of the data set: two aliases of one data set are one."""
    policy: DataPolicy
    epsilon: int = 0
    """In 10⁻⁶, what the contract spends on this query, if the policy asks for noise."""


@dataclass(frozen=True, slots=True)
class Unit:
    """The hidden unit column of one data set in a relation."""

    alias: str
    """Of the data set, in the contract."""
    node: Node


@dataclass(frozen=True, slots=True)
class Named:
    """A column that a scope sees."""

    table: str
    name: str
    value: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A table expression: a source to read from, and what it holds."""

    node: Node
    """Of FROM."""
    columns: tuple[Named, ...]
    units: tuple[Unit, ...]
    """Of rows; empty: what was released."""
    joined: bool = False
    """Rows of several tables, or of one that was united."""

    @property
    def of_rows(self) -> bool:
        """Whether it holds rows of units, which nobody may see."""
        return bool(self.units)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A query that was read: a tree to stand in FROM, with columns c0, c1 … and units u0, u1 …"""

    node: Node
    names: tuple[str, ...]
    values: tuple[Value, ...]
    """Whose nodes mean nothing outside of the query."""
    units: tuple[str, ...]
    """Aliases of data sets; empty: released."""
    joined: bool = False

    def relation(self, alias: str, table: str) -> Relation:
        """It as a source, under an alias of ours and a name of the analyst's."""
        columns = tuple(
            Named(table, name, self._outside(value, emitting.column(alias, f"c{index}")))
            for index, (name, value) in enumerate(zip(self.names, self.values, strict=True))
        )
        units = tuple(
            Unit(name, emitting.column(alias, f"u{index}")) for index, name in enumerate(self.units)
        )
        return Relation(
            node=emitting.derived(self.node, alias),
            columns=columns,
            units=units,
            joined=self.joined,
        )

    def _outside(self, value: Value, node: Node) -> Value:
        """A column of it, as others see it: a literal beside rows labels them, no more."""
        uses = value.uses & _OF_LABELS if self.units and not value.lineage else value.uses
        return replace(value, node=node, plain=True, literal=None, uses=uses)


@dataclass(slots=True)
class Aliases:
    """Names of our own for the tables of a query."""

    count: int = 0

    def next(self, place: str) -> str:
        """A new one.

        Raises:
            Refused: TABLES_MAX were given.
        """
        self.count += 1
        if self.count > TABLES_MAX:
            raise Refused(
                Rule.S2, place, f"more than {TABLES_MAX} tables", "read each WITH query once"
            )
        return f"t{self.count}"


@dataclass(frozen=True, slots=True)
class SourceScope:
    """What WHERE, ON and the select list of plain rows see."""

    columns: tuple[Named, ...] = field(default=())

    def column(self, names: Sequence[str], place: str) -> Value:
        """See `Scope`."""
        wanted = [plain_name(name, place) for name in names]
        found = [
            one.value
            for one in self.columns
            if one.name == wanted[-1] and (len(wanted) == 1 or one.table == wanted[0])
        ]
        if len(found) != 1:
            what = "no such column" if not found else "a column of several tables"
            raise Refused(Rule.S2, place, what, "write table.column, as the contract names them")
        return found[0]

    def known(self, node: Node) -> Value | None:
        """See `Scope`: rows know no whole expressions."""
        del node
        return None


def plain_name(name: Any, place: str) -> str:
    """A name of the analyst's, in lower case.

    Raises:
        Refused: it is longer than 63 characters, or has others than letters, digits and _.
    """
    lower = name.lower() if isinstance(name, str) and name.isascii() else ""
    if NAME.fullmatch(lower) is None:
        raise Refused(
            Rule.S2,
            place,
            "a name with other characters than a to z, 0 to 9 and _",
            "rename it: names that look alike must be one",
        )
    return lower


def data_set_relation(name: str, table: str, alias: str, data: DataSet) -> Relation:
    """A data set of the contract, as a source."""
    names = [column.name for column in data.policy.columns]
    columns = tuple(
        Named(
            table,
            column.name,
            Value(
                type=column.type,
                node=emitting.column(alias, f"c{index}"),
                uses=column.uses,
                lineage=frozenset({Origin(name, column.name)}),
                column=column,
                plain=True,
            ),
        )
        for index, column in enumerate(data.policy.columns)
    )
    unit = emitting.column(alias, f"c{names.index(data.policy.unit)}")
    return Relation(
        node=emitting.table(f"d_{name}", alias), columns=columns, units=(Unit(name, unit),)
    )


def joined(left: Relation, right: Relation, on: Any, places: Places) -> Relation:
    """The inner join of two sources, over equal join columns (S8).

    Raises:
        Refused: the condition is another, or one is of rows and the other was released.
    """
    place = places.of(on, "ON")
    if left.of_rows != right.of_rows:
        raise Refused(Rule.S8, place, "rows joined with what was released", "join before you group")
    tables = {one.table for one in left.columns} & {one.table for one in right.columns}
    if tables:
        raise Refused(Rule.S8, place, "two tables of one name", "give one another alias")
    equalities = [_equality(left, right, one, places) for one in _conjuncts(on, places)]
    return Relation(
        node=emitting.join(
            left.node, right.node, emitting.conjunction("CONJUNCTION_AND", equalities)
        ),
        columns=left.columns + right.columns,
        units=left.units + right.units,
        joined=True,
    )


def _conjuncts(on: Any, places: Places) -> Iterator[Any]:
    if isinstance(on, dict) and on.get("class") == "CONJUNCTION":
        yield from read(on, "CONJUNCTION", places, "ON")["children"]
        if on["type"] != "CONJUNCTION_AND" or len(on["children"]) > TABLES_MAX:
            raise _no_equality(places.of(on, "ON"))
    else:
        yield on


def _equality(left: Relation, right: Relation, on: Any, places: Places) -> Node:
    place = places.of(on, "ON")
    if not isinstance(on, dict) or on.get("class") != "COMPARISON":
        raise _no_equality(place)
    read(on, "COMPARISON", places, "ON")
    if on["type"] != "COMPARE_EQUAL":
        raise _no_equality(place)
    both = SourceScope(left.columns + right.columns)
    sides = []
    for side in (on["left"], on["right"]):
        if not isinstance(side, dict) or side.get("class") != "COLUMN_REF":
            raise _no_equality(place)
        names = read(side, "COLUMN_REF", places, "ON")["column_names"]
        if not 0 < len(names) <= 2:
            raise _no_equality(place)
        value = both.column(names, place)
        need(value, Use.JOIN, Rule.S8, place)
        sides.append(value)
    here, there = sides
    if not _holds(left, here):
        here, there = there, here
    if not _holds(left, here) or not _holds(right, there) or here.type != there.type:
        raise _no_equality(place)
    return emitting.comparison("COMPARE_EQUAL", here.node, there.node)


def _holds(relation: Relation, value: Value) -> bool:
    return any(same(one.value.node, value.node) for one in relation.columns)


def _no_equality(place: str) -> Refused:
    return Refused(
        Rule.S8,
        place,
        "a join over another condition",
        "write ON a.x = b.y AND …, of columns of one type, one of each side",
    )
