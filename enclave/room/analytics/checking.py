"""A query, judged: from the analyst's text to the texts that run, or a refusal (ROOMS §5).

Owns the order: the engine parses, the closed walk reads, releases are made, the engine writes, and
what it wrote must read as what was made (S12). The same in a room and on an analyst's desk. Knows
no rows: a refusal cannot hold any.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from strongroom.enclave.room.analytics.parser import Parser
from strongroom.enclave.room.analytics.places import Places
from strongroom.enclave.room.analytics.policy import NAME
from strongroom.enclave.room.analytics.queries import Reader
from strongroom.enclave.room.analytics.refusals import Refused, Rule
from strongroom.enclave.room.analytics.relations import DataSet
from strongroom.enclave.room.analytics.releases import NoisePlan, Release
from strongroom.enclave.room.analytics.types import Kind, Type, day, moment

QUERY_INPUTS_MAX = 64
DIGITS_MAX = 12
"""Of a real number in a result, behind its point."""
KEYS_NAMED_MAX = 100_000

Key = bool | int | str
"""A value of a group's key, as a contract names it; dates and moments as text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One release that was written: its text, and what must hold of what comes out."""

    release: Release
    text: str
    unit_text: str | None
    """Rows of keys and units, for groups that a sketch leaves open."""
    noise: NoisePlan | None
    named_keys: tuple[tuple[Key, ...], ...]
    """Under noise, the groups that show, whatever is in them; empty: those above the threshold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A query that may run: made by `check` alone."""

    inputs: Mapping[str, DataSet]
    """Those that are read."""
    steps: tuple[Step, ...]
    final: str
    """Reads the released tables r0 … alone."""
    names: tuple[str, ...]
    types: tuple[Type, ...]
    digits: int
    """Of real numbers in the result."""

    @property
    def charges(self) -> dict[str, int]:
        """ε of each data set under noise, by alias, in 10⁻⁶: to be charged before it runs."""
        return {step.noise.alias: step.noise.epsilon for step in self.steps if step.noise}

    @property
    def texts(self) -> tuple[str, ...]:
        """All that runs, in order."""
        steps = ((step.text, step.unit_text) for step in self.steps)
        return (*(text for step in steps for text in step if text), self.final)


def check(
    inputs: Mapping[str, DataSet],
    sql: str,
    *,
    digits: int = 6,
    named_keys: Mapping[str, Sequence[tuple[Key, ...]]] | None = None,
    parser: Parser | None = None,
) -> Checked:
    """Judge a query.

    Args:
        inputs: data sets by their alias in the contract.
        sql: the analyst's text, at most SQL_BYTES_MAX.
        digits: behind the point, of real numbers in the result.
        named_keys: for an alias under noise, the groups that the contract names.
        parser: one that is reused; it remembers nothing.

    Raises:
        Refused: a rule does not take it; says rule, place, remedy.
    """
    if not 0 < len(inputs) <= QUERY_INPUTS_MAX or any(
        NAME.fullmatch(name) is None for name in inputs
    ):
        raise Refused(
            Rule.S2, "the contract", f"not 1 to {QUERY_INPUTS_MAX} plain aliases", "name its inputs"
        )
    if type(digits) is not int or not 0 <= digits <= DIGITS_MAX:
        raise Refused(Rule.S12, "the contract", "digits", f"0 to {DIGITS_MAX} are taken")
    named = named_keys or {}
    if any(alias not in inputs or inputs[alias].policy.noise is None for alias in named):
        raise Refused(Rule.S10, "the contract", "named keys of what has no noise", "leave them out")
    parser = parser or Parser()
    tree = parser.tree(sql)
    reader = Reader(inputs=inputs, places=Places(sql.encode("utf-8")))
    whole = reader.whole(tree)
    steps = tuple(_step(release, named, parser) for release in whole.releases)
    read = {alias for release in whole.releases for alias, _ in release.units}
    return Checked(
        inputs={alias: inputs[alias] for alias in sorted(read)},
        steps=steps,
        final=parser.text(whole.final),
        names=whole.names,
        types=tuple(value.type for value in whole.values),
        digits=digits,
    )


def _step(release: Release, named: Mapping[str, Sequence[tuple[Key, ...]]], parser: Parser) -> Step:
    keys: Sequence[tuple[Key, ...]] = ()
    if release.noise is not None and release.noise[0] in named:
        keys = named[release.noise[0]]
        _check_named(release, keys)
    unit_rows = release.unit_rows()
    return Step(
        release=release,
        text=parser.text(release.query()),
        unit_text=None if unit_rows is None else parser.text(unit_rows),
        noise=release.plan(named_keys=bool(keys)),
        named_keys=tuple(keys),
    )


def _check_named(release: Release, keys: Sequence[tuple[Key, ...]]) -> None:
    taken = (
        0 < len(keys) <= KEYS_NAMED_MAX
        and len(set(keys)) == len(keys)
        and all(
            len(key) == len(release.keys)
            and all(_fits(part, one.type) for part, one in zip(key, release.keys, strict=True))
            for key in keys
        )
    )
    if not release.keys or not taken:
        raise Refused(
            Rule.S10,
            release.place,
            "named keys that are not the columns of GROUP BY",
            f"name each group once, at most {KEYS_NAMED_MAX}, in the order of GROUP BY",
        )


def _fits(part: object, type_: Type) -> bool:
    match type_.kind:
        case Kind.INTEGER | Kind.DECIMAL:
            return type(part) is int
        case Kind.TRUTH:
            return type(part) is bool
        case Kind.TEXT:
            return type(part) is str
        case Kind.DATE:
            return type(part) is str and day(part) == part
        case Kind.TIMESTAMP:
            return type(part) is str and moment(part) == part
        case Kind.REAL:
            return False
