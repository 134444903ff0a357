"""A release under differential privacy: contributions bounded, summed exactly, noised (S10).

Owns what one unit may change: at most `groups` groups, chosen by the order of a keyed hash, at most
`rows` rows in each, values within their bounds. Sums are whole numbers of any size. What is told is
a sum and its noise; whether a group shows that nobody named hangs on its noisy count of units.
"""

import hmac
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import duckdb
import numpy as np

from strongroom.consensus import codec, labels
from strongroom.enclave.primitives import Secret
from strongroom.enclave.room.analytics.checking import Key, Step
from strongroom.enclave.room.analytics.noise import Dice, discrete_laplace
from strongroom.enclave.room.analytics.policy import MICROS
from strongroom.enclave.room.analytics.releases import Aggregate, Kinds, NoisePlan
from strongroom.enclave.room.analytics.types import Kind, Type, moment

Group = tuple[str | None, ...]
"""A group's key, as text."""
Row = tuple[Any, ...]
"""(unit, group, parts): what one unit adds to one group."""


def noised(engine: duckdb.DuckDBPyConnection, step: Step, plan: NoisePlan, secret: Secret) -> None:
    """Make the table r of a step from its table s."""
    release = step.release
    width = len(release.keys)
    keys = [f"CAST(g{index} AS VARCHAR)" for index in range(width)]
    parts = [f"a{index}" for index in range(len(release.aggregates))]
    asked = ", ".join([*keys, *parts, "CAST(u0 AS VARCHAR)"])
    found = engine.execute(f"SELECT {asked} FROM s{release.index}").fetchall()  # noqa: S608
    types = [key.type for key in release.keys]
    named = [_text_of(key, types) for key in step.named_keys]
    rows = [(row[-1], tuple(map(_plain, row[:width], types)), row[width:-1]) for row in found]
    told = totals(rows, release.aggregates, plan, secret, named)
    shown = [
        (group, numbers)
        for group, numbers in noisy(told, release.aggregates, plan, secret, release.index)
    ]
    _store(engine, step, types, shown)


def totals(
    rows: Iterable[Row],
    aggregates: Sequence[Aggregate],
    plan: NoisePlan,
    secret: Secret,
    named: Sequence[Group],
) -> dict[Group, list[int]]:
    """Exact sums of bounded contributions, with the count of units behind the aggregates."""
    width = len(aggregates)
    told: dict[Group, list[int]] = {group: [0] * (width + 1) for group in named}
    if plan.named_keys and not named:
        told[()] = [0] * (width + 1)
    of_unit: defaultdict[str, list[tuple[Group, Sequence[Any]]]] = defaultdict(list)
    for unit, group, parts in rows:
        if not plan.named_keys or group in told:
            of_unit[unit].append((group, parts))
    key = secret.derive(labels.ROOM_NOISE, b"groups").reveal()
    for unit, groups in of_unit.items():
        if len(groups) > plan.policy.groups:
            groups.sort(key=lambda one: hmac.digest(key, codec.encode((unit, one[0])), "sha256"))
        for group, parts in groups[: plan.policy.groups]:
            sums = told.setdefault(group, [0] * (width + 1))
            for index, (one, part) in enumerate(zip(aggregates, parts, strict=True)):
                sums[index] += _bounded(one, part, plan)
            sums[width] += 1
    return told


def noisy(
    told: dict[Group, list[int]],
    aggregates: Sequence[Aggregate],
    plan: NoisePlan,
    secret: Secret,
    release: int,
) -> list[tuple[Group, list[int]]]:
    """Sums with their noise, of the groups that show, in the order of their keys."""
    units = plan.policy.groups * MICROS * plan.shares, plan.epsilon
    made = []
    for group in sorted(told, key=lambda one: [(part is not None, part or "") for part in one]):
        sums = told[group]
        if not plan.named_keys:
            dice = Dice.of(secret, release, len(aggregates), group)
            if sums[-1] + discrete_laplace(*units, dice) < plan.threshold:
                continue
        numbers = []
        for index, one in enumerate(aggregates):
            dice = Dice.of(secret, release, index, group)
            number = sums[index] + discrete_laplace(*plan.scale(one), dice)
            numbers.append(_stepped(number, one.step))
        made.append((group, numbers))
    return made


def _bounded(one: Aggregate, part: int | None, plan: NoisePlan) -> int:
    if one.of_unit:
        return 1
    if one.kind is Kinds.SUM:
        most = plan.policy.rows * one.reach
        return max(-most, min(most, int(part or 0)))
    return min(int(part or 0), plan.policy.rows)


def _stepped(number: int, step: int) -> int:
    if step <= 1:
        return number
    up = (abs(number) + step // 2) // step * step
    return -up if number < 0 else up


def _store(
    engine: duckdb.DuckDBPyConnection,
    step: Step,
    types: Sequence[Type],
    shown: Sequence[tuple[Group, Sequence[int]]],
) -> None:
    release = step.release
    names = [*(f"g{index}" for index in range(len(types)))]
    columns = [f"{name} {type_.engine}" for name, type_ in zip(names, types, strict=True)]
    numbers = [f"a{index}" for index in range(len(release.aggregates))]
    columns += [f"{name} HUGEINT" for name in numbers]
    engine.execute(f"CREATE TABLE {release.table} ({', '.join(columns or ['nothing BIGINT'])})")
    if not shown:
        return
    given = {
        name: np.array([group[index] for group, _ in shown], dtype=object)
        for index, name in enumerate(names)
    }
    for index, name in enumerate(numbers):
        given[name] = np.array([str(told[index]) for _, told in shown], dtype=object)
    if not given:
        given["nothing"] = np.array(["0"] * len(shown), dtype=object)
    engine.register("noised", given)
    engine.execute(f"INSERT INTO {release.table} SELECT * FROM noised")  # noqa: S608
    engine.unregister("noised")


def _text_of(key: Sequence[Key], types: Sequence[Type]) -> Group:
    return tuple(
        str(part).lower() if type_.kind is Kind.TRUTH else str(part)
        for part, type_ in zip(key, types, strict=True)
    )


def _plain(text: str | None, type_: Type) -> str | None:
    """A key as the contract would name it."""
    if text is None or type_.kind is not Kind.TIMESTAMP:
        return text
    return moment(text) or text
