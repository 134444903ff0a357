"""The four hospitals of the UCI heart disease set, and FLamby's split of their records.

Owns the files' form and the split: 66 records of 100 to learn from and 34 to test, by label, drawn
with numpy's legacy generator from seed 43, over records without a gap in what is learned from. It
is written out here because a node loads no numpy; a test compares it with scikit-learn's.
"""

from collections.abc import Sequence
from itertools import islice
from math import ceil, floor
from pathlib import Path
from random import Random

from strongroom.consensus.errors import OperatorFault
from strongroom.node.demo.health.records import (
    HELD_OUT,
    TARGET,
    Hospital,
    Measure,
    Published,
    Study,
    Value,
)

HOSPITALS = ("cleveland", "hungarian", "switzerland", "va")
COLUMNS = (
    *("age", "sex", "cp", "trestbps", "chol", "fbs", "restecg"),
    *("thalach", "exang", "oldpeak", "slope", "ca", "thal", TARGET),
)
MEASURES = (
    Measure("age", 0, 120),
    Measure("sex", levels=(0, 1)),
    Measure("cp", levels=(1, 2, 3, 4)),
    Measure("trestbps", 0, 300),
    Measure("chol", 0, 1000),
    Measure("fbs", levels=(0, 1)),
    Measure("restecg", levels=(0, 1, 2)),
    Measure("thalach", 0, 300),
    Measure("exang", levels=(0, 1)),
    Measure("oldpeak", -10, 10),
)
LEFT_OUT = ("slope", "ca", "thal")
"""Measured at one hospital and hardly at the others."""
PUBLISHED = Published(objective=204.03565, right=202, tested=254, auc=0.881152)
"""Of a logistic regression on these measures and this split, by scikit-learn."""
GAP = "?"
SEED, TESTED, LEARNED = 43, 0.34, 0.66
RECORDS_MAX = 100_000
"""Of one file."""


def public_study(folder: Path) -> Study:
    """The study on the public set; `folder` holds `health/processed.*.data`.

    Raises:
        OperatorFault: a file is not there, or is no such file.
    """
    return Study(
        title="UCI heart disease: Cleveland, Budapest, Zurich and Basel, Long Beach",
        hospitals=tuple(_hospital(folder, name) for name in HOSPITALS),
        measures=MEASURES,
        missing="drop",
        published=PUBLISHED,
    )


def read_public(folder: Path, name: str) -> dict[str, list[Value]]:
    """One hospital's records, all 14 columns, in the file's order.

    Raises:
        OperatorFault: the file is not there, or is no such file.
    """
    path = folder / "health" / f"processed.{name}.data"
    try:
        with path.open(encoding="ascii") as file:
            lines = [line.strip().split(",") for line in islice(file, RECORDS_MAX)]
        values = [[_value(text) for text in line] for line in lines]
    except OSError as error:
        raise OperatorFault(f"cannot read {path}: {error.strerror}") from None
    except ValueError:
        raise OperatorFault(f"{path}: {len(COLUMNS)} numbers or `{GAP}` a line") from None
    if not values or any(len(line) != len(COLUMNS) for line in values):
        raise OperatorFault(f"{path}: {len(COLUMNS)} numbers or `{GAP}` a line")
    return dict(zip(COLUMNS, map(list, zip(*values, strict=True)), strict=True))


def held_out(labels: Sequence[bool]) -> set[int]:
    """Which of these records are for testing: FLamby's split.

    By label, where each kind has more than two records; else of all alike.
    """
    draw = _LegacyDraws(SEED)
    learned, tested = floor(len(labels) * LEARNED), ceil(len(labels) * TESTED)
    kinds = [[at for at, one in enumerate(labels) if one is kind] for kind in (False, True)]
    counts = [len(one) for one in kinds]
    if min(counts) <= 2:
        return set(draw.permutation(len(labels))[:tested])
    shares = _shares(counts, learned, draw)
    left = [count - share for count, share in zip(counts, shares, strict=True)]
    wanted = _shares(left, tested, draw)
    found: set[int] = set()
    for places, share, more in zip(kinds, shares, wanted, strict=True):
        order = draw.permutation(len(places))
        found.update(places[at] for at in order[share : share + more])
    return found


class _LegacyDraws:
    """numpy's `RandomState(seed).permutation`: Mersenne Twister, Fisher and Yates by rejection."""

    def __init__(self, seed: int) -> None:
        state = [seed]
        for at in range(1, 624):  # Knuth's initialisation, which Python's own seeding replaces
            before = state[-1]
            state.append((1_812_433_253 * (before ^ (before >> 30)) + at) & 0xFFFFFFFF)
        self._random = Random()
        self._random.setstate((3, (*state, 624), None))

    def permutation(self, size: int) -> list[int]:
        """Numbers below `size` in some order."""
        order = list(range(size))
        for at in range(size - 1, 0, -1):
            other = self._at_most(at)
            order[at], order[other] = order[other], order[at]
        return order

    def _at_most(self, most: int) -> int:
        while (drawn := self._random.getrandbits(32) & ((1 << most.bit_length()) - 1)) > most:
            pass
        return drawn


def _shares(counts: Sequence[int], wanted: int, draw: _LegacyDraws) -> list[int]:
    """How many of each of two kinds: their shares, rounded down, and the one left over to the
    greater remainder; by chance if they are equal."""
    exact = [count / sum(counts) * wanted for count in counts]
    shares = [floor(one) for one in exact]
    if sum(shares) < wanted:
        rest = [one - share for one, share in zip(exact, shares, strict=True)]
        equal = rest[0] == rest[1]
        shares[draw.permutation(2)[0] if equal else rest.index(max(rest))] += 1
    return shares


def _hospital(folder: Path, name: str) -> Hospital:
    columns = read_public(folder, name)
    rows = range(len(columns[TARGET]))
    learned_from = [one.name for one in MEASURES]
    whole = [row for row in rows if all(columns[one][row] is not None for one in learned_from)]
    tested = held_out([columns[TARGET][row] != 0 for row in whole])
    marks = {whole[at] for at in tested}
    records = {one: tuple(values) for one, values in columns.items()}
    return Hospital(
        name, {**records, HELD_OUT: tuple(int(row in marks) for row in rows)}, left_out=LEFT_OUT
    )


def _value(text: str) -> Value:
    if text == GAP:
        return None
    value = float(text)
    return int(value) if value.is_integer() else value
