"""The public set UCI Occupancy Detection as three owners' readings: one office, in three periods.

Owns reading of these files, and the right values.
"""

import csv
import gzip
from datetime import UTC, datetime
from pathlib import Path

from strongroom.consensus.errors import OperatorFault
from strongroom.node.demo.occupancy.world import DAY, Hub, Reading, World

FILES = {
    "north": "iot/occupancy_datatest.txt.gz",
    "south": "iot/occupancy_datatraining.txt.gz",
    "east": "iot/occupancy_datatest2.txt.gz",
}
EXPECTED = 346, 107, 4_750
"""Hours with data, of these occupied ones, occupied minutes: by the timestamps' own hour."""
ZONE = "office"


def read_world(folder: Path) -> World:
    """The set as a world of three owners.

    Raises:
        OperatorFault: a file is missing or is another one.
    """
    try:
        hubs = [_hub(owner, folder / name) for owner, name in FILES.items()]
    except (OSError, ValueError, IndexError) as fault:
        raise OperatorFault(
            f"{folder}: needs {', '.join(FILES.values())} of UCI Occupancy Detection: {fault}"
        ) from None
    return World(
        owners=tuple(FILES),
        hubs=tuple(hubs),
        reading_seconds=60,
        together="most",
        minutes_min=1,
        round_minutes=1,
        expected=EXPECTED,
        secrets={hub.owner: hub.batches[0][0].desk for hub in hubs},
    )


def _hub(owner: str, path: Path) -> Hub:
    desk = f"sensor-of-{owner}-{path.name.partition('.')[0]}"
    days: dict[int, list[Reading]] = {}
    with gzip.open(path, "rt") as file:
        for row in list(csv.reader(file))[1:]:
            at = datetime.strptime(row[1], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
            time = int(at.timestamp())
            days.setdefault(time // DAY, []).append(Reading(time, int(row[-1]), ZONE, desk))
    return Hub(f"hub-{owner}", owner, tuple(tuple(days[day]) for day in sorted(days)))
