"""The occupancy scenario: its week, its picture, and the whole of it on a real cluster."""

import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

pytest.importorskip("numpy", reason="the extra `rooms` is not installed")

from tests.enclave.room.library.public_sets import FOLDER, needs_public_sets

from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.types import ChainId
from strongroom.enclave.formats.clean_rooms.batches import (
    SignedFor,
    chained,
    checked_rows,
    moves_of,
)
from strongroom.enclave.room.analytics.streams import Stream
from strongroom.enclave.room.library import occupancy_hourly
from strongroom.enclave.room.library.checking import start
from strongroom.enclave.room.library.shapes import Table
from strongroom.enclave.room.worker import tables
from strongroom.node.demo.occupancy import counts, public, texts
from strongroom.node.demo.occupancy.heatmap import SUPPRESSED, draw_hours
from strongroom.node.demo.occupancy.refusals import visit
from strongroom.node.demo.occupancy.sensing import Device
from strongroom.node.demo.occupancy.world import (
    DAY,
    HOUR,
    START,
    Reading,
    World,
    counted,
    make_world,
)
from strongroom.node.rooms.data_terms import read_terms_file

ROOT = Path(__file__).parents[3]
SVG = "{http://www.w3.org/2000/svg}"
CHAIN, OWNER = ChainId(bytes(32)), bytes([9]) * 32


def small(world: World) -> World:
    """Two days of it."""
    hubs = tuple(replace(hub, batches=hub.batches[:2]) for hub in world.hubs)
    return replace(world, hubs=hubs)


def programs(world: World) -> dict[tuple[str, int], int]:
    """What the program says of what devices sign."""
    streams = {}
    for hub in world.hubs:
        device = Device(hub, CHAIN, OWNER, "readings")
        batches = [device.sign(batch) for batch in hub.batches]
        chain = chained(b"", moves_of([(one.device, one.counter) for one in batches]))
        segment = b"".join(one.encode() for one in batches)
        stream = SignedFor(CHAIN, OWNER, "readings")
        rows = checked_rows([segment], stream, bytes(chain))
        streams[hub.name] = tables.read(Stream.of(*rows))
    given = counts.parameters(world) | {"minutes_min": 1, "round_minutes": 1}
    cells = start(occupancy_hourly.PROGRAM, streams, given, bytes(32))["cells"]
    assert isinstance(cells, Table)
    told = cells.columns
    rows_told = zip(told["zone"], told["hour"], told["minutes"], strict=True)
    return {(str(zone), int(hour)): int(minutes) for zone, hour, minutes in rows_told}


def test_a_made_week_is_the_same_for_its_seed_and_counted_as_the_program_counts() -> None:
    assert make_world(7) == make_world(7) != make_world(8)
    world = small(make_world(7))
    assert programs(world) == counted(world.readings, world.reading_seconds, world.together)


@needs_public_sets
def test_the_public_set_has_its_right_values() -> None:
    world = public.read_world(FOLDER)
    cells = counted(world.readings, world.reading_seconds, world.together)
    assert programs(world) == cells
    busy = [minutes for minutes in cells.values() if minutes >= world.minutes_min]
    assert (len(cells), len(busy), sum(busy)) == public.EXPECTED == world.expected


def test_a_folder_without_the_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(OperatorFault, match=r"needs iot/occupancy_datatest\.txt\.gz"):
        public.read_world(tmp_path)


def test_a_visit_lies_after_all_other_readings_and_differs_by_one_person() -> None:
    world = make_world(7)
    hub = world.hubs[0]
    there, nobody = (visit(hub, world, there=one) for one in (True, False))
    assert [row.time for row in there] == [row.time for row in nobody]
    assert min(row.time for row in there) > max(row.time for row in world.readings)
    (cell,) = counted(there, world.reading_seconds, world.together).items()
    assert cell[1] == 30
    assert set(counted(nobody, world.reading_seconds, world.together).values()) == {0}


def test_terms_say_noise_only_where_there_is_a_budget(tmp_path: Path) -> None:
    file = tmp_path / "readings.toml"
    people = dict.fromkeys((texts.FACILITY,), bytes(32))
    for epsilon in ((0, 0), (2_000_000, 3_000_000)):
        file.write_text(texts.reading_terms(runs=3, epsilon=epsilon))
        terms, columns = read_terms_file(file, people.__getitem__)
        assert (terms.epsilon_job, terms.epsilon_life) == epsilon
        assert (columns.noise is not None) == bool(epsilon[0])


# --- the picture ----------------------------------------------------------------------------------


def rects(picture: str) -> list[ElementTree.Element]:
    root = ElementTree.fromstring(
        picture.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ')
    )
    return [one for one in root.iter(f"{SVG}rect") if one.find(f"{SVG}title") is not None]


def test_each_hour_is_told_suppressed_or_without_readings() -> None:
    cells = {
        ("hall", START + 8 * HOUR): 60,
        ("hall", START + 9 * HOUR): SUPPRESSED,
        ("hall", START + DAY): 0,
        ("lab", START + 8 * HOUR): 30,
    }
    drawn = rects(draw_hours(cells, label="a week"))
    assert len(drawn) == 2 * 2 * 24, "two zones, two days"
    told = {one.findtext(f"{SVG}title"): one.get("class") for one in drawn}
    assert told["hall, Mon 23 Nov 08:00: 60 minutes"] == "c0"
    assert told["hall, Mon 23 Nov 09:00: suppressed: too little to be told"] == "suppressed"
    assert told["hall, Tue 24 Nov 00:00: 0 minutes"] == "c0"
    assert told["lab, Mon 23 Nov 08:00: 30 minutes"] == "c1"
    assert told["lab, Mon 23 Nov 09:00: no readings"] == "empty"
    kinds = [one.get("class") for one in drawn]
    assert kinds.count("empty") == 2 * 2 * 24 - 4


def test_a_shade_grows_with_what_is_told_and_the_least_is_seen() -> None:
    cells = {("hall", START + hour * HOUR): 10 * hour for hour in range(6)}
    drawn = rects(draw_hours(cells, label="a day", most=50))
    shades = [float(one.get("opacity", "1")) for one in drawn if one.get("class") == "c0"]
    assert shades == sorted(shades)
    assert len(set(shades)) == 6
    assert shades[0] > 0.1
    assert shades[-1] == 1.0


def test_a_zones_name_is_text_and_nothing_else() -> None:
    picture = draw_hours({("<script>", START): 1}, label='"><script>')
    assert "<script>" not in picture


def test_nothing_told_is_a_picture_too() -> None:
    assert rects(draw_hours({("hall", START): SUPPRESSED}, label="a day"))
    assert draw_hours({}, label="nothing").startswith("<svg")


def test_cells_are_read_as_they_are_told() -> None:
    row = Reading(START, 1, "hall", "desk")
    assert counted([row, row], 300, "sum") == {("hall", START): 5}, "again counts once"


# --- the whole of it ------------------------------------------------------------------------------


@pytest.mark.processes
@pytest.mark.long
@pytest.mark.parametrize("data", [False, pytest.param(True, marks=needs_public_sets)])
async def test_the_scenario_holds(tmp_path: Path, data: bool) -> None:
    page = tmp_path / "occupancy.html"
    more = ["--data", str(FOLDER)] if data else []
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "scripts" / "demo.py"), "--scenario", "occupancy"),
        *("--report", str(page), "--json", *more),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, said = await process.communicate()
    assert process.returncode == 0, said.decode()[-4_000:]
    document = json.loads(output)
    assert document["ok"]
    codes = {one["code"] for one in document["refusals"]}
    assert codes >= {"replayed", "gap", "foreign-device", "differencing", "budget", "terms"}
    assert document["erased"]["keys_that_came_out_before"] > 0
    assert document["erased"]["keys_that_came_out_after"] == 0
    text = page.read_text()
    assert text.count("<svg") >= 2
    assert "http://" not in text.replace("http://www.w3.org", "")
