"""occupancy.hourly counts minutes per zone and hour and tells no short stay (ROOMS §5, §9)."""

from collections import defaultdict
from random import Random
from typing import Any

import pytest

pytest.importorskip("numpy", reason="the extra `rooms` is not installed")

from tests.enclave.room.library.public_sets import needs_public_sets, office
from tests.enclave.room.library.test_logistic import rows_of

from strongroom.enclave.primitives import Secret
from strongroom.enclave.room.analytics.noise import drawing
from strongroom.enclave.room.library import aml_round_trips, occupancy_hourly
from strongroom.enclave.room.library.checking import start
from strongroom.enclave.room.library.shapes import Budget, ProgramRefused, Table

SEED = bytes(32)
HOUR = 3_600
Readings = dict[str, list[Any]]
EXACT: dict[str, Any] = {"minutes_min": 1, "round_minutes": 1}


def count(tables: dict[str, Readings], **parameters: object) -> list[dict[str, Any]]:
    given = {alias: Table.of(columns) for alias, columns in tables.items()}
    return rows_of(start(occupancy_hourly.PROGRAM, given, parameters, SEED)["cells"])


def readings(occupied: int, empty: int = 0, hour: int = 0, **more: str) -> Readings:
    """Of one device, a minute apart."""
    total = occupied + empty
    found: Readings = {
        "time": [hour * HOUR + 60 * one for one in range(total)],
        "occupied": [1] * occupied + [0] * empty,
    }
    return {**found, **{name: [value] * total for name, value in more.items()}}


def joined(*parts: Readings) -> Readings:
    return {name: [one for part in parts for one in part[name]] for name in parts[0]}


def by_definition(tables: dict[str, Readings]) -> dict[tuple[str, int], int]:
    """Minutes of each cell, of the device that saw most."""
    seen: dict[tuple[str, int, str, str], set[int]] = defaultdict(set)
    cells: dict[tuple[str, int], int] = {}
    for alias, columns in tables.items():
        for time, occupied, zone, device in zip(*columns.values(), strict=True):
            times = seen[zone, time // HOUR * HOUR, alias, device]
            if occupied:
                times.add(time)
    for (zone, hour, _, _), times in seen.items():
        cells[zone, hour] = max(cells.get((zone, hour), 0), min(60, len(times)))
    return cells


def test_minutes_are_counted_as_defined() -> None:
    random = Random(1)
    for _ in range(30):
        tables: dict[str, Readings] = {}
        for alias in ("east", "west"):
            said = {
                (random.randrange(4) * HOUR + random.randrange(60) * 60, random.choice("ab")): (
                    random.randint(0, 1)
                )
                for _ in range(random.randint(0, 120))
            }
            zone = {device: random.choice(["hall", "lab"]) for device in "ab"}
            tables[alias] = {
                "time": [time for time, _ in said],
                "occupied": list(said.values()),
                "zone": [zone[device] for _, device in said],
                "device": [device for _, device in said],
            }
        told = {
            (row["zone"], int(row["hour"])): int(row["minutes"]) for row in count(tables, **EXACT)
        }
        assert told == by_definition(tables)


def test_a_short_stay_and_an_empty_room_look_the_same() -> None:
    def told(minutes: int) -> list[dict[str, Any]]:
        return count({"hall": readings(minutes, 60 - minutes)}, minutes_min=5)

    assert told(4) == told(0)
    assert told(5) != told(0)
    assert (told(4)[0]["told"], told(4)[0]["minutes"]) == (False, 0)


@pytest.mark.parametrize(("minutes", "shown"), [(5, 5), (7, 5), (8, 10), (57, 55), (60, 60)])
def test_minutes_are_rounded(minutes: int, shown: int) -> None:
    (cell,) = count({"hall": readings(minutes, 60 - minutes)}, minutes_min=5, round_minutes=5)
    assert cell["minutes"] == shown


def test_a_zone_is_occupied_as_long_as_the_device_that_saw_most_says() -> None:
    table = joined(readings(20, 40, device="a"), readings(30, 30, device="b"))
    (cell,) = count({"hall": table}, **EXACT)
    assert cell["minutes"] == 30


def test_devices_of_two_owners_are_two_whatever_they_are_called() -> None:
    mine = readings(20, zone="hall", device="a")
    yours = readings(0, 20, zone="hall", device="a")
    (cell,) = count({"mine": mine, "yours": yours}, **EXACT)
    assert cell["minutes"] == 20


def test_a_reading_that_comes_again_counts_once() -> None:
    once = readings(20, 40)
    assert count({"hall": joined(once, once)}, **EXACT) == count({"hall": once}, **EXACT)


def test_a_device_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(ProgramRefused, match="conflict: a device says two things about one time"):
        count({"hall": joined(readings(20), readings(0, 20))})


def test_an_hour_holds_an_hour_and_the_reading_that_reaches_beyond_it() -> None:
    fast: Readings = {"time": [59 * one for one in range(62)], "occupied": [1] * 62}
    cells = count({"hall": fast}, **EXACT)
    assert [row["minutes"] for row in cells] == [61]
    faster: Readings = {"time": list(range(600)), "occupied": [1] * 600}
    (cell,) = count({"hall": faster}, **EXACT)
    assert cell["minutes"] == 61


def test_cells_come_by_zone_and_hour_in_any_order_of_rows() -> None:
    parts = [readings(10, zone=zone, hour=hour) for zone in "ba" for hour in (7, 3)]
    cells = count({"all": joined(*parts)})
    assert [(row["zone"], row["hour"] // HOUR) for row in cells] == [
        ("a", 3),
        ("a", 7),
        ("b", 3),
        ("b", 7),
    ]
    assert count({"all": joined(*reversed(parts))}) == cells


@pytest.mark.parametrize(
    "change",
    [
        *({"time": [-987]}, {"time": [2**50]}, {"occupied": [987]}, {"occupied": ["987"]}),
        *({"time": [1.5]}, {"zone": [None]}),
    ],
)
def test_readings_beyond_their_bounds_are_refused_without_a_value(change: Readings) -> None:
    with pytest.raises(ProgramRefused) as refused:
        count({"hall": {**readings(1), **change}})
    assert "987" not in str(refused.value)


def test_too_many_cells_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(occupancy_hourly, "CELLS_MAX", 2)
    parts = [readings(10, hour=hour) for hour in range(3)]
    with pytest.raises(ProgramRefused, match="cells"):
        count({"hall": joined(*parts)})


def test_no_readings_no_cells() -> None:
    assert count({"hall": readings(0)}) == []


@needs_public_sets
def test_an_office_in_february() -> None:
    """UCI occupancy detection: 346 hours with data, 107 of them occupied, for 4,750 minutes."""
    cells = count({"office": dict(office())}, **EXACT)
    assert len(cells) == 346
    assert sum(row["minutes"] > 0 for row in cells) == 107
    assert sum(row["minutes"] for row in cells) == 4_750


# --- noise ----------------------------------------------------------------------------------------

EPSILON = 1_000_000


def noised(
    tables: dict[str, Readings],
    *,
    epsilon: int = EPSILON,
    groups: int = 1,
    seed: bytes = SEED,
    **parameters: object,
) -> list[dict[str, Any]]:
    given = {alias: Table.of(columns) for alias, columns in tables.items()}
    draw = drawing(Secret(seed), occupancy_hourly.NAME)
    budget = Budget(epsilon=epsilon, groups=groups, draw=draw)
    found = start(occupancy_hourly.PROGRAM, given, parameters, seed, budget=budget)
    return rows_of(found["cells"])


def floor(hours: int, desks: int, minutes: int = 30) -> Readings:
    """Of a floor whose every desk has a device: each is taken for so many minutes of an hour."""
    return joined(
        *(
            readings(minutes, 60 - minutes, hour=hour, zone="floor", device=f"desk {desk}")
            for desk in range(desks)
            for hour in range(hours)
        )
    )


def test_minutes_of_all_devices_may_be_added() -> None:
    (cell,) = count({"office": floor(1, 7)}, **EXACT, devices="sum")
    assert cell["minutes"] == 7 * 30
    (cell,) = count({"office": floor(1, 7)}, **EXACT)
    assert cell["minutes"] == 30


def test_T62_the_same_job_draws_the_same_noise_and_another_job_another() -> None:
    table = {"office": floor(20, 5)}
    once, again = (noised(table, **EXACT, devices="sum") for _ in range(2))
    other = noised(table, **EXACT, devices="sum", seed=bytes([1]) * 32)
    assert once == again
    assert sum(one != two for one, two in zip(once, other, strict=True)) > 15
    drawn = {int(row["minutes"]) for row in once}
    assert len(drawn) > 10, "each cell has noise of its own"


@pytest.mark.parametrize(("groups", "epsilon"), [(1, EPSILON), (4, EPSILON), (1, 4 * EPSILON)])
def test_T62_noise_has_the_scale_of_a_person_in_so_many_hours(groups: int, epsilon: int) -> None:
    """E|L| of a Laplace distribution is its scale: 60 minutes times hours, by ε."""
    table, hours, desks = {"office": floor(400, 30)}, 400, 30
    cells = noised(table, **EXACT, devices="sum", groups=groups, epsilon=epsilon)
    assert len(cells) == hours
    away = [abs(int(row["minutes"]) - 30 * desks) for row in cells]
    scale = 60 * groups * EPSILON / epsilon
    assert 0.8 * scale < sum(away) / hours < 1.2 * scale


def test_T62_what_one_person_moves_is_bounded_however_often_a_device_reports() -> None:
    """Neighbours: with and without one visit of a whole hour, by a device that reports ten times
    as often as it should."""
    fast: Readings = {"time": list(range(0, HOUR, 6)), "occupied": [1] * 600}
    empty: Readings = {"time": list(range(0, HOUR, 6)), "occupied": [0] * 600}
    certain = 10**5 * EPSILON  # a scale that rounds away
    for devices in ("most", "sum"):
        (with_, without) = (
            noised({"hall": one}, **EXACT, devices=devices, epsilon=certain)[0]["minutes"]
            for one in (fast, empty)
        )
        assert (with_, without) == (60, 0)


def test_T62_suppression_hangs_on_the_noisy_number_alone() -> None:
    """An empty hour shows now and then, and a busy one now and then does not."""
    empty = noised({"office": floor(200, 1, minutes=0)}, minutes_min=30)
    assert 10 < sum(row["told"] for row in empty) < 190
    busy = noised({"office": floor(200, 1, minutes=60)}, minutes_min=30)
    assert 10 < sum(not row["told"] for row in busy) < 190
    assert all(0 <= row["minutes"] <= 60 for row in (*empty, *busy))


def test_too_many_cells_for_noise_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(occupancy_hourly, "NOISED_CELLS_MAX", 2)
    with pytest.raises(ProgramRefused, match="cells"):
        noised({"office": floor(3, 1)})


def test_a_program_that_adds_no_noise_takes_no_charge_for_it() -> None:
    budget = Budget(epsilon=1, groups=1, draw=lambda *_: 0)
    with pytest.raises(ProgramRefused, match="noise"):
        start(aml_round_trips.PROGRAM, {"a": Table.of({})}, {}, SEED, budget=budget)
