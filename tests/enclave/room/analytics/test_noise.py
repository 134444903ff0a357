"""Noise: its distribution is the exact one, it is the job's own, contributions are bounded (S10).

The distribution is compared with the exact probabilities of the discrete Laplace, by chi-squared.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from tests.enclave.room.analytics.world import INPUTS, NOISE, VISITS, checked, table

from strongroom.enclave.primitives import Secret
from strongroom.enclave.room.analytics.engine import Engine
from strongroom.enclave.room.analytics.noise import Dice, discrete_laplace
from strongroom.enclave.room.analytics.refusals import QueryFailed, Refused
from strongroom.enclave.room.analytics.relations import DataSet
from strongroom.enclave.room.analytics.tables import Table

JOB = Secret(b"j" * 32)
EXACT = Secret(b"e" * 32)


def drawn(above: int, below: int, count: int) -> Counter[int]:
    return Counter(
        discrete_laplace(above, below, Dice.of(JOB, 0, 0, (str(index),))) for index in range(count)
    )


@pytest.mark.parametrize(("above", "below"), [(1, 1), (3, 2), (7, 1), (1, 3), (20, 7)])
def test_it_is_the_discrete_laplace(above: int, below: int) -> None:
    count = 6000
    found = drawn(above, below, count)
    factor = math.exp(-below / above)
    most = 0
    while count * (1 - factor) / (1 + factor) * factor ** (most + 1) > 5:
        most += 1
    chi, cells = 0.0, 2 * most + 2
    inside = 0.0
    for value in range(-most, most + 1):
        expected = count * (1 - factor) / (1 + factor) * factor ** abs(value)
        inside += expected
        chi += (found[value] - expected) ** 2 / expected
    outside = count - sum(found[value] for value in range(-most, most + 1))
    chi += (outside - (count - inside)) ** 2 / max(1e-9, count - inside)
    # Far beyond the 99.99 % quantile of any such distribution: a wrong scale is off by hundreds.
    assert chi < cells + 5 * math.sqrt(2 * cells), (chi, cells)


def test_dice_are_even() -> None:
    dice = Dice.of(JOB, 0, 0, ())
    found = Counter(dice.below(6) for _ in range(6000))
    assert sorted(found) == list(range(6))
    assert sum((one - 1000) ** 2 / 1000 for one in found.values()) < 30


def test_noise_is_the_jobs_own_and_the_groups_own() -> None:
    def first(job: Secret, release: int, aggregate: int, key: tuple[str | None, ...]) -> list[int]:
        dice = Dice.of(job, release, aggregate, key)
        return [dice.below(2**32) for _ in range(3)]

    base = first(JOB, 0, 0, ("a",))
    assert base == first(JOB, 0, 0, ("a",))
    others = [
        first(EXACT, 0, 0, ("a",)),
        first(JOB, 1, 0, ("a",)),
        first(JOB, 0, 1, ("a",)),
        first(JOB, 0, 0, ("b",)),
        first(JOB, 0, 0, ("a", None)),
    ]
    assert all(base != other for other in others)


def visits(rows: Sequence[tuple[str | None, str | None, Any]]) -> Table:
    return table(
        [{"person": one, "ward": ward, "cost": cost, "weight": None} for one, ward, cost in rows],
        VISITS,
    )


def inputs(epsilon: int, **more: int) -> dict[str, DataSet]:
    noise = replace(NOISE, epsilon_job=10**8, epsilon_life=10**9, **more)
    policy = replace(VISITS, noise=noise)
    return {**INPUTS, "visits": DataSet(identity="v", policy=policy, epsilon=epsilon)}


def told(rows: Sequence[tuple[str | None, str | None, Any]], sql: str, **more: Any) -> list[Any]:
    """The answer with almost no noise: ε of 100."""
    keys = more.pop("named_keys", None)
    one = checked(sql, inputs=inputs(10**8, **more), named_keys=keys)
    result = Engine().run({"visits": visits(rows)}, one, JOB)
    return list(zip(*result.columns.values(), strict=True))


MANY = [(f"p{index}", "north", "10.00") for index in range(30)]


def test_one_unit_counts_in_its_groups_and_rows_alone() -> None:
    flood = [("p0", "north", "10.00")] * 100
    sql = "SELECT ward, count(*) AS n, sum(cost) AS s FROM visits GROUP BY ward"
    ((_, count, total),) = told(MANY + flood, sql)
    ((_, before, sum_before),) = told(MANY, sql)
    assert 0 <= count - before <= NOISE.rows
    assert abs(float(total) - float(sum_before)) <= NOISE.rows * 5 + 1
    wards = [("p0", f"w{index}", "1.00") for index in range(50)]
    others = [(f"q{index}", f"w{ward}", "1.00") for index in range(40) for ward in range(2)]
    keys = {"visits": [(f"w{index}",) for index in range(50)]}
    for number in ("count(DISTINCT person)", "count(*)"):
        counted = told(
            wards + others,
            f"SELECT ward, {number} AS n FROM visits GROUP BY ward",
            named_keys=keys,
        )
        assert len(counted) == 50
        assert sum(one for _, one in counted) == 80 + NOISE.groups


def test_values_count_as_their_bounds() -> None:
    rows = [(one, ward, "999999.00") for one, ward, _ in MANY]
    ((total,),) = told(rows, "SELECT sum(cost) AS s FROM visits")
    assert abs(float(total) - 30 * 5) < 15
    rows = [(one, ward, "-999999.00") for one, ward, _ in MANY]
    ((total,),) = told(rows, "SELECT sum(cost) AS s FROM visits")
    assert abs(float(total)) < 15


def test_groups_that_nobody_named_show_from_the_threshold_on() -> None:
    few = [(f"s{index}", "south", "1.00") for index in range(5)]
    sql = "SELECT ward, count(*) AS n FROM visits GROUP BY ward"
    assert [ward for ward, _ in told(MANY + few, sql)] == ["north"]
    keys = {"visits": [("south",), ("nowhere",)]}
    named = dict(told(MANY + few, sql, named_keys=keys))
    assert set(named) == {"south", "nowhere"}
    assert abs(named["south"] - 5) < 3
    assert abs(named["nowhere"]) < 3


def test_the_threshold_is_never_below_k() -> None:
    policy = replace(VISITS, k=40, noise=replace(NOISE, epsilon_job=10**8, epsilon_life=10**9))
    data = {"visits": DataSet(identity="v", policy=policy, epsilon=10**8)}
    one = checked("SELECT ward, count(*) AS n FROM visits GROUP BY ward", inputs=data)
    assert Engine().run({"visits": visits(MANY)}, one, JOB).rows == 0


def test_the_same_job_tells_the_same_and_another_job_another() -> None:
    one = checked("SELECT ward, count(*) AS n FROM visits GROUP BY ward", inputs=inputs(10**5))
    rows = [*MANY, *((f"q{index}", "south", None) for index in range(60))]

    def answer(secret: Secret, given: list[Any]) -> Any:
        return dict(Engine().run({"visits": visits(given)}, one, secret).columns)

    assert answer(JOB, rows) == answer(JOB, rows[::-1])
    answers = {str(answer(Secret(bytes([index]) * 32), rows)) for index in range(8)}
    assert len(answers) > 4


def test_epsilon_is_shared_by_the_numbers_and_charged_whole() -> None:
    one = checked(
        "SELECT ward, count(*) AS n, avg(cost) AS m FROM visits GROUP BY ward",
        inputs=inputs(600_000),
    )
    assert one.charges == {"visits": 600_000}
    plan = one.steps[0].noise
    assert plan is not None
    assert plan.shares == 4  # rows, sum, count of the sum, and the units for the threshold
    scales = [plan.scale(each) for each in one.steps[0].release.aggregates]
    rows, cost = NOISE.groups * NOISE.rows, 500
    assert scales == [
        (rows * 4 * 10**6, 600_000),
        (rows * cost * 4 * 10**6, 600_000),
        (rows * 4 * 10**6, 600_000),
    ]


@pytest.mark.parametrize("epsilon", [0, -1, 10**6 + 1])
def test_more_than_a_jobs_epsilon_is_refused(epsilon: int) -> None:
    data = {"visits": DataSet(identity="v", policy=VISITS, epsilon=epsilon)}
    with pytest.raises(Refused, match="S10"):
        checked("SELECT count(*) AS n FROM visits", inputs=data)


@pytest.mark.parametrize("keys", [[], [("a", "b")], [(1,)], [("a",), ("a",)], [(None,)]])
def test_keys_that_are_no_groups_are_refused(keys: list[Any]) -> None:
    with pytest.raises(Refused, match="S10"):
        checked("SELECT ward, count(*) AS n FROM visits GROUP BY ward", named_keys={"visits": keys})


def test_keys_are_named_for_noise_alone() -> None:
    for alias in ("pay", "nothing"):
        with pytest.raises(Refused, match="S10"):
            checked("SELECT count(*) AS n FROM visits", named_keys={alias: [("a",)]})


def test_without_the_jobs_secret_nothing_is_told() -> None:
    one = checked("SELECT count(*) AS n FROM visits")
    with pytest.raises(QueryFailed):
        Engine().run({"visits": visits(MANY)}, one)
