"""occupancy.hourly: how many minutes of each hour a zone was occupied; short stays are not told.

A device reports at times whether its zone is occupied; each reading stands for `reading_seconds`
and counts wholly for the hour in which it was made, by the readings' own clock. A zone is occupied
for as long as the device says that saw most: at most an hour, and the reading that reaches beyond
its end.

A cell below `minutes_min` says that it is below, whether somebody passed or nobody came: one cannot
tell a short visit from an empty room. There are no sums beside the cells that would tell it.

A job that was charged ε answers with noise. Somebody who is seen by one device at a time moves all
cells of one hour together by at most its 3,600 seconds, whichever zones he visits; so who is there
in at most g hours moves the whole table by 3,600 · g, and each cell is told with discrete Laplace
noise of the scale 3,600 · g / ε seconds. What is below `minutes_min` is told from there on, and
hangs on rows no more than the noisy number does. g is the owners' word: somebody of 2 · g hours is
protected with 2 · ε.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from strongroom.enclave.room.library.shapes import (
    Budget,
    Column,
    Inputs,
    Kind,
    Outputs,
    Parameter,
    Program,
    ProgramRefused,
    Table,
    TableSchema,
    Values,
)

NAME = "occupancy.hourly"
HOUR_SECONDS = 3_600
READING_SECONDS_MAX = 2**40
CELLS_MAX = 1_000_000
NOISED_CELLS_MAX = 100_000
"""Each takes about 50 µs."""
MICROS = 10**6
_NAME = (Kind.TEXT, Kind.INTEGER)
INPUT = TableSchema(
    columns=(
        Column(name="time", kinds=(Kind.INTEGER,), meaning="seconds, of the building's own clock"),
        Column(name="occupied", kinds=(Kind.INTEGER, Kind.TRUTH), meaning="1 or 0"),
        Column(
            name="zone",
            kinds=_NAME,
            meaning="where the device looks; without it the table is one zone",
            optional=True,
        ),
        Column(
            name="device",
            kinds=_NAME,
            meaning="which one; without it the table is one device",
            optional=True,
        ),
    )
)
OUTPUTS = {
    "cells": TableSchema(
        columns=(
            Column(name="zone", kinds=(Kind.TEXT,), meaning="of the readings"),
            Column(name="hour", kinds=(Kind.INTEGER,), meaning="its first second"),
            Column(name="told", kinds=(Kind.TRUTH,), meaning="false: fewer than minutes_min"),
            Column(name="minutes", kinds=(Kind.INTEGER,), meaning="rounded; 0 if not told"),
        )
    )
}
PARAMETERS = (
    Parameter(
        name="reading_seconds",
        type=int,
        meaning="seconds that one reading stands for",
        default=60,
        minimum=1,
        maximum=HOUR_SECONDS,
    ),
    Parameter(
        name="minutes_min",
        type=int,
        meaning="fewer minutes of an hour are not told",
        default=5,
        minimum=1,
        maximum=60,
    ),
    Parameter(
        name="round_minutes",
        type=int,
        meaning="minutes are told in multiples of this",
        default=5,
        minimum=1,
        maximum=60,
    ),
    Parameter(
        name="devices",
        type=str,
        meaning="a zone's minutes: of the device that saw `most`, or the `sum` of all",
        default="most",
        choices=("most", "sum"),
    ),
)


def run(room: Inputs) -> Outputs:
    """Count by zone and hour.

    Raises:
        ProgramRefused: `bounds`: a value is beyond its bounds; `conflict`: a device contradicts
            itself; `cells`: there are too many zones and hours.
    """
    zones: dict[str, int] = {}
    parts = [_readings(room.tables[alias], alias, zones) for alias in sorted(room.tables)]
    devices_before = np.cumsum([0, *(int(part[1].max(initial=-1)) + 1 for part in parts)])
    zone, device, time, occupied = (
        np.concatenate([part[column] for part in parts]) for column in range(4)
    )
    lengths = [len(part[0]) for part in parts]
    device = device + np.repeat(devices_before[:-1], lengths)
    names = sorted(zones)
    order = np.empty(len(names), dtype=np.int64)
    order[[zones[name] for name in names]] = np.arange(len(names))
    reading = room.integer("reading_seconds")
    most = HOUR_SECONDS if room.budget else HOUR_SECONDS + reading
    kept = _by_device(order[zone], device, time, occupied)
    zone, hour, seconds = _cells(*kept, reading, most, room.text("devices"))
    cells_max = NOISED_CELLS_MAX if room.budget else CELLS_MAX
    if len(zone) > cells_max:
        raise ProgramRefused("cells", f"zones and hours make more than {cells_max} cells")
    if room.budget is not None:
        keys = [(names[one], at) for one, at in zip(zone.tolist(), hour.tolist(), strict=True)]
        seconds = _noisy(seconds, keys, room.budget)
        if room.text("devices") == "most":
            seconds = np.minimum(seconds, HOUR_SECONDS)
    minutes = seconds // 60
    told = minutes >= room.integer("minutes_min")
    step = room.integer("round_minutes")
    shown = np.where(told, (minutes + step // 2) // step * step, 0)
    return {
        "cells": Table.of(
            {
                "zone": [names[one] for one in zone.tolist()],
                "hour": hour * HOUR_SECONDS,
                "told": told,
                "minutes": shown,
            }
        )
    }


Numbers = NDArray[np.int64]


def _readings(
    table: Table, alias: str, zones: dict[str, int]
) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """Columns zone, device, time and occupied, as numbers."""
    devices: dict[str, int] = {}
    return (
        _numbered(zones, table.columns, "zone", alias, table.rows),
        _numbered(devices, table.columns, "device", alias, table.rows),
        _bounded(table.columns["time"], READING_SECONDS_MAX, "time", alias),
        _bounded(table.columns["occupied"], 1, "occupied", alias),
    )


def _numbered(
    numbers: dict[str, int], columns: Mapping[str, Values], name: str, alias: str, rows: int
) -> Numbers:
    if name not in columns:
        return np.full(rows, numbers.setdefault(alias, len(numbers)), dtype=np.int64)
    values = columns[name]
    texts = map(str, values.tolist() if isinstance(values, np.ndarray) else values)
    return np.array([numbers.setdefault(one, len(numbers)) for one in texts], dtype=np.int64)


def _bounded(values: Values, high: int, name: str, alias: str) -> Numbers:
    if not len(values):
        return np.empty(0, dtype=np.int64)
    try:
        numbers = np.asarray(values).astype(np.int64, casting="safe")
    except (TypeError, OverflowError):
        numbers = None
    if numbers is None or numbers.min() < 0 or numbers.max() > high:
        raise ProgramRefused(
            "bounds", f"column {name} of table {alias} must lie within 0 and {high}"
        )
    return numbers


def _by_device(
    zone: Numbers, device: Numbers, time: Numbers, occupied: Numbers
) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """Columns zone, device, hour and occupied, sorted; a reading that comes again counts once."""
    order = np.lexsort((occupied, time, device, zone))
    zone, device, time, occupied = zone[order], device[order], time[order], occupied[order]
    again = _same(zone, device, time)
    if (again[1:] & (occupied[1:] != occupied[:-1])).any():
        raise ProgramRefused("conflict", "a device says two things about one time: mend its table")
    return zone[~again], device[~again], time[~again] // HOUR_SECONDS, occupied[~again]


def _cells(
    zone: Numbers,
    device: Numbers,
    hour: Numbers,
    occupied: Numbers,
    reading: int,
    most: int,
    devices: str,
) -> tuple[Numbers, Numbers, Numbers]:
    """(zone, hour, occupied seconds) of each cell; of one device at most so many."""
    first = np.flatnonzero(~_same(zone, device, hour))
    seconds = np.add.reduceat(occupied, first) if len(first) else first
    seconds = np.minimum(seconds * reading, most)
    zone, hour = zone[first], hour[first]
    order = np.lexsort((seconds, hour, zone))
    zone, hour, seconds = zone[order], hour[order], seconds[order]
    first = np.flatnonzero(~_same(zone, hour))
    if not len(first):
        return zone, hour, seconds
    join = np.maximum if devices == "most" else np.add
    return zone[first], hour[first], join.reduceat(seconds, first)


def _noisy(seconds: Numbers, cells: list[tuple[str, int]], budget: Budget) -> Numbers:
    """Each cell with its own noise, which hangs on the job and the cell alone."""
    scale = HOUR_SECONDS * budget.groups * MICROS, budget.epsilon
    told = [
        one + budget.draw(cell, *scale) for one, cell in zip(seconds.tolist(), cells, strict=True)
    ]
    return np.array([min(max(one, 0), READING_SECONDS_MAX) for one in told], dtype=np.int64)


def _same(*columns: Numbers) -> NDArray[np.bool_]:
    """Whether each row equals the one before it."""
    same = np.zeros(len(columns[0]), dtype=bool)
    same[1:] = np.all([column[1:] == column[:-1] for column in columns], axis=0)
    return same


PROGRAM = Program(
    name=NAME,
    finds="for how many minutes of each hour a zone was occupied",
    parameters=PARAMETERS,
    inputs=lambda parameters: INPUT,
    outputs=OUTPUTS,
    run=run,
    noised=True,
)
