"""What leaves rows: one aggregation of one set of rows, with what must hold before anybody sees it.

Owns S9 as far as the text decides it (each data set is aggregated once, so that no two answers of
one query differ by a unit), and S10's arithmetic of ε. Groups that are too small, complements,
rounding and noise: suppression.py and noise.py, on what came out. Knows no rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from math import lcm
from typing import Final

from strongroom.enclave.room.analytics import emitting
from strongroom.enclave.room.analytics.nodes import Node, same
from strongroom.enclave.room.analytics.policy import MICROS, ColumnPolicy, Noise
from strongroom.enclave.room.analytics.refusals import Refused, Rule
from strongroom.enclave.room.analytics.relations import DataSet, Relation
from strongroom.enclave.room.analytics.types import INTEGER, REAL, Kind, Type
from strongroom.enclave.room.analytics.values import Value, as_type, real_literal

KEYS_MAX = 4
"""Columns of GROUP BY over rows: complements are looked for along each subset of them."""
SKETCHED_K_MAX = 24
"""Up to this k a group's units are sketched first, and counted only if the sketch is not enough:
counting distinct units of every group takes four times as long as the query itself."""


class Kinds(Enum):
    """Of aggregates that are released; an average is a sum by a count."""

    ROWS = "count_star"
    PRESENT = "count"
    DISTINCT = "count_distinct"
    SUM = "sum"
    DEVIATION = "stddev"


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """One aggregate of a release."""

    kind: Kinds
    type: Type
    node: Node | None
    """Its argument, clamped; None: rows themselves."""
    step: int
    """What is told is a multiple of this, in the engine's unit (of a real: 10⁻⁶); 0 or 1: exact."""
    reach: int = 0
    """The greatest magnitude of one row's part, in the engine's unit (for noise)."""
    of_unit: bool = False
    """It counts distinct units."""
    part: Node | None = None
    """What has a value where a row has a part in it; None: every row has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisePlan:
    """How a release is noised."""

    alias: str
    policy: Noise
    epsilon: int
    """In 10⁻⁶, of the whole release."""
    shares: int
    """Noised quantities, each with an equal share of ε."""
    named_keys: bool
    """The contract named the keys, or there is none: no threshold."""
    threshold: int
    """Noisy units at least, of a group that nobody named: the policy's, and never below k."""

    def scale(self, aggregate: Aggregate) -> tuple[int, int]:
        """Scale of the noise, as a fraction: sensitivity by share of ε."""
        rows = self.policy.groups * self.policy.rows
        parts = self.policy.groups if aggregate.of_unit else rows * max(1, aggregate.reach)
        return parts * MICROS * self.shares, self.epsilon


@dataclass(slots=True, kw_only=True)
class Release:
    """One aggregation over rows. Grows while the query is read."""

    index: int
    source: Relation
    where: Node | None
    keys: Sequence[Value]
    units: Sequence[tuple[str, int]]
    """(alias, k) of each data set, in the order of u0, u1 …"""
    rounding: int
    """Of counts."""
    noise: tuple[str, DataSet] | None
    place: str
    aggregates: list[Aggregate] = field(default_factory=list)

    @property
    def parts(self) -> list[Node]:
        """What rows must have to be a part of some aggregate, each once: x0, x1 …"""
        found: list[Node] = []
        for one in self.aggregates:
            if one.part is not None and not any(same(one.part, other) for other in found):
                found.append(one.part)
        return found

    @property
    def table(self) -> str:
        """Its name in the rest of the query."""
        return f"r{self.index}"

    def add(self, kind: Kinds, value: Value | None, place: str) -> tuple[int, Type]:
        """Release one more aggregate; the same twice is one.

        Returns:
            Its number and its type.

        Raises:
            Refused: it cannot be noised, and the policy asks for noise.
        """
        made = self._aggregate(kind, value)
        if self.noise is not None:
            self._check_noised(made, place)
        for index, one in enumerate(self.aggregates):
            if one.kind is made.kind and same(one.node, made.node):
                return index, one.type
        self.aggregates.append(made)
        return len(self.aggregates) - 1, made.type

    def plan(self, named_keys: bool) -> NoisePlan | None:
        """How it is noised, if its policy asks for that."""
        if self.noise is None:
            return None
        alias, data = self.noise
        if data.policy.noise is None:
            raise AssertionError("noise without a policy")
        named = named_keys or not self.keys
        shares = len(self.aggregates) + (not named)
        return NoisePlan(
            alias=alias,
            policy=data.policy.noise,
            epsilon=data.epsilon,
            shares=max(1, shares),
            named_keys=named,
            threshold=max(data.policy.noise.threshold, data.policy.k),
        )

    def query(self) -> Node:
        """The aggregation: keys g0 …, aggregates a0 …, and what the units are judged by.

        Exact: n is the count of rows, p0 … of those that are parts of an aggregate; u0 … are counts
        of distinct units, or b0 … sketches of them.
        Noised: one row per group and unit, u0 is the unit.
        """
        keys = [emitting.named(key.node, f"g{index}") for index, key in enumerate(self.keys)]
        made = [
            emitting.named(_call(one), f"a{index}") for index, one in enumerate(self.aggregates)
        ]
        groups = [key.node for key in self.keys]
        units = [unit.node for unit in self.source.units]
        if self.noise is not None:
            judged = [emitting.named(units[0], "u0")]
            groups += units
        else:
            judged = [emitting.named(emitting.call("count_star"), "n")]
            judged += [
                emitting.named(emitting.call("count", part), f"p{index}")
                for index, part in enumerate(self.parts)
            ]
            for index, (node, (_, k)) in enumerate(zip(units, self.units, strict=True)):
                judged.append(_judged(node, index, k))
        return emitting.select(
            [*keys, *made, *judged], self.source.node, where=self.where, groups=groups
        )

    def unit_rows(self) -> Node | None:
        """Keys g0 … and units u0 … of every row, and whether it is a part x0 …: to count units of
        groups that a sketch leaves open, and those behind an aggregate where some rows have no
        value. None if neither can be."""
        sketched = any(k <= SKETCHED_K_MAX for _, k in self.units)
        if self.noise is not None or not (sketched or self.parts):
            return None
        items = [emitting.named(key.node, f"g{index}") for index, key in enumerate(self.keys)]
        items += [
            emitting.named(unit.node, f"u{index}") for index, unit in enumerate(self.source.units)
        ]
        items += [
            emitting.named(emitting.operation("OPERATOR_IS_NOT_NULL", part), f"x{index}")
            for index, part in enumerate(self.parts)
        ]
        return emitting.select(items, self.source.node, where=self.where)

    def _aggregate(self, kind: Kinds, value: Value | None) -> Aggregate:
        column = value.column if value is not None else None
        if value is None or kind in (Kinds.PRESENT, Kinds.DISTINCT):
            node = None if value is None else value.node
            of_unit = kind is Kinds.DISTINCT and any(
                same(node, unit.node) for unit in self.source.units
            )
            return Aggregate(
                kind=kind,
                type=INTEGER,
                node=node,
                step=self.rounding,
                reach=1,
                of_unit=of_unit,
                part=None if value is None or of_unit else _part(value),
            )
        type_ = REAL if kind is Kinds.DEVIATION else value.type
        node = value.node if column is None else clamped(value, column)
        if kind is Kinds.DEVIATION and value.type != REAL:
            inner = Value(type=value.type, node=node, plain=True)
            node = as_type(inner, REAL, self.place).node
        step = column.rounding if column is not None else 0
        return Aggregate(
            kind=kind,
            type=type_,
            node=node,
            step=step if type_ == REAL else step * 10**type_.scale // MICROS,
            reach=_reach(column),
            part=_part(value),
        )

    def _check_noised(self, made: Aggregate, place: str) -> None:
        exact = made.kind is Kinds.SUM and made.type.kind is not Kind.REAL and made.reach
        if made.kind in (Kinds.ROWS, Kinds.PRESENT) or made.of_unit or exact:
            return
        raise Refused(
            Rule.S10,
            place,
            "an aggregate that one unit may change without bound",
            "use count, count(DISTINCT unit), or sum and avg of a whole or decimal column with "
            "bounds",
        )


@dataclass(slots=True)
class Releases:
    """The releases of one query."""

    inputs: Mapping[str, DataSet]
    _made: list[Release] = field(default_factory=list)
    _taken: set[str] = field(default_factory=set)

    def start(
        self, source: Relation, where: Node | None, keys: Sequence[Value], place: str
    ) -> Release:
        """Begin one.

        Raises:
            Refused: a data set in it was aggregated before (S9), or noise does not fit (S10).
        """
        if len(keys) > KEYS_MAX:
            raise Refused(
                Rule.S9, place, f"more than {KEYS_MAX} columns of GROUP BY", "group by fewer"
            )
        aliases = [unit.alias for unit in source.units]
        identities = {self.inputs[alias].identity for alias in aliases}
        if identities & self._taken:
            raise Refused(
                Rule.S9,
                place,
                "a data set that the query aggregates twice: two answers may differ by one unit",
                "aggregate it once, and compute the rest of the result",
            )
        self._taken |= identities
        release = Release(
            index=len(self._made),
            source=source,
            where=where,
            keys=keys,
            units=[(alias, self.inputs[alias].policy.k) for alias in aliases],
            rounding=self.rounding_of(source),
            noise=self._noise(source, aliases, place),
            place=place,
        )
        self._made.append(release)
        return release

    def rounding_of(self, source: Relation) -> int:
        """Of counts over these rows: a multiple of what each of their data sets asks for."""
        return lcm(*(self.inputs[unit.alias].policy.rounding for unit in source.units))

    def made(self) -> tuple[Release, ...]:
        """All of them."""
        return tuple(self._made)

    def _noise(
        self, source: Relation, aliases: Sequence[str], place: str
    ) -> tuple[str, DataSet] | None:
        noised = [alias for alias in aliases if self.inputs[alias].policy.noise is not None]
        if not noised:
            return None
        data = self.inputs[noised[0]]
        if source.joined or len(aliases) > 1 or data.policy.noise is None:
            raise Refused(
                Rule.S10,
                place,
                "a data set under differential privacy, joined or united",
                "aggregate it alone, and unite the results",
            )
        if not 0 < data.epsilon <= data.policy.noise.epsilon_job:
            raise Refused(
                Rule.S10,
                place,
                f"ε of {data.epsilon} millionths for {noised[0]}",
                f"spend 1 to {data.policy.noise.epsilon_job} millionths",
            )
        return noised[0], data


def _part(value: Value) -> Node:
    """What has a value where a row is a part of an aggregate of this value."""
    if not value.counts:
        return value.node
    some = emitting.comparison("COMPARE_GREATERTHAN", value.node, emitting.integer(0))
    nothing = emitting.cast(emitting.null(), "BIGINT", tries=False)
    return emitting.case([(some, value.node)], nothing)


def clamped(value: Value, column: ColumnPolicy) -> Node:
    """A column within its bounds; a gap stays one, and what is no number counts as the greatest."""
    if column.bounds is None:
        return value.node
    low, high = (_bound(one, column.type) for one in column.bounds)
    below = emitting.comparison("COMPARE_LESSTHAN", value.node, low)
    above = emitting.comparison("COMPARE_GREATERTHAN", value.node, high)
    return emitting.case([(below, low), (above, high)], value.node)


def _bound(micros: int, type_: Type) -> Node:
    if type_.kind is Kind.REAL:
        return real_literal(micros / MICROS)
    return emitting.integer(micros * 10**type_.scale // MICROS)


def _reach(column: ColumnPolicy | None) -> int:
    if column is None or column.bounds is None or column.type.kind is Kind.REAL:
        return 0
    unit: int = 10**column.type.scale
    return max(abs(bound) * unit // MICROS for bound in column.bounds)


def _call(one: Aggregate) -> Node:
    if one.node is None:
        return emitting.call("count_star")
    name, distinct = CALLS[one.kind]
    return emitting.call(name, one.node, distinct=distinct)


def _judged(unit: Node, index: int, k: int) -> Node:
    """The exact count of a unit column, or its sketch: one of 64 bits per unit, by its hash. As
    many bits as are set, so many units there are at least; a gap sets none."""
    if k > SKETCHED_K_MAX:
        return emitting.named(emitting.call("count", unit, distinct=True), f"u{index}")
    place = emitting.call("&", emitting.call("hash", unit), emitting.integer(63), operator=True)
    one = emitting.cast(emitting.integer(1), "UBIGINT", tries=False)
    bit = emitting.call("<<", one, place, operator=True)
    gap = emitting.operation("OPERATOR_IS_NULL", unit)
    nothing = emitting.cast(emitting.null(), "UBIGINT", tries=False)
    return emitting.named(
        emitting.call("bit_or", emitting.case([(gap, nothing)], bit)), f"b{index}"
    )


CALLS: Final = {
    Kinds.PRESENT: ("count", False),
    Kinds.DISTINCT: ("count", True),
    Kinds.SUM: ("sum", False),
    Kinds.DEVIATION: ("stddev_samp", False),
}
