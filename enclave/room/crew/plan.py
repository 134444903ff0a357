"""How a crew computes one release: what each member does to its rows, by which columns they are
exchanged, and what is done in each bucket (ROOMS §8).

Owns that division. Rows of a group come to one bucket, whole, and nothing is judged before: which
groups have k units, what is rounded and what is noised is decided over all buckets, in one place,
as in one room. What a member runs was written by the parser from the tree that was checked (S12).
Knows no rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from strongroom.consensus import codec
from strongroom.consensus.errors import ClientFault
from strongroom.enclave.room.analytics import emitting
from strongroom.enclave.room.analytics.checking import Checked, Step
from strongroom.enclave.room.analytics.exact import behind
from strongroom.enclave.room.analytics.nodes import Node, same
from strongroom.enclave.room.analytics.parser import Parser
from strongroom.enclave.room.analytics.releases import (
    CALLS,
    SKETCHED_K_MAX,
    Aggregate,
    Kinds,
    Release,
)
from strongroom.enclave.room.analytics.types import Kind

BITS = 63
"""Of a mask that stands for a count of units; k of those that are read so is 24 at most."""


class NotForCrews(ClientFault):
    """A query that members cannot compute apart: one room does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPlan:
    """One release, divided."""

    local: str
    """Reads tables d_ALIAS of one part of the rows."""
    by: tuple[str, ...]
    """Columns of what `local` gives."""
    final: str
    """Reads table p: what came to one bucket."""

    def encode(self) -> bytes:
        """As it goes to members."""
        return codec.encode((self.local, self.by, self.final))

    @classmethod
    def decode(cls, data: bytes) -> "StepPlan":
        """Read it; raises NotCanonical."""
        local, by, final = codec.fields(codec.decode(data), str, tuple, str, name="plan")
        return cls(local=local, by=by, final=final)


def planned(checked: Checked, parser: Parser) -> list[StepPlan]:
    """A plan of each release of a query.

    Raises:
        NotForCrews: says why, and what would be.
    """
    return [_planned(step, parser) for step in checked.steps]


def _planned(step: Step, parser: Parser) -> StepPlan:
    release = step.release
    if any(one.get("type") == "JOIN" for one in _nodes(release.source.node)):
        raise NotForCrews(
            "a join, whose rows lie at several members: exchange by the columns of ON, in a "
            "reviewed contract"
        )
    if any(one.get("group_expressions") for one in _nodes(release.source.node)):
        raise NotForCrews("rows grouped by their unit first: one room computes it")
    keys = tuple(f"g{index}" for index in range(len(release.keys)))
    parts = _Parts(release) if _adds_up(release) else _Rows(release)
    units = [
        emitting.named(unit.node, f"u{index}") for index, unit in enumerate(release.source.units)
    ]
    items = [emitting.named(key.node, name) for key, name in zip(release.keys, keys, strict=True)]
    groups = [*(key.node for key in release.keys), *(one.node for one in release.source.units)]
    local = emitting.select(
        [*items, *parts.items(), *parts.having(), *units],
        release.source.node,
        where=release.where,
        groups=groups if parts.grouped else [],
    )
    final_keys = (*keys, "u0") if step.noise is not None else keys
    made = [
        f"{parts.final(index, one)} AS a{index}" for index, one in enumerate(release.aggregates)
    ]
    judged = ["u0"]
    if step.noise is None:
        some = [f"{parts.present(index)} AS p{index}" for index in range(len(release.parts))]
        judged = [f"{parts.rows} AS n", *some, *_units(release), *parts.behind()]
    final = f"SELECT {', '.join([*keys, *made, *judged])} FROM p"  # noqa: S608 (names of ours)
    if final_keys:
        final += f" GROUP BY {', '.join(final_keys)}"
    return StepPlan(local=parser.text(local), by=keys, final=final)


class _Rows:
    """Every row goes to its bucket: what is computed there is what one room would."""

    grouped = False
    rows = "count(*)"

    def __init__(self, release: Release) -> None:
        self._release = release

    def items(self) -> list[Node]:
        """Arguments of aggregates, and something of a row that has none."""
        made = [
            emitting.named(one.node, f"x{index}")
            for index, one in enumerate(self._release.aggregates)
            if one.node is not None
        ]
        return made or [emitting.named(emitting.integer(1), "x")]

    def having(self) -> list[Node]:
        """Has a row each part? h0, h1 …"""
        return [
            emitting.named(emitting.operation("OPERATOR_IS_NOT_NULL", part), f"h{index}")
            for index, part in enumerate(self._release.parts)
        ]

    def present(self, index: int) -> str:
        """How many rows have a part."""
        return f"count(CASE WHEN h{index} THEN 1 END)"

    def behind(self) -> list[str]:
        """Distinct units that have a part, of each data set."""
        return _behind(self._release, "h{}")

    def final(self, index: int, one: Aggregate) -> str:
        """One aggregate over rows."""
        if one.node is None:
            return "count(*)"
        name, distinct = CALLS[one.kind]
        return f"{name}({'DISTINCT ' if distinct else ''}x{index})"


class _Parts:
    """Rows of one group and unit are counted and summed where they are, and then added up."""

    grouped = True
    rows = "coalesce(CAST(sum(n) AS BIGINT), 0)"

    def __init__(self, release: Release) -> None:
        self._release = release

    def items(self) -> list[Node]:
        """Counts and sums of one part."""
        made = [emitting.named(emitting.call("count_star"), "n")]
        for index, one in enumerate(self._release.aggregates):
            if one.kind is Kinds.PRESENT or one.kind is Kinds.SUM:
                name, _ = CALLS[one.kind]
                made.append(emitting.named(emitting.call(name, _argument(one)), f"x{index}"))
        return made

    def having(self) -> list[Node]:
        """How many of them have each part: h0, h1 …"""
        return [
            emitting.named(emitting.call("count", part), f"h{index}")
            for index, part in enumerate(self._release.parts)
        ]

    def present(self, index: int) -> str:
        """How many rows have a part."""
        return f"coalesce(CAST(sum(h{index}) AS BIGINT), 0)"

    def behind(self) -> list[str]:
        """Distinct units that have a part, of each data set."""
        return _behind(self._release, "h{} > 0")

    def final(self, index: int, one: Aggregate) -> str:
        """One aggregate over parts."""
        match one.kind:
            case Kinds.ROWS:
                return self.rows
            case Kinds.PRESENT:
                return f"coalesce(CAST(sum(x{index}) AS BIGINT), 0)"
            case Kinds.SUM:
                return f"sum(x{index})"
            case _:
                return f"count(DISTINCT u{_unit_of(one, self._release)})"


def _behind(release: Release, has: str) -> list[str]:
    return [
        f"count(DISTINCT CASE WHEN {has.format(part)} THEN u{unit} END) AS {behind(part, unit)}"
        for part in range(len(release.parts))
        for unit in range(len(release.units))
    ]


def _adds_up(release: Release) -> bool:
    """Is every aggregate a sum of whole numbers, or a count of rows or units?"""
    return all(
        one.kind in (Kinds.ROWS, Kinds.PRESENT)
        or (one.kind is Kinds.SUM and one.type.kind is not Kind.REAL)
        or (one.kind is Kinds.DISTINCT and one.of_unit)
        for one in release.aggregates
    )


def _argument(one: Aggregate) -> Node:
    if one.node is None:
        raise AssertionError("a sum of nothing")
    return one.node


def _unit_of(one: Aggregate, release: Release) -> int:
    units = release.source.units
    return next(index for index, unit in enumerate(units) if same(one.node, unit.node))


def _units(release: Release) -> Sequence[str]:
    """Distinct units of a group, exactly; where a release reads a sketch, a mask of as many
    bits."""
    made = []
    for index, (_, k) in enumerate(release.units):
        counted = f"count(DISTINCT u{index})"
        if k > SKETCHED_K_MAX:
            made.append(f"{counted} AS u{index}")
        else:
            made.append(
                f"(CAST(1 AS UBIGINT) << CAST(least({counted}, {BITS}) AS UBIGINT)) - 1 AS b{index}"
            )
    return made


def _nodes(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        yield value
        for one in value.values():
            yield from _nodes(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _nodes(one)
