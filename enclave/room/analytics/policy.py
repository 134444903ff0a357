"""A data set's policy: which columns may be used how, and how much may be learnt (ROOMS §2).

Owns the closed form, its canonical bytes and the strictest of several. Empty means nothing: a
column without a use is used by no query, and a policy that does not say how answers are protected
does not exist. Knows no query, no rows, no ledger; who may run which program is the contract's.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from math import lcm

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical
from strongroom.enclave.room.analytics.refusals import PolicyRefused
from strongroom.enclave.room.analytics.types import (
    INTEGER_MAX,
    INTEGER_MIN,
    NUMBERS,
    SCALE_MAX,
    Kind,
    Type,
)

VERSION = 1
COLUMNS_MAX = 256
POLICY_WIRE_BYTES_MAX = 64 * 1024
NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
"""Of columns and aliases: ASCII, so that two names that look alike are one."""
MICROS = 10**6
"""Bounds, roundings and ε are whole numbers of 10⁻⁶."""
K_MAX = 10**6
"""The largest k, and the largest threshold."""
EPSILON_MICROS_MAX = 100 * MICROS
CONTRIBUTIONS_MAX = 10**4
"""Groups of one unit, and rows of one unit within one group, under differential privacy."""


class Use(Enum):
    """What a query may do with a column; the number is its bit on the wire."""

    OUTPUT = 0
    """Its values may label groups of the result."""
    GROUP = 1
    """Rows may be grouped by it."""
    AGGREGATE = 2
    """It may be counted, summed, averaged."""
    FILTER = 3
    """It may be compared with literals and other filter columns."""
    JOIN = 4
    """It may stand in the equality of a join."""
    IDENTITY = 5
    """It names a unit: counted distinct, and joined if JOIN too; never anything else."""


_BESIDE_IDENTITY = frozenset({Use.IDENTITY, Use.JOIN})


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnPolicy:
    """One column: its type, its uses, its bounds."""

    name: str
    type: Type
    uses: frozenset[Use]
    bounds: tuple[int, int] | None = None
    """Least and greatest value, in 10⁻⁶: what lies outside counts as the bound."""
    rounding: int = 0
    """Sums, averages and deviations are told as multiples of this, in 10⁻⁶; 0: exactly."""

    def __post_init__(self) -> None:
        if NAME.fullmatch(self.name) is None:
            raise PolicyRefused(
                f"column {self.name[:63]!r}: a name is a to z, 0 to 9 and _, at most 63"
            )
        if Use.IDENTITY in self.uses and not self.uses <= _BESIDE_IDENTITY:
            raise PolicyRefused(
                f"column {self.name}: identity stands alone or beside join: take the others away"
            )
        scale = self.type.scale
        if not 0 <= scale <= SCALE_MAX or (scale and self.type.kind is not Kind.DECIMAL):
            raise PolicyRefused(f"column {self.name}: a decimal has 0 to {SCALE_MAX} digits")
        self._check_numbers()

    def _check_numbers(self) -> None:
        if self.type.kind not in NUMBERS:
            if self.bounds is not None or self.rounding:
                raise PolicyRefused(f"column {self.name}: only numbers have bounds and rounding")
            return
        if self.bounds is not None and self.bounds[0] > self.bounds[1]:
            raise PolicyRefused(f"column {self.name}: its least bound is above its greatest")
        if self.rounding < 0:
            raise PolicyRefused(f"column {self.name}: its rounding is negative")
        for number in (*(self.bounds or ()), self.rounding):
            if self.type.kind is not Kind.REAL and number * 10**self.type.scale % MICROS:
                raise PolicyRefused(
                    f"column {self.name}: bounds and rounding have no more digits than its type"
                )
        if self.type.kind is Kind.REAL and Use.AGGREGATE in self.uses and self.bounds is None:
            raise PolicyRefused(
                f"column {self.name}: a real number that is aggregated needs bounds"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """Differential privacy, which then holds for every query over the data set."""

    epsilon_job: int
    """In 10⁻⁶, of one job at most."""
    epsilon_life: int
    """In 10⁻⁶, of all jobs together: the ledger charges it before each."""
    groups: int
    """Of one unit at most; further ones do not count it."""
    rows: int
    """Of one unit within one group at most."""
    threshold: int
    """A group whose key nobody named in the contract shows from this noisy count of units on."""

    def __post_init__(self) -> None:
        if not 0 < self.epsilon_job <= min(self.epsilon_life, EPSILON_MICROS_MAX):
            raise PolicyRefused(
                f"noise: ε of a job is above 0, at most that for life and {EPSILON_MICROS_MAX}"
            )
        if not (0 < self.groups <= CONTRIBUTIONS_MAX and 0 < self.rows <= CONTRIBUTIONS_MAX):
            raise PolicyRefused(f"noise: groups and rows of a unit are 1 to {CONTRIBUTIONS_MAX}")
        if not 1 < self.threshold <= K_MAX:
            raise PolicyRefused(f"noise: a threshold is 2 to {K_MAX}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPolicy:
    """What queries may do with one data set."""

    columns: tuple[ColumnPolicy, ...]
    """All of its schema, in order."""
    unit: str
    """The column that names whose row it is."""
    k: int
    """Distinct units at least, of every group that shows."""
    rounding: int
    """Counts are told as multiples of this; 1: exactly."""
    noise: Noise | None
    """None: exact answers, protected by k and rounding alone."""

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        if not 0 < len(names) <= COLUMNS_MAX or len(set(names)) < len(names):
            raise PolicyRefused(f"a policy has 1 to {COLUMNS_MAX} columns of different names")
        if self.unit not in names or Use.IDENTITY not in self.column(self.unit).uses:
            raise PolicyRefused("the unit is one of the columns, and its use is identity")
        if self.column(self.unit).type.kind is Kind.REAL:
            raise PolicyRefused("the unit is no real number: two that look alike would be two")
        if not (1 <= self.k <= K_MAX and 1 <= self.rounding <= K_MAX):
            raise PolicyRefused(f"k and the rounding of counts are 1 to {K_MAX}")

    def column(self, name: str) -> ColumnPolicy:
        """The column of this name."""
        return next(column for column in self.columns if column.name == name)

    def encode(self) -> bytes:
        """Canonical bytes: what is stored, and what a contract's id commits to."""
        columns = tuple(_column_wire(column) for column in self.columns)
        noise = self.noise
        parts: tuple[int, ...] = ()
        if noise is not None:
            parts = (
                noise.epsilon_job,
                noise.epsilon_life,
                noise.groups,
                noise.rows,
                noise.threshold,
            )
        return codec.encode((VERSION, columns, self.unit, self.k, self.rounding, parts))

    @classmethod
    def decode(cls, data: bytes) -> "DataPolicy":
        """Read canonical bytes.

        Raises:
            NotCanonical: they are none, or say what no policy may say.
        """
        value = codec.decode(data, size_max=POLICY_WIRE_BYTES_MAX)
        version, columns, unit, k, rounding, noise = codec.fields(
            value, int, tuple, str, int, int, tuple, name="policy"
        )
        if version != VERSION:
            raise NotCanonical(f"policy: version {version}, expected {VERSION}")
        try:
            return cls(
                columns=tuple(
                    _read_column(one)
                    for one in codec.listed(columns, name="columns", count_max=COLUMNS_MAX)
                ),
                unit=unit,
                k=k,
                rounding=rounding,
                noise=_read_noise(noise) if noise else None,
            )
        except PolicyRefused as error:
            raise NotCanonical(f"policy: {error}") from None


def strictest(parts: Sequence[ColumnPolicy], name: str) -> ColumnPolicy:
    """The policy of a column that was made of these: uses that all allow, the narrowest bounds.

    Raises:
        PolicyRefused: there is none, they differ in type, or their bounds do not meet.
    """
    if not parts or len({part.type for part in parts}) > 1:
        raise PolicyRefused(f"column {name}: it is made of columns of one type")
    bounds = [part.bounds for part in parts if part.bounds is not None]
    steps = [part.rounding for part in parts if part.rounding]
    return ColumnPolicy(
        name=name,
        type=parts[0].type,
        uses=frozenset.intersection(*(part.uses for part in parts)),
        bounds=(max(low for low, _ in bounds), min(high for _, high in bounds)) if bounds else None,
        rounding=lcm(*steps) if steps else 0,
    )


def combine(policies: Sequence[DataPolicy]) -> DataPolicy:
    """The policy of an asset that was made of these data sets, over the columns that they share.

    A multiple of the least common multiple is a multiple of each, hence the roundings; the rest is
    the greater k, the lesser ε.

    Raises:
        PolicyRefused: units or types differ, or no column is shared.
    """
    if not policies or len({policy.unit for policy in policies}) > 1:
        raise PolicyRefused("policies combine when they name the unit alike")
    shared = [
        name
        for name in (column.name for column in policies[0].columns)
        if all(any(column.name == name for column in policy.columns) for policy in policies)
    ]
    rounding = lcm(*(policy.rounding for policy in policies))
    noises = [policy.noise for policy in policies if policy.noise is not None]
    return DataPolicy(
        columns=tuple(
            strictest([policy.column(name) for policy in policies], name) for name in shared
        ),
        unit=policies[0].unit,
        k=max(policy.k for policy in policies),
        rounding=rounding,
        noise=_strictest_noise(noises) if noises else None,
    )


def _strictest_noise(noises: Sequence[Noise]) -> Noise:
    life = min(noise.epsilon_life for noise in noises)
    return Noise(
        epsilon_job=min(life, *(noise.epsilon_job for noise in noises)),
        epsilon_life=life,
        groups=min(noise.groups for noise in noises),
        rows=min(noise.rows for noise in noises),
        threshold=max(noise.threshold for noise in noises),
    )


def _column_wire(column: ColumnPolicy) -> codec.Wire:
    uses = sum(1 << use.value for use in column.uses)
    bounds = column.bounds or ()
    return (column.name, column.type.kind.value, column.type.scale, uses, bounds, column.rounding)


def _read_column(value: codec.Wire) -> ColumnPolicy:
    name, kind, scale, uses, bounds, rounding = codec.fields(
        value, str, str, int, int, tuple, int, name="column"
    )
    if kind not in {one.value for one in Kind} or not 0 <= uses < 1 << len(Use):
        raise NotCanonical("column: of no known type or use")
    if bounds and (len(bounds) != 2 or any(type(one) is not int for one in bounds)):
        raise NotCanonical("column: its bounds are two integers, or none")
    for number in bounds:
        if not INTEGER_MIN <= number <= INTEGER_MAX:
            raise NotCanonical("column: a bound is beyond 64 bits")
    return ColumnPolicy(
        name=name,
        type=Type(Kind(kind), scale),
        uses=frozenset(use for use in Use if uses >> use.value & 1),
        bounds=(bounds[0], bounds[1]) if bounds else None,
        rounding=rounding,
    )


def _read_noise(value: codec.Wire) -> Noise:
    job, life, groups, rows, threshold = codec.fields(value, int, int, int, int, int, name="noise")
    return Noise(epsilon_job=job, epsilon_life=life, groups=groups, rows=rows, threshold=threshold)
