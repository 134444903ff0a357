"""Four invented hospitals: unequal sizes, unequal columns, values missing as each one's habits are.

Owns the design, drawn from a seed: the same seed is the same study. What makes people ill here is
one rule, but at `HARBOR` chest pain tells less: pooling need not help everybody.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp
from random import Random

from strongroom.node.demo.health.records import (
    HELD_OUT,
    TARGET,
    TARGET_MAX,
    Hospital,
    Measure,
    Study,
    Value,
)

SEED = 20_261_130
TESTED = 0.34
MEASURES = (
    Measure("age", 18, 110),
    Measure("sex", levels=(0, 1)),
    Measure("cp", levels=(1, 2, 3, 4)),
    Measure("trestbps", 60, 260),
    Measure("chol", 80, 700),
    Measure("thalach", 40, 230),
    Measure("exang", levels=(0, 1)),
    Measure("oldpeak", -4, 8),
)
HARBOR = "harbor"


@dataclass(frozen=True, slots=True)
class _Habits:
    """How a hospital works."""

    rows: int
    age: float
    """Mean of its patients'."""
    gaps: Mapping[str, float]
    """Share of records in which something was not measured; 1: it never is."""
    pain: float = 1.0
    """How much chest pain tells there."""


_HABITS = {
    "alpine": _Habits(420, 52, {"chol": 0.03}),
    HARBOR: _Habits(300, 58, {"chol": 1.0, "trestbps": 0.05}, pain=0.3),
    "river": _Habits(180, 61, {"oldpeak": 0.25, "exang": 0.15, "thalach": 0.1}),
    "valley": _Habits(66, 55, {"trestbps": 0.1}),
}
_WEIGHT = {"river": "weight"}
"""Who writes down a column that nobody else has."""


def invented_study(seed: int = SEED) -> Study:
    """Hospitals of this seed."""
    random = Random(seed)
    return Study(
        title=f"four invented hospitals (seed {seed})",
        hospitals=tuple(_hospital(random, name, habits) for name, habits in _HABITS.items()),
        measures=MEASURES,
        missing="mean",
    )


def _hospital(random: Random, name: str, habits: _Habits) -> Hospital:
    people = [_person(random, habits) for _ in range(habits.rows)]
    columns: dict[str, tuple[Value, ...]] = {}
    for measure in MEASURES:
        share = habits.gaps.get(measure.name, 0.0)
        if share < 1:
            columns[measure.name] = tuple(
                None if random.random() < share else person[measure.name] for person in people
            )
    left_out = (_WEIGHT[name],) if name in _WEIGHT else ()
    for one in left_out:
        columns[one] = tuple(random.randint(45, 130) for _ in people)
    columns[TARGET] = tuple(person[TARGET] for person in people)
    columns[HELD_OUT] = tuple(int(random.random() < TESTED) for _ in people)
    return Hospital(name, columns, left_out)


def _person(random: Random, habits: _Habits) -> dict[str, int | float]:
    age = _within(random.gauss(habits.age, 9), 18, 110)
    sex, pain = int(random.random() < 0.65), random.choices((1, 2, 3, 4), (8, 18, 26, 48))[0]
    pressure, chol = random.gauss(132, 17), random.gauss(240, 45)
    pulse = random.gauss(208 - age, 17)
    angina = int(random.random() < (0.45 if pain == 4 else 0.15))
    oldpeak = max(random.gauss(0.9, 1.0), -2.0)
    score = (
        -1.5
        + 0.045 * (age - 54)
        + 1.1 * sex
        + habits.pain * (1.6 if pain == 4 else -0.6)
        + 0.010 * (pressure - 132)
        + 0.006 * (chol - 240)
        - 0.025 * (pulse - 150)
        + 0.8 * angina
        + 0.55 * oldpeak
    )
    ill = random.random() < 1 / (1 + exp(-score))
    return {
        "age": age,
        "sex": sex,
        "cp": pain,
        "trestbps": _within(pressure, 60, 260),
        "chol": _within(chol, 80, 700),
        "thalach": _within(pulse, 40, 230),
        "exang": angina,
        "oldpeak": round(min(oldpeak, 8.0), 1),
        TARGET: random.randint(1, TARGET_MAX) if ill else 0,
    }


def _within(value: float, low: int, high: int) -> int:
    return min(max(round(value), low), high)
