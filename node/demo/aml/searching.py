"""What the library's programs find in plain sight: each bank alone over its own rows, and, for the
demo alone, all rows in one place, to compare with what the clean room gave.

Owns the comparison. The programs are those that workers run (enclave/room/library).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from strongroom.enclave.room.library import catalogue
from strongroom.enclave.room.library.checking import start
from strongroom.enclave.room.library.shapes import SEED_SIZE, Table
from strongroom.node.demo.aml.texts import ROUND_TRIPS
from strongroom.node.demo.aml.transfers import ROUND_TRIP, Planted, Transfer

COLUMNS = Transfer._fields[:6]
LEGS_MIN = 6
Legs = frozenset[tuple[object, ...]]
"""One pattern: its transfers, without the channel, which programs do not read."""


def found_in(program: str, tables: Mapping[str, Sequence[Transfer]]) -> set[Legs]:
    """Patterns of a program over these owners' rows."""
    outputs = start(
        catalogue.program(program),
        {name: _table(rows) for name, rows in tables.items()},
        {},
        bytes(SEED_SIZE),
    )
    case = outputs["case"]
    assert isinstance(case, Table)
    names = tuple(case.columns)
    listed = zip(*(case.columns[name] for name in names), strict=True)
    return patterns(program, (dict(zip(names, row, strict=True)) for row in listed))


def patterns(program: str, rows: Iterable[Mapping[str, Any]]) -> set[Legs]:
    """Patterns of a case file, from its rows."""
    number = "ring" if program == ROUND_TRIPS else "pattern"
    gathered: dict[int, set[tuple[object, ...]]] = {}
    for row in rows:
        leg = (*(str(row[name]) for name in COLUMNS[:4]), int(row["time"]), int(row["amount"]))
        gathered.setdefault(int(row[number]), set()).add(leg)
    return {frozenset(legs) for legs in gathered.values()}


def legs_of(planted: Planted) -> Legs:
    """What was planted, as a pattern."""
    return frozenset(tuple(row[:6]) for row in planted.transfers)


def hit(planted: Planted, found: Iterable[Legs]) -> bool:
    """Is something that was planted among what was found: a ring as it is, three intermediaries of
    a scatter-gather (what else was paid over the same accounts may be in the pattern too)?"""
    legs = legs_of(planted)
    if planted.kind == ROUND_TRIP:
        return legs in set(found)
    return any(len(legs & one) >= LEGS_MIN for one in found)


def _table(rows: Sequence[Transfer]) -> Table:
    return Table.of({name: [row[at] for row in rows] for at, name in enumerate(COLUMNS)})
