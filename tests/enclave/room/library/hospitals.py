"""Invented hospitals for tests of models, and the public ones with FLamby's split."""

from random import Random

from tests.enclave.room.library.public_sets import FOLDER

from strongroom.enclave.room.library.shapes import Table
from strongroom.node.demo.health.public import public_study
from strongroom.node.demo.health.records import HELD_OUT

HEART = [
    *("age 0..120", "sex {0,1}", "cp {1,2,3,4}", "trestbps 0..300", "chol 0..1000", "fbs {0,1}"),
    *("restecg {0,1,2}", "thalach 0..300", "exang {0,1}", "oldpeak -10..10"),
]
SEED = bytes(32)
COLUMNS = ["age 0..120", "pain {1,2,3}", "pressure 50..250"]
Columns = dict[str, list[float | int | None]]


def invented(seed: int, rows: int = 60, gaps: float = 0.0) -> Columns:
    """A hospital whose patients are ill by age, pain and chance; each third row is held out."""
    random = Random(seed)
    found: Columns = {"age": [], "pain": [], "pressure": [], "ill": [], "held": []}
    for row in range(rows):
        age, pain = random.randint(30, 80), random.randint(1, 3)
        ill = age / 40 + (pain == 3) + random.gauss(0, 0.7) > 2
        values = {"age": age, "pain": pain, "pressure": round(random.gauss(130, 15), 1)}
        for name, value in values.items():
            found[name].append(None if random.random() < gaps else value)
        found["ill"].append(int(ill) * random.randint(1, 4))
        found["held"].append(int(row % 3 == 0))
    return found


def table(columns: Columns) -> Table:
    """As a program is given it."""
    return Table.of(columns)


def public_hospitals() -> dict[str, Table]:
    """The four of the heart disease set; `held` is FLamby's split of rows without gaps (0.66, seed
    43, by label), as the demo draws it: tests/node/demo/test_health_records.py compares it with
    scikit-learn's."""
    return {
        one.name: Table.of({**one.records, "held": one.records[HELD_OUT]})
        for one in public_study(FOLDER).hospitals
    }
